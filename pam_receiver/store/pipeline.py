"""Statements on their way to a PostgreSQL server: sent one after another, without waiting for what became of each.

The driver's own cursors do the same, and take ten times as long for a statement as the server for what it asks: this
asks libpq itself. A statement is prepared at its first use, for as long as the connection lasts; its parameters and
rows are in the binary format, see :mod:`pam_receiver.store.binary`.
"""

import select
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection

_Driver = Any  # psycopg, its connection and the results of its libpq, which SQLite never loads
_BINARY: Final = 1
_PREPARED: Final = "pam_receiver_prepared"  # by which a connection remembers its statements
_PIPELINE: Final = "pam_receiver_pipeline"


class Answer:
    """What a server says of one statement, once :meth:`Pipeline.wait_for` has returned."""

    __slots__ = ("is_sync", "result")

    def __init__(self, *, is_sync: bool = False) -> None:
        self.is_sync = is_sync
        self.result: _Driver = None

    @property
    def rows(self) -> list[list[bytes | None]]:
        """The rows, each value as the server writes it; ``None`` is null."""
        get, columns = self.result.get_value, range(self.result.nfields)
        return [[get(row, column) for column in columns] for row in range(self.result.ntuples)]

    @property
    def count(self) -> int:
        """How many rows the statement wrote."""
        return self.result.command_tuples or 0

    @property
    def tag(self) -> bytes:
        """What the server calls what it did (``COMMIT``)."""
        return self.result.command_status or b""


class Pipeline:
    """A connection in the pipeline mode of libpq, from :meth:`open` to :meth:`close`; the driver must not use it then.

    After an error the server skips what was sent, up to the next :meth:`sync`. All raise the errors of the driver.
    """

    def __init__(self, connection: Connection) -> None:
        self._info = connection.info
        self._module: _Driver = connection.dialect.loaded_dbapi
        self._driver = driver_of(connection)
        self._libpq: _Driver = self._driver.pgconn
        self._poll: Final = select.poll()
        self._names: dict[bytes, bytes] = self._info.setdefault(_PREPARED, {})
        self._expected: deque[Answer] = deque()
        self._unsynced = False

    @classmethod
    def open(cls, connection: Connection) -> "Pipeline":
        """Bring a connection into pipeline mode."""
        pipeline = cls(connection)
        pipeline._libpq.enter_pipeline_mode()
        pipeline._poll.register(pipeline._libpq.socket, select.POLLIN)
        connection.info[_PIPELINE] = pipeline
        return pipeline

    def send(self, sql: bytes, parameters: Sequence[bytes | None] = ()) -> Answer:
        """Have a statement run, which names its parameters ``$1`` and so on; nothing is waited for."""
        self._unsynced = True
        name = self._names.get(sql)
        if name is None:
            name = self._names[sql] = b"pam_%d" % len(self._names)
            self._libpq.send_prepare(name, sql)
            self._expected.append(Answer())
        self._libpq.send_query_prepared(name, parameters, [_BINARY] * len(parameters), _BINARY)
        answer = Answer()
        self._expected.append(answer)
        return answer

    def wait_for(self, answer: Answer) -> Answer:
        """Return ``answer`` once the server has given it, and raise what went wrong with it or before it."""
        if answer.result is None:
            if self._unsynced:
                self._libpq.send_flush_request()
            while answer.result is None:
                if not self._expected:  # it has been told that this one failed
                    raise self._module.InternalError
                self._take()
        return answer

    def sync(self) -> None:
        """Wait until every statement has been done, and raise the first thing that went wrong."""
        if not self._unsynced and not self._expected:
            return
        self._libpq.pipeline_sync()
        self._unsynced = False
        self._expected.append(Answer(is_sync=True))
        error: BaseException | None = None
        while self._expected:
            left = len(self._expected)
            try:
                self._take()
            except self._module.Error as later:
                error = error or later
                if len(self._expected) == left:  # no answer comes any more
                    break
        if error is not None:
            raise error

    def close(self) -> None:
        """Wait as :meth:`sync` does, and give the connection back to its driver: closed, when the server is lost."""
        self._info.pop(_PIPELINE, None)
        try:
            self.sync()
        finally:
            try:
                self._libpq.exit_pipeline_mode()
            except self._module.Error:  # there are answers that will never come
                self._driver.close()

    def _take(self) -> None:
        """Take the next answer, in the order in which they were asked for."""
        result = self._next()
        if result is None:  # the connection was lost, and what was expected of it is forgotten
            raise self._module.OperationalError
        answer = self._expected.popleft()
        if answer.is_sync:
            return
        self._next()  # the end of what belongs to one statement
        status, states = result.status, self._module.pq.ExecStatus
        if status == states.FATAL_ERROR:
            raise self._module.errors.error_from_result(result)
        if status == states.PIPELINE_ABORTED:
            raise self._module.errors.PipelineAborted
        if status not in (states.TUPLES_OK, states.COMMAND_OK):
            raise self._module.InternalError
        answer.result = result

    def _next(self) -> _Driver:
        libpq = self._libpq
        while libpq.is_busy():
            events = select.POLLIN | (select.POLLOUT if libpq.flush() else 0)
            self._poll.modify(libpq.socket, events)
            self._poll.poll()
            libpq.consume_input()
        return libpq.get_result()


def pipeline_of(connection: Connection) -> Pipeline | None:
    """Return the pipeline that is open on a connection."""
    return connection.info.get(_PIPELINE)


def forget_prepared(connection: Connection) -> None:
    """Have the server drop all that was prepared on a connection, which may have been rolled back since.

    After a ROLLBACK the driver drops all of it, ours too, but not before it is asked for something.
    """
    connection.info.pop(_PREPARED, None)
    driver_of(connection).execute("DEALLOCATE ALL")


def driver_of(connection: Connection) -> Any:  # Any: of psycopg or sqlite3, as the case may be
    """Return the connection of the driver."""
    return connection.connection.driver_connection
