"""One sender's connection: bytes in, frames out, in the order in which the messages came."""

import asyncio
import logging
import socket
from collections import deque
from typing import Final, Protocol

from pam_receiver.hl7.header import read_header_loosely
from pam_receiver.hl7.mllp import BlockTooLarge, FrameDecoder, encode_frame
from pam_receiver.intake import Intake, Line
from pam_receiver.listener.limits import Callers, Limits
from pam_receiver.metrics import Metrics
from pam_receiver.receive import Outcome
from pam_receiver.values import value

log = logging.getLogger(__name__)

LINGER_S: Final = 1.0
"""How long a connection that we end is still read, and what is read thrown away.

Closing a socket with unread bytes resets it, and a reset can destroy the last ACK before the sender has read it.
"""

_KEEPALIVE_S: Final = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))
_TLS_WRITE_BYTES: Final = (1 << 17, 1 << 15)
"""Bytes of answers that wait under TLS before writing pauses, and at which it goes on.

More than the 64 KiB of the socket below, which alone tells the layer of TLS that it has room again. That layer does not
count what it has given to the socket, so that answers are given to it in pieces of this many bytes:
"""
_TLS_PIECE_BYTES: Final = 1 << 16


class House(Protocol):
    """What a connection knows of its listener."""

    intake: Intake
    metrics: Metrics
    limits: Limits
    callers: Callers

    def keep(self, connection: "Connection") -> None: ...
    def forget(self, connection: "Connection") -> None: ...
    def reach(self, limit: str, event: str, extra: dict[str, object]) -> None: ...


@value(frozen=True, slots=True)
class _Owed:
    """A message of this connection that is not answered yet."""

    outcome: "asyncio.Future[Outcome | None]"
    read_at: float  # clock of the loop, seconds
    size: int


class Connection(asyncio.Protocol):
    """One sender's connection, of ``peer`` at the address ``host``, by our ``port``.

    Under TLS there is no half-closed connection: a sender that ends its side gets nothing more, and our own end is
    said by closing alone, a little after the last answer.
    """

    def __init__(self, listener: House, host: str, peer: str, *, port: int, is_tls: bool) -> None:
        self.host = host
        self.peer = peer
        self._port = port
        self.was_made = False
        self._listener = listener
        self._is_tls = is_tls
        self._limits = listener.limits
        self._metrics = listener.metrics
        self._loop = asyncio.get_running_loop()
        self._decoder = FrameDecoder(max_block_bytes=self._limits.max_block_bytes)
        self._read: deque[tuple[bytes, bool]] = deque()  # not given to the intake yet, and whether it is but a head
        self._owed: deque[_Owed] = deque()
        self._owed_bytes = 0
        self._messages = 0
        self._skipped = 0
        self._unfinished = 0
        self._unsent = bytearray()  # under TLS: answers that are not given to the transport yet
        self._has_bytes = False
        self._is_paused = False  # our reading, while too much is owed
        self._is_stuck = False  # our writing: the sender does not read
        self._is_ending = False  # nothing more is taken; what is owed is answered, then the connection ends
        self._has_ended = False
        self._is_at_eof = False
        self._is_lost = False
        self._opened_at = self._active_at = self._block_began_at = self._paused_at = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._linger_timer: asyncio.TimerHandle | None = None

    # -- called by asyncio --------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.was_made = True
        self._transport = transport
        _set_options(transport)
        if self._is_tls:
            transport.set_write_buffer_limits(*_TLS_WRITE_BYTES)
        else:
            transport.set_write_buffer_limits(high=0)  # pause_writing() as soon as the sender's window is full
        callers = self._listener.callers
        is_known = callers.may_send(self.host) and callers.knows(transport.get_extra_info("peercert"))
        self._line = Line(self.peer, self._port, is_known=is_known)
        self._listener.keep(self)
        self._metrics.count_connection()
        self._watch_time()

    def data_received(self, data: bytes) -> None:
        self._has_bytes = True
        if self._is_ending:
            return  # thrown away: see _LINGER_S
        self._active_at = self._loop.time()
        was_in_block = self._decoder.in_block
        try:
            messages = self._decoder.feed(data)
        except BlockTooLarge as error:
            self._take_all(error.complete)
            self._take_oversize(error.head)
        else:
            if messages or not was_in_block:
                self._block_began_at = self._active_at  # of the one that is begun now, if any
            self._take_all(messages)
        self._count_rubbish()
        self._go_on()

    def eof_received(self) -> bool:
        self._is_at_eof = True
        if not self._is_ending:
            self._take_all(self._decoder.finish())
        self._go_on()
        return bool(self._owed) and not self._is_tls  # True: half closed, the sender still gets its answers

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
        for timer in (self._timer, self._write_timer, self._linger_timer):
            _cancel(timer)
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
        self._submit(all_of_it=True)  # the intake takes nothing more after this
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
        self._read.extend((raw, False) for raw in messages)
        self._submit()

    def _submit(self, *, all_of_it: bool = False) -> None:
        """Give to the intake what was read, as far as the limits go: one read of a socket can bring tens of thousands
        of tiny messages, and those of the others shall not wait behind all of them.
        """
        while self._read and (all_of_it or not self._owes_too_much):
            raw, is_oversize = self._read.popleft()
            outcome = self._listener.intake.submit(raw, self._line, is_oversize=is_oversize)
            self._messages += 1
            self._owed.append(_Owed(outcome, self._loop.time(), len(raw)))
            self._owed_bytes += len(raw)
            outcome.add_done_callback(self._answer)

    @property
    def _owes_too_much(self) -> bool:
        return len(self._owed) >= self._limits.max_pending or self._owed_bytes >= self._limits.max_pending_bytes

    def _take_oversize(self, head: bytes) -> None:
        """Have a block over the limit refused if it says whose it is. Its end is unknown: nothing can follow it."""
        limit = self._limits.max_block_bytes
        self._listener.reach("max_block_bytes", "block.too_large", {"peer": self.peer, "limit": limit})
        self._is_ending = True
        if read_header_loosely(head) is not None:
            self._read.append((head, True))
            self._submit()

    def _count_rubbish(self) -> None:
        if self._decoder.skipped > self._skipped:
            self._metrics.count_skipped(self._decoder.skipped - self._skipped)
            self._skipped = self._decoder.skipped
        if self._decoder.unfinished > self._unfinished:
            self._note_unfinished(self._decoder.unfinished - self._unfinished)

    def _note_unfinished(self, blocks: int) -> None:
        self._unfinished += blocks
        self._metrics.count_unfinished(blocks)
        log.warning("block.unfinished", extra={"peer": self.peer, "unfinished": self._unfinished})

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
        if frames and self._can_write:
            self._active_at = self._loop.time()
            self._write(b"".join(frames))
        self._submit()
        self._go_on()

    def _write(self, data: bytes) -> None:
        if self._is_tls:
            self._unsent += data
            self._write_pieces()
        else:
            self._transport.write(data)

    def _write_pieces(self) -> None:
        """Write what the sender takes: the transport calls :meth:`pause_writing` when it has had enough."""
        while self._unsent and not self._is_stuck and self._can_write:
            piece = bytes(self._unsent[:_TLS_PIECE_BYTES])
            del self._unsent[:_TLS_PIECE_BYTES]
            self._transport.write(piece)

    @property
    def _can_write(self) -> bool:
        """Whether an answer still reaches the socket; under TLS not when the sender has ended its side."""
        return not self._is_lost and not self._transport.is_closing()

    def _go_on(self) -> None:
        """Do what the state asks for now: write, let go, end, or read on."""
        self._write_pieces()
        if self._is_lost:
            if not self._owed:
                self._listener.forget(self)
        elif (self._is_ending or self._is_at_eof) and not self._owed:
            self._end()
        else:
            self._set_reading()
            self._watch_time()

    def _end(self) -> None:
        """Say that no more answers come, and wait a little for the sender to close first."""
        if self._is_at_eof:
            self._transport.close()
        elif not self._has_ended and not self._is_stuck and not self._unsent:
            self._has_ended = True
            if self._transport.can_write_eof():
                try:
                    self._transport.write_eof()
                except OSError:  # the link was lost, and the loop has not noticed yet
                    self._transport.abort()
                    return
            self._set_reading()
            self._linger_timer = self._loop.call_later(LINGER_S, self._transport.close)

    def _set_reading(self) -> None:
        must_pause = (self._owes_too_much or self._is_stuck) and not self._is_ending
        if must_pause == self._is_paused or self._is_at_eof or self._is_lost:
            return
        self._is_paused = must_pause
        now = self._loop.time()
        if must_pause:
            self._paused_at = now
            self._transport.pause_reading()
        else:
            self._active_at = now  # the silence was ours
            self._block_began_at += now - self._paused_at
            self._transport.resume_reading()

    # -- time-outs ----------------------------------------------------------------------------------------------------

    def _time_ends_at(self) -> float | None:
        """When the sender will have taken too long, for the end of a block or for the next one; ``None``: it may."""
        if self._is_ending or self._is_at_eof or self._is_lost or self._is_paused:
            return None
        if self._decoder.in_block and self._limits.block_timeout_s:
            return self._block_began_at + self._limits.block_timeout_s
        # Whoever may not send is not let stay either, once it has been told so.
        idle_timeout_s = self._limits.idle_timeout_s or (0 if self._line.is_known else self._limits.block_timeout_s)
        if idle_timeout_s and not self._owed:
            return self._active_at + idle_timeout_s
        return None

    def _watch_time(self) -> None:
        due = self._time_ends_at()
        if due is not None and (self._timer is None or self._timer.when() > due):
            _cancel(self._timer)
            self._timer = self._loop.call_at(due, self._check_time)

    def _check_time(self) -> None:
        self._timer = None
        due = self._time_ends_at()
        if due is None:
            return
        now = self._loop.time()
        if due > now:  # something has come in since the timer was set
            self._timer = self._loop.call_at(due, self._check_time)
            return
        if self._decoder.in_block:
            seconds = round(now - self._block_began_at, 3)
            self._listener.reach("block_timeout_s", "block.timed_out", {"peer": self.peer, "seconds": seconds})
        else:
            log.info("connection.idle", extra={"peer": self.peer, "seconds": round(now - self._active_at, 3)})
        self._is_ending = True
        self._go_on()

    def _cut_unread(self) -> None:
        seconds = self._limits.write_timeout_s
        self._listener.reach("write_timeout_s", "connection.acks_unread", {"peer": self.peer, "seconds": seconds})
        self.abort()

    # -- log lines ----------------------------------------------------------------------------------------------------

    def _log_answered(self, outcome: Outcome, owed: _Owed) -> None:
        """Log what became of a message. Of one that was accepted and answered the journal says it as well."""
        can_write = self._can_write
        level = logging.DEBUG if can_write and outcome.ack_code == "AA" else logging.INFO
        if not log.isEnabledFor(level):
            return
        extra = {
            "peer": self.peer,
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
        log.log(level, "message.answered" if can_write else "message.link_lost", extra=extra)

    def _log_closed(self, exc: Exception | None) -> None:
        extra = {
            "peer": self.peer,
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
