"""Databases for the tests: an SQLite file and, when a server answers, a PostgreSQL database made for this run."""

import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from pam_receiver.store import Store, migrate
from pam_receiver.store.schema import metadata

SERVER = os.environ.get("PAM_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres")
NOT_FOUND = "PostgreSQL not found: set PAM_TEST_POSTGRES=postgresql://user@host/db (Debian: apt install postgresql)"
EMPTY_TABLES = f"TRUNCATE {', '.join(metadata.tables)} RESTART IDENTITY"


@dataclass(frozen=True, slots=True)
class PostgresRun:
    """Two databases of this run: one with the tables at head, one for tests of migrations."""

    migrated: str
    bare: str


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("template") / "head.db"
    migrate.upgrade(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def postgres_run() -> Iterator[PostgresRun]:
    try:
        admin = psycopg.connect(SERVER, autocommit=True, connect_timeout=3)
    except psycopg.OperationalError:
        pytest.skip(NOT_FOUND)
    run = f"pam_test_{secrets.token_hex(4)}"
    names = (run, f"{run}_bare")
    with admin:
        for name in names:
            admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            migrated, bare = (make_url(SERVER).set(database=n).render_as_string(hide_password=False) for n in names)
            migrate.upgrade(migrated)
            yield PostgresRun(migrated, bare)
        finally:
            for name in names:
                admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """An SQLite file at head, without a row."""
    file = tmp_path / "pam-receiver.db"
    shutil.copyfile(sqlite_template, file)
    return f"sqlite:///{file}"


@pytest.fixture
def postgres_url(postgres_run: PostgresRun) -> str:
    """A PostgreSQL database at head, without a row."""
    with psycopg.connect(postgres_run.migrated, autocommit=True) as connection:
        connection.execute("SET lock_timeout = '10s'")
        connection.execute("SET session_replication_role = replica")  # no trigger: audit_event refuses to be emptied
        connection.execute(EMPTY_TABLES)
    return postgres_run.migrated


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A database at head, without a row: the test runs once on each kind."""
    name = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    return str(request.getfixturevalue(name))


@pytest.fixture
def bare_postgres_url(postgres_run: PostgresRun) -> str:
    """A PostgreSQL database without any table."""
    with psycopg.connect(postgres_run.bare, autocommit=True) as connection:
        connection.execute("SET lock_timeout = '10s'")
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    return postgres_run.bare


@pytest.fixture(params=["sqlite", "postgresql"])
def bare_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without any table (no file yet, on SQLite): the test runs once on each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'pam-receiver.db'}"
    return str(request.getfixturevalue("bare_postgres_url"))


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A store open to write, at head, without a row: the test runs once on each kind."""
    opened = Store.open(database_url, lock_timeout_s=1.0)
    yield opened
    opened.close()
