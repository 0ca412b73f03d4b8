"""``serve``: the daemon, from its settings to its last answer."""

import asyncio
import gc
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from pam_receiver import __version__
from pam_receiver.cli import options
from pam_receiver.cli.opening import check_keys, is_up_to_date, open_store
from pam_receiver.cli.options import Config, Database, Environment, Language
from pam_receiver.resources import IS_COMPILED

if TYPE_CHECKING:
    from pam_receiver.config import Settings
    from pam_receiver.reader import Reader
    from pam_receiver.sources import Sources
    from pam_receiver.store import Store

log = logging.getLogger(__name__)


def serve(
    config: Config = None,
    database: Database = None,
    mllp: Annotated[str | None, typer.Option("--mllp", metavar="HOST:PORT", help="option.mllp")] = None,
    http: Annotated[str | None, typer.Option("--http", metavar="HOST:PORT", help="option.http")] = None,
    environment: Environment = None,
    log_format: Annotated[
        str | None, typer.Option("--log-format", metavar="text|json", help="option.log-format")
    ] = None,
    log_level: Annotated[str | None, typer.Option("--log-level", metavar="LEVEL", help="option.log-level")] = None,
    processes: Annotated[str | None, typer.Option("--workers", metavar="N", help="option.workers")] = None,
    lang: Language = None,
) -> None:
    given = {"database": database, "mllp": mllp, "http": http, "environment": environment, "lang": lang}
    with _kept():
        from pam_receiver import logs
        from pam_receiver.cli import duty, listening, parts, web_parts, workers

        start = options.start(config, **given, log_format=log_format, log_level=log_level, workers=processes)
        _check_workers(start.settings)
        logs.set_up(start.settings.log_format, start.settings.log_level)
        core = "compiled" if IS_COMPILED else "plain"
        log.info("serve.starting", extra={"version": __version__, "core": core, "pid": os.getpid()})
        sources = parts.make_sources(start.settings)  # what is wrong in a profile stops the start before the database
        planned = listening.plan(start.settings)  # so does a certificate that cannot be used
        web_parts.make_tls(start.settings)
        check_keys(start.settings)
    with _reading(start.settings, sources) as reader, _exclusive(start.settings) as store:
        if start.settings.workers == 1:
            asyncio.run(duty.run(duty.Duty(start, sources, planned, reader=reader), store))
    if start.settings.workers > 1:  # what each of them would find wrong was found above, once
        code = workers.serve_by_several(start, sources, planned)
        if code:
            raise typer.Exit(code)
    log.info("serve.stopped")


def _check_workers(settings: "Settings") -> None:
    from pam_receiver.config import SettingsError

    if settings.workers > 1 and settings.database.startswith("sqlite"):
        raise SettingsError(
            fr="workers : une base SQLite ne sert qu'un processus ; gardez workers = 1, ou passez à PostgreSQL.",
            en="workers: an SQLite database serves one process only; keep workers = 1, or take PostgreSQL.",
        )


@contextmanager
def _kept() -> Iterator[None]:
    """Keep what is made inside as long as we live: no collection looks at it, neither meanwhile nor later.

    Messages leave next to no cycles behind: what comes later is looked at more rarely than usual.
    """
    gc.disable()
    try:
        yield
        gc.freeze()
        gc.set_threshold(20_000, 20, 50)
    finally:
        gc.enable()


def _count_processors() -> int:
    """Return how many processors this process may use, as Linux tells it; elsewhere 1."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1


@contextmanager
def _reading(settings: "Settings", sources: "Sources") -> "Iterator[Reader | None]":
    """Have a process that reads while inside, if it is wanted. Before all else: there is no thread yet, no file."""
    has_room = settings.reader == "on" or (settings.reader == "auto" and _count_processors() > 1)
    if settings.workers > 1 or not has_room:
        yield None
        return
    from pam_receiver.reader import forked_reader

    with forked_reader(sources) as reader:
        yield reader


@contextmanager
def _exclusive(settings: "Settings") -> "Iterator[Store]":
    """Bring the database to this program's schema and hold it alone (a SQLite file; a server may have several)."""
    if not is_up_to_date(settings):
        from pam_receiver.store import migrate  # and alembic

        done = migrate.prepare_for_serving(settings.database)
        if done is not None:
            log.info("database.upgraded", extra={"revision": done.after, "copy": done.copy})
    store = open_store(settings)
    try:
        store.lock_for_serving()
        with store.begin():
            pass  # what cannot be written stops the start, rather than every message
        yield store
    finally:
        store.close()
