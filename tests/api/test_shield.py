"""The shield: every answer carries the security headers, bodies are capped, bugs become plain problems."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest
import structlog
from fastapi import FastAPI, Request, Response
from starlette.responses import StreamingResponse
from starlette.types import Message, Scope

from secrecon.api.problem import INTERNAL, MEDIA_TYPE, Problem, install_errors
from secrecon.api.shield import DEFAULT_HEADERS, Shield
from secrecon.model.errors import BadInput, Conflict, Exhausted, Forbidden, NotFound, OperatorError, ScopeRefused
from secrecon.net.clock import SystemClock

CAP = 1000
SCAN_ID = "0123456789abcdef0123456789abcdef"
SECRET = "the password is hunter2"


class Counted:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, int]] = []

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        self.seen.append((method, route, status))


async def page(request: Request, problem: Problem) -> Response:
    return Response(f"<h1>{problem.status}</h1>", problem.status, media_type="text/html")


def make_app(counted: Counted, *, https: bool = False, body_seconds: float = 20.0) -> FastAPI:
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    errors: dict[str, Exception] = {
        "bug": RuntimeError(SECRET),
        "operator": OperatorError(SECRET),
        "bad": BadInput("target is required", "target"),
        "scope": ScopeRefused("scope rule loopback refuses it", "loopback"),
        "plan": Forbidden("wrong plan"),
        "gone": NotFound("No such scan."),
        "twice": Conflict("used before"),
        "spent": Exhausted("no credit", 7),
    }

    @app.get("/api/fail/{kind}")
    async def fail(kind: str) -> None:
        raise errors[kind]

    @app.get("/api/scan/{scan_id}/fail")
    async def scan_fail(scan_id: str) -> None:
        raise RuntimeError(SECRET)

    @app.get("/page/{kind}")
    async def page_fail(kind: str) -> None:
        raise errors[kind]

    @app.post("/api/size")
    async def size(request: Request) -> int:
        return len(await request.body())

    @app.get("/api/number/{number}")
    async def typed(number: int) -> int:
        return number

    @app.get("/api/own")
    async def own() -> Response:
        return Response("x", headers={"Cache-Control": "max-age=5"})

    @app.get("/api/stream")
    async def stream() -> Response:
        async def parts() -> AsyncIterator[bytes]:
            yield b"one"
            raise RuntimeError(SECRET)

        return StreamingResponse(parts())

    install_errors(app, page)
    app.add_middleware(
        Shield,
        body_cap=CAP,
        https=https,
        counter=counted,
        clock=SystemClock(),
        page=page,
        body_seconds=body_seconds,
    )
    return app


@pytest.fixture
def counted() -> Counted:
    return Counted()


@pytest.fixture
async def client(counted: Counted) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(make_app(counted), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


@pytest.mark.parametrize(
    "path", ["/api/own", "/api/fail/bad", "/api/fail/bug", "/nowhere", "/api/nowhere", "/page/bug"]
)
async def test_every_answer_carries_the_security_headers(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    for name, value in DEFAULT_HEADERS.items():
        if (path, name) != ("/api/own", "Cache-Control"):
            assert answer.headers[name] == value
    assert "Strict-Transport-Security" not in answer.headers


async def test_a_route_keeps_its_own_headers(client: httpx.AsyncClient) -> None:
    assert (await client.get("/api/own")).headers["Cache-Control"] == "max-age=5"


async def test_https_is_pinned_where_the_deployment_has_it(counted: Counted) -> None:
    transport = httpx.ASGITransport(make_app(counted, https=True))
    async with httpx.AsyncClient(transport=transport, base_url="https://test") as client:
        assert "max-age" in (await client.get("/api/own")).headers["Strict-Transport-Security"]


@pytest.mark.parametrize(
    ("kind", "status", "more"),
    [
        ("bad", 400, {"field": "target"}),
        ("scope", 403, {"rule": "loopback"}),
        ("plan", 403, {}),
        ("gone", 404, {}),
        ("twice", 409, {}),
        ("spent", 429, {"retry_after": 7}),
    ],
)
async def test_errors_of_the_house_become_problems(
    client: httpx.AsyncClient, kind: str, status: int, more: dict[str, object]
) -> None:
    answer = await client.get(f"/api/fail/{kind}")
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == MEDIA_TYPE
    body = answer.json()
    assert body["status"] == status
    assert body["detail"]
    assert body["title"]
    assert body["type"].startswith("/docs#problem-")
    assert more.items() <= body.items()
    assert answer.headers.get("Retry-After") == ("7" if status == 429 else None)


@pytest.mark.parametrize("path", ["/api/fail/bug", "/api/fail/operator", "/page/bug", f"/api/scan/{SCAN_ID}/fail"])
async def test_a_bug_tells_nothing_of_its_insides(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert answer.status_code == 500
    assert "hunter2" not in answer.text
    assert "Traceback" not in answer.text


async def test_a_bug_names_the_scan_it_concerns(client: httpx.AsyncClient) -> None:
    assert (await client.get(f"/api/scan/{SCAN_ID}/fail")).json()["scan_id"] == SCAN_ID
    assert "scan_id" not in (await client.get("/api/scan/shorter/fail")).json()
    assert (await client.get("/api/fail/bug")).json()["detail"] == INTERNAL


@pytest.mark.parametrize(("path", "status"), [("/nowhere", 404), ("/page/gone", 404), ("/page/bug", 500)])
async def test_people_get_pages(client: httpx.AsyncClient, path: str, status: int) -> None:
    answer = await client.get(path)
    assert answer.status_code == status
    assert answer.text == f"<h1>{status}</h1>"


async def test_unknown_api_paths_and_methods_are_problems(client: httpx.AsyncClient) -> None:
    missing = await client.get("/api/nowhere")
    assert (missing.status_code, missing.headers["Content-Type"]) == (404, MEDIA_TYPE)
    wrong = await client.delete("/api/size")
    assert (wrong.status_code, wrong.headers["Allow"]) == (405, "POST")
    assert "POST" in wrong.json()["detail"]


async def test_a_body_up_to_the_cap_is_read(client: httpx.AsyncClient) -> None:
    assert (await client.post("/api/size", content=b"x" * CAP)).json() == CAP


async def test_a_declared_body_over_the_cap_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/size", content=b"x" * (CAP + 1))
    assert answer.status_code == 413
    assert str(CAP) in answer.json()["detail"]


async def test_a_streamed_body_over_the_cap_is_refused(client: httpx.AsyncClient) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(CAP):
            yield b"xx"

    answer = await client.post("/api/size", content=parts())
    assert answer.status_code == 413
    assert answer.headers["Content-Type"] == MEDIA_TYPE


async def test_a_stream_that_breaks_is_cut_not_completed(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/stream")
    assert "hunter2" not in answer.text


async def test_requests_are_counted_by_template(client: httpx.AsyncClient, counted: Counted) -> None:
    await client.get("/api/fail/bad")
    await client.get("/api/nowhere/" + "x" * 50)
    await client.post("/api/size", content=json.dumps({}).encode())
    assert counted.seen == [
        ("GET", "/api/fail/{kind}", 400),
        ("GET", "unmatched", 404),
        ("POST", "/api/size", 200),
    ]


async def test_head_is_get_without_the_body(client: httpx.AsyncClient, counted: Counted) -> None:
    got, head = await client.get("/api/own"), await client.head("/api/own")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers == got.headers
    assert (await client.head("/api/fail/gone")).status_code == 404
    assert (await client.head("/api/size")).status_code == 405
    assert counted.seen[1] == ("HEAD", "/api/own", 200)


async def test_what_the_framework_finds_wrong_is_a_400_too(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/number/x")
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, MEDIA_TYPE)
    assert answer.json()["detail"].startswith("number: ")
    assert answer.json()["errors"][0]["field"] == "number"


async def drip() -> AsyncIterator[bytes]:
    for _ in range(100):
        yield b"x"
        await asyncio.sleep(0.05)


async def test_a_body_that_drips_is_refused_in_time(counted: Counted) -> None:
    transport = httpx.ASGITransport(make_app(counted, body_seconds=0.2))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.post("/api/size", content=drip())
        assert (answer.status_code, answer.headers["Content-Type"]) == (408, MEDIA_TYPE)
        assert "did not arrive" in answer.json()["detail"]
        assert answer.headers["Connection"] == "close"
        assert (await client.post("/api/size", content=b"at once")).json() == 7


async def test_a_client_that_leaves_in_the_middle_of_its_body_is_no_bug(counted: Counted) -> None:
    told: list[Message] = [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]
    sent: list[Message] = []
    scope: Scope = {"type": "http", "method": "POST", "path": "/api/size", "headers": [], "query_string": b""}

    async def receive() -> Message:
        return told.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    with structlog.testing.capture_logs() as lines:
        await make_app(counted)(scope, receive, send)
    assert (sent, lines) == ([], [])
    assert counted.seen == [("POST", "/api/size", 0)]
