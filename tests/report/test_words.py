"""What the report says: both languages are whole, and numbers are written as people write them."""

import string
from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from pam_receiver.adt.events import EVENTS, LINK_EVENTS
from pam_receiver.report.words import WORDS, day, moment, number, share, typeset, word


def names_in(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}


class TestWords:
    def test_both_languages_name_the_same_values(self) -> None:
        assert [key for key, (fr, en) in WORDS.items() if names_in(fr) != names_in(en)] == []

    def test_nothing_is_empty(self) -> None:
        assert all(fr and en for fr, en in WORDS.values())

    def test_every_event_that_is_taken_has_its_name(self) -> None:
        assert [event for event in (*EVENTS, *LINK_EVENTS) if f"event.{event}" not in WORDS] == []

    def test_values_are_filled_in(self) -> None:
        assert word("sent-range", "fr", first="a", last="b") == "du a au b"


class TestTypeset:
    @pytest.mark.parametrize(
        ("sentence", "set_"),
        [
            ("« A » : B ; C ? D !", "«\u00a0A\u00a0»\u00a0: B\u202f; C\u202f? D\u202f!"),
            ("MSH-2 = |^~\\&, 12:30", "MSH-2 = |^~\\&, 12:30"),
        ],
    )
    def test_no_line_of_french_begins_with_a_sign(self, sentence: str, set_: str) -> None:
        assert typeset(sentence, "fr") == set_
        assert typeset(sentence, "en") == sentence

    def test_the_words_are_set_before_values_are_filled_in(self) -> None:
        assert word("example", "fr", file="a : b.hl7", number=1) == "a : b.hl7, message 1"
        assert word("ack.in_error", "fr") == "AE\u00a0: contenu à corriger"


class TestNumbers:
    @pytest.mark.parametrize(("value", "fr", "en"), [(7, "7", "7"), (100000, "100\u202f000", "100,000")])
    def test_thousands(self, value: int, fr: str, en: str) -> None:
        assert (number(value, "fr"), number(value, "en")) == (fr, en)

    @pytest.mark.parametrize(
        ("part", "whole", "fr", "en"),
        [
            (0, 7, "0\u202f%", "0%"),
            (7, 7, "100\u202f%", "100%"),
            (1, 3, "33,3\u202f%", "33.3%"),
            (1, 100_000, "<\u202f0,1\u202f%", "<\u202f0.1%"),
            (99_999, 100_000, ">\u202f99,9\u202f%", ">\u202f99.9%"),
            (0, 0, "", ""),
        ],
    )
    def test_a_share_is_never_rounded_to_none_or_all(self, part: int, whole: int, fr: str, en: str) -> None:
        assert (share(part, whole, "fr"), share(part, whole, "en")) == (fr, en)


class TestDates:
    def test_days_and_moments(self) -> None:
        at = datetime(2026, 3, 2, 8, 5, tzinfo=ZoneInfo("Europe/Paris"))
        assert day(date(2026, 3, 2), "fr") == "02/03/2026"
        assert (moment(at, "fr"), moment(at, "en")) == ("02/03/2026 08:05 (CET)", "2026-03-02 08:05 (CET)")
