"""Open redirects and cross-origin sharing, each with twins that do it right."""

from __future__ import annotations

from html import escape

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from secrecon.lab.site import Handler, Site, page
from secrecon.lab.world import World

PROFILE = {"user": "wile", "plan": "gold"}
MAX_URL = 2000


def sites(world: World) -> list[Site]:
    """Redirecting and sharing hosts."""
    return [
        _redirect("go", _anywhere),
        _redirect("go-safe", _own_paths_only),
        _redirect("go-warn", _interstitial),
        _sharing("cors", _reflect),
        _sharing("cors-safe", _allow_list(world)),
        _sharing("cors-public", _public),
    ]


def _redirect(label: str, go: Handler) -> Site:
    def index(request: Request) -> Response:
        return page("Welcome", '<p><a href="/go?next=%2Faccount">Sign in</a></p>')

    def account(request: Request) -> Response:
        return page("Account", "<p>You are signed in as nobody.</p>")

    return Site(label, {("GET", "/"): index, ("GET", "/go"): go, ("GET", "/account"): account})


def _anywhere(request: Request) -> Response:
    return RedirectResponse(request.query_params.get("next", "/")[:MAX_URL], 302)


def _own_paths_only(request: Request) -> Response:
    wanted = request.query_params.get("next", "/")
    own = wanted.startswith("/") and not wanted.startswith("//") and "\\" not in wanted
    clean = all(" " < c < "\x7f" for c in wanted)
    return RedirectResponse(wanted[:MAX_URL] if own and clean else "/", 302)


def _interstitial(request: Request) -> Response:
    wanted = escape(request.query_params.get("next", "/")[:MAX_URL])
    return page(
        "You are leaving us", f'<p>Continue to <a rel="nofollow" href="{wanted}">{wanted}</a> if you mean to.</p>'
    )


def _sharing(label: str, headers: Handler) -> Site:
    def index(request: Request) -> Response:
        return page("Profile service", '<p>The data is at <a href="/api/profile">/api/profile</a>.</p>')

    return Site(
        label, {("GET", "/"): index, ("GET", "/api/profile"): headers, ("OPTIONS", "/api/profile"): headers}
    )


def _shared(allowed: str, credentials: bool) -> Response:
    headers = {"vary": "Origin"}
    if allowed:
        headers["access-control-allow-origin"] = allowed
    if allowed and credentials:
        headers["access-control-allow-credentials"] = "true"
    return JSONResponse(PROFILE, headers=headers)


def _reflect(request: Request) -> Response:
    return _shared(request.headers.get("origin", ""), credentials=True)


def _allow_list(world: World) -> Handler:
    def share(request: Request) -> Response:
        origin = request.headers.get("origin", "")
        return _shared(origin if origin == str(world.origin("www")) else "", credentials=True)

    return share


def _public(request: Request) -> Response:
    return _shared("*", credentials=False)
