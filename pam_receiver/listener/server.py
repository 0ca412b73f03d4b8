"""One address listened on: who is let in, how many at once, and how all of them end."""

import asyncio
import errno
import logging
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Final

from pam_receiver.intake import Intake
from pam_receiver.listener.connection import LINGER_S, Connection
from pam_receiver.listener.limits import Callers, Limits, Noise
from pam_receiver.metrics import Metrics

log = logging.getLogger(__name__)

_BACKLOG: Final = 1024
_AT_ONCE: Final = 64  # connections taken before the loop looks after the others again
_NO_MORE_FILES: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_RETRY_S: Final = 1.0
_MOST_STRANGERS: Final = (
    20  # connections at once from outside the networks: each message is told that it may not come in
)
_NOT_HERE: Final = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL})  # one address of a name, on a host without IPv6


class Listener:
    """Take MLLP connections on one host, on one port or several, and give their messages to the intake.

    ``tls``: the context that connections are made with; ``None``: in clear. ``shares_ports``: other processes listen
    there too, and the system deals connections out (see :func:`hold_port`).
    """

    def __init__(
        self,
        intake: Intake,
        host: str,
        port: int,
        *,
        metrics: Metrics,
        limits: Limits | None = None,
        callers: Callers | None = None,
        tls: ssl.SSLContext | None = None,
        shares_ports: bool = False,
    ) -> None:
        self.intake = intake
        self.metrics = metrics
        self.limits = limits or Limits()
        self.callers = callers or Callers()
        self._host = host
        self._port = port
        self._tls = tls
        self._shares_ports = shares_ports
        self._loop = asyncio.get_running_loop()
        self._noise = Noise(self._loop)
        self._addresses: list[tuple[str, int]] = []  # one for each call of start()
        self._open: list[socket.socket] = []
        self._arriving: dict[asyncio.Task[None], Connection] = {}
        self._connections: set[Connection] = set()
        self._places = 0  # taken, from the moment a connection is accepted until it owes nothing any more
        self._of_address: Counter[str] = Counter()
        self._strangers = 0  # of the places, those of addresses that are in none of the networks
        self._emptied = asyncio.Event()

    async def start(self, port: int | None = None) -> None:
        """Bind and begin to take connections; ``port``: one more, after the first. The limits count all together.

        Raises:
            OSError: the address cannot be bound.
        """
        sockets = await _bind(self._host, self._port if port is None else port, is_shared=self._shares_ports)
        host, bound, *_ = sockets[0].getsockname()
        self._addresses.append((host, bound))
        for server in sockets:
            self._open.append(server)
            self._loop.add_reader(server, self._accept, server)

    @property
    def address(self) -> tuple[str, int]:
        """The first address really bound, once started: the port that was given when 0 was asked for."""
        return self.addresses[0]

    @property
    def addresses(self) -> tuple[tuple[str, int], ...]:
        """Every address that connections are taken on, in the order of the calls of :meth:`start`."""
        return tuple(self._addresses)

    # -- letting in ---------------------------------------------------------------------------------------------------

    def _accept(self, server: socket.socket) -> None:
        # Of a link lost by now not every system tells its port, and by it is judged who may send what.
        port = server.getsockname()[1]
        for _ in range(_AT_ONCE):
            try:
                sock, address = server.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _NO_MORE_FILES:
                    raise
                self._pause(server)
                return
            self._let_in(sock, address, port)

    def _pause(self, server: socket.socket) -> None:
        """Take no connection for a while: the system has no file left for one, and would say so without end."""
        self._loop.remove_reader(server)
        self._loop.call_later(_RETRY_S, self._resume, server)
        self.reach("files", "listener.out_of_files", {"connections": len(self._connections)})

    def _resume(self, server: socket.socket) -> None:
        if server in self._open:
            self._loop.add_reader(server, self._accept, server)

    def _let_in(self, sock: socket.socket, address: tuple[object, ...], port: int) -> None:
        host = str(address[0])
        peer = f"[{host}]:{address[1]}" if ":" in host else f"{host}:{address[1]}"
        if not self._is_welcome(host, peer):
            sock.close()
            return
        sock.setblocking(False)
        self._places += 1
        self._of_address[host] += 1
        self._strangers += not self.callers.may_send(host)
        connection = Connection(self, host, peer, port=port, is_tls=self._tls is not None)
        task = self._loop.create_task(self._greet(sock, connection))
        self._arriving[task] = connection
        task.add_done_callback(partial(self._settle_in, sock))

    def _is_welcome(self, host: str, peer: str) -> bool:
        limits = self.limits
        if not self.callers.may_send(host):
            self.metrics.count_not_admitted("network")
            self.warn_of("connection.not_admitted", {"peer": peer})
            if self._strangers >= _MOST_STRANGERS:
                return False
        if self._places >= limits.max_connections:
            self.metrics.count_refused()
            self.reach("max_connections", "connection.refused", {"peer": peer, "limit": limits.max_connections})
            return False
        most = limits.max_connections_per_address
        if most and self._of_address[host] >= most:
            self.metrics.count_refused()
            self.reach("max_connections_per_address", "connection.too_many_of_address", {"peer": peer, "limit": most})
            return False
        return True

    async def _greet(self, sock: socket.socket, connection: Connection) -> None:
        """Make a connection of a socket, with its TLS handshake where there is one."""
        if self._tls is None:
            await self._loop.connect_accepted_socket(lambda: connection, sock)
            return
        try:
            await self._loop.connect_accepted_socket(
                lambda: connection,
                sock,
                ssl=self._tls,
                ssl_handshake_timeout=self.limits.handshake_timeout_s,
                ssl_shutdown_timeout=LINGER_S,
            )
        except OSError as error:  # ssl.SSLError, a time-out or a reset among them
            self.metrics.count_not_admitted("tls")
            reason = getattr(error, "reason", None) or type(error).__name__
            self.warn_of("connection.tls_failed", {"peer": connection.peer, "reason": reason})

    def _settle_in(self, sock: socket.socket, task: "asyncio.Task[None]") -> None:
        """Take note of a connection that is made, or has failed to be."""
        connection = self._arriving.pop(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("connection.failed", exc_info=error, extra={"peer": connection.peer})
        if not connection.was_made:
            sock.close()  # for the case that it never had a transport
            self._give_back(connection.host)

    # -- called by connections ----------------------------------------------------------------------------------------

    def keep(self, connection: Connection) -> None:
        self._connections.add(connection)

    def forget(self, connection: Connection) -> None:
        """Let go of a connection that is closed and owes nothing any more."""
        if connection in self._connections:
            self._connections.remove(connection)
            self._give_back(connection.host)

    def reach(self, limit: str, event: str, extra: dict[str, object]) -> None:
        """Count that a limit was reached, and say it unless it was said often just now."""
        self.metrics.count_limit(limit)
        self.warn_of(event, extra)

    def warn_of(self, event: str, extra: dict[str, object]) -> None:
        """Warn of what anybody out there can bring about: ``times`` counts those that were left unsaid."""
        times = self._noise.count(event)
        if times is not None:
            log.warning(event, extra={**extra, "times": times})

    def _give_back(self, host: str) -> None:
        self._places -= 1
        self._strangers -= not self.callers.may_send(host)
        self._of_address[host] -= 1
        if not self._of_address[host]:
            del self._of_address[host]
        if not self._places:
            self._emptied.set()

    # -- ending -------------------------------------------------------------------------------------------------------

    def stop_accepting(self) -> None:
        """Take no more connections; those that are open go on."""
        for server in self._open:
            self._loop.remove_reader(server)
            server.close()
        self._open.clear()

    async def close(self, timeout_s: float) -> None:
        """Take no more connections and read no more, answer what was read, and close, all within ``timeout_s``."""
        self.stop_accepting()
        for task, connection in list(self._arriving.items()):
            if not connection.was_made:
                task.cancel()
        for connection in list(self._connections):
            connection.stop()
        if not self._places:
            return
        self._emptied.clear()
        try:
            async with asyncio.timeout(timeout_s):
                await self._emptied.wait()
        except TimeoutError:
            log.warning("listener.cut", extra={"connections": len(self._connections)})
            for connection in list(self._connections):
                connection.abort()
            await asyncio.sleep(0)  # one turn of the loop, in which the transports say goodbye


_Found = Iterable[tuple[int, int, int, str, tuple[object, ...]]]


async def _bind(host: str, port: int, *, is_shared: bool) -> list[socket.socket]:
    """Return a listening socket for each address that a host has."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return _open_all(found, partial(_listen, is_shared=is_shared))


def hold_port(host: str, port: int) -> list[socket.socket]:
    """Bind what several processes will listen on, without listening; port 0: a free one, the same for all of them.

    Whoever else listens there is found out, for it is bound as by one process alone, and let to be shared then. A
    program of another user cannot share it; one that starts later finds it taken once somebody listens.

    Raises:
        OSError: the address cannot be bound.
    """
    return _open_all(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE), _hold)


def _open_all(found: _Found, make: Callable[..., socket.socket]) -> list[socket.socket]:
    sockets: list[socket.socket] = []
    failure: OSError | None = None
    for family, kind, protocol, _, address in dict.fromkeys(found):
        try:
            sockets.append(make(family, kind, protocol, address))
        except OSError as error:
            failure = error
            if error.errno not in _NOT_HERE:
                break
    if failure is not None and (not sockets or failure.errno not in _NOT_HERE):
        for server in sockets:
            server.close()
        raise failure
    return sockets


def _listen(
    family: int, kind: int, protocol: int, address: tuple[object, ...], *, is_shared: bool = False
) -> socket.socket:
    server = _bound(family, kind, protocol, address, is_shared=is_shared)
    try:
        server.listen(_BACKLOG)
        server.setblocking(False)
    except OSError:
        server.close()
        raise
    return server


def _hold(family: int, kind: int, protocol: int, address: tuple[object, ...]) -> socket.socket:
    server = _bound(family, kind, protocol, address, is_shared=False)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    return server


def _bound(family: int, kind: int, protocol: int, address: tuple[object, ...], *, is_shared: bool) -> socket.socket:
    server = socket.socket(family, kind, protocol)
    try:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_shared:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        server.bind(address)
    except OSError:
        server.close()
        raise
    return server


async def shut_down(listeners: Listener | Sequence[Listener], intake: Intake, *, within_s: float = 8.0) -> None:
    """Stop reading, answer what was read, close: the whole within ``within_s``, even when the database hangs.

    What has no outcome shortly before the end is given up, so that its connections are closed in good order.
    """
    all_of_them = (listeners,) if isinstance(listeners, Listener) else listeners
    for listener in all_of_them:
        listener.stop_accepting()
    async with asyncio.TaskGroup() as group:
        for listener in all_of_them:  # begin first: nothing is read any more when the intake closes
            group.create_task(listener.close(within_s))
        group.create_task(intake.close(max(within_s - 1.5 * LINGER_S, 0.0)))
