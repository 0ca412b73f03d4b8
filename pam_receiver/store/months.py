"""On PostgreSQL the texts of messages lie in a partition for each month (UTC), by the time in the ids of the messages.

A month is made ahead, and taken away whole once all of it is old. What has no month goes to the partition of all
others: no message fails for want of one. No lock that is taken here is waited for by a message for long.
"""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, text

from pam_receiver.store.errors import Reason, StoreConflict, StoreError
from pam_receiver.store.texts import earliest_id
from pam_receiver.store.transaction import Store, Transaction

COMING: Final = 3  # months that are made ahead
# The names of partitions stand in statements as the server itself has quoted them.
_ADVISORY_LOCK: Final = 0x50414D53  # "PAMS": one makes months at a time
_TRIES: Final = 20
_BETWEEN_TRIES_S: Final = 0.05
_BOUNDS: Final = re.compile(r"FOR VALUES FROM \('([0-9a-f-]+)'\) TO \('([0-9a-f-]+)'\)")
_LATEST: Final = datetime(9999, 1, 1, tzinfo=UTC)

_PARTITIONS: Final = text("""
    SELECT format('%I.%I', nspname, relname) AS name, pg_get_expr(relpartbound, pg_class.oid) AS bounds,
           pg_has_role(relowner, 'USAGE') AS is_ours, has_table_privilege(pg_class.oid, 'TRUNCATE') AS may_empty
      FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid JOIN pg_namespace ON pg_namespace.oid = relnamespace
     WHERE inhparent = to_regclass('message_text')
""")
_PARENT: Final = text("""
    SELECT format('%I', nspname) AS schema, format('%I.%I', nspname, relname) AS name,
           pg_has_role(relowner, 'USAGE') AND has_schema_privilege(pg_namespace.oid, 'CREATE') AS is_ours
      FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
     WHERE pg_class.oid = to_regclass('message_text')
""")


@dataclass(frozen=True, slots=True)
class Month:
    """A month, by its first moment."""

    first: datetime

    @classmethod
    def of(cls, at: datetime) -> "Month":
        """Return the month of ``at`` (aware)."""
        moment = at.astimezone(UTC)
        return cls(datetime(moment.year, moment.month, 1, tzinfo=UTC))

    @classmethod
    def of_id(cls, message_id: str) -> "Month | None":
        """Return the month that an id tells; ``None`` when it tells none."""
        try:
            at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(message_id[:13].replace("-", ""), 16))
        except (ValueError, OverflowError):
            return None
        return cls.of(at) if at < _LATEST else None

    def next(self) -> "Month":
        return Month.of(self.first + timedelta(days=31))

    @property
    def name(self) -> str:
        return f"message_text_{self.first:%Y_%m}"

    @property
    def start(self) -> str:
        """How its ids begin at the earliest; no id of the month before comes after it."""
        return earliest_id(self.first)

    @property
    def end(self) -> str:
        return self.next().start


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition of a month. ``name``: as SQL writes it; its ids lie from ``start`` on, before ``end``.

    ``is_ours``: the role may take it away; ``may_empty``: it may empty it.
    """

    name: str
    start: str
    end: str
    is_ours: bool
    may_empty: bool


@dataclass(frozen=True, slots=True)
class Made:
    """What :func:`make_months` did. ``reason``: why months are missing still, ``None`` when none is.

    ``role``: ours may not make them; ``rows``: their texts lie in the partition of all others already.
    """

    months: tuple[str, ...] = ()
    reason: str | None = None


# -------------------------------------------------------------------------------------------------------- to make them


def keep_months(store: Store, now: datetime) -> Made:
    """Make the months that are missing, beside daemons at work; on SQLite there is nothing to do.

    Raises:
        StoreUnavailable: somebody reads what would have to be locked: try again later.
    """
    if store.is_file:
        return Made()
    with store.begin() as tx:
        connection = tx.connection
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL READ COMMITTED"))
        connection.execute(text("SET LOCAL lock_timeout = '100ms'"))
        connection.execute(text("SET LOCAL statement_timeout = '2s'"))
        if not connection.execute(text(f"SELECT pg_try_advisory_xact_lock({_ADVISORY_LOCK})")).scalar_one():
            return Made()  # another daemon does it
        return make_months(connection, now)


def make_months_at_leisure(connection: Connection, now: datetime, *, since: datetime | None = None) -> Made:
    """Make the months that are missing, from ``since`` on, and move what the partition of all others holds into theirs.

    For an upgrade: whoever writes waits meanwhile.
    """
    connection.execute(text(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"))
    return make_months(connection, now, since=since, moves=True)


def make_months(connection: Connection, now: datetime, *, since: datetime | None = None, moves: bool = False) -> Made:
    """Make the month of ``now`` and the coming ones, where they are missing; see :func:`make_months_at_leisure`."""
    parent, others, parts = connection.execute(_PARENT).one(), _others(connection), read_months(connection)
    last = Month.of(now)
    for _ in range(COMING):
        last = last.next()
    wanted = [Month.of(since or now)]
    while wanted[-1].first < last.first:
        wanted.append(wanted[-1].next())
    if moves:
        wanted = [*_months_in(connection, others, until=wanted[0].start), *wanted]
    missing = [each for each in wanted if not any(part.start < each.end and each.start < part.end for part in parts)]
    if missing and not parent.is_ours:
        return Made(reason="role")
    made: list[str] = []
    for month in missing:
        is_there = _first(connection, others, month.start, month.end) is not None
        if moves or not is_there:
            _make(connection, parent, others if is_there else None, month)
            made.append(month.name)
    return Made(tuple(made), "rows" if len(made) < len(missing) else None)


def _make(connection: Connection, parent: Any, others: str | None, month: Month) -> None:  # Any: a row
    """Make one month. To attach it takes a lock that no insert waits for, save one into the partition of all others."""
    name = f"{parent.schema}.{month.name}"
    connection.execute(text(f"CREATE TABLE {name} (LIKE {parent.name} INCLUDING ALL)"))
    if others is not None:
        taken = "message_id >= :start AND message_id < :end RETURNING *"
        moved = f"DELETE FROM ONLY {others} WHERE {taken}"  # noqa: S608  # nosec B608
        statement = f"WITH moved AS ({moved}) INSERT INTO {name} SELECT * FROM moved"  # noqa: S608  # nosec B608
        connection.execute(text(statement), {"start": month.start, "end": month.end})
    bounds = f"FROM ('{month.start}') TO ('{month.end}')"
    connection.execute(text(f"ALTER TABLE {parent.name} ATTACH PARTITION {name} FOR VALUES {bounds}"))


def _others(connection: Connection) -> str:
    """Return the name of the partition of all others, as SQL writes it."""
    names: list[str] = [row.name for row in connection.execute(_PARTITIONS) if row.bounds == "DEFAULT"]
    return names[0]


def _months_in(connection: Connection, others: str, *, until: str) -> Iterator[Month]:
    """Give the months before ``until`` of which the partition of all others holds texts."""
    start = ""
    while (found := _first(connection, others, start, until)) is not None:
        if (month := Month.of_id(found)) is None:
            return
        yield month
        start = month.end


def _first(connection: Connection, table: str, start: str, end: str) -> str | None:
    within = "message_id >= :start AND message_id < :end"
    statement = f"SELECT min(message_id) FROM ONLY {table} WHERE {within}"  # noqa: S608  # nosec B608
    found: str | None = connection.execute(text(statement), {"start": start, "end": end}).scalar()
    return found


def read_months(connection: Connection) -> tuple[Partition, ...]:
    """Return the months that there are, the oldest first; on SQLite none."""
    if connection.dialect.name == "sqlite":
        return ()
    rows = [(row, _BOUNDS.fullmatch(row.bounds or "")) for row in connection.execute(_PARTITIONS)]
    found = [Partition(row.name, bounds[1], bounds[2], row.is_ours, row.may_empty) for row, bounds in rows if bounds]
    return tuple(sorted(found, key=lambda part: part.start))


# ---------------------------------------------------------------------------------------------------- to take them away


def empty_month(tx: Transaction, part: Partition, up_to: str) -> tuple[int, str]:
    """Empty a month; return how many texts it held, and the id of the last one. To be called first in its transaction.

    Nothing is done, and ``(0, "")`` returned, where it holds one after ``up_to``. Messages go into other months: none
    waits.

    Raises:
        StoreUnavailable: somebody reads it.
    """
    connection = tx.connection
    connection.execute(text("SET LOCAL statement_timeout = 0"))
    connection.execute(text(f"LOCK TABLE ONLY {part.name} IN ACCESS EXCLUSIVE MODE"))  # before anything is seen
    held = f"SELECT count(*), max(message_id) FROM ONLY {part.name}"  # noqa: S608  # nosec B608
    count, last = connection.execute(text(held)).one()
    if not count or last > up_to:
        return 0, ""
    connection.execute(text(f"TRUNCATE TABLE ONLY {part.name}"))
    return count, last


def drop_empty_months(store: Store, bound: str) -> int:
    """Take away the months whose ids lie before ``bound`` and that hold nothing; return how many.

    It locks all texts for an instant. Where somebody reads them it lets go at once, and comes again a few times; what
    is left then stays until the next time.
    """
    return sum(_drop(store, each) for each in _months_of(store) if each.end <= bound and each.is_ours)


def _months_of(store: Store) -> tuple[Partition, ...]:
    with store.read() as connection:
        return read_months(connection)


def _drop(store: Store, part: Partition) -> bool:
    for _ in range(_TRIES):
        try:
            with store.begin() as tx:
                return _drop_empty(tx.connection, part)
        except StoreError as error:
            if part not in _months_of(store):
                return False  # another run has taken it away
            if not isinstance(error, StoreConflict) and getattr(error, "reason", None) is not Reason.LOCKED:
                raise
        time.sleep(_BETWEEN_TRIES_S)
    return False


def _drop_empty(connection: Connection, part: Partition) -> bool:
    connection.execute(text("SET LOCAL lock_timeout = '50ms'"))  # as long as a message may wait behind us
    connection.execute(text("LOCK TABLE ONLY message_text IN ACCESS EXCLUSIVE MODE"))
    is_used = f"SELECT EXISTS (SELECT FROM ONLY {part.name})"  # noqa: S608  # nosec B608
    if connection.execute(text(is_used)).scalar_one():
        return False
    connection.execute(text(f"ALTER TABLE message_text DETACH PARTITION {part.name}"))
    connection.execute(text(f"DROP TABLE {part.name}"))
    return True
