"""Who is at the other end: the address of a client, also of one behind proxies that are believed."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

UNKNOWN: Final = "unknown"
_MOST_HOPS: Final = 20  # of X-Forwarded-For, from our end: what lies before was written by whoever sent it


@dataclass(frozen=True, slots=True)
class Exposure:
    """From where the HTTP side can be reached.

    ``is_local``: from this machine alone, and by no proxy. ``proxies``: the networks of the proxies that are believed;
    empty: none. ``serves_proxies_only``: what comes by no proxy comes over a network in clear.
    """

    is_local: bool = True
    proxies: tuple[Network, ...] = ()
    serves_proxies_only: bool = False

    def is_proxy(self, peer: str) -> bool:
        address = _read(peer)
        return address is not None and any(address in network for network in self.proxies)

    def client_of(self, peer: str, forwarded: Sequence[str]) -> str:
        """Return the address of the client; ``peer``: who connected, ``forwarded``: the X-Forwarded-For lines.

        They are read from our end, and only as far as those who wrote them are proxies that are believed.
        """
        client = _read(peer)
        if client is None:
            return UNKNOWN
        hops = [hop for line in forwarded for hop in line.split(",")][-_MOST_HOPS:]
        while hops and any(client in network for network in self.proxies):
            before = _read(hops.pop())
            if before is None:
                break
            client = before
        return str(client)


def slowed_as(client: str) -> str:
    """Return what wrong attempts of a client are counted by: its address; with IPv6 its /64, which one machine owns."""
    address = _read(client)
    return str(ip_network((address, 64), strict=False)) if isinstance(address, IPv6Address) else client


def _read(text: str) -> Address | None:
    """Read an address as proxies write it: with a port, in brackets, or an IPv4 one mapped into IPv6."""
    bare = text.strip()
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        address = ip_address(bare.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
