"""SQLite's log ``-wal`` brought into the database beside the commits, which else would have to wait for it."""

import logging
import sqlite3
import threading
from pathlib import Path
from typing import Final
from urllib.parse import quote

log = logging.getLogger(__name__)

_AFTER_BYTES: Final = 8 << 20  # of messages and answers, which are some 20 MiB of log
_SMALL_FRAMES: Final = 500  # what may be left for the end, while which no commit can be made: a few milliseconds
_MOST_ROUNDS: Final = 6
_PATIENCE_S: Final = 0.2


class Checkpointer:
    """A thread with a connection of its own to one file; woken when enough was written.

    It copies the log while others go on writing, until little is left; that little it copies with writers held up, so
    that the next one begins at the head of the log, which thus stays of one size. A failure is told and left: SQLite
    itself checkpoints when the log has grown a lot.
    """

    def __init__(self, path: Path) -> None:
        self._uri = f"file:{quote(str(path))}?mode=rw"
        self._written = 0
        self._is_closing = False
        self._woken = threading.Event()
        self._thread = threading.Thread(target=self._work, name="pam-receiver-checkpoint", daemon=True)
        self._thread.start()

    def count(self, size: int) -> None:
        """Take note of ``size`` bytes of messages and answers committed."""
        self._written += size
        if self._written >= _AFTER_BYTES:
            self._written = 0
            self._woken.set()

    def close(self) -> None:
        """End the thread, once it has done what it is at."""
        self._is_closing = True
        self._woken.set()
        self._thread.join()

    def _work(self) -> None:
        while True:
            self._woken.wait()
            self._woken.clear()
            if self._is_closing:
                return
            try:
                self._checkpoint()
            except sqlite3.Error as error:  # the file was moved away, or the disk is full: the writer says so
                log.debug("store.checkpoint_failed", extra={"error": type(error).__name__})

    def _checkpoint(self) -> None:
        connection = sqlite3.connect(self._uri, uri=True, timeout=_PATIENCE_S, isolation_level=None)
        try:
            connection.execute("PRAGMA synchronous=FULL").close()
            for _ in range(_MOST_ROUNDS):
                (_, frames, copied) = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                if frames - copied < _SMALL_FRAMES or self._is_closing:
                    break
            connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
        finally:
            connection.close()
