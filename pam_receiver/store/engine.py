"""From a database URL to connections that keep our promises: durable commits, bounded waits, one writer."""

import fcntl
import os
import re
import sqlite3
import struct
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, QueuePool, create_engine, event, inspect, make_url, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry

from pam_receiver.store.errors import Reason, SchemaMismatch, StoreSettingError, StoreUnavailable
from pam_receiver.store.json_text import to_json_text
from pam_receiver.store.schema import HEAD

if TYPE_CHECKING:
    import psycopg

_BEGIN: Final = "pam_receiver_begin"  # execution option: the statement that begins a transaction on SQLite
BEGUN: Final = "pam_receiver_begun"
"""Key of ``Connection.info``, while the driver itself was asked to begin a transaction on SQLite."""
UNREPLICATED: Final = "pam_receiver_unreplicated"
"""Key of ``Connection.info``, when somebody cancelled a commit's wait for the synchronous standby of its server."""

_MOST_WAL_PAGES: Final = 40_000  # of the log of SQLite, after which a commit brings it into the database itself
# secure_delete: what is erased, replaced or moved leaves no byte behind in the pages
_WRITING: Final = ("journal_mode=WAL", "secure_delete=ON", f"wal_autocheckpoint={_MOST_WAL_PAGES}")
_POSTGRES_DRIVERS: Final = frozenset({"postgresql", "postgres", "postgresql+psycopg"})
_SEVERAL_HOSTS: Final = re.compile(r"([^:/?#]+://(?:[^@]*@)?)([^/?#@]*,[^/?#@]*)(.*)", re.DOTALL)
_HOST_AND_PORT: Final = re.compile(r"(?:\[([^\[\],]+)\]|([^:\[\],]+))(?::([0-9]{1,5}))?")
_SQLITE_DRIVERS: Final = frozenset({"sqlite", "sqlite+pysqlite"})
# A struct flock: the right to write the one byte at 2**62, which no SQLite file reaches and SQLite never locks.
_SERVED_BYTE: Final = struct.pack("hhqqi0q", fcntl.F_WRLCK, os.SEEK_SET, 1 << 62, 1, 0)
_POSTGRES_CONNECT: Final[Mapping[str, object]] = {  # a server that is gone is noticed within some ten seconds
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 4,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "tcp_user_timeout": 8000,
    "application_name": "pam-receiver",
}


@dataclass(frozen=True, slots=True)
class Target:
    """A database that a URL names. ``path``: the file of SQLite, absolute, no symlink; ``None`` for a server."""

    url: URL
    path: Path | None

    @property
    def is_sqlite(self) -> bool:
        return self.path is not None

    @property
    def name(self) -> str:
        """The URL to show, without password."""
        return _name(self.url)


def read_url(url: str) -> Target:
    """Return the database that ``url`` names: ``sqlite:///file`` or ``postgresql://user@host/database``.

    A server may have several hosts, tried in their order: ``postgresql://user@one:5432,two:5432/database``.

    Raises:
        StoreSettingError: anything else.
    """
    try:
        parsed = _read_several_hosts(url) or make_url(url)
    except (ArgumentError, ValueError):  # ValueError: a port that is no number, brackets that do not close
        raise _bad_url("?") from None
    if parsed.drivername in _POSTGRES_DRIVERS:
        return Target(parsed.set(drivername="postgresql+psycopg"), None)
    name = _name(parsed)
    if parsed.drivername not in _SQLITE_DRIVERS:
        raise _bad_url(name)
    file = parsed.database
    if not file or "\0" in file or file == ":memory:" or file.startswith("file:") or parsed.query or parsed.host:
        raise _bad_url(name)
    return Target(parsed.set(drivername="sqlite"), Path(os.path.realpath(file)))


def _read_several_hosts(url: str) -> URL | None:
    """Return a URL with several hosts, as SQLAlchemy has it: in the query; ``None`` when there is one host.

    Raises:
        ValueError: a host or a port is none, or hosts stand in both places.
    """
    if (parts := _SEVERAL_HOSTS.fullmatch(url)) is None:
        return None
    before, hosts, after = parts.groups()
    found = [_HOST_AND_PORT.fullmatch(each) for each in hosts.split(",")]
    parsed = make_url(before + after)
    if not all(found) or parsed.query.keys() & {"host", "port"}:
        raise ValueError("hosts")
    named = [(each[1] or each[2], each[3] or "5432") for each in found if each]
    return parsed.update_query_dict(
        {"host": ",".join(host for host, _ in named), "port": ",".join(port for _, port in named)}
    )


def _hosts_of(url: URL) -> str | None:
    """The host, or the hosts with a comma between two."""
    found = url.query.get("host", ())
    return url.host or ",".join([found] if isinstance(found, str) else found) or None


def _name(url: URL) -> str:
    """Return ``url`` to be shown: no password, and no query, which may hold one; no name of a driver."""
    username, host, database = (part and _printable(part) for part in (url.username, _hosts_of(url), url.database))
    return URL.create(url.get_backend_name(), username, None, host, url.port, database).render_as_string()


def _printable(part: str) -> str:
    """A part of a URL, without the halves of surrogates by which Python tells of bytes that are no text."""
    return part.encode("utf-8", "replace").decode("utf-8")


def _bad_url(name: str) -> StoreSettingError:
    return StoreSettingError(
        name,
        fr=f"{name} ne désigne pas une base : écrivez sqlite:///fichier.db ou postgresql://utilisateur@hôte/base.",
        en=f"{name} names no database: write sqlite:///file.db or postgresql://user@host/database.",
    )


def open_engine(target: Target, *, read_only: bool = False, lock_timeout_s: float = 5.0) -> Engine:
    """Return an engine on ``target``; it connects at the first use, and never creates a file."""
    if target.path is not None:
        return _open_sqlite(target.path, read_only=read_only, lock_timeout_s=lock_timeout_s)
    return _open_postgres(target.url, read_only=read_only, lock_timeout_s=lock_timeout_s)


def reading(engine: Engine) -> Engine:
    """Return ``engine`` for transactions that only read: they see one moment and hold no writer up."""
    if engine.dialect.name == "sqlite":
        return engine.execution_options(**{_BEGIN: "BEGIN"})
    return engine.execution_options(isolation_level="REPEATABLE READ")


# ------------------------------------------------------------------------------------------------------------ SQLite

# The driver asks each NULL and each BLOB how it is to be adapted, by attributes that neither has, which takes several
# times as long as to bind it. What is registered it looks up: here, to leave them as they are.
_AS_IT_IS: Final[dict[None, None]] = {}
sqlite3.register_adapter(NoneType, _AS_IT_IS.get)
sqlite3.register_adapter(bytes, bytes)


def _open_sqlite(path: Path, *, read_only: bool, lock_timeout_s: float) -> Engine:
    uri = f"file:{quote(os.fsencode(path))}?mode={'ro' if read_only else 'rw'}"
    handles = _Handles(path)

    def connect() -> sqlite3.Connection:
        with handles.lock:
            if not read_only:
                handles.bring_home()
            made = open_file()
            handles.note(made)
            return made

    def open_file() -> sqlite3.Connection:
        # isolation_level=None: the driver begins nothing by itself, we do
        made = sqlite3.connect(uri, uri=True, timeout=lock_timeout_s, isolation_level=None, check_same_thread=False)
        if not read_only and not os.access(path, os.W_OK, effective_ids=True):
            # SQLite has opened it all the same, begins whatever we ask, and would refuse to write for as long as this
            # connection lasts, even when the file may be written again.
            made.close()
            raise _read_only_error()
        return made

    engine = create_engine(
        "sqlite://",
        creator=connect,
        poolclass=QueuePool,
        pool_size=3,  # the writer keeps one, the checkpointer comes back
        max_overflow=8,
        hide_parameters=True,
        json_serializer=to_json_text,
    )
    pragmas = ["foreign_keys=ON", "synchronous=FULL", *(["query_only=ON"] if read_only else _WRITING)]
    begin = "BEGIN" if read_only else "BEGIN IMMEDIATE"

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, entry: ConnectionPoolEntry) -> None:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}").close()
        entry.info["file"] = handles.of(connection)

    @event.listens_for(engine, "close")
    def forget(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
        handles.forget(connection)

    @event.listens_for(engine, "checkout")
    def check_file(_connection: sqlite3.Connection, entry: ConnectionPoolEntry, _proxy: object) -> None:
        # A file that was moved away or replaced takes our commits with it: connect again, or fail.
        handle: _Handle = entry.info["file"]
        if not handle.stands_at(path):
            if not read_only:
                with handles.lock:
                    handles.bring_home()
            raise DisconnectionError

    @event.listens_for(engine, "begin")
    def begin_transaction(connection: Connection) -> None:
        if BEGUN not in connection.info:
            connection.exec_driver_sql(connection.get_execution_options().get(_BEGIN, begin))

    return engine


class _Handles:
    """The connections that are open to one path, by the file that stood there when each was made.

    The log ``-wal`` stands at the path, whichever file is there: two files at once would mix theirs in it, and nothing
    of SQLite keeps them apart within a process. So what the log holds of a file that was moved away or replaced is
    written into it before any connection is made to the next one, and never again: by then it is that one's log.
    """

    def __init__(self, path: Path) -> None:
        self.lock: Final = threading.Lock()
        self._path = path
        self._open: dict[int, _Handle] = {}

    def note(self, connection: sqlite3.Connection) -> None:
        """Remember a connection that has just been made."""
        self._open[id(connection)] = _Handle(connection, _file_of(self._path))

    def forget(self, connection: sqlite3.Connection) -> None:
        """Forget one that is closed."""
        self._open.pop(id(connection), None)

    def of(self, connection: sqlite3.Connection) -> "_Handle":
        """Return what is remembered of a connection."""
        return self._open[id(connection)]

    def bring_home(self) -> None:
        """Write the log into the file that it belongs to, if another one or none stands at the path.

        The connections to that file are then of no more use, even if it comes back.

        Raises:
            OperationalError: that file is being written just now.
        """
        stands = _file_of(self._path)
        for handle in list(self._open.values()):
            if handle.file in (None, stands):
                continue
            others = [each for each in list(self._open.values()) if each.file == handle.file]
            if any(each.connection.in_transaction for each in others):
                raise _driver_error(sqlite3.SQLITE_BUSY, "SQLITE_BUSY")
            with suppress(sqlite3.Error):  # a disk that is full, say: then as SQLite does
                handle.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            for each in others:
                each.file = None


@dataclass(slots=True, eq=False)
class _Handle:
    """A connection, and the file that it was made to; ``None`` once its log was brought home."""

    connection: sqlite3.Connection
    file: tuple[int, int] | None

    def stands_at(self, path: Path) -> bool:
        """Whether that file stands there still."""
        return self.file is not None and self.file == _file_of(path)


def is_same_file(connection: Connection, target: Target) -> bool:
    """Whether the file of SQLite that this connection has open still stands at its place."""
    assert target.path is not None
    handle: _Handle = connection.info["file"]
    return handle.stands_at(target.path)


def _read_only_error() -> sqlite3.OperationalError:
    """The error that SQLite itself would give, but only at the first write."""
    return _driver_error(sqlite3.SQLITE_READONLY, "SQLITE_READONLY")


def _driver_error(code: int, name: str) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError()
    error.sqlite_errorcode, error.sqlite_errorname = code, name
    return error


def _file_of(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino)


class FileLock:
    """The right to serve or migrate one SQLite file, held until closed or until the process ends.

    It is held on a file beside the database, which may not exist yet, and on the database itself, which may have other
    names (hard links). Close every connection first: when a process closes a descriptor of the database, SQLite loses
    the locks that it holds there.

    Raises:
        StoreUnavailable: another process holds it, or the folder takes no file.
    """

    def __init__(self, target: Target) -> None:
        assert target.path is not None
        self._handles: list[int] = []
        try:
            self._lock_beside(target.path, target.name)
            self._lock_itself(target.path, target.name)
        except StoreUnavailable:
            self.close()
            raise

    def _lock_beside(self, path: Path, name: str) -> None:
        file = path.with_name(path.name + "-lock")
        try:
            handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            raise StoreUnavailable(name, Reason.MISSING, cause="FileNotFoundError") from None
        except OSError as error:
            raise StoreUnavailable(name, Reason.READ_ONLY, cause=type(error).__name__) from None
        self._handles.append(handle)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StoreUnavailable(name, Reason.SERVED) from None

    def _lock_itself(self, path: Path, name: str) -> None:
        if sys.platform != "linux":
            return  # no lock of one open file on one byte; flock would keep SQLite out on BSD, and on NFS
        try:
            handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return  # not there yet, or not to be written: whoever connects says so
        self._handles.append(handle)
        try:
            fcntl.fcntl(handle, fcntl.F_OFD_SETLK, _SERVED_BYTE)
        except (BlockingIOError, PermissionError):  # EAGAIN, EACCES: fcntl(2) allows both
            raise StoreUnavailable(name, Reason.SERVED) from None
        except OSError:
            return  # a file system without such locks: the file beside must do

    def close(self) -> None:
        """Give the right back."""
        while self._handles:
            os.close(self._handles.pop())


# -------------------------------------------------------------------------------------------------------- PostgreSQL


# What is answered AA is on the disk of the server, and on that of its synchronous standby when it has one; a server
# whose commits wait until a standby shows them too keeps to that. Less than either is not for us.
_DURABLE: Final = (
    "set_config('synchronous_commit', CASE current_setting('synchronous_commit') "
    "WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false)"
)


def _open_postgres(url: URL, *, read_only: bool, lock_timeout_s: float) -> Engine:
    connect = {name: value for name, value in _POSTGRES_CONNECT.items() if name not in url.query}
    if not read_only and "," in (_hosts_of(url) or ""):  # the one of them that is the primary now
        connect.setdefault("target_session_attrs", url.query.get("target_session_attrs", "read-write"))
    engine = create_engine(
        url,
        # Reads see one moment. Writers are serializable: what one of several daemons decided on must still hold at its
        # commit, also what it did not find (an earlier receipt, a merge the other way round).
        isolation_level="REPEATABLE READ" if read_only else "SERIALIZABLE",
        connect_args=connect,
        pool_size=2,  # the writer keeps one
        max_overflow=8,
        pool_timeout=10,
        hide_parameters=True,
        json_serializer=to_json_text,
    )
    settings = {
        "client_encoding": "UTF8",
        "timezone": "UTC",
        "jit": "off",  # our statements are small; to compile one costs more than to run it
        "lock_timeout": f"{max(1, int(lock_timeout_s * 1000))}ms",
        "statement_timeout": "9s",
        "idle_in_transaction_session_timeout": "30s",
    }
    if read_only:
        settings["default_transaction_read_only"] = "on"
    else:  # a server that is read-only by its own settings, a primary that was fenced off, is left so
        # What the writer reads has an index, and its order from it. A plan made while the tables were small would read
        # them whole for as long as the server keeps it; and a table read whole conflicts with every other daemon.
        settings |= {"enable_seqscan": "off", "enable_sort": "off"}
    _set_on_connect(engine, settings)
    if read_only:
        _tell_replay(engine, _name(url))
    else:
        _keep_to_primary(engine)
    return engine


def _set_on_connect(engine: Engine, settings: Mapping[str, str]) -> None:
    calls = ", ".join([*("set_config(%s, %s, false)" for _ in settings), _DURABLE])
    values = [part for pair in settings.items() for part in pair]

    @event.listens_for(engine, "connect")
    def prepare(connection: "psycopg.Connection[Any]", _entry: ConnectionPoolEntry) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT " + calls, values)
        connection.commit()  # else the settings go with a first transaction that rolls back


def _keep_to_primary(engine: Engine) -> None:
    """Let go of a server that takes no writes, and note each commit that the synchronous standby may not have."""
    driver: Any = engine.dialect.loaded_dbapi  # psycopg, which SQLite does not load

    @event.listens_for(engine, "connect", insert=True)  # first: a standby refuses all that is serializable
    def look(connection: "psycopg.Connection[Any]", entry: ConnectionPoolEntry) -> None:
        told = connection.info.parameter_status  # from version 14 on
        if "on" in (told("in_hot_standby"), told("default_transaction_read_only")):
            connection.close()
            raise driver.errors.ReadOnlySqlTransaction

        def note(said: "psycopg.errors.Diagnostic") -> None:
            if said.source_function == "SyncRepWaitForLSN":
                entry.info[UNREPLICATED] = True

        connection.add_notice_handler(note)

    @event.listens_for(engine, "handle_error")
    def let_go(context: ExceptionContext) -> None:
        if isinstance(context.original_exception, driver.errors.ReadOnlySqlTransaction):
            context.is_disconnect = True  # the next connection looks for the primary anew


def _tell_replay(engine: Engine, name: str) -> None:
    """Tell a reading that a standby broke off: who only reads is in nobody's way, so it is no conflict of writers."""
    errors: Any = engine.dialect.loaded_dbapi.errors  # psycopg's

    @event.listens_for(engine, "handle_error")
    def tell(context: ExceptionContext) -> None:
        error = context.original_exception
        if isinstance(error, errors.SerializationFailure | errors.DeadlockDetected):
            cause = f"{type(error).__name__} {getattr(error, 'sqlstate', '')}"
            raise StoreUnavailable(name, Reason.REPLAYING, cause=cause)


# ---------------------------------------------------------------------------------------------------------- revision


def is_at_head(connection: Connection) -> bool:
    """Whether the database is at the revision of this code. After a ``False`` the transaction is of no more use."""
    try:
        return bool(connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == HEAD)
    except DBAPIError:  # most often: no such table. Whoever asks looks closer, with read_revision
        return False


def read_revision(connection: Connection, database: str) -> str | None:
    """Return the revision that the database says it is at; ``None`` when it holds no table at all.

    Raises:
        SchemaMismatch: it holds tables, and they are not ours.
    """
    tables = set(inspect(connection).get_table_names())
    version: str | None = None
    if "alembic_version" in tables:
        version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        tables.remove("alembic_version")
    if tables and (version is None or "identity_version" not in tables):
        raise SchemaMismatch(database, current=None, expected=HEAD, is_foreign=True)
    return version


def check_revision(connection: Connection, database: str) -> None:
    """Make sure that the database is at the revision of this code.

    Raises:
        SchemaMismatch: it is not, and says which one it is at.
    """
    current = read_revision(connection, database)
    if current != HEAD:  # revisions are numbered, so that the order of their texts is their order
        is_newer = current is not None and current > HEAD
        raise SchemaMismatch(database, current=current, expected=HEAD, is_newer=is_newer)
