"""A real daemon that has taken the hostile values, and the commands run in this process on what it kept."""

import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from faults.daemon import Daemon
from faults.sender import Client
from hostile_values import VALUES, message
from psycopg import sql

from pam_receiver.cli import main
from pam_receiver.store.schema import metadata


@dataclass(frozen=True)
class Result:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


Run = Callable[..., Result]


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Run:
    """Run a command in this process, in English, without any setting and in a folder of its own."""
    for name in list(os.environ):
        if name.startswith(("PAM_RECEIVER_", "LC_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LANG", "en_GB.UTF-8")
    monkeypatch.chdir(tmp_path_factory.mktemp("here"))

    def go(*words: object, stdin: bytes | None = None) -> Result:
        if stdin is not None:
            monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as end:
            main([str(word) for word in words])
        captured = capsys.readouterr()
        return Result(int(end.value.code or 0), captured.out, captured.err)

    return go


@dataclass(frozen=True)
class Taken:
    """What a daemon made of the hostile values: where it kept them, and its answers in the order of ``VALUES``."""

    url: str
    acks: tuple[bytes, ...]
    folder: Path


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def taken(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Taken:
    """Each hostile value, taken by a daemon of its own on each kind of database."""
    folder = tmp_path_factory.mktemp("hostile")
    if request.param == "sqlite":
        file = folder / "pam-receiver.db"
        file.write_bytes(request.getfixturevalue("sqlite_template").read_bytes())
        url = f"sqlite:///{file}"
    else:
        url = request.getfixturevalue("postgres_run").migrated
        _empty(url)
    with Daemon(url, environment="test") as daemon, Client(daemon.address) as client:
        client.send([message(number, each) for number, each in enumerate(VALUES)])
        acks = tuple(client.read_acks(len(VALUES)))
        assert daemon.stop() == 0
    return Taken(url, acks, folder)


def _empty(url: str) -> None:
    tables = sql.SQL(", ").join(map(sql.Identifier, metadata.tables))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET lock_timeout = '10s'")
        connection.execute("SET session_replication_role = replica")  # no trigger: audit_event refuses to be emptied
        connection.execute(sql.SQL("TRUNCATE {} RESTART IDENTITY").format(tables))
