"""Refused messages taken again under what is in force now: first in a scratch store, then, when asked, for good.

A message is left alone when somebody whom it names has changed since it came, or when the source has confirmed since
what is held: what it says may be out of date.
"""

from collections.abc import Callable, Collection
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

from pam_receiver.finding import Severity
from pam_receiver.hl7.rules import BLOCK_TOO_LARGE
from pam_receiver.identity.known import Authorities, Known
from pam_receiver.identity.model import Event, Interval, Merge
from pam_receiver.ids import safe_control_id
from pam_receiver.rebuild.model import MOST_EXAMPLES
from pam_receiver.receive import Incoming, Outcome, Receiver, named_by
from pam_receiver.rehearsal import Fold
from pam_receiver.store import Store
from pam_receiver.store.refused import (
    Named,
    RefusedMessage,
    add_named,
    find_last_touches,
    find_taken,
    read_named,
    read_refused,
)

REFUSALS: Final = ("AE", "AR")


class MakeReplayer(Protocol):
    """Makes a receiver on a store; ``is_for_good``: on that of the journal, so that what it does is audited."""

    def __call__(
        self, store: Store, new_message_id: Callable[[], str], now: Callable[[], datetime], *, is_for_good: bool
    ) -> Receiver: ...


@dataclass(frozen=True, slots=True)
class Replayed:
    """A refused message, safe to show, and what becomes of it. ``before``, ``after``: the answers.

    ``errors``: the rules that refuse it now. ``changed``: ids of the identities that changed since it came.
    ``new_id``: that of the message of the journal by which it was taken for good.
    """

    message_id: str
    control_id: str
    event: str
    before: str
    after: str
    errors: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    new_id: str | None = None


@dataclass(slots=True)
class ReplayGroup:
    """Messages of which the same became: how many, and the first ones."""

    count: int = 0
    examples: list[Replayed] = field(default_factory=list)

    def add(self, one: Replayed) -> None:
        self.count += 1
        if len(self.examples) < MOST_EXAMPLES:
            self.examples.append(one)


@dataclass(slots=True)
class Replay:
    """What became of the refused messages that were asked for. ``messages``: how many they were.

    ``taken``: accepted since, so that there is nothing to do. ``accepted``: would be accepted, or were, for good.
    ``changed``: left alone, for an identity that they name has changed since. ``refused``: refused as before.
    """

    is_for_good: bool
    messages: int = 0
    taken: int = 0
    accepted: ReplayGroup = field(default_factory=ReplayGroup)
    changed: ReplayGroup = field(default_factory=ReplayGroup)
    refused: ReplayGroup = field(default_factory=ReplayGroup)


def replay(
    store: Store,
    make: MakeReplayer,
    *,
    folder: Path,
    new_message_id: Callable[[], str],
    now: Callable[[], datetime],
    since: datetime,
    until: datetime | None = None,
    codes: Collection[str] = REFUSALS,
    rule: str | None = None,
    is_for_good: bool = False,
    tell: Callable[[int, datetime], None] = lambda _count, _at: None,
) -> Replay:
    """Take again the messages refused from ``since`` on, in their order; each is found on what the last one left.

    ``rule``: only those that it refused. ``folder``: an empty one, for a scratch database. ``is_for_good``: those that
    are accepted are kept, each in a transaction of its own; a daemon may go on beside. A message that is refused again
    is not journalled again. ``tell``: called with the number of messages done and the time of the last one.

    Raises:
        StoreUnavailable: the store cannot be read or written, or ``folder`` is full. What was kept before stays.
        StoreConflict: a daemon was faster; run it again, what was taken is not taken twice.
    """
    result = Replay(is_for_good)
    with ExitStack() as stack:
        fold = stack.enter_context(closing(Fold(folder / "replay.db")))
        replaying = _Replaying(store, fold.store, make, new_message_id, now, result)
        for page in read_refused(store, since=since, until=until, codes=codes):
            asked = [each for each in page if rule is None or rule in each.errors]
            taken = find_taken(store, asked)
            for refused in asked:
                result.messages += 1
                if refused.id in taken:
                    result.taken += 1
                else:
                    replaying.take(refused)
            tell(result.messages, page[-1].received_at)
    return result


class _Replaying:
    """Takes refused messages one by one. A message has the same new id in both stores, and so have its identities."""

    def __init__(
        self,
        store: Store,
        scratch: Store,
        make: MakeReplayer,
        new_message_id: Callable[[], str],
        now: Callable[[], datetime],
        result: Replay,
    ) -> None:
        self._store = store
        self._scratch = scratch
        self._new_message_id = new_message_id
        self._now = now
        self._id = ""
        self._at = now()
        self._trial = make(scratch, self._next_id, lambda: self._at, is_for_good=False)
        self._real = make(store, self._next_id, now, is_for_good=True) if result.is_for_good else None
        self._result = result

    def _next_id(self) -> str:
        return self._id

    def take(self, refused: RefusedMessage) -> None:
        """Take one message again, unless somebody whom it names has changed."""
        self._id, self._at = self._new_message_id(), self._now()
        incoming = Incoming(refused.raw, refused.peer, self._at, refused.port, replay_of=None)
        if BLOCK_TOO_LARGE.id in refused.errors:  # the journal has its head alone, which may look like a message
            self._result.refused.add(_tell(refused, self._trial.receive_oversize(incoming)))
            return
        understood = self._trial.read(incoming).understood
        if understood.event is not None:
            named = _read(self._store, understood.event, understood.sender)
            dated = understood.occasion(self._id, self._at).dated
            changed = self._changed(refused, named, understood.event, understood.sender, dated)
            if changed:
                control_id, event = safe_control_id(understood.control_id), understood.trigger_event
                left = Replayed(refused.id, control_id, event, refused.ack_code, refused.ack_code, changed=changed)
                self._result.changed.add(left)
                return
            with self._scratch.begin() as tx:
                add_named(tx, named)
        (outcome,) = self._trial.receive([incoming])
        if outcome.is_repeat:
            self._result.taken += 1
        elif outcome.ack_code != "AA":
            self._result.refused.add(_tell(refused, outcome))
        elif self._real is None:
            self._result.accepted.add(_tell(refused, outcome))
        else:
            self._keep(self._real, refused)

    def _keep(self, real: Receiver, refused: RefusedMessage) -> None:
        incoming = Incoming(refused.raw, refused.peer, self._at, refused.port, replay_of=refused.id)
        (outcome,) = real.receive([incoming])
        if outcome.is_repeat:
            self._result.taken += 1
        elif outcome.ack_code == "AA":
            self._result.accepted.add(_tell(refused, outcome, new_id=outcome.message_id))
        else:
            self._result.refused.add(_tell(refused, outcome))

    def _changed(
        self, refused: RefusedMessage, named: Named, event: Event, sender: tuple[str, str], dated: Interval | None
    ) -> tuple[str, ...]:
        """Return the identities whom a message names, and that a later message changed or confirmed.

        ``dated``: when the source made what the message says. A merge is as true late.
        """
        known = Known(named.identities, named.merges, Authorities(named.seen))
        identifiers, ins = named_by(event)
        holders = [known.find_by_ipp(each.identifier, sender) for each in identifiers]
        held = [each for each in holders if each is not None]
        held += [each for one in ins for each in known.find_by_matricule(one.matricule)]
        ids = {each.id for each in held} | {known.find_survivor(each).id for each in held}
        touches = find_last_touches(self._store, ids)
        found = {each for each, last in touches.items() if last > refused.id}
        if dated is not None and not isinstance(event, Merge):
            found |= {each.id for each in holders if each is not None and _is_older(dated, each.dated_at)}
        return tuple(sorted(found))


def _is_older(dated: Interval, held_at: datetime | None) -> bool:
    return held_at is not None and dated.latest < held_at


def _read(store: Store, event: Event, sender: tuple[str, str]) -> Named:
    identifiers, ins = named_by(event)
    ipps = {each.identifier.value for each in identifiers}
    matricules = {each.matricule for each in ins if each.matricule}
    namespaces = {each.identifier.authority.namespace_id for each in identifiers}
    return read_named(store, ipps=ipps, matricules=matricules, sender=sender, namespaces=namespaces)


def _tell(refused: RefusedMessage, outcome: Outcome, *, new_id: str | None = None) -> Replayed:
    errors = tuple(rule for rule, severity in outcome.rules if severity == Severity.E)
    return Replayed(
        refused.id, outcome.control_id, outcome.event, refused.ack_code, outcome.ack_code, errors, new_id=new_id
    )
