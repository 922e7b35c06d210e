"""A session on a server elsewhere: what happens when the server, or whoever keeps the hits, is away for a while."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from tests.oast.conftest import Book
from tests.oast.talk import tcp
from tests.oast.test_callbacks import Log

from secrecon.model.errors import OperatorError
from secrecon.model.interaction import CallbackProtocol, Interaction, OastReach
from secrecon.model.scan import Budget, ScanMode, ScanSpec, Touch
from secrecon.model.target import Origin, parse_target
from secrecon.net.clock import SystemClock
from secrecon.net.gate import ScopeGate
from secrecon.net.network import Network
from secrecon.net.resolver import Resolver
from secrecon.oast import polling as module
from secrecon.oast.callbacks import ServerCallbacks
from secrecon.oast.client import Gap, Identity, OastClient, ServerHit, ServerOptions
from secrecon.oast.listener import Listener, ListenerConfig
from secrecon.oast.polling import Polling, interaction_of
from secrecon.oast.sessions import SessionLimits, Sessions


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUICK", 0.05)
    monkeypatch.setattr(module, "RETRY_MOST", 0.1)


class Told:
    """Takes hits and gaps. `fails`: how often taking hits fails first."""

    def __init__(self, fails: int = 0) -> None:
        self.book = Book()
        self.gaps: list[Gap] = []
        self.fails = fails

    async def hits(self, hits: Sequence[Interaction]) -> None:
        if self.fails:
            self.fails -= 1
            raise OperatorError("the disk is full")
        await self.book(hits)

    async def gap(self, gap: Gap) -> None:
        self.gaps.append(gap)


@asynccontextmanager
async def session(
    url: str, told: Told, identity: Identity | None = None, heard: float = 0.0, *, leave: bool = False
) -> AsyncIterator[Polling]:
    def client(on_gap: Callable[[Gap], None]) -> OastClient:
        return OastClient(url, SystemClock(), ServerOptions(timeout=2.0), None, identity, on_gap, heard)

    running = Polling(url, client, told.hits, told.gap, SystemClock())
    await running.start()
    try:
        yield running
    finally:
        await running.stop(leave=leave)


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.01)


async def hit(port: int, token: str) -> None:
    await tcp(port, f"GET /{token} HTTP/1.1\r\nHost: x\r\n\r\n".encode())


async def test_hits_are_handed_on_and_only_then_acknowledged(server: Listener) -> None:
    told = Told(fails=3)
    async with session(f"http://127.0.0.1:{server.http_port}", told) as polling:
        token = polling.token()
        await hit(server.http_port, token)
        assert server.sessions is not None
        await until(lambda: told.fails < 2)
        assert server.sessions.held > 0
        (found,) = await told.book.until(1)
        assert (found.token, found.protocol, found.own) == (token, CallbackProtocol.HTTP, False)
        await until(lambda: server.sessions is not None and server.sessions.held == 0)
        await until(lambda: polling.running)
        await hit(server.http_port, polling.token(own=True))
        assert (await told.book.until(2))[1].own
    assert len(told.book.hits) == 2


async def test_a_server_that_is_away_is_asked_until_it_is_there() -> None:
    def made(port: int) -> Listener:
        sessions = Sessions(SessionLimits(), random.Random(1))
        return Listener(ListenerConfig("127.0.0.1", port, 0), None, SystemClock(), sessions=sessions)

    first = made(0)
    await first.start()
    port = first.http_port
    await first.stop()
    told = Told()
    async with session(f"http://127.0.0.1:{port}", told) as polling:
        assert "cannot be asked" in polling.problem
        assert not polling.running
        second = made(port)
        await second.start()
        await until(lambda: polling.running)
        token = polling.token()
        await second.stop()
        await until(lambda: not polling.running)
        third = made(port)  # has forgotten the session
        await third.start()
        await until(lambda: told.gaps)
        assert 0 < told.gaps[0].since <= told.gaps[0].until
        await hit(port, token)
        assert (await told.book.until(1))[0].token == token
        await third.stop()


async def test_a_session_goes_on_and_a_forgotten_one_is_told(server: Listener) -> None:
    identity = Identity.fresh(random.Random(2))
    url = f"http://127.0.0.1:{server.http_port}"
    told = Told()
    async with session(url, told, identity, leave=True) as polling:
        token = polling.token()
        heard = polling.heard
    await hit(server.http_port, token)
    async with session(url, told, identity, heard, leave=True):
        assert (await told.book.until(1))[0].token == token
        assert told.gaps == []
    assert server.sessions is not None
    server.sessions.forget(identity.correlation)
    async with session(url, told, identity, heard):
        await until(lambda: told.gaps)
    assert told.gaps[0].since == heard


def test_what_carries_no_token_of_ours_is_left_out() -> None:
    found = ServerHit("1", "ftp", "a" * 33, "", "192.0.2.1", "", "", "", "", 1.0)
    assert interaction_of(found) is None


SPEC = ScanSpec("ab" * 16, parse_target("http://127.0.0.1:1"), ScanMode.QUICK, Touch.ACTIVE, Budget())


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_the_self_test_goes_through_the_server(host: str) -> None:
    sessions = Sessions(SessionLimits(), random.Random(1))
    server = Listener(ListenerConfig("127.0.0.1", 0, 0, domain="localhost"), None, SystemClock(), sessions=sessions)
    await server.start()
    told = Told()
    resolver = Resolver([("127.0.0.1", server.dns_port)], 1.0)
    gate = ScopeGate(SPEC.target, ("127.0.0.0/8", "::1"), resolver, (Origin("http", host, server.http_port),))
    network = Network(gate, resolver, Budget(), SystemClock())
    try:
        async with session(f"http://{host}:{server.http_port}", told) as polling:
            callbacks = ServerCallbacks(polling, SystemClock())
            assert callbacks.origins == (Origin("http", host, server.http_port),)
            log = Log(told.book)
            found = await callbacks.self_test(network, log, ["127.0.0.1"])
            assert found.http is OastReach.REACHABLE, found.detail
            by_name = OastReach.REACHABLE if host == "localhost" else OastReach.NOT_TESTABLE
            assert found.dns is by_name, found.detail
            far = await callbacks.self_test(network, log, ["192.0.2.1"])
            assert far.http is OastReach.BLOCKED
            assert "SECRECON_OAST_SERVER" in far.detail
            payload = callbacks.mint(SPEC, check="c", asset="a", location="l", technique="t", now=1.0)
            assert payload.token in payload.url
            await server.stop()
            await until(lambda: not polling.running)
            gone = await callbacks.self_test(network, log, ["127.0.0.1"])
            assert (gone.http, gone.dns) == (OastReach.BLOCKED, OastReach.BLOCKED)
            assert "cannot be asked" in gone.detail
    finally:
        await network.close()
        await server.stop()
