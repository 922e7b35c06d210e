"""The socket shells of the callback listener: HTTP over TCP, DNS over UDP and TCP.

Everything a client says is hostile: connections, bytes and seconds are bounded, in total and per client, before the
sans-I/O parts (`httpcatch`, `dnswire`) read them. Answers are theirs alone. Hits go to a bounded queue. A port that
cannot be bound is an OperatorError that says what to do.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import cast

import structlog

from secrecon.model.errors import OperatorError
from secrecon.model.interaction import CallbackProtocol, Interaction
from secrecon.net.clock import Clock
from secrecon.oast import dnswire
from secrecon.oast.hits import HitQueue, OnHit
from secrecon.oast.httpcatch import HttpCatcher
from secrecon.oast.limits import RateLimit, Slots
from secrecon.oast.tokens import is_own

BIND_TRIES = 20
READ_SIZE = 16_384
log_ = structlog.get_logger("secrecon.oast")


@dataclass(frozen=True, slots=True)
class ListenerConfig:
    """Where to listen and how much to take.

    `host`: the address to bind. Ports of 0 are chosen by the kernel. `domain`: the delegated domain, "" for none (DNS
    then refuses everything). `addresses`: what names in the domain resolve to; `host` where empty.
    `patience`: seconds one connection may take in all.
    """

    host: str
    http_port: int
    dns_port: int
    domain: str = ""
    addresses: tuple[str, ...] = ()
    connections: int = 512
    connections_per_client: int = 64
    per_second_and_client: int = 200
    queue: int = 10_000
    patience: float = 10.0


@dataclass(frozen=True, slots=True)
class ListenerCounts:
    """What the listener did. `dropped`: hits there was no room for; `failed`: hits that could not be stored;
    `refused`: connections and queries over a client's limit."""

    taken: int
    dropped: int
    failed: int
    refused: int


class Listener:
    """The embedded listener. `on_hit` is awaited once per hit and token; an error in it is logged and tried again."""

    def __init__(
        self, config: ListenerConfig, on_hit: OnHit, clock: Clock, source: random.Random | None = None
    ) -> None:
        self.config = config
        self._clock = clock
        self._source = source or random.SystemRandom()
        self._hits = HitQueue(on_hit, clock, config.queue)
        self._slots = Slots(config.connections, config.connections_per_client)
        self._rate = RateLimit(config.per_second_and_client)
        self._zone = dnswire.Zone(config.domain.strip(".").lower(), config.addresses or (config.host,))
        self._servers: list[asyncio.Server] = []
        self._datagrams: asyncio.DatagramTransport | None = None
        self._open: set[asyncio.Task[None]] = set()
        self.http_port = 0
        self.dns_port = 0

    @property
    def counts(self) -> ListenerCounts:
        """The counters so far."""
        hits = self._hits
        return ListenerCounts(hits.taken, hits.dropped, hits.failed, self._slots.refused + self._rate.refused)

    async def start(self) -> None:
        """Bind the ports. Raises OperatorError where one cannot be bound; nothing stays open then."""
        try:
            self.http_port = await self._start_http()
            self.dns_port = await self._start_dns()
        except OperatorError:
            await self.stop()
            raise
        self._hits.start()
        log_.info("callback listener started", host=self.config.host, http=self.http_port, dns=self.dns_port)

    async def stop(self) -> None:
        """Close the ports and every connection, and hand on the hits that wait."""
        for server in self._servers:
            server.close()
        if self._datagrams is not None:
            self._datagrams.close()
            self._datagrams = None
        tasks = list(self._open)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for server in self._servers:
            await server.wait_closed()
        self._servers.clear()
        await self._hits.stop()

    async def _start_http(self) -> int:
        try:
            server = await self._serve_tcp(self.config.http_port, self._http)
        except OSError as error:
            raise _cannot_bind("HTTP", self.config.host, self.config.http_port, error) from error
        self._servers.append(server)
        return _port(server)

    async def _start_dns(self) -> int:
        """UDP and TCP on one port; where the kernel chooses it, until one is free for both."""
        for attempt in range(BIND_TRIES):
            server: asyncio.Server | None = None
            try:
                server = await self._serve_tcp(self.config.dns_port, self._dns_stream)
                address = (self.config.host, _port(server))
                loop = asyncio.get_running_loop()
                transport, _ = await loop.create_datagram_endpoint(
                    lambda: _Datagrams(self._dns), local_addr=address
                )
            except OSError as error:
                if server is not None:
                    server.close()
                    await server.wait_closed()
                if self.config.dns_port or attempt == BIND_TRIES - 1:
                    raise _cannot_bind("DNS", self.config.host, self.config.dns_port, error) from error
                continue
            self._servers.append(server)
            self._datagrams = transport
            return address[1]
        raise OperatorError("the callback listener found no port that is free for DNS over both UDP and TCP")

    async def _serve_tcp(self, port: int, handle: Callable[..., Coroutine[None, None, None]]) -> asyncio.Server:
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
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        handle: Callable[..., Coroutine[None, None, None]],
    ) -> None:
        client = _client(writer.get_extra_info("peername"))
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

    async def _http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, client: str) -> None:
        catcher = HttpCatcher()
        try:
            async with asyncio.timeout(self.config.patience * 0.7):
                while not catcher.complete:
                    data = await reader.read(READ_SIZE)
                    if not data:
                        break
                    interim = catcher.feed(data)
                    if interim:
                        writer.write(interim)
        except (TimeoutError, ConnectionError):
            log_.debug("callback request came incomplete", client=client)
        if not catcher.started:
            return
        caught = catcher.caught()
        self._record(CallbackProtocol.HTTP, client, caught.tokens, caught.raw, caught.query)
        writer.write(caught.wire)
        await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(1.0):  # let the client read the answer before unread input resets it
                await reader.read(READ_SIZE)

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
        answered = dnswire.answer(self._zone, packet, tcp=tcp)
        self._record(CallbackProtocol.DNS, client, answered.tokens, answered.raw, answered.query)
        return answered.wire

    def _record(
        self, protocol: CallbackProtocol, client: str, tokens: tuple[str, ...], raw: str, query: str
    ) -> None:
        for token in tokens:
            id_ = f"{self._source.getrandbits(128):032x}"
            at = self._clock.now()
            self._hits.put(Interaction(id_, token, protocol, client, raw, at, query, is_own(token)))


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


def _client(peer: object) -> str:
    return str(peer[0])[:64] if isinstance(peer, tuple) and peer else "unknown"


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
