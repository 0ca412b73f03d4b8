"""Load the profiles: the files of ``profiles/`` laid over HL7 v2.5, compiled to one flat plan per event."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final

from pam_receiver.hl7.header import Header
from pam_receiver.profile import base
from pam_receiver.profile.grammar import compile_grammar, count_segments, insert_after
from pam_receiver.profile.lines import (
    EventLine,
    FieldLine,
    ProfileError,
    ProfileFile,
    RuleLine,
    SegmentLine,
    Source,
    read_profile,
    read_tables,
    refuse_twice,
)
from pam_receiver.profile.model import (
    Cardinality,
    CodeTable,
    Condition,
    ConditionRule,
    EventPlan,
    EventRule,
    FieldPlan,
    FieldRule,
    Grammar,
    Place,
    Profile,
    SegmentPlan,
    SegmentRule,
    Usage,
)
from pam_receiver.resources import PROFILES

__all__ = ["ProfileError", "ProfileSet", "load_profile", "load_profiles"]

INTERNATIONAL: Final = "pam"
FRENCH: Final = "pam_fr/2.11"

_LENGTH_TYPES: Final = frozenset({"ST", "ID", "IS", "NM", "SI", "DT", "TM", "TS", "FT", "TX"})
_ANY_NUMBER: Final = Cardinality(0, None)
_AT_MOST_ONE: Final = Cardinality(0, 1)

# What adt judges itself, as errors: without these a message names no patient. Not said here a second time.
_LEFT_TO_ADT: Final = frozenset({"PID", "PID-3"})
_LEFT_TO_ADT_IN: Final = {"A40": frozenset({"MRG", "MRG-1"}), "A47": frozenset({"MRG", "MRG-1"})}


@dataclass(frozen=True, slots=True)
class ProfileSet:
    """The profiles that messages are held to."""

    international: Profile
    french: Profile

    def select(self, header: Header) -> Profile:
        """Return the profile of a message: the French one when its header says so, whatever version it announces."""
        return self.french if header.is_french else self.international

    @property
    def profiles(self) -> tuple[Profile, ...]:
        return (self.international, self.french)


@cache
def load_profiles(folder: Path = PROFILES) -> ProfileSet:
    """Load the profiles of ``folder``; the second call with the same folder gives the same values.

    Raises:
        ProfileError: a file that cannot be trusted, naming it and the key.
    """
    tables = read_tables(folder / "tables")
    return ProfileSet(_load(INTERNATIONAL, folder, tables), _load(FRENCH, folder, tables))


def load_profile(name: str, folder: Path = PROFILES) -> Profile:
    """Load the profile ``name``, with the tables of ``folder`` and the profiles that it extends.

    Raises:
        ProfileError: a file that cannot be trusted, naming it and the key.
    """
    return _load(name, folder, read_tables(folder / "tables"))


def _load(name: str, folder: Path, tables: Mapping[str, CodeTable]) -> Profile:
    chain = [read_profile(name, folder)]
    while (parent := chain[0].extends) is not None:
        if parent in [each.name for each in chain]:
            raise ProfileError(chain[0].name, "profile extends", "goes round in a circle")
        chain.insert(0, read_profile(parent, folder))
    return _Compiler(chain, tables).compile()


class _Compiler:
    """Lays the profiles of ``chain`` (the one extended first) over HL7 v2.5. Lives as long as one load."""

    def __init__(self, chain: list[ProfileFile], tables: Mapping[str, CodeTable]) -> None:
        self._profile = chain[-1]
        self._tables = tables
        self._events = _lay_events(chain)
        self._placed_lines: list[SegmentLine] = []  # in the order of the files, which is that of the segments
        self._segment_lines: list[SegmentLine] = []
        self._field_lines: dict[str, list[FieldLine]] = {}
        rules: dict[str, RuleLine] = {}
        for each in chain:
            refuse_twice([(line.source, (line.name, line.scope)) for line in each.segments])
            refuse_twice([(line.source, (line.at, line.scope)) for line in each.fields])
            refuse_twice([(line.source, line.rule.id) for line in each.rules])
            self._placed_lines += each.segments
            self._segment_lines += sorted(each.segments, key=_narrowness)
            for line in sorted(each.fields, key=_narrowness):
                self._field_lines.setdefault(line.at.segment, []).append(line)
            rules |= {line.rule.id: line for line in each.rules}
        self._rule_lines = tuple(rules.values())
        self._grammars: dict[object, Grammar] = {}
        self._fields: dict[object, SegmentPlan] = {}
        self._refuse_unknown_names()

    def compile(self) -> Profile:
        plans = {code: self._plan(event) for code, event in self._events.items() if event.usage is not Usage.X}
        return Profile(
            name=self._profile.name,
            title=self._profile.title,
            spec=self._profile.spec,
            events=self._events,
            plans=plans,
            rules=tuple(_condition_rule(line) for line in self._rule_lines),
        )

    def _refuse_unknown_names(self) -> None:
        """Stop at a line for a segment, transaction or event that nothing knows: it would never be checked."""
        known = {line.name for line in self._segment_lines if line.after is not None}
        scopes = set(self._events) | {event.transaction for event in self._events.values()}
        fields = [line for lines in self._field_lines.values() for line in lines]
        named: list[tuple[Source, Iterable[Place]]] = [
            *((line.source, _places(line.at, line.when)) for line in fields),
            *((line.source, _places(line.expect.at, line.when)) for line in self._rule_lines),
            *((line.source, (Place(line.name),)) for line in self._segment_lines),
        ]
        for source, places in named:
            for place in places:
                if place.segment not in known and base.read_fields(place.segment) is None:
                    source.fail("", f"{place.segment} is no segment of HL7 v2.5 or of this profile")
        scoped: list[SegmentLine | FieldLine | RuleLine] = [*self._segment_lines, *fields, *self._rule_lines]
        for line in scoped:
            for key, names in (("in", line.scope.within), ("except", line.scope.without)):
                if unknown := [name for name in names if name not in scopes]:
                    line.source.fail(key, f"no such transaction or event: {unknown[0]}")

    def _plan(self, event: EventRule) -> EventPlan:
        lines = [line for line in self._segment_lines if line.scope.covers(event)]
        items = self._place_segments(event)
        grammar = self._grammar(items)
        segments = _lay_segments(event, count_segments(items), lines)
        left = _LEFT_TO_ADT | _LEFT_TO_ADT_IN.get(event.code, frozenset())
        return EventPlan(
            event=event,
            grammar=grammar,
            segments=segments,
            required=tuple(each for each in segments.values() if each.usage is Usage.R and each.name not in left),
            fields={name: self._segment_plan(name, event, left) for name in sorted(grammar.names)},
            rules=tuple(_condition_rule(line) for line in self._rule_lines if line.scope.covers(event)),
        )

    def _place_segments(self, event: EventRule) -> tuple[base.Item, ...]:
        items = base.read_structure(event.structure)
        if items is None:
            raise ProfileError(self._profile.name, f"event {event.code} structure", "not a structure of HL7 v2.5")
        placed: list[str] = []
        for line in self._placed_lines:
            if line.after is None or line.name in placed or not line.scope.covers(event):
                continue
            items = insert_after(items, line.after, base.Item(line.name, line.card or _AT_MOST_ONE), behind=placed)
            placed.append(line.name)
        return items

    def _grammar(self, items: tuple[base.Item, ...]) -> Grammar:
        if items not in self._grammars:
            self._grammars[items] = compile_grammar(items)
        return self._grammars[items]

    def _segment_plan(self, segment: str, event: EventRule, left: frozenset[str]) -> SegmentPlan:
        """Return the plan of ``segment``; events that the same lines are for share it."""
        lines = [line for line in self._field_lines.get(segment, ()) if line.scope.covers(event)]
        key = (segment, tuple(map(id, lines)), frozenset(name for name in left if name.startswith(segment)))
        if key not in self._fields:
            self._fields[key] = _make_plan(self._lay_fields(segment, lines), left)
        return self._fields[key]

    def _lay_fields(self, segment: str, lines: list[FieldLine]) -> dict[Place, FieldRule]:
        laid = {rule.at: rule for rule in (base.read_fields(segment) or {}).values()}
        for line in lines:
            laid[line.at] = self._lay_field(laid.get(line.at), line)
        return laid

    def _lay_field(self, below: FieldRule | None, line: FieldLine) -> FieldRule:
        if below is None:
            if line.name is None or line.type is None:
                line.source.fail("", "a field or component that is new here needs a name and a type")
            below = FieldRule(line.at, line.name, Usage.O, _AT_MOST_ONE, line.type, line.spec)
        data_type = line.type or below.type
        if line.max_length is not None and data_type not in _LENGTH_TYPES:
            line.source.fail("length", f"a {data_type} has no length of its own")
        return replace(
            below,
            name=line.name or below.name,
            usage=line.usage or below.usage,
            card=line.card or below.card,
            type=data_type,
            spec=line.spec,
            table=self._table(line) or below.table,
            shape=base.SHAPES.get(data_type),
            max_length=line.max_length or below.max_length,
            when=below.when if line.usage is None else line.when,
            severity=line.severity or below.severity,
        )

    def _table(self, line: FieldLine) -> CodeTable | None:
        if line.table is None:
            return None
        table = self._tables.get(line.table) or base.read_table(line.table)
        if table is None:
            line.source.fail("table", f"no such table: {line.table}")
        return table


def _narrowness(line: SegmentLine | FieldLine) -> bool:
    """Sort key: within one profile a line for some events is laid over the line for all of them."""
    return bool(line.scope.within or line.scope.without)


def _places(at: Place, when: Iterable[Condition]) -> tuple[Place, ...]:
    return (at, *(condition.at for condition in when))


def _condition_rule(line: RuleLine) -> ConditionRule:
    return ConditionRule(line.rule, line.when, line.expect)


def _lay_events(chain: list[ProfileFile]) -> dict[str, EventRule]:
    events: dict[str, EventRule] = {}
    for each in chain:
        refuse_twice([(line.source, line.code) for line in each.events])
        for line in each.events:
            events[line.code] = _lay_event(events.get(line.code), line)
    return events


def _lay_event(below: EventRule | None, line: EventLine) -> EventRule:
    if below is None:
        if line.structure is None or line.transaction is None:
            line.source.fail("", "an event that is new here needs a structure and a transaction")
        below = EventRule(line.code, line.structure, line.transaction, line.spec)
    return EventRule(
        code=line.code,
        structure=line.structure or below.structure,
        transaction=line.transaction or below.transaction,
        spec=line.spec,
        usage=line.usage or below.usage,
    )


def _lay_segments(
    event: EventRule, counts: Mapping[str, Cardinality], lines: list[SegmentLine]
) -> dict[str, SegmentRule]:
    rules = {
        name: SegmentRule(name, Usage.R if card.min else Usage.O, card, event.spec) for name, card in counts.items()
    }
    for line in lines:
        below = rules.get(line.name)
        if below is None:
            if line.usage is Usage.R:
                line.source.fail("", f"required, but it has no place in {event.structure} of {event.code}")
            continue
        rules[line.name] = SegmentRule(
            name=line.name,
            usage=line.usage or below.usage,
            card=line.card or below.card,
            spec=line.spec,
            severity=line.severity or below.severity,
        )
    return rules


def _make_plan(laid: Mapping[Place, FieldRule], left: frozenset[str]) -> SegmentPlan:
    fields: dict[int, FieldPlan] = {}
    for at in sorted(laid, key=lambda place: (place.field or 0, place.component or 0)):
        rule = laid[at]
        number = at.field or 0
        plan = fields.get(number, FieldPlan())
        if at.component is not None:
            fields[number] = replace(plan, components=(*plan.components, rule))
        elif rule.judges_values:
            fields[number] = replace(
                plan,
                whole=rule,
                text=rule if rule.judges_text else None,
                is_excluded=rule.usage is Usage.X,
                most=rule.card.max,
            )
    required = [
        rule
        for at, rule in laid.items()
        if at.component is None and rule.usage in (Usage.R, Usage.C) and str(at) not in left
    ]
    return SegmentPlan(fields, tuple(sorted(required, key=lambda rule: rule.at.field or 0)))
