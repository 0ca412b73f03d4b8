"""Store and its write transaction: load what a batch names, write what the batch decided. The only writer."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Final, TypeVar

from sqlalchemy import (
    Connection,
    Delete,
    Insert,
    Table,
    Update,
    bindparam,
    delete,
    insert,
    or_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from pam_receiver.identity.known import Authorities, Known
from pam_receiver.identity.model import Alert, Change, Identity, MergeLink, SeenAuthority
from pam_receiver.store import tokens
from pam_receiver.store.audit import AuditEvent, append
from pam_receiver.store.checkpointer import Checkpointer
from pam_receiver.store.engine import FileLock, Target, check_revision, is_at_head, open_engine, read_url, reading
from pam_receiver.store.errors import StoreConflict, StoreError, translated
from pam_receiver.store.locks import Hold, Taken, extend, take
from pam_receiver.store.memory import Name, forget, last_message_id, recall
from pam_receiver.store.prepared import Written, fetch, fetch_all, write_all
from pam_receiver.store.reads import read_families, read_merges, reads_of
from pam_receiver.store.records import InForce, MessageRecord, Receipt, message_values, read_receipts
from pam_receiver.store.rows import (
    Values,
    alert_values,
    ended_ins_values,
    identifier_values,
    identity_values,
    merge_values,
    read_seen,
    seen_values,
    sender_key,
    version_values,
)
from pam_receiver.store.said import NewlySaid
from pam_receiver.store.schema import (
    alert,
    ended_ins,
    identifier,
    identity,
    identity_version,
    kept_file,
    merge_link,
    message,
    message_text,
    said,
    said_together,
    sender_authority,
)
from pam_receiver.store.schema import in_force as table_in_force
from pam_receiver.store.sealing import InClear, Sealing
from pam_receiver.store.writer import Writer


class Store:
    """A database of identities. Opened to write, it is for one thread; reads and checks may come from any.

    Nothing connects before the first use.
    """

    def __init__(self, target: Target, *, read_only: bool, lock_timeout_s: float, sealing: Sealing) -> None:
        self.name: Final = target.name
        self.sealing: Final = sealing
        self._target = target
        self._engine = open_engine(target, read_only=read_only, lock_timeout_s=lock_timeout_s)
        self._reader = reading(self._engine)
        self._writer = Writer(self._engine, target, lock_timeout_s=lock_timeout_s)
        self._lock: FileLock | None = None

    @classmethod
    def open(
        cls, url: str, *, read_only: bool = False, lock_timeout_s: float = 5.0, sealing: Sealing | None = None
    ) -> "Store":
        """Return the store at ``url``; it never creates a database nor changes its tables.

        ``sealing``: the keys; without any the journal is written in clear, and what is encrypted cannot be read.

        Raises:
            StoreSettingError: the URL names no database.
        """
        keys = sealing or InClear()
        return cls(read_url(url), read_only=read_only, lock_timeout_s=lock_timeout_s, sealing=keys)

    def lock_for_serving(self) -> None:
        """Take the right to be the only daemon on an SQLite file, until :meth:`close`; several may share a server.

        Raises:
            StoreUnavailable: another daemon has it.
        """
        if self._target.is_sqlite and self._lock is None:
            self._lock = FileLock(self._target)
            self._writer.checkpointer = Checkpointer(self._engine)

    @property
    def is_file(self) -> bool:
        """Whether the database is a file, which is written by calls that do not wait for another process."""
        return self._target.is_sqlite

    @contextmanager
    def begin(self, *, pipelined: bool = False, hold: Hold | None = None) -> Iterator["Transaction"]:
        """Open one write transaction: it commits at the end, and rolls back on any error.

        ``pipelined``: of a server, its statements. ``hold``: as :meth:`open_transaction` says.

        Raises:
            StoreUnavailable: nothing was kept; or the commit was not answered, and may have been.
            StoreConflict: nothing was kept, another writer was faster.
            StoreError: the database refuses a value.
        """
        transaction = self.open_transaction(pipelined=pipelined, hold=hold)
        with transaction.ending_on_error():
            yield transaction
        transaction.commit()

    def open_transaction(
        self, *, waits: bool = True, pipelined: bool = True, hold: Hold | None = None
    ) -> "Transaction":
        """Begin a write transaction that the caller ends, one at a time; on a server its statements are pipelined.

        ``waits``: for a lock on a file that another process holds. ``hold``: what a batch keeps from others on a
        server; without one the transaction must not touch what messages do, or keep them out itself.

        Raises:
            StoreUnavailable: there is none.
        """
        with translated(self.name):
            connection = self._writer.begin(waits=waits, pipelined=pipelined, is_held=hold is not None)
        transaction = Transaction(connection, self.name, self.sealing, self._writer)
        if hold is not None and not self.is_file:
            with transaction.ending_on_error():
                transaction.hold(hold)
        return transaction

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open one read of a single moment, for the queries of this package.

        Raises:
            StoreUnavailable: the database cannot be read now.
            SchemaMismatch: it is at another revision.
        """
        with translated(self.name):
            with self._reader.begin() as connection:
                is_current = is_at_head(connection)
                if is_current:
                    yield connection
            if not is_current:
                with self._reader.begin() as connection:
                    check_revision(connection, self.name)
                raise StoreConflict(self.name)  # it was upgraded between our two looks

    def check(self) -> None:
        """Make sure that the database answers and is at the revision of this code.

        Raises:
            StoreUnavailable: it does not answer.
            SchemaMismatch: it is at another revision.
        """
        with translated(self.name), self._reader.begin() as connection:
            check_revision(connection, self.name)

    def empty_log(self) -> bool:
        """On SQLite, bring what stands in the file ``-wal`` into the database, and empty it: it holds old pages.

        Return whether it is empty now: it is not when another process keeps reading or writing. On a server there is
        nothing to do, and ``True``.
        """
        if not self._target.is_sqlite:
            return True
        with translated(self.name):
            connection = self._engine.raw_connection()
            try:
                cursor = connection.cursor()
                cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                (is_busy, _, _) = cursor.fetchone() or (1, 0, 0)
                cursor.close()
            finally:
                connection.close()
        return not is_busy

    def close(self) -> None:
        """Close every connection, and give back the right to serve."""
        self._writer.close()
        self._engine.dispose()
        if self._lock is not None:
            self._lock.close()
            self._lock = None


_IN_FORCE: Final = "pam_receiver_in_force"  # the key by which a connection remembers what the database has


def _once(table: Table) -> Mapping[str, Insert]:
    """Return the insertion of rows that are the same to all writers, by the kind of database: the first one does it."""
    return {
        "sqlite": sqlite.insert(table).on_conflict_do_nothing(),
        "postgresql": postgresql.insert(table).on_conflict_do_nothing(),
    }


_KEPT_FILE: Final = _once(kept_file)
_KEPT_IN_FORCE: Final = _once(table_in_force)
_SAID: Final = _once(said)
_SAID_TOGETHER: Final = _once(said_together)
_MESSAGE: Final = insert(message)
_TEXT: Final = insert(message_text)
_IDENTITY: Final = insert(identity).values(
    {column.name: bindparam(column.name) for column in identity.c if column.name != "erased_at"}
)
_IDENTIFIER: Final = insert(identifier)
_ENDED_INS: Final = insert(ended_ins)
_VERSION: Final = insert(identity_version)
_MERGE: Final = insert(merge_link)
_ALERT: Final = insert(alert).values(
    {name: bindparam(name) for name in ("at", "message_id", "identity_id", "rule", "finding", "state")}
)
_SEEN: Final = _once(sender_authority)
_NOT_OF_A_MESSAGE: Final = frozenset({"id", "erased_at"})
_DATED: Final = (
    update(identity)
    .where(
        identity.c.id == bindparam("old_id"),
        or_(identity.c.dated_at.is_(None), identity.c.dated_at < bindparam("date")),  # it never moves back
    )
    .values(dated_at=bindparam("date"))
)
_IDENTITY_UPDATE: Final = (
    update(identity)
    .where(identity.c.id == bindparam("old_id"), identity.c.version == bindparam("old_version"))
    .values({column.name: bindparam(column.name) for column in identity.c if column.name not in _NOT_OF_A_MESSAGE})
)


def _deletion(table: Table) -> Delete:
    return delete(table).where(
        table.c.identity_id == bindparam("old_id"), table.c.position == bindparam("old_position")
    )


_IDENTIFIER_DELETION: Final = _deletion(identifier)
_ENDED_INS_DELETION: Final = _deletion(ended_ins)

_Part = TypeVar("_Part")


class Transaction:
    """One write transaction of the store: one batch of messages."""

    def __init__(self, connection: Connection, database: str, sealing: Sealing, writer: Writer) -> None:
        self._connection = connection
        self._database = database
        self.sealing: Final = sealing
        self._writer = writer
        self._reads = reads_of(connection)
        self._kind = connection.dialect.name
        self._size = 0  # bytes of messages, and of what each is answered alone
        self._said = NewlySaid(connection.info)
        self._updates: tuple[Written, int] | None = None  # the update of identities, and how many there are
        self._in_force = connection.info.get(_IN_FORCE)  # the id of what is in force, once the database has it
        self._taken: Taken | None = None  # what is held, and what it had to wait for
        self._memory = recall(connection) if self._kind == "sqlite" else None  # ``None`` too once others write here
        self._last = ""  # the greatest id of what was written
        self._seen: list[SeenAuthority] = []  # those written

    def hold(self, what: Hold) -> None:
        """Wait until no other writer holds any of this; to be called first, on a server."""
        self._taken = take(self._connection, what)

    @property
    def last_message_id(self) -> str:
        """The greatest id of the journal when all was held, ``""`` when it was empty or nothing is held.

        A file is held by whoever writes to it.
        """
        if self._kind == "sqlite":
            return last_message_id(self._connection, self._memory)
        return self._taken.last_message_id if self._taken is not None else ""

    @contextmanager
    def ending_on_error(self) -> Iterator[None]:
        """Roll back when something is raised inside.

        Raises:
            StoreError: what a driver raised, as :meth:`Store.begin` says.
        """
        try:
            with translated(self._database):
                yield
        except BaseException as error:
            self._writer.roll_back(error.__context__ if isinstance(error, StoreError) else error)
            raise

    def commit(self) -> None:
        """Commit; on whatever thread.

        Raises:
            StoreError: as :meth:`Store.begin` says.
        """
        with translated(self._database):
            self._writer.commit(self._size)
        self._connection.info[_IN_FORCE] = self._in_force  # of this connection, for as long as it lasts
        self._said.remember()
        if self._memory is not None:
            self._memory.commit(last=self._last, seen=self._seen)

    @property
    def connection(self) -> Connection:
        """The connection, for the functions of this package that write in the same transaction."""
        self._writer.leave_pipeline()
        if self._memory is not None:
            forget(self._connection)
            self._memory = None
        return self._connection

    @property
    def database(self) -> str:
        """The URL to show, without password."""
        return self._database

    def load(
        self,
        *,
        ipps: Collection[str] = (),
        matricules: Collection[str] = (),
        senders: Collection[tuple[str, str]] = (),
        namespaces: Collection[str] = (),
        repeat_keys: Collection[bytes] = (),
    ) -> tuple[Known, dict[bytes, list[Receipt]]]:
        """Return all that a batch must know: the identities that it names, and the earlier receipts.

        An identity is named by an IPP (of any authority) or by its INS in force; with it come its survivors up the
        chain of merges and the identities absorbed into any of these. ``namespaces``: HD-1 of authorities; what the
        senders mean by these is told. ``repeat_keys``: see :class:`MessageRecord`; the receipts of each come latest
        first, at most ``MAX_RECEIPTS`` of them.

        Raises:
            MoreToHold: this transaction holds some names, and another one goes by which it has found an identity.
        """
        pack, keys = self._reads.pack, [key.hex() for key in repeat_keys if key]
        memory = self._memory if not self._seen else None  # of what is not committed nothing is remembered
        names = memory.unknown(senders, namespaces) if memory is not None else set[Name]()
        if memory is not None:
            senders, namespaces = {sender for sender, _ in names}, {each for _, each in names}
        said_by = {"senders": pack([sender_key(each) for each in senders]), "namespaces": pack(namespaces)}
        rows, seen, receipts = fetch_all(
            self._connection,
            (self._reads.named, {"ipps": pack(ipps), "matricules": pack(matricules)} if ipps or matricules else None),
            (self._reads.seen, said_by if senders and namespaces else None),
            self._reads.ask_receipts(keys),
        )
        identities = read_families(self._connection, rows)
        if self._taken is not None:
            extend(self._taken, identities, self._database)
        merges = read_merges(self._connection, [each.id for each in identities if each.merged_into is not None])
        found = [read_seen(*row) for row in seen]
        authorities = memory.learn(names, found) if memory is not None else Authorities(found)
        return Known(identities, merges, authorities), read_receipts(receipts)

    def write(
        self,
        *,
        messages: Sequence[MessageRecord] = (),
        changes: Sequence[tuple[str, Change]] = (),
        merges: Sequence[MergeLink] = (),
        alerts: Sequence[tuple[str, Alert]] = (),
        seen: Sequence[SeenAuthority] = (),
        confirmed: Sequence[Identity] = (),
        in_force: InForce | None = None,
        at: datetime,
    ) -> None:
        """Write a batch: the journal, the new state of each identity, one version per change, merges and alerts.

        ``changes`` and ``alerts`` come with the id of their message, in the order in which they were decided; an
        identity may change several times. ``confirmed``: those of which the source's date alone moves on.
        ``in_force``: what decided on all of them. ``at``: aware, UTC.

        Raises:
            StoreConflict: an identity is no longer what the changes start from, or an IPP has just been taken; or a
                sender has named a new authority, on which all its messages may depend, and others are let in.
        """
        if seen and self._taken is not None and not self._taken.hold.alone:
            raise StoreConflict(self._database)
        if in_force is not None and in_force.id != self._in_force:
            self._keep_in_force(in_force, at)
        in_force_id = in_force.id if in_force is not None else None
        gone = self._erased([record.repeat_of for record in messages if record.repeat_of is not None])
        rows = []
        texts: list[Values] = []
        for record in messages:
            values = message_values(record)
            # the text of what this one repeats was erased, and would come back with it
            is_erased = record.repeat_of in gone
            if record.raw and record.action is None and not is_erased:
                sealed = self.sealing.seal(record.id, record.raw)
                if sealed.content:
                    texts.append({"message_id": record.id, "raw": sealed.content, "key_id": sealed.key_id})
            values["erased_at"] = at if is_erased else None
            values["in_force"] = in_force_id
            values["said_together"] = self._said.add(record.findings, record.ack.errs)
            rows.append(values)
        self._insert(_SAID[self._kind], self._said.sentences())
        self._insert(_SAID_TOGETHER[self._kind], self._said.sets())
        self._insert(_MESSAGE, rows)
        self._insert(_TEXT, texts)
        self._size = sum([len(record.raw) + len(record.ack.head) for record in messages])
        self._last = max([self._last, *[record.id for record in messages]])
        self._seen += seen
        self._write_identities(changes)
        self._insert(_VERSION, [version_values(message_id, change, at) for message_id, change in changes])
        self._insert(_MERGE, [merge_values(link) for link in merges])
        self._insert(_DATED, [{"old_id": each.id, "date": each.dated_at} for each in confirmed])
        self._insert(_ALERT, [alert_values(message_id, each, at) for message_id, each in alerts])
        unique = {str(values["key"]): values for values in map(seen_values, seen)}
        self._insert(_SEEN[self._kind], list(unique.values()))
        self._check_updates()

    def audit(self, *events: AuditEvent, at: datetime) -> None:
        """Add to the audit trail, with all else that this transaction does. ``at``: aware, UTC."""
        append(self.connection, events, at)

    def has_token_name(self, name: str) -> bool:
        """Whether a token that is not revoked has this name."""
        return tokens.has_name(self.connection, name)

    def add_token(self, new: tokens.Token) -> None:
        """Write a new token.

        Raises:
            StoreConflict: a token that is not revoked has just taken its name.
        """
        tokens.add(self.connection, new)

    def revoke_token(self, token_id: str, *, at: datetime) -> bool:
        """End a token; whether it was there and not ended before."""
        return tokens.revoke(self.connection, token_id, at)

    def _erased(self, ids: Sequence[str]) -> frozenset[str]:
        """Return those of these messages whose text was erased or pruned."""
        if not ids:
            return frozenset()
        found = fetch(self._connection, self._reads.erased, {"ids": self._reads.pack(ids)})
        return frozenset([row.id for row in found])

    def _keep_in_force(self, in_force: InForce, at: datetime) -> None:
        dialect = self._kind
        files: list[Values] = [{"digest": digest, "content": content} for digest, content in in_force.files.items()]
        self._insert(_KEPT_FILE[dialect], files)
        values: Values = {"id": in_force.id, "at": at, "content": in_force.content}
        self._insert(_KEPT_IN_FORCE[dialect], [values])
        self._in_force = in_force.id

    def _write_identities(self, changes: Sequence[tuple[str, Change]]) -> None:
        """Bring each identity from what it was before its first change to what it is after its last one."""
        first: dict[str, Identity | None] = {}
        last: dict[str, Identity] = {}
        for _, change in changes:
            first.setdefault(change.after.id, change.before)
            last[change.after.id] = change.after
        self._insert(_IDENTITY, [identity_values(last[each]) for each, before in first.items() if before is None])
        self._update_identities([(before, last[each]) for each, before in first.items() if before is not None])
        gone: list[Values] = []
        added: list[Values] = []
        gone_ins: list[Values] = []
        added_ins: list[Values] = []
        for each, before in first.items():
            after = last[each]
            for position, part in _moved(before.identifiers if before else (), after.identifiers, each, gone):
                added.append(identifier_values(each, position, part))
            for position, ended in _moved(before.ended_ins if before else (), after.ended_ins, each, gone_ins):
                added_ins.append(ended_ins_values(each, position, ended))
        self._insert(_IDENTIFIER_DELETION, gone)  # all of them first: an IPP may move from one position to another
        self._insert(_IDENTIFIER, added)
        self._insert(_ENDED_INS_DELETION, gone_ins)
        self._insert(_ENDED_INS, added_ins)

    def _update_identities(self, pairs: Sequence[tuple[Identity, Identity]]) -> None:
        rows = []
        for before, after in pairs:
            values = identity_values(after)
            del values["id"]
            rows.append({**values, "old_id": before.id, "old_version": before.version})
        written = self._insert(_IDENTITY_UPDATE, rows)
        if written is not None:
            self._updates = (written, len(rows))

    def _check_updates(self) -> None:
        """Make sure that every identity was what its change starts from."""
        if self._updates is None:
            return
        self._writer.settle()
        written, wanted = self._updates
        self._updates = None
        if written.count != wanted:
            raise StoreConflict(self._database)

    def _insert(self, statement: Insert | Update | Delete, rows: list[Values]) -> Written | None:
        return write_all(self._connection, statement, rows) if rows else None


def _moved(
    before: Sequence[_Part], after: Sequence[_Part], identity_id: str, gone: list[Values]
) -> list[tuple[int, _Part]]:
    """Return the parts to write, with their positions; the positions to clear go to ``gone``."""
    if not before:
        return list(enumerate(after))
    kept = {n for n, (old, new) in enumerate(zip(before, after, strict=False)) if old == new}
    gone.extend({"old_id": identity_id, "old_position": n} for n in range(len(before)) if n not in kept)
    return [(n, part) for n, part in enumerate(after) if n not in kept]
