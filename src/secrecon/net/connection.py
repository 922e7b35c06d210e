"""One HTTP/1.1 connection to one pinned address: bytes out, one reply parsed, each stage within its time.

The only place where the bytes of web requests leave. It connects to an address, never to a name. One timer per
connection serves all its deadlines. A reply that is over its cap, late or out of step costs the connection. Plain
connections use the loop's own transports, TLS ones aiofastnet's, which cost a third less (benchmarks/README.md).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import dataclass
from time import perf_counter
from typing import Protocol

import aiofastnet

from secrecon.model.asset import TlsInfo
from secrecon.model.errors import (
    ConnectFailed,
    ConnectionBroken,
    ProtocolBroken,
    TargetError,
    TargetTimeout,
    TlsFailed,
)
from secrecon.net.http1 import ReplyParser


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds allowed per stage. `head`: from the request until the head is complete; `body`: from there to the end;
    `total`: from the request to the end, so that dripped bytes are bounded too."""

    connect: float = 8.0
    tls: float = 8.0
    write: float = 20.0
    head: float = 15.0
    body: float = 30.0
    total: float = 45.0

    def all_within(self, seconds: float) -> Timeouts:
        """The same for connecting, or less; `seconds` for everything after."""
        connect, tls = min(self.connect, seconds), min(self.tls, seconds)
        return Timeouts(connect, tls, seconds, seconds, seconds, seconds)


class Connection(asyncio.Protocol):
    """Carries one exchange at a time. `tls`: what the handshake showed, set by whoever opened it. `patience` may be changed
    between exchanges."""

    __slots__ = (
        "_broken",
        "_deadline",
        "_future",
        "_loop",
        "_parser",
        "_paused",
        "_stage",
        "_timer",
        "_timer_at",
        "_total_at",
        "_transport",
        "address",
        "head_at",
        "idle_since",
        "patience",
        "received",
        "started",
        "tls",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, address: str, timeouts: Timeouts) -> None:
        self._loop = loop
        self.patience = timeouts
        self._transport: asyncio.Transport | None = None
        self._parser: ReplyParser | None = None
        self._future: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._deadline = 0.0
        self._total_at = 0.0
        self._stage = "head"
        self._paused = False
        self._broken = False
        self.address = address
        self.tls: TlsInfo | None = None
        self.received = 0
        self.started = 0.0
        self.head_at = 0.0
        self.idle_since = 0.0

    def fresh(self, allowed: float) -> bool:
        """False once the peer closed, sent bytes nobody asked for, or was left alone for more than `allowed` seconds."""
        return not self._broken and self._loop.time() - self.idle_since <= allowed

    def certificate(self) -> tuple[bytes, str, str]:
        """The peer's certificate (DER), the protocol version and the cipher of a TLS connection."""
        assert self._transport is not None
        return handshake_facts(self._transport)

    async def exchange(self, wire: bytes, parser: ReplyParser, total: float) -> float:
        """Send `wire` and read the reply into `parser`; seconds from the first byte sent to the last received.

        Raises ConnectionBroken where not a byte came back, TargetTimeout, ProtocolBroken. `received` counts bytes, and
        `head_at` is when the headers were complete (perf_counter).
        """
        transport = self._transport
        if transport is None or self._broken:
            raise ConnectFailed(f"{self.address} closed the connection before the request")
        future = self._future = self._loop.create_future()
        self._parser = parser
        self.received = 0
        self.head_at = 0.0
        limits = self.patience
        started = self.started = self._loop.time()
        began = perf_counter()  # the loop's own time is too coarse to report
        self._total_at = started + min(total, limits.total)
        transport.write(wire)
        self._enter("write" if self._paused else "head", limits.write if self._paused else limits.head, started)
        try:
            await future
        except BaseException:
            self.close()
            raise
        finally:
            self._future = None
            self._parser = None
        self.idle_since = self._loop.time()
        return perf_counter() - began

    def close(self) -> None:
        """Drop the connection at once."""
        self._broken = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        parser = self._parser
        future = self._future
        if parser is None or future is None or future.done():
            self._broken = True
            self.close()
            return
        self.received += len(data)
        try:
            done = parser.feed(data)
        except TargetError as error:
            future.set_exception(error)
            return
        if not self.head_at and parser.head is not None:
            self.head_at = perf_counter()
        if done:
            future.set_result(None)
        elif self._stage != "body" and parser.head is not None:
            self._enter("body", self.patience.body, self._loop.time())

    def eof_received(self) -> bool | None:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._broken = True
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        future, parser = self._future, self._parser
        if future is None or parser is None or future.done():
            return
        if not self.received:
            why = f"broke: {exc}" if exc else "was closed"
            future.set_exception(
                ConnectionBroken(f"the connection to {self.address} {why} before a byte of the reply")
            )
            return
        try:
            parser.eof(reset=exc is not None)
        except ProtocolBroken as error:
            future.set_exception(error)
        else:
            future.set_result(None)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        if self._stage == "write" and self._future is not None:
            self._enter("head", self.patience.head, self._loop.time())

    def _enter(self, stage: str, allowed: float, now: float) -> None:
        self._stage = stage
        deadline = self._deadline = min(now + allowed, self._total_at)
        timer = self._timer
        if timer is None or self._timer_at > deadline:
            if timer is not None:
                timer.cancel()
            self._timer_at = deadline
            self._timer = self._loop.call_at(deadline, self._tick)

    def _tick(self) -> None:
        """The timer fired: too late for the exchange, or set for one that is over."""
        self._timer = None
        future, parser = self._future, self._parser
        if future is None or parser is None or future.done():
            return
        now = self._loop.time()
        if now < self._deadline - 0.001:
            self._timer_at = self._deadline
            self._timer = self._loop.call_at(self._deadline, self._tick)
            return
        stage = "total" if self._deadline >= self._total_at else self._stage
        future.set_exception(
            TargetTimeout(
                f"{self.address} took longer than {now - self.started:.1f} s (stage {stage})",
                stage,
                parser.received,
            )
        )


class _Handshaken(Protocol):
    """What ssl.SSLObject and aiofastnet's twin of it have in common."""

    def getpeercert(self, binary_form: bool) -> bytes | None: ...
    def version(self) -> str | None: ...
    def cipher(self) -> tuple[str, str, int] | None: ...


def handshake_facts(transport: asyncio.BaseTransport) -> tuple[bytes, str, str]:
    """The peer's certificate (DER), the protocol version and the cipher of an established TLS transport."""
    shown: _Handshaken | None = transport.get_extra_info("ssl_object")
    if shown is None:
        return b"", "", ""
    cipher = shown.cipher()
    return shown.getpeercert(True) or b"", shown.version() or "", cipher[0] if cipher else ""


async def open_socket(address: str, port: int, timeout: float) -> socket.socket:
    """A connected, non-blocking TCP socket. Raises ConnectFailed or TargetTimeout (connect)."""
    where = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise ConnectFailed(f"{where}: {error}") from error
    try:
        sock.setblocking(False)
        async with asyncio.timeout(timeout):
            await asyncio.get_running_loop().sock_connect(sock, (address, port))
        if sock.getsockname() == sock.getpeername():
            raise ConnectFailed(f"{where} is not listening (the socket connected to itself)")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException as error:
        sock.close()
        if isinstance(error, TimeoutError) and not isinstance(error, ConnectionError):
            raise TargetTimeout(f"{where} did not accept a connection within {timeout} s", "connect") from error
        if isinstance(error, OSError):
            raise ConnectFailed(f"{where}: {error.strerror or error}") from error
        raise
    return sock


async def open_connection(
    address: str, port: int, timeouts: Timeouts, context: ssl.SSLContext | None, server_name: str
) -> Connection:
    """A connection to `address`. `server_name`: the SNI for TLS; an address sends none.

    Raises ConnectFailed, TargetTimeout (connect, tls), TlsFailed; a certificate that `context` does not trust is
    TlsFailed with the ssl.SSLCertVerificationError as its cause.
    """
    sock = await open_socket(address, port, timeouts.connect)
    loop = asyncio.get_running_loop()
    try:
        if context is None:
            _, plain = await loop.create_connection(lambda: Connection(loop, address, timeouts), sock=sock)
            return plain
        async with asyncio.timeout(timeouts.tls):
            _, secured = await aiofastnet.create_connection(
                loop,
                lambda: Connection(loop, address, timeouts),
                sock=sock,
                ssl=context,
                server_hostname=server_name,
            )
            return secured
    except BaseException as error:
        sock.close()
        raise _handshake_error(error, f"{address}:{port}", timeouts.tls) from error


def _handshake_error(error: BaseException, where: str, allowed: float) -> BaseException:
    if isinstance(error, ssl.SSLError):
        return TlsFailed(f"{where}: TLS handshake failed: {error.reason or error}")
    if isinstance(error, TimeoutError):
        return TargetTimeout(f"{where} did not finish the TLS handshake within {allowed} s", "tls")
    if isinstance(error, OSError):
        return TlsFailed(f"{where} broke the TLS handshake: {error.strerror or str(error) or 'it was closed'}")
    if isinstance(error, ValueError | UnicodeError):
        return TlsFailed(f"{where}: the host name cannot be sent in a TLS handshake: {error}")
    return error
