"""Server-side request forgery through a query parameter: full, blind, name lookup only, past a redirect, past a filter.

Each vulnerable host has a twin with the same pages and parameter names that checks the URL properly, and two more
twins that never fetch at all: one echoes the URL, one has the visitor's browser fetch it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from html import escape
from urllib.parse import quote, urlsplit

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from secrecon.lab.fetcher import Fetched
from secrecon.lab.site import Handler, Site, not_found, page
from secrecon.lab.world import World
from secrecon.model.errors import BadInput, TargetError

REFUSED = "That address may not be fetched.\n"
MAX_URL = 2000


def trusted(world: World, url: str) -> bool:
    """The correct check: an http URL, no credentials, and exactly the static host at its own port."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    static = world.origin("static")
    plain = parts.scheme == "http" and parts.username is None and "\\" not in url
    return plain and world.is_site("static", parts.hostname) and port == static.port


def example(world: World) -> str:
    """The URL that the pages show as an example."""
    return f"{world.origin('static')}/logo.txt"


def fetched_page(fetched: Fetched) -> Response:
    """What was fetched, handed on as text."""
    shown = fetched.body.decode("utf-8", "replace")
    return page("Fetched", f"<p>Status {fetched.status}</p><pre>{escape(shown)}</pre>")


def refused() -> Response:
    """The uniform refusal."""
    return PlainTextResponse(REFUSED, 400)


def sites(world: World) -> list[Site]:
    """The query-parameter hosts and their twins."""
    return [
        *_full(world),
        *_blind(world),
        *_lookup(world),
        *_redirected(world),
        *_filtered(world),
    ]


def form_index(world: World, title: str, path: str, name: str) -> Handler:
    """An index page with a GET form and an example link for one parameter."""

    def index(request: Request) -> Response:
        shown = escape(example(world))
        linked = f"{path}?{name}={quote(example(world), safe='')}"
        return page(
            title,
            f'<form action="{path}" method="get"><label>Address <input name="{name}" value="{shown}"></label>'
            f'<button>Go</button></form><p>For example <a href="{linked}">our logo</a>.</p>',
        )

    return index


def _query_site(
    world: World, label: str, title: str, path: str, name: str, act: Callable[[str], Awaitable[Response]]
) -> Site:
    async def handle(request: Request) -> Response:
        url = request.query_params.get(name, "")
        if not url or len(url) > MAX_URL:
            return PlainTextResponse(f"the parameter {name} is missing\n", 400)
        return await act(url)

    return Site(label, {("GET", "/"): form_index(world, title, path, name), ("GET", path): handle})


async def _show(world: World, url: str, follow: bool = True) -> Response:
    try:
        return fetched_page(await world.fetcher.fetch(url, follow=follow))
    except (TargetError, BadInput) as error:
        return page("Not fetched", f"<p>{escape(str(error))}</p>", 502)


def _full(world: World) -> list[Site]:
    async def fetch(url: str) -> Response:
        return await _show(world, url)

    async def fetch_checked(url: str) -> Response:
        return await _show(world, url, follow=False) if trusted(world, url) else refused()

    async def echo(url: str) -> Response:
        return page("Link saved", f'<p>You gave <a rel="nofollow" href="{escape(url)}">{escape(url)}</a>.</p>')

    async def embed(url: str) -> Response:
        shown = escape(url)
        return page("Preview", f'<img src="{shown}" alt="preview"><iframe src="{shown}" title="preview"></iframe>')

    title, path = "Page fetcher", "/fetch"
    return [
        _query_site(world, "fetch", title, path, "url", fetch),
        _query_site(world, "fetch-safe", title, path, "url", fetch_checked),
        _query_site(world, "fetch-echo", title, path, "url", echo),
        _query_site(world, "fetch-client", title, path, "url", embed),
    ]


def _blind(world: World) -> list[Site]:
    queued = "queued\n"

    async def deliver(url: str) -> None:
        await world.fetcher.try_fetch(url)

    async def queue(url: str) -> Response:
        world.later(deliver(url))
        return PlainTextResponse(queued)

    async def queue_checked(url: str) -> Response:
        if trusted(world, url):
            world.later(deliver(url))
        return PlainTextResponse(queued)

    title, path = "Webhook test", "/webhook/test"
    return [
        _query_site(world, "queue", title, path, "target", queue),
        _query_site(world, "queue-safe", title, path, "target", queue_checked),
    ]


def _lookup(world: World) -> list[Site]:
    async def look_up(url: str) -> Response:
        try:
            await world.fetcher.look_up(url)
        except (TargetError, BadInput):
            return page("Uptime", "<p>That host is not known.</p>", 502)
        return page("Uptime", "<p>The connection was refused by our firewall.</p>", 502)

    async def look_up_checked(url: str) -> Response:
        return await look_up(url) if trusted(world, url) else refused()

    title, path = "Uptime check", "/uptime"
    return [
        _query_site(world, "uptime", title, path, "url", look_up),
        _query_site(world, "uptime-safe", title, path, "url", look_up_checked),
    ]


def _redirected(world: World) -> list[Site]:
    """The proxy fetches its own host only; its own host has an open redirect. The twin does not follow it."""

    def site(label: str, follow: bool) -> Site:
        def own(url: str) -> bool:
            try:
                parts = urlsplit(url)
                right_port = parts.port == world.http_port
            except ValueError:
                return False
            return parts.scheme == "http" and right_port and world.is_site(label, parts.hostname)

        async def proxy(request: Request) -> Response:
            url = request.query_params.get("url", "")
            if not own(url) or len(url) > MAX_URL:
                return refused()
            return await _show(world, url, follow=follow)

        def go(request: Request) -> Response:
            wanted = request.query_params.get("next", "/")
            return RedirectResponse(wanted[:MAX_URL], 302)

        def index(request: Request) -> Response:
            inner = quote(f"{world.origin(label)}/news", safe="")
            return page(
                "Reader",
                f'<p><a href="/proxy?url={inner}">Read the news</a></p><p><a href="/go?next=%2Fnews">Go there</a></p>',
            )

        def news(request: Request) -> Response:
            return page("News", "<p>Nothing happened today.</p>")

        routes: dict[tuple[str, str], Handler] = {
            ("GET", "/"): index,
            ("GET", "/proxy"): proxy,
            ("GET", "/go"): go,
            ("GET", "/news"): news,
        }
        return Site(label, routes, fallback=not_found)

    return [site("reader", True), site("reader-safe", False)]


def _filtered(world: World) -> list[Site]:
    async def preview(url: str) -> Response:
        prefix = f"http://{world.name('static')}"
        return await _show(world, url, follow=False) if url.startswith(prefix) else refused()

    async def preview_checked(url: str) -> Response:
        return await _show(world, url, follow=False) if trusted(world, url) else refused()

    title, path = "Link preview", "/preview"
    return [
        _query_site(world, "preview", title, path, "url", preview),
        _query_site(world, "preview-safe", title, path, "url", preview_checked),
    ]
