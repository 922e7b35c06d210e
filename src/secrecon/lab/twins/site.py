"""Makes a lab site of a twin: the request as the twin wants it, the fetches that it names really made, its reply sent.

Fetches go through the lab's fetcher, which connects to loopback only.
"""

from __future__ import annotations

import contextlib

from starlette.requests import Request
from starlette.responses import Response

from secrecon.lab.fetcher import Fetcher
from secrecon.lab.site import Site, read_body
from secrecon.lab.twins import every_twin
from secrecon.lab.twins.shapes import Answer, Asked, Told
from secrecon.model.errors import BadInput, TargetError

MAX_FETCHES = 3


def twin_site(label: str, template: str, fixed: bool, fetcher: Fetcher) -> Site:
    """The twin of a template as a site that answers every path itself. Raises KeyError for a template without a twin."""
    return site_of(label, every_twin()[template], fixed, fetcher)


def site_of(label: str, answer: Answer, fixed: bool, fetcher: Fetcher) -> Site:
    """A site that answers with `answer`."""

    async def handle(request: Request) -> Response:
        try:
            asked = await _asked(request)
        except BadInput:
            return Response("too long", 413)
        told = answer(asked, fixed)
        await _reach_out(told, fetcher)
        body = told.body.encode() if isinstance(told.body, str) else told.body
        headers = {"content-type": told.kind, **{name.lower(): value for name, value in told.headers.items()}}
        return Response(body, told.status, {name: value for name, value in headers.items() if value})

    return Site(label, {}, fallback=handle)


async def _asked(request: Request) -> Asked:
    path = request.scope.get("raw_path") or request.url.path.encode()
    query = request.scope.get("query_string", b"")
    target = path.decode("latin-1") + (f"?{query.decode('latin-1')}" if query else "")
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        headers[name.lower()] = f"{headers[name.lower()]}, {value}" if name.lower() in headers else value
    return Asked(request.method, target, headers, await read_body(request))


async def _reach_out(told: Told, fetcher: Fetcher) -> None:
    for url in told.fetches[:MAX_FETCHES]:
        await fetcher.try_fetch(url)
    for name in told.looks_up[:MAX_FETCHES]:
        with contextlib.suppress(TargetError):
            await fetcher.names.addresses(name)
