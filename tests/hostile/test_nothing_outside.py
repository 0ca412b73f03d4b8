"""No patient data outside: a real daemon on every log level, its feed broken in every way, its database broken at last.

Looked through: each line of its standard error, each ERR, /metrics and the other answers of HTTP, the table of
processes, and what commands say that fail.
"""

import re
import signal
import socket
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg
import pytest
from faults.daemon import PATIENCE_S, environment, until
from faults.sender import Client
from golden import CONVERSATIONS, adt
from personal import SECRETS, SHIFTED, leaks, without_port

from pam_receiver.hl7.ack import decode_ack
from pam_receiver.hl7.mllp import encode_frame
from pam_receiver.store import migrate

from .conftest import Run

FEED: Final = (*(raw for each in CONVERSATIONS for raw in each.messages), SHIFTED)
GOOD: Final = adt("7000101", "GOOD")
_CHANCE: Final = re.compile(  # what is not of the feed, and may be equal to a value of it by chance
    r'[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d\d-\d\dT[\d:.]+|(?:pid|took_ms|seconds|files)("?[:=] ?)[\d.]+'
)


def found_in(text: str) -> list[str]:
    """The lines that hold a personal value of the feed."""
    return [line for line in text.splitlines() if leaks(_CHANCE.sub("", without_port(line)))]


@dataclass
class Daemon:
    """A daemon whose standard error goes to a file, so that a level that says nothing can be looked at too."""

    process: subprocess.Popen[bytes]
    mllp: tuple[str, int]
    http: tuple[str, int]
    log: Path

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def shown(self) -> str:
        """What the table of processes shows of it."""
        folder = Path(f"/proc/{self.process.pid}")
        words = [(folder / name).read_bytes() for name in ("cmdline", "comm", "environ")]
        names = [task.read_bytes() for task in folder.glob("task/*/comm")]
        return b"\n".join([*words, *names]).replace(b"\0", b"\n").decode()

    def get(self, path: str) -> str:
        try:
            with urllib.request.urlopen(f"http://{self.http[0]}:{self.http[1]}{path}", timeout=PATIENCE_S) as answer:
                return f"{answer.headers}\n{answer.read().decode()}"
        except urllib.error.HTTPError as error:
            with error:
                return f"{error.headers}\n{error.read().decode()}"


@contextmanager
def serving(url: str, folder: Path, level: str, form: str) -> Iterator[Daemon]:
    mllp, http = free_address(), free_address()
    words = ["serve", "--database", url, "--mllp", f"{mllp[0]}:{mllp[1]}", "--http", f"{http[0]}:{http[1]}"]
    log = folder / "daemon.log"
    settings = environment(environment="test", log_level=level, log_format=form, max_block_bytes=1 << 16)
    with log.open("wb") as out:
        command = [sys.executable, "-m", "pam_receiver", *words]
        process = subprocess.Popen(command, stderr=out, stdout=out, env=settings, cwd=folder)
    try:
        until(lambda: is_open(mllp) and is_open(http), "the daemon to listen")
        yield Daemon(process, mllp, http, log)
    finally:
        process.kill()
        process.wait(PATIENCE_S)


def free_address() -> tuple[str, int]:
    """An address that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return "127.0.0.1", int(server.getsockname()[1])


def is_open(address: tuple[str, int]) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(address) == 0


def send_everything(daemon: Daemon) -> list[bytes]:
    """Send the feed, then what breaks a connection in every way; return the answers."""
    with Client(daemon.mllp) as client:
        client.send(FEED)
        acks = list(client.read_acks(len(FEED)))
    for broken in (
        b"\x0b" + GOOD + b"KERGUELEN" * 10_000,  # beyond the limit
        b"\x0b" + GOOD[:200] + encode_frame(GOOD),  # a block lost in another
        b"KERGUELEN ANNE 19590123\r" * 100 + encode_frame(GOOD),  # rubbish between blocks
        encode_frame(GOOD.replace(b"UNICODE UTF-8", b"KERGUELEN")),
        encode_frame(GOOD.replace(b"SOLENE", b"SOL\xc9NE")),
        encode_frame(b"KERGUELEN|ANNE"),
    ):
        with Client(daemon.mllp) as client:
            client.send_bytes(broken)
            client.read()
            acks += client.acks
    with Client(daemon.mllp) as client:
        client.send_bytes(b"\x0b" + GOOD[:300])
        client.reset()
    return acks


def errors_of(acks: Sequence[bytes]) -> str:
    segments = [segment for ack in acks for segment in ack.decode("utf-8", "replace").split("\r")]
    return "\n".join(segment for segment in segments if segment.startswith("ERR|"))


class TestDaemon:
    """Whatever the level and the form of the log, and whatever is sent."""

    @pytest.mark.parametrize(
        ("level", "form"),
        [("debug", "json"), ("debug", "text"), ("info", "json"), ("warning", "text"), ("error", "json")],
    )
    def test_nothing_of_the_feed_leaves_it(self, sqlite_url: str, tmp_path: Path, level: str, form: str) -> None:
        with serving(sqlite_url, tmp_path, level, form) as daemon:
            acks = send_everything(daemon)
            answers = [
                daemon.get(path) for path in ("/metrics", "/livez", "/readyz", "/KERGUELEN", "/metrics?KERGUELEN")
            ]
            shown = daemon.shown()
            daemon.process.send_signal(signal.SIGTERM)
            assert daemon.process.wait(PATIENCE_S) == 0
        assert len(SECRETS) > 100
        assert len(acks) >= len(FEED) + 3
        assert found_in(errors_of(acks)) == []
        assert "pam_receiver_messages_total" in answers[0]
        samples = [line.rsplit(" ", 1)[0] for line in "\n".join(answers).splitlines() if line]
        assert found_in("\n".join(samples)) == []
        assert "serve" in shown
        assert found_in(shown) == []
        lines = daemon.said().splitlines()
        assert found_in(daemon.said()) == []
        assert "Traceback" not in daemon.said()
        if level == "debug":
            assert len(lines) > len(FEED)
        elif level == "info":  # those that were refused
            assert len(lines) > sum(b"|AA|" not in ack for ack in acks) > 0

    def test_nothing_of_it_when_the_database_breaks_under_it(self, bare_url: str, tmp_path: Path, run: Run) -> None:
        """The driver's own errors quote the statement with its values."""
        migrate.upgrade(bare_url)
        with serving(bare_url, tmp_path, "debug", "json") as daemon:
            with Client(daemon.mllp) as client:
                client.send([GOOD])
                assert decode_ack(client.read_acks(1)[0]).code == "AA"
            drop_a_table(bare_url)
            with Client(daemon.mllp) as client:
                client.send([adt("7000102", "BROKEN"), adt("7000103", "BROKEN-2")])
                acks = client.read_end() if not client.read() else client.acks
            metrics = daemon.get("/metrics")
            daemon.process.send_signal(signal.SIGTERM)
            daemon.process.wait(PATIENCE_S)
        assert not any(decode_ack(ack).is_accepted for ack in acks)
        assert found_in(errors_of(acks)) == []
        assert '"level": "ERROR"' in daemon.said()
        assert found_in(daemon.said()) == []
        assert "Traceback" not in daemon.said()
        assert found_in("\n".join(line.rsplit(" ", 1)[0] for line in metrics.splitlines())) == []
        for words in (("show", "HOST000"), ("history", "HOST000"), ("messages",), ("rebuild", "--verify"), ("alerts",)):
            told = run(*words, "--database", bare_url)
            assert "Traceback" not in told.out + told.err
            assert found_in(told.err) == []


def drop_a_table(url: str) -> None:
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=PATIENCE_S)) as connection:
            connection.execute("DROP TABLE identity_version")
            connection.commit()
        return
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP TABLE identity_version CASCADE")


class TestCommands:
    """A command that fails says why, and quotes nothing of a message. (What was typed may be repeated.)"""

    @pytest.fixture
    def feed(self, tmp_path: Path) -> Path:
        file = tmp_path / "feed.hl7"
        file.write_bytes(b"".join(encode_frame(raw) for raw in FEED) + b"\x0b" + GOOD[:250])
        return file

    def test_check_of_a_feed_with_everything_wrong(self, run: Run, feed: Path) -> None:
        told = run("check", feed)
        assert told.code == 2  # some of it cannot be read
        assert len(told.out.splitlines()) > len(FEED)
        assert found_in(told.err) == []
        assert "Traceback" not in told.out + told.err

    def test_send_to_nobody(self, run: Run, feed: Path) -> None:
        host, port = free_address()
        told = run("send", feed, "--to", f"{host}:{port}")
        assert told.code != 0
        assert found_in(told.out + told.err) == []
        assert "Traceback" not in told.out + told.err

    @pytest.mark.parametrize(
        "words",
        [("show", "HOST000"), ("messages",), ("message", "0"), ("audit", "verify"), ("replay",), ("db", "current")],
    )
    def test_on_a_file_that_is_no_database(self, run: Run, tmp_path: Path, words: tuple[str, ...]) -> None:
        file = tmp_path / "broken.db"
        file.write_bytes(GOOD * 50)
        told = run(*words, "--database", f"sqlite:///{file}")
        assert told.code != 0
        assert told.err
        assert found_in(told.out + told.err) == []
        assert "Traceback" not in told.out + told.err
