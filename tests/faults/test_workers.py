"""Several workers at one address: messages about the same identities at once, a worker killed, an end under load."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest
from faults import scale
from faults.daemon import PATIENCE_S, Daemon, environment, until
from faults.ending import end_under_load
from faults.ledger import Effects, check_kept, read_journal, reading
from faults.sender import Client, Load, Stream, all_answered, run_all
from faults.traffic import conflicting, streams
from golden import PEER, make_receiver

from pam_receiver.config import load_settings
from pam_receiver.hl7.ack import decode_ack
from pam_receiver.receive import Incoming
from pam_receiver.store import JournalEntry, Store, queries

WORKERS: Final = 4
CONNECTIONS: Final = 16


@pytest.fixture
def daemon(postgres_url: str) -> Iterator[Daemon]:
    with Daemon(postgres_url, workers=WORKERS) as running:
        yield running


def get(daemon: Daemon, path: str) -> tuple[int, str]:
    (ready,) = daemon.logged("serve.ready")
    try:
        with urllib.request.urlopen(f"http://{ready['http']}{path}", timeout=PATIENCE_S) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode()


def counted(daemon: Daemon, name: str) -> int:
    """The sum of a metric over its labels."""
    found = re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", get(daemon, "/metrics")[1], re.MULTILINE)
    return int(sum(map(float, found)))


def send_all(address: tuple[str, int], shares: Sequence[Sequence[bytes]]) -> list[tuple[bytes, bytes]]:
    """Send each share on a connection of its own, all at once; return each message with its answer."""
    answered: list[tuple[bytes, bytes]] = []

    def talk(messages: Sequence[bytes]) -> None:
        with Client(address) as client:
            for begin in range(0, len(messages), 7):
                few = messages[begin : begin + 7]
                client.send(few)
                client.read_acks(begin + len(few))
            answered.extend(zip(messages, client.acks, strict=True))

    threads = [threading.Thread(target=talk, args=(share,)) for share in shares]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answered


def started(daemon: Daemon, worker: str) -> list[int]:
    """The numbers of the processes that were this worker, the last one that runs now."""
    return [int(str(line["pid"])) for line in daemon.logged("worker.started") if line["worker"] == worker]


def busiest(daemon: Daemon) -> tuple[str, int]:
    """The worker that has the most connections, and its process."""
    pids = {name: started(daemon, name)[-1] for name in map(str, range(1, WORKERS + 1))}
    return max(pids.items(), key=lambda each: len(os.listdir(f"/proc/{each[1]}/fd")))


class TestConflicts:
    """Messages about the same identities on four workers at once: the result is as if one came after the other."""

    def test_the_journal_is_a_serial_order_of_them(
        self, postgres_url: str, daemon: Daemon, tmp_path: Path, sqlite_template: Path, note: Callable[[str], None]
    ) -> None:
        messages = [*conflicting(scale.CONFLICTS, random.Random(20))]
        answered = send_all(daemon.address, [messages[first::CONNECTIONS] for first in range(CONNECTIONS)])
        assert len(answered) == len(messages)
        assert counted(daemon, "pam_receiver_messages_total") == len(messages)
        assert counted(daemon, "pam_receiver_workers") == WORKERS
        assert daemon.stop() == 0
        with reading(postgres_url) as store:
            journal = [entry for page in queries.read_journal(store) for entry in page]
            with store.read() as connection:
                acks = Counter((each.control_id, each.ack) for each in read_journal(connection))
        assert Counter((decode_ack(ack).control_id, ack) for _, ack in answered) == acks
        codes = Counter(each.ack_code for each in journal)
        assert codes.keys() == {"AA", "AE"}
        assert min(codes.values()) > len(messages) / 10, "one-sided: no test of conflicts"
        check_serial(journal, tmp_path / "serial.db", sqlite_template)
        verified = subprocess.run(
            [sys.executable, "-m", "pam_receiver", "rebuild", "--verify", "--json", "--database", postgres_url],
            env=environment(),
            capture_output=True,
            check=False,
        )
        assert verified.returncode == 0, verified.stdout.decode() + verified.stderr.decode()
        said = json.loads(verified.stdout)
        note(f"{len(messages)} messages on {CONNECTIONS} connections to {WORKERS} workers: {dict(codes)}; {said}"[:300])


def check_serial(journal: Sequence[JournalEntry], file: Path, template: Path) -> None:
    """Taken one after the other, in the order of the journal, each message has the verdict that it had then."""
    file.write_bytes(template.read_bytes())
    ids = iter([each.id for each in journal])
    with closing(Store.open(f"sqlite:///{file}")) as store:
        receiver = make_receiver(store, load_settings({}), new_message_id=lambda: next(ids))
        for entry in journal:
            (outcome,) = receiver.receive([Incoming(entry.raw, PEER, entry.received_at)])
            now = (outcome.ack_code, outcome.rules, outcome.is_repeat)
            assert now == (entry.ack_code, entry.rules, entry.repeat_of is not None), entry.id


class TestKilled:
    """SIGKILL of one worker under load: another one takes its place, and nothing acknowledged is lost."""

    def test_it_is_started_again_and_nothing_is_lost(
        self, postgres_url: str, daemon: Daemon, without_fault: Callable[..., Effects], note: Callable[[str], None]
    ) -> None:
        chance = random.Random(9)
        todo = [Stream(messages) for messages in streams(range(4 * scale.FAMILIES_PER_KILL), 8)]
        right = without_fault([each for stream in todo for each in stream.messages])
        load = Load(daemon.address, todo, chance)
        load.wait_for_answers(chance.randrange(50, 400))
        victim, pid = busiest(daemon)
        os.kill(pid, signal.SIGKILL)
        load.join()
        assert not all(stream.is_done for stream in todo), "killed when all was done: no kill under load"
        check_kept(postgres_url, all_answered(todo), right)
        until(lambda: len(started(daemon, victim)) == 2, "the worker that is started again")
        (ended,) = daemon.logged("worker.ended")
        assert (ended["signal"], ended["worker"], ended["pid"]) == ("SIGKILL", victim, pid)
        assert json.loads(get(daemon, "/readyz")[1])["workers"] == WORKERS
        run_all(daemon.address, todo, chance)
        assert daemon.stop() == 0
        answered = all_answered(todo)
        check_kept(postgres_url, answered, right)
        note(f"a worker killed, {len(answered)} messages answered, {sum(each.repeats for each in todo)} of them again")

    def test_all_of_them(self, daemon: Daemon) -> None:
        """No worker listens: not ready. They come back by themselves."""
        for name in map(str, range(1, WORKERS + 1)):
            os.kill(started(daemon, name)[-1], signal.SIGKILL)
        until(lambda: len(daemon.logged("worker.ended")) == WORKERS, "the end of all workers")
        until(lambda: len(daemon.logged("worker.started")) == 2 * WORKERS + 1, "the workers to be started again")
        assert get(daemon, "/readyz")[0] == 200
        assert daemon.stop() == 0

    def test_the_supervisor(self, postgres_url: str, daemon: Daemon) -> None:
        """The others know that it is gone: they answer what they have read, and end."""
        pids = [int(str(line["pid"])) for line in daemon.logged("worker.started")]
        assert len(pids) == WORKERS + 1
        daemon.process.kill()
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), "the end of those that it had started")
        with Daemon(postgres_url) as alone:
            assert alone.stop() == 0


class TestSignals:
    """SIGTERM under load: every message read is answered by the worker that read it, and the end comes in time."""

    def test_sigterm_under_load(self, postgres_url: str, daemon: Daemon, without_fault: Callable[..., Effects]) -> None:
        end_under_load(postgres_url, daemon, without_fault, connections=8)

    def test_sighup_ends_nothing(self, daemon: Daemon) -> None:
        daemon.signal(signal.SIGHUP)
        todo = [Stream(messages) for messages in streams(range(10), 4)]
        run_all(daemon.address, todo, random.Random(1))
        assert daemon.logged("worker.ended") == []
        assert daemon.stop() == 0
