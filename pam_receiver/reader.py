"""A second process that parses, checks and reads messages while this one decides, writes and answers.

It is forked before anything runs beside it, has no database and no connection, and says nothing: it takes messages and
gives back what it has understood of them, in their order. When it ends, whoever asks goes on without it.
"""

import asyncio
import errno
import logging
import os
import pickle  # between processes of our own  # nosec B403
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final, NoReturn, Protocol

from pam_receiver.parcel import Packer, Unpacker
from pam_receiver.sources import Sources
from pam_receiver.understand import Understood, take_in

log = logging.getLogger(__name__)

_LENGTH: Final = 8  # bytes before each parcel that say how long it is
_MOST_AT_ONCE: Final = 8  # messages that wait for each other on their way, either way
_READ_BYTES: Final = 1 << 18

_IGNORED: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)  # which a service manager or a terminal sends to all

Asked = tuple[bytes, int | None, bool]
"""A message: its bytes, our port by which it came in, and whether its sender is known."""


class Asker(Protocol):
    """Who gives messages to a reader."""

    def take_read(self, understood: Sequence[Understood | None]) -> None:
        """Take what was understood of the next messages that were given; ``None``: nothing, to be tried again here."""

    def miss_reader(self) -> None:
        """Go on without the reader: nothing comes back of what it still had."""


class Reader:
    """The other process, for whoever gives it messages. All methods belong to one event loop."""

    def __init__(self, sources: Sources, sock: socket.socket, pid: int) -> None:
        self.pid: Final = pid
        self._socket = sock
        self._unpacker = Unpacker(sources)
        self._unsent: list[Asked] = []
        self._given = 0  # messages that have not come back
        self._link: _Link | None = None

    async def connect(self, asker: Asker) -> None:
        """Begin to give what comes back to ``asker``."""
        loop = asyncio.get_running_loop()
        _, self._link = await loop.create_connection(lambda: _Link(self, asker), sock=self._socket)

    @property
    def is_there(self) -> bool:
        return self._link is not None and self._link.is_open

    def give(self, raw: bytes, port: int | None, *, is_known: bool) -> None:
        """Have a message understood."""
        self._unsent.append((raw, port, is_known))
        self._given += 1
        if self._given == 1 or len(self._unsent) >= _MOST_AT_ONCE:  # it has nothing to do, or has enough to send for
            self._send()
        elif len(self._unsent) == 1:
            asyncio.get_running_loop().call_soon(self._send)

    def _send(self) -> None:
        asked, self._unsent = self._unsent, []
        if asked and self._link is not None and self._link.is_open:
            self._link.transport.write(_framed(pickle.dumps(asked, pickle.HIGHEST_PROTOCOL)))

    def take(self, data: bytes) -> list[Understood | None]:
        """Return what a parcel of the other process says."""
        understood = self._unpacker.unpack(data)
        self._given -= len(understood)
        return understood

    def disconnect(self) -> None:
        """Give and take nothing more; the process ends."""
        if self._link is not None:
            self._link.is_open = False
            self._link.transport.abort()
            self._link = None

    def drop(self) -> None:
        """End it by force, since it does not answer, and do as when it has ended by itself."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)  # its number is its own until it is waited for, at our end
        if self._link is not None:
            self._link.transport.abort()

    def close(self) -> None:
        """Let the process end, whether it was ever connected or not."""
        self._socket.close()


class _Link(asyncio.Protocol):
    """Our end of the socket between the two."""

    transport: asyncio.Transport

    def __init__(self, reader: Reader, asker: Asker) -> None:
        self.is_open = False
        self._reader = reader
        self._asker = asker
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.is_open = True

    def data_received(self, data: bytes) -> None:
        self._received += data
        for parcel in _parcels(self._received):
            self._asker.take_read(self._reader.take(parcel))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the signature of the base
        if self.is_open:  # it was not we who ended it
            self.is_open = False
            log.warning("reader.lost", extra={"pid": self._reader.pid})
            self._asker.miss_reader()


def _framed(data: bytes) -> bytes:
    return len(data).to_bytes(_LENGTH) + data


def _parcels(received: bytearray) -> Iterator[bytes]:
    """Take the parcels that have come in whole out of what was received."""
    while len(received) >= _LENGTH:
        end = _LENGTH + int.from_bytes(received[:_LENGTH])
        if len(received) < end:
            return
        parcel = bytes(received[_LENGTH:end])
        del received[:end]
        yield parcel


@contextmanager
def forked_reader(sources: Sources) -> Iterator[Reader | None]:
    """Fork a reader, which ends with this block, or with this process. No thread may run beside this one.

    ``None`` when the system lets us have no other process: we do without.
    """
    ours, theirs = socket.socketpair()
    held = signal.pthread_sigmask(signal.SIG_BLOCK, _IGNORED)
    try:
        pid = os.fork()
    except OSError as error:
        pid = -1
        log.warning("reader.not_started", extra={"error": errno.errorcode.get(error.errno or 0, "")})
    if pid == 0:
        ours.close()
        _be_reader(theirs, sources)
    signal.pthread_sigmask(signal.SIG_SETMASK, held)
    theirs.close()
    if pid < 0:
        ours.close()
        yield None
        return
    reader = Reader(sources, ours, pid)
    try:
        yield reader
    finally:
        reader.close()
        with suppress(ChildProcessError, ProcessLookupError):
            os.kill(pid, signal.SIGKILL)  # it holds nothing, and may hang
            os.waitpid(pid, 0)


def _be_reader(sock: socket.socket, sources: Sources) -> NoReturn:
    """Understand what is asked until the other end is closed, whatever signal comes: what was read is answered."""
    code = 1
    try:
        for each in _IGNORED:
            signal.signal(each, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _IGNORED)
        _read_on(sock, sources)
        code = 0
    finally:
        os._exit(code)


def _read_on(sock: socket.socket, sources: Sources) -> None:
    packer = Packer(sources)
    received = bytearray()
    while data := sock.recv(_READ_BYTES):
        received += data
        for parcel in _parcels(received):
            asked: list[Asked] = pickle.loads(parcel)  # of a process of our own fork  # nosec B301
            sock.sendall(_framed(packer.pack([_understand(*each, sources) for each in asked])))


def _understand(raw: bytes, port: int | None, is_known: bool, sources: Sources) -> Understood | None:
    try:
        return take_in(raw, port, sources, is_known=is_known)
    except Exception:  # noqa: BLE001 - it fails again where it is logged and refused
        return None
