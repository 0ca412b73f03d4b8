"""How a message that can be read is written."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pam_receiver.hl7.er7 import Message, parse_message
from pam_receiver.hl7.writing import check_writing

HEADER = "MSH|^~\\&|GAM|CHU-LYRE|||20260302080000||ADT^A31^ADT_A05|1|P|2.5^FRA^2.11||||||UNICODE UTF-8"
BIRTH = "^^NANTES^^^FRA^BDL^^44109"


def message(*segments: str, header: str = HEADER) -> Message:
    return parse_message("".join(f"{line}\r" for line in (header, *segments)).encode())


def pid(number: int, text: str) -> str:
    return "|".join(["PID", *([""] * (number - 1)), text])


def found(*segments: str, header: str = HEADER) -> list[tuple[str, str, str]]:
    return [(each.rule, each.severity.value, str(each.at)) for each in check_writing(message(*segments, header=header))]


class TestSeparators:
    """HL7 v2.5 chapter 2, MSH-1 and MSH-2: ASCII signs; a word processor makes a typographic tilde of ~."""

    def test_the_usual_ones_say_nothing(self) -> None:
        assert found(pid(5, "KERGUÉLEN^ANNE^^^^^L")) == []

    @pytest.mark.parametrize("signs", ["^~\\&", "*!\\%", "^~"])
    def test_other_signs_of_ascii_neither(self, signs: str) -> None:
        assert found(pid(7, "19590123"), header=HEADER.replace("^~\\&", signs).replace("^", signs[0])) == []

    def test_one_that_is_not_ascii_is_followed_and_told(self) -> None:
        header = HEADER.replace("~", "˜")
        assert found(pid(11, f"^^RENNES^^35000^FRA^H˜{BIRTH}"), header=header) == [
            ("separator-not-ascii", "W", "MSH-2")
        ]

    @pytest.mark.parametrize("sign", ["\u02dc", "\u223c"])
    def test_what_looks_like_the_repetition_separator(self, sign: str) -> None:
        said = check_writing(message(pid(11, f"^^RENNES^^35000^FRA^H{sign}{BIRTH}")))
        assert [(each.rule, str(each.at)) for each in said] == [("repetition-sign-odd", "PID-11")]
        assert f"U+{ord(sign):04X}" in said[0].fr

    @pytest.mark.parametrize(
        "segment", [pid(7, "1959˜"), "NTE|1||A ˜ B", "PV1|1|˜", pid(11, f"^^RENNES^^35000^FRA^H~{BIRTH}")]
    )
    def test_where_nothing_repeats_it_is_text(self, segment: str) -> None:
        assert found(segment) == []

    def test_mrg_1(self) -> None:
        assert found("MRG|200^^^CHU^PI˜300^^^CHU^PI") == [("repetition-sign-odd", "W", "MRG-1")]


class TestEscapes:
    """HL7 v2.5 chapter 2, escape sequences."""

    @pytest.mark.parametrize(
        "segment",
        [
            pid(5, "KERGUELEN \\T\\ LE GOFF^ANNE^^^^^L"),
            pid(5, "A\\S\\B^ANNE^^^^^L"),
            pid(5, "A\\E\\B^ANNE^^^^^L"),
            pid(5, "A\\E\\\\E\\B^ANNE^^^^^L"),
            pid(11, "12\\14 RUE HAUTE^^RENNES"),  # what begins no sequence is told by the profile
            pid(3, "12\\F\\34^^^CNOP&1.2.250.1.176.1.2&ISO^NDP"),
            pid(11, "56 RUE HAUTE^SCE ACHATS\\S\\BATIMENT A^RENNES"),
            "OBX|1|TX|1||A\\.br\\B \\H\\C\\N\\ \\X0D\\ \\.sp+2\\ \\Z12\\||||||F",
            "NTE|1||A & B; C",
        ],
    )
    def test_rightly_written(self, segment: str) -> None:
        assert found(segment) == []

    @pytest.mark.parametrize(
        ("segment", "rule", "at"),
        [
            (pid(5, "KERGUELEN \\\\T\\\\ LE GOFF^ANNE^^^^^L"), "escape-doubled", "PID-5.1.1"),
            (pid(11, "1 RUE A\\\\S\\\\B^^RENNES"), "escape-doubled", "PID-11.1.1"),
            (pid(5, "X^~KERGUELEN^A\\\\F\\\\B^^^^^L"), "escape-doubled", "PID-5[2].2"),
            ("NTE|1||A\\\\R\\\\B", "escape-doubled", "NTE-3.1"),
            (pid(5, "KERGUELEN &amp; LE GOFF^ANNE^^^^^L"), "xml-entity-in-value", "PID-5.1"),
            (pid(5, "L&#39;HERMINE^ANNE^^^^^L"), "xml-entity-in-value", "PID-5.1"),
            (pid(5, "KERGUELEN \\T\\amp; LE GOFF^ANNE^^^^^L"), "xml-entity-in-value", "PID-5.1"),
            (pid(3, "100\\S\\\\S\\\\S\\CHU\\S\\PI"), "separators-escaped", "PID-3.1"),
            (pid(3, "100^^^CHU\\T\\1.2.250.1.999.77\\T\\ISO^PI"), "separators-escaped", "PID-3.4"),
            ("MRG|100^^^CHU\\T\\1.2.250.1.999.77\\T\\ISO^PI", "separators-escaped", "MRG-1.4"),
            (pid(5, "KERGUELEN\\S\\ANNE"), "separators-escaped", "PID-5.1"),
            (pid(5, "KERGUELEN^ANNE^^^^^L\\R\\LE GOFF^ANNE^^^^^D"), "separators-escaped", "PID-5.7"),
        ],
    )
    def test_wrongly_written(self, segment: str, rule: str, at: str) -> None:
        assert found(segment) == [(rule, "W", at)]

    def test_once_for_each_component(self) -> None:
        assert found(pid(5, "A&amp;B&amp;C^D&lt;E^F")) == [
            ("xml-entity-in-value", "W", "PID-5.1"),
            ("xml-entity-in-value", "W", "PID-5.2"),
        ]

    def test_of_very_many_the_first_hundred(self) -> None:
        assert len(found(pid(13, "~".join(["&amp;"] * 5000)))) == 100

    def test_without_an_escape_sign_a_backslash_is_text(self) -> None:
        assert found(pid(5, "A\\B"), header=HEADER.replace("^~\\&", "^~")) == []

    def test_another_escape_sign(self) -> None:
        header = HEADER.replace("^~\\&", "^~!&")
        assert found(pid(5, "A!T!B\\C^ANNE"), header=header) == []
        assert found(pid(5, "A!!T!!B^ANNE"), header=header) == [("escape-doubled", "W", "PID-5.1.1")]


class TestAnything:
    """HL7 v2.5 chapter 2: whatever is written, nothing is raised, and each finding has a place."""

    TEXT = st.text(st.sampled_from("\\&;^~˜SFTREX0.abrmp#'"), max_size=60)

    @given(
        field=TEXT, number=st.sampled_from([3, 5, 6, 11, 13]), signs=st.sampled_from(["^~\\&", "^~!&", "^~", "^˜\\&"])
    )
    @settings(max_examples=200, deadline=None)
    def test_is_read(self, field: str, number: int, signs: str) -> None:
        said = check_writing(message(pid(number, field), header=HEADER.replace("^~\\&", signs)))
        assert all(each.at is not None and each.at.segment in ("PID", "MSH") for each in said)
