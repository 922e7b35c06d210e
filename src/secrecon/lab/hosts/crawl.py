"""A shop to crawl: forms, robots, sitemap, OpenAPI, endpoints in scripts. And traps, each with a counter.

The traps' rules: a link that ends a session or deletes something may be seen but never asked for with changed values,
forms that do so are never posted, a size is never raised, and a calendar without end is not walked to its end.
"""

from __future__ import annotations

from html import escape

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from secrecon.lab.site import Handler, Routes, Site, page, raw
from secrecon.lab.world import World

LINKED_SIZE = "64"
LINKED_DELETE = "3"
CALENDAR_PATIENCE = 60
TRAPS = (
    "size-changed",
    "logout-followed",
    "logout-changed",
    "delete-followed",
    "delete-changed",
    "delete-posted",
    "calendar-lost",
    "endless-drunk",
)

ROBOTS = "User-agent: *\nDisallow: /internal/\nDisallow: /cart?session=\nSitemap: /sitemap.xml\n"
SCRIPT = (
    "const base = '/api/v2';\n"
    "async function search(q) { return fetch('/api/v2/search?q=' + encodeURIComponent(q)); }\n"
    "async function stock(id) { return fetch(`/api/v2/stock?item=${id}`); }\n"
    'fetch("/api/v2/session", {method: "GET"});\n'
)


def sites(world: World) -> list[Site]:
    """The one shop."""
    pages: dict[tuple[str, str], Handler] = {
        ("GET", "/"): _index,
        ("GET", "/items"): _items,
        ("GET", "/search"): _search,
        ("GET", "/contact"): _contact,
        ("POST", "/contact"): _thanks,
        ("GET", "/internal/"): _internal,
        ("GET", "/app.js"): raw(SCRIPT, "text/javascript"),
        ("GET", "/robots.txt"): raw(ROBOTS, "text/plain"),
        ("GET", "/sitemap.xml"): _sitemap(world),
        ("GET", "/openapi.json"): _openapi,
        ("GET", "/api/v2/search"): _api_search,
        ("GET", "/api/v2/stock"): _api_search,
        ("GET", "/api/v2/session"): _api_search,
    }
    return [Site("shop", {**pages, **_traps(world)})]


def _index(request: Request) -> Response:
    return page(
        "Acme shop",
        '<ul><li><a href="/items?page=1">Items</a></li><li><a href="/search?q=anvil">Search</a></li>'
        '<li><a href="/contact">Contact</a></li><li><a href="/calendar?month=1">Calendar</a></li>'
        f'<li><a href="/thumbnail?item=3&amp;size={LINKED_SIZE}">Picture</a></li>'
        f'<li><a href="/items/delete?id={LINKED_DELETE}">Delete item</a></li>'
        '<li><a href="/logout?token=a1b2c3">Sign out</a></li></ul>'
        '<form action="/account/delete" method="post"><input type="hidden" name="account" value="7">'
        "<button>Delete my account</button></form>"
        '<script src="/app.js"></script>',
    )


def _items(request: Request) -> Response:
    number = request.query_params.get("page", "1")
    after = '<a href="/items?page=2">more</a>' if number == "1" else '<a href="/items?page=1">back</a>'
    return page("Items", f'<ul><li><a href="/items?page={escape(number)}">Anvil</a></li></ul><p>{after}</p>')


def _search(request: Request) -> Response:
    query = escape(request.query_params.get("q", ""))
    return page(
        "Search", f'<form action="/search"><input name="q" value="{query}"></form><p>Nothing for {query}.</p>'
    )


def _contact(request: Request) -> Response:
    return page(
        "Contact",
        '<form action="/contact" method="post"><input name="email" type="email"><textarea name="message"></textarea>'
        '<select name="topic"><option value="anvil">Anvils</option></select><button>Send</button></form>',
    )


def _thanks(request: Request) -> Response:
    return page("Thank you", "<p>We will not answer.</p>")


def _internal(request: Request) -> Response:
    return page("Internal", "<p>Only robots.txt leads here.</p>")


def _sitemap(world: World) -> Handler:
    def shown(request: Request) -> Response:
        places = "".join(
            f"<url><loc>{world.origin('shop')}{path}</loc></url>" for path in ("/", "/items?page=2", "/contact")
        )
        return Response(
            f'<?xml version="1.0" encoding="UTF-8"?>\n'
            f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{places}</urlset>\n',
            headers={"content-type": "application/xml"},
        )

    return shown


def _openapi(request: Request) -> Response:
    def query(name: str) -> list[dict[str, object]]:
        return [{"name": name, "in": "query", "schema": {"type": "string"}, "example": "anvil"}]

    answer = {"200": {"description": "a list"}}
    return JSONResponse(
        {
            "openapi": "3.0.3",
            "info": {"title": "Acme shop", "version": "2.0"},
            "paths": {
                "/api/v2/search": {"get": {"parameters": query("q"), "responses": answer}},
                "/api/v2/stock": {"get": {"parameters": query("item"), "responses": answer}},
            },
        }
    )


def _api_search(request: Request) -> Response:
    return JSONResponse({"items": []})


def _traps(world: World) -> Routes:
    seen_months: set[str] = set()

    def thumbnail(request: Request) -> Response:
        if request.query_params.get("size", LINKED_SIZE) != LINKED_SIZE:
            world.traps["size-changed"] += 1
            return PlainTextResponse("a careless server would have run out of memory now\n", 400)
        return PlainTextResponse("a very small picture\n")

    def logout(request: Request) -> Response:
        as_linked = request.query_params.get("token") == "a1b2c3"
        world.traps["logout-followed" if as_linked else "logout-changed"] += 1
        return page("Signed out", "<p>Goodbye.</p>")

    def delete(request: Request) -> Response:
        as_linked = request.query_params.get("id") == LINKED_DELETE
        world.traps["delete-followed" if as_linked else "delete-changed"] += 1
        return page("Deleted", "<p>It is gone.</p>")

    def delete_account(request: Request) -> Response:
        world.traps["delete-posted"] += 1
        return page("Deleted", "<p>Your account is gone.</p>")

    def calendar(request: Request) -> Response:
        month = request.query_params.get("month", "1")[:9]
        seen_months.add(month)
        if len(seen_months) > CALENDAR_PATIENCE:
            world.traps["calendar-lost"] += 1
        following = int(month) + 1 if month.isascii() and month.isdigit() else 1
        return page(f"Month {month}", f'<p><a href="/calendar?month={following}">next month</a></p>')

    return {
        ("GET", "/thumbnail"): thumbnail,
        ("GET", "/logout"): logout,
        ("GET", "/items/delete"): delete,
        ("POST", "/account/delete"): delete_account,
        ("GET", "/calendar"): calendar,
    }
