"""What a fold of the journal asks of the store: what was in force, where it starts, and what it is compared with."""

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, Select, bindparam, func, insert, select, text
from sqlalchemy.dialects import sqlite

from pam_receiver.identity.model import Identity, MergeLink, SeenAuthority
from pam_receiver.store.acts import REBUILD
from pam_receiver.store.checkpoints import Entry, Held
from pam_receiver.store.records import InForce
from pam_receiver.store.rows import (
    AnyRow,
    Json,
    Values,
    ended_ins_values,
    group,
    identifier_values,
    identity_from_json,
    identity_values,
    merge_values,
    read_merge,
    seen_values,
)
from pam_receiver.store.schema import (
    ended_ins,
    identifier,
    identity,
    identity_version,
    kept_file,
    merge_link,
    message,
    sender_authority,
)
from pam_receiver.store.schema import in_force as table_in_force
from pam_receiver.store.transaction import Store, Transaction


@dataclass(frozen=True, slots=True)
class KeptVersion:
    """One version of an identity as the store holds it."""

    number: int
    message_id: str
    identity: Identity = field(repr=False)


# ------------------------------------------------------------------------------------------------- what was in force


def read_in_force(store: Store, in_force_id: str) -> InForce | None:
    """Return what was in force, with its files; ``None`` when it is not there. A file that is missing is left out."""
    with store.read() as connection:
        content = connection.execute(_IN_FORCE, {"id": in_force_id}).scalar()
        if content is None:
            return None
        rows = connection.execute(_KEPT_FILES.where(kept_file.c.digest.in_([*_digests_in(content)]))).all()
    return InForce(in_force_id, content, {row.digest: row.content for row in rows})


def _digests_in(value: object) -> Iterator[str]:
    match value:
        case dict():
            for each in value.values():
                yield from _digests_in(each)
        case list():
            for each in value:
                yield from _digests_in(each)
        case str() if len(value) == _DIGEST_SIGNS:
            yield value


_DIGEST_SIGNS: Final = 64  # SHA-256, hex
_IN_FORCE: Final[Select[Any]] = select(table_in_force.c.content).where(table_in_force.c.id == bindparam("id"))
_KEPT_FILES: Final[Select[Any]] = select(kept_file.c.digest, kept_file.c.content)


def find_rebuild(store: Store, after: str = "") -> tuple[str, str] | None:
    """Return (last message, id of what was in force) of the last rebuild under other settings than those of then.

    ``after``: only of those whose line comes after the message of this id. It may read the whole journal.
    """
    with store.read() as connection:
        _take_time(connection)
        row = connection.execute(_LAST_REBUILD.where(message.c.id > after)).first()
    if row is None:
        return None
    words: Json = json.loads(row.words)
    return words["last"], row.in_force


_LAST_REBUILD: Final[Select[Any]] = (
    select(message.c.words, message.c.in_force)
    .where(message.c.action == REBUILD)
    .order_by(message.c.id.desc())
    .limit(1)
)


# ------------------------------------------------------------------------------------------------ the order of a fold


def find_overtaken(store: Store, after: str = "") -> dict[str, frozenset[str]]:
    """Return the messages that were decided after one with a later id, each with those that it must wait for.

    Two writers (daemons on one server, a replay beside a daemon) give their ids before they wait for each other: the
    numbers of the versions tell who was first. ``after``: only messages with a later id than this.
    """
    one, by, order = identity_version.c.identity_id, identity_version.c.message_id, identity_version.c.number
    last = func.lag(by).over(partition_by=one, order_by=order)
    # The latest of all before it: who follows a late one is late too.
    latest = func.max(by).over(partition_by=one, order_by=order, rows=(None, -1))
    found = select(by, last.label("before"), latest.label("latest")).subquery()
    late = select(found).where(found.c.latest > found.c.message_id, found.c.before > after, found.c.message_id > after)
    waits: dict[str, set[str]] = {}
    with store.read() as connection:
        _take_time(connection)
        for row in connection.execute(late):
            waits.setdefault(row.message_id, set()).add(row.before)
    return {each: frozenset(those - {each}) for each, those in waits.items()}


def _take_time(connection: Connection) -> None:
    """Let a statement read a whole table, and whoever reads think about each page."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = '15min'"))


# ----------------------------------------------------------------------------------------------------- where it starts


def begin_with(tx: Transaction, entries: Iterable[Entry], *, known: Collection[str] = ()) -> None:
    """Write identities, merges and authorities, as a checkpoint has them, into a scratch store.

    The merges name messages that are not here: a line stands for each, save those that are ``known``.
    """
    connection, named = tx.connection, set(known)
    for entry in entries:
        match entry:
            case Held():
                _put(connection, entry)
            case MergeLink():
                if entry.message_id not in named:
                    named.add(entry.message_id)
                    connection.execute(insert(message), [_stand_in(entry)])
                connection.execute(insert(merge_link), [merge_values(entry)])
            case SeenAuthority():
                connection.execute(_ONCE, [seen_values(entry)])


_ONCE: Final = sqlite.insert(sender_authority).on_conflict_do_nothing()  # a scratch store is a file of SQLite


def _put(connection: Connection, held: Held) -> None:
    one = held.identity
    values = {**identity_values(one), "erased_at": held.erased_at}
    connection.execute(insert(identity), [values])
    named = [identifier_values(one.id, position, each) for position, each in enumerate(one.identifiers)]
    gone = [ended_ins_values(one.id, position, each) for position, each in enumerate(one.ended_ins)]
    if named:
        connection.execute(insert(identifier), named)
    if gone:
        connection.execute(insert(ended_ins), gone)


def _stand_in(link: MergeLink) -> Values:
    empty = dict.fromkeys(("peer", "sending_application", "sending_facility", "event", "encoding"), "")
    blank = {"digest": b"", "ack_code": "AA", "ack_head": b""}
    return {**empty, **blank, "id": link.message_id, "received_at": link.at, "control_id": link.control_id}


# ------------------------------------------------------------------------------------------------------- what is held


def read_versions(store: Store, ids: Collection[str]) -> dict[str, tuple[KeptVersion, ...]]:
    """Return the versions of these identities, the oldest first; none of one that was erased."""
    if not ids:
        return {}
    with store.read() as connection:
        rows = connection.execute(_VERSIONS.where(identity_version.c.identity_id.in_(list(ids)))).all()
    return {each: tuple(map(_read_version, those)) for each, those in group(rows).items()}


def _read_version(row: AnyRow) -> KeptVersion:
    return KeptVersion(row.number, row.message_id, identity_from_json(row.snapshot))


_VERSIONS: Final[Select[Any]] = (
    select(
        identity_version.c.identity_id,
        identity_version.c.number,
        identity_version.c.message_id,
        identity_version.c.snapshot,
    )
    .join(identity, identity.c.id == identity_version.c.identity_id)
    .where(identity.c.erased_at.is_(None))
    .order_by(identity_version.c.identity_id, identity_version.c.number)
)


def read_erased(store: Store) -> frozenset[str]:
    """Return the ids of the identities that were erased by legal demand."""
    with store.read() as connection:
        _take_time(connection)
        return frozenset(connection.execute(_ERASED).scalars())


_ERASED: Final[Select[Any]] = select(identity.c.id).where(identity.c.erased_at.is_not(None))


def read_merges_since(store: Store, after: str, until: str) -> frozenset[tuple[str, str, str]]:
    """Return (absorbed, survivor, message id) of the merges that messages brought after one id, up to another."""
    with store.read() as connection:
        _take_time(connection)
        rows = connection.execute(
            _MERGES.where(merge_link.c.message_id > after, merge_link.c.message_id <= until)
        ).all()
    links = map(read_merge, rows)
    return frozenset((each.absorbed, each.survivor, each.message_id) for each in links)


_MERGES: Final[Select[Any]] = select(merge_link)
