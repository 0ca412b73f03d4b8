"""Faults of the world against the real daemon: killed, locked out, without room. What was answered AA is never lost."""

import json
import os
import random
import select
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final

import psycopg
import pytest
from golden import PEER, adt, make_receiver

from pam_receiver.config import load_settings
from pam_receiver.hl7.ack import decode_ack
from pam_receiver.hl7.mllp import FrameDecoder, encode_frame
from pam_receiver.receive import Incoming
from pam_receiver.store import Store, queries

ROOT: Final = Path(__file__).parent.parent
PATIENCE_S: Final = 20.0  # a busy machine; what takes longer has failed
PAIRS: Final = 20  # identities between two kills


def environment(**settings: object) -> dict[str, str]:
    """The environment of a child: ours without settings of pam-receiver, with these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PAM_RECEIVER_")}
    asked = {f"PAM_RECEIVER_{name.upper()}": str(value) for name, value in settings.items()}
    return {**kept, **asked, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}


class Daemon:
    """``pam-receiver serve`` in a process of its own, until it is stopped or killed."""

    def __init__(self, url: str, *, most_file_bytes: int | None = None, **settings: object) -> None:
        command = ["serve", "--database", url, "--mllp", "127.0.0.1:0", "--http", "127.0.0.1:0"]
        self.process = subprocess.Popen(
            [sys.executable, "-c", START, str(most_file_bytes), *command, "--log-format", "json", "--lang", "en"],
            stderr=subprocess.PIPE,
            env=environment(**settings),
        )
        self.lines: list[dict[str, object]] = []
        self._is_ready = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._is_ready.wait(PATIENCE_S):
            self.kill()
            pytest.fail(f"the daemon was not ready within {PATIENCE_S} s")
        ready = next((line for line in self.lines if line["log"] == "serve.ready"), None)
        assert ready is not None, "the daemon ended before it was ready"
        host, port = str(ready["mllp"]).rsplit(":", 1)
        self.address = (host, int(port))

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(json.loads(line))
            if self.lines[-1]["log"] == "serve.ready":
                self._is_ready.set()
        self._is_ready.set()

    def __enter__(self) -> "Daemon":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()

    def kill(self) -> None:
        """End it as a power cut would: SIGKILL."""
        self.process.kill()
        self._close()

    def stop(self) -> int:
        """End it with SIGTERM; return its exit code."""
        self.process.terminate()
        code = self.process.wait(PATIENCE_S)
        self._close()
        return code

    def _close(self) -> None:
        self.process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        assert self.process.stderr is not None
        self.process.stderr.close()


START: Final = """
import resource, runpy, sys
most_file_bytes = sys.argv.pop(1)
if most_file_bytes != "None":  # what a full disk looks like: no file of this process grows beyond it
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(most_file_bytes),) * 2)
runpy.run_module("pam_receiver", run_name="__main__", alter_sys=True)
"""


class Client:
    """A sender that keeps one connection, and pipelines."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._socket = socket.create_connection(address, PATIENCE_S)
        self._decoder = FrameDecoder()
        self.acks: list[bytes] = []

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, messages: Sequence[bytes]) -> None:
        self._socket.sendall(b"".join(encode_frame(raw) for raw in messages))

    def read(self, most_bytes: int = 1 << 16) -> bool:
        """Take what comes next; return whether the other side is still there."""
        try:
            data = self._socket.recv(most_bytes)
        except ConnectionError:
            return False
        self.acks += self._decoder.feed(data)
        return bool(data)

    def read_acks(self, count: int) -> list[bytes]:
        """Wait until ``count`` answers have come in all."""
        while len(self.acks) < count:
            assert self.read(), f"closed after {len(self.acks)} of {count} answers"
        return self.acks

    def read_end(self) -> list[bytes]:
        """Take all that comes until the other side is gone."""
        while self.read():
            pass
        return self.acks

    def is_silent_for(self, seconds: float) -> bool:
        return select.select([self._socket], [], [], seconds)[0] == []


def accepted(acks: Sequence[bytes]) -> list[str]:
    """The control ids that were answered AA."""
    decoded = [decode_ack(ack) for ack in acks]
    return [each.control_id for each in decoded if each.is_accepted]


def pair(number: int) -> tuple[bytes, bytes]:
    """The creation of an identity, and its correction."""
    ipp = f"71{number:05}"
    return adt(ipp, f"C{number}"), adt(ipp, f"U{number}", event="A31", sex="M")


@contextmanager
def reading(url: str) -> Iterator[Store]:
    store = Store.open(url, read_only=True)
    try:
        yield store
    finally:
        store.close()


def check_kept(store: Store, control_ids: Sequence[str]) -> None:
    """Every message answered AA is in the journal, and its identity is as it said."""
    journal = {each.control_id for each in queries.list_messages(store, ack="AA", limit=100_000)}
    assert set(control_ids) <= journal
    for control_id in control_ids:
        (view,) = queries.find_identities(store, f"71{int(control_id[1:]):05}")
        history = [each.control_id for each in queries.find_history(store, view.identity.id)]
        assert control_id in history
        assert view.identity.traits.sex == ("M" if len(history) == 2 else "F")


def check_end(store: Store, count: int) -> None:
    """Each identity was created once and corrected once, however often its messages came."""
    assert queries.read_statistics(store).identities == count
    for number in range(count):
        (view,) = queries.find_identities(store, f"71{number:05}")
        history = [each.control_id for each in queries.find_history(store, view.identity.id)]
        assert history == [f"C{number}", f"U{number}"]
        assert (view.identity.version, view.identity.traits.sex) == (2, "M")
    lines = queries.list_messages(store, limit=100_000)
    first_times = [each.control_id for each in lines if each.repeat_of is None]
    assert len(first_times) == len(set(first_times)) == 2 * count


class TestKilled:
    """Killed at any moment: what was answered AA is there after the restart, and a repeat changes nothing."""

    @pytest.mark.parametrize("seed", [1, 2, 3])
    def test_at_random_moments_of_a_stream(self, sqlite_url: str, seed: int) -> None:
        self.stream(sqlite_url, random.Random(seed), kills=3)

    def test_at_random_moments_of_a_stream_on_postgresql(self, postgres_url: str) -> None:
        self.stream(postgres_url, random.Random(4), kills=2)

    def stream(self, url: str, chance: random.Random, *, kills: int) -> None:
        """Kill the daemon time and again; the sender repeats what it sent before each kill, answered or not."""
        answered: dict[str, bytes] = {}
        before: list[bytes] = []
        for turn in range(kills):
            with Daemon(url) as daemon, Client(daemon.address) as client:
                client.send(before)
                check_repeats(client.read_acks(len(before)), answered)
                client.acks.clear()
                before = [raw for number in range(turn * PAIRS, (turn + 1) * PAIRS) for raw in pair(number)]
                self.send_some(client, before, chance)
                daemon.kill()
                client.read_end()
            answered |= {decode_ack(ack).control_id: ack for ack in client.acks}
            with reading(url) as store:
                check_kept(store, accepted(client.acks))
        self.finish(url, before, answered)
        with reading(url) as store:
            check_end(store, kills * PAIRS)

    def finish(self, url: str, messages: Sequence[bytes], answered: dict[str, bytes]) -> None:
        """Repeat what was sent before the last kill."""
        store = Store.open(url)
        try:
            receiver = make_receiver(store, load_settings({}), new_message_id=None)
            outcomes = receiver.receive([Incoming(raw, PEER, datetime.now(UTC)) for raw in messages])
            check_repeats([outcome.ack for outcome in outcomes], answered)
        finally:
            store.close()

    def send_some(self, client: Client, messages: Sequence[bytes], chance: random.Random) -> None:
        """Send until a random moment, always a few messages ahead of their answers."""
        last, ahead = chance.randrange(10, len(messages)), chance.randrange(2, 9)
        for sent in range(last):
            client.read_acks(sent - ahead)
            client.send([messages[sent]])
        client.is_silent_for(chance.uniform(0, 0.004))

    @pytest.mark.parametrize("moment", ["before the commit", "after the commit"])
    def test_at_the_commit(self, database_url: str, moment: str) -> None:
        child = subprocess.Popen(
            [sys.executable, "-c", DYING, database_url, moment], stdout=subprocess.PIPE, env=environment(), text=True
        )
        try:
            assert child.stdout is not None
            port = int(child.stdout.readline())
            with Client(("127.0.0.1", port)) as client:
                client.send([pair(0)[0]])
                assert client.read_end() == []
            assert child.wait(PATIENCE_S) == -signal.SIGKILL
            child.stdout.close()
        finally:
            child.kill()
            child.wait(PATIENCE_S)
        is_kept = moment == "after the commit"
        store = Store.open(database_url)
        try:
            assert len(queries.find_identities(store, "7100000")) == (1 if is_kept else 0)
            receiver = make_receiver(store, load_settings({}), new_message_id=None)
            now = queries.list_messages(store)
            (outcome,) = receiver.receive([Incoming(pair(0)[0], PEER, datetime.now(UTC))])
            assert (outcome.ack_code, outcome.is_repeat) == ("AA", is_kept)
            assert len(queries.list_messages(store)) == len(now) + 1
            (view,) = queries.find_identities(store, "7100000")
            assert view.identity.version == 1
        finally:
            store.close()


def check_repeats(acks: Sequence[bytes], answered: dict[str, bytes]) -> None:
    """All are AA, and what was answered before has the same answer, byte for byte."""
    control_ids = accepted(acks)
    assert len(control_ids) == len(acks)
    for control_id, ack in zip(control_ids, acks, strict=True):
        assert answered.get(control_id, ack) == ack


DYING: Final = """
import asyncio, os, signal, sys
from contextlib import contextmanager
from datetime import UTC, datetime
from golden import make_receiver
from pam_receiver.config import load_settings
from pam_receiver.intake import Intake
from pam_receiver.listener import Listener
from pam_receiver.metrics import Metrics
from pam_receiver.store import Store

url, moment = sys.argv[1:]

class Dying(Store):
    @contextmanager
    def begin(self):
        with super().begin() as tx:
            yield tx
            if moment == "before the commit":
                os.kill(os.getpid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)

async def main():
    receiver = make_receiver(Dying.open(url), load_settings({}), new_message_id=None)
    listener = Listener(Intake(receiver, meter=Metrics()), "127.0.0.1", 0, metrics=Metrics())
    await listener.start()
    print(listener.address[1], flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


class TestLockedOut:
    """The database is locked by another process: held until the ACK deadline, then closed without an answer."""

    def test_within_the_deadline_it_is_answered(self, sqlite_url: str) -> None:
        with Daemon(sqlite_url) as daemon, Client(daemon.address) as client:
            with locking(sqlite_url):
                client.send(pair(0))
                assert client.is_silent_for(0.5)
            assert accepted(client.read_acks(2)) == ["C0", "U0"]
            assert daemon.stop() == 0
        with reading(sqlite_url) as store:
            check_end(store, 1)

    def test_past_the_deadline_the_connection_closes_and_the_repeat_is_taken_once(self, sqlite_url: str) -> None:
        with Daemon(sqlite_url, ack_deadline_s=1) as daemon:
            with Client(daemon.address) as client, locking(sqlite_url):
                client.send(pair(0))
                assert client.read_end() == []
            with Client(daemon.address) as client:
                client.send(pair(0))
                assert accepted(client.read_acks(2)) == ["C0", "U0"]
            assert "messages.given_up" in [line["log"] for line in daemon.lines]
        with reading(sqlite_url) as store:
            (view,) = queries.find_identities(store, "7100000")
            assert (view.identity.version, view.identity.traits.sex) == (2, "M")


@contextmanager
def locking(url: str) -> Iterator[None]:
    """Hold the SQLite file, as another program that writes."""
    connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")
    finally:
        connection.close()


class TestNoRoom:
    """The disk is full: nothing is answered that is not kept, and all is taken when there is room again."""

    def test_what_was_answered_is_kept(self, sqlite_url: str) -> None:
        messages = [raw for number in range(150) for raw in pair(number)]
        size = Path(sqlite_url.removeprefix("sqlite:///")).stat().st_size
        with Daemon(sqlite_url, most_file_bytes=size + 300_000, ack_deadline_s=1) as daemon:
            with Client(daemon.address) as client:
                for begin in range(0, len(messages), 2):
                    client.send(messages[begin : begin + 2])
                    while len(client.acks) < begin + 2 and client.read():
                        pass
                    if len(client.acks) < begin + 2:
                        break
            answered = accepted(client.acks)
            assert 10 < len(answered) == len(client.acks) < len(messages)
            assert "store.unavailable" in [line["log"] for line in daemon.lines]
        with reading(sqlite_url) as store:
            check_kept(store, answered)
        with Daemon(sqlite_url) as daemon, Client(daemon.address) as client:
            client.send(messages)
            assert len(accepted(client.read_acks(len(messages)))) == len(messages)
        with reading(sqlite_url) as store:
            check_end(store, 150)


class TestCutOff:
    """PostgreSQL ends our connections in mid-stream: held, tried again, answered within the deadline; none lost."""

    def test_every_message_is_answered_once(self, postgres_url: str) -> None:
        count = 150
        with (
            Daemon(postgres_url) as daemon,
            Client(daemon.address) as client,
            psycopg.connect(postgres_url, autocommit=True) as admin,
        ):
            cuts = 0
            for number in range(count):
                client.send(pair(number))
                if number % 10 == 5:
                    client.read_acks(2 * number)
                    cuts += len(admin.execute(END_OURS).fetchall())
            assert accepted(client.read_acks(2 * count)) == [
                name for number in range(count) for name in (f"C{number}", f"U{number}")
            ]
            assert cuts >= 5
            assert "store.unavailable" in [line["log"] for line in daemon.lines]
            assert daemon.stop() == 0
        with reading(postgres_url) as store:
            check_end(store, count)


END_OURS: Final = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'pam-receiver'
"""
