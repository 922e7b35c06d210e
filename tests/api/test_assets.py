"""The inventory over HTTP: filters, notes that stay, exports that no spreadsheet runs, changes, and a bounded graph."""

from __future__ import annotations

import csv
import io

import httpx
import pytest
from tests.api.conftest import Person
from tests.little import LittleEngine

from secrecon.model.asset import Asset, AssetType, Technology
from secrecon.service.answers import ScanRequest
from secrecon.service.context import Context
from secrecon.service.running import ScanRunner
from secrecon.service.scans import submit_scan

FORMULA = Technology("https://shop.acme.test", '=HYPERLINK("http://evil.test")', "1.0", "", "", 0.9)
NAMES = tuple(Asset(AssetType.SUBDOMAIN, f"h{n}.shop.acme.test", "dns", "shop.acme.test") for n in range(30))


async def scan(ctx: Context, who: Person) -> str:
    accepted = await submit_scan(ctx, who.caller, ScanRequest("https://shop.acme.test", via_api=True))
    runner = ScanRunner(ctx)
    for step in await runner.steps(accepted.scan_id):
        await runner.run_step(accepted.scan_id, step, 0)
    await runner.finish(accepted.scan_id)
    return accepted.scan_id


async def items(client: httpx.AsyncClient, who: Person, query: str) -> list[str]:
    answer = await client.get(f"/api/v1/assets?{query}", headers=who.key)
    assert answer.status_code == 200, answer.text
    return [item["value"] for item in answer.json()["items"]]


async def test_notes_stay_through_scans_and_are_filters(
    client: httpx.AsyncClient, ctx: Context, ada: Person
) -> None:
    await scan(ctx, ada)
    (line,) = (await client.get("/api/v1/assets?type=ip", headers=ada.key)).json()["items"]
    noted = await client.patch(
        f"/api/v1/assets/{line['id']}",
        headers=ada.key,
        json={"tags": ["PCI", "edge", "pci"], "owner": " Web  Team ", "criticality": "high"},
    )
    assert noted.status_code == 200
    body = noted.json()
    assert (body["tags"], body["owner"], body["criticality"]) == (["edge", "pci"], "Web Team", "high")
    await scan(ctx, ada)
    for query in ("tag=pci", "tag=PCI", "owner=web%20team", "criticality=high", "q=127.0&type=ip"):
        assert await items(client, ada, query) == ["127.0.0.1"], query
    for query in ("tag=pc", "owner=web", "criticality=low", "q=127.0&type=domain", "q=%25", "gone=true"):
        assert await items(client, ada, query) == [], query
    cleared = await client.patch(
        f"/api/v1/assets/{line['id']}", headers=ada.key, json={"criticality": "", "tags": []}
    )
    assert (cleared.json()["criticality"], cleared.json()["tags"], cleared.json()["owner"]) == (
        None,
        [],
        "Web Team",
    )


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"tags": ["two words"]}, "tags.0"),
        ({"tags": [f"t{n}" for n in range(21)]}, "tags"),
        ({"owner": "x" * 121}, "owner"),
        ({"criticality": "urgent"}, "criticality"),
        ({"color": "red"}, "color"),
    ],
)
async def test_bad_notes_name_the_field(
    client: httpx.AsyncClient, ctx: Context, ada: Person, body: dict[str, object], field: str
) -> None:
    await scan(ctx, ada)
    answer = await client.patch("/api/v1/assets/1", headers=ada.key, json=body)
    assert (answer.status_code, answer.json()["field"]) == (400, field)


async def test_no_note_on_what_is_not_ours(
    client: httpx.AsyncClient, ctx: Context, ada: Person, bob: Person
) -> None:
    await scan(ctx, ada)
    answers = [
        (await client.patch(f"/api/v1/assets/{id_}", headers=bob.key, json={"owner": "Bob"}))
        for id_ in ("1", "999")
    ]
    assert {(answer.status_code, answer.json()["detail"]) for answer in answers} == {
        (404, answers[0].json()["detail"])
    }
    assert await items(client, ada, "owner=Bob") == []


async def test_exports_hold_everything_and_nothing_a_spreadsheet_runs(
    client: httpx.AsyncClient, ctx: Context, ada: Person, engine: LittleEngine
) -> None:
    engine.facts = (FORMULA, *NAMES)
    await scan(ctx, ada)
    answer = await client.get("/api/v1/assets/export?format=csv", headers=ada.key)
    assert answer.headers["content-disposition"] == 'attachment; filename="assets.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert len(rows) == 34
    (formula,) = [row for row in rows if row["type"] == "technology"]
    assert formula["value"].startswith("'=HYPERLINK")
    as_json = await client.get("/api/v1/assets/export?format=json&type=subdomain", headers=ada.key)
    assert {item["value"] for item in as_json.json()} == {asset.value for asset in NAMES}
    empty = await client.get("/api/v1/assets/export?format=json&q=nothing-has-this", headers=ada.key)
    assert empty.json() == []
    refused = await client.get("/api/v1/assets/export?format=xls", headers=ada.key)
    assert (refused.status_code, refused.json()["field"]) == (400, "format")


async def test_the_change_feed_is_paged_and_filtered(
    client: httpx.AsyncClient, ctx: Context, ada: Person, bob: Person, engine: LittleEngine
) -> None:
    first = await scan(ctx, ada)
    engine.facts = NAMES[:3]
    second = await scan(ctx, ada)

    async def feed(query: str, who: Person = ada) -> list[str]:
        answer = await client.get(f"/api/v1/assets/changes?{query}", headers=who.key)
        assert answer.status_code == 200, answer.text
        return [f"{item['kind']} {item['value']}" for item in answer.json()["items"]]

    appeared = [f"appeared h{n}.shop.acme.test" for n in (2, 1, 0)]
    assert await feed("") == appeared
    assert await feed(f"scan_id={second}&kind=appeared&target=https://shop.acme.test") == appeared
    assert await feed(f"scan_id={first}") == await feed("kind=gone") == await feed("target=x") == []
    assert await feed("", bob) == []
    page = (await client.get("/api/v1/assets/changes?limit=2", headers=ada.key)).json()
    assert await feed(f"cursor={page['next_cursor']}") == appeared[2:]
    bad = await client.get("/api/v1/assets/changes?kind=moved", headers=ada.key)
    assert (bad.status_code, bad.json()["field"]) == (400, "kind")


async def test_the_graph_leads_from_domain_to_findings_and_tells_what_it_hides(
    client: httpx.AsyncClient, ctx: Context, ada: Person, bob: Person, engine: LittleEngine
) -> None:
    engine.facts = NAMES
    await scan(ctx, ada)

    async def graph(query: str, who: Person = ada) -> dict[str, list[dict[str, object]]]:
        answer = await client.get(f"/api/v1/assets/graph?{query}", headers=who.key)
        assert answer.status_code == 200, answer.text
        found: dict[str, list[dict[str, object]]] = answer.json()
        return found

    whole = await graph("")
    edges = {(edge["from"], edge["to"]) for edge in whole["edges"]}
    assert ("domain|shop.acme.test", "ip|127.0.0.1") in edges
    assert ("ip|127.0.0.1", "service|https://shop.acme.test") in edges
    (finding,) = [node for node in whole["nodes"] if node["kind"] == "finding"]
    assert ("service|https://shop.acme.test", finding["id"]) in edges
    assert finding["label"] == "Git repository can be read"
    top = whole["nodes"][0]
    assert (top["id"], top["severity"], top["findings"]) == ("domain|shop.acme.test", "high", 1)
    assert whole["hidden"] == []
    small = await graph("limit=10")
    assert len(small["nodes"]) == 6, "the domain, three below it, and what is below one of those"
    assert {"parent": "domain|shop.acme.test", "kind": "subdomain", "count": 28} in small["hidden"]
    one = await graph("root=h7.shop.acme.test")
    assert [node["label"] for node in one["nodes"]] == ["h7.shop.acme.test"]
    assert (await graph("", bob))["nodes"] == []
    assert (await graph("target=https://other.test"))["nodes"] == []
    for limit in ("0", "2001", "x"):
        assert (await client.get(f"/api/v1/assets/graph?limit={limit}", headers=ada.key)).status_code == 400
