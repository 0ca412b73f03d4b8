"""The way of a message: bytes, findings, event, decision, rows, ACK. The only module that knows all the steps."""

import hashlib
import logging
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Final, Literal

from pam_receiver.adt import EVENTS, persons_of
from pam_receiver.finding import ErrorCode, Finding, Lang, Location, Remembered, Rule, Severity, has_error
from pam_receiver.hl7 import rules as wire
from pam_receiver.hl7.ack import Ack, AckCode, Verdict, build_ack, write_time
from pam_receiver.hl7.header import read_header_loosely
from pam_receiver.identity.decide import decide
from pam_receiver.identity.known import Known
from pam_receiver.identity.model import (
    NOTHING,
    Alert,
    Change,
    ChangeIdentifier,
    Decision,
    Event,
    Identity,
    Merge,
    MergeLink,
    SeenAuthority,
    SentIdentifier,
    SentIns,
)
from pam_receiver.ids import MessageIds, ack_control_id, safe_control_id
from pam_receiver.sources import Sources
from pam_receiver.store import (
    ALONE,
    AuditEvent,
    Hold,
    InForce,
    MessageRecord,
    MoreToHold,
    Receipt,
    Store,
    StoreConflict,
    StoreError,
    StoreUnavailable,
    Transaction,
    hold_names,
)
from pam_receiver.understand import Understood, bounded, refuse_sender, say_together, take_in
from pam_receiver.values import value

log = logging.getLogger("pam_receiver.receive")

_MOST_CONFLICTS: Final = 5  # tries of a batch that another writer overtook
_LONGEST_NAME: Final = 250  # characters kept of what a sender that may not send calls itself and its message
_LONGEST_KEPT_ID: Final = 32  # bytes of a control id that stand in its key as they are
_SENDER_BYTES: Final = 16  # of the digest of a sender there
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
INTERNAL_ERROR: Final = Rule(
    id="internal-error",
    code=ErrorCode.INTERNAL_ERROR,
    severity=Severity.E,
    fr="Défaillance du récepteur sur ce message : rien n'est enregistré ; prévenir son exploitant.",
    en="Failure of the receiver on this message: nothing was stored; tell its operator.",
    spec="HL7 v2.5 §2.9.2.2",
    example="MSA|AR|20260302080000-4711",
)
_FAILED: Final = (INTERNAL_ERROR.at(),)


@value(frozen=True, slots=True)
class Incoming:
    """One message as it was read: its bytes, who sent it (``host:port``), when (UTC), and by which port of ours.

    ``replay_of``: the id of the refused message of the journal that is taken again. ``is_known``: false when a
    certificate is asked for and the sender's is none of those that are taken.
    """

    raw: bytes = field(repr=False)
    peer: str
    received_at: datetime
    port: int | None = None
    replay_of: str | None = None
    is_known: bool = True


@value(frozen=True, slots=True)
class Outcome:
    """What became of one message, safe to log. ``rules``: (rule, severity) of each finding.

    ``event`` is ``""`` when it is none that we know: MSH-9 of a broken sender may hold anything. ``source`` is the name
    of the source of the settings that it belongs to, or ``""``. ``replay_of``: as of :class:`Incoming`.
    """

    ack: bytes = field(repr=False)
    ack_code: str
    event: str
    control_id: str
    message_id: str
    rules: tuple[tuple[str, str], ...] = ()
    is_repeat: bool = False
    source: str = ""
    replay_of: str | None = None


@dataclass(frozen=True, slots=True)
class AnswerStyle:
    """How acknowledgements speak. ``lang``: to a sender whose MSH-19 does not say EN; one that does has English."""

    lang: Lang = "fr"
    which: Literal["all", "errors"] = "all"


@value(frozen=True, slots=True)
class Read:
    """A message of a batch: what came in, and what was understood of it."""

    incoming: Incoming
    message_id: str
    understood: Understood
    digest: bytes
    repeat_key: bytes


@value(frozen=True, slots=True)
class _Settled:
    """A message after its decision, ready to be written and answered."""

    read: Read
    code: AckCode
    findings: tuple[Finding, ...]
    ack: Ack
    decision: Decision = NOTHING
    seen: tuple[SeenAuthority, ...] = ()
    repeat_of: str | None = None


# -------------------------------------------------------------------------------------------------------- a batch


class Receiver:
    """Receives messages: each is read, decided, kept and answered. For one thread at a time."""

    def __init__(
        self,
        store: Store,
        *,
        sources: Sources,
        answers: AnswerStyle | None = None,
        in_force: InForce | None = None,
        new_message_id: Callable[[], str] | None = None,
        renumbers: bool = False,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        max_block_bytes: int = 1 << 20,
        audit: Callable[[Outcome], AuditEvent] | None = None,
    ) -> None:
        """``audit``: what the trail is to say of each message, when an operator has it taken.

        ``renumbers``: a message that had to wait for another writer has a new id, after those that this one has kept;
        so it is without ``new_message_id``. Ids that are given from outside stay, whoever was faster.
        """
        self._store = store
        self._sources = sources
        self._answers = answers or AnswerStyle()
        self._in_force = in_force
        self._new_message_id = new_message_id or MessageIds()
        self._renumbers = renumbers or new_message_id is None
        self._now = now
        self._max_block_bytes = max_block_bytes
        self._audit = audit

    def receive(self, batch: Sequence[Incoming]) -> tuple[Outcome, ...]:
        """Receive a batch in its order and return an outcome each. All of it is on disk when this returns.

        Raises:
            StoreUnavailable: nothing was kept, or it is not known; give the same batch again, or no answer.
        """
        return self.keep([self.read(incoming) for incoming in batch])

    def receive_oversize(self, incoming: Incoming) -> Outcome:
        """Journal and refuse (AR) a block over the limit, of which ``incoming`` holds the head.

        Raises:
            StoreUnavailable: as :meth:`receive`.
        """
        return self.keep([self.read_oversize(incoming)])[0]

    def read_oversize(self, incoming: Incoming) -> Read:
        """Return the refusal of a block over the limit, of which ``incoming`` holds the head, to be kept."""
        source = self._sources.find(incoming.raw, incoming.port)
        understood = refuse_sender(incoming.raw, source, is_known=incoming.is_known)
        if understood is None:
            limit = source.admission.most_bytes or self._max_block_bytes
            refused = wire.BLOCK_TOO_LARGE.at(Location("MSH"), limit=limit)
            understood = Understood(read_header_loosely(incoming.raw), (refused,), source, AckCode.AR)
        return self._read_as(incoming, self._new_message_id(), understood)

    def read(self, incoming: Incoming, understood: Understood | None = None) -> Read:
        """Return what is understood of a message, to be kept; nothing is kept or answered yet.

        ``understood``: by another process, of the same sources. Ids are in the order of the calls.
        """
        message_id = self._new_message_id()
        if understood is None:
            understood = self._understand(incoming, message_id)
        return self._read_as(incoming, message_id, understood)

    def _understand(self, incoming: Incoming, message_id: str) -> Understood:
        try:
            return take_in(incoming.raw, incoming.port, self._sources, is_known=incoming.is_known)
        except Exception as error:  # noqa: BLE001 - one message must not stop the others; nothing of it is logged
            _log_failure(error, message_id)
            source = self._sources.find(incoming.raw, incoming.port)
            return Understood(read_header_loosely(incoming.raw), _FAILED, source, AckCode.AR)

    def _read_as(self, incoming: Incoming, message_id: str, understood: Understood) -> Read:
        key = b""
        if understood.control_id and understood.is_admitted:  # who may not send is never answered for one who may
            key = _repeat_key(understood.sender, understood.control_id)
        return Read(incoming, message_id, understood, _digest(incoming.raw), key)

    def renumber(self, read: Read) -> Read:
        """Return a message under another id: under the one it has it may be kept, by a commit that nobody answered."""
        return replace(read, message_id=self._new_message_id())

    def prepare(self, reads: Sequence[Read]) -> Callable[[], tuple[Outcome, ...]]:
        """Settle a batch as far as it goes without waiting for anything; return what keeps it, as :meth:`keep` does.

        What is returned may be called on another thread, and must be, before anything else of this receiver that
        writes. On a file all is written here but the commit: what takes time is then the disk, and nothing of Python.
        """
        if not self._store.is_file:
            return partial(self.keep, reads)
        try:
            tx = self._store.open_transaction(waits=False)
            with tx.ending_on_error():
                outcomes = self._write_batch(tx, reads, _names_of(reads))
        except StoreError:  # somebody else has the file, perhaps for a moment: waited for elsewhere
            return partial(self.keep, reads)
        return partial(self._commit, tx, reads, outcomes)

    def _commit(self, tx: Transaction, reads: Sequence[Read], outcomes: tuple[Outcome, ...]) -> tuple[Outcome, ...]:
        try:
            tx.commit()
        except StoreUnavailable:
            raise
        except StoreError:  # what is checked at the commit only
            return self.keep(reads)
        return outcomes

    def keep(self, reads: Sequence[Read]) -> tuple[Outcome, ...]:
        """Settle and write a batch in one transaction, again when another writer was faster. Then it is on disk.

        When the database refuses a value, or the batch conflicts every time, it is halved until the message at fault
        stands alone: that one is refused, and the others are kept.

        Raises:
            StoreUnavailable: as :meth:`receive`.
        """
        names = _names_of(reads)
        hold = hold_names(ipps=names.ipps, matricules=names.matricules, repeat_keys=names.repeat_keys)
        if hold.is_too_wide() and not self._store.is_file:
            if len(reads) > 1:
                return self._keep_halves(reads)
            hold = ALONE
        most = _MOST_CONFLICTS if len(reads) > 1 else _MOST_CONFLICTS_ALONE
        for attempt in range(1, most + 1):
            try:
                return self._keep_once(reads, names, hold)
            except StoreUnavailable:
                raise
            except StoreError as error:
                if not isinstance(error, StoreConflict) or attempt == most:
                    return self._isolate(reads, error)
                hold = error.hold if isinstance(error, MoreToHold) else ALONE  # nobody is faster than who is alone
        raise AssertionError  # not reached: the last conflict was isolated

    def _keep_halves(self, reads: Sequence[Read]) -> tuple[Outcome, ...]:
        half = len(reads) // 2
        return (*self.keep(reads[:half]), *self.keep(reads[half:]))

    def _isolate(self, reads: Sequence[Read], error: StoreError) -> tuple[Outcome, ...]:
        if len(reads) > 1:
            return self._keep_halves(reads)
        read = reads[0]
        if read.understood.findings == _FAILED:
            raise error  # even the refusal cannot be journalled
        _log_failure(error, read.message_id)
        refused = replace(read.understood, findings=_FAILED, code=AckCode.AR)
        return self.keep([replace(read, understood=refused)])

    def _keep_once(self, reads: Sequence[Read], names: "_Names", hold: Hold) -> tuple[Outcome, ...]:
        with self._store.begin(pipelined=True, hold=hold) as tx:
            return self._write_batch(tx, reads, names)  # given once the block has ended: the promise is on disk then

    def _write_batch(self, tx: Transaction, reads: Sequence[Read], names: "_Names") -> tuple[Outcome, ...]:
        """Decide and write in one transaction for the batch, which is not committed yet."""
        known, receipts = tx.load(
            ipps=names.ipps,
            matricules=names.matricules,
            senders=names.senders,
            namespaces=names.namespaces,
            repeat_keys=names.repeat_keys,
        )
        if self._renumbers and reads:
            reads = self._in_turn(reads, tx.last_message_id)
        settled, at = [], self._now()
        made_at = write_time(at.astimezone(self._sources.general.reading.timezone))
        for read in reads:  # pure, in order: each on what the last one left
            one = self._settle(read, known, receipts, made_at)
            known.apply(one.decision)
            if one.code is AckCode.AA and one.repeat_of is None and read.repeat_key:
                receipts.setdefault(read.repeat_key, []).append(
                    Receipt(read.message_id, read.understood.control_id, read.digest, one.ack)
                )
            settled.append(one)
        _write(tx, settled, self._in_force, at)
        outcomes = tuple([_outcome(each) for each in settled])
        if self._audit is not None:
            tx.audit(*map(self._audit, outcomes), at=at)
        return outcomes

    def _in_turn(self, reads: Sequence[Read], last: str) -> Sequence[Read]:
        """Return a batch with ids after that of the ``last`` message of the journal, which another writer may have kept
        since ours were given: whoever folds the journal takes its lines in the order of their ids.
        """
        if reads[0].message_id > last:
            return reads
        new_id = MessageIds(after=last)  # those that are given on the loop meanwhile are of later batches
        # One that failed has been logged by its id; it names nobody.
        return [read if read.understood.findings == _FAILED else replace(read, message_id=new_id()) for read in reads]

    def _settle(self, read: Read, known: Known, receipts: dict[bytes, list[Receipt]], made_at: str) -> _Settled:
        try:
            return self._settle_one(read, known, receipts, made_at)
        except Exception as error:  # noqa: BLE001 - one message must not stop the others; nothing of it is logged
            _log_failure(error, read.message_id)
            return self._answer(read, made_at, AckCode.AR, _FAILED)

    def _settle_one(self, read: Read, known: Known, receipts: dict[bytes, list[Receipt]], made_at: str) -> _Settled:
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
            return self._answer(read, made_at, understood.code or AckCode.AE, findings)
        occasion = understood.occasion(read.message_id, read.incoming.received_at)
        decision = decide(event, known, occasion, understood.source.policy)
        if reused or decision.findings:
            findings = say_together(profile, reused, findings, decision.findings)
        if has_error(findings):
            # Refused by an overlay alone, nothing of the decision is kept: its alerts speak of what would have been.
            kept = decision if decision.is_refused else NOTHING
            return self._answer(read, made_at, AckCode.AE, findings, kept)
        seen = tuple(each for each in _authorities(event, understood.sender) if known.see(each))
        return self._answer(read, made_at, AckCode.AA, findings, decision, seen)

    def _answer(
        self,
        read: Read,
        made_at: str,
        code: AckCode,
        findings: tuple[Finding, ...],
        decision: Decision = NOTHING,
        seen: tuple[SeenAuthority, ...] = (),
    ) -> _Settled:
        header, findings = read.understood.header, bounded(findings)
        wants_english = header is not None and header.language.strip().upper().startswith("EN")
        ack = build_ack(
            header,
            Verdict(code, findings),
            control_id=ack_control_id(read.message_id),
            made_at=made_at,
            lang="en" if wants_english else self._answers.lang,
            which=self._answers.which,
        )
        return _Settled(read, code, findings, ack, decision, seen)


def _repeat_key(sender: tuple[str, str], control_id: str) -> bytes:
    """Return what a repeat is looked up by: a digest of the sender, then the control id, its digest when it is long.

    In MSH-10 nearly all senders count or write the time: what follows on another stands beside it in the index.
    """
    said = control_id.encode("utf-8", "surrogatepass")
    return _sender_digest(*sender) + (said if len(said) <= _LONGEST_KEPT_ID else _digest(said))


@lru_cache(maxsize=256)
def _sender_digest(application: str, facility: str) -> bytes:
    return _digest(f"{application}\0{facility}".encode("utf-8", "surrogatepass"))[:_SENDER_BYTES]


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _log_failure(error: Exception, message_id: str) -> None:
    """Log the class of an unforeseen error and the place it came from; its text could hold a value."""
    frame = traceback.extract_tb(error.__traceback__)[-1] if error.__traceback__ else None
    place = f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}" if frame else ""
    log.error("message.failed", extra={"message_id": message_id, "error": type(error).__name__, "place": place})


# ---------------------------------------------------------------------------------------------- load, write, tell


def named_by(event: Event) -> tuple[list[SentIdentifier], list[SentIns]]:
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
    authorities = {each.identifier.authority for each in named_by(event)[0]}
    return [SeenAuthority(sender, each) for each in authorities if each.namespace_id]


@dataclass(frozen=True, slots=True)
class _Names:
    """What the messages of a batch name: all that is loaded for it."""

    ipps: frozenset[str]
    matricules: frozenset[str]
    senders: frozenset[tuple[str, str]]
    namespaces: frozenset[str]  # HD-1 of their authorities: what others a sender has named says nothing of these
    repeat_keys: frozenset[bytes]


def _names_of(reads: Sequence[Read]) -> _Names:
    ipps: set[str] = set()
    matricules: set[str] = set()
    senders: set[tuple[str, str]] = set()
    namespaces: set[str] = set()
    for read in reads:
        event = read.understood.event
        if event is not None:
            identifiers, ins = named_by(event)
            ipps.update(each.identifier.value for each in identifiers)
            namespaces.update(each.identifier.authority.namespace_id for each in identifiers)
            matricules.update(each.matricule for each in ins if each.matricule)
            senders.add(read.understood.sender)
    keys = frozenset(read.repeat_key for read in reads if read.repeat_key)
    return _Names(frozenset(ipps), frozenset(matricules), frozenset(senders), frozenset(namespaces), keys)


def _write(tx: Transaction, settled: Sequence[_Settled], in_force: InForce | None, at: datetime) -> None:
    changes: list[tuple[str, Change]] = []
    alerts: list[tuple[str, Alert]] = []
    merges: list[MergeLink] = []
    seen: list[SeenAuthority] = []
    confirmed: list[Identity] = []
    for one in settled:
        changes += [(one.read.message_id, change) for change in one.decision.changes]
        alerts += [(one.read.message_id, alert) for alert in one.decision.alerts]
        merges += one.decision.merges
        seen += one.seen
        confirmed += one.decision.confirmed
    records = [_record(one) for one in settled]
    tx.write(
        messages=records,
        changes=changes,
        merges=merges,
        alerts=alerts,
        seen=seen,
        confirmed=confirmed,
        in_force=in_force,
        at=at,
    )


def _record(one: _Settled) -> MessageRecord:
    read, understood = one.read, one.read.understood
    (application, facility), control_id = understood.sender, understood.control_id
    if not understood.is_admitted:  # whatever stands there, it shall not be content
        application, facility, control_id = (each[:_LONGEST_NAME] for each in (application, facility, control_id))
    return MessageRecord(
        id=read.message_id,
        received_at=read.incoming.received_at,
        peer=read.incoming.peer,
        raw=read.incoming.raw if understood.is_admitted else b"",  # not wanted, so not ours to keep; the digest is
        digest=read.digest,
        sending_application=application,
        sending_facility=facility,
        control_id=control_id,
        event=understood.trigger_event,
        ack_code=one.code.value,
        ack=one.ack,
        findings=one.findings,
        repeat_key=read.repeat_key,
        repeat_of=one.repeat_of,
        encoding=understood.encoding,
        port=read.incoming.port,
        replay_of=read.incoming.replay_of,
    )


_RULES: Final = Remembered[tuple[tuple[str, str], ...]]()


def _rules(findings: tuple[Finding, ...]) -> tuple[tuple[str, str], ...]:
    rules = _RULES.find(findings)
    if rules is None:
        rules = _RULES.keep(tuple([(each.rule, each.severity) for each in findings]), findings)
    return rules


def _outcome(one: _Settled) -> Outcome:
    event = one.read.understood.trigger_event
    return Outcome(
        ack=one.ack.raw,
        ack_code=one.code.value,
        event=event if event in EVENTS else "",
        control_id=safe_control_id(one.read.understood.control_id),
        message_id=one.read.message_id,
        rules=_rules(one.findings),
        is_repeat=one.repeat_of is not None,
        source=one.read.understood.source.name,
        replay_of=one.read.incoming.replay_of,
    )
