"""The HTTP applications: ``/livez`` and ``/readyz``, open to all; ``/metrics``, which may have a server of its own."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Literal

from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse

from pam_receiver.metrics import CONTENT_TYPE, Metrics
from pam_receiver.store import SchemaMismatch, StoreUnavailable
from pam_receiver.tokens import Role
from pam_receiver.web.aside import start_aside
from pam_receiver.web.auth import Guard, find_unguarded, require

log = logging.getLogger(__name__)

_READY_WITHIN_S: Final = 3.0

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
            self._asked = start_aside(self._look, "pam-receiver-ready")
        try:
            return await asyncio.wait_for(asyncio.shield(self._asked), self._within_s)
        except TimeoutError:
            return ReadyState(database="timeout", schema="unknown")

    def _look(self) -> ReadyState:
        try:
            return self._check()
        except Exception:  # the top of a thread: it must answer
            log.exception("ready.failed")
            return ReadyState(database="failed", schema="unknown")


def create_app(
    *,
    check_ready: Callable[[], ReadyState],
    metrics: Metrics,
    guard: Guard,
    shows_metrics: bool = True,
    ready_within_s: float = _READY_WITHIN_S,
) -> FastAPI:
    """Make the application; ``check_ready`` may block, and is asked in a thread. ``guard`` lets in or refuses."""
    app = _bare_app()
    app.state.guard = guard
    readiness = _Readiness(check_ready, ready_within_s)

    @app.get("/livez")
    async def livez() -> JSONResponse:
        return JSONResponse({"status": "ok"})

    @app.get("/readyz")
    async def readyz() -> JSONResponse:
        state = await readiness.ask()
        workers = metrics.listening
        is_ready = state.is_ready and workers > 0
        content = {
            "status": "ok" if is_ready else "unavailable",
            "database": state.database,
            "schema": state.schema,
            "workers": workers,
        }
        return JSONResponse(content, status_code=200 if is_ready else 503)

    if shows_metrics:

        @app.get("/metrics", dependencies=[Depends(require(Role.READER, is_open_locally=True))])
        async def show_metrics() -> Response:
            return Response(metrics.render(), media_type=CONTENT_TYPE)

    if unguarded := find_unguarded(app):
        raise RuntimeError(f"routes that ask for no role: {unguarded}")
    return app


def create_metrics_app(metrics: Metrics) -> FastAPI:
    """Make the application of a server that gives ``/metrics`` and nothing else, to whoever reaches it."""
    app = _bare_app()

    @app.get("/metrics")
    async def show_metrics() -> Response:
        return Response(metrics.render(), media_type=CONTENT_TYPE)

    return app


def _bare_app() -> FastAPI:
    """Return an application without a route; it answers with headers that keep browsers strict."""
    # No redirect to the path without its slash: it would repeat the Host that the client made up.
    app = FastAPI(title="pam-receiver", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)

    @app.middleware("http")
    async def add_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await call_next(request)
        response.headers.update(_HEADERS)
        return response

    return app
