"""Posted forms that make the server fetch: fields, multipart fields, markup, and files that a converter renders.

`forms` renders and fetches whatever it is given; `forms-safe` has the same forms, fetches from the static host only, and
converts files without looking at anything outside of them.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from secrecon.lab.hosts.ssrf import MAX_URL, example, refused, trusted
from secrecon.lab.hosts.ssrf_tools import fetch_and_show
from secrecon.lab.site import Handler, Site, page, read_body
from secrecon.lab.world import World
from secrecon.model.errors import BadInput

_FIELD = re.compile(
    rb'name="([^"]*)"(?:; filename="[^"]*")?\r\n(?:Content-Type: [^\r]*\r\n)?\r\n(.*?)\r\n--', re.DOTALL
)
REFERENCES = {
    "picture": re.compile(r'href="(http[^"]+)"'),
    "document": re.compile(r'<!ENTITY\s+\w+\s+SYSTEM\s+"(http[^"]+)"'),
    "page": re.compile(r'src="(http[^"]+)"'),
    "playlist": re.compile(r"^(http\S+)$", re.MULTILINE),
    "html": re.compile(r'src="(http[^"]+)"'),
}
"""What each converter loads while it renders."""
FILES = {
    "/convert": ("picture", ".svg"),
    "/import": ("document", ".xml"),
    "/render": ("page", ".html"),
    "/transcode": ("playlist", ".m3u8"),
}
QUEUED = {
    "/hook": ("callback_url",),
    "/ticket": ("zeta",),
    "/sync": ("source_url", "target_url"),
}


def sites(world: World) -> list[Site]:
    """The forms and their twin."""
    return [_site(world, "forms", careless=True), _site(world, "forms-safe", careless=False)]


def _site(world: World, label: str, careless: bool) -> Site:
    routes: dict[tuple[str, str], Handler] = {("GET", "/"): forms_index(world)}
    for path, names in QUEUED.items():
        routes["POST", path] = _queued(world, names, careless)
    for path, (name, _) in FILES.items():
        routes["POST", path] = _converted(world, name, careless)
    routes["POST", "/pdf"] = _converted(world, "html", careless)
    routes["POST", "/report"] = _report(world, careless)
    return Site(label, routes)


def forms_index(world: World) -> Handler:
    """The page with every form."""

    def index(request: Request) -> Response:
        shown = example(world)
        multipart = 'method="post" enctype="multipart/form-data"'
        parts = [
            f'<form action="/hook" method="post"><input name="callback_url" value="{shown}"></form>',
            '<form action="/ticket" method="post"><input name="subject" value="Anvils"><input name="zeta"></form>',
            '<form action="/sync" method="post"><input name="source_url"><input name="target_url"></form>',
            '<form action="/pdf" method="post"><textarea name="html"></textarea></form>',
            f'<form action="/report" {multipart}><input name="title"><input name="logo" value="{shown}"></form>',
            *(
                f'<form action="{path}" {multipart}><input type="file" name="{name}" accept="{accept}"></form>'
                for path, (name, accept) in FILES.items()
            ),
        ]
        return page("Forms", "".join(parts))

    return index


async def fields_of(request: Request) -> dict[str, str]:
    """The fields of a form of either kind, files as text. Raises BadInput for a body that is too long."""
    body = await read_body(request)
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        return {name.decode("latin-1"): text.decode("utf-8", "replace") for name, text in _FIELD.findall(body)}
    try:
        return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=50))
    except ValueError as error:
        raise BadInput("too many fields") from error


def _queued(world: World, names: Iterable[str], careless: bool) -> Handler:
    """Fetches each field in the background, a little later, and shows nothing."""

    async def work(urls: list[str]) -> None:
        await asyncio.sleep(0.1)
        for url in urls:
            await world.fetcher.try_fetch(url)

    async def handle(request: Request) -> Response:
        fields = await fields_of(request)
        urls = [fields.get(name, "")[:MAX_URL] for name in names]
        wanted = [url for url in urls if url.startswith("http") and (careless or trusted(world, url))]
        if wanted:
            world.later(work(wanted))
        return PlainTextResponse("queued\n")

    return handle


def _converted(world: World, name: str, careless: bool) -> Handler:
    """Renders a file or a piece of markup; what it loads meanwhile is part of the picture."""

    async def handle(request: Request) -> Response:
        found = REFERENCES[name].findall((await fields_of(request)).get(name, ""))
        if careless and found:
            return await fetch_and_show(world, found[0])
        return page("Converted", "<p>It is a very small picture.</p>")

    return handle


def _report(world: World, careless: bool) -> Handler:
    async def handle(request: Request) -> Response:
        url = (await fields_of(request)).get("logo", "")
        return await fetch_and_show(world, url) if careless or trusted(world, url) else refused()

    return handle
