"""The services step on real servers on loopback: what is found, what is not known, and what no trap makes of it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import pytest_asyncio
from tests.engine.conftest import ANSWER, make_engine, make_spec

from secrecon.detect.service_rules import ServiceRules
from secrecon.engine.memory import MemoryLog
from secrecon.engine.phase import Phase
from secrecon.engine.phases import services
from secrecon.engine.phases.hygiene import HygienePhase
from secrecon.engine.phases.probe import ProbePhase
from secrecon.engine.phases.resolve import ResolvePhase
from secrecon.engine.phases.services import ServicesPhase
from secrecon.engine.pipeline import Engine
from secrecon.model.asset import Service, Technology
from secrecon.model.finding import Severity
from secrecon.model.record import Chunk, Progress
from secrecon.model.scan import Budget, EngineInfo, Outcome, ScanMode, ScanSpec, Touch
from secrecon.model.target import parse_target
from secrecon.net.clock import SystemClock
from secrecon.net.resolver import Resolver

pytestmark = pytest.mark.asyncio(loop_scope="module")
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
RULES = ServiceRules.load()
HOST = "127.0.0.60"
FAST = Budget(connects=10_000)


def greets(words: bytes) -> Handler:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(words)
        await reader.read(100)

    return handler


async def redis(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1000):
        if b"INFO" in data:
            writer.write(b"$49\r\n# Server\r\nredis_version:6.0.16\r\nos:<script>x</script>\r\n\r\n")
        else:
            writer.write(b"-ERR wrong number of arguments for 'get' command\r\n")


async def web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while (await reader.read(1000)).startswith(b"GET"):
        writer.write(ANSWER)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1000):
        writer.write(data)


async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for _ in range(160):
        writer.write(b"A" * 65_536)
        await writer.drain()


async def closes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    return


SERVERS: dict[str, Handler] = {
    "ssh": greets(b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n"),
    "smtp": greets(b"220 mx.acme.test ESMTP Exim 4.94.2\r\n"),
    "redis": redis,
    "web": web,
    "echo": echo,
    "flood": flood,
    "closes": closes,
    "garbage": greets(bytes(range(256)) * 8),
}


@dataclass
class World:
    ports: dict[str, int]
    closed: int


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncIterator[World]:
    async with contextlib.AsyncExitStack() as stack:
        tasks: set[asyncio.Task[None]] = set()
        ports = {}
        for name, handler in SERVERS.items():

            async def serve(
                reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handler: Handler = handler
            ) -> None:
                tasks.add(task := asyncio.current_task())  # type: ignore[arg-type]
                with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                    await handler(reader, writer)
                writer.close()
                tasks.discard(task)

            server = await asyncio.start_server(serve, HOST, 0)
            stack.callback(server.close)
            ports[name] = server.sockets[0].getsockname()[1]
        with socket.socket() as sock:
            sock.bind((HOST, 0))
            closed = sock.getsockname()[1]
        yield World(ports, closed)
        for task in [*tasks]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def scan(ports: tuple[int, ...], *later: Phase, **changes: object) -> tuple[MemoryLog, ScanSpec]:
    spec = replace(make_spec(HOST, budget=FAST), **changes)  # type: ignore[arg-type]
    log = MemoryLog(SystemClock().now(), lambda _: None)
    phases = [ResolvePhase(), ServicesPhase(RULES, ports), *later]
    await make_engine(phases).run(spec, log)  # type: ignore[arg-type]
    return log, spec


async def test_services_are_named_and_traps_spring_nothing(world: World) -> None:
    log, _ = await scan((*world.ports.values(), world.closed), HygienePhase())
    found = {fact.port: fact for fact in log.facts.values() if isinstance(fact, Service)}
    named = {name: found[port].protocol for name, port in world.ports.items()}
    assert named == {
        "ssh": "ssh",
        "smtp": "smtp",
        "redis": "redis",
        "web": "http",
        "echo": "echo",
        "flood": "unknown",
        "closes": "unknown",
        "garbage": "unknown",
    }
    ssh, origin = found[world.ports["ssh"]], found[world.ports["web"]].origin
    assert (ssh.product, ssh.version, ssh.address) == ("openssh", "9.2p1", HOST)
    assert origin is not None
    assert (origin.scheme, origin.port) == ("http", world.ports["web"]), "the later steps have a web service more"
    assert log.attempts["hygiene.csp-missing", str(origin)].outcome is Outcome.DONE
    technologies = {fact.name: fact for fact in log.facts.values() if isinstance(fact, Technology)}
    assert technologies["openssh"].package == "deb/debian:12/openssh"
    assert technologies["exim"].version == "4.94.2"
    (finding,) = [each for each in log.findings.values() if each.check.startswith("service.")]
    assert (finding.check, finding.severity) == ("service.redis-open", Severity.HIGH)
    assert finding.asset == f"{HOST}:{world.ports['redis']}"
    line = log.attempts["services.ports", HOST]
    assert (line.outcome, line.requests) == (Outcome.DONE, len(SERVERS) + 1)
    assert line.reason == f"{len(SERVERS) + 1} ports tried: {len(SERVERS)} open, 1 closed"
    access = {asset: a.outcome for (check, asset), a in log.attempts.items() if check == "service.access"}
    assert access[f"{HOST}:{world.ports['ssh']}"] is Outcome.DONE
    assert access[f"{HOST}:{world.ports['flood']}"] is Outcome.SKIPPED, "what could not be told was not judged"
    echo_line = log.attempts["services.identity", f"{HOST}:{world.ports['garbage']}"]
    assert "could not be told" in echo_line.reason
    assert log.received < 2_000_000, "ten megabytes of banner were not read"


async def test_quick_scans_origins_and_strangers_are_not_scanned(world: World) -> None:
    port = world.ports["ssh"]
    quick, _ = await scan((port,), mode=ScanMode.QUICK)
    assert quick.attempts["services.ports", HOST].outcome is Outcome.SKIPPED
    assert "full scan" in quick.attempts["services.ports", HOST].reason
    light, _ = await scan((port,), touch=Touch.LIGHT)
    assert "not authorized" in light.attempts["services.ports", HOST].reason
    refused, _ = await scan((port,), allow=())
    assert refused.attempts["services.ports", HOST].outcome is Outcome.BLOCKED
    none, _ = await scan(())
    assert none.attempts["services.ports", HOST].reason.startswith("by policy")
    origin, _ = await scan((port,), target=make_spec(f"http://{HOST}:{port}/").target)
    assert ("services.ports", HOST) not in origin.attempts
    for log in (quick, light, refused, none, origin):
        assert not any(isinstance(fact, Service) for fact in log.facts.values())


async def test_ports_that_the_budget_left_out_are_told(world: World) -> None:
    ports = (*world.ports.values(), world.closed)
    log, _ = await scan(ports, budget=replace(FAST, rate=1000.0, connects=4, requests=2))
    line = log.attempts["services.ports", HOST]
    assert line.outcome is Outcome.SKIPPED
    assert line.reason.startswith("5 of 9 ports were not tried: the scan's limit of 4 connections was reached")
    identities = [a for (check, _), a in log.attempts.items() if check == "services.identity"]
    assert {a.outcome for a in identities} == {Outcome.DONE, Outcome.SKIPPED}


async def test_a_web_service_that_is_known_is_left_alone(world: World) -> None:
    port = world.ports["web"]
    log = MemoryLog(SystemClock().now(), lambda _: None)
    phases = [ResolvePhase(), ProbePhase((port,)), ServicesPhase(RULES, (port,))]
    await make_engine(phases).run(make_spec(HOST, budget=FAST), log)  # type: ignore[arg-type]
    assert not any(check == "services.identity" for check, _ in log.attempts)
    assert log.attempts["services.ports", HOST].reason.startswith("1 ports tried: 1 open")


async def test_a_stop_ends_the_step_within_two_seconds(world: World) -> None:
    told: list[float] = []

    def watch(item: Progress | Chunk) -> None:
        if isinstance(item, Progress) and "other services (" in item.message and not told:
            log.stop.set()
            told.append(SystemClock().monotonic())

    log = MemoryLog(SystemClock().now(), watch)
    phases = [ResolvePhase(), ServicesPhase(RULES, tuple(range(1, 20_000)))]
    spec = make_spec(HOST, budget=replace(FAST, connects=100_000))
    await make_engine(phases).run(replace(spec, budget=replace(spec.budget, rate=1.0)), log)  # type: ignore[arg-type]
    assert SystemClock().monotonic() - told[0] < 2.0
    line = log.attempts["services.ports", HOST]
    assert line.outcome is Outcome.SKIPPED
    assert "cancelled" in line.reason


async def test_another_process_goes_on_with_the_next_addresses(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One address a round; what the first process connected to counts for the second one."""
    monkeypatch.setattr(services, "ADDRESSES_A_ROUND", 1)
    hosts = tmp_path / "hosts"
    hosts.write_text(f"{HOST} acme.test\n127.0.0.61 acme.test www.acme.test\n127.0.0.62 www.acme.test\n")
    port = world.ports["ssh"]
    spec = replace(make_spec("https://acme.test"), target=parse_target("acme.test"), budget=Budget(connects=2))
    log = MemoryLog(SystemClock().now(), lambda _: None)

    def process() -> Engine:
        return Engine(
            phases=[ResolvePhase(), ServicesPhase(RULES, (port,))],
            info=lambda: EngineInfo("test", "0" * 64),
            clock=SystemClock(),
            resolver=Resolver((("127.0.0.1", 9),), timeout=0.2, hosts=hosts),
            callbacks=None,
        )

    first, second = process(), process()
    await first.run_chunk(spec, "resolve", 0, log)
    assert (await first.run_chunk(spec, "services", 0, log)).more
    assert {key for key in log.attempts if key[0] == "services.ports"} == {("services.ports", HOST)}
    assert (await second.run_chunk(spec, "services", 1, log)).more
    assert not (await second.run_chunk(spec, "services", 2, log)).more
    outcomes = {asset: a.outcome for (check, asset), a in log.attempts.items() if check == "services.ports"}
    assert outcomes == {HOST: Outcome.DONE, "127.0.0.61": Outcome.DONE, "127.0.0.62": Outcome.SKIPPED}
    assert "limit of 2 connections" in log.attempts["services.ports", "127.0.0.62"].reason
    await first.close(spec.scan_id)
    await second.close(spec.scan_id)
