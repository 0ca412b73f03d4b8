"""Acknowledgements."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import hl7
import hl7apy.parser
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pam_receiver.finding import ErrorCode, Finding, Location, Rule, Severity
from pam_receiver.hl7 import rules
from pam_receiver.hl7.ack import AckCode, AckError, DecodedAck, Verdict, build_ack, decode_ack, write_time
from pam_receiver.hl7.charset import fold
from pam_receiver.hl7.er7 import Message, Unreadable, parse_message
from pam_receiver.hl7.header import Header, read_header, read_header_loosely
from pam_receiver.hl7.separators import STANDARD, Separators

AT = datetime(2025, 1, 2, 10, 11, 12, tzinfo=timezone(timedelta(hours=1)))
MSH = (
    "MSH|^~\\&|GAM^1.2.250.1.999.1^ISO|CHU-LYRE|PAM|DMN|20250102101112||ADT^A28^ADT_A05|MSG1|D|2.5^FRA^2.11|||||FRA|"
    "{charset}|FR||2.11^IHE_FRANCE-2.11-PAM\r"
)
MISSING = Rule(
    id="birth-place-missing",
    code=ErrorCode.REQUIRED_FIELD_MISSING,
    severity=Severity.E,
    fr="Le lieu de naissance manque à l’identité qualifiée : envoyez « œ » | ^ ici.",
    en="The birth place is missing: send it.",
    spec="IHE PAM FR 2.11.2 §6.6",
)
BIRTH_PLACE = Location("PID", 1, 11, 2, 9)


def header(charset: str = "8859/15", codec: str = "iso8859-15") -> Header:
    return read_header(parse_message(MSH.format(charset=charset).encode(codec)))


def ack(
    about: Header | None,
    code: AckCode = AckCode.AA,
    *findings: Finding,
    lang: str = "fr",
    which: str = "all",
    most: int = 50,
) -> bytes:
    return build_ack(
        about,
        Verdict(code, findings),
        control_id="ACK1",
        made_at=write_time(AT),
        lang="fr" if lang == "fr" else "en",
        which="all" if which == "all" else "errors",
        max_errors=most,
    ).raw  # fmt: skip


def values(message: Message, name: str, number: int) -> list[str | None]:
    return [segment.value(number) for segment in message.named(name)]


class TestMsh:
    """HL7 v2.5 §2.9.2: the acknowledgement goes back where the message came from."""

    def test_accepted_message(self) -> None:
        assert ack(header()) == (
            b"MSH|^~\\&|PAM|DMN|GAM^1.2.250.1.999.1^ISO|CHU-LYRE|20250102101112+0100||ACK^A28^ACK|ACK1|D|2.5^FRA^2.11"
            b"|||||FRA|8859/15\rMSA|AA|MSG1\r"
        )

    def test_barest_acknowledgement(self) -> None:
        assert ack(None, AckCode.AR, rules.NO_HEADER.at(Location("MSH"))) == (
            b"MSH|^~\\&|||||20250102101112+0100||ACK|ACK1|P|2.5\rMSA|AR|\r"
            b"ERR||MSH^1|100^Segment sequence error^HL70357|E|no-header^^99PAMR|||"
            b"Le message ne commence pas par MSH : envoyer un message HL7 v2 complet, un seul par bloc.\r"
        )

    def test_message_without_event_gets_a_plain_ack(self) -> None:
        assert values(parse_message(ack(Header(control_id="7"))), "MSH", 9) == ["ACK"]

    def test_header_is_echoed_in_our_separators(self) -> None:
        raw = b"MSH#*+/!#GAM*a/T/b*c|d#CHU!x+y#PAM#DMN#20250102##ADT*A01#M/S/1#P#2.5*FRA"
        written = ack(read_header(parse_message(raw)))
        assert b"|GAM^a!b^c\\F\\d|CHU&x~y|" in written
        assert b"MSA|AA|M*1\r" in written
        assert b"|2.5^FRA\r" in written

    def test_separators_that_the_sender_left_out_are_plain_signs(self) -> None:
        raw = b"MSH|^|G~M&x^y|CHU|||||ADT^A01|1\\2|P|2.5||||||8859/1"
        written = ack(read_header(parse_message(raw)))
        assert b"|G\\R\\M\\T\\x^y|" in written
        assert b"|8859/1\rMSA|AA|1\\E\\2\r" in written

    def test_control_characters_of_the_sender_do_not_come_back(self) -> None:
        about = read_header(
            parse_message(MSH.format(charset="8859/1").replace("GAM", "G\x1c\x0b\x00\x85M").encode("latin-1"))
        )
        assert b"|GM^1.2.250.1.999.1^ISO|" in ack(about)

    def test_echo_is_bounded_and_keeps_its_escapes_whole(self) -> None:
        about = Header(control_id="A" * 198 + "\\T\\B", sending_facility="B" * 5000)
        message = parse_message(ack(about))
        assert values(message, "MSA", 2) == ["A" * 198]
        assert values(message, "MSH", 6) == ["B" * 199]

    def test_control_id_of_199_signs_is_echoed_whole(self) -> None:
        assert values(parse_message(ack(Header(control_id="é" * 199, encoding="utf-8"))), "MSA", 2) == ["é" * 199]

    def test_only_the_first_charset_comes_back(self) -> None:
        assert values(parse_message(ack(header("8859/15~ASCII"))), "MSH", 18) == ["8859/15"]


class TestCharset:
    """HL7 v2.5 §2.9.2: the answer stands in the sender's charset, and loses its accents where that lacks them."""

    @pytest.mark.parametrize(
        ("charset", "codec", "text"),
        [
            ("UNICODE UTF-8", "utf-8", "manque à l’identité qualifiée : envoyez « œ »"),
            ("8859/15", "iso8859-15", "manque à l'identité qualifiée : envoyez « œ »"),
            ("8859/1", "iso8859-1", "manque à l'identité qualifiée : envoyez « oe »"),
            ("ASCII", "ascii", 'manque a l\'identite qualifiee : envoyez " oe "'),
            ("", "ascii", 'manque a l\'identite qualifiee : envoyez " oe "'),
        ],
    )
    def test_text_in_the_charset_of_the_sender(self, charset: str, codec: str, text: str) -> None:
        raw = ack(header(charset, "utf-8"), AckCode.AE, MISSING.at(BIRTH_PLACE))
        assert text in raw.decode(codec)
        assert [v or "" for v in values(parse_message(raw), "MSH", 18)] == [charset]
        assert parse_message(raw).findings == ()

    def test_the_charset_keeps_its_name_when_the_sender_divides_by_one_of_its_signs(self) -> None:
        raw = MSH.format(charset="UNICODE UTF-8").replace("^~\\&", "^~\\-", 1).encode()
        answer = parse_message(ack(read_header(parse_message(raw)), AckCode.AA))
        assert [v or "" for v in values(answer, "MSH", 18)] == ["UNICODE UTF-8"]

    def test_unknown_charset_is_not_echoed_and_answered_in_ascii(self) -> None:
        raw = MSH.format(charset="EBCDIC").replace("CHU", "HÔPITAL").encode("iso8859-1")
        about = read_header_loosely(raw)
        written = ack(about, AckCode.AR, rules.CHARSET_UNKNOWN.at(Location("MSH", 1, 18)))
        assert written.isascii()
        assert b"|HOPITAL-LYRE|" in written
        assert values(parse_message(written), "MSH", 17) == ["FRA"]
        assert values(parse_message(written), "MSH", 18) == [None]

    def test_accents_in_the_header_come_back_when_the_charset_was_not_said(self) -> None:
        raw = MSH.format(charset="").replace("MSG1", "é1").encode("iso8859-15")
        assert b"MSA|AA|\xe91\r" in ack(read_header(parse_message(raw)))


class TestErr:
    """HL7 v2.5 §2.15.5: ERR."""

    def test_every_field(self) -> None:
        written = ack(header(), AckCode.AE, MISSING.at(BIRTH_PLACE)).decode("iso8859-15")
        assert written.split("\r")[2] == (
            "ERR||PID^1^11^2^9|101^Required field missing^HL70357|E|birth-place-missing^^99PAMR|||"
            "Le lieu de naissance manque à l'identité qualifiée : envoyez « œ » \\F\\ \\S\\ ici."
        )

    def test_english(self) -> None:
        assert b"|||The birth place is missing: send it.\r" in ack(
            header(), AckCode.AE, MISSING.at(BIRTH_PLACE), lang="en"
        )

    def test_place_unknown_is_left_empty(self) -> None:
        written = parse_message(ack(header(), AckCode.AA, MISSING.at(None), MISSING.at(Location("|^\r"))))
        assert [err.field(2).raw for err in written.named("ERR")] == ["", ""]

    def test_segment_name_of_the_sender_is_cleaned(self) -> None:
        written = parse_message(ack(header(), AckCode.AA, MISSING.at(Location("P|I\x1cDX", 1, 3))))
        assert [err.field(2).raw for err in written.named("ERR")] == ["PID^1^3"]

    def test_text_is_bounded(self) -> None:
        long = Rule("long", ErrorCode.DATA_TYPE, Severity.W, "a|" * 300, "b", "x")
        (err,) = parse_message(ack(header(), AckCode.AA, long.at())).named("ERR")
        raw = err.field(8).raw
        assert raw is not None
        assert 240 < len(raw) <= 250
        assert raw.endswith(("a", "\\F\\"))

    def test_errors_stand_before_warnings_before_informations(self) -> None:
        mixed = [MISSING.at(BIRTH_PLACE).graded(severity) for severity in (Severity.I, Severity.W, Severity.E)]
        assert values(parse_message(ack(header(), AckCode.AE, *mixed)), "ERR", 4) == ["E", "W", "I"]

    def test_warnings_can_be_left_out(self) -> None:
        mixed = [MISSING.at(BIRTH_PLACE).graded(severity) for severity in Severity]
        assert values(parse_message(ack(header(), AckCode.AE, *mixed, which="errors")), "ERR", 4) == ["E"]

    def test_more_than_the_most_are_counted(self) -> None:
        many = [MISSING.at(BIRTH_PLACE).graded(Severity.W)] * 60 + [MISSING.at(BIRTH_PLACE)] * 55
        written = parse_message(ack(header(), AckCode.AE, *many))
        assert values(written, "ERR", 4) == ["E"] * 50 + ["I"]
        assert values(written, "ERR", 5)[-1] == "findings-not-shown"
        assert str(values(written, "ERR", 8)[-1]).startswith("65 autre(s) constat(s) ne sont pas montrés ici, dont 5 ")

    def test_just_the_most_are_all_shown(self) -> None:
        written = parse_message(ack(header(), AckCode.AE, *[MISSING.at(BIRTH_PLACE)] * 3, most=3))
        assert values(written, "ERR", 5) == ["birth-place-missing"] * 3

    def test_every_rule_of_the_wire_fits_its_field(self) -> None:
        samples = {"count": 999_999, "errors": 999_999, "limit": 1 << 30, "offset": 1 << 30, "line": 999_999}
        for rule in (value for value in vars(rules).values() if isinstance(value, Rule)):
            finding = rule.at(sign="0x1C", charset="UNICODE UTF-8", read="UNICODE UTF-8", **samples)
            assert max(len(finding.fr), len(finding.en)) <= 240, rule.id


class TestIndependentReaders:
    """python-hl7 and hl7apy read our acknowledgements."""

    RAW = ack(header(), AckCode.AE, MISSING.at(BIRTH_PLACE), MISSING.at(None).graded(Severity.W))

    def test_python_hl7(self) -> None:
        theirs = hl7.parse(self.RAW, encoding="iso8859-15")
        assert [str(s[0]) for s in theirs] == ["MSH", "MSA", "ERR", "ERR"]
        assert (str(theirs.segment("MSA")(1)), str(theirs.segment("MSA")(2))) == ("AE", "MSG1")
        assert str(theirs.segment("ERR")(2)) == "PID^1^11^2^9"
        assert theirs.unescape(str(theirs.segment("ERR")(8))).endswith("| ^ ici.")

    def test_hl7apy(self) -> None:
        theirs = hl7apy.parser.parse_message(self.RAW.decode("iso8859-15"), find_groups=False)
        assert theirs.name == "ACK"
        assert theirs.msa.msa_1.to_er7() == "AE"
        assert theirs.err[0].err_2.to_er7() == "PID^1^11^2^9"
        assert theirs.err[0].err_3.cwe_3.to_er7() == "HL70357"
        assert [err.err_4.to_er7() for err in theirs.err] == ["E", "W"]


HOSTILE = st.text(alphabet=st.sampled_from("A1é€人|^~\\&#*+/!\x00\x0b\x1c\r\n\t\x85FSTREX0.br"), max_size=230)
FIELDS = ("sending_application", "sending_facility", "receiving_application", "receiving_facility", "trigger_event",
          "control_id", "processing_id_field", "version_field", "country_code", "charset")  # fmt: skip


class TestHostileHeader:
    """Whatever a sender writes in its header, the answer is one block, one MSA, and readable."""

    @settings(max_examples=150, deadline=None)
    @given(
        st.fixed_dictionaries(dict.fromkeys(FIELDS, HOSTILE)),
        st.sampled_from([STANDARD, Separators("#", "*", "+", "/", "!"), Separators("|", "^", "", "", "")]),
        st.sampled_from(["ascii", "iso8859-1", "iso8859-15", "utf-8"]),
    )
    def test_answer_cannot_be_broken(self, fields: dict[str, str], separators: Separators, encoding: str) -> None:
        about = Header(**fields, separators=separators, encoding=encoding)
        raw = build_ack(about, Verdict(AckCode.AR), control_id="X", made_at=write_time(AT), lang="fr").raw
        assert not set(raw) & (set(range(0x20)) - {0x0D})
        message = parse_message(raw)
        assert [segment.name for segment in message.segments] == ["MSH", "MSA"]
        assert values(message, "MSA", 1) == ["AR"]
        assert values(message, "MSH", 10) == ["X"]

    @settings(max_examples=150, deadline=None)
    @given(
        st.fixed_dictionaries(
            dict.fromkeys(FIELDS, HOSTILE | st.sampled_from(["", "GAM", "A^1&2^N", "A28", "x" * 190]))
        ),
        st.sampled_from(["", "8859/15", "UNICODE UTF-8", "ASCII", "NONE", "8859/15~8859/1"]),
        st.sampled_from([AT, datetime(2026, 10, 25, 2, 30, 1, 999, tzinfo=timezone(timedelta(hours=-3, minutes=-30)))]),
    )
    def test_answer_in_short_is_the_answer_in_full(self, fields: dict[str, str], charset: str, at: datetime) -> None:
        about = Header(**{**fields, "charset": charset}, encoding="utf-8")
        in_full = replace(about, separators=Separators())  # equal to the usual ones, and not known for them
        short, full = [
            build_ack(each, Verdict(AckCode.AA), control_id="X1", made_at=write_time(at), lang="fr").raw
            for each in (about, in_full)
        ]
        assert short == full
        assert parse_message(short).segments[0].value(7) == at.strftime("%Y%m%d%H%M%S%z")

    @settings(max_examples=100, deadline=None)
    @given(st.binary(max_size=120))
    def test_any_bytes_get_a_readable_answer(self, raw: bytes) -> None:
        about = read_header_loosely(b"MSH|^~\\&" + raw)
        made_at = write_time(datetime.now(UTC))
        made = build_ack(about, Verdict(AckCode.AR), control_id="X", made_at=made_at, lang="en")
        message = parse_message(made.raw)
        assert len(message.named("MSA")) == 1


class TestParts:
    """HL7 v2.5 §2.9.2: MSH and MSA, then the ERR; in two parts, that together are what they were in one."""

    @pytest.mark.parametrize("encoding", ["ascii", "iso8859-1", "iso8859-15", "utf-8"])
    @pytest.mark.parametrize("application", ["GAM", "GÂM œ", "GAM \U0001f600", "GAM \udc80"])
    def test_the_parts_are_encoded_as_the_whole_was(self, encoding: str, application: str) -> None:
        about = replace(header(), sending_application=application, encoding=encoding)
        verdict = Verdict(AckCode.AE, (MISSING.at(BIRTH_PLACE),))
        made = build_ack(about, verdict, control_id="ACK1", made_at=write_time(AT), lang="fr")
        head = f"MSH|^~\\&|PAM|DMN|{application}|CHU-LYRE|20250102101112+0100||ACK^A28^ACK|ACK1|D|2.5^FRA^2.11|||||FRA|"
        whole = f"{head}8859/15\rMSA|AE|MSG1\r{made.errs.decode(encoding)}"
        assert made.raw == made.head + made.errs == fold(whole, encoding).encode(encoding)
        assert (
            made.head == build_ack(about, Verdict(AckCode.AE), control_id="ACK1", made_at=write_time(AT), lang="fr").raw
        )
        assert made.errs.startswith(b"ERR|")

    def test_of_the_same_findings_the_errs_are_written_once(self) -> None:
        verdict = Verdict(AckCode.AE, (MISSING.at(BIRTH_PLACE),))
        one, two = [
            build_ack(header(), verdict, control_id=each, made_at=write_time(AT), lang="fr")
            for each in ("ACK1", "ACK2")
        ]
        assert one.head != two.head
        assert one.errs is two.errs

    def test_of_no_findings_there_is_a_head_alone(self) -> None:
        assert (
            build_ack(header(), Verdict(AckCode.AA), control_id="ACK1", made_at=write_time(AT), lang="fr").errs == b""
        )


class TestDecodeAck:
    """HL7 v2.5 §2.9.2, §2.15.5: an acknowledgement is read, ours or another's."""

    def test_our_own(self) -> None:
        decoded = decode_ack(ack(header(), AckCode.AE, MISSING.at(BIRTH_PLACE), lang="en"))
        assert decoded == DecodedAck(
            code="AE",
            control_id="MSG1",
            text="",
            errors=(
                AckError("PID-11[2].9", "birth-place-missing", "E", "101", "The birth place is missing: send it."),
            ),
        )
        assert not decoded.is_accepted

    @pytest.mark.parametrize(
        ("err2", "location"),
        [("", ""), ("PID", "PID"), ("PID^2^3", "PID(2)-3"), ("PID^^3", "PID-3"), ("PID^x^3", "PID^x^3"), ("^1", "")],
    )
    def test_places_of_others(self, err2: str, location: str) -> None:
        raw = f"MSH|^~\\&|\rMSA|CE|7|sorry\rERR||{err2}|207|E|||see there\r".encode()
        decoded = decode_ack(raw)
        assert (decoded.code, decoded.control_id, decoded.text) == ("CE", "7", "sorry")
        assert decoded.errors == (AckError(location, "", "E", "207", "see there"),)

    def test_accepted(self) -> None:
        assert decode_ack(ack(header())).is_accepted

    def test_message_without_msa_says_nothing(self) -> None:
        assert decode_ack(b"MSH|^~\\&|") == DecodedAck("", "", "", ())

    def test_no_message_is_refused(self) -> None:
        with pytest.raises(Unreadable):
            decode_ack(b"HTTP/1.1 400")
