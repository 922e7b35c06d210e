"""Signing in and out. A session is always a new one, so a token from before signing in is worth nothing after it."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from secrecon.model.errors import Exhausted, Forbidden
from secrecon.service import people
from secrecon.service.clients import client_of
from secrecon.service.people import session_cookie
from secrecon.web.access import (
    Anyone,
    CheckedForm,
    Here,
    SignedIn,
    check_form_token,
    drop_cookie,
    form_cookie,
    form_token,
    read_form,
    safe_next,
    set_cookie,
)
from secrecon.web.pages import go, show

router = APIRouter()
MAX_EMAIL = 254
MAX_PASSWORD = 1_024


@router.get("/sign-in")
async def sign_in_page(request: Request, desk: Here, visitor: Anyone) -> Response:
    """The sign-in form; straight on for whoever is signed in."""
    wanted = safe_next(request.query_params.get("next", "/"))
    if visitor is not None:
        return go(wanted)
    return _form(request, desk, wanted)


@router.post("/sign-in")
async def sign_in(request: Request, desk: Here) -> Response:
    """Begin a session, ending the one that this browser may have had."""
    form = await read_form(request)
    check_form_token(request, desk.ctx, form.get("csrf", ""))
    email, password = form.get("email", "")[:MAX_EMAIL], form.get("password", "")
    wanted = safe_next(form.get("next", "/"))
    if len(password) > MAX_PASSWORD:
        return _form(request, desk, wanted, 403, people.WRONG_SIGN_IN, email)
    try:
        signed = await people.sign_in(desk.ctx, email, password, client_of(request))
    except Forbidden as error:
        return _form(request, desk, wanted, error.status, str(error), email)
    except Exhausted as error:
        minutes = max(round(error.retry_after / 60), 1)
        words = f"Too many tries. Wait {minutes} minute{'s' if minutes > 1 else ''}, then try again."
        response = _form(request, desk, wanted, error.status, words, email)
        response.headers["Retry-After"] = str(error.retry_after)
        return response
    before = request.cookies.get(session_cookie(desk.ctx), "")
    if before:
        await people.sign_out(desk.ctx, before)
    response = go(wanted)
    set_cookie(response, request, desk.ctx, session_cookie(desk.ctx), signed.token)
    drop_cookie(response, request, desk.ctx, form_cookie(desk.ctx))
    return response


@router.post("/sign-out")
async def sign_out(request: Request, desk: Here, visitor: SignedIn, form: CheckedForm) -> Response:
    """End the session, here and on the server."""
    await people.sign_out(desk.ctx, visitor.token)
    response = go("/sign-in")
    drop_cookie(response, request, desk.ctx, session_cookie(desk.ctx))
    return response


def _form(
    request: Request, desk: Here, wanted: str, status: int = 200, error: str = "", email: str = ""
) -> Response:
    token = form_token(request, desk.ctx)
    response = show("sign_in.html.j2", request, None, status, csrf=token, wanted=wanted, error=error, email=email)
    set_cookie(response, request, desk.ctx, form_cookie(desk.ctx), token)
    return response
