"""Discovery against name servers that lie, loop and flood: it ends, says so, and invents nothing. Real sockets on loopback."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest

from secrecon import __version__
from secrecon.engine.memory import MemoryLog
from secrecon.engine.naming.search import MAX_FOUND, MAX_TOLD
from secrecon.engine.phases.discover import DiscoverPhase
from secrecon.engine.pipeline import Engine
from secrecon.lab.nameserver import Responder, name_servers
from secrecon.lab.zone import Zone
from secrecon.model.asset import Asset, AssetType
from secrecon.model.scan import FULL_BUDGET, Attempt, EngineInfo, Outcome, ScanMode, ScanSpec, Touch
from secrecon.model.target import parse_target
from secrecon.net import sweep
from secrecon.net.clock import SystemClock
from secrecon.net.resolver import Resolver, Server

APEX = "acme.test"
WORDS = ("www", "mail", "api", "dev", "shop")
Answer = Callable[[bytes], bytes]


async def discover(servers: tuple[Server, ...], words: tuple[str, ...] = WORDS) -> MemoryLog:
    clock = SystemClock()
    engine = Engine(
        phases=(DiscoverPhase(words, ports=(1,)),),
        info=lambda: EngineInfo(__version__, ""),
        clock=clock,
        resolver=Resolver(servers, timeout=0.3, rate=50_000),
        callbacks=None,
    )
    log = MemoryLog(clock.now(), lambda item: None)
    spec = ScanSpec("s" * 32, parse_target(APEX), ScanMode.FULL, Touch.ACTIVE, FULL_BUDGET, ("127.0.0.0/8",))
    await engine.run(spec, log)
    return log


def names(log: MemoryLog) -> set[str]:
    return {f.value for f in log.facts.values() if isinstance(f, Asset) and f.type is AssetType.SUBDOMAIN}


def line(log: MemoryLog, check: str) -> Attempt:
    return next(a for a in log.attempts.values() if a.check == check and a.asset == APEX)


def zone(*records: tuple[str, str, str]) -> Zone:
    made = Zone(APEX)
    made.add(APEX, "SOA", f"ns1.{APEX}. admin.{APEX}. 1 2 3 4 5")
    made.add(APEX, "NS", f"ns1.{APEX}.")
    made.add(f"ns1.{APEX}", "A", "127.0.0.1")
    for name, type_, value in records:
        made.add(f"{name}.{APEX}", type_, value)
    return made


async def _nobody(wire: bytes, name: str) -> bytes | None:
    return None


@contextlib.asynccontextmanager
async def served(made: Zone, *, open_: bool = False) -> AsyncIterator[tuple[Server, ...]]:
    async with name_servers({"127.0.0.1": Responder(made, open_, _nobody)}) as port:
        yield (("127.0.0.1", port),)


class Raw(asyncio.DatagramProtocol):
    """Answers each query with what `answer` makes of it."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if self.transport is not None:
            self.transport.sendto(self.answer(data), addr)


@contextlib.asynccontextmanager
async def raw(answer: Answer) -> AsyncIterator[tuple[Server, ...]]:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: Raw(answer), local_addr=("127.0.0.1", 0))
    try:
        yield (transport.get_extra_info("sockname"),)
    finally:
        transport.close()


async def test_a_server_that_gives_everything_an_address_finds_nothing() -> None:
    def lie(query: bytes) -> bytes:
        question = query[12:].partition(b"\0\0\x29")[0] if query[11] else query[12:]
        head = query[:2] + b"\x81\x80\0\1\0\1\0\0\0\0"
        return head + question + b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x7f\0\0\x09"

    async with raw(lie) as servers:
        log = await discover(servers)
    assert names(log) == set()
    assert "invents answers" in line(log, "discover.resolvers").reason
    assert f"*.{APEX}" in line(log, "discover.wildcard").reason


@pytest.mark.parametrize(
    "body",
    [
        b"\xc0\x0c" * 400,  # pointers at pointers
        b"\xc0\xff\0\1\0\1\0\0\0\x3c\0\4\x7f\0\0\1",  # a pointer beyond the packet
        b"\xc0\x0c\0\5\0\1\0\0\0\x3c\0\2\xc0\x0c" * 60,  # an alias of itself, again and again
        b"\xff" * 1_200,
    ],
)
async def test_broken_answers_are_no_answers(body: bytes) -> None:
    def broken(query: bytes) -> bytes:
        end = query.index(b"\0", 12) + 5
        return query[:2] + b"\x81\x80\0\1\0\x3c\0\0\0\0" + query[12:end] + body

    async with raw(broken) as servers:
        log = await discover(servers)
    assert names(log) == set()
    assert not log.findings


async def test_when_no_name_server_answers_nothing_is_called_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("PATIENCE", 0.1), ("MIN_PATIENCE", 0.1), ("DEAD_SECONDS", 0.5)):
        monkeypatch.setattr(sweep, name, value)
    async with raw(lambda query: b"") as servers:
        log = await discover(servers)
    assert names(log) == set()
    for check in (
        "discover.names",
        "discover.name-servers",
        "discover.records",
        "discover.wildcard",
        "discover.zone-walk",
    ):
        assert line(log, check).outcome is not Outcome.DONE, check
    assert line(log, "dns.zone-transfer").outcome is Outcome.SKIPPED


async def test_aliases_that_loop_are_names_and_no_takeover() -> None:
    made = zone(("www", "CNAME", f"api.{APEX}."), ("api", "CNAME", f"www.{APEX}."), ("mail", "A", "127.0.0.9"))
    async with served(made) as servers:
        log = await discover(servers)
    assert names(log) >= {f"mail.{APEX}"}
    assert not log.findings


@pytest.mark.slow
async def test_thousands_of_records_of_one_name_and_of_one_zone_are_bounded() -> None:
    made = zone(("mail", "A", "127.0.0.9"))
    for number in range(9_000):
        made.add(f"h{number}.{APEX}", "A", "127.0.0.8")
    for number in range(3_000):
        made.add(f"www.{APEX}", "A", f"127.1.{number // 250}.{number % 250}")
    async with served(made, open_=True) as servers:
        log = await discover(servers)
    assert MAX_TOLD // 2 < len(names(log)) <= MAX_FOUND
    assert f"mail.{APEX}" in names(log)
    assert {finding.check for finding in log.findings.values()} == {"dns.zone-transfer"}
    told = line(log, "discover.told-names")
    assert told.outcome is Outcome.SKIPPED
    assert "more were not looked up" in told.reason
