"""The REST document's tables, row by row, and the order of checks on POST /api/v1/scan."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from tests.api.conftest import Person
from tests.little import BentClock, ListQueue

from secrecon.api.problem import MEDIA_TYPE
from secrecon.model.scan import ScanStatus
from secrecon.service.answers import ScanRequest
from secrecon.service.context import Context
from secrecon.service.people import authorize_target, create_key, operator_for, read_credits, revoke_key
from secrecon.service.running import ScanRunner
from secrecon.service.scans import submit_scan
from secrecon.store import users

PATH = "/api/v1/scan"
BODY = {"target": "https://shop.acme.test", "scan_mode": "quick"}


async def used(ctx: Context, person: Person) -> int:
    return (await read_credits(ctx, person.caller)).used


async def run(ctx: Context, scan_id: str) -> None:
    runner = ScanRunner(ctx)
    for step in await runner.steps(scan_id):
        await runner.run_step(scan_id, step, 0)
    await runner.finish(scan_id)


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == MEDIA_TYPE
    body: dict[str, Any] = answer.json()
    assert body["status"] == status
    assert body["detail"]
    return body


async def test_the_documented_answer(client: httpx.AsyncClient, ada: Person) -> None:
    answer = await client.post(PATH, json=BODY, headers=ada.key)
    assert answer.status_code == 202
    body = answer.json()
    scan_id, number = body["scan_id"], body["db_scan_id"]
    assert body == {
        "scan_id": scan_id,
        "db_scan_id": number,
        "target": "https://shop.acme.test",
        "status": "running",
        "plan": "business",
        "status_url": f"/api/scan/{scan_id}/status",
        "results_url": f"/api/scan/{number}",
        "message": "Scan started. Poll status_url for progress.",
    }
    assert len(scan_id) == 32
    assert isinstance(number, int)


async def test_only_the_target_is_required(client: httpx.AsyncClient, ada: Person) -> None:
    answer = await client.post(PATH, json={"target": "shop.acme.test"}, headers=ada.key)
    assert (answer.status_code, answer.json()["target"]) == (202, "https://shop.acme.test")


@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded", "text/plain", "application/json; charset=utf-8"]
)
async def test_the_content_type_is_forgiven_when_the_body_is_json(
    client: httpx.AsyncClient, ada: Person, kind: str
) -> None:
    headers = {**ada.key, "Content-Type": kind}
    assert (await client.post(PATH, content=json.dumps(BODY), headers=headers)).status_code == 202


class TestErrorTable:
    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"{}",
            b"not json",
            b"[]",
            b'{"target":""}',
            b'{"target":null}',
            b'{"target":7}',
            b'{"target":"ftp://x.test"}',
            b'{"target":"two words"}',
            b'{"target":"https://u:p@shop.acme.test/"}',
            b'{"target":"shop.acme.test","scan_mode":"deep"}',
            b'{"target":"shop.acme.test","speed":"fast"}',
            b'{"target":"shop.acme.test","target":"other.acme.test"}',
            b'{"target":"\\u0000"}',
            b'{"target":"\xff"}',
            b'{"target":' * 5000,
        ],
    )
    async def test_400_missing_or_invalid_fields(
        self, client: httpx.AsyncClient, ctx: Context, ada: Person, content: bytes
    ) -> None:
        problem(await client.post(PATH, content=content, headers=ada.key), 400)
        assert await used(ctx, ada) == 0

    async def test_401_missing_key(self, client: httpx.AsyncClient) -> None:
        body = problem(await client.post(PATH, json=BODY), 401)
        assert body["detail"].startswith("Missing X-API-Key header")
        problem(await client.post(PATH, json=BODY, headers={"X-API-Key": ""}), 401)

    @pytest.mark.parametrize("key", ["sra_unknown", "x", "é".encode().decode("latin-1"), "a" * 5000])
    async def test_403_unknown_key(self, client: httpx.AsyncClient, key: str) -> None:
        headers = httpx.Headers({"X-API-Key": key}, encoding="latin-1")
        problem(await client.post(PATH, json=BODY, headers=headers), 403)

    async def test_403_revoked_and_expired_keys(
        self, client: httpx.AsyncClient, ctx: Context, ada: Person, clock: BentClock
    ) -> None:
        revoked = await create_key(ctx, ada.caller, "gone")
        await revoke_key(ctx, ada.caller, revoked.id)
        expiring = await create_key(ctx, ada.caller, "short", clock.at + 10)
        good = await client.post(PATH, json=BODY, headers={"X-API-Key": expiring.key})
        assert good.status_code == 202
        clock.at += 10
        for key in (revoked.key, expiring.key):
            problem(await client.post(PATH, json=BODY, headers={"X-API-Key": key}), 403)

    async def test_403_wrong_plan(self, client: httpx.AsyncClient, ctx: Context, ada: Person) -> None:
        async with ctx.db.transaction() as tx:
            await users.set_plan(tx, ada.caller.account_id, "professional")
        for path in (PATH, "/api/v1/scan/" + "0" * 32 + "/cancel"):
            body = problem(await client.post(path, json=BODY, headers=ada.key), 403)
            assert body["detail"] == "API access requires a Business or Enterprise plan (current: professional)."
        body = problem(await client.get("/api/v1/scans", headers=ada.key), 403)
        assert "current: professional" in body["detail"]

    @pytest.mark.parametrize(
        "target", ["http://10.1.2.3", "http://169.254.169.254/latest", "http://0x0a000001", "[::]"]
    )
    async def test_403_scope(self, client: httpx.AsyncClient, ctx: Context, ada: Person, target: str) -> None:
        body = problem(await client.post(PATH, json={"target": target}, headers=ada.key), 403)
        assert body["rule"]
        assert body["rule"] in body["detail"]
        assert body["type"] == "/docs#problem-scope-refused"
        assert await used(ctx, ada) == 0

    async def test_403_full_needs_an_authorized_target(
        self, client: httpx.AsyncClient, ctx: Context, ada: Person
    ) -> None:
        full = {**BODY, "scan_mode": "full"}
        body = problem(await client.post(PATH, json=full, headers=ada.key), 403)
        assert "targets authorize" in body["detail"]
        operator = await operator_for(ctx, ada.caller.email)
        await authorize_target(ctx, operator, ada.caller.email, "shop.acme.test")
        assert (await client.post(PATH, json=full, headers=ada.key)).status_code == 202

    async def test_429_credits_exhausted(self, client: httpx.AsyncClient, ctx: Context, ada: Person) -> None:
        for _ in range(5):
            assert (await client.post(PATH, json=BODY, headers=ada.key)).status_code == 202
        answer = await client.post(PATH, json=BODY, headers=ada.key)
        body = problem(answer, 429)
        assert "2026-12-01" in body["detail"]
        assert int(answer.headers["Retry-After"]) == body["retry_after"] > 0
        assert await used(ctx, ada) == 5

    async def test_500_tells_nothing_and_costs_nothing(
        self, client: httpx.AsyncClient, ctx: Context, ada: Person, queue: ListQueue
    ) -> None:
        def fail() -> None:
            raise RuntimeError("hunter2")

        queue._before = fail
        answer = await client.post(PATH, json=BODY, headers=ada.key)
        problem(answer, 500)
        assert "hunter2" not in answer.text
        assert await used(ctx, ada) == 0


async def test_the_order_of_checks(client: httpx.AsyncClient, ctx: Context, ada: Person, eve: Person) -> None:
    junk = b"not json"
    problem(await client.post(PATH, content=junk), 401)
    problem(await client.post(PATH, content=junk, headers={"X-API-Key": "sra_no"}), 403)
    for _ in range(5):
        await client.post(PATH, json=BODY, headers=ada.key)
    problem(await client.post(PATH, content=junk, headers=ada.key), 400)
    assert "rule" in problem(await client.post(PATH, json={"target": "http://10.0.0.1"}, headers=ada.key), 403)
    problem(await client.post(PATH, json=BODY, headers=ada.key), 429)


async def test_twenty_at_once_with_five_credits(client: httpx.AsyncClient, ctx: Context, ada: Person) -> None:
    answers = await asyncio.gather(*(client.post(PATH, json=BODY, headers=ada.key) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [202] * 5 + [429] * 15
    assert await used(ctx, ada) == 5


class TestIdempotencyKey:
    async def test_the_first_answer_again_for_one_credit(
        self, client: httpx.AsyncClient, ctx: Context, ada: Person
    ) -> None:
        headers = {**ada.key, "Idempotency-Key": "deploy-42"}
        first = await client.post(PATH, json=BODY, headers=headers)
        again = await client.post(PATH, json=dict(reversed(BODY.items())), headers=headers)
        assert (first.status_code, again.status_code) == (202, 202)
        assert first.json() == again.json()
        problem(await client.post(PATH, json={**BODY, "target": "https://acme.test"}, headers=headers), 409)
        assert await used(ctx, ada) == 1

    @pytest.mark.parametrize("key", ["", "with space", "x" * 256])
    async def test_a_strange_key_is_refused(
        self, client: httpx.AsyncClient, ctx: Context, ada: Person, key: str
    ) -> None:
        body = problem(await client.post(PATH, json=BODY, headers={**ada.key, "Idempotency-Key": key}), 400)
        assert body["field"] == "Idempotency-Key"
        assert await used(ctx, ada) == 0


class TestStatus:
    async def test_the_documented_fields(self, client: httpx.AsyncClient, ctx: Context, ada: Person) -> None:
        started = (await client.post(PATH, json=BODY, headers=ada.key)).json()
        before = (await client.get(started["status_url"])).json()
        assert (before["status"], before["phase"], before["current_progress"]) == ("starting", None, 0)
        await run(ctx, started["scan_id"])
        after = (await client.get(started["status_url"])).json()
        documented = {
            "status": "complete",
            "phase": "synthesis",
            "current_progress": 100,
            "vulnerabilities_found": 1,
            "services_found": 1,
            "db_scan_id": started["db_scan_id"],
        }
        assert documented.items() <= after.items()
        assert isinstance(after["current_message"], str)

    async def test_unknown_ids_are_told_alike(self, client: httpx.AsyncClient) -> None:
        told = set()
        for scan_id in ("0" * 32, "F" * 32, "42", "x", "%00", "a" * 4000):
            for path in (f"/api/scan/{scan_id}/status", f"/api/scan/{scan_id}/events"):
                told.add(problem(await client.get(path), 404)["detail"])
        assert told == {"No such scan."}


class TestReport:
    async def test_the_documented_fields(self, client: httpx.AsyncClient, ctx: Context, ada: Person) -> None:
        started = (await client.post(PATH, json=BODY, headers=ada.key)).json()
        await run(ctx, started["scan_id"])
        answer = await client.get(started["results_url"])
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
        body = answer.json()
        assert (body["kev_count"], body["cve_count"], body["oast_interactions"]) == (0, 0, [])
        assert body["risk_score"] in set("ABCDEF")
        assert body["report_text"]
        (finding,) = body["findings"]
        assert {
            "severity": "high",
            "cve_id": None,
            "KEV_Status": None,
            "oast_verified": False,
        }.items() <= finding.items()
        assert 0 <= finding["confidence_score"] <= 1

    @pytest.mark.parametrize(
        ("format_", "kind"),
        [
            ("json", "application/json"),
            ("html", "text/html; charset=utf-8"),
            ("md", "text/markdown; charset=utf-8"),
            ("csv", "text/csv; charset=utf-8"),
            ("sarif", "application/sarif+json"),
        ],
    )
    async def test_exports(
        self, client: httpx.AsyncClient, ctx: Context, ada: Person, format_: str, kind: str
    ) -> None:
        started = (await client.post(PATH, json=BODY, headers=ada.key)).json()
        await run(ctx, started["scan_id"])
        answer = await client.get(f"{started['results_url']}/report", params={"format": format_})
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, kind)
        assert answer.headers["Content-Disposition"].startswith("attachment; filename=")
        assert answer.headers["Content-Security-Policy"].startswith("sandbox")
        if format_ == "json":
            assert answer.content == (await client.get(started["results_url"])).content

    @pytest.mark.parametrize("format_", ["docx", "exe", "", "PDF", "../html"])
    async def test_formats_that_are_unknown_are_named(
        self, client: httpx.AsyncClient, ada: Person, format_: str
    ) -> None:
        started = (await client.post(PATH, json=BODY, headers=ada.key)).json()
        body = problem(await client.get(f"{started['results_url']}/report", params={"format": format_}), 400)
        assert "sarif" in body["detail"]

    async def test_unknown_ids_are_told_alike(self, client: httpx.AsyncClient, ctx: Context, ada: Person) -> None:
        private = await submit_scan(ctx, ada.caller, ScanRequest("https://shop.acme.test"))
        told = set()
        for number in (str(private.db_scan_id), "1", "0", "-1", "9" * 40, "abc", "1.5", "٣", "0" * 32):
            told.add(problem(await client.get(f"/api/scan/{number}"), 404)["detail"])
        assert len(told) == 1

    async def test_guessing_ends_in_429(self, client: httpx.AsyncClient, ada: Person) -> None:
        answers = [await client.get(f"/api/scan/{number}") for number in range(1, 25)]
        assert [answer.status_code for answer in answers] == [404] * 20 + [429] * 4
        assert int(answers[-1].headers["Retry-After"]) > 0


class TestCancel:
    async def test_it_is_idempotent(self, client: httpx.AsyncClient, ada: Person, queue: ListQueue) -> None:
        started = (await client.post(PATH, json=BODY, headers=ada.key)).json()
        queue.take(started["scan_id"])
        for _ in range(2):
            answer = await client.post(f"/api/v1/scan/{started['scan_id']}/cancel", headers=ada.key)
            assert answer.status_code == 202
            assert answer.json()["cancelled"] is True

    async def test_the_end_says_so(self, client: httpx.AsyncClient, ada: Person) -> None:
        started = (await client.post(PATH, json=BODY, headers=ada.key)).json()
        await client.post(f"/api/v1/scan/{started['scan_id']}/cancel", headers=ada.key)
        body = (await client.get(started["status_url"])).json()
        assert (body["status"], body["cancelled"]) == (ScanStatus.COMPLETE.value, True)
        assert body["not_run"]


async def test_what_is_too_large_is_refused(client: httpx.AsyncClient, ada: Person) -> None:
    content = json.dumps({"target": "x" * 70_000})
    problem(await client.post(PATH, content=content, headers=ada.key), 413)


async def test_wrong_methods_are_told_what_works(client: httpx.AsyncClient) -> None:
    answer = await client.get(PATH)
    problem(answer, 405)
    assert answer.headers["Allow"] == "POST"
    for path, allowed in (("/api/v1/webhooks", "GET, POST"), ("/api/v1/webhooks/1", "DELETE, PATCH")):
        answer = await client.put(path)
        problem(answer, 405)
        assert answer.headers["Allow"] == allowed
    problem(await client.get("/api/v2/anything"), 404)
