"""The HTTP/1.1 client: one request to addresses that the gate has pinned, over a pooled or a fresh connection.

Knows no scope, pace or budget; `network` asks those first. A pooled connection that turns out to be stale is
replaced once, for methods that may be repeated; other methods and raw requests always get a fresh one.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

from secrecon.model.errors import ConnectFailed, TargetError, TlsFailed
from secrecon.model.http import HttpReply, HttpRequest
from secrecon.model.target import Origin
from secrecon.net import tls
from secrecon.net.connection import Connection, Timeouts, open_connection
from secrecon.net.http1 import Limits, ReplyParser
from secrecon.net.wire import request_bytes

Key = tuple[Origin, str]
"""What a connection is for: where it goes, and the name told in the TLS handshake ("" for the origin's own)."""
REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
IDLE_SECONDS = 20.0
MAX_IDLE = 64
MAX_ADDRESSES = 4
STAGGER = 0.3


@dataclass(frozen=True, slots=True)
class RawSend:
    """Bytes to send as they are: `request.raw`. `connect`: where to, as the request may be meant for another host. `sni`:
    the TLS name, "" for the host of `connect`. `timeout`: seconds for the exchange, and at most for connecting, 0 for
    the usual times. `fresh`: neither take a pooled connection nor keep this one."""

    request: HttpRequest
    connect: Origin
    sni: str = ""
    timeout: float = 0.0
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class _Way:
    """How an exchange goes: for what connection, to one of which addresses, within which times, and whether a pooled
    connection may be taken and kept."""

    key: Key
    addresses: Sequence[str]
    patience: Timeouts
    keep: bool


class Client:
    """`received` counts the bytes of every reply, whole or not."""

    def __init__(self, timeouts: Timeouts, limits: Limits) -> None:
        self._timeouts = timeouts
        self._limits = limits
        self._idle: dict[Key, list[Connection]] = {}
        self._idle_count = 0
        self._untrusted: dict[tuple[str, int], tuple[bytes, str]] = {}
        self.received = 0

    async def send(self, request: HttpRequest, addresses: Sequence[str], body_cap: int, total: float) -> HttpReply:
        """Send `request` to one of `addresses`. `total`: seconds left for the exchange.

        Raises BadInput for a request that cannot be written, and the TargetError family.
        """
        wire = request_bytes(request)
        limits = self._limits.with_body(body_cap)
        way = _Way((request.origin, ""), addresses, self._timeouts, keep=request.raw is None)
        return await self._send(request, way, wire, limits, total)

    async def send_raw(self, raw: RawSend, addresses: Sequence[str], body_cap: int, total: float) -> HttpReply:
        """Send exactly `raw.request.raw` as `raw` says. Otherwise as `send`."""
        request, wire = raw.request, raw.request.raw or b""
        limits = self._limits.with_body(body_cap)
        key = (raw.connect, raw.sni)
        patience = self._timeouts.all_within(raw.timeout) if raw.timeout else self._timeouts
        way = _Way(key, addresses, patience, keep=not raw.fresh)
        return await self._send(request, way, wire, limits, total)

    async def _send(self, request: HttpRequest, way: _Way, wire: bytes, limits: Limits, total: float) -> HttpReply:
        if way.keep and request.method in REPEATABLE:
            connection = self._checkout(way.key, way.addresses)
            if connection is not None:
                connection.patience = way.patience
                try:
                    return await self._exchange(connection, request, wire, limits, total, way.key)
                except ConnectFailed:
                    pass  # stale: the peer closed it while it lay idle
        connection = await self._open(way.key, way.addresses, way.patience)
        return await self._exchange(connection, request, wire, limits, total, way.key if way.keep else None)

    async def close(self) -> None:
        """Drop every idle connection."""
        for connections in self._idle.values():
            for connection in connections:
                connection.close()
        self._idle.clear()
        self._idle_count = 0
        await asyncio.sleep(0)  # lets the transports tell their protocols

    async def _exchange(
        self,
        connection: Connection,
        request: HttpRequest,
        wire: bytes,
        limits: Limits,
        total: float,
        key: Key | None,
    ) -> HttpReply:
        """`key`: where the connection is kept afterwards, None where it is not."""
        began = perf_counter()
        parser = ReplyParser(request.method, limits)
        try:
            elapsed = await connection.exchange(wire, parser, total)
        finally:
            self.received += connection.received
        head = parser.head
        assert head is not None
        reply = HttpReply(
            status=head.status,
            reason=head.reason,
            headers=head.headers,
            body=parser.body(),
            raw_head=parser.raw_head,
            raw_body=parser.raw_body,
            request_bytes=wire,
            truncated=parser.truncated,
            problems=tuple(head.problems),
            elapsed=elapsed,
            address=connection.address,
            tls=connection.tls,
            waited=max(connection.head_at - began, 0.0),
        )
        if parser.reusable and key is not None and connection.fresh(IDLE_SECONDS):
            self._checkin(key, connection)
        else:
            connection.close()
        return reply

    def _checkout(self, key: Key, addresses: Sequence[str]) -> Connection | None:
        """A usable idle connection to one of `addresses`; those that are not are dropped."""
        idle = self._idle.get(key)
        while idle:
            connection = idle.pop()
            self._idle_count -= 1
            if connection.fresh(IDLE_SECONDS) and connection.address in addresses:
                return connection
            connection.close()
        return None

    def _checkin(self, key: Key, connection: Connection) -> None:
        if self._idle_count >= MAX_IDLE:
            self._drop_oldest()
        idle = self._idle.get(key)
        if idle is None:
            idle = self._idle[key] = []
        idle.append(connection)
        self._idle_count += 1

    def _drop_oldest(self) -> None:
        self._idle = {key: idle for key, idle in self._idle.items() if idle}
        oldest = min(self._idle.values(), key=lambda idle: idle[0].idle_since)
        oldest.pop(0).close()
        self._idle_count -= 1

    async def _open(self, key: Key, addresses: Sequence[str], timeouts: Timeouts) -> Connection:
        """A fresh connection to the first of `addresses` that accepts one; the next is tried after STAGGER seconds."""
        if len(addresses) == 1:
            return await self._open_one(key, addresses[0], timeouts)
        tasks: set[asyncio.Task[Connection]] = set()
        waiting = list(addresses[:MAX_ADDRESSES])
        failure: TargetError = ConnectFailed(f"{key[0]} has no address to connect to")
        try:
            while waiting or tasks:
                if waiting:
                    tasks.add(asyncio.create_task(self._open_one(key, waiting.pop(0), timeouts)))
                done, tasks = await asyncio.wait(
                    tasks, timeout=STAGGER if waiting else None, return_when=asyncio.FIRST_COMPLETED
                )
                winners = [task.result() for task in done if task.exception() is None]
                for spare in winners[1:]:
                    spare.close()
                if winners:
                    return winners[0]
                for task in done:
                    error = task.exception()
                    if not isinstance(error, TargetError):
                        task.result()
                    else:
                        failure = error
            raise failure
        finally:
            for task in tasks:
                task.cancel()
            for late in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(late, Connection):
                    late.close()

    async def _open_one(self, key: Key, address: str, timeouts: Timeouts) -> Connection:
        origin, sni = key
        if origin.scheme == "http":
            return await open_connection(address, origin.port, timeouts, None, "")
        return await self._open_tls(origin, sni or origin.host, address, timeouts)

    async def _open_tls(self, origin: Origin, name: str, address: str, timeouts: Timeouts) -> Connection:
        """TLS with the chain verified where that succeeds; else without, remembering why for this name and port."""
        key = (name, origin.port)
        known = self._untrusted.get(key)
        why = known[1] if known else ""
        if known is None:
            try:
                connection = await open_connection(address, origin.port, timeouts, tls.strict(), name)
            except TlsFailed as error:
                reason = tls.trust_error(error.__cause__)
                if reason is None:
                    raise
                why = reason
            else:
                connection.tls = tls.describe(connection.certificate(), origin.host, "")
                return connection
        connection = await open_connection(address, origin.port, timeouts, tls.lax(), name)
        shown = connection.certificate()
        digest = hashlib.sha256(shown[0]).digest()
        if known is not None and known[0] != digest:
            why = "the certificate changed during the scan and its chain was not verified again"
        self._untrusted[key] = (digest, why)
        connection.tls = tls.describe(shown, origin.host, why)
        return connection
