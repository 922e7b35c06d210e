"""A receiver of webhooks on loopback, which can be made to misbehave in the ways that receivers do."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Taken:
    """One message as it arrived. Header names are lower-case."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class HookHost:
    """`faults`: what the next messages meet, each used up once: a status (`500`, `503:7` with Retry-After), `redirect:URL`,
    `hang`, `close`, `huge`. `taken`: what arrived."""

    scheme: str = "http"
    port: int = 0
    faults: list[str] = field(default_factory=list)
    taken: list[Taken] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    open: set[asyncio.StreamWriter] = field(default_factory=set)

    def url(self, path: str = "/hook", host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open.add(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.split("\r\n")
            pairs = (line.partition(": ") for line in lines if line)
            headers = {name.lower(): value for name, _, value in pairs}
            body = await reader.readexactly(int(headers["content-length"]))
            self.taken.append(Taken(first.split(" ")[1], headers, body))
            self.arrived.set()
            await self._answer(reader, writer, self.faults.pop(0) if self.faults else "204")
        writer.close()
        self.open.discard(writer)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, fault: str) -> None:
        kind, _, word = fault.partition(":")
        if kind == "hang":
            await reader.read()
        elif kind == "redirect":
            writer.write(f"HTTP/1.1 302 Found\r\nLocation: {word}\r\nContent-Length: 0\r\n\r\n".encode())
        elif kind == "huge":
            writer.write(b"HTTP/1.1 500 No\r\nContent-Length: 900000000\r\n\r\n" + b"x" * 65_536)
        elif kind != "close":
            wait = f"Retry-After: {word}\r\n" if word else ""
            writer.write(f"HTTP/1.1 {kind} So\r\n{wait}Content-Length: 5\r\n\r\nwords".encode())
        await writer.drain()


@contextlib.asynccontextmanager
async def receiving(tls: ssl.SSLContext | None = None) -> AsyncIterator[HookHost]:
    """A receiver on a port of its own."""
    host = HookHost("http" if tls is None else "https")
    server = await asyncio.start_server(host.serve, "127.0.0.1", 0, ssl=tls)
    host.port = server.sockets[0].getsockname()[1]
    try:
        yield host
    finally:
        server.close()
        for writer in tuple(host.open):
            writer.transport.abort()
        await asyncio.sleep(0)
