"""MSH."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pam_receiver.hl7.er7 import parse_message
from pam_receiver.hl7.header import Header, read_header, read_header_loosely, read_sender_loosely
from pam_receiver.hl7.separators import STANDARD, Separators, unescape

MSH = (
    "MSH|^~\\&|GAM^1.2.250.1.999.1^ISO|CHU-LYRE|PAM|DMN|20250102101112.123+0100||ADT^A28^ADT_A05|MSG\\T\\1|T|2.5^FRA^2.11"
    "|||||FRA|8859/15|FR^français||2.11^IHE_FRANCE-2.11-PAM"
)


def header(text: str) -> Header:
    return read_header(parse_message(text.encode("iso8859-15")))


class TestReadHeader:
    """IHE PAM FR 2.11.2 §6.5: MSH."""

    def test_every_field_is_read(self) -> None:
        assert header(MSH) == Header(
            sending_application="GAM^1.2.250.1.999.1^ISO",
            sending_facility="CHU-LYRE",
            receiving_application="PAM",
            receiving_facility="DMN",
            sent_at="20250102101112.123+0100",
            message_code="ADT",
            trigger_event="A28",
            structure="ADT_A05",
            control_id="MSG\\T\\1",
            processing_id="T",
            processing_id_field="T",
            version="2.5",
            version_field="2.5^FRA^2.11",
            country="FRA",
            extension_version="2.11",
            country_code="FRA",
            charset="8859/15",
            language="FR",
            profile_ids="2.11^IHE_FRANCE-2.11-PAM",
            separators=STANDARD,
            encoding="iso8859-15",
        )

    def test_sender_is_application_and_facility(self) -> None:
        assert header(MSH).sender == ("GAM^1.2.250.1.999.1^ISO", "CHU-LYRE")

    def test_what_is_not_there_is_empty(self) -> None:
        assert header("MSH|^~\\&|GAM") == Header(sending_application="GAM", encoding="utf-8")

    @pytest.mark.parametrize(
        ("version", "country_code", "profile", "french"),
        [
            ("2.5^FRA^2.11", "", "", True),
            ("2.5^fra", "", "", True),
            ("2.5", "", "2.11^IHE_FRANCE-2.11-PAM", True),
            ("2.5", "FRA", "", False),
            ("2.5", "", "", False),
            ("2.5^DEU", "", "", False),
        ],
    )
    def test_french_is_said_by_version_or_profile(
        self, version: str, country_code: str, profile: str, french: bool
    ) -> None:
        text = f"MSH|^~\\&|A|B|C|D|20250102||ADT^A28|1|P|{version}|||||{country_code}||||{profile}"
        assert header(text).is_french is french


class TestReadHeaderLoosely:
    """A message that cannot be read is answered with what can be read of it."""

    def test_same_as_the_header_of_a_readable_message(self) -> None:
        assert read_header_loosely(MSH.encode("iso8859-15")) == header(MSH)

    def test_blanks_and_byte_order_mark_before_msh_are_passed_over(self) -> None:
        found = read_header_loosely(b"\r\n\xef\xbb\xbf MSH|^~\\&|GAM\r\nPID|1")
        assert found is not None
        assert found.sending_application == "GAM"

    def test_unknown_charset_is_answered_in_ascii(self) -> None:
        found = read_header_loosely("MSH|^~\\&|HÔPITAL||||||ADT^A01|7||||||||EBCDIC".encode("iso8859-1"))
        assert found is not None
        assert (found.encoding, found.control_id, found.charset) == ("ascii", "7", "EBCDIC")

    def test_bytes_that_the_charset_does_not_read_do_not_hide_the_control_id(self) -> None:
        found = read_header_loosely(b"MSH|^~\\&|H\xd4PITAL||||||ADT^A01|7||||||||UNICODE UTF-8~ASCII")
        assert found is not None
        assert (found.encoding, found.control_id) == ("utf-8", "7")

    def test_unusable_encoding_characters_do_not_hide_the_control_id(self) -> None:
        found = read_header_loosely(b"MSH|^^^^|GAM|||||||7|P")
        assert found is not None
        assert (found.control_id, found.separators) == ("7", STANDARD)

    def test_field_separator_that_is_a_usual_encoding_character_stands_alone(self) -> None:
        found = read_header_loosely(b"MSH^AAAA^GAM")
        assert found is not None
        assert (found.sending_application, found.separators) == ("GAM", Separators("^", "", "", "", ""))

    @pytest.mark.parametrize(
        "raw", [b"", b"PID|1", b"MSH", b"MSHA^~\\&AGAM", b"MSH\x1c^~\\&", b"\xff\xfeM\x00S\x00H\x00"]
    )
    def test_nothing_that_looks_like_msh_gives_none(self, raw: bytes) -> None:
        assert read_header_loosely(raw) is None

    @settings(max_examples=200, deadline=None)
    @given(st.binary(max_size=80), st.booleans())
    def test_no_bytes_make_it_fail(self, raw: bytes, with_msh: bool) -> None:
        found = read_header_loosely(b"MSH|" + raw if with_msh else raw)
        assert found is None or found.separators.field


class TestSenderLoosely:
    """MSH-3.1 and MSH-4.1, for whoever must know the sender before anything else is read."""

    @pytest.mark.parametrize(
        ("raw", "sender"),
        [
            (b"MSH|^~\\&|GAM|CHU-LYRE|PAM\r", ("GAM", "CHU-LYRE")),
            (b"\xef\xbb\xbf\r\nMSH|^~\\&| GAM ^1.2^ISO|CHU-LYRE^1.2^ISO\nPID|x", ("GAM", "CHU-LYRE")),
            (b"MSH|^~\\&|A\\T\\B|", ("A&B", "")),
            (b"MSH|^~\\&|GAM", ("GAM", "")),
            (b"MSH|^~\\&", ("", "")),
            (b"MSH$%~\\&$GAM%x$CHU", ("GAM", "CHU")),
            (b"MSH||GAM^x|CHU", ("GAM", "CHU")),
            ("MSH|^~\\&|GAM|HÔPITAL|".encode(), ("GAM", "HÔPITAL")),
            ("MSH|^~\\&|GAM|HÔPITAL|".encode("iso8859-15"), ("GAM", "HÔPITAL")),
            (b"", ("", "")),
            (b"PID|^~\\&|GAM|CHU", ("", "")),
            (b"MSH", ("", "")),
        ],
    )
    def test_what_can_be_read(self, raw: bytes, sender: tuple[str, str]) -> None:
        assert read_sender_loosely(raw) == sender

    @settings(max_examples=200, deadline=None)
    @given(st.binary(max_size=60), st.sampled_from([b"", b"MSH", b"MSH|^~\\&|"]))
    def test_no_bytes_make_it_fail_and_the_whole_header_says_the_same(self, rest: bytes, start: bytes) -> None:
        found = read_header_loosely(start + rest)
        read = read_sender_loosely(start + rest)
        if found is None:
            assert read == ("", "")
        elif found.separators.component:
            whole = [unescape(each.split(found.separators.component)[0], found.separators) for each in found.sender]
            assert list(read) == [each.strip() for each in whole]
