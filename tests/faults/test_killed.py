"""Killed at any moment: what was answered AA is there after the restart, nothing is half done, repeats add nothing."""

import random
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import pytest
from faults import scale
from faults.daemon import PATIENCE_S, Daemon, environment
from faults.ledger import Effects, check_kept, reading
from faults.sender import Client, Load, Stream, all_answered, run_all
from faults.traffic import streams
from golden import PEER, adt, make_receiver

from pam_receiver.config import load_settings
from pam_receiver.receive import Incoming
from pam_receiver.store import Store, queries

CONNECTIONS: Final = 5


class TestKilled:
    """SIGKILL at random moments under load: several connections, pipelining, creations, updates, A40, A47."""

    def test_at_random_moments_under_load(
        self, database_url: str, without_fault: Callable[..., Effects], note: Callable[[str], None]
    ) -> None:
        chance = random.Random(4)
        numbers = range(scale.KILLS * scale.FAMILIES_PER_KILL)
        todo = [Stream(messages) for messages in streams(numbers, CONNECTIONS)]
        right = without_fault([each for stream in todo for each in stream.messages])
        recovered_s, lost = [], 0
        for _ in range(scale.KILLS):
            with Daemon(database_url) as daemon:
                recovered_s.append(daemon.started_in_s)
                load = Load(daemon.address, todo, chance)
                load.wait_for_answers(chance.randrange(5, 5 * scale.FAMILIES_PER_KILL))  # half of them all
                daemon.kill()
                load.join()
            assert not all(stream.is_done for stream in todo), "killed when all was done: no kill under load"
            check_kept(database_url, all_answered(todo), right)
        with Daemon(database_url) as daemon:
            run_all(daemon.address, todo, chance)
            assert daemon.stop() == 0
        answered = all_answered(todo)
        check_kept(database_url, answered, right)
        with reading(database_url) as store:
            assert queries.read_statistics(store).identities == 2 * len(numbers)
        repeats = sum(stream.repeats for stream in todo)
        assert repeats > 0
        note(
            f"{scale.KILLS} kills, {len(answered)} messages answered, {repeats} of them repeated and answered the same,"
            f" {lost} lost; ready again in {min(recovered_s):.1f} to {max(recovered_s):.1f} s"
        )

    @pytest.mark.parametrize("moment", ["before the commit", "after the commit"])
    def test_at_the_commit(self, database_url: str, moment: str) -> None:
        created = adt("7100000", "C0")
        child = subprocess.Popen(
            [sys.executable, "-c", DYING, database_url, moment], stdout=subprocess.PIPE, env=environment(), text=True
        )
        try:
            assert child.stdout is not None
            port = int(child.stdout.readline())
            with Client(("127.0.0.1", port)) as client:
                client.send([created])
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
            (outcome,) = receiver.receive([Incoming(created, PEER, datetime.now(UTC))])
            assert (outcome.ack_code, outcome.is_repeat) == ("AA", is_kept)
            assert len(queries.list_messages(store)) == len(now) + 1
            (view,) = queries.find_identities(store, "7100000")
            assert view.identity.version == 1
        finally:
            store.close()


DYING: Final = """
import asyncio, os, signal, sys
from golden import make_receiver
from pam_receiver.config import load_settings
from pam_receiver.intake import Intake
from pam_receiver.listener import Listener
from pam_receiver.metrics import Metrics
from pam_receiver.store import Store

url, moment = sys.argv[1:]

class Dying(Store):
    def open_transaction(self, **how):
        tx = super().open_transaction(**how)
        commit = tx.commit

        def commit_and_die():
            if moment == "after the commit":
                commit()
            os.kill(os.getpid(), signal.SIGKILL)

        tx.commit = commit_and_die
        return tx

async def main():
    receiver = make_receiver(Dying.open(url), load_settings({}), new_message_id=None)
    listener = Listener(Intake(receiver, meter=Metrics()), "127.0.0.1", 0, metrics=Metrics())
    await listener.start()
    print(listener.address[1], flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""
