"""An application whose requests stand in a script or in an API description only: GraphQL, nested JSON, XML, headers.

Nothing on its pages links to them. `graph` fetches what it is told, `graph-safe` from the static host only, and its XML
parser has no external entities.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from secrecon.lab.hosts.ssrf import MAX_URL, example, trusted
from secrecon.lab.site import Handler, Site, not_found, page, raw, read_body
from secrecon.lab.world import World

SCRIPT = """
const PREVIEW = `query Preview($link: String!, $first: Int) { preview(url: $link, first: $first) { title } }`;
async function preview(link) {
  return fetch("/graphql", {method: "POST", body: JSON.stringify({query: PREVIEW, variables: {link, first: 1}})});
}
const FORGET = `mutation Forget($id: String!) { forget(id: $id) { id } }`;
async function forget(id) {
  return fetch("/graphql", {method: "POST", body: JSON.stringify({query: FORGET, variables: {id}})});
}
async function hook(address) {
  return fetch("/api/hooks", {method: "POST", body: JSON.stringify({config: {webhook: {address}, active: true}})});
}
async function feed(url) {
  return fetch("/api/feeds", {method: "POST", body: new URLSearchParams({feed: url, title: "News"})});
}
"""
TRAPS = ("mutation-sent",)
_TEXT = {"kind": "NON_NULL", "name": None, "ofType": {"kind": "SCALAR", "name": "String"}}
_SCHEMA = {
    "data": {
        "__schema": {
            "queryType": {
                "fields": [
                    {
                        "name": "archive",
                        "args": [{"name": "document", "type": _TEXT}],
                        "type": {"kind": "OBJECT", "name": "Copy"},
                    }
                ]
            }
        }
    }
}
_ENTITY = re.compile(r'<!ENTITY\s+\w+\s+SYSTEM\s+"(http[^"]+)"')
_CALLBACK = re.compile(r"<callback>\s*(http[^<\s]+)\s*</callback>")


def sites(world: World) -> list[Site]:
    """The application and its twin."""
    return [_site(world, "graph", careless=True), _site(world, "graph-safe", careless=False)]


def _site(world: World, label: str, careless: bool) -> Site:
    async def fetch(url: object) -> Response:
        if not isinstance(url, str) or not url.startswith("http") or len(url) > MAX_URL:
            return JSONResponse({"error": "no address"}, 400)
        if not careless and not trusted(world, url):
            return JSONResponse({"error": "that address is not allowed"}, 400)
        fetched = await world.fetcher.try_fetch(url, follow=careless)
        if fetched is None:
            return JSONResponse({"error": "no answer"}, 502)
        return JSONResponse({"status": fetched.status, "size": len(fetched.body)})

    async def graphql(request: Request) -> Response:
        """The careless one tells its schema: its `archive` is in no script. Its mutation is a trap."""
        document = await _document(request)
        text = str(_at(document, "query"))
        if "__schema" in text:
            return JSONResponse(_SCHEMA if careless else {"errors": [{"message": "introspection is off"}]})
        if text.lstrip().startswith("mutation"):
            world.traps["mutation-sent"] += 1
        return await fetch(_at(document, "variables", "link") or _at(document, "variables", "document"))

    async def hooks(request: Request) -> Response:
        return await fetch(_at(await _document(request), "config", "webhook", "address"))

    async def batch(request: Request) -> Response:
        items = _at(await _document(request), "items")
        first = items[0] if isinstance(items, list) and items else None
        return await fetch(_at(first, "url"))

    async def feeds(request: Request) -> Response:
        fields = dict(parse_qsl((await read_body(request)).decode("utf-8", "replace")))
        return await fetch(fields.get("feed"))

    async def avatar(request: Request) -> Response:
        return await fetch(request.query_params.get("endpoint"))

    async def ping(request: Request) -> Response:
        return await fetch(request.headers.get("x-target-url"))

    async def order(request: Request) -> Response:
        found = _CALLBACK.search((await read_body(request)).decode("utf-8", "replace"))
        return await fetch(found.group(1) if found else None)

    async def invoice(request: Request) -> Response:
        found = _ENTITY.search((await read_body(request)).decode("utf-8", "replace"))
        return await fetch(found.group(1)) if found and careless else JSONResponse({"invoice": "read"})

    async def tenants(request: Request) -> Response:
        parts = request.scope["raw_path"].decode("latin-1").split("/")
        if parts[1:3] != ["v1", "tenants"] or parts[4:] != ["status"]:
            return not_found(request)
        return await fetch(f"http://{unquote(parts[3])}/status")

    routes: dict[tuple[str, str], Handler] = {
        ("GET", "/"): _index,
        ("GET", "/app.js"): raw(SCRIPT, "text/javascript"),
        ("GET", "/openapi.json"): lambda request: JSONResponse(_openapi(world)),
        ("POST", "/graphql"): graphql,
        ("POST", "/api/hooks"): hooks,
        ("POST", "/api/feeds"): feeds,
        ("POST", "/v1/batch"): batch,
        ("GET", "/v1/avatar"): avatar,
        ("GET", "/v1/ping"): ping,
        ("POST", "/v1/orders"): order,
        ("POST", "/v1/invoices"): invoice,
    }
    return Site(label, routes, fallback=tenants)


def _index(request: Request) -> Response:
    return page("Console", '<p>Nothing to see.</p><script src="/app.js"></script>')


async def _document(request: Request) -> object:
    try:
        document: object = json.loads(await read_body(request) or b"null")
    except ValueError:
        return None
    return document


def _at(document: object, *names: str) -> object:
    for name in names:
        document = document.get(name) if isinstance(document, dict) else None
    return document


def _openapi(world: World) -> dict[str, object]:
    text = {"type": "string"}
    url = {"type": "string", "format": "uri", "example": example(world)}
    answer = {"200": {"description": "done"}}

    def parameter(name: str, place: str, schema: dict[str, str]) -> dict[str, object]:
        return {"name": name, "in": place, "required": True, "schema": schema}

    def body(media: str, schema: Mapping[str, object]) -> dict[str, object]:
        return {"requestBody": {"content": {media: {"schema": schema}}}, "responses": answer}

    order = {"type": "object", "xml": {"name": "order"}, "properties": {"number": text, "callback": url}}
    invoice = {"type": "object", "xml": {"name": "invoice"}, "properties": {"total": text, "note": text}}
    item = {"type": "object", "properties": {"url": url, "label": text}}
    batch = {"type": "object", "properties": {"items": {"type": "array", "items": item}}}
    tenant = {"type": "string", "example": world.origin("static").authority}
    return {
        "openapi": "3.0.3",
        "info": {"title": "Console API", "version": "1.0.0"},
        "paths": {
            "/v1/avatar": {"get": {"parameters": [parameter("endpoint", "query", url)], "responses": answer}},
            "/v1/ping": {"get": {"parameters": [parameter("X-Target-Url", "header", url)], "responses": answer}},
            "/v1/tenants/{host}/status": {
                "get": {"parameters": [parameter("host", "path", tenant)], "responses": answer}
            },
            "/v1/batch": {"post": body("application/json", batch)},
            "/v1/orders": {"post": body("application/xml", order)},
            "/v1/invoices": {"post": body("application/xml", invoice)},
        },
    }
