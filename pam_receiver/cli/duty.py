"""What a process of ``serve`` does, from its store to its last answer: it listens, attends to the rest, or both."""

import asyncio
import gc
import logging
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pam_receiver import __version__
from pam_receiver.cli import output
from pam_receiver.cli.options import Start
from pam_receiver.cli.texts import text
from pam_receiver.finding import Lang
from pam_receiver.reasons import say_os_error

if TYPE_CHECKING:
    from pam_receiver.cli.listening import Planned
    from pam_receiver.cli.supervisor import Post
    from pam_receiver.config import Address, Settings
    from pam_receiver.listener import Listener
    from pam_receiver.metrics import Metrics
    from pam_receiver.reader import Reader
    from pam_receiver.receive import Receiver
    from pam_receiver.sources import Sources
    from pam_receiver.store import Store
    from pam_receiver.tls import CertificateWatch

log = logging.getLogger(__name__)

STOP_WITHIN_S: Final = 8.0  # to answer what was read; the whole ends within 10 s of SIGTERM
WEB_STOP_WITHIN_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Duty:
    """What a process does. ``listens``: takes messages; ``attends``: serves HTTP, watches the sources, prunes.

    Alone it does both; of several the workers listen and one more process attends. ``post``, ``counts``: what it is
    given by the supervisor then, and the folder in which all count. ``reader``: reads messages for it.
    """

    start: Start
    sources: "Sources"
    planned: "Sequence[Planned]"
    listens: bool = True
    attends: bool = True
    post: "Post | None" = None
    counts: Path | None = None
    reader: "Reader | None" = None


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


async def run(duty: Duty, store: "Store") -> None:
    """Do what the duty is until SIGTERM or SIGINT; then answer what was read and close."""
    from pam_receiver.cli.daily import months_kept, pruned_daily
    from pam_receiver.cli.heads import heads_logged
    from pam_receiver.cli.watching import sources_watched
    from pam_receiver.metrics import Metrics
    from pam_receiver.tls import CertificateWatch

    stopping = _watch_signals(duty.post)
    gc.freeze()  # profiles and tables live as long as we do: no collection need look at them again
    settings, metrics = duty.start.settings, Metrics(duty.counts)
    watch = CertificateWatch(metrics)
    mllp: Sequence[str] = ()
    http: str | None = None
    async with AsyncExitStack() as stack:
        if duty.attends:
            http = await stack.enter_async_context(_web(duty.start, store, metrics, watch))
        if duty.listens:
            watch.certificates += [each.tls for each in duty.planned if each.tls is not None]
        await stack.enter_async_context(_watching(watch))
        if duty.attends:
            await stack.enter_async_context(months_kept(settings))
            await stack.enter_async_context(pruned_daily(settings))
            await stack.enter_async_context(heads_logged(settings))
        if duty.post is not None:
            duty.post.take_signals()
        if duty.listens:
            mllp = await stack.enter_async_context(_listening(duty, store, metrics))
        if duty.attends:
            stack.enter_context(sources_watched(settings, duty.sources, metrics))
        if duty.post is not None:
            duty.post.report({"mllp": mllp, "http": http})
            await stopping
        else:
            announce(mllp, http, duty.start.lang)
            log.info("serve.stopping", extra={"signal": await stopping})


@asynccontextmanager
async def _listening(duty: Duty, store: "Store", metrics: "Metrics") -> AsyncIterator[list[str]]:
    """Take messages while inside, and answer at the end what was read; gives the addresses listened on."""
    from pam_receiver.cli import listening
    from pam_receiver.intake import Intake
    from pam_receiver.listener import Listener, shut_down

    start = duty.start
    planned = listening.fit_to_files(duty.planned, listening.raise_file_limit())
    receiver = _make_receiver(start.settings, store, duty.sources)
    intake = Intake(receiver, meter=metrics, ack_deadline_s=start.settings.ack_deadline_s, reader=duty.reader)
    if duty.reader is not None:
        await duty.reader.connect(intake)
    listeners = [
        Listener(
            intake,
            each.address.host,
            each.address.port,
            metrics=metrics,
            limits=each.limits,
            callers=each.callers,
            tls=each.tls.context if each.tls is not None else None,
            shares_ports=duty.post is not None,
        )
        for each in planned
    ]
    try:
        for each, listener in zip(planned, listeners, strict=True):
            await _listen(each, listener, start.lang)
        await _listen_for_sources(listeners[0], start)
        metrics.show_listening(True)
        yield [_show(each) for listener in listeners for each in listener.addresses]
    finally:
        metrics.show_listening(False)
        await shut_down(listeners, intake, within_s=STOP_WITHIN_S)
        if duty.reader is not None:
            duty.reader.disconnect()


async def _listen(planned: "Planned", listener: "Listener", lang: Lang) -> None:
    with binding(planned.address, planned.option, lang):
        await listener.start()
    where = _show(listener.address)
    log.info("listener.listening", extra={"mllp": where, "tls": planned.security})
    if planned.is_in_clear:
        log.warning("mllp.without_tls", extra={"mllp": where})


async def _listen_for_sources(listener: "Listener", start: Start) -> None:
    """Bind the port of each source that has one, on the host of ``mllp``."""
    for source, (address, option) in ports_of_sources(start.settings).items():
        with binding(address, option, start.lang):
            await listener.start(address.port)
        log.info("source.listening", extra={"source": source, "mllp": str(address)})


def ports_of_sources(settings: "Settings") -> "dict[str, tuple[Address, str]]":
    """Return, by its name, the address of each source that has a port of its own, and what names it in a failure."""
    from pam_receiver.config import Address

    if settings.listeners:
        return {}
    return {
        each.name: (Address(settings.mllp.host, each.port), f"port, [[source]] {each.name}")
        for each in settings.sources
        if each.port is not None
    }


def _watch_signals(post: "Post | None") -> asyncio.Future[str]:
    """Return a future that gives the name of the first SIGTERM or SIGINT; later ones change nothing.

    A process with a supervisor takes SIGTERM alone, and its end for one.
    """
    loop = asyncio.get_running_loop()
    stopping: asyncio.Future[str] = loop.create_future()

    def stop(name: str) -> None:
        if not stopping.done():
            stopping.set_result(name)

    loop.add_signal_handler(signal.SIGTERM, stop, "SIGTERM")
    if post is None:
        loop.add_signal_handler(signal.SIGINT, stop, "SIGINT")
    else:

        def end() -> None:
            loop.remove_reader(post.lifeline)  # it stays readable
            stop("SIGTERM")

        loop.add_reader(post.lifeline, end)
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
            with binding(settings.metrics_http, "metrics_http", start.lang):
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
        with binding(settings.http, "--http", start.lang):
            server = await serve_web(app, *astuple(settings.http), tls=tls.context if tls else None)
        stack.push_async_callback(server.stop, WEB_STOP_WITHIN_S)
        yield _show(server.address)


@contextmanager
def binding(address: "Address", option: str, lang: Lang) -> Iterator[None]:
    """Turn a failure to bind into a sentence that names the option, and exit code 2."""
    try:
        yield
    except OSError as error:
        reason = say_os_error(error, lang)
        output.fail(text("failure.bind", lang, address=address, reason=reason, option=option), 2)


def _show(address: tuple[str, int]) -> str:
    from pam_receiver.config import Address

    return str(Address(*address))


def announce(mllp: Sequence[str], http: str | None, lang: Lang, *, workers: int = 1) -> None:
    """Say that all is ready; ``mllp``: the addresses, that of the settings first."""
    log.info("serve.ready", extra={"mllp": mllp[0], "http": http or "off", "workers": workers})
    if output.is_terminal():
        output.say(text("serve.ready", lang, mllp=", ".join(mllp), http=http or text("serve.no-http", lang)))
