"""Intake: gathers what is ready on all connections into one batch, one transaction. A lone message never waits."""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from queue import SimpleQueue
from typing import Final, Protocol

from pam_receiver.reader import Reader
from pam_receiver.receive import Incoming, Outcome, Read
from pam_receiver.store import StoreConflict, StoreUnavailable
from pam_receiver.understand import Understood

log = logging.getLogger(__name__)

_FIRST_RETRY_S: Final = 0.05
_LAST_RETRY_S: Final = 1.0
_READER_WITHIN_S: Final = 5.0  # between two parcels of a reader that has something to do: it takes milliseconds
_FEW: Final = 16  # messages at once that are read here: while a commit is waited for there is time


class Meter(Protocol):
    """What the intake counts. :class:`pam_receiver.metrics.Metrics` is one."""

    def count_outcome(self, outcome: Outcome, took_s: float) -> None: ...
    def count_batch(self, size: int) -> None: ...
    def count_store_retry(self) -> None: ...
    def count_given_up(self) -> None: ...


class Keeper(Protocol):
    """Who reads, keeps and answers messages. :class:`pam_receiver.receive.Receiver` is one, and says what each does."""

    def read(self, incoming: Incoming, understood: Understood | None = None) -> Read: ...
    def read_oversize(self, incoming: Incoming) -> Read: ...
    def renumber(self, read: Read) -> Read: ...
    def prepare(self, reads: Sequence[Read]) -> Callable[[], tuple[Outcome, ...]]: ...


@dataclass(slots=True, eq=False)
class _Waiting:
    """A message that has come in and has no outcome yet. ``read``: ``None`` until it is understood."""

    incoming: Incoming
    line: "Line"
    read_at: float  # clock of the loop, seconds
    future: asyncio.Future[Outcome | None]
    is_oversize: bool = False
    read: Read | None = None
    is_aside: bool = False  # given to the reader


@dataclass(slots=True, eq=False)
class Line:
    """One connection, for the intake: its messages are answered in order, or all given up from some message on.

    ``port``: ours, by which it came in. ``is_known``: false when its address or its certificate is none of
    those that are taken.
    """

    peer: str
    port: int | None = None
    is_known: bool = True
    is_given_up: bool = False
    waiting: deque[_Waiting] = field(default_factory=deque, repr=False)


_Result = tuple[Outcome, ...] | Exception
"""What a batch comes back with: one outcome per message, or what went wrong with all of it."""

_Job = Callable[[], tuple[Outcome, ...]]


class Intake:
    """Give messages to the receiver in batches, have one worker thread keep each, and hand the outcomes to the loop.

    While the worker commits a batch, the loop reads and understands the messages of the next one: the batch grows with
    the load, and no timer ever holds a message back. On a file the worker does nothing but commit, so that no two
    threads are ever at work in Python: they would take turns of milliseconds. When the store is away, the messages are
    held and tried again until each one's own ACK deadline, counted from when it was read. A message given up takes all
    later ones of its connection with it, for none of them may be answered before it.

    Make it inside a running event loop. All methods belong to that loop.
    """

    def __init__(
        self,
        receiver: Keeper,
        *,
        meter: Meter,
        ack_deadline_s: float = 25.0,
        max_batch: int = 256,
        max_batch_bytes: int = 16 << 20,
        reader: Reader | None = None,
    ) -> None:
        self._receiver = receiver
        self._reader = reader
        self._unread: deque[_Waiting] = deque()  # the end of the queue: what waits for the reader, and what follows it
        self._meter = meter
        self._ack_deadline_s = ack_deadline_s
        self._max_batch = max_batch
        self._max_batch_bytes = max_batch_bytes
        self._loop = asyncio.get_running_loop()
        self._queue: deque[_Waiting] = deque()  # in the order read
        self._in_work: list[_Waiting] = []  # with the worker now; older than all in the queue
        self._unsettled = 0
        self._is_closing = False
        self._drained = asyncio.Event()
        self._next_start: asyncio.Handle | None = None
        self._reader_due: asyncio.TimerHandle | None = None
        self._next_deadline: asyncio.TimerHandle | None = None
        self._retry_s = _FIRST_RETRY_S
        self._away_since: float | None = None
        self._jobs: SimpleQueue[tuple[_Job, int] | None] = SimpleQueue()
        # A daemon thread of our own, not an executor: a commit that hangs must not hold up the end of the process.
        self._worker = threading.Thread(target=self._work, name="pam-receiver-store", daemon=True)
        self._worker.start()

    # -- on the loop --------------------------------------------------------------------------------------------------

    def submit(self, raw: bytes, line: Line, *, is_oversize: bool = False) -> "asyncio.Future[Outcome | None]":
        """Take a message that has just been read, first in first out; ``is_oversize``: ``raw`` is a head only.

        The future never raises. It gives ``None`` when the message will not be answered: the store was away until the
        ACK deadline, an earlier message of the line was given up, or the house is closing. The connection must then be
        closed without an answer.
        """
        future: asyncio.Future[Outcome | None] = self._loop.create_future()
        if line.is_given_up or self._is_closing:
            self._meter.count_given_up()
            future.set_result(None)
            return future
        now = datetime.now(UTC)
        incoming = Incoming(raw, line.peer, now, port=line.port, is_known=line.is_known)
        waiting = _Waiting(incoming, line, self._loop.time(), future, is_oversize)
        self._queue.append(waiting)
        line.waiting.append(waiting)
        self._unsettled += 1
        if self._reader is not None and (self._unread or self._unsettled > _FEW) and self._reader.is_there:
            self._read_aside(waiting, self._reader)
        else:
            self._read(waiting)
        if self._next_deadline is None:
            self._next_deadline = self._loop.call_later(self._ack_deadline_s, self._keep_deadlines)
        return future

    @property
    def waiting(self) -> int:
        """How many messages were read and have no outcome yet."""
        return self._unsettled

    async def close(self, timeout_s: float) -> None:
        """Take nothing more, wait for what was read, and give up within ``timeout_s`` what has no outcome by then."""
        self._is_closing = True
        if self._unsettled:
            try:
                async with asyncio.timeout(timeout_s):
                    await self._drained.wait()
            except TimeoutError:
                for waiting in list(self._pending()):
                    self._give_up(waiting.line)
        for handle in (self._next_start, self._next_deadline, self._reader_due):
            if handle is not None:
                handle.cancel()
        self._jobs.put(None)
        if not self._in_work:
            self._worker.join(timeout_s)

    # -- what is understood, here or by the reader --------------------------------------------------------------------

    def _read(self, waiting: _Waiting, understood: Understood | None = None) -> None:
        """Read a message, in the order of the queue: so are the ids of the journal."""
        incoming, receiver = waiting.incoming, self._receiver
        waiting.read = receiver.read_oversize(incoming) if waiting.is_oversize else receiver.read(incoming, understood)
        if not self._in_work and self._next_start is None:
            self._next_start = self._loop.call_soon(self._start)  # after all that is readable in this turn of the loop

    def _read_aside(self, waiting: _Waiting, reader: Reader) -> None:
        """Have a message read while we are at work. What is never given away waits for its turn all the same."""
        self._unread.append(waiting)
        if self._reader_due is None:
            self._reader_due = self._loop.call_later(_READER_WITHIN_S, reader.drop)
        if not waiting.is_oversize:
            waiting.is_aside = True
            reader.give(waiting.incoming.raw, waiting.incoming.port, is_known=waiting.incoming.is_known)

    def take_read(self, understood: Sequence[Understood | None]) -> None:
        """Take from the reader what it has understood of the next messages."""
        for each in understood:
            self._read_own()
            self._read(self._unread.popleft(), each)
        self._read_own()
        if self._reader_due is not None and self._reader is not None:
            self._reader_due.cancel()
            self._reader_due = self._loop.call_later(_READER_WITHIN_S, self._reader.drop) if self._unread else None

    def _read_own(self) -> None:
        while self._unread and not self._unread[0].is_aside:
            self._read(self._unread.popleft())

    def miss_reader(self) -> None:
        """Read what the reader had, now that it has gone."""
        while self._unread:
            self._read(self._unread.popleft())

    def _pending(self) -> Iterable[_Waiting]:
        """What has no outcome yet, oldest first."""
        return (waiting for waiting in chain(self._in_work, self._queue) if not waiting.future.done())

    def _start(self) -> None:
        self._next_start = None
        batch = self._gather()
        if not batch:
            return
        self._in_work = batch
        try:
            job = self._receiver.prepare([waiting.read for waiting in batch if waiting.read is not None])
        except Exception as error:  # noqa: BLE001 - as on the worker
            self._loop.call_soon(self._take_back, error)
        else:
            self._jobs.put((job, len(batch)))

    def _gather(self) -> list[_Waiting]:
        """Take from the queue what goes into the next batch."""
        batch: list[_Waiting] = []
        size = 0
        while self._queue and len(batch) < self._max_batch:
            waiting = self._queue[0]
            if waiting.read is None:
                break
            if waiting.future.done():
                self._queue.popleft()
                continue
            size += len(waiting.incoming.raw)
            if batch and size > self._max_batch_bytes:
                break
            batch.append(self._queue.popleft())
        return batch

    def _take_back(self, result: _Result) -> None:
        """Settle the batch that the worker has done with, and start the next one."""
        batch, self._in_work = self._in_work, []
        if isinstance(result, StoreUnavailable | StoreConflict):
            self._hold(batch, result)
        elif isinstance(result, Exception):
            log.error("batch.failed", exc_info=result, extra={"messages": len(batch)})
            for waiting in batch:
                self._give_up(waiting.line)
        else:
            self._note_store_back()
            for waiting, outcome in zip(batch, result, strict=True):
                self._settle(waiting, outcome)
            self._meter.count_batch(len(batch))
        if self._queue and self._queue[0].read is not None and self._next_start is None:
            self._next_start = self._loop.call_soon(self._start)  # after the answers of this batch have left

    def _hold(self, batch: list[_Waiting], failure: StoreUnavailable | StoreConflict) -> None:
        """Put the batch back where it was, to be tried again a little later with what has come in by then."""
        self._meter.count_store_retry()
        if self._away_since is None:
            self._away_since = self._loop.time()
            log.warning("store.unavailable", exc_info=failure, extra={"messages": len(batch)})
        self._queue.extendleft(reversed(batch))
        for waiting in self._queue:  # those behind them too: the ids of the journal are in the order of arrival
            if waiting.read is not None:
                waiting.read = self._receiver.renumber(waiting.read)
        self._next_start = self._loop.call_later(self._retry_s, self._start)
        self._retry_s = min(2 * self._retry_s, _LAST_RETRY_S)

    def _note_store_back(self) -> None:
        if self._away_since is not None:
            log.warning("store.back", extra={"seconds": round(self._loop.time() - self._away_since, 3)})
            self._away_since = None
            self._retry_s = _FIRST_RETRY_S

    def _settle(self, waiting: _Waiting, outcome: Outcome) -> None:
        """Give a message its outcome. One that was given up while the worker had it is counted, and stays silent."""
        self._meter.count_outcome(outcome, self._loop.time() - waiting.read_at)
        if waiting.future.done():
            return
        waiting.line.waiting.popleft()  # outcomes come in the order read: this is the first
        waiting.future.set_result(outcome)
        self._count_settled()

    def _count_settled(self) -> None:
        self._unsettled -= 1
        if self._is_closing and not self._unsettled:
            self._drained.set()

    def _give_up(self, line: Line) -> None:
        """Leave all that waits on this line without an answer, and all that may still come on it."""
        line.is_given_up = True
        if line.waiting:
            log.warning("messages.given_up", extra={"peer": line.peer, "messages": len(line.waiting)})
        while line.waiting:
            line.waiting.popleft().future.set_result(None)
            self._meter.count_given_up()
            self._count_settled()

    def _keep_deadlines(self) -> None:
        """Give up what is over its ACK deadline, wherever it waits; wake up again for the next one."""
        self._next_deadline = None
        for waiting in self._pending():  # deadlines come in the order read
            due = waiting.read_at + self._ack_deadline_s
            if due > self._loop.time():
                self._next_deadline = self._loop.call_at(due, self._keep_deadlines)
                break
            self._give_up(waiting.line)
        while self._queue and self._queue[0].future.done():  # a database that hangs must not make the queue grow
            self._queue.popleft()

    # -- on the worker thread -----------------------------------------------------------------------------------------

    def _work(self) -> None:
        while (asked := self._jobs.get()) is not None:
            result = _result_of(*asked)
            try:
                self._loop.call_soon_threadsafe(self._take_back, result)
            except RuntimeError:  # the loop was closed while the database hung: nobody waits any more
                return


def _result_of(job: _Job, count: int) -> _Result:
    try:
        outcomes = job()
        assert len(outcomes) == count
    except Exception as error:  # noqa: BLE001 - the top of a long-running loop: it goes on, the loop logs it
        return error
    return outcomes
