"""The way in of HTTP. That of uvicorn has no limit, and a TLS handshake that never ends holds 300 KB for a minute."""

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Callable, Collection
from typing import Final

from pam_receiver.web.throttle import Pace

log = logging.getLogger(__name__)

_SHUTDOWN_WITHIN_S: Final = 1.0
_AT_ONCE: Final = 64  # connections taken before the loop looks after the others again
_RETRY_S: Final = 1.0
_NO_MORE_FILES: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Door:
    """Take the connections of a listening socket, no more than ``most`` at once; those that come too many are closed.

    ``connections``: those that are made, of which the protocols keep account; what is in its TLS handshake counts too.
    To uvicorn this is the server of asyncio: it calls :meth:`close` and :meth:`wait_closed`, and closes the socket.
    """

    def __init__(
        self,
        sock: socket.socket,
        make_protocol: Callable[[], asyncio.Protocol],
        connections: Collection[object],
        *,
        tls: ssl.SSLContext | None,
        most: int,
        handshake_within_s: float,
    ) -> None:
        self._sock = sock
        self._make_protocol = make_protocol
        self._connections = connections
        self._tls = tls
        self._most = most
        self._handshake_within_s = handshake_within_s
        self._arriving: set[asyncio.Task[None]] = set()
        self._lines = Pace(burst=5, per_s=0.1)
        self._is_open = True
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(sock, self._accept)

    def close(self) -> None:
        """Take no more connections; those that are made go on."""
        if self._is_open:
            self._is_open = False
            self._loop.remove_reader(self._sock)
            for task in self._arriving:
                task.cancel()

    async def wait_closed(self) -> None:
        """Nothing is left to wait for."""

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                sock, _address = self._sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _NO_MORE_FILES:
                    raise
                self._loop.remove_reader(self._sock)  # it would say so without end
                self._loop.call_later(_RETRY_S, self._resume)
                return
            if len(self._arriving) + len(self._connections) >= self._most:
                sock.close()
                self._say_full()
                continue
            sock.setblocking(False)
            task = self._loop.create_task(self._greet(sock))
            self._arriving.add(task)
            task.add_done_callback(self._arriving.discard)

    def _resume(self) -> None:
        if self._is_open:
            self._loop.add_reader(self._sock, self._accept)

    def _say_full(self) -> None:
        if self._lines.take(self._loop.time()):
            log.warning("http.too_many_connections", extra={"limit": self._most})

    async def _greet(self, sock: socket.socket) -> None:
        within = {"ssl_handshake_timeout": self._handshake_within_s, "ssl_shutdown_timeout": _SHUTDOWN_WITHIN_S}
        try:
            await self._loop.connect_accepted_socket(
                self._make_protocol, sock, ssl=self._tls, **(within if self._tls is not None else {})
            )
        except OSError:  # ssl.SSLError, a time-out or a reset among them
            sock.close()  # for the case that it never had a transport
