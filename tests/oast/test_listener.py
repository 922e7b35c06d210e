import asyncio
import socket
import struct
from collections.abc import Sequence

import dns.message
import httpx
import pytest
from tests.oast.conftest import TOKEN, Book

from secrecon.model.errors import OperatorError
from secrecon.model.interaction import CallbackProtocol, Interaction
from secrecon.net.clock import SystemClock
from secrecon.oast.listener import Listener, ListenerConfig
from secrecon.oast.tokens import marker


async def udp(listener: Listener, packet: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        await loop.sock_connect(sock, ("127.0.0.1", listener.dns_port))
        await loop.sock_sendall(sock, packet)
        async with asyncio.timeout(3):
            return await loop.sock_recv(sock, 4096)


async def tcp(port: int, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        async with asyncio.timeout(5):
            return await reader.read(100_000)
    finally:
        writer.close()
        await writer.wait_closed()


async def test_an_http_client_gets_the_marker_and_the_hit_is_handed_on(listener: Listener, book: Book) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        reply = await client.get(
            f"http://127.0.0.1:{listener.http_port}/",
            headers={"Host": f"{TOKEN}.cb.test", "User-Agent": "fetcher/1"},
        )
    assert marker(TOKEN) in reply.text
    (hit,) = await book.until(1)
    assert (hit.token, hit.protocol, hit.remote_address) == (TOKEN, CallbackProtocol.HTTP, "127.0.0.1")
    assert "User-Agent: fetcher/1" in hit.raw
    assert not hit.own


async def test_dns_over_udp_and_tcp(listener: Listener, book: Book) -> None:
    query = dns.message.make_query(f"{TOKEN}.cb.test", "A")
    by_udp = dns.message.from_wire(await udp(listener, query.to_wire()))
    assert str(by_udp.answer[0][0]) == "127.0.0.1"
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.dns_port)
    for _ in range(2):
        wire = query.to_wire()
        writer.write(struct.pack("!H", len(wire)) + wire)
        size = int.from_bytes(await reader.readexactly(2), "big")
        assert dns.message.from_wire(await reader.readexactly(size)).answer == by_udp.answer
    writer.close()
    await writer.wait_closed()
    hits = await book.until(3)
    assert {hit.protocol for hit in hits} == {CallbackProtocol.DNS}
    assert len({hit.id for hit in hits}) == 3
    assert hits[0].query == "A"


async def test_a_canary_is_marked_as_our_own(listener: Listener, book: Book) -> None:
    token = "selftest" + "x" * 25
    await tcp(listener.http_port, f"GET /{token} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert (await book.until(1))[0].own


async def test_a_request_that_never_ends_still_counts_and_is_answered(listener: Listener, book: Book) -> None:
    answer = await tcp(
        listener.http_port, f"POST /{TOKEN} HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n".encode()
    )
    assert answer.startswith(b"HTTP/1.1 200")
    assert (await book.until(1))[0].token == TOKEN


async def test_a_silent_client_is_closed(listener: Listener, book: Book) -> None:
    assert await tcp(listener.http_port, b"") == b""
    assert await tcp(listener.dns_port, b"\x00\x05abcde") == b""
    assert book.hits == []


async def test_a_port_in_use_says_what_to_do(listener: Listener, book: Book) -> None:
    for config, word in (
        (ListenerConfig("127.0.0.1", listener.http_port, 0), "SECRECON_OAST_HTTP_PORT"),
        (ListenerConfig("127.0.0.1", 0, listener.dns_port), "SECRECON_OAST_DNS_PORT"),
    ):
        second = Listener(config, book, SystemClock())
        with pytest.raises(OperatorError, match=word):
            await second.start()
        assert second._servers == []


async def test_an_address_that_is_not_ours_says_what_to_do(book: Book) -> None:
    with pytest.raises(OperatorError, match="SECRECON_OAST_HOST"):
        await Listener(ListenerConfig("192.0.2.1", 0, 0), book, SystemClock()).start()


async def test_a_dns_port_taken_for_udp_only_is_noticed(book: Book) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(OperatorError, match="DNS"):
            await Listener(ListenerConfig("127.0.0.1", 0, taken.getsockname()[1]), book, SystemClock()).start()


async def test_connections_beyond_the_limit_of_one_client_are_refused(book: Book) -> None:
    config = ListenerConfig("127.0.0.1", 0, 0, connections_per_client=2, patience=3.0)
    small = Listener(config, book, SystemClock())
    await small.start()
    try:
        held = [await asyncio.open_connection("127.0.0.1", small.http_port) for _ in range(2)]
        await asyncio.sleep(0.05)
        assert await tcp(small.http_port, b"") == b""
        assert small.counts.refused == 1
        for _, writer in held:
            writer.close()
            await writer.wait_closed()
        await asyncio.sleep(0.05)
        answer = await tcp(small.http_port, f"GET /{TOKEN} HTTP/1.1\r\n\r\n".encode())
        assert marker(TOKEN).encode() in answer
    finally:
        await small.stop()


async def test_a_flood_is_bounded_and_every_loss_is_counted() -> None:
    gate = asyncio.Event()
    kept: list[Interaction] = []

    async def slow(hits: Sequence[Interaction]) -> None:
        await gate.wait()
        kept.extend(hits)

    config = ListenerConfig("127.0.0.1", 0, 0, domain="cb.test", queue=5, per_second_and_client=1000)
    flooded = Listener(config, slow, SystemClock())
    await flooded.start()
    try:
        packet = dns.message.make_query(f"{TOKEN}.cb.test", "A").to_wire()
        for _ in range(20):
            await udp(flooded, packet)
        assert flooded.counts.dropped == 20 - flooded.counts.taken
        assert flooded.counts.taken <= 6
    finally:
        gate.set()
        await flooded.stop()
    assert len(kept) == flooded.counts.taken


async def test_a_client_over_its_rate_gets_silence() -> None:
    book = Book()
    config = ListenerConfig("127.0.0.1", 0, 0, domain="cb.test", per_second_and_client=3)
    limited = Listener(config, book, SystemClock())
    await limited.start()
    try:
        packet = dns.message.make_query(f"{TOKEN}.cb.test", "A").to_wire()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for _ in range(30):
                sock.sendto(packet, ("127.0.0.1", limited.dns_port))
            await asyncio.sleep(0.2)
        assert limited.counts.refused >= 20
        assert len(book.hits) <= 6
    finally:
        await limited.stop()


async def test_a_failing_store_is_tried_again_and_then_counted() -> None:
    calls = 0

    async def fails(hits: Sequence[Interaction]) -> None:
        nonlocal calls
        calls += 1
        if calls in (1, 3, 4, 5):
            raise RuntimeError("no room")

    running = Listener(ListenerConfig("127.0.0.1", 0, 0), fails, SystemClock())
    await running.start()
    for _ in range(2):
        await tcp(running.http_port, f"GET /{TOKEN} HTTP/1.1\r\n\r\n".encode())
    await running.stop()
    assert calls == 5
    assert running.counts.failed == 1


async def test_stopping_closes_open_connections_and_frees_the_ports(book: Book) -> None:
    running = Listener(ListenerConfig("127.0.0.1", 0, 0), book, SystemClock())
    await running.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", running.http_port)
    await asyncio.sleep(0.02)
    await running.stop()
    assert await reader.read() == b""
    writer.close()
    again = Listener(ListenerConfig("127.0.0.1", running.http_port, running.dns_port), book, SystemClock())
    await again.start()
    await again.stop()
