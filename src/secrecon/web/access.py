"""Who is looking at a page: sessions, cookies, the CSRF token of every form, and where to go after signing in.

A form counts only when it carries the token of its session (or, before signing in, of the form's own cookie) and the
browser does not say that it comes from another site. Cookies are HttpOnly and SameSite=Lax, and Secure wherever the
request or the deployment has TLS.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import parse_qsl, quote, urlsplit

from fastapi import Depends, Request
from starlette.responses import Response

from secrecon.accounts.caller import Caller
from secrecon.accounts.sessions import KnownSession, csrf_matches
from secrecon.model.errors import BadInput, Forbidden, InternalError, NotAuthenticated
from secrecon.service.context import Context
from secrecon.service.people import find_session, session_cookie
from secrecon.web.grades import Grades

FORM_TYPE = "application/x-www-form-urlencoded"
MAX_FIELDS = 20
MAX_FORM = 65_536
MAX_NEXT = 500
STALE_FORM = "This form is too old or did not come from this site. Go back, reload the page and try again."


@dataclass(frozen=True, slots=True)
class Desk:
    """What every page is given: the context, and the grades already worked out."""

    ctx: Context
    grades: Grades


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody signed in. `csrf` goes into every form; `token` is the session itself and goes nowhere."""

    caller: Caller
    csrf: str
    session: KnownSession
    token: str


def desk_of(request: Request) -> Desk:
    """What the router put beside the request."""
    desk = getattr(request.state, "desk", None)
    if not isinstance(desk, Desk):
        raise InternalError("the dashboard was mounted without its desk")
    return desk


Here = Annotated[Desk, Depends(desk_of)]


async def maybe_visitor(request: Request, desk: Here) -> Visitor | None:
    """Whoever is signed in, or nobody."""
    token = request.cookies.get(session_cookie(desk.ctx), "")
    known = await find_session(desk.ctx, token) if token else None
    return None if known is None else Visitor(known.caller, known.csrf, known, token)


async def visitor_of(request: Request, desk: Here) -> Visitor:
    """Whoever is signed in. Raises NotAuthenticated, which the error page turns into a way to the sign-in page."""
    visitor = await maybe_visitor(request, desk)
    if visitor is None:
        raise NotAuthenticated("Sign in to see this page.")
    return visitor


SignedIn = Annotated[Visitor, Depends(visitor_of)]
Anyone = Annotated[Visitor | None, Depends(maybe_visitor)]


async def read_form(request: Request) -> Mapping[str, str]:
    """The text fields of a form; a field that came twice counts once. Raises BadInput for any other body."""
    if request.headers.get("Content-Type", "").split(";")[0].strip().lower() != FORM_TYPE:
        raise BadInput("This address takes a form.")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_FORM:
            raise BadInput("This form is too large.")
    try:
        return dict(
            parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
        )
    except ValueError as error:
        raise BadInput("This form cannot be read.") from error


async def checked_form(request: Request, visitor: SignedIn) -> Mapping[str, str]:
    """A form of a signed-in visitor, with its token checked. Raises Forbidden before anything else is looked at."""
    form = await read_form(request)
    if from_elsewhere(request) or not csrf_matches(visitor.session, form.get("csrf", "")):
        raise Forbidden(STALE_FORM)
    return form


CheckedForm = Annotated[Mapping[str, str], Depends(checked_form)]


def from_elsewhere(request: Request) -> bool:
    """True where the browser itself says that another site sent this request."""
    return request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none")


def is_secure(request: Request, ctx: Context) -> bool:
    """Whether cookies must travel over TLS alone."""
    return request.url.scheme == "https" or ctx.policy.base_url.startswith("https://")


def set_cookie(response: Response, request: Request, ctx: Context, name: str, value: str) -> None:
    """A cookie for this host alone, until the browser closes."""
    response.set_cookie(name, value, path="/", httponly=True, samesite="lax", secure=is_secure(request, ctx))


def drop_cookie(response: Response, request: Request, ctx: Context, name: str) -> None:
    """Make the browser forget a cookie."""
    response.delete_cookie(name, path="/", httponly=True, samesite="lax", secure=is_secure(request, ctx))


def form_cookie(ctx: Context) -> str:
    """The name of the cookie that the sign-in form is bound to."""
    return session_cookie(ctx) + "-form"


def form_token(request: Request, ctx: Context) -> str:
    """The sign-in form's token: the one that the browser has, or a new one."""
    known = request.cookies.get(form_cookie(ctx), "")
    return (
        known if 32 <= len(known) <= 64 and known.isascii() and known.isprintable() else secrets.token_urlsafe(32)
    )


def check_form_token(request: Request, ctx: Context, given: str) -> None:
    """Raise Forbidden where the sign-in form did not come from our own page in this browser."""
    known = request.cookies.get(form_cookie(ctx), "")
    same = hmac.compare_digest(known.encode(), given.encode("utf-8", "replace"))
    if from_elsewhere(request) or not known or not same:
        raise Forbidden(STALE_FORM)


def safe_next(wanted: str) -> str:
    """A path of ours to go on to, or the dashboard: never another site, never a form's target."""
    plain = wanted.isascii() and wanted.isprintable() and "\\" not in wanted and len(wanted) <= MAX_NEXT
    if not plain or not wanted.startswith("/") or wanted.startswith("//"):
        return "/"
    try:
        parts = urlsplit(wanted)
    except ValueError:
        return "/"
    if parts.scheme or parts.netloc or parts.path.startswith(("/sign-", "//")):
        return "/"
    return wanted


def sign_in_address(request: Request) -> str:
    """The sign-in page, coming back to what was asked for where that can be opened again."""
    if request.method != "GET":
        return "/sign-in"
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    wanted = safe_next(wanted)
    return "/sign-in" if wanted == "/" else f"/sign-in?next={quote(wanted, safe='/')}"
