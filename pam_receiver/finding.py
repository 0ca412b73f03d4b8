"""Finding: the one currency of all checks. A finding never holds patient data."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum
from functools import lru_cache
from typing import Final, Generic, Literal, TypeVar

from pam_receiver.values import value

Lang = Literal["fr", "en"]
Made = TypeVar("Made")

_MOST_REMEMBERED: Final = 1024  # of one kind, then all are forgotten


class Severity(StrEnum):
    """How bad a finding is. Spec: HL7 v2.5 table 0516, ERR-4."""

    E = "E"
    W = "W"
    I = "I"  # noqa: E741 - the letter of the table


class ErrorCode(IntEnum):
    """What kind of fault a finding is. Spec: HL7 v2.5 table 0357, ERR-3."""

    ACCEPTED = 0
    SEGMENT_SEQUENCE = 100
    REQUIRED_FIELD_MISSING = 101
    DATA_TYPE = 102
    TABLE_VALUE = 103
    UNSUPPORTED_MESSAGE_TYPE = 200
    UNSUPPORTED_EVENT = 201
    UNSUPPORTED_PROCESSING_ID = 202
    UNSUPPORTED_VERSION = 203
    UNKNOWN_KEY = 204
    DUPLICATE_KEY = 205
    RECORD_LOCKED = 206
    INTERNAL_ERROR = 207

    @property
    def display(self) -> str:
        """The words of table 0357, for ERR-3.2."""
        return _DISPLAYS[self]


_DISPLAYS: Final[Mapping[int, str]] = {  # HL7 v2.5 table 0357
    0: "Message accepted",
    100: "Segment sequence error",
    101: "Required field missing",
    102: "Data type error",
    103: "Table value not found",
    200: "Unsupported message type",
    201: "Unsupported event code",
    202: "Unsupported processing id",
    203: "Unsupported version id",
    204: "Unknown key identifier",
    205: "Duplicate key identifier",
    206: "Application record locked",
    207: "Application internal error",
}


@value(frozen=True, slots=True)
class Location:
    """A place in a message, every number from 1; ``None`` stands for "the whole". Spec: HL7 v2.5 §2.15.5.2, ERR-2.

    ``sequence`` counts the segments of this name in the message.
    """

    segment: str
    sequence: int = 1
    field: int | None = None
    repetition: int | None = None
    component: int | None = None
    subcomponent: int | None = None

    @property
    def err2(self) -> tuple[str, ...]:
        """The components of ERR-2, as far as they are known: ``("PID", "1", "11", "2", "9")``.

        HL7 asks for a repetition wherever a component is named, so an unknown one is written 1.
        """
        repetition = self.repetition or (1 if self.component else None)
        parts = (self.field, repetition, self.component, self.subcomponent)
        known = [str(part) for part in parts if part is not None]
        return (self.segment, str(self.sequence), *known)

    def __str__(self) -> str:
        """For people: ``PID-11[2].9``; the second MRG of a message is ``MRG(2)-1``."""
        text = self.segment if self.sequence == 1 else f"{self.segment}({self.sequence})"
        if self.field is not None:
            text += f"-{self.field}"
        if self.repetition is not None and self.repetition > 1:
            text += f"[{self.repetition}]"
        if self.component is not None:
            text += f".{self.component}"
        if self.subcomponent is not None:
            text += f".{self.subcomponent}"
        return text


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule that a message is held to: how it is coded, what the sender is told, and where it is written.

    ``fr`` and ``en`` are one sentence each that says what to change; ``{name}`` stands for a value given to
    :meth:`at`, which must never be patient data. ``example`` is the right form as it stands in a message; every person
    in it is invented.
    """

    id: str
    code: ErrorCode
    severity: Severity
    fr: str
    en: str
    spec: str
    example: str = ""

    def __hash__(self) -> int:
        """Of the id alone: equal rules have it, and findings are looked up by their rule all the time."""
        return hash(self.id)

    def at(self, location: Location | None = None, /, **values: str | int) -> "Finding":
        """Return the finding that this rule is not kept at ``location``."""
        return _make_finding(self, location, tuple(values.items()))


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check has to say of one place of one message."""

    rule: str
    code: ErrorCode
    severity: Severity
    at: Location | None
    fr: str
    en: str
    spec: str

    def __hash__(self) -> int:
        """Of the rule and the place: equal findings have them, and what is made of a finding is looked up by it."""
        return hash((self.rule, self.at))

    def text(self, lang: Lang) -> str:
        """The sentence that tells the sender what to change."""
        return self.fr if lang == "fr" else self.en

    @property
    def is_error(self) -> bool:
        return self.severity is Severity.E

    def graded(self, severity: Severity) -> "Finding":
        """Return the same finding with another severity."""
        return self if severity is self.severity else _grade_finding(self, severity)


def has_error(findings: Iterable[Finding]) -> bool:
    """Whether one of the findings refuses the message."""
    error = Severity.E
    for finding in findings:  # noqa: SIM110 - a generator takes twice as long, and this is asked all the time
        if finding.severity is error:
            return True
    return False


class Remembered(Generic[Made]):
    """What was made of the findings of a message, for the next message of which the same is said: those of a feed.

    Findings are looked up as the objects that they are, for :meth:`Rule.at` gives the same ones again; to compare them
    takes longer than to make most things of them. They are held here, so that no others take their place in memory. The
    tuple that they come in is known too: it is most often one that was remembered itself.
    """

    __slots__ = ("_by_each", "_by_tuple")

    def __init__(self) -> None:
        self._by_tuple: dict[tuple[int, tuple[object, ...]], tuple[tuple[Finding, ...], Made]] = {}
        self._by_each: dict[tuple[tuple[int, ...], tuple[object, ...]], tuple[tuple[Finding, ...], Made]] = {}

    def find(self, findings: tuple[Finding, ...], *also: object) -> Made | None:
        """Return what was kept for these findings and whatever else it depends on; ``None``: nothing was."""
        kept = self._by_tuple.get((id(findings), also))
        if kept is None:
            kept = self._by_each.get((_ids(findings), also))
        return None if kept is None else kept[1]

    def keep(self, made: Made, findings: tuple[Finding, ...], *also: object) -> Made:
        """Keep what was made, under what :meth:`find` is asked by, and return it."""
        if len(self._by_each) >= _MOST_REMEMBERED:
            self._by_each.clear()
            self._by_tuple.clear()
        self._by_each[(_ids(findings), also)] = self._by_tuple[(id(findings), also)] = (findings, made)
        return made


def _ids(findings: tuple[Finding, ...]) -> tuple[int, ...]:
    return tuple([id(each) for each in findings])


@lru_cache(maxsize=1024)  # a feed breaks the same few rules at the same places; no finding holds patient data
def _make_finding(rule: Rule, location: Location | None, values: tuple[tuple[str, str | int], ...]) -> Finding:
    words = dict(values)
    return Finding(
        rule=rule.id,
        code=rule.code,
        severity=rule.severity,
        at=location,
        fr=rule.fr.format(**words) if words else rule.fr,
        en=rule.en.format(**words) if words else rule.en,
        spec=rule.spec,
    )


@lru_cache(maxsize=1024)  # as above
def _grade_finding(finding: Finding, severity: Severity) -> Finding:
    return replace(finding, severity=severity)
