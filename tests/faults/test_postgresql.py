"""PostgreSQL goes away under load and comes back: held, then answered; past the deadline closed, never a wrong ACK."""

import random
import time
from collections.abc import Callable, Iterator
from typing import Final

import psycopg
import pytest
from faults import cluster, scale
from faults.cluster import Cluster
from faults.daemon import Daemon
from faults.ledger import Effects, check_kept
from faults.sender import Client, Load, Stream, all_answered, run_all
from faults.traffic import family, streams

from pam_receiver.store import migrate

END_OURS: Final = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'pam-receiver'
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    if cluster.why_not():
        pytest.skip(cluster.why_not())
    with cluster.running() as running:
        yield running


@pytest.fixture
def url(server: Cluster) -> str:
    """The database of a server of our own, at head, without a row."""
    with server.connect() as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    migrate.upgrade(server.url)
    return server.url


class TestStopped:
    """The server stops under load and is started again."""

    @pytest.mark.parametrize("how", ["fast", "immediate", "killed"])
    def test_what_is_sent_meanwhile_is_held_and_then_answered(
        self,
        server: Cluster,
        url: str,
        how: str,
        without_fault: Callable[..., Effects],
        note: Callable[[str], None],
    ) -> None:
        chance = random.Random(how)
        todo = [Stream(messages) for messages in streams(range(20 * scale.STOPS), 4)]
        by_hand = [Stream(family(turn, prefix="AWAY")) for turn in range(900, 900 + scale.STOPS)]
        right = without_fault([each for stream in todo + by_hand for each in stream.messages])
        held = []
        with Daemon(url, ack_deadline_s=120) as daemon:
            load = Load(daemon.address, todo, chance)
            for turn, stream in enumerate(by_hand):
                load.wait_for_answers(20 + 150 * turn)
                before = len(daemon.lines)
                with Client(daemon.address) as client:
                    server.stop(how)
                    stopped_at = time.monotonic()
                    try:
                        client.send([each.raw for each in stream.messages])
                        daemon.wait_for_line("store.unavailable", after=before)
                        answers = load.answers
                        assert client.is_silent_for(0.3)
                        assert load.answers == answers, "answered while the database was away"
                    finally:
                        server.start()
                    held.append(time.monotonic() - stopped_at)
                    daemon.wait_for_line("store.back", after=before)
                    for at, ack in enumerate(client.read_acks(len(stream.messages))):
                        stream.take(at, ack)
            load.join()
            assert all(stream.is_done for stream in todo), "closed before all was answered"
            assert daemon.logged("messages.given_up") == []
            assert daemon.stop() == 0
        answered = all_answered(todo + by_hand)
        check_kept(url, answered, right)
        note(f"{len(held)} stops ({how}), {len(answered)} messages answered, 0 lost; held up to {max(held):.1f} s")

    def test_past_the_deadline_the_connections_close_without_an_answer(
        self, server: Cluster, url: str, without_fault: Callable[..., Effects]
    ) -> None:
        chance = random.Random(5)
        todo = [Stream(messages) for messages in streams(range(16), 4)]
        right = without_fault([each for stream in todo for each in stream.messages])
        with Daemon(url, ack_deadline_s=1) as daemon:
            load = Load(daemon.address, todo, chance)
            load.wait_for_answers(20)
            server.stop("fast")
            try:
                load.join()  # each sender sees its link end: fails when one waits for ever
                assert not all(stream.is_done for stream in todo)
                with Client(daemon.address) as client:
                    client.send([each.raw for each in family(99)])
                    assert client.read_end() == []
            finally:
                server.start()
            daemon.wait_for_line("store.unavailable")
            run_all(daemon.address, todo, chance)
            assert daemon.logged("messages.given_up")
        check_kept(url, all_answered(todo), right)


class TestCutOff:
    """PostgreSQL ends our connections in mid-stream: held, tried again, answered within the deadline; none lost."""

    def test_every_message_is_answered_once(self, postgres_url: str, without_fault: Callable[..., Effects]) -> None:
        todo = [Stream(messages) for messages in streams(range(30), 3)]
        right = without_fault([each for stream in todo for each in stream.messages])
        with Daemon(postgres_url) as daemon, psycopg.connect(postgres_url, autocommit=True) as admin:
            load = Load(daemon.address, todo, random.Random(6))
            cuts = 0
            for turn in range(1, 9):
                load.wait_for_answers(30 * turn)
                cuts += len(admin.execute(END_OURS).fetchall())
            load.join()
            assert all(stream.is_done for stream in todo), "closed before all was answered"
            assert cuts >= 3
            assert daemon.logged("store.unavailable")
            assert daemon.stop() == 0
        check_kept(postgres_url, all_answered(todo), right)
