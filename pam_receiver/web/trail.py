"""Refused requests in the log and in the audit trail: so many a minute, and of the others how many they were."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Final

from pam_receiver.store import AuditEvent, StoreConflict, StoreError
from pam_receiver.web.aside import start_aside
from pam_receiver.web.throttle import Pace

log = logging.getLogger(__name__)

Write = Callable[[AuditEvent, datetime], None]

PER_MINUTE: Final = 30
_TRIES: Final = 3
_WRITE_WITHIN_S: Final = 15.0
_CLOSE_WITHIN_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refused request. ``token_id``: of a token that we know, else ``None``."""

    reason: str
    client: str
    token_id: str | None
    at: datetime


class Trail:
    """Tells of refusals. ``write`` adds one event to the audit trail; it may block, and is called in a thread."""

    def __init__(self, write: Write, *, clock: Callable[[], float], per_minute: int = PER_MINUTE) -> None:
        self._write = write
        self._clock = clock
        self._pace = Pace(burst=per_minute, per_s=per_minute / 60)
        self._waiting: list[tuple[AuditEvent, datetime]] = []
        self._untold = 0
        self._writer: asyncio.Task[None] | None = None

    def tell(self, refusal: Refusal, event: AuditEvent | None) -> None:
        """Log a refusal and write ``event``, unless there have been too many; then it is counted into the next."""
        if not self._pace.take(self._clock()):
            self._untold += 1
            return
        untold, self._untold = self._untold, 0
        extra = {"client": refusal.client, "reason": refusal.reason, "token": refusal.token_id, "untold": untold}
        log.warning("http.refused", extra={key: value for key, value in extra.items() if value})
        if event is not None:
            self._waiting.append(
                (replace(event, detail={**event.detail, **({"untold": untold} if untold else {})}), refusal.at)
            )
            if self._writer is None or self._writer.done():
                self._writer = asyncio.create_task(self._write_all(), name="pam-receiver-trail")

    async def close(self) -> None:
        """Write what waits, for a moment at most."""
        if self._writer is not None:
            _, late = await asyncio.wait([self._writer], timeout=_CLOSE_WITHIN_S)
            for task in late:
                task.cancel()

    async def _write_all(self) -> None:
        while self._waiting:
            event, at = self._waiting.pop(0)
            writing = start_aside(partial(self._keep, event, at), "pam-receiver-trail")
            try:
                await asyncio.wait_for(writing, _WRITE_WITHIN_S)
            except (StoreError, TimeoutError):  # the refusal stands all the same, and is in the log
                log.error("http.trail_failed", extra={"reason": event.action})

    def _keep(self, event: AuditEvent, at: datetime) -> None:
        for left in reversed(range(_TRIES)):
            try:
                return self._write(event, at)
            except StoreConflict:  # another process added to the trail at the same time
                if not left:
                    raise
        return None
