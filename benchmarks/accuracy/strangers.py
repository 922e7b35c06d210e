"""Programs without a vulnerability that answer as if they had every one. `python strangers.py NAME PORT` serves one.

same: the one page, 200, whatever is asked. echo: the request itself, as it came, as text. decoded: the request with its
percent escapes undone, as HTML. reflect: every parameter and header, in the page and in headers of the answer. away:
a redirect to a login page that keeps the whole address. Each answers GET, POST and whatever else the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable
from urllib.parse import parse_qsl, unquote_to_bytes

LONGEST = 1 << 20
PAGE = (
    b"<!doctype html><html><head><title>Welcome</title></head><body><h1>Welcome</h1><p>There is nothing wrong here.</p>"
    b'<form method="post"><input name="username"><input name="password" type="password"></form></body></html>'
)


def _answer(status: bytes, kind: bytes, body: bytes, headers: bytes = b"") -> bytes:
    length = str(len(body)).encode()
    head = b"HTTP/1.1 " + status + b"\r\nContent-Type: " + kind + b"\r\nContent-Length: " + length + b"\r\n"
    return head + headers + b"\r\n" + body


def same(head: bytes, body: bytes) -> bytes:
    return _answer(b"200 OK", b"text/html; charset=utf-8", PAGE)


def echo(head: bytes, body: bytes) -> bytes:
    return _answer(b"200 OK", b"text/plain; charset=utf-8", head + body)


def decoded(head: bytes, body: bytes) -> bytes:
    plain = unquote_to_bytes((head + body).replace(b"+", b" "))
    page = b"<!doctype html><html><body><pre>" + plain + b"</pre></body></html>"
    return _answer(b"200 OK", b"text/html; charset=utf-8", page)


def reflect(head: bytes, body: bytes) -> bytes:
    first, *lines = head.decode("latin-1").split("\r\n")
    address = [*first.split(" "), "", ""][1]
    given = parse_qsl(address.partition("?")[2], keep_blank_values=True, encoding="latin-1")
    given += parse_qsl(body.decode("latin-1"), keep_blank_values=True, encoding="latin-1")[:200]
    pairs = [(name, value) for name, _, value in (line.partition(": ") for line in lines) if value] + given
    shown = "".join(f"<p>{name} = {value}</p>" for name, value in [("path", address), *pairs])
    headers = "".join(f"X-Given-{number}: {_one_line(value)}\r\n" for number, (_, value) in enumerate(pairs[:50]))
    return _answer(b"200 OK", b"text/html", shown.encode("latin-1"), headers.encode("latin-1"))


def away(head: bytes, body: bytes) -> bytes:
    address = [*head.split(b"\r\n")[0].split(b" "), b"", b""][1]
    to = b"Location: /login?next=" + _one_line(address.decode("latin-1")).encode("latin-1") + b"\r\n"
    if address.startswith(b"/login"):
        return same(head, body)
    return _answer(b"302 Found", b"text/html", b'<a href="/login">Sign in</a>', to)


def _one_line(text: str) -> str:
    return "".join(char for char in text if char.isprintable())


KINDS: dict[str, Callable[[bytes, bytes], bytes]] = {
    "same": same, "echo": echo, "decoded": decoded, "reflect": reflect, "away": away,
}  # fmt: skip


async def _serve(answer: Callable[[bytes, bytes], bytes], port: int) -> None:
    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                body = await _body(head, reader)
                reply = answer(head, body)
                writer.write(reply.split(b"\r\n\r\n")[0] + b"\r\n\r\n" if head.startswith(b"HEAD ") else reply)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(one, "127.0.0.1", port, limit=LONGEST)
    async with server:
        await server.serve_forever()


async def _body(head: bytes, reader: asyncio.StreamReader) -> bytes:
    lowered = head.lower()
    if b"\r\ntransfer-encoding: chunked" in lowered:
        body = b""
        while (size := int((await reader.readuntil(b"\r\n")).split(b";")[0] or b"0", 16)) and len(body) < LONGEST:
            body += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readuntil(b"\r\n")
        return body
    length = lowered.partition(b"\r\ncontent-length:")[2].split(b"\r\n")[0].strip()
    return await reader.readexactly(min(int(length), LONGEST)) if length.isdigit() else b""


if __name__ == "__main__":
    asyncio.run(_serve(KINDS[sys.argv[1]], int(sys.argv[2])))
