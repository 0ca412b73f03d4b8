"""A driver's error becomes one of ours, without the driver's words."""

import sqlite3

import psycopg
import pytest
from psycopg import errors as pg
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from pam_receiver.errors import PamReceiverError
from pam_receiver.store.errors import (
    Reason,
    SchemaMismatch,
    StoreConflict,
    StoreError,
    StoreSettingError,
    StoreUnavailable,
    read_driver_error,
    translated,
)

NAME = "sqlite:///a.db"


def sqlite_error(name: str) -> sqlite3.Error:
    error = sqlite3.OperationalError("secret words")
    error.sqlite_errorcode = getattr(sqlite3, name)
    error.sqlite_errorname = name
    return error


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("SQLITE_BUSY", Reason.LOCKED),
        ("SQLITE_BUSY_SNAPSHOT", Reason.LOCKED),
        ("SQLITE_READONLY", Reason.READ_ONLY),
        ("SQLITE_READONLY_DBMOVED", Reason.READ_ONLY),
        ("SQLITE_FULL", Reason.FULL),
        ("SQLITE_CANTOPEN", Reason.MISSING),
        ("SQLITE_IOERR_FSYNC", Reason.AWAY),
        ("SQLITE_CORRUPT", Reason.DAMAGED),
    ],
)
def test_sqlite_that_cannot_be_used_now(name: str, reason: Reason) -> None:
    error = read_driver_error(sqlite_error(name), NAME)
    assert isinstance(error, StoreUnavailable)
    assert (error.reason, error.cause) == (reason, name)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (pg.LockNotAvailable, Reason.LOCKED),
        (pg.QueryCanceled, Reason.LOCKED),
        (pg.DiskFull, Reason.FULL),
        (pg.TooManyConnections, Reason.AWAY),
        (pg.AdminShutdown, Reason.AWAY),
        (pg.CannotConnectNow, Reason.AWAY),
        (pg.ConnectionFailure, Reason.AWAY),
        (pg.IoError, Reason.AWAY),
        (pg.IdleInTransactionSessionTimeout, Reason.AWAY),
        (pg.ReadOnlySqlTransaction, Reason.READ_ONLY),
        (pg.InvalidPassword, Reason.NO_ACCESS),
        (pg.InsufficientPrivilege, Reason.NO_ACCESS),
        (pg.InvalidCatalogName, Reason.NO_ACCESS),
        (pg.DataCorrupted, Reason.DAMAGED),
        (psycopg.OperationalError, Reason.AWAY),
        (psycopg.InterfaceError, Reason.AWAY),
    ],
)
def test_a_server_that_cannot_be_used_now(error: type[psycopg.Error], reason: Reason) -> None:
    found = read_driver_error(error("secret words"), NAME)
    assert isinstance(found, StoreUnavailable)
    assert found.reason is reason


@pytest.mark.parametrize(
    "error",
    [
        sqlite_error("SQLITE_CONSTRAINT_UNIQUE"),
        sqlite_error("SQLITE_CONSTRAINT_PRIMARYKEY"),
        pg.UniqueViolation("secret words"),
        pg.SerializationFailure("secret words"),
        pg.DeadlockDetected("secret words"),
    ],
)
def test_another_writer_was_faster(error: Exception) -> None:
    assert type(read_driver_error(error, NAME)) is StoreConflict


@pytest.mark.parametrize(
    "error",
    [
        sqlite_error("SQLITE_CONSTRAINT_FOREIGNKEY"),
        sqlite_error("SQLITE_TOOBIG"),
        sqlite_error("SQLITE_ERROR"),
        sqlite3.InterfaceError("secret words"),
        pg.ForeignKeyViolation("secret words"),
        pg.ProgramLimitExceeded("secret words"),
        pg.UndefinedTable("secret words"),
        psycopg.DataError("secret words"),
        ValueError("secret words"),
        None,
    ],
)
def test_anything_else_is_refused_for_good(error: Exception | None) -> None:
    assert type(read_driver_error(error, NAME)) is StoreError


def test_a_file_that_is_no_database_is_foreign() -> None:
    error = read_driver_error(sqlite_error("SQLITE_NOTADB"), NAME)
    assert isinstance(error, SchemaMismatch)
    assert error.is_foreign


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (DBAPIError("SELECT 1", {"a": "secret words"}, sqlite_error("SQLITE_BUSY")), StoreUnavailable),
        (PoolTimeout("secret words"), StoreUnavailable),
        (ArgumentError("secret words"), StoreError),
        (sqlite_error("SQLITE_FULL"), StoreUnavailable),
        (pg.UniqueViolation("secret words"), StoreConflict),
    ],
)
def test_nothing_of_the_driver_leaves_the_store(raised: Exception, expected: type[StoreError]) -> None:
    with pytest.raises(expected) as caught, translated(NAME):
        raise raised
    assert type(caught.value) is expected
    assert caught.value.__suppress_context__
    assert "secret" not in f"{caught.value} {caught.value!r} {caught.value.text('fr')}"


def test_other_errors_pass() -> None:
    with pytest.raises(KeyError), translated(NAME):
        raise KeyError


ALL = [
    StoreError(NAME, cause="TooBig"),
    StoreError(NAME),
    StoreConflict(NAME),
    StoreSettingError("x", fr="Écrivez autre chose.", en="Write something else."),
    *(StoreUnavailable(NAME, reason) for reason in Reason),
    SchemaMismatch(NAME, current=None, expected="0002"),
    SchemaMismatch(NAME, current="0001", expected="0002"),
    SchemaMismatch(NAME, current="0003", expected="0002", is_newer=True),
    SchemaMismatch(NAME, current=None, expected="0002", is_foreign=True),
]


@pytest.mark.parametrize("error", ALL, ids=lambda error: type(error).__name__)
def test_each_has_a_sentence_in_both_languages(error: StoreError) -> None:
    assert isinstance(error, PamReceiverError)
    assert error.text("fr") != error.text("en") == str(error)
    assert all(error.text(lang).endswith(".") and "{" not in error.text(lang) for lang in ("fr", "en"))


@pytest.mark.parametrize("current", [None, "0001"])
def test_a_database_that_is_behind_names_the_command(current: str | None) -> None:
    error = SchemaMismatch(NAME, current=current, expected="0002")
    assert all("`pam-receiver db upgrade`" in error.text(lang) for lang in ("fr", "en"))
