"""The HTTP server, inside the loop of the daemon."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from pam_receiver.web.door import Door

_STOP_WITHIN_S: Final = 3.0
_HANDSHAKE_WITHIN_S: Final = 10.0  # TLS
_REQUEST_WITHIN_S: Final = 10.0  # from the connection, or the last answer, to a request whose head is whole
_TAKEN_WITHIN_S: Final = 10.0  # what was written and waits for the client to read on
_MAX_HEAD_BYTES: Final = 16 * 1024
_MOST_CONNECTIONS: Final = 100  # of one server


class _Protocol(H11Protocol):
    """uvicorn's, save that it gives up on a client that takes its time over a request, or does not read the answers:
    it would keep others out.
    """

    _waiting: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        for timer in (self._waiting, self._unread):
            if timer is not None:
                timer.cancel()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.loop.call_later(_TAKEN_WITHIN_S, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._wait()

    def _wait(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
        self._waiting = self.loop.call_later(_REQUEST_WITHIN_S, self._give_up)

    def _give_up(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.abort()


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers, for signals belong to the daemon, and with a way in of our own."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.servers = [self._open(sock) for sock in sockets or ()]  # type: ignore[misc]  # of a Server it closes only
        self.started = True
        self.is_up.set()

    def _open(self, sock: socket.socket) -> Door:
        return Door(
            sock,
            lambda: _Protocol(self.config, self.server_state, self.lifespan.state),
            self.server_state.connections,
            tls=self.config.ssl,
            most=_MOST_CONNECTIONS,
            handshake_within_s=_HANDSHAKE_WITHIN_S,
        )


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


async def serve_web(app: FastAPI, host: str, port: int, *, tls: ssl.SSLContext | None = None) -> WebServer:
    """Serve ``app`` inside the running loop; port 0 takes a free one. ``tls``: ``None`` for plain HTTP.

    Raises:
        OSError: the address cannot be bound.
    """
    config = uvicorn.Config(
        app,
        log_config=None,  # the house has its own
        log_level="warning",
        access_log=False,
        http=_Protocol,
        lifespan="off",
        ws="none",
        server_header=False,
        proxy_headers=False,  # who is behind a proxy is read in one place, which the settings govern: clients.py
        timeout_keep_alive=5,
        timeout_graceful_shutdown=1,
        h11_max_incomplete_event_size=_MAX_HEAD_BYTES,
        ssl_context_factory=(lambda *_: tls) if tls is not None else None,
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
