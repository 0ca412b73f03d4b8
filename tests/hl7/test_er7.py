"""ER7: bytes to a message and back."""

import hl7
import hl7apy.parser
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pam_receiver.finding import Location, Severity
from pam_receiver.hl7.er7 import Message, Unreadable, encode_message, parse_message
from pam_receiver.hl7.header import strip_start
from pam_receiver.hl7.separators import Separators

EVN = "EVN||20250102101112\r"
PID = (
    "PID|1||100^^^CHU-LYRE&1.2.250.1.999.77&ISO^PI||KERGUELEN^ANNE^ANNE SOLÈNE MARIE^^^^L~LYRE^ANNE^^^^^D||19590123|F"
    '|||12 RUE DU PORT^^NANTES^^44000^FRA^H~^^NANTES^^^FRA^BDL^^44109||""\r'
)


def msh(charset: str = "8859/15") -> str:
    return (
        "MSH|^~\\&|GAM|CHU-LYRE|PAM|DMN|20250102101112||ADT^A28^ADT_A05|MSG1|P|2.5^FRA^2.11|||||FRA|"
        f"{charset}|FR||2.11^IHE_FRANCE-2.11-PAM\r"
    )


def adt(charset: str = "8859/15", *, codec: str = "iso8859-15", body: str = EVN + PID) -> bytes:
    return (msh(charset) + body).encode(codec)


def said(message: Message) -> list[tuple[str, str]]:
    return [(finding.rule, finding.severity.value) for finding in message.findings]


def refused(raw: bytes) -> Unreadable:
    with pytest.raises(Unreadable) as caught:
        parse_message(raw)
    assert all(finding.severity is Severity.E for finding in caught.value.findings)
    return caught.value


class TestSegments:
    """HL7 v2.5 chapter 2: segments end with CR; in real feeds with LF or CRLF too."""

    @pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n", b"\r\r\n"])
    def test_any_line_end_is_silent(self, end: bytes) -> None:
        message = parse_message(adt().replace(b"\r", end))
        assert [segment.name for segment in message.segments] == ["MSH", "EVN", "PID"]
        assert message.findings == ()

    def test_last_segment_may_be_left_open(self) -> None:
        assert parse_message(adt().rstrip(b"\r")).segments == parse_message(adt()).segments

    @pytest.mark.parametrize("before", [b" ", b"\r\n", b"\xef\xbb\xbf", b"\t\x00\xef\xbb\xbf\n"])
    def test_blanks_and_byte_order_mark_before_msh_are_passed_over(self, before: bytes) -> None:
        message = parse_message(before + adt())
        assert message.segments == parse_message(adt()).segments
        assert message.raw == before + adt()

    def test_segments_are_found_by_name_and_counted(self) -> None:
        message = parse_message(adt(body=PID + "MRG|1\rZXX|a^b\rMRG|2\r"))
        assert [(s.value(1), s.sequence, s.index) for s in message.named("MRG")] == [("1", 1, 2), ("2", 2, 4)]
        unknown = message.segment("ZXX")
        assert unknown is not None
        assert unknown.value(1, 2) == "b"
        assert message.segment("PV1") is None
        assert message.named("PV1") == ()

    def test_header_alone_is_a_message(self) -> None:
        assert [s.name for s in parse_message(b"MSH|^~\\&").segments] == ["MSH"]

    def test_second_msh_is_a_segment_like_another(self) -> None:
        assert [s.sequence for s in parse_message(adt(body=msh() + PID)).named("MSH")] == [1, 2]

    def test_lines_that_are_no_segments_are_kept_and_said_once(self) -> None:
        message = parse_message(adt(body="pid|1\r" + PID + "X\rPIDX|1\r PV1|1\r1AB|\r"))
        assert said(message) == [("unreadable-segment", "W")]
        assert "5 ligne(s)" in message.findings[0].fr
        assert "ligne 2" in message.findings[0].fr
        assert b"\rPIDX|1\r PV1|1\r" in encode_message(message)

    def test_segment_name_alone_is_a_segment(self) -> None:
        assert parse_message(adt(body="PV2\r")).findings == ()

    def test_second_message_in_one_block_is_not_lost_silently(self) -> None:
        message = parse_message(b"MSH|^~\\&|A\rPID|1\rMSH|^~\\&|B\rPID|2\r")
        assert said(message) == [("several-messages-in-block", "E")]
        assert str(message.findings[0].at) == "MSH(2)"


class TestSeparators:
    """HL7 v2.5 chapter 2, MSH-1 and MSH-2."""

    def test_other_separators_read_the_same_values(self) -> None:
        odd = adt().translate(bytes.maketrans(b"|^~\\&", b"#*+/!"))
        message, usual = parse_message(odd), parse_message(adt())
        assert message.separators == Separators("#", "*", "+", "/", "!")
        assert [s.value(3, 4, 2) for s in message.named("PID")] == ["1.2.250.1.999.77"]
        assert [len(s.field(5).repetitions) for s in message.named("PID")] == [2]
        assert [s.field_count for s in message.segments] == [s.field_count for s in usual.segments]

    @pytest.mark.parametrize(
        ("charset", "codec", "sign"),
        [("UNICODE UTF-8", "utf-8", "\u02dc"), ("8859/15", "iso8859-15", "§"), ("8859/15", "iso8859-15", "€")],
    )
    def test_separator_beyond_ascii_is_read_in_the_charset_of_the_message(
        self, charset: str, codec: str, sign: str
    ) -> None:
        raw = (msh(charset) + PID).replace("~", sign).encode(codec)
        message = parse_message(raw)
        assert [len(s.field(5).repetitions) for s in message.named("PID")] == [2]
        assert message.findings == ()

    @pytest.mark.parametrize(
        ("raw", "field"), [(b"MSH", 1), (b"MSH|^^\\&|GAM", 2), (b"MSHA^~\\&A", 2), (b"MSH|^~\\\x1c|", 2)]
    )
    def test_separators_that_cannot_serve_are_refused(self, raw: bytes, field: int) -> None:
        error = refused(raw)
        assert [(f.rule, f.at) for f in error.findings] == [("separators-unusable", Location("MSH", 1, field))]

    def test_what_can_be_read_of_the_header_goes_with_the_refusal(self) -> None:
        header = refused(b"MSH|^^\\&|GAM|||||||MSG1").header
        assert header is not None
        assert (header.sending_application, header.control_id) == ("GAM", "MSG1")


class TestNoMessage:
    """A block that is no HL7 v2 message."""

    @pytest.mark.parametrize("raw", [b"", b"\r\n", b"\x00", b"\xef\xbb\xbf"])
    def test_empty_block(self, raw: bytes) -> None:
        error = refused(raw)
        assert [f.rule for f in error.findings] == ["empty-block"]
        assert error.header is None

    @pytest.mark.parametrize("raw", [b"PID|1\r", b"<xml/>", b"msh|^~\\&|", b"FHS|^~\\&|\rMSH|^~\\&|", b"\x1c\x0b"])
    def test_no_msh_at_the_beginning(self, raw: bytes) -> None:
        assert [f.rule for f in refused(raw).findings] == ["no-header"]


class TestCharset:
    """IHE PAM FR 2.11.2 §6.1, HL7 v2.5 table 0211: the charset is that of MSH-18."""

    @pytest.mark.parametrize(
        ("charset", "codec"),
        [("8859/1", "iso8859-1"), ("8859/15", "iso8859-15"), ("UNICODE UTF-8", "utf-8"), ("unicode utf-8 ", "utf-8")],
    )
    def test_announced_charset_is_silent(self, charset: str, codec: str) -> None:
        message = parse_message(adt(charset, codec=codec))
        assert (message.encoding, message.findings) == (codec, ())
        assert [s.value(5, 3) for s in message.named("PID")] == ["ANNE SOLÈNE MARIE"]

    def test_euro_and_ligature_tell_8859_15_from_8859_1(self) -> None:
        raw = adt(body="NTE|1||cœur 3 €\r")
        assert [s.value(3) for s in parse_message(raw).named("NTE")] == ["cœur 3 €"]

    @pytest.mark.parametrize("charset", ["", '""', "ASCII"])
    def test_plain_ascii_needs_no_word(self, charset: str) -> None:
        message = parse_message(adt(charset, body=EVN))
        assert message.findings == ()

    @pytest.mark.parametrize(
        ("charset", "rule"),
        [("", "charset-missing"), ('""', "charset-missing"), ("ASCII", "charset-not-ascii")],
    )
    @pytest.mark.parametrize(("codec", "name"), [("utf-8", "UNICODE UTF-8"), ("iso8859-15", "8859/15")])
    def test_undeclared_charset_is_utf8_if_it_reads_so_else_8859_15(
        self, charset: str, rule: str, codec: str, name: str
    ) -> None:
        message = parse_message(adt(charset, codec=codec))
        assert said(message) == [(rule, "W")]
        assert name in message.findings[0].fr
        assert message.findings[0].at == Location("MSH", 1, 18)
        assert [s.value(5, 3) for s in message.named("PID")] == ["ANNE SOLÈNE MARIE"]

    def test_message_that_ends_before_msh_18_is_read_too(self) -> None:
        assert said(parse_message("MSH|^~\\&|HÔPITAL".encode())) == [("charset-missing", "W")]

    @pytest.mark.parametrize("charset", ["8859/2", "UNICODE", "WINDOWS-1252", "ISO IR87", "8859/1^x"])
    def test_unknown_charset_is_refused(self, charset: str) -> None:
        error = refused(adt(charset))
        assert [(f.rule, f.code.value, f.at) for f in error.findings] == [
            ("charset-unknown", 103, Location("MSH", 1, 18))
        ]
        assert error.header is not None
        assert error.header.control_id == "MSG1"

    def test_bytes_that_the_charset_does_not_read_are_refused(self) -> None:
        raw = adt("UNICODE UTF-8", codec="iso8859-15")
        error = refused(raw)
        assert [(f.rule, f.code.value) for f in error.findings] == [("charset-mismatch", 102)]
        assert f"octet {raw.index(0xC8) + 1})" in error.findings[0].fr
        assert error.header is not None
        assert error.header.control_id == "MSG1"

    def test_first_of_several_charsets_counts(self) -> None:
        message = parse_message(adt("8859/15~UNICODE UTF-8"))
        assert (message.encoding, said(message)) == ("iso8859-15", [("charset-repeated", "W")])

    def test_first_of_several_is_found_without_a_repetition_separator(self) -> None:
        assert parse_message(b"MSH|^|||||||||||||||||8859/1").encoding == "utf-8"
        assert parse_message(b"MSH|^||||||||||||||||8859/1").encoding == "iso8859-1"

    def test_nickname_is_understood_and_said(self) -> None:
        message = parse_message(adt("UTF-8", codec="utf-8"))
        assert (message.encoding, said(message)) == ("utf-8", [("charset-nickname", "W")])

    def test_utf8_under_another_name_is_said(self) -> None:
        message = parse_message(adt("8859/1", codec="utf-8", body="NTE|1||été\r"))
        assert said(message) == [("charset-doubtful", "W")]
        assert message.encoding == "iso8859-1"


class TestCharsetOfSource:
    """IHE PAM FR 2.11.2 §6.1: a sender whose MSH-18 is known to be wrong is read in the set that it writes in."""

    @pytest.mark.parametrize("charset", ["8859/15", "", '""'])
    def test_what_msh_18_says_too_or_leaves_open_is_silent(self, charset: str) -> None:
        message = parse_message(adt(charset), charset="8859/15")
        assert (message.encoding, said(message)) == ("iso8859-15", [])
        assert "SOLÈNE" in message.segments[2].text

    @pytest.mark.parametrize("charset", ["8859/1", "UNICODE UTF-8", "ASCII", "WINDOWS-1252"])
    def test_another_set_in_msh_18_is_not_followed_and_said(self, charset: str) -> None:
        message = parse_message(adt(charset), charset="8859/15")
        assert (message.encoding, said(message)) == ("iso8859-15", [("charset-of-source", "W")])
        assert message.findings[0].at == Location("MSH", 1, 18)
        assert "8859/15" in message.findings[0].fr
        assert "SOLÈNE" in message.segments[2].text

    @pytest.mark.parametrize(("charset", "rules"), [("8859/1", []), ("EBCDIC", [("charset-of-source", "W")])])
    def test_plain_ascii_is_the_same_in_each_known_set(self, charset: str, rules: list[tuple[str, str]]) -> None:
        assert said(parse_message(adt(charset, body=EVN), charset="UNICODE UTF-8")) == rules

    def test_bytes_that_are_in_the_announced_set_alone_are_read_in_that_one(self) -> None:
        message = parse_message(adt("8859/15"), charset="UNICODE UTF-8")
        assert (message.encoding, said(message)) == ("iso8859-15", [("charset-not-of-source", "W")])
        assert "UNICODE UTF-8" in message.findings[0].en
        assert "8859/15" in message.findings[0].en

    @pytest.mark.parametrize("known", ["8859/1", "8859/15"])
    def test_utf8_that_is_announced_as_such_is_read_as_such(self, known: str) -> None:
        message = parse_message(adt("UNICODE UTF-8", codec="utf-8"), charset=known)
        assert (message.encoding, said(message)) == ("utf-8", [("charset-not-of-source", "W")])
        assert "SOLÈNE" in message.segments[2].text

    @pytest.mark.parametrize("charset", ["", "UNICODE UTF-8", "ASCII", "EBCDIC"])
    def test_bytes_that_neither_reads_are_refused(self, charset: str) -> None:
        raw = adt(charset)
        with pytest.raises(Unreadable) as caught:
            parse_message(raw, charset="UNICODE UTF-8")
        (finding,) = caught.value.findings
        assert (finding.rule, finding.severity) == ("charset-mismatch", Severity.E)
        assert f"octet {raw.index(0xC8) + 1})" in finding.fr

    @pytest.mark.parametrize("charset", ["8859/1", ""])
    def test_utf8_in_a_source_said_to_write_8859_is_said(self, charset: str) -> None:
        message = parse_message(adt(charset, codec="utf-8", body="NTE|1||été\r"), charset="8859/1")
        assert (message.encoding, said(message)) == ("iso8859-1", [("charset-doubtful", "W")])

    @pytest.mark.parametrize(
        ("charset", "rule"), [("8859/15~UNICODE UTF-8", "charset-repeated"), ("utf-8", "charset-nickname")]
    )
    def test_the_form_of_msh_18_is_judged_all_the_same(self, charset: str, rule: str) -> None:
        known = "UNICODE UTF-8" if charset == "utf-8" else "8859/15"
        codec = "utf-8" if charset == "utf-8" else "iso8859-15"
        assert said(parse_message(adt(charset, codec=codec), charset=known)) == [(rule, "W")]

    @settings(max_examples=100, deadline=None)
    @given(st.binary(max_size=60), st.sampled_from(["8859/1", "8859/15", "UNICODE UTF-8"]))
    def test_any_bytes_are_read_in_it_or_refused(self, body: bytes, charset: str) -> None:
        try:
            message = parse_message(msh("").encode() + b"NTE|1||" + body, charset=charset)
        except Unreadable:
            assert charset == "UNICODE UTF-8"  # the others have a sign for each byte
            return
        assert message.encoding == {"8859/1": "iso8859-1", "8859/15": "iso8859-15"}.get(charset, "utf-8")


class TestControlCharacters:
    """HL7 v2.5 chapter 2: values are displayable characters."""

    @pytest.mark.parametrize("sign", ["\x00", "\x0b", "\x0c", "\x1b", "\x1c", "\x7f", "\x85", "\x92"])
    @pytest.mark.parametrize(("charset", "codec"), [("8859/1", "iso8859-1"), ("UNICODE UTF-8", "utf-8")])
    def test_control_character_is_an_error_at_its_place(self, sign: str, charset: str, codec: str) -> None:
        body = PID.replace("LYRE^ANNE", f"LYRE^AN{sign}NE").replace("È", "E")
        message = parse_message(adt(charset, codec=codec, body=body))
        assert [(f.rule, f.severity, f.code.value, f.at) for f in message.findings] == [
            ("control-character", Severity.E, 102, Location("PID", 1, 5, 2, 2))
        ]
        assert f"0x{ord(sign):02X}" in message.findings[0].en

    def test_every_place_is_told(self) -> None:
        message = parse_message(adt(body="MRG|1\rMRG|a^\x00~\x01^b||\x02\rZ\x03|\r"))
        assert [str(f.at) for f in message.findings if f.rule == "control-character"] == [
            "MRG(2)-1.2",
            "MRG(2)-1[2].1",
            "MRG(2)-3.1",
            "None",
        ]

    def test_control_character_in_msh_does_not_hide_the_message(self) -> None:
        message = parse_message(adt().replace(b"GAM", b"G\x1cM"))
        assert [f.at for f in message.findings] == [Location("MSH", 1, 3, 1, 1)]

    def test_tab_is_a_warning(self) -> None:
        message = parse_message(adt(body="NTE|1||one\ttwo\r"))
        assert [(f.rule, f.severity, f.at) for f in message.findings] == [
            ("tab-in-value", Severity.W, Location("NTE", 1, 3, 1, 1))
        ]

    def test_accented_utf8_is_silent(self) -> None:
        assert parse_message(adt("UNICODE UTF-8", codec="utf-8", body="NTE|1||ÀÉÎœ€\u2019人\r")).findings == ()

    def test_their_number_is_bounded(self) -> None:
        message = parse_message(adt(body="NTE|" + "\x00^" * 5000))
        assert len(message.findings) == 1000


class TestEncode:
    """What is not understood is kept."""

    def test_message_comes_back_byte_for_byte(self) -> None:
        raw = adt(body="zz\r" + PID + "ZXX|a^^&b~|\\Zxx\\|\\X00\\||\r")
        assert encode_message(parse_message(raw)) == raw

    def test_line_ends_become_cr(self) -> None:
        assert encode_message(parse_message(b"\n" + adt().replace(b"\r", b"\r\n"))) == adt()


class TestIndependentReaders:
    """python-hl7 and hl7apy read the same values in the same places."""

    RAW = adt(codec="iso8859-15").decode("iso8859-15")

    def test_python_hl7(self) -> None:
        ours, theirs = parse_message(adt()), hl7.parse(self.RAW)
        assert [s.name for s in ours.segments] == [str(s[0]) for s in theirs]
        for segment, other in zip(ours.segments, theirs, strict=True):
            for number in range(1, segment.field_count + 1):
                assert segment.field(number).raw == str(other(number))

    def test_hl7apy(self) -> None:
        theirs = hl7apy.parser.parse_message(self.RAW, find_groups=False)
        (pid,) = parse_message(adt()).named("PID")
        assert pid.value(3, 4, 2) == theirs.pid.pid_3.cx_4.hd_2.to_er7()
        assert pid.value(7) == theirs.pid.pid_7.to_er7()
        assert [r.raw for r in pid.field(5).repetitions] == [n.to_er7() for n in theirs.pid.pid_5]
        assert [r.component(9) for r in pid.field(11).repetitions] == [None, theirs.pid.pid_11[1].xad_9.to_er7()]


PIECES = [b"MSH", b"PID", b"|", b"^", b"~", b"\\", b"&", b"\r", b"\n", b"\x00", b'""', b"\xe9", b"\xc3\xa9",
          b"UNICODE UTF-8", b"MSH|^~\\&|" + b"|" * 14 + b"8859/1|\r", b"MSH|^~\\&|\rPID|1||\xe9\r"]  # fmt: skip
TRICKY = st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=6))).map(b"".join)


class TestAnyBytes:
    """Any bytes give a message or the declared refusal."""

    @settings(max_examples=200, deadline=None)
    @given(TRICKY, st.booleans())
    def test_any_bytes_are_read_or_refused_and_come_back(self, raw: bytes, with_msh: bool) -> None:
        raw = b"MSH|^~\\&|" + raw if with_msh else raw
        try:
            message = parse_message(raw)
        except Unreadable:
            return
        written = encode_message(message)
        again = parse_message(written)
        assert (again.segments, again.encoding, again.findings) == (
            message.segments,
            message.encoding,
            message.findings,
        )
        lines = strip_start(raw).replace(b"\n", b"\r").split(b"\r")
        assert written == b"".join(line + b"\r" for line in lines if line)
        for segment in message.segments:
            for number in range(segment.field_count + 2):
                assert segment.value(number) is None or number <= segment.field_count
