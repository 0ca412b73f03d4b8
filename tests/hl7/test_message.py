"""Segments, fields, repetitions."""

import pytest

from pam_receiver.finding import Location
from pam_receiver.hl7.message import NULL, Message, Segment
from pam_receiver.hl7.separators import STANDARD

MSH = "MSH|^~\\&|GAM^1.2.250.1.999.1^ISO|CHU-LYRE"
PID = 'PID|1||100^^^CHU&1.2.250.1.999.77&ISO^PI~""^^^&1.2.250.1.213.1.4.8&ISO^INS||KERGUELEN^ANNE||""|^^|~A|P\\T\\Q'


def segment(text: str) -> Segment:
    return Segment(text, text[:3], sequence=1, index=0, separators=STANDARD, encoding="utf-8")


@pytest.fixture
def pid() -> Segment:
    return segment(PID)


class TestFieldStates:
    """HL7 v2.5 §2.5.3: not there, empty and "" say three things."""

    def test_absent_field(self, pid: Segment) -> None:
        field = pid.field(40)
        assert field.is_absent
        assert (field.is_empty, field.is_null, field.is_valued) == (False, False, False)
        assert (field.raw, field.repetitions, pid.value(40)) == (None, (), None)

    def test_empty_field(self, pid: Segment) -> None:
        field = pid.field(2)
        assert field.is_empty
        assert (field.is_absent, field.is_null, field.is_valued) == (False, False, False)
        assert (field.raw, field.repetitions, pid.value(2)) == ("", (), "")

    def test_null_field(self, pid: Segment) -> None:
        field = pid.field(7)
        assert field.is_null
        assert (field.is_absent, field.is_empty, field.is_valued) == (False, False, False)
        assert [r.raw for r in field.repetitions] == [NULL]
        assert (pid.value(7), pid.value(7, 2)) == (NULL, None)

    def test_valued_field(self, pid: Segment) -> None:
        assert pid.field(5).is_valued
        assert (pid.field(5).is_absent, pid.field(5).is_empty, pid.field(5).is_null) == (False, False, False)

    def test_separators_alone_are_an_empty_field(self, pid: Segment) -> None:
        assert pid.field(8).is_empty
        assert pid.field(8).repetitions == ()

    def test_field_zero_is_no_field(self, pid: Segment) -> None:
        assert pid.field(0).is_absent


class TestParts:
    """HL7 v2.5 chapter 2: repetitions, components and subcomponents count from 1."""

    def test_repetitions_are_numbered_in_order(self, pid: Segment) -> None:
        assert [(r.number, r.component(5)) for r in pid.field(3).repetitions] == [(1, "PI"), (2, "INS")]

    def test_empty_repetition_keeps_its_place(self, pid: Segment) -> None:
        assert [(r.number, r.raw) for r in pid.field(9).repetitions] == [(1, ""), (2, "A")]

    def test_component_gives_its_first_subcomponent(self, pid: Segment) -> None:
        first = pid.field(3).repetitions[0]
        assert first.component_count == 5
        assert first.component(4) == "CHU"
        assert [first.subcomponent(4, m) for m in (0, 1, 2, 3, 4)] == [None, "CHU", "1.2.250.1.999.77", "ISO", None]

    def test_subcomponents_come_together_unescaped(self) -> None:
        first = segment("PID|a^b&\\T\\c&^").repetitions(1)[0]
        assert [first.subcomponents(n) for n in (0, 1, 2, 3, 4)] == [[], ["a"], ["b", "&c", ""], [""], []]

    @pytest.mark.parametrize("number", range(12))
    def test_a_segment_gives_the_repetitions_of_its_fields(self, pid: Segment, number: int) -> None:
        found = [(r.number, r.raw) for r in pid.repetitions(number)]
        assert found == [(r.number, r.raw) for r in pid.field(number).repetitions]

    def test_null_component_and_empty_subcomponent_stay_as_sent(self, pid: Segment) -> None:
        second = pid.field(3).repetitions[1]
        assert (second.component(1), second.component(2), second.subcomponent(4, 1)) == (NULL, "", "")

    def test_component_beyond_the_end_is_none(self, pid: Segment) -> None:
        assert pid.field(5).repetitions[0].component(3) is None
        assert pid.field(5).repetitions[0].component(0) is None

    def test_value_is_that_of_the_first_repetition_unescaped(self, pid: Segment) -> None:
        assert (pid.value(3), pid.value(3, 4, 2), pid.value(10)) == ("100", "1.2.250.1.999.77", "P&Q")

    def test_fields_are_counted(self, pid: Segment) -> None:
        assert pid.field_count == 10


class TestMsh:
    """HL7 v2.5 chapter 2, MSH: MSH-1 is the separator, MSH-2 is never split."""

    def test_numbers_count_the_separator(self) -> None:
        msh = segment(MSH)
        assert (msh.value(1), msh.value(2), msh.value(3), msh.value(4)) == ("|", "^~\\&", "GAM", "CHU-LYRE")
        assert msh.field(2).repetitions[0].component_count == 1
        assert msh.field_count == 4


class TestPrivacy:
    """No repr shows what a message holds: tracebacks go to logs."""

    def test_repr_shows_no_value(self, pid: Segment) -> None:
        message = Message(PID.encode(), STANDARD, (pid,), "utf-8", ())
        shown = repr((message, pid, pid.field(5), pid.field(5).repetitions))
        assert "KERGUELEN" not in shown
        assert "PID" in shown


class TestSegment:
    """Location and equality."""

    def test_location_names_segment_and_sequence(self) -> None:
        second = Segment("MRG|1", "MRG", sequence=2, index=7, separators=STANDARD, encoding="utf-8")
        assert second.location(1, 2, 4, 3) == Location("MRG", 2, 1, 2, 4, 3)

    def test_equal_text_and_place_are_equal(self, pid: Segment) -> None:
        assert pid == segment(PID)
        assert hash(pid) == hash(segment(PID))
        assert pid != segment(MSH)
        assert pid != PID
