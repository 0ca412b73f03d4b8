"""A value sent one place too far is told once: what only follows from the shift is left out, what it hides is said."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from pam_receiver.adt.rules import NAME_SHIFTED
from pam_receiver.finding import Finding, Location, Severity
from pam_receiver.hl7.message import Message, Segment
from pam_receiver.profile.check import check_segment
from pam_receiver.profile.model import Profile

ZBE_SHIFTED: Final = "zbe-shifted-by-one"  # a rule of profiles/pam_fr
SHIFTS: Final = frozenset({NAME_SHIFTED.id, ZBE_SHIFTED})
"""The rules that say a shift."""

_ACTIONS: Final = frozenset({"INSERT", "UPDATE", "CANCEL"})  # IHE PAM FR 2.11.2 §6.13.4
_ACTION_AT: Final = 4
_NAME_TYPE_AT: Final = 7
_MOST_SHIFTS: Final = 8  # of one message: each is a check of its segment, and a merge may hold very many PID


@dataclass(frozen=True, slots=True)
class _Shift:
    """A finding that says a shift, where it holds (``number``: the repetition), and the segment without it.

    ``mended`` has one segment for each place that may be the one too many: which of them it is, nobody said.
    """

    told: Finding
    at: Location
    mended: tuple[Segment, ...]

    def covers(self, finding: Finding) -> bool:
        """Whether a finding speaks of what is shifted: of a segment; of a repetition, or of its field as a whole."""
        at, here = finding.at, self.at
        if at is None or finding.rule == self.told.rule or (at.segment, at.sequence) != (here.segment, here.sequence):
            return False
        return here.field is None or (at.field == here.field and at.repetition in (None, here.repetition))


def tell_shifts_once(message: Message, profile: Profile, findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Return the findings as the sender will need them once a shift that they tell of is mended.

    The segment is judged again without the place too many. What is right then followed from the shift alone, and falls
    away; what is still wrong stays; what the shift hid is added, at the place where it will stand. An error that falls
    away makes the shift one: a message is never accepted because less is said of it.
    """
    told = [each for each in findings if each.rule in SHIFTS]
    for finding in told[:_MOST_SHIFTS]:
        for shift in islice(_find_shifts(message, finding), _MOST_SHIFTS):
            message, findings = _tell_once(message, profile, findings, shift)
    return findings


def _tell_once(
    message: Message, profile: Profile, findings: tuple[Finding, ...], shift: _Shift
) -> tuple[Message, tuple[Finding, ...]]:
    """Return the message without the shift, for those that follow, and what is then to be said of it."""
    sent = [each for each in findings if shift.covers(each) and each.rule in profile.rules]
    best, mended = sent, message
    for segment in shift.mended:
        left = [each for each in check_segment(segment, message, profile) if shift.covers(each)]
        if _count_general(left, profile) < _count_general(best, profile):
            best, mended = left, _with_segment(message, segment)
    if mended is message:
        return message, findings  # no place can be taken away that makes it better: no shift explains what was found
    follows = [each for each in sent if each not in best]
    said = {(each.at, each.code) for each in findings if each not in follows}  # a rule of the code may say it better
    hidden = [each for each in best if (each.at, each.code) not in said]
    raised = shift.told.graded(Severity.E) if any(each.is_error for each in follows) else shift.told
    kept = (raised if each == shift.told else each for each in findings if each not in follows)
    return mended, (*kept, *hidden)


def _with_segment(message: Message, segment: Segment) -> Message:
    segments = message.segments
    return replace(message, segments=(*segments[: segment.index], segment, *segments[segment.index + 1 :]))


def _count_general(findings: Sequence[Finding], profile: Profile) -> int:
    return sum(profile.is_general(each.rule) for each in findings)


def _find_shifts(message: Message, told: Finding) -> Iterator[_Shift]:
    if told.rule == ZBE_SHIFTED:
        yield from _shifted_movements(message, told)
    elif told.at is not None:
        yield _shifted_name(message, told, told.at)


def _shifted_movements(message: Message, told: Finding) -> Iterator[_Shift]:
    """Every ZBE with its action one place too far: a finding of a condition does not say which one it is."""
    for zbe in message.named("ZBE"):
        if zbe.value(_ACTION_AT + 1) in _ACTIONS:
            cells = zbe.cells
            texts = (zbe.separators.field.join(fewer) for fewer in _without_one(cells, range(1, _ACTION_AT + 1)))
            yield _Shift(told, zbe.location(), _segments_like(zbe, texts))


def _shifted_name(message: Message, told: Finding, at: Location) -> _Shift:
    pid = message.named(at.segment)[at.sequence - 1]
    number, s = at.repetition or 1, pid.separators
    repetitions = [each.raw for each in pid.repetitions(5)]
    before, name, after = repetitions[: number - 1], repetitions[number - 1], repetitions[number:]
    texts = []
    for parts in _without_one(name.split(s.component), range(_NAME_TYPE_AT)):
        field = s.repetition.join([*before, s.component.join(parts), *after])
        texts.append(s.field.join([*pid.cells[:5], field, *pid.cells[6:]]))
    return _Shift(told, pid.location(5, number), _segments_like(pid, texts))


def _without_one(parts: list[str], among: range) -> list[list[str]]:
    """``parts`` without one of those of ``among`` in which nothing stands, each way once."""
    fewer = (tuple(parts[:n] + parts[n + 1 :]) for n in among if n < len(parts) and not parts[n].strip())
    return [list(each) for each in dict.fromkeys(fewer)]


def _segments_like(segment: Segment, texts: Iterable[str]) -> tuple[Segment, ...]:
    """Segments of these texts, each at the place of ``segment``."""
    return tuple(
        Segment(
            text,
            segment.name,
            sequence=segment.sequence,
            index=segment.index,
            separators=segment.separators,
            encoding=segment.encoding,
        )
        for text in texts
    )
