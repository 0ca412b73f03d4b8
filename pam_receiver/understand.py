"""One message understood, without a store: parsed, given its source, checked against its profile, read."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from pam_receiver.adt import Reading, read_event
from pam_receiver.finding import ErrorCode, Finding, Location, Rule, Severity, has_error
from pam_receiver.hl7 import rules as wire
from pam_receiver.hl7.ack import AckCode
from pam_receiver.hl7.charset import find_codec
from pam_receiver.hl7.er7 import Message, Unreadable, parse_message
from pam_receiver.hl7.header import Header, read_header, read_header_loosely
from pam_receiver.identity import rules as identity_rules
from pam_receiver.identity.decide import decide
from pam_receiver.identity.known import Known
from pam_receiver.identity.model import ChangeIdentifier, Event, Occasion
from pam_receiver.ids import safe_control_id
from pam_receiver.profile.check import MOST_FINDINGS, check_message
from pam_receiver.profile.model import Profile
from pam_receiver.shifts import SHIFTS, tell_shifts_once
from pam_receiver.sources import Source, Sources
from pam_receiver.values import value

CONTROL_ID_MISSING: Final = Rule(
    id="control-id-missing",
    code=ErrorCode.REQUIRED_FIELD_MISSING,
    severity=Severity.W,
    fr="MSH-10 est vide : un renvoi de ce message ne pourra être reconnu ; donner un identifiant unique.",
    en="MSH-10 is empty: a repeat of this message cannot be recognised; give each message its own id.",
    spec="HL7 v2.5 §2.15.9.10",
    example="MSH-10 = 20260302080000-4711",
)
EVENT_NOT_IN_PROFILE: Final = Rule(
    id="event-not-in-profile",
    code=ErrorCode.UNSUPPORTED_EVENT,
    severity=Severity.E,
    fr="MSH-9.2 : le profil {profile}, réglé pour cette source, ne prend pas cet événement ; A31 ou Z99 pour A08.",
    en="MSH-9.2: the profile {profile}, set for this source, does not take this event; A31 or Z99 stand for A08.",
    spec="ITI TF-2 Appendix C.2.3; IHE PAM FR 2.11.2 §2.2",
    example="MSH-9 = ADT^A31^ADT_A05",
)
RAISED_BY_SOURCE: Final = Rule(
    id="raised-by-source",
    code=ErrorCode.ACCEPTED,
    severity=Severity.I,
    fr="Les réglages de cette source font une erreur de {rule} : rien de ce message n'est gardé, quoi que dise ce "
    "constat de ce qui est pris ou laissé de côté ; corriger et renvoyer.",
    en="The settings of this source make {rule} an error: nothing of this message is kept, whatever that finding says "
    "of what is taken or left out; correct it and send again.",
    spec="pam-receiver, [[source]] strictness, overlay",
    example="PID-32 = VALI",
)
SOURCE_NOT_ALLOWED: Final = Rule(
    id="source-not-allowed",
    code=ErrorCode.INTERNAL_ERROR,
    severity=Severity.E,
    fr="{place} : cet émetteur, ou ce destinataire, n'est pas admis ici ; le contenu n'a pas été gardé. Vérifier "
    "MSH-3 à MSH-6, l'adresse et le certificat, ou faire compléter les réglages du récepteur.",
    en="{place}: this sender, or this addressee, is not admitted here; the content was not kept. Check MSH-3 to MSH-6, "
    "the address and the certificate, or have the settings of the receiver completed.",
    spec="pam-receiver, [[listener]]",
    example="MSH-3 = GAM",
)


@value(frozen=True, slots=True)
class Understood:
    """A message after the pure steps that need no store: parsed, checked, read. ``code``: it is refused already.

    ``profile``: the one that it is held to, ``None`` when it cannot be read. ``is_admitted``: false when its sender may
    not send here; then nothing of its content is kept.
    """

    header: Header | None
    findings: tuple[Finding, ...]
    source: Source
    code: AckCode | None = None
    reading: Reading | None = None
    encoding: str = ""
    profile: Profile | None = None
    is_admitted: bool = True

    @property
    def event(self) -> Event | None:
        return self.reading.event if self.reading is not None and self.code is None else None

    @property
    def sender(self) -> tuple[str, str]:
        return self.header.sender if self.header else ("", "")

    @property
    def control_id(self) -> str:
        return self.header.control_id if self.header else ""

    @property
    def trigger_event(self) -> str:
        return self.header.trigger_event if self.header else ""

    def occasion(self, message_id: str, at: datetime) -> Occasion:
        """The message that brings the event, for the decision."""
        dated = self.reading.dated if self.reading else None
        return Occasion(message_id, safe_control_id(self.control_id), self.sender, at, dated)


def join(profile: Profile, findings: tuple[Finding, ...], more: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Add what a later step says; where it says why, the profile's general word for the same fault falls away.

    The fault stays an error when the profile, being strict, has made it one.
    """
    if not more:
        return findings
    more = tuple(each for each in more if each.is_error or profile.grades.get(each.rule, each.severity) is not None)
    if not more or not findings:
        return findings or more
    said = {(each.at, each.code) for each in more}
    general = [each for each in findings if (each.at, each.code) in said and profile.is_general(each.rule)]
    if not general:
        return (*findings, *more)
    errors = {(each.at, each.code) for each in general if each.is_error}
    raised = (each.graded(Severity.E) if (each.at, each.code) in errors else each for each in more)
    return (*(each for each in findings if each not in general), *raised)


def tell_raised(findings: tuple[Finding, ...], of_code: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Say which findings of the code are errors by the settings alone: their sentences tell of another effect."""
    if not has_error(findings):
        return findings
    errors = {each.rule for each in findings if each.is_error}
    raised = sorted(errors & {each.rule for each in of_code if not each.is_error})
    return (*findings, *(RAISED_BY_SOURCE.at(rule=rule) for rule in raised))


def say_together(
    profile: Profile,
    of_wire: tuple[Finding, ...],
    of_profile: tuple[Finding, ...],
    of_code: tuple[Finding, ...],
    message: Message | None = None,
) -> tuple[Finding, ...]:
    """Put together what was found, in order: joined, shifts told once (in ``message``), graded by the settings.

    ``of_wire`` and ``of_code``: what our code has found, before and after the check against the profile.
    """
    all_of_it, count = (*of_wire, *of_profile, *of_code), len(of_wire)
    found = profile.said.find(all_of_it, count, len(of_code))
    if found is not None:
        return found
    joined = join(profile, (*of_wire, *of_profile), of_code)
    told = tell_shifts_once(message, profile, joined) if message is not None else joined
    findings = tell_raised(profile.graded(told), (*of_wire, *of_code))
    if any(each.rule in SHIFTS for each in joined):  # what is then said depends on what stands in the message
        return findings
    return profile.said.keep(findings, all_of_it, count, len(of_code))


def bounded(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Return the findings, of very many the errors first, and one that counts those left out."""
    if len(findings) <= MOST_FINDINGS:
        return findings
    ordered = sorted(findings, key=lambda each: not each.is_error)
    kept, rest = ordered[: MOST_FINDINGS - 1], ordered[MOST_FINDINGS - 1 :]
    return (*kept, wire.FINDINGS_NOT_SHOWN.at(count=len(rest), errors=sum(each.is_error for each in rest)))


def refuse_sender(raw: bytes, source: Source, *, is_known: bool = True) -> Understood | None:
    """Refuse a message, or the head of one, whose sender may not send here; ``None`` when it may.

    ``is_known``: whether the address and the certificate of the sender are among those asked for.
    """
    number = source.admission.refused_field(raw) if is_known else 3
    if number is None:
        return None
    place = Location("MSH", 1, number)
    refused = SOURCE_NOT_ALLOWED.at(place, place=str(place))
    return Understood(read_header_loosely(raw), (refused,), source, AckCode.AR, is_admitted=False)


def take_in(raw: bytes, port: int | None, sources: Sources, *, is_known: bool = True) -> Understood:
    """Find the source of a message and understand it; ``port`` and ``is_known``: how it came in."""
    source = sources.find(raw, port)
    refused = refuse_sender(raw, source, is_known=False) if not is_known else None
    return refused or understand(raw, source)


def understand(raw: bytes, source: Source) -> Understood:
    """Parse, check and read a message of ``source``; of what may not come in or cannot be read, say why."""
    if not_admitted := refuse_sender(raw, source):
        return not_admitted
    most = source.admission
    try:
        message = parse_message(
            raw,
            charset=source.charset,
            most_segments=most.most_segments,
            most_repetitions=most.most_repetitions,
        )
    except Unreadable as error:
        return Understood(error.header, error.findings, source, AckCode.AR)
    header = _read_header(message, source)
    profile = source.profiles.select(header)
    reading = read_event(message, header, source.reading)
    if reading.is_rejected:
        findings = profile.graded((*message.findings, *reading.findings))
        return Understood(header, findings, source, AckCode.AR, reading, message.encoding, profile)
    if not profile.accepts(header.trigger_event):
        refused = (*message.findings, EVENT_NOT_IN_PROFILE.at(Location("MSH", 1, 9, 1, 2), profile=profile.name))
        return Understood(header, refused, source, AckCode.AR, reading, message.encoding, profile)
    checked = check_message(message, profile)
    missing = () if header.control_id else (CONTROL_ID_MISSING.at(Location("MSH", 1, 10)),)
    if not (checked or message.findings or missing or reading.findings):
        return Understood(header, (), source, None, reading, message.encoding, profile)
    findings = say_together(profile, message.findings, checked, (*missing, *reading.findings), message)
    code = AckCode.AE if has_error(findings) else None
    read = Reading(reading.event, (), reading.dated)  # its findings stand among those of the message
    return Understood(header, bounded(findings), source, code, read, message.encoding, profile)


def _read_header(message: Message, source: Source) -> Header:
    """Read MSH. Where the settings knew better in which set the message is written, the answer names that one too."""
    header = read_header(message)
    if source.charset is None or message.encoding != find_codec(source.charset):
        return header
    return replace(header, charset=source.charset)


@dataclass(frozen=True, slots=True)
class Checked:
    """What can be said of a message without a database.

    ``profile`` is the name of the one that it was held to, ``source`` of the source that it belongs to, or ``""``.
    """

    findings: tuple[Finding, ...]
    event: str
    control_id: str
    unreadable: bool
    ack_code: AckCode = AckCode.AA
    profile: str = ""
    source: str = ""


_NO_MESSAGE: Final = str(UUID(int=0))  # no message is kept, so none needs an id
_NEED_STORE: Final = frozenset(
    {  # said of an empty store only: they mean nothing when no store is asked
        identity_rules.CANCEL_OF_UNKNOWN.id,
        identity_rules.DELETE_OF_UNKNOWN.id,
        identity_rules.MERGE_SOURCE_UNKNOWN.id,
        identity_rules.CHANGE_OF_NOTHING.id,
    }
)


def check_file_message(raw: bytes, *, sources: Sources, at: datetime, port: int | None = None) -> Checked:
    """Check one message as the receiver would on an empty store, and leave out what only a store can tell.

    ``port``: the one of ours by which it would come in.
    """
    understood = understand(raw, sources.find(raw, port))
    findings, event = understood.findings, understood.event
    code = understood.code or (AckCode.AE if event is None else AckCode.AA)
    if event is not None and understood.profile is not None:
        decision = decide(event, Known(), understood.occasion(_NO_MESSAGE, at), understood.source.policy)
        names_ins_alone = isinstance(event, ChangeIdentifier) and not event.old  # it may be found by the INS of MRG-1
        left_out = _NEED_STORE | ({identity_rules.NO_IPP.id} if names_ins_alone else set())
        said = tuple(each for each in decision.findings if each.rule not in left_out)
        findings = say_together(understood.profile, (), findings, said)
        code = AckCode.AE if any(each.is_error for each in findings) else code
    return Checked(
        findings=findings,
        event=understood.trigger_event,
        control_id=understood.control_id,
        unreadable=understood.code is AckCode.AR and understood.reading is None and understood.is_admitted,
        ack_code=code,
        profile=understood.profile.name if understood.profile is not None else "",
        source=understood.source.name,
    )
