"""A box of tools that fetch, each behind a check that a certain way around it passes; the twin checks properly.

`tools` has one weak check a page: by extension, by suffix, by scheme, by what another parser reads, by notation. Some
pages take the address inside another value, in Base64, or in the path. `tools-safe` shows the same pages.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import ipaddress
import json
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from urllib.parse import quote, unquote, urlsplit

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from secrecon.lab.hosts.ssrf import MAX_URL, REFUSED, example, fetched_page, trusted
from secrecon.lab.site import Handler, Site, not_found, page
from secrecon.lab.world import World
from secrecon.model.errors import BadInput, TargetError

Reading = Callable[[World, str], str]
"""What a tool fetches for a value. Raises ValueError where its check refuses the value."""
PATHS = "/proxy/", "/img/", "/icons/", "/cache/"


@dataclass(frozen=True, slots=True)
class Tool:
    """One page. `careless`: how the vulnerable host reads the value. `plain`: how the value would be read without any
    check, for the twin, which then compares the result with what it trusts. `seen`: the value that the index links."""

    path: str
    name: str
    careless: Reading
    plain: Reading
    seen: Callable[[World], str]
    later: bool = False


def sites(world: World) -> list[Site]:
    """The tools and their twin."""
    return [_site(world, "tools", careless=True), _site(world, "tools-safe", careless=False)]


def _static(world: World) -> str:
    return world.origin("static").authority


def _same(world: World, value: str) -> str:
    return value


def _refuse_unless(holds: bool) -> None:
    if not holds:
        raise ValueError("refused")


def _by_extension(world: World, value: str) -> str:
    _refuse_unless(value.lower().endswith((".txt", ".png")))
    return value


def _by_suffix(world: World, value: str) -> str:
    _refuse_unless(value.endswith(_static(world)))
    return value


def _without_scheme(world: World, value: str) -> str:
    _refuse_unless(value.startswith("//"))
    return "http:" + value


def _bare(world: World, value: str) -> str:
    _refuse_unless("/" not in value)
    return f"http://{value}/"


def _with_suffix(world: World, value: str) -> str:
    return f"http://{value}.regions.{_static(world)}/status"


def _with_prefix(world: World, value: str) -> str:
    return f"http://{_static(world)}{value}"


def _as_subdomain(world: World, value: str) -> str:
    return f"http://www{value}/logo.txt"


def _behind_at(world: World, value: str) -> str:
    """The check takes what stands behind the last @ for the host."""
    authority = value.partition("//")[2].partition("/")[0]
    _refuse_unless(authority.rpartition("@")[2] == _static(world))
    return value


def _backslash(world: World, value: str) -> str:
    """The check reads the address by RFC 3986, the fetcher takes a backslash for a slash, as browsers do."""
    parts = urlsplit(value)
    _refuse_unless(world.is_site("static", parts.hostname) and parts.port == world.origin("static").port)
    return value.replace("\\", "/")


def _twice(world: World, value: str) -> str:
    _refuse_unless("%" in value and "://" not in value and not value.startswith("//"))
    return unquote(value)


def _in_json(world: World, value: str) -> str:
    document = json.loads(value)
    url = document.get("url") if isinstance(document, dict) else None
    _refuse_unless(isinstance(url, str))
    return str(url)


def _base64(world: World, value: str) -> str:
    return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)).decode("utf-8", "replace")


def _number(world: World, value: str) -> str:
    """The check knows names and dotted addresses; the system's resolver knows more notations."""
    parts = urlsplit(value)
    host = parts.hostname or ""
    if not host.isdigit() and not host.startswith("0x"):
        _refuse_unless(trusted(world, value))
        return value
    number = int(host, 8) if host.startswith("0") and host.isdigit() else int(host, 0)
    return f"http://{ipaddress.IPv4Address(number)}:{parts.port or 80}{parts.path}"


def _mapped(world: World, value: str) -> str:
    """The check forbids internal IPv4 addresses, and forgets those inside IPv6 ones."""
    parts = urlsplit(value)
    host = parts.hostname or ""
    if ":" not in host:
        _refuse_unless(trusted(world, value))
        return value
    inner = ipaddress.IPv6Address(host).ipv4_mapped
    _refuse_unless(inner is not None)
    return f"http://{inner}:{parts.port or 80}{parts.path}"


def _quoted_json(world: World) -> str:
    return json.dumps({"width": 10, "url": example(world)})


def _coded(world: World) -> str:
    return base64.urlsafe_b64encode(example(world).encode()).decode()


TOOLS: tuple[Tool, ...] = (
    Tool("/thumb", "src", _by_extension, _same, example),
    Tool("/embed", "link", _by_suffix, _same, example),
    Tool("/share", "link", _without_scheme, _without_scheme, lambda world: f"//{_static(world)}/logo.txt"),
    Tool("/whois", "domain", _bare, _bare, _static),
    Tool("/region", "server", _with_suffix, _with_suffix, lambda world: "eu"),
    Tool("/picture", "avatar", _with_prefix, _with_prefix, lambda world: "/logo.txt"),
    Tool(
        "/cluster", "host_suffix", _as_subdomain, _as_subdomain, lambda world: f".{world.domain}:{world.http_port}"
    ),
    Tool("/mirror", "target_url", _behind_at, _same, example),
    Tool("/import", "feed", _backslash, _same, example),
    Tool("/decode", "img", _twice, _twice, lambda world: quote(example(world), safe="")),
    Tool("/options", "opts", _in_json, _in_json, _quoted_json),
    Tool("/coded", "image", _base64, _base64, _coded),
    Tool("/numbers", "uri", _number, _same, example),
    Tool("/mapped", "address", _mapped, _same, example),
    Tool("/digest", "source", _same, _same, example, later=True),
)


def tools_index(world: World) -> Handler:
    """The page that links every tool once."""

    def index(request: Request) -> Response:
        links = [f"{tool.path}?{tool.name}={quote(tool.seen(world), safe='')}" for tool in TOOLS]
        links += [f"/proxy/{example(world)}", f"/img/{quote(example(world), safe='')}"]
        links += [f"/resolved?url={quote(example(world), safe='')}"]
        links += [f"/walled?url={quote(example(world), safe='')}"]
        links += [f"/icons/{_static(world)}", f"/cache/{_coded(world)}"]
        return page("Tools", "".join(f'<p><a href="{escape(link)}">{escape(link[:12])}</a></p>' for link in links))

    return index


def _site(world: World, label: str, careless: bool) -> Site:
    routes: dict[tuple[str, str], Handler] = {("GET", "/"): tools_index(world)}
    for tool in TOOLS:
        routes["GET", tool.path] = _tool(world, tool, careless)
    routes["GET", "/resolved"] = _resolved(world, careless)
    routes["GET", "/walled"] = _walled(world, careless)
    return Site(label, routes, fallback=_in_path(world, careless))


def _tool(world: World, tool: Tool, careless: bool) -> Handler:
    async def handle(request: Request) -> Response:
        value = request.query_params.get(tool.name, "")
        try:
            _refuse_unless(0 < len(value) <= MAX_URL)
            url = (tool.careless if careless else tool.plain)(world, value)
            _refuse_unless(careless or _expected(world, tool, value, url))
        except (ValueError, binascii.Error):
            return PlainTextResponse(REFUSED, 400)
        if tool.later:
            world.later(_after_a_while(world, url))
            return PlainTextResponse("it will be in the next digest\n")
        return await fetch_and_show(world, url)

    return handle


def _expected(world: World, tool: Tool, value: str, url: str) -> bool:
    """The twin: the value it links itself, or an address that it trusts."""
    return value == tool.seen(world) or trusted(world, url)


async def _after_a_while(world: World, url: str) -> None:
    await asyncio.sleep(1.0)
    await world.fetcher.try_fetch(url)


async def fetch_and_show(world: World, url: str) -> Response:
    """What was fetched, or one and the same failure whatever went wrong."""
    try:
        return fetched_page(await world.fetcher.fetch(url))
    except (TargetError, BadInput):
        return page("Not fetched", "<p>That did not work.</p>", 502)


def _resolved(world: World, careless: bool) -> Handler:
    """Looks the host up and insists on an address of the lab; the careless one looks it up again to connect."""

    async def handle(request: Request) -> Response:
        url = request.query_params.get("url", "")[:MAX_URL]
        try:
            _refuse_unless(careless or trusted(world, url))
            found = await world.fetcher.look_up(url)
            _refuse_unless(set(found) <= set(world.addresses.values()))
        except (ValueError, TargetError, BadInput):
            return PlainTextResponse(REFUSED, 400)
        return await fetch_and_show(world, url)

    return handle


def _walled(world: World, careless: bool) -> Handler:
    """Tries the address from behind a firewall and with a resolver that tells nobody: only its errors differ."""

    def handle(request: Request) -> Response:
        url = request.query_params.get("url", "")[:MAX_URL]
        if not careless:
            return page("Saved", "<p>Your address was saved.</p>")
        known = not (urlsplit(url).hostname or ".invalid").endswith(".invalid")
        why = "Connection timed out" if known else "Could not resolve the host"
        return page("Not fetched", f"<p>{why}.</p>", 502)

    return handle


def _in_path(world: World, careless: bool) -> Handler:
    """`/proxy/http://...`, `/img/http%3A...`, `/icons/host`, `/cache/aHR0cDov...`."""

    async def handle(request: Request) -> Response:
        raw = request.scope["raw_path"].decode("latin-1")
        place = next((prefix for prefix in PATHS if raw.startswith(prefix)), "")
        if not place:
            return not_found(request)
        value = raw.removeprefix(place)[:MAX_URL]
        try:
            url = unquote(value) if place in ("/proxy/", "/img/") else value
            url = f"http://{unquote(value)}/favicon.ico" if place == "/icons/" else url
            url = _base64(world, value) if place == "/cache/" else url
            _refuse_unless(careless or trusted(world, url))
        except (ValueError, binascii.Error):
            return PlainTextResponse(REFUSED, 400)
        return await fetch_and_show(world, url)

    return handle
