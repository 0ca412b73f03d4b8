"""What is shown of a value: its form, never whose it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pam_receiver.finding import Location
from pam_receiver.hl7.er7 import parse_message
from pam_receiver.hl7.message import Message
from pam_receiver.hl7.separators import STANDARD
from pam_receiver.report.masking import (
    mask,
    mask_name,
    mask_value,
    personal_words,
    read_message,
    read_value,
    shorten,
)

RAW = (
    b"MSH|^~\\&|GAM|CHU-LYRE|R|D|20260302||ADT^A28^ADT_A05|1|P|2.5\r"
    b"PID|1||100^^^CHU-LYRE&1.2.250.1.999.77&ISO^PI~259014410900036^^^&1.2.250.1.213.1.4.10&ISO^INS"
    b"||KERGUELEN^ANNE^ANNE SOL\\T\\NE^^^^L||19590123|F\r"
    b"MRG|200^^^CHU-LYRE\rPID|2\rMRG|300\r"
)


@pytest.fixture
def message() -> Message:
    return parse_message(RAW)


class TestMask:
    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("Lefèvre-25", "Xxxxxxx-99"),
            ("D'ALMEIDA", "X'XXXXXXX"),
            ("19590123", "99999999"),
            ("2590144109000 36", "9999999999999 99"),
            ("E\u0301LISE", "XXXXX"),
            ("½ ²", "9 9"),
            ("« 李 »", "· x ·"),
            ("", ""),
        ],
    )
    def test_letters_and_digits_go_and_the_form_stays(self, text: str, shown: str) -> None:
        assert mask(text) == shown

    @given(st.text())
    def test_nothing_is_left_of_any_word_or_number(self, text: str) -> None:
        assert {sign for sign in mask(text) if sign.isalnum()} <= set("Xx9")
        assert mask(mask(text)) == mask(text)


class TestWordsOfTheStandards:
    """IHE PAM FR 2.11.2 §6.6.15, HL7 v2.5 tables 0203 and 0003: what is wrong with a code shows when it can be read."""

    @pytest.mark.parametrize(
        ("value", "at", "shown"),
        [
            ("VALI", Location("PID", 1, 32), "VALI"),
            ("VALIDE", Location("PID", 1, 32), "XXXXXX"),
            ("ADT^ADT^A28", Location("MSH", 1, 9), "ADT^ADT^A28"),
            ("ADT^KERGUELEN^ADT_A05", Location("MSH", 1, 9), "ADT^XXXXXXXXX^ADT_A05"),
            ("ORU", Location("MSH", 1, 9, None, 1), "ORU"),
            ("MDM^T02^MDM_T02", Location("MSH", 1, 9), "MDM^T02^MDM_T02"),
            ("LEE^T02^LEE_T02", Location("MSH", 1, 9), "XXX^T02^XXX_X99"),
            ("ORU", Location("PID", 1, 8), "XXX"),
            (
                "259014410900036^^^&1.2.250.1.213.1.4.8&ISO^NH",
                Location("PID", 1, 3),
                "9" * 15 + "^^^&1.2.250.1.213.1.4.8&ISO^NH",
            ),
            ("8859/1", Location("MSH", 1, 18), "8859/1"),
            ("^~\\&", Location("MSH", 1, 2), "^~\\&"),
            ("M", Location("PID", 1, 8), "M"),
            ("F", Location("PID", 1, 8), "F"),
        ],
    )
    def test_they_stay(self, value: str, at: Location, shown: str) -> None:
        assert mask_value(value, at, STANDARD) == shown

    def test_in_a_name_any_word_may_be_somebodys(self) -> None:
        value = "INS^P^A28 VALI^^^^L"
        assert mask_value(value, Location("PID", 1, 5, 1), STANDARD) == "XXX^X^X99 XXXX^^^^L"
        address = "12 RUE^^BREST^^29200^FRA^BDL^^29019"
        assert mask_value(address, Location("PID", 1, 11, 2), STANDARD) == "99 XXX^^XXXXX^^99999^FRA^BDL^^99999"


class TestReadValue:
    @pytest.mark.parametrize(
        ("at", "value"),
        [
            (Location("PID", 1, 7), "19590123"),
            (Location("PID", 1, 3, 1, 4, 2), "1.2.250.1.999.77"),
            (Location("PID", 1, 3, 2, 1), "259014410900036"),
            (Location("PID", 1, 3, None, 5), "PI"),
            (Location("PID", 1, 5, 1, 3), "ANNE SOL\\T\\NE"),
            (Location("MRG", 2, 1, 1, 1), "300"),
            (Location("MSH", 1, 2), "^~\\&"),
            (Location("PID", 1, 30), None),
            (Location("PID", 1, 6), None),
            (Location("PID", 1, 3, 9), None),
            (Location("PID", 1, 3, 1, 9), None),
            (Location("MRG", 3, 1), None),
            (Location("ZFD", 1, 3), None),
            (Location("PID"), None),
        ],
    )
    def test_what_was_sent_at_the_place(self, message: Message, at: Location, value: str | None) -> None:
        assert read_value(message, at) == value

    def test_what_cannot_be_read_is_no_message(self) -> None:
        assert read_message(b"PID|1\r") is None


class TestShorten:
    def test_a_long_value_is_cut(self) -> None:
        assert shorten("x" * 121) == "x" * 119 + "…"
        assert shorten("x" * 120) == "x" * 120

    def test_control_signs_are_seen_and_never_obeyed(self) -> None:
        assert shorten("A\x1b[31mB\x00\x7f\u202e\u0085\ud800") == "A␛[31mB␀����"


class TestNamesOfFiles:
    @pytest.mark.parametrize(
        ("name", "shown"),
        [
            ("a28/kerguelen_anne.hl7", "a28/xxxxxxxxx_xxxx.hl7"),
            ("Kerguélen-19590123.hl7", "Xxxxxxxxx-99999999.hl7"),
            ("KERGUELENA.hl7", "XXXXXXXXXX.hl7"),
            ("2026-03-02/000017_A28_CHU-LYRE.hl7", "2026-03-02/000017_A28_CHU-LYRE.hl7"),
        ],
    )
    def test_words_of_the_patient_go(self, message: Message, name: str, shown: str) -> None:
        assert mask_name(name, personal_words(message)) == shown
