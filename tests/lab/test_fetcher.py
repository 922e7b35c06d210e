"""The fetcher of the vulnerable applications: it follows, it stops, and it never leaves loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Protocol

import pytest

from secrecon.lab.fetcher import BODY_CAP, Fetcher
from secrecon.lab.names import Names
from secrecon.lab.zone import Zone
from secrecon.model.errors import BadInput, ConnectFailed, ProtocolBroken, TargetTimeout, Unresolvable


class Listening(Protocol):
    """The parts of the callback listener that are used here."""

    answer: str
    dns_port: int
    requests: list[tuple[str, str]]

    def url(self, token: str, path: str = "/hit") -> str: ...


def _fetcher(dns: tuple[str, int] | None = None) -> Fetcher:
    zone = Zone("acme.test")
    zone.add("here.acme.test", "A", "127.0.0.1")
    zone.add("away.acme.test", "A", "192.0.2.1")
    return Fetcher(Names(zone, "cb.test", dns))


@asynccontextmanager
async def _server(reply: Callable[[str], bytes]) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        writer.write(reply(head.split(" ")[1]))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def _ok(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


async def test_it_calls_back_through_the_listeners_name_server(catcher: Listening) -> None:
    fetched = await _fetcher(("127.0.0.1", catcher.dns_port)).fetch(catcher.url("abc"))
    assert (fetched.status, fetched.body) == (200, b"caught")
    assert catcher.requests[0][0].startswith("abc.cb.test:")


async def test_it_follows_redirects_only_when_told() -> None:
    def reply(target: str) -> bytes:
        return (
            _ok(b"end")
            if target == "/end"
            else b"HTTP/1.1 302 Found\r\nLocation: /end\r\nContent-Length: 0\r\n\r\n"
        )

    async with _server(reply) as port:
        url = f"http://here.acme.test:{port}/start"
        assert (await _fetcher().fetch(url)).body == b"end"
        assert (await _fetcher().fetch(url, follow=False)).status == 302


async def test_a_redirect_loop_ends() -> None:
    async with _server(
        lambda target: b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n"
    ) as port:
        assert (await _fetcher().fetch(f"http://127.0.0.1:{port}/")).status == 302


async def test_a_long_body_is_cut() -> None:
    async with _server(lambda target: _ok(b"x" * (BODY_CAP * 3))) as port:
        assert len((await _fetcher().fetch(f"http://127.0.0.1:{port}/")).body) == BODY_CAP


@pytest.mark.parametrize(
    "url",
    ["http://192.0.2.1/", "http://away.acme.test/", "http://169.254.169.254/latest/", "http://[2001:db8::1]/"],
)
async def test_it_never_leaves_loopback(url: str) -> None:
    with pytest.raises(ConnectFailed, match="loopback addresses only"):
        await _fetcher().fetch(url)


async def test_a_callback_name_that_leads_away_is_not_followed(catcher: Listening) -> None:
    catcher.answer = "192.0.2.7"
    with pytest.raises(ConnectFailed, match="loopback addresses only"):
        await _fetcher(("127.0.0.1", catcher.dns_port)).fetch(catcher.url("abc"))


@pytest.mark.parametrize(
    "url", ["ftp://here.acme.test/", "gopher://x/", "http://", "http://h:99999/", "x", "http://a b/"]
)
async def test_what_is_no_web_address_is_refused(url: str) -> None:
    with pytest.raises(BadInput):
        await _fetcher().fetch(url)


@pytest.mark.parametrize("url", ["http://nobody.acme.test/", "http://example.com/", "http://token.cb.test/"])
async def test_foreign_names_have_no_address(url: str) -> None:
    with pytest.raises(Unresolvable):
        await _fetcher().fetch(url)


@pytest.mark.parametrize("junk", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"])
async def test_a_broken_reply_is_an_error(junk: bytes) -> None:
    async with _server(lambda target: junk) as port:
        with pytest.raises(ProtocolBroken):
            await _fetcher().fetch(f"http://127.0.0.1:{port}/")


async def test_a_server_that_says_nothing_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secrecon.lab.fetcher.TOTAL_SECONDS", 0.2)
    stop = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await stop.wait()
        writer.close()

    handler: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]] = silent
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    with pytest.raises(TargetTimeout):
        await _fetcher().fetch(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    stop.set()
    server.close()
