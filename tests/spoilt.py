"""Messages that were clean and have one breach of structure each; the same seed gives the same messages.

What HL7 v2.5 says of a segment and of a type is read from hl7apy, so that a breach of a number is one in a number.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hl7apy.v2_5.datatypes import DATATYPES_STRUCTS
from hl7apy.v2_5.segments import SEGMENTS
from hl7apy.v2_5.tables import TABLES

CLEAN: Final = Path(__file__).parent / "profile" / "clean"
# MSH-9, 11, 12, 18 say how a message is to be read at all: a breach there is refused before its structure is judged.
_HEADER: Final = frozenset({1, 2, 9, 11, 12, 18})
_STRANGERS: Final = (
    "OBR|1",
    "TXA|1|CN",
    "PRD|RT",
    "QAK|1|OK",
    "QQQ|1|A",
)  # in no ADT structure; the last in none at all
_INSERTED: Final = (
    "NK1|1|LE GOFF^ERWAN",
    "AL1|1|DA|PENICILLINE",
    "DG1|1||A00||20250101|A",
    "PD1|1",
    "PV1|1|N",
    "UB1|1",
)
_DATES: Final = ("2025130", "20250229", "20250230", "2025-03-04", "hier", "20251301", "202503042561")
_NUMBERS: Final = ("deux", "1,5", "1e3", "--1")

Cells = list[str]  # of a segment: its name, then each field under its number; MSH-1 too
Spoil = Callable[[list[Cells], random.Random], str]  # breaks a message in place; gives where, or nothing


@dataclass(frozen=True, slots=True)
class Spoilt:
    """A message that was clean and has one breach now. ``at``: the segment, or the field, that was touched."""

    clean: str
    breach: str
    at: str
    text: str


def read_clean() -> Mapping[str, str]:
    """Return the clean messages by the name of their file, segments ended by CR."""
    files = sorted(CLEAN.glob("*.hl7"))
    return {each.stem: each.read_text("utf-8").replace("\r\n", "\r").replace("\n", "\r") for each in files}


def spoil(messages: Mapping[str, str], count: int, *, seed: int) -> Iterator[Spoilt]:
    """Give ``count`` messages, the kinds of breach in turn; where a message has no place for one, another is tried."""
    rnd = random.Random(seed)
    names, kinds = sorted(messages), tuple(BREACHES)
    weights = [len(messages[name]) ** -1.5 for name in names]  # short ones more often: the other reader is slow
    for number in range(count):
        kind = kinds[number % len(kinds)]
        spoilt = None
        while spoilt is None:
            name = rnd.choices(names, weights)[0]
            segments = [_split(each) for each in messages[name].split("\r") if each]
            at = BREACHES[kind](segments, rnd)
            spoilt = Spoilt(name, kind, at, _join(segments)) if at else None
        yield spoilt


def without_z(text: str) -> str:
    """Return a message without its Z segments."""
    return "".join(f"{each}\r" for each in text.split("\r") if each and not each.startswith("Z"))


def _split(line: str) -> Cells:
    cells = line.split("|")
    return ["MSH", "|", *cells[1:]] if cells[0] == "MSH" else cells


def _join(segments: Sequence[Cells]) -> str:
    lines = ("|".join(["MSH", *each[2:]] if each[0] == "MSH" else each) for each in segments)
    return "".join(f"{line}\r" for line in lines)


# ---------------------------------------------------------------------------------------------------------- places


@dataclass(frozen=True, slots=True)
class _Place:
    """A field that has a value, and what HL7 v2.5 says of it. ``most``: how often it may stand there, -1 for ever."""

    cells: Cells
    number: int
    type: str
    table: str
    least: int
    most: int

    @property
    def at(self) -> str:
        return f"{self.cells[0]}-{self.number}"

    @property
    def value(self) -> str:
        return self.cells[self.number]

    @property
    def first(self) -> list[str]:
        """The components of the first repetition."""
        return self.value.split("~", maxsplit=1)[0].split("^")

    def has(self, types: frozenset[str]) -> bool:
        """Whether it is of one of ``types``, or has a component that is."""
        return self.type in types or any(each[1][2] in types for each in _parts(self.type))

    def set(self, value: str) -> str:
        self.cells[self.number] = value
        return self.at

    def set_part(self, number: int, value: str) -> str:
        """Put ``value`` into a component, counted from 0, of the first repetition, which stays alone."""
        parts = self.first
        parts += [""] * (number + 1 - len(parts))
        parts[number] = value
        return self.set("^".join(parts))


def _places(segments: Sequence[Cells]) -> Iterator[_Place]:
    """Every field with a value, in the segments that HL7 v2.5 knows."""
    for cells in segments:
        known: Any = SEGMENTS.get(cells[0])  # Any: hl7apy has no types
        for number, entry in enumerate(known[1] if known else (), 1):
            if number >= len(cells) or not cells[number] or (cells[0] == "MSH" and number in _HEADER):
                continue
            (_, _, data_type, _, table, _), (least, most) = entry[1], entry[2]
            yield _Place(cells, number, data_type, table or "", least, most)


def _parts(data_type: str) -> Sequence[Any]:
    return DATATYPES_STRUCTS.get(data_type, ()) if data_type != "TS" else ()


# -------------------------------------------------------------------------------------------------------- segments


def _drop_segment(segments: list[Cells], rnd: random.Random) -> str:
    return segments.pop(rnd.randrange(1, len(segments)))[0]


def _repeat_segment(segments: list[Cells], rnd: random.Random) -> str:
    number = rnd.randrange(1, len(segments))
    segments.insert(number, list(segments[number]))
    return segments[number][0]


def _swap_segments(segments: list[Cells], rnd: random.Random) -> str:
    first, second = sorted(rnd.sample(range(1, len(segments)), 2))
    segments[first], segments[second] = segments[second], segments[first]
    return segments[first][0]


def _insert(lines: Sequence[str]) -> Spoil:
    def insert(segments: list[Cells], rnd: random.Random) -> str:
        line = rnd.choice(lines)
        segments.insert(rnd.randrange(1, len(segments) + 1), _split(line))
        return line[:3]

    return insert


def _go_beyond_segment(segments: list[Cells], rnd: random.Random) -> str:
    cells = rnd.choice([each for each in segments if each[0] in SEGMENTS])
    most = len(SEGMENTS[cells[0]][1])
    cells += [""] * (most + 1 - len(cells)) + ["A"]
    return f"{cells[0]}-{most + 1}"


# ---------------------------------------------------------------------------------------------------------- fields


def _at(fits: Callable[[_Place], bool], change: Callable[[_Place, random.Random], str]) -> Spoil:
    """Change one of the fields that fit."""

    def spoil_field(segments: list[Cells], rnd: random.Random) -> str:
        found = [each for each in _places(segments) if fits(each)]
        return change(rnd.choice(found), rnd) if found else ""

    return spoil_field


def _of(*types: str) -> Callable[[_Place], bool]:
    return lambda each: each.has(frozenset(types))


def _put(values: Sequence[str], *types: str) -> Callable[[_Place, random.Random], str]:
    """Put one of ``values`` into the field when it is of one of ``types``, else into such a component."""

    def put(place: _Place, rnd: random.Random) -> str:
        value = rnd.choice(values)
        if place.type in types:
            return place.set(value)
        return place.set_part(
            rnd.choice([n for n, each in enumerate(_parts(place.type)) if each[1][2] in types]), value
        )

    return put


def _add(text: str) -> Callable[[_Place, random.Random], str]:
    return lambda place, _: place.set(place.value + text)


def _is_anything(_: _Place) -> bool:
    return True


def _is_simple(place: _Place) -> bool:
    return not _parts(place.type) and place.type != "varies"


def _is_composite(place: _Place) -> bool:
    return len(_parts(place.type)) > 1


def _has_code(place: _Place) -> bool:
    return place.type == "ID" and bool(TABLES.get(place.table, ("", ()))[1])


BREACHES: Final[Mapping[str, Spoil]] = {
    "a segment left out": _drop_segment,
    "a segment twice": _repeat_segment,
    "two segments exchanged": _swap_segments,
    "a segment of no ADT structure": _insert(_STRANGERS),
    "a segment inserted anywhere": _insert(_INSERTED),
    "a field behind the last one": _go_beyond_segment,
    "a required field left out": _at(lambda each: each.least > 0, lambda each, _: each.set("")),
    "any field left out": _at(_is_anything, lambda each, _: each.set("")),
    'a field erased by ""': _at(_is_anything, lambda each, _: each.set('""')),
    "a field that stands once, twice": _at(lambda each: each.most == 1, lambda each, _: each.set(f"{each.value}~1")),
    "more components than the type has": _at(_is_composite, lambda each, _: each.set_part(len(_parts(each.type)), "A")),
    "components in a simple value": _at(_is_simple, _add("^A^B")),
    "subcomponents in a simple value": _at(_is_simple, _add("&A&B")),
    "subcomponents in a simple component": _at(
        lambda each: _is_composite(each) and each.has(frozenset({"ST", "ID", "IS"})), _put(["A&B&C"], "ST", "ID", "IS")
    ),
    "one word for a composite value": _at(lambda each: len(each.first) > 1, lambda each, _: each.set("A")),
    "no date or time": _at(_of("DT", "DTM", "TM", "TS"), _put(_DATES, "DT", "DTM", "TM", "TS")),
    "no number": _at(_of("NM", "SI"), _put(_NUMBERS, "NM", "SI")),
    "a code that the table has not": _at(_has_code, lambda each, _: each.set("?")),
    "a code that the table has not, in a component": _at(
        lambda each: _is_composite(each) and each.has(frozenset({"ID"})), _put(["?"], "ID")
    ),
    "a value too long": _at(
        lambda each: each.type in {"ST", "IS", "ID", "SI"}, _put(["1" * 30, "1" * 300], "ST", "IS", "ID", "SI")
    ),
    "a component too long": _at(
        lambda each: _is_composite(each) and each.has(frozenset({"ST"})), _put(["A" * 30, "A" * 300], "ST")
    ),
    "a stray escape sign": _at(
        lambda each: each.type in {"ST", "IS", "ID"} or _is_composite(each),
        lambda each, _: each.set(f"A\\B{each.value}"),
    ),
}
