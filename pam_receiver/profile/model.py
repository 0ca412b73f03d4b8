"""The values a profile is made of, and the flat plan of each event that they are compiled to."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Final

from pam_receiver.finding import Finding, Location, Remembered, Rule, Severity
from pam_receiver.profile import quick


class Usage(StrEnum):
    """How a segment, field or component is used. Spec: HL7 v2.5 §2.12."""

    R = "R"
    RE = "RE"  # the sender's duty when it knows the value; nothing to check in a message
    C = "C"  # R when the condition of the line holds, else O
    CE = "CE"  # must be empty when the condition of the line does not hold, else RE
    O = "O"  # noqa: E741 - the letter of the standard
    X = "X"


class Strictness(StrEnum):
    """How severe a breach of a profile is: ``lenient`` warns; ``strict`` makes it an error, and the message refused."""

    LENIENT = "lenient"
    STRICT = "strict"


class Breach(StrEnum):
    """In which way a line is not kept; the end of the id of its rule, as in ``pid-32-required``."""

    REQUIRED = "required"  # usage R
    MISSING = "missing"  # usage C, and the condition holds
    FORBIDDEN = "forbidden"  # usage X
    UNEXPECTED = "unexpected"  # usage CE, and the condition does not hold
    REPEATED = "repeated"
    NOT_IN_TABLE = "not-in-table"
    ILL_FORMED = "ill-formed"
    TOO_LONG = "too-long"
    DIVIDED = "divided"  # by more separators than its data type has parts
    OUT_OF_ORDER = "out-of-order"


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

    def __hash__(self) -> int:
        """Of the id alone: equal tables have it."""
        return hash(self.id)

    def __contains__(self, code: object) -> bool:
        return code in self.values


_PLACE: Final = re.compile(r"([A-Z][A-Z0-9]{1,2})(?:-([1-9]\d?)(?:\.([1-9]\d?)(?:\.([1-9]\d?))?)?)?")


@dataclass(frozen=True, slots=True)
class Place:
    """A segment, field, component or subcomponent of every message: ``ZBE``, ``PID-32``, ``PID-5.7``, ``PID-3.4.2``.

    Of a data type: ``CX-4``, ``CX-4.2``, which are its components and their parts; ``segment`` is then the type.
    """

    segment: str
    field: int | None = None
    component: int | None = None
    subcomponent: int | None = None

    @classmethod
    def parse(cls, text: str) -> "Place":
        """Read ``ZBE``, ``PID-32``, ``PID-5.7`` or ``PID-3.4.2``.

        Raises:
            ValueError: not of one of these forms.
        """
        found = _PLACE.fullmatch(text)
        if found is None:
            raise ValueError(text)
        name, *numbers = found.groups()
        return cls(name, *[int(number) if number else None for number in numbers])

    def __str__(self) -> str:
        text = self.segment
        if self.field is not None:
            text += f"-{self.field}"
        for number in (self.component, self.subcomponent):
            if number is not None:
                text += f".{number}"
        return text

    @property
    def whole(self) -> "Place":
        """The field that this place lies in."""
        return Place(self.segment, self.field)

    @property
    def id(self) -> str:
        """The beginning of the ids of its rules: ``pid-3-4``."""
        return str(self).replace(".", "-").lower()

    def location(self, sequence: int = 1, repetition: int | None = None) -> Location:
        """Return this place in the segment number ``sequence`` of its name in one message."""
        return Location(self.segment, sequence, self.field, repetition, self.component, self.subcomponent)


class Test(StrEnum):
    """What a condition asks of a place."""

    __test__ = False  # not a test of pytest's

    PRESENT = "present"
    ABSENT = "absent"
    IS = "is"  # one of the codes stands there
    IS_NOT = "is_not"  # none of the codes stands there; true when nothing does


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that a message fulfils or not; a repeating place fulfils ``IS`` when one repetition does.

    ``marks``: where the codes stand in a component other than the first, what a field must hold to have one of them.
    """

    at: Place
    test: Test
    codes: frozenset[str] = frozenset()
    marks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ConditionRule:
    """When all of ``when`` hold, ``expect`` must; else ``rule`` is broken at ``expect.at``."""

    rule: Rule
    when: tuple[Condition, ...]
    expect: Condition


NO_RULES: Final[Mapping[Breach, Rule]] = {}


@dataclass(frozen=True, slots=True)
class FieldRule:
    """What a field, a component or a subcomponent is held to, by the line at ``at``.

    ``at`` is a place of the segment (``PID-3.4``), or of a data type (``CX-4``) when the line speaks of that type
    wherever it is used. ``type`` is the HL7 data type; ``shape`` the form of its values when the type has one;
    ``max_length`` in characters. ``when`` belongs to usages C and CE. ``severity`` is that of the breach of the usage,
    ``other_severity`` of every other; ``rules`` has a rule for each breach that can be found, save those that an
    overlay ignores.
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
    other_severity: Severity = Severity.W
    example: str = ""
    rules: Mapping[Breach, Rule] = field(default_factory=lambda: NO_RULES, hash=False)


@dataclass(frozen=True, slots=True)
class SegmentRule:
    """What a segment is held to in one event. ``card`` counts the whole message. Severities: see :class:`FieldRule`."""

    name: str
    usage: Usage
    card: Cardinality
    spec: str
    severity: Severity = Severity.W
    other_severity: Severity = Severity.W
    when: tuple[Condition, ...] = ()
    rules: Mapping[Breach, Rule] = field(default_factory=lambda: NO_RULES, hash=False)


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


@dataclass(frozen=True)
class ValuePlan:
    """A field, component or subcomponent with the parts of its data type, by position; a simple type has none.

    ``depth`` is 1 for a field, 2 for a component, 3 for a subcomponent. ``is_open``: a type that is not known
    (``varies``), of which nothing is judged. Not slotted: its quick look is made when the first such value comes.
    """

    rule: FieldRule
    parts: tuple["ValuePlan", ...] = ()
    depth: int = 1
    is_open: bool = False

    @cached_property
    def known(self) -> set[str]:
        """Values that break no line: codes, and what :attr:`match` adds to them."""
        return set() if self.parts or self.is_open else quick.codes_of(self.rule)

    @cached_property
    def takes_any(self) -> bool:
        """Whether letters and digits alone, whichever, break no line."""
        if self.is_open:
            return False
        return quick.takes_first_alone(self) if self.parts else quick.takes_any_word(self.rule)

    @cached_property
    def match(self) -> quick.Match | None:
        """What lets pass values, in the usual separators, that break no line."""
        if self.is_open:
            return None
        if self.parts:
            return quick.match_parts(self.rule, self.parts, depth=self.depth, known=self.known)
        return quick.match_simple(self.rule)

    @cached_property
    def is_remembered(self) -> bool:
        """Whether a value says nothing of a patient, and what it is held to lies in itself alone."""
        return bool(self.parts) and quick.is_remembered(self.rule, self.parts)

    @property
    def is_needed(self) -> bool:
        """Whether its being empty can break a line."""
        return self.rule.usage in (Usage.R, Usage.C)

    def walk(self) -> Iterator["ValuePlan"]:
        """This plan and those below it."""
        yield self
        for part in self.parts:
            yield from part.walk()


@dataclass(frozen=True)
class SegmentPlan:
    """What a segment is held to, field by field. ``required`` and ``conditional``: the fields of usage R, of C and CE.

    ``most`` is the number of its last field. Not slotted: as :class:`ValuePlan`.
    """

    name: str
    fields: Mapping[int, ValuePlan]
    required: frozenset[int]
    conditional: tuple[FieldRule, ...]
    most: int

    @cached_property
    def look(self) -> quick.Look:
        """What names the fields, of the cells of a segment in the usual separators, that are not surely right."""
        return quick.look_at(self.fields, self.required)


@dataclass(frozen=True)
class EventPlan:
    """Everything that a message of one event is held to.

    ``sequences`` remembers what was found of a sequence of segment names, ``judged`` of a field that says nothing of a
    patient, by segment, its number, field, value and codec: a feed sends the same few all day.
    """

    event: EventRule
    grammar: Grammar
    segments: Mapping[str, SegmentRule]
    required: tuple[SegmentRule, ...]
    conditional: tuple[SegmentRule, ...]
    fields: Mapping[str, SegmentPlan]
    rules: tuple[ConditionRule, ...]
    sequences: dict[tuple[str, ...], tuple[Finding, ...]] = field(default_factory=dict, repr=False, compare=False)
    judged: dict[tuple[str, int, int, str, str], tuple[Finding, ...]] = field(
        default_factory=dict, repr=False, compare=False
    )

    @cached_property
    def usual_type(self) -> str:
        """MSH-9 in full, in the usual separators."""
        return f"ADT^{self.event.code}^{self.event.structure}"

    @cached_property
    def doubt(self) -> quick.Doubt:
        """What names the condition rules, and the segments with conditional fields, that are to be looked at."""
        return quick.doubt(self)


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile, compiled: ``plans`` has one entry per event it accepts.

    ``rules`` are all those that its lines can break, by id, at the severity in force; ``conditions`` the ids of those
    that are written out in its files; ``ignored`` those that its overlay takes away. ``grades`` is what its overlay
    says of any rule, of the code too: a severity, or ``None`` to ignore it. ``birth_place_components``: the parts of
    XAD where the COG may stand too.
    """

    name: str
    title: str
    spec: str
    events: Mapping[str, EventRule]
    plans: Mapping[str, EventPlan]
    rules: Mapping[str, Rule]
    conditions: frozenset[str]
    ignored: frozenset[str]
    grades: Mapping[str, Severity | None]
    birth_place_components: tuple[int, ...] = ()
    said: Remembered[tuple[Finding, ...]] = field(init=False, default_factory=Remembered, repr=False, compare=False)
    """What is said of a message once all findings are together, by what each step has found."""

    def accepts(self, event: str) -> bool:
        """Whether ``event`` (MSH-9.2) belongs to this profile."""
        return event in self.plans

    @property
    def makes_errors(self) -> bool:
        """Whether a departure from this profile can refuse a message: by strictness or by an overlay."""
        return any(rule.severity is Severity.E for rule in self.rules.values())

    def is_general(self, rule_id: str) -> bool:
        """Whether a rule only says that a line of the profile is not kept; a rule that knows why takes its place."""
        return rule_id in self.rules and rule_id not in self.conditions

    def graded(self, findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
        """Return findings of any step as the overlay grades them. An error of the code stays one: nothing was kept."""
        if not self.grades or self.grades.keys().isdisjoint([finding.rule for finding in findings]):
            return findings
        graded = []
        for finding in findings:
            severity = self.grades.get(finding.rule, finding.severity)
            if finding.is_error or finding.severity is severity or finding.rule in self.rules:
                graded.append(finding)
            elif severity is not None:
                graded.append(finding.graded(severity))
        return tuple(graded)
