"""A lab in a process of its own, and a callback listener (name server and HTTP) on loopback that notes who calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import dns.message
import dns.rrset
import pytest

from secrecon.lab.hosts.ssrf_innocent import PREVIEWER
from secrecon.lab.process import LabProcess


@dataclass(slots=True)
class Catcher:
    """The callback listener. `lookups`: names asked for. `requests`: (Host header, path). `answer`: what names are.
    `first`: what the first lookup is answered instead, "" for nothing else. `previewed`: what a chat
    service's preview asked for, which is no request of the host's."""

    dns_port: int = 0
    http_port: int = 0
    answer: str = "127.0.0.1"
    lookups: list[str] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    previewed: str = ""
    first: str = ""

    def url(self, token: str, path: str = "/hit") -> str:
        return f"http://{token}.cb.test:{self.http_port}{path}"

    def looked_up(self, token: str) -> bool:
        return any(token in name for name in self.lookups)

    def requested(self, token: str) -> bool:
        return any(token in host or token in path for host, path in self.requests)

    async def wait_for(self, token: str, seconds: float) -> bool:
        """True once an HTTP request for `token` arrived; gives up after `seconds`."""
        for _ in range(int(seconds / 0.02)):
            if self.requested(token):
                return True
            await asyncio.sleep(0.02)
        return False


class _NameServer(asyncio.DatagramProtocol):
    def __init__(self, catcher: Catcher) -> None:
        self._catcher = catcher
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        name = query.question[0].name.to_text(omit_final_dot=True)
        self._catcher.lookups.append(name)
        reply = dns.message.make_response(query)
        address, self._catcher.first = self._catcher.first or self._catcher.answer, ""
        reply.answer.append(dns.rrset.from_text(name + ".", 1, "IN", "A", address))
        assert self._transport is not None
        self._transport.sendto(reply.to_wire(), addr)


@pytest.fixture
async def catcher() -> AsyncIterator[Catcher]:
    """A listener for one test."""
    caught = Catcher()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        host = next(line[5:].strip() for line in head.split("\r\n") if line.lower().startswith("host:"))
        if PREVIEWER in head:
            caught.previewed += host
        else:
            caught.requests.append((host, head.split(" ")[1]))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\ncaught")
        await writer.drain()
        writer.close()

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _NameServer(caught), local_addr=("127.0.0.1", 0))
    caught.dns_port = transport.get_extra_info("sockname")[1]
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    caught.http_port = server.sockets[0].getsockname()[1]
    yield caught
    transport.close()
    server.close()
    await server.wait_closed()


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabProcess]:
    """One lab for all tests of this room."""
    with LabProcess(tmp_path_factory.mktemp("lab")) as running:
        yield running
