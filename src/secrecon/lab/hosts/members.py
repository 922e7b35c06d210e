"""A site behind a log-in: its flaw is seen by members only, its sessions end now and then, and it tempts to sign out.

The form has a token that belongs to the visitor's cookie, as most have. Whoever is not logged in is sent to the form,
whatever they ask for. A session ends after a number of requests, as sessions do; a scan that does not notice sees
nothing but the form from then on. The twin has the same pages and fetches from the static host only. A page sends
members on to another host, which counts what arrives there.
"""

from __future__ import annotations

import secrets
from html import escape
from urllib.parse import parse_qsl, quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from secrecon.lab.hosts.ssrf import MAX_URL, example, fetched_page, refused, trusted
from secrecon.lab.site import Handler, Site, page, read_body
from secrecon.lab.world import World
from secrecon.model.errors import BadInput, TargetError

USER, PASSWORD = "wile@acme.test", "rocket-skates-1949"
SESSION_REQUESTS = 150
TRAPS = ("member-signed-out", "credentials-leaked")


def sites(world: World) -> list[Site]:
    """The site, its twin, and the host that waits for what should not arrive."""
    return [
        _members(world, "members", careful=False),
        _members(world, "members-safe", careful=True),
        _partner(world),
    ]


def _members(world: World, label: str, *, careful: bool) -> Site:
    left: dict[str, int] = {}

    def inside(request: Request) -> bool:
        session = request.cookies.get("member", "")
        if left.get(session, 0) > 0:
            left[session] -= 1
            return True
        return False

    def for_members(handler: Handler) -> Handler:
        async def shown(request: Request) -> Response:
            if not inside(request):
                return RedirectResponse(f"/login?next={quote(request.url.path)}", 302)
            found = handler(request)
            return found if isinstance(found, Response) else await found

        return shown

    def form(request: Request) -> Response:
        token = secrets.token_hex(8)
        reply = page(
            "Log in",
            f'<form action="/login" method="post"><input type="hidden" name="token" value="{token}">'
            '<label>Mail <input name="email" type="email"></label><label>Password <input name="password" type="password">'
            "</label><button>Log in</button></form>",
        )
        reply.set_cookie("visitor", token, httponly=True, samesite="lax")
        return reply

    async def enter(request: Request) -> Response:
        fields = _fields(await read_body(request))
        if fields.get("token") != request.cookies.get("visitor") or not fields.get("token"):
            return page("Log in", "<p>The form is out of date.</p>", 400)
        if (fields.get("email"), fields.get("password")) != (USER, PASSWORD):
            return RedirectResponse("/login?wrong=1", 302)
        session = secrets.token_hex(16)
        left[session] = SESSION_REQUESTS
        reply = RedirectResponse("/", 302)
        reply.set_cookie("member", session, httponly=True, samesite="lax")
        return reply

    def home(request: Request) -> Response:
        linked = f"/preview?url={quote(example(world), safe='')}"
        return page(
            "Members",
            f'<p>Signed in as {USER}.</p><ul><li><a href="{linked}">Preview</a></li><li><a href="/orders?page=1">Orders</a></li>'
            '<li><a href="/partner">Our partner</a></li><li><a href="/bye">Sign out</a></li></ul>',
        )

    async def preview(request: Request) -> Response:
        url = request.query_params.get("url", "")[:MAX_URL]
        if careful and not trusted(world, url):
            return refused()
        try:
            return fetched_page(await world.fetcher.fetch(url, follow=not careful))
        except (TargetError, BadInput) as error:
            return page("Not fetched", f"<p>{escape(str(error))}</p>", 502)

    def bye(request: Request) -> Response:
        world.traps["member-signed-out"] += 1
        left.pop(request.cookies.get("member", ""), None)
        return page("Goodbye", "<p>You are signed out.</p>")

    def orders(request: Request) -> Response:
        return page("Orders", f"<p>None yet.</p><p>{escape(request.query_params.get('page', '1'))}</p>")

    def partner(request: Request) -> Response:
        return RedirectResponse(f"{world.origin('partner')}/welcome", 302)

    return Site(
        label,
        {
            ("GET", "/login"): form,
            ("POST", "/login"): enter,
            ("GET", "/"): for_members(home),
            ("GET", "/preview"): for_members(preview),
            ("GET", "/orders"): for_members(orders),
            ("GET", "/partner"): for_members(partner),
            ("GET", "/bye"): for_members(bye),
        },
        fallback=for_members(lambda request: page("Not found", "<p>No such page.</p>", 404)),
    )


def _fields(body: bytes) -> dict[str, str]:
    return dict(parse_qsl(body.decode("utf-8", "replace")))


def _partner(world: World) -> Site:
    def shown(request: Request) -> Response:
        carried = str(request.headers.get("cookie", "")) + str(request.headers.get("authorization", ""))
        if "member=" in carried or "Bearer" in carried:
            world.traps["credentials-leaked"] += 1
        return page("Partner", "<p>Welcome, whoever you are.</p>")

    return Site("partner", {("GET", "/"): shown, ("GET", "/welcome"): shown})
