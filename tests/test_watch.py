"""The watch: one alert per silence, closed when the source speaks again, whichever daemon hears it."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from golden import adt

from pam_receiver import watch as watching
from pam_receiver.cli import parts
from pam_receiver.config import SettingsError, load_settings
from pam_receiver.metrics import Metrics
from pam_receiver.receive import Incoming, Outcome, Receiver
from pam_receiver.sources import Sources
from pam_receiver.store import Actor, AlertState, Reason, Store, StoreUnavailable
from pam_receiver.store.alerts import list_alerts, take_step
from pam_receiver.watch import SPOKE_AGAIN, SilenceWatch, say_silent, watched

BEGIN = datetime(2026, 3, 2, 7, tzinfo=UTC)
TWO_HOURS = timedelta(hours=2)
FILE = """
[[source]]
name = "gam"
application = "GAM"
silent_after = "2h"

[[source]]
name = "labo"
application = "LABO"
silent_after = "30m"

[[source]]
name = "quiet"
application = "QUIET"
"""


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    file = tmp_path_factory.mktemp("sources") / "pam.toml"
    file.write_text(FILE)
    settings = load_settings(config=file)
    assert [each.silent_after for each in settings.sources] == [TWO_HOURS, timedelta(minutes=30), None]
    return parts.make_sources(settings)


@dataclass
class House:
    """A daemon's watch without the daemon: its clock is turned by hand, and sources speak when told to."""

    url: str
    sources: Sources
    silent_after: Mapping[str, timedelta] = field(default_factory=lambda: {"gam": TWO_HOURS})
    at: datetime = BEGIN
    metrics: Metrics = field(default_factory=Metrics)

    def __post_init__(self) -> None:
        self.watch = SilenceWatch(
            self.silent_after, self.sources, lambda: Store.open(self.url), self.metrics, now=lambda: self.at
        )

    def hear(self, source: str) -> None:
        self.metrics.count_outcome(Outcome(b"", "AA", "A28", "1", "m", (), False, source), 0.01)

    def look(self, **later: float) -> None:
        self.at += timedelta(**later)
        self.watch.look()


@pytest.fixture
def house(database_url: str, sources: Sources) -> House:
    return House(database_url, sources)


def alerts(store: Store) -> list[tuple[str | None, str]]:
    return [(each.source, each.state.value) for each in reversed(list_alerts(store))]


class TestSilence:
    """`[[source]]` silent_after: what nobody sends must be seen."""

    def test_it_counts_from_the_start(self, house: House, store: Store) -> None:
        house.look(minutes=119)
        assert alerts(store) == []
        house.look(minutes=1)
        (alert,) = list_alerts(store)
        assert (alert.source, alert.message_id, alert.at) == ("gam", None, BEGIN + TWO_HOURS)
        assert alert.finding == say_silent("gam", TWO_HOURS)

    def test_it_counts_from_the_last_message(self, house: House, store: Store) -> None:
        house.hear("gam")
        house.look(minutes=100)
        house.look(minutes=119)
        assert alerts(store) == []
        house.look(minutes=1)
        assert alerts(store) == [("gam", "open")]

    def test_there_is_one_alert_however_long(self, house: House, store: Store) -> None:
        for _ in range(5):
            house.look(hours=2)
        assert alerts(store) == [("gam", "open")]

    def test_another_source_does_not_speak_for_it(self, house: House, store: Store) -> None:
        house.hear("labo")
        house.look(hours=2)
        assert alerts(store) == [("gam", "open")]

    def test_when_it_speaks_again_the_alert_is_closed_with_a_note(self, house: House, store: Store) -> None:
        house.look(hours=2)
        house.hear("gam")
        house.look(minutes=1)
        (alert,) = list_alerts(store)
        assert (alert.state, alert.note, alert.changed_by) == (AlertState.CLOSED, SPOKE_AGAIN, "pam-receiver")
        house.look(minutes=119)
        house.look(minutes=2)
        assert alerts(store) == [("gam", "closed"), ("gam", "open")]

    def test_acknowledged_it_is_closed_all_the_same(self, house: House, store: Store) -> None:
        house.look(hours=2)
        self.take(store, AlertState.ACKNOWLEDGED)
        house.look(hours=1)
        assert alerts(store) == [("gam", "acknowledged")]
        house.hear("gam")
        house.look(minutes=1)
        assert alerts(store) == [("gam", "closed")]

    def test_closed_by_a_person_it_is_not_opened_again_in_the_same_silence(self, house: House, store: Store) -> None:
        house.look(hours=2)
        self.take(store, AlertState.CLOSED)
        house.look(hours=3)
        assert alerts(store) == [("gam", "closed")]
        house.hear("gam")
        house.look(minutes=1)
        house.look(hours=2)
        assert alerts(store) == [("gam", "closed"), ("gam", "open")]

    def test_a_new_start_leaves_the_alert_until_the_source_has_spoken(self, house: House, store: Store) -> None:
        house.look(hours=2)
        again = House(house.url, house.sources, at=house.at)
        again.look(minutes=1)
        assert alerts(store) == [("gam", "open")]
        again.hear("gam")
        again.look(minutes=1)
        assert alerts(store) == [("gam", "closed")]

    def test_what_another_daemon_hears_counts(self, house: House, store: Store) -> None:
        at = BEGIN + timedelta(hours=1)
        Receiver(store, sources=house.sources, now=lambda: at).receive([Incoming(adt("1", "1"), "192.0.2.1:1", at)])
        house.look(hours=2)
        assert alerts(store) == []
        house.look(hours=1)
        assert alerts(store) == [("gam", "open")]

    def test_sources_have_each_their_own_time(self, house: House, store: Store) -> None:
        both = House(house.url, house.sources, {"gam": TWO_HOURS, "labo": timedelta(minutes=30)})
        both.look(minutes=30)
        assert alerts(store) == [("labo", "open")]
        both.look(minutes=90)
        assert alerts(store) == [("labo", "open"), ("gam", "open")]

    def test_a_database_away_is_made_up_for_at_the_next_look(
        self, house: House, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def away() -> Store:
            raise StoreUnavailable("x", Reason.AWAY)

        opening = house.watch.open_store
        monkeypatch.setattr(house.watch, "open_store", away)
        with pytest.raises(StoreUnavailable):
            house.look(hours=2)
        monkeypatch.setattr(house.watch, "open_store", opening)
        house.look(minutes=1)
        assert alerts(store) == [("gam", "open")]

    @pytest.mark.parametrize(
        ("seconds", "fr", "en"),
        [(7200, "2 h", "2 h"), (86400, "1 j", "1 d"), (5400, "90 min", "90 m"), (61, "61 s", "61 s")],
    )
    def test_the_alert_says_for_how_long_in_both_languages(self, seconds: int, fr: str, en: str) -> None:
        said = say_silent("gam", timedelta(seconds=seconds))
        assert f" {fr} " in said.fr
        assert f" {en}:" in said.en
        assert "gam" in said.fr

    def take(self, store: Store, to: AlertState) -> None:
        with store.begin() as tx:
            ids = [list_alerts(store)[0].id]
            take_step(tx, ids, to, by=Actor("someone", "os-user", "here"), note="x", at=BEGIN)


class TestGauge:
    def test_open_alerts_are_shown_by_rule_and_go_back_to_nought(self, house: House) -> None:
        house.look(hours=2)
        assert 'pam_receiver_open_alerts{rule="source-silent"} 1.0' in house.metrics.render().decode()
        house.hear("gam")
        house.look(minutes=1)
        assert 'pam_receiver_open_alerts{rule="source-silent"} 0.0' in house.metrics.render().decode()

    def test_messages_are_counted_over_their_answers(self) -> None:
        metrics = Metrics()
        one = Outcome(b"", "AA", "A28", "1", "m", (), False, "gam")
        for each in (one, replace(one, ack_code="AE"), replace(one, source="")):
            metrics.count_outcome(each, 0.01)
        assert metrics.messages_by_source() == {"gam": 2.0}


class TestThread:
    """The watch of a daemon looks at once, then again and again; what fails does not end it."""

    def test_it_goes_on_after_a_failure_and_ends_when_left(
        self, house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        looks = threading.Semaphore(0)
        fail = iter([StoreUnavailable("x", Reason.AWAY), ZeroDivisionError()])

        def look(_self: SilenceWatch) -> None:
            looks.release()
            if error := next(fail, None):
                raise error

        monkeypatch.setattr(SilenceWatch, "look", look)
        with watched(house.watch, every_s=0.001):
            for _ in range(3):
                assert looks.acquire(timeout=10)
        assert not [each for each in threading.enumerate() if each.name == "pam-receiver-watch"]
        assert [each.levelname for each in caplog.records if each.message == "watch.failed"] == ["WARNING", "ERROR"]

    def test_it_does_not_hold_up_the_end(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        hanging, let_go = threading.Event(), threading.Event()

        def hang(_self: SilenceWatch) -> None:
            hanging.set()
            let_go.wait(30)

        monkeypatch.setattr(SilenceWatch, "look", hang)
        monkeypatch.setattr(watching, "LEAVE_WITHIN_S", 0.01)
        with watched(house.watch):
            assert hanging.wait(10)
        (thread,) = [each for each in threading.enumerate() if each.name == "pam-receiver-watch"]
        assert thread.daemon
        let_go.set()
        thread.join(10)


def test_less_than_a_minute_is_refused(tmp_path: Path) -> None:
    for said in ("30s", "2", "", 5):
        (tmp_path / "pam.toml").write_text(f'[[source]]\nname = "gam"\napplication = "GAM"\nsilent_after = {said!r}\n')
        with pytest.raises(SettingsError) as caught:
            load_settings(config=tmp_path / "pam.toml")
        assert "silent_after" in caught.value.text("fr")
