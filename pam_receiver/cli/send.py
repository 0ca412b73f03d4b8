"""``send``: an MLLP client, and what the demo uses of it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from pam_receiver.cli import options, output
from pam_receiver.cli.options import Config, Files, Language
from pam_receiver.cli.texts import text
from pam_receiver.errors import PamReceiverError
from pam_receiver.finding import Lang
from pam_receiver.reasons import say_os_error

if TYPE_CHECKING:
    import ssl

    from pam_receiver.config import Address
    from pam_receiver.hl7.ack import DecodedAck

_MAX_ACK_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message to send: where it was read, and its number there."""

    file: Path
    number: int
    raw: bytes


class NoAnswer(PamReceiverError):
    """The peer gave no ACK: ``key`` is the reason, among the texts."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


@dataclass(frozen=True, slots=True)
class Line:
    """An open MLLP connection. ``reader`` and ``writer`` are those of python-hl7, which has no types."""

    reader: Any
    writer: Any
    timeout_s: float

    async def exchange(self, raw: bytes) -> bytes:
        """Send one message, byte for byte, and return the block that answers it.

        Raises:
            NoAnswer: nothing came in time, the connection ended, or what came is no MLLP block.
        """
        from hl7.mllp import InvalidBlockError

        try:
            async with asyncio.timeout(self.timeout_s):
                self.writer.writeblock(raw)
                await self.writer.drain()
                return bytes(await self.reader.readblock())
        except TimeoutError:
            raise NoAnswer("send.reason.timeout") from None
        except (asyncio.IncompleteReadError, OSError):
            raise NoAnswer("send.reason.closed") from None
        except (InvalidBlockError, ValueError):
            raise NoAnswer("send.reason.block") from None


@asynccontextmanager
async def connect(address: "Address", *, timeout_s: float, tls: "Tls | None" = None) -> AsyncIterator[Line]:
    """Open an MLLP connection, closed on the way out; ``tls``: ``None`` for one in clear.

    Raises:
        OSError: the peer cannot be reached; TimeoutError when it does not answer.
    """
    from hl7.mllp import open_hl7_connection

    secured = {"ssl": tls.context, "server_hostname": tls.server_name or address.host} if tls is not None else {}
    async with asyncio.timeout(timeout_s):
        reader, writer = await open_hl7_connection(address.host, address.port, limit=_MAX_ACK_BYTES, **secured)
    try:
        yield Line(reader, writer, timeout_s)
    finally:
        writer.close()
        with suppress(OSError):  # the peer was faster
            await writer.wait_closed()


def send(
    files: Files,
    to: Annotated[str, typer.Option("--to", metavar="HOST:PORT", help="option.to")],
    timeout: Annotated[float, typer.Option("--timeout", metavar="S", min=0.1, max=3600, help="option.timeout")] = 30.0,
    tls: Annotated[bool, typer.Option("--tls", help="option.tls")] = False,
    ca: Annotated[Path | None, typer.Option("--ca", metavar="FILE", help="option.ca")] = None,
    certificate: Annotated[
        Path | None, typer.Option("--certificate", metavar="FILE", help="option.certificate")
    ] = None,
    key: Annotated[Path | None, typer.Option("--key", metavar="FILE", help="option.key")] = None,
    key_password_file: Annotated[
        Path | None, typer.Option("--key-password-file", metavar="FILE", help="option.key-password-file")
    ] = None,
    server_name: Annotated[str | None, typer.Option("--server-name", metavar="NAME", help="option.server-name")] = None,
    config: Config = None,
    lang: Language = None,
) -> None:
    from pam_receiver.config import parse_address

    start = options.start(config, lang=lang)
    files_of_tls = TlsOptions(ca, certificate, key, key_password_file, server_name)
    if not tls and files_of_tls.are_given:  # who gives a certificate does not mean to send in clear
        raise typer.BadParameter(text("failure.without-tls", start.lang), param_hint="--tls")
    secured = files_of_tls.load() if tls else None
    try:
        address = parse_address(to)
    except ValueError:
        raise typer.BadParameter(text("failure.to", start.lang), param_hint="--to") from None
    outgoing = _read(files, start.lang)
    raise typer.Exit(asyncio.run(_send_all(outgoing, address, secured, timeout_s=timeout, lang=start.lang)))


@dataclass(frozen=True, slots=True)
class Tls:
    """How a connection is secured. ``server_name``: what the certificate of the peer must bear, ``None``: its host."""

    context: "ssl.SSLContext"
    server_name: str | None = None


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """What the options say of TLS."""

    ca: Path | None
    certificate: Path | None
    key: Path | None
    key_password_file: Path | None
    server_name: str | None

    def load(self) -> Tls:
        """Read the files.

        Raises:
            SettingsError: one of them cannot be used.
        """
        from pam_receiver.config import SettingsError
        from pam_receiver.tls import TlsError, make_client_context, read_key_password

        if self.certificate is None and (self.key is not None or self.key_password_file is not None):
            raise SettingsError(
                fr="--key et --key-password-file vont avec --certificate.",
                en="--key and --key-password-file go with --certificate.",
            )
        try:
            password = read_key_password(self.key_password_file) if self.key_password_file is not None else None
            context = make_client_context(ca=self.ca, certificate=self.certificate, key=self.key, key_password=password)
        except TlsError as error:
            raise SettingsError(fr=f"{error.text('fr')}.", en=f"{error.text('en')}.") from None
        return Tls(context, self.server_name)

    @property
    def are_given(self) -> bool:
        given = (self.ca, self.certificate, self.key, self.key_password_file, self.server_name)
        return any(each is not None for each in given)


def _read(files: Sequence[Path], lang: Lang) -> list[Outgoing]:
    from pam_receiver.cli.files import find_problems, read_content

    outgoing = []
    for file in files:
        try:
            content = read_content(file)
        except OSError as error:
            output.fail(text("failure.file", lang, file=file, reason=say_os_error(error, lang)), 2)
        if problems := find_problems(file, content, lang):
            output.fail("\n".join(problem.text for problem in problems), 2)
        outgoing += [Outgoing(file, number, raw) for number, raw in enumerate(content.messages, 1)]
    return outgoing


async def _send_all(
    outgoing: Sequence[Outgoing], address: "Address", tls: Tls | None, *, timeout_s: float, lang: Lang
) -> int:
    """Return the exit code: 0 when every message was answered AA."""
    accepted = answered = 0
    async with AsyncExitStack() as stack:
        try:
            line = await stack.enter_async_context(connect(address, timeout_s=timeout_s, tls=tls))
        except OSError as error:  # TimeoutError among them
            output.warn(text("send.no-connection", lang, address=address, reason=why_not(error, timeout_s, lang)))
            return 1
        try:
            for each in outgoing:
                wanted = _announce(each, lang)
                accepted += _show_answer(await line.exchange(each.raw), wanted, lang)
                answered += 1
        except NoAnswer as error:
            reason = text(error.key, lang, seconds=f"{timeout_s:g}")
            left = len(outgoing) - answered
            output.warn(text("send.no-answer", lang, address=address, reason=reason, left=left))
    return 0 if accepted == len(outgoing) else 1


def why_not(error: OSError, timeout_s: float, lang: Lang) -> str:
    import ssl

    match error:
        case TimeoutError():
            return text("send.reason.timeout", lang, seconds=f"{timeout_s:g}")
        case ConnectionRefusedError():
            return text("send.reason.refused", lang)
        case ssl.SSLError():  # the word of OpenSSL, and what it found in the certificate
            return text("send.reason.tls", lang, reason=getattr(error, "verify_message", "") or error.reason)
        case _:
            return say_os_error(error, lang)


def _announce(each: Outgoing, lang: Lang) -> str:
    """Print what is about to be sent; return its MSH-10."""
    from pam_receiver.hl7.header import read_header_loosely

    header = read_header_loosely(each.raw)
    event, control_id = (header.trigger_event, header.control_id) if header else ("", "")
    values = {"file": each.file, "number": each.number, "event": event, "control_id": control_id}
    output.say(text("send.sent", lang, **values).rstrip())
    return control_id


def _show_answer(block: bytes, wanted: str, lang: Lang) -> bool:
    """Print an answer; return whether it is an AA for the message that was sent."""
    from pam_receiver.hl7.ack import decode_ack
    from pam_receiver.hl7.er7 import Unreadable

    try:
        ack = decode_ack(block)
    except Unreadable:
        output.say(text("send.unreadable-ack", lang))
        return False
    output.say(text("send.ack", lang, code=ack.code, control_id=ack.control_id).rstrip())
    if ack.control_id != wanted:
        output.say(text("send.wrong-ack", lang, got=ack.control_id or "?", wanted=wanted or "?"))
    show_errors(ack)
    return ack.is_accepted and ack.control_id == wanted


def show_errors(ack: "DecodedAck") -> None:
    """Print each ERR of an acknowledgement: severity, code, where, rule, sentence."""
    rows = [[error.severity, error.code, error.location, error.rule, error.text] for error in ack.errors]
    if rows:
        output.print_table([], rows, indent=4)
