"""For a rule of a profile a message that breaks it alone, and the same message before the breach.

The messages are made from clean ones (``tests/profile/clean``) and from what the profile itself says of a place. The
check judges every step, so nothing here can pass by being wrong: a message that is made badly breaks another rule too.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, product
from pathlib import Path

from drafts import (
    Cells,
    Lines,
    Parts,
    check,
    copy,
    get_cell,
    get_part,
    holds,
    index_of,
    opposite,
    path_of,
    read_lines,
    set_cell,
    set_part,
    write,
)

from pam_receiver.finding import ErrorCode, Finding
from pam_receiver.profile import rules
from pam_receiver.profile.model import Breach, Condition, ConditionRule, Place, Profile, SegmentPlan, Test, ValuePlan

CLEAN = Path(__file__).parent / "profile" / "clean"
OF_TYPE = {"DT": "20250304", "TS": "20250304101500", "DTM": "20250304101500", "TM": "1030", "NM": "1", "SI": "1"}
LONG = ("9", "A")  # signs of a value that is too long
LONGEST = "20250304101500.1234+0100"
MOST_TRIES = 800  # messages made for one rule before it counts as one that cannot be broken alone


@dataclass(frozen=True)
class Spot:
    """A place of an event where the line of a rule is in force."""

    event: str
    segment: str
    number: int
    path: Parts
    plan: ValuePlan
    field: ValuePlan


def right(plan: ValuePlan, *, depth: int = 1, is_lean: bool = False) -> str:
    """A right value of a place, with all the parts that it may have, or with those alone that it must."""
    if not plan.parts:
        return _right_text(plan)
    parts = []
    for part in plan.parts:
        wanted = {"R"} if is_lean else {"R", "RE", "C", "O"}
        parts.append(right(part, depth=depth + 1, is_lean=is_lean) if part.rule.usage in wanted else "")
    if not any(parts):
        parts[0] = right(plan.parts[0], depth=depth + 1, is_lean=is_lean)
    return ("^" if depth == 1 else "&").join(parts)


def _right_text(plan: ValuePlan) -> str:
    rule = plan.rule
    if rule.table is not None:
        return next(code for code in rule.table.values if code and not set(code) & set("^&~\\"))
    return OF_TYPE.get(rule.type, "A")[: rule.max_length]


@dataclass(frozen=True)
class Found:
    """What was found for a rule; else ``nearest``, the rules of the message that came nearest to it."""

    before: Lines | None
    after: Lines | None
    said: tuple[Finding, ...]
    nearest: tuple[str, ...] = ()


class Breaker:
    """Makes the messages for the rules of one profile."""

    def __init__(self, profile: Profile, prefixes: Sequence[str] = ("",)) -> None:
        self.profile = profile
        self.clean: dict[str, list[Lines]] = {}
        self._holding: dict[tuple[str, str], list[Lines]] = {}
        for event in profile.plans:
            files = [CLEAN / f"{prefix}{event}.hl7" for prefix in prefixes]
            made = [self._mend(read_lines(file.read_bytes())) for file in files if file.exists()]
            self.clean[event] = [*made, *map(self._thin, made)]

    def _mend(self, lines: Lines) -> Lines:
        """The message without what this version does not want of it."""
        lines = copy(lines)
        while findings := check(lines, self.profile):
            at = findings[0].at
            assert at is not None
            index = [n for n, cells in enumerate(lines) if cells[0] == at.segment][at.sequence - 1]
            if at.field is None:
                lines.pop(index)
            else:
                assert lines[index][at.field], f"{findings[0].rule} cannot be mended"
                lines[index][at.field] = ""
        return lines

    def _thin(self, lines: Lines) -> Lines:
        """The message with nothing left in it that may be left out."""
        lines = copy(lines)
        for index in range(len(lines) - 1, 0, -1):
            without = [*lines[:index], *lines[index + 1 :]]
            if lines[index][0] != "PID" and not check(without, self.profile):
                lines = without
        for cells in lines:
            for number in range(3, len(cells)):
                value = cells[number]
                cells[number] = ""
                if (value and (cells[0], number) in (("PID", 3), ("MSH", 9))) or check(lines, self.profile):
                    cells[number] = value
        return lines

    # -------------------------------------------------------------------------------------------------- the rule

    def find(self, rule_id: str, companions: frozenset[str] = frozenset()) -> Found:
        """Look for a message that breaks ``rule_id`` alone (``companions`` apart), and for it before the breach."""
        nearest: tuple[str, ...] = ()
        for before, after in islice(self._pairs(rule_id), MOST_TRIES):
            for _ in range(3):
                said = check(after, self.profile)
                broken = {finding.rule for finding in said}
                if rule_id not in broken:
                    break
                said_ids = tuple(sorted(broken))
                nearest = min(nearest or said_ids, said_ids, key=len)
                others = [finding for finding in said if finding.rule not in {rule_id, *companions}]
                others += check(before, self.profile)
                if not others:
                    return Found(before, after, said)
                filled = [self._fill(finding, before, after) for finding in others]
                if not all(filled):
                    break
        return Found(None, None, (), nearest)

    def _pairs(self, rule_id: str) -> Iterator[tuple[Lines, Lines]]:
        """Messages before and after a breach of the rule, as far as one can tell: the check judges them."""
        for spot, breach in self.spots.get(rule_id, ())[:60]:
            yield from islice(self.pairs_of_value(spot, breach), 24)
        for event, rule in self.conditions.get(rule_id, ()):
            yield from islice(self.pairs_of_condition(event, rule), MOST_TRIES // 4)
        for event, name, asked in self.segments.get(rule_id, ()):
            yield from self.pairs_of_segment(event, name, asked)
        if not self.spots.keys() & {rule_id}:
            yield from self._pairs_of_no_line(rule_id)

    def _pairs_of_no_line(self, rule_id: str) -> Iterator[tuple[Lines, Lines]]:
        """For the rules that hold in every profile, whatever its lines."""
        for lines in self.clean["A28"]:
            pid = index_of(lines, "PID")
            assert pid is not None
            after = copy(lines)
            match rule_id:
                case rules.SEGMENT_UNEXPECTED.id:
                    after.append(["MRG", "1"])
                case rules.ODD_STRUCTURE.id:
                    after[0][9] = "ADT^A28^ADT_A01"
                case rules.FIELD_BEYOND_SEGMENT.id:
                    set_cell(after[pid], 40, "A")
                case rules.ESCAPE_UNKNOWN.id:
                    set_cell(after[pid], 23, "A\\B")
                case _:
                    return
            yield lines, after

    def _fill(self, finding: Finding, *messages: Lines) -> bool:
        """Fill the field that is told missing; whether it was one."""
        at = finding.at
        if finding.code is not ErrorCode.REQUIRED_FIELD_MISSING or at is None or at.field is None:
            return False
        for lines in messages:
            index = index_of(lines, at.segment)
            event = get_part(lines[0][9], (2,))
            if index is None or at.component is not None:
                return False
            if not get_cell(lines[index], at.field):
                set_cell(lines[index], at.field, right(self.profile.plans[event].fields[at.segment].fields[at.field]))
        return True

    # ------------------------------------------------------------------------------------------------ the places

    @cached_property
    def spots(self) -> dict[str, list[tuple[Spot, Breach]]]:
        """Where each rule of a value can be broken, the places first that a clean message has."""
        found: dict[str, list[tuple[Spot, Breach]]] = {}
        for event, plan in self.profile.plans.items():
            for name, segment in plan.fields.items():
                for number, field in segment.fields.items():
                    for path, each in _walk(field, ()):
                        spot = Spot(event, name, number, path, each, field)
                        for breach, rule in each.rule.rules.items():
                            if breach is not Breach.NOT_IN_TABLE or not each.parts:
                                found.setdefault(rule.id, []).append((spot, breach))
        for spots in found.values():
            spots.sort(key=lambda each: self._distance(each[0]))
        return found

    def _distance(self, spot: Spot) -> int:
        """How much must be added to a clean message to have the place."""
        for lines in self.clean[spot.event]:
            index = index_of(lines, spot.segment)
            if index is not None:
                return 0 if get_cell(lines[index], spot.number) else 1
        return 2

    @cached_property
    def conditions(self) -> dict[str, list[tuple[str, ConditionRule]]]:
        found: dict[str, list[tuple[str, ConditionRule]]] = {}
        for event, plan in self.profile.plans.items():
            for rule in plan.rules:
                found.setdefault(rule.rule.id, []).append((event, rule))
        return found

    @cached_property
    def segments(self) -> dict[str, list[tuple[str, str, Breach]]]:
        found: dict[str, list[tuple[str, str, Breach]]] = {}
        for event, plan in self.profile.plans.items():
            for name, segment in plan.segments.items():
                for breach, rule in segment.rules.items():
                    found.setdefault(rule.id, []).append((event, name, breach))
        return found

    def holding(self, event: str, segment: str) -> list[Lines]:
        """Clean messages of ``event`` in which ``segment`` stands."""
        key = (event, segment)
        if key not in self._holding:
            self._holding[key] = [
                made for lines in self.clean[event] if (made := self._with_segment(lines, event, segment)) is not None
            ]
        return self._holding[key]

    def _with_segment(self, lines: Lines, event: str, segment: str) -> Lines | None:
        if index_of(lines, segment) is not None:
            return lines
        plan = self.profile.plans[event].fields.get(segment)
        cells = self._new_segment(plan) if plan is not None else [segment]
        for place in range(len(lines), 0, -1):
            made = copy(lines)
            made.insert(place, list(cells))
            for _ in range(5):
                findings = check(made, self.profile)
                if not findings:
                    return made
                wanted = {each.at.field for each in findings if each.at is not None and each.at.segment == segment}
                if plan is None or None in wanted or not wanted:
                    break
                for number in wanted - {None}:
                    if number in plan.fields and not get_cell(made[place], number):
                        set_cell(made[place], number, right(plan.fields[number]))
        return None

    def _new_segment(self, plan: SegmentPlan) -> Cells:
        """A segment with what it must have, and with one field at least."""
        cells = [plan.name]
        for number, field in plan.fields.items():
            if field.rule.usage == "R":
                set_cell(cells, number, right(field))
        if len(cells) == 1:
            number, field = next((n, each) for n, each in plan.fields.items() if each.rule.usage != "X")
            set_cell(cells, number, right(field))
        return cells

    # ------------------------------------------------------------------------------------------------ the values

    def pairs_of_value(self, spot: Spot, breach: Breach) -> Iterator[tuple[Lines, Lines]]:
        """Messages before and after the breach."""
        for lines in self.holding(spot.event, spot.segment):
            index = index_of(lines, spot.segment)
            assert index is not None
            for value in self._values(spot, get_cell(lines[index], spot.number)):
                start = copy(lines)
                set_cell(start[index], spot.number, value)
                for before in self._with_conditions(start, index, spot, breach):
                    base = get_cell(before[index], spot.number)
                    for broken in _break(base, spot, breach):
                        after = copy(before)
                        set_cell(after[index], spot.number, broken)
                        yield before, after

    def _values(self, spot: Spot, sent: str) -> Iterator[str]:
        """What may stand in the field before the breach: what stands there, else right values of its type."""
        if sent:
            yield from dict.fromkeys([sent.split("~", maxsplit=1)[0], sent.rsplit("~", maxsplit=1)[-1]])
        if spot.plan is spot.field and spot.field.rule.usage == "X":
            yield ""
            return
        yield right(spot.field)
        yield right(spot.field, is_lean=True)
        if spot.field.rule.example:
            yield spot.field.rule.example

    def _with_conditions(self, lines: Lines, index: int, spot: Spot, breach: Breach) -> Iterator[Lines]:
        """The message in which the place may stand and, of usage C, must; of usage CE, must not."""
        if breach not in (Breach.MISSING, Breach.UNEXPECTED):
            yield lines
            return
        holds = breach is Breach.MISSING
        choices = [list(self._settle(each, spot)) for each in spot.plan.rule.when]
        if not holds:  # one that does not hold is enough
            choices = [list(self._settle(opposite(each), spot)) for each in spot.plan.rule.when[:1]]
        for settings in islice(product(*choices), MOST_TRIES):
            made = copy(lines)
            for place, path, text in settings:
                self._apply(made, index, spot, place, path, text)
            if holds and not get_part(get_cell(made[index], spot.number), spot.path):
                value = set_part(
                    get_cell(made[index], spot.number), spot.path, right(spot.plan, depth=len(spot.path) + 1)
                )
                set_cell(made[index], spot.number, value)
            if not holds:
                set_cell(made[index], spot.number, set_part(get_cell(made[index], spot.number), spot.path, ""))
            yield made

    def _settle(self, condition: Condition, spot: Spot) -> Iterator[tuple[Place, Parts, str | None]]:
        """What to write where so that a condition holds; ``None`` leaves what stands there."""
        place = condition.at
        path = path_of(place)
        if place.segment == spot.plan.rule.at.segment != spot.segment:
            inside = spot.path[:-1] if spot.plan.rule.at.component is None else spot.path[:-2]
            path = (*inside, *(number for number in (place.field, place.component) if number is not None))
        for text in self._texts(condition, spot.event):
            yield place, path, text

    def _texts(self, condition: Condition, event: str) -> Iterator[str | None]:
        """Texts that may fulfil a condition; ``None``: leave what stands there."""
        if condition.test is Test.ABSENT:
            yield ""
            return
        yield None
        if condition.at.field is None:
            return
        match condition.test:
            case Test.IS:
                yield from sorted(condition.codes)
            case Test.PRESENT | Test.IS_NOT:
                field = self._field(condition.at, event)
                plan = _below(field, condition.at) if field is not None else None
                if plan is not None:
                    yield right(plan, depth=2 if condition.at.component else 1)
                    first = plan.parts[0] if plan.parts else plan
                    table = plan.rule.table or first.rule.table
                    yield from islice(
                        (code for code in (table.values if table else ()) if code not in condition.codes), 6
                    )
                yield "A"
                if condition.test is Test.IS_NOT:
                    yield ""

    def _field(self, place: Place, event: str) -> ValuePlan | None:
        segment = self.profile.plans[event].fields.get(place.segment)
        return segment.fields.get(place.field or 0) if segment is not None else None

    def _apply(self, lines: Lines, index: int, spot: Spot, place: Place, path: Parts, text: str | None) -> None:
        if text is None:
            return
        beside = place.segment in (spot.segment, spot.plan.rule.at.segment)
        if beside:
            number = (place.field or 0) if place.segment == spot.segment else spot.number
            set_cell(lines[index], number, set_part(get_cell(lines[index], number), path, text))
            return
        at = index_of(lines, place.segment)
        if at is not None:
            set_cell(lines[at], place.field or 0, set_part(get_cell(lines[at], place.field or 0), path, text))

    # ------------------------------------------------------------------------------------------- condition rules

    def pairs_of_condition(self, event: str, rule: ConditionRule) -> Iterator[tuple[Lines, Lines]]:
        """Messages in which all conditions hold: with what is expected, and without it."""
        when = rule.when
        names = {each.at.segment for each in when if each.test is not Test.ABSENT} | {rule.expect.at.segment}
        for start in self._holding_all(event, names):
            for settled in self._fulfil(start, when, event):
                for after in self._fulfil(settled, [opposite(rule.expect)], event):
                    for before in self._fulfil(settled, [rule.expect], event):
                        yield copy(before), copy(after)
                    yield copy(start), copy(after)

    def _fulfil(self, lines: Lines, conditions: Sequence[Condition], event: str) -> Iterator[Lines]:
        """The message, changed so that the conditions hold in it."""
        if not conditions:
            yield lines
            return
        for text in self._texts(conditions[0], event):
            made = copy(lines)
            write(made, conditions[0], text)
            if holds(made, conditions[0]):
                yield from self._fulfil(made, conditions[1:], event)

    def _holding_all(self, event: str, names: Iterable[str]) -> list[Lines]:
        made = self.clean[event][::-1]  # the thin one first: less in it depends on what is changed
        for name in sorted(names):
            made = [each for lines in made if (each := self._with_segment(lines, event, name)) is not None]
        return made

    # ------------------------------------------------------------------------------------------------- segments

    def pairs_of_segment(self, event: str, name: str, breach: Breach) -> Iterator[tuple[Lines, Lines]]:
        rule = self.profile.plans[event].segments[name]
        if breach is Breach.FORBIDDEN:
            plan = self.profile.plans[event].fields[name]
            for lines in self.clean[event]:
                for place in range(len(lines), 0, -1):
                    yield lines, [*lines[:place], self._new_segment(plan), *lines[place:]]
            return
        for lines in self.holding(event, name):
            index = index_of(lines, name)
            assert index is not None
            rest = [cells for cells in lines if cells[0] != name]
            match breach:
                case Breach.REQUIRED | Breach.MISSING if name != "MSH":
                    yield lines, rest
                case Breach.REPEATED:
                    more = (rule.card.max or 0) + 1 - sum(cells[0] == name for cells in lines)
                    yield lines, [*lines[:index], *[lines[index]] * more, *lines[index:]]
                case Breach.OUT_OF_ORDER:
                    if name == "MSH":
                        yield lines, [*lines, lines[index]]
                        return
                    for place in range(len(rest), 0, -1):
                        yield lines, [*rest[:place], lines[index], *rest[place:]]
                    for other in self.profile.plans[event].grammar.names - {name}:
                        if (made := self._with_segment(lines, event, other)) is not None:
                            yield made, [*(cells for cells in made if cells[0] != name), lines[index]]


def _walk(plan: ValuePlan, path: Parts) -> Iterator[tuple[Parts, ValuePlan]]:
    yield path, plan
    for number, part in enumerate(plan.parts, 1):
        yield from _walk(part, (*path, number))


def _below(plan: ValuePlan, place: Place) -> ValuePlan | None:
    for number in (place.component, place.subcomponent):
        if number is None:
            return plan
        if not plan.parts:
            return plan if number == 1 else None
        plan = plan.parts[number - 1]
    return plan


def _break(value: str, spot: Spot, breach: Breach) -> Iterator[str]:
    """The field value with one breach in it, in the ways that could be the one."""
    plan, path = spot.plan, spot.path
    part = get_part(value, path)
    own, inner = ("^&"[len(path) :] or " ")[0], len(plan.parts)
    match breach:
        case Breach.REQUIRED | Breach.MISSING:
            yield set_part(value, path, "")
        case Breach.FORBIDDEN:
            yield set_part(value, path, "A")
        case Breach.UNEXPECTED:
            yield set_part(value, path, right(plan, depth=len(path) + 1))
        case Breach.REPEATED:
            yield "~".join([value] * ((plan.rule.card.max or 0) + 1))
        case Breach.NOT_IN_TABLE:
            yield from (set_part(value, path, text) for text in ("?", "Q?Q"))
        case Breach.ILL_FORMED:
            yield set_part(value, path, "?")
        case Breach.TOO_LONG:
            most = plan.rule.max_length or 0
            texts = [sign * (most + 1) for sign in LONG] + [LONGEST[: most + 1], LONGEST[: most + 2], LONGEST]
            yield from (set_part(value, path, text) for text in texts)
        case Breach.DIVIDED if inner:
            yield set_part(value, path, set_part(part, (inner + 1,), "A", own + " "))
        case Breach.DIVIDED:
            yield set_part(value, path, f"{part or right(plan)}{own}{own if plan.rule.type == 'TS' else ''}A")
