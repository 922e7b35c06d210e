"""Hosts of the lab that speak other protocols than HTTP: mail, files, shells, databases, and ports that are traps.

Each says what a real server of its kind says to a stranger, and nothing more: there is nothing behind it. Ports are the
usual ones, or those that stand in for the privileged ones; where one is taken, another that the scanner's rules know.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from secrecon.lab.addresses import listen_everywhere

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
PATIENCE = 20.0
DRIP_SECONDS = 0.5
FLOOD = 10_000_000
_FULL_RANGE = bytes(range(256))


@dataclass(frozen=True, slots=True)
class Listening:
    """One port of a host. `kind`: what it is, unique per host. `ports`: those tried, in order."""

    kind: str
    ports: tuple[int, ...]
    handler: Handler


@dataclass(frozen=True, slots=True)
class ServiceHost:
    """A host without a web server."""

    label: str
    listening: tuple[Listening, ...]


def _greets(words: bytes) -> Handler:
    """Says something, and listens politely."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(words)
        await reader.read(1_000)

    return handler


def _answers(*table: tuple[bytes, bytes], otherwise: bytes = b"") -> Handler:
    """Answers what begins as the table says."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while said := await reader.read(1_000):
            writer.write(next((answer for begins, answer in table if said.startswith(begins)), otherwise))
            await writer.drain()

    return handler


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while said := await reader.read(1_000):
        writer.write(said)
        await writer.drain()


async def _mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(1_000):
        continue


async def _drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A tarpit: a line that never ends, byte by byte."""
    while not reader.at_eof():
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(DRIP_SECONDS)


async def _flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A greeting of ten megabytes."""
    for _ in range(FLOOD // 50_000):
        writer.write(b"220 " + b"A" * 49_996)
        await writer.drain()


def _mysql(version: bytes) -> bytes:
    """The first packet of the MySQL protocol, version 10."""
    body = b"\x0a" + version + b"\0" + b"\x08\0\0\0" + b"saltsalt\0" + b"\xff\xf7\x08\x02\0\xff\x81\x15"
    body += b"\0" * 10 + b"moresaltmore\0mysql_native_password\0"
    return struct.pack("<I", len(body)) + body


def _postgres(*fields: bytes) -> bytes:
    """An ErrorResponse of the PostgreSQL protocol."""
    body = b"\0".join(fields) + b"\0\0"
    return b"E" + struct.pack(">I", len(body) + 4) + body


_REDIS_INFO = (
    b"# Server\r\nredis_version:6.0.16\r\nredis_mode:standalone\r\nos:Linux 6.1.0-18-amd64 x86_64\r\n"
    b"tcp_port:6379\r\nuptime_in_days:41\r\n"
)
_BULK = b"$%d\r\n%s\r\n" % (len(_REDIS_INFO), _REDIS_INFO)
_NO_PASSWORD = b"-NOAUTH Authentication required.\r\n"
_POSTGRES_REFUSES = _postgres(
    b"SFATAL",
    b"VFATAL",
    b"C0A000",
    b"Munsupported frontend protocol 99.0: server supports 3.0 to 3.0",
    b"Fpostmaster.c",
    b"L2143",
    b"RProcessStartupPacket",
)

HOSTS: tuple[ServiceHost, ...] = (
    ServiceHost("mail", (Listening("smtp", (2525, 587), _greets(b"220 mail.acme.test ESMTP Exim 4.91\r\n")),)),
    ServiceHost("mail-fixed", (Listening("smtp", (2525, 587), _greets(b"220 mail ESMTP Exim 4.98.2\r\n")),)),
    ServiceHost(
        "shell", (Listening("ssh", (2222, 22222), _greets(b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n")),)
    ),
    ServiceHost("files", (Listening("ftp", (2121, 2100), _greets(b"220 (vsFTPd 2.3.4)\r\n")),)),
    ServiceHost("files-fixed", (Listening("ftp", (2121, 2100), _greets(b"220 (vsFTPd 3.0.5)\r\n")),)),
    ServiceHost(
        "db",
        (
            Listening(
                "redis", (6379, 6380, 6378), _answers((b"*2\r\n$4\r\nINFO", _BULK), otherwise=b"-ERR no\r\n")
            ),
            Listening("memcached", (11211,), _answers((b"version", b"VERSION 1.6.9\r\n"), otherwise=b"ERROR\r\n")),
            Listening("mysql", (3306, 3307), _greets(_mysql(b"5.5.5-10.11.6-MariaDB-0+deb12u1"))),
            Listening("postgresql", (5432, 5433, 5434), _answers((b"\0\0\0\x08\0c", _POSTGRES_REFUSES))),
        ),
    ),
    ServiceHost(
        "db-safe",
        (
            Listening("redis", (6379, 6380, 6378), _answers(otherwise=_NO_PASSWORD)),
            Listening("memcached", (11211,), _answers(otherwise=b"CLIENT_ERROR unauthenticated\r\n")),
        ),
    ),
    ServiceHost(
        "noise",
        (
            Listening("redis", (6379, 6380, 6378), _answers(otherwise=b"hello, redis_version:7.2.4 was here\r\n")),
            Listening("echo", (5005,), _echo),
            Listening("mute", (4444,), _mute),
            Listening("drip", (4022,), _drip),
            Listening("flood", (5038,), _flood),
            Listening("garbage", (4369,), _greets(_FULL_RANGE * 8)),
        ),
    ),
)


class ServiceHosts:
    """The running listeners. `ports`: (host label, kind) to port."""

    def __init__(self) -> None:
        self.ports: dict[tuple[str, str], int] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(
        self, stack: contextlib.AsyncExitStack, hosts: Sequence[ServiceHost], addresses: dict[str, str]
    ) -> None:
        """Listen on every port; all ends with `stack`. `addresses`: by label. Raises OperatorError."""
        stack.push_async_callback(self._end)
        for host in hosts:
            for item in host.listening:
                port, (listener,) = listen_everywhere([addresses[host.label]], item.ports)
                server = await asyncio.start_server(self._served(item.handler), sock=listener)
                stack.callback(server.close)
                self.ports[host.label, item.kind] = port

    def _served(self, handler: Handler) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]:
        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.get_running_loop().create_task(_serve(handler, reader, writer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        return connected

    async def _end(self) -> None:
        for task in [*self._tasks]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _serve(handler: Handler, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection, for as long as a patient server would hold it."""
    with contextlib.suppress(OSError):  # TimeoutError is one
        async with asyncio.timeout(PATIENCE):
            await handler(reader, writer)
    writer.close()
