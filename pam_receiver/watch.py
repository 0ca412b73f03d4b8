"""The watch of a daemon: which sources have fallen silent, and how many alerts are open. Once a minute, in a thread."""

import logging
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from pam_receiver.finding import ErrorCode, Finding, Severity
from pam_receiver.sources import Sources
from pam_receiver.store import Actor, Store, StoreError
from pam_receiver.store.alerts import SILENT, close_silence, count_open, heard_since, open_silence, silent_sources

log = logging.getLogger(__name__)

EVERY_S: Final = 60.0
LEAVE_WITHIN_S: Final = 1.0
SPOKE_AGAIN: Final = "La source a parlé de nouveau. / The source has spoken again."
_UNITS: Final = (("d", "j", 86400), ("h", "h", 3600), ("m", "min", 60))


class Meter(Protocol):
    """What the watch counts by, and tells. :class:`pam_receiver.metrics.Metrics` is one."""

    def messages_by_source(self) -> Mapping[str, float]: ...
    def show_open_alerts(self, by_rule: Mapping[str, int]) -> None: ...


def say_silent(source: str, silent_after: timedelta) -> Finding:
    """Return what the alert about a silent source says."""
    fr, en = _show(silent_after)
    return Finding(
        rule=SILENT,
        code=ErrorCode.ACCEPTED,
        severity=Severity.W,
        at=None,
        fr=f"Aucun message de la source {source} depuis plus de {fr} : vérifier l'émetteur, le réseau, l'interface.",
        en=f"No message of the source {source} for more than {en}: check the sender, the network, the interface.",
        spec="pam-receiver, [[source]] silent_after",
    )


def _show(duration: timedelta) -> tuple[str, str]:
    seconds = int(duration.total_seconds())
    en, fr, unit = next((each for each in _UNITS if seconds % each[2] == 0), ("s", "s", 1))
    return f"{seconds // unit} {fr}", f"{seconds // unit} {en}"


@dataclass(slots=True)
class SilenceWatch:
    """Knows since when each source is silent. No loop, no thread: :meth:`look` is called now and again.

    ``silent_after``: by the names of the sources that are watched. ``open_store``: a store to write, for one look.
    ``now`` is the clock (aware, UTC), read at each look; a clock that jumps forward may open an alert too early, which
    the next message closes.
    """

    silent_after: Mapping[str, timedelta]
    sources: Sources
    open_store: Callable[[], Store]
    meter: Meter
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    _heard: dict[str, datetime] = field(init=False)
    _counts: dict[str, float] = field(init=False)
    _told: set[str] = field(init=False, default_factory=set)  # once per silence, also when somebody closes the alert

    def __post_init__(self) -> None:
        self._heard = dict.fromkeys(self.silent_after, self.now())
        self._counts = dict.fromkeys(self.silent_after, 0.0)

    def look(self) -> None:
        """Open an alert for each source that has become silent, close that of each one that speaks again.

        Raises:
            StoreError: the database was away; the next look does what this one could not.
        """
        now = self.now()
        self._listen(now)
        with closing(self.open_store()) as store:
            silent = silent_sources(store) if self.silent_after else frozenset()
            late = {each for each in self.silent_after if now - self._heard[each] >= self.silent_after[each]}
            if late - silent:
                self._ask_journal(store, late - silent, now)
            for name in sorted(self.silent_after):
                is_late = now - self._heard[name] >= self.silent_after[name]
                if is_late and name not in silent | self._told:
                    self._open(store, name, now)
                elif not is_late and name in silent and self._counts[name]:
                    self._close(store, name, now)
                self._told = self._told | {name} if is_late else self._told - {name}
            self.meter.show_open_alerts(count_open(store))

    def _listen(self, now: datetime) -> None:
        """Note which sources this daemon has heard since the last look, by the counters of their messages."""
        for name, count in self.meter.messages_by_source().items():
            if name in self.silent_after and count != self._counts[name]:
                self._counts[name] = count
                self._heard[name] = now

    def _ask_journal(self, store: Store, names: set[str], now: datetime) -> None:
        """Note what other daemons of this database have heard."""
        since = now - max(self.silent_after[each] for each in names)
        for each in heard_since(store, since):
            # As much of a message as says which source it is of.
            head = f"MSH|^~\\&|{each.application}|{each.facility}\r".encode("utf-8", "replace")
            name = self.sources.find(head, each.port).name
            if name in names:
                self._heard[name] = max(self._heard[name], each.at)

    def _open(self, store: Store, name: str, now: datetime) -> None:
        with store.begin() as tx:
            is_new = open_silence(tx, name, say_silent(name, self.silent_after[name]), at=now)
        if is_new:
            log.warning("source.silent", extra={"source": name, "seconds": _seconds(self.silent_after[name])})

    def _close(self, store: Store, name: str, now: datetime) -> None:
        with store.begin() as tx:
            close_silence(tx, name, by=Actor("pam-receiver", "system", socket.gethostname()), note=SPOKE_AGAIN, at=now)
        log.info("source.heard_again", extra={"source": name})


def _seconds(duration: timedelta) -> int:
    return int(duration.total_seconds())


@contextmanager
def watched(watch: SilenceWatch, *, every_s: float = EVERY_S) -> Iterator[None]:
    """Look once a minute while inside; a look that fails is logged, and the messages go on.

    In a thread of its own that does not hold up the end of the process: a database that hangs would.
    """
    leaving = threading.Event()
    thread = threading.Thread(target=_go_on, args=(watch, leaving, every_s), name="pam-receiver-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        leaving.set()
        thread.join(LEAVE_WITHIN_S)


def _go_on(watch: SilenceWatch, leaving: threading.Event, every_s: float) -> None:
    while True:
        _look(watch)
        if leaving.wait(every_s):
            return


def _look(watch: SilenceWatch) -> None:
    try:
        watch.look()
    except StoreError as error:
        log.warning("watch.failed", extra={"error": type(error).__name__})
    except Exception as error:  # noqa: BLE001 - the top of a long-running loop: the messages go on
        log.error("watch.failed", extra={"error": type(error).__name__})
