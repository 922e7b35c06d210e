"""Health, readiness and metrics say what is so, to whom they should."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from tests.api.conftest import Person
from tests.little import make_context, make_policy

from secrecon.api.app import ApiOptions, create_app
from secrecon.api.metrics import CONTENT_TYPE, MetricsAccess, MetricsPolicy
from secrecon.service.context import Context


class Listener:
    """A listener that runs or does not."""

    public_url = "http://127.0.0.1:9/"

    def __init__(self, running: bool) -> None:
        self.running = running


def caller(ctx: Context, options: ApiOptions | None = None) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(create_app(ctx, options))
    return httpx.AsyncClient(transport=transport, base_url="http://secrecon.test")


async def test_ready_names_every_part(tmp_path: Path) -> None:
    ctx = await make_context(
        tmp_path, policy=make_policy(data_dir=tmp_path, min_free_bytes=1), listener=Listener(True)
    )
    async with caller(ctx) as client:
        body = (await client.get("/readyz")).json()
    assert body["status"] == "ready"
    assert [(check["name"], check["ok"]) for check in body["checks"]] == [
        ("database", True),
        ("disk", True),
        ("listener", True),
    ]
    await ctx.db.close()


@pytest.mark.parametrize(
    ("broken", "policy", "running"),
    [
        ("disk", {"min_free_bytes": 10**18}, True),
        ("disk", {"data_dir": Path("/nowhere/at/all")}, True),
        ("listener", {}, False),
    ],
)
async def test_what_does_not_work_is_named(
    tmp_path: Path, broken: str, policy: dict[str, object], running: bool
) -> None:
    parts: dict[str, object] = {"data_dir": tmp_path, "min_free_bytes": 1, **policy}
    ctx = await make_context(tmp_path, policy=make_policy(**parts), listener=Listener(running))
    async with caller(ctx) as client:
        answer = await client.get("/readyz")
        assert (await client.get("/healthz")).json() == {"status": "ok"}
    assert (answer.status_code, answer.json()["detail"]) == (503, f"Not ready: {broken}")
    assert [check["name"] for check in answer.json()["checks"] if not check["ok"]] == [broken]
    assert "/nowhere" not in answer.text
    await ctx.db.close()


async def test_a_database_that_is_gone_is_not_ready(tmp_path: Path) -> None:
    ctx = await make_context(tmp_path)
    await ctx.db.close()
    (tmp_path / "secrecon.db").write_bytes(b"this is no database, it is a text of some length" * 100)
    for name in ("secrecon.db-wal", "secrecon.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    async with caller(ctx) as client:
        answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["detail"]) == (503, "Not ready: database")
    assert str(tmp_path) not in answer.text
    await ctx.db.close()


async def test_a_database_that_was_replaced_is_not_ready(tmp_path: Path) -> None:
    ctx = await make_context(tmp_path)
    file = tmp_path / "secrecon.db"
    async with caller(ctx) as client:
        assert (await client.get("/readyz")).status_code == 200
        file.rename(tmp_path / "aside.db")
        file.write_bytes((tmp_path / "aside.db").read_bytes())
        answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["detail"]) == (503, "Not ready: database")
    await ctx.db.close()


@pytest.mark.parametrize(
    ("policy", "authorization", "status"),
    [
        (MetricsPolicy(), "", 404),
        (MetricsPolicy(MetricsAccess.OPEN), "", 200),
        (MetricsPolicy(MetricsAccess.HOLDERS, "t0ken"), "Bearer t0ken", 200),
        (MetricsPolicy(MetricsAccess.HOLDERS, "t0ken"), "Bearer other", 403),
        (MetricsPolicy(MetricsAccess.HOLDERS, "t0ken"), "", 403),
        (MetricsPolicy(MetricsAccess.HOLDERS, ""), "Bearer ", 403),
    ],
)
async def test_who_may_read_the_metrics(
    ctx: Context, policy: MetricsPolicy, authorization: str, status: int
) -> None:
    async with caller(ctx, ApiOptions(metrics=policy)) as client:
        answer = await client.get("/metrics", headers={"Authorization": authorization})
    assert answer.status_code == status
    if status == 200:
        assert answer.headers["Content-Type"] == CONTENT_TYPE


async def test_metrics_count_by_template_and_status(client: httpx.AsyncClient, ada: Person) -> None:
    started = (await client.post("/api/v1/scan", json={"target": "shop.acme.test"}, headers=ada.key)).json()
    await client.get(started["status_url"])
    await client.get("/api/scan/7")
    await client.get("/nowhere/" + "x" * 30)
    await client.request("BREW", "/healthz")
    text = (await client.get("/metrics")).text
    assert 'secrecon_http_requests_total{method="POST",route="/api/v1/scan",status="202"} 1.0' in text
    assert 'secrecon_http_requests_total{method="GET",route="/api/scan/{scan_id}/status",status="200"} 1.0' in text
    assert 'secrecon_http_requests_total{method="GET",route="/api/scan/{db_scan_id}",status="404"} 1.0' in text
    assert 'route="unmatched",status="404"' in text
    assert 'method="other"' in text
    assert 'secrecon_scans{status="starting"} 1.0' in text
    assert 'secrecon_scans{status="error"} 0.0' in text
    assert started["scan_id"] not in text


async def test_the_schema_of_reports_is_served(client: httpx.AsyncClient) -> None:
    answer = await client.get("/schemas/report-1.json")
    assert answer.headers["Content-Type"] == "application/schema+json"
    assert answer.json()["$id"] == "urn:secrecon:schema:report:1"
