"""``serve``: the daemon, from its settings to its last answer."""

import asyncio
import gc
import logging
import os
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated, Final

import typer

from pam_receiver import __version__
from pam_receiver.cli import options, output
from pam_receiver.cli.options import Config, Database, Environment, Language, Start
from pam_receiver.cli.texts import text
from pam_receiver.finding import Lang

if TYPE_CHECKING:
    from pam_receiver.config import Address, Settings
    from pam_receiver.listener import Limits, Listener
    from pam_receiver.metrics import Metrics
    from pam_receiver.receive import Receiver
    from pam_receiver.sources import Sources
    from pam_receiver.store import Store

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
    from pam_receiver import logs
    from pam_receiver.cli import parts

    given = {"database": database, "mllp": mllp, "http": http, "environment": environment, "lang": lang}
    start = options.start(config, **given, log_format=log_format, log_level=log_level)
    logs.set_up(start.settings.log_format, start.settings.log_level)
    log.info("serve.starting", extra={"version": __version__, "pid": os.getpid()})
    sources = parts.make_sources(start.settings)  # what is wrong in a profile stops the start before the database
    with _exclusive(start.settings.database) as store:
        asyncio.run(_run(start, store, _make_receiver(start.settings, store, sources)))
    log.info("serve.stopped")


@contextmanager
def _exclusive(database: str) -> "Iterator[Store]":
    """Bring the database to this program's schema and hold it alone (a SQLite file; a server may have several)."""
    from pam_receiver.store import Store, migrate

    done = migrate.prepare_for_serving(database)
    if done is not None:
        log.info("database.upgraded", extra={"revision": done.after, "copy": done.copy})
    store = Store.open(database)
    try:
        store.lock_for_serving()
        with store.begin():
            pass  # what cannot be written stops the start, rather than every message
        yield store
    finally:
        store.close()


def _make_receiver(settings: "Settings", store: "Store", sources: "Sources") -> "Receiver":
    from pam_receiver.cli import parts
    from pam_receiver.receive import Receiver

    return Receiver(
        store,
        sources=sources,
        answers=parts.make_answer_style(settings),
        max_block_bytes=settings.max_block_bytes,
    )


async def _run(start: Start, store: "Store", receiver: "Receiver") -> None:
    """Listen until SIGTERM or SIGINT, then answer what was read and close."""
    from pam_receiver.intake import Intake
    from pam_receiver.listener import Listener, shut_down
    from pam_receiver.metrics import Metrics

    stopping = _watch_signals()
    gc.freeze()  # profiles and tables live as long as we do: no collection need look at them again
    metrics = Metrics()
    mllp = start.settings.mllp
    async with _web(start, store, metrics) as http:
        intake = Intake(receiver, meter=metrics, ack_deadline_s=start.settings.ack_deadline_s)
        listener = Listener(intake, mllp.host, mllp.port, metrics=metrics, limits=_limits(start.settings))
        try:
            await _listen(listener, start)
            _announce([_show(each) for each in listener.addresses], http, start.lang)
            log.info("serve.stopping", extra={"signal": await stopping})
        finally:
            await shut_down(listener, intake, within_s=STOP_WITHIN_S)


async def _listen(listener: "Listener", start: Start) -> None:
    """Bind the address of the settings, and the port of each source that has one, on the same host."""
    from pam_receiver.config import Address

    mllp = start.settings.mllp
    with _binding(mllp, "--mllp", start.lang):
        await listener.start()
    for source in start.settings.sources:
        if source.port is not None:
            address = Address(mllp.host, source.port)
            with _binding(address, f"port, [[source]] {source.name}", start.lang):
                await listener.start(source.port)
            log.info("source.listening", extra={"source": source.name, "mllp": str(address)})


def _limits(settings: "Settings") -> "Limits":
    from pam_receiver.listener import Limits

    return Limits(
        max_block_bytes=settings.max_block_bytes,
        max_connections=settings.max_connections,
        idle_timeout_s=settings.idle_timeout_s,
        block_timeout_s=settings.block_timeout_s,
    )


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
async def _web(start: Start, store: "Store", metrics: "Metrics") -> AsyncIterator[str | None]:
    """Serve HTTP while inside; gives its real address, ``None`` when it is off."""
    from pam_receiver.web import create_app, read_state, serve_web

    http = start.settings.http
    if http is None:
        yield None
        return
    app = create_app(check_ready=lambda: read_state(store.check), metrics=metrics)
    with _binding(http, "--http", start.lang):
        server = await serve_web(app, http.host, http.port)
    try:
        yield _show(server.address)
    finally:
        await server.stop(WEB_STOP_WITHIN_S)


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
    if not _is_loopback(mllp[0]):
        log.warning("mllp.without_tls", extra={"mllp": mllp[0]})  # names and matricules cross the network in clear
    if output.is_terminal():
        output.say(text("serve.ready", lang, mllp=", ".join(mllp), http=http or text("serve.no-http", lang)))


def _is_loopback(address: str) -> bool:
    from pam_receiver.config import parse_address

    return ip_address(parse_address(address).host.partition("%")[0]).is_loopback
