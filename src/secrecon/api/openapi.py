"""The OpenAPI 3.1 document, made from the routes themselves: every error documented, every answer with an example.

What the framework would say and we do not do (422, its own validation shape) is taken out; what it cannot know (the
shape of problems, how to authenticate, the live socket) is put in.
"""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from secrecon import __version__
from secrecon.api.problem import DOCUMENTED, MEDIA_TYPE, TITLES
from secrecon.api.samples import sample_of
from secrecon.api.shapes import ProblemAnswer, scan_body_parts
from secrecon.model.record import JsonValue

Document = dict[str, JsonValue]
Responses = dict[int | str, dict[str, object]]

KEY: dict[str, object] = {"security": [{"apiKey": []}]}
SESSION: dict[str, object] = {"security": [{"session": []}]}
ANYONE: dict[str, object] = {"security": []}
KEY_OR_SESSION_OR_NONE: dict[str, object] = {"security": [{}, {"apiKey": []}, {"session": []}]}

DETAILS: dict[int, str] = {
    400: "target is required",
    401: "Missing X-API-Key header.",
    403: "API access requires a Business or Enterprise plan (current: professional).",
    404: "No such scan.",
    405: "This path takes GET only.",
    408: "The request body did not arrive within 20 s.",
    409: "This Idempotency-Key was used with another body in the last 24 hours.",
    413: "The request body is larger than 65536 bytes.",
    429: "no scan credit is left this month (the business plan has 5); the next ones come on 2026-12-01 (UTC)",
    500: "Internal error. Nothing was charged. Contact support with the scan_id if there is one.",
    503: "Not ready: database",
}
MEANINGS: dict[int, str] = {
    400: "Bad request: missing, unknown or invalid fields. Nothing is charged.",
    401: "No credentials: the X-API-Key header (or the session cookie) is missing.",
    403: "Invalid key, wrong plan, target not authorized, or target refused by scope policy (`rule` names it).",
    404: "Unknown, or not visible to you: the two are told alike.",
    405: "The path does not take this method.",
    408: "The request did not arrive in time.",
    409: "The state of the thing does not allow this.",
    413: "The body is too large.",
    429: "Credits or a rate limit are used up: wait `Retry-After` seconds.",
    500: "Internal error. Carries the scan_id when there is one.",
    503: "Not ready to serve.",
}

INTRODUCTION = """\
SecRecon scans a target, proves what it finds, and says what it could not test.

**Authentication.** `/api/v1/*` takes an API key in the `X-API-Key` header (Business and Enterprise plans). Dashboard
endpoints take the session cookie. Live status takes the `scan_id` alone: knowing it is the right to see it.

**Who can read a report.** `db_scan_id` is a random 52-bit number, never sequential. The report of a scan that was started
through the API can be read by whoever holds the link, as the shell and CI examples do, unless the account or the
deployment sets "reports need a key". The report of a scan started in the dashboard is private to its account. An
unknown id and a forbidden id give the same 404, and misses are throttled per client address.

**Errors** are `application/problem+json` (RFC 9457) with a `detail` that says what to do next. Validation errors are 400.
A request that is not answered 202 costs nothing. Any path can also answer 405 (another method; `Allow` names those it
takes), 408 (the body did not arrive in time) and 413 (the body is larger than 64 KiB).

**Live events.** `WS /ws/scan/{scan_id}` sends each event of a scan as one JSON text message, and closes with code 1000 after
the last; `?after=SEQ` resumes. `GET /api/scan/{scan_id}/events` is the same as server-sent events.
"""


def problems(*statuses: int) -> Responses:
    """The documented error answers of a route; 500 is always one of them."""
    return {
        status: {
            "description": MEANINGS[status],
            "content": {
                MEDIA_TYPE: {
                    "schema": {"$ref": "#/components/schemas/ProblemAnswer"},
                    "example": {
                        "type": DOCUMENTED + TITLES[status][0],
                        "title": TITLES[status][1],
                        "status": status,
                        "detail": DETAILS[status],
                    },
                }
            },
        }
        for status in (*statuses, 500)
    }


def whole(schema: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """A model's JSON Schema with its own definitions put where they are named, as a route's body needs it."""
    definitions = schema.get("$defs")
    known = definitions if isinstance(definitions, dict) else {}

    def put(value: JsonValue) -> JsonValue:
        if isinstance(value, list):
            return [put(item) for item in value]
        if not isinstance(value, dict):
            return value
        name = value.get("$ref")
        if isinstance(name, str) and name.startswith("#/$defs/"):
            return put(known[name.removeprefix("#/$defs/")])
        return {key: put(item) for key, item in value.items() if key != "$defs"}

    made = put(dict(schema))
    assert isinstance(made, dict), "an object stays one"
    return made


def make_document(app: FastAPI, *, base_url: str, session_cookie: str) -> Document:
    """The whole document of `app`."""
    document: Document = get_openapi(
        title="SecRecon REST API",
        version=__version__,
        openapi_version="3.1.0",
        description=INTRODUCTION,
        routes=app.routes,
        servers=[{"url": base_url}] if base_url else None,
    )
    components = _child(document, "components")
    schemas = _child(components, "schemas")
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas.update(scan_body_parts())
    schemas["ProblemAnswer"] = ProblemAnswer.model_json_schema()
    components["securitySchemes"] = {
        "apiKey": {
            "type": "apiKey",
            "in": "header",
            "name": "X-API-Key",
            "description": "Made in Dashboard, Settings, API Access; shown once; starts with `sra_`.",
        },
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": session_cookie,
            "description": "The dashboard's session cookie.",
        },
    }
    for path in _child(document, "paths").values():
        for operation in path.values() if isinstance(path, dict) else ():
            if isinstance(operation, dict):
                _child(operation, "responses").pop("422", None)
                _give_examples(operation)
    return document


def _give_examples(operation: Document) -> None:
    name = operation.get("operationId")
    for status, answered in _child(operation, "responses").items():
        content = answered.get("content") if isinstance(answered, dict) else None
        for media_type, described in content.items() if isinstance(content, dict) else ():
            sample = sample_of(str(name), media_type) if status.startswith("2") else None
            if sample is not None and isinstance(described, dict):
                described["example"] = sample


def _child(parent: Document, name: str) -> Document:
    child = parent.setdefault(name, {})
    assert isinstance(child, dict), f"{name} of an OpenAPI document is an object"
    return child
