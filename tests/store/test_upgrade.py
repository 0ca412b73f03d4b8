"""A database that the previous release wrote: under this one the same identities, histories, alerts and answers."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from psycopg.rows import dict_row
from sqlalchemy import select

from pam_receiver.cli import parts
from pam_receiver.cli.as_json import version_json, view_json
from pam_receiver.config import load_settings
from pam_receiver.receive import Incoming, Receiver
from pam_receiver.store import AlertState, FullMessageView, Store, migrate, queries
from pam_receiver.store.alerts import list_alerts
from pam_receiver.store.schema import HEAD, message, said_together

PREVIOUS: Final = Path(__file__).parent / "previous"
SAID: Final[dict[str, Any]] = json.loads((PREVIOUS / "0001.json").read_text(encoding="utf-8"))
NOW: Final = datetime(2026, 3, 3, 7, tzinfo=UTC)


@pytest.fixture
def previous_url(bare_url: str) -> str:
    """A database of the previous release, as its dump has it: the test runs once on each kind."""
    if bare_url.startswith("sqlite"):
        with closing(sqlite3.connect(bare_url.removeprefix("sqlite:///"))) as opened:
            opened.executescript((PREVIOUS / "0001.sqlite.sql").read_text(encoding="utf-8"))
    else:
        with psycopg.connect(bare_url, autocommit=True) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
            connection.execute((PREVIOUS / "0001.postgresql.sql").read_bytes())
    assert migrate.current(bare_url) == "0001"
    return bare_url


@pytest.fixture
def upgraded(previous_url: str) -> Iterator[Store]:
    assert migrate.upgrade(previous_url).after == HEAD
    with closing(Store.open(previous_url)) as store:
        yield store


def journal(store: Store) -> list[FullMessageView]:
    lines = queries.list_messages(store, limit=1000)
    return [queries.find_messages(store, line.id)[0] for line in reversed(lines)]


def is_still_said(then: object, now: object) -> bool:
    """Whether all that was said is said still; keys may have come."""
    match then, now:
        case dict(), dict():
            return all(key in now and is_still_said(value, now[key]) for key, value in then.items())
        case list(), list():
            return len(then) == len(now) and all(map(is_still_said, then, now))
        case _:
            return then == now


class TestUpgrade:
    """What the operator relies on when a new version is installed."""

    def test_identities_and_histories_are_the_same(self, upgraded: Store) -> None:
        views = queries.list_identities(upgraded, limit=1000)
        told = json.loads(json.dumps([view_json(view) for view in views]))
        history = [
            version_json(view.identity.id, version)
            for view in views
            for version in queries.find_history(upgraded, view.identity.id)
        ]
        assert len(told) >= 7
        assert is_still_said(SAID["identities"], told)
        assert is_still_said(SAID["history"], json.loads(json.dumps(history)))

    def test_the_identity_of_each_version_can_be_read(self, upgraded: Store) -> None:
        for view in queries.list_identities(upgraded, limit=1000):
            last = queries.find_history(upgraded, view.identity.id)[-1].identity
            assert last == view.identity
            assert last.dated_at is None

    def test_alerts_are_open(self, upgraded: Store) -> None:
        found = list_alerts(upgraded)
        assert [[each.id, each.message_id, each.finding.rule] for each in found] == SAID["alerts"]
        assert {each.state for each in found} == {AlertState.OPEN}

    def test_a_repeat_has_the_answer_that_was_given_then(self, upgraded: Store) -> None:
        sources = parts.make_sources(load_settings({"environment": "test"}))
        receiver = Receiver(upgraded, sources=sources, now=lambda: NOW)
        before = queries.read_statistics(upgraded)
        accepted = [each for each in journal(upgraded) if each.line.ack_code == "AA"]
        assert len(accepted) > 15
        outcomes = receiver.receive([Incoming(each.raw, "192.0.2.9:40000", NOW) for each in accepted])
        assert [each.ack for each in outcomes] == [each.ack for each in accepted]
        assert all(each.is_repeat for each in outcomes)
        after = queries.read_statistics(upgraded)
        assert (after.identities, after.alerts) == (before.identities, before.alerts)

    def test_what_was_said_of_many_stands_once(self, upgraded: Store) -> None:
        with upgraded.read() as connection:
            lines = connection.execute(select(message.c.ack_head, message.c.said_together)).all()
            sets = connection.execute(select(said_together)).all()
        assert all(line.ack_head.count(b"\r") == 2 and b"\rMSA|" in line.ack_head for line in lines)
        assert {line.said_together for line in lines} - {None} == {each.digest for each in sets}
        assert all(each.errs[:4] in {b"ERR|", b""} for each in sets)
        assert 1 < len(sets) < len([line for line in lines if line.said_together is not None])

    def test_the_work_goes_on(self, upgraded: Store) -> None:
        sources = parts.make_sources(load_settings({"environment": "test"}))
        receiver = Receiver(upgraded, sources=sources, now=lambda: NOW)
        first = journal(upgraded)[0]
        control_id = first.line.control_id.encode()
        other = first.raw.replace(b"|" + control_id + b"|", b"|after-the-upgrade|", 1)
        (outcome,) = receiver.receive([Incoming(other, "192.0.2.9:40000", NOW)])
        assert (outcome.ack_code, outcome.is_repeat) == ("AA", False)
        assert queries.find_messages(upgraded, outcome.message_id)[0].raw == other

    def test_on_a_server_each_text_lies_in_its_month(self, upgraded: Store) -> None:
        with upgraded.read() as connection:
            if connection.dialect.name == "sqlite":
                pytest.skip("there it is one table")
            others = connection.exec_driver_sql("SELECT count(*) FROM ONLY message_text_others").scalar()
            texts = connection.exec_driver_sql("SELECT count(*) FROM message_text").scalar()
        assert (others, texts) == (0, len(journal(upgraded)))

    def test_serve_upgrades_an_sqlite_file_and_keeps_a_copy(self, previous_url: str) -> None:
        if not previous_url.startswith("sqlite"):
            pytest.skip("a server is upgraded by `db upgrade` alone")
        done = migrate.prepare_for_serving(previous_url)
        assert done is not None
        assert (done.before, done.after) == ("0001", HEAD)
        assert done.copy is not None
        assert migrate.current(f"sqlite:///{done.copy}") == "0001"

    def test_back_down_nothing_of_the_old_tables_is_lost(self, previous_url: str) -> None:
        before = dump(previous_url)
        migrate.upgrade(previous_url)
        migrate.downgrade(previous_url, "0001")
        assert dump(previous_url) == before
        assert sum(map(len, before.values())) > 100


TABLES: Final = ("message", "identity", "identifier", "ended_ins", "identity_version", "merge_link", "alert")


def dump(url: str) -> dict[str, list[str]]:
    """The rows of the tables of revision 0001, by the names of their columns: one that came back stands last."""
    found: dict[str, list[str]] = {}
    for table in (*TABLES, "sender_authority"):
        rows: list[Any]
        if url.startswith("sqlite"):
            with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as opened:
                opened.row_factory = sqlite3.Row
                rows = [dict(row) for row in opened.execute(f"SELECT * FROM {table}")]
        else:
            with psycopg.connect(url, row_factory=dict_row) as connection:
                rows = connection.execute(f"SELECT * FROM {table}").fetchall()
        found[table] = sorted(repr(sorted(row.items())) for row in rows)
    return found
