"""Statements made once by SQLAlchemy and given to the driver as they are: the way of a message runs them a thousand
times a second, and SQLAlchemy's own way from a statement to its rows takes longer than the database.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial
from typing import Any

from sqlalchemy import JSON, Connection, Delete, Dialect, Insert, Update
from sqlalchemy.exc import StatementError
from sqlalchemy.types import TypeEngine

from pam_receiver.store.binary import binary_select, binary_write
from pam_receiver.store.compiled import DIALECTS, AnyQuery, Compiled, PlainRow, pick, row_maker
from pam_receiver.store.json_text import to_json_text
from pam_receiver.store.pipeline import Answer, Pipeline, pipeline_of
from pam_receiver.store.rows import Values
from pam_receiver.store.schema import UtcTime

_Process = Callable[[Any], Any]  # Any: what a type of SQLAlchemy makes of a value for a driver, or the other way round


def cursor_of(connection: Connection) -> Any:  # Any: a DBAPI cursor has no type
    """Return a new cursor of the driver, inside the transaction of ``connection``."""
    return connection.connection.cursor()


class PreparedSelect:
    """A SELECT for one kind of database. Its parameters are those of its ``bindparam``."""

    def __init__(self, statement: AnyQuery, kind: str) -> None:
        compiled, dialect = Compiled(statement, kind), DIALECTS[kind]
        self._sql, self._names, self._defaults = compiled.sql, compiled.names, compiled.defaults
        self._row = row_maker(statement)
        reads = [(n, _reader(column.type, dialect)) for n, column in enumerate(statement.selected_columns)]
        self._reads = [(n, read) for n, read in reads if read is not None]

    def run(self, cursor: Any, parameters: Mapping[str, object]) -> list[PlainRow]:
        """Return the rows that it selects."""
        given = {**self._defaults, **parameters}
        cursor.execute(self._sql, [given[name] for name in self._names])
        found: list[Any] = cursor.fetchall()
        make, reads = self._row, self._reads
        if not reads:
            return [make(row) for row in found]
        made = []
        for row in found:
            values = list(row)
            for n, read in reads:
                values[n] = read(values[n])
            made.append(make(values))
        return made


class PreparedWrite:
    """An INSERT, UPDATE or DELETE for one kind of database, run for any number of rows."""

    def __init__(self, statement: Insert | Update | Delete, kind: str) -> None:
        compiled, dialect = Compiled(statement, kind), DIALECTS[kind]
        self._sql = compiled.sql
        self._pick = pick(compiled.names)
        writes = [(n, _writer(compiled.types[name], dialect)) for n, name in enumerate(compiled.names)]
        self._writes = [(n, write) for n, write in writes if write is not None]

    def run(self, cursor: Any, rows: Iterable[Values]) -> None:
        """Write ``rows``: the values of each, by the names of the columns and of the ``bindparam``.

        Raises:
            StatementError: a value that its column cannot hold.
        """
        pick, writes = self._pick, self._writes
        made = []
        try:
            for values in rows:
                row = list(pick(values))
                for n, write in writes:
                    row[n] = write(row[n])
                made.append(row)
        except ValueError as error:
            raise StatementError(type(error).__name__, None, None, error) from error
        cursor.executemany(self._sql, made)


def fetch(connection: Connection, statement: AnyQuery, parameters: Mapping[str, object]) -> list[PlainRow]:
    """Return the rows of a statement that this module keeps compiled. To be made once: it is kept for ever."""
    (rows,) = fetch_all(connection, (statement, parameters))
    return rows


def fetch_all(connection: Connection, *asked: tuple[AnyQuery, Mapping[str, object] | None]) -> list[list[PlainRow]]:
    """Return the rows of several statements, as :func:`fetch` does; in a pipeline they take one round trip.

    One without parameters, ``None``, is not asked for and finds nothing.
    """
    pipeline = pipeline_of(connection)
    if pipeline is not None:
        return _fetch_from(pipeline, asked)
    kind, found = connection.dialect.name, []
    for statement, parameters in asked:
        rows: list[PlainRow] = []
        if parameters is not None:
            rows = prepared_select(statement, kind).run(cursor_of(connection), parameters)
        found.append(rows)
    return found


def _fetch_from(
    pipeline: Pipeline, asked: Iterable[tuple[AnyQuery, Mapping[str, object] | None]]
) -> list[list[PlainRow]]:
    selects = [(binary_select(statement), parameters) for statement, parameters in asked]
    sent = [
        (select, select.send(pipeline, parameters) if parameters is not None else None)
        for select, parameters in selects
    ]
    return [select.rows(pipeline.wait_for(answer)) if answer is not None else [] for select, answer in sent]


class Written:
    """What was written, once it is done."""

    __slots__ = ("_answers", "_cursor")

    def __init__(self, *, answers: Sequence[Answer] = (), cursor: Any = None) -> None:
        self._answers, self._cursor = answers, cursor

    @property
    def count(self) -> int:
        """How many rows; in a pipeline, after it has been settled."""
        if self._cursor is not None:
            rows: int = self._cursor.rowcount
            return rows
        return sum([answer.count for answer in self._answers])


def write_all(connection: Connection, statement: Insert | Update | Delete, rows: Sequence[Values]) -> Written:
    """Write ``rows``: the values of each, by the names of the columns and of the ``bindparam``.

    Raises:
        StatementError: a value that its column cannot hold.
    """
    pipeline = pipeline_of(connection)
    if pipeline is not None:
        return Written(answers=binary_write(statement).send(pipeline, rows))
    cursor = cursor_of(connection)
    prepared_write(statement, connection.dialect.name).run(cursor, rows)
    return Written(cursor=cursor)


@cache
def prepared_select(statement: AnyQuery, kind: str) -> PreparedSelect:
    """Return a statement compiled for ``kind`` (``sqlite``, ``postgresql``)."""
    return PreparedSelect(statement, kind)


@cache
def prepared_write(statement: Insert | Update | Delete, kind: str) -> PreparedWrite:
    """Return a statement compiled for ``kind`` (``sqlite``, ``postgresql``)."""
    return PreparedWrite(statement, kind)


def _writer(type_: TypeEngine[Any], dialect: Dialect) -> _Process | None:
    if isinstance(type_, JSON):  # the text goes in as it is, and the statement says what it is
        return to_json_text
    if isinstance(type_, UtcTime):
        return _once_in_a_row(partial(type_.process_bind_param, dialect=dialect))
    return type_.dialect_impl(dialect).bind_processor(dialect)


def _once_in_a_row(write: _Process) -> _Process:
    """Return ``write`` that answers at once when it is asked for the same object again: rows of a batch share times."""
    last: Any = None
    written: Any = write(None)

    def write_once(value: Any) -> Any:
        nonlocal last, written
        if value is not last:
            written = write(value)
            last = value
        return written

    return write_once


def _reader(type_: TypeEngine[Any], dialect: Dialect) -> _Process | None:
    return type_.dialect_impl(dialect).result_processor(dialect, None)
