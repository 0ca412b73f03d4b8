"""The values a profile is made of."""

import re

import pytest

from pam_receiver.finding import Location
from pam_receiver.profile.model import Cardinality, CodeTable, Place


class TestCardinality:
    """HL7 v2.5 §2.12: how often a segment or a field stands in a message."""

    @pytest.mark.parametrize(("text", "least", "most"), [("0..1", 0, 1), ("1..*", 1, None), ("0..0", 0, 0)])
    def test_reads_and_writes_bounds(self, text: str, least: int, most: int | None) -> None:
        card = Cardinality.parse(text)
        assert (card.min, card.max) == (least, most)
        assert str(card) == text

    @pytest.mark.parametrize("text", ["", "1", "1..", "*..1", "2..1", "0..1 ", "-1..1", "٠..1x"])
    def test_anything_else_is_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
            Cardinality.parse(text)


class TestPlace:
    @pytest.mark.parametrize(
        ("text", "place"),
        [
            ("ZBE", Place("ZBE")),
            ("PID-32", Place("PID", 32)),
            ("PID-5.7", Place("PID", 5, 7)),
            ("PID-3.4.2", Place("PID", 3, 4, 2)),
            ("CX-4", Place("CX", 4)),
            ("CX-4.2", Place("CX", 4, 2)),
        ],
    )
    def test_reads_and_writes_places(self, text: str, place: Place) -> None:
        assert Place.parse(text) == place
        assert str(place) == text

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "pid-3",
            "PID-",
            "PID-0",
            "PID-3.",
            "PID-3.0",
            "PID-3[1]",
            "PIDX-3",
            "1ID",
            "PID-3.4.2.1",
            "P-3",
            "PID-100",
        ],
    )
    def test_anything_else_is_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
            Place.parse(text)

    def test_begins_the_ids_of_its_rules(self) -> None:
        assert [Place("PID", 3, 4, 2).id, Place("ZBE").id] == ["pid-3-4-2", "zbe"]

    def test_becomes_a_location_in_one_segment_of_a_message(self) -> None:
        assert Place("PID", 5, 7).location(2, 3) == Location("PID", 2, 5, 3, 7)
        assert Place("PID", 3, 4, 2).location() == Location("PID", 1, 3, None, 4, 2)
        assert Place("ZBE").location() == Location("ZBE")


def test_a_table_contains_its_codes() -> None:
    table = CodeTable("X", "title", {"A": "first"}, "spec")
    assert "A" in table
    assert "B" not in table
