"""What a profile asks, place by place, for those who explain it: taken back from the plans it is compiled to."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from pam_receiver.finding import Rule
from pam_receiver.profile import words
from pam_receiver.profile.model import (
    Breach,
    ConditionRule,
    FieldRule,
    Place,
    Profile,
    SegmentPlan,
    SegmentRule,
    Usage,
)

Both = tuple[str, str]  # the same in French and in English
_Variants = dict[object, tuple[FieldRule | SegmentRule, list[str]]]  # what makes them differ: the line, its events
_FEW: Final = 3  # events of a transaction, named as those that are left out


@dataclass(frozen=True, slots=True)
class Asked:
    """What a segment, field, component or subcomponent is held to, and in which events.

    ``events`` is empty when every event that has the segment asks the same of it; so it is for a place of a data type,
    which is asked wherever the type is used.
    """

    rule: FieldRule | SegmentRule
    events: tuple[str, ...] = ()

    @property
    def at(self) -> Place:
        """Its place; ``segment`` is the data type for a part of one."""
        return Place(self.rule.name) if isinstance(self.rule, SegmentRule) else self.rule.at

    @property
    def rules(self) -> Mapping[Breach, Rule]:
        """The rules by which it is judged."""
        return self.rule.rules


@dataclass(frozen=True, slots=True)
class Outline:
    """All that a profile asks. A segment or a place stands several times when its events do not ask the same of it.

    ``segments`` are in the order in which they stand in messages; ``places`` are those of a segment, or of a data type
    (``CX``), by number.
    """

    segments: tuple[Asked, ...]
    places: Mapping[str, tuple[Asked, ...]]

    def find(self, rule_id: str) -> tuple[Asked, ...]:
        """Return the lines that a rule is made from; none for a condition rule, and for one that is none of ours."""
        lines = (*self.segments, *(asked for places in self.places.values() for asked in places))
        return tuple(asked for asked in lines if any(rule.id == rule_id for rule in asked.rules.values()))


def outline(profile: Profile, events: Iterable[str] = ()) -> Outline:
    """Return what ``profile`` asks in these ``events``; none stands for all of them."""
    asked = frozenset(events)
    plans = {code: plan for code, plan in profile.plans.items() if not asked or code in asked}
    segments: dict[Place, _Variants] = {}
    by_plan: dict[int, tuple[SegmentPlan, list[str]]] = {}  # events that ask the same of its fields share a plan
    for code, plan in plans.items():
        for name, line in plan.segments.items():
            segments.setdefault(Place(name), {}).setdefault(_key(line), (line, []))[1].append(code)
        for fields in plan.fields.values():
            by_plan.setdefault(id(fields), (fields, []))[1].append(code)
    places: dict[Place, _Variants] = {}
    of_types: dict[Place, _Variants] = {}
    for fields, codes in by_plan.values():
        for rule in _rules_of(fields):
            found = places if rule.at.segment == fields.name else of_types
            found.setdefault(rule.at, {}).setdefault(_key(rule), (rule, []))[1].extend(codes)
    return Outline(
        segments=tuple(asked for variants in segments.values() for asked in _scoped(variants)),
        places=_by_name(places, of_types),
    )


def _rules_of(fields: SegmentPlan) -> Iterator[FieldRule]:
    for field in fields.fields.values():
        for value in field.walk():
            yield without_code_of_whole(value.rule)


def without_code_of_whole(rule: FieldRule) -> FieldRule:
    """Return the rule of a part alone: the first part of a coded value bears the table of the whole too."""
    told = rule.rules.get(Breach.NOT_IN_TABLE)
    if told is None or told.id == f"{rule.at.id}-{Breach.NOT_IN_TABLE.value}":
        return rule
    others = {breach: each for breach, each in rule.rules.items() if each is not told}
    return replace(rule, table=None, rules=others)


def _key(rule: FieldRule | SegmentRule) -> object:
    """What makes two lines about the same place ask the same."""
    said = tuple((each.id, each.severity) for each in rule.rules.values())
    if isinstance(rule, SegmentRule):
        return (rule.usage, rule.card, rule.when, rule.spec, said)
    table = (rule.table.id, tuple(rule.table.values)) if rule.table else None
    return (rule.name, rule.usage, rule.card, rule.type, rule.max_length, table, rule.when, rule.spec, said)


def _scoped(variants: _Variants) -> Iterator[Asked]:
    for rule, codes in variants.values():
        yield Asked(rule, tuple(sorted(set(codes))) if len(variants) > 1 else ())


def _by_name(places: Mapping[Place, _Variants], of_types: Mapping[Place, _Variants]) -> dict[str, tuple[Asked, ...]]:
    named: dict[str, list[Asked]] = {}
    for at in sorted(places, key=_numbers):
        named.setdefault(at.segment, []).extend(_scoped(places[at]))
    for at in sorted(of_types, key=_numbers):
        named.setdefault(at.segment, []).append(Asked(_fullest(of_types[at])))
    return {name: tuple(lines) for name, lines in named.items()}


def _fullest(variants: _Variants) -> FieldRule | SegmentRule:
    """The way in which a part of a data type is asked: of those that are left, the one that most rules judge.

    It is compiled as a component and as a subcomponent, which cannot be divided; and its own table is hidden where the
    whole has one.
    """
    return max((rule for rule, _ in variants.values()), key=lambda rule: len(rule.rules))


def _numbers(at: Place) -> tuple[str, int, int, int]:
    return (at.segment, at.field or 0, at.component or 0, at.subcomponent or 0)


def say_usage(rule: FieldRule | SegmentRule) -> Both:
    """Return the usage with its condition: ``C when ZBE-4 is UPDATE``."""
    usage = rule.usage.value
    if not rule.when:
        return usage, usage
    only_fr, only_en = ("seulement quand", "only when") if rule.usage is Usage.CE else ("quand", "when")
    fr, en = words.say_conditions(rule.when)
    return f"{usage} {only_fr} {fr}", f"{usage} {only_en} {en}"


def say_table(rule: FieldRule) -> str:
    """Return the name of the table of a place, with its codes when they are few; empty when it has none."""
    return "" if rule.table is None else rule.table.id + words.list_codes(rule.table)


def say_condition(condition: ConditionRule) -> Both:
    """Return what a condition rule asks, and when: ``PV2-3 is filled, when PV1-2 is I``."""
    fr, en = words.say_conditions((condition.expect,))
    if not condition.when:
        return fr, en
    when_fr, when_en = words.say_conditions(condition.when)
    return f"{fr}, quand {when_fr}", f"{en}, when {when_en}"


def _enumerate(names: Sequence[str], last: str) -> str:
    return f" {last} ".join(each for each in (", ".join(names[:-1]), *names[-1:]) if each)


def say_events(profile: Profile, events: Iterable[str]) -> Both:
    """Return ``events`` of a profile in few words: ``A28, ITI-31 except A44``; empty for none."""
    asked = frozenset(events)
    said_fr: list[str] = []
    said_en: list[str] = []
    for transaction in dict.fromkeys(plan.event.transaction for plan in profile.plans.values()):
        all_of_it = [code for code, plan in profile.plans.items() if plan.event.transaction == transaction]
        named = [code for code in all_of_it if code in asked]
        left = [code for code in all_of_it if code not in asked]
        if len(named) > _FEW and len(left) <= _FEW:
            said_fr.append(transaction + (f" sauf {_enumerate(left, 'et')}" if left else ""))
            said_en.append(transaction + (f" except {_enumerate(left, 'and')}" if left else ""))
        else:
            said_fr += named
            said_en += named
    return ", ".join(said_fr), ", ".join(said_en)
