"""Who is calling: the key or the session of a request, turned into a Caller by the service. No rules of its own.

Used as dependencies, so that credentials are judged before anything else of the request is read.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from secrecon.accounts.caller import Caller
from secrecon.model.errors import InternalError, NotAuthenticated
from secrecon.service.clients import client_of
from secrecon.service.context import Context
from secrecon.service.people import caller_from_key, caller_from_session, require_api, session_cookie

KEY_HEADER = "X-API-Key"


def context_of(connection: HTTPConnection) -> Context:
    """The context that the composition root put beside the application."""
    ctx = connection.app.state.secrecon
    if not isinstance(ctx, Context):
        raise InternalError("the application was started without its context")
    return ctx


def client_name(connection: HTTPConnection) -> str:
    """Whom to throttle, for the dependency below."""
    return client_of(connection)


Ctx = Annotated[Context, Depends(context_of)]


async def api_caller(connection: HTTPConnection, ctx: Ctx) -> Caller:
    """The holder of the request's key, on a plan that has the API."""
    key = connection.headers.get(KEY_HEADER, "")
    if not key:
        raise NotAuthenticated("Missing X-API-Key header. Make a key in Dashboard, Settings, API Access.")
    caller = await caller_from_key(ctx, key, client_of(connection))
    require_api(ctx, caller)
    return caller


async def session_caller(connection: HTTPConnection, ctx: Ctx) -> Caller:
    """Who is signed in to the dashboard."""
    token = connection.cookies.get(session_cookie(ctx), "")
    caller = await caller_from_session(ctx, token) if token else None
    if caller is None:
        raise NotAuthenticated("Sign in first: this path takes the dashboard's session cookie.")
    return caller


async def optional_caller(connection: HTTPConnection, ctx: Ctx) -> Caller | None:
    """Whoever shows a key or a session; None for nobody. A key that is shown must be a good one."""
    key = connection.headers.get(KEY_HEADER, "")
    if key:
        return await caller_from_key(ctx, key, client_of(connection))
    token = connection.cookies.get(session_cookie(ctx), "")
    return await caller_from_session(ctx, token) if token else None


KeyCaller = Annotated[Caller, Depends(api_caller)]
SessionCaller = Annotated[Caller, Depends(session_caller)]
AnyCaller = Annotated[Caller | None, Depends(optional_caller)]
Client = Annotated[str, Depends(client_name)]
