"""The whole way of a request against servers that misbehave: real sockets on loopback, every wait bounded."""

from __future__ import annotations

import asyncio
import gzip
import socket
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import pytest

from secrecon.model.errors import (
    BadInput,
    BudgetSpent,
    ConnectFailed,
    ProtocolBroken,
    ScopeRefused,
    TargetTimeout,
    TlsFailed,
    Unresolvable,
)
from secrecon.model.http import HttpRequest
from secrecon.model.scan import Budget
from secrecon.model.target import Origin, parse_target
from secrecon.net.clock import SystemClock
from secrecon.net.connection import Timeouts
from secrecon.net.gate import ScopeGate
from secrecon.net.network import Network
from secrecon.net.resolver import Resolver

if TYPE_CHECKING:
    from tests.net.conftest import FakeDns, MakeNetwork, Serve

Says = Callable[..., Awaitable[int]]
FAST = Timeouts(connect=0.4, tls=0.4, write=0.4, head=0.4, body=0.4, total=0.8)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def at(port: int, host: str = "127.0.0.1", scheme: str = "http") -> Origin:
    return Origin(scheme, host, port)


def url(port: int) -> str:
    return f"http://127.0.0.1:{port}/"


async def test_exact_bytes_are_kept(serve: Serve, network: MakeNetwork) -> None:
    seen: list[bytes] = []
    head = b"HTTP/1.1 200 Fine\r\nsErVeR: x\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
    packed = gzip.compress(b"hello")
    body = b"%x;ext=1\r\n%s\r\n0\r\nT: r\r\n\r\n" % (len(packed), packed)

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(head + body)

    port = await serve(handler)
    net = network(url(port))
    reply = (await net.http(HttpRequest(at(port), target="/a/../b/%2e%2e/"))).reply
    assert seen == [reply.request_bytes]
    assert seen[0].startswith(b"GET /a/../b/%2e%2e/ HTTP/1.1\r\n")
    assert (reply.raw_head, reply.raw_body, reply.body) == (head, body, b"hello")
    assert (reply.problems, reply.truncated, reply.address, reply.tls) == ((), False, "127.0.0.1", None)
    assert 0 < reply.elapsed < 2
    assert (net.requests, net.received) == (1, len(head + body))


async def test_raw_requests(serve: Serve, network: MakeNetwork) -> None:
    seen: list[bytes] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.read(1000))
        writer.write(OK)

    port = await serve(handler)
    raw = b"GET /\x00 HTTP/9.9\nBad Header\n\n"
    reply = (await network(url(port)).http(HttpRequest(at(port), raw=raw), follow=3)).reply
    assert seen == [raw] == [reply.request_bytes]


async def test_connections_are_reused_and_replaced_once_when_stale(serve: Serve, network: MakeNetwork) -> None:
    connections = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        for _ in range(3):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(OK)
        await reader.readuntil(b"\r\n\r\n")  # the fourth request finds the connection closing

    port = await serve(handler)
    net = network(url(port))
    for _ in range(3):
        assert (await net.http(HttpRequest(at(port)))).reply.body == b"ok"
    assert connections == 1
    assert (await net.http(HttpRequest(at(port)))).reply.body == b"ok"
    assert connections == 2
    assert (await net.http(HttpRequest(at(port), "POST"))).reply.body == b"ok"
    assert connections == 3, "a request that must not be repeated never risks a pooled connection"


async def test_nothing_is_reused_after_an_odd_reply(serve: Serve, network: MakeNetwork) -> None:
    connections = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")

    port = await serve(handler)
    net = network(url(port))
    for _ in range(3):
        assert (await net.http(HttpRequest(at(port)))).reply.body == b"ok"
    assert connections == 3


async def test_late_bytes_on_an_idle_connection_are_no_reply(serve: Serve, network: MakeNetwork) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await asyncio.sleep(0.05)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
        await asyncio.sleep(1)

    port = await serve(handler)
    net = network(url(port))
    await net.http(HttpRequest(at(port)))
    await asyncio.sleep(0.15)
    assert (await net.http(HttpRequest(at(port)))).reply.body == b"ok"


async def test_an_endless_body_is_cut_by_the_cap(serve: Serve, network: MakeNetwork) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n")
        for _ in range(10_000):
            writer.write(b"x" * 1_000_000)
            await writer.drain()

    port = await serve(handler)
    net = network(url(port))
    reply = (await net.http(HttpRequest(at(port)), body_cap=300_000)).reply
    assert (reply.truncated, len(reply.body), len(reply.raw_body)) == (True, 300_000, 300_000)
    assert net.received < 3_000_000


async def test_a_gzip_bomb_is_cut_by_the_cap(says: Says, network: MakeNetwork) -> None:
    bomb = gzip.compress(b"\0" * 100_000_000)
    port = await says(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb) + bomb,
    )
    net = network(url(port))
    tracemalloc.start()
    reply = (await net.http(HttpRequest(at(port)), body_cap=500_000)).reply
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (reply.truncated, len(reply.body)) == (True, 500_000)
    assert peak < 10_000_000


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (b"", ConnectFailed),
        (b"HTTP/1.1 200 OK\r\nServ", ProtocolBroken),
        (b"\x16\x03\x01\x02\x00garbage", ProtocolBroken),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 30_000, ProtocolBroken),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, ProtocolBroken),
    ],
)
async def test_replies_that_are_none(
    says: Says, network: MakeNetwork, reply: bytes, error: type[ProtocolBroken]
) -> None:
    port = await says(reply)
    with pytest.raises(error) as caught:
        await network(url(port)).http(HttpRequest(at(port)))
    received = caught.value.received
    assert reply.startswith(received)
    assert bool(received) == bool(reply)


async def test_an_early_close_is_a_reply_with_a_problem(says: Says, network: MakeNetwork) -> None:
    port = await says(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    reply = (await network(url(port)).http(HttpRequest(at(port)))).reply
    assert (reply.body, reply.truncated, reply.problems) == (b"half", True, ("early-close",))


async def test_endless_headers_end(serve: Serve, network: MakeNetwork) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n")
        for _ in range(100_000):
            writer.write(b"X-Long: " + b"y" * 1000 + b"\r\n")
            await writer.drain()

    port = await serve(handler)
    with pytest.raises(ProtocolBroken, match="head is longer"):
        await network(url(port)).http(HttpRequest(at(port)))


def _drip(first: bytes) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(first)
        for _ in range(200):
            await asyncio.sleep(0.05)
            writer.write(b"x")

    return handler


@pytest.mark.parametrize(
    ("first", "stage"),
    [
        (b"HTTP/1.1 200 OK\r\nX: ", "head"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", "body"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "body"),
    ],
)
async def test_dripping_is_bounded_and_what_came_is_kept(
    serve: Serve, network: MakeNetwork, first: bytes, stage: str
) -> None:
    port = await serve(_drip(first))
    began = time.monotonic()
    with pytest.raises(TargetTimeout) as caught:
        await network(url(port), timeouts=FAST).http(HttpRequest(at(port)))
    assert time.monotonic() - began < 1.5
    assert caught.value.stage == stage
    assert caught.value.received.startswith(first + b"x")


async def test_the_total_bounds_what_the_stages_allow(serve: Serve, network: MakeNetwork) -> None:
    port = await serve(_drip(b"HTTP/1.1 200 OK\r\n\r\n"))
    with pytest.raises(TargetTimeout) as caught:
        await network(url(port), timeouts=Timeouts(1, 1, 1, 5, 5, 0.3)).http(HttpRequest(at(port)))
    assert caught.value.stage == "total"


async def test_a_server_that_never_reads(serve: Serve, network: MakeNetwork) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(5)

    port = await serve(handler)
    with pytest.raises(TargetTimeout) as caught:
        await network(url(port), timeouts=FAST).http(HttpRequest(at(port), "POST", body=b"x" * 30_000_000))
    assert caught.value.stage == "write"


async def test_a_large_request_body_arrives_whole(serve: Serve, network: MakeNetwork) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(5_000_000)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n%d" % len(body))

    port = await serve(handler)
    reply = (await network(url(port)).http(HttpRequest(at(port), "POST", body=b"x" * 5_000_000))).reply
    assert reply.body == b"5000000"


async def test_refused_and_hanging_ports(network: MakeNetwork) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(ConnectFailed):
            await network(url(port)).http(HttpRequest(at(port)))
    with socket.socket() as hanging:
        hanging.bind(("127.0.0.1", 0))
        hanging.listen(5)  # accepts into the backlog and never answers
        port = hanging.getsockname()[1]
        with pytest.raises(TargetTimeout) as caught:
            await network(url(port), timeouts=FAST).http(HttpRequest(at(port)))
        assert (caught.value.stage, caught.value.received) == ("head", b"")
        with pytest.raises(TargetTimeout) as caught:
            net = network(f"https://127.0.0.1:{port}/", timeouts=FAST)
            await net.http(HttpRequest(at(port, scheme="https")))
        assert caught.value.stage == "tls"


async def test_plain_http_on_a_tls_request(says: Says, network: MakeNetwork) -> None:
    port = await says(OK)
    with pytest.raises((TlsFailed, TargetTimeout)):
        net = network(f"https://127.0.0.1:{port}/", timeouts=FAST)
        await net.http(HttpRequest(at(port, scheme="https")))


async def test_ipv6(says: Says, network: MakeNetwork) -> None:
    port = await says(OK, host="::1")
    reply = (await network(f"http://[::1]:{port}/").http(HttpRequest(at(port, "::1")))).reply
    assert (reply.body, reply.address) == (b"ok", "::1")
    assert f"Host: [::1]:{port}\r\n".encode() in reply.request_bytes


async def test_the_next_address_is_tried(says: Says, network: MakeNetwork, dns_server: FakeDns) -> None:
    port = await says(OK, host="127.0.0.3")
    dns_server.zone = {("two.test", "A"): ["127.0.0.2", "127.0.0.3"], ("two.test", "AAAA"): ["::1"]}
    net = network(f"http://two.test:{port}/", resolver=dns_server.resolver())
    reply = (await net.http(HttpRequest(at(port, "two.test")))).reply
    assert (reply.address, reply.body) == ("127.0.0.3", b"ok")


async def test_names_that_do_not_resolve(network: MakeNetwork, dns_server: FakeDns) -> None:
    net = network("http://gone.test/", resolver=dns_server.resolver())
    with pytest.raises(Unresolvable):
        await net.http(HttpRequest(at(80, "gone.test")))


async def test_a_rebinding_name_cannot_reach_inside(
    serve: Serve, network: MakeNetwork, dns_server: FakeDns
) -> None:
    """First answer allowed, second not: the refused address is never contacted, pooled connections included."""
    hits: list[str] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hits.append(writer.get_extra_info("sockname")[0])
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(OK)

    port = await serve(handler, "127.0.0.1")
    await serve(handler, "127.0.0.66", port=port)
    answers = iter([["127.0.0.1"], ["127.0.0.66"], ["127.0.0.1", "127.0.0.66"]])
    dns_server.zone = {("rebind.test", "A"): lambda: next(answers, ["127.0.0.66"])}
    resolver = dns_server.resolver()
    net = network(f"http://rebind.test:{port}/", allow=("127.0.0.1",), resolver=resolver, pin_seconds=0.03)
    request = HttpRequest(at(port, "rebind.test"))
    assert (await net.http(request)).reply.body == b"ok"
    for _ in range(3):
        await asyncio.sleep(0.06)
        with pytest.raises(ScopeRefused) as caught:
            await net.http(request)
        assert caught.value.rule == "loopback"
    assert hits == ["127.0.0.1"]


async def test_a_kept_connection_is_not_used_once_its_address_is_no_longer_admitted(
    serve: Serve, network: MakeNetwork, dns_server: FakeDns
) -> None:
    port = await serve(Redirector(), "127.0.0.1")
    await serve(Redirector(), "127.0.0.3", port=port)
    answers = iter([["127.0.0.1"]])
    dns_server.zone = {("moves.test", "A"): lambda: next(answers, ["127.0.0.3"])}
    net = network(f"http://moves.test:{port}/", resolver=dns_server.resolver(), pin_seconds=0.05)
    request = HttpRequest(at(port, "moves.test"))
    assert (await net.http(request)).reply.address == "127.0.0.1"
    await asyncio.sleep(0.08)
    assert (await net.http(request)).reply.address == "127.0.0.3"


class Redirector:
    """Answers `/to?URL` with a redirect to URL, everything else with ok."""

    def __init__(self) -> None:
        self.heads: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            self.heads.append(head)
            target = head.split(b" ")[1]
            if target.startswith(b"/to?"):
                where = target.removeprefix(b"/to?")
                writer.write(b"HTTP/1.1 302 Found\r\nLocation: " + where + b"\r\nContent-Length: 0\r\n\r\n")
            else:
                writer.write(OK)


async def test_redirects_inside_the_scope_are_followed(serve: Serve, network: MakeNetwork) -> None:
    port = await serve(Redirector())
    net = network(url(port))
    exchange = await net.http(HttpRequest(at(port), target="/to?/to?/end"), follow=5)
    assert exchange.request.target == "/end"
    assert [request.target for request, _ in exchange.redirects] == ["/to?/to?/end", "/to?/end"]
    assert (exchange.reply.body, net.requests, net.refusals) == (b"ok", 3, [])
    stay = await net.http(HttpRequest(at(port), target="/to?/to?/end"))
    assert (stay.reply.status, stay.redirects) == (302, ())
    one = await net.http(HttpRequest(at(port), target="/to?/to?/end"), follow=1)
    assert (one.reply.status, len(one.redirects)) == (302, 1)


async def test_a_redirect_loop_ends(serve: Serve, network: MakeNetwork) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n")

    port = await serve(handler)
    exchange = await network(url(port)).http(HttpRequest(at(port)), follow=7)
    assert (exchange.reply.status, len(exchange.redirects)) == (302, 7)


@pytest.mark.parametrize(
    ("location", "rule"),
    [
        ("http://127.0.0.66:{port}/", "off-target"),
        ("http://0x7f000001:1/", "off-target"),
        ("//169.254.169.254/latest/meta-data/", "off-target"),
        ("http://inside.acme.test:{port}/", "loopback"),
        ("http://meta.acme.test/", "metadata"),
        ("http://evil.test:{port}/", "off-target"),
        ("http://gone.acme.test/", "unresolvable"),
        ("https://acme.test@evil.test/", "off-target"),
    ],
)
async def test_redirects_outside_end_with_the_redirect(
    serve: Serve, network: MakeNetwork, dns_server: FakeDns, location: str, rule: str
) -> None:
    inside = Redirector()
    port = await serve(Redirector())
    await serve(inside, "127.0.0.66", port=port)
    dns_server.zone = {
        ("acme.test", "A"): ["127.0.0.1"],
        ("inside.acme.test", "A"): ["127.0.0.66"],
        ("meta.acme.test", "A"): ["169.254.169.254"],
        ("evil.test", "A"): ["127.0.0.66"],
    }
    net = network("acme.test", allow=("127.0.0.1",), resolver=dns_server.resolver())
    request = HttpRequest(at(port, "acme.test"), target="/to?" + location.format(port=port))
    exchange = await net.http(request, follow=5)
    assert (exchange.reply.status, exchange.redirects) == (302, ())
    assert [refusal.rule for refusal in net.refusals] == [rule]
    assert inside.heads == []


async def test_a_target_cannot_send_us_to_our_own_listener(serve: Serve) -> None:
    """Else a reflected callback address would look like a callback from the target."""
    listener_heads = Redirector()
    port, listener = await serve(Redirector()), await serve(listener_heads)
    own = at(listener)
    resolver = Resolver([("127.0.0.1", 9)])
    gate = ScopeGate(parse_target(url(port)), ("127.0.0.1",), resolver, (own,))
    net = Network(gate, resolver, Budget(), SystemClock())
    exchange = await net.http(HttpRequest(at(port), target=f"/to?{own}/token"), follow=3)
    assert (exchange.reply.status, [refusal.rule for refusal in net.refusals]) == (302, ["own-listener"])
    assert listener_heads.heads == []
    assert (await net.http(HttpRequest(own))).reply.body == b"ok", "the self-test may"
    await net.close()


async def test_credentials_do_not_cross_origins(serve: Serve, network: MakeNetwork, dns_server: FakeDns) -> None:
    redirector = Redirector()
    port = await serve(redirector)
    dns_server.zone = {("acme.test", "A"): ["127.0.0.1"], ("b.acme.test", "A"): ["127.0.0.1"]}
    net = network("acme.test", resolver=dns_server.resolver())
    headers = (("Authorization", "Bearer s"), ("Cookie", "a=b"))
    for target in ("/to?/same", f"/to?http://b.acme.test:{port}/other"):
        await net.http(HttpRequest(at(port, "acme.test"), target=target, headers=headers), follow=1)
    assert b"Bearer s" in redirector.heads[1]
    assert b"Bearer s" not in redirector.heads[3]
    assert b"Cookie" not in redirector.heads[3]


async def test_the_budget(says: Says, network: MakeNetwork) -> None:
    port = await says(OK)
    net = network(url(port), budget=Budget(requests=2, rate=1e4))
    for _ in range(2):
        await net.http(HttpRequest(at(port)))
    with pytest.raises(BudgetSpent) as caught:
        await net.http(HttpRequest(at(port)))
    assert (caught.value.limit, net.requests) == ("requests", 2)
    net = network(url(port), budget=Budget(bytes=len(OK), rate=1e4))
    await net.http(HttpRequest(at(port)))
    with pytest.raises(BudgetSpent) as caught:
        await net.http(HttpRequest(at(port)))
    assert caught.value.limit == "bytes"
    net = network(url(port), deadline=time.time() - 1)
    with pytest.raises(BudgetSpent) as caught:
        await net.http(HttpRequest(at(port)))
    assert caught.value.limit == "seconds"


async def test_the_deadline_ends_an_exchange_under_way(serve: Serve, network: MakeNetwork) -> None:
    port = await serve(_drip(b"HTTP/1.1 200 OK\r\n\r\n"))
    net = network(url(port), deadline=time.time() + 0.3, timeouts=Timeouts())
    began = time.monotonic()
    with pytest.raises(TargetTimeout):
        await net.http(HttpRequest(at(port)))
    assert time.monotonic() - began < 1.5


async def test_bad_requests_are_told_apart(says: Says, network: MakeNetwork) -> None:
    port = await says(OK)
    with pytest.raises(BadInput):
        await network(url(port)).http(HttpRequest(at(port), target="/\r\nX: y"))


async def test_pushing_back_is_recorded(says: Says, network: MakeNetwork) -> None:
    port = await says(b"HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n")
    net = network(url(port))
    assert (await net.http(HttpRequest(at(port)))).reply.status == 429
    assert "429" in net.slowed["127.0.0.1"]


async def test_cancelling_leaves_nothing_behind(serve: Serve, network: MakeNetwork) -> None:
    port = await serve(_drip(b"HTTP/1.1 200 OK\r\n\r\n"))
    net = network(url(port), budget=Budget(in_flight=1, rate=1e4))
    for _ in range(3):
        task = asyncio.create_task(net.http(HttpRequest(at(port))))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_many_at_once(serve: Serve, network: MakeNetwork) -> None:
    port = await serve(Redirector())
    net = network(url(port), budget=Budget(rate=1e5, in_flight=20))
    exchanges = await asyncio.gather(*(net.http(HttpRequest(at(port), target=f"/{n}")) for n in range(300)))
    assert {exchange.reply.body for exchange in exchanges} == {b"ok"}
    assert net.requests == 300


async def test_dns_through_the_network(network: MakeNetwork, dns_server: FakeDns) -> None:
    dns_server.zone = {("acme.test", "A"): ["127.0.0.1"], ("acme.test", "TXT"): ['"v=spf1 -all"']}
    soa = ("acme.test", "SOA", "ns.acme.test. admin.acme.test. 1 2 3 4 5")
    dns_server.transfers = {"acme.test": [[soa, ("a.acme.test", "A", "192.0.2.1"), soa]]}
    net = network("acme.test", resolver=dns_server.resolver())
    assert (await net.addresses("acme.test")).addresses == ("127.0.0.1",)
    assert (await net.dns("acme.test", "TXT")).values("TXT") == ('"v=spf1 -all"',)
    assert len((await net.transfer("acme.test", "127.0.0.1")).records) == 3
    with pytest.raises(ScopeRefused):
        await net.transfer("evil.test", "127.0.0.1")
    assert net.requests == 3
