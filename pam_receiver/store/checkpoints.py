"""Checkpoints: all identities as they were after one message, signed. What later folds of the journal start from.

Pruning and erasure write one first, for they take away the texts that a fold would need. It is written in parts, each
in a transaction of its own, while one read holds the moment: no daemon waits, and memory is bounded by a part. Until
it is finished it has no signature, and is none.
"""

import json
import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from itertools import chain
from typing import Any, Final, Literal
from uuid import uuid4

from sqlalchemy import Connection, Select, bindparam, delete, func, insert, select, text, update

from pam_receiver.finding import Lang
from pam_receiver.identity.identifiers import AssigningAuthority
from pam_receiver.identity.model import Identity, MergeLink, SeenAuthority
from pam_receiver.store.errors import StoreConflict, StoreError
from pam_receiver.store.keys import SealBroken
from pam_receiver.store.reads import reads_of
from pam_receiver.store.rows import (
    AnyRow,
    Json,
    group,
    identity_from_json,
    read_identity,
    read_merge,
    read_seen,
    snapshot_json,
)
from pam_receiver.store.schema import checkpoint, checkpoint_part, identity, merge_link, message, sender_authority
from pam_receiver.store.sealing import Sealed
from pam_receiver.store.transaction import Store, Transaction

Reason = Literal["prune", "erase"]

PART: Final = 1000  # entries of one part
_LATE: Final = 1000  # of the last messages: where one of another daemon may still come in before the last one we saw
_UNFINISHED: Final = b""


class CheckpointBroken(StoreError):
    """The checkpoint is not as it was signed: parts of it are missing, altered, or of another one."""

    def text(self, lang: Lang) -> str:
        if lang == "fr":
            return f"Le point de reprise de la base {self.database} a été altéré ou est incomplet : il ne sert à rien."
        return f"The checkpoint of the database {self.database} was altered or is not whole: it is of no use."


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A finished checkpoint. ``up_to``: the id of the last message that counts in it, ``""`` when there was none.

    ``identities``: how many; ``key_id``: of the key that signed it.
    """

    id: str
    at: datetime
    reason: str
    up_to: str
    identities: int
    digest: bytes
    key_id: str
    signature: bytes


@dataclass(frozen=True, slots=True)
class Held:
    """An identity of a checkpoint. ``erased_at``: by legal demand; it holds no value since."""

    identity: Identity
    erased_at: datetime | None


Entry = Held | MergeLink | SeenAuthority


@dataclass(frozen=True, slots=True)
class Draft:
    """A checkpoint whose parts are written. ``late``: where late messages would stand, and how many stood there."""

    id: str
    at: datetime
    reason: str
    up_to: str
    identities: int
    digest: bytes
    late: tuple[str, int]


def without_values(one: Identity) -> Identity:
    """Return what is left of an identity that was erased: its id, its version, and where it stands among merges."""
    return Identity(id=one.id, active=False, merged_into=one.merged_into, version=one.version)


# -------------------------------------------------------------------------------------------------------- writing


def write_checkpoint(
    store: Store,
    *,
    reason: Reason,
    at: datetime,
    without: Collection[str] = (),
    is_stopped: Callable[[], bool] = lambda: False,
) -> Draft | None:
    """Write the parts of a checkpoint; :func:`finish` makes it one, in the transaction of the act that needs it.

    ``without``: the ids of identities of which it holds no value. ``is_stopped``: asked between two parts; once it is
    true nothing is left behind and ``None`` is returned. ``at``: aware, UTC.

    Raises:
        NoKey: there is no key to sign with.
    """
    key_id = store.sealing.current_key_id()
    made = str(uuid4())
    digest, identities, number = sha256(), 0, 0
    with store.read() as connection:
        up_to, late = _last_message(connection), _late(connection)
        _begin(store, made, reason, at, up_to, key_id)
        for entries in _read_parts(connection, frozenset(without), at):
            if is_stopped():
                discard(store, made)
                return None
            content = _pack(entries)
            digest.update(_framed(content))
            identities += sum(isinstance(each, Held) for each in entries)
            _write_part(store, made, number, content)
            number += 1
    return Draft(made, at, reason, up_to, identities, digest.digest(), late)


def _begin(store: Store, made: str, reason: str, at: datetime, up_to: str, key_id: str) -> None:
    values = {"id": made, "at": at, "reason": reason, "up_to": up_to, "identities": 0, "key_id": key_id}
    with store.begin() as tx:
        tx.connection.execute(insert(checkpoint), [{**values, "digest": b"", "signature": _UNFINISHED}])


def _write_part(store: Store, made: str, number: int, content: bytes) -> None:
    sealed = store.sealing.seal(part_name(made, number), content)
    with store.begin() as tx:
        if tx.connection.execute(select(checkpoint.c.id).where(checkpoint.c.id == made)).first() is None:
            raise StoreConflict(tx.database)  # another one was finished meanwhile, and took ours away
        values = {"checkpoint_id": made, "number": number, "content": sealed.content, "key_id": sealed.key_id}
        tx.connection.execute(insert(checkpoint_part), [values])


def discard(store: Store, checkpoint_id: str) -> None:
    """Take away a checkpoint that will not be finished."""
    with store.begin() as tx:
        tx.connection.execute(delete(checkpoint_part).where(checkpoint_part.c.checkpoint_id == checkpoint_id))
        tx.connection.execute(delete(checkpoint).where(checkpoint.c.id == checkpoint_id))


def hold_journal(tx: Transaction) -> None:
    """Let no other writer into the journal until this transaction ends. To be called first in it.

    On SQLite a write transaction is the only one anyway.
    """
    if tx.connection.dialect.name == "postgresql":
        tx.connection.execute(text("LOCK TABLE message IN SHARE ROW EXCLUSIVE MODE"))


def finish(tx: Transaction, draft: Draft) -> None:
    """Sign a checkpoint and take the older ones away: they hold what was erased since. See :func:`hold_journal`.

    Raises:
        StoreConflict: a message came in that stands before ``up_to`` and was not seen (another daemon wrote it), or
            another checkpoint took this one away. Write it again.
    """
    start, count = draft.late
    if _count_between(tx.connection, start, draft.up_to) != count:
        raise StoreConflict(tx.database)
    key_id, signature = tx.sealing.sign(_signed(draft))
    tx.connection.execute(delete(checkpoint_part).where(checkpoint_part.c.checkpoint_id != draft.id))
    tx.connection.execute(delete(checkpoint).where(checkpoint.c.id != draft.id))
    finished = (
        update(checkpoint)
        .where(checkpoint.c.id == draft.id)
        .values(identities=draft.identities, digest=draft.digest, key_id=key_id, signature=signature)
    )
    if tx.connection.execute(finished).rowcount != 1:
        raise StoreConflict(tx.database)


def _signed(one: Draft | Checkpoint) -> bytes:
    said = [one.id, one.at.astimezone(UTC).isoformat(), one.reason, one.up_to, one.identities, one.digest.hex()]
    return json.dumps(said).encode()


def part_name(checkpoint_id: str, number: int) -> str:
    """Return the name under which a part is sealed."""
    return f"{checkpoint_id}/{number}"


def _framed(content: bytes) -> bytes:
    return len(content).to_bytes(8, "big") + content


# ------------------------------------------------------------------------------------- what a checkpoint is made of


def _last_message(connection: Connection) -> str:
    return connection.execute(select(message.c.id).order_by(message.c.id.desc()).limit(1)).scalar() or ""


def _late(connection: Connection) -> tuple[str, int]:
    """Return from which id on late messages are looked for, and how many there are from it to the last one."""
    ids = connection.execute(select(message.c.id).order_by(message.c.id.desc()).limit(_LATE)).scalars().all()
    return (ids[-1], len(ids)) if ids else ("", 0)


def _count_between(connection: Connection, first: str, last: str) -> int:
    between = select(func.count()).select_from(message).where(message.c.id >= first, message.c.id <= last)
    return connection.execute(between).scalar_one()


def _read_parts(connection: Connection, without: frozenset[str], at: datetime) -> Iterator[list[Entry]]:
    """Read everything that decides how later messages are taken, in parts."""
    last = ""
    while rows := connection.execute(_IDENTITIES.limit(PART), {"last": last}).all():
        yield [*_read_held(connection, rows, without, at)]
        last = rows[-1].id
    link: tuple[str, str] = ("", "")
    while rows := connection.execute(_MERGES.limit(PART), {"absorbed": link[0], "message_id": link[1]}).all():
        yield [read_merge(row) for row in rows]
        link = (rows[-1].absorbed, rows[-1].message_id)
    last = ""
    while rows := connection.execute(_SEEN.limit(PART), {"last": last}).all():
        yield [read_seen(*row[1:]) for row in rows]
        last = rows[-1].key


# Values of rows as a key to go on from: both databases follow the primary key, without a sort.
_IDENTITIES: Final[Select[Any]] = select(identity).where(identity.c.id > bindparam("last")).order_by(identity.c.id)
_MERGES: Final[Select[Any]] = (
    select(merge_link)
    .where(
        merge_link.c.absorbed >= bindparam("absorbed"),
        (merge_link.c.absorbed > bindparam("absorbed")) | (merge_link.c.message_id > bindparam("message_id")),
    )
    .order_by(merge_link.c.absorbed, merge_link.c.message_id)
)
_SEEN: Final[Select[Any]] = (
    select(
        sender_authority.c.key,
        sender_authority.c.sending_application,
        sender_authority.c.sending_facility,
        sender_authority.c.namespace_id,
        sender_authority.c.universal_id,
        sender_authority.c.universal_id_type,
    )
    .where(sender_authority.c.key > bindparam("last"))
    .order_by(sender_authority.c.key)
)


def _read_held(connection: Connection, rows: Sequence[AnyRow], without: frozenset[str], at: datetime) -> Iterator[Held]:
    reads = reads_of(connection)
    ids = {"ids": reads.pack([row.id for row in rows])}
    identifiers = group(connection.execute(reads.identifiers, ids).all())
    ended = group(connection.execute(reads.ended, ids).all())
    for row in rows:
        one = read_identity(row, identifiers.get(row.id, ()), ended.get(row.id, ()))
        if row.id in without:
            yield Held(without_values(one), at)
        else:
            yield Held(one, row.erased_at)


# --------------------------------------------------------------------------------------------------------- reading


def find_checkpoint(store: Store) -> Checkpoint | None:
    """Return the newest finished checkpoint, its signature verified; ``None`` when there is none.

    Raises:
        KeyMissing: the key that signed it is not there.
        CheckpointBroken: the signature is not of this checkpoint.
    """
    with store.read() as connection:
        row = connection.execute(_FINISHED).first()
    if row is None:
        return None
    found = Checkpoint(row.id, row.at, row.reason, row.up_to, row.identities, row.digest, row.key_id, row.signature)
    verify(store, found)
    return found


_FINISHED: Final[Select[Any]] = (
    select(checkpoint)
    .where(func.length(checkpoint.c.signature) > 0)
    .order_by(checkpoint.c.at.desc(), checkpoint.c.id.desc())
    .limit(1)
)


def verify(store: Store, found: Checkpoint) -> None:
    """Make sure that the signature is of this checkpoint; raises as :func:`find_checkpoint` does."""
    try:
        store.sealing.verify(_signed(found), found.key_id, found.signature)
    except SealBroken:
        raise CheckpointBroken(store.name) from None


def sign_again(tx: Transaction, found: Checkpoint) -> None:
    """Sign a checkpoint, which was verified, with the key that is current now."""
    key_id, signature = tx.sealing.sign(_signed(found))
    values = {"key_id": key_id, "signature": signature}
    tx.connection.execute(update(checkpoint).where(checkpoint.c.id == found.id).values(values))


def read_checkpoint(store: Store, found: Checkpoint) -> Iterator[Entry]:
    """Read a checkpoint that :func:`find_checkpoint` gave: the identities first, then merges, then authorities.

    All parts are verified before the first entry is given. Close it when leaving it before its end.

    Raises:
        KeyMissing, SealBroken: a part cannot be decrypted.
        CheckpointBroken: the parts are not those that were signed.
    """
    with store.read() as connection:
        if connection.dialect.name == "postgresql":  # whoever reads works on each entry; the server shall wait for it
            connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = '15min'"))
        digest = sha256()
        for content in _read_contents(connection, store, found):
            digest.update(_framed(content))
        if digest.digest() != found.digest:
            raise CheckpointBroken(store.name)
        yield from chain.from_iterable(map(_unpack, _read_contents(connection, store, found)))


def _read_contents(connection: Connection, store: Store, found: Checkpoint) -> Iterator[bytes]:
    number = 0
    while (row := connection.execute(_PART, {"id": found.id, "at": number}).first()) is not None:
        yield store.sealing.open(part_name(found.id, number), Sealed(row.content, row.key_id))
        number += 1


_PART: Final[Select[Any]] = select(checkpoint_part.c.content, checkpoint_part.c.key_id).where(
    checkpoint_part.c.checkpoint_id == bindparam("id"), checkpoint_part.c.number == bindparam("at")
)


# ------------------------------------------------------------------------------------------------------------ lines


def _pack(entries: Sequence[Entry]) -> bytes:
    return zlib.compress("".join(f"{json.dumps(_entry_json(each))}\n" for each in entries).encode())


def _unpack(content: bytes) -> Iterator[Entry]:
    for line in zlib.decompress(content).splitlines():
        yield _entry_from_json(json.loads(line))


def _entry_json(entry: Entry) -> Json:
    match entry:
        case Held():
            erased_at = entry.erased_at.isoformat() if entry.erased_at is not None else None
            return {"identity": snapshot_json(entry.identity), "erased_at": erased_at}
        case MergeLink():
            ids = {"absorbed": entry.absorbed, "survivor": entry.survivor, "message_id": entry.message_id}
            return {"merge": {**ids, "at": entry.at.isoformat(), "control_id": entry.control_id}}
        case SeenAuthority():
            named = entry.authority
            return {
                "sender": list(entry.sender),
                "authority": [named.namespace_id, named.universal_id, named.universal_id_type],
            }


def _entry_from_json(found: Json) -> Entry:
    if "identity" in found:
        erased_at = datetime.fromisoformat(found["erased_at"]) if found["erased_at"] is not None else None
        return Held(identity_from_json(found["identity"]), erased_at)
    if "merge" in found:
        link = found["merge"]
        at = datetime.fromisoformat(link["at"])
        return MergeLink(link["absorbed"], link["survivor"], at, link["message_id"], link["control_id"])
    application, facility = found["sender"]
    return SeenAuthority((application, facility), AssigningAuthority(*found["authority"]))
