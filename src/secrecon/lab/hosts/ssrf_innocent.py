"""Hosts that take addresses and never fetch them, in the many ways in which that is true.

`wall` has the pages of `tools`: it echoes, redirects the visitor, shows a frame, keeps a link, says that fetching is
switched off. `chat` hands a link on to readers, and the chat service that they use makes a preview of it: a request to
the link, from another address and with that service's own name, that the host did not make.
"""

from __future__ import annotations

from collections import deque
from html import escape

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from secrecon.lab.fetcher import Fetcher
from secrecon.lab.hosts.ssrf import MAX_URL, form_index
from secrecon.lab.hosts.ssrf_tools import PATHS, TOOLS, tools_index
from secrecon.lab.site import Handler, Site, not_found, page
from secrecon.lab.world import World

PREVIEWER = "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)"
KEPT = 20


def sites(world: World) -> list[Site]:
    """The hosts that do not fetch."""
    return [_wall(world), _chat(world)]


def _wall(world: World) -> Site:
    kept: deque[str] = deque(maxlen=KEPT)

    def echo(value: str) -> Response:
        return page("Saved", f"<p>You gave {escape(value)}.</p>")

    def frame(value: str) -> Response:
        return page("Preview", f'<iframe src="{escape(value)}" title="preview"></iframe>')

    def keep(value: str) -> Response:
        kept.append(value)
        shown = "".join(f'<li><a rel="nofollow" href="{escape(url)}">{escape(url)}</a></li>' for url in kept)
        return page("Links", f"<ul>{shown}</ul>")

    def off(value: str) -> Response:
        return PlainTextResponse("Fetching is switched off here.\n")

    ways = (echo, frame, keep, off)

    def tool(number: int, name: str) -> Handler:
        return lambda request: ways[number % len(ways)](request.query_params.get(name, "")[:MAX_URL])

    routes: dict[tuple[str, str], Handler] = {("GET", "/"): tools_index(world)}
    for number, each in enumerate(TOOLS):
        routes["GET", each.path] = tool(number, each.name)

    routes["GET", "/resolved"] = tool(0, "url")
    routes["GET", "/walled"] = tool(3, "url")

    def other(request: Request) -> Response:
        return echo(request.url.path) if request.url.path.startswith(PATHS) else not_found(request)

    return Site("wall", routes, fallback=other)


def _chat(world: World) -> Site:
    async def preview(url: str) -> None:
        service = Fetcher(world.fetcher.names, agent=PREVIEWER, address=world.addresses[world.name("www")])
        await service.try_fetch(url)

    def post(request: Request) -> Response:
        url = request.query_params.get("url", "")
        if url and len(url) <= MAX_URL:
            world.later(preview(url))
        return page("Sent", "<p>Your readers have it.</p>")

    return Site("chat", {("GET", "/"): form_index(world, "Page fetcher", "/fetch", "url"), ("GET", "/fetch"): post})
