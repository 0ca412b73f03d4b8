"""Named read queries for the command line and the web. They return values, never rows.

Each one reads a single moment of the store, and raises StoreUnavailable or SchemaMismatch as ``Store.read`` does.
"""

from collections.abc import Collection, Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Select, func, select, text

from pam_receiver.finding import Finding
from pam_receiver.identity.model import Difference, Identity
from pam_receiver.identity.status import IdentityStatus
from pam_receiver.store.reads import read_identities, reads_of
from pam_receiver.store.rows import AnyRow, identity_from_json, read_changes
from pam_receiver.store.said import FINDINGS, ack_columns, read_ack, read_findings, rules_of
from pam_receiver.store.schema import HEAD, REFUSED, alert, identity, identity_version, message, tombstone
from pam_receiver.store.texts import Prunings, read_prunings, read_texts
from pam_receiver.store.transaction import Store


@dataclass(frozen=True, slots=True)
class Tombstone:
    """What is left of an identity that was erased: when, by whom, why, and how many versions and messages went."""

    at: datetime
    by: str
    reason: str
    versions: int
    messages: int


@dataclass(frozen=True, slots=True)
class IdentityView:
    """An identity and where it stands among merges. Its history has as many versions as its number says.

    ``merged_into``: the id of the last survivor, at the end of the chain. ``absorbed``: the ids of the identities
    merged into this one, directly or through another. ``erased``: by legal demand; it holds no value then, and is found
    by its id alone.
    """

    identity: Identity
    merged_into: str | None
    absorbed: tuple[str, ...]
    erased: Tombstone | None = None


@dataclass(frozen=True, slots=True)
class VersionView:
    """One version of an identity: what the message changed, and the whole identity after it."""

    version: int
    at: datetime
    status: IdentityStatus
    changes: tuple[Difference, ...]
    message_id: str
    event: str
    control_id: str
    identity: Identity


@dataclass(frozen=True, slots=True)
class MessageView:
    """One line of the journal."""

    id: str
    received_at: datetime
    peer: str
    sending_application: str
    sending_facility: str
    control_id: str
    event: str
    ack_code: str
    repeat_of: str | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class TouchedIdentity:
    """A version that a message made of an identity."""

    identity_id: str
    version: int


@dataclass(frozen=True, slots=True)
class FullMessageView:
    """One message with all that is kept of it. ``encoding``: the codec it was read with, ``""`` when it was not.

    ``erased_at``: ``raw`` is empty since, pruned or erased; ``None``: it is there.
    """

    line: MessageView
    raw: bytes = field(repr=False)
    ack: bytes
    encoding: str
    identities: tuple[TouchedIdentity, ...]
    erased_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One message of the journal as it came in, and its answer. ``rules``: (rule, severity) of each finding.

    ``port``: ours, by which it came in; ``None`` when it was kept before that was known. ``erased_at``: as of
    :class:`FullMessageView`. ``action``: what an operator did, of which ``raw`` holds the words; ``None``: a message.
    ``in_force``: the id of what decided, ``None`` as for ``port``. ``repeat_of``: as of :class:`MessageView`.
    """

    id: str
    received_at: datetime
    peer: str
    raw: bytes = field(repr=False)
    ack_code: str
    rules: tuple[tuple[str, str], ...]
    port: int | None = None
    erased_at: datetime | None = None
    action: str | None = None
    in_force: str | None = None
    repeat_of: str | None = None


@dataclass(frozen=True, slots=True)
class Statistics:
    """How much the store holds, and the revision of its tables."""

    revision: str
    messages: int
    identities: int
    alerts: int


# ------------------------------------------------------------------------------------------------------- identities


def find_identities(store: Store, value: str, authority: str | None = None) -> tuple[IdentityView, ...]:
    """Return the identities that hold the identifier ``value``, of any type, former ones too, or as their INS in force.

    Absorbed identities are among them; an INS that was removed or invalidated finds nothing. ``authority``: only by
    an identifier whose authority has this universal id or namespace. Active identities come first.
    """
    with store.read() as connection:
        found = read_identities(connection, reads_of(connection).holding, {"value": value})
    family = {each.id: each for each in found}
    views = [view_of(each, family) for each in found if _holds(each, value, authority)]
    return tuple(sorted(views, key=lambda view: (not view.identity.active, view.identity.id)))


def _holds(holder: Identity, value: str, authority: str | None) -> bool:
    held = [each for each in holder.identifiers if each.value == value]
    if holder.ins is not None and holder.ins.matricule == value:
        held.append(holder.ins.as_former())  # an identifier like the others, with the names of its authority
    return any(authority is None or each.authority.answers_to(authority) for each in held)


def view_of(one: Identity, family: Mapping[str, Identity]) -> IdentityView:
    """Return ``one`` with its place among merges; ``family`` holds its survivors and those absorbed into it."""
    survivor = _survivor(one, family)
    absorbed = sorted(each.id for each in family.values() if _is_absorbed(each, one, family))
    return IdentityView(one, survivor.id if survivor is not one else None, tuple(absorbed))


def _survivor(one: Identity, family: Mapping[str, Identity]) -> Identity:
    while one.merged_into is not None:
        one = family[one.merged_into]
    return one


def _is_absorbed(each: Identity, by: Identity, family: Mapping[str, Identity]) -> bool:
    while each.merged_into is not None:
        if each.merged_into == by.id:
            return True
        each = family[each.merged_into]
    return False


def find_identity(store: Store, identity_id: str) -> IdentityView | None:
    """Return the identity of this id."""
    with store.read() as connection:
        family = _family_of(connection, [identity_id])
        if identity_id not in family:
            return None
        row = connection.execute(_TOMBSTONE.where(tombstone.c.identity_id == identity_id)).first()
    erased = Tombstone(row.at, row.by, row.reason, row.versions, row.messages) if row is not None else None
    return replace(view_of(family[identity_id], family), erased=erased)


_TOMBSTONE: Final = select(tombstone)


def list_identities(store: Store, *, limit: int = 100) -> tuple[IdentityView, ...]:
    """Return the identities in the order of their creation, the first ``limit`` of them."""
    with store.read() as connection:
        ids = list(connection.execute(_CREATED.limit(limit)).scalars())
        family = _family_of(connection, ids)
    return tuple(view_of(family[each], family) for each in ids)


_CREATED: Final = (
    select(identity_version.c.identity_id)
    .where(identity_version.c.number == 1)
    .order_by(identity_version.c.message_id, identity_version.c.identity_id)
)


def find_identities_of(store: Store, ids: Collection[str]) -> dict[str, Identity]:
    """Return the identities of these ids, those that exist."""
    with store.read() as connection:
        return _of_ids(connection, ids)


def find_holders(store: Store, ipps: Collection[str]) -> tuple[Identity, ...]:
    """Return the identities that hold an IPP of one of these values, of any authority, former IPPs too.

    With them come the others of their merges.
    """
    with store.read() as connection:
        reads = reads_of(connection)
        names = {"ipps": reads.pack(ipps), "matricules": reads.pack(())}
        return tuple(read_identities(connection, reads.named, names))


def read_all_identities(store: Store, *, page: int = 500) -> Iterator[tuple[Identity, ...]]:
    """Read every identity in the order of the ids, ``page`` at a time.

    Each page is a moment of its own: for a store that nobody writes meanwhile.
    """
    last = ""
    while True:
        with store.read() as connection:
            ids = list(connection.execute(_after(last).limit(page)).scalars())
            found = _of_ids(connection, ids)
        if not ids:
            return
        yield tuple(found[each] for each in ids)
        last = ids[-1]


def _after(last_id: str) -> Select[Any]:
    return select(identity.c.id).where(identity.c.id > last_id).order_by(identity.c.id)


def _of_ids(connection: Connection, ids: Collection[str]) -> dict[str, Identity]:
    if not ids:
        return {}
    family = _family_of(connection, list(ids))
    return {each: family[each] for each in ids if each in family}


def _family_of(connection: Connection, ids: list[str]) -> dict[str, Identity]:
    reads = reads_of(connection)
    found = read_identities(connection, reads.by_id, {"ids": reads.pack(ids)})
    return {each.id: each for each in found}


def find_history(store: Store, identity_id: str) -> tuple[VersionView, ...]:
    """Return the versions of an identity, the oldest first; none when there is no such identity."""
    with store.read() as connection:
        rows = connection.execute(_HISTORY.where(identity_version.c.identity_id == identity_id)).all()
    return tuple(_read_version(row) for row in rows)


_HISTORY: Final = (
    select(identity_version, message.c.event, message.c.control_id)
    .join(message, message.c.id == identity_version.c.message_id)
    .order_by(identity_version.c.number)
)


def _read_version(row: AnyRow) -> VersionView:
    return VersionView(
        version=row.number,
        at=row.at,
        status=IdentityStatus(row.status),
        changes=read_changes(row.changes, row.snapshot),
        message_id=row.message_id,
        event=row.event,
        control_id=row.control_id,
        identity=identity_from_json(row.snapshot),
    )


# ---------------------------------------------------------------------------------------------------------- journal

_LINE: Final = (
    message.c.id,
    message.c.received_at,
    message.c.peer,
    message.c.sending_application,
    message.c.sending_facility,
    message.c.control_id,
    message.c.event,
    message.c.ack_code,
    message.c.repeat_of,
    FINDINGS,
)


def find_last_message_id(store: Store) -> str:
    """Return the greatest id of the journal, that of the last message; ``""`` when there is none."""
    with store.read() as connection:
        return connection.execute(select(func.max(message.c.id))).scalar() or ""


def list_messages(
    store: Store, *, ack: str | None = None, limit: int = 50, before_id: str | None = None
) -> tuple[MessageView, ...]:
    """Return the last ``limit`` messages, the newest first; answered ``ack`` (AA, AE, AR); older than ``before_id``."""
    with store.read() as connection:
        rows = connection.execute(_journal(ack, before_id).limit(limit)).all()
        said = read_findings(connection, [row.findings for row in rows])
    return tuple(map(_read_line, rows, said))


def _journal(ack: str | None, before_id: str | None) -> Select[Any]:  # Any: as in reads.py
    statement = select(*_LINE).order_by(message.c.id.desc())
    if ack is not None:
        statement = statement.where(message.c.ack_code == ack, *([REFUSED] if ack != "AA" else []))
    if before_id is not None:
        statement = statement.where(message.c.id < before_id)
    return statement


def read_journal(store: Store, *, page: int = 250, after: str = "") -> Generator[tuple[JournalEntry, ...], None, None]:
    """Read the journal, oldest first, ``page`` messages at a time, all of it as it is at one moment.

    ``after``: only what comes after the message of this id. What comes in meanwhile is not in it. Close it when leaving
    it before its end.
    """
    with store.read() as connection:
        if connection.dialect.name == "postgresql":  # whoever reads works on each page; the server shall wait for it
            connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = '15min'"))
        last, prunings = after, read_prunings(connection)
        while rows := connection.execute(_FORWARD.where(message.c.id > last).limit(page)).all():
            texts = read_texts(connection, [row.id for row in rows], store.sealing)
            yield tuple(_read_entry(row, texts.get(row.id), prunings) for row in rows)
            last = rows[-1].id


_FORWARD: Final[Select[Any]] = select(
    message.c.id,
    message.c.received_at,
    message.c.peer,
    message.c.ack_code,
    FINDINGS,
    message.c.port,
    message.c.erased_at,
    message.c.action,
    message.c.words,
    message.c.in_force,
    message.c.repeat_of,
).order_by(message.c.id)


def _erased_at(row: AnyRow, text: bytes | None, prunings: Prunings) -> datetime | None:
    """Since when the text of a message is gone; ``None``: it is there, or it is an act, which is never pruned."""
    if row.erased_at is not None or text is not None or row.action is not None:
        found: datetime | None = row.erased_at
        return found
    return prunings.since(row.id)


def _read_entry(row: AnyRow, text: bytes | None, prunings: Prunings) -> JournalEntry:
    rules = tuple(rules_of(row.findings))
    return JournalEntry(
        id=row.id,
        received_at=row.received_at,
        peer=row.peer,
        raw=text or row.words or b"",
        ack_code=row.ack_code,
        rules=rules,
        port=row.port,
        erased_at=_erased_at(row, text, prunings),
        action=row.action,
        in_force=row.in_force,
        repeat_of=row.repeat_of,
    )


def find_messages(store: Store, start: str, *, limit: int = 2) -> tuple[FullMessageView, ...]:
    """Return the messages whose id begins with ``start``, at most ``limit``: two mean that ``start`` is too short."""
    if not start:
        return ()
    with store.read() as connection:
        rows = connection.execute(_STARTING.where(*_begins(start)).limit(limit)).all()
        texts, prunings = read_texts(connection, [row.id for row in rows], store.sealing), read_prunings(connection)
        return tuple(_read_message(connection, row, texts.get(row.id), prunings) for row in rows)


_STARTING: Final[Select[Any]] = select(
    *_LINE, *ack_columns(message), message.c.encoding, message.c.erased_at, message.c.action, message.c.words
).order_by(message.c.id)
_TOUCHED: Final = select(identity_version.c.identity_id, identity_version.c.number).order_by(
    identity_version.c.identity_id, identity_version.c.number
)


def _begins(start: str) -> tuple[Any, Any]:  # Any: two conditions on a column without static type
    # A range, which an index serves on both databases; no sign of an id stands above "~".
    return (message.c.id >= start, message.c.id <= start + "~")


def _read_message(connection: Connection, row: AnyRow, text: bytes | None, prunings: Prunings) -> FullMessageView:
    touched = connection.execute(_TOUCHED.where(identity_version.c.message_id == row.id))
    identities = tuple(TouchedIdentity(each.identity_id, each.number) for each in touched)
    (findings,) = read_findings(connection, [row.findings])
    line, raw = _read_line(row, findings), text or row.words or b""
    return FullMessageView(line, raw, read_ack(row).raw, row.encoding, identities, _erased_at(row, text, prunings))


def _read_line(row: AnyRow, findings: tuple[Finding, ...]) -> MessageView:
    return MessageView(
        id=row.id,
        received_at=row.received_at,
        peer=row.peer,
        sending_application=row.sending_application,
        sending_facility=row.sending_facility,
        control_id=row.control_id,
        event=row.event,
        ack_code=row.ack_code,
        repeat_of=row.repeat_of,
        findings=findings,
    )


def read_statistics(store: Store) -> Statistics:
    """Count what the store holds. It reads whole tables: not for a probe, which has ``Store.check``."""
    with store.read() as connection:
        counts = [connection.execute(select(func.count()).select_from(t)).scalar_one() for t in _COUNTED]
    return Statistics(HEAD, *counts)


_COUNTED: Final = (message, identity, alert)
