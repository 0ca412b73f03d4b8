"""Alerts: open, acknowledged, closed; all of a step or none of it, and each in the trail of the same transaction."""

from datetime import datetime, timedelta

import pytest

from pam_receiver.finding import ErrorCode, Finding, Severity
from pam_receiver.store import Actor, Store
from pam_receiver.store.alerts import (
    PENDING,
    SILENT,
    AlertState,
    AlertStepRefused,
    AlertUnknown,
    close_silence,
    count_open,
    find_alerts,
    heard_since,
    list_alerts,
    open_silence,
    silent_sources,
    take_step,
)
from pam_receiver.store.texts import earliest_id

from .conftest import NOW
from .test_audit import rows as trail

WHO = Actor("operator", "os-user", "machine")
SAID = Finding(SILENT, ErrorCode.ACCEPTED, Severity.W, None, "Rien.", "Nothing.", "pam-receiver")


@pytest.fixture
def three(store: Store, author) -> list[int]:
    """Three alerts about one identity, by their numbers."""
    made = author.identity("100")
    record = author.message()
    with store.begin() as tx:
        alerts = [(record.id, author.alert(made)) for _ in range(3)]
        tx.write(messages=[record], changes=[(record.id, author.creation(made))], alerts=alerts, at=NOW)
    return sorted(each.id for each in list_alerts(store))


def step(store: Store, ids: list[int], to: AlertState, note: str | None = None, by: Actor = WHO) -> None:
    with store.begin() as tx:
        take_step(tx, ids, to, by=by, note=note, at=NOW + timedelta(hours=1))


def states(store: Store) -> list[str]:
    return [each.state.value for each in reversed(list_alerts(store))]


class TestListing:
    def test_the_newest_first(self, store: Store, author) -> None:
        made = author.identity("100")
        record = author.message()
        with store.begin() as tx:
            alerts = [(record.id, author.alert(made)), (record.id, author.alert(None))]
            tx.write(messages=[record], changes=[(record.id, author.creation(made))], alerts=alerts, at=author.now)
        newest, oldest = list_alerts(store)
        assert (newest.identity_id, oldest.identity_id) == (None, made.id)
        assert (oldest.message_id, oldest.at, oldest.finding) == (record.id, author.now, author.finding())
        assert (oldest.state, oldest.changed_at, oldest.changed_by, oldest.note) == (AlertState.OPEN, None, None, None)
        assert list_alerts(store, limit=1) == (newest,)

    def test_by_state_and_over_states(self, store: Store, three: list[int]) -> None:
        step(store, three[:1], AlertState.CLOSED, "done")
        step(store, three[1:2], AlertState.ACKNOWLEDGED)
        assert [each.id for each in list_alerts(store, states=[AlertState.CLOSED])] == three[:1]
        assert [each.id for each in list_alerts(store, states=PENDING)] == [three[2], three[1]]
        assert [each.id for each in list_alerts(store, limit=2)] == [three[2], three[1]]

    def test_how_many_are_open_by_rule(self, store: Store, three: list[int]) -> None:
        assert count_open(store) == {"a-rule": 3}
        step(store, three[:1], AlertState.ACKNOWLEDGED)
        assert count_open(store) == {"a-rule": 2}


class TestSteps:
    def test_who_when_and_why_are_kept(self, store: Store, three: list[int]) -> None:
        step(store, three[:2], AlertState.ACKNOWLEDGED, "seen")
        step(store, three[1:], AlertState.CLOSED, "merged", Actor("another", "os-user", "machine"))
        first, second, third = find_alerts(store, three)
        assert (first.state, first.changed_by, first.note) == (AlertState.ACKNOWLEDGED, "operator", "seen")
        assert first.changed_at == NOW + timedelta(hours=1)
        assert {(each.state, each.changed_by, each.note) for each in (second, third)} == {
            (AlertState.CLOSED, "another", "merged")
        }

    def test_without_a_note_the_last_one_stays(self, store: Store, three: list[int]) -> None:
        step(store, three[:1], AlertState.ACKNOWLEDGED, "seen")
        with store.begin() as tx:
            take_step(tx, three[:1], AlertState.CLOSED, by=WHO, note=None, at=NOW)
        assert find_alerts(store, three[:1])[0].note == "seen"

    @pytest.mark.parametrize(
        ("first", "then"),
        [
            (AlertState.ACKNOWLEDGED, AlertState.ACKNOWLEDGED),
            (AlertState.CLOSED, AlertState.ACKNOWLEDGED),
            (AlertState.CLOSED, AlertState.CLOSED),
        ],
    )
    def test_no_step_leads_back_and_then_nothing_changes(
        self, store: Store, three: list[int], first: AlertState, then: AlertState
    ) -> None:
        step(store, three[1:2], first, "x")
        before, said = list_alerts(store), len(trail(store))
        with pytest.raises(AlertStepRefused) as caught:
            step(store, three, then, "y")
        assert (caught.value.alert_id, caught.value.state) == (three[1], first)
        assert str(three[1]) in caught.value.text("fr")
        assert caught.value.text("fr") != caught.value.text("en")
        assert list_alerts(store) == before
        assert len(trail(store)) == said

    def test_an_unknown_number_changes_nothing(self, store: Store, three: list[int]) -> None:
        with pytest.raises(AlertUnknown) as caught:
            step(store, [*three, three[-1] + 1], AlertState.CLOSED, "x")
        assert str(three[-1] + 1) in caught.value.text("fr")
        assert caught.value.text("fr") != caught.value.text("en")
        assert states(store) == ["open"] * 3
        assert trail(store) == []

    def test_each_is_in_the_trail_without_its_note(self, store: Store, three: list[int]) -> None:
        step(store, [three[0], three[0]], AlertState.CLOSED, "the note of a person")
        (event,) = trail(store)
        assert (event["action"], event["actor"], event["outcome"]) == ("alert-close", "operator", "success")
        assert event["detail"] == {"alert": three[0], "rule": "a-rule", "from": "open"}
        assert "the note" not in repr(event)
        step(store, three[1:], AlertState.ACKNOWLEDGED)
        assert [each["action"] for each in trail(store)] == ["alert-close", *["alert-acknowledge"] * 2]

    def test_what_is_rolled_back_is_as_it_was(self, store: Store, three: list[int]) -> None:
        def fail() -> None:
            with store.begin() as tx:
                take_step(tx, three, AlertState.CLOSED, by=WHO, note="x", at=NOW)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail()
        assert states(store) == ["open"] * 3
        assert trail(store) == []


class TestSilence:
    def test_one_alert_at_a_time(self, store: Store) -> None:
        with store.begin() as tx:
            assert open_silence(tx, "gam", SAID, at=NOW)
            assert not open_silence(tx, "gam", SAID, at=NOW)
            assert open_silence(tx, "labo", SAID, at=NOW)
        assert silent_sources(store) == {"gam", "labo"}
        found = [(each.source, each.message_id, each.identity_id, each.finding) for each in list_alerts(store)]
        assert found == [("labo", None, None, SAID), ("gam", None, None, SAID)]

    def test_acknowledged_it_is_still_there(self, store: Store) -> None:
        with store.begin() as tx:
            open_silence(tx, "gam", SAID, at=NOW)
        step(store, [list_alerts(store)[0].id], AlertState.ACKNOWLEDGED)
        with store.begin() as tx:
            assert not open_silence(tx, "gam", SAID, at=NOW)

    def test_closed_it_makes_room_for_the_next_one(self, store: Store) -> None:
        with store.begin() as tx:
            open_silence(tx, "gam", SAID, at=NOW)
            open_silence(tx, "labo", SAID, at=NOW)
            close_silence(tx, "gam", by=WHO, note="again", at=NOW)
        assert silent_sources(store) == {"labo"}
        with store.begin() as tx:
            assert open_silence(tx, "gam", SAID, at=NOW)
        assert [(each.source, each.state.value) for each in list_alerts(store)] == [
            ("gam", "open"),
            ("labo", "open"),
            ("gam", "closed"),
        ]
        assert [each["action"] for each in trail(store)] == ["alert-close"]

    def test_who_was_heard(self, store: Store, author) -> None:
        late = NOW + timedelta(minutes=5)
        heard: list[tuple[datetime, dict[str, object]]] = [
            (NOW, {"port": 2576}),
            (late, {"port": 2576}),
            (NOW, {"sending_application": "LABO"}),
            (NOW - timedelta(hours=1), {"sending_application": "OLD"}),
            (NOW, {"sending_application": "", "action": "unmerge"}),
        ]
        records = [
            author.message(id=f"{earliest_id(at)}-{number}", received_at=at, **values)
            for number, (at, values) in enumerate(heard)
        ]
        with store.begin() as tx:
            tx.write(messages=records, at=NOW)
        found = {(each.application, each.port): each.at for each in heard_since(store, NOW - timedelta(minutes=1))}
        assert found == {("GAM", 2576): late, ("LABO", None): NOW}
