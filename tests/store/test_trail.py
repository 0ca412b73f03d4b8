"""The trail read and verified: whatever is changed is found, on both databases; and what came in of each identity."""

import multiprocessing
import re
import tracemalloc
from datetime import UTC, datetime, timedelta
from multiprocessing.synchronize import Barrier
from typing import Any

import pytest
from sqlalchemy import Select, text
from tampering import tamper

from pam_receiver.identity.draft import find_differences
from pam_receiver.store import Actor, AuditEvent, Store, StoreConflict, trail
from pam_receiver.store.audit import hash_of
from pam_receiver.store.schema import audit_event
from pam_receiver.store.trail import (
    Asked,
    Head,
    find_head,
    find_ipps,
    list_trail,
    read_imports,
    read_trail,
    record,
    verify_trail,
)

from .conftest import NOW

WHO = Actor("operator", "os-user", "machine")
PATIENCE_S = 60.0


def now() -> datetime:
    return NOW


def fill(store: Store, count: int, **values: Any) -> None:
    record(store, *(AuditEvent("read", WHO, identity_id=f"id-{n}", **values) for n in range(1, count + 1)), now=now)


class TestRecord:
    def test_it_is_there_on_return(self, store: Store, other_store: Store) -> None:
        record(store, AuditEvent("read", WHO, identity_id="x"), now=now)
        (row,) = read_trail(other_store)
        assert (row.action, row.identity_id, row.at) == ("read", "x", NOW)
        assert find_head(other_store) == Head(1, row.hash)

    def test_a_conflict_with_another_process_is_tried_again(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        begin, tries = store.begin, []

        def conflicting() -> Any:
            tries.append(1)
            if len(tries) < 3:
                raise StoreConflict(store.name)
            return begin()

        monkeypatch.setattr(store, "begin", conflicting)
        record(store, AuditEvent("read", WHO), now=now)
        assert len(tries) == 3
        assert len(list(read_trail(store))) == 1

    def test_a_conflict_without_end_is_told(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        def conflicting() -> Any:
            raise StoreConflict(store.name)

        monkeypatch.setattr(store, "begin", conflicting)
        with pytest.raises(StoreConflict):
            record(store, AuditEvent("read", WHO), now=now)


class TestRead:
    def test_pages_follow_each_other(self, store: Store) -> None:
        fill(store, 7)
        for page in (1, 2, 3, 7, 8):
            assert [row.number for row in read_trail(store, page=page)] == [1, 2, 3, 4, 5, 6, 7]
        assert [row.number for row in read_trail(store, after=2, up_to=5, page=2)] == [3, 4, 5]

    def test_by_identity_actor_and_time_the_newest_first(self, store: Store) -> None:
        fill(store, 3)
        later = Actor("another", "token", "192.0.2.7")
        record(store, AuditEvent("erase", later, identity_id="id-2"), now=lambda: NOW + timedelta(days=1))
        asked = {
            Asked(identity_id="id-2"): [4, 2],
            Asked(actor="operator"): [3, 2, 1],
            Asked(since=NOW + timedelta(hours=1)): [4],
            Asked(until=NOW + timedelta(hours=1)): [3, 2, 1],
            Asked(identity_id="id-2", actor="operator"): [2],
            Asked(identity_id="nobody"): [],
        }
        for each, numbers in asked.items():
            assert [row.number for row in list_trail(store, each)] == numbers
            assert [row.number for row in read_trail(store, each, page=1)] == sorted(numbers)
        assert [row.number for row in list_trail(store, limit=1)] == [4]

    def test_of_nothing(self, store: Store) -> None:
        assert find_head(store) is None
        assert list_trail(store) == ()
        assert list(read_trail(store)) == []

    @pytest.mark.parametrize(
        ("name", "statement"),
        [
            ("listing", trail._newest(Asked()).limit(50)),
            ("identity", trail._newest(Asked(identity_id="1")).limit(50)),
            ("walk", trail._next(Asked(), 7, 9).limit(500)),
            ("head", trail._HEAD),
            ("imports", trail._imports(("1", "1", 1), None, None).limit(500)),
            ("ipps", trail._IPPS.where(text("identifier.identity_id IN ('1', '2')"))),
        ],
    )
    def test_each_follows_an_index(self, store: Store, author: Any, name: str, statement: Select[Any]) -> None:
        author.create(store, *(author.identity(f"{n}") for n in range(200)))
        fill(store, 200)
        with store.begin() as tx:
            tx.connection.execute(text("ANALYZE"))
        plan = plan_of(store, statement)
        assert not re.search(r"Seq Scan on", plan), plan
        # the key of audit_event is its row number: it is read in that order, from its end or from a place
        assert not re.search(r"SCAN (?!audit_event$)\w+(?! USING (COVERING )?INDEX)", plan, re.MULTILINE), plan
        assert "TEMP B-TREE" not in plan, plan


def plan_of(store: Store, statement: Select[Any]) -> str:
    with store.read() as connection:
        compiled = statement.compile(
            connection.engine, compile_kwargs={"render_postcompile": True, "literal_binds": True}
        )
        if connection.dialect.name == "sqlite":
            return "\n".join(row.detail for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}"))
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        return "\n".join(connection.exec_driver_sql(f"EXPLAIN {compiled}".replace("%", "%%")).scalars())


OTHER = {
    "number": "99",
    "at": "'2020-01-01 00:00:00.000000+00:00'",
    "detail": """'{"command": "other"}'""",
}


class TestVerify:
    """A chain that holds, and each way in which it does not."""

    def test_a_whole_trail_holds(self, store: Store) -> None:
        fill(store, 5)
        found = verify_trail(store, page=2)
        assert (found.first, found.count, found.head) == (None, 5, find_head(store))
        assert verify_trail(store, found.head or Head(0, "")).first is None

    def test_so_does_an_empty_one(self, store: Store) -> None:
        found = verify_trail(store)
        assert (found.first, found.count, found.head) == (None, 0, None)

    @pytest.mark.parametrize("column", [column.name for column in audit_event.c])
    def test_any_column_that_is_changed_is_found(self, store: Store, database_url: str, column: str) -> None:
        fill(store, 4, reason="why", message_id="m")
        tamper(database_url, f"UPDATE audit_event SET {column} = {OTHER.get(column, repr('other'))} WHERE number = 2")
        found = verify_trail(store)
        assert found.first == 2
        assert found.unfit or found.gaps

    def test_a_row_that_is_taken_out_of_the_middle_is_a_gap(self, store: Store, database_url: str) -> None:
        fill(store, 6)
        tamper(database_url, "DELETE FROM audit_event WHERE number IN (2, 3, 5)")
        found = verify_trail(store)
        assert (found.first, found.gaps, found.gap_count, found.count) == (2, ((2, 3), (5, 5)), 2, 3)

    def test_the_first_row_too(self, store: Store, database_url: str) -> None:
        fill(store, 3)
        tamper(database_url, "DELETE FROM audit_event WHERE number = 1")
        assert verify_trail(store).gaps == ((1, 1),)

    def test_rows_that_close_ranks_do_not_fit(self, store: Store, database_url: str) -> None:
        fill(store, 4)
        tamper(
            database_url,
            "DELETE FROM audit_event WHERE number = 2",
            "UPDATE audit_event SET number = 2 WHERE number = 3",
            "UPDATE audit_event SET number = 3 WHERE number = 4",
        )
        assert verify_trail(store).unfit == (2, 3)

    def test_two_rows_that_change_places_do_not_fit(self, store: Store, database_url: str) -> None:
        fill(store, 4)
        tamper(
            database_url,
            "UPDATE audit_event SET number = 9 WHERE number = 2",
            "UPDATE audit_event SET number = 2 WHERE number = 3",
            "UPDATE audit_event SET number = 3 WHERE number = 9",
        )
        assert verify_trail(store).unfit == (2, 3, 4)

    def test_an_end_that_is_cut_off_is_found_by_the_head_that_was_noted(self, store: Store, database_url: str) -> None:
        fill(store, 5)
        noted = find_head(store)
        assert noted is not None
        tamper(database_url, "DELETE FROM audit_event WHERE number >= 4")
        assert verify_trail(store).first is None  # the chain alone cannot tell
        found = verify_trail(store, noted)
        assert (found.first, found.missing, found.count) == (5, (noted,), 3)

    def test_a_trail_that_is_emptied_too(self, store: Store, database_url: str) -> None:
        fill(store, 2)
        noted = find_head(store)
        assert noted is not None
        tamper(database_url, "DELETE FROM audit_event")
        assert verify_trail(store).first is None
        assert verify_trail(store, noted).missing == (noted,)

    def test_a_chain_that_is_written_anew_is_found_by_the_head_that_was_noted(
        self, store: Store, database_url: str
    ) -> None:
        """Whoever may write to the database can make a chain that holds: only what was noted elsewhere tells."""
        fill(store, 3)
        noted = find_head(store)
        assert noted is not None
        tamper(database_url, "UPDATE audit_event SET actor = 'somebody' WHERE number = 2", *self.rehash(store))
        assert verify_trail(store).first is None
        assert verify_trail(store, noted).missing == (noted,)

    def rehash(self, store: Store) -> list[str]:
        statements, previous = [], ""
        for row in read_trail(store):
            values = {name: getattr(row, name) for name in row.__slots__ if name != "hash"}
            actor = "somebody" if row.number == 2 else row.actor
            made = hash_of({**values, "actor": actor, "previous": previous})
            statements.append(
                f"UPDATE audit_event SET previous = '{previous}', hash = '{made}' WHERE number = {row.number}"
            )
            previous = made
        return statements

    def test_a_trail_that_is_wrong_from_end_to_end_names_the_first_ones_only(
        self, store: Store, database_url: str
    ) -> None:
        fill(store, 50)
        tamper(database_url, "UPDATE audit_event SET actor = 'x'")
        found = verify_trail(store)
        assert (found.unfit, found.unfit_count) == (tuple(range(1, 21)), 50)

    @pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
    def test_ten_thousand_rows_are_walked_page_by_page(self, store: Store) -> None:
        fill(store, 10_000, reason="x" * 200)
        tracemalloc.start()
        found = verify_trail(store)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert (found.count, found.first) == (10_000, None)
        assert peak < 4_000_000  # a page; all of them are more than 15 million octets


def append_many(url: str, name: str, count: int, ready: Barrier) -> None:
    store = Store.open(url)
    ready.wait(PATIENCE_S)
    for number in range(count):
        record(
            store, AuditEvent("read", Actor(name, "os-user", "x"), detail={"n": number}), now=lambda: datetime.now(UTC)
        )
    store.close()


class TestTwoProcesses:
    def test_they_append_at_once_without_a_gap_and_without_losing_one(self, store: Store, database_url: str) -> None:
        spawn = multiprocessing.get_context("spawn")
        ready = spawn.Barrier(2)
        writers = [spawn.Process(target=append_many, args=(database_url, name, 40, ready)) for name in ("one", "two")]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join(PATIENCE_S)
        assert [writer.exitcode for writer in writers] == [0, 0]
        found = verify_trail(store)
        assert (found.first, found.count) == (None, 80)
        for name in ("one", "two"):
            rows = read_trail(store, Asked(actor=name))
            assert [row.detail["n"] for row in rows] == list(range(40))


class TestImports:
    def test_each_version_that_a_message_made_is_one_in_the_order_of_the_messages(
        self, store: Store, author: Any
    ) -> None:
        one, two = author.identity("1"), author.identity("2")
        author.create(store, one, two)
        author.keep(store, author.change(one, used_family_name="X"))
        for page in (1, 2, 3, 10):
            found = list(read_imports(store, page=page))
            assert [(each.identity_id, each.version) for each in found] == [(one.id, 1), (two.id, 1), (one.id, 2)]
        assert [each.ipp and each.ipp.value for each in found] == ["1", "2", "1"]
        assert found[0].changes == find_differences(None, one)
        assert (found[0].sending_application, found[0].sending_facility) == author.sender
        assert len({each.id for each in found}) == 3

    def test_they_go_on_after_the_last_one_and_within_times(self, store: Store, author: Any) -> None:
        author.create(store, author.identity("1"), author.identity("2"), author.identity("3"))
        first, *rest = read_imports(store)
        place = (first.message_id, first.identity_id, first.version)
        assert list(read_imports(store, after=place)) == rest
        assert list(read_imports(store, since=NOW)) == [first, *rest]
        assert list(read_imports(store, until=NOW)) == []
        assert list(read_imports(store, since=NOW + timedelta(seconds=1))) == []

    def test_what_an_operator_did_is_none(self, store: Store, author: Any) -> None:
        one = author.identity("1")
        (message,) = author.create(store, one)
        change = author.change(one, used_family_name="X")
        act = author.message(action="unmerge")
        with store.begin() as tx:
            tx.write(messages=[act], changes=[(act.id, change)], at=NOW)
        assert [each.message_id for each in read_imports(store)] == [message.id]

    def test_an_ipp_in_force_comes_before_a_former_one(self, store: Store, author: Any) -> None:
        moved = author.identity("1", identifiers=(author.ipp("1", active=False), author.ipp("2")))
        former = author.identity("3", identifiers=(author.ipp("3", active=False),))
        nobody = author.identity("4", identifiers=())
        author.create(store, moved, former, nobody)
        found = find_ipps(store, [moved.id, former.id, nobody.id])
        assert {each: ipp.value for each, ipp in found.items()} == {moved.id: "2", former.id: "3"}
        assert [each.ipp and each.ipp.value for each in read_imports(store)] == ["2", "3", None]
        assert find_ipps(store, []) == {}
