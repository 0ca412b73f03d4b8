"""The head of the trail in the log: at the start, then once a day, and never in the way of anything else."""

import asyncio
import logging
from contextlib import closing
from datetime import UTC, datetime

import pytest
from waiting import until

from pam_receiver.cli.heads import heads_logged
from pam_receiver.config import Settings
from pam_receiver.store import Actor, AuditEvent, Store
from pam_receiver.store.trail import record, verify_trail


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records]


def write(url: str) -> str:
    with closing(Store.open(url)) as store:
        record(store, AuditEvent("read", Actor("x", "os-user", "y")), now=lambda: datetime.now(UTC))
        return str(verify_trail(store).head)


def run_while(settings: Settings, condition: object, every_s: float) -> None:
    async def scenario() -> None:
        async with heads_logged(settings, every_s=every_s):
            await until(condition, "a line of the log")  # type: ignore[arg-type]

    asyncio.run(scenario())


class TestHeadsLogged:
    def test_at_the_start_and_again_and_again(self, sqlite_url: str, caplog: pytest.LogCaptureFixture) -> None:
        head = write(sqlite_url)
        with caplog.at_level(logging.INFO, logger="pam_receiver"):
            run_while(Settings(database=sqlite_url), lambda: said(caplog).count("audit.head") >= 3, every_s=0.01)
        assert {record.trail for record in caplog.records if record.message == "audit.head"} == {head}  # type: ignore[attr-defined]

    def test_it_ends_at_once_though_the_next_is_a_day_away(
        self, sqlite_url: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        write(sqlite_url)
        with caplog.at_level(logging.INFO, logger="pam_receiver"):
            run_while(Settings(database=sqlite_url), lambda: said(caplog) == ["audit.head"], every_s=86_400)

    def test_a_database_that_is_away_is_told_and_stops_nothing(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.INFO, logger="pam_receiver"):
            settings = Settings(database="sqlite:///none.db")
            run_while(settings, lambda: said(caplog).count("audit.head_failed") >= 2, every_s=0.01)

    def test_an_empty_trail_has_none(self, sqlite_url: str, caplog: pytest.LogCaptureFixture) -> None:
        async def scenario() -> None:
            async with heads_logged(Settings(database=sqlite_url)):
                pass

        with caplog.at_level(logging.INFO, logger="pam_receiver"):
            asyncio.run(scenario())
        assert said(caplog) == []
