"""Refused messages taken again: in order, on what the last one left, never over what has changed since."""

from contextlib import closing
from typing import Any

import pytest
from golden import adt

from pam_receiver.rebuild.replay import Replay
from pam_receiver.store import Store, queries
from pam_receiver.store.refused import REPLAYS
from pam_receiver.store.schema import message

from .conftest import Hospital, a40, at, qualified

ACCEPT = {"settings": {"incomplete_qualified_identity": "accept"}}


def incomplete(ipp: str, control_id: str, *, event: str = "A28", name: bytes = b"ANNE") -> bytes:
    """A message refused for its sex, unless the settings accept it."""
    return qualified(adt(ipp, control_id, event=event, sex="")).replace(
        b"^ANNE^ANNE ", b"^" + name + b"^" + name + b" "
    )


def counts(found: Replay) -> dict[str, int]:
    groups = {name: getattr(found, name).count for name in ("accepted", "changed", "refused")}
    return {"messages": found.messages, "taken": found.taken, **groups}


def all_rows(hospital: Hospital) -> list[Any]:
    tables = ("message", "identity", "identifier", "identity_version", "audit_event", "alert", "in_force")
    return [hospital.execute(f"SELECT * FROM {table}") for table in tables]


class TestDryRun:
    def test_it_tells_and_writes_nothing(self, hospital: Hospital) -> None:
        outcomes = hospital.receive(adt("100", "1"), incomplete("200", "2"), b"nothing at all")
        before = all_rows(hospital)
        found = hospital.replay(**ACCEPT)
        assert counts(found) == {"messages": 2, "taken": 0, "accepted": 1, "changed": 0, "refused": 1}
        (one,) = found.accepted.examples
        assert (one.message_id, one.control_id, one.event) == (outcomes[1].message_id, "2", "A28")
        assert (one.before, one.after, one.new_id) == ("AE", "AA", None)
        assert (found.refused.examples[0].before, found.refused.examples[0].errors) == ("AR", ("no-header",))
        assert all_rows(hospital) == before

    def test_under_the_same_settings_it_is_refused_again(self, hospital: Hospital) -> None:
        hospital.receive(incomplete("200", "2"))
        found = hospital.replay()
        assert counts(found) == {"messages": 1, "taken": 0, "accepted": 0, "changed": 0, "refused": 1}
        assert set(found.refused.examples[0].errors) == {"qualified-trait-missing"}

    def test_each_is_found_on_what_the_last_one_left(self, hospital: Hospital) -> None:
        hospital.receive(incomplete("200", "2"), incomplete("200", "2"), incomplete("200", "3", event="A31"))
        assert counts(hospital.replay(**ACCEPT)) == {
            "messages": 3,
            "taken": 1,
            "accepted": 2,
            "changed": 0,
            "refused": 0,
        }


class TestForGood:
    def test_a_new_line_of_the_journal_names_the_old_one(self, hospital: Hospital) -> None:
        (refused,) = hospital.receive(incomplete("200", "2"), port=2576)
        found = hospital.replay(is_for_good=True, **ACCEPT)
        (one,) = found.accepted.examples
        old, new = hospital.execute("SELECT * FROM message JOIN message_text ON message_id = id ORDER BY id")
        assert (old.id, new.id, new.replay_of) == (refused.message_id, one.new_id, old.id)
        same = ("raw", "digest", "peer", "port", "control_id", "event", "repeat_key")
        assert [getattr(old, name) for name in same] == [getattr(new, name) for name in same]
        assert (old.ack_code, new.ack_code, new.port) == ("AE", "AA", 2576)
        assert new.in_force not in (None, old.in_force)
        assert new.received_at != old.received_at
        assert hospital.identity("200").ins is not None

    def test_twice_does_nothing(self, hospital: Hospital) -> None:
        hospital.receive(incomplete("200", "2"))
        hospital.replay(is_for_good=True, **ACCEPT)
        before = all_rows(hospital)
        found = hospital.replay(is_for_good=True, **ACCEPT)
        assert counts(found) == {"messages": 1, "taken": 1, "accepted": 0, "changed": 0, "refused": 0}
        assert all_rows(hospital) == before

    def test_without_a_control_id_too(self, hospital: Hospital) -> None:
        hospital.receive(incomplete("200", ""))
        assert hospital.replay(is_for_good=True, **ACCEPT).accepted.count == 1
        before = all_rows(hospital)
        assert counts(hospital.replay(is_for_good=True, **ACCEPT))["taken"] == 1
        assert all_rows(hospital) == before

    def test_one_that_was_sent_many_times_is_taken_once(self, hospital: Hospital) -> None:
        hospital.receive(*[incomplete("200", "2")] * 3)
        found = hospital.replay(is_for_good=True, **ACCEPT)
        assert counts(found) == {"messages": 3, "taken": 2, "accepted": 1, "changed": 0, "refused": 0}
        assert hospital.identity("200").version == 1

    def test_one_that_was_sent_again_and_accepted_is_left(self, hospital: Hospital) -> None:
        hospital.receive(incomplete("200", "2"))
        hospital.receive(incomplete("200", "2"), incomplete_qualified_identity="accept")
        assert counts(hospital.replay(is_for_good=True, **ACCEPT))["taken"] == 1

    def test_what_is_refused_again_is_not_journalled_again(self, hospital: Hospital) -> None:
        hospital.receive(incomplete("200", "2"))
        before = all_rows(hospital)
        assert hospital.replay(is_for_good=True).refused.count == 1
        assert all_rows(hospital) == before

    def test_several_of_one_patient_in_their_order(self, hospital: Hospital) -> None:
        hospital.receive(
            *(incomplete("200", f"{n}", event="A31", name=name) for n, name in ((2, b"ANNE"), (3, b"SOLENE")))
        )
        found = hospital.replay(is_for_good=True, **ACCEPT)
        assert counts(found) == {"messages": 2, "taken": 0, "accepted": 2, "changed": 0, "refused": 0}
        assert (hospital.identity("200").traits.first_birth_given_name, hospital.identity("200").version) == (
            "SOLENE",
            2,
        )

    def test_more_than_a_page(self, sqlite_hospital: Hospital) -> None:
        sqlite_hospital.receive(*(incomplete(f"{n}", f"{n}") for n in range(1000, 1130)), batch=50)
        assert sqlite_hospital.replay(is_for_good=True, **ACCEPT).accepted.count == 130
        assert len(sqlite_hospital.histories()) == 130

    def test_the_trail_has_a_line_for_each_in_its_transaction(self, hospital: Hospital) -> None:
        (refused,) = hospital.receive(incomplete("200", "2"))
        (one,) = hospital.replay(is_for_good=True, **ACCEPT).accepted.examples
        ((action, message_id, detail),) = hospital.execute("SELECT action, message_id, detail FROM audit_event")
        assert (action, message_id, refused.message_id in str(detail)) == ("replay", one.new_id, True)

    def test_without_its_line_in_the_trail_nothing_is_kept(
        self, hospital: Hospital, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hospital.receive(incomplete("200", "2"))
        before = all_rows(hospital)

        def fail(*_: object) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr("pam_receiver.store.transaction.append", fail)
        with pytest.raises(ZeroDivisionError):
            hospital.replay(is_for_good=True, **ACCEPT)
        assert all_rows(hospital) == before


class TestChanged:
    """A message is left alone when somebody whom it names has changed since it came."""

    def test_by_another_message(self, hospital: Hospital) -> None:
        hospital.receive(adt("200", "1"), incomplete("200", "2", event="A31"))
        (refused,) = [each.message_id for each in hospital.replay(**ACCEPT).accepted.examples]
        hospital.receive(adt("200", "3", event="A31", sex="M"))
        before = all_rows(hospital)
        found = hospital.replay(is_for_good=True, **ACCEPT)
        assert counts(found) == {"messages": 1, "taken": 0, "accepted": 0, "changed": 1, "refused": 0}
        (one,) = found.changed.examples
        assert (one.message_id, one.changed) == (refused, (hospital.identity("200").id,))
        assert all_rows(hospital) == before

    def test_one_created_since(self, hospital: Hospital) -> None:
        hospital.receive(incomplete("200", "2"), adt("200", "3"))
        assert counts(hospital.replay(**ACCEPT))["changed"] == 1

    def test_one_into_which_it_was_merged(self, hospital: Hospital) -> None:
        hospital.receive(adt("100", "1"), adt("200", "2"), incomplete("200", "3", event="A31"), a40("100", "200", "4"))
        found = hospital.replay(**ACCEPT)
        assert found.changed.examples[0].changed == (hospital.identity("200").id,)

    def test_what_an_operator_did_is_no_message(self, hospital: Hospital) -> None:
        hospital.receive(
            adt("100", "1"), adt("101", "2"), a40("100", "101", "3"), adt("101", "4", event="A31", sex="M")
        )
        hospital.unmerge("101")
        found = hospital.replay(is_for_good=True)
        assert counts(found) == {"messages": 1, "taken": 0, "accepted": 1, "changed": 0, "refused": 0}
        assert hospital.identity("101").traits.sex == "M"
        assert not hospital.verify().differs

    def test_one_who_was_merged_elsewhere_before(self, hospital: Hospital) -> None:
        hospital.receive(adt("100", "1"), adt("101", "2"), adt("102", "3"), a40("100", "101", "4"))
        hospital.unmerge("101")
        hospital.receive(a40("102", "101", "5"), adt("101", "6", event="A31", sex="M"))
        assert counts(hospital.replay()) == {"messages": 1, "taken": 0, "accepted": 0, "changed": 0, "refused": 1}

    def test_somebody_else_who_changed_does_not_count(self, hospital: Hospital) -> None:
        hospital.receive(adt("100", "1"), incomplete("200", "2"), adt("100", "3", event="A31", sex="M"))
        assert counts(hospital.replay(**ACCEPT))["accepted"] == 1


class TestNewerWord:
    """What the source has confirmed since, with a later date of its own, is not overwritten by what is older."""

    def older(self, ipp: str, control_id: str, **values: str) -> bytes:
        return adt(ipp, control_id, **values).replace(b"20260302080000", b"20260301080000")

    def test_a_confirmation_that_made_no_version_counts(self, hospital: Hospital) -> None:
        hospital.receive(
            self.older("100", "1").replace(b"20260301", b"20260228"),
            qualified(self.older("100", "2", event="A31", sex="")).replace(b"^ANNE^ANNE ", b"^SOLENE^SOLENE "),
            adt("100", "3", event="A31"),  # as held already: its date alone moves on
        )
        assert hospital.identity("100").version == 1
        found = hospital.replay(is_for_good=True, **ACCEPT)
        assert counts(found) == {"messages": 1, "taken": 0, "accepted": 0, "changed": 1, "refused": 0}
        assert found.changed.examples[0].changed == (hospital.identity("100").id,)
        assert hospital.identity("100").traits.first_birth_given_name == "ANNE"

    def test_one_that_is_not_older_is_taken(self, hospital: Hospital) -> None:
        hospital.receive(
            self.older("100", "1"),
            qualified(adt("100", "2", event="A31", sex="")),
            self.older("100", "3", event="A31"),
        )
        assert counts(hospital.replay(is_for_good=True, **ACCEPT))["accepted"] == 1

    def test_a_merge_is_as_true_late(self, hospital: Hospital) -> None:
        late = a40("100", "101", "3").replace(b"20260302080000", b"20260228080000")
        hospital.receive(*(self.older(ipp, ipp) for ipp in ("100", "101", "102")), a40("102", "100", "2"), late)
        hospital.unmerge("100")
        found = hospital.replay()
        assert counts(found) == {"messages": 1, "taken": 0, "accepted": 1, "changed": 0, "refused": 0}


class TestHeads:
    """Of a block over the limit the journal has the head alone: it is no message, whatever the limit is now."""

    def test_a_head_is_never_taken(self, hospital: Hospital) -> None:
        with closing(hospital.open()) as store:
            receiver = hospital._receiver(store, hospital._ids, {})
            outcome = receiver.receive_oversize(hospital._incoming([adt("100", "1")], None)[0])
        assert outcome.ack_code == "AR"
        assert counts(hospital.replay(is_for_good=True))["accepted"] == 0
        assert hospital.histories() == {}


class TestChoice:
    @pytest.fixture
    def ward(self, hospital: Hospital) -> Hospital:
        hospital.receive(incomplete("200", "2"), b"nothing at all", incomplete("300", "3"), incomplete("400", "4"))
        return hospital

    def test_by_answer(self, ward: Hospital) -> None:
        assert ward.replay(codes=("AR",)).messages == 1
        assert ward.replay(codes=("AE",)).messages == 3

    def test_by_rule(self, ward: Hospital) -> None:
        assert ward.replay(rule="qualified-trait-missing").messages == 3
        assert ward.replay(rule="no-header").messages == 1

    def test_by_time(self, ward: Hospital) -> None:
        assert [ward.replay(since=at(minute)).messages for minute in (0, 1, 3, 4)] == [4, 3, 1, 0]
        assert [ward.replay(until=at(minute)).messages for minute in (0, 2, 9)] == [0, 2, 4]

    def test_accepted_ones_and_those_without_text_are_not_among_them(self, ward: Hospital) -> None:
        ward.receive(adt("500", "5"))
        ward.execute("DELETE FROM message_text WHERE message_id IN (SELECT id FROM message WHERE ack_code = 'AR')")
        assert ward.replay().messages == 3

    def test_progress_is_told(self, ward: Hospital) -> None:
        told: list[tuple[int, object]] = []
        ward.replay(tell=lambda count, moment: told.append((count, moment)))
        assert told == [(4, at(3))]


class TestBesideADaemon:
    def test_a_daemon_goes_on_meanwhile(self, hospital: Hospital) -> None:
        hospital.receive(incomplete("200", "2"), incomplete("300", "3"))
        with closing(Store.open(hospital.url)) as daemon:
            daemon.lock_for_serving()
            assert hospital.replay(is_for_good=True, **ACCEPT).accepted.count == 2
            assert queries.read_statistics(daemon).identities == 2

    def test_only_the_index_of_replays_is_asked(self, hospital: Hospital) -> None:
        hospital.receive(incomplete("200", "2"))
        words = REPLAYS.where(message.c.replay_of.in_(["a", "b"]))
        explain = "EXPLAIN QUERY PLAN" if hospital.url.startswith("sqlite") else "EXPLAIN"
        plan = hospital.execute(f"{explain} {words.compile(compile_kwargs={'literal_binds': True})}")
        assert "ix_message_replay_of" in str(plan)
