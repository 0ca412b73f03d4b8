"""``--database-read``: commands that show and compare read from a standby; the trail stays on the primary."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cli.conftest import Run
from faults import cluster
from faults.cluster import Cluster, catch_up, either, pair
from faults.daemon import until
from faults.ledger import read_journal
from faults.traffic import Sent, family
from golden import PEER, make_receiver

from pam_receiver.config import load_settings
from pam_receiver.receive import Incoming
from pam_receiver.store import Reason, Store, StoreUnavailable
from pam_receiver.store.standby import find_replay


@pytest.fixture(scope="module")
def prepared() -> Iterator[Cluster]:
    if cluster.why_not():
        pytest.skip(cluster.why_not())
    with cluster.prepared() as made:
        yield made


def receive(url: str, messages: Sequence[Sent]) -> None:
    with closing(Store.open(url)) as store:
        receiver = make_receiver(store, load_settings({}), new_message_id=None)
        outcomes = receiver.receive([Incoming(each.raw, PEER, datetime.now(UTC)) for each in messages])
    assert [each.ack_code for each in outcomes] == [each.answer for each in messages]


@pytest.fixture(scope="module")
def filled(prepared: Cluster) -> Iterator[tuple[Cluster, Cluster]]:
    """A pair with the messages of one family in it, on the standby too."""
    with pair(prepared) as (primary, standby):
        receive(primary.url, family(960))
        yield primary, standby


def words(primary: Cluster, standby: Cluster) -> list[str]:
    catch_up(primary, standby)
    return ["--database", primary.url, "--database-read", standby.url]


class TestReading:
    def test_who_looks_is_in_the_trail_of_the_primary(self, filled: tuple[Cluster, Cluster], run: Run) -> None:
        primary, standby = filled
        shown = run("show", "730000960", "--json", "--reason", "test", *words(*filled))
        assert shown.code == 0
        assert shown.err.startswith(f"Read from the standby {standby.url}, up to date at least to 20")
        row = run("audit", "list", "--limit", 1, "--json", "--database", primary.url).json[0]
        assert (row["action"], row["identity_id"]) == ("read", shown.json["id"])

    @pytest.mark.parametrize(
        "asked",
        [
            ["messages"],
            ["alerts"],
            ["audit", "list"],
            ["rebuild", "--verify"],
            ["check", "--against-journal"],
        ],
        ids=" ".join,
    )
    def test_it_shows_what_the_primary_shows(self, filled: tuple[Cluster, Cluster], run: Run, asked: list[str]) -> None:
        there = run(*asked, "--json", *words(*filled))
        here = run(*asked, "--json", "--database", filled[0].url)
        assert (there.code, there.out) == (here.code, here.out) == (0, here.out)
        assert there.err.startswith("Read from the standby")
        assert here.err == ""

    def test_each_look_at_a_message_and_a_history_is_kept(self, filled: tuple[Cluster, Cluster], run: Run) -> None:
        newest = run("messages", "--limit", 1, "--json", *words(*filled)).json[0]["id"]
        assert run("message", newest, *words(*filled)).code == 0
        assert run("history", "730000960", *words(*filled)).code == 0
        rows = run("audit", "list", "--limit", 2, "--json", *words(*filled)).json
        assert [row["detail"]["command"] for row in rows] == ["history", "message"]

    def test_it_is_the_standby_that_is_read(self, filled: tuple[Cluster, Cluster], run: Run) -> None:
        primary, standby = filled
        asked = ["messages", "--limit", "1", "--json"]
        from_standby = words(*filled)
        before = run(*asked, *from_standby).json
        with standby.connect() as connection:
            connection.execute("SELECT pg_wal_replay_pause()")
        try:
            receive(primary.url, family(961))
            assert run(*asked, *from_standby).json == before
            assert run(*asked, "--database", primary.url).json[0]["control_id"] == "F961-9"
        finally:
            with standby.connect() as connection:
                connection.execute("SELECT pg_wal_replay_resume()")

    def test_one_that_it_breaks_off_is_said(self, filled: tuple[Cluster, Cluster]) -> None:
        primary, standby = filled
        standby.set(max_standby_streaming_delay="0")
        with primary.connect() as connection:
            connection.execute("CREATE TABLE old AS SELECT generate_series(1, 100) AS row")
        catch_up(primary, standby)
        with closing(Store.open(standby.url, read_only=True)) as store, pytest.raises(StoreUnavailable) as caught:
            self.read_while_it_is_cleaned(store, primary)
        assert caught.value.reason is Reason.REPLAYING
        assert "hot_standby_feedback" in caught.value.text("fr")
        with primary.connect() as connection:
            connection.execute("DROP TABLE old")

    def read_while_it_is_cleaned(self, store: Store, primary: Cluster) -> None:
        with store.read() as seen:
            assert len(read_journal(seen)) >= 10
            with primary.connect() as connection:
                connection.execute("DELETE FROM old")
                connection.execute("VACUUM old")
            until(lambda: not read_journal(seen), "the standby to break off")

    def test_a_primary_is_no_standby(self, store: Store) -> None:
        assert find_replay(store) is None


class TestLost:
    def test_without_the_primary_nothing_of_a_patient_is_shown_and_after_the_promotion_all_is(
        self, prepared: Cluster, run: Run
    ) -> None:
        with pair(prepared) as (primary, standby):
            receive(primary.url, family(970))
            catch_up(primary, standby)
            both = either(primary, standby)
            asked = ["--json", "--database", both, "--database-read", f"{both}?target_session_attrs=prefer-standby"]
            primary.stop("killed")
            assert len(run("messages", *asked).json) == 10
            shown = run("show", "730000970", *asked)
            assert (shown.code, shown.out) == (3, "")
            assert "audit trail" in shown.err
            standby.promote()
            shown = run("show", "730000970", *asked)
            assert (shown.code, shown.err) == (0, "")


class TestSettings:
    URL = "postgresql://pam@127.0.0.1:1/pam"

    def test_a_database_that_an_option_names_has_no_standby_of_the_settings(
        self, sqlite_url: str, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PAM_RECEIVER_DATABASE_READ", self.URL)
        assert run("messages", "--database", sqlite_url).code == 0
        asked = run("messages")
        assert asked.code == 2
        assert "SQLite has no standby" in asked.err

    def test_a_standby_that_is_away_is_said(self, postgres_url: str, run: Run) -> None:
        asked = run("messages", "--database", postgres_url, "--database-read", self.URL)
        assert asked.code == 3
        assert f"The database {self.URL} does not answer" in asked.err

    def test_a_password_in_it_is_refused(self, postgres_url: str, run: Run) -> None:
        url = "postgresql://pam:secret@db/pam"
        asked = run("messages", "--database", postgres_url, "--database-read", url)
        assert asked.code == 2
        assert "secret" not in asked.err

    @pytest.mark.parametrize("url", ["sqlite:///a.db", "", "mysql://a@b/c"])
    def test_it_is_on_a_server(self, url: str, run: Run, tmp_path: Path) -> None:
        file = tmp_path / "house.toml"
        file.write_text(f'database = "{self.URL}"\ndatabase_read = "{url}"\n')
        asked = run("messages", "--config", file)
        assert asked.code == 2
        assert "database_read" in asked.err
