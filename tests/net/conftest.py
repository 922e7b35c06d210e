"""Servers on loopback for the tests of `net`: whatever a handler says over TCP or TLS, and a small DNS server."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, cast

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from secrecon.model.scan import Budget
from secrecon.model.target import parse_target
from secrecon.net.clock import SystemClock
from secrecon.net.connection import Timeouts
from secrecon.net.gate import ScopeGate
from secrecon.net.network import Network
from secrecon.net.resolver import Resolver

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
LOOPBACK = ("127.0.0.0/8", "::1/128")


class Serve(Protocol):
    async def __call__(
        self, handler: Handler, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None, port: int = 0
    ) -> int: ...


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts a TCP server whose connections `handler` serves; gives its port."""
    servers: list[asyncio.Server] = []
    tasks: set[asyncio.Task[None]] = set()
    writers: set[asyncio.StreamWriter] = set()

    async def start(
        handler: Handler, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None, port: int = 0
    ) -> int:
        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            async def run() -> None:
                with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                    await handler(reader, writer)
                writer.close()

            writers.add(writer)
            task = asyncio.create_task(run())
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        server = await asyncio.start_server(connected, host, port, ssl=tls)
        servers.append(server)
        found: int = server.sockets[0].getsockname()[1]
        return found

    yield start
    for server in servers:
        server.close()
    for task in [*tasks]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for writer in writers:
        writer.transport.abort()
    await asyncio.sleep(0.01)


@pytest.fixture
def says(serve: Serve) -> Callable[..., Awaitable[int]]:
    """A server that reads one request head, writes the given bytes and closes."""

    async def start(reply: bytes, *, host: str = "127.0.0.1") -> int:
        async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(reply)
            await writer.drain()

        return await serve(handler, host)

    return start


class MakeNetwork(Protocol):
    def __call__(
        self,
        target: str,
        *,
        allow: Sequence[str] = LOOPBACK,
        resolver: Resolver | None = None,
        budget: Budget | None = None,
        timeouts: Timeouts | None = None,
        pin_seconds: float = 30.0,
        deadline: float | None = None,
    ) -> Network: ...


@pytest.fixture
async def network() -> AsyncIterator[MakeNetwork]:
    """Makes a Network for a target; loopback is allowed unless said otherwise."""
    made: list[Network] = []

    def make(
        target: str,
        *,
        allow: Sequence[str] = LOOPBACK,
        resolver: Resolver | None = None,
        budget: Budget | None = None,
        timeouts: Timeouts | None = None,
        pin_seconds: float = 30.0,
        deadline: float | None = None,
    ) -> Network:
        resolver = resolver or Resolver([("127.0.0.1", 9)], timeout=0.2)
        gate = ScopeGate(parse_target(target), allow, resolver, pin_seconds=pin_seconds)
        made.append(
            Network(
                gate,
                resolver,
                budget or Budget(rate=10_000.0),
                SystemClock(),
                deadline=deadline,
                timeouts=timeouts or Timeouts(2, 2, 2, 2, 2, 4),
            )
        )
        return made[-1]

    yield make
    for each in made:
        await each.close()


Answers = list[str] | Callable[[], list[str]]


@dataclass
class FakeDns:
    """Answers from `zone`: (name, type) -> values, or a function that makes them anew for each question."""

    zone: dict[tuple[str, str], Answers] = field(default_factory=dict)
    port: int = 0
    asked: list[tuple[str, str]] = field(default_factory=list)
    truncate: bool = False
    rcode: int | None = None
    forge: Callable[[dns.message.Message, bytes], list[bytes]] | None = None
    silent: bool = False
    transfers: dict[str, list[list[tuple[str, str, str]]]] = field(default_factory=dict)
    tcp_asked: int = 0

    def resolver(self, timeout: float = 1.0) -> Resolver:
        return Resolver([("127.0.0.1", self.port)], timeout=timeout, hosts=Path("/nonexistent"))

    def answer(self, wire: bytes) -> dns.message.Message:
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        type_ = dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, type_))
        reply = dns.message.make_response(query)
        known = any(key[0] == name for key in self.zone)
        current = name
        for _ in range(20):
            alias = self._values(current, "CNAME") if type_ != "CNAME" else []
            if not alias:
                break
            reply.answer.append(dns.rrset.from_text(current + ".", 60, "IN", "CNAME", *alias))
            current = alias[0].rstrip(".")
        values = self._values(current, type_)
        if values:
            reply.answer.append(dns.rrset.from_text(current + ".", 60, "IN", type_, *values))
        elif not known:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        if self.rcode is not None:
            reply.set_rcode(dns.rcode.Rcode(self.rcode))
        return reply

    def _values(self, name: str, type_: str) -> list[str]:
        found = self.zone.get((name, type_), [])
        return found() if callable(found) else found

    def transfer(self, wire: bytes) -> list[bytes]:
        query = dns.message.from_wire(wire)
        zone = query.question[0].name.to_text(omit_final_dot=True)
        if zone not in self.transfers:
            refused = dns.message.make_response(query)
            refused.set_rcode(dns.rcode.REFUSED)
            return [refused.to_wire()]
        wires = []
        for rows in self.transfers[zone]:
            reply = dns.message.make_response(query)
            for name, type_, value in rows:
                reply.answer.append(dns.rrset.from_text(name + ".", 60, "IN", type_, value))
            wires.append(reply.to_wire())
        return wires


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, server: FakeDns) -> None:
        self.server = server
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        assert self.transport is not None
        reply = self.server.answer(data)
        if self.server.forge is not None:
            for forged in self.server.forge(reply, data):
                self.transport.sendto(forged, addr)
        if self.server.silent:
            return
        if self.server.truncate:
            reply.answer.clear()
            reply.flags |= dns.flags.TC
        self.transport.sendto(reply.to_wire(), addr)


@pytest.fixture
async def dns_server(serve: Serve) -> AsyncIterator[FakeDns]:
    """A DNS server on loopback, UDP and TCP on the same port."""
    server = FakeDns()

    async def tcp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = int.from_bytes(await reader.readexactly(2))
        wire = await reader.readexactly(size)
        server.tcp_asked += 1
        question = dns.message.from_wire(wire).question[0]
        axfr = question.rdtype == dns.rdatatype.AXFR
        for out in server.transfer(wire) if axfr else [server.answer(wire).to_wire(max_size=65_535)]:
            writer.write(len(out).to_bytes(2) + out)
        await writer.drain()

    server.port = await serve(tcp)
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Udp(server), local_addr=("127.0.0.1", server.port)
    )
    yield server
    transport.close()


class MakeContext(Protocol):
    def __call__(
        self,
        names: Sequence[str] = ("localhost", "127.0.0.1"),
        *,
        days: tuple[int, int] = (-1, 30),
        bits: int = 2048,
        curve: bool = False,
        signer: str = "",
        store: Path | None = None,
        minimum: ssl.TLSVersion | None = None,
        maximum: ssl.TLSVersion | None = None,
    ) -> ssl.SSLContext: ...


@pytest.fixture
def context(tmp_path: Path) -> MakeContext:
    """A server-side TLS context with a certificate of its own. `signer`: the name of a CA made for it, whose own
    certificate is written to `store`."""

    def make(
        names: Sequence[str] = ("localhost", "127.0.0.1"),
        *,
        days: tuple[int, int] = (-1, 30),
        bits: int = 2048,
        curve: bool = False,
        signer: str = "",
        store: Path | None = None,
        minimum: ssl.TLSVersion | None = None,
        maximum: ssl.TLSVersion | None = None,
    ) -> ssl.SSLContext:
        key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey = (
            ec.generate_private_key(ec.SECP256R1()) if curve else rsa.generate_private_key(65537, bits)
        )
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        ca_key = ec.generate_private_key(ec.SECP256R1()) if signer else key
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, signer)]) if signer else subject
        now = datetime.datetime.now(datetime.UTC)
        if store is not None:
            store.write_bytes(_authority(issuer, ca_key).public_bytes(serialization.Encoding.PEM))
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(days=days[0]))
            .not_valid_after(now + datetime.timedelta(days=days[1]))
            .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
        )
        path = tmp_path / f"{names[0]}-{abs(hash((*names, days, bits, curve, signer)))}.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + builder.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        )
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.set_ciphers("ALL:@SECLEVEL=0")
        made.load_cert_chain(path)
        if minimum is not None:
            made.minimum_version = minimum
        if maximum is not None:
            made.maximum_version = maximum
        return made

    return make


def _authority(name: x509.Name, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now - datetime.timedelta(days=1))
    made = made.not_valid_after(now + datetime.timedelta(days=9))
    return made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True).sign(
        key, hashes.SHA256()
    )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
