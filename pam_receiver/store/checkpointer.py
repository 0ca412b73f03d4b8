"""SQLite's log ``-wal`` brought into the database beside the commits, which else would have to wait for it."""

import logging
import sqlite3
import threading
from typing import Final

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

log = logging.getLogger(__name__)

# Of the log, by a guess: its length is not to be had without looking into it. Whoever sends while it is brought into
# the database waits some twenty milliseconds: that shall happen to less than one message in a hundred.
_AFTER_BYTES: Final = 96 << 20
_COMMIT_BYTES: Final = 64 << 10  # that any commit writes, of the pages that it shares with others
_MESSAGE_FACTOR: Final = 4.5  # what a message writes, beside its own bytes and those of its ACK up to MSA
_SMALL_FRAMES: Final = 500  # what may be left for the writer: a few milliseconds
_MOST_ROUNDS: Final = 6
_STOP_WITHIN_S: Final = 2.0  # a disk that hangs must not hold up the end of the process


class Checkpointer:
    """A thread with a connection of its own to the file; woken when enough was written.

    It copies the log while the writer goes on, until little is left. That little the writer copies itself, between two
    transactions, so that the next one begins at the head of the log, which thus stays of one size. After a failure
    SQLite itself checkpoints, when the log has grown a lot.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._written = 0
        self._is_closing = False
        self._is_nearly_done = False
        self._woken = threading.Event()
        self._thread = threading.Thread(target=self._work, name="pam-receiver-checkpoint", daemon=True)
        self._thread.start()

    def count(self, size: int) -> bool:
        """Take note of ``size`` bytes of messages and heads of ACKs; return whether the rest is for the writer."""
        self._written += _COMMIT_BYTES + int(_MESSAGE_FACTOR * size)
        if self._written >= _AFTER_BYTES:
            self._written = 0
            self._woken.set()
        is_due, self._is_nearly_done = self._is_nearly_done, False
        return is_due

    def close(self) -> None:
        """End the thread, once it has done what it is at."""
        self._is_closing = True
        self._woken.set()
        self._thread.join(_STOP_WITHIN_S)

    def _work(self) -> None:
        while True:
            self._woken.wait()
            self._woken.clear()
            if self._is_closing:
                return
            try:
                self._checkpoint()
            except (sqlite3.Error, SQLAlchemyError) as error:  # the writer says why
                log.debug("store.checkpoint_failed", extra={"error": type(error).__name__})

    def _checkpoint(self) -> None:
        pooled = self._engine.raw_connection()  # which makes sure that it is to the file that stands there now
        try:
            cursor = pooled.cursor()
            for _ in range(_MOST_ROUNDS):
                cursor.execute("PRAGMA wal_checkpoint(PASSIVE)")
                (_, frames, copied) = cursor.fetchone() or (1, 0, 0)
                if frames - copied < _SMALL_FRAMES or self._is_closing:
                    break
            self._is_nearly_done = True
        finally:
            pooled.close()
