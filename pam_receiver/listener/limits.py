"""What connections may take, who may open them, and how often the log says that a limit was reached."""

import asyncio
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

from pam_receiver.tls import read_subject

Network = IPv4Network | IPv6Network

_WINDOW_S: Final = 10.0
_MOST_LINES: Final = 5  # of one event in a window


@dataclass(frozen=True, slots=True)
class Limits:
    """What one connection, and all of them, may take. A number or a time of 0 stands for no limit, save of bytes,
    connections and pending messages.

    While ``max_pending`` messages or ``max_pending_bytes`` of a connection have no answer yet, no more of it is read,
    and what one read of the socket (at most 256 KiB) has brought beyond them waits.
    """

    max_block_bytes: int = 1 << 20
    max_connections: int = 4000
    max_connections_per_address: int = 0
    max_pending: int = 100
    max_pending_bytes: int = 8 << 20
    idle_timeout_s: float = 0.0  # nothing asked, nothing owed
    block_timeout_s: float = 30.0  # from the first byte of a block to its last
    write_timeout_s: float = 30.0  # the sender does not read its ACKs
    handshake_timeout_s: float = 10.0  # TLS


@dataclass(frozen=True, slots=True)
class Callers:
    """Who may connect, and whose certificates are taken. Without any of a kind, all are.

    ``subjects``: shell patterns of the subject of the client's certificate: of its DN when an ``=`` stands in them,
    else of its CN.
    """

    networks: tuple[Network, ...] = ()
    subjects: tuple[str, ...] = ()

    def may_send(self, host: str) -> bool:
        """Whether an address is in one of the networks."""
        if not self.networks:
            return True
        address = ip_address(host)
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self.networks)

    def knows(self, certificate: object) -> bool:
        """Whether the subject of a certificate is one of those that are taken."""
        if not self.subjects:
            return True
        cn, dn = read_subject(certificate)
        return any(fnmatchcase(dn if "=" in pattern else cn, pattern) for pattern in self.subjects)


@dataclass(slots=True)
class _Window:
    began_at: float
    lines: int = 0
    left_out: int = 0


@dataclass(slots=True)
class Noise:
    """Keeps an attack from filling the log: few lines of one event in a while, and how many were left out."""

    loop: asyncio.AbstractEventLoop
    _windows: dict[str, _Window] = field(default_factory=dict)

    def count(self, event: str) -> int | None:
        """Return how many times ``event`` came that no line has told of, this one included; ``None``: write no line."""
        now = self.loop.time()
        window = self._windows.setdefault(event, _Window(now))
        if now - window.began_at >= _WINDOW_S:
            window.began_at, window.lines = now, 0
        if window.lines >= _MOST_LINES:
            window.left_out += 1
            return None
        window.lines += 1
        times, window.left_out = window.left_out + 1, 0
        return times
