"""The process that is started when there are several: it forks the others, starts them again, and passes signals on.

It has no loop, no thread and no connection to a database: so a fork is safe at any time, and all have read the same
settings and profiles, whatever has become of the files since.
"""

import json
import logging
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final, NoReturn

import typer

from pam_receiver.cli import output
from pam_receiver.finding import Lang
from pam_receiver.logs import describe

log = logging.getLogger(__name__)

GRACE_S: Final = 9.5  # from SIGTERM to SIGKILL: the whole ends within 10 s
_FIRST_PAUSE_S: Final = 0.2  # before a process that has ended is started again; twice as long each time
_LAST_PAUSE_S: Final = 30.0
_STEADY_S: Final = 60.0  # who has run as long begins with the first pause again
_FAILED: Final = 1
_STOPPING: Final = frozenset({signal.SIGTERM, signal.SIGINT})

Report = Mapping[str, object]
"""What a process says when it is ready: a JSON object of a few words."""


@dataclass(frozen=True, slots=True)
class Post:
    """What a process is given. ``lifeline``: a file that ends when the supervisor does, however it does."""

    lifeline: int
    _writing: int

    def report(self, words: Report) -> None:
        """Say that this process is ready."""
        os.write(self._writing, json.dumps(words).encode())
        os.close(self._writing)

    def take_signals(self) -> None:
        """Let in the signals that came since the fork; to be called once this process has its handlers."""
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _signals())


@dataclass(frozen=True, slots=True)
class Member:
    """A process to keep running. ``run``: all that it does; it returns after SIGTERM, and leaves SIGINT alone."""

    name: str
    run: Callable[[Post], None]


@dataclass(slots=True, eq=False)
class _Place:
    """Where a member stands: ``pid`` while it runs; ``due``: when it is to be started again, by the steady clock."""

    member: Member
    pid: int | None = None
    report: Report | None = None
    began: float = 0.0
    pause_s: float = _FIRST_PAUSE_S
    due: float | None = None


def _signals() -> frozenset[signal.Signals]:
    return frozenset({*_STOPPING, signal.SIGHUP, signal.SIGCHLD})


@dataclass(slots=True)
class Supervisor:
    """Keeps ``members`` running until SIGTERM or SIGINT.

    ``ready``: called once, when all of them have reported for the first time; ``ended``: called with the name of each
    that has ended. ``passes_hup``: whether SIGHUP is for them; else it ends the process, as ever. ``lang``: of what is
    said to the person who started it.
    """

    members: Sequence[Member]
    ready: Callable[[Mapping[str, Report]], None]
    ended: Callable[[str], None]
    lang: Lang
    passes_hup: bool = True
    _places: list[_Place] = field(init=False)
    _selector: selectors.BaseSelector = field(init=False, default_factory=selectors.DefaultSelector)
    _lifeline: tuple[int, int] = field(init=False, default_factory=os.pipe)
    _is_started: bool = field(init=False, default=False)
    _kill_at: float | None = field(init=False, default=None)
    _code: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._places = [_Place(each) for each in self.members]

    def run(self) -> int:
        """Run until all have ended, and return the exit code: that of a member which could not start, else 0."""
        with self._taking_signals() as news:
            for place in self._places:
                self._start(place)
            while self._kill_at is None or any(place.pid is not None for place in self._places):
                self._turn(news)
        self._selector.close()
        for end in self._lifeline:
            os.close(end)
        return self._code

    @contextmanager
    def _taking_signals(self) -> Iterator[socket.socket]:
        """Give the socket on which the numbers of signals arrive, a byte each."""
        ours, theirs = socket.socketpair()
        numbers = _signals() if self.passes_hup else _signals() - {signal.SIGHUP}
        with ours, theirs:
            ours.setblocking(False)
            theirs.setblocking(False)
            signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
            before = {number: signal.signal(number, lambda *_: None) for number in numbers}
            self._selector.register(ours, selectors.EVENT_READ)
            try:
                yield ours
            finally:
                signal.set_wakeup_fd(-1)
                for number, handler in before.items():
                    signal.signal(number, handler)

    def _turn(self, news: socket.socket) -> None:
        """Wait for what comes next, and see to it: signals first, for they tell why a process has ended."""
        found = self._selector.select(self._patience())
        with suppress(BlockingIOError):
            for number in news.recv(1024):
                self._take_signal(number)
        for key, _ in found:
            if isinstance(key.data, _Place):
                self._take_report(key.fd, key.data)
        for place in self._places:
            self._reap(place)
        now = time.monotonic()
        if self._kill_at is None:
            for place in self._places:
                if place.due is not None and place.due <= now:
                    self._start(place)
        elif self._kill_at <= now:
            self._send(signal.SIGKILL)

    def _patience(self) -> float | None:
        times = [place.due for place in self._places if place.due is not None] if self._kill_at is None else []
        times += [self._kill_at] if self._kill_at is not None else []
        return max(min(times) - time.monotonic(), 0.01) if times else None

    def _take_signal(self, number: int) -> None:
        if number in _STOPPING and self._kill_at is None:
            log.info("serve.stopping", extra={"signal": signal.Signals(number).name})
            self._stop()
        elif number == signal.SIGHUP:
            self._send(signal.SIGHUP)

    def _stop(self) -> None:
        self._kill_at = time.monotonic() + GRACE_S
        self._send(signal.SIGTERM)

    def _send(self, number: signal.Signals) -> None:
        for place in self._places:
            if place.pid is not None:
                os.kill(place.pid, number)  # not reaped yet: no other process can have its number

    def _take_report(self, fd: int, place: _Place) -> None:
        words = os.read(fd, 1 << 16)
        self._selector.unregister(fd)
        os.close(fd)
        if not words:
            return  # it has ended before
        place.report = json.loads(words)
        log.info("worker.started", extra={"worker": place.member.name, "pid": place.pid})
        reports = {each.member.name: each.report for each in self._places if each.report is not None}
        if not self._is_started and self._kill_at is None and len(reports) == len(self._places):
            self._is_started = True
            self.ready(reports)

    # -- beginning and end of a process -------------------------------------------------------------------------------

    def _start(self, place: _Place) -> None:
        reading, writing = os.pipe()
        place.due, place.began = None, time.monotonic()
        # Until the new process has handlers of its own, what is sent to it must wait.
        signal.pthread_sigmask(signal.SIG_BLOCK, _signals())
        pid = os.fork()
        if not pid:
            os.close(reading)
            self._become(place.member, Post(self._lifeline[0], writing))
        place.pid = pid
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _signals())
        os.close(writing)
        self._selector.register(reading, selectors.EVENT_READ, place)

    def _become(self, member: Member, post: Post) -> NoReturn:
        """Be that member, in the new process, to its end; nothing of the supervisor is unwound here."""
        code = _FAILED
        try:
            signal.set_wakeup_fd(-1)
            for number in _signals():
                signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # at a terminal it goes to all; the supervisor says what then
            os.close(self._lifeline[1])
            for key in [*self._selector.get_map().values()]:
                os.close(key.fd)
            self._selector.close()
            member.run(post)
            code = 0
        except typer.Exit as end:  # it has said why
            code = end.exit_code
        except BaseException as error:  # noqa: BLE001 - the top of a process
            code = self._tell(error, member)
        finally:
            for stream in (sys.stdout, sys.stderr):
                with suppress(Exception):
                    stream.flush()
            os._exit(code)

    def _tell(self, error: BaseException, member: Member) -> int:
        """Say why a process could not go on: at the start to the person who started it, later in the log."""
        from pam_receiver.cli.app import explain

        if self._is_started or not isinstance(error, Exception):
            name, place = describe(error)
            log.warning("worker.failed", extra={"worker": member.name, "error": name, "place": place})
            return _FAILED
        sentence, code = explain(error, self.lang)
        output.warn(sentence)
        return code

    def _reap(self, place: _Place) -> None:
        if place.pid is None:
            return
        pid, status = os.waitpid(place.pid, os.WNOHANG)
        if not pid:
            return
        code = os.waitstatus_to_exitcode(status)
        was_ready, place.pid, place.report = place.report is not None, None, None
        self.ended(place.member.name)
        if self._kill_at is not None:
            self._code = self._code or (code if code >= 0 else _FAILED)
        elif not self._is_started:
            self._code = code if code > 0 else _FAILED
            self._stop()
        else:
            self._plan(place, pid, code, was_ready=was_ready)

    def _plan(self, place: _Place, pid: int, code: int, *, was_ready: bool) -> None:
        """Say that a process has ended, and plan to start it again."""
        now = time.monotonic()
        if was_ready and now - place.began >= _STEADY_S:
            place.pause_s = _FIRST_PAUSE_S
        place.due = now + place.pause_s
        name = signal.Signals(-code).name if code < 0 else ""
        log.warning(
            "worker.ended",
            extra={"worker": place.member.name, "pid": pid, "signal": name, "code": code, "seconds": place.pause_s},
        )
        place.pause_s = min(2 * place.pause_s, _LAST_PAUSE_S)
