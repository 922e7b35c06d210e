"""Server-side request forgery by other ways in: request headers, a nested JSON field, a posted form.

Twins answer the same, and check the address (or never use it).
"""

from __future__ import annotations

import json
from html import escape
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from secrecon.lab.hosts.ssrf import example, fetched_page, refused, trusted
from secrecon.lab.site import Handler, Site, page, raw, read_body
from secrecon.lab.world import World
from secrecon.model.errors import BadInput, TargetError


def sites(world: World) -> list[Site]:
    """The header, JSON and form hosts and their twins."""
    return [
        _referer(world, "article", careless=True),
        _referer(world, "article-safe", careless=False),
        _forwarded(world, "portal", careless=True),
        _forwarded(world, "portal-safe", careless=False),
        _json(world, "api", careless=True),
        _json(world, "api-safe", careless=False),
        _form(world, "avatar", careless=True),
        _form(world, "avatar-safe", careless=False),
    ]


def _referer(world: World, label: str, careless: bool) -> Site:
    """Analytics that visits the page a reader came from, in the background."""

    async def visit(url: str) -> None:
        await world.fetcher.try_fetch(url)

    def article(request: Request) -> Response:
        referer = request.headers.get("referer", "")
        if referer and (careless or trusted(world, referer)):
            world.later(visit(referer))
        return page("An article", "<p>We like to know where our readers come from.</p>")

    return Site(label, {("GET", "/"): article})


def _forwarded(world: World, label: str, careless: bool) -> Site:
    """A portal that loads its menu from whatever host the proxy in front is said to have been asked for."""

    async def portal(request: Request) -> Response:
        host = request.headers.get("x-forwarded-host", "") if careless else ""
        menu = None
        if host:
            menu = await world.fetcher.try_fetch(f"http://{host}/menu.json")
        note = "custom menu" if menu is not None and menu.status == 200 else "default menu"
        return page("Portal", f"<p>You see the {note}.</p>")

    return Site(label, {("GET", "/"): portal})


def _json(world: World, label: str, careless: bool) -> Site:
    """An import API that is described by an OpenAPI file."""

    async def start_import(request: Request) -> Response:
        try:
            document = json.loads(await read_body(request) or b"null")
        except (ValueError, BadInput):
            return JSONResponse({"error": "the body is not JSON"}, 400)
        source = document.get("source") if isinstance(document, dict) else None
        url = source.get("url") if isinstance(source, dict) else None
        if not isinstance(url, str):
            return JSONResponse({"error": "source.url is missing"}, 400)
        if not careless and not trusted(world, url):
            return JSONResponse({"error": "source.url is not allowed"}, 400)
        fetched = await world.fetcher.try_fetch(url, follow=careless)
        if fetched is None:
            return JSONResponse({"imported": 0, "error": "the source did not answer"}, 502)
        return JSONResponse({"imported": len(fetched.body), "status": fetched.status})

    def openapi(request: Request) -> Response:
        return JSONResponse(_openapi(world))

    def index(request: Request) -> Response:
        return page("Import API", '<p>See <a href="/openapi.json">the description</a>.</p>')

    routes: dict[tuple[str, str], Handler] = {
        ("GET", "/"): index,
        ("GET", "/openapi.json"): openapi,
        ("POST", "/api/import"): start_import,
    }
    return Site(label, routes)


def _openapi(world: World) -> dict[str, object]:
    url = {"type": "string", "format": "uri", "example": example(world)}
    source = {"type": "object", "required": ["url"], "properties": {"url": url, "kind": {"type": "string"}}}
    body = {"type": "object", "required": ["source"], "properties": {"source": source, "name": {"type": "string"}}}
    sample = {"name": "logo", "source": {"url": example(world), "kind": "text"}}
    operation = {
        "operationId": "startImport",
        "summary": "Import a document",
        "requestBody": {"required": True, "content": {"application/json": {"schema": body, "example": sample}}},
        "responses": {"200": {"description": "imported"}},
    }
    return {
        "openapi": "3.0.3",
        "info": {"title": "Import API", "version": "1.0.0"},
        "paths": {"/api/import": {"post": operation}},
    }


def _form(world: World, label: str, careless: bool) -> Site:
    """A profile picture taken from an address."""

    def index(request: Request) -> Response:
        shown = escape(example(world))
        return page(
            "Profile",
            '<form action="/avatar" method="post"><label>Name <input name="name" value="wile"></label>'
            f'<label>Picture address <input type="url" name="image_url" value="{shown}"></label>'
            "<button>Save</button></form>",
        )

    async def save(request: Request) -> Response:
        try:
            fields = dict(parse_qsl((await read_body(request)).decode("utf-8", "replace"), max_num_fields=20))
        except (ValueError, BadInput):
            return PlainTextResponse("the form cannot be read\n", 400)
        url = fields.get("image_url", "")
        if not url:
            return PlainTextResponse("image_url is missing\n", 400)
        if not careless and not trusted(world, url):
            return refused()
        try:
            return fetched_page(await world.fetcher.fetch(url, follow=careless))
        except (TargetError, BadInput) as error:
            return page("Not saved", f"<p>{escape(str(error))}</p>", 502)

    routes: dict[tuple[str, str], Handler] = {
        ("GET", "/"): index,
        ("POST", "/avatar"): save,
        ("GET", "/robots.txt"): raw("User-agent: *\nAllow: /\n", "text/plain"),
    }
    return Site(label, routes)
