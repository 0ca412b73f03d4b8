"""prune: what it counts, what it erases, what it asks for; and the daemon that does it every day."""

import asyncio
import logging
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from keyed import key, make_receiver, receive_morning
from waiting import until

from pam_receiver.cli import daily
from pam_receiver.cli.daily import months_kept, pruned_daily
from pam_receiver.cli.morning import morning
from pam_receiver.cli.opening import open_store
from pam_receiver.config import Settings, load_settings
from pam_receiver.receive import Incoming
from pam_receiver.store import StoreConflict, migrate, months, queries
from pam_receiver.store.checkpoints import find_checkpoint

from .conftest import Run


@pytest.fixture
def house(tmp_path: Path, database_url: str) -> Path:
    """Settings with a key, on a database with an old morning and one message of now."""
    keys = tmp_path / "house.keys"
    keys.write_text(key("k1").line)
    keys.chmod(0o600)
    config = tmp_path / "house.toml"
    config.write_text(f'database = "{database_url}"\nkey_file = "house.keys"\nencrypt_journal = true\n')
    fill(load_settings(config=config))
    return config


def fill(settings: Settings) -> None:
    with closing(open_store(settings)) as store:
        receive_morning(store, at=datetime.now(UTC) - timedelta(days=100))
        raw = morning()[0].raw.replace(b"MATIN001", b"TODAY")
        make_receiver(store).receive([Incoming(raw, "192.0.2.1:1", datetime.now(UTC))])


def lengths(config: Path) -> list[int]:
    with closing(open_store(load_settings(config=config))) as store:
        return [len(entry.raw) for page in queries.read_journal(store) for entry in page]


class TestPrune:
    def test_it_erases_and_says_how_many(self, run: Run, house: Path) -> None:
        result = run("prune", "--older-than", "2d", "--config", house)
        assert (result.code, result.err) == (0, "")
        assert result.out.startswith("22 message(s) received before ")
        assert lengths(house)[:-1] == [0] * 22
        assert lengths(house)[-1] > 0
        assert run("prune", "--older-than", "2d", "--config", house).out.startswith("0 message(s)")

    def test_a_dry_run_only_counts(self, run: Run, house: Path) -> None:
        result = run("prune", "--older-than", "2d", "--dry-run", "--json", "--config", house)
        assert result.code == 0
        assert isinstance(result.json, dict)
        assert (result.json["messages"], result.json["dry_run"]) == (22, True)
        assert all(lengths(house))
        french = run("prune", "--older-than", "2d", "--dry-run", "--config", house, "--lang", "fr")
        assert "leur texte serait effacé" in french.out

    def test_the_age_may_come_from_the_settings(self, run: Run, house: Path) -> None:
        assert run("prune", "--config", house).code == 2
        house.write_text(house.read_text() + 'journal_retention = "101d"\n')
        assert run("prune", "--dry-run", "--config", house).out.startswith("0 message(s)")
        house.write_text(house.read_text().replace("101d", "2d"))
        assert run("prune", "--dry-run", "--config", house).out.startswith("22 message(s)")

    @pytest.mark.parametrize("word", ["90", "0d", "-1d", "d", "1y", "9999999d", "1.5d", "999999d"])
    def test_an_age_that_is_none_is_refused(self, run: Run, house: Path, word: str) -> None:
        result = run("prune", "--older-than", word, "--config", house)
        assert result.code == 2
        assert "--older-than" in result.err
        assert all(lengths(house))

    def test_without_a_key_it_says_what_to_do(self, run: Run, house: Path, database_url: str) -> None:
        result = run("prune", "--older-than", "2d", "--database", database_url, "--lang", "fr")
        assert result.code == 2
        assert "keys create" in result.err
        assert all(lengths(house))

    def test_a_pruned_message_is_shown_as_such(self, run: Run, house: Path) -> None:
        run("prune", "--older-than", "2d", "--config", house)
        with closing(open_store(load_settings(config=house))) as store:
            last = queries.list_messages(store, limit=30)[-1].id
        shown = run("message", last, "--config", house)
        assert "(text erased on 2" in shown.out
        assert "MSA|AA|MATIN001" in shown.out
        as_json = run("message", last, "--json", "--config", house).json
        assert isinstance(as_json, dict)
        assert as_json["raw"] == ""
        assert as_json["erased_at"] is not None


class TestEveryDay:
    def test_the_daemon_prunes_while_it_serves(self, house: Path) -> None:
        settings = load_settings(config=house).model_copy(update={"journal_retention": timedelta(days=2)})

        async def serve() -> None:
            with closing(open_store(settings, read_only=True)) as looking:
                async with pruned_daily(settings, first_after_s=0.0):
                    await until(lambda: find_checkpoint(looking) is not None and is_done(looking), "pruned")

        def is_done(store: queries.Store) -> bool:
            return sum(not entry.raw for page in queries.read_journal(store) for entry in page) == 22

        asyncio.run(serve())
        assert lengths(house)[-1] > 0

    def test_it_comes_again(self, house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        settings = load_settings(config=house).model_copy(update={"journal_retention": timedelta(days=2)})
        times: list[bool] = []
        monkeypatch.setattr(daily, "_prune", lambda *_: not times.append(True))

        async def serve() -> None:
            async with pruned_daily(settings, first_after_s=0.0, every_s=0.001):
                await until(lambda: len(times) >= 3, "three times")

        asyncio.run(serve())
        assert len(times) >= 3

    def test_a_failure_is_logged_without_words_and_the_daemon_goes_on(
        self, house: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        gone = load_settings(config=house).model_copy(
            update={"journal_retention": timedelta(days=2), "key_file": house.parent / "none.keys"}
        )

        async def serve() -> None:
            async with pruned_daily(gone, first_after_s=0.0):
                await until(lambda: bool(caplog.records), "a line")

        asyncio.run(serve())
        (record,) = caplog.records
        assert (record.getMessage(), record.levelname, record.__dict__["error"]) == (
            "journal.prune_failed",
            "ERROR",
            "KeysUnusable",
        )
        caplog.clear()

        def broken(*_: object, **__: object) -> None:
            raise ZeroDivisionError("KERGUELEN")

        monkeypatch.setattr(daily, "prune", broken)
        asyncio.run(serve())
        (record,) = caplog.records
        assert record.__dict__["error"] == "ZeroDivisionError"
        assert "KERGUELEN" not in caplog.text

    def test_without_a_retention_nothing_is_done(self, house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def never(*_: object) -> bool:
            pytest.fail("it pruned")

        monkeypatch.setattr(daily, "_prune", never)

        async def serve() -> None:
            async with pruned_daily(load_settings(config=house), first_after_s=0.0):
                await asyncio.sleep(0)

        asyncio.run(serve())
        assert all(lengths(house))

    def test_leaving_ends_it_at_once(self, house: Path) -> None:
        settings = load_settings(config=house).model_copy(update={"journal_retention": timedelta(days=2)})

        async def serve() -> None:
            async with asyncio.timeout(5):
                async with pruned_daily(settings):
                    pass

        asyncio.run(serve())
        assert all(lengths(house))


class TestMonths:
    """On PostgreSQL the daemon makes the months of the texts to come."""

    def serve(self, settings: Settings, caplog: pytest.LogCaptureFixture, level: str) -> logging.LogRecord:
        async def run() -> None:
            async with months_kept(settings, first_after_s=0.0):
                await until(lambda: bool(caplog.records), "a line")

        caplog.set_level(level, logger="pam_receiver")
        asyncio.run(run())
        (record,) = caplog.records
        return record

    def test_it_makes_those_that_are_missing(
        self, bare_postgres_url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        migrate.upgrade(bare_postgres_url)
        monkeypatch.setattr(months, "COMING", months.COMING + 2)
        record = self.serve(Settings(database=bare_postgres_url), caplog, "INFO")
        assert (record.getMessage(), record.__dict__["months"]) == ("journal.months_made", 2)

    def test_it_says_once_what_it_may_not_make(
        self, postgres_url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(daily, "keep_months", lambda *_: months.Made(reason="role"))
        record = self.serve(Settings(database=postgres_url), caplog, "INFO")
        assert (record.levelname, record.getMessage()) == ("WARNING", "journal.months_missing")
        assert record.__dict__["reason"] == "role"

    @pytest.mark.parametrize(("error", "said"), [(StoreConflict("x"), "StoreConflict"), (KeyError(), "KeyError")])
    def test_a_failure_is_logged_and_the_daemon_goes_on(
        self,
        error: Exception,
        said: str,
        postgres_url: str,
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def fail(*_: object) -> months.Made:
            raise error

        monkeypatch.setattr(daily, "keep_months", fail)
        record = self.serve(Settings(database=postgres_url), caplog, "INFO")
        assert (record.getMessage(), record.__dict__["error"]) == ("journal.months_failed", said)

    def test_on_sqlite_there_is_nothing_to_do(self, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(daily, "_keep_months", lambda *_: pytest.fail("it made months"))

        async def run() -> None:
            async with months_kept(Settings(database=sqlite_url), first_after_s=0.0):
                await asyncio.sleep(0)

        asyncio.run(run())
