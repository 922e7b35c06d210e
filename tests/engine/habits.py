"""Servers of one habit each, and whole scans of them: what a site does that turns a scan away, or that looks like a flaw."""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace

from secrecon.app.feeds import Library
from secrecon.app.parts import build_callbacks, build_info, build_listener, build_phases
from secrecon.app.settings import Settings
from secrecon.engine.memory import MemoryLog
from secrecon.engine.pipeline import Engine
from secrecon.intel.core import load_core
from secrecon.model.finding import FindingStatus
from secrecon.model.record import Chunk, FindingRecord, Progress, ScanRecord
from secrecon.model.scan import FULL_BUDGET, QUICK_BUDGET, Budget, ScanMode, ScanSpec, ScanStatus, Touch
from secrecon.model.target import parse_target
from secrecon.net.clock import SystemClock
from secrecon.net.resolver import Resolver
from secrecon.oast.listener import Listener
from secrecon.report import build
from secrecon.report.document import Report

MAX_HEAD = 64_000
SOUND = (
    ("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'"),
    ("X-Content-Type-Options", "nosniff"),
)


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    number: int
    method: str
    target: str
    head: bytes
    body: bytes

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    def header(self, name: str) -> str:
        for line in self.head.decode("latin-1").split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.strip().lower() == name.lower():
                return value.strip()
        return ""


def reply(
    body: bytes | str, status: str = "200 OK", kind: str = "text/html; charset=utf-8", *more: tuple[str, str]
) -> bytes:
    """A whole reply with sound security headers."""
    raw = body.encode() if isinstance(body, str) else body
    headers = [("Content-Type", kind), ("Content-Length", str(len(raw))), *SOUND, *more]
    head = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode("latin-1") + raw


Habit = Callable[[Asked], bytes | None]
"""The reply to a request; None: the server stays silent."""


@dataclass
class HabitServer:
    """`asked`: every request that arrived."""

    habit: Habit
    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    server: asyncio.Server | None = None
    open: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def die(self) -> None:
        """Stop listening and drop every connection."""
        assert self.server is not None
        self.server.close()
        for writer in self.open:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open.add(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                first = head.split(b"\r\n")[0].decode("latin-1").split(" ")
                asked = Asked(len(self.asked), first[0], first[1], head, b"")
                length = asked.header("content-length")
                body = await reader.readexactly(int(length)) if length.isdigit() else b""
                asked = replace(asked, body=body)
                self.asked.append(asked)
                answer = self.habit(asked)
                if answer is None:
                    await asyncio.sleep(600)
                    return
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, asyncio.CancelledError):
            return
        finally:
            self.open.discard(writer)
            writer.close()


@contextlib.asynccontextmanager
async def serving(habit: Habit) -> AsyncIterator[HabitServer]:
    """A server of `habit` on a port of its own."""
    running = HabitServer(habit)
    running.server = await asyncio.start_server(running.serve, "127.0.0.1", 0, limit=MAX_HEAD)
    running.port = running.server.sockets[0].getsockname()[1]
    try:
        yield running
    finally:
        running.die()
        await asyncio.sleep(0)


@dataclass
class Scan:
    """A scan with every real phase and a callback listener of its own. `watch` is told of every chunk."""

    mode: ScanMode = ScanMode.FULL
    budget: Budget | None = None
    rate: float = 2_000.0
    watch: Callable[[Scan, Progress | Chunk], None] = lambda *_: None
    log: MemoryLog = field(init=False)
    listener: Listener | None = None

    def __post_init__(self) -> None:
        self.log = MemoryLog(SystemClock().now(), lambda item: self.watch(self, item))

    async def run(self, url: str, steps: Sequence[str] = ()) -> Report:
        """Scan `url` and build its report. `steps`: leave out all others."""
        clock, settings = SystemClock(), Settings(oast_http_port=0, oast_dns_port=0)
        self.listener = build_listener(settings, self.log.hear, clock)
        await self.listener.start()
        callbacks = build_callbacks(settings, self.listener.http_port, clock)
        phases = [phase for phase in build_phases(settings, load_core()) if not steps or phase.step in steps]
        engine = Engine(
            phases=phases,
            info=lambda: build_info(Library(settings, load_core())),
            clock=clock,
            resolver=Resolver((("127.0.0.1", 9),), timeout=0.5),
            callbacks=callbacks,
            listener_origins=callbacks.origins,
        )
        base = self.budget or replace(FULL_BUDGET if self.mode is ScanMode.FULL else QUICK_BUDGET, paths=0)
        spec = ScanSpec(
            scan_id=secrets.token_hex(16),
            target=parse_target(url),
            mode=self.mode,
            touch=Touch.ACTIVE,
            budget=replace(base, rate=self.rate),
            allow=("127.0.0.0/8",),
        )
        try:
            await engine.run(spec, self.log)
        finally:
            await self.listener.stop()
        return build(self._record(spec, engine))

    def _record(self, spec: ScanSpec, engine: Engine) -> ScanRecord:
        log, now = self.log, SystemClock().now()
        found = enumerate(log.findings.values(), 1)
        return ScanRecord(
            spec=spec,
            db_scan_id=1,
            status=ScanStatus.COMPLETE,
            cancelled=log.stop.is_set(),
            error="",
            created=log.started,
            started=log.started,
            finished=now,
            version=1,
            facts=tuple(log.facts.values()),
            findings=tuple(FindingRecord(n, f, now, now, FindingStatus.NEW) for n, f in found),
            attempts=tuple(log.attempts.values()),
            payloads=tuple(log.payloads.values()),
            interactions=tuple(log.hits.values()),
            self_test=log.self_test,
            engine=engine.info,
            not_run=log.not_run(engine.steps(spec)),
            requests=log.requests,
            received=log.received,
        )


def noise(seed: int, size: int) -> bytes:
    """Random bytes, the same for the same seed."""
    return random.Random(seed).randbytes(size)
