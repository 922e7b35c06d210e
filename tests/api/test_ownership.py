"""Every route, asked by nobody, by another account, by the owner with key and with session, and by a plan without API.

A route that is not in the table fails the test, so a new one cannot be forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import httpx
import pytest
from fastapi.routing import APIRoute
from tests.api.conftest import Person

from secrecon.api.app import ROUTERS
from secrecon.model.scan import ScanMode
from secrecon.model.schedule import Plan
from secrecon.service.answers import AcceptedScan, ScanRequest
from secrecon.service.context import Context
from secrecon.service.inventory import list_findings
from secrecon.service.people import authorize_target, operator_for
from secrecon.service.running import ScanRunner
from secrecon.service.scans import submit_scan
from secrecon.service.schedules import create_schedule
from secrecon.service.tools import TOOLS
from secrecon.service.webhooks import create_webhook, try_webhook
from secrecon.store import webhooks

OPEN = {"nobody": 200, "other_key": 200, "other_session": 200, "key": 200, "session": 200}
KEYED = {"nobody": 401, "other_key": 200, "other_session": 401, "key": 200, "session": 401}
BY_SESSION = {"nobody": 401, "other_key": 401, "other_session": 200, "key": 401, "session": 200}
PRIVATE = {"nobody": 404, "other_key": 404, "other_session": 404, "key": 200, "session": 200}
KEYED_OWN = {"nobody": 401, "other_key": 404, "other_session": 401, "key": 200, "session": 401}
CANCEL = {"nobody": 401, "other_key": 404, "other_session": 401, "key": 202, "session": 401}
NOTE = {"nobody": 401, "other_key": 404, "other_session": 401, "key": 200, "session": 401}
START = {"nobody": 401, "other_key": 202, "other_session": 401, "key": 202, "session": 401}

TABLE: dict[tuple[str, str], dict[str, int]] = {
    ("POST", "/api/v1/scan"): START,
    ("GET", "/api/scan/{scan_id}/status"): OPEN,
    ("GET", "/api/scan/{scan_id}/events"): OPEN,
    ("POST", "/api/v1/scan/{scan_id}/cancel"): CANCEL,
    ("GET", "/api/scan/{db_scan_id}"): OPEN,
    ("GET", "/api/scan/{db_scan_id}/report"): OPEN,
    ("GET", "/api/scan/{db_scan_id}/verdict"): OPEN,
    ("GET", "/api/scan/{private_id}"): PRIVATE,
    ("GET", "/api/scan/{private_id}/report"): PRIVATE,
    ("POST", "/api/agent/chat"): {
        "nobody": 401,
        "other_key": 401,
        "other_session": 503,
        "key": 401,
        "session": 503,
    },
    ("POST", "/api/v1/agent/chat"): {
        "nobody": 401,
        "other_key": 503,
        "other_session": 401,
        "key": 503,
        "session": 401,
    },
    ("GET", "/api/v1/agent/tools"): KEYED,
    **{("POST", f"/api/v1/agent/tools/{tool}"): KEYED for tool in TOOLS if tool.startswith(("list", "callback"))},
    **{("POST", f"/api/v1/agent/tools/{tool}"): KEYED_OWN for tool in TOOLS if tool.startswith("read")},
    ("GET", "/api/v1/scans"): KEYED,
    ("GET", "/api/v1/findings"): KEYED,
    ("GET", "/api/v1/findings/{finding_id}"): KEYED_OWN,
    ("POST", "/api/v1/findings/{finding_id}/triage"): KEYED_OWN,
    ("POST", "/api/v1/findings/{finding_id}/retest"): CANCEL,
    ("GET", "/api/v1/findings/{finding_id}/retests"): KEYED_OWN,
    ("POST", "/api/v1/triage"): KEYED,
    ("GET", "/api/v1/diff"): KEYED_OWN,
    ("GET", "/api/v1/trend"): KEYED,
    ("GET", "/api/v1/targets"): KEYED,
    ("GET", "/api/v1/credits"): KEYED,
    ("GET", "/api/v1/feeds"): KEYED,
    ("GET", "/api/v1/schedules"): KEYED,
    ("POST", "/api/v1/schedules"): {**KEYED, "other_key": 201, "key": 201},
    ("PATCH", "/api/v1/schedules/{schedule_id}"): KEYED_OWN,
    ("POST", "/api/v1/schedules/{schedule_id}/run"): {**KEYED_OWN, "key": 202},
    ("GET", "/api/v1/schedules/{schedule_id}/runs"): KEYED_OWN,
    ("DELETE", "/api/v1/schedules/{schedule_id}"): {**KEYED_OWN, "key": 204},
    ("GET", "/api/v1/webhooks"): KEYED,
    ("POST", "/api/v1/webhooks"): {**KEYED, "other_key": 201, "key": 201},
    ("PATCH", "/api/v1/webhooks/{webhook_id}"): KEYED_OWN,
    ("POST", "/api/v1/webhooks/{webhook_id}/rotate"): KEYED_OWN,
    ("POST", "/api/v1/webhooks/{webhook_id}/test"): {**KEYED_OWN, "key": 202},
    ("GET", "/api/v1/webhooks/{webhook_id}/deliveries"): KEYED_OWN,
    ("POST", "/api/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/replay"): {**KEYED_OWN, "key": 202},
    ("DELETE", "/api/v1/webhooks/{webhook_id}"): {**KEYED_OWN, "key": 204},
    ("GET", "/api/v1/assets"): KEYED,
    ("GET", "/api/v1/assets/export"): KEYED,
    ("GET", "/api/v1/assets/changes"): KEYED,
    ("GET", "/api/v1/assets/graph"): KEYED,
    ("PATCH", "/api/v1/assets/{asset_id}"): NOTE,
    ("GET", "/api/v1/oast/status"): KEYED,
    ("GET", "/api/assets"): BY_SESSION,
    ("GET", "/api/oast/status"): BY_SESSION,
    ("GET", "/api/signing-key"): OPEN,
    ("GET", "/healthz"): OPEN,
    ("GET", "/readyz"): OPEN,
    ("GET", "/metrics"): OPEN,
    ("GET", "/docs"): OPEN,
    ("GET", "/docs/reference.css"): OPEN,
    ("GET", "/openapi.json"): OPEN,
    ("GET", "/schemas/report-1.json"): OPEN,
}
ASK: dict[str, object] = {"message": "What should I fix first?"}
HOOK: dict[str, object] = {"name": "Alerts", "url": "http://127.0.0.1:9/", "events": ["scan.finished"]}
BODIES: dict[str, dict[str, object]] = {
    "POST /api/v1/scan": {"target": "https://shop.acme.test"},
    "POST /api/agent/chat": ASK,
    "POST /api/v1/agent/chat": ASK,
    **{f"POST /api/v1/agent/tools/{tool}": {} for tool in TOOLS},
    "POST /api/v1/schedules": {"name": "Nightly", "target": "https://shop.acme.test", "cron": "0 2 * * *"},
    "PATCH /api/v1/schedules/{schedule_id}": {"enabled": False},
    "POST /api/v1/webhooks": HOOK,
    "POST /api/v1/findings/{finding_id}/triage": {"state": "in_progress", "revision": 0},
    "POST /api/v1/triage": {"state": "open", "findings": [{"id": 1, "revision": 0}]},
    "PATCH /api/v1/assets/{asset_id}": {"tags": ["pci"]},
    "PATCH /api/v1/webhooks/{webhook_id}": {"name": "Others"},
}
QUERIES = {"/api/v1/diff": "?to={private_id}&from={db_scan_id}", "/api/v1/trend": "?target=https://shop.acme.test"}
LISTS = ("/api/v1/scans", "/api/v1/findings", "/api/v1/targets", "/api/v1/assets", "/api/assets")


@dataclass(frozen=True)
class Owned:
    """What belongs to Ada: a scan through the API and one of the dashboard, both finished; a webhook that was tried."""

    public: AcceptedScan
    private: AcceptedScan
    finding: int
    webhook: int
    delivery: int
    schedule: int

    def fill(self, path: str) -> str:
        return (
            path.replace("{scan_id}", self.public.scan_id)
            .replace("{db_scan_id}", str(self.public.db_scan_id))
            .replace("{private_id}", str(self.private.db_scan_id))
            .replace("{asset_id}", "1")
            .replace("{finding_id}", str(self.finding))
            .replace("{webhook_id}", str(self.webhook))
            .replace("{delivery_id}", str(self.delivery))
            .replace("{schedule_id}", str(self.schedule))
        )


@pytest.fixture
async def owned(ctx: Context, ada: Person) -> Owned:
    made = []
    await authorize_target(ctx, await operator_for(ctx, ada.caller.email), ada.caller.email, "shop.acme.test")
    for via_api in (True, False):
        accepted = await submit_scan(ctx, ada.caller, ScanRequest("https://shop.acme.test", via_api=via_api))
        runner = ScanRunner(ctx)
        for step in await runner.steps(accepted.scan_id):
            await runner.run_step(accepted.scan_id, step, 0)
        await runner.finish(accepted.scan_id)
        made.append(accepted)
    (finding,) = (await list_findings(ctx, ada.caller)).items
    hook = await create_webhook(ctx, ada.caller, "Alerts", str(HOOK["url"]), ["scan.finished"])
    tried = await try_webhook(ctx, ada.caller, hook.webhook.id)
    async with ctx.db.transaction() as tx:
        await webhooks.note(tx, replace(tried, next_try=None))
    nightly = Plan("Nightly", "https://shop.acme.test", ScanMode.QUICK, "0 2 * * *", "UTC")
    planned = await create_schedule(ctx, ada.caller, nightly)
    public, private = made
    return Owned(public, private, finding.id, hook.webhook.id, tried.id, planned.id)


def ways(ada: Person, bob: Person) -> dict[str, dict[str, str]]:
    return {
        "nobody": {},
        "other_key": bob.key,
        "other_session": bob.cookie,
        "key": ada.key,
        "session": ada.cookie,
    }


@pytest.mark.parametrize(("method", "path"), TABLE)
async def test_who_may_call(
    client: httpx.AsyncClient, owned: Owned, ada: Person, bob: Person, method: str, path: str
) -> None:
    body = BODIES.get(f"{method} {path}")
    if "/tools/read_" in path:
        one = {"finding_id": owned.finding} if path.endswith("finding") else {"db_scan_id": owned.public.db_scan_id}
        body = dict(one)
    found = {}
    for who, headers in ways(ada, bob).items():
        answer = await client.request(method, owned.fill(path + QUERIES.get(path, "")), headers=headers, json=body)
        found[who] = answer.status_code
    assert found == TABLE[method, path]


def test_no_route_is_forgotten() -> None:
    routes = {
        (method, route.path_format)
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    assert routes == {key for key in TABLE if "private_id" not in key[1]}


@pytest.mark.parametrize("path", LISTS)
async def test_lists_hold_the_callers_own_things_only(
    client: httpx.AsyncClient, owned: Owned, ada: Person, bob: Person, path: str
) -> None:
    for person, empty in ((ada, False), (bob, True)):
        answer = await client.get(path, headers={**person.key, **person.cookie})
        assert answer.status_code == 200
        assert (answer.json()["items"] == []) is empty
        assert answer.json()["next_cursor"] is None


async def test_a_bad_key_is_refused_even_where_none_is_needed(client: httpx.AsyncClient, owned: Owned) -> None:
    for path in (f"/api/scan/{owned.public.db_scan_id}", "/api/scan/1"):
        assert (await client.get(path, headers={"X-API-Key": "sra_wrong"})).status_code == 403


async def test_a_stale_session_is_nobody(client: httpx.AsyncClient, owned: Owned, ada: Person) -> None:
    stale = {"Cookie": ada.cookie["Cookie"] + "x"}
    assert (await client.get(f"/api/scan/{owned.public.db_scan_id}", headers=stale)).status_code == 200
    assert (await client.get(f"/api/scan/{owned.private.db_scan_id}", headers=stale)).status_code == 404
    assert (await client.get("/api/assets", headers=stale)).status_code == 401


async def test_assets_can_be_filtered(client: httpx.AsyncClient, owned: Owned, ada: Person) -> None:
    for kind, count in (("domain", 1), ("ip", 1), ("subdomain", 0), ("sensitive_path", 0)):
        body = (await client.get("/api/assets", params={"type": kind}, headers=ada.cookie)).json()
        assert [item["type"] for item in body["items"]] == [kind] * count
    answer = await client.get("/api/assets", params={"type": "planet"}, headers=ada.cookie)
    assert (answer.status_code, answer.json()["field"]) == (400, "type")


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=201", "limit=x", "limit=-1", "limit=", "limit=1e3", "cursor=!", "cursor=YWFh", "cursor="],
)
async def test_paging_is_checked(client: httpx.AsyncClient, ada: Person, path: str, query: str) -> None:
    answer = await client.get(f"{path}?{query}", headers={**ada.key, **ada.cookie})
    assert answer.status_code == 400
    assert answer.json()["field"] == query.partition("=")[0]


async def test_pages_follow_each_other(client: httpx.AsyncClient, owned: Owned, ada: Person) -> None:
    first = (await client.get("/api/v1/scans?limit=1", headers=ada.key)).json()
    second = (await client.get(f"/api/v1/scans?limit=1&cursor={first['next_cursor']}", headers=ada.key)).json()
    assert [page["items"][0]["scan_id"] for page in (first, second)] == [
        owned.private.scan_id,
        owned.public.scan_id,
    ]
    assert second["next_cursor"] is None


async def test_credits_are_told(client: httpx.AsyncClient, owned: Owned, ada: Person, bob: Person) -> None:
    (line,) = (await client.get("/api/v1/credits", headers=ada.key)).json()["items"]
    assert line == {
        "plan": "business",
        "limit": 5,
        "used": 2,
        "remaining": 3,
        "resets_at": "2026-12-01T00:00:00Z",
    }
    (line,) = (await client.get("/api/v1/credits", headers=bob.key)).json()["items"]
    assert (line["limit"], line["remaining"]) == (None, None)


async def test_oast_status_has_the_documented_fields(client: httpx.AsyncClient, ada: Person) -> None:
    body = (await client.get("/api/oast/status", headers=ada.cookie)).json()
    assert body == {"active": False, "oast_url": "", "dns": 0, "http": 0, "total": 0}
