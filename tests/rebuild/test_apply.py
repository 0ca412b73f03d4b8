"""The identities replaced by those of the journal: all of them or nothing, with their ids and the times of then."""

from contextlib import closing
from dataclasses import replace
from typing import Any, ClassVar

import psycopg
import pytest
from golden import adt

from pam_receiver.rebuild.apply import apply
from pam_receiver.rebuild.compare import compare
from pam_receiver.store import Store, StoreConflict, StoreUnavailable, queries
from pam_receiver.store.replacing import CheckpointLacks

from .conftest import LATER, WHO, Hospital, a40, keyed, qualified
from .test_journal import prune_all

DAMAGE = (
    "UPDATE identity SET sex = 'U', version = 9",
    "DELETE FROM merge_link",
    "DELETE FROM identity_version WHERE number = 2",
    "UPDATE identifier SET value = 'X' || value",
    "DELETE FROM ended_ins",
)


@pytest.fixture
def ward(hospital: Hospital) -> Hospital:
    """A qualified identity that lost its INS, and two records of one patient that were merged."""
    hospital.receive(qualified(adt("100", "1")), adt("100", "2", event="A31", sex="M"))
    hospital.receive(adt("200", "3"), adt("201", "4"), a40("200", "201", "5"))
    return hospital


def damage(ward: Hospital) -> None:
    for statement in DAMAGE:
        ward.execute(statement)
    assert ward.verify().differs


class TestReplaced:
    def test_all_is_as_it_was(self, ward: Hospital) -> None:
        before = ward.histories()
        links = ward.execute("SELECT * FROM merge_link")
        damage(ward)
        done = ward.rebuild()
        assert (done.identities, done.versions, done.merges, done.gone) == (3, 5, 1, 0)
        assert _without_times(ward) == {key: (one, _untimed(versions)) for key, (one, versions) in before.items()}
        assert ward.execute("SELECT * FROM merge_link") == links
        assert not ward.verify().differs

    def test_versions_that_were_there_keep_their_times(self, ward: Hospital) -> None:
        before = ward.histories()
        ward.execute("UPDATE identity SET sex = 'U'")
        ward.rebuild()
        assert ward.histories() == before

    def test_the_daemon_goes_on_from_there(self, ward: Hospital) -> None:
        damage(ward)
        ward.rebuild()
        (outcome,) = ward.receive(adt("100", "6", event="A31", sex="F"))
        assert outcome.ack_code == "AA"
        assert ward.identity("100").version == 3
        assert not ward.verify().differs

    def test_identities_that_are_missing_come_back(self, ward: Hospital) -> None:
        before = ward.histories()
        for table in ("alert", "identifier", "ended_ins", "identity_version", "merge_link", "identity"):
            ward.execute(f"DELETE FROM {table}")
        ward.rebuild()
        assert {key: one for key, (one, _) in ward.histories().items()} == {
            key: one for key, (one, _) in before.items()
        }

    def test_one_that_the_journal_does_not_make_goes_and_its_alert_stays(self, ward: Hospital) -> None:
        ward.receive(qualified(adt("900", "9", sex="")), incomplete_qualified_identity="accept")
        extra = ward.identity("900").id
        ward.execute("UPDATE alert SET identity_id = :id", id=extra)
        alerts = ward.execute("SELECT count(*) FROM alert")
        assert alerts[0][0] > 0
        done = ward.rebuild(with_current_settings=True)
        assert done.gone == 1
        assert extra not in ward.histories()
        assert ward.execute("SELECT count(*), count(identity_id) FROM alert") == [(alerts[0][0], 0)]

    def test_what_a_checkpoint_holds_stays(self, ward: Hospital) -> None:
        prune_all(ward)
        ward.receive(adt("100", "6", event="A31", sex="F"), adt("300", "7"))
        before = ward.histories()
        ward.execute("UPDATE identity SET sex = 'U'")
        ward.execute("DELETE FROM identity_version WHERE number = 3")
        ward.rebuild()
        after = ward.histories()
        assert {key: one for key, (one, _) in after.items()} == {key: one for key, (one, _) in before.items()}
        assert [len(each[1]) for each in after.values()] == [len(each[1]) for each in before.values()]
        assert not ward.verify().differs

    def test_one_that_was_erased_stays_so(self, ward: Hospital) -> None:
        anne = ward.identity("100").id
        ward.execute("DELETE FROM identifier WHERE identity_id = :id", id=anne)
        ward.execute("UPDATE identity SET sex = NULL, erased_at = :at WHERE id = :id", id=anne, at="2026-03-03 00:00Z")
        damage(ward)
        ward.rebuild()
        assert ward.execute("SELECT sex FROM identity WHERE id = :id", id=anne) == [("U",)]
        assert ward.execute("SELECT count(*) FROM identifier WHERE identity_id = :id", id=anne) == [(0,)]


def _untimed(versions: Any) -> Any:
    return [replace(each, at=LATER) for each in versions]


class TestLateMessage:
    """A message with an id of before the checkpoint, written after it: nothing is replaced, for it would be lost."""

    @pytest.mark.parametrize("ipp", ["100", "300"])
    def test_what_it_brought_is_not_lost(self, hospital: Hospital, ipp: str) -> None:
        late = hospital._ids()
        hospital.receive(adt("100", "1"), adt("200", "2"))
        prune_all(hospital)
        hospital.receive(adt(ipp, "3", event="A31", sex="M"), new_message_id=lambda: late)
        hospital.receive(adt("200", "4", event="A31", sex="M"))
        before = hospital.histories()
        with pytest.raises(CheckpointLacks):
            hospital.rebuild()
        assert hospital.histories() == before


class TestUnderOtherSettings:
    """What was rebuilt under other settings stays so: a later look does not call it a difference, nor undo it."""

    OTHER: ClassVar = {"incomplete_qualified_identity": "reject"}

    @pytest.mark.parametrize("encrypts", [False, True])
    def test_it_is_verified_under_them_from_then_on(self, hospital: Hospital, encrypts: bool) -> None:
        hospital.sealing = keyed(encrypts=encrypts)
        incomplete = qualified(adt("900", "2", sex=""))
        hospital.receive(adt("100", "1"), incomplete, incomplete_qualified_identity="accept")
        assert hospital.rebuild(with_current_settings=True, now=self.OTHER).gone == 1
        hospital.receive(qualified(adt("901", "3", sex="")), incomplete_qualified_identity="accept")
        found = hospital.verify(now={})
        assert not found.differs, found
        assert hospital.identity("901").ins is not None

    def test_the_journal_says_so(self, hospital: Hospital) -> None:
        (taken,) = hospital.receive(adt("100", "1"))
        hospital.execute("UPDATE identity SET sex = 'U'")
        hospital.rebuild(with_current_settings=True)
        ((action, event, words, in_force),) = hospital.execute(
            "SELECT action, event, words, in_force FROM message WHERE action IS NOT NULL"
        )
        assert (action, event) == ("rebuild", "rebuild")
        assert taken.message_id.encode() in bytes(words)
        assert in_force is not None

    def test_without_them_no_line_is_added(self, hospital: Hospital) -> None:
        hospital.receive(adt("100", "1"))
        hospital.execute("UPDATE identity SET sex = 'U'")
        hospital.rebuild()
        assert hospital.execute("SELECT count(*) FROM message") == [(1,)]


def _without_times(ward: Hospital) -> Any:
    return {key: (one, _untimed(versions)) for key, (one, versions) in ward.histories().items()}


class TestTrail:
    def test_it_says_who_and_why_in_the_same_transaction(self, ward: Hospital) -> None:
        damage(ward)
        ward.rebuild()
        rows = ward.execute("SELECT action, actor, reason FROM audit_event")
        assert [tuple(row) for row in rows] == [("rebuild", "operator", "why")]


class TestAllOrNothing:
    def state(self, ward: Hospital) -> Any:
        return [ward.execute(f"SELECT * FROM {table}") for table in ("identity", "identifier", "identity_version")]

    def test_a_message_that_came_in_since_the_fold(self, ward: Hospital) -> None:
        damage(ward)
        with closing(ward.open()) as store, ward.folded(store) as folded:
            store.close()
            ward.receive(adt("300", "6"))
            before = self.state(ward)
            with pytest.raises(StoreConflict):
                apply(store, folded, actor=WHO, reason=None, at=LATER, detail={})
            store.close()
            assert self.state(ward) == before
        assert ward.execute("SELECT count(*) FROM audit_event") == [(0,)]

    def test_what_fails_at_the_end_leaves_everything(self, ward: Hospital, monkeypatch: pytest.MonkeyPatch) -> None:
        damage(ward)
        before = self.state(ward)

        def fail(*_: object, **__: object) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr("pam_receiver.store.transaction.append", fail)
        with pytest.raises(ZeroDivisionError):
            ward.rebuild()
        assert self.state(ward) == before

    def test_on_a_server_nobody_writes_meanwhile(self, postgres_url: str, tmp_path: Any) -> None:
        ward = Hospital(postgres_url, tmp_path)
        ward.receive(adt("100", "1"))
        ward.execute("UPDATE identity SET sex = 'U'")
        with closing(ward.open()) as store, ward.folded(store) as folded, psycopg.connect(postgres_url) as other:
            other.execute("INSERT INTO in_force (id, at, content) VALUES ('x', now(), '{}')")  # not in the way
            other.execute("LOCK TABLE message IN ROW EXCLUSIVE MODE")  # as a daemon that writes a batch
            with pytest.raises(StoreUnavailable):
                apply(store, folded, actor=WHO, reason=None, at=LATER, detail={})
            other.rollback()
            apply(store, folded, actor=WHO, reason=None, at=LATER, detail={})
            assert not any(
                getattr(compare(store, folded), name).count for name in ("missing", "surplus", "differing", "versions")
            )

    def test_the_store_is_open_to_others_after(self, ward: Hospital) -> None:
        damage(ward)
        ward.rebuild()
        with closing(Store.open(ward.url)) as store:
            assert len(queries.list_identities(store)) == 3
