"""A syslog collector: frames sent to it over TLS (RFC 5425), or in clear (RFC 6587). It never answers."""

import socket
import ssl
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from pam_receiver.atna import frame

if TYPE_CHECKING:
    from pam_receiver.cli.send import Tls
    from pam_receiver.config import Address

TIMEOUT_S: Final = 15.0


class Collector:
    """A connection to a collector, used as a context; ``tls``: ``None`` for one in clear.

    On the way out it waits until the collector has closed too: what was not taken then shows as an error, as far as a
    protocol without answers lets it.

    Raises:
        OSError: it cannot be reached, or does not take what is sent; TimeoutError when it stands still.
    """

    def __init__(self, address: "Address", tls: "Tls | None", *, timeout_s: float = TIMEOUT_S) -> None:
        self._address = address
        self._tls = tls
        self._timeout_s = timeout_s

    def __enter__(self) -> Self:
        place = (self._address.host, self._address.port)
        opened = socket.create_connection(place, timeout=self._timeout_s)
        if self._tls is not None:
            name = self._tls.server_name or self._address.host
            try:
                opened = self._tls.context.wrap_socket(opened, server_hostname=name)
            except BaseException:
                opened.close()
                raise
        self._socket = opened
        return self

    def write(self, message: bytes) -> None:
        """Send one message."""
        self._socket.sendall(frame(message))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            self._socket.close()

    def _finish(self) -> None:
        """Say that this was all, and wait for the end of the other side."""
        if isinstance(self._socket, ssl.SSLSocket):
            # Many collectors close without a word of TLS; a connection that was reset is still an error.
            with suppress(ssl.SSLError, TimeoutError):
                self._socket.unwrap()
            return
        self._socket.shutdown(socket.SHUT_WR)
        with suppress(TimeoutError):  # it keeps the connection; all of it was taken by its machine
            while self._socket.recv(1024):
                pass
