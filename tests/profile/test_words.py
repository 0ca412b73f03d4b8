"""The words of the rules made from lines: what they say of a value must be true of the receiver."""

from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from pam_receiver.adt import ReadingRules, read_event
from pam_receiver.hl7.er7 import parse_message
from pam_receiver.hl7.header import read_header
from pam_receiver.profile.base import TYPES
from pam_receiver.profile.model import Place
from pam_receiver.profile.words import READ, is_read, say_fate
from tests.drafts import read_lines, write_lines

Lines = list[list[str]]
CLEAN = Path(__file__).parent / "clean"
ASKED = ReadingRules(frozenset("PTD"), ZoneInfo("Europe/Paris"))
# What makes a difference where another text would not: the place is emptied, or written so.
OTHERWISE = {
    "PID-3.5": "INS",
    "PID-7": "19600101",
    "PID-8": "M",
    "PID-32.1": "PROV",
    "MSH-18": "8859/15",
    "ZBE-4": "CANCEL",
}
OTHERWISE |= {"ZFD-4": "Y", "ZFD-5": "INSI", "EVN-2": "20200101"}
OTHERWISE |= {"PID-33": "20200101", "MRG-1.5": "INS"}
# Places that would hide the one that is tried: the date of the change is that of PID-33 first.
BEFORE = {"EVN-2": ["PID-33"]}
# Looked at to tell a sender what is wrong there; nothing is taken from it.
LOOKED_AT = {"MSH-1", "MSH-2"}


def clean(event: str) -> Lines:
    """A message as full as the profile allows, its ZFD filled."""
    lines = read_lines((CLEAN / f"{event}.hl7").read_bytes())
    lines.append(["ZFD", "", "", "", "N", ""])
    return lines


def change(lines: Lines, at: Place, value: str) -> None:
    """Write ``value`` at a place of the first segment of its name; of PID-11 in the repetition of the birth place."""
    segment = next(each for each in lines if each[0] == at.segment)
    number = at.field or 0
    segment += [""] * (number + 1 - len(segment))
    if at.component is None:
        segment[number] = value
        return
    repetitions = segment[number].split("~")
    index = next((i for i, each in enumerate(repetitions) if "^BDL" in each), 0)
    components = repetitions[index].split("^")
    components += [""] * (at.component - len(components))
    components[at.component - 1] = value
    repetitions[index] = "^".join(components)
    segment[number] = "~".join(repetitions)


def reading(lines: Lines) -> object:
    """All that the receiver takes from a message, without its findings."""
    message = parse_message(write_lines(lines))
    header = read_header(message)
    read = read_event(message, header, ASKED)
    return header, read.event, read.dated


def event_for(segment: str) -> str:
    return "A47" if segment == "MRG" else "A06"


def not_read() -> Iterator[Place]:
    """Fields that are not read, and the parts of those of which something is."""
    for segment, most in (("MSH", 25), ("EVN", 9), ("PID", 40), ("MRG", 8), ("ZBE", 10), ("ZFD", 9)):
        for number in range(1, most):
            field = Place(segment, number)
            if not is_read(field):
                yield field
            elif any(each.component for each in READ if each.whole == field):
                yield from (
                    part for part in (Place(segment, number, each) for each in range(1, 11)) if not is_read(part)
                )


class TestWhatIsRead:
    """IHE PAM FR 2.11.2 §6: a sender told that a value is not read must be able to rely on it, and the other way."""

    @pytest.mark.parametrize("at", [each for each in READ if each.segment not in TYPES], ids=str)
    def test_what_is_read_makes_a_difference(self, at: Place) -> None:
        before = clean(event_for(at.segment))
        for other in BEFORE.get(str(at), []):
            change(before, Place.parse(other), "")
        after = [list(line) for line in before]
        change(after, at, OTHERWISE.get(str(at), "OTHER"))
        assert reading(after) != reading(before)

    @pytest.mark.parametrize("at", [each for each in not_read() if str(each) not in LOOKED_AT], ids=str)
    def test_what_is_not_read_makes_none(self, at: Place) -> None:
        before = clean(event_for(at.segment))
        after = [list(line) for line in before]
        change(after, at, "OTHER")
        read, was = reading(after), reading(before)
        if at.whole in (Place("MSH", 9), Place("MSH", 12)) and at.component:
            assert read[1:] == was[1:]  # type: ignore[index] - the answer repeats the field as it came
        else:
            assert read == was

    def test_a_part_of_a_type_is_read_where_a_field_of_that_type_is(self) -> None:
        assert [is_read(Place.parse(place)) for place in ("CX-4", "CX-4.2", "XPN-1")] == [True] * 3
        assert [is_read(Place.parse(place)) for place in ("CX-2", "XPN-4", "ZLY-1")] == [False] * 3

    @pytest.mark.parametrize(
        ("place", "fr", "en"),
        [
            ("PID-32", "mais le récepteur lit ce qui s'y trouve", "though the receiver reads what stands there"),
            ("ZFD", "mais le récepteur lit ce qui s'y trouve", "though the receiver reads what stands there"),
            ("PID-9", "la valeur n'est pas lue", "the value is not read"),
            ("PV2", "il n'est pas lu", "it is not read"),
        ],
    )
    def test_and_is_told_so(self, place: str, fr: str, en: str) -> None:
        assert say_fate(Place.parse(place)) == (fr, en)
