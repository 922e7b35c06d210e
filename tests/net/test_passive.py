"""Fetching from passive sources: bounded, patient once, no redirect followed, and no key in any error."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from secrecon.model.errors import ConnectFailed, ProtocolBroken, TargetTimeout
from secrecon.net.passive import PassiveFetcher

ANSWERS = {
    "/ok": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
    "/moved": b"HTTP/1.1 302 Found\r\nLocation: /ok\r\nContent-Length: 0\r\n\r\n",
    "/large": b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000,
    "/denied": b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
    "/later": b"HTTP/1.1 429 Slow Down\r\nRetry-After: 3600\r\nContent-Length: 0\r\n\r\n",
    "/broken": b"nothing\r\n\r\n",
}


@pytest.fixture
async def source() -> AsyncIterator[str]:
    busy = iter((b"HTTP/1.1 429 Slow Down\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n", ANSWERS["/ok"]))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        path = head.split()[1].partition("?")[0]
        if path == "/busy":
            writer.write(next(busy))
        elif path == "/key":
            writer.write(ANSWERS["/ok" if "X-Key: abc" in head or "x-key: abc" in head.lower() else "/denied"])
        elif path != "/silent":
            writer.write(ANSWERS[path])
        else:
            await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_what_comes_whole_is_given(source: str) -> None:
    fetcher = PassiveFetcher()
    assert await fetcher.fetch(f"{source}/ok", {}, 100) == b"[]"
    assert await fetcher.fetch(f"{source}/key", {"X-Key": "abc"}, 100) == b"[]"
    assert await fetcher.fetch(f"{source}/busy", {}, 100) == b"[]"


@pytest.mark.parametrize(
    ("path", "told"),
    [("/moved", "302"), ("/large", "more than 1000 bytes"), ("/denied", "403"), ("/later", "429")],
)
async def test_anything_else_is_told_without_the_key(source: str, path: str, told: str) -> None:
    with pytest.raises(ProtocolBroken, match=told) as raised:
        await PassiveFetcher().fetch(f"{source}{path}?key=secret", {}, 1_000)
    assert "secret" not in str(raised.value)


async def test_broken_silent_and_absent_services_are_told(source: str) -> None:
    with pytest.raises(ConnectFailed):
        await PassiveFetcher().fetch(f"{source}/broken", {}, 1_000)
    with pytest.raises(TargetTimeout):
        await PassiveFetcher(seconds=0.2).fetch(f"{source}/silent", {}, 1_000)
    with pytest.raises(ConnectFailed):
        await PassiveFetcher().fetch("http://127.0.0.1:1/", {}, 1_000)
