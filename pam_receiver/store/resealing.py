"""After a new key: how much each key has sealed, and old texts sealed anew with the current one."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Select, bindparam, func, select, text, update

from pam_receiver.store.audit import Actor, AuditEvent
from pam_receiver.store.checkpoints import Checkpoint, find_checkpoint, part_name, sign_again
from pam_receiver.store.schema import checkpoint, checkpoint_part, message_text
from pam_receiver.store.sealing import Sealed
from pam_receiver.store.transaction import Store, Transaction

BATCH: Final = 250  # messages of one transaction

_BY_KEY: Final = select(message_text.c.key_id, func.count().label("texts"))
_IDS: Final[Select[Any]] = (
    select(message_text.c.message_id, message_text.c.key_id)
    .where(message_text.c.message_id > bindparam("last"))
    .order_by(message_text.c.message_id)
)
_ONE: Final[Select[Any]] = select(message_text.c.raw, message_text.c.key_id).where(
    message_text.c.message_id == bindparam("of")
)
_SEALED: Final = (
    update(message_text)
    .where(message_text.c.message_id == bindparam("old_id"))
    .values(raw=bindparam("content"), key_id=bindparam("new_key_id"))
)
_PART_KEYS: Final[Select[Any]] = (
    select(checkpoint_part.c.number, checkpoint_part.c.key_id)
    .where(checkpoint_part.c.checkpoint_id == bindparam("of"))
    .order_by(checkpoint_part.c.number)
)
_PART_SEALED: Final = (
    update(checkpoint_part)
    .where(checkpoint_part.c.checkpoint_id == bindparam("old_id"), checkpoint_part.c.number == bindparam("old_number"))
    .values(content=bindparam("content"), key_id=bindparam("new_key_id"))
)


@dataclass(frozen=True, slots=True)
class KeyUse:
    """What a key has sealed; ``key_id`` is ``None`` for what stands in clear. ``signs``: the newest checkpoint."""

    key_id: str | None
    messages: int
    signs: bool = False


def count_by_key(store: Store) -> tuple[KeyUse, ...]:
    """Count the texts by their key. It reads the whole journal: not for a probe."""
    with store.read() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL statement_timeout = 0"))
        rows = connection.execute(_BY_KEY.group_by(message_text.c.key_id)).all()
        signers = set(connection.execute(select(checkpoint.c.key_id).distinct()).scalars())
    counts: dict[str | None, int] = {row.key_id: row.texts for row in rows}
    names = sorted({*counts, *signers} - {None}, key=str)
    uses = [KeyUse(each, counts.get(each, 0), each in signers) for each in names]
    return (*([KeyUse(None, counts[None])] if None in counts else []), *uses)


def reseal(
    store: Store,
    *,
    actor: Actor,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    tell: Callable[[int], None] = lambda _count: None,
) -> int:
    """Seal every text, and the newest checkpoint, with the current key; return how many messages were.

    In bounded transactions, each with its line in the audit trail; begun again it leaves alone what is done. Where the
    journal is not to be encrypted what was sealed is written in clear.

    Raises:
        NoKey: there is no key.
        KeyMissing: a text was sealed with a key that is not there.
    """
    store.sealing.current_key_id()
    done, last = 0, ""
    while True:
        with store.read() as connection:
            rows = connection.execute(_IDS.limit(BATCH), {"last": last}).all()
        if not rows:
            break
        last = rows[-1].message_id
        wanted = store.sealing.writes_with()
        stale = [row.message_id for row in rows if row.key_id != wanted]
        if stale:
            done += _reseal_some(store, stale, actor, now())
            tell(done)
    if (found := find_checkpoint(store)) is not None:
        _reseal_checkpoint(store, found)
    store.empty_log()
    return done


def _reseal_some(store: Store, ids: list[str], actor: Actor, at: datetime) -> int:
    with store.begin() as tx:
        sealed = [values for each in ids if (values := _sealed_anew(tx, each)) is not None]
        if sealed:
            tx.connection.execute(_SEALED, sealed)
            tx.audit(AuditEvent("keys-reencrypt", actor, detail={"messages": len(sealed)}), at=at)
    return len(sealed)


def _sealed_anew(tx: Transaction, message_id: str) -> dict[str, object] | None:
    row = tx.connection.execute(_ONE, {"of": message_id}).first()
    if row is None:
        return None  # erased or pruned meanwhile
    content = tx.sealing.open(message_id, Sealed(row.raw, row.key_id))
    sealed = tx.sealing.seal(message_id, content)
    if sealed.key_id == row.key_id:
        return None
    return {"old_id": message_id, "content": sealed.content, "new_key_id": sealed.key_id}


def _reseal_checkpoint(store: Store, found: Checkpoint) -> None:
    """Seal the parts of a checkpoint that was verified, then sign it again; what is signed is what stands in clear."""
    with store.read() as connection:
        parts = connection.execute(_PART_KEYS, {"of": found.id}).all()
    wanted = store.sealing.writes_with()
    for number in [part.number for part in parts if part.key_id != wanted]:
        with store.begin() as tx:
            _reseal_part(tx, found.id, number)
    if found.key_id != store.sealing.current_key_id():
        with store.begin() as tx:
            sign_again(tx, found)


def _reseal_part(tx: Transaction, checkpoint_id: str, number: int) -> None:
    of_it = (checkpoint_part.c.checkpoint_id == checkpoint_id, checkpoint_part.c.number == number)
    row = tx.connection.execute(select(checkpoint_part.c.content, checkpoint_part.c.key_id).where(*of_it)).first()
    if row is None:
        return  # a newer checkpoint took its place
    name = part_name(checkpoint_id, number)
    sealed = tx.sealing.seal(name, tx.sealing.open(name, Sealed(row.content, row.key_id)))
    values = {"old_id": checkpoint_id, "old_number": number, "content": sealed.content, "new_key_id": sealed.key_id}
    tx.connection.execute(_PART_SEALED, [values])
