"""Refusals in the audit trail: tried again on a conflict, given up on a store that is away, written before the end."""

import asyncio
import logging
import threading
from collections.abc import Callable
from datetime import datetime

import pytest
from waiting import until

from pam_receiver.store import Actor, AuditEvent, Store, StoreConflict, StoreUnavailable
from pam_receiver.store.errors import Reason
from pam_receiver.web.trail import Refusal, Trail

from .conftest import NOW, PATIENCE_S, run

EVENT = AuditEvent("login", Actor("unknown", "token", "192.0.2.1"), "refused", detail={"reason": "wrong"})
REFUSAL = Refusal("wrong", "192.0.2.1", "0123456789ab", NOW)


def make(write: Callable[[AuditEvent, datetime], None]) -> Trail:
    return Trail(write, clock=lambda: 0.0, per_minute=3)


class TestTrail:
    def test_events_are_written_in_order_in_a_thread(self) -> None:
        written: list[tuple[object, str]] = []

        def write(event: AuditEvent, at: datetime) -> None:
            written.append((event.detail["n"], threading.current_thread().name))

        async def scenario() -> None:
            trail = make(write)
            for n in range(3):
                trail.tell(REFUSAL, AuditEvent("login", EVENT.actor, detail={"n": n}))
            await trail.close()
            assert written == [(n, "pam-receiver-trail") for n in range(3)]

        run(scenario)

    def test_what_meets_another_writer_is_tried_again(self) -> None:
        tries: list[int] = []

        def write(event: AuditEvent, at: datetime) -> None:
            tries.append(1)
            if len(tries) < 3:
                raise StoreConflict("sqlite:///x.db")

        async def scenario() -> None:
            trail = make(write)
            trail.tell(REFUSAL, EVENT)
            await trail.close()
            assert len(tries) == 3

        run(scenario)

    @pytest.mark.parametrize("error", [StoreUnavailable("x", Reason.AWAY), StoreConflict("x")])
    def test_a_store_that_is_away_is_said_and_stops_nothing(
        self, error: Exception, caplog: pytest.LogCaptureFixture
    ) -> None:
        written: list[AuditEvent] = []

        def write(event: AuditEvent, at: datetime) -> None:
            if event is not EVENT:
                written.append(event)
                return
            raise error

        async def scenario() -> None:
            trail = Trail(write, clock=lambda: 0.0)
            trail._waiting.append((EVENT, NOW))  # as it is: tell() would copy it
            trail.tell(REFUSAL, AuditEvent("login", EVENT.actor))
            await trail.close()

        with caplog.at_level(logging.DEBUG, logger="pam_receiver"):
            run(scenario)
        assert [record.message for record in caplog.records] == ["http.refused", "http.trail_failed"]
        assert len(written) == 1

    def test_a_store_that_hangs_does_not_hold_up_the_end(self) -> None:
        gate = threading.Event()

        def write(event: AuditEvent, at: datetime) -> None:
            assert gate.wait(2 * PATIENCE_S)

        async def scenario() -> None:
            trail = make(write)
            trail.tell(REFUSAL, EVENT)
            await trail.close()
            thread = next(each for each in threading.enumerate() if each.name == "pam-receiver-trail")
            gate.set()
            await until(lambda: not thread.is_alive(), "the end of the thread")

        run(scenario)

    def test_it_adds_to_the_chain_of_the_store(self, store: Store) -> None:
        def write(event: AuditEvent, at: datetime) -> None:
            with store.begin() as tx:
                tx.audit(event, at=at)

        async def scenario() -> None:
            trail = make(write)
            trail.tell(REFUSAL, EVENT)
            trail.tell(REFUSAL, EVENT)
            await trail.close()

        asyncio.run(scenario())
        with store.read() as connection:
            rows = connection.exec_driver_sql("SELECT number, action, outcome, actor FROM audit_event").all()
        assert [tuple(row) for row in rows] == [(n, "login", "refused", "unknown") for n in (1, 2)]
