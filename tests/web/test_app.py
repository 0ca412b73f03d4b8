"""HTTP: alive, ready and why not, counters; on a real port."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from pam_receiver.metrics import Metrics
from pam_receiver.store import SchemaMismatch, StoreUnavailable
from pam_receiver.store.errors import Reason
from pam_receiver.web import ReadyState, WebServer, create_app, create_metrics_app, read_state, serve_web

from .conftest import PATIENCE_S, READY, House, get, run

SECRET_URL = "postgresql://user:secret@db/pam"


@asynccontextmanager
async def serving(
    check_ready: Callable[[], ReadyState] = lambda: READY, *, ready_within_s: float = PATIENCE_S, listens: bool = True
) -> AsyncIterator[WebServer]:
    house = House()
    house.metrics.show_listening(listens)
    app = create_app(check_ready=check_ready, metrics=house.metrics, guard=house.guard(), ready_within_s=ready_within_s)
    server = await serve_web(app, "127.0.0.1", 0)
    try:
        yield server
    finally:
        await server.stop()


def fail_with(error: Exception) -> Callable[[], None]:
    def check() -> None:
        raise error

    return check


class TestReadState:
    """What the store's check raises becomes a word, without the text."""

    @pytest.mark.parametrize(
        ("check", "state"),
        [
            (lambda: None, READY),
            (fail_with(StoreUnavailable(SECRET_URL, Reason.AWAY)), ReadyState("unavailable", "unknown")),
            (fail_with(SchemaMismatch(SECRET_URL, current="1", expected="2")), ReadyState("ok", "behind")),
            (
                fail_with(SchemaMismatch(SECRET_URL, current="3", expected="2", is_newer=True)),
                ReadyState("ok", "newer"),
            ),
            (
                fail_with(SchemaMismatch(SECRET_URL, current=None, expected="2", is_foreign=True)),
                ReadyState("ok", "foreign"),
            ),
        ],
    )
    def test_each_fault_has_its_word(self, check: Callable[[], None], state: ReadyState) -> None:
        assert read_state(check) == state
        assert state.is_ready is (state is READY)


class TestPages:
    def test_livez_asks_nothing_of_the_database(self) -> None:
        async def scenario() -> None:
            async with serving(lambda: pytest.fail("asked")) as server:
                reply = await get(server, "/livez")
            assert (reply.status, json.loads(reply.body)) == (200, {"status": "ok"})
            assert reply.headers["x-content-type-options"] == "nosniff"
            assert reply.headers["cache-control"] == "no-store"
            assert "default-src 'none'" in reply.headers["content-security-policy"]
            assert "server" not in reply.headers

        run(scenario)

    def test_readyz_when_all_is_well(self) -> None:
        async def scenario() -> None:
            async with serving() as server:
                reply = await get(server, "/readyz")
            assert reply.status == 200
            assert json.loads(reply.body) == {"status": "ok", "database": "ok", "schema": "current", "workers": 1}

        run(scenario)

    def test_readyz_says_why_not_in_a_word(self) -> None:
        async def scenario() -> None:
            check = fail_with(StoreUnavailable(SECRET_URL, Reason.AWAY))
            async with serving(lambda: read_state(check)) as server:
                reply = await get(server, "/readyz")
            assert reply.status == 503
            said = {"status": "unavailable", "database": "unavailable", "schema": "unknown", "workers": 1}
            assert json.loads(reply.body) == said
            assert b"secret" not in reply.body

        run(scenario)

    def test_readyz_while_nobody_takes_messages(self) -> None:
        async def scenario() -> None:
            async with serving(listens=False) as server:
                reply = await get(server, "/readyz")
            said = {"status": "unavailable", "database": "ok", "schema": "current", "workers": 0}
            assert (reply.status, json.loads(reply.body)) == (503, said)

        run(scenario)

    def test_readyz_survives_a_check_that_breaks(self, caplog: pytest.LogCaptureFixture) -> None:
        def check() -> ReadyState:
            raise KeyError(SECRET_URL)

        async def scenario() -> None:
            async with serving(check) as server:
                reply = await get(server, "/readyz")
            assert reply.status == 503
            assert json.loads(reply.body)["database"] == "failed"
            assert b"secret" not in reply.body

        run(scenario)
        assert [record.message for record in caplog.records] == ["ready.failed"]

    def test_a_database_that_hangs_is_a_timeout_asked_once_and_answers_again_later(self) -> None:
        gate = threading.Event()
        asked: list[None] = []

        def check() -> ReadyState:
            asked.append(None)
            assert gate.wait(2 * PATIENCE_S)
            return READY

        async def scenario() -> None:
            async with serving(check, ready_within_s=0.1) as server:
                for _ in range(3):
                    reply = await get(server, "/readyz")
                    assert (reply.status, json.loads(reply.body)["database"]) == (503, "timeout")
                assert (await get(server, "/livez")).status == 200
                assert len(asked) == 1
                gate.set()
                async with asyncio.timeout(PATIENCE_S):
                    while (await get(server, "/readyz")).status != 200:
                        pass

        run(scenario)

    def test_a_database_that_hangs_does_not_hold_up_the_end(self) -> None:
        gate = threading.Event()

        def check() -> ReadyState:
            assert gate.wait(2 * PATIENCE_S)
            return READY

        async def scenario() -> None:
            async with serving(check, ready_within_s=0.05) as server:
                assert (await get(server, "/readyz")).status == 503

        run(scenario)
        thread = next(thread for thread in threading.enumerate() if thread.name == "pam-receiver-ready")
        gate.set()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()

    def test_metrics_are_those_of_this_daemon(self) -> None:
        async def scenario() -> None:
            async with serving() as server:
                reply = await get(server, "/metrics")
            assert reply.status == 200
            assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
            assert b"pam_receiver_build_info" in reply.body

        run(scenario)

    @pytest.mark.parametrize("path", ["/", "/docs", "/redoc", "/openapi.json", "/livez/../etc/passwd"])
    def test_there_is_nothing_else(self, path: str) -> None:
        async def scenario() -> None:
            async with serving() as server:
                assert (await get(server, path)).status == 404

        run(scenario)


class TestMetricsAlone:
    """``metrics_http``: a server that gives the counters and nothing else."""

    @pytest.mark.parametrize(("path", "status"), [("/metrics", 200), ("/livez", 404), ("/readyz", 404), ("/", 404)])
    def test_it_gives_metrics_alone(self, path: str, status: int) -> None:
        async def scenario() -> None:
            server = await serve_web(create_metrics_app(Metrics()), "127.0.0.1", 0)
            assert (await get(server, path)).status == status
            await server.stop()

        run(scenario)

    def test_then_the_other_one_has_none(self) -> None:
        async def scenario() -> None:
            house = House()
            app = create_app(check_ready=lambda: READY, metrics=house.metrics, guard=house.guard(), shows_metrics=False)
            server = await serve_web(app, "127.0.0.1", 0)
            assert (await get(server, "/metrics")).status == 404
            await server.stop()

        run(scenario)
