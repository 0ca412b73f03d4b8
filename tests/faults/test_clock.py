"""The clock is set back: the journal keeps the order of arrival, versions theirs, a repeat its answer."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from faults.daemon import Daemon
from faults.ledger import read_journal, reading
from faults.sender import Stream, run_all
from faults.traffic import Sent, family
from golden import BEGINS_AT, PEER, adt, make_receiver

from pam_receiver.config import load_settings
from pam_receiver.hl7.er7 import parse_message
from pam_receiver.ids import MessageIds
from pam_receiver.receive import Incoming, Outcome, Receiver
from pam_receiver.store import Store, queries

HOUR: Final = timedelta(hours=1)


class Machine:
    """A receiver on a clock that the test sets; it starts again as ``serve`` does, from the last id of the journal."""

    def __init__(self, store: Store) -> None:
        self.at = BEGINS_AT
        self.store = store
        self.arrived: list[str] = []
        self.restart()

    def restart(self) -> None:
        ids = MessageIds(self._now_ns, after=queries.find_last_message_id(self.store))
        self.receiver: Receiver = make_receiver(self.store, load_settings({}), new_message_id=ids, now=lambda: self.at)

    def _now_ns(self) -> int:
        return int(self.at.timestamp()) * 1_000_000_000

    def take(self, *messages: bytes) -> Sequence[Outcome]:
        """Take a batch, a second after the last one."""
        self.at += timedelta(seconds=1)
        outcomes = self.receiver.receive([Incoming(raw, PEER, self.at) for raw in messages])
        self.arrived += [outcome.message_id for outcome in outcomes]
        return outcomes

    def take_all(self, messages: Sequence[Sent]) -> list[Outcome]:
        return [outcome for each in messages for outcome in self.take(each.raw)]


class TestClockSetBack:
    """Set back by an hour while running, and once more before a restart."""

    def test_the_journal_and_the_versions_keep_the_order_of_arrival(self, store: Store) -> None:
        machine, messages = Machine(store), family(1)
        machine.take_all(messages[:4])
        machine.at -= HOUR
        machine.take_all(messages[4:7])
        machine.at -= HOUR
        machine.restart()
        machine.take_all(messages[7:])
        assert len(set(machine.arrived)) == len(messages)
        with store.read() as connection:
            journal = read_journal(connection)
        assert [each.id for each in journal] == machine.arrived
        assert [each.control_id for each in journal] == [each.control_id for each in messages]
        assert [each.id for each in queries.list_messages(store)] == machine.arrived[::-1]
        (view,) = queries.find_identities(store, "730000001")
        history = queries.find_history(store, view.identity.id)
        assert [each.version for each in history] == list(range(1, len(history) + 1))
        assert [each.message_id for each in history] == sorted(each.message_id for each in history)
        assert view.identity.version == history[-1].version

    def test_our_own_control_ids_stay_unique(self, store: Store) -> None:
        machine, messages = Machine(store), family(1)
        outcomes = machine.take_all(messages[:5])
        machine.at -= HOUR
        machine.restart()
        outcomes += machine.take_all(messages[5:])
        ours = [parse_message(outcome.ack).segments[0].field(10).raw for outcome in outcomes]
        assert len(set(ours)) == len(messages)

    def test_repeats_get_the_answer_of_their_own_message(self, store: Store) -> None:
        """One MSH-10 with two contents, before and after: each is known again by what it says."""
        machine = Machine(store)
        before, after = adt("7100001", "SAME"), adt("7100001", "SAME", event="A31", sex="M")
        (first,) = machine.take(before)
        machine.at -= HOUR
        (second,) = machine.take(after)
        machine.at -= HOUR
        machine.restart()
        again = machine.take(before, after, before)
        assert [outcome.is_repeat for outcome in again] == [True] * 3
        assert [outcome.ack for outcome in again] == [first.ack, second.ack, first.ack]
        with store.read() as connection:
            repeats = [each.repeat_of for each in read_journal(connection)]
        assert repeats == [None, None, first.message_id, second.message_id, first.message_id]
        (view,) = queries.find_identities(store, "7100001")
        assert (view.identity.version, view.identity.traits.sex) == (2, "M")

    def test_the_daemon_goes_on_after_the_last_id_of_the_journal(self, database_url: str) -> None:
        """The journal was written by a clock that was an hour ahead, and has been set right since."""
        opened = Store.open(database_url)
        try:
            machine = Machine(opened)
            machine.at = datetime.now(UTC) + HOUR
            machine.take_all(family(1)[:5])
        finally:
            opened.close()
        rest = Stream(family(1)[5:])
        with Daemon(database_url) as daemon:
            run_all(daemon.address, [rest], random.Random(1))
            assert daemon.stop() == 0
        with reading(database_url) as store, store.read() as connection:
            journal = read_journal(connection)
        assert [each.control_id for each in journal] == [each.control_id for each in family(1)]
