"""The assistant's tools: typed, bounded, and every one of them blind to what is another account's."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.little import make_context, make_user

from secrecon.accounts.caller import Caller
from secrecon.model.errors import BadInput, NotFound
from secrecon.model.record import JsonValue
from secrecon.service.answers import AcceptedScan, ScanRequest
from secrecon.service.context import Context
from secrecon.service.running import ScanRunner
from secrecon.service.scans import submit_scan
from secrecon.service.tools import MOST_LETTERS, TOOLS, use


@dataclass
class Two:
    """Ada has a finished scan, started through the API so that its report is readable by link; Bob has none."""

    ctx: Context
    ada: Caller
    bob: Caller
    scan: AcceptedScan
    finding_id: int

    def arguments(self, tool: str) -> dict[str, JsonValue]:
        if tool in ("read_report", "read_coverage"):
            return {"db_scan_id": self.scan.db_scan_id}
        return {"finding_id": self.finding_id} if tool == "read_finding" else {}


async def finished(ctx: Context, caller: Caller) -> AcceptedScan:
    """A finished scan of the caller's."""
    accepted = await submit_scan(ctx, caller, ScanRequest("https://shop.acme.test", via_api=True))
    runner = ScanRunner(ctx)
    for step in await runner.steps(accepted.scan_id):
        for round_ in (0, 1):
            await runner.run_step(accepted.scan_id, step, round_)
    await runner.finish(accepted.scan_id)
    return accepted


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[Two]:
    ctx = await make_context(tmp_path)
    ada, bob = await make_user(ctx), await make_user(ctx, "bob@other.test", "enterprise")
    scan = await finished(ctx, ada)
    found = await use(ctx, ada, "list_findings", {})
    items = found["findings"]
    assert isinstance(items, list)
    assert isinstance(items[0], dict)
    finding_id = items[0]["finding_id"]
    assert isinstance(finding_id, int)
    yield Two(ctx, ada, bob, scan, finding_id)
    await ctx.db.close()


@pytest.mark.parametrize("tool", TOOLS)
async def test_the_owner_sees_and_another_account_does_not(two: Two, tool: str) -> None:
    """One by one: what Ada has, Bob is told nothing of, whether he asks for all or for its very id."""
    given = two.arguments(tool)
    mine = json.dumps(await use(two.ctx, two.ada, tool, given))
    traces = [str(two.scan.db_scan_id), "Git repository", "shop.acme.test"]
    if tool != "callback_counts":
        assert any(trace in mine for trace in traces) or tool == "read_coverage"
    try:
        theirs = json.dumps(await use(two.ctx, two.bob, tool, given))
    except NotFound as refused:
        made_up = dict.fromkeys(given, 4711)
        with pytest.raises(NotFound) as unknown:
            await use(two.ctx, two.bob, tool, made_up)
        theirs = str(refused)
        assert theirs == str(unknown.value), "forbidden and unknown are told alike"
    for trace in traces:
        assert trace not in theirs


@pytest.mark.parametrize(
    ("tool", "given"),
    [
        ("list_findings", {"limit": 0}),
        ("list_findings", {"limit": "5"}),
        ("list_findings", {"limit": True}),
        ("list_findings", {"known_exploited": 0}),
        ("list_findings", {"limit": 10_000}),
        ("list_findings", {"severity": "catastrophic"}),
        ("list_findings", {"account_id": 1}),
        ("list_findings", {"words": "x" * 201}),
        ("read_finding", {}),
        ("read_finding", {"finding_id": "1 OR 1=1"}),
        ("read_finding", {"finding_id": 2**70}),
        ("read_report", {"db_scan_id": -1}),
        ("list_assets", {"type": "passwords"}),
        ("callback_counts", {"x": 1}),
    ],
)
async def test_arguments_are_typed(two: Two, tool: str, given: dict[str, JsonValue]) -> None:
    with pytest.raises(BadInput):
        await use(two.ctx, two.ada, tool, given)


async def test_there_are_no_other_tools(two: Two) -> None:
    for name in ("submit_scan", "delete", "__class__", "", "x" * 500):
        with pytest.raises(NotFound, match="list_findings"):
            await use(two.ctx, two.ada, name, {})


async def test_filters_and_counts(two: Two) -> None:
    every = await use(two.ctx, two.ada, "list_findings", {"severity": "high"})
    assert (every["total"], every["more"]) == (1, False)
    assert every["by_severity"] == {"critical": 0, "high": 1, "medium": 0, "low": 0, "info": 0}
    for given in ({"severity": "low"}, {"known_exploited": True}, {"words": "git nowhere"}, {"status": "fixed"}):
        assert (await use(two.ctx, two.ada, "list_findings", given))["total"] == 0
    assert (await use(two.ctx, two.ada, "list_findings", {"words": "GIT shop"}))["total"] == 1


@pytest.mark.parametrize("tool", TOOLS)
async def test_results_are_bounded_json(two: Two, tool: str) -> None:
    result = await use(two.ctx, two.ada, tool, two.arguments(tool))
    assert len(json.dumps(result)) <= MOST_LETTERS


@pytest.mark.parametrize("tool", TOOLS.values(), ids=list(TOOLS))
def test_each_is_described(tool: object) -> None:
    assert isinstance(getattr(tool, "description", None), str)
    schema = getattr(tool, "schema", {})
    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False
