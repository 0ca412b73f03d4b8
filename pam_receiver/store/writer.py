"""The connection by which a store writes: one, kept from one transaction to the next."""

from contextlib import suppress
from typing import Any, Final

from sqlalchemy import Connection, Engine

from pam_receiver.store.checkpointer import Checkpointer
from pam_receiver.store.engine import BEGUN, UNREPLICATED, Target, is_same_file
from pam_receiver.store.pipeline import Pipeline, driver_of, forget_prepared

_Driver = Any  # the connection of the driver, and its module: neither has a type
_BEGIN: Final = b"BEGIN ISOLATION LEVEL SERIALIZABLE"
_BEGIN_HELD: Final = b"BEGIN ISOLATION LEVEL READ COMMITTED"
_COMMIT: Final = b"COMMIT"
_READ_ONLY: Final = "25006"  # read_only_sql_transaction: PostgreSQL, Appendix A


class Writer:
    """Begins and ends the transactions of a store, for one thread at a time.

    The driver is asked itself: SQLAlchemy's way through its pool takes a hundred microseconds, as long as the sync of a
    commit. Nothing connects before the first transaction; after a failure the next one connects anew. All raise the
    errors of SQLAlchemy and of the drivers.
    """

    def __init__(self, engine: Engine, target: Target, *, lock_timeout_s: float) -> None:
        self._engine = engine
        self._target = target
        self._patience_ms = max(1, int(lock_timeout_s * 1000))
        self._waits_ms: int | None = None  # what SQLite was told
        self._connection: Connection | None = None
        self._is_at_work = False  # from the beginning of a transaction to its end
        self.checkpointer: Checkpointer | None = None
        self._pipeline: Pipeline | None = None

    def begin(self, *, waits: bool = True, pipelined: bool = False, is_held: bool = False) -> Connection:
        """Begin a transaction. ``waits``: for a lock that another process holds on a file, as long as is set.

        ``pipelined``: a server is sent each statement without waiting for what became of the one before; errors then
        come later, with the rows of a query or with the commit, and row counts after :meth:`settle`. ``is_held``: what
        it reads is kept from others by locks, and each statement sees what was committed before it began; without that,
        writers are serializable: what one of several daemons decided on must still hold at its commit, also what it did
        not find.
        """
        if self._connection is not None and self._target.is_sqlite and not is_same_file(self._connection, self._target):
            self._let_go()  # the pool knows what to do
        self._is_at_work = True
        try:
            connection = self._connection or self._connect()
            if self._target.is_sqlite:
                self._begin_sqlite(connection, self._patience_ms if waits else 0)
            elif pipelined or is_held:
                self._pipeline = Pipeline.open(connection)
                self._pipeline.send(_BEGIN_HELD if is_held else _BEGIN)
            else:
                driver_of(connection).execute(_BEGIN)
        except BaseException as error:
            self.roll_back(error)
            raise
        return connection

    def settle(self) -> None:
        """Wait until every statement of a pipeline has been done, and raise what went wrong."""
        if self._pipeline is not None:
            self._pipeline.sync()

    def commit(self, size: int = 0) -> None:
        """Commit, on any thread; ``size``: roughly how many bytes."""
        connection = self._connection
        assert connection is not None
        try:
            if connection.in_transaction():  # SQLAlchemy has had a part in it
                connection.commit()
            elif self._target.is_sqlite:
                driver_of(connection).execute("COMMIT").close()  # which fails when nothing was begun
            elif self._pipeline is not None:
                ended = self._pipeline.send(_COMMIT)
                self.leave_pipeline()
                if ended.tag != _COMMIT:  # what has failed is rolled back, and that is no error
                    raise _module_of(connection).InternalError
            else:
                driver_of(connection).commit()
            if connection.info.pop(UNREPLICATED, False):  # to the server it is committed: a repeat, which waits again
                raise _module_of(connection).OperationalError
        except BaseException as error:
            self.roll_back(error)
            raise
        connection.info.pop(BEGUN, None)
        self._is_at_work = False
        if self.checkpointer is not None and self.checkpointer.count(size):
            with suppress(_module_of(connection).Error):  # committed it is
                driver_of(connection).execute("PRAGMA wal_checkpoint(PASSIVE)").close()

    def roll_back(self, error: BaseException | None) -> None:
        """Take the transaction back after ``error``, whatever state the connection is in.

        The connection is left to the pool, which rolls back, and closed when it is of no more use.
        """
        connection, self._is_at_work = self._connection, False
        if connection is None:
            return
        errors: type[Exception] = _module_of(connection).Error
        try:
            self.leave_pipeline()
        except errors as later:  # what the server still had to say of the pipeline
            error = error or later
        if isinstance(error, errors) and not connection.invalidated:
            dialect: Any = connection.dialect  # which takes the errors of its driver
            is_read_only = getattr(error, "sqlstate", None) == _READ_ONLY  # look for the primary anew
            if is_read_only or dialect.is_disconnect(error, connection.connection.dbapi_connection, None):
                connection.invalidate(error)
        self._let_go()

    def close(self) -> None:
        """Give the connection back."""
        if self.checkpointer is not None:
            self.checkpointer.close()
            self.checkpointer = None
        if not self._is_at_work:  # else the thread that waits for the database has it, perhaps for ever
            self._let_go()

    def _connect(self) -> Connection:
        self._waits_ms = None
        connection = self._connection = self._engine.connect()
        if not self._target.is_sqlite:  # the driver's own BEGIN would wait for its answer, even in a pipeline
            connection.execution_options(isolation_level="AUTOCOMMIT")
            forget_prepared(connection)
        return connection

    def _begin_sqlite(self, connection: Connection, waits_ms: int) -> None:
        driver = driver_of(connection)
        if waits_ms != self._waits_ms:
            driver.execute(f"PRAGMA busy_timeout={waits_ms:d}").close()
            self._waits_ms = waits_ms
        driver.execute("BEGIN IMMEDIATE").close()
        connection.info[BEGUN] = True

    def leave_pipeline(self) -> None:
        """Wait as :meth:`settle` does, and from now on for each statement: SQLAlchemy knows no pipelines."""
        pipeline, self._pipeline = self._pipeline, None
        if pipeline is not None:
            pipeline.close()

    def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            if not connection.invalidated:
                connection.info.pop(BEGUN, None)
                if self._waits_ms not in (None, self._patience_ms):  # whoever has it next waits
                    with suppress(_module_of(connection).Error):
                        driver_of(connection).execute(f"PRAGMA busy_timeout={self._patience_ms:d}").close()
            connection.close()


def _module_of(connection: Connection) -> _Driver:
    return connection.dialect.loaded_dbapi
