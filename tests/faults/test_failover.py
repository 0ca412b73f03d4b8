"""The primary is lost under load and its standby promoted: what was answered AA is there, once; the daemon goes on."""

import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Final

import pytest
from faults import cluster, scale
from faults.cluster import Cluster, either, pair
from faults.daemon import PATIENCE_S, Daemon, environment, until
from faults.ledger import Effects, check_kept
from faults.sender import Client, Load, Stream, all_answered, run_all
from faults.traffic import family, streams


@pytest.fixture(scope="module")
def prepared() -> Iterator[Cluster]:
    if cluster.why_not():
        pytest.skip(cluster.why_not())
    with cluster.prepared() as made:
        yield made


def run(*words: str) -> tuple[int, str, str]:
    """Run a command; return its exit code, and what it said."""
    command = [sys.executable, "-m", "pam_receiver", *words, "--lang", "en"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment(), timeout=PATIENCE_S)
    return done.returncode, done.stdout, done.stderr


def check_verified(url: str) -> None:
    """The identities are those that the journal gives, folded anew."""
    code, said, failure = run("rebuild", "--verify", "--json", "--database", url)
    assert (code, failure) == (0, "")
    found = json.loads(said)
    assert found["identities"] > 0
    assert found["differs"] is False


CANCEL: Final = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"


class TestFailover:
    """Two hosts in the URL, a synchronous standby: the daemon goes on by itself once that is promoted."""

    @pytest.mark.parametrize("how", ["killed", "immediate"])
    def test_what_was_answered_is_on_the_promoted_one_and_the_rest_is_held_until_then(
        self, prepared: Cluster, how: str, without_fault: Callable[..., Effects], note: Callable[[str], None]
    ) -> None:
        chance = random.Random(how)
        answers = 0
        for turn in range(scale.FAILOVERS):
            todo = [Stream(messages) for messages in streams(range(40 * turn, 40 * turn + 40), 5)]
            right = without_fault([each for stream in todo for each in stream.messages])
            with pair(prepared) as (primary, standby):
                with Daemon(either(primary, standby), ack_deadline_s=120) as daemon:
                    load = Load(daemon.address, todo, chance)
                    load.wait_for_answers(chance.randrange(20, 200))
                    primary.stop(how)
                    standby.promote()
                    load.join()
                    assert all(stream.is_done for stream in todo), "closed before all was answered"
                    assert daemon.logged("store.back")
                    assert daemon.logged("messages.given_up") == []
                    assert daemon.stop() == 0
                check_kept(standby.url, all_answered(todo), right)
                check_verified(standby.url)
                answers += len(all_answered(todo))
        note(f"{scale.FAILOVERS} failovers ({how}), {answers} messages answered, 0 lost")

    def test_past_the_deadline_links_close_and_repeats_are_answered_by_the_promoted_one(
        self, prepared: Cluster, without_fault: Callable[..., Effects]
    ) -> None:
        chance = random.Random(11)
        todo = [Stream(messages) for messages in streams(range(900, 920), 4)]
        right = without_fault([each for stream in todo for each in stream.messages])
        with pair(prepared) as (primary, standby):
            with Daemon(either(primary, standby), ack_deadline_s=1) as daemon:
                load = Load(daemon.address, todo, chance)
                load.wait_for_answers(20)
                primary.stop("killed")
                load.join()
                assert not all(stream.is_done for stream in todo)
                standby.promote()
                run_all(daemon.address, todo, chance)
                assert daemon.logged("messages.given_up")
            check_kept(standby.url, all_answered(todo), right)
            check_verified(standby.url)


class TestFenced:
    """A server that must not be the primary acknowledges nothing."""

    def test_without_its_synchronous_standby_nothing_is_answered(
        self, prepared: Cluster, without_fault: Callable[..., Effects]
    ) -> None:
        messages = family(930)
        with pair(prepared) as (primary, standby), Daemon(primary.url, ack_deadline_s=120) as daemon:
            with Client(daemon.address) as client:
                standby.stop("fast")
                client.send([each.raw for each in messages])
                assert client.is_silent_for(scale.WITHOUT_STANDBY_S)
                standby.start(follow=primary)
                answered = {each.control_id: ack for each, ack in zip(messages, client.read_acks(10), strict=True)}
            assert daemon.stop() == 0
            check_kept(primary.url, answered, without_fault(messages))

    def test_whoever_cancels_the_wait_for_the_standby_gets_no_answer_out(
        self, prepared: Cluster, without_fault: Callable[..., Effects]
    ) -> None:
        messages = family(935)
        with pair(prepared) as (primary, standby), Daemon(primary.url, ack_deadline_s=120) as daemon:
            with Client(daemon.address) as client, primary.connect() as admin:
                standby.stop("fast")
                client.send([each.raw for each in messages])
                until(lambda: admin.execute(CANCEL).fetchall() != [], "a commit that waits for the standby")
                daemon.wait_for_line("store.unavailable")
                assert client.is_silent_for(0.3)
                standby.start(follow=primary)
                answered = {each.control_id: ack for each, ack in zip(messages, client.read_acks(10), strict=True)}
            check_kept(primary.url, answered, without_fault(messages))

    def test_an_old_primary_that_comes_back_as_one_answers_nothing(
        self, prepared: Cluster, without_fault: Callable[..., Effects]
    ) -> None:
        before, after = family(940), family(941)
        with pair(prepared) as (primary, standby), Daemon(either(primary, standby), ack_deadline_s=1) as daemon:
            with Client(daemon.address) as client:
                client.send([each.raw for each in before])
                answered = {each.control_id: ack for each, ack in zip(before, client.read_acks(10), strict=True)}
            primary.stop("killed")
            standby.promote()
            primary.start()  # as it was: it takes writes, and waits for the standby that it no longer has
            with Client(daemon.address) as client:
                client.send([each.raw for each in after])
                assert client.read_end() == []
            primary.stop("fast")
            stream = Stream(after)
            until(lambda: self.is_taken(daemon, stream), "the promoted one")
            answered |= stream.answered
            check_kept(standby.url, answered, without_fault([*before, *after]))

    def is_taken(self, daemon: Daemon, stream: Stream) -> bool:
        Load(daemon.address, [stream], random.Random(12)).join()
        return stream.is_done

    def test_one_that_is_set_read_only_under_the_daemon_is_let_go(
        self, prepared: Cluster, without_fault: Callable[..., Effects]
    ) -> None:
        messages = family(950)
        with pair(prepared) as (primary, _), Daemon(primary.url, ack_deadline_s=120) as daemon:
            with Client(daemon.address) as client:
                client.send([each.raw for each in messages[:5]])
                client.read_acks(5)
                primary.set(default_transaction_read_only="on")
                client.send([each.raw for each in messages[5:]])
                daemon.wait_for_line("store.unavailable")
                assert len(client.acks) == 5
                assert client.is_silent_for(0.3)
                primary.set(default_transaction_read_only="off")
                answered = {each.control_id: ack for each, ack in zip(messages, client.read_acks(10), strict=True)}
            check_kept(primary.url, answered, without_fault(messages))

    def test_a_daemon_does_not_start_on_a_standby(self, prepared: Cluster) -> None:
        with pair(prepared) as (_, standby):
            code, _, failure = run("serve", "--database", standby.url, "--mllp", "127.0.0.1:0", "--http", "off")
        assert code == 3
        assert "is read-only" in failure
        assert "is a standby" in failure
