"""Legal erasure: of one person nothing is left but the ids, and a tombstone that says when, by whom and why.

The person is every identity of one merge: the source said that they are one. What is not found by versions is found in
the journal: each text is looked at. A checkpoint without the person takes the place of all others, in the same
transaction; so a fold of the journal never needs what is gone.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection, Select, bindparam, delete, insert, or_, select, update

from pam_receiver.identity.identifiers import PI
from pam_receiver.identity.model import Identity
from pam_receiver.identity.status import IdentityStatus
from pam_receiver.store.audit import Actor, AuditEvent
from pam_receiver.store.checkpoints import Draft, discard, finish, hold_journal, without_values, write_checkpoint
from pam_receiver.store.errors import StoreConflict
from pam_receiver.store.reads import read_identities, reads_of
from pam_receiver.store.retention import erase_texts
from pam_receiver.store.rows import AnyRow, identity_from_json, snapshot_json
from pam_receiver.store.schema import (
    alert,
    ended_ins,
    identifier,
    identity,
    identity_version,
    message,
    message_text,
    tombstone,
)
from pam_receiver.store.sealing import Sealed, Sealing
from pam_receiver.store.traces import Sight, Traces
from pam_receiver.store.transaction import Store, Transaction

PAGE: Final = 250  # texts read at once
_MOST_TRIES: Final = 5


@dataclass(frozen=True, slots=True)
class Erasure:
    """What an erasure takes away, or took away. ``alike``: ids of other identities that hold one of the INS.

    ``is_log_empty``: on SQLite, whether the file ``-wal`` holds none of it any more.
    """

    identities: tuple[Identity, ...]
    versions: int
    messages: int
    alerts: int
    alike: tuple[str, ...] = ()
    is_log_empty: bool = True


@dataclass(frozen=True, slots=True)
class Search:
    """A person, and the messages up to ``last`` (an id) that name that person."""

    identities: tuple[Identity, ...]
    traces: Traces = field(repr=False)
    messages: frozenset[str]
    last: str


# ------------------------------------------------------------------------------------------------------------- search


def find_traces(
    store: Store, identity_id: str, tell: Callable[[int], None] = lambda _count: None
) -> tuple[Search, Erasure]:
    """Find all that is kept of the person of this identity. It reads the whole journal.

    ``tell``: called with the number of messages looked at.

    Raises:
        KeyMissing: a message is encrypted with a key that is not there.
    """
    with store.read() as connection:
        family = _read_family(connection, identity_id)
        traces = Traces([*family, *_past_states(connection, [each.id for each in family])])
    found, last = _search_journal(store, family, traces, tell)
    with store.read() as connection:
        told = frozenset(found) | _of_versions(connection, family)
        plan = _count(connection, family, told, traces)
    return Search(family, traces, told, last), plan


def _read_family(connection: Connection, identity_id: str) -> tuple[Identity, ...]:
    reads = reads_of(connection)
    found = read_identities(connection, reads.by_id, {"ids": reads.pack([identity_id])})
    return tuple(sorted(found, key=lambda each: each.id))


def _past_states(connection: Connection, ids: Sequence[str]) -> Iterator[Identity]:
    for each in ids:
        for snapshot in connection.execute(_SNAPSHOTS, {"of": each}).scalars():
            yield identity_from_json(snapshot)


def _of_versions(connection: Connection, family: Sequence[Identity]) -> frozenset[str]:
    found: set[str] = set()
    for each in family:
        found |= set(connection.execute(_CAUSES, {"of": each.id}).scalars())
    return frozenset(found)


_SNAPSHOTS: Final[Select[Any]] = (
    select(identity_version.c.snapshot)
    .where(identity_version.c.identity_id == bindparam("of"))
    .order_by(identity_version.c.number)
)
_CAUSES: Final[Select[Any]] = (
    select(identity_version.c.message_id)
    .join(message, message.c.id == identity_version.c.message_id)
    .outerjoin(message_text, message_text.c.message_id == identity_version.c.message_id)
    .where(
        identity_version.c.identity_id == bindparam("of"),
        or_(message_text.c.message_id.is_not(None), message.c.words.is_not(None)),
    )
)
_TEXTS: Final[Select[Any]] = (
    select(message_text.c.message_id.label("id"), message_text.c.raw, message_text.c.key_id)
    .where(message_text.c.message_id > bindparam("last"))
    .order_by(message_text.c.message_id)
)


def _search_journal(
    store: Store, family: Sequence[Identity], traces: Traces, tell: Callable[[int], None]
) -> tuple[set[str], str]:
    """Look at every text, page by page, each page a moment of its own. Return who names the person, and the last id."""
    found: set[str] = set()
    last, count = "", 0
    while True:
        with store.read() as connection:
            rows = connection.execute(_TEXTS.limit(PAGE), {"last": last}).all()
            found |= _named_in(connection, rows, family, traces, store.sealing)
        if not rows:
            return found, last
        last = rows[-1].id
        count += len(rows)
        tell(count)


def _named_in(
    connection: Connection, rows: Sequence[AnyRow], family: Sequence[Identity], traces: Traces, sealing: Sealing
) -> set[str]:
    found: set[str] = set()
    for row in rows:
        sight = traces.look(sealing.open(row.id, Sealed(row.raw, row.key_id)))
        if sight.is_named and not _is_of_another(connection, sight, family):
            found.add(row.id)
    return found


def _is_of_another(connection: Connection, sight: Sight, family: Sequence[Identity]) -> bool:
    """Whether a message with the same names and birth date is another's: it gives the IPP of another identity."""
    if not sight.ids:
        return False
    reads = reads_of(connection)
    names = {"ipps": reads.pack(sight.ids), "matricules": reads.pack(())}
    ours = {each.id for each in family}
    holders = read_identities(connection, reads.named, names)
    held = {each.value for one in holders if one.id not in ours for each in one.identifiers if each.type == PI}
    return bool(held & sight.ids)


def _count(connection: Connection, family: Sequence[Identity], messages: frozenset[str], traces: Traces) -> Erasure:
    ours = [each.id for each in family]
    alerts = sum(len(_alerts_of(connection, each)) for each in ours)
    reads = reads_of(connection)
    names = {"ipps": reads.pack(()), "matricules": reads.pack(traces.matricules)}
    holders = read_identities(connection, reads.named, names) if traces.matricules else []
    alike = sorted({each.id for each in holders} - set(ours))
    return Erasure(tuple(family), sum(each.version for each in family), len(messages), alerts, tuple(alike))


# ------------------------------------------------------------------------------------------------------------ erasure


def erase(
    store: Store,
    search: Search,
    *,
    actor: Actor,
    reason: str,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Erasure:
    """Erase what was found, and what came in since.

    Raises:
        NoKey: there is no key to sign the checkpoint with.
        StoreConflict: the person changed since the search, or messages keep coming in: search again.
    """
    ours = [each.id for each in search.identities]
    for _ in range(_MOST_TRIES):
        with store.read() as connection:
            if _read_family(connection, ours[0]) != search.identities:
                break
        draft = write_checkpoint(store, reason="erase", at=now(), without=ours)
        assert draft is not None  # nothing stops it
        try:
            done = _erase_in_one(store, search, draft, _Act(actor, reason, now()))
        except StoreConflict:
            discard(store, draft.id)
        else:
            return replace(done, is_log_empty=store.empty_log())
    raise StoreConflict(store.name)


@dataclass(frozen=True, slots=True)
class _Act:
    """Who erases, why, when."""

    actor: Actor
    reason: str
    at: datetime


def _erase_in_one(store: Store, search: Search, draft: Draft, act: _Act) -> Erasure:
    with store.begin() as tx:
        hold_journal(tx)
        family = _read_family(tx.connection, search.identities[0].id)
        if family != search.identities:
            raise StoreConflict(tx.database)
        messages = search.messages | _tail(tx, search, draft)
        if messages and max(messages) > draft.up_to:
            raise StoreConflict(tx.database)  # it names the person, and the checkpoint has not what it did
        erase_texts(tx, sorted(messages), act.at)
        done = _count(tx.connection, family, messages, search.traces)
        _erase_identities(tx, family, act, len(messages))
        _erase_notes(tx, family, messages, search.traces)
        finish(tx, draft)
        tx.audit(*(_event(each, done, act) for each in family), at=act.at)
    return done


def _event(one: Identity, done: Erasure, act: _Act) -> AuditEvent:
    detail = {
        "versions": one.version,
        "messages": done.messages,
        "alerts": done.alerts,
        "identities": [each.id for each in done.identities],
    }
    return AuditEvent("erase", act.actor, identity_id=one.id, reason=act.reason, detail=detail)


def _tail(tx: Transaction, search: Search, draft: Draft) -> set[str]:
    """Look at the texts that came in since the search, and again where late ones of another daemon would stand."""
    found: set[str] = set()
    last = min(search.last, draft.late[0])
    while rows := tx.connection.execute(_TEXTS.limit(PAGE), {"last": last}).all():
        found |= _named_in(tx.connection, rows, search.identities, search.traces, tx.sealing)
        last = rows[-1].id
    return found


_KEPT: Final = frozenset({"id", "merged_into", "version"})  # what an erased identity keeps
_BLANKS: Final[dict[str, object]] = {
    "active": False,
    "status": IdentityStatus.PROVISOIRE.value,  # the least that can be said
    "reliability_codes": [],
}
_ERASURE: Final = (
    update(identity)
    .where(identity.c.id == bindparam("old_id"))
    .values(
        {
            column.name: bindparam("at") if column.name == "erased_at" else _BLANKS.get(column.name)
            for column in identity.c
            if column.name not in _KEPT
        }
    )
)
_VERSION_ERASURE: Final = (
    update(identity_version)
    .where(identity_version.c.identity_id == bindparam("old_id"), identity_version.c.number == bindparam("old_number"))
    .values(status=IdentityStatus.PROVISOIRE.value, changes=[], snapshot=bindparam("blank"))
)


def _erase_identities(tx: Transaction, family: Sequence[Identity], act: _Act, messages: int) -> None:
    connection = tx.connection
    for each in family:
        for table in (identifier, ended_ins):
            connection.execute(delete(table).where(table.c.identity_id == each.id))
        numbers = range(1, each.version + 1)
        blanks = [_blank_version(each, number) for number in numbers]
        if blanks:
            connection.execute(_VERSION_ERASURE, blanks)
    connection.execute(_ERASURE, [{"old_id": each.id, "at": act.at} for each in family])
    stones = [
        {
            "identity_id": each.id,
            "at": act.at,
            "by": act.actor.name,
            "reason": act.reason,
            "versions": each.version,
            "messages": messages,
        }
        for each in family
    ]
    connection.execute(insert(tombstone), stones)


def _blank_version(one: Identity, number: int) -> dict[str, object]:
    blank = Identity(id=one.id, active=False, version=number)
    return {"old_id": one.id, "old_number": number, "blank": snapshot_json(without_values(blank))}


def _alerts_of(connection: Connection, identity_id: str) -> list[int]:
    return list(connection.execute(select(alert.c.id).where(alert.c.identity_id == identity_id)).scalars())


def _erase_notes(tx: Transaction, family: Sequence[Identity], messages: frozenset[str], traces: Traces) -> None:
    """Take away the alerts about the person, and from those about others a note that names the person."""
    for each in family:
        tx.connection.execute(delete(alert).where(alert.c.identity_id == each.id))
    for message_id in sorted(messages):
        rows = tx.connection.execute(select(alert.c.id, alert.c.note).where(alert.c.message_id == message_id)).all()
        named = [row.id for row in rows if row.note and traces.look(row.note.encode()).is_named]
        for alert_id in named:
            tx.connection.execute(update(alert).where(alert.c.id == alert_id).values(note=None))
