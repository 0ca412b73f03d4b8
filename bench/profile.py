"""Where the microseconds of a message go, from the socket to the answer: the whole daemon, under load, in batches.

``serve`` runs in this process, as it is installed, on a database file (or server) and real sockets; its functions are
timed by wrappers that are put around them by name. As many messages as a batch is to have are sent at once, and the
next ones when all are answered: so each batch has the size that is asked for, and no two steps run at the same time.
Each step is counted without those inside it. The slowest tenth of the batches, which met something else on the machine,
is left out.
"""

import argparse
import asyncio
import functools
import gc
import importlib
import logging
import os
import signal
import socket
import sqlite3
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import plot
from apps import Place, environment, serve_options, upgrade
from gen_corpus import Corpus
from measure import BenchError, fresh_place
from results import NAMES, OURS

_END: Final = b"\x1c\r"
_LEAST_BATCHES: Final = 4
_WARMUP_PART: Final = 10  # of the batches, one in ten more before, unmeasured
_LEFT_OUT_PART: Final = 10  # the slowest tenth
_SETTLE_S: Final = 0.3
_ANSWER_WITHIN_S: Final = 60.0
_DATABASE: Final = ", database"

HAND_OVER: Final = "hand over to the store's thread"
HAND_BACK: Final = "hand back"
BEGIN: Final = "begin"
COMMIT: Final = "commit"
LOOP: Final = "sockets and loop, the rest"

# Each step and the functions that do it, at the module that uses them, in the order shown. ``|``: one of them at least;
# ``?``: where there is one (a step that is never met is told of in any case).
SEAMS: Final = (
    ("read and frame", "pam_receiver.listener.connection:Connection.data_received|Connection.buffer_updated"),
    ("read and frame", "pam_receiver.hl7.mllp:FrameDecoder.feed"),
    ("source", "pam_receiver.sources:Sources.find"),
    ("parse", "pam_receiver.understand:parse_message"),
    ("header", "pam_receiver.understand:read_header"),
    ("check", "pam_receiver.understand:check_message"),
    ("read_event", "pam_receiver.understand:read_event"),
    ("understand, the rest", "pam_receiver.receive:take_in"),
    (BEGIN, "pam_receiver.store:Store.open_transaction?"),
    ("load", "pam_receiver.store:Transaction.load"),
    ("decide", "pam_receiver.receive:decide"),
    ("ack", "pam_receiver.receive:build_ack"),
    ("write", "pam_receiver.store:Transaction.write"),
    (COMMIT, "pam_receiver.store:Transaction.commit?"),
    ("receive, the rest", "pam_receiver.receive:Receiver.receive|Receiver.read|Receiver.prepare|Receiver.keep"),
    (HAND_OVER, ""),
    (HAND_BACK, ""),
    ("log", "logging:Logger.isEnabledFor"),
    ("answer", "pam_receiver.listener.connection:encode_frame"),
    ("answer", "asyncio.selector_events:_SelectorSocketTransport.write"),
)
_DRIVERS: Final = (  # what waits for the database; of SQLite see _time_sqlite
    "psycopg:Cursor.execute",
    "psycopg:Cursor.executemany",
    "psycopg:Cursor.fetchall",
    "psycopg:Cursor.fetchone",
    "psycopg:Cursor.fetchmany",
    "psycopg:Connection.commit",
    "psycopg:Connection.rollback",
    "pam_receiver.store.pipeline:Pipeline._next",
)

_Function = Callable[..., Any]  # Any: a wrapper takes whatever the function takes


@dataclass(slots=True)
class _Open:
    """A step that runs now, and how long those inside it took."""

    step: str
    inside_ns: int = 0


@dataclass(slots=True)
class Clock:
    """Counts nanoseconds by step, while it is on. A call of the database counts for the step that makes it."""

    is_on: bool = False
    spent_ns: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    batches: list[int] = field(default_factory=list)  # how many messages each transaction had
    _loop_thread: int = field(default_factory=threading.get_ident)
    _left: tuple[int, int] | None = None  # when the last step ended, and in which thread
    _threads: threading.local = field(default_factory=threading.local)

    def take(self) -> dict[str, int]:
        """Return what was counted, and begin again."""
        spent = dict(self.spent_ns)
        self.spent_ns.clear()
        return spent

    def wrap(self, step: str | None, function: _Function) -> _Function:
        """Return ``function``, timed. ``step``: ``None`` for a call of the database."""

        @functools.wraps(function)
        def timed(*args: Any, **named: Any) -> Any:
            if not self.is_on:
                return function(*args, **named)
            with Timed(self, step):
                return function(*args, **named)

        return timed

    def open_steps(self) -> list[_Open]:
        """Return the steps that run now in this thread, the innermost last."""
        steps: list[_Open] | None = getattr(self._threads, "steps", None)
        if steps is None:
            steps = self._threads.steps = []
        return steps

    def note_begin(self, now: int) -> None:
        """Count the way from one thread to the other: nothing else runs meanwhile."""
        if self._left is not None:
            left_at, thread = self._left
            here = threading.get_ident()
            if here != thread:
                self.spent_ns[HAND_BACK if here == self._loop_thread else HAND_OVER] += now - left_at

    def note_end(self, now: int) -> None:
        self._left = (now, threading.get_ident())

    def forget_end(self) -> None:
        """Begin a batch: what came before it is no way of a message."""
        self._left = None


class Timed:
    """Time a step while inside."""

    __slots__ = ("_begun", "_clock", "_open", "_steps")

    def __init__(self, clock: Clock, step: str | None) -> None:
        self._clock = clock
        self._steps = clock.open_steps()
        around = self._steps[-1].step if self._steps else "elsewhere"
        self._open = _Open(step or (around if around.endswith(_DATABASE) else around + _DATABASE))

    def __enter__(self) -> None:
        self._begun = time.perf_counter_ns()
        if not self._steps:
            self._clock.note_begin(self._begun)
        self._steps.append(self._open)

    def __exit__(self, *_: object) -> None:
        now = time.perf_counter_ns()
        took = now - self._begun
        self._steps.pop()
        self._clock.spent_ns[self._open.step] += took - self._open.inside_ns
        if self._steps:
            self._steps[-1].inside_ns += took
        else:
            self._clock.note_end(now)


# ------------------------------------------------------------------------------------------------------------ wrapping


def put_clock(clock: Clock) -> None:
    """Wrap the functions of every step.

    Raises:
        BenchError: one of them is no longer where it was.
    """
    for step, place in SEAMS:
        if place:
            _wrap_at(place, functools.partial(clock.wrap, step))
    for place in _DRIVERS:
        _wrap_at(place, functools.partial(clock.wrap, None))
    _wrap_at("pam_receiver.store:Store.begin", functools.partial(_time_begin, clock))
    _wrap_at("pam_receiver.store:Transaction.write", functools.partial(_count_batches, clock))
    _time_sqlite(clock)


def _wrap_at(place: str, wrap: Callable[[_Function], _Function]) -> None:
    module, _, names = place.partition(":")
    try:
        home: Any = importlib.import_module(module)  # Any: a module, then perhaps a class of it
    except ModuleNotFoundError:
        raise BenchError(f"there is no module {module} any more, where bench/profile.py measures {names}") from None
    found = False
    for path in names.rstrip("?").split("|"):
        owner, (*classes, name) = home, path.split(".")
        for each in classes:
            owner = getattr(owner, each, None)
        if (function := getattr(owner, name, None)) is not None:
            setattr(owner, name, wrap(function))
            found = True
    if not found and not names.endswith("?"):
        raise BenchError(f"{module} has no {names.replace('|', ' nor ')} any more, which bench/profile.py measures")


def _time_begin(clock: Clock, begin: _Function) -> _Function:
    """Return ``Store.begin`` with its way in and its way out timed: the second one is the commit."""

    class Begun:
        def __init__(self, inner: Any) -> None:
            self._inner = inner

        def __enter__(self) -> Any:
            return clock.wrap(BEGIN, self._inner.__enter__)()

        def __exit__(
            self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
        ) -> Any:
            return clock.wrap(COMMIT, self._inner.__exit__)(kind, error, trace)

    return lambda *args, **named: Begun(begin(*args, **named))


def _count_batches(clock: Clock, write: _Function) -> _Function:
    def counted(*args: Any, **named: Any) -> Any:
        if clock.is_on:
            clock.batches.append(len(named["messages"]))
        return write(*args, **named)

    return counted


def _time_sqlite(clock: Clock) -> None:
    """Have SQLite's connections and cursors, which are of C, timed by classes of ours."""

    def timed(kind: type, names: Sequence[str]) -> dict[str, _Function]:
        return {name: clock.wrap(None, getattr(kind, name)) for name in names}

    fetches = ("fetchone", "fetchmany", "fetchall", "__next__")
    cursor = type("TimedCursor", (sqlite3.Cursor,), timed(sqlite3.Cursor, ("execute", "executemany", *fetches)))
    methods = timed(sqlite3.Connection, ("commit", "execute", "rollback"))
    methods["cursor"] = lambda connection, factory=cursor: sqlite3.Connection.cursor(connection, factory)
    connection = type("TimedConnection", (sqlite3.Connection,), methods)
    connect = sqlite3.dbapi2.connect
    for module in (sqlite3, sqlite3.dbapi2):
        module.connect = functools.partial(connect, factory=connection)  # type: ignore[attr-defined]


# ------------------------------------------------------------------------------------------------------------- driving


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch: how many messages, how long from the last byte sent to the last answer, and the share of each step."""

    wanted: int
    took_ns: int
    spent_ns: dict[str, int]


@dataclass(slots=True)
class Driver:
    """Sends the batches from within the loop of the daemon, so that nothing else runs while the daemon works."""

    clock: Clock
    frames: Iterator[bytes]
    sizes: Sequence[int]
    messages: int
    found: list[Batch] = field(default_factory=list)
    unclocked: list[Batch] = field(default_factory=list)
    received: dict[int, float] = field(default_factory=dict)
    failure: BaseException | None = None
    _owed: int = 0
    _all_answered: asyncio.Future[None] | None = None
    _task: asyncio.Task[None] | None = None

    def put(self) -> None:
        """Have the batches sent once the daemon listens; it is then told to end."""
        _wrap_at("pam_receiver.listener:Listener.start", self._begin_after)
        _wrap_at("asyncio.selector_events:_SelectorSocketTransport.write", self._count_answers)

    def _begin_after(self, start: _Function) -> _Function:
        async def started(listener: Any, *args: Any, **named: Any) -> None:
            await start(listener, *args, **named)
            self._task = asyncio.get_running_loop().create_task(self._drive(listener.address))

        return started

    def _count_answers(self, write: _Function) -> _Function:
        def counted(transport: Any, data: bytes) -> None:
            write(transport, data)
            self._owed -= data.count(_END)
            if not self._owed and self._all_answered is not None:
                self._all_answered.set_result(None)
                self._all_answered = None

        return counted

    async def _drive(self, address: tuple[str, int]) -> None:
        try:
            sockets = [socket.create_connection(address) for _ in range(max(self.sizes))]
            for each in sockets:
                each.setblocking(False)
            await asyncio.sleep(_SETTLE_S)
            for size in self.sizes:
                await self._measure(sockets[:size])
            for each in sockets:
                each.close()
        except BaseException as error:  # noqa: BLE001 - told by whoever began the daemon, once it has ended
            self.failure = error
        os.kill(os.getpid(), signal.SIGTERM)

    async def _measure(self, sockets: Sequence[socket.socket]) -> None:
        count = max(_LEAST_BATCHES, self.messages // len(sockets))
        for _ in range(max(2, count // _WARMUP_PART)):
            await self._send(sockets)
        gc.collect()
        self.unclocked += [await self._send(sockets) for _ in range(count // 2)]
        self.clock.take()
        self.clock.batches.clear()
        self.clock.is_on = True
        self.found += [await self._send(sockets) for _ in range(count)]
        self.clock.is_on = False
        self.received[len(sockets)] = sum(self.clock.batches) / max(1, len(self.clock.batches))

    async def _send(self, sockets: Sequence[socket.socket]) -> Batch:
        """Send a message on each connection, all before the daemon runs again; wait for all answers, and read them."""
        answered = self._all_answered = asyncio.get_running_loop().create_future()
        self._owed = len(sockets)
        self.clock.forget_end()
        for each in sockets:
            each.sendall(next(self.frames))
        begun = time.perf_counter_ns()
        async with asyncio.timeout(_ANSWER_WITHIN_S):
            await answered
        took = time.perf_counter_ns() - begun
        for each in sockets:
            if b"\rMSA|AA|" not in each.recv(1 << 16):
                raise BenchError("a message was not answered by AA")
        return Batch(len(sockets), took, self.clock.take())


# ------------------------------------------------------------------------------------------------------------- showing


def table(driver: Driver) -> str:
    """Return the µs per message of each step and its share, in a column for each size of batch, as Markdown."""
    sizes = list(driver.sizes)
    columns = [_per_message(driver.found, size) for size in sizes]
    totals = [_total(driver.found, size) for size in sizes]
    lines = [
        f"| step: µs (share), in batches of | {' | '.join(map(str, sizes))} |",
        "|---|" + "---:|" * len(sizes),
    ]
    for step in _steps(columns):
        cells = [_cell(column.get(step, 0.0), total) for column, total in zip(columns, totals, strict=True)]
        lines.append(f"| {step} | {' | '.join(cells)} |")
    rests = [total - sum(column.values()) for column, total in zip(columns, totals, strict=True)]
    lines.append(f"| {LOOP} | {' | '.join(_cell(*pair) for pair in zip(rests, totals, strict=True))} |")
    lines.append(f"| all | {' | '.join(f'{total:.1f}' for total in totals)} |")
    bare = [f"{_total(driver.unclocked, size):.1f}" for size in sizes]
    lines.append(f"| all, without the clock | {' | '.join(bare)} |")
    lines.append(
        f"| messages in a batch, as received | {' | '.join(f'{driver.received[size]:.1f}' for size in sizes)} |"
    )
    return "\n".join(lines)


def _steps(columns: Sequence[dict[str, float]]) -> list[str]:
    """Return the steps that were met, in the order of :data:`SEAMS`, the database's part after its step."""
    order = list(dict.fromkeys(step for step, _ in SEAMS))
    met = {step for column in columns for step in column} | {step for step, place in SEAMS if place}
    return sorted(
        met, key=lambda step: (order.index(base) if (base := step.removesuffix(_DATABASE)) in order else 99, step)
    )


def _cell(us: float, total: float) -> str:
    return f"{us:.1f} ({us / total:.0%})"


def _quick(found: Sequence[Batch], size: int) -> list[Batch]:
    """Return the batches of a size without the slowest ones."""
    batches = sorted((each for each in found if each.wanted == size), key=lambda each: each.took_ns)
    return batches[: max(1, len(batches) - len(batches) // _LEFT_OUT_PART)]


def _total(found: Sequence[Batch], size: int) -> float:
    batches = _quick(found, size)
    return sum(each.took_ns for each in batches) / 1000 / size / len(batches)


def _per_message(found: Sequence[Batch], size: int) -> dict[str, float]:
    batches = _quick(found, size)
    steps = {step for each in batches for step in each.spent_ns}
    return {step: sum(each.spent_ns.get(step, 0) for each in batches) / 1000 / size / len(batches) for step in steps}


# ---------------------------------------------------------------------------------------------------------------- main


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="bench/profile.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite", help="(sqlite)")
    parser.add_argument("--messages", type=int, default=4000, metavar="N", help="of each size, clocked (4000)")
    parser.add_argument("--batches", default="1,8,64,256", metavar="N,N,…", help="sizes, at most 256 (1,8,64,256)")
    parser.add_argument("--corpus", choices=["dialect", "fresh"], default="dialect", help="see run.py (dialect)")
    parser.add_argument("--docs", action="store_true", help=f"put the table into {plot.PAGE.name}")
    asked = parser.parse_args()
    sizes = [int(part) for part in asked.batches.split(",")]
    if not all(1 <= size <= 256 for size in sizes) or asked.messages < 1:
        parser.error("batches of 1 to 256, and at least one message, are wanted")
    most = sum(2 * asked.messages + 3 * _LEAST_BATCHES * size for size in sizes)
    messages = Corpus(most, is_dialect=asked.corpus == "dialect").messages()
    driver = Driver(Clock(), (b"\x0b" + each + _END for each in messages), sizes, asked.messages)
    with tempfile.TemporaryDirectory(prefix="pam-bench-") as name:
        try:
            with fresh_place(asked.database, Path(name)) as place:
                _serve(place, driver)
        except BenchError as error:
            print(error, file=sys.stderr)
            return 1
    shown = f"{OURS}, {NAMES[asked.database]}, corpus {asked.corpus}, µs per message:\n\n{table(driver)}"
    print(shown)
    if asked.docs:
        plot.fill_in(plot.PAGE, f"profile: {asked.database}", shown)
    return 0


def _serve(place: Place, driver: Driver) -> None:
    """Run the daemon here until the driver has done. Its log lines go to a file, as a service manager would have it."""
    if not place.url.startswith("sqlite"):
        upgrade(place)
    for name in os.environ.keys() - environment().keys():
        del os.environ[name]
    os.environ["PAM_RECEIVER_READER"] = "off"  # all steps in this process
    put_clock(driver.clock)
    driver.put()
    from pam_receiver.cli import main as run_program  # noqa: PLC0415 - once the clock is at its places

    sys.argv = [OURS, *serve_options(place)]
    own, output = sys.stderr, place.home / "daemon.log"
    with output.open("w", buffering=1, encoding="utf-8") as log_file:
        sys.stderr = log_file
        try:
            run_program()
        except SystemExit as end:
            if end.code:
                driver.failure = BenchError(f"the daemon ended with {end.code}:\n{output.read_text('utf-8')[-2000:]}")
        finally:
            sys.stderr = own
            logging.getLogger().handlers.clear()  # of the file that is closed
    if driver.failure is not None:
        raise BenchError(f"{type(driver.failure).__name__}: {driver.failure}") from driver.failure
    met = {step for batch in driver.found for step in batch.spent_ns}
    if never := [step for step in dict.fromkeys(step for step, place in SEAMS if place) if step not in met]:
        raise BenchError(f"never met: {', '.join(never)}. bench/profile.py measures elsewhere: see its SEAMS")


if __name__ == "__main__":
    sys.exit(main())
