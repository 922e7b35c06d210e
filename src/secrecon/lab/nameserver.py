"""The lab's name server: UDP and TCP on loopback, zone transfers where a server allows them (RFC 1035, RFC 5936).

Questions below the callback domain are passed on to the callback listener's name server, as a target's recursive
resolver would do; every other foreign name is refused. dnspython reads and writes the messages.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

import dns.exception
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdatatype
import dns.rrset

from secrecon.lab.zone import MAX_CHAIN, TTL, Found, RecordSet, Zone
from secrecon.model.errors import OperatorError

MAX_MESSAGE = 4096
UDP_ROOM = 1232
TCP_IDLE = 5.0
TRANSFER_CHUNK = 40
BIND_TRIES = 30

Forward = Callable[[bytes, str], Awaitable[bytes | None]]


@dataclass(frozen=True, slots=True)
class Responder:
    """Answers one server's questions. `forward` takes (wire, name) and returns None where the name is not its own. `more`:
    further zones that it answers from, and never hands out."""

    zone: Zone
    allow_transfer: bool
    forward: Forward
    more: tuple[Zone, ...] = ()

    async def answer(self, wire: bytes, tcp: bool) -> list[bytes]:
        """The reply messages for one request; none for what cannot be read."""
        try:
            request = dns.message.from_wire(wire[:MAX_MESSAGE])
        except (dns.exception.DNSException, ValueError):
            return []
        if request.flags & dns.flags.QR or len(request.question) != 1:
            return []
        question = request.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        if question.rdtype == dns.rdatatype.AXFR:
            return self._transfer(request, name, tcp)
        passed_on = await self.forward(wire, name)
        if passed_on is not None:
            return [passed_on]
        reply = dns.message.make_response(request, recursion_available=True)
        if request.opcode() != dns.opcode.QUERY:
            reply.set_rcode(dns.rcode.NOTIMP)
        elif self._zone_of(name) is None:
            reply.set_rcode(dns.rcode.NXDOMAIN if _never_exists(name) else dns.rcode.REFUSED)
        else:
            self._fill(reply, name, dns.rdatatype.to_text(question.rdtype))
        if tcp:
            return [reply.to_wire(max_size=65535)]
        try:
            return [reply.to_wire(max_size=UDP_ROOM)]
        except dns.exception.TooBig:
            short = dns.message.make_response(request, recursion_available=True)
            short.flags |= dns.flags.TC
            return [short.to_wire()]

    def _zone_of(self, name: str) -> Zone | None:
        """The nearest zone above `name`."""
        held = [zone for zone in (self.zone, *self.more) if zone.holds(name)]
        return max(held, key=lambda zone: len(zone.apex), default=None)

    def _find(self, name: str, type_: str) -> tuple[Found, Zone]:
        """What the zones know, an alias followed from one zone into another as a recursive server does."""
        zone = self._zone_of(name) or self.zone
        found = zone.find(name, type_)
        for _ in range(MAX_CHAIN):
            last = found.sets[-1] if found.sets else None
            if last is None or last.type != "CNAME" or type_ == "CNAME":
                break
            other = self._zone_of(last.values[0].rstrip("."))
            if other is None or other is zone:
                break
            following = other.find(last.values[0].rstrip("."), type_)
            found, zone = Found(found.sets + following.sets, following.exists), other
        return found, zone

    def _fill(self, reply: dns.message.Message, name: str, type_: str) -> None:
        reply.flags |= dns.flags.AA
        found, zone = self._find(name, type_)
        reply.answer = [_rrset(record_set) for record_set in found.sets]
        if not any(record_set.type == type_ for record_set in found.sets):
            reply.authority = [_rrset(zone.soa())]
        aliases = [value for record_set in found.sets if record_set.type == "CNAME" for value in record_set.values]
        if not found.exists or (type_ != "CNAME" and aliases and _never_exists(aliases[-1].rstrip("."))):
            reply.set_rcode(dns.rcode.NXDOMAIN)  # RFC 6604: the code speaks of the chain's last name

    def _transfer(self, request: dns.message.Message, name: str, tcp: bool) -> list[bytes]:
        if name != self.zone.apex or not self.allow_transfer or not tcp:
            refusal = dns.message.make_response(request)
            refusal.set_rcode(dns.rcode.REFUSED)
            return [refusal.to_wire()]
        sets = [_rrset(record_set) for record_set in self.zone.transfer()]
        return [self._part(request, sets[at : at + TRANSFER_CHUNK]) for at in range(0, len(sets), TRANSFER_CHUNK)]

    def _part(self, request: dns.message.Message, sets: list[dns.rrset.RRset]) -> bytes:
        part = dns.message.make_response(request)
        part.flags |= dns.flags.AA
        part.answer = sets
        return part.to_wire(max_size=65535)


def _never_exists(name: str) -> bool:
    """Names below .invalid (RFC 6761), which a recursive resolver would deny too."""
    return name == "invalid" or name.endswith(".invalid")


def _rrset(record_set: RecordSet) -> dns.rrset.RRset:
    return dns.rrset.from_text(record_set.name + ".", TTL, "IN", record_set.type, *record_set.values)


class _Datagrams(asyncio.DatagramProtocol):
    """The UDP half of a server."""

    def __init__(self, responder: Responder) -> None:
        self._responder = responder
        self._transport: asyncio.DatagramTransport | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # asyncio's own datagram transport is not a subclass of the class it documents.
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        task = asyncio.get_running_loop().create_task(self._reply(data, addr))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reply(self, data: bytes, addr: tuple[str, int]) -> None:
        for message in await self._responder.answer(data, tcp=False):
            if self._transport is not None and not self._transport.is_closing():
                self._transport.sendto(message, addr)


async def _serve_stream(responder: Responder, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The TCP half: length-prefixed messages until the client stops."""
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, TimeoutError):
        while True:
            async with asyncio.timeout(TCP_IDLE):
                size = int.from_bytes(await reader.readexactly(2))
                wire = await reader.readexactly(size)
            for message in await responder.answer(wire, tcp=True):
                writer.write(len(message).to_bytes(2) + message)
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def name_servers(responders: Mapping[str, Responder]) -> AsyncIterator[int]:
    """Serve each responder on its address; yields the port that all of them share, chosen by the kernel."""
    loop = asyncio.get_running_loop()
    port, pairs = _bind(tuple(responders))
    async with contextlib.AsyncExitStack() as stack:
        for responder, (udp, tcp) in zip(responders.values(), pairs, strict=True):
            datagrams = partial(_Datagrams, responder)
            transport, _ = await loop.create_datagram_endpoint(datagrams, sock=udp)
            stack.callback(transport.close)
            server = await asyncio.start_server(partial(_serve_stream, responder), sock=tcp)
            stack.callback(server.close)
        yield port


def _bind(addresses: Sequence[str]) -> tuple[int, list[tuple[socket.socket, socket.socket]]]:
    for _ in range(BIND_TRIES):
        opened: list[tuple[socket.socket, socket.socket]] = []
        port = 0
        try:
            for address in addresses:
                udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
                opened.append((udp, tcp))
                tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                tcp.bind((address, port))
                port = int(tcp.getsockname()[1])
                udp.bind((address, port))
        except OSError:
            for udp, tcp in opened:
                udp.close()
                tcp.close()
            continue
        return port, opened
    raise OperatorError("no port is free for the lab's name servers")
