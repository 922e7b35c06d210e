"""How the lab's own applications look names up: the lab's zone, the callback listener for its domain, nobody else.

`callback_dns` may be set while the lab runs, because the listener's port is known only once it listens. A question
is passed on with a fresh socket per lookup, as a real resolver's would be.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from dataclasses import dataclass

import dns.exception
import dns.message
import dns.rdatatype

from secrecon.lab.zone import Zone
from secrecon.model.errors import Unresolvable

TIMEOUT = 2.0
TRIES = 2


@dataclass(slots=True)
class Names:
    """Name lookups of the lab. `callback_dns`: (address, port) of the callback listener's name server."""

    zone: Zone
    callback_domain: str
    callback_dns: tuple[str, int] | None = None

    async def forward(self, wire: bytes, name: str) -> bytes | None:
        """Pass a raw question below the callback domain on; None where it is not below it or nobody answers."""
        if not self.is_callback(name) or self.callback_dns is None:
            return None
        for _ in range(TRIES):
            reply = await _ask(wire, self.callback_dns)
            if reply is not None:
                return reply
        return None

    def is_callback(self, name: str) -> bool:
        """True for the callback domain and every name below it."""
        return name == self.callback_domain or name.endswith("." + self.callback_domain)

    async def addresses(self, host: str) -> tuple[str, ...]:
        """The addresses of a host name or literal. Raises Unresolvable."""
        name = host.rstrip(".").lower()
        with contextlib.suppress(ValueError):
            return (str(ipaddress.ip_address(name)),)
        found = await self._called_back(name) if self.is_callback(name) else self.zone.addresses(name)
        if not found:
            raise Unresolvable(f"{name[:253]} has no address in the lab")
        return found

    async def _called_back(self, name: str) -> tuple[str, ...]:
        try:
            question = dns.message.make_query(name, "A")
        except (dns.exception.DNSException, ValueError):
            return ()
        wire = await self.forward(question.to_wire(), name)
        if wire is None:
            return ()
        try:
            reply = dns.message.from_wire(wire)
        except (dns.exception.DNSException, ValueError):
            return ()
        return tuple(
            record.to_text() for rrset in reply.answer if rrset.rdtype == dns.rdatatype.A for record in rrset
        )


class _Once(asyncio.DatagramProtocol):
    """Waits for one datagram."""

    def __init__(self) -> None:
        self.reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if not self.reply.done():
            self.reply.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self.reply.done():
            self.reply.set_result(b"")


async def _ask(wire: bytes, server: tuple[str, int]) -> bytes | None:
    loop = asyncio.get_running_loop()
    transport, once = await loop.create_datagram_endpoint(_Once, remote_addr=server)
    try:
        transport.sendto(wire)
        async with asyncio.timeout(TIMEOUT):
            return await once.reply or None
    except (TimeoutError, OSError):
        return None
    finally:
        transport.close()
