"""The audit trail: in order, without a gap, each row bound to the one before, on both databases."""

import pytest
from sqlalchemy import select

from pam_receiver.store import Actor, AuditEvent, Store
from pam_receiver.store.audit import hash_of
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
