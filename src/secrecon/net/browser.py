"""Chromium without a way out, driven through playwright: renders pages for the crawl.

Every request of a page is taken from Chromium before it leaves and asked by the scan's own network: gate, pinned
addresses, pace, budget, log-in. Chromium itself is given a proxy that forwards nothing (`net.browserproxy`) and a resolver
that knows no name but the proxy's, so what is not taken is refused. Only GET and HEAD leave; a request by another method
is noted and ends here. Nothing is clicked, no address that acts is asked for. A profile of its own, an environment
without our secrets, no downloads, no service workers, no windows.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

from playwright.async_api import Browser as Chromium
from playwright.async_api import BrowserContext, Dialog, Page, Request, Route, async_playwright
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import TimeoutError as PlaywrightTimeout

from secrecon.model.errors import BadInput, BudgetSpent, OperatorError, ProtocolBroken, TargetError, TargetTimeout
from secrecon.model.http import Headers, HttpReply, HttpRequest
from secrecon.model.target import Origin
from secrecon.net.browserproxy import Wall
from secrecon.net.network import Network
from secrecon.net.rendering import Refuses, Rendered, Renderer, Wish
from secrecon.net.wire import location_of, next_request

PAGE_SECONDS, SETTLE_SECONDS, CLOSE_SECONDS, START_SECONDS = 20.0, 3.0, 5.0, 20.0
MAX_DOM, BODY_CAP, MAX_POSTED = 1_000_000, 2_000_000, 4_000
MAX_REQUESTS, MAX_WISHES, MAX_REFUSED, MAX_HOPS = 100, 100, 5, 5
_WALL = "wall.invalid"
_UNNEEDED = frozenset({"image", "media", "font"})
_BY_SCRIPT = frozenset({"xhr", "fetch", "eventsource"})
_FORWARDED = frozenset({"accept", "accept-language", "authorization", "x-requested-with"})
_NOT_FORWARDED_BACK = frozenset(
    {
        "alt-svc", "connection", "content-encoding", "content-length", "keep-alive", "nel", "report-to",
        "strict-transport-security", "transfer-encoding",
    }
)  # fmt: skip
_NO_PEERS = (
    "for (const name of ['RTCPeerConnection', 'webkitRTCPeerConnection', 'WebTransport']) delete window[name];"
)
_DOM = f"() => (document.documentElement ? document.documentElement.outerHTML : '').slice(0, {MAX_DOM})"


def arguments(port: int) -> list[str]:
    """The switches that leave Chromium no way but the proxy at `port` of 127.0.0.1."""
    return [
        f"--proxy-server=http://{_WALL}:{port}",
        "--proxy-bypass-list=<-loopback>",
        f"--host-resolver-rules=MAP {_WALL} 127.0.0.1,MAP * ~NOTFOUND",
        "--disable-quic",
        "--webrtc-ip-handling-policy=disable_non_proxied_udp",
        "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-domain-reliability",
        "--disable-sync",
        "--dns-prefetch-disable",
        "--no-pings",
        "--disable-gpu",
        "--js-flags=--max-old-space-size=256",
    ]


@contextlib.asynccontextmanager
async def open_browser(
    path: Path, network: Network, refuses: Refuses, *, sandbox: bool = True, wall: Wall | None = None
) -> AsyncIterator[Renderer]:
    """Chromium at `path`, for as long as the context lasts; it ends with it, also where that is cancelled. Raises
    OperatorError where it does not start."""
    wall = wall or Wall()
    await wall.start()
    try:
        async with async_playwright() as playwright:
            try:
                chromium = await playwright.chromium.launch(
                    executable_path=path,
                    args=arguments(wall.port),
                    chromium_sandbox=sandbox,
                    env={"PATH": os.defpath, "LANG": "C.UTF-8"},
                    handle_sigint=False,
                    handle_sigterm=False,
                    handle_sighup=False,
                    timeout=START_SECONDS * 1_000,
                )
            except PlaywrightError as error:
                raise OperatorError(_no_start(path, sandbox=sandbox)) from error
            try:
                yield Browser(chromium, network, refuses)
            finally:
                with contextlib.suppress(PlaywrightError, TimeoutError):  # the driver ends it below in any case
                    async with asyncio.timeout(CLOSE_SECONDS):
                        await chromium.close()
    finally:
        await wall.close()


def _no_start(path: Path, *, sandbox: bool) -> str:
    said = f"Chromium at {path} did not start"
    if sandbox:
        return f"{said}: its sandbox needs an ordinary user (not root) and user namespaces; see docs/crawling.md"
    return f"{said}: start it by hand to see why, or name another in SECRECON_CHROMIUM"


class Browser:
    """One running Chromium; a fresh profile for each page."""

    def __init__(self, chromium: Chromium, network: Network, refuses: Refuses) -> None:
        self._chromium = chromium
        self._network = network
        self._refuses = refuses

    async def render(self, origin: Origin, target: str) -> Rendered:
        """As `Renderer.render`."""
        visit = _Visit(self._network, self._refuses, HttpRequest(origin, target=target))
        context: BrowserContext | None = None
        try:
            async with asyncio.timeout(PAGE_SECONDS):
                context = await self._chromium.new_context(service_workers="block", accept_downloads=False)
                return await visit.hold(context)
        except (TimeoutError, PlaywrightTimeout) as error:
            raise TargetTimeout(
                f"{origin}{target} was not rendered within {PAGE_SECONDS:.0f} s", "total"
            ) from error
        except PlaywrightError as error:
            if visit.spent is not None:
                raise visit.spent from error
            why = visit.trouble or str(error).splitlines()[0][:120]
            raise ProtocolBroken(f"{origin}{target} did not open in Chromium: {why}") from error
        finally:
            await visit.end()
            if context is not None:
                with contextlib.suppress(PlaywrightError, TimeoutError):  # one that hangs ends with the browser
                    async with asyncio.timeout(CLOSE_SECONDS):
                        await context.close()


class _Visit:
    """One page while it is open: answers its requests, and notes what it asked for."""

    def __init__(self, network: Network, refuses: Refuses, start: HttpRequest) -> None:
        self._network = network
        self._refuses = refuses
        self._start = start
        self._asked = 0
        self._wishes: dict[tuple[str, str, str], Wish] = {}
        self._refused: dict[str, None] = {}
        self.spent: BudgetSpent | None = None
        self.trouble = ""
        self._over = False
        self._under_way: set[asyncio.Task[HttpReply | None]] = set()
        self._context: BrowserContext | None = None

    async def hold(self, context: BrowserContext) -> Rendered:
        self._context = context
        await context.add_init_script(_NO_PEERS)
        await context.route("**/*", self._answer)
        page = await context.new_page()
        context.on("page", _close)
        page.on("dialog", _dismiss)
        await page.goto(self._start.url, wait_until="load")
        with contextlib.suppress(PlaywrightTimeout):  # one that never rests is read as it is
            await page.wait_for_load_state("networkidle", timeout=SETTLE_SECONDS * 1_000)
        html = await self._dom(page)
        if self.spent is not None:
            self.trouble = str(self.spent)
        place = location_of(self._start, page.url.partition("#")[0]) or (self._start.origin, self._start.target)
        wishes, refused = tuple(self._wishes.values()), tuple(self._refused)
        return Rendered(place[0], place[1], html, wishes, refused, self.trouble)

    async def end(self) -> None:
        """Ask for nothing more, and end what is under way."""
        self._over = True
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _dom(self, page: Page) -> str:
        try:
            told: object = await page.evaluate(_DOM)
        except PlaywrightError:  # it was leading on to another page; the second time counts
            await page.wait_for_load_state("load")
            told = await page.evaluate(_DOM)
        return told[:MAX_DOM] if isinstance(told, str) else ""

    async def _answer(self, route: Route) -> None:
        """Ask for what the page asked for, where it may be asked for; else the page is told that it failed."""
        try:
            reply = None if self._over else await self._ended(route.request)
            if reply is None:
                await route.abort("blockedbyclient")
            else:
                await route.fulfill(status=reply.status, headers=_headers(reply), body=reply.body)
        except PlaywrightError:
            return  # the page is gone, so nobody waits for this answer

    async def _ended(self, asked: Request) -> HttpReply | None:
        """As `_fetch`, which `end` ends too."""
        task = asyncio.create_task(self._fetch(asked))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        await asyncio.wait({task})
        return None if task.cancelled() else task.result()

    async def _fetch(self, asked: Request) -> HttpReply | None:
        place = location_of(self._start, asked.url.partition("#")[0])
        if place is None or asked.resource_type in _UNNEEDED:
            return None
        origin, target = place
        why = self._refuses(target)
        sends = asked.method in ("GET", "HEAD") and not why
        if asked.method not in ("GET", "HEAD") or asked.resource_type in _BY_SCRIPT:
            self._wish(asked, origin, target, sends=sends)
        if not sends:
            return None
        self._asked += 1
        if self._asked > MAX_REQUESTS:
            self.trouble = f"only its first {MAX_REQUESTS} requests were answered"
            return None
        headers = tuple((name, value) for name, value in asked.headers.items() if name in _FORWARDED)
        request = HttpRequest(origin, asked.method, target, (*headers, *await self._cookies(asked.url)))
        try:
            return await self._followed(request, document=asked.resource_type == "document")
        except BudgetSpent as error:
            self.spent = error
        except (TargetError, BadInput) as error:
            self.trouble = self.trouble or f"{request.url[:100]}: {error}"[:200]
        return None

    async def _cookies(self, url: str) -> Headers:
        """The cookies that the page has been given; with a log-in, the network sends the user's."""
        if self._context is None or self._network.identity is not None:
            return ()
        pairs = [f"{c.get('name')}={c.get('value')}" for c in await self._context.cookies(url)]
        return (("cookie", "; ".join(pairs)[:4_000]),) if pairs else ()

    async def _followed(self, request: HttpRequest, *, document: bool) -> HttpReply | None:
        """The reply, redirects followed here: Chromium would take them to the proxy."""
        for hop in range(MAX_HOPS):
            exchange = await self._network.browsed(request, BODY_CAP)
            if exchange is None:
                if len(self._refused) < MAX_REFUSED:
                    self._refused.setdefault(str(request.origin)[:100])
                return None
            following = next_request(request, exchange.reply)
            if following is None:
                return _moved(request, exchange.reply) if document and hop else exchange.reply
            if following.method not in ("GET", "HEAD") or self._refuses(following.target):
                return None
            request = following
        return None

    def _wish(self, asked: Request, origin: Origin, target: str, *, sends: bool) -> None:
        if len(self._wishes) >= MAX_WISHES:
            return
        posted = asked.post_data_buffer or b""
        try:
            body = posted[:MAX_POSTED].decode("utf-8") if len(posted) <= MAX_POSTED else ""
        except UnicodeDecodeError:
            body = ""
        kind = asked.headers.get("content-type", "").partition(";")[0].strip().lower()[:100]
        wish = Wish(asked.method[:10].upper(), origin, target, kind, body, sends)
        self._wishes.setdefault((wish.method, f"{origin}{target}", kind), wish)


def _headers(reply: HttpReply) -> dict[str, str]:
    """What Chromium is told: bodies come unpacked, and nothing that outlives the page."""
    told: dict[str, str] = {}
    for name, value in reply.headers:
        key = name.lower()
        if key not in _NOT_FORWARDED_BACK:
            told[key] = f"{told[key]}\n{value}" if key == "set-cookie" and key in told else value
    return told


def _moved(request: HttpRequest, reply: HttpReply) -> HttpReply:
    """A document that was found elsewhere: Chromium is led there, so that relative addresses are right."""
    return HttpReply(
        200, "OK", (("refresh", f"0;url={request.url}"), ("content-type", "text/html")), b"", b"", b"",
        reply.request_bytes, truncated=False, problems=(), elapsed=reply.elapsed, address=reply.address,
    )  # fmt: skip


async def _close(page: Page) -> None:
    with contextlib.suppress(PlaywrightError):  # it may have closed itself
        await page.close()


async def _dismiss(dialog: Dialog) -> None:
    with contextlib.suppress(PlaywrightError):  # its page may be gone
        await dialog.dismiss()
