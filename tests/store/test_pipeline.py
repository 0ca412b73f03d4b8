"""Statements of a batch on PostgreSQL: what they cost, what goes in and comes out, and what is left after an error."""

import os
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import psycopg
import pytest
from sqlalchemy import select, text

from pam_receiver.hl7.ack import Ack
from pam_receiver.identity.model import MergeLink
from pam_receiver.store import Hold, Store, StoreConflict, StoreError, StoreUnavailable, Transaction
from pam_receiver.store.pipeline import Pipeline, pipeline_of
from pam_receiver.store.schema import identifier, identity, identity_version, message, message_text, said_together

HOLD = Hold(frozenset({1, 2}))
ODD_TEXTS = ("", "é", '"quoted", \\ and {braces}', "NULL", "$1 %s", "\N{GRINNING FACE}", "a\tb\r\nc", "x" * 9000)


@pytest.fixture
def store(postgres_url: str) -> Iterator[Store]:
    with closing(Store.open(postgres_url)) as opened:
        yield opened


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The statements that are sent in a pipeline from now on."""
    found: list[bytes] = []
    send = Pipeline.send

    def note(pipeline: Pipeline, sql: bytes, *parameters: Any) -> Any:
        found.append(sql)
        return send(pipeline, sql, *parameters)

    monkeypatch.setattr(Pipeline, "send", note)
    return found


def rows_of(store: Store, table: Any) -> list[dict[str, object]]:
    with store.read() as connection:
        return [dict(row) for row in connection.execute(select(table).order_by(*table.primary_key)).mappings()]


def keep_new(store: Store, author: Any, count: int, *, first: int = 0) -> None:
    records = [author.message() for _ in range(count)]
    people = [author.identity(f"{n}", matricule=f"{n:015d}") for n in range(first, first + count)]
    changes = [(record.id, author.creation(person)) for record, person in zip(records, people, strict=True)]
    with store.begin(pipelined=True, hold=HOLD) as tx:
        tx.load(ipps=["none"], repeat_keys=[b"none"], senders=[("A", "B")])
        tx.write(messages=records, changes=changes, at=author.now)


class TestCost:
    def test_a_batch_of_any_size_is_written_by_one_statement_a_table(
        self, store: Store, author: Any, sent: list[bytes]
    ) -> None:
        keep_new(store, author, 1)  # what findings say is written once
        sent.clear()
        keep_new(store, author, 2, first=1)
        few = list(sent)
        sent.clear()
        keep_new(store, author, 100, first=3)
        assert sent == few
        written = [sql.split()[2].decode() for sql in sent if sql.startswith(b"INSERT")]
        assert sorted(written) == sorted({*written})
        assert {"message", "message_text", "identity", "identifier", "identity_version"} <= {*written}

    def test_the_beginning_waits_for_no_answer(self, store: Store) -> None:
        with store.begin(pipelined=True, hold=HOLD) as tx:
            pipeline = pipeline_of(tx._connection)
            assert pipeline is not None
            answer = tx._taken.last  # type: ignore[union-attr]
            assert answer.result is None

    def test_statements_are_planned_once_and_only_in_the_batch(self, store: Store) -> None:
        with store.begin(pipelined=True, hold=HOLD) as tx:
            assert tx.connection.execute(text("SHOW plan_cache_mode")).scalar() == "force_generic_plan"
        with store.begin() as tx:
            assert tx.connection.execute(text("SHOW plan_cache_mode")).scalar() == "auto"


class TestIsolation:
    @pytest.mark.parametrize(
        ("how", "level"),
        [
            ({"pipelined": True, "hold": HOLD}, "read committed"),
            ({"pipelined": True}, "serializable"),
            ({}, "serializable"),
        ],
    )
    def test_what_is_not_held_is_serializable(self, store: Store, how: dict[str, Any], level: str) -> None:
        for _ in range(2):  # one kind after the other, on one connection
            with store.begin(**how) as tx:
                assert tx.connection.execute(text("SHOW transaction_isolation")).scalar() == level
            with store.begin() as tx:
                assert tx.connection.execute(text("SHOW transaction_isolation")).scalar() == "serializable"


class TestValues:
    """By one row and by many, what is kept is what the driver's own way keeps."""

    @pytest.mark.parametrize("pipelined", [True, False])
    @pytest.mark.parametrize("count", [1, 2, len(ODD_TEXTS)])
    def test_messages(self, store: Store, author: Any, count: int, *, pipelined: bool) -> None:
        paris = timezone(timedelta(hours=1))
        records = [
            author.message(
                control_id=each,
                received_at=datetime(2026, 3, 2, 8, 0, 0, n + 1, tzinfo=paris),
                raw=bytes(range(256)) * (n + 1),
                ack=Ack(each.encode(), bytes([n]) * n),
                port=None if n % 2 else 2**31 - 1,
                repeat_key=b"" if n % 2 else bytes([n, 0]),
                findings=(author.finding(),) * n,
            )
            for n, each in enumerate(ODD_TEXTS[:count])
        ]
        how: dict[str, Any] = {"pipelined": True, "hold": HOLD} if pipelined else {}
        with store.begin(**how) as tx:
            tx.write(messages=records, at=author.now)
        kept = rows_of(store, message)
        assert [row["control_id"] for row in kept] == [each.control_id for each in records]
        assert [row["received_at"] for row in kept] == [each.received_at.astimezone(UTC) for each in records]
        assert [row["ack_head"] for row in kept] == [each.ack.head for each in records]
        assert [row["port"] for row in kept] == [each.port for each in records]
        assert [row["repeat_key"] for row in kept] == [each.repeat_key.hex() or None for each in records]
        sets = {row["digest"]: row for row in rows_of(store, said_together)}
        assert [row["said_together"] is None for row in kept] == [not each.findings for each in records]
        said = [sets[row["said_together"]] for row in kept if row["said_together"] is not None]
        assert [len(row["findings"]) for row in said] == list(range(1, count))  # type: ignore[arg-type]
        assert [row["errs"] for row in said] == [each.ack.errs for each in records[1:]]
        assert {row["words"] for row in kept} == {None}
        assert [row["raw"] for row in rows_of(store, message_text)] == [each.raw for each in records]

    @pytest.mark.parametrize("count", [1, 3])
    def test_identities(self, store: Store, author: Any, count: int) -> None:
        with store.begin() as tx:
            record = author.message()
            people = [author.identity(f"{n}", f"é{n}", matricule=None if n else "1" * 15) for n in range(count)]
            tx.write(messages=[record], changes=[(record.id, author.creation(each)) for each in people], at=author.now)
        tables = (identity, identifier, identity_version)
        expected = [rows_of(store, table) for table in tables]
        with store.begin() as tx:
            for name in ("identity_version", "identifier", "identity", "message_text", "message"):
                tx.connection.execute(text(f"DELETE FROM {name}"))
        with store.begin(pipelined=True, hold=HOLD) as tx:
            tx.write(messages=[record], changes=[(record.id, author.creation(each)) for each in people], at=author.now)
        assert [rows_of(store, table) for table in tables] == expected
        with store.begin(pipelined=True, hold=Hold()) as tx:
            known, _ = tx.load(ipps=["0", "2", '{"', "\\"])
        assert {each.id for each in people if each.identifiers[0].value in ("0", "2")} == known._identities.keys()

    @pytest.mark.parametrize("text_", ["nul \0", "half \ud800"])
    @pytest.mark.parametrize("count", [1, 2])
    def test_what_a_column_cannot_hold_is_refused_whole(
        self, store: Store, author: Any, text_: str, count: int
    ) -> None:
        people = [author.identity(f"{n}", used_given_name=text_) for n in range(count)]
        record = author.message()
        changes = [(record.id, author.creation(each)) for each in people]
        with pytest.raises(StoreError) as caught, store.begin(pipelined=True, hold=HOLD) as tx:
            tx.write(messages=[record], changes=changes, at=author.now)
        assert not isinstance(caught.value, StoreUnavailable | StoreConflict)
        assert rows_of(store, message) == []
        keep_new(store, author, 2)
        assert len(rows_of(store, message)) == 2


class TestErrors:
    def test_an_ipp_that_is_taken_is_a_conflict_and_the_next_batch_is_kept(self, store: Store, author: Any) -> None:
        keep_new(store, author, 2)
        with pytest.raises(StoreConflict):
            keep_new(store, author, 2)
        keep_new(store, author, 2, first=2)
        assert len(rows_of(store, message)) == 4

    @pytest.mark.parametrize("count", [1, 2])
    def test_an_update_that_finds_another_version_is_a_conflict(self, store: Store, author: Any, count: int) -> None:
        people = [author.identity(f"{n}") for n in range(2)]
        author.create(store, *people)
        stale = [replace(each, version=7) if n < count else each for n, each in enumerate(people)]
        record = author.message()
        changes = [(record.id, author.change(each, used_given_name="ZOÉ")) for each in stale]
        with pytest.raises(StoreConflict), store.begin(pipelined=True, hold=HOLD) as tx:
            tx.write(messages=[record], changes=changes, at=author.now)
        assert len(rows_of(store, message)) == 2

    def test_a_foreign_key_that_leads_nowhere_keeps_nothing(self, store: Store, author: Any) -> None:
        link = MergeLink("nobody", "nobody else", author.now, "no message", "1")
        with pytest.raises(StoreError), store.begin(pipelined=True, hold=HOLD) as tx:
            tx.write(messages=[author.message()], merges=[link, replace(link, absorbed="else")], at=author.now)
        assert rows_of(store, message) == []

    def test_what_was_prepared_is_prepared_again_after_the_driver_has_dropped_it(
        self, store: Store, author: Any
    ) -> None:
        keep_new(store, author, 2)
        with pytest.raises(StoreError), store.begin() as tx:  # noqa: PT012 - the whole transaction must fail
            for _ in range(7):  # the driver prepares by then
                tx.connection.execute(text("SELECT 1"))
            tx.connection.execute(text("SELECT 1/0"))
        keep_new(store, author, 2, first=2)
        with store.begin() as tx:
            tx.connection.execute(text("SELECT 1"))
        keep_new(store, author, 2, first=4)
        assert len(rows_of(store, message)) == 6

    def test_a_failed_transaction_is_not_taken_for_one_that_is_kept(self, store: Store, author: Any) -> None:
        tx = store.open_transaction(hold=HOLD)
        tx.write(messages=[author.message()], at=author.now)
        pipeline = pipeline_of(tx._connection)
        assert pipeline is not None
        pipeline.send(b"SELECT 1/0")
        with pytest.raises(psycopg.errors.DivisionByZero):
            pipeline.sync()
        with pytest.raises(StoreError):
            tx.commit()
        assert rows_of(store, message) == []

    def test_what_was_sent_before_the_error_was_told_is_not_done(self, store: Store) -> None:
        with pytest.raises(StoreError), store.begin(pipelined=True, hold=HOLD) as tx:  # noqa: PT012 - as above
            pipeline = pipeline_of(tx._connection)
            assert pipeline is not None
            pipeline.send(b"SELECT 1/0")
            late = pipeline.send(b"SELECT 1")
            with pytest.raises(psycopg.errors.DivisionByZero):
                pipeline.wait_for(late)
            pipeline.wait_for(late)


class TestLost:
    """The connection is lost in the middle of a batch: nothing is kept, and the next one has a new connection."""

    @pytest.mark.parametrize("when", ["before", "begun", "loaded", "written"])
    @pytest.mark.parametrize("how", [socket.SHUT_WR, socket.SHUT_RDWR, None])
    def test_the_next_batch_is_kept(
        self, store: Store, author: Any, how: int | None, when: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        def lose(at: str, tx: Transaction) -> None:
            if at == when:
                lose_connection(tx, how)

        with store.begin(pipelined=True, hold=HOLD) as tx:
            pass
        lose("before", tx)
        with pytest.raises(StoreUnavailable), store.begin(pipelined=True, hold=HOLD) as tx:  # noqa: PT012 - as above
            lose("begun", tx)
            tx.load(ipps=["none"])
            lose("loaded", tx)
            tx.write(messages=[author.message()], at=author.now)
            lose("written", tx)
        keep_new(store, author, 2)
        assert len(rows_of(store, message)) == 2
        assert [each.name for each in caplog.records if each.levelname == "ERROR"] == []


def lose_connection(tx: Transaction, how: int | None) -> None:
    """Close one direction of it, or both, here; ``None``: the server does."""
    driver: Any = tx._connection.connection.driver_connection
    if how is None:
        with psycopg.connect(driver.info.dsn, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", [driver.info.backend_pid])
    else:
        with socket.socket(fileno=os.dup(driver.pgconn.socket)) as line:
            line.shutdown(how)
