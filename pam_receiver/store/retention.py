"""Retention: the texts of old messages go; their lines stay, with digests, verdicts, findings and answers.

On PostgreSQL a month of which all is old goes whole. The rest goes in transactions of a bounded number of messages, so
that no daemon waits; one that was stopped goes on where it was.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, Select, bindparam, delete, func, insert, select, text, update

from pam_receiver.store.audit import Actor, AuditEvent
from pam_receiver.store.checkpoints import discard, finish, hold_journal, write_checkpoint
from pam_receiver.store.errors import StoreConflict, StoreError
from pam_receiver.store.months import Partition, drop_empty_months, empty_month, read_months
from pam_receiver.store.schema import message, message_text, pruning
from pam_receiver.store.texts import earliest_id
from pam_receiver.store.transaction import Store, Transaction

BATCH: Final = 500  # messages of one transaction
_MOST_CONFLICTS: Final = 10

_id: Final = message_text.c.message_id
_OLD: Final = _id < bindparam("bound")
_OLDEST: Final[Select[Any]] = select(_id).where(_OLD).order_by(_id)
_NEXT: Final[Select[Any]] = _OLDEST.where(_id <= bindparam("up_to"))
_COUNT: Final[Select[Any]] = select(func.count()).select_from(message_text).where(_OLD)
_OLD_DELETION: Final = delete(message_text).where(_id <= bindparam("last"))
# After a clock was set back ids go on from the greatest, whose time has not come yet: there the lines tell the age.
_AHEAD: Final = (_id > bindparam("last"), message.c.received_at < bindparam("before"))
_OF_LINE: Final = message_text.join(message, message.c.id == _id)
_OLDEST_AHEAD: Final[Select[Any]] = select(_id).select_from(_OF_LINE).where(*_AHEAD).order_by(_id)
_NEXT_AHEAD: Final[Select[Any]] = _OLDEST_AHEAD.where(_id <= bindparam("up_to"))
_COUNT_AHEAD: Final[Select[Any]] = select(func.count()).select_from(_OF_LINE).where(*_AHEAD)
_TEXT_DELETION: Final = delete(message_text).where(_id == bindparam("old_id"))
_ERASURE: Final = (
    update(message).where(message.c.id == bindparam("old_id")).values(words=None, erased_at=bindparam("at"))
)
_PRUNED_ON: Final = update(pruning).where(pruning.c.up_to == bindparam("was")).values(up_to=bindparam("now"))


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was erased. ``is_log_empty``: on SQLite, whether the file ``-wal`` holds none of it any more."""

    messages: int
    is_log_empty: bool = True


def count_prunable(store: Store, before: datetime, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> int:
    """Count the messages taken before ``before`` whose text is still there."""
    old, ahead = {"bound": earliest_id(before)}, {"last": earliest_id(now()), "before": before}
    with store.read() as connection:
        take_time(connection)
        found: int = connection.execute(_COUNT, old).scalar_one() + connection.execute(_COUNT_AHEAD, ahead).scalar_one()
    return found


def take_time(connection: Connection) -> None:
    """Let a statement read as long as it must."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL statement_timeout = 0"))


def prune(
    store: Store,
    *,
    before: datetime,
    actor: Actor,
    reason: str | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    is_stopped: Callable[[], bool] = lambda: False,
    tell: Callable[[int], None] = lambda _count: None,
) -> Pruned:
    """Take away the texts of messages taken before ``before``, after a checkpoint of all identities.

    Their age is the time in their ids; where that has not come yet, the one at which they came in. What an operator
    did (``action``) stays: it names nobody. Each transaction has its line in the audit trail. ``is_stopped``: asked
    between transactions; ``tell``: called with the number of messages done.

    Raises:
        NoKey: there is no key to sign the checkpoint with.
    """
    pruner = _Pruner(store, before, actor, reason, now)
    up_to = pruner.take_checkpoint(is_stopped) if pruner.has_any() else None
    done = 0
    for count in pruner.run(up_to, is_stopped) if up_to is not None else ():
        done += count
        tell(done)
    drop_empty_months(store, earliest_id(before))
    return Pruned(done, store.empty_log() if done else True)


@dataclass(slots=True)
class _Pruner:
    """One run of pruning. ``marked``: up to which message it has said that it pruned; ``ahead``: where it is there."""

    store: Store
    before: datetime
    actor: Actor
    reason: str | None
    now: Callable[[], datetime]
    marked: str = ""
    ahead: str = ""

    def has_any(self) -> bool:
        """Whether there is anything to prune."""
        self.ahead = earliest_id(self.now())
        with self.store.read() as connection:
            old = connection.execute(_OLDEST.limit(1), {"bound": earliest_id(self.before)}).first()
            ahead = {"last": self.ahead, "before": self.before}
            return old is not None or connection.execute(_OLDEST_AHEAD.limit(1), ahead).first() is not None

    def take_checkpoint(self, is_stopped: Callable[[], bool]) -> str | None:
        """Write the checkpoint; return the id of the last message that counts in it, ``None`` when stopped."""
        for _ in range(_MOST_CONFLICTS):
            try:
                draft = write_checkpoint(self.store, reason="prune", at=self.now(), is_stopped=is_stopped)
            except StoreConflict:
                continue  # that of another run was finished, and took ours away
            if draft is None:
                return None
            try:
                with self.store.begin() as tx:
                    hold_journal(tx)
                    finish(tx, draft)
            except StoreConflict:
                discard(self.store, draft.id)
            else:
                return draft.up_to
        raise StoreConflict(self.store.name)

    def run(self, up_to: str, is_stopped: Callable[[], bool]) -> Iterator[int]:
        """Take whole months away, then the rest; give the number of texts of each transaction."""
        for month in self._old_months():
            if is_stopped():
                return
            try:
                count = self._in_one(partial(self._prune_month, month), up_to)
            except StoreError:
                if month in self._old_months():
                    raise
                continue  # another run has taken it away
            if count:
                yield count
        for step in (self._prune_old, self._prune_ahead):
            count = BATCH
            while count == BATCH and not is_stopped():
                if count := self._in_one(step, up_to):
                    yield count

    def _old_months(self) -> list[Partition]:
        bound = earliest_id(self.before)
        with self.store.read() as connection:
            return [each for each in read_months(connection) if each.end <= bound and each.may_empty]

    def _in_one(self, step: Callable[[Transaction, str], tuple[int, str]], up_to: str) -> int:
        """Take texts away in one transaction; return how many."""
        for _ in range(_MOST_CONFLICTS):
            try:
                with self.store.begin() as tx:
                    count, last = step(tx, up_to)
                    if count:
                        detail = {"before": self.before.isoformat(), "messages": count}
                        tx.audit(AuditEvent("prune", self.actor, reason=self.reason, detail=detail), at=self.now())
            except StoreConflict:
                continue
            if step == self._prune_ahead:
                self.ahead = max(self.ahead, last)
            else:
                self.marked = max(self.marked, last)
            return count
        raise StoreConflict(self.store.name)

    def _prune_month(self, month: Partition, tx: Transaction, up_to: str) -> tuple[int, str]:
        """Empty a month of which all is old."""
        count, last = empty_month(tx, month, up_to)
        if count:
            self._mark(tx, last)
        return count, last

    def _prune_old(self, tx: Transaction, up_to: str) -> tuple[int, str]:
        """Delete the oldest texts, and say up to which message there are none."""
        bound = {"bound": earliest_id(self.before), "up_to": up_to}
        ids = list(tx.connection.execute(_NEXT.limit(BATCH), bound).scalars())
        if not ids:
            return 0, ""
        tx.connection.execute(_OLD_DELETION, {"last": ids[-1]})
        self._mark(tx, ids[-1])
        return len(ids), ids[-1]

    def _prune_ahead(self, tx: Transaction, up_to: str) -> tuple[int, str]:
        """Delete texts of messages whose ids tell a time that has not come, and say so in their lines."""
        wanted = {"last": self.ahead, "before": self.before, "up_to": up_to}
        ids = list(tx.connection.execute(_NEXT_AHEAD.limit(BATCH), wanted).scalars())
        erase_texts(tx, ids, self.now())
        return len(ids), max(ids, default="")

    def _mark(self, tx: Transaction, last: str) -> None:
        if not self.marked:
            tx.connection.execute(insert(pruning), [{"up_to": last, "at": self.now()}])
        elif last > self.marked:  # else it has said so: what lay beside the months may be older
            tx.connection.execute(_PRUNED_ON, {"was": self.marked, "now": last})


def erase_texts(tx: Transaction, ids: list[str], at: datetime) -> None:
    """Erase the texts of these messages, and the words of acts, and say so in their lines."""
    if ids:
        tx.connection.execute(_TEXT_DELETION, [{"old_id": each} for each in ids])
        tx.connection.execute(_ERASURE, [{"old_id": each, "at": at} for each in ids])
