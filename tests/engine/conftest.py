"""A small web server on loopback and an engine that may scan it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace

import pytest

from secrecon.engine.memory import MemoryLog
from secrecon.engine.phase import Dialogue, Phase
from secrecon.engine.pipeline import Engine
from secrecon.engine.ports import Callbacks
from secrecon.model.record import Chunk, Progress
from secrecon.model.scan import Budget, EngineInfo, ScanMode, ScanSpec, Touch
from secrecon.model.target import parse_target
from secrecon.net.clock import SystemClock
from secrecon.net.resolver import Resolver

ANSWER = b"HTTP/1.1 200 OK\r\nServer: toy/1.0\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nhello"


@dataclass
class Site:
    """A server that answers every request alike and remembers the request lines. `delay`: seconds before it answers."""

    port: int = 0
    requests: list[str] = field(default_factory=list)
    delay: float = 0.0
    on_request: Callable[[str], None] = lambda _: None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                line = head.split(b"\r\n")[0].decode()
                self.requests.append(line)
                self.on_request(line)
                await asyncio.sleep(self.delay)
                writer.write(ANSWER)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            return
        finally:
            writer.close()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    running = Site()
    server = await asyncio.start_server(running.serve, "127.0.0.1", 0)
    running.port = server.sockets[0].getsockname()[1]
    yield running
    server.close()
    await asyncio.sleep(0)


def make_spec(url: str, *, touch: Touch = Touch.ACTIVE, budget: Budget | None = None) -> ScanSpec:
    return ScanSpec(
        scan_id=secrets.token_hex(16),
        target=parse_target(url),
        mode=ScanMode.FULL,
        touch=touch,
        budget=replace(budget or Budget(paths=0), rate=1000.0),
        allow=("127.0.0.0/8",),
    )


def make_engine(phases: Sequence[Phase | Dialogue], callbacks: Callbacks | None = None) -> Engine:
    return Engine(
        phases=phases,
        info=lambda: EngineInfo("test", "0" * 64),
        clock=SystemClock(),
        resolver=Resolver((("127.0.0.1", 9),), timeout=0.5),  # nothing listens there: no name is looked up outside
        callbacks=callbacks,
    )


@dataclass
class Watched:
    """A log with everything its watcher was told."""

    told: list[Progress | Chunk] = field(default_factory=list)
    log: MemoryLog = field(init=False)

    def __post_init__(self) -> None:
        self.log = MemoryLog(SystemClock().now(), self.told.append)
