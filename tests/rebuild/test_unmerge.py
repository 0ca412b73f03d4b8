"""The act of undoing a merge: what a person is shown, and what is kept of it."""

import json
from contextlib import closing

import pytest
from golden import adt

from pam_receiver.identity.unmerge import NotUndone
from pam_receiver.rebuild.unmerge import Unmerge, plan_unmerge, unmerge
from pam_receiver.store import StoreUnavailable, queries

from .conftest import LATER, WHO, Hospital, a40

BOTH = b"~101^^^CHU-LYRE&1.2.250.1.999.77&ISO^PI"


@pytest.fixture
def ward(hospital: Hospital) -> Hospital:
    hospital.receive(adt("100", "1"), adt("101", "2", sex="M"), a40("100", "101", "3"))
    return hospital


def plan(ward: Hospital, ipp: str = "101") -> Unmerge | NotUndone:
    with closing(ward.open(read_only=True)) as store:
        return plan_unmerge(store, ward.identity(ipp).id)


def planned(ward: Hospital, ipp: str = "101") -> Unmerge:
    found = plan(ward, ipp)
    assert isinstance(found, Unmerge), found
    return found


class TestPlan:
    def test_the_merge_and_the_state_before(self, ward: Hospital) -> None:
        found = planned(ward)
        assert (found.link.absorbed, found.link.survivor) == (ward.identity("101").id, ward.identity("100").id)
        assert (found.was_active, found.touched, found.refused) == (True, (), ())

    def test_one_that_was_inactive(self, hospital: Hospital) -> None:
        hospital.receive(adt("100", "1"), adt("101", "2").replace(b"|PROV|", b"|PROV~DESA|"), a40("100", "101", "3"))
        assert planned(hospital).was_active is False

    def test_messages_that_touched_the_survivor_by_the_absorbed_ipp(self, ward: Hospital) -> None:
        both = adt("100", "4", event="A31", sex="M").replace(b"^PI||", b"^PI" + BOTH + b"||")
        outcomes = ward.receive(both, adt("100", "5", event="A31", sex="U"))
        assert [each.ack_code for each in outcomes] == ["AA", "AA"]
        (one,) = planned(ward).touched
        assert (one.id, one.version, one.control_id) == (outcomes[0].message_id, 2, "4")

    def test_messages_refused_because_it_was_absorbed(self, ward: Hospital) -> None:
        outcomes = ward.receive(adt("101", "4", event="A31"), adt("900", "5", event="A47"))
        assert [each.ack_code for each in outcomes] == ["AE", "AE"]
        assert [each.id for each in planned(ward).refused] == [outcomes[0].message_id]

    def test_one_whose_text_is_gone_is_shown_too(self, ward: Hospital) -> None:
        (outcome,) = ward.receive(adt("100", "4", event="A31", sex="M"))
        assert planned(ward).touched == ()
        ward.execute("DELETE FROM message_text")
        ward.execute("UPDATE message SET erased_at = received_at")
        assert [(each.id, each.raw) for each in planned(ward).touched] == [(outcome.message_id, None)]

    def test_what_is_before_the_merge_is_not_shown(self, hospital: Hospital) -> None:
        hospital.receive(adt("100", "1"), adt("100", "2", event="A31", sex="M"), adt("101", "3"))
        hospital.receive(a40("100", "101", "4"))
        assert planned(hospital).touched == ()

    def test_what_was_never_merged(self, ward: Hospital) -> None:
        assert plan(ward, "100") is NotUndone.NOT_MERGED

    def test_a_survivor_that_was_merged_since(self, ward: Hospital) -> None:
        ward.receive(adt("200", "4"), a40("200", "100", "5"))
        assert plan(ward) is NotUndone.MERGED_SINCE
        assert planned(ward, "100").link.survivor == ward.identity("200").id

    def test_the_last_of_several_merges(self, ward: Hospital) -> None:
        ward.unmerge("101")
        ward.receive(adt("200", "4"), a40("200", "101", "5"))
        assert planned(ward).link.survivor == ward.identity("200").id

    def test_one_that_was_undone(self, ward: Hospital) -> None:
        ward.unmerge("101")
        assert plan(ward) is NotUndone.NOT_MERGED


class TestAct:
    def test_both_identities_have_a_version_of_it(self, ward: Hospital) -> None:
        before = {ipp: ward.identity(ipp) for ipp in ("100", "101")}
        ward.unmerge("101")
        one, survivor = ward.identity("101"), ward.identity("100")
        assert (one.active, one.merged_into, one.version) == (True, None, before["101"].version + 1)
        assert survivor.version == before["100"].version + 1
        histories = ward.histories()
        events = [[version.event for version in histories[each.id][1]] for each in (one, survivor)]
        assert events == [["A28", "A40", "unmerge"], ["A28", "unmerge"]]

    def test_the_link_stays(self, ward: Hospital) -> None:
        links = ward.execute("SELECT * FROM merge_link")
        ward.unmerge("101")
        assert ward.execute("SELECT * FROM merge_link") == links

    def test_the_journal_holds_ids_alone(self, ward: Hospital) -> None:
        act = ward.unmerge("101")
        (row,) = ward.execute("SELECT words, action, ack_code, control_id FROM message WHERE action IS NOT NULL")
        assert json.loads(row.words) == {
            "action": "unmerge",
            "absorbed": act.absorbed,
            "survivor": act.survivor,
            "merge": act.merge,
            "active": True,
        }
        assert (row.action, row.ack_code, row.control_id) == ("unmerge", "AA", "")

    def test_an_alert_is_open(self, ward: Hospital) -> None:
        ward.unmerge("101")
        rows = ward.execute("SELECT rule, state, identity_id FROM alert")
        assert [tuple(row) for row in rows] == [("merge-undone", "open", ward.identity("100").id)]

    def test_the_trail_says_who_and_why(self, ward: Hospital) -> None:
        act = ward.unmerge("101")
        rows = ward.execute("SELECT action, actor, reason, identity_id FROM audit_event ORDER BY number")
        assert [tuple(row) for row in rows] == [
            ("unmerge", "operator", "a homonym", act.absorbed),
            ("unmerge", "operator", "a homonym", act.survivor),
        ]

    def test_all_or_nothing(self, ward: Hospital, monkeypatch: pytest.MonkeyPatch) -> None:
        found = planned(ward)

        def fail(*_: object) -> None:
            raise StoreUnavailable("x", "away")  # type: ignore[arg-type]

        monkeypatch.setattr("pam_receiver.store.transaction.append", fail)
        with closing(ward.open()) as store, pytest.raises(StoreUnavailable):
            unmerge(store, found, actor=WHO, reason="why", new_id="x", at=LATER)
        assert ward.identity("101").merged_into is not None
        assert ward.execute("SELECT count(*) FROM message WHERE action IS NOT NULL") == [(0,)]

    def test_who_was_faster_is_told(self, ward: Hospital) -> None:
        found = planned(ward)
        ward.unmerge("101")
        with closing(ward.open()) as store:
            assert unmerge(store, found, actor=WHO, reason="why", new_id="x", at=LATER) is NotUndone.NOT_MERGED

    def test_the_same_merge_sent_again_is_a_repeat_and_undoes_nothing(self, ward: Hospital) -> None:
        ward.unmerge("101")
        (outcome,) = ward.receive(a40("100", "101", "3"))
        assert outcome.is_repeat
        assert ward.identity("101").active

    def test_messages_of_both_are_taken_again(self, ward: Hospital) -> None:
        ward.unmerge("101")
        outcomes = ward.receive(adt("101", "4", event="A31", sex="U"), adt("100", "5", event="A31", sex="M"))
        assert [each.ack_code for each in outcomes] == ["AA", "AA"]
        assert [ward.identity(each).traits.sex for each in ("100", "101")] == ["M", "U"]

    def test_what_the_journal_shows_of_it(self, ward: Hospital) -> None:
        ward.unmerge("101")
        with closing(ward.open(read_only=True)) as store:
            line = queries.list_messages(store, limit=1)[0]
        assert (line.event, line.peer, line.findings) == ("unmerge", "machine", ())
