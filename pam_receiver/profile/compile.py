"""Lay the profiles of a chain over HL7 v2.5, and compile them to one flat plan per event."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from pam_receiver.finding import Rule, Severity
from pam_receiver.profile import base
from pam_receiver.profile.grammar import compile_grammar, count_segments, insert_after
from pam_receiver.profile.lines import (
    EventLine,
    FieldLine,
    ProfileFile,
    RuleLine,
    SegmentLine,
    ValuesLine,
    refuse_twice,
)
from pam_receiver.profile.model import (
    Breach,
    Cardinality,
    CodeTable,
    Condition,
    ConditionRule,
    EventPlan,
    EventRule,
    FieldRule,
    Place,
    Profile,
    SegmentPlan,
    SegmentRule,
    Strictness,
    Usage,
    ValuePlan,
)
from pam_receiver.profile.rules import BROKEN_BY, GENERIC, Grading, field_rules, segment_rules
from pam_receiver.profile.source import ProfileError, Source

_LENGTH_TYPES: Final = base.SIMPLE_TYPES | {"TS"}
_NO_TABLE: Final = "none"  # takes away the table of a place
# What can be said of a value whose type is not known.
_OF_OPEN: Final = frozenset({Breach.REQUIRED, Breach.MISSING, Breach.FORBIDDEN, Breach.UNEXPECTED, Breach.REPEATED})
_ANY_NUMBER: Final = Cardinality(0, None)
_AT_MOST_ONE: Final = Cardinality(0, 1)

# What others judge, as errors: without these there is no message, no event or no patient. Not said here a second time.
_LEFT_TO_OTHERS: Final = frozenset({"MSH", "MSH-9", "PID", "PID-3"})
_LEFT_TO_ADT_IN: Final = {"A40": frozenset({"MRG", "MRG-1"}), "A47": frozenset({"MRG", "MRG-1"})}


def compile_profile(chain: list[ProfileFile], tables: Mapping[str, CodeTable], strictness: Strictness) -> Profile:
    """Return the profile that is the last of ``chain``; each one is laid over those before it.

    Raises:
        ProfileError: a line that nothing would check, naming its file and key.
    """
    return _Compiler(chain, tables, strictness).compile()


def fit_overlay(overlay: ProfileFile, chain: list[ProfileFile]) -> ProfileFile:
    """Return ``overlay`` without the lines for segments that ``chain`` does not have.

    One overlay is laid over the French profiles, which judge all its lines, and over the international one, which has
    none of the French segments.
    """
    placed = {line.name for each in [*chain, overlay] for line in each.segments if line.after is not None}

    def fits(*places: Place) -> bool:
        return all(place.segment in placed or base.read_fields(place.segment) is not None for place in places)

    return replace(
        overlay,
        segments=tuple(line for line in overlay.segments if fits(*_places(Place(line.name), line.when))),
        fields=tuple(line for line in overlay.fields if fits(*_places(line.at, line.when))),
        rules=tuple(line for line in overlay.rules if fits(*_places(line.expect.at, line.when))),
    )


class _Compiler:
    """Lives as long as one load."""

    def __init__(self, chain: list[ProfileFile], tables: Mapping[str, CodeTable], strictness: Strictness) -> None:
        self._profile = chain[-1]
        self._tables = _Tables(tables, [line for each in chain for line in each.values])
        self._events = _lay_events(chain)
        self._placed_lines: list[SegmentLine] = []  # in the order of the files, which is that of the segments
        self._segment_lines: list[SegmentLine] = []
        self._field_lines: dict[str, list[FieldLine]] = {}
        self._component_lines: dict[str, list[FieldLine]] = {}
        rules: dict[str, RuleLine] = {}
        grades: dict[str, Severity | None] = {}
        for each in chain:
            refuse_twice([(line.source, (line.name, line.scope)) for line in each.segments])
            refuse_twice([(line.source, (line.at, line.scope)) for line in each.fields])
            refuse_twice([(line.source, line.at) for line in each.components])
            refuse_twice([(line.source, line.rule.id) for line in each.rules])
            refuse_twice([(line.source, line.rule) for line in each.grades])
            self._placed_lines += each.segments
            self._segment_lines += sorted(each.segments, key=_narrowness)
            for line in sorted(each.fields, key=_narrowness):
                self._field_lines.setdefault(line.at.segment, []).append(line)
            for line in each.components:
                self._component_lines.setdefault(line.at.segment, []).append(line)
            rules |= {line.rule.id: line for line in each.rules}
            grades |= {line.rule: line.severity for line in each.grades}
        self._rule_lines = tuple(rules.values())
        self._written = rules
        self._grading = Grading(strictness, grades)
        self._maps = tuple(line for each in chain for line in each.maps)
        self._segment_plans: dict[object, SegmentPlan] = {}
        self._types: dict[tuple[str, int], tuple[ValuePlan, ...]] = {}
        self._rules: dict[str, Rule] = {}
        self._refuse_unknown_names()

    def compile(self) -> Profile:
        for rule in GENERIC:
            self._keep(self._grading.grade(rule, is_strict=False))
        conditions = self._conditions()
        plans = {
            code: self._plan(event, conditions) for code, event in self._events.items() if event.usage is not Usage.X
        }
        return Profile(
            name=self._profile.name,
            title=self._profile.title,
            spec=self._profile.spec,
            events=self._events,
            plans=plans,
            rules=self._rules,
            conditions=frozenset(line.rule.id for line in self._rule_lines),
            ignored=frozenset(self._grading.ignored),
            grades=self._grading.grades,
            birth_place_components=tuple(sorted({line.origin.component or 0 for line in self._maps})),
        )

    def _keep(self, rule: Rule | None) -> None:
        if rule is None or (rule.id in self._rules and rule.id not in self._written):
            return
        if rule.id in self._written:
            source = self._written[rule.id].source
            source.fail("id", "is that of a rule made from a line", "est celui d'une règle tirée d'une ligne")
        self._rules[rule.id] = rule

    def _conditions(self) -> list[tuple[RuleLine, ConditionRule]]:
        """The condition rules at the severity in force; what an overlay ignores is not looked at."""
        made = []
        for line in self._rule_lines:
            rule = self._grading.grade(line.rule, is_strict=True)
            if rule is not None:
                self._rules[rule.id] = rule
                made.append((line, ConditionRule(rule, line.when, line.expect)))
        return made

    def _refuse_unknown_names(self) -> None:
        """Stop at a line for a segment, transaction or event that nothing knows: it would never be checked."""
        known = {line.name for line in self._segment_lines if line.after is not None}
        scopes = set(self._events) | {event.transaction for event in self._events.values()}
        fields = [line for lines in self._field_lines.values() for line in lines]
        named: list[tuple[Source, Iterable[Place]]] = [
            *((line.source, _places(line.at, line.when)) for line in fields),
            *((line.source, _places(line.expect.at, line.when)) for line in self._rule_lines),
            *((line.source, _places(Place(line.name), line.when)) for line in self._segment_lines),
        ]
        for source, places in named:
            for place in places:
                if place.segment not in known and base.read_fields(place.segment) is None:
                    source.fail(
                        "",
                        f"{place.segment} is no segment of HL7 v2.5 or of this profile",
                        f"{place.segment} n'est pas un segment de HL7 v2.5 ni de ce profil",
                    )
        for components in self._component_lines.values():
            for line in components:
                parts = len(base.read_parts(line.at.segment))
                if (line.at.field or 0) > parts:
                    line.source.fail(
                        "at",
                        f"a {line.at.segment} has only {parts} parts that are judged",
                        f"un {line.at.segment} n'a que {parts} parties jugées",
                    )
                if strange := [each.at for each in line.when if each.at.segment != line.at.segment]:
                    line.source.fail(
                        "when",
                        f"{strange[0]} is no place of {line.at.segment}",
                        f"{strange[0]} n'est pas une place de {line.at.segment}",
                    )
        scoped: list[SegmentLine | FieldLine | RuleLine] = [*self._segment_lines, *fields, *self._rule_lines]
        for scoped_line in scoped:
            scope = scoped_line.scope
            for key, names in (("in", scope.within), ("except", scope.without)):
                if unknown := [name for name in names if name not in scopes]:
                    scoped_line.source.fail(
                        key,
                        f"no such transaction or event: {unknown[0]}",
                        f"transaction ou événement inconnu : {unknown[0]}",
                    )

    # ------------------------------------------------------------------------------------------------ an event

    def _plan(self, event: EventRule, conditions: list[tuple[RuleLine, ConditionRule]]) -> EventPlan:
        lines = [line for line in self._segment_lines if line.scope.covers(event)]
        items = self._place_segments(event)
        grammar = compile_grammar(items)
        left = _LEFT_TO_OTHERS | _LEFT_TO_ADT_IN.get(event.code, frozenset())
        segments = {
            name: self._graded(rule, left) for name, rule in _lay_segments(event, count_segments(items), lines).items()
        }
        return EventPlan(
            event=event,
            grammar=grammar,
            segments=segments,
            required=tuple(each for each in segments.values() if each.usage is Usage.R and each.name not in left),
            conditional=tuple(each for each in segments.values() if each.when),
            fields={name: self._segment_plan(name, event, left) for name in sorted(grammar.names)},
            rules=tuple(rule for line, rule in conditions if line.scope.covers(event)),
        )

    def _graded(self, rule: SegmentRule, left: frozenset[str]) -> SegmentRule:
        rules = segment_rules(rule, self._grading)
        if rule.name in left:
            rules.pop(Breach.REQUIRED, None)
        for each in rules.values():
            self._keep(each)
        return replace(rule, rules=rules)

    def _place_segments(self, event: EventRule) -> tuple[base.Item, ...]:
        items = base.read_structure(event.structure)
        if items is None:
            raise ProfileError(
                self._profile.name,
                f"event {event.code} structure",
                "not a structure of HL7 v2.5",
                "n'est pas une structure de HL7 v2.5",
            )
        placed: list[str] = []
        for line in self._placed_lines:
            if line.after is None or line.name in placed or not line.scope.covers(event):
                continue
            items = insert_after(items, line.after, base.Item(line.name, line.card or _AT_MOST_ONE), behind=placed)
            placed.append(line.name)
        return items

    # ---------------------------------------------------------------------------------------------- a segment

    def _segment_plan(self, segment: str, event: EventRule, left: frozenset[str]) -> SegmentPlan:
        """Return the plan of ``segment``; events that the same lines are for share it."""
        lines = [line for line in self._field_lines.get(segment, ()) if line.scope.covers(event)]
        key = (segment, tuple(map(id, lines)), frozenset(name for name in left if name.startswith(segment)))
        if key not in self._segment_plans:
            self._segment_plans[key] = self._make_segment_plan(segment, lines, left)
        return self._segment_plans[key]

    def _make_segment_plan(self, segment: str, lines: list[FieldLine], left: frozenset[str]) -> SegmentPlan:
        laid = {rule.at: self._tables.up_to_date(rule) for rule in (base.read_fields(segment) or {}).values()}
        of_parts: dict[int, list[FieldLine]] = {}
        for line in lines:
            if line.at.component is None:
                laid[line.at] = self._lay(laid.get(line.at), line)
            else:
                of_parts.setdefault(line.at.field or 0, []).append(line)
        fields: dict[int, ValuePlan] = {}
        for at in sorted(laid, key=lambda place: place.field or 0):
            number = at.field or 0
            fields[number] = self._value_plan(laid[at], of_parts.pop(number, []), depth=1, is_left=str(at) in left)
        for strays in of_parts.values():
            strays[0].source.fail(
                "at", "a part of a field that nothing describes", "partie d'un champ que rien ne décrit"
            )
        rules = [plan.rule for plan in fields.values()]
        return SegmentPlan(
            name=segment,
            fields=fields,
            required=frozenset(
                rule.at.field or 0 for rule in rules if rule.usage is Usage.R and str(rule.at) not in left
            ),
            conditional=tuple(rule for rule in rules if rule.when),
            most=max(fields, default=0),
        )

    def _value_plan(self, rule: FieldRule, lines: list[FieldLine], *, depth: int, is_left: bool = False) -> ValuePlan:
        """Return the plan of a field or a part of one: its rule graded, and the parts of its data type below it.

        ``lines`` are those of this segment, or of a type that holds this one, for the parts; they lie over the lines of
        the type itself. ``is_left``: others judge whether it is there.
        """
        is_open = rule.type not in base.TYPES
        rules = field_rules(rule, self._grading, depth=depth)
        if is_open:
            rules = {breach: each for breach, each in rules.items() if breach in _OF_OPEN}
        if is_left:
            rules.pop(Breach.REQUIRED, None)
        for each in rules.values():
            self._keep(each)
        rule = replace(rule, rules=rules)
        if depth == 3 or is_open or rule.usage is Usage.X:
            _refuse_parts(lines, rule)
            return ValuePlan(rule, depth=depth, is_open=is_open)
        parts = self._parts(rule.type, depth + 1) if not lines else self._own_parts(rule, lines, depth + 1)
        return ValuePlan(rule, _with_code(parts, rule), depth)

    def _parts(self, data_type: str, depth: int) -> tuple[ValuePlan, ...]:
        """The parts of a data type wherever it is used."""
        if (data_type, depth) not in self._types:
            self._types[data_type, depth] = self._make_parts(data_type, [], depth)
        return self._types[data_type, depth]

    def _own_parts(self, rule: FieldRule, lines: list[FieldLine], depth: int) -> tuple[ValuePlan, ...]:
        parts = self._make_parts(rule.type, lines, depth)
        numbers = [_part_of(line, depth) for line in lines]
        if any(number > len(parts) for number in numbers):
            lines[0].source.fail(
                "at", f"a {rule.type} has only {len(parts)} parts", f"un {rule.type} n'a que {len(parts)} parties"
            )
        return parts

    def _make_parts(self, data_type: str, lines: list[FieldLine], depth: int) -> tuple[ValuePlan, ...]:
        plans = []
        of_type = self._component_lines.get(data_type, [])
        for number, below in enumerate(base.read_parts(data_type), 1):
            rule = self._tables.up_to_date(below)
            inner: list[FieldLine] = []
            for line in of_type:
                if line.at.field == number and line.at.component is None:
                    rule = self._lay(rule, line)
                elif line.at.field == number:
                    inner.append(line)
            for line in lines:
                if _part_of(line, depth) == number and _depth_of(line) == depth:
                    rule = self._lay(rule, line)
                elif _part_of(line, depth) == number:
                    inner.append(line)
            plans.append(self._value_plan(rule, inner, depth=depth))
        return tuple(plans)

    def _lay(self, below: FieldRule | None, line: FieldLine) -> FieldRule:
        if below is None:
            if line.name is None or line.type is None:
                line.source.fail(
                    "",
                    "a field that is new here needs a name and a type",
                    "un champ nouveau a besoin d'un nom (name) et d'un type",
                )
            below = FieldRule(line.at, line.name, Usage.O, _AT_MOST_ONE, line.type, line.spec)
        data_type = line.type or below.type
        if line.max_length is not None and data_type not in _LENGTH_TYPES:
            line.source.fail(
                "length", f"a {data_type} has no length of its own", f"un {data_type} n'a pas de longueur propre"
            )
        if line.table not in (None, _NO_TABLE) and data_type not in base.TYPES:
            line.source.fail("table", f"a {data_type} is not judged", f"un {data_type} n'est pas jugé")
        severity, other = _severities(line, below)
        return replace(
            below,
            at=line.at,
            name=line.name or below.name,
            usage=line.usage or below.usage,
            card=line.card or below.card,
            type=data_type,
            spec=line.spec,
            table=self._tables.of_line(line, below.table),
            shape=base.SHAPES.get(data_type),
            max_length=line.max_length or (below.max_length if data_type in _LENGTH_TYPES else None),
            when=_moved(below, line.at) if line.usage is None else line.when,
            severity=severity,
            other_severity=other,
            example=line.example or ("" if line.type or line.table else below.example),
        )


class _Tables:
    """The code tables as this chain of profiles has them: those of the files and of HL7, with their additions."""

    def __init__(self, tables: Mapping[str, CodeTable], changes: list[ValuesLine]) -> None:
        self._tables = dict(tables)
        for line in changes:
            table = self.find(line.table)
            if table is None:
                line.source.fail("table", f"no such table: {line.table}", f"table inconnue : {line.table}")
            if unknown := [code for code in line.remove if code not in table.values]:
                line.source.fail("remove", f"{unknown[0]} is not in the table", f"{unknown[0]} n'est pas dans la table")
            values = {code: meaning for code, meaning in table.values.items() if code not in line.remove}
            self._tables[line.table] = replace(table, values=values | dict(line.add), spec=line.spec)

    def find(self, name: str) -> CodeTable | None:
        return self._tables.get(name) or base.read_table(name)

    def up_to_date(self, rule: FieldRule) -> FieldRule:
        """Return ``rule`` with its table of HL7 as this chain has it."""
        table = self._tables.get(rule.table.id) if rule.table is not None else None
        return rule if table is None else replace(rule, table=table)

    def of_line(self, line: FieldLine, below: CodeTable | None) -> CodeTable | None:
        if line.table is None:
            return below
        if line.table == _NO_TABLE:
            return None
        table = self.find(line.table)
        if table is None:
            line.source.fail("table", f"no such table: {line.table}", f"table inconnue : {line.table}")
        return table


def _depth_of(line: FieldLine) -> int:
    """1 for the line of a field, 2 of a component, 3 of a subcomponent; a place of a data type begins at 2."""
    numbers = (line.at.field, line.at.component, line.at.subcomponent)
    return sum(number is not None for number in numbers) + line.is_of_type


def _part_of(line: FieldLine, depth: int) -> int:
    """The number of the part of depth 2 or 3 that a line is for, or lies in."""
    numbers = (line.at.field, line.at.component, line.at.subcomponent)
    return numbers[depth - 1 - line.is_of_type] or 0


def _moved(below: FieldRule, at: Place) -> tuple[Condition, ...]:
    """The conditions of a data type, ``CX-5``, seen from a place that is laid over it: ``PID-3.5``."""
    own, new = below.at, _numbers(at)
    if own.segment == at.segment:
        return below.when
    before = new[: len(new) - len(_numbers(own))]
    return tuple(
        replace(each, at=Place(at.segment, *before, *_numbers(each.at))) if each.at.segment == own.segment else each
        for each in below.when
    )


def _numbers(at: Place) -> tuple[int, ...]:
    return tuple(number for number in (at.field, at.component, at.subcomponent) if number is not None)


def _with_code(parts: tuple[ValuePlan, ...], rule: FieldRule) -> tuple[ValuePlan, ...]:
    """The parts of a value with a table: the first holds the code, and what is wrong with it is told of the whole."""
    told = rule.rules.get(Breach.NOT_IN_TABLE)
    if rule.table is None or told is None or not parts:
        return parts
    first = parts[0].rule
    first = replace(first, table=rule.table, rules={**first.rules, Breach.NOT_IN_TABLE: told})
    return (ValuePlan(first, _with_code(parts[0].parts, first), parts[0].depth), *parts[1:])


def _severities(line: FieldLine | SegmentLine, below: FieldRule | SegmentRule) -> tuple[Severity, Severity]:
    """How severe the breach of the usage is under ``line``, and every other breach.

    The severity of a line that names a usage which can be broken is that of this usage alone, and goes with it; that of
    any other line is for all that is asked of the place.
    """
    usage, other = below.severity, below.other_severity
    if line.usage not in (None, below.usage) and below.usage in BROKEN_BY:
        usage = other
    if line.severity is None:
        return usage, other
    return line.severity, other if line.usage in BROKEN_BY else line.severity


def _refuse_parts(lines: list[FieldLine], rule: FieldRule) -> None:
    if lines and rule.usage is not Usage.X:
        lines[0].source.fail("at", f"a {rule.type} has no parts here", f"un {rule.type} n'a pas de parties ici")


def _narrowness(line: SegmentLine | FieldLine) -> bool:
    """Sort key: within one profile a line for some events is laid over the line for all of them."""
    return bool(line.scope.within or line.scope.without)


def _places(at: Place, when: Iterable[Condition]) -> tuple[Place, ...]:
    return (at, *(condition.at for condition in when))


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
            line.source.fail(
                "",
                "an event that is new here needs a structure and a transaction",
                "un événement nouveau a besoin d'une structure et d'une transaction",
            )
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
                line.source.fail(
                    "",
                    f"required, but it has no place in {event.structure} of {event.code}",
                    f"obligatoire, mais sans place dans {event.structure} de {event.code}",
                )
            continue
        severity, other = _severities(line, below)
        rules[line.name] = SegmentRule(
            name=line.name,
            usage=line.usage or below.usage,
            card=line.card or below.card,
            spec=line.spec,
            severity=severity,
            other_severity=other,
            when=below.when if line.usage is None else line.when,
        )
    return rules
