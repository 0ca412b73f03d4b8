"""The MLLP listener: sockets, limits, time-outs, shutdown. It judges no message and makes no answer."""

import asyncio
import logging
import socket
from collections import deque
from dataclasses import dataclass
from typing import Final

from pam_receiver.hl7.header import read_header_loosely
from pam_receiver.hl7.mllp import BlockTooLarge, FrameDecoder, encode_frame
from pam_receiver.intake import Intake, Line
from pam_receiver.metrics import Metrics
from pam_receiver.receive import Outcome

log = logging.getLogger(__name__)

_LINGER_S: Final = 1.0
"""How long a connection that we end is still read, and what is read thrown away.

Closing a socket with unread bytes resets it, and a reset can destroy the last ACK before the sender has read it.
"""

_KEEPALIVE_S: Final = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))


@dataclass(frozen=True, slots=True)
class Limits:
    """What one connection, and all of them, may take. A time of 0 stands for no limit.

    Reading pauses while ``max_pending`` messages or ``max_pending_bytes`` of a connection have no answer yet; what one
    read of the socket (at most 256 KiB) has brought by then is still taken.
    """

    max_block_bytes: int = 1 << 20
    max_connections: int = 512
    max_pending: int = 100
    max_pending_bytes: int = 8 << 20
    idle_timeout_s: float = 0.0  # nothing asked, nothing owed
    block_timeout_s: float = 60.0  # a block was begun, then silence
    write_timeout_s: float = 30.0  # the sender does not read its ACKs


@dataclass(frozen=True, slots=True)
class _Owed:
    """A message of this connection that is not answered yet."""

    outcome: "asyncio.Future[Outcome | None]"
    read_at: float  # clock of the loop, seconds
    size: int


class Listener:
    """Take MLLP connections on one host, on one port or several, and give their messages to the intake."""

    def __init__(self, intake: Intake, host: str, port: int, *, metrics: Metrics, limits: Limits | None = None) -> None:
        self.intake = intake
        self.metrics = metrics
        self.limits = limits or Limits()
        self._host = host
        self._port = port
        self._servers: list[asyncio.Server] = []
        self._connections: set[_Connection] = set()
        self._emptied = asyncio.Event()

    async def start(self, port: int | None = None) -> None:
        """Bind and begin to take connections; ``port``: one more, after the first. The limits count all together.

        Raises:
            OSError: the address cannot be bound.
        """
        loop = asyncio.get_running_loop()
        wanted = self._port if port is None else port
        server = await loop.create_server(lambda: _Connection(self), self._host, wanted, backlog=256)
        self._servers.append(server)

    @property
    def address(self) -> tuple[str, int]:
        """The first address really bound, once started: the port that was given when 0 was asked for."""
        return self.addresses[0]

    @property
    def addresses(self) -> tuple[tuple[str, int], ...]:
        """Every address that connections are taken on, in the order of the calls of :meth:`start`."""
        return tuple(server.sockets[0].getsockname()[:2] for server in self._servers)

    @property
    def has_room(self) -> bool:
        return len(self._connections) < self.limits.max_connections

    def keep(self, connection: "_Connection") -> None:
        self._connections.add(connection)

    def forget(self, connection: "_Connection") -> None:
        """Let go of a connection that is closed and owes nothing any more."""
        self._connections.discard(connection)
        if not self._connections:
            self._emptied.set()

    def stop_accepting(self) -> None:
        """Take no more connections; those that are open go on."""
        for server in self._servers:
            server.close()

    async def close(self, timeout_s: float) -> None:
        """Take no more connections and read no more, answer what was read, and close, all within ``timeout_s``."""
        self.stop_accepting()
        for connection in list(self._connections):
            connection.stop()
        if not self._connections:
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


async def shut_down(listener: Listener, intake: Intake, *, within_s: float = 8.0) -> None:
    """Stop reading, answer what was read, close: the whole within ``within_s``, even when the database hangs.

    What has no outcome shortly before the end is given up, so that its connections are closed in good order.
    """
    listener.stop_accepting()
    async with asyncio.TaskGroup() as both:
        both.create_task(listener.close(within_s))  # begins first: nothing is read any more when the intake closes
        both.create_task(intake.close(max(within_s - 1.5 * _LINGER_S, 0.0)))


class _Connection(asyncio.Protocol):
    """One sender's connection: bytes in, frames out, in the order in which the messages came."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._limits = listener.limits
        self._metrics = listener.metrics
        self._loop = asyncio.get_running_loop()
        self._decoder = FrameDecoder(max_block_bytes=self._limits.max_block_bytes)
        self._owed: deque[_Owed] = deque()
        self._owed_bytes = 0
        self._messages = 0
        self._skipped = 0
        self._unfinished = 0
        self._has_bytes = False
        self._is_refused = False
        self._is_paused = False  # our reading, while too much is owed
        self._is_stuck = False  # our writing: the sender does not read
        self._is_ending = False  # nothing more is taken; what is owed is answered, then the connection ends
        self._has_ended = False
        self._is_at_eof = False
        self._is_lost = False
        self._opened_at = self._active_at = self._loop.time()
        self._silence_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._linger_timer: asyncio.TimerHandle | None = None

    # -- called by asyncio --------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._peer = _name_peer(transport)
        if not self._listener.has_room:
            self._is_refused = self._is_ending = True
            self._metrics.count_refused()
            log.warning("connection.refused", extra={"peer": self._peer, "limit": self._limits.max_connections})
            transport.close()
            return
        _set_options(transport)
        transport.set_write_buffer_limits(high=0)  # pause_writing() as soon as the sender's window is full
        self._line = Line(self._peer, _local_port(transport))
        self._listener.keep(self)
        self._metrics.count_connection()
        self._watch_silence()

    def data_received(self, data: bytes) -> None:
        self._has_bytes = True
        if self._is_ending:
            return  # thrown away: see _LINGER_S
        self._active_at = self._loop.time()
        try:
            messages = self._decoder.feed(data)
        except BlockTooLarge as error:
            self._take_all(error.complete)
            self._take_oversize(error.head)
        else:
            self._take_all(messages)
        self._count_rubbish()
        self._go_on()

    def eof_received(self) -> bool:
        self._is_at_eof = True
        if not self._is_ending:
            self._take_all(self._decoder.finish())
        self._go_on()
        return bool(self._owed)  # True: half closed, the sender still gets its answers

    def pause_writing(self) -> None:
        self._is_stuck = True
        if self._write_timer is None and self._limits.write_timeout_s:
            self._write_timer = self._loop.call_later(self._limits.write_timeout_s, self._cut_unread)
        self._set_reading()

    def resume_writing(self) -> None:
        self._is_stuck = False
        _cancel(self._write_timer)
        self._write_timer = None
        self._loop.call_soon(self._go_on)

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_lost = True
        for timer in (self._silence_timer, self._write_timer, self._linger_timer):
            _cancel(timer)
        if self._is_refused:
            return
        self._count_rubbish()
        if self._decoder.in_block:
            self._note_unfinished(1)
        self._metrics.count_closed(is_probe=not self._has_bytes)
        self._log_closed(exc)
        self._go_on()

    # -- called by the listener ---------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Read no more; end once all that was read is answered."""
        self._is_ending = True
        if self._owed:
            self._go_on()
        else:
            self._transport.close()

    def abort(self) -> None:
        """End now, whatever is owed."""
        self._is_ending = True
        self._transport.abort()

    # -- messages in --------------------------------------------------------------------------------------------------

    def _take_all(self, messages: list[bytes]) -> None:
        for raw in messages:
            self._take(raw)

    def _take(self, raw: bytes, *, is_oversize: bool = False) -> None:
        outcome = self._listener.intake.submit(raw, self._line, is_oversize=is_oversize)
        self._messages += 1
        self._owed.append(_Owed(outcome, self._loop.time(), len(raw)))
        self._owed_bytes += len(raw)
        outcome.add_done_callback(self._answer)

    def _take_oversize(self, head: bytes) -> None:
        """Have a block over the limit refused if it says whose it is. Its end is unknown: nothing can follow it."""
        log.warning("block.too_large", extra={"peer": self._peer, "limit": self._limits.max_block_bytes})
        self._is_ending = True
        if read_header_loosely(head) is not None:
            self._take(head, is_oversize=True)

    def _count_rubbish(self) -> None:
        if self._decoder.skipped > self._skipped:
            self._metrics.count_skipped(self._decoder.skipped - self._skipped)
            self._skipped = self._decoder.skipped
        if self._decoder.unfinished > self._unfinished:
            self._note_unfinished(self._decoder.unfinished - self._unfinished)

    def _note_unfinished(self, blocks: int) -> None:
        self._unfinished += blocks
        self._metrics.count_unfinished(blocks)
        log.warning("block.unfinished", extra={"peer": self._peer, "unfinished": self._unfinished})

    # -- answers out --------------------------------------------------------------------------------------------------

    def _answer(self, _: object) -> None:
        """Write the answers that are ready, in the order of their messages."""
        frames = []
        while self._owed and self._owed[0].outcome.done():
            owed = self._owed.popleft()
            self._owed_bytes -= owed.size
            outcome = owed.outcome.result()
            if outcome is None:  # no answer will come, and none may come for what follows
                self._is_ending = True
                continue
            frames.append(encode_frame(outcome.ack))
            self._log_answered(outcome, owed)
        if frames and not self._is_lost:
            self._active_at = self._loop.time()
            self._transport.write(b"".join(frames))
        self._go_on()

    def _go_on(self) -> None:
        """Do what the state asks for now: let go, end, or read on."""
        if self._is_lost:
            if not self._owed:
                self._listener.forget(self)
        elif (self._is_ending or self._is_at_eof) and not self._owed:
            self._end()
        else:
            self._set_reading()
            self._watch_silence()

    def _end(self) -> None:
        """Say that no more answers come, and wait a little for the sender to close first."""
        if self._is_at_eof:
            self._transport.close()
        elif not self._has_ended and not self._is_stuck:
            self._has_ended = True
            try:
                self._transport.write_eof()
            except OSError:  # the link was lost, and the loop has not noticed yet
                self._transport.abort()
                return
            self._set_reading()
            self._linger_timer = self._loop.call_later(_LINGER_S, self._transport.close)

    def _set_reading(self) -> None:
        owes_too_much = (
            len(self._owed) >= self._limits.max_pending or self._owed_bytes >= self._limits.max_pending_bytes
        )
        must_pause = (owes_too_much or self._is_stuck) and not self._is_ending
        if must_pause == self._is_paused or self._is_at_eof or self._is_lost:
            return
        self._is_paused = must_pause
        if must_pause:
            self._transport.pause_reading()
        else:
            self._active_at = self._loop.time()  # the silence was ours
            self._transport.resume_reading()

    # -- time-outs ----------------------------------------------------------------------------------------------------

    def _silence_ends_at(self) -> float | None:
        """When the silence of the sender will have lasted too long; ``None``: it may be silent."""
        if self._is_ending or self._is_at_eof or self._is_lost or self._is_paused:
            return None
        if self._decoder.in_block and self._limits.block_timeout_s:
            return self._active_at + self._limits.block_timeout_s
        if self._limits.idle_timeout_s and not self._owed:
            return self._active_at + self._limits.idle_timeout_s
        return None

    def _watch_silence(self) -> None:
        due = self._silence_ends_at()
        if due is not None and (self._silence_timer is None or self._silence_timer.when() > due):
            _cancel(self._silence_timer)
            self._silence_timer = self._loop.call_at(due, self._check_silence)

    def _check_silence(self) -> None:
        self._silence_timer = None
        due = self._silence_ends_at()
        if due is None:
            return
        if due > self._loop.time():  # something has come in since the timer was set
            self._silence_timer = self._loop.call_at(due, self._check_silence)
            return
        is_in_block = self._decoder.in_block
        log.log(
            logging.WARNING if is_in_block else logging.INFO,
            "connection.silent_in_block" if is_in_block else "connection.idle",
            extra={"peer": self._peer, "seconds": round(self._loop.time() - self._active_at, 3)},
        )
        self._is_ending = True
        self._go_on()

    def _cut_unread(self) -> None:
        log.warning("connection.acks_unread", extra={"peer": self._peer, "seconds": self._limits.write_timeout_s})
        self.abort()

    # -- log lines ----------------------------------------------------------------------------------------------------

    def _log_answered(self, outcome: Outcome, owed: _Owed) -> None:
        extra = {
            "peer": self._peer,
            "message_id": outcome.message_id,
            "control_id": outcome.control_id,
            "event": outcome.event,
            "ack": outcome.ack_code,
            "findings": len(outcome.rules),
            "is_repeat": outcome.is_repeat,
            "took_ms": round(1000 * (self._loop.time() - owed.read_at), 1),
        }
        if outcome.source:
            extra = {**extra, "source": outcome.source}
        # Kept all the same: the sender will repeat it, and get the same answer.
        log.info("message.link_lost" if self._is_lost else "message.answered", extra=extra)

    def _log_closed(self, exc: Exception | None) -> None:
        extra = {
            "peer": self._peer,
            "messages": self._messages,
            "skipped": self._skipped,
            "unfinished": self._unfinished,
            "waiting": len(self._owed),
            "seconds": round(self._loop.time() - self._opened_at, 3),
        }
        if not self._has_bytes:
            log.debug("connection.probed", extra=extra)
        else:
            log.info("connection.lost" if exc else "connection.closed", extra=extra)


def _name_peer(transport: asyncio.Transport) -> str:
    """``192.0.2.7:51234``, ``[2001:db8::7]:51234``; a link lost before it was taken has no name any more."""
    name = transport.get_extra_info("peername")
    if not name:
        return "unknown"
    host, port = name[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _local_port(transport: asyncio.Transport) -> int | None:
    """Our port, by which the connection came in; of a link lost before it was taken it may not be known any more."""
    name = transport.get_extra_info("sockname")
    return name[1] if name else None


def _set_options(transport: asyncio.Transport) -> None:
    """Send ACKs at once, and find out about a peer that is gone; asyncio gives no option for the second."""
    sock = transport.get_extra_info("socket")
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE_S:
            if hasattr(socket, option):
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    except OSError:  # the link was lost already: the first read says so
        return


def _cancel(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
