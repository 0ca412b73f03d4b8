"""The head of the audit trail, said in the log at the start and once a day.

The log goes where whoever can rewrite the database cannot: a trail that was cut short, or written anew, no longer holds
the heads that stand there (``audit verify --expect``).
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING, Final

from pam_receiver.cli.opening import open_store
from pam_receiver.store import StoreError
from pam_receiver.store.trail import find_head

if TYPE_CHECKING:
    from pam_receiver.config import Settings

log = logging.getLogger(__name__)

EVERY_S: Final = 24 * 3600.0


@asynccontextmanager
async def heads_logged(settings: "Settings", *, every_s: float = EVERY_S) -> AsyncIterator[None]:
    """Log the head now and once a day while inside, read in a thread; nothing while the trail is empty."""
    leaving = asyncio.Event()
    task = asyncio.create_task(_go_on(settings, leaving, every_s))
    try:
        yield
    finally:
        leaving.set()
        await task


async def _go_on(settings: "Settings", leaving: asyncio.Event, every_s: float) -> None:
    while not leaving.is_set():
        await asyncio.to_thread(log_head, settings)
        try:
            async with asyncio.timeout(every_s):
                await leaving.wait()
        except TimeoutError:
            continue


def log_head(settings: "Settings") -> None:
    """Log the number and the hash of the last row of the trail, on a store of this thread's own."""
    try:
        with closing(open_store(settings, read_only=True)) as store:
            head = find_head(store)
    except StoreError as error:
        log.warning("audit.head_failed", extra={"error": type(error).__name__})
        return
    if head is not None:
        log.info("audit.head", extra={"trail": str(head)})
