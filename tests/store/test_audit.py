"""The audit trail: in order, without a gap, each row bound to the one before, refused to change, on both databases."""

import sqlite3
from datetime import timedelta, timezone

import psycopg
import pytest
from sqlalchemy import select

from pam_receiver.store import Actor, AuditEvent, Store
from pam_receiver.store.audit import disclosure, hash_of
from pam_receiver.store.schema import audit_event

from .conftest import NOW

WHO = Actor("operator", "os-user", "machine")


def rows(store: Store) -> list[dict[str, object]]:
    with store.read() as connection:
        return [dict(row._mapping) for row in connection.execute(select(audit_event).order_by(audit_event.c.number))]


class TestChain:
    def test_rows_follow_each_other_over_transactions(self, store: Store) -> None:
        with store.begin() as tx:
            tx.audit(AuditEvent("read", WHO, identity_id="x"), AuditEvent("read", WHO, identity_id="y"), at=NOW)
        with store.begin() as tx:
            tx.audit(AuditEvent("erase", WHO, reason="on demand", detail={"messages": 2}), at=NOW)
        found = rows(store)
        assert [row["number"] for row in found] == [1, 2, 3]
        assert [row["previous"] for row in found] == ["", found[0]["hash"], found[1]["hash"]]

    def test_the_hash_is_of_all_that_is_stored(self, store: Store) -> None:
        event = AuditEvent("read", WHO, "refused", "identity", "message", "why", {"é": [1, None, "x"]})
        with store.begin() as tx:
            tx.audit(event, at=NOW)
        (row,) = rows(store)
        kept = row.pop("hash")
        assert hash_of(row) == kept
        for column in row:
            assert hash_of({**row, column: "another"}) != kept

    @pytest.mark.parametrize("text", ["a\0b", "\ud800", "é\u202e", "'; DROP TABLE audit_event; --"])
    def test_any_text_is_kept_and_hashed_as_it_comes_back(self, store: Store, text: str) -> None:
        event = AuditEvent("read", Actor(text, "os-user", text), reason=text, detail={"x": (1, text)})
        with store.begin() as tx:
            tx.audit(event, at=NOW.astimezone(timezone(timedelta(hours=2))))
        (row,) = rows(store)
        kept = row.pop("hash")
        assert hash_of(row) == kept

    def test_what_is_rolled_back_leaves_no_gap(self, store: Store) -> None:
        def fail() -> None:
            with store.begin() as tx:
                tx.audit(AuditEvent("read", WHO), at=NOW)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail()
        with store.begin() as tx:
            tx.audit(AuditEvent("read", WHO), at=NOW)
        assert [row["number"] for row in rows(store)] == [1]

    def test_nothing_to_say_writes_nothing(self, store: Store) -> None:
        with store.begin() as tx:
            tx.audit(at=NOW)
        assert rows(store) == []


class TestAppendOnly:
    """The database itself refuses all but new rows."""

    CHANGES = (
        "UPDATE audit_event SET actor = 'another' WHERE number = 1",
        "UPDATE audit_event SET number = 7",
        "DELETE FROM audit_event WHERE number = 2",
        "DELETE FROM audit_event",
    )
    COPY = "SELECT 1, at, 'erase', outcome, actor, actor_kind, origin, identity_id, message_id, reason, detail, '', ''"

    @pytest.fixture(autouse=True)
    def two_rows(self, store: Store) -> None:
        with store.begin() as tx:
            tx.audit(AuditEvent("read", WHO), AuditEvent("read", WHO), at=NOW)

    @pytest.mark.parametrize("change", CHANGES)
    def test_no_row_is_changed_or_taken_away(self, store: Store, database_url: str, change: str) -> None:
        before = rows(store)
        self.check_refused(database_url, change)
        assert rows(store) == before

    @pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
    def test_no_row_is_replaced(self, store: Store, database_url: str) -> None:
        self.check_refused(database_url, f"INSERT OR REPLACE INTO audit_event {self.COPY} FROM audit_event")
        assert [row["action"] for row in rows(store)] == ["read", "read"]

    @pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
    def test_the_table_is_not_emptied(self, store: Store, database_url: str) -> None:
        self.check_refused(database_url, "TRUNCATE audit_event")
        assert len(rows(store)) == 2

    def check_refused(self, url: str, change: str) -> None:
        if url.startswith("sqlite"):
            connection = sqlite3.connect(url.removeprefix("sqlite:///"))
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                connection.execute(change)
            connection.close()
            return
        with psycopg.connect(url) as server, pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
            server.execute(change.encode())


class TestDisclosure:
    def test_it_names_the_partner_the_identity_and_whether_the_ins_was_there(self) -> None:
        event = disclosure("laboratory", "an-id", actor=WHO, bears_ins=True, message_id="a-message")
        assert (event.action, event.identity_id, event.message_id) == ("disclose", "an-id", "a-message")
        assert event.detail == {"partner": "laboratory", "ins": True}
