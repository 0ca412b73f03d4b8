"""A listener on a free port, clients of our own making, and a stand-in for what is behind the intake."""

import asyncio
import logging
import socket
import ssl
import struct
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from unread import unread
from waiting import PATIENCE_S, until

from pam_receiver.hl7.mllp import encode_frame
from pam_receiver.intake import Intake
from pam_receiver.listener import Callers, Limits, Listener, shut_down
from pam_receiver.metrics import Metrics
from pam_receiver.receive import Incoming, Outcome, Read
from pam_receiver.store.errors import Reason, StoreUnavailable

SOON = 0.2  # a time-out that a test can wait for
SECRET = "KERGUELEN"  # stands for all that no log line may hold


def message(number: int, *, padding: int = 0) -> bytes:
    """A message that is one for a listener: it begins with MSH, and MSH-10 tells it from others."""
    return (
        f"MSH|^~\\&|GAM|CHU|PAM|DM|20240611080000||ADT^A28^ADT_A05|{number}|P|2.5\r"
        f"PID|||{number}||{SECRET}^ANNE{'x' * padding}\r"
    ).encode()


def frame(number: int, *, padding: int = 0) -> bytes:
    return encode_frame(message(number, padding=padding))


def control_id(raw: bytes) -> str:
    fields = raw.split(b"\r")[0].split(b"|")
    return fields[9].decode() if len(fields) > 9 else ""


class EchoReceiver:
    """Stands for the receiver: answers AA to each message by its MSH-10, when the gate is open and the store there."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.is_away = False
        self.broken_by: str | None = None  # a batch with this control id breaks
        self.padding = 0  # of each ACK
        self.tries = 0
        self.kept: list[bytes] = []
        self.ports: list[int | None] = []
        self.known: list[bool] = []
        self.heads: list[bytes] = []

    @property
    def kept_ids(self) -> list[str]:
        return [control_id(raw) for raw in self.kept]

    def read(self, incoming: Incoming, understood: object = None) -> Read:
        return unread(incoming)

    def read_oversize(self, incoming: Incoming) -> Read:
        self.heads.append(incoming.raw)
        return unread(incoming)

    def renumber(self, read: Read) -> Read:
        return read

    def prepare(self, reads: Sequence[Read]) -> Callable[[], tuple[Outcome, ...]]:
        return partial(self._keep, [read.incoming for read in reads])

    def _keep(self, batch: Sequence[Incoming]) -> tuple[Outcome, ...]:
        self._enter()
        if self.broken_by in [control_id(incoming.raw) for incoming in batch]:
            raise ValueError(SECRET)
        whole = [incoming for incoming in batch if incoming.raw not in self.heads]
        self.kept += [incoming.raw for incoming in whole]
        self.ports += [incoming.port for incoming in whole]
        self.known += [incoming.is_known for incoming in whole]
        return tuple(self._answer(each.raw, "AA" if each.raw and each in whole else "AR") for each in batch)

    def _enter(self) -> None:
        self.tries += 1
        assert self.gate.wait(2 * PATIENCE_S)
        if self.is_away:
            raise StoreUnavailable("sqlite:///test.db", Reason.AWAY)

    def _answer(self, raw: bytes, code: str) -> Outcome:
        given_id = control_id(raw)
        padding = "x" * self.padding
        ack = (
            f"MSH|^~\\&|PAM|DM|GAM|CHU|20240611080001||ACK^A28^ACK|a{given_id}|P|2.5\rMSA|{code}|{given_id}|{padding}\r"
        )
        return Outcome(
            ack=ack.encode(),
            ack_code=code,
            event="A28",
            control_id=given_id,
            message_id=f"m{given_id}",
            rules=(),
            is_repeat=False,
        )


@dataclass
class House:
    receiver: EchoReceiver
    intake: Intake
    listener: Listener
    metrics: Metrics
    clients: list["Client"] = field(default_factory=list)

    async def connect(
        self,
        sock: socket.socket | None = None,
        *,
        address: tuple[str, int] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> "Client":
        if sock is None:
            reader, writer = await asyncio.open_connection(*(address or self.listener.address), ssl=tls)
        else:
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, self.listener.address)
            reader, writer = await asyncio.open_connection(sock=sock)
        self.clients.append(Client(reader, writer))
        return self.clients[-1]

    def counted(self, line: str) -> bool:
        return line in self.metrics.render().decode().splitlines()


@dataclass
class Client:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    def send_messages(self, *numbers: int) -> None:
        self.send(b"".join(encode_frame(message(number)) for number in numbers))

    async def read_ack(self) -> tuple[str, str]:
        """The next answer: code and control id."""
        async with asyncio.timeout(PATIENCE_S):
            frame = await self.reader.readuntil(b"\x1c\r")
        assert frame.startswith(b"\x0bMSH|")
        msa = frame.split(b"\r")[1].split(b"|")
        return msa[1].decode(), msa[2].decode()

    async def read_acks(self, count: int) -> list[str]:
        acks = [await self.read_ack() for _ in range(count)]
        assert {code for code, _ in acks} <= {"AA"}
        return [given_id for _, given_id in acks]

    async def read_end(self) -> bytes:
        """What still comes before the other side closes."""
        async with asyncio.timeout(PATIENCE_S):
            return await self.reader.read()

    def reset(self) -> None:
        """Break the link off: the other side gets RST, not FIN."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def close(self) -> None:
        self.writer.close()
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self.writer.wait_closed()
        except (ConnectionError, ssl.SSLError):
            return


@asynccontextmanager
async def running(
    receiver: Any = None,
    *,
    ack_deadline_s: float = 2 * PATIENCE_S,
    callers: Callers | None = None,
    tls: ssl.SSLContext | None = None,
    **limits: float,
) -> AsyncIterator[House]:
    receiver, metrics = receiver or EchoReceiver(), Metrics()
    intake = Intake(receiver, meter=metrics, ack_deadline_s=ack_deadline_s)
    listener = Listener(intake, "127.0.0.1", 0, metrics=metrics, limits=Limits(**limits), callers=callers, tls=tls)
    await listener.start()
    house = House(receiver, intake, listener, metrics)
    try:
        yield house
    finally:
        if isinstance(receiver, EchoReceiver):
            receiver.gate.set()
        for client in house.clients:
            await client.close()
        await shut_down(listener, intake, within_s=2.0)


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(6 * PATIENCE_S):
            await scenario()

    asyncio.run(bounded())


@dataclass
class Wire:
    """What the tests of the listener work with."""

    caplog: pytest.LogCaptureFixture
    message = staticmethod(message)
    frame = staticmethod(frame)
    running = staticmethod(running)
    run = staticmethod(run)
    until = staticmethod(until)

    def logged(self, name: str) -> list[logging.LogRecord]:
        return [record for record in self.caplog.records if record.getMessage() == name]

    @property
    def levels(self) -> set[str]:
        return {record.levelname for record in self.caplog.records}


@pytest.fixture
def wire(caplog: pytest.LogCaptureFixture) -> Iterator[Wire]:
    """Sockets, clients and log lines; no line of a test holds a trait (of exceptions, the formatter keeps the text)."""
    caplog.set_level(logging.DEBUG, logger="pam_receiver")
    yield Wire(caplog)
    for record in caplog.get_records("call"):
        shown = {key: value for key, value in vars(record).items() if key not in ("exc_info", "exc_text")}
        assert SECRET not in str(shown)
