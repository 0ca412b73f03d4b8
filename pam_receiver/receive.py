"""The way of a message: bytes, findings, event, decision, rows, ACK. The only module that knows all the steps."""

import hashlib
import logging
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, Literal
from uuid import UUID

from pam_receiver.adt import EVENTS, Reading, persons_of, read_event
from pam_receiver.finding import ErrorCode, Finding, Lang, Location, Rule, Severity
from pam_receiver.hl7 import rules as wire
from pam_receiver.hl7.ack import AckCode, Verdict, build_ack
from pam_receiver.hl7.charset import find_codec
from pam_receiver.hl7.er7 import Message, Unreadable, parse_message
from pam_receiver.hl7.header import Header, read_header, read_header_loosely
from pam_receiver.identity import rules as identity_rules
from pam_receiver.identity.decide import decide
from pam_receiver.identity.known import Known
from pam_receiver.identity.model import (
    NOTHING,
    Alert,
    Change,
    ChangeIdentifier,
    Decision,
    Event,
    Merge,
    MergeLink,
    Occasion,
    Policy,
    SeenAuthority,
    SentIdentifier,
    SentIns,
)
from pam_receiver.ids import MessageIds, ack_control_id, safe_control_id
from pam_receiver.profile.check import MOST_FINDINGS, check_message
from pam_receiver.profile.model import Profile
from pam_receiver.sources import Source, Sources
from pam_receiver.store import MessageRecord, Receipt, Store, StoreConflict, StoreError, StoreUnavailable, Transaction

log = logging.getLogger("pam_receiver.receive")

_MOST_CONFLICTS: Final = 5  # tries of a batch that another writer overtook
_MOST_CONFLICTS_ALONE: Final = 25  # of a message by itself: overtaken that often, it is no race any more

CONTROL_ID_REUSED: Final = Rule(
    id="control-id-reused",
    code=ErrorCode.DUPLICATE_KEY,
    severity=Severity.W,
    fr="MSH-10 a déjà servi pour un autre message de cette source : pris comme nouveau ; donner un identifiant unique.",
    en="MSH-10 was already used for another message of this source: taken as new; give each message its own id.",
    spec="HL7 v2.5 §2.15.9.10",
    example="MSH-10 = 20260302080000-4712",
)
CONTROL_ID_MISSING: Final = Rule(
    id="control-id-missing",
    code=ErrorCode.REQUIRED_FIELD_MISSING,
    severity=Severity.W,
    fr="MSH-10 est vide : un renvoi de ce message ne pourra être reconnu ; donner un identifiant unique.",
    en="MSH-10 is empty: a repeat of this message cannot be recognised; give each message its own id.",
    spec="HL7 v2.5 §2.15.9.10",
    example="MSH-10 = 20260302080000-4711",
)
INTERNAL_ERROR: Final = Rule(
    id="internal-error",
    code=ErrorCode.INTERNAL_ERROR,
    severity=Severity.E,
    fr="Défaillance du récepteur sur ce message : rien n'est enregistré ; prévenir son exploitant.",
    en="Failure of the receiver on this message: nothing was stored; tell its operator.",
    spec="HL7 v2.5 §2.9.2.2",
    example="MSA|AR|20260302080000-4711",
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
    "constat de ce qui est pris ou laissé de côté ; corrigez et renvoyez.",
    en="The settings of this source make {rule} an error: nothing of this message is kept, whatever that finding says "
    "of what is taken or left out; correct it and send again.",
    spec="pam-receiver, settings strictness and overlay of [[source]]",
    example="PID-32 = VALI",
)
_FAILED: Final = (INTERNAL_ERROR.at(),)


@dataclass(frozen=True, slots=True)
class Incoming:
    """One message as it was read: its bytes, who sent it (``host:port``), when (UTC), and by which port of ours."""

    raw: bytes = field(repr=False)
    peer: str
    received_at: datetime
    port: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one message, safe to log. ``rules``: (rule, severity) of each finding.

    ``event`` is ``""`` when it is none that we know: MSH-9 of a broken sender may hold anything. ``source`` is the name
    of the source of the settings that it belongs to, or ``""``.
    """

    ack: bytes = field(repr=False)
    ack_code: str
    event: str
    control_id: str
    message_id: str
    rules: tuple[tuple[str, str], ...] = ()
    is_repeat: bool = False
    source: str = ""


@dataclass(frozen=True, slots=True)
class AnswerStyle:
    """How acknowledgements speak. ``lang``: to a sender whose MSH-19 does not say EN; one that does has English."""

    lang: Lang = "fr"
    which: Literal["all", "errors"] = "all"


# ----------------------------------------------------------------------------------------------- one message, read


@dataclass(frozen=True, slots=True)
class _Understood:
    """A message after the pure steps that need no store: parsed, checked, read. ``code``: it is refused already.

    ``source`` is the name of its source; ``profile`` the one that it is held to, ``None`` when it cannot be read.
    """

    header: Header | None
    findings: tuple[Finding, ...]
    code: AckCode | None = None
    reading: Reading | None = None
    encoding: str = ""
    source: str = ""
    profile: Profile | None = None

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


def _join(profile: Profile, findings: tuple[Finding, ...], more: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Add what a later step says; where it says why, the profile's general word for the same fault falls away.

    The fault stays an error when the profile, being strict, has made it one.
    """
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


def _tell_raised(findings: tuple[Finding, ...], of_code: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Say which findings of the code are errors by the settings alone: their sentences tell of another effect."""
    errors = {each.rule for each in findings if each.is_error}
    if not errors:
        return findings
    raised = sorted(errors & {each.rule for each in of_code if not each.is_error})
    return (*findings, *(RAISED_BY_SOURCE.at(rule=rule) for rule in raised))


def _bounded(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Return the findings, of very many the errors first, and one that counts those left out."""
    if len(findings) <= MOST_FINDINGS:
        return findings
    ordered = sorted(findings, key=lambda each: not each.is_error)
    kept, rest = ordered[: MOST_FINDINGS - 1], ordered[MOST_FINDINGS - 1 :]
    return (*kept, wire.FINDINGS_NOT_SHOWN.at(count=len(rest), errors=sum(each.is_error for each in rest)))


def _understand(raw: bytes, source: Source) -> _Understood:
    try:
        message = parse_message(raw, charset=source.charset)
    except Unreadable as error:
        return _Understood(error.header, error.findings, AckCode.AR, source=source.name)
    header = _read_header(message, source)
    profile = source.profiles.select(header)
    reading = read_event(message, header, source.reading)
    if reading.is_rejected:
        findings = profile.graded((*message.findings, *reading.findings))
        return _Understood(header, findings, AckCode.AR, reading, message.encoding, source.name, profile)
    if not profile.accepts(header.trigger_event):
        refused = (*message.findings, EVENT_NOT_IN_PROFILE.at(Location("MSH", 1, 9, 1, 2), profile=profile.name))
        return _Understood(header, refused, AckCode.AR, reading, message.encoding, source.name, profile)
    checked = check_message(message, profile)
    missing = () if header.control_id else (CONTROL_ID_MISSING.at(Location("MSH", 1, 10)),)
    findings = profile.graded(_join(profile, (*message.findings, *checked), (*missing, *reading.findings)))
    findings = _tell_raised(findings, (*message.findings, *missing, *reading.findings))
    code = AckCode.AE if any(finding.is_error for finding in findings) else None
    read = Reading(reading.event, (), reading.dated)  # its findings stand among those of the message
    return _Understood(header, _bounded(findings), code, read, message.encoding, source.name, profile)


def _read_header(message: Message, source: Source) -> Header:
    """Read MSH. Where the settings knew better in which set the message is written, the answer names that one too."""
    header = read_header(message)
    if source.charset is None or message.encoding != find_codec(source.charset):
        return header
    return replace(header, charset=source.charset)


@dataclass(frozen=True, slots=True)
class _Read:
    """A message of a batch: what came in, and what was understood of it."""

    incoming: Incoming
    message_id: str
    understood: _Understood
    digest: bytes
    repeat_key: bytes


@dataclass(frozen=True, slots=True)
class _Settled:
    """A message after its decision, ready to be written and answered."""

    read: _Read
    code: AckCode
    findings: tuple[Finding, ...]
    ack: bytes
    decision: Decision = NOTHING
    seen: tuple[SeenAuthority, ...] = ()
    repeat_of: str | None = None


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


def check_file_message(
    raw: bytes, *, sources: Sources, policy: Policy, at: datetime, port: int | None = None
) -> Checked:
    """Check one message as the receiver would on an empty store, and leave out what only a store can tell.

    ``port``: the one of ours by which it would come in.
    """
    understood = _understand(raw, sources.find(raw, port))
    findings, event = understood.findings, understood.event
    code = understood.code or (AckCode.AE if event is None else AckCode.AA)
    if event is not None and understood.profile is not None:
        decision = decide(event, Known(), understood.occasion(_NO_MESSAGE, at), policy)
        names_ins_alone = isinstance(event, ChangeIdentifier) and not event.old  # it may be found by the INS of MRG-1
        left_out = _NEED_STORE | ({identity_rules.NO_IPP.id} if names_ins_alone else set())
        said = tuple(each for each in decision.findings if each.rule not in left_out)
        findings = understood.profile.graded(_join(understood.profile, findings, said))
        findings = _tell_raised(findings, said)
        code = AckCode.AE if any(each.is_error for each in findings) else code
    return Checked(
        findings=findings,
        event=understood.trigger_event,
        control_id=understood.control_id,
        unreadable=understood.code is AckCode.AR and understood.reading is None,
        ack_code=code,
        profile=understood.profile.name if understood.profile is not None else "",
        source=understood.source,
    )


# -------------------------------------------------------------------------------------------------------- a batch


class Receiver:
    """Receives messages: each is read, decided, kept and answered. For one thread at a time."""

    def __init__(
        self,
        store: Store,
        *,
        sources: Sources,
        policy: Policy,
        answers: AnswerStyle | None = None,
        new_message_id: Callable[[], str] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        max_block_bytes: int = 1 << 20,
    ) -> None:
        self._store = store
        self._sources = sources
        self._policy = policy
        self._answers = answers or AnswerStyle()
        self._new_message_id = new_message_id or MessageIds()
        self._now = now
        self._max_block_bytes = max_block_bytes

    def receive(self, batch: Sequence[Incoming]) -> tuple[Outcome, ...]:
        """Receive a batch in its order and return an outcome each. All of it is on disk when this returns.

        Raises:
            StoreUnavailable: nothing was kept, or it is not known; give the same batch again, or no answer.
        """
        return self._keep([self._read(incoming) for incoming in batch])

    def receive_oversize(self, incoming: Incoming) -> Outcome:
        """Journal and refuse (AR) a block over the limit, of which ``incoming`` holds the head.

        Raises:
            StoreUnavailable: as :meth:`receive`.
        """
        refused = wire.BLOCK_TOO_LARGE.at(Location("MSH"), limit=self._max_block_bytes)
        source = self._sources.find(incoming.raw, incoming.port)
        understood = _Understood(read_header_loosely(incoming.raw), (refused,), AckCode.AR, source=source.name)
        return self._keep([self._read(incoming, understood)])[0]

    def _read(self, incoming: Incoming, understood: _Understood | None = None) -> _Read:
        message_id = self._new_message_id()
        if understood is None:
            source = self._sources.find(incoming.raw, incoming.port)
            try:
                understood = _understand(incoming.raw, source)
            except Exception as error:  # noqa: BLE001 - one message must not stop the others; nothing of it is logged
                _log_failure(error, message_id)
                header = read_header_loosely(incoming.raw)
                understood = _Understood(header, _FAILED, AckCode.AR, source=source.name)
        key = b""
        if understood.control_id:
            named = "\0".join((*understood.sender, understood.control_id))
            key = _digest(named.encode("utf-8", "surrogatepass"))
        return _Read(incoming, message_id, understood, _digest(incoming.raw), key)

    def _keep(self, reads: Sequence[_Read]) -> tuple[Outcome, ...]:
        """Settle and write a batch in one transaction, again when another writer was faster.

        When the database refuses a value, or the batch conflicts every time, it is halved until the message at fault
        stands alone: that one is refused, and the others are kept.
        """
        most = _MOST_CONFLICTS if len(reads) > 1 else _MOST_CONFLICTS_ALONE
        for attempt in range(1, most + 1):
            try:
                return self._keep_once(reads)
            except StoreUnavailable:
                raise
            except StoreError as error:
                if not isinstance(error, StoreConflict) or attempt == most:
                    return self._isolate(reads, error)
        raise AssertionError  # not reached: the last conflict was isolated

    def _isolate(self, reads: Sequence[_Read], error: StoreError) -> tuple[Outcome, ...]:
        if len(reads) > 1:
            half = len(reads) // 2
            return (*self._keep(reads[:half]), *self._keep(reads[half:]))
        read = reads[0]
        if read.understood.findings == _FAILED:
            raise error  # even the refusal cannot be journalled
        _log_failure(error, read.message_id)
        refused = replace(read.understood, findings=_FAILED, code=AckCode.AR)
        return self._keep([replace(read, understood=refused)])

    def _keep_once(self, reads: Sequence[_Read]) -> tuple[Outcome, ...]:
        with self._store.begin() as tx:  # one transaction for the batch: commits at the end, rolls back on any error
            known, receipts = _load(tx, reads)
            settled = []
            for read in reads:  # pure, in order: each on what the last one left
                one = self._settle(read, known, receipts)
                known.apply(one.decision)
                if one.code is AckCode.AA and one.repeat_of is None and read.repeat_key:
                    receipts.setdefault(read.repeat_key, []).append(
                        Receipt(read.message_id, read.understood.control_id, read.digest, one.ack)
                    )
                settled.append(one)
            _write(tx, settled, self._now())
        return tuple(_outcome(each) for each in settled)  # only here: the promise is already on disk

    def _settle(self, read: _Read, known: Known, receipts: dict[bytes, list[Receipt]]) -> _Settled:
        try:
            return self._settle_one(read, known, receipts)
        except Exception as error:  # noqa: BLE001 - one message must not stop the others; nothing of it is logged
            _log_failure(error, read.message_id)
            return self._answer(read, AckCode.AR, _FAILED)

    def _settle_one(self, read: _Read, known: Known, receipts: dict[bytes, list[Receipt]]) -> _Settled:
        understood = read.understood
        findings = understood.findings
        earlier = receipts.get(read.repeat_key, ())
        for receipt in earlier:
            if receipt.digest == read.digest:
                return _Settled(read, AckCode.AA, findings, receipt.ack, repeat_of=receipt.message_id)
        event, profile = understood.event, understood.profile
        reused = (CONTROL_ID_REUSED.at(Location("MSH", 1, 10)),) if earlier else ()
        if event is None or profile is None:
            findings = (*(profile.graded(reused) if profile is not None else reused), *findings)
            return self._answer(read, understood.code or AckCode.AE, findings)
        occasion = understood.occasion(read.message_id, read.incoming.received_at)
        decision = decide(event, known, occasion, self._policy)
        findings = profile.graded(_join(profile, (*reused, *findings), decision.findings))
        findings = _tell_raised(findings, (*reused, *decision.findings))
        if any(finding.is_error for finding in findings):
            # Refused by an overlay alone, nothing of the decision is kept: its alerts speak of what would have been.
            kept = decision if decision.is_refused else NOTHING
            return self._answer(read, AckCode.AE, findings, kept)
        seen = tuple(each for each in _authorities(event, understood.sender) if known.see(each))
        return self._answer(read, AckCode.AA, findings, decision, seen)

    def _answer(
        self,
        read: _Read,
        code: AckCode,
        findings: tuple[Finding, ...],
        decision: Decision = NOTHING,
        seen: tuple[SeenAuthority, ...] = (),
    ) -> _Settled:
        header, findings = read.understood.header, _bounded(findings)
        wants_english = header is not None and header.language.strip().upper().startswith("EN")
        ack = build_ack(
            header,
            Verdict(code, findings),
            control_id=ack_control_id(read.message_id),
            at=self._now().astimezone(self._sources.general.reading.timezone),
            lang="en" if wants_english else self._answers.lang,
            which=self._answers.which,
        )
        return _Settled(read, code, findings, ack, decision, seen)


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _log_failure(error: Exception, message_id: str) -> None:
    """Log the class of an unforeseen error and the place it came from; its text could hold a value."""
    frame = traceback.extract_tb(error.__traceback__)[-1] if error.__traceback__ else None
    place = f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}" if frame else ""
    log.error("message.failed", extra={"message_id": message_id, "error": type(error).__name__, "place": place})


# ---------------------------------------------------------------------------------------------- load, write, tell


def _named(event: Event) -> tuple[list[SentIdentifier], list[SentIns]]:
    """Return every identifier and INS that an event names, in PID-3 and in MRG-1."""
    identifiers = [each for person in persons_of(event) for each in person.identifiers]
    ins = [each for person in persons_of(event) for each in person.ins]
    if isinstance(event, Merge):
        identifiers += [each for group in event.groups for each in group.sources]
    elif isinstance(event, ChangeIdentifier):
        identifiers += event.old
        ins += event.old_ins
    return identifiers, ins


def _authorities(event: Event, sender: tuple[str, str]) -> list[SeenAuthority]:
    authorities = {each.identifier.authority for each in _named(event)[0]}
    return [SeenAuthority(sender, each) for each in authorities if each.namespace_id]


def _load(tx: Transaction, reads: Sequence[_Read]) -> tuple[Known, dict[bytes, list[Receipt]]]:
    """Load every identity and every earlier receipt that a batch names, in one query each."""
    ipps: set[str] = set()
    matricules: set[str] = set()
    senders: set[tuple[str, str]] = set()
    for read in reads:
        event = read.understood.event
        if event is not None:
            identifiers, ins = _named(event)
            ipps.update(each.identifier.value for each in identifiers)
            matricules.update(each.matricule for each in ins if each.matricule)
            senders.add(read.understood.sender)
    keys = {read.repeat_key for read in reads if read.repeat_key}
    return tx.load(ipps=ipps, matricules=matricules, senders=senders, repeat_keys=keys)


def _write(tx: Transaction, settled: Sequence[_Settled], at: datetime) -> None:
    changes: list[tuple[str, Change]] = []
    alerts: list[tuple[str, Alert]] = []
    merges: list[MergeLink] = []
    seen: list[SeenAuthority] = []
    for one in settled:
        changes += [(one.read.message_id, change) for change in one.decision.changes]
        alerts += [(one.read.message_id, alert) for alert in one.decision.alerts]
        merges += one.decision.merges
        seen += one.seen
    records = [_record(one) for one in settled]
    tx.write(messages=records, changes=changes, merges=merges, alerts=alerts, seen=seen, at=at)


def _record(one: _Settled) -> MessageRecord:
    read, understood = one.read, one.read.understood
    application, facility = understood.sender
    return MessageRecord(
        id=read.message_id,
        received_at=read.incoming.received_at,
        peer=read.incoming.peer,
        raw=read.incoming.raw,
        digest=read.digest,
        sending_application=application,
        sending_facility=facility,
        control_id=understood.control_id,
        event=understood.trigger_event,
        ack_code=one.code.value,
        ack=one.ack,
        findings=one.findings,
        repeat_key=read.repeat_key,
        repeat_of=one.repeat_of,
        encoding=understood.encoding,
    )


def _outcome(one: _Settled) -> Outcome:
    event = one.read.understood.trigger_event
    return Outcome(
        ack=one.ack,
        ack_code=one.code.value,
        event=event if event in EVENTS else "",
        control_id=safe_control_id(one.read.understood.control_id),
        message_id=one.read.message_id,
        rules=tuple((finding.rule, finding.severity.value) for finding in one.findings),
        is_repeat=one.repeat_of is not None,
        source=one.read.understood.source,
    )
