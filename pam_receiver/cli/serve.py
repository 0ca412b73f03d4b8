"""``serve``: the daemon, from its settings to its last answer."""

import asyncio
import gc
import logging
import os
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import astuple
from typing import TYPE_CHECKING, Annotated, Final

import typer

from pam_receiver import __version__
from pam_receiver.cli import options, output
from pam_receiver.cli.opening import check_keys, is_up_to_date, open_store
from pam_receiver.cli.options import Config, Database, Environment, Language, Start
from pam_receiver.cli.texts import text
from pam_receiver.finding import Lang
from pam_receiver.reasons import say_os_error
from pam_receiver.resources import IS_COMPILED

if TYPE_CHECKING:
    from pam_receiver.cli.listening import Planned
    from pam_receiver.config import Address, Settings
    from pam_receiver.listener import Listener
    from pam_receiver.metrics import Metrics
    from pam_receiver.receive import Receiver
    from pam_receiver.sources import Sources
    from pam_receiver.store import Store
    from pam_receiver.tls import CertificateWatch

log = logging.getLogger(__name__)

STOP_WITHIN_S: Final = 8.0  # to answer what was read; the whole ends within 10 s of SIGTERM
WEB_STOP_WITHIN_S: Final = 1.0


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
    lang: Language = None,
) -> None:
    given = {"database": database, "mllp": mllp, "http": http, "environment": environment, "lang": lang}
    with _kept():
        from pam_receiver import logs
        from pam_receiver.cli import listening, parts, web_parts

        start = options.start(config, **given, log_format=log_format, log_level=log_level)
        logs.set_up(start.settings.log_format, start.settings.log_level)
        core = "compiled" if IS_COMPILED else "plain"
        log.info("serve.starting", extra={"version": __version__, "core": core, "pid": os.getpid()})
        sources = parts.make_sources(start.settings)  # what is wrong in a profile stops the start before the database
        planned = listening.plan(start.settings)  # so does a certificate that cannot be used
        web_parts.make_tls(start.settings)
        check_keys(start.settings)
    with _exclusive(start.settings) as store:
        asyncio.run(_run(start, store, _make_receiver(start.settings, store, sources), planned, sources))
    log.info("serve.stopped")


@contextmanager
def _kept() -> Iterator[None]:
    """Keep what is made inside as long as we live: no collection looks at it, neither meanwhile nor later."""
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()


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


def _make_receiver(settings: "Settings", store: "Store", sources: "Sources") -> "Receiver":
    from pam_receiver.cli import parts
    from pam_receiver.ids import MessageIds
    from pam_receiver.in_force import make_in_force
    from pam_receiver.receive import Receiver
    from pam_receiver.store import queries

    return Receiver(
        store,
        sources=sources,
        answers=parts.make_answer_style(settings),
        in_force=make_in_force(sources, program=__version__),
        new_message_id=MessageIds(after=queries.find_last_message_id(store)),  # whatever the clock says meanwhile
        renumbers=True,
        max_block_bytes=settings.max_block_bytes,
    )


async def _run(
    start: Start, store: "Store", receiver: "Receiver", planned: "Sequence[Planned]", sources: "Sources"
) -> None:
    """Listen until SIGTERM or SIGINT, then answer what was read and close."""
    from pam_receiver.cli import listening
    from pam_receiver.cli.daily import pruned_daily
    from pam_receiver.cli.heads import heads_logged
    from pam_receiver.cli.watching import sources_watched
    from pam_receiver.intake import Intake
    from pam_receiver.listener import Listener, shut_down
    from pam_receiver.metrics import Metrics
    from pam_receiver.tls import CertificateWatch

    stopping = _watch_signals()
    gc.freeze()  # profiles and tables live as long as we do: no collection need look at them again
    metrics = Metrics()
    watch = CertificateWatch(metrics)
    watch.certificates += [each.tls for each in planned if each.tls is not None]
    planned = listening.fit_to_files(planned, listening.raise_file_limit())
    async with (
        _web(start, store, metrics, watch) as http,
        _watching(watch),
        pruned_daily(start.settings),
        heads_logged(start.settings),
    ):
        intake = Intake(receiver, meter=metrics, ack_deadline_s=start.settings.ack_deadline_s)
        listeners = [
            Listener(
                intake,
                each.address.host,
                each.address.port,
                metrics=metrics,
                limits=each.limits,
                callers=each.callers,
                tls=each.tls.context if each.tls is not None else None,
            )
            for each in planned
        ]
        try:
            for each, listener in zip(planned, listeners, strict=True):
                await _listen(each, listener, start.lang)
            if not start.settings.listeners:
                await _listen_for_sources(listeners[0], start)
            _announce([_show(each) for listener in listeners for each in listener.addresses], http, start.lang)
            with sources_watched(start.settings, sources, metrics):
                log.info("serve.stopping", extra={"signal": await stopping})
        finally:
            await shut_down(listeners, intake, within_s=STOP_WITHIN_S)


async def _listen(planned: "Planned", listener: "Listener", lang: Lang) -> None:
    with _binding(planned.address, planned.option, lang):
        await listener.start()
    where = _show(listener.address)
    log.info("listener.listening", extra={"mllp": where, "tls": planned.security})
    if planned.is_in_clear:
        log.warning("mllp.without_tls", extra={"mllp": where})


async def _listen_for_sources(listener: "Listener", start: Start) -> None:
    """Bind the port of each source that has one, on the host of ``mllp``."""
    from pam_receiver.config import Address

    mllp = start.settings.mllp
    for source in start.settings.sources:
        if source.port is not None:
            address = Address(mllp.host, source.port)
            with _binding(address, f"port, [[source]] {source.name}", start.lang):
                await listener.start(source.port)
            log.info("source.listening", extra={"source": source.name, "mllp": str(address)})


def _watch_signals() -> asyncio.Future[str]:
    """Return a future that gives the name of the first SIGTERM or SIGINT; later ones change nothing."""
    loop = asyncio.get_running_loop()
    stopping: asyncio.Future[str] = loop.create_future()

    def stop(name: str) -> None:
        if not stopping.done():
            stopping.set_result(name)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number.name)
    return stopping


@asynccontextmanager
async def _watching(watch: "CertificateWatch") -> AsyncIterator[None]:
    """Read certificates again, while inside, when their files change or SIGHUP comes.

    At a terminal, without a certificate, SIGHUP says that the terminal is gone: then it ends the process, as ever.
    """
    loop = asyncio.get_running_loop()
    if watch.certificates or not output.is_terminal():
        loop.add_signal_handler(signal.SIGHUP, watch.ask)
    watching = loop.create_task(watch.run())
    try:
        yield
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


@asynccontextmanager
async def _web(
    start: Start, store: "Store", metrics: "Metrics", watch: "CertificateWatch"
) -> AsyncIterator[str | None]:
    """Serve HTTP while inside; gives its real address, ``None`` when it is off."""
    from pam_receiver.cli import web_parts
    from pam_receiver.web import create_app, create_metrics_app, read_state, serve_web

    settings = start.settings
    tls = web_parts.make_tls(settings)
    watch.certificates += [tls] if tls is not None else []
    async with AsyncExitStack() as stack:
        if settings.metrics_http is not None:
            with _binding(settings.metrics_http, "metrics_http", start.lang):
                alone = await serve_web(create_metrics_app(metrics), *astuple(settings.metrics_http))
            stack.push_async_callback(alone.stop, WEB_STOP_WITHIN_S)
            log.info("metrics.listening", extra={"http": _show(alone.address)})
        if settings.http is None:
            yield None
            return
        guard = stack.enter_context(web_parts.guarding(settings, store, metrics))
        stack.push_async_callback(guard.close)
        app = create_app(
            check_ready=lambda: read_state(store.check),
            metrics=metrics,
            guard=guard,
            shows_metrics=settings.metrics_http is None,
        )
        with _binding(settings.http, "--http", start.lang):
            server = await serve_web(app, *astuple(settings.http), tls=tls.context if tls else None)
        stack.push_async_callback(server.stop, WEB_STOP_WITHIN_S)
        yield _show(server.address)


@contextmanager
def _binding(address: "Address", option: str, lang: Lang) -> Iterator[None]:
    """Turn a failure to bind into a sentence that names the option, and exit code 2."""
    try:
        yield
    except OSError as error:
        reason = say_os_error(error, lang)
        output.fail(text("failure.bind", lang, address=address, reason=reason, option=option), 2)


def _show(address: tuple[str, int]) -> str:
    from pam_receiver.config import Address

    return str(Address(*address))


def _announce(mllp: Sequence[str], http: str | None, lang: Lang) -> None:
    """Say that all is ready; ``mllp``: the addresses, that of the settings first."""
    log.info("serve.ready", extra={"mllp": mllp[0], "http": http or "off"})
    if output.is_terminal():
        output.say(text("serve.ready", lang, mllp=", ".join(mllp), http=http or text("serve.no-http", lang)))
