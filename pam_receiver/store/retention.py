"""Retention: the texts of old messages go; their digests, verdicts, findings and answers stay.

In transactions of a bounded number of messages, so that no daemon waits; one that was stopped goes on where it was.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Select, bindparam, func, select, text, update

from pam_receiver.store.audit import Actor, AuditEvent
from pam_receiver.store.checkpoints import discard, finish, hold_journal, write_checkpoint
from pam_receiver.store.errors import StoreConflict
from pam_receiver.store.schema import message
from pam_receiver.store.transaction import Store, Transaction

BATCH: Final = 500  # messages of one transaction
_MOST_CONFLICTS: Final = 10

# The two conditions are those of the partial index, letter for letter.
_PRUNABLE: Final = (
    message.c.received_at < bindparam("before"),
    message.c.erased_at.is_(None),
    message.c.action.is_(None),
)
_OLDEST: Final[Select[Any]] = select(message.c.id).where(*_PRUNABLE).order_by(message.c.received_at)
_NEXT: Final[Select[Any]] = _OLDEST.where(message.c.id <= bindparam("up_to"))  # a clock that jumps: none after it
_COUNT: Final[Select[Any]] = select(func.count()).select_from(message).where(*_PRUNABLE)
_ERASURE: Final = (
    update(message).where(message.c.id == bindparam("old_id")).values(raw=b"", key_id=None, erased_at=bindparam("at"))
)


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was erased. ``is_log_empty``: on SQLite, whether the file ``-wal`` holds none of it any more."""

    messages: int
    is_log_empty: bool = True


def count_prunable(store: Store, before: datetime) -> int:
    """Count the messages received before ``before`` whose text is still there."""
    with store.read() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL statement_timeout = 0"))
        return int(connection.execute(_COUNT, {"before": before}).scalar_one())


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
    """Erase the texts of messages received before ``before``, after a checkpoint of all identities.

    What an operator did (``action``) stays: it names nobody. Each transaction has its line in the audit trail.
    ``is_stopped``: asked between transactions; ``tell``: called with the number of messages done.

    Raises:
        NoKey: there is no key to sign the checkpoint with.
    """
    if not _has_any(store, before):
        return Pruned(0)
    pruner = _Pruner(store, before, actor, reason, now)
    up_to = pruner.take_checkpoint(is_stopped)
    done, count = 0, BATCH
    while up_to is not None and count == BATCH and not is_stopped():
        count = pruner.prune_some(up_to)
        done += count
        tell(done)
    return Pruned(done, store.empty_log())


def _has_any(store: Store, before: datetime) -> bool:
    with store.read() as connection:
        return connection.execute(_OLDEST.limit(1), {"before": before}).first() is not None


@dataclass(frozen=True, slots=True)
class _Pruner:
    """One run of pruning."""

    store: Store
    before: datetime
    actor: Actor
    reason: str | None
    now: Callable[[], datetime]

    def take_checkpoint(self, is_stopped: Callable[[], bool]) -> str | None:
        """Write the checkpoint; return the id of the last message that counts in it, ``None`` when stopped."""
        for _ in range(_MOST_CONFLICTS):
            draft = write_checkpoint(self.store, reason="prune", at=self.now(), is_stopped=is_stopped)
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

    def prune_some(self, up_to: str) -> int:
        """Erase one batch of texts; return how many."""
        for _ in range(_MOST_CONFLICTS):
            try:
                with self.store.begin() as tx:
                    found = tx.connection.execute(_NEXT.limit(BATCH), {"before": self.before, "up_to": up_to})
                    ids = list(found.scalars())
                    if ids:
                        erase_texts(tx, ids, self.now())
                        detail = {"before": self.before.isoformat(), "messages": len(ids)}
                        tx.audit(AuditEvent("prune", self.actor, reason=self.reason, detail=detail), at=self.now())
                return len(ids)
            except StoreConflict:
                continue
        raise StoreConflict(self.store.name)


def erase_texts(tx: Transaction, ids: list[str], at: datetime) -> None:
    """Erase the texts of these messages."""
    if ids:
        tx.connection.execute(_ERASURE, [{"old_id": each, "at": at} for each in ids])
