"""A message as read: segments, fields, repetitions. Nothing is judged here, and no ``repr`` shows a value."""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from pam_receiver.finding import Finding, Location
from pam_receiver.hl7.separators import STANDARD, UNSPLIT, Separators, unescape
from pam_receiver.values import value

NULL: Final = '""'  # HL7 v2.5 §2.5.3: "delete what you hold"


def _split(text: str, separator: str) -> list[str]:
    return text.split(separator) if separator else [text]


def _pick(components: list[str], n: int, m: int, separators: Separators, encoding: str) -> str | None:
    if not 1 <= n <= len(components):
        return None
    text = components[n - 1]
    if m == 1 and (not text or text.isalnum()):
        return text  # nearly always so: no separator and no escape sign is a letter or a digit
    if m == 1 and separators is STANDARD and "&" not in text and "\\" not in text:
        return text
    parts = _split(text, separators.subcomponent)
    return unescape(parts[m - 1], separators, encoding) if 1 <= m <= len(parts) else None


class Repetition:
    """One repetition of a field. ``components`` are its raw components, not to be changed.

    Not a dataclass, for very many are made; to be treated as frozen.
    """

    __slots__ = ("components", "encoding", "number", "raw", "separators")

    def __init__(self, raw: str, number: int, separators: Separators, encoding: str) -> None:
        self.raw = raw
        self.number = number
        self.separators = separators
        self.encoding = encoding
        self.components = raw.split(separators.component) if separators.component else [raw]

    def __repr__(self) -> str:
        return f"Repetition(number={self.number})"

    @property
    def component_count(self) -> int:
        return len(self.components)

    def component(self, n: int) -> str | None:
        """Return component ``n`` (from 1), its first subcomponent when it has several.

        ``None`` when the repetition ends before it, ``""`` when it is empty, :data:`NULL` as sent.
        """
        components = self.components
        if not 1 <= n <= len(components):
            return None
        text = components[n - 1]
        if not text or text.isalnum():
            return text
        return _pick(components, n, 1, self.separators, self.encoding)

    def subcomponent(self, n: int, m: int) -> str | None:
        """Return subcomponent ``m`` of component ``n`` (both from 1); ``None`` when there is none."""
        return _pick(self.components, n, m, self.separators, self.encoding)

    def subcomponents(self, n: int) -> list[str]:
        """Return all subcomponents of component ``n`` (from 1); none when the repetition ends before it."""
        if not 1 <= n <= len(self.components):
            return []
        text = self.components[n - 1]
        parts = _split(text, self.separators.subcomponent)
        if self.separators.escape not in text:
            return parts
        return [unescape(part, self.separators, self.encoding) for part in parts]


def _is_blank(raw: str, separators: Separators) -> bool:
    """Whether nothing but separators and blanks stands there."""
    s = separators
    return not raw.strip(f"{s.component}{s.repetition}{s.subcomponent} ")


def _repetitions(raw: str | None, separators: Separators, encoding: str) -> tuple[Repetition, ...]:
    if not raw or (not raw[:1].isalnum() and _is_blank(raw, separators)):
        return ()
    if not separators.repetition or separators.repetition not in raw:
        return (Repetition(raw, 1, separators, encoding),)
    parts = raw.split(separators.repetition)
    return tuple([Repetition(part, n, separators, encoding) for n, part in enumerate(parts, 1)])


@dataclass(frozen=True, slots=True)
class Field:
    """A field as sent. Absent, empty and ``""`` are three things. Spec: HL7 v2.5 §2.5.3.

    ``raw`` is ``None`` when the segment ends before the field.
    """

    raw: str | None = field(repr=False)
    number: int
    separators: Separators = field(repr=False)
    encoding: str = field(repr=False)

    @property
    def is_absent(self) -> bool:
        return self.raw is None

    @property
    def is_empty(self) -> bool:
        """There, with nothing in it but separators and blanks."""
        return self.raw is not None and _is_blank(self.raw, self.separators)

    @property
    def is_null(self) -> bool:
        return self.raw == NULL

    @property
    def is_valued(self) -> bool:
        """Neither absent, nor empty, nor ``""``."""
        return not (self.is_absent or self.is_empty or self.is_null)

    @property
    def repetitions(self) -> tuple[Repetition, ...]:
        """The repetitions in order, empty ones included; none when the field is absent or empty."""
        return _repetitions(self.raw, self.separators, self.encoding)


class Segment:
    """One segment, its fields split. ``name`` is ``""`` for a line that is no segment.

    ``cells`` are the raw fields by their number, not to be changed; number 0 is the name of the segment.

    Not a dataclass, and its arguments may stand without their names: very many are made. To be treated as frozen.
    """

    __slots__ = ("cells", "encoding", "index", "name", "separators", "sequence", "text")

    def __init__(self, text: str, name: str, sequence: int, index: int, separators: Separators, encoding: str) -> None:
        self.text = text
        self.name = name
        self.sequence = sequence
        self.index = index
        self.separators = separators
        self.encoding = encoding
        self.cells = text.split(separators.field)
        if name == "MSH":  # MSH-1 is the separator itself
            self.cells.insert(1, separators.field)

    def __repr__(self) -> str:
        return f"Segment({self.name!r}, sequence={self.sequence}, index={self.index})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Segment):
            return NotImplemented
        return self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def _key(self) -> tuple[str, str, int, int, Separators, str]:
        return (self.text, self.name, self.sequence, self.index, self.separators, self.encoding)

    @property
    def field_count(self) -> int:
        return len(self.cells) - 1

    def field(self, number: int) -> Field:
        """Return field ``number`` (from 1), absent or not. MSH-1 and MSH-2 are never split."""
        return Field(self.raw(number), number, self._separators_of(number), self.encoding)

    def repetitions(self, number: int) -> tuple[Repetition, ...]:
        """Return the repetitions of field ``number`` (from 1), as :attr:`Field.repetitions` gives them."""
        cells = self.cells
        raw = cells[number] if 1 <= number < len(cells) else ""
        return _repetitions(raw, self._separators_of(number), self.encoding) if raw else ()

    def raw(self, number: int) -> str | None:
        """Return the raw text of field ``number`` (from 1); ``None`` when it is absent."""
        cells = self.cells
        return cells[number] if 1 <= number < len(cells) else None

    def _separators_of(self, number: int) -> Separators:
        return UNSPLIT if number <= 2 and self.name == "MSH" else self.separators

    def value(self, number: int, component: int = 1, subcomponent: int = 1) -> str | None:
        """Return one value of the first repetition, unescaped.

        ``None`` when it is absent, ``""`` when it is empty, :data:`NULL` as sent.
        """
        cells = self.cells
        if not 1 <= number < len(cells):
            return None
        raw = cells[number]
        if not raw or raw.isalnum():
            return raw if component == subcomponent == 1 else None
        separators = self._separators_of(number)
        first = _split(raw, separators.repetition)[0]
        return _pick(_split(first, separators.component), component, subcomponent, separators, self.encoding)

    def location(
        self,
        field: int | None = None,
        repetition: int | None = None,
        component: int | None = None,
        subcomponent: int | None = None,
    ) -> Location:
        """Return the place of this segment, or of a part of it, for a finding."""
        return _place(self.name, self.sequence, field, repetition, component, subcomponent)


@lru_cache(maxsize=4096)  # each message of a feed names the same places
def _place(name: str, sequence: int, *numbers: int | None) -> Location:
    return Location(name, sequence, *numbers)


@value(frozen=True, slots=True)
class Message:
    """A message: what was sent, what was read, and what is to be said of how it was written.

    ``encoding`` is the Python codec it was read in; ``segments`` begins with MSH and keeps every line, in order.
    """

    raw: bytes = field(repr=False)
    separators: Separators
    segments: tuple[Segment, ...]
    encoding: str
    findings: tuple[Finding, ...]

    def segment(self, name: str) -> Segment | None:
        """Return the first segment of this name, wherever it stands."""
        for segment in self.segments:
            if segment.name == name:
                return segment
        return None

    def named(self, name: str) -> tuple[Segment, ...]:
        """Return all segments of this name, in order."""
        return tuple([segment for segment in self.segments if segment.name == name])
