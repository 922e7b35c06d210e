"""Turning a template into an answer: the environment, the strict headers, and the error page.

Everything is escaped by jinja2; text that a target wrote also goes through `line`, which makes invisible characters
visible. No page holds script or style of its own, so the policy allows only files from /static.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Protocol

from fastapi import Request
from jinja2 import ChoiceLoader, Environment, PackageLoader, PrefixLoader, StrictUndefined
from starlette.responses import RedirectResponse, Response

from secrecon.report.causes import BASIS
from secrecon.report.matrix import cell_words
from secrecon.report.mending import check_the_fix
from secrecon.report.owasp import top_ten
from secrecon.report.risk import arithmetic
from secrecon.report.text import block, clock_time, count, day, is_link, line
from secrecon.web.access import Visitor, sign_in_address
from secrecon.web.static_files import address

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
NAVIGATION = (
    ("/", "Dashboard", "home"),
    ("/scans/new", "New scan", "plus"),
    ("/findings", "Findings", "flag"),
    ("/assets", "Assets", "globe"),
    ("/targets", "Targets", "target"),
    ("/schedules", "Schedules", "clock"),
    ("/integrations", "Integrations", "plug"),
    ("/settings", "Settings", "gear"),
)


def moment(at: float | None) -> str:
    """Epoch seconds as people read them: `2026-11-23 20:06 UTC`; "never" for None."""
    return "never" if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def date(at: float | None) -> str:
    """Epoch seconds as a date, UTC; "never" for None."""
    return "never" if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")


def show(name: str, request: Request, visitor: Visitor | None, status: int = 200, /, **values: object) -> Response:
    """The page `name` for a visitor."""
    html = _ENVIRONMENT.get_template(name).render(
        visitor=visitor, path=request.url.path, navigation=NAVIGATION, **values
    )
    return Response(html, status, HEADERS, "text/html; charset=utf-8")


def go(address_: str) -> Response:
    """On to another page of ours, by GET."""
    return RedirectResponse(address_, 303, {"Cache-Control": "no-store"})


class Told(Protocol):
    """A problem as the API tells it."""

    @property
    def status(self) -> int: ...

    @property
    def detail(self) -> str: ...

    @property
    def more(self) -> Mapping[str, object]: ...

    @property
    def headers(self) -> Mapping[str, str]: ...


ADVICE = {
    400: ("That request cannot be read", "Go back and check what you entered."),
    403: ("Not allowed", "Go back to the dashboard, or sign in with an account that may do this."),
    404: (
        "Nothing here",
        "The address may be mistyped, or the page belongs to another account. Sign in with that account, or go back to "
        "the dashboard.",
    ),
    405: ("That address cannot be opened like this", "Go back to the dashboard and take the button there."),
    409: ("That does not fit any more", "Reload the page to see where things stand."),
    413: ("Too much at once", "Send a smaller form."),
    429: ("Too many tries", "Wait, then try again."),
    500: (
        "Something went wrong on our side",
        "Try again in a minute. If it stays, tell the operator what you did and when; the server's log has the details.",
    ),
    503: ("Not ready", "The server is starting or busy. Try again in a minute."),
}


async def error_page(request: Request, problem: Told) -> Response:
    """The page for an error on a path that people open. Needs neither database nor session, so it cannot fail too."""
    if problem.status == 401:
        return go(sign_in_address(request))
    title, advice = ADVICE.get(problem.status, ADVICE[500 if problem.status >= 500 else 400])
    scan_id = problem.more.get("scan_id")
    response = show(
        "error.html.j2",
        request,
        None,
        problem.status,
        title=title,
        detail=problem.detail if problem.status != 500 else "",
        advice=advice,
        code=problem.status,
        scan_id=scan_id if isinstance(scan_id, str) else "",
    )
    for name in ("Retry-After", "Allow"):
        if name in problem.headers:
            response.headers[name] = problem.headers[name]
    return response


def _environment() -> Environment:
    own, reports = PackageLoader("secrecon.web"), PackageLoader("secrecon.report")
    environment = Environment(
        loader=ChoiceLoader([own, PrefixLoader({"report": reports})]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        line=line, block=block, day=day, clock=clock_time, count=count, cell=cell_words, moment=moment, date=date
    )
    environment.globals["static"] = address
    environment.globals["basis"] = BASIS
    environment.globals["risk"] = arithmetic
    environment.globals["check_fix"] = check_the_fix
    environment.globals["top_ten"] = top_ten
    environment.tests["link"] = is_link
    return environment


_ENVIRONMENT = _environment()
