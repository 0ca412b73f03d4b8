"""The HTTP application (``/livez``, ``/readyz``, ``/metrics``) and its server, inside the loop of the daemon."""

import asyncio
import contextlib
import logging
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from pam_receiver.metrics import CONTENT_TYPE, Metrics
from pam_receiver.store import SchemaMismatch, StoreUnavailable

log = logging.getLogger(__name__)

_READY_WITHIN_S: Final = 3.0
_STOP_WITHIN_S: Final = 3.0

_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class ReadyState:
    """What ``/readyz`` says of the database, in a word each: never an address, never a text of the driver."""

    database: Literal["ok", "unavailable", "timeout", "failed"]
    schema: Literal["current", "behind", "newer", "foreign", "unknown"]

    @property
    def is_ready(self) -> bool:
        return self.database == "ok" and self.schema == "current"


def read_state(check: Callable[[], None]) -> ReadyState:
    """Put the result of ``Store.check`` into words."""
    try:
        check()
    except SchemaMismatch as mismatch:
        if mismatch.is_foreign:
            return ReadyState(database="ok", schema="foreign")
        return ReadyState(database="ok", schema="newer" if mismatch.is_newer else "behind")
    except StoreUnavailable:
        return ReadyState(database="unavailable", schema="unknown")
    return ReadyState(database="ok", schema="current")


class _Readiness:
    """Ask for the state in a thread, one at a time: questions that meet share an answer."""

    def __init__(self, check: Callable[[], ReadyState], within_s: float) -> None:
        self._check = check
        self._within_s = within_s
        self._asked: asyncio.Future[ReadyState] | None = None

    async def ask(self) -> ReadyState:
        if self._asked is None or self._asked.done():
            self._asked = self._begin()
        try:
            return await asyncio.wait_for(asyncio.shield(self._asked), self._within_s)
        except TimeoutError:
            return ReadyState(database="timeout", schema="unknown")

    def _begin(self) -> asyncio.Future[ReadyState]:
        loop = asyncio.get_running_loop()
        asked: asyncio.Future[ReadyState] = loop.create_future()

        def answer() -> None:
            state = self._look()
            with contextlib.suppress(RuntimeError):  # the loop was closed while the database hung
                loop.call_soon_threadsafe(asked.set_result, state)

        # A daemon thread, not the executor of the loop: a database that hangs must not hold up the end of the process.
        threading.Thread(target=answer, name="pam-receiver-ready", daemon=True).start()
        return asked

    def _look(self) -> ReadyState:
        try:
            return self._check()
        except Exception:  # the top of a thread: it must answer
            log.exception("ready.failed")
            return ReadyState(database="failed", schema="unknown")


def create_app(
    *, check_ready: Callable[[], ReadyState], metrics: Metrics, ready_within_s: float = _READY_WITHIN_S
) -> FastAPI:
    """Make the application; ``check_ready`` may block, and is asked in a thread."""
    app = FastAPI(title="pam-receiver", docs_url=None, redoc_url=None, openapi_url=None)
    readiness = _Readiness(check_ready, ready_within_s)

    @app.middleware("http")
    async def add_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await call_next(request)
        response.headers.update(_HEADERS)
        return response

    @app.get("/livez")
    async def livez() -> JSONResponse:
        return JSONResponse({"status": "ok"})

    @app.get("/readyz")
    async def readyz() -> JSONResponse:
        state = await readiness.ask()
        content = {
            "status": "ok" if state.is_ready else "unavailable",
            "database": state.database,
            "schema": state.schema,
        }
        return JSONResponse(content, status_code=200 if state.is_ready else 503)

    @app.get("/metrics")
    async def show_metrics() -> Response:
        return Response(metrics.render(), media_type=CONTENT_TYPE)

    return app


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: signals belong to the daemon."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_up.set()


@dataclass(frozen=True, slots=True)
class WebServer:
    """A running HTTP server: where it listens, and how to stop it."""

    address: tuple[str, int]
    _server: _Server
    _task: asyncio.Task[None]

    async def stop(self, timeout_s: float = _STOP_WITHIN_S) -> None:
        """Take no more requests, finish those under way, and close within ``timeout_s``."""
        self._server.should_exit = True
        _, late = await asyncio.wait([self._task], timeout=timeout_s)
        for task in late:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def serve_web(app: FastAPI, host: str, port: int) -> WebServer:
    """Serve ``app`` inside the running loop; port 0 takes a free one.

    Raises:
        OSError: the address cannot be bound.
    """
    config = uvicorn.Config(
        app,
        log_config=None,  # the house has its own
        log_level="warning",
        access_log=False,
        lifespan="off",
        http="h11",
        ws="none",
        server_header=False,
        limit_concurrency=100,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=1,
    )
    sock = await _bind(host, port)
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[sock]), name="pam-receiver-web")
    up = asyncio.create_task(server.is_up.wait())
    await asyncio.wait([task, up], return_when=asyncio.FIRST_COMPLETED)
    up.cancel()
    if task.done():
        sock.close()
        task.result()
    host, port = sock.getsockname()[:2]
    return WebServer((host, port), server, task)


async def _bind(host: str, port: int) -> socket.socket:
    """Bind before the server runs: uvicorn would end the whole process on a port that is taken."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = found[0]
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(128)
    except OSError:
        sock.close()
        raise
    sock.setblocking(False)
    return sock
