"""The one error shape of every route: problem details (RFC 9457), whose `detail` is the documented sentence.

Errors of the house's tree become problems by their type; nothing else knows HTTP statuses. A problem never holds a
stack trace, a path of this machine or text that was not made for the caller. Which path gets JSON and which a page is
decided here too, so that the API and the dashboard can be mounted side by side.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from secrecon.model.errors import BadInput, Exhausted, ScopeRefused, UserError
from secrecon.model.record import JsonValue

MEDIA_TYPE = "application/problem+json"
DOCUMENTED = "/docs#problem-"
"""Where a problem's `type` leads: the heading of the API page that explains it."""

API_PREFIXES = ("/api/", "/ws/")
API_PATHS = frozenset({"/api", "/healthz", "/readyz", "/metrics", "/openapi.json"})
TITLES: dict[int, tuple[str, str]] = {
    400: ("bad-input", "The request cannot be read"),
    401: ("not-authenticated", "No credentials were given"),
    403: ("forbidden", "The credentials do not allow this"),
    404: ("not-found", "There is nothing here for you"),
    405: ("method-not-allowed", "This path does not take this method"),
    408: ("too-slow", "The request did not arrive in time"),
    409: ("conflict", "The state of the thing does not allow this"),
    413: ("too-large", "The request is too large"),
    429: ("exhausted", "A limit is used up"),
    500: ("internal", "Something went wrong on our side"),
    503: ("unavailable", "Not ready to serve"),
}
INTERNAL = "Internal error. Nothing was charged. Contact support with the scan_id if there is one."
log = structlog.get_logger("secrecon.api")


@dataclass(frozen=True, slots=True)
class Problem:
    """What went wrong, for the caller. `more`: extension members such as `field`, `rule`, `retry_after`."""

    status: int
    detail: str
    slug: str = ""
    more: Mapping[str, JsonValue] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The sentence that is the same for every problem of this kind."""
        return TITLES[self.status][1] if self.status in TITLES else HTTPStatus(self.status).phrase

    def members(self) -> dict[str, JsonValue]:
        """The problem as the members of its JSON object."""
        slug = self.slug or (TITLES[self.status][0] if self.status in TITLES else "")
        return {
            "type": DOCUMENTED + slug if slug else "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            **self.more,
        }

    def response(self) -> Response:
        """The problem as an answer."""
        body = json.dumps(self.members(), ensure_ascii=False).encode("utf-8")
        return Response(body, self.status, dict(self.headers), MEDIA_TYPE)


ErrorPage = Callable[[Request, Problem], Awaitable[Response]]


def problem_of(error: Exception) -> Problem:
    """The problem an error is told as. An error that is not the caller's becomes a plain 500."""
    if isinstance(error, UserError):
        return _user_problem(error)
    if isinstance(error, RequestValidationError):
        return _validation_problem(error)
    if isinstance(error, HTTPException):
        return Problem(error.status_code, _http_detail(error), headers=dict(error.headers or {}))
    return Problem(500, INTERNAL)


def _user_problem(error: UserError) -> Problem:
    more: dict[str, JsonValue] = {}
    headers: dict[str, str] = {}
    slug = ""
    if isinstance(error, BadInput) and error.field is not None:
        more["field"] = error.field
    if isinstance(error, ScopeRefused):
        more["rule"] = error.rule
        slug = "scope-refused"
    if isinstance(error, Exhausted):
        more["retry_after"] = error.retry_after
        headers["Retry-After"] = str(error.retry_after)
    if error.status == 401:
        headers["WWW-Authenticate"] = 'ApiKey realm="SecRecon", header="X-API-Key"'
    return Problem(error.status, str(error), slug, more, headers)


def _validation_problem(error: RequestValidationError) -> Problem:
    told: list[JsonValue] = []
    for item in error.errors()[:10]:
        place = [str(part) for part in item["loc"] if part not in ("query", "path", "header", "body")]
        told.append({"field": ".".join(place), "message": str(item["msg"])})
    first = told[0] if told else None
    detail = f"{first['field']}: {first['message']}" if isinstance(first, dict) else "the request is not valid"
    return Problem(400, detail, more={"errors": told})


def _http_detail(error: HTTPException) -> str:
    if error.status_code == 404 and error.detail == HTTPStatus.NOT_FOUND.phrase:
        return "No such path. The paths are listed in /openapi.json and explained at /docs."
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        return f"This path takes {allowed} only." if allowed else "This path does not take this method."
    return str(error.detail)


def is_api(path: str) -> bool:
    """True where errors are answered in JSON; every other path is a page's."""
    return path.startswith(API_PREFIXES) or path in API_PATHS


def methods_of(routes: Sequence[BaseRoute], path: str) -> tuple[str, ...]:
    """The methods that `path` takes, over all routes that are written for it; of several patterns the most literal counts."""
    fitting = [
        route
        for route in routes
        if isinstance(route, Route) and route.methods and route.path_regex.match(path) is not None
    ]
    fewest = min((len(route.param_convertors) for route in fitting), default=0)
    allowed = {
        method
        for route in fitting
        if len(route.param_convertors) == fewest
        for method in route.methods or ()
        if method != "HEAD"
    }
    return tuple(sorted(allowed))


def install_errors(app: FastAPI, page: ErrorPage | None = None, routes: Sequence[BaseRoute] = ()) -> None:
    """Answer every error of `app` in the one shape; `page` makes the answer for paths that people open. `routes`: all that
    a path may have, for `Allow`."""

    async def answer(request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException) and error.status_code == 405:
            allowed = methods_of(routes, request.url.path)
            error = HTTPException(405, headers={"Allow": ", ".join(allowed)} if allowed else error.headers)
        problem = problem_of(error)
        if page is not None and not is_api(request.url.path):
            return await page(request, problem)
        return problem.response()

    for kind in (UserError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, answer)


async def internal_error(request: Request, error: Exception, page: ErrorPage | None) -> Response:
    """The answer to a bug of ours: logged whole, told without its insides, with the scan it concerns."""
    scan_id = request.scope.get("path_params", {}).get("scan_id")
    log.error("unhandled error", path=request.url.path, scan_id=scan_id, exc_info=error)
    more: dict[str, JsonValue] = {"scan_id": scan_id} if isinstance(scan_id, str) and len(scan_id) == 32 else {}
    problem = Problem(500, INTERNAL, more=more)
    if page is not None and not is_api(request.url.path):
        return await page(request, problem)
    return problem.response()
