"""The description held against the routes: complete, without an outside host, and what it says is what is answered."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from jsonschema_rs import Draft202012Validator
from tests.api.conftest import Person

from secrecon.api.app import ROUTERS
from secrecon.api.problem import MEDIA_TYPE, TITLES
from secrecon.model.scan import ScanMode
from secrecon.model.schedule import Plan
from secrecon.report import MEDIA_TYPES
from secrecon.service.context import Context
from secrecon.service.inventory import list_findings
from secrecon.service.running import ScanRunner
from secrecon.service.schedules import create_schedule, run_now
from secrecon.service.webhooks import create_webhook, try_webhook

METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture
def document(app: FastAPI) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(app.openapi()))
    return found


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method, path, item[method]) for path, item in document["paths"].items() for method in METHODS & item.keys()
    ]


def test_every_format_of_a_report_is_described(document: dict[str, Any]) -> None:
    answers = document["paths"]["/api/scan/{db_scan_id}/report"]["get"]["responses"]["200"]["content"]
    assert answers.keys() >= set(MEDIA_TYPES)


async def test_it_is_served(client: httpx.AsyncClient, document: dict[str, Any]) -> None:
    answer = await client.get("/openapi.json")
    assert answer.json() == document
    assert document["openapi"].startswith("3.1")


def test_every_route_that_is_for_programs_is_in_it(document: dict[str, Any]) -> None:
    routes = {
        (method.lower(), route.path_format)
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute) and route.include_in_schema
        for method in route.methods or ()
    }
    assert routes == {(method, path) for method, path, _ in operations(document)}


def test_every_operation_is_described(document: dict[str, Any]) -> None:
    ids = []
    for method, path, operation in operations(document):
        ids.append(operation["operationId"])
        assert operation["summary"], (method, path)
        assert operation["description"], (method, path)
        assert "security" in operation, (method, path)
        assert "422" not in operation["responses"], (method, path)
        assert "500" in operation["responses"], (method, path)
        for status, answer in operation["responses"].items():
            assert answer["description"], (method, path, status)
            if int(status) >= 400:
                content = answer["content"][MEDIA_TYPE]
                assert content["schema"] == {"$ref": "#/components/schemas/ProblemAnswer"}
                assert content["example"]["status"] == int(status)
        if {"apiKey": []} in operation["security"]:
            assert "429" in operation["responses"], (method, path)
    assert len(set(ids)) == len(ids)
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_every_json_answer_has_an_example_that_fits(document: dict[str, Any]) -> None:
    seen = set()
    for method, path, operation in operations(document):
        for status, answer in operation["responses"].items():
            for media_type, content in answer.get("content", {}).items():
                if media_type in ("application/json", MEDIA_TYPE):
                    whole = {**content["schema"], "components": document["components"]}
                    errors = [
                        error.message for error in Draft202012Validator(whole).iter_errors(content["example"])
                    ]
                    assert errors == [], (method, path, status)
                    seen.add(status)
        if "requestBody" in operation:
            content = operation["requestBody"]["content"]["application/json"]
            whole = {**content["schema"], "components": document["components"]}
            assert Draft202012Validator(whole).is_valid(content["example"])
    assert seen >= {"200", "202", "400", "401", "403", "404", "429", "500", "503"}


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    for reference in set(re.findall(r'"\$ref": "#/components/schemas/([^"]+)"', json.dumps(document))):
        assert reference in document["components"]["schemas"]


async def test_what_is_answered_is_what_is_described(
    client: httpx.AsyncClient, ctx: Context, ada: Person, document: dict[str, Any]
) -> None:
    wish = {"target": "shop.acme.test"}
    started, later = [(await client.post("/api/v1/scan", json=wish, headers=ada.key)).json() for _ in range(2)]
    runner = ScanRunner(ctx)
    for accepted in (started, later):
        for step in await runner.steps(accepted["scan_id"]):
            await runner.run_step(accepted["scan_id"], step, 0)
        await runner.finish(accepted["scan_id"])
    (finding,) = (await list_findings(ctx, ada.caller)).items
    hook = await create_webhook(ctx, ada.caller, "Alerts", "http://127.0.0.1:9/", ["scan.finished"])
    await try_webhook(ctx, ada.caller, hook.webhook.id)
    nightly = Plan("Nightly", "https://shop.acme.test", ScanMode.QUICK, "0 2 * * *", "UTC")
    planned = await create_schedule(ctx, ada.caller, nightly)
    await run_now(ctx, ada.caller, planned.id)
    ids = {
        "schedule_id": planned.id,
        "finding_id": finding.id,
        "webhook_id": hook.webhook.id,
        "later": later["db_scan_id"],
    }
    for method, path, operation in operations(document):
        if method != "get" or path in ("/metrics", "/api/scan/{scan_id}/events"):
            continue
        if path == "/api/v1/diff":
            path += "?from={db_scan_id}&to={later}"
        if path == "/api/v1/trend":
            path += "?target=shop.acme.test"
        url = path.format(**started, **ids)
        answer = await client.get(url, headers={**ada.key, **ada.cookie})
        schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
        whole = {**schema, "components": document["components"]}
        errors = [error.message for error in Draft202012Validator(whole).iter_errors(answer.json())]
        assert errors == [], url
    errors_ = [
        e.message
        for e in Draft202012Validator(
            {"$ref": "#/components/schemas/Accepted", "components": document["components"]}
        ).iter_errors(started)
    ]
    assert errors_ == []


class _Links(HTMLParser):
    """Collects what a page loads and where it leads."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.targets: list[str] = []
        self.ids: list[str] = []
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("href", "src"):
                self.targets.append(value or "")
            if name == "id":
                self.ids.append(value or "")
            if name == "style" or name.startswith("on"):
                self.inline.append(name)


async def test_the_reference_page_needs_nobody_else(client: httpx.AsyncClient, document: dict[str, Any]) -> None:
    answer = await client.get("/docs")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    page = _Links()
    page.feed(answer.text)
    assert not {"script", "style", "iframe"} & set(page.tags)
    assert page.inline == []
    assert all(target.startswith(("/", "#")) for target in page.targets)
    assert {target[1:] for target in page.targets if target.startswith("#")} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    for _, path, operation in operations(document):
        assert path in answer.text
        assert operation["operationId"] in page.ids
    assert {f"problem-{slug}" for slug, _ in TITLES.values()} | {"problem-scope-refused"} <= set(page.ids)
    style = await client.get("/docs/reference.css")
    assert (style.status_code, style.headers["Content-Type"]) == (200, "text/css; charset=utf-8")
    assert "url(" not in style.text
    assert "@import" not in style.text
