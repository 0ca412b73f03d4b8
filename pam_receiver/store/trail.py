"""The audit trail read, walked and verified; and what came in of each identity, which the trail does not repeat.

Each page that is read is a moment of its own: nothing that is there already changes.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, Text, cast, literal, select, tuple_

from pam_receiver.identity.as_json import Json
from pam_receiver.identity.identifiers import PI, AssigningAuthority, PatientIdentifier
from pam_receiver.identity.model import Difference
from pam_receiver.store.audit import ActorKind, AuditEvent, Outcome, hash_of
from pam_receiver.store.errors import StoreConflict
from pam_receiver.store.rows import AnyRow, identity_from_json, read_changes
from pam_receiver.store.said import ack_columns, read_ack
from pam_receiver.store.schema import audit_event, identifier, identity_version, message
from pam_receiver.store.transaction import Store

_TRIES: Final = 100  # writers of several processes at once: of each round one is done, and a round takes milliseconds
_MOST_NAMED: Final = 20  # rows that do not fit, or gaps, that a verification names one by one


@dataclass(frozen=True, slots=True)
class Head:
    """The last row of the trail: its number and its hash. Whoever knows it can tell whether a row was taken away."""

    number: int
    hash: str

    def __str__(self) -> str:
        return f"{self.number}:{self.hash}"


@dataclass(frozen=True, slots=True)
class TrailRow:
    """One row of the trail, as it is stored."""

    number: int
    at: datetime
    action: str
    outcome: Outcome
    actor: str
    actor_kind: ActorKind
    origin: str
    identity_id: str | None
    message_id: str | None
    reason: str | None
    detail: Mapping[str, object]
    previous: str
    hash: str

    def to_json(self) -> Json:
        """Return every column; of all save ``hash`` the hash can be computed anew."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return {**values, "at": self.at.isoformat(timespec="microseconds")}


@dataclass(frozen=True, slots=True)
class Asked:
    """Which rows of the trail: all that is not ``None`` must hold. ``since`` is in, ``until`` is not."""

    identity_id: str | None = None
    actor: str | None = None
    since: datetime | None = None
    until: datetime | None = None


EVERYTHING: Final = Asked()


# ------------------------------------------------------------------------------------------------------------- write


def record(store: Store, *events: AuditEvent, now: Callable[[], datetime]) -> None:
    """Add ``events`` to the trail in a transaction of their own; it is on disk on return.

    Raises:
        StoreError: nothing was written: what the events speak of must not be done.
    """
    for left in reversed(range(_TRIES)):
        try:
            with store.begin() as tx:
                tx.audit(*events, at=now())
            return
        except StoreConflict:  # another process took the number
            if not left:
                raise


# -------------------------------------------------------------------------------------------------------------- read


def find_head(store: Store) -> Head | None:
    """Return the last row of the trail; ``None`` when there is none yet."""
    with store.read() as connection:
        row = connection.execute(_HEAD).first()
    return Head(row.number, row.hash) if row is not None else None


def list_trail(store: Store, asked: Asked = EVERYTHING, *, limit: int = 50) -> tuple[TrailRow, ...]:
    """Return the last ``limit`` rows of those asked for, the newest first."""
    with store.read() as connection:
        rows = connection.execute(_newest(asked).limit(limit)).all()
    return tuple(_read_row(row) for row in rows)


def read_trail(
    store: Store, asked: Asked = EVERYTHING, *, after: int = 0, up_to: int | None = None, page: int = 500
) -> Iterator[TrailRow]:
    """Read the rows asked for, in their order; ``after`` and ``up_to``: numbers, the second one is in."""
    last = after
    while True:
        with store.read() as connection:
            rows = connection.execute(_next(asked, last, up_to).limit(page)).all()
        yield from (_read_row(row) for row in rows)
        if len(rows) < page:
            return
        last = rows[-1].number


_HEAD: Final = select(audit_event.c.number, audit_event.c.hash).order_by(audit_event.c.number.desc()).limit(1)
_ROW: Final = select(audit_event)


def _asked(asked: Asked) -> Select[Any]:  # Any: as in reads.py
    statement = _ROW
    if asked.identity_id is not None:
        statement = statement.where(audit_event.c.identity_id == asked.identity_id)
    if asked.actor is not None:
        statement = statement.where(audit_event.c.actor == asked.actor)
    if asked.since is not None:
        statement = statement.where(audit_event.c.at >= asked.since)
    if asked.until is not None:
        statement = statement.where(audit_event.c.at < asked.until)
    return statement


def _newest(asked: Asked) -> Select[Any]:
    return _asked(asked).order_by(audit_event.c.number.desc())


def _next(asked: Asked, after: int, up_to: int | None) -> Select[Any]:
    statement = _asked(asked).where(audit_event.c.number > after)
    if up_to is not None:
        statement = statement.where(audit_event.c.number <= up_to)
    return statement.order_by(audit_event.c.number)


def _read_row(row: AnyRow) -> TrailRow:
    return TrailRow(**row._mapping)


# ------------------------------------------------------------------------------------------------------------ verify


@dataclass(frozen=True, slots=True)
class Verification:
    """What a walk along the chain found. ``count``: rows read; ``head``: the last one.

    ``unfit``: numbers of the first rows that do not fit, by their own hash or by that of the row before;
    ``gaps``: (first, last) of the first numbers that are not there; ``unfit_count`` and ``gap_count``: of all of them.
    ``missing``: the heads that were expected and are not there, or not as they were.
    """

    count: int
    head: Head | None
    unfit: tuple[int, ...] = ()
    unfit_count: int = 0
    gaps: tuple[tuple[int, int], ...] = ()
    gap_count: int = 0
    missing: tuple[Head, ...] = ()

    @property
    def first(self) -> int | None:
        """The first number at which the chain does not hold; ``None`` when it does."""
        found = [*self.unfit[:1], *(gap[0] for gap in self.gaps[:1]), *(head.number for head in self.missing)]
        return min(found, default=None)


@dataclass(slots=True)
class _Walk:
    """The walk so far: never more of it is held than a few numbers."""

    expected: frozenset[Head]
    count: int = 0
    head: Head | None = None
    unfit: list[int] = field(default_factory=list)
    unfit_count: int = 0
    gaps: list[tuple[int, int]] = field(default_factory=list)
    gap_count: int = 0
    met: set[Head] = field(default_factory=set)

    def step(self, row: TrailRow) -> None:
        number, previous = (self.head.number, self.head.hash) if self.head is not None else (0, "")
        if row.number != number + 1:
            self.gap_count += 1
            self._name(self.gaps, (number + 1, row.number - 1))
        elif row.previous != previous or not _is_whole(row):
            self.unfit_count += 1
            self._name(self.unfit, row.number)
        self.count += 1
        self.head = Head(row.number, row.hash)
        if self.head in self.expected:
            self.met.add(self.head)

    def _name(self, names: list[Any], one: object) -> None:  # Any: numbers, or pairs of them
        if len(names) < _MOST_NAMED:
            names.append(one)

    def end(self) -> Verification:
        missing = sorted(self.expected - self.met, key=lambda head: (head.number, head.hash))
        return Verification(
            self.count,
            self.head,
            tuple(self.unfit),
            self.unfit_count,
            tuple(self.gaps),
            self.gap_count,
            tuple(missing),
        )


def _is_whole(row: TrailRow) -> bool:
    values = {name: getattr(row, name) for name in row.__slots__ if name != "hash"}
    return hash_of(values) == row.hash


def verify_trail(store: Store, *expected: Head, page: int = 500) -> Verification:
    """Walk the whole chain, and compare with heads that were noted down elsewhere.

    The chain proves that no row was changed, put in or taken out of its middle by someone who did not write all rows
    after it anew. Only an ``expected`` head proves that its end is there, and that it is still the same chain.
    """
    walk = _Walk(frozenset(expected))
    for row in read_trail(store, page=page):
        walk.step(row)
    return walk.end()


# ----------------------------------------------------------------------------------------------------------- imports


@dataclass(frozen=True, slots=True)
class Import:
    """A version of an identity that a message made. ``ipp``: the first one in force then; ``None`` when it had none.

    ``ack``: what was answered, in which our own name stands. Erased versions have neither changes nor identifiers.
    """

    identity_id: str
    version: int
    at: datetime
    message_id: str
    control_id: str
    event: str
    sending_application: str
    sending_facility: str
    peer: str
    changes: tuple[Difference, ...]
    ipp: PatientIdentifier | None
    ack: bytes = field(repr=False)

    @property
    def id(self) -> str:
        """The same in every export."""
        return f"{self.message_id}/{self.identity_id}/{self.version}"


def read_imports(
    store: Store,
    *,
    after: tuple[str, str, int] = ("", "", 0),
    since: datetime | None = None,
    until: datetime | None = None,
    page: int = 500,
) -> Iterator[Import]:
    """Read what messages made of identities, in the order of the messages; what operators did is in the trail.

    ``after``: message, identity and version of the last one read before. ``since`` is in, ``until`` is not.
    """
    last = after
    while True:
        with store.read() as connection:
            rows = connection.execute(_imports(last, since, until).limit(page)).all()
        yield from (_read_import(row) for row in rows)
        if len(rows) < page:
            return
        last = (rows[-1].message_id, rows[-1].identity_id, rows[-1].number)


_IMPORT: Final[Select[Any]] = (
    select(
        identity_version.c.identity_id,
        identity_version.c.number,
        identity_version.c.at,
        identity_version.c.message_id,
        identity_version.c.changes,
        identity_version.c.snapshot,
        message.c.control_id,
        message.c.event,
        message.c.sending_application,
        message.c.sending_facility,
        message.c.peer,
        *ack_columns(message),
    )
    .join(message, message.c.id == identity_version.c.message_id)
    .where(message.c.action.is_(None))
    .order_by(identity_version.c.message_id, identity_version.c.identity_id, identity_version.c.number)
)
_PLACE: Final = tuple_(identity_version.c.message_id, identity_version.c.identity_id, identity_version.c.number)


def _imports(after: tuple[str, str, int], since: datetime | None, until: datetime | None) -> Select[Any]:
    message_id, identity_id, number = after
    here = tuple_(cast(literal(message_id), Text), cast(literal(identity_id), Text), number)
    statement = _IMPORT.where(here < _PLACE)
    if since is not None:
        statement = statement.where(identity_version.c.at >= since)
    if until is not None:
        statement = statement.where(identity_version.c.at < until)
    return statement


def _read_import(row: AnyRow) -> Import:
    held = identity_from_json(row.snapshot).identifiers
    return Import(
        identity_id=row.identity_id,
        version=row.number,
        at=row.at,
        message_id=row.message_id,
        control_id=row.control_id,
        event=row.event,
        sending_application=row.sending_application,
        sending_facility=row.sending_facility,
        peer=row.peer,
        changes=read_changes(row.changes, row.snapshot),
        ipp=_first_ipp(held),
        ack=read_ack(row).raw,
    )


def _first_ipp(held: Collection[PatientIdentifier]) -> PatientIdentifier | None:
    """Return the first IPP in force, else the first one."""
    ipps = sorted((each for each in held if each.type == PI), key=lambda each: not each.active)
    return ipps[0] if ipps else None


def find_ipps(store: Store, ids: Collection[str]) -> dict[str, PatientIdentifier]:
    """Return an IPP of each of these identities, one in force if there is one; none for those that have none."""
    with store.read() as connection:
        rows = connection.execute(_IPPS.where(identifier.c.identity_id.in_(sorted(ids)))).all()
    held: dict[str, list[PatientIdentifier]] = {}
    for row in rows:
        authority = AssigningAuthority(row.namespace_id, row.universal_id, row.universal_id_type)
        held.setdefault(row.identity_id, []).append(PatientIdentifier(row.value, row.type, authority, row.active))
    firsts = {each: _first_ipp(found) for each, found in held.items()}
    return {each: first for each, first in firsts.items() if first is not None}


_IPPS: Final[Select[Any]] = (
    select(identifier).where(identifier.c.type == PI).order_by(identifier.c.identity_id, identifier.c.position)
)
