"""A statement of SQLAlchemy as the text that a driver takes."""

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import ClauseElement, CompoundSelect, Dialect, Select
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect
from sqlalchemy.sql.compiler import SQLCompiler

from pam_receiver.store.rows import Values

PlainRow = Any  # a named tuple whose fields are the columns of its statement, as SQLAlchemy's own rows
AnyQuery = Select[Any] | CompoundSelect[Any]  # Any: the columns of a table built column by column have no static type

_make_postgres: Callable[..., Dialect] = PGDialect_psycopg  # it has no types
DIALECTS: Final[Mapping[str, Dialect]] = {
    "sqlite": sqlite_dialect(paramstyle="qmark"),
    "postgresql": _make_postgres(paramstyle="format"),
}


class Compiled:
    """The text of a statement; the names of its parameters in their order, their types, and values of its own."""

    def __init__(self, statement: ClauseElement, kind: str) -> None:
        compiled = statement.compile(dialect=DIALECTS[kind])
        assert isinstance(compiled, SQLCompiler)
        self.sql = str(compiled)
        self.names: Sequence[str] = compiled.positiontup or ()
        self.types = {name: parameter.type for name, parameter in compiled.binds.items()}
        self.defaults = {name: value for name, value in compiled.params.items() if value is not None}


def row_maker(statement: AnyQuery) -> Callable[[Sequence[object]], PlainRow]:
    """Return what makes a row of the values of the columns that ``statement`` selects."""
    row: Any = namedtuple("_row", [column.key for column in statement.selected_columns])  # type: ignore[misc]
    made: Callable[[Sequence[object]], PlainRow] = row._make
    return made


def pick(names: Sequence[str]) -> Callable[[Values], Sequence[object]]:
    """Return what takes the values of these names from a row."""
    if len(names) > 1:
        return itemgetter(*names)
    (name,) = names
    return lambda values: (values[name],)
