"""A provider of feeds on loopback, which can be made to misbehave in the ways that providers do."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class FeedHost:
    """`files`: path to body. `faults`: path to what goes wrong, each used up once: a status (`503`, `429:2` with Retry-After),
    `cut:N` (N bytes, then the line breaks), `hang`, `redirect:URL`, `weak` (no strong validator). `asked`: (path, headers)."""

    files: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, list[str]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    port: int = 0

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode().split("\r\n")
                path = lines[0].split(" ")[1]
                headers = {
                    name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:] if line)
                }
                self.asked.append((path, headers))
                waiting = self.faults.get(path)
                if not await self._reply(reader, writer, path, headers, waiting.pop(0) if waiting else ""):
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    async def _reply(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        path: str,
        headers: dict[str, str],
        fault: str,
    ) -> bool:
        kind, _, word = fault.partition(":")
        if kind == "hang":
            await reader.read()
            return False
        if kind.isdigit():
            wait = f"Retry-After: {word}\r\n" if word else ""
            writer.write(f"HTTP/1.1 {kind} No\r\nContent-Length: 0\r\n{wait}\r\n".encode())
            return True
        if kind == "redirect":
            writer.write(f"HTTP/1.1 302 Found\r\nLocation: {word}\r\nContent-Length: 0\r\n\r\n".encode())
            return True
        body = self.files.get(path)
        if body is None:
            writer.write(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")
            return True
        tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        if headers.get("if-none-match") == tag:
            writer.write(b"HTTP/1.1 304 Same\r\nETag: %b\r\n\r\n" % tag.encode())
            return True
        start = 0
        if headers.get("if-range") == tag:
            start = int(headers["range"].removeprefix("bytes=").rstrip("-"))
        status = f"206 Part\r\nContent-Range: bytes {start}-{len(body) - 1}/{len(body)}" if start else "200 OK"
        shown = "" if kind == "weak" else f"ETag: {tag}\r\n"
        writer.write(f"HTTP/1.1 {status}\r\n{shown}Content-Length: {len(body) - start}\r\n\r\n".encode())
        writer.write(body[start : start + int(word)] if kind == "cut" else body[start:])
        await writer.drain()
        return kind != "cut"


@asynccontextmanager
async def feed_host() -> AsyncIterator[FeedHost]:
    """A running host."""
    host = FeedHost()
    server = await asyncio.start_server(host.answer, "127.0.0.1", 0)
    host.port = server.sockets[0].getsockname()[1]
    try:
        yield host
    finally:
        server.close()
        await server.wait_closed()
