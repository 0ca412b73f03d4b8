"""What the daemon does once a day beside its messages: erase the texts that are older than ``journal_retention``, and
on PostgreSQL make the months in which the texts to come will lie.
"""

import asyncio
import logging
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from pam_receiver.cli.opening import open_store
from pam_receiver.logs import describe
from pam_receiver.store import Actor, StoreError
from pam_receiver.store.months import keep_months
from pam_receiver.store.retention import prune

if TYPE_CHECKING:
    from pam_receiver.config import Settings

log = logging.getLogger(__name__)

FIRST_AFTER_S: Final = 60.0  # a daemon that is started anew every day prunes all the same
MONTHS_AFTER_S: Final = 20.0  # before it prunes
EVERY_S: Final = 24 * 3600.0
AGAIN_AFTER_S: Final = 3600.0  # when the database was away


@asynccontextmanager
async def pruned_daily(
    settings: "Settings", *, first_after_s: float = FIRST_AFTER_S, every_s: float = EVERY_S
) -> AsyncIterator[None]:
    """Prune once a day while inside, in a thread; nothing when nothing is to be pruned. It ends between two batches."""
    if settings.journal_retention is None:
        yield
        return
    stopping = threading.Event()
    work = partial(_prune, settings, settings.journal_retention, stopping)
    async with _doing(work, stopping, first_after_s, every_s):
        yield


@asynccontextmanager
async def months_kept(
    settings: "Settings", *, first_after_s: float = MONTHS_AFTER_S, every_s: float = EVERY_S
) -> AsyncIterator[None]:
    """Make the months of the texts to come, once a day while inside, in a thread; nothing where there are none."""
    if settings.database.startswith("sqlite"):
        yield
        return
    async with _doing(partial(_keep_months, settings), threading.Event(), first_after_s, every_s):
        yield


@asynccontextmanager
async def _doing(
    work: Callable[[], bool], stopping: threading.Event, first_after_s: float, every_s: float
) -> AsyncIterator[None]:
    """Do the work from time to time while inside, sooner again when it could not be done."""
    leaving = asyncio.Event()
    task = asyncio.create_task(_go_on(work, leaving, first_after_s, every_s))
    try:
        yield
    finally:
        stopping.set()
        leaving.set()
        await task


async def _go_on(work: Callable[[], bool], leaving: asyncio.Event, first_after_s: float, every_s: float) -> None:
    pause = first_after_s
    while not await _leaves(leaving, pause):
        is_done = await asyncio.to_thread(work)
        pause = every_s if is_done else min(every_s, AGAIN_AFTER_S)


async def _leaves(leaving: asyncio.Event, within_s: float) -> bool:
    """Wait, and return whether it is time to leave."""
    try:
        async with asyncio.timeout(within_s):
            await leaving.wait()
    except TimeoutError:
        return False
    return True


def _prune(settings: "Settings", retention: timedelta, stopping: threading.Event) -> bool:
    """Prune, on a store of this thread's own; return whether it could be done. What fails is logged."""
    began = time.monotonic()
    actor = Actor("pam-receiver", "system", socket.gethostname())
    try:
        with closing(open_store(settings)) as store:
            before = datetime.now(UTC) - retention
            done = prune(store, before=before, actor=actor, reason="journal_retention", is_stopped=stopping.is_set)
    except StoreError as error:
        log.error("journal.prune_failed", extra={"error": type(error).__name__})
        return False
    except Exception as error:  # noqa: BLE001 - the top of a long-running loop: the messages go on
        name, place = describe(error)
        log.error("journal.prune_failed", extra={"error": name, "place": place})
        return False
    if done.messages:
        log.info("journal.pruned", extra={"messages": done.messages, "seconds": round(time.monotonic() - began, 1)})
    return True


def _keep_months(settings: "Settings") -> bool:
    """Make the months that are missing, on a store of this thread's own; return whether none is missing any more."""
    try:
        with closing(open_store(settings)) as store:
            made = keep_months(store, datetime.now(UTC))
    except StoreError as error:
        log.warning("journal.months_failed", extra={"error": type(error).__name__})
        return False
    except Exception as error:  # noqa: BLE001 - the top of a long-running loop: the messages go on
        name, place = describe(error)
        log.warning("journal.months_failed", extra={"error": name, "place": place})
        return False
    if made.months:
        log.info("journal.months_made", extra={"months": len(made.months)})
    if made.reason is not None:  # once a day: it is for whoever owns the tables to do
        log.warning("journal.months_missing", extra={"reason": made.reason})
    return True
