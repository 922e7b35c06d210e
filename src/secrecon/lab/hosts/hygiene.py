"""Missing headers, careless cookies, and a password form without encryption; each with a careful twin."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from secrecon.lab.site import Handler, Site, page, text_page
from secrecon.lab.world import World

NO_HEADERS = {
    "content-security-policy": "",
    "x-frame-options": "",
    "x-content-type-options": "",
    "referrer-policy": "",
    "permissions-policy": "",
    "cross-origin-opener-policy": "",
}
# Framing may be forbidden by the policy alone: a twin that a check for the one header gets wrong.
POLICY_ONLY = {"x-frame-options": ""}
LOGIN = (
    '<form action="/login" method="post"><label>Name <input name="user"></label>'
    '<label>Password <input type="password" name="password"></label><button>Sign in</button></form>'
)


def sites(world: World) -> list[Site]:
    """Header, cookie and plain-http hosts."""
    bare = text_page("A page", "<p>Just a page.</p>")
    return [
        Site("headers", {("GET", "/"): bare}, NO_HEADERS),
        Site("headers-safe", {("GET", "/"): bare}),
        Site("headers-policy", {("GET", "/"): bare}, POLICY_ONLY),
        Site("cookies", {("GET", "/"): _cookie_page(careful=False)}),
        Site("cookies-safe", {("GET", "/"): _cookie_page(careful=True)}),
        Site(
            "plain", {("GET", "/"): text_page("Sign in", LOGIN), ("POST", "/login"): text_page("No", "<p>No.</p>")}
        ),
        Site("plain-safe", {}, fallback=_to_https(world)),
    ]


def _cookie_page(careful: bool) -> Handler:
    def shown(request: Request) -> Response:
        reply = page("Welcome back", "<p>We have given you a cookie.</p>")
        if careful:
            reply.set_cookie("session", "4f1c2a7b9d", path="/", secure=True, httponly=True, samesite="lax")
        else:
            reply.headers.append("set-cookie", "session=4f1c2a7b9d; Path=/")
        return reply

    return shown


def _to_https(world: World) -> Handler:
    def moved(request: Request) -> Response:
        return RedirectResponse(f"{world.origin('tls-good')}/", 301)

    return moved
