"""Templates over TLS: the name told in the handshake, and a plain request that reached a TLS port."""

from __future__ import annotations

import asyncio
import contextlib
import ssl

from tests.engine.templating.stage import Came, Hits, made, network, run
from tests.net.conftest import MakeContext, Serve

from secrecon.templates.execution.session import Options

PAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nmarked"
WRONG = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 47\r\n\r\nThe plain HTTP request was sent to HTTPS port.\n\n"


async def page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.readuntil(b"\r\n\r\n"):
        writer.write(PAGE)
        await writer.drain()


def named(context: ssl.SSLContext) -> list[str | None]:
    """The names that clients tell from now on."""
    told: list[str | None] = []
    context.sni_callback = lambda connection, name, which: told.append(name)
    return told


async def raw(head: str, port: int, hits: Hits | None = None, options: Options | None = None) -> Came:
    text = f'http:\n  - raw: ["{head}GET / HTTP/1.1\\nHost: virtual.test:81\\n\\n"]\n'
    text += "    matchers: [{type: word, words: [marked]}]\n"
    return await run(
        made(text), f"https://localhost:{port}", net=network(host="localhost"), hits=hits, options=options
    )


async def test_the_name_in_the_handshake(serve: Serve, context: MakeContext) -> None:
    made_context = context(("localhost",))
    told = named(made_context)
    port = await serve(page, tls=made_context)
    hits = Hits([])
    for head, name in (
        ("", "localhost"),
        ("@tls-sni: other.test\\n", "other.test"),
        ("@tls-sni: request.host\\n", "virtual.test"),
        ("@tls-sni: interactsh-url\\n", "t0x.cb.test"),
    ):
        told.clear()
        came = await raw(head, port, hits)
        assert came.found == ["-"], came.attempt.reason
        assert set(told) == {name}
    assert hits.kept == ["t0x"]
    told.clear()
    await raw("", port, options=Options(sni="given.test"))
    assert set(told) == {"given.test"}


async def test_a_plain_request_that_reached_a_tls_port_is_asked_again_inside_tls(
    serve: Serve, context: MakeContext
) -> None:
    """A server that speaks both on one port, as some do; one that only says so is asked in plain again."""
    inside = context(("127.0.0.1",))
    first: list[bytes] = []

    async def both(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        begin = await reader.readexactly(1)
        first.append(begin)
        if begin != b"\x16":
            await reader.readuntil(b"\r\n\r\n")
            writer.write(WRONG)
            await writer.drain()
            return
        inner, outer = ssl.MemoryBIO(), ssl.MemoryBIO()
        inner.write(begin)
        session = inside.wrap_bio(inner, outer, server_side=True)
        while True:
            with contextlib.suppress(ssl.SSLWantReadError):
                while b"\r\n\r\n" in session.read(65_536):
                    session.write(PAGE)
            writer.write(outer.read())
            more = await reader.read(65_536)
            if not more:
                return
            inner.write(more)

    async def says_so(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        begin = await reader.readexactly(1)
        first.append(begin)
        writer.write(b"" if begin == b"\x16" else WRONG)

    text = made(
        "http:\n  - path: ['{{BaseURL}}/a', '{{BaseURL}}/b']\n    matchers: [{type: word, words: [marked]}]\n"
    )
    came = await run(text, f"http://127.0.0.1:{await serve(both)}")
    assert came.found == ["-", "-"]
    assert first[0] == b"G"
    assert set(first[1:]) == {b"\x16"}
    first.clear()
    came = await run(text, f"http://127.0.0.1:{await serve(says_so)}")
    assert came.found == []
    assert first.count(b"G") == 2
