"""Hold one message to a profile: every fault in one go, none of them an error of ours. Pure, never raises.

A value is first looked at quickly (``quick``), which says of nearly every one that nothing is wrong with it; only the
others are judged at length.

Not judged here: what makes a message name no patient (``adt``), the completeness of the five traits
(``identity.traits``), and whether type, event and version are accepted at all (``receive``).
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from pam_receiver.finding import Finding, Location, Rule
from pam_receiver.hl7 import rules as wire
from pam_receiver.hl7.er7 import NULL, Message, Segment, unescape
from pam_receiver.hl7.separators import STANDARD, has_stray_escape
from pam_receiver.profile import base, rules
from pam_receiver.profile.model import (
    Breach,
    Condition,
    ConditionRule,
    EventPlan,
    FieldRule,
    Place,
    Profile,
    SegmentPlan,
    SegmentRule,
    Test,
    Usage,
    ValuePlan,
)
from pam_receiver.profile.quick import lacks

MOST_FINDINGS: Final = 1000  # of one message: 1 MiB can hold some 400 000 faults, and whoever repairs it needs fewer
_MOST_JUDGED: Final = 256  # fields remembered for an event with what was found of them, then all are forgotten
_LONGEST_JUDGED: Final = 250  # characters of such a field: so few hold few faults
_MOST_SEQUENCES: Final = 1024  # of segment names remembered for an event, then all are forgotten

Segments = dict[str, list[Segment]]


def check_message(message: Message, profile: Profile) -> tuple[Finding, ...]:
    """Return everything in which ``message`` departs from ``profile``.

    Of a message that departs in more than :data:`MOST_FINDINGS` places the rest is not looked for. The event is that of
    MSH-9.2; of an event that the profile does not accept nothing is said.
    """
    check = _begin(message, profile)
    return () if check is None else check.run()


def check_segment(segment: Segment, message: Message, profile: Profile) -> tuple[Finding, ...]:
    """Return in what ``segment`` would depart from ``profile``, if it stood in ``message`` at its index.

    Its fields are judged, and every condition that asks something of a segment of its name.
    """
    check = _begin(message, profile)
    return () if check is None else check.run_on(segment)


def _begin(message: Message, profile: Profile) -> "_Check | None":
    msh, is_usual = message.segments[0], message.separators == STANDARD
    sent = msh.raw(9) or ""
    plan = profile.plans.get(sent[4:7])
    if plan is not None and is_usual and sent == plan.usual_type:  # nearly always so
        return _Check(message, plan, profile, is_usual=True, structure=plan.event.structure)
    plan = profile.plans.get(msh.value(9, 2) or "")
    if plan is None:
        return None
    return _Check(message, plan, profile, is_usual=is_usual, structure=msh.value(9, 3))


class _Check:
    """The check of one message: lives as long as it, gathers its findings."""

    __slots__ = ("_event", "_findings", "_is_usual", "_message", "_plan", "_profile", "_segments", "_structure")

    def __init__(
        self, message: Message, plan: EventPlan, profile: Profile, *, is_usual: bool, structure: str | None
    ) -> None:
        """``is_usual``: the separators are the usual ones. ``structure``: MSH-9.3."""
        self._message = message
        self._plan = plan
        self._profile = profile
        self._event = plan.event.code
        self._is_usual = is_usual
        self._structure = structure
        self._findings: list[Finding] = []
        self._segments: Segments = {}

    def run(self) -> tuple[Finding, ...]:
        message, plan, segments = self._message, self._plan, self._segments
        names = tuple([segment.name for segment in message.segments])
        for name, segment in zip(names, message.segments, strict=True):
            if name in segments:
                segments[name].append(segment)
            else:
                segments[name] = [segment]
        msh, structure = message.segments[0], plan.event.structure
        if self._structure != structure:
            self._tell_generic(rules.ODD_STRUCTURE, msh.location(9, None, 3), structure=structure, event=self._event)
        if (found := plan.sequences.get(names)) is None:
            found = self._check_sequence(names)
        self._findings += found
        if not plan.grammar.names.issuperset(names):
            self._check_strangers()
        for rule in plan.conditional:
            self._check_presence(rule)
        for name, segment in zip(names, message.segments, strict=True):
            asked = plan.fields.get(name)
            if asked is not None and len(self._findings) <= MOST_FINDINGS:
                doubtful = asked.look(segment.cells) if self._is_usual else None
                if doubtful != [] or len(segment.cells) > asked.most + 1:
                    self._check_fields(segment, asked, doubtful)
        self._check_conditions()
        if len(self._findings) > MOST_FINDINGS and self._profile.makes_errors:
            self._findings.append(rules.NOT_CHECKED_TO_THE_END.at(Location("MSH"), most=MOST_FINDINGS))
        return tuple(self._findings)

    def run_on(self, segment: Segment) -> tuple[Finding, ...]:
        """Judge ``segment`` alone, in the place of the one that was sent."""
        asked = self._plan.fields.get(segment.name)
        if asked is None:
            return ()
        for sent in self._message.segments:
            stands = segment if sent.index == segment.index else sent
            self._segments.setdefault(stands.name, []).append(stands)
        self._check_fields(segment, asked, asked.look(segment.cells) if self._is_usual else None)
        for rule in self._plan.rules:
            if rule.expect.at.segment == segment.name:
                self._check_condition(rule)
        self._check_conditional(segment, asked)
        return tuple(self._findings)

    def _check_conditions(self) -> None:
        """Judge the conditions between fields; of those that surely hold nothing is said."""
        plan, segments = self._plan, self._segments
        doubtful: Sequence[int | str] = plan.doubt(segments) if self._is_usual else (*range(len(plan.rules)), *segments)
        for each in doubtful:
            if len(self._findings) > MOST_FINDINGS:
                return
            if isinstance(each, int):
                self._check_condition(plan.rules[each])
            elif (asked := plan.fields.get(each)) is not None:
                for segment in segments[each]:
                    if len(self._findings) <= MOST_FINDINGS:
                        self._check_conditional(segment, asked)

    # ------------------------------------------------------------------------------------------ the structure

    def _check_sequence(self, names: tuple[str, ...]) -> tuple[Finding, ...]:
        """Unknown, out of order (only the first that is), forbidden, too many, missing: said of the names alone."""
        before, self._findings = self._findings, []
        grammar = self._plan.grammar
        state: int | None = 0
        for segment in self._message.segments:
            if segment.name not in grammar.names:
                continue
            rule = self._plan.segments[segment.name]
            if state is not None:
                state = grammar.steps[state].get(segment.name)
                if state is None:
                    self._tell_segment(rule, Breach.OUT_OF_ORDER, segment.location())
            if segment.sequence == 1 and rule.usage is Usage.X:
                self._tell_segment(rule, Breach.FORBIDDEN, segment.location())
            elif rule.card.max is not None and segment.sequence == rule.card.max + 1:
                count = len(self._segments[segment.name])
                self._tell_segment(rule, Breach.REPEATED, segment.location(), count=count)
        for rule in self._plan.required:
            if rule.name not in names:
                self._tell_segment(rule, Breach.REQUIRED, Location(rule.name))
        found, self._findings = tuple(self._findings), before
        if len(self._plan.sequences) >= _MOST_SEQUENCES:
            self._plan.sequences.clear()
        self._plan.sequences[names] = found
        return found

    def _check_strangers(self) -> None:
        for name, segments in self._segments.items():
            if name not in self._plan.grammar.names:
                self._check_stranger(segments[0])

    def _check_stranger(self, segment: Segment) -> None:
        """A Z segment is a private matter of its sender; a line without a name was told of when it was read.

        A bare line of three capitals that is no segment of HL7 may be a piece of a name, which must not be repeated.
        """
        if not segment.name or segment.name.startswith("Z"):
            return
        if not segment.text[3:4] and base.read_fields(segment.name) is None:
            self._findings.append(wire.UNREADABLE_SEGMENT.at(count=1, line=segment.index + 1))
            return
        structure, at = self._plan.event.structure, segment.location()
        self._tell_generic(rules.SEGMENT_UNEXPECTED, at, segment=segment.name, structure=structure)

    def _check_presence(self, rule: SegmentRule) -> None:
        """A segment of usage C is missing, or one of usage CE is there, against its condition."""
        is_there = rule.name in self._segments
        holds = all(self._holds(condition) for condition in rule.when)
        if rule.usage is Usage.C and holds and not is_there:
            self._tell_segment(rule, Breach.MISSING, Location(rule.name))
        elif rule.usage is Usage.CE and is_there and not holds:
            self._tell_segment(rule, Breach.UNEXPECTED, Location(rule.name))

    # ---------------------------------------------------------------------------------------------- the fields

    def _check_fields(self, segment: Segment, asked: SegmentPlan, doubtful: Sequence[int] | None) -> None:
        """Judge the fields of a segment: those that are ``doubtful``, by number, or all of them (``None``)."""
        cells = segment.cells
        for number in asked.fields if doubtful is None else doubtful:
            if len(self._findings) <= MOST_FINDINGS:
                raw = cells[number] if number < len(cells) else ""
                if number in asked.required and not _is_valued(segment, raw):
                    self._tell(asked.fields[number].rule, Breach.REQUIRED, segment.location(number))
                elif raw:
                    self._check_field_once(segment, raw, asked.fields[number], number)
        if len(cells) > asked.most + 1 and asked.fields:
            self._check_beyond(segment, asked.most)

    def _check_beyond(self, segment: Segment, most: int) -> None:
        """Say it when a value stands behind the last field of a segment; once is enough."""
        for number, raw in enumerate(segment.cells[most + 1 :], most + 1):
            if _is_valued(segment, raw):
                at = segment.location(number)
                self._tell_generic(rules.FIELD_BEYOND_SEGMENT, at, segment=segment.name, most=most)
                return

    def _check_field_once(self, segment: Segment, raw: str, plan: ValuePlan, number: int) -> None:
        """Judge a field; one that says nothing of a patient only when it was not judged before at the same place."""
        if not (self._is_usual and plan.is_remembered) or len(raw) > _LONGEST_JUDGED:
            self._check_field(segment, raw, plan, number)
            return
        judged, key = self._plan.judged, (segment.name, segment.sequence, number, raw, segment.encoding)
        found = judged.get(key)
        if found is None:
            before = len(self._findings)
            self._check_field(segment, raw, plan, number)
            if len(self._findings) <= MOST_FINDINGS:
                if len(judged) >= _MOST_JUDGED:
                    judged.clear()
                judged[key] = tuple(self._findings[before:])
        else:
            self._findings += found

    def _check_field(self, segment: Segment, raw: str, plan: ValuePlan, number: int) -> None:
        rule = plan.rule
        if rule.usage is Usage.X:
            if _is_valued(segment, raw):
                self._tell(rule, Breach.FORBIDDEN, segment.location(number))
            return
        separator = segment.separators.repetition
        if not separator or separator not in raw:
            if not plan.is_open and raw != NULL:
                self._check_repetition(segment, raw, plan, number, None)
            return
        parts = raw.split(separator)
        most = rule.card.max
        if most is not None and len(parts) > most:
            count = sum(_is_valued(segment, part) for part in parts)
            if count > most:
                self._tell(rule, Breach.REPEATED, segment.location(number), count=count)
        for repetition, part in enumerate(parts, 1):
            if plan.is_open or len(self._findings) > MOST_FINDINGS:
                return
            if part and part != NULL:
                self._check_repetition(segment, part, plan, number, repetition)

    def _check_repetition(
        self, segment: Segment, part: str, plan: ValuePlan, number: int, repetition: int | None
    ) -> None:
        """Judge one repetition: a simple value, or each component of it, even those that are missing."""
        s, at = segment.separators, segment.location(number, repetition)
        components = part.split(s.component) if s.component else [part]
        if not plan.parts:
            parts = components[0].split(s.subcomponent)[1:] if s.subcomponent else []
            if _has_more(segment, components, plan.rule) or any(_is_valued(segment, each) for each in parts):
                self._tell(plan.rule, Breach.DIVIDED, at)
            self._check_text(segment, components[0], plan.rule, at)
            return
        if not _is_valued(segment, part):
            return
        if any(_is_valued(segment, each) for each in components[len(plan.parts) :]):
            self._tell(plan.rule, Breach.DIVIDED, at)
        for index, inner in enumerate(plan.parts):
            text = components[index] if index < len(components) else ""
            if not (text or inner.is_needed) or (text[:1].isalnum() and self._is_usual and _passes(inner, text)):
                continue
            below = segment.location(number, repetition or 1, index + 1)
            if self._may_be(segment, text, inner.rule, below, components):
                self._check_component(segment, text, inner, below, components)

    def _check_component(
        self, segment: Segment, text: str, plan: ValuePlan, at: Location, components: Sequence[str]
    ) -> None:
        """Judge a component in which there is something, and each subcomponent of it, even those that are missing."""
        s = segment.separators
        parts = text.split(s.subcomponent) if s.subcomponent else [text]
        if not plan.parts:
            if _has_more(segment, parts, plan.rule):
                self._tell(plan.rule, Breach.DIVIDED, at)
            self._check_text(segment, parts[0], plan.rule, at)
            return
        if any(_is_valued(segment, each) for each in parts[len(plan.parts) :]):
            self._tell(plan.rule, Breach.DIVIDED, at)
        for index, inner in enumerate(plan.parts):
            part = parts[index] if index < len(parts) else ""
            if part or inner.is_needed:
                below = segment.location(at.field, at.repetition, at.component, index + 1)
                if self._may_be(segment, part, inner.rule, below, components):
                    self._check_text(segment, part, inner.rule, below)

    def _may_be(self, segment: Segment, text: str, rule: FieldRule, at: Location, components: Sequence[str]) -> bool:
        """Judge whether a part may be there, or missing; return whether there is a value, to be judged itself."""
        if _is_valued(segment, text):
            if rule.usage is Usage.X:
                self._tell(rule, Breach.FORBIDDEN, at)
                return False
            if rule.usage is Usage.CE and not self._hold_beside(rule, segment, at, components):
                self._tell(rule, Breach.UNEXPECTED, at)
            return True
        if text == NULL:  # the demand to erase fills the place
            return False
        if rule.usage is Usage.R:
            self._tell(rule, Breach.REQUIRED, at)
        elif rule.usage is Usage.C and self._hold_beside(rule, segment, at, components):
            self._tell(rule, Breach.MISSING, at)
        return False

    def _hold_beside(self, rule: FieldRule, segment: Segment, at: Location, components: Sequence[str]) -> bool:
        """Whether the conditions of a part hold; places beside it are looked for in its own repetition."""
        return all(
            _test(condition, _beside(segment, condition.at, rule, at, components))
            if _is_beside(condition.at, rule, at)
            else self._holds(condition, segment)
            for condition in rule.when
        )

    def _check_text(self, segment: Segment, raw: str, rule: FieldRule, at: Location) -> None:
        table, shape, most = rule.table, rule.shape, rule.max_length
        if table is not None and raw in table.values:
            return  # nearly always so, and a code of a table needs no other look
        sign = segment.separators.escape
        if sign and sign in raw and has_stray_escape(raw, segment.separators):
            self._tell_generic(rules.ESCAPE_UNKNOWN, at, place=_place(at), sign=sign)
        value = raw if raw.isalnum() else _plain(segment, raw)
        if not value or value == NULL:
            return
        if table is not None and value not in table.values:
            self._tell(rule, Breach.NOT_IN_TABLE, at)
        elif shape is not None and shape.fullmatch(value) is None:
            self._tell(rule, Breach.ILL_FORMED, at)
        elif most is not None and len(value) > most:
            self._tell(rule, Breach.TOO_LONG, at, count=len(value))

    def _check_conditional(self, segment: Segment, asked: SegmentPlan) -> None:
        cells = segment.cells
        for rule in asked.conditional:
            number = rule.at.field or 0
            is_there = number < len(cells) and bool(cells[number]) and _is_valued(segment, cells[number])
            if is_there is (rule.usage is Usage.C):
                continue  # of usage C what is there is right, of CE what is not
            holds = all(self._holds(condition, segment) for condition in rule.when)
            if rule.usage is Usage.C and holds:
                self._tell(rule, Breach.MISSING, segment.location(number))
            elif rule.usage is Usage.CE and not holds:
                self._tell(rule, Breach.UNEXPECTED, segment.location(number))

    # ------------------------------------------------------------------------------------------ the conditions

    def _check_condition(self, asked: ConditionRule) -> None:
        for condition in asked.when:
            if not self._holds(condition):
                return
        if not self._holds(asked.expect):
            self._findings.append(asked.rule.at(asked.expect.at.location()))

    def _holds(self, condition: Condition, within: Segment | None = None) -> bool:
        """Whether the message fulfils ``condition``; places in ``within`` are looked for there alone."""
        place = condition.at
        own = within is not None and within.name == place.segment
        segments = (within,) if within is not None and own else self._segments.get(place.segment, ())
        number = place.field
        if number is None:
            return bool(segments) is (condition.test is Test.PRESENT)
        found: list[str] = []
        for segment in segments:
            cells = segment.cells
            raw = cells[number] if number < len(cells) else ""
            if condition.marks and self._is_usual and lacks(raw, condition.marks):
                continue
            if raw.isalnum():  # nearly always so: a value without parts
                if (place.component or 1) == (place.subcomponent or 1) == 1:
                    found.append(raw)
            elif raw:
                found += _values(segment, raw, place, wants_code=bool(condition.codes))
        return _test(condition, found)

    # ---------------------------------------------------------------------------------------------- the words

    def _tell_generic(self, rule: Rule, at: Location, **values: str | int) -> None:
        graded = self._profile.rules.get(rule.id)
        if graded is not None:
            self._findings.append(graded.at(at, **values))

    def _tell_segment(self, asked: SegmentRule, breach: Breach, at: Location, **values: str | int) -> None:
        rule = asked.rules.get(breach)
        if rule is not None:
            structure = self._plan.event.structure
            self._findings.append(rule.at(at, event=self._event, structure=structure, **values))

    def _tell(self, asked: FieldRule, breach: Breach, at: Location, **values: str | int) -> None:
        rule = asked.rules.get(breach)
        if rule is not None:
            told = (
                rule.at(at, place=_place(at), event=self._event, **values) if values else _told(rule, at, self._event)
            )
            self._findings.append(told)


def _passes(plan: ValuePlan, text: str) -> bool:
    """The quick look at a component that begins with a letter or a digit, so that something is there."""
    if text in plan.known or (plan.takes_any and text.isalnum()):
        return True
    return plan.match is not None and bool(plan.match(text))


@lru_cache(maxsize=4096)
def _told(rule: Rule, at: Location, event: str) -> Finding:
    return rule.at(at, place=_place(at), event=event)


@lru_cache(maxsize=4096)
def _place(at: Location) -> str:
    """The place for a sentence: that of every message, without the numbers of segment and repetition."""
    return str(Place(at.segment, at.field, at.component, at.subcomponent))


def _is_valued(segment: Segment, raw: str) -> bool:
    """Whether there is more in ``raw`` than separators, blanks and the demand to erase."""
    if raw[:1].isalnum():  # nearly always so, and it is none of these
        return True
    s = segment.separators
    return raw != NULL and bool(raw.strip(f"{s.component}{s.repetition}{s.subcomponent} "))


def _has_more(segment: Segment, parts: Sequence[str], rule: FieldRule) -> bool:
    """Whether a simple value goes on behind a separator; a TS may, with its precision of older versions."""
    return any(_is_valued(segment, each) for each in parts[2 if rule.type == "TS" else 1 :])


def _is_beside(place: Place, rule: FieldRule, at: Location) -> bool:
    """Whether the place of a condition lies beside a part: in the same data type, or in the same field."""
    if place.segment == rule.at.segment != at.segment:
        return True
    return place.segment == at.segment and place.field == at.field and place.component is not None


def _beside(segment: Segment, place: Place, rule: FieldRule, at: Location, components: Sequence[str]) -> list[str]:
    """The value of a place in the same repetition as the part of ``rule`` at ``at``."""
    number, inner = place.component or 0, place.subcomponent or 1
    if place.segment != segment.name:  # a place of a data type: that of the field, or that of this component
        is_inside = at.subcomponent is not None and rule.at.component is None
        number, inner = (at.component or 0, place.field or 0) if is_inside else (place.field or 0, place.component or 1)
    if number > len(components):
        return []
    s = segment.separators
    parts = components[number - 1].split(s.subcomponent) if s.subcomponent else [components[number - 1]]
    text = parts[inner - 1] if inner <= len(parts) else ""
    return [_plain(segment, text)] if _is_valued(segment, text) else []


def _test(condition: Condition, found: Sequence[str]) -> bool:
    match condition.test:
        case Test.PRESENT:
            return any(found)
        case Test.ABSENT:
            return not any(found)
        case Test.IS:
            return not condition.codes.isdisjoint(found)
        case Test.IS_NOT:
            return condition.codes.isdisjoint(found)


def _plain(segment: Segment, raw: str) -> str:
    return unescape(raw, segment.separators, segment.encoding).strip()


def _values(segment: Segment, raw: str, place: Place, *, wants_code: bool) -> list[str]:
    """The values of a place: of a part in each repetition, or of whole repetitions; only what is valued."""
    s = segment.separators
    number, inner = place.component or (1 if wants_code else None), place.subcomponent or 1
    found = []
    for part in raw.split(s.repetition) if s.repetition and s.repetition in raw else (raw,):
        text = part
        if number is not None:
            text = _nth(_nth(part, s.component, number), s.subcomponent, inner)
        if text.isalnum():
            found.append(text)
        elif text and _is_valued(segment, text):
            found.append(_plain(segment, text))
    return found


def _nth(text: str, separator: str, number: int) -> str:
    """Part ``number`` of ``text``; ``""`` when there is none."""
    if separator and separator in text:
        parts = text.split(separator, number)
        return parts[number - 1] if number <= len(parts) else ""
    return text if number == 1 else ""
