"""The journal folded anew: the same identities, each message under what was in force, each verdict as it was given."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from uuid import UUID

import pytest
from golden import CONVERSATIONS, adt

from pam_receiver.ids import MessageIds
from pam_receiver.rebuild import journal
from pam_receiver.rebuild.model import JournalIncomplete, Verification
from pam_receiver.store import Store, StoreConflict, migrate
from pam_receiver.store.erasure import erase, find_traces
from pam_receiver.store.keys import KeyMissing
from pam_receiver.store.months import make_months_at_leisure
from pam_receiver.store.retention import prune
from pam_receiver.store.sealing import InClear

from .conftest import LATER, WHO, Hospital, a40, keyed, qualified

INCOMPLETE = qualified(adt("200", "2", sex=""))  # refused, unless the settings accept it


def is_same(found: Verification) -> bool:
    return not found.differs


def prune_all(hospital: Hospital) -> None:
    """Erase the text of every message, as the command does: after a checkpoint."""
    with closing(hospital.open()) as store:
        prune(store, before=LATER, actor=WHO, now=lambda: LATER)


class TestTheSame:
    """What was kept then is made again, with the ids given then."""

    @pytest.mark.parametrize("batch", [1, 7])
    def test_every_golden_message(self, sqlite_hospital: Hospital, batch: int) -> None:
        messages = [raw for each in CONVERSATIONS for raw in each.messages]
        outcomes = sqlite_hospital.receive(*messages, batch=batch, environment="test")
        assert len({each.ack_code for each in outcomes}) == 3
        found = sqlite_hospital.verify()
        assert is_same(found), found
        assert (found.messages, found.identities) == (len(messages), len(sqlite_hospital.histories()))
        assert found.identities > 10
        assert found.folded == sum(each.ack_code == "AA" and not each.is_repeat for each in outcomes)

    def test_an_empty_journal(self, hospital: Hospital) -> None:
        found = hospital.verify()
        assert (is_same(found), found.messages, found.begins_at, found.runs) == (True, 0, None, ())

    def test_repeats_and_refusals_touch_nobody(self, hospital: Hospital) -> None:
        hospital.receive(adt("100", "1"), adt("100", "1"), INCOMPLETE, b"no message at all", b"")
        found = hospital.verify()
        assert is_same(found), found
        assert (found.messages, found.folded, found.identities) == (5, 1, 1)

    def test_merges_and_acts(self, hospital: Hospital) -> None:
        hospital.receive(adt("100", "1"), adt("101", "2"), a40("100", "101", "3"))
        hospital.unmerge("101")
        hospital.receive(adt("101", "4", event="A31", sex="M"))
        found = hospital.verify()
        assert is_same(found), found
        assert (found.acts, found.folded) == (1, 4)

    def test_what_was_replayed(self, hospital: Hospital) -> None:
        hospital.receive(INCOMPLETE)
        hospital.replay(is_for_good=True, settings={"incomplete_qualified_identity": "accept"})
        found = hospital.verify()
        assert is_same(found), found
        assert (found.messages, found.folded, found.identities) == (2, 1, 1)

    def test_what_comes_in_meanwhile_is_no_difference(self, hospital: Hospital) -> None:
        hospital.receive(adt("100", "1"), adt("200", "2"))
        late: list[bytes] = [adt("100", "3", event="A31", sex="M"), adt("300", "4")]

        def come_in(_count: int, _at: object) -> None:
            hospital.receive(*late)
            late.clear()

        found = hospital.verify(tell=come_in)
        assert is_same(found), found
        assert (found.messages, found.identities) == (2, 2)

    def test_a_date_confirmed_meanwhile_is_no_difference(self, hospital: Hospital) -> None:
        hospital.receive(adt("100", "1"), adt("200", "2"))
        late = [adt("100", "3", event="A31").replace(b"20260302080000", b"20260302090000")]

        def come_in(_count: int, _at: object) -> None:
            hospital.receive(*late)
            late.clear()

        found = hospital.verify(tell=come_in)
        assert hospital.identity("100").version == 1
        assert is_same(found), found


class TestInForce:
    """Each message is taken under what was in force when it came, not under what is now."""

    def test_settings_that_have_changed_since(self, hospital: Hospital) -> None:
        hospital.receive(INCOMPLETE, incomplete_qualified_identity="accept")
        hospital.receive(adt("100", "1"))
        found = hospital.verify(now={"incomplete_qualified_identity": "reject"})
        assert is_same(found), found
        assert [(each.program, each.messages) for each in found.runs] == [("1.2.3", 1), ("1.2.3", 1)]
        assert len({each.in_force for each in found.runs}) == 2

    def test_the_settings_of_today_when_asked(self, hospital: Hospital) -> None:
        (taken, _) = hospital.receive(INCOMPLETE, adt("100", "1"), incomplete_qualified_identity="accept")
        found = hospital.verify(with_current_settings=True, now={"incomplete_qualified_identity": "reject"})
        assert found.undecided_count == 1
        assert [(each.message_id, each.ack_code) for each in found.undecided] == [(taken.message_id, "AE")]
        assert set(found.undecided[0].rules) == {"qualified-trait-missing"}
        assert (found.surplus.count, found.missing.count) == (1, 0)

    def test_a_refusal_stays_one_under_settings_that_would_accept(self, hospital: Hospital) -> None:
        hospital.receive(adt("100", "1"), INCOMPLETE)
        found = hospital.verify(with_current_settings=True, now={"incomplete_qualified_identity": "accept"})
        assert is_same(found), found
        assert (found.folded, found.identities) == (1, 1)

    def test_messages_of_before_are_taken_under_the_settings_of_today(self, hospital: Hospital) -> None:
        hospital.receive(INCOMPLETE, kept=False, incomplete_qualified_identity="accept")
        hospital.receive(adt("100", "1"))
        assert hospital.verify(now={"incomplete_qualified_identity": "accept"}).before_settings_were_kept == 1
        found = hospital.verify(now={"incomplete_qualified_identity": "reject"})
        assert (found.before_settings_were_kept, found.undecided_count) == (1, 1)

    def test_a_date_that_was_not_kept_before_is_no_difference(self, hospital: Hospital) -> None:
        hospital.receive(adt("100", "1"), kept=False)
        hospital.execute("UPDATE identity SET dated_at = NULL")
        assert is_same(hospital.verify())
        hospital.receive(adt("200", "2"))
        hospital.execute("UPDATE identity SET dated_at = NULL")
        assert is_same(hospital.verify())

    def test_a_date_that_was_lost_is_one(self, hospital: Hospital) -> None:
        hospital.receive(adt("100", "1"))
        hospital.execute("UPDATE identity SET dated_at = NULL")
        (one,) = hospital.verify().differing.examples
        assert one.what == ("dated_at",)


class TestOrder:
    """Two writers give their ids before they wait for each other: the versions tell who was first."""

    def two_writers(self, hospital: Hospital) -> None:
        early, late = (iter([str(UUID(int=(0x0190_0000_0000_7000 << 64) | (n << 80)))]) for n in (50, 60))
        hospital.receive(adt("100", "1"))
        hospital.receive(adt("100", "2", event="A31", sex="M"), new_message_id=lambda: next(late))
        hospital.receive(adt("100", "3", event="A31", sex="F"), new_message_id=lambda: next(early))
        assert hospital.identity("100").traits.sex == "F"

    def test_the_one_that_was_decided_late_is_folded_late(self, hospital: Hospital) -> None:
        self.two_writers(hospital)
        found = hospital.verify()
        assert is_same(found), found
        assert found.folded == 3

    def test_the_order_of_ids_alone_would_differ(
        self, sqlite_hospital: Hospital, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.two_writers(sqlite_hospital)
        monkeypatch.setattr(journal, "find_overtaken", lambda *_: {})
        assert sqlite_hospital.verify().differing.count == 1

    def test_one_may_wait_for_another_that_waits(self, hospital: Hospital) -> None:
        numbers = {"a": 90, "b": 80, "c": 70}
        hospital.receive(adt("100", "1"))
        for name, sex in (("a", "M"), ("b", "U"), ("c", "F")):
            made = str(UUID(int=(0x0190_0000_0000_7000 << 64) | (numbers[name] << 80)))
            hospital.receive(adt("100", name, event="A31", sex=sex), new_message_id=lambda made=made: made)
        found = hospital.verify()
        assert is_same(found), found
        assert found.folded == 4

    def test_all_that_follow_one_decided_late_wait_with_it(self, hospital: Hospital) -> None:
        made = [str(UUID(int=(0x0190_0000_0000_7000 << 64) | (n << 80))) for n in (90, 70, 80)]
        ids = iter(made)
        hospital.receive(adt("100", "1"))
        hospital.receive(adt("100", "a", event="A31", sex="M"), new_message_id=lambda: next(ids))
        both = (adt("100", "b", event="A31", sex="F"), adt("100", "c", event="A31", sex="U"))
        hospital.receive(*both, batch=2, new_message_id=lambda: next(ids))
        assert hospital.identity("100").version == 4
        found = hospital.verify()
        assert is_same(found), found


class TestCheckpoint:
    """A fold starts from the newest checkpoint: it needs no text of before."""

    def test_what_was_pruned_is_in_it(self, hospital: Hospital) -> None:
        hospital.receive(adt("100", "1"), adt("101", "2"), qualified(adt("102", "3")), a40("100", "101", "4"))
        prune_all(hospital)
        hospital.receive(adt("100", "5", event="A31", sex="M"), adt("300", "6"))
        found = hospital.verify()
        assert is_same(found), found
        assert (found.messages, found.folded, found.identities) == (2, 2, 4)
        assert found.checkpoint is not None

    def test_a_merge_of_before_can_be_undone_after(self, hospital: Hospital) -> None:
        hospital.receive(adt("100", "1"), adt("101", "2"), a40("100", "101", "3"))
        prune_all(hospital)
        hospital.unmerge("101")
        found = hospital.verify()
        assert is_same(found), found
        assert found.acts == 1

    def test_one_that_was_erased_by_legal_demand(self, hospital: Hospital) -> None:
        hospital.receive(qualified(adt("100", "1")), adt("200", "2"))
        with closing(hospital.open()) as store:
            search, _ = find_traces(store, hospital.identity("100").id)
            erase(store, search, actor=WHO, reason="on demand", now=lambda: LATER)
        hospital.receive(adt("200", "3", event="A31", sex="M"))
        found = hospital.verify()
        assert is_same(found), found
        assert (found.folded, found.identities) == (1, 2)
        hospital.execute("UPDATE identity SET sex = 'U' WHERE erased_at IS NULL")
        hospital.rebuild()
        assert hospital.execute("SELECT sex FROM identity ORDER BY sex IS NULL") == [("M",), (None,)]
        assert is_same(hospital.verify())

    def test_a_difference_after_it_is_found(self, hospital: Hospital) -> None:
        hospital.receive(adt("100", "1"))
        prune_all(hospital)
        hospital.receive(adt("100", "2", event="A31", sex="M"))
        hospital.execute("UPDATE identity SET sex = 'U'")
        assert [each.what for each in hospital.verify().differing.examples] == [("sex",)]

    def test_a_text_that_no_checkpoint_holds_is_an_error(self, hospital: Hospital) -> None:
        outcomes = hospital.receive(adt("100", "1"), adt("200", "2"), INCOMPLETE)
        hospital.execute("DELETE FROM message_text")
        with pytest.raises(JournalIncomplete) as caught:
            hospital.verify()
        assert (caught.value.count, caught.value.first) == (2, outcomes[0].message_id)

    def test_one_that_is_replaced_meanwhile_is_no_damage(
        self, hospital: Hospital, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hospital.receive(adt("100", "1"))
        prune_all(hospital)
        hospital.receive(adt("200", "2"))
        found = journal.find_checkpoint
        calls: list[object] = []

        def find_then_prune(store: Store) -> object:
            calls.append(answer := found(store))
            if len(calls) == 1:
                prune_all(hospital)
            return answer

        monkeypatch.setattr(journal, "find_checkpoint", find_then_prune)
        with pytest.raises(StoreConflict):
            hospital.verify()
        assert is_same(hospital.verify())

    def test_a_refusal_without_its_text_is_none(self, hospital: Hospital) -> None:
        hospital.receive(adt("100", "1"), INCOMPLETE)
        hospital.execute("DELETE FROM message_text WHERE message_id IN (SELECT id FROM message WHERE ack_code = 'AE')")
        assert is_same(hospital.verify())

    def test_nothing_of_a_message_stays_in_the_scratch_store(self, sqlite_hospital: Hospital) -> None:
        sqlite_hospital.receive(adt("100", "1"))
        with (
            closing(sqlite_hospital.open(read_only=True)) as store,
            sqlite_hospital.folded(store) as folded,
            folded.store.read() as connection,
        ):
            lines = connection.exec_driver_sql("SELECT count(*) FROM message").scalar()
            texts = connection.exec_driver_sql("SELECT count(*) FROM message_text").scalar()
        assert (lines, texts) == (1, 0)


class TestMonths:
    """On PostgreSQL texts go by whole months; what the checkpoint holds and what lies after it is folded as ever."""

    def test_what_went_with_its_month_is_in_the_checkpoint(self, bare_postgres_url: str, tmp_path: Path) -> None:
        migrate.upgrade(bare_postgres_url)
        hospital = Hospital(bare_postgres_url, tmp_path)
        days = count(1)
        begin = datetime(2026, 1, 1, tzinfo=UTC)
        hospital._ids = MessageIds(lambda: int((begin + timedelta(days=next(days))).timestamp()) * 1_000_000_000)
        with closing(hospital.open()) as store, store.begin() as tx:
            make_months_at_leisure(tx.connection, begin, since=begin)
        people = [adt(str(n), str(n)) for n in range(100, 140)]
        hospital.receive(*people, a40("100", "139", "M"))
        hospital.unmerge("139")
        with closing(hospital.open()) as store:
            before = datetime(2026, 2, 5, tzinfo=UTC)
            assert prune(store, before=before, actor=WHO, now=lambda: LATER).messages == 34
        found = hospital.verify()
        assert is_same(found), found
        hospital.receive(adt("120", "200", event="A31", sex="M"))
        assert is_same(hospital.verify())
        hospital.execute("UPDATE identity SET sex = 'U'")
        assert hospital.verify().differs


class TestEncrypted:
    """An encrypted journal is folded with its keys, and without them not at all."""

    @pytest.fixture
    def ward(self, hospital: Hospital) -> Hospital:
        hospital.sealing = keyed(encrypts=True)
        hospital.receive(adt("100", "1"), adt("101", "2"), INCOMPLETE, a40("100", "101", "3"))
        hospital.unmerge("101")
        return hospital

    def test_it_is_verified_and_replayed(self, ward: Hospital) -> None:
        raws = [bytes(row.raw) for row in ward.execute("SELECT raw FROM message_text")]
        assert len(raws) == 4
        assert b"KERGUELEN" not in b"".join(raws)
        assert is_same(ward.verify())
        found = ward.replay(is_for_good=True, settings={"incomplete_qualified_identity": "accept"})
        assert found.accepted.count == 1
        assert is_same(ward.verify())

    def test_from_an_encrypted_checkpoint(self, ward: Hospital) -> None:
        prune_all(ward)
        ward.receive(adt("100", "9", event="A31", sex="M"))
        assert is_same(ward.verify())

    def test_without_the_key(self, ward: Hospital) -> None:
        ward.sealing = InClear()
        with pytest.raises(KeyMissing):
            ward.verify()


class TestRuns:
    def test_messages_under_the_same_are_one_run_whatever_stands_between(self, hospital: Hospital) -> None:
        outcomes = hospital.receive(adt("100", "1"), INCOMPLETE, adt("101", "3"))
        (run,) = hospital.verify().runs
        assert (run.messages, run.first, run.last) == (2, outcomes[0].message_id, outcomes[2].message_id)

    def test_progress_is_told(self, sqlite_hospital: Hospital) -> None:
        sqlite_hospital.receive(*(adt(f"{n}", f"{n}") for n in range(1000, 1300)), batch=100)
        told: list[int] = []
        sqlite_hospital.verify(tell=lambda done, _: told.append(done))
        assert told == [250, 300]
