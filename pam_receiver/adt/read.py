"""read_event: a parsed message becomes an event of identity, with findings for what cannot be used."""

from datetime import tzinfo

from pam_receiver.adt import rules
from pam_receiver.adt.events import A08, CANCELLED_BY_ZBE, EVENTS, check_header
from pam_receiver.adt.identifiers import read_identifiers
from pam_receiver.adt.person import read_person
from pam_receiver.adt.reading_rules import ReadingRules
from pam_receiver.finding import Finding, Location
from pam_receiver.hl7.datatypes import read_moments
from pam_receiver.hl7.er7 import Message, Segment
from pam_receiver.hl7.header import Header
from pam_receiver.hl7.writing import check_writing
from pam_receiver.identity.model import (
    ChangeIdentifier,
    Delete,
    Event,
    Interval,
    Merge,
    MergeGroup,
    Person,
    Update,
    UpdateKind,
)
from pam_receiver.values import value


@value(frozen=True, slots=True)
class Reading:
    """What a message says. ``event`` is ``None`` when a finding of severity E forbids it; ``is_rejected``: by an AR.

    ``dated``: when the source says the change was made.
    """

    event: Event | None
    findings: tuple[Finding, ...]
    dated: Interval | None = None
    is_rejected: bool = False


def read_event(message: Message, header: Header, asked: ReadingRules) -> Reading:
    """Return the event that a message announces; never raises.

    Spec: IHE PAM FR 2.11.2 §2.1, §2.2, §5.3.2; ITI TF-2 §3.30.4.
    """
    refusals = check_header(header, accepts_processing_ids=asked.accepts_processing_ids)
    if refusals:
        return Reading(None, refusals, is_rejected=True)
    pids = message.named("PID")
    if not pids:
        return Reading(None, (rules.PID_MISSING.at(Location("PID")),))
    kind = EVENTS[header.trigger_event]
    if kind is Merge:
        event, findings = _read_merge(message, header, asked)
    elif kind is ChangeIdentifier:
        event, findings = _read_change(message, header, pids[0], asked)
    else:
        person, findings = read_person(message, header, pids[0], asked)
        event = Delete(person) if kind is Delete else Update(_update_kind(message, header), person)
    findings = (*check_writing(message), *_read_mode(message), *findings)
    if header.trigger_event == A08:
        findings = (rules.A08_TAKEN.at(Location("MSH", 1, 9, 1, 2)), *findings)
    if findings and any(finding.is_error for finding in findings):
        event = None
    return Reading(event, findings, _read_date(message, pids[0], asked.timezone))


def _read_mode(message: Message) -> tuple[Finding, ...]:
    """Say that enhanced mode, when MSH-15 or MSH-16 asks for it, is not what the sender gets."""
    msh = message.segments[0]
    for number in (15, 16):
        if msh.raw(number) and msh.field(number).is_valued:
            return (rules.ORIGINAL_MODE.at(msh.location(number)),)
    return ()


def _update_kind(message: Message, header: Header) -> UpdateKind:
    kind = EVENTS[header.trigger_event]
    assert isinstance(kind, UpdateKind)
    zbe = message.segment("ZBE")
    is_cancel = header.trigger_event in CANCELLED_BY_ZBE and zbe is not None and zbe.value(4) == "CANCEL"
    return UpdateKind.CANCEL if is_cancel else kind


def _read_date(message: Message, pid: Segment, tz: tzinfo) -> Interval | None:
    """Return when the source made what PID says: PID-33, else EVN-2.

    Not EVN-6: the event itself may lie far back, when a stay is entered late or a movement is cancelled.

    Spec: ITI TF-2 §3.30.5.2, §3.30.5.3; IHE PAM FR 2.11.2 §6.4, §6.6.
    """
    evn = message.segment("EVN")
    for segment, number in ((pid, 33), (evn, 2)):
        moments = read_moments(segment.value(number) or "", tz) if segment is not None else None
        if moments is not None:
            return Interval(*moments, segment.location(number) if segment is not None else None)
    return None


def _groups(message: Message) -> list[tuple[Segment, list[Segment]]]:
    """Each PID with the MRG that follow it, before the next PID. To an only PID belong all, wherever they stand."""
    pids = message.named("PID")
    if len(pids) == 1:
        return [(pids[0], list(message.named("MRG")))]
    groups: list[tuple[Segment, list[Segment]]] = []
    for segment in message.segments:
        if segment.name == "PID":
            groups.append((segment, []))
        elif segment.name == "MRG" and groups:
            groups[-1][1].append(segment)
    return groups


def _read_merge(message: Message, header: Header, asked: ReadingRules) -> tuple[Event | None, tuple[Finding, ...]]:
    """Read the groups of an A40. HL7 allows several, IHE one. Spec: ITI TF-2 §3.30.6.4; HL7 v2.5 §3.3.40."""
    groups: list[MergeGroup] = []
    findings: list[Finding] = []
    for pid, mrgs in _groups(message):
        person, said = read_person(message, header, pid, asked, has_zfd=False)
        findings += said
        if not mrgs:
            findings.append(rules.MRG_MISSING.at(Location("MRG", pid.sequence)))
        for mrg in mrgs:
            old = read_identifiers(mrg, 1, asked)
            findings += old.findings
            if not old.identifiers:
                findings.append(rules.MRG_1_MISSING.at(mrg.location(1)))
            groups.append(MergeGroup(person, tuple(old.identifiers), mrg.location(1)))
    return Merge(tuple(groups)), tuple(findings)


def _read_change(
    message: Message, header: Header, pid: Segment, asked: ReadingRules
) -> tuple[Event | None, tuple[Finding, ...]]:
    """Read an A47. Spec: IHE PAM FR 2.11.2 §4.1, §4.4."""
    person, findings = read_person(message, header, pid, asked)
    mrg = message.segment("MRG")
    if mrg is None:
        return None, (*findings, rules.MRG_MISSING.at(Location("MRG")))
    old = read_identifiers(mrg, 1, asked)
    findings = (*findings, *old.findings)
    old_ins = tuple(each for each in old.ins if each.matricule)
    if not old.identifiers and not old_ins:
        return None, (*findings, rules.MRG_1_MISSING.at(mrg.location(1)))
    return ChangeIdentifier(person, tuple(old.identifiers), old_ins, mrg.location(1)), findings


def persons_of(event: Event) -> tuple[Person, ...]:
    """Return every person that an event speaks of."""
    if isinstance(event, Merge):
        return tuple(group.person for group in event.groups)
    return (event.person,)
