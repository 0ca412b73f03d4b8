"""Counts what was found, message by message. Only counts and first examples are kept: memory has a bound."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from pam_receiver.finding import Finding, Location, Severity
from pam_receiver.hl7.ack import AckCode
from pam_receiver.ids import safe_control_id
from pam_receiver.profile.load import ProfileSet
from pam_receiver.profile.rules import FIELD_BEYOND_SEGMENT
from pam_receiver.report.entry import Entry
from pam_receiver.report.masking import (
    mask_name,
    mask_value,
    personal_words,
    read_message,
    read_value,
    shorten,
)
from pam_receiver.report.summary import EventCount, Example, Fix, Group, Summary, Trouble
from pam_receiver.rulebook import find_rule
from pam_receiver.understand import Checked

_MOST_EXAMPLES: Final = 3
_MOST_GROUPS: Final = 5_000  # rules at places: a sender of noise can name any segment
_MOST_TROUBLES: Final = 200
_MOST_SENDERS: Final = 50
_EVENT: Final = re.compile(r"[A-Z]\d\d")  # anything else in MSH-9.2 may be a name, in a header that is out of step
_DAY: Final = re.compile(rb"((?:19|20)\d\d)(\d\d)(\d\d)")
_SEVERITIES: Final = (Severity.E, Severity.W, Severity.I)
# The last field of the segment at fault stands in the sentence; the example of the rule is that of another segment.
_TOLD_BY_SENTENCE: Final = frozenset({FIELD_BEYOND_SEGMENT.id})

_Key = tuple[str, Location | None, Severity]


@dataclass(slots=True)
class _Counted:
    """The findings of one rule at one place, while they are counted."""

    first: Finding
    count: int = 0
    messages: int = 0
    examples: list[Example] = field(default_factory=list)


class Tally:
    """Takes the messages one by one, and gives their summary at any time.

    ``is_masked``: examples show no value and no file name that tells whose message it is. ``profiles``: those that the
    messages are held to, where the right form of a rule is looked up; none: those shipped.
    """

    def __init__(self, *, is_masked: bool = True, profiles: Sequence[ProfileSet] = ()) -> None:
        self._is_masked = is_masked
        self._profiles_in_use = profiles or (None,)
        self._files = 0
        self._last_file: str | None = None
        self._unreadable = 0
        self._acks: Counter[tuple[str, str]] = Counter()  # (event, column of EventCount)
        self._profiles: Counter[str] = Counter()
        self._senders: Counter[str] = Counter()
        self._sources: Counter[str] = Counter()
        self._days: tuple[str, str] = ("", "")
        self._severities: Counter[Severity] = Counter()
        self._counted: dict[_Key, _Counted] = {}
        self._by_rule: Counter[str] = Counter()
        self._refused_by: Counter[str] = Counter()
        self._more_groups = 0
        self._troubles: list[Trouble] = []
        self._more_troubles = 0

    @property
    def exit_code(self) -> int:
        """0 for nothing worse than a warning, 1 for errors, 2 when something could not be read."""
        return 2 if self._unreadable else int(self._severities[Severity.E] > 0)

    def add(self, entry: Entry) -> None:
        """Count one message, or one piece that is none. Those of a file come one after the other."""
        if entry.file != self._last_file:
            self._files += 1
            self._last_file = entry.file
        if entry.is_unreadable:
            self._unreadable += entry.count
        if entry.checked is None:
            self._add_trouble(entry)
            return
        checked = entry.checked
        event = checked.event if _EVENT.fullmatch(checked.event) else ""
        self._acks[event, _column_of(checked)] += 1
        self._sources[checked.source] += 1
        if checked.profile:
            self._profiles[checked.profile] += 1
            self._add_header(entry.raw)
        self._add_findings(entry, checked)

    def _add_trouble(self, entry: Entry) -> None:
        if len(self._troubles) < _MOST_TROUBLES:
            problem = entry.problem.replace(entry.file, entry.name)  # not the way to it on this machine
            self._troubles.append(Trouble(shorten(problem, most=500), entry.count))
        else:
            self._more_troubles += 1

    def _add_header(self, raw: bytes) -> None:
        """Note who sent it and when; only of a message whose header was understood, so that each field is in place."""
        header = raw[raw.find(b"MSH") :][:1024]
        cells = header.split(header[3:4] or b"|", 7)
        if len(cells) < 8:
            return
        names = (cell.decode("utf-8", "replace").strip() for cell in cells[2:4])
        sender = shorten(" / ".join(name for name in names if name))
        if sender and (sender in self._senders or len(self._senders) < _MOST_SENDERS):
            self._senders[sender] += 1
        if found := _DAY.match(cells[6]):
            day = b"-".join(found.groups()).decode()
            first, last = self._days
            self._days = (min(first or day, day), max(last, day))

    def _add_findings(self, entry: Entry, checked: Checked) -> None:
        keys: set[_Key] = set()
        for finding in checked.findings:
            self._severities[finding.severity] += 1
            key = (finding.rule, _place(finding.at), finding.severity)
            counted = self._counted.get(key)
            if counted is None:
                if len(self._counted) >= _MOST_GROUPS:
                    self._more_groups += 1
                    continue
                counted = self._counted[key] = _Counted(finding)
            counted.count += 1
            if key not in keys:
                keys.add(key)
                counted.messages += 1
                if len(counted.examples) < _MOST_EXAMPLES:
                    counted.examples.append(self._example(entry, checked, finding))
        self._by_rule.update({rule for rule, _, _ in keys})
        if checked.ack_code is not AckCode.AA:
            self._refused_by.update({rule for rule, _, severity in keys if severity is Severity.E})

    def _example(self, entry: Entry, checked: Checked, finding: Finding) -> Example:
        message = read_message(entry.raw)
        value = read_value(message, finding.at) if message is not None and finding.at is not None else None
        file = entry.name
        if value is not None and message is not None and finding.at is not None and self._is_masked:
            value = mask_value(value, finding.at, message.separators)
        elif value is not None:
            value = shorten(value)
        if message is not None and self._is_masked:
            file = mask_name(file, personal_words(message))
        at = str(finding.at) if finding.at is not None else ""
        return Example(shorten(file), entry.number, safe_control_id(checked.control_id), at, value)

    def summary(self) -> Summary:
        """Return what was counted up to now."""
        groups = sorted(
            (self._group(key, counted) for key, counted in self._counted.items()),
            key=lambda each: (_SEVERITIES.index(each.severity), -each.messages, -each.count, each.rule, each.at),
        )
        return Summary(
            files=self._files,
            messages=self._acks.total(),
            unreadable=self._unreadable,
            errors=self._severities[Severity.E],
            warnings=self._severities[Severity.W],
            events=self._events(),
            profiles=tuple(_by_number(self._profiles)),
            senders=tuple(_by_number(self._senders)),
            sources=tuple(_by_number(self._sources)),
            first_sent=self._days[0],
            last_sent=self._days[1],
            groups=tuple(groups),
            fixes=self._fixes(groups),
            troubles=tuple(self._troubles),
            more_troubles=self._more_troubles,
            more_groups=self._more_groups,
            is_masked=self._is_masked,
        )

    def _group(self, key: _Key, counted: _Counted) -> Group:
        _, at, severity = key
        first = counted.first
        rule = next(filter(None, (find_rule(first.rule, each) for each in self._profiles_in_use)), None)
        return Group(
            rule=first.rule,
            at=str(at) if at is not None else "",
            severity=severity,
            code=int(first.code),
            fr=first.fr,
            en=first.en,
            spec=first.spec,
            right_form=rule.example if rule is not None and rule.id not in _TOLD_BY_SENTENCE else "",
            count=counted.count,
            messages=counted.messages,
            examples=tuple(counted.examples),
        )

    def _events(self) -> tuple[EventCount, ...]:
        by_event: dict[str, dict[str, int]] = {}
        for (event, column), number in self._acks.items():
            by_event.setdefault(event, {})[column] = number
        counts = [EventCount(event, **numbers) for event, numbers in by_event.items()]
        return tuple(sorted(counts, key=lambda each: (-each.messages, each.event)))

    def _fixes(self, groups: list[Group]) -> tuple[Fix, ...]:
        """What the sender has to change: what refuses messages first, then what most messages have."""
        by_rule: dict[str, list[Group]] = {}
        for group in groups:
            if group.severity is not Severity.I:
                by_rule.setdefault(group.rule, []).append(group)
        fixes = [
            Fix(rule, self._refused_by[rule] > 0, self._by_rule[rule], tuple(places))
            for rule, places in by_rule.items()
        ]
        return tuple(sorted(fixes, key=lambda each: (not each.refuses, -each.messages, each.rule)))


def _column_of(checked: Checked) -> str:
    match checked.ack_code:
        case AckCode.AR:
            return "rejected"
        case AckCode.AE:
            return "in_error"
    return "warned" if any(finding.severity is Severity.W for finding in checked.findings) else "accepted"


def _place(at: Location | None) -> Location | None:
    """Return the place without the number of its segment and of its repetition."""
    if at is None or (at.sequence == 1 and at.repetition is None):
        return at
    return Location(at.segment, 1, at.field, None, at.component, at.subcomponent)


def _by_number(counted: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counted.items(), key=lambda item: (-item[1], item[0]))
