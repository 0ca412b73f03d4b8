"""The values a profile is made of, and the flat plan of each event that they are compiled to."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pam_receiver.finding import Location, Rule, Severity


class Usage(StrEnum):
    """How a segment or field is used. Spec: HL7 v2.5 §2.12."""

    R = "R"
    RE = "RE"  # the sender's duty when it knows the value; nothing to check in a message
    C = "C"  # R when the condition of the line holds, else O
    O = "O"  # noqa: E741 - the letter of the standard
    X = "X"


_CARDINALITY: Final = re.compile(r"(\d{1,4})\.\.(\d{1,4}|\*)")


@dataclass(frozen=True, slots=True)
class Cardinality:
    """How often something may stand in a message; ``max`` is ``None`` when there is no limit."""

    min: int
    max: int | None

    @classmethod
    def parse(cls, text: str) -> "Cardinality":
        """Read ``0..1`` or ``1..*``.

        Raises:
            ValueError: not of that form, or the minimum is above the maximum.
        """
        found = _CARDINALITY.fullmatch(text)
        if found is None:
            raise ValueError(text)
        least, most = int(found[1]), None if found[2] == "*" else int(found[2])
        if most is not None and most < least:
            raise ValueError(text)
        return cls(least, most)

    def __str__(self) -> str:
        return f"{self.min}..{'*' if self.max is None else self.max}"


@dataclass(frozen=True, slots=True)
class CodeTable:
    """The codes that a value is taken from: code → what it means."""

    id: str
    title: str
    values: Mapping[str, str]
    spec: str

    def __contains__(self, code: object) -> bool:
        return code in self.values


_PLACE: Final = re.compile(r"([A-Z][A-Z0-9]{2})(?:-([1-9]\d?)(?:\.([1-9]\d?))?)?")


@dataclass(frozen=True, slots=True)
class Place:
    """A segment, a field or a component of every message, such as ``ZBE``, ``PID-32`` or ``PID-5.7``."""

    segment: str
    field: int | None = None
    component: int | None = None

    @classmethod
    def parse(cls, text: str) -> "Place":
        """Read ``ZBE``, ``PID-32`` or ``PID-5.7``.

        Raises:
            ValueError: not of one of these forms.
        """
        found = _PLACE.fullmatch(text)
        if found is None:
            raise ValueError(text)
        name, number, component = found.groups()
        return cls(name, int(number) if number else None, int(component) if component else None)

    def __str__(self) -> str:
        text = self.segment
        if self.field is not None:
            text += f"-{self.field}"
        if self.component is not None:
            text += f".{self.component}"
        return text

    def location(self, sequence: int = 1, repetition: int | None = None) -> Location:
        """Return this place in the segment number ``sequence`` of its name in one message."""
        return Location(self.segment, sequence, self.field, repetition, self.component)


class Test(StrEnum):
    """What a condition asks of a place."""

    __test__ = False  # not a test of pytest's

    PRESENT = "present"
    ABSENT = "absent"
    IS = "is"  # one of the codes stands there
    IS_NOT = "is_not"  # none of the codes stands there; true when nothing does


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that a message fulfils or not; a repeating place fulfils ``IS`` when one repetition does."""

    at: Place
    test: Test
    codes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ConditionRule:
    """When all of ``when`` hold, ``expect`` must; else ``rule`` is broken at ``expect.at``."""

    rule: Rule
    when: tuple[Condition, ...]
    expect: Condition


@dataclass(frozen=True, slots=True)
class FieldRule:
    """What a field (or one component of it) is held to.

    ``type`` is the HL7 data type; ``shape`` the form of its values when the type has one; ``max_length`` in characters.
    ``when`` belongs to usage C. ``severity`` is that of every finding made from this line.
    """

    at: Place
    name: str
    usage: Usage
    card: Cardinality
    type: str
    spec: str
    table: CodeTable | None = None
    shape: re.Pattern[str] | None = None
    max_length: int | None = None
    when: tuple[Condition, ...] = ()
    severity: Severity = Severity.W

    @property
    def judges_values(self) -> bool:
        """Whether a value that stands there can break this line."""
        return self.usage is Usage.X or self.card.max is not None or self.judges_text

    @property
    def judges_text(self) -> bool:
        return self.table is not None or self.shape is not None or self.max_length is not None


@dataclass(frozen=True, slots=True)
class SegmentRule:
    """What a segment is held to in one event. ``card`` counts the whole message."""

    name: str
    usage: Usage
    card: Cardinality
    spec: str
    severity: Severity = Severity.W


@dataclass(frozen=True, slots=True)
class EventRule:
    """A trigger event: its message structure and the transaction it belongs to. Usage X: named only to be refused."""

    code: str
    structure: str
    transaction: str
    spec: str
    usage: Usage = Usage.R


@dataclass(frozen=True, slots=True)
class Grammar:
    """The order of the segments of a message structure, as a deterministic automaton.

    ``steps[state][name]`` is the next state; a name without a step stands out of order. State 0 is the beginning.
    """

    names: frozenset[str]
    steps: tuple[Mapping[str, int], ...]


@dataclass(frozen=True, slots=True)
class FieldPlan:
    """The lines for one field of a segment: that of the field itself, if it judges anything, and of its components.

    ``text`` is ``whole`` again when it judges the text of each repetition. ``is_excluded`` (usage X) and ``most`` (how
    many repetitions) are those of ``whole``.
    """

    whole: FieldRule | None = None
    text: FieldRule | None = None
    components: tuple[FieldRule, ...] = ()
    is_excluded: bool = False
    most: int | None = None


@dataclass(frozen=True, slots=True)
class SegmentPlan:
    """What to look at in a segment: by field number, only fields that something is asked of."""

    fields: Mapping[int, FieldPlan]
    required: tuple[FieldRule, ...]


@dataclass(frozen=True, slots=True)
class EventPlan:
    """Everything that a message of one event is held to."""

    event: EventRule
    grammar: Grammar
    segments: Mapping[str, SegmentRule]
    required: tuple[SegmentRule, ...]
    fields: Mapping[str, SegmentPlan]
    rules: tuple[ConditionRule, ...]


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile, compiled: ``plans`` has one entry per event it accepts."""

    name: str
    title: str
    spec: str
    events: Mapping[str, EventRule]
    plans: Mapping[str, EventPlan]
    rules: tuple[ConditionRule, ...] = ()

    def accepts(self, event: str) -> bool:
        """Whether ``event`` (MSH-9.2) belongs to this profile."""
        return event in self.plans
