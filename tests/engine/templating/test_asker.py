"""Equal asks are sent once, whoever asks, and asks that differ in anything that could change the answer are not equal."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from tests.engine.conftest import Site
from tests.net.conftest import Serve

from secrecon.engine.templating.asker import Asker
from secrecon.model.scan import Budget
from secrecon.model.target import Origin, parse_target
from secrecon.net.clock import SystemClock
from secrecon.net.gate import ScopeGate
from secrecon.net.network import Network
from secrecon.net.resolver import Resolver
from secrecon.templates.execution.asks import HttpAnswer, HttpAsk, Trouble


def ask_for(site: Site, place: str = "/", headers: str = "") -> HttpAsk:
    wire = f"GET {place} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\n".encode()
    return HttpAsk(Origin("http", "127.0.0.1", site.port), "GET", wire)


@contextlib.asynccontextmanager
async def towards(port: int) -> AsyncIterator[Asker]:
    resolver = Resolver((("127.0.0.1", 9),), timeout=0.5)
    gate = ScopeGate(parse_target(f"http://127.0.0.1:{port}"), ("127.0.0.0/8",), resolver)
    network = Network(gate, resolver, Budget(rate=1e6), SystemClock())
    yield Asker(network, SystemClock())
    await network.close()


@pytest.fixture
async def asker(site: Site) -> AsyncIterator[Asker]:
    async with towards(site.port) as made:
        yield made


def ask_at(port: int, method: str = "GET") -> HttpAsk:
    wire = f"{method} / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n".encode()
    return HttpAsk(Origin("http", "127.0.0.1", port), method, wire)


async def answers(asker: Asker, *asks: HttpAsk) -> list[HttpAnswer]:
    async def one(ask: HttpAsk) -> HttpAnswer:
        known = asker.known(ask)
        answer = known if known is not None else await asker.answer(ask)
        assert isinstance(answer, HttpAnswer)
        return answer

    return list(await asyncio.gather(*map(one, asks)))


async def test_equal_asks_are_sent_once_while_under_way_and_after(site: Site, asker: Asker) -> None:
    site.delay = 0.02
    first = await answers(asker, *(ask_for(site) for _ in range(10)))
    later = await answers(asker, ask_for(site))
    assert len(site.requests) == asker.sent == 1
    assert asker.shared == 10
    assert {id(answer.data["body"]) for answer in (*first, *later)} == {
        id(first[0].data["body"])
    }  # nothing is copied


async def test_asks_that_may_be_answered_differently_are_all_sent(site: Site, asker: Asker) -> None:
    plain = ask_for(site)
    different = [
        plain,
        ask_for(site, "/other"),
        ask_for(site, headers="Cookie: a=1\r\n"),
        replace(plain, sni="other.test"),
        replace(plain, body_cap=2),
        replace(plain, shared=False),
    ]
    found = await answers(asker, *different)
    assert len(site.requests) == len(different)
    assert [answer.data["body"] for answer in found] == [b"hello"] * 4 + [b"he", b"hello"]


async def test_who_waits_longer_is_not_given_the_timeout_of_another(site: Site, asker: Asker) -> None:
    site.delay = 0.3
    short, long = await answers(asker, replace(ask_for(site), timeout=0.05), replace(ask_for(site), timeout=5.0))
    assert short.reply is None
    assert long.reply is not None
    assert await answers(asker, ask_for(site)) == [long]


@pytest.mark.parametrize(
    ("method", "breaks", "sent", "answered"),
    [("GET", 1, 2, True), ("GET", 2, 2, False), ("POST", 1, 1, False)],
)
async def test_a_connection_that_breaks_is_tried_once_more_where_that_is_safe(
    serve: Serve, method: str, breaks: int, sent: int, answered: bool
) -> None:
    came: list[bytes] = []

    async def drops(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(await reader.readuntil(b"\r\n\r\n"))
        if len(came) > breaks:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nback")
            await writer.drain()

    port = await serve(drops)
    async with towards(port) as asker:
        [answer] = await answers(asker, ask_at(port, method))
    assert (len(came), asker.sent) == (sent, sent), answer.reason
    assert (answer.reply is not None) is answered
    assert answered or (answer.trouble is Trouble.UNREACHABLE and "before a byte of the reply" in answer.reason)


async def test_what_began_to_answer_or_never_listened_is_not_tried_again(serve: Serve) -> None:
    came: list[bytes] = []

    async def stutters(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 2")
        await writer.drain()

    port = await serve(stutters)
    async with towards(port) as asker:
        [answer] = await answers(asker, ask_at(port))
    assert (answer.trouble, len(came)) == (Trouble.BROKEN, 1)
    async with towards(1) as asker:
        [answer] = await answers(asker, ask_at(1))
    assert (answer.trouble, asker.sent) == (Trouble.UNREACHABLE, 1)
