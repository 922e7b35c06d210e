"""Who is asking, as far as a network can tell: the name under which a client's misses and tries are counted.

Knows no web framework: a connection is anything that says who its peer is. Behind a proxy the web server puts the
proxy's word in the peer's place before it gets here, for the proxies that the operator trusts.
"""

from __future__ import annotations

import ipaddress
from typing import Protocol


class Peer(Protocol):
    """The other end of a connection."""

    @property
    def host(self) -> str: ...


class Connected(Protocol):
    """A request or a socket. `client` is None where there is no network peer."""

    @property
    def client(self) -> Peer | None: ...


def client_of(connection: Connected) -> str:
    """Whom to throttle: the peer's address, IPv6 by its /64, which one customer holds as a whole."""
    host = connection.client.host if connection.client else ""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
