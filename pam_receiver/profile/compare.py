"""What differs between two profiles, or between a profile and the same one under an overlay."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import zip_longest
from typing import Final

from pam_receiver.finding import Rule, Severity
from pam_receiver.profile.model import (
    Breach,
    CodeTable,
    EventPlan,
    FieldRule,
    Place,
    Profile,
    SegmentPlan,
    SegmentRule,
    Usage,
    ValuePlan,
)
from pam_receiver.profile.outline import Both, say_condition, say_usage, without_code_of_whole

EVENTS: Final = ""  # the group of what is no matter of one segment, data type or table
IGNORED: Final = "ignore"
_NO_TABLE: Final = "-"


class Facet(StrEnum):
    """In what respect two profiles differ at a place."""

    EVENT = "event"
    STRUCTURE = "structure"
    TRANSACTION = "transaction"
    ORDER = "order"  # of the segments of an event
    SEGMENT = "segment"  # that stands in one of the two only
    PLACE = "place"  # a field or component that one of the two only describes
    USAGE = "usage"
    CARD = "card"
    TYPE = "type"
    LENGTH = "length"
    TABLE = "table"
    CODE = "code"
    RULE = "rule"  # a condition rule
    SEVERITY = "severity"
    MAP = "map"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. ``group`` is the segment, data type or table it belongs to; ``at`` a place, rule, code or event.

    ``before`` and ``after`` are in French and in English; ``None``: not there. Of the severity of a rule that is not of
    the profile it means: as the receiver has it. ``events``: empty when they differ so wherever both have the place.
    """

    group: str
    at: str
    name: str
    facet: Facet
    before: Both | None
    after: Both | None
    events: tuple[str, ...] = ()


def compare_profiles(before: Profile, after: Profile) -> tuple[Change, ...]:
    """Return everything in which ``after`` judges messages otherwise than ``before``, by segment, type and table.

    Where a line is written (``spec``) and what a place is called is no difference.
    """
    return tuple(sorted([*_compare_events(before, after), *_Comparison(before, after).compare()], key=_order))


def _same(text: str) -> Both:
    return text, text


def _differing(
    group: str, at: str, name: str, facet: Facet, before: Both | None, after: Both | None
) -> Iterator[Change]:
    if before != after:
        yield Change(group, at, name, facet, before, after)


# ------------------------------------------------------------------------------------------------------------ events


def _compare_events(before: Profile, after: Profile) -> Iterator[Change]:
    for code in sorted({*before.plans, *after.plans}):
        one, other = before.plans.get(code), after.plans.get(code)
        if one is None or other is None:
            yield Change(EVENTS, code, "", Facet.EVENT, _said_event(one), _said_event(other))
            continue
        for facet, was, becomes in (
            (Facet.STRUCTURE, one.event.structure, other.event.structure),
            (Facet.TRANSACTION, one.event.transaction, other.event.transaction),
            (Facet.ORDER, *_orders(one, other)),
        ):
            yield from _differing(EVENTS, code, "", facet, _same(was), _same(becomes))
    maps = (_said_maps(before), _said_maps(after))
    yield from _differing("PID", "PID-11.9", "", Facet.MAP, *maps)


def _said_event(plan: EventPlan | None) -> Both | None:
    return None if plan is None else _same(plan.event.structure)


def _orders(one: EventPlan, other: EventPlan) -> tuple[str, str]:
    """The segments that both have, as each has them in order."""
    return (
        " ".join(name for name in one.segments if name in other.segments),
        " ".join(name for name in other.segments if name in one.segments),
    )


def _said_maps(profile: Profile) -> Both | None:
    places = ", ".join(f"PID-11.{component}" for component in profile.birth_place_components)
    return _same(places) if places else None


# ------------------------------------------------------------------------------------------------------------ places


@dataclass(slots=True)
class _Comparison:
    """Lives as long as one comparison: gathers the same difference of several events into one."""

    before: Profile
    after: Profile
    _found: dict[Change, list[str]] = field(default_factory=dict)
    _covered: dict[str, list[str]] = field(
        default_factory=dict
    )  # by segment or condition rule: the events that have it
    _tables: dict[str, tuple[CodeTable, CodeTable]] = field(default_factory=dict)
    _fields: dict[tuple[int, int], tuple[Change, ...]] = field(default_factory=dict)  # by the two plans

    def compare(self) -> Iterator[Change]:
        both = [code for code in self.before.plans if code in self.after.plans]
        for code in both:
            self._compare_event(code, self.before.plans[code], self.after.plans[code])
        changes = [self._scoped(change, codes, both) for change, codes in self._found.items()]
        changes += self._compare_grades()
        yield from changes
        for name, (one, other) in sorted(self._tables.items()):
            yield from _compare_codes(name, one, other)

    def _scoped(self, change: Change, codes: list[str], both: list[str]) -> Change:
        """The change with its events, when they are not all in which it could be."""
        covered = (
            both if change.facet is Facet.SEGMENT else self._covered.get(change.at) or self._covered.get(change.group)
        )
        return (
            change
            if covered is None or set(covered) <= set(codes)
            else replace(change, events=tuple(sorted(set(codes))))
        )

    def _keep(self, changes: Iterable[Change], code: str) -> None:
        for change in changes:
            self._found.setdefault(change, []).append(code)

    def _compare_event(self, code: str, one: EventPlan, other: EventPlan) -> None:
        for name in dict.fromkeys((*one.segments, *other.segments)):
            was, becomes = one.segments.get(name), other.segments.get(name)
            if was is None or becomes is None:
                self._keep([Change(name, name, "", Facet.SEGMENT, _said_segment(was), _said_segment(becomes))], code)
                continue
            self._covered.setdefault(name, []).append(code)
            self._keep(self._compare_lines(Place(name), was, becomes), code)
            self._keep(self._compare_fields(one.fields[name], other.fields[name]), code)
        for rule_id in {each.rule.id for plan in (one, other) for each in plan.rules}:
            self._covered.setdefault(rule_id, []).append(code)
        self._keep(_compare_conditions(one, other, self.before, self.after), code)

    def _compare_fields(self, one: SegmentPlan, other: SegmentPlan) -> tuple[Change, ...]:
        key = (id(one), id(other))  # most events share their plans
        if key not in self._fields:
            numbers = sorted({*one.fields, *other.fields})
            pairs = [(one.fields.get(number), other.fields.get(number)) for number in numbers]
            self._fields[key] = tuple(change for pair in pairs for change in self._compare_values(*pair, is_field=True))
        return self._fields[key]

    def _compare_values(
        self, one: ValuePlan | None, other: ValuePlan | None, *, is_field: bool = False
    ) -> Iterator[Change]:
        if one is None or other is None:
            told = one or other
            if told is not None:
                at, name = told.rule.at, told.rule.name
                yield Change(at.segment, str(at), name, Facet.PLACE, _said_place(one), _said_place(other))
            return
        was, becomes = without_code_of_whole(one.rule), without_code_of_whole(other.rule)
        at = becomes.at if len(str(becomes.at)) > len(str(was.at)) else was.at  # PID-3.4 rather than CX-4
        yield from self._compare_lines(at, was, becomes)
        if becomes.usage is Usage.X:
            return  # the rest is not judged any more
        group, place, name = at.segment, str(at), becomes.name
        if is_field:
            yield from _differing(group, place, name, Facet.CARD, _same(str(was.card)), _same(str(becomes.card)))
        yield from _differing(group, place, name, Facet.TYPE, _same(was.type), _same(becomes.type))
        yield from _differing(group, place, name, Facet.LENGTH, _said_length(was), _said_length(becomes))
        yield from self._compare_tables(at, was, becomes)
        if was.type == becomes.type and one.parts and other.parts:
            for pair in zip_longest(one.parts, other.parts):
                yield from self._compare_values(*pair)

    def _compare_lines(
        self, at: Place, was: FieldRule | SegmentRule, becomes: FieldRule | SegmentRule
    ) -> Iterator[Change]:
        """What a segment and a field have both: usage, and the severity of their rules."""
        group, place = at.segment, str(at)
        name = becomes.name if isinstance(becomes, FieldRule) else ""
        yield from _differing(group, place, name, Facet.USAGE, say_usage(was), say_usage(becomes))
        if isinstance(was, SegmentRule) and isinstance(becomes, SegmentRule):
            yield from _differing(group, place, name, Facet.CARD, _same(str(was.card)), _same(str(becomes.card)))
        for breach in Breach:
            before = _said_severity(was.rules.get(breach), _rule_id(was, breach) in self.before.ignored)
            after = _said_severity(becomes.rules.get(breach), _rule_id(becomes, breach) in self.after.ignored)
            if before is not None and after is not None:  # else the line itself is another one
                yield from _differing(group, f"{at.id}-{breach.value}", "", Facet.SEVERITY, before, after)

    def _compare_tables(self, at: Place, was: FieldRule, becomes: FieldRule) -> Iterator[Change]:
        one, other = was.table, becomes.table
        if one is not None and other is not None and one.id == other.id:
            if was.usage is not Usage.X:
                self._tables[one.id] = (one, other)
            return
        before, after = (_same(table.id if table else _NO_TABLE) for table in (one, other))
        yield from _differing(at.segment, str(at), becomes.name, Facet.TABLE, before, after)

    def _compare_grades(self) -> Iterator[Change]:
        """What the overlays say of rules that are not of a line: those of the code."""
        for rule_id in sorted({*self.before.grades, *self.after.grades}):
            known = (*self.before.rules, *self.before.ignored, *self.after.rules, *self.after.ignored)
            if rule_id not in known:
                was, becomes = (_said_grade(profile.grades, rule_id) for profile in (self.before, self.after))
                yield from _differing(EVENTS, rule_id, "", Facet.SEVERITY, was, becomes)


def _said_segment(rule: SegmentRule | None) -> Both | None:
    if rule is None:
        return None
    fr, en = say_usage(rule)
    return f"{fr} {rule.card}", f"{en} {rule.card}"


def _said_place(value: ValuePlan | None) -> Both | None:
    if value is None:
        return None
    fr, en = say_usage(value.rule)
    return f"{value.rule.type} {fr}", f"{value.rule.type} {en}"


def _said_length(rule: FieldRule) -> Both | None:
    return None if rule.max_length is None else _same(str(rule.max_length))


def _rule_id(asked: FieldRule | SegmentRule, breach: Breach) -> str:
    at = Place(asked.name) if isinstance(asked, SegmentRule) else asked.at
    return f"{at.id}-{breach.value}"


def _said_severity(rule: Rule | None, is_ignored: bool) -> Both | None:
    if rule is not None:
        return _same(rule.severity.value)
    return _same(IGNORED) if is_ignored else None


def _said_grade(grades: Mapping[str, Severity | None], rule_id: str) -> Both | None:
    if rule_id not in grades:
        return None
    severity = grades[rule_id]
    return _same(IGNORED if severity is None else severity.value)


def _compare_codes(name: str, one: CodeTable, other: CodeTable) -> Iterator[Change]:
    for code in dict.fromkeys((*one.values, *other.values)):
        was, becomes = (_same(table.values[code]) if code in table else None for table in (one, other))
        if was is None or becomes is None:
            yield Change(name, code, "", Facet.CODE, was, becomes)


# -------------------------------------------------------------------------------------------------------- conditions


def _compare_conditions(one: EventPlan, other: EventPlan, before: Profile, after: Profile) -> Iterator[Change]:
    was, becomes = ({each.rule.id: each for each in plan.rules} for plan in (one, other))
    for rule_id, told in (was | becomes).items():
        old, new = was.get(rule_id), becomes.get(rule_id)
        group = told.expect.at.segment
        said = [None if each is None else say_condition(each) for each in (old, new)]
        graded = [
            _said_severity(None if each is None else each.rule, rule_id in profile.ignored)
            for each, profile in ((old, before), (new, after))
        ]
        if None in graded or (old is not None and new is not None):
            yield from _differing(group, rule_id, "", Facet.RULE, *said)
        if None not in graded:
            yield from _differing(group, rule_id, "", Facet.SEVERITY, *graded)


def _order(change: Change) -> tuple[bool, str, tuple[tuple[int, str], ...]]:
    """Sort key: what is of no segment first, tables last; PID-8 before PID-11."""
    parts = re.split(r"(\d+)", change.at)
    natural = tuple((int(part), "") if part.isdecimal() else (-1, part) for part in parts)
    return change.facet is Facet.CODE, change.group, natural
