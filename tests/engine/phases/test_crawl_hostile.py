"""A crawl over real sockets of a site that means harm: bodies without end, redirects elsewhere, addresses made to hurt."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from tests.engine.conftest import make_engine, make_spec

from secrecon.engine.crawling.walk import CHECK
from secrecon.engine.memory import MemoryLog
from secrecon.engine.phase import Dialogue, Phase
from secrecon.engine.phases.crawl import CrawlPhase
from secrecon.engine.phases.probe import ProbePhase
from secrecon.engine.phases.resolve import ResolvePhase
from secrecon.model.asset import Link, Page
from secrecon.model.scan import Budget, Outcome
from secrecon.net.clock import SystemClock

MUCH = 100_000_000
BLOCK = 65_536


@dataclass
class Foe:
    """`asked`: every path. `poured`: bytes of endless bodies that were taken."""

    port: int = 0
    asked: list[str] = field(default_factory=list)
    poured: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                path = head.split(b" ")[1].decode()
                self.asked.append(path)
                if path == "/robots.txt":
                    await self.pour(writer, b"text/plain", b"Disallow: /from-robots\n")
                elif path == "/one-line.js":
                    await self.pour(writer, b"text/javascript", b'f("/x");')
                elif path == "/links":
                    await self.pour(writer, b"text/html", b"<a href='/from-links'>x</a>")
                elif path.startswith("/away"):
                    where = {
                        "/away1": "http://127.0.0.2:9/",
                        "/away2": "//169.254.169.254/",
                        "/away3": "file:///etc/passwd",
                    }
                    writer.write(
                        b"HTTP/1.1 302 F\r\nContent-Length: 0\r\nLocation: %s\r\n\r\n" % where[path].encode()
                    )
                elif path == "/round":
                    writer.write(b"HTTP/1.1 302 F\r\nContent-Length: 0\r\nLocation: /round\r\n\r\n")
                else:
                    body = INDEX if path == "/" else b"<p>page</p>"
                    writer.write(
                        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(body)
                        + body
                    )
                await writer.drain()
        writer.close()

    async def pour(self, writer: asyncio.StreamWriter, kind: bytes, text: bytes) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n" % (kind, MUCH))
        block = text * (BLOCK // len(text))
        while self.poured < 4 * MUCH:
            writer.write(block)
            await writer.drain()
            self.poured += len(block)


INDEX = (
    b"<a href='/links'>l</a><script src='/one-line.js'></script><a href='/away1'>1</a><a href='/away2'>2</a>"
    b"<a href='/away3'>3</a><a href='/round'>r</a><a href='javascript:alert(1)'>j</a><a href='http://[::bad/'>b</a>"
    b"<a href='//evil.test/x'>e</a><a href='http://127.0.0.1:1/other-port'>o</a><a href='/a%00b'>n</a>"
    b"<a href='/\xff\xfe\x01'>c</a><a href='/"
    + b"x" * 10_000
    + b"'>long</a><a href='"
    + b"/deep" * 300
    + b"'>deep</a>"
    b"<a href='/q?" + b"a=1&" * 400 + b"'>many</a><a href='http://u:p@127.0.0.1/'>u</a><a href='/ok'>ok</a>"
)


@pytest.fixture
async def foe() -> AsyncIterator[Foe]:
    running = Foe()
    server = await asyncio.start_server(running.serve, "127.0.0.1", 0)
    running.port = server.sockets[0].getsockname()[1]
    yield running
    server.close()
    await asyncio.sleep(0)


async def test_a_hostile_site_is_walked_within_its_bounds(foe: Foe) -> None:
    log = MemoryLog(SystemClock().now(), lambda _: None)
    phases: list[Phase | Dialogue] = [ResolvePhase(), ProbePhase(), CrawlPhase()]
    await make_engine(phases).run(make_spec(foe.url, budget=Budget(pages=60)), log)
    assert foe.poured < 30_000_000, "bodies of 100 MB are cut where their bound is"
    visited = {fact.url.removeprefix(foe.url) for fact in log.facts.values() if isinstance(fact, Page)}
    assert {"/ok", "/links", "/one-line.js", "/from-links", "/from-robots", "/x", "/round"} <= visited
    assert not any("%00" in path or "deep" in path or len(path) > 2_500 for path in foe.asked)
    assert foe.asked.count("/round") == 1
    links = {str(fact.origin) for fact in log.facts.values() if isinstance(fact, Link)}
    assert links == {foe.url}
    line = log.attempts[CHECK, foe.url]
    assert line.outcome is Outcome.DONE
    assert "were read" in line.reason
