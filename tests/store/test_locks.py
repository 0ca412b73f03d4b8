"""Batches of several daemons that meet on one PostgreSQL: each waits for its turn, and stands in the journal in it."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import Any, Final

import psycopg
import pytest
from golden import PEER, adt, make_receiver

from pam_receiver.config import load_settings
from pam_receiver.ids import MessageIds
from pam_receiver.receive import Incoming, Outcome
from pam_receiver.store import (
    ALONE,
    Hold,
    MoreToHold,
    Store,
    StoreUnavailable,
    Transaction,
    hold_names,
    queries,
)
from pam_receiver.store.locks import MOST_LOCKS

PATIENCE_S: Final = 10.0
ONE: Final = hold_names(ipps=["100"], matricules=[], repeat_keys=[])


def incoming(*messages: bytes) -> list[Incoming]:
    return [Incoming(raw, PEER, datetime.now(UTC)) for raw in messages]


def a40(into: str, absorbed: str, control_id: str) -> bytes:
    raw = adt(into, control_id, event="A40").replace(b"ADT_A05", b"ADT_A39")
    return raw.split(b"PV1|")[0] + b"MRG|%b^^^CHU-LYRE&1.2.250.1.999.77&ISO^PI\r" % absorbed.encode()


class Slow(Store):
    """Stops before the commit of a batch until it is told to go on."""

    def prepare(self) -> None:
        self.is_there, self.may_go = threading.Event(), threading.Event()
        self.holds: list[Hold | None] = []

    def open_transaction(self, *, hold: Hold | None = None, **how: Any) -> Transaction:
        self.holds.append(hold)
        tx = super().open_transaction(hold=hold, **how)
        commit = tx.commit

        def commit_late() -> None:
            self.is_there.set()
            assert self.may_go.wait(PATIENCE_S)
            commit()

        tx.commit = commit_late  # type: ignore[method-assign]
        return tx


@contextmanager
def holding(store: Store, hold: Hold) -> Iterator[Transaction]:
    """A batch that holds this; nothing of it is kept."""
    tx = store.open_transaction(hold=hold)
    with pytest.raises(Left), tx.ending_on_error():  # noqa: PT012 - whoever uses it does the rest
        yield tx
        raise Left


class Left(Exception):
    """The way out of a transaction."""


class Meeting:
    """A daemon that is stopped in the middle of its batch, and another one that comes meanwhile."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.slow = Slow.open(url)
        self.other = Store.open(url)
        assert isinstance(self.slow, Slow)
        self.slow.prepare()

    def first(self, *messages: bytes) -> None:
        """Receive these and commit."""
        with closing(Store.open(self.url)) as store:
            self.receive(store, messages)

    def receive(self, store: Store, messages: Sequence[bytes], **more: Any) -> tuple[Outcome, ...]:
        return make_receiver(store, load_settings({}), new_message_id=None, **more).receive(incoming(*messages))

    def meet(self, slow: Sequence[bytes], other: Sequence[bytes]) -> tuple[bool, list[Outcome], list[Outcome]]:
        """Let both receive; return whether the second one waited for the first, and what both answered."""
        answers: dict[str, tuple[Outcome, ...]] = {}

        def run(name: str, store: Store, messages: Sequence[bytes]) -> threading.Thread:
            thread = threading.Thread(target=lambda: answers.update({name: self.receive(store, messages)}))
            thread.start()
            return thread

        one = run("slow", self.slow, slow)
        assert self.slow.is_there.wait(PATIENCE_S)
        two = run("other", self.other, other)
        try:
            waited = self._waits(two)
        finally:
            self.slow.may_go.set()
            for each in (one, two):
                each.join(PATIENCE_S)
        return waited, list(answers["slow"]), list(answers["other"])

    def _waits(self, thread: threading.Thread) -> bool:
        here = "(SELECT oid FROM pg_database WHERE datname = current_database())"
        ask = f"SELECT count(*) FROM pg_locks WHERE NOT granted AND database = {here}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            while thread.is_alive():
                (row,) = connection.execute(ask).fetchall()
                if row[0]:
                    return True
        return False

    def close(self) -> None:
        self.slow.close()
        self.other.close()


@pytest.fixture
def meeting(postgres_url: str) -> Iterator[Meeting]:
    made = Meeting(postgres_url)
    yield made
    made.close()


def rules(outcome: Outcome) -> list[str]:
    return [outcome.ack_code, *(rule for rule, _ in outcome.rules)]


class TestMeeting:
    """Two daemons on one server: the result is that of one after the other, and so is the order of the journal."""

    def test_two_create_one_identity(self, meeting: Meeting) -> None:
        waited, (one,), (two,) = meeting.meet([adt("7000101", "1")], [adt("7000101", "2", sex="M")])
        assert waited
        assert (rules(one), rules(two)) == (["AA"], ["AA", "create-of-known-identity"])
        (view,) = queries.find_identities(meeting.other, "7000101")
        assert (view.identity.version, view.identity.traits.sex) == (2, "M")
        assert one.message_id < two.message_id

    def test_one_message_sent_to_both_is_accepted_once(self, meeting: Meeting) -> None:
        raw = adt("7000101", "1")
        waited, (one,), (two,) = meeting.meet([raw], [raw])
        assert (waited, one.is_repeat, two.is_repeat) == (True, False, True)
        assert one.ack == two.ack

    def test_a_control_id_used_twice_is_told_once(self, meeting: Meeting) -> None:
        waited, (one,), (two,) = meeting.meet([adt("7000101", "1")], [adt("7000202", "1")])
        assert (waited, rules(one), rules(two)) == (True, ["AA"], ["AA", "control-id-reused"])

    def test_two_merges_the_other_way_round(self, meeting: Meeting) -> None:
        meeting.first(adt("100", "1"), adt("200", "2"))
        waited, (one,), (two,) = meeting.meet([a40("100", "200", "3")], [a40("200", "100", "4")])
        assert (waited, one.ack_code) == (True, "AA")
        assert "merge-into-itself" in rules(two)

    def test_one_identity_by_two_of_its_numbers(self, meeting: Meeting) -> None:
        """Neither message says the number by which the other one finds it."""
        meeting.first(adt("100", "1"))
        both = adt("100", "2", event="A31").replace(b"PID|1||", b"PID|1||200^^^CHU-LYRE&1.2.250.1.999.77&ISO^PI~")
        meeting.first(both)
        waited, (one,), (two,) = meeting.meet(
            [adt("100", "3", event="A31", sex="M")], [adt("200", "4", event="A31", sex="F")]
        )
        assert (waited, one.ack_code, two.ack_code) == (True, "AA", "AA")
        (view,) = queries.find_identities(meeting.other, "100")
        assert (view.identity.version, view.identity.traits.sex) == (4, "F")
        assert one.message_id < two.message_id

    def test_others_do_not_wait(self, meeting: Meeting) -> None:
        meeting.first(adt("1", "0"))  # the authority is new: that waits for everybody
        waited, (one,), (two,) = meeting.meet([adt("7000101", "1")], [adt("7000202", "2")])
        assert (waited, one.ack_code, two.ack_code) == (False, "AA", "AA")

    def test_the_first_word_of_a_sender_about_an_authority_is_taken_alone(self, meeting: Meeting) -> None:
        assert isinstance(meeting.slow, Slow)
        meeting.slow.may_go.set()
        (outcome,) = meeting.receive(meeting.slow, [adt("7000101", "1")])
        assert (outcome.ack_code, meeting.slow.holds[-1]) == ("AA", ALONE)
        meeting.receive(meeting.slow, [adt("7000102", "2")])
        assert meeting.slow.holds[-1] != ALONE


class TestOrder:
    """The journal is folded in the order of the ids: what another writer has kept stands before what waited for it."""

    def test_a_clock_that_is_behind(self, meeting: Meeting) -> None:
        ahead = MessageIds(lambda: 4_000_000_000 * 10**9)
        make_receiver(meeting.other, load_settings({}), new_message_id=ahead).receive(incoming(adt("100", "1")))
        (outcome,) = meeting.receive(meeting.other, [adt("100", "2", event="A31", sex="M")])
        first, second = sorted(each.id for each in queries.list_messages(meeting.other))
        assert (second, outcome.ack_code) == (outcome.message_id, "AA")
        assert first < second

    def test_ids_that_are_given_from_outside_stay(self, meeting: Meeting) -> None:
        """A replay has the same ids in its scratch store."""
        meeting.first(adt("100", "1"))
        old = "00000000-0000-7000-8000-000000000001"
        receiver = make_receiver(meeting.other, load_settings({}), new_message_id=lambda: old)
        (outcome,) = receiver.receive(incoming(adt("100", "2", event="A31")))
        assert (outcome.ack_code, outcome.message_id) == ("AA", old)


class TestHold:
    """What a batch must hold, and what it does when that is not enough."""

    def impatient(self, url: str) -> "closing[Store]":
        return closing(Store.open(url, lock_timeout_s=0.05))

    def test_the_names_of_what_was_loaded_are_held_too(self, postgres_url: str) -> None:
        with closing(Store.open(postgres_url)) as store, self.impatient(postgres_url) as other:
            receiver = make_receiver(store, load_settings({}), new_message_id=None)
            receiver.receive(incoming(adt("100", "1"), adt("200", "2"), a40("100", "200", "3")))
            said, all_of_them = (
                hold_names(ipps=ipps, matricules=[], repeat_keys=[]) for ipps in (["200"], ["100", "200"])
            )
            with holding(store, said) as tx:
                known, _ = tx.load(ipps=["200"])
                assert len([*known]) == 2
                with pytest.raises(StoreUnavailable), holding(other, ONE) as late:
                    assert late.last_message_id
            with holding(other, ONE) as first:
                assert first.last_message_id
                tx = store.open_transaction(hold=said)
                with pytest.raises(MoreToHold) as caught, tx.ending_on_error():
                    tx.load(ipps=["200"])
            assert caught.value.hold == all_of_them

    def test_more_than_there_is_room_for_is_taken_in_parts_or_alone(self) -> None:
        many = [f"{number}" for number in range(MOST_LOCKS + 1)]
        wide = hold_names(ipps=many, matricules=[], repeat_keys=[])
        assert wide.is_too_wide()
        assert MoreToHold("x", wide).hold == ALONE

    def test_a_batch_of_many_is_kept_in_parts(self, postgres_url: str) -> None:
        slow = Slow.open(postgres_url)
        assert isinstance(slow, Slow)
        slow.prepare()
        slow.may_go.set()
        with closing(slow):
            receiver = make_receiver(slow, load_settings({}), new_message_id=None)
            receiver.receive(incoming(adt("1", "0")))
            slow.holds.clear()
            outcomes = receiver.receive(incoming(*(adt(f"{n}", f"{n}") for n in range(1000, 1250))))
            assert {each.ack_code for each in outcomes} == {"AA"}
            assert [len(each.locks) for each in slow.holds if each is not None] == [250, 250]
            assert [each.control_id for each in outcomes] == [f"{n}" for n in range(1000, 1250)]

    @pytest.mark.parametrize("kind", ["ipps", "matricules"])
    def test_a_name_of_one_kind_is_none_of_another(self, kind: str) -> None:
        nothing: dict[str, Any] = {"ipps": [], "matricules": [], "repeat_keys": []}
        one = hold_names(**{**nothing, kind: ["1"]})
        assert one != hold_names(**{**nothing, "repeat_keys": [b"1"]})
        assert one.locks

    def test_sqlite_holds_the_file(self, sqlite_url: str) -> None:
        with closing(Store.open(sqlite_url)) as store, holding(store, ALONE) as tx:
            assert tx.last_message_id == ""


class TestVacuum:
    def test_a_batch_that_must_be_alone_does_not_wait_for_one(self, postgres_url: str) -> None:
        with psycopg.connect(postgres_url) as other, closing(Store.open(postgres_url, lock_timeout_s=2)) as store:
            other.execute("LOCK TABLE message IN SHARE UPDATE EXCLUSIVE MODE")  # as VACUUM does
            tx = store.open_transaction(hold=ALONE)
            tx.load()
            tx.commit()
            other.rollback()
