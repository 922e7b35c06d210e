"""The callback listener: DNS over UDP and TCP, HTTP, HTTPS, SMTP and LDAP on one address, each as far as it has a port.

Everything a client says is hostile: connections, bytes and seconds are bounded, in total and per client, before the
sans-I/O parts (`dnswire`, `httpcatch`, `smtp`, `ldap`, `protocol`) read them. The same listener serves our own scans, in
a bounded queue, and the sessions of clients of the callback protocol. A port that cannot be bound is an OperatorError
that says what to do.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import ssl
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import cast

import structlog

from secrecon.model.errors import OperatorError
from secrecon.net.clock import Clock
from secrecon.oast import dnswire
from secrecon.oast.baskets import Basket
from secrecon.oast.hits import HitQueue, OnHits
from secrecon.oast.intake import Intake
from secrecon.oast.ldap import LdapCatcher
from secrecon.oast.limits import RateLimit, Slots
from secrecon.oast.protocol import Control
from secrecon.oast.sessions import Sessions
from secrecon.oast.smtp import Mail, SmtpCatcher
from secrecon.oast.webshell import BIG_AT_ONCE, Conversation, WebHouse, client_of

BIND_TRIES = 20
READ_SIZE = 16_384
UDP_BUFFER = 4_194_304
log_ = structlog.get_logger("secrecon.oast")
_Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter, str], Coroutine[None, None, None]]


@dataclass(frozen=True, slots=True)
class ListenerConfig:
    """Where to listen and how much to take.

    `host`: the address to bind. Ports of 0 are chosen by the kernel, None is not served. `domain`: the delegated domain,
    "" for none (DNS then refuses everything). `addresses`: what names in the domain resolve to; `host` where empty.
    `token`: what clients of sessions must show, "" for nothing. `wildcard`: whether they are shown everything that
    reaches the domain. `dynamic`: whether they may write answers. `patience`: seconds one connection may take in all.
    """

    host: str
    http_port: int | None
    dns_port: int | None
    domain: str = ""
    addresses: tuple[str, ...] = ()
    https_port: int | None = None
    smtp_port: int | None = None
    ldap_port: int | None = None
    token: str = ""
    wildcard: bool = False
    dynamic: bool = False
    connections: int = 4_096
    connections_per_client: int = 512
    per_second_and_client: int = 10_000
    registrations_per_second: int = 1_000
    queue: int = 10_000
    patience: float = 10.0


@dataclass(frozen=True, slots=True)
class ListenerCounts:
    """What the listener did. `taken`, `dropped`, `failed`: hits for our own scans that were handed on, that there was no
    room for, that could not be stored; `refused`: connections and queries over a client's limit."""

    taken: int
    dropped: int
    failed: int
    refused: int


class Listener:
    """`on_hits` is awaited with what may belong to our scans, None where there are none. `sessions`: of clients of the
    callback protocol, None where it is not spoken. `tls`: for HTTPS and STARTTLS. `zone`: in place of one made from the
    config, where somebody else adds records to it. `kept`: returns when the sessions are written down."""

    def __init__(
        self,
        config: ListenerConfig,
        on_hits: OnHits | None,
        clock: Clock,
        source: random.Random | None = None,
        *,
        sessions: Sessions | None = None,
        tls: ssl.SSLContext | None = None,
        zone: dnswire.Zone | None = None,
        kept: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        if config.wildcard and not config.token:
            raise OperatorError("everything that reaches the domain is shown to holders of a token only: set one")
        self.config = config
        self.sessions = sessions
        self._clock = clock
        self._tls = tls
        source = source or random.SystemRandom()
        self._hits = HitQueue(on_hits, clock, config.queue) if on_hits is not None else None
        self._slots = Slots(config.connections, config.connections_per_client)
        self._rate = RateLimit(config.per_second_and_client)
        self.zone = zone or dnswire.Zone(config.domain.strip(".").lower(), config.addresses or (config.host,))
        shared = sessions is not None and bool(config.token)
        extra = Basket() if shared else None
        everything = Basket() if shared and config.wildcard else None
        own = self._hits.put if self._hits is not None else None
        self._intake = Intake(clock, source, sessions, own, extra, everything)
        control = None
        if sessions is not None:
            metrics = self._metrics if config.token else None
            control = Control(
                sessions, source, token=config.token, metrics=metrics, extra=extra, everything=everything
            )
        self._house = WebHouse(
            self._intake,
            control,
            self._slots,
            self._rate,
            RateLimit(config.registrations_per_second),
            clock,
            self.zone.domain,
            config.patience,
            config.dynamic,
            set(),
            asyncio.Semaphore(BIG_AT_ONCE),
            kept,
        )
        self._servers: list[asyncio.Server] = []
        self._datagrams: asyncio.DatagramTransport | None = None
        self._open: set[asyncio.Task[None]] = set()
        self.http_port = self.https_port = self.dns_port = self.smtp_port = self.ldap_port = 0

    @property
    def counts(self) -> ListenerCounts:
        """The counters so far."""
        hits, refused = self._hits, self._slots.refused + self._rate.refused
        return (
            ListenerCounts(hits.taken, hits.dropped, hits.failed, refused)
            if hits is not None
            else ListenerCounts(0, 0, 0, refused)
        )

    def _metrics(self) -> dict[str, object]:
        """What /metrics tells holders of the token."""
        sessions = self.sessions
        assert sessions is not None
        return {
            "sessions": len(sessions),
            "heard": sessions.heard,
            "fetched": sessions.fetched,
            "dropped": sessions.dropped,
            "waiting_bytes": sessions.held,
            "refused": self.counts.refused,
        }

    async def start(self) -> None:
        """Bind the ports. Raises OperatorError where one cannot be bound; nothing stays open then."""
        config = self.config
        if config.https_port is not None and self._tls is None:
            raise OperatorError("HTTPS needs a certificate: give SECRECON_OAST_CERT and SECRECON_OAST_KEY, or ACME")
        try:
            self.http_port = await self._bind("HTTP", config.http_port, self._start_web)
            self.https_port = await self._bind("HTTPS", config.https_port, self._start_secure_web)
            self.dns_port = await self._start_dns(config.dns_port)
            self.smtp_port = await self._bind("SMTP", config.smtp_port, lambda p: self._serve_tcp(p, self._smtp))
            self.ldap_port = await self._bind("LDAP", config.ldap_port, lambda p: self._serve_tcp(p, self._ldap))
        except OperatorError:
            await self.stop()
            raise
        if self._hits is not None:
            self._hits.start()
        ports = {
            name: port
            for name, port in (
                ("http", self.http_port),
                ("https", self.https_port),
                ("dns", self.dns_port),
                ("smtp", self.smtp_port),
                ("ldap", self.ldap_port),
            )
            if port
        }
        log_.info("callback listener started", host=config.host, **ports)

    async def stop(self) -> None:
        """Close the ports and every connection, and hand on the hits that wait."""
        for server in self._servers:
            server.close()
        if self._datagrams is not None:
            self._datagrams.close()
            self._datagrams = None
        for conversation in tuple(self._house.open):
            conversation.abort()
        tasks = list(self._open)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for server in self._servers:
            await server.wait_closed()
        self._servers.clear()
        if self._hits is not None:
            await self._hits.stop()

    async def _bind(
        self, what: str, port: int | None, open_: Callable[[int], Coroutine[None, None, asyncio.Server]]
    ) -> int:
        if port is None:
            return 0
        try:
            server = await open_(port)
        except OSError as error:
            raise _cannot_bind(what, self.config.host, port, error) from error
        self._servers.append(server)
        return _port(server)

    async def _start_web(self, port: int) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        return await loop.create_server(
            lambda: Conversation(self._house, False), self.config.host, port, backlog=1_024
        )

    async def _start_secure_web(self, port: int) -> asyncio.Server:
        return await asyncio.get_running_loop().create_server(
            lambda: Conversation(self._house, True),
            self.config.host,
            port,
            ssl=self._tls,
            backlog=1_024,
            ssl_handshake_timeout=self.config.patience,
            ssl_shutdown_timeout=1.0,
        )

    async def _start_dns(self, port: int | None) -> int:
        """UDP and TCP on one port; where the kernel chooses it, until one is free for both."""
        if port is None:
            return 0
        for attempt in range(BIND_TRIES):
            server: asyncio.Server | None = None
            try:
                server = await self._serve_tcp(port, self._dns_stream)
                address = (self.config.host, _port(server))
                await self._start_datagrams(address)
            except OSError as error:
                if server is not None:
                    server.close()
                    await server.wait_closed()
                if port or attempt == BIND_TRIES - 1:
                    raise _cannot_bind("DNS", self.config.host, port, error) from error
                continue
            self._servers.append(server)
            return address[1]
        raise OperatorError("the callback listener found no port that is free for DNS over both UDP and TCP")

    async def _start_datagrams(self, address: tuple[str, int]) -> None:
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, UDP_BUFFER)
            sock.bind(address)
            loop = asyncio.get_running_loop()
            self._datagrams, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self._dns), sock=sock)
        except OSError:
            sock.close()
            raise

    async def _serve_tcp(self, port: int, handle: _Handle) -> asyncio.Server:
        async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._open.add(task)
            try:
                await self._connection(reader, writer, handle)
            finally:
                self._open.discard(task)

        return await asyncio.start_server(accepted, self.config.host, port, limit=READ_SIZE, backlog=256)

    async def _connection(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handle: _Handle
    ) -> None:
        client = client_of(writer.get_extra_info("peername"))
        taken = self._slots.take(client)
        try:
            if taken and self._rate.allows(client, self._clock.monotonic()):
                async with asyncio.timeout(self.config.patience):
                    await handle(reader, writer, client)
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            log_.debug("callback connection ended early", client=client)
        except Exception:
            log_.exception("callback connection failed", client=client)
        finally:
            if taken:
                self._slots.give(client)
            writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(1.0):
                    await writer.wait_closed()

    async def _dns_stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, client: str) -> None:
        for _ in range(16):
            size = int.from_bytes(await reader.readexactly(2), "big")
            if not 12 <= size <= dnswire.MAX_QUERY:
                return
            packet = await reader.readexactly(size)
            wire = self._dns(packet, client, tcp=True)
            if wire is None:
                return
            writer.write(len(wire).to_bytes(2, "big") + wire)
            await writer.drain()

    def _dns(self, packet: bytes, client: str, *, tcp: bool = False) -> bytes | None:
        if not self._rate.allows(client, self._clock.monotonic()):
            return None
        answered = dnswire.answer(self.zone, packet, tcp=tcp)
        if answered.name:
            wire = answered.wire or b""
            self._intake.take("dns", client, answered.tokens, answered.name, packet, wire, answered.query)
        return answered.wire

    async def _smtp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, client: str) -> None:
        catcher = SmtpCatcher(self.zone.domain, tls=self._tls is not None)
        writer.write(catcher.greeting())
        try:
            while data := await reader.read(READ_SIZE):
                step = catcher.feed(data)
                self._mails(step.mails, client)
                if step.encrypt:
                    await self._encrypt(writer, step.reply, data)
                    catcher.encrypted()
                    continue
                writer.write(step.reply)
                await writer.drain()
                if step.close:
                    return
        finally:
            self._mails(catcher.end(), client)

    def _mails(self, mails: list[Mail], client: str) -> None:
        for mail in mails:
            name = next((address for address in mail.recipients if _holds(address, mail.tokens)), "")
            host = name.rpartition("@")[2] if _holds(name.rpartition("@")[2], mail.tokens) else name
            self._intake.take("smtp", client, mail.tokens, host, mail.request, sender=mail.sender[:320])

    async def _ldap(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, client: str) -> None:
        catcher = LdapCatcher(tls=self._tls is not None)
        while data := await reader.read(READ_SIZE):
            step = catcher.feed(data)
            for search in step.searches:
                self._intake.take("ldap", client, search.tokens, search.base, search.request)
            if step.encrypt:
                await self._encrypt(writer, step.reply, data)
                catcher.encrypted()
                continue
            writer.write(step.reply)
            await writer.drain()
            if step.close:
                return

    async def _encrypt(self, writer: asyncio.StreamWriter, reply: bytes, data: bytes) -> None:
        """Say yes and shake hands. Whoever sent so much that more may wait unread is sent away: it would be taken for
        encrypted."""
        if self._tls is None or len(data) >= READ_SIZE:
            raise ConnectionAbortedError("too much before the encryption")
        writer.write(reply)
        await writer.start_tls(self._tls, ssl_handshake_timeout=self.config.patience)


class _Datagrams(asyncio.DatagramProtocol):
    """Answers each datagram at once."""

    def __init__(self, answer: Callable[[bytes, str], bytes | None]) -> None:
        self._answer = answer
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        wire = self._answer(data, addr[0])
        if wire is not None and self._transport is not None:
            self._transport.sendto(wire, addr)

    def error_received(self, exc: Exception) -> None:
        log_.debug("callback datagram could not be delivered", error=str(exc))


def _holds(text: str, tokens: tuple[str, ...]) -> bool:
    lower = text.lower()
    return any(token in lower for token in tokens)


def _port(server: asyncio.Server) -> int:
    name: tuple[str, int] = server.sockets[0].getsockname()
    return name[1]


def _cannot_bind(what: str, host: str, port: int, error: OSError) -> OperatorError:
    setting = f"SECRECON_OAST_{what}_PORT"
    if isinstance(error, socket.gaierror):
        why, mend = "that is no address of this machine", "set SECRECON_OAST_HOST to one"
    elif isinstance(error, PermissionError):
        why = "ports below 1024 need a privilege"
        mend = f"set {setting} to a higher port and forward the low one to it"
    else:
        why = error.strerror or str(error)
        mend = f"stop the program that uses the port, or set {setting} to a free one (and SECRECON_OAST_HOST to an "
        mend += "address of this machine)"
    return OperatorError(f"the callback listener cannot bind {what} on {host} port {port}: {why}; {mend}")
