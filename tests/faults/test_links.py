"""Links that break off (RST) at each step of a message, and ends asked for under load: nothing is lost or doubled."""

import random
import signal
from collections.abc import Callable, Iterator

import pytest
from faults.daemon import Daemon, until
from faults.ending import GRACE_S, end_under_load
from faults.ledger import Effects, check_kept
from faults.sender import Client, Load, Stream, all_answered, run_all
from faults.test_sqlite import locking
from faults.traffic import family, streams

from pam_receiver.hl7.mllp import encode_frame


@pytest.fixture
def daemon(sqlite_url: str) -> Iterator[Daemon]:
    with Daemon(sqlite_url) as running:
        yield running


class TestReset:
    """The sender resets its connection (SO_LINGER 0); it repeats on a new one, and every message is taken once."""

    @pytest.mark.parametrize("step", ["before any data", "in the middle of a block", "after the block"])
    def test_at_a_step_of_a_message(
        self, sqlite_url: str, daemon: Daemon, step: str, without_fault: Callable[..., Effects]
    ) -> None:
        stream = Stream(family(1))
        frames = [encode_frame(each.raw) for each in stream.messages]
        sent = {
            "before any data": [b""] * len(frames),
            "in the middle of a block": [frame[: len(frame) // 2] for frame in frames],
            "after the block": frames,
        }[step]
        run_all(daemon.address, [Stream(family(2)[:1])], random.Random(1))
        files = daemon.open_files
        for data in sent:
            client = Client(daemon.address)
            client.send_bytes(data)
            client.reset()
            client = Client(daemon.address)  # and the same with whole messages before
            client.send_bytes(frames[0] + data)
            client.reset()
        run_all(daemon.address, [stream], random.Random(1))
        until(lambda: daemon.open_files <= files, "the end of the connections that were reset")
        assert daemon.stop() == 0
        check_kept(sqlite_url, stream.answered, without_fault(stream.messages + family(2)[:1]))

    def test_while_the_answers_are_written(
        self, sqlite_url: str, daemon: Daemon, without_fault: Callable[..., Effects]
    ) -> None:
        """The sender reads nothing, so that the answers fill the socket and the daemon is in the middle of one."""
        first = family(1)[0]
        run_all(daemon.address, [Stream([first])], random.Random(1))
        files = daemon.open_files
        todo = [each for number in range(100, 200) for each in family(number)]
        for _ in range(3):
            client = Client(daemon.address, receive_buffer=1024)
            again = b"".join(encode_frame(each.raw) for each in todo) + encode_frame(first.raw) * 20_000
            client.send_what_is_taken(again, 0.5)
            client.reset()
        until(lambda: daemon.open_files <= files, "the end of the connections that were reset")
        stream = Stream(todo)
        run_all(daemon.address, [stream], random.Random(1))
        assert daemon.logged("message.link_lost"), "no answer was being written"
        assert daemon.stop() == 0
        check_kept(sqlite_url, stream.answered, without_fault([first, *todo]))


class TestSignals:
    """SIGTERM under load: every message read is answered, and the end comes in time; SIGHUP ends nothing."""

    @pytest.mark.parametrize("signals", [[signal.SIGTERM], [signal.SIGTERM, signal.SIGTERM, signal.SIGINT]], ids=len)
    def test_sigterm_under_load(
        self, sqlite_url: str, daemon: Daemon, signals: list[signal.Signals], without_fault: Callable[..., Effects]
    ) -> None:
        end_under_load(sqlite_url, daemon, without_fault, connections=4, signals=signals)

    def test_sigterm_with_the_database_locked_ends_in_time_and_answers_nothing(
        self, sqlite_url: str, daemon: Daemon
    ) -> None:
        with Client(daemon.address) as client, locking(sqlite_url):
            client.send([each.raw for each in family(1)])
            daemon.wait_for_line("store.unavailable")
            daemon.signal(signal.SIGTERM)
            assert client.read_end() == []
            assert daemon.process.wait(GRACE_S) == 0
        check_kept(sqlite_url, {}, Effects({}, {}, {}))

    def test_sighup_under_load_ends_nothing(
        self, sqlite_url: str, daemon: Daemon, without_fault: Callable[..., Effects]
    ) -> None:
        todo = [Stream(messages) for messages in streams(range(30), 3)]
        load = Load(daemon.address, todo, random.Random(9))
        for turn in range(1, 4):
            load.wait_for_answers(60 * turn)
            daemon.signal(signal.SIGHUP)
        load.join()
        assert all(stream.is_done for stream in todo), "closed before all was answered"
        assert daemon.stop() == 0
        right = without_fault([each for stream in todo for each in stream.messages])
        check_kept(sqlite_url, all_answered(todo), right)
