"""Bring a database to a revision of the tables, with alembic and the files of ``migrations/``.

Everything is built here: no alembic.ini, no logging set-up, no folder that one must stand in. One upgrade is one
transaction, on both databases.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, Engine, text

from pam_receiver.resources import MIGRATIONS
from pam_receiver.store.engine import FileLock, Target, check_revision, open_engine, read_revision, read_url
from pam_receiver.store.errors import (
    Reason,
    SchemaMismatch,
    StoreError,
    StoreSettingError,
    StoreUnavailable,
    translated,
)
from pam_receiver.store.months import make_months_at_leisure
from pam_receiver.store.schema import HEAD, metadata

_ADVISORY_LOCK: Final = 0x50414D52  # "PAMR": one upgrade at a time on a server


@dataclass(frozen=True, slots=True)
class Migration:
    """What an upgrade or a downgrade did. ``copy``: where the SQLite file was copied before, if it held anything."""

    before: str | None
    after: str | None
    copy: Path | None


def head() -> str:
    """Return the newest revision in ``migrations/``."""
    found = ScriptDirectory.from_config(_config()).get_current_head()
    assert found is not None
    return found


def current(url: str) -> str | None:
    """Return the revision that a database is at; ``None`` when it holds no table.

    Raises:
        StoreUnavailable: it is away, or the file does not exist.
        SchemaMismatch: it holds something else than our tables.
    """
    return _current(read_url(url))


def upgrade(url: str, revision: str = "head") -> Migration:
    """Bring a database up to ``revision``; an SQLite file is created when there is none, and copied when there is one.

    Raises:
        StoreUnavailable: the database is away, or a daemon serves this file.
        SchemaMismatch: it is newer than this code, or not ours.
        StoreSettingError: there is no such revision above the current one.
    """
    target = read_url(url)
    with _locked(target):
        return _upgrade(target, revision)


def downgrade(url: str, revision: str) -> Migration:
    """Bring a database down to ``revision`` (``base``: no table at all); what the tables above held is lost.

    An SQLite file is copied before. Raises as :func:`upgrade` does.
    """
    target = read_url(url)
    with _locked(target):
        before = _current_known(target)
        copy = _copy_before(target, revision) if before is not None else None
        _run(target, revision, is_up=False)
        return Migration(before, _current(target), copy)


def prepare_for_serving(url: str) -> Migration | None:
    """Make sure that the daemon can use a database: an SQLite file is created or upgraded, a server's must be ready.

    Return what was done, ``None`` when nothing had to be.

    Raises:
        StoreUnavailable: the database is away, or another daemon serves this file.
        SchemaMismatch: a server's database is behind, or any database is newer than this code or not ours.
    """
    target = read_url(url)
    if target.path is None:
        with _engine(target, read_only=True) as engine, engine.begin() as connection:
            check_revision(connection, target.name)
        return None
    with _locked(target):
        _create_file(target, target.path)
        return _upgrade(target, "head") if _current(target) != HEAD else None


def _upgrade(target: Target, revision: str) -> Migration:
    if target.path is not None:
        _create_file(target, target.path)
    before = _current_known(target)
    is_behind = before is not None and before != HEAD
    copy = _copy_before(target, head() if revision == "head" else revision) if is_behind else None
    _run(target, revision, is_up=True)
    return Migration(before, _current(target), copy)


def _run(target: Target, revision: str, *, is_up: bool) -> None:
    with _engine(target) as engine, _committed(engine).connect() as connection, _without_keys(connection, target):
        if not target.is_sqlite:
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text("SET LOCAL lock_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        step = command.upgrade if is_up else command.downgrade
        try:
            step(_config(connection), revision)
        except CommandError:
            raise _no_such_revision(revision) from None
        if is_up and not target.is_sqlite and read_revision(connection, target.name) == HEAD:
            make_months_at_leisure(connection, datetime.now(UTC))


@contextmanager
def _without_keys(connection: Connection, target: Target) -> Iterator[None]:
    """Open the transaction; on SQLite with foreign keys asked for at its end only, for a table may be written anew."""
    if not target.is_sqlite:
        with connection.begin():
            yield
        return
    connection.connection.driver_connection.execute("PRAGMA foreign_keys=OFF").close()  # type: ignore[union-attr]
    with connection.begin():
        yield
        if connection.exec_driver_sql("PRAGMA foreign_key_check").first() is not None:
            raise StoreError(target.name, cause="foreign_key_check")


def _committed(engine: Engine) -> Engine:
    """Return ``engine`` such that, on a server, who waited for the lock sees what the other one did."""
    if engine.dialect.name == "sqlite":
        return engine
    return engine.execution_options(isolation_level="READ COMMITTED")


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    config.attributes["metadata"] = metadata
    return config


def _no_such_revision(revision: str) -> StoreSettingError:
    return StoreSettingError(
        revision,
        fr=f"La révision {revision} n'existe pas, ou n'est pas de ce côté de la révision actuelle.",
        en=f"There is no revision {revision}, or it does not lie on this side of the current one.",
    )


@contextmanager
def _engine(target: Target, *, read_only: bool = False) -> Iterator[Engine]:
    engine = open_engine(target, read_only=read_only)
    try:
        with translated(target.name):
            yield engine
    finally:
        engine.dispose()


def _current(target: Target) -> str | None:
    # read-only: the file of another program stays as it is
    with _engine(target, read_only=True) as engine, engine.begin() as connection:
        return read_revision(connection, target.name)


def _current_known(target: Target) -> str | None:
    """Return the current revision, once sure that it is one of ours."""
    found = _current(target)
    if found is not None and found > HEAD:
        raise SchemaMismatch(target.name, current=found, expected=HEAD, is_newer=True)
    return found


# ------------------------------------------------------------------------------------------------------- SQLite files


@contextmanager
def _locked(target: Target) -> Iterator[None]:
    """Keep daemons away from an SQLite file meanwhile; a server's database is locked by :func:`_run`."""
    if not target.is_sqlite:
        yield
        return
    with closing(FileLock(target)):
        yield


def _create_file(target: Target, path: Path) -> None:
    """Create an empty file that only its owner can read, unless there is one."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return
    except OSError as error:
        raise StoreUnavailable(target.name, Reason.READ_ONLY, cause=type(error).__name__) from None


def _copy_before(target: Target, revision: str) -> Path | None:
    """Copy an SQLite file beside itself before its tables change; return where."""
    if target.path is None:
        return None
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    name = "downgrade" if revision.startswith("-") else revision  # a step back has no name of its own
    copy = target.path.with_name(f"{target.path.name}.before-{name}-{stamp}")
    _create_file(target, copy)
    with closing(sqlite3.connect(target.path)) as source, closing(sqlite3.connect(copy)) as sink:
        source.backup(sink)
    return copy
