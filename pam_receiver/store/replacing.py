"""The identities of a store replaced, in one transaction, by those that a fold of its journal made."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Select, bindparam, delete, func, insert, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from pam_receiver.finding import Lang
from pam_receiver.store.errors import StoreConflict, StoreError
from pam_receiver.store.rows import Values
from pam_receiver.store.schema import (
    alert,
    ended_ins,
    identifier,
    identity,
    identity_version,
    merge_link,
    message,
    sender_authority,
)
from pam_receiver.store.transaction import Store, Transaction

_PAGE: Final = 500
_LOCKED: Final = "message, identity, identifier, ended_ins, identity_version, merge_link, alert"


class CheckpointLacks(StoreError):
    """A message stands before the end of the checkpoint and is not in it: what it brought would be lost."""

    def text(self, lang: Lang) -> str:
        if lang == "fr":
            return (
                f"Le point de reprise de la base {self.database} ne contient pas un message arrivé pendant qu'il "
                "s'écrivait : reconstruire perdrait ce qu'il a apporté. Rien n'est changé ; signalez-le."
            )
        return (
            f"The checkpoint of the database {self.database} lacks a message that came in while it was written: a "
            "rebuild would lose what it brought. Nothing was changed; report it."
        )


@dataclass(frozen=True, slots=True)
class Replaced:
    """What stands in the store now; ``gone``: identities that the journal does not make."""

    identities: int
    versions: int
    merges: int
    gone: int


def replace_identities(tx: Transaction, scratch: Store, *, after: str, last: str) -> Replaced:
    """Put the identities, versions and merges of ``scratch`` in the place of those that messages brought.

    ``after``: the last message of the checkpoint of the fold: what it and those before brought stays. ``last``: the
    last message of the fold. Identities erased by legal demand stay as they are, and so do alerts, save that one
    about an identity that is gone speaks of none. To be called first in its transaction.

    Raises:
        StoreConflict: another message came in since the fold.
        CheckpointLacks: a daemon was slower than the checkpoint; see :func:`_lacks`.
    """
    connection = tx.connection
    _hold(connection)
    newest = connection.execute(select(message.c.id).order_by(message.c.id.desc()).limit(1)).scalar() or ""
    if newest != last:
        raise StoreConflict(tx.database)
    if after and _lacks(connection, scratch, after):
        raise CheckpointLacks(tx.database)
    spared = select(identity.c.id).where(identity.c.erased_at.is_not(None))
    connection.execute(delete(merge_link).where(merge_link.c.message_id > after, merge_link.c.absorbed.not_in(spared)))
    for table in (identifier, ended_ins):  # all at once: an IPP may be another one's now
        connection.execute(delete(table).where(table.c.identity_id.not_in(spared)))
    with scratch.read() as made:
        gone = _remove_gone(connection, made, after)
        identities, versions = _write_pages(connection, made, after)
        merges = _copy(connection, made, merge_link, merge_link.c.message_id > after)
        seen = [dict(row._mapping) for row in made.execute(select(sender_authority))]
        if seen:
            connection.execute(_seen(connection), seen)
    return Replaced(identities, versions, merges, gone)


def _hold(connection: Connection) -> None:
    """Keep every other writer away until the end; on SQLite a write transaction is the only one anyway."""
    if connection.dialect.name == "sqlite":
        connection.execute(text("PRAGMA defer_foreign_keys=ON"))
        return
    connection.execute(text("SET LOCAL statement_timeout = 0"))
    connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = '15min'"))
    connection.execute(text(f"LOCK TABLE {_LOCKED} IN SHARE ROW EXCLUSIVE MODE"))


def _lacks(connection: Connection, scratch: Store, after: str) -> bool:
    """Whether a version by a message that the checkpoint should hold is later than the one that it holds.

    Of two daemons on one server one may give a message its id, and write it only once the other one has gone on and a
    checkpoint was made of that.
    """
    first = func.min(identity_version.c.number)
    with scratch.read() as made:
        for ids in _ids(connection):
            old = identity_version.c.identity_id.in_(ids), identity_version.c.message_id <= after
            stored = select(identity_version.c.identity_id, func.max(identity_version.c.number)).where(*old)
            added = select(identity_version.c.identity_id, first).where(identity_version.c.identity_id.in_(ids))
            now = select(identity.c.id, identity.c.version).where(identity.c.id.in_(ids))
            held = {row.id: row.version for row in made.execute(now)}
            held |= {row[0]: row[1] - 1 for row in made.execute(added.group_by(identity_version.c.identity_id))}
            rows = connection.execute(stored.group_by(identity_version.c.identity_id))
            if any(number > held.get(identity_id, 0) for identity_id, number in rows):
                return True
    return False


def _ids(connection: Connection) -> Iterator[list[str]]:
    last = ""
    while ids := list(connection.execute(_AFTER.where(identity.c.id > last).limit(_PAGE)).scalars()):
        yield ids
        last = ids[-1]


_AFTER: Final[Select[Any]] = select(identity.c.id).order_by(identity.c.id)


def _remove_gone(connection: Connection, made: Connection, after: str) -> int:
    """Take away the identities that the fold does not make; what speaks of them stays, and names none any more."""
    count = 0
    for ids in _ids(connection):
        kept = set(made.execute(select(identity.c.id).where(identity.c.id.in_(ids))).scalars())
        erased = identity.c.erased_at.is_not(None)
        kept.update(connection.execute(select(identity.c.id).where(identity.c.id.in_(ids), erased)).scalars())
        if gone := [each for each in ids if each not in kept]:
            connection.execute(update(alert).where(alert.c.identity_id.in_(gone)).values(identity_id=None))
            connection.execute(_versions_of(gone, after))
            connection.execute(update(identity).where(identity.c.merged_into.in_(gone)).values(merged_into=None))
            connection.execute(delete(identity).where(identity.c.id.in_(gone)))
            count += len(gone)
    return count


def _versions_of(ids: Collection[str], after: str) -> Any:  # Any: a deletion of a table without static types
    return delete(identity_version).where(
        identity_version.c.identity_id.in_(ids), identity_version.c.message_id > after
    )


def _write_pages(connection: Connection, made: Connection, after: str) -> tuple[int, int]:
    identities = versions = 0
    for ids in _ids(made):
        erased = select(identity.c.id).where(identity.c.id.in_(ids), identity.c.erased_at.is_not(None))
        spared = set(connection.execute(erased).scalars())
        taken = [each for each in ids if each not in spared]
        identities += _write_identities(connection, made, taken)
        versions += _write_versions(connection, made, taken, after)
    return identities, versions


def _write_identities(connection: Connection, made: Connection, ids: Sequence[str]) -> int:
    there = set(connection.execute(select(identity.c.id).where(identity.c.id.in_(ids))).scalars())
    rows = [dict(row._mapping) for row in made.execute(select(identity).where(identity.c.id.in_(ids)))]
    if new := [row for row in rows if row["id"] not in there]:
        connection.execute(insert(identity), new)
    if known := [{**row, "old_id": row["id"]} for row in rows if row["id"] in there]:
        connection.execute(_REPLACEMENT, known)
    for table in (identifier, ended_ins):
        _copy(connection, made, table, table.c.identity_id.in_(ids))
    return len(rows)


_REPLACEMENT: Final = (
    update(identity)
    .where(identity.c.id == bindparam("old_id"))
    .values({column.name: bindparam(column.name) for column in identity.c})
)


def _write_versions(connection: Connection, made: Connection, ids: Sequence[str], after: str) -> int:
    """Write the histories anew; a version that was there keeps the time at which it was kept."""
    named = identity_version.c.identity_id.in_(ids)
    known = select(
        identity_version.c.identity_id, identity_version.c.message_id, identity_version.c.number, identity_version.c.at
    )
    at = {(row.identity_id, row.message_id): row.at for row in connection.execute(known.where(named))}
    connection.execute(_versions_of(ids, after))
    rows: list[Values] = [dict(row._mapping) for row in made.execute(select(identity_version).where(named))]
    for row in rows:
        row["at"] = at.get((str(row["identity_id"]), str(row["message_id"])), row["at"])
    if rows:
        connection.execute(insert(identity_version), rows)
    return len(rows)


def _copy(connection: Connection, made: Connection, table: Any, condition: Any) -> int:  # Any: as of a table
    rows = [dict(row._mapping) for row in made.execute(select(table).where(condition))]
    if rows:
        connection.execute(insert(table), rows)
    return len(rows)


def _seen(connection: Connection) -> Any:  # Any: an insertion of either dialect
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    return dialect.insert(sender_authority).on_conflict_do_nothing()
