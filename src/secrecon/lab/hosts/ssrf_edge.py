"""Ways in beside parameters: request headers, the Host header, the request's own target, cookies. And their twin.

`edge` is an odd gateway: it checks the health of whatever host it is asked for, and visits what headers and cookies name.
`edge-safe` shows the same pages, sets the same cookies, and uses none of it.
"""

from __future__ import annotations

import json
from urllib.parse import quote, unquote, urlsplit

from starlette.requests import Request
from starlette.responses import Response

from secrecon.lab.hosts.ssrf import example, trusted
from secrecon.lab.hosts.ssrf_tools import fetch_and_show
from secrecon.lab.site import Handler, Site, not_found, page
from secrecon.lab.world import World
from secrecon.model.errors import BadInput, TargetError

FLAGS = "; Path=/; Secure; HttpOnly; SameSite=Lax"


def sites(world: World) -> list[Site]:
    """The gateway and its twin."""
    return [_site(world, "edge", careless=True), _site(world, "edge-safe", careless=False)]


def _site(world: World, label: str, careless: bool) -> Site:
    async def index(request: Request) -> Response:
        if careless:
            await _gateway(world, label, request)
        links = "".join(f'<p><a href="{path}">{path[1:]}</a></p>' for path in _PAGES)
        return page("Gateway", links)

    async def absolute(request: Request) -> Response:
        target = request.scope["raw_path"].decode("latin-1")
        if careless and target.startswith("http://"):
            return await fetch_and_show(world, target)
        return not_found(request)

    routes: dict[tuple[str, str], Handler] = {("GET", "/"): index}
    for path, make in _PAGES.items():
        routes["GET", path] = make(world, careless)
    return Site(label, routes, fallback=absolute)


async def _gateway(world: World, label: str, request: Request) -> None:
    """Checks the health of the host it was asked for, and of the one that a proxy says was asked for."""
    asked = [request.headers.get("host", "")]
    asked += [
        part.strip().partition("=")[2].strip('"')
        for part in request.headers.get("forwarded", "").split(";")
        if part.strip().lower().startswith("host=")
    ]
    for authority in asked:
        host = urlsplit(f"//{authority}").hostname if "[" not in authority else None
        if host and not world.is_site(label, host):
            await world.fetcher.try_fetch(f"http://{authority}/health")


def _visit(world: World, careless: bool) -> Handler:
    """Loads the profile of a phone, in the background."""

    async def load(url: str) -> None:
        await world.fetcher.try_fetch(url)

    def handle(request: Request) -> Response:
        url = request.headers.get("x-wap-profile", "")
        if url and (careless or trusted(world, url)):
            world.later(load(url))
        return page("Welcome", "<p>Best viewed on a small screen.</p>")

    return handle


def _where(world: World, careless: bool) -> Handler:
    """Asks the visitor's address where it is."""

    async def handle(request: Request) -> Response:
        client = request.headers.get("x-forwarded-for", "") if careless else ""
        answer = await world.fetcher.try_fetch(f"http://{client}/where") if client else None
        return page("Where are you?", f"<p>{'Somewhere.' if answer else 'Nowhere.'}</p>")

    return handle


def _mail(world: World, careless: bool) -> Handler:
    """Looks up whether the domain of a robot's operator exists."""

    async def handle(request: Request) -> Response:
        domain = request.headers.get("from", "").rpartition("@")[2]
        known = False
        if careless and domain:
            try:
                known = bool(await world.fetcher.look_up(f"http://{domain}/"))
            except (TargetError, BadInput):
                known = False
        return page("Contact", f"<p>{'We know you.' if known else 'Write to us.'}</p>")

    return handle


def _account(world: World, careless: bool) -> Handler:
    """Keeps the address of a picture in a cookie, and loads it from there."""

    async def handle(request: Request) -> Response:
        url = request.cookies.get("avatar_url", "")
        if url and (careless or trusted(world, url)):
            return await fetch_and_show(world, url)
        shown = page("Account", "<p>You have a picture now.</p>")
        shown.headers["set-cookie"] = f"avatar_url={example(world)}{FLAGS}"
        return shown

    return handle


def _prefs(world: World, careless: bool) -> Handler:
    """Keeps preferences as JSON in a cookie; one of them is the address of a background."""

    async def handle(request: Request) -> Response:
        try:
            prefs = json.loads(unquote(request.cookies.get("prefs", "")))
            url = str(prefs["background"])
        except (ValueError, KeyError, TypeError):
            made = quote(json.dumps({"theme": "dark", "background": example(world)}), safe="")
            shown = page("Preferences", "<p>These are the usual ones.</p>")
            shown.headers["set-cookie"] = f"prefs={made}{FLAGS}"
            return shown
        if careless or trusted(world, url):
            return await fetch_and_show(world, url)
        return page("Preferences", "<p>That background is not allowed.</p>")

    return handle


_PAGES = {
    "/visit": _visit,
    "/where": _where,
    "/mail": _mail,
    "/account": _account,
    "/prefs": _prefs,
}
