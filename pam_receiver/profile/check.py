"""Hold one message to a profile: every fault in one go, none of them an error. Pure, never raises.

Not judged here: what makes a message name no patient (``adt``), the completeness of the five traits
(``identity.traits``), and whether type, event and version are accepted at all (``receive``).
"""

from typing import Final

from pam_receiver.finding import Finding, Location, Rule
from pam_receiver.hl7.er7 import NULL, Message, Segment, unescape
from pam_receiver.profile import rules
from pam_receiver.profile.model import (
    Condition,
    ConditionRule,
    EventPlan,
    FieldPlan,
    FieldRule,
    Profile,
    SegmentPlan,
    Test,
    Usage,
)

MOST_FINDINGS: Final = 1000  # of one message: 1 MiB can hold some 400 000 faults, and whoever repairs it needs fewer

_FORMS: Final = {  # how a value of the type is written, in French and in English
    "DT": ("AAAA[MM[JJ]]", "YYYY[MM[DD]]"),
    "TS": ("AAAA[MM[JJ[HH[MM[SS]]]]][+ZZZZ]", "YYYY[MM[DD[HH[MM[SS]]]]][+ZZZZ]"),
    "DTM": ("AAAA[MM[JJ[HH[MM[SS]]]]][+ZZZZ]", "YYYY[MM[DD[HH[MM[SS]]]]][+ZZZZ]"),
    "TM": ("HH[MM[SS]][+ZZZZ]", "HH[MM[SS]][+ZZZZ]"),
    "NM": ("un nombre en chiffres", "a number in digits"),
    "SI": ("un entier de 0 à 9999", "a whole number from 0 to 9999"),
}


def check_message(message: Message, profile: Profile) -> tuple[Finding, ...]:
    """Return everything in which ``message`` departs from ``profile``.

    Of a message that departs in more than :data:`MOST_FINDINGS` places the rest is not looked for. The event is that of
    MSH-9.2; of an event that the profile does not accept nothing is said.
    """
    plan = profile.plans.get(message.segments[0].value(9, 2) or "")
    return () if plan is None else _Check(message, plan).run()


class _Check:
    """The check of one message: lives as long as it, gathers its findings."""

    __slots__ = ("_findings", "_message", "_plan")

    def __init__(self, message: Message, plan: EventPlan) -> None:
        self._message = message
        self._plan = plan
        self._findings: list[Finding] = []

    def run(self) -> tuple[Finding, ...]:
        self._check_structure()
        self._check_segments()
        for segment in self._message.segments:
            asked = self._plan.fields.get(segment.name)
            if len(self._findings) > MOST_FINDINGS:
                break
            if asked is not None:
                self._check_values(segment, asked)
                self._check_required(segment, asked)
        for rule in self._plan.rules:
            self._check_condition(rule)
        return tuple(self._findings)

    def _check_structure(self) -> None:
        msh, event = self._message.segments[0], self._plan.event
        if msh.value(9, 3) != event.structure:
            self._tell_segment(rules.ODD_STRUCTURE, msh.location(9, None, 3))

    def _check_segments(self) -> None:
        """Unknown, out of order (only the first that is), too many, missing."""
        grammar = self._plan.grammar
        seen: set[str] = set()
        state: int | None = 0
        for segment in self._message.segments:
            name = segment.name
            seen.add(name)
            if name not in grammar.names:
                self._check_stranger(segment)
                continue
            if state is not None:
                state = grammar.steps[state].get(name)
                if state is None:
                    self._tell_segment(rules.SEGMENT_OUT_OF_ORDER, segment.location())
            most = self._plan.segments[name].card.max
            if most is not None and segment.sequence == most + 1:
                count = len(self._message.named(name))
                self._tell_segment(rules.TOO_MANY_SEGMENTS, segment.location(), most=most, count=count)
        for rule in self._plan.required:
            if rule.name not in seen:
                self._tell_segment(rules.REQUIRED_SEGMENT_MISSING, Location(rule.name))

    def _check_stranger(self, segment: Segment) -> None:
        """A Z segment is a private matter of its sender; a line without a name was told of when it was read."""
        if segment.name and not segment.name.startswith("Z") and segment.sequence == 1:
            self._tell_segment(rules.SEGMENT_UNEXPECTED, segment.location())

    def _check_values(self, segment: Segment, asked: SegmentPlan) -> None:
        """Judge the fields that are there: most of a segment is empty, and of most fields nothing is asked."""
        fields, separator = asked.fields, segment.separators.repetition
        for number, raw in enumerate(segment.cells):
            if not raw or raw == NULL or (plan := fields.get(number)) is None:
                continue
            if plan.is_excluded or plan.most == 0 or (separator and separator in raw):
                self._check_repetitions(segment, raw, plan)
            elif (plan.text is not None or plan.components) and len(self._findings) <= MOST_FINDINGS:
                self._check_part(segment, raw, plan, None)

    def _check_repetitions(self, segment: Segment, raw: str, plan: FieldPlan) -> None:
        separator = segment.separators.repetition
        parts = raw.split(separator) if separator else [raw]
        whole = plan.whole
        if whole is not None and plan.is_excluded:
            if _is_valued(segment, raw):
                self._tell(rules.FIELD_NOT_SUPPORTED, whole, segment)
            return
        if whole is not None and plan.most is not None and len(parts) > plan.most:
            self._check_count(segment, parts, whole, plan.most)
        for index, part in enumerate(parts):
            if len(self._findings) > MOST_FINDINGS:
                return
            self._check_part(segment, part, plan, index + 1 if len(parts) > 1 else None)

    def _check_part(self, segment: Segment, part: str, plan: FieldPlan, repetition: int | None) -> None:
        """Judge one repetition: its text, which is its first component, and the components that have a line."""
        if plan.text is not None:
            text = part if part.isalnum() else _component(segment, part, 1)
            self._check_text(segment, text, plan.text, repetition)
        for rule in plan.components:
            self._check_component(segment, part, rule, repetition)

    def _check_count(self, segment: Segment, parts: list[str], rule: FieldRule, most: int) -> None:
        count = sum(_is_valued(segment, part) for part in parts)
        if count > most:
            self._tell(rules.TOO_MANY_REPETITIONS, rule, segment, most=most, count=count)

    def _check_component(self, segment: Segment, part: str, rule: FieldRule, repetition: int | None) -> None:
        value = _component(segment, part, rule.at.component or 1)
        if _is_valued(segment, value):
            if rule.usage is Usage.X:
                self._tell(rules.FIELD_NOT_SUPPORTED, rule, segment, repetition)
            else:
                self._check_text(segment, value, rule, repetition)
        elif rule.usage is Usage.R and _is_valued(segment, part):
            self._tell(rules.REQUIRED_FIELD_MISSING, rule, segment, repetition, event=self._plan.event.code)

    def _check_text(self, segment: Segment, raw: str, rule: FieldRule, repetition: int | None) -> None:
        table, shape, most = rule.table, rule.shape, rule.max_length
        if table is not None and raw in table.values:
            return  # nearly always so, and a code of a table needs no other look
        value = raw if raw.isalnum() else _plain(segment, raw)
        if not value or value == NULL:
            return
        if table is not None and value not in table.values:
            self._tell(rules.VALUE_NOT_IN_TABLE, rule, segment, repetition, table=table.id)
        elif shape is not None and shape.fullmatch(value) is None:
            fr, en = _FORMS[rule.type]
            self._tell(rules.VALUE_ILL_FORMED, rule, segment, repetition, type=rule.type, form_fr=fr, form_en=en)
        elif most is not None and len(value) > most:
            self._tell(rules.VALUE_TOO_LONG, rule, segment, repetition, most=most, count=len(value))

    def _check_required(self, segment: Segment, asked: SegmentPlan) -> None:
        cells = segment.cells
        for rule in asked.required:
            number = rule.at.field or 0
            if number < len(cells) and _is_valued(segment, cells[number]):
                continue
            if all(self._holds(condition, segment) for condition in rule.when):
                self._tell(rules.REQUIRED_FIELD_MISSING, rule, segment, event=self._plan.event.code)

    def _check_condition(self, asked: ConditionRule) -> None:
        if all(self._holds(condition) for condition in asked.when) and not self._holds(asked.expect):
            self._findings.append(asked.rule.at(asked.expect.at.location()))

    def _holds(self, condition: Condition, within: Segment | None = None) -> bool:
        """Whether the message fulfils ``condition``; places in ``within`` are looked for there alone."""
        place, test = condition.at, condition.test
        own = within is not None and within.name == place.segment
        segments = (within,) if within is not None and own else self._message.named(place.segment)
        if place.field is None:
            return bool(segments) is (test is Test.PRESENT)
        component = place.component or 1 if condition.codes else place.component
        found = [value for segment in segments for value in _values(segment, place.field, component)]
        if test is Test.PRESENT:
            return any(found)
        if test is Test.ABSENT:
            return not any(found)
        return (not condition.codes.isdisjoint(found)) is (test is Test.IS)

    def _tell_segment(self, rule: Rule, at: Location, **counts: int) -> None:
        event = self._plan.event
        asked = self._plan.segments.get(at.segment)
        self._findings.append(
            rules.make_finding(
                rule,
                at,
                spec=event.spec if asked is None else asked.spec,
                severity=rule.severity if asked is None else asked.severity,
                segment=at.segment,
                structure=event.structure,
                event=event.code,
                **counts,
            )
        )

    def _tell(
        self, rule: Rule, asked: FieldRule, segment: Segment, repetition: int | None = None, **values: str | int
    ) -> None:
        self._findings.append(
            rules.make_finding(
                rule,
                asked.at.location(segment.sequence, repetition),
                spec=asked.spec,
                severity=asked.severity,
                field=str(asked.at),
                name=asked.name,
                **values,
            )
        )


def _is_valued(segment: Segment, raw: str) -> bool:
    """Whether there is more in ``raw`` than separators, blanks and the demand to erase."""
    if raw[:1].isalnum():  # nearly always so, and it is none of these
        return True
    s = segment.separators
    return raw != NULL and bool(raw.strip(f"{s.component}{s.repetition}{s.subcomponent} "))


def _component(segment: Segment, part: str, number: int) -> str:
    """Component ``number`` of a repetition, its first subcomponent, as sent; ``""`` when there is none."""
    s = segment.separators
    if s.component and s.component in part:
        parts = part.split(s.component, number)
        part = parts[number - 1] if number <= len(parts) else ""
    elif number > 1:
        return ""
    return part.split(s.subcomponent, 1)[0] if s.subcomponent and s.subcomponent in part else part


def _plain(segment: Segment, raw: str) -> str:
    return unescape(raw, segment.separators, segment.encoding).strip()


def _values(segment: Segment, number: int, component: int | None) -> list[str]:
    """The values of a place: of a component in each repetition, or of whole repetitions; only what is valued."""
    cells = segment.cells
    if number >= len(cells) or not cells[number]:
        return []
    separator = segment.separators.repetition
    parts = cells[number].split(separator) if separator else [cells[number]]
    if component is not None:
        parts = [_component(segment, part, component) for part in parts]
    return [_plain(segment, part) for part in parts if _is_valued(segment, part)]
