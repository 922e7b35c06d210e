"""The HTTP/1.1 client: one request to addresses that the gate has pinned, over a pooled or a fresh connection.

Knows no scope, pace or budget; `network` asks those first. A pooled connection that turns out to be stale is
replaced once, for methods that may be repeated; other methods and raw requests always get a fresh one.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence

from secrecon.model.errors import ConnectFailed, TargetError, TlsFailed
from secrecon.model.http import HttpReply, HttpRequest
from secrecon.model.target import Origin
from secrecon.net import tls
from secrecon.net.connection import Connection, Timeouts, open_connection
from secrecon.net.http1 import Limits, ReplyParser
from secrecon.net.wire import request_bytes

REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
IDLE_SECONDS = 20.0
MAX_IDLE = 64
MAX_ADDRESSES = 4
STAGGER = 0.3


class Client:
    """`received` counts the bytes of every reply, whole or not."""

    def __init__(self, timeouts: Timeouts, limits: Limits) -> None:
        self._timeouts = timeouts
        self._limits = limits
        self._idle: dict[Origin, list[Connection]] = {}
        self._idle_count = 0
        self._untrusted: dict[tuple[str, int], tuple[bytes, str]] = {}
        self.received = 0

    async def send(self, request: HttpRequest, addresses: Sequence[str], body_cap: int, total: float) -> HttpReply:
        """Send `request` to one of `addresses`. `total`: seconds left for the exchange.

        Raises BadInput for a request that cannot be written, and the TargetError family.
        """
        wire = request_bytes(request)
        limits = self._limits
        if limits.body != body_cap:
            limits = Limits(limits.head, body_cap, limits.chunk_line, limits.trailers, limits.interim)
        if request.raw is None and request.method in REPEATABLE:
            connection = self._checkout(request.origin, addresses)
            if connection is not None:
                try:
                    return await self._exchange(connection, request, wire, limits, total)
                except ConnectFailed:
                    pass  # stale: the peer closed it while it lay idle
        connection = await self._open(request.origin, addresses)
        return await self._exchange(connection, request, wire, limits, total)

    async def close(self) -> None:
        """Drop every idle connection."""
        for connections in self._idle.values():
            for connection in connections:
                connection.close()
        self._idle.clear()
        self._idle_count = 0
        await asyncio.sleep(0)  # lets the transports tell their protocols

    async def _exchange(
        self, connection: Connection, request: HttpRequest, wire: bytes, limits: Limits, total: float
    ) -> HttpReply:
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
        )
        if parser.reusable and request.raw is None and connection.fresh(IDLE_SECONDS):
            self._checkin(request.origin, connection)
        else:
            connection.close()
        return reply

    def _checkout(self, origin: Origin, addresses: Sequence[str]) -> Connection | None:
        """A usable idle connection to one of `addresses`; those that are not are dropped."""
        idle = self._idle.get(origin)
        while idle:
            connection = idle.pop()
            self._idle_count -= 1
            if connection.fresh(IDLE_SECONDS) and connection.address in addresses:
                return connection
            connection.close()
        return None

    def _checkin(self, origin: Origin, connection: Connection) -> None:
        if self._idle_count >= MAX_IDLE:
            self._drop_oldest()
        idle = self._idle.get(origin)
        if idle is None:
            idle = self._idle[origin] = []
        idle.append(connection)
        self._idle_count += 1

    def _drop_oldest(self) -> None:
        self._idle = {origin: idle for origin, idle in self._idle.items() if idle}
        oldest = min(self._idle.values(), key=lambda idle: idle[0].idle_since)
        oldest.pop(0).close()
        self._idle_count -= 1

    async def _open(self, origin: Origin, addresses: Sequence[str]) -> Connection:
        """A fresh connection to the first of `addresses` that accepts one; the next is tried after STAGGER seconds."""
        if len(addresses) == 1:
            return await self._open_one(origin, addresses[0])
        tasks: set[asyncio.Task[Connection]] = set()
        waiting = list(addresses[:MAX_ADDRESSES])
        failure: TargetError = ConnectFailed(f"{origin} has no address to connect to")
        try:
            while waiting or tasks:
                if waiting:
                    tasks.add(asyncio.create_task(self._open_one(origin, waiting.pop(0))))
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

    async def _open_one(self, origin: Origin, address: str) -> Connection:
        if origin.scheme == "http":
            return await open_connection(address, origin.port, self._timeouts, None, "")
        return await self._open_tls(origin, address)

    async def _open_tls(self, origin: Origin, address: str) -> Connection:
        """TLS with the chain verified where that succeeds; else without, remembering why for this host and port."""
        key = (origin.host, origin.port)
        known = self._untrusted.get(key)
        why = known[1] if known else ""
        if known is None:
            try:
                connection = await open_connection(address, origin.port, self._timeouts, tls.strict(), origin.host)
            except TlsFailed as error:
                reason = tls.trust_error(error.__cause__)
                if reason is None:
                    raise
                why = reason
            else:
                connection.tls = tls.describe(connection.certificate(), origin.host, "")
                return connection
        connection = await open_connection(address, origin.port, self._timeouts, tls.lax(), origin.host)
        shown = connection.certificate()
        digest = hashlib.sha256(shown[0]).digest()
        if known is not None and known[0] != digest:
            why = "the certificate changed during the scan and its chain was not verified again"
        self._untrusted[key] = (digest, why)
        connection.tls = tls.describe(shown, origin.host, why)
        return connection
