"""Statements for a :class:`~pam_receiver.store.pipeline.Pipeline`: their values in PostgreSQL's binary format.

A batch of several rows goes into a table by one statement, in an array for each column: the server takes longer to
begin a statement than to write a row. Text goes in by its length, so that what it cannot hold is refused, not cut.
Spec: PostgreSQL, protocol 3.0, format code 1; the forms are those of the ``..._send`` and ``..._recv`` functions.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import chain
from struct import Struct
from struct import error as StructError
from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import ARRAY, JSON, BigInteger, Boolean, Delete, Insert, Integer, LargeBinary, Text, Update
from sqlalchemy.exc import StatementError
from sqlalchemy.types import TypeEngine

from pam_receiver.store.compiled import AnyQuery, Compiled, PlainRow, pick, row_maker
from pam_receiver.store.json_text import to_json_text
from pam_receiver.store.pipeline import Answer, Pipeline
from pam_receiver.store.rows import Values
from pam_receiver.store.schema import UtcTime

_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_US: Final = timedelta(microseconds=1)
_INT, _LONG, _HEAD = Struct("!i"), Struct("!q"), Struct("!iiIii")
TRUE: Final = b"\1"
_TEXT_OID, _LONG_OID = 25, 20  # as in pg_type
_NULL: Final = b"\xff\xff\xff\xff"  # the length of a null in an array

_Write = Callable[[Any], bytes]  # Any: what a column of its type takes
_Read = Callable[[bytes], Any]


def _write_time(value: datetime) -> bytes:
    if value.tzinfo is None:
        raise ValueError("a time without offset cannot be stored")
    return _LONG.pack((value - _EPOCH) // _US)


def _write_json(value: object) -> bytes:
    return to_json_text(value).encode()


def _write_texts(values: Sequence[str]) -> bytes:
    return _array(_TEXT_OID, [value.encode() for value in values])


def write_locks(locks: Collection[int]) -> bytes:
    """Return numbers as an array of ``bigint``, in their order."""
    return _array(_LONG_OID, [_LONG.pack(each) for each in sorted(locks)])


def _array(oid: int, values: Sequence[bytes | None]) -> bytes:
    """Return an array of one dimension that begins at 1."""
    parts: Iterable[bytes]
    if None in values:
        parts = [_NULL if value is None else _INT.pack(len(value)) + value for value in values]
    else:
        parts = chain.from_iterable(zip(map(_INT.pack, map(len, values)), values, strict=True))  # type: ignore[arg-type]
    return _HEAD.pack(1, None in values, oid, len(values), 1) + b"".join(parts)


def _read_integer(value: bytes) -> int:
    return int.from_bytes(value, "big", signed=True)


def _read_time(value: bytes) -> datetime:
    return _EPOCH + _read_integer(value) * _US


class _Type(NamedTuple):
    """A type of a column: its name, its number in ``pg_type``, and between Python and its binary format."""

    name: str
    oid: int
    write: _Write
    read: _Read


_TYPES: Final[Mapping[type[TypeEngine[Any]], _Type]] = {  # the first that fits counts
    UtcTime: _Type("timestamptz", 1184, _write_time, _read_time),
    JSON: _Type("json", 114, _write_json, orjson.loads),
    ARRAY: _Type("text[]", 1009, _write_texts, bytes),  # of texts: there is no other
    BigInteger: _Type("bigint", _LONG_OID, _LONG.pack, _read_integer),
    Integer: _Type("integer", 23, _INT.pack, _read_integer),
    Boolean: _Type("boolean", 16, {True: TRUE, False: b"\0"}.__getitem__, TRUE.__eq__),
    LargeBinary: _Type("bytea", 17, bytes, bytes),
    Text: _Type("text", _TEXT_OID, str.encode, bytes.decode),
}


def _type_of(type_: TypeEngine[Any]) -> _Type:
    return next(found for kind, found in _TYPES.items() if isinstance(type_, kind))


class BinarySelect:
    """A SELECT. Its parameters are those of its ``bindparam``."""

    def __init__(self, statement: AnyQuery) -> None:
        compiled = Compiled(statement, "postgresql")
        self._sql = _numbered(compiled.sql)
        self._defaults = compiled.defaults
        self._writes = [(name, _type_of(compiled.types[name]).write) for name in compiled.names]
        self._row = row_maker(statement)
        self._reads = [_type_of(column.type).read for column in statement.selected_columns]

    def send(self, pipeline: Pipeline, parameters: Mapping[str, object]) -> Answer:
        """Have it run; the rows come later."""
        given = {**self._defaults, **parameters}
        return pipeline.send(self._sql, [write(given[name]) for name, write in self._writes])

    def rows(self, answer: Answer) -> list[PlainRow]:
        """Return the rows of an answer that has come."""
        make, reads = self._row, self._reads
        return [
            make([None if value is None else read(value) for read, value in zip(reads, row, strict=True)])
            for row in answer.rows
        ]


class BinaryWrite:
    """An INSERT, UPDATE or DELETE, run for any number of rows."""

    def __init__(self, statement: Insert | Update | Delete) -> None:
        compiled = Compiled(statement, "postgresql")
        self._sql = _numbered(compiled.sql)
        self._pick = pick(compiled.names)
        types = [_type_of(compiled.types[name]) for name in compiled.names]
        self._writes = [each.write for each in types]
        self._oids = [each.oid for each in types]
        self._sql_of_many = b""
        if isinstance(statement, Insert):
            head, _, values = compiled.sql.partition(" VALUES (")
            arrays = ", ".join(f"${n}::{each.name}[]" for n, each in enumerate(types, 1))
            tail = values.rpartition(")")[2]
            made = f"{head} SELECT * FROM unnest({arrays}){tail}"  # noqa: S608 - names of ours, no value  # nosec B608
            self._sql_of_many = made.encode()

    def send(self, pipeline: Pipeline, rows: Sequence[Values]) -> list[Answer]:
        """Write ``rows``: the values of each, by the names of the columns and of the ``bindparam``.

        Raises:
            StatementError: a value that its column cannot hold.
        """
        try:
            given = zip(*map(self._pick, rows), strict=True)
            columns = [_written(write, values) for write, values in zip(self._writes, given, strict=True)]
        except (ValueError, StructError) as error:
            raise StatementError(type(error).__name__, None, None, error) from error
        if len(rows) > 1 and self._sql_of_many:
            arrays = [_array(oid, values) for oid, values in zip(self._oids, columns, strict=True)]
            return [pipeline.send(self._sql_of_many, arrays)]
        return [pipeline.send(self._sql, row) for row in zip(*columns, strict=True)]


def _written(write: _Write, values: Sequence[Any]) -> list[bytes | None]:
    if None in values and write is not _write_json:  # where None is the null of JSON
        return [None if value is None else write(value) for value in values]
    return list(map(write, values))


def _numbered(sql: str) -> bytes:
    first, *others = sql.split("%s")
    return "".join([first, *(f"${n}{part}" for n, part in enumerate(others, 1))]).encode()


@cache
def binary_select(statement: AnyQuery) -> BinarySelect:
    """Return a statement, to be made once: it is kept for ever."""
    return BinarySelect(statement)


@cache
def binary_write(statement: Insert | Update | Delete) -> BinaryWrite:
    """Return a statement, to be made once: it is kept for ever."""
    return BinaryWrite(statement)
