"""Running scans: durable in pieces, ended once, charged only for our own faults' opposite."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.little import LittleEngine, make_context, make_policy, make_user

from secrecon.accounts.caller import Caller
from secrecon.accounts.plans import Plan
from secrecon.model.errors import NotFound, TargetError
from secrecon.model.finding import FindingStatus
from secrecon.model.scan import ScanStatus
from secrecon.service.answers import ScanRequest
from secrecon.service.context import Context
from secrecon.service.inventory import list_assets, list_findings
from secrecon.service.people import read_credits
from secrecon.service.reports import read_report
from secrecon.service.running import REPORT_ARCHIVED, ScanRunner
from secrecon.service.scan_log import StoredScanLog
from secrecon.service.scans import list_scans, read_status, submit_scan, watch
from secrecon.store import audit, scans

WISH = ScanRequest("https://shop.acme.test", via_api=True)


async def run(ctx: Context, scan_id: str) -> None:
    runner = ScanRunner(ctx)
    for step in await runner.steps(scan_id):
        round_ = 0
        while await runner.run_step(scan_id, step, round_):
            round_ += 1
    await runner.finish(scan_id)


async def test_a_scan_runs_to_its_end(ctx: Context, ada: Caller, engine: LittleEngine) -> None:
    accepted = await submit_scan(ctx, ada, WISH)
    await run(ctx, accepted.scan_id)
    view = await read_status(ctx, accepted.scan_id)
    assert (view.status, view.current_progress, view.not_run) == (ScanStatus.COMPLETE, 100, ())
    assert (view.requests, view.received) == (8, 700)
    assert engine.closed == [accepted.scan_id]
    assert {asset.value for asset in (await list_assets(ctx, ada)).items} == {
        "shop.acme.test",
        "127.0.0.1",
        "https://shop.acme.test",
    }
    assert [finding.check for finding in (await list_findings(ctx, ada)).items] == ["exposure.git"]


async def test_everything_may_be_asked_twice(ctx: Context, ada: Caller) -> None:
    accepted = await submit_scan(ctx, ada, WISH)
    runner = ScanRunner(ctx)
    for step in await runner.steps(accepted.scan_id):
        await runner.run_step(accepted.scan_id, step, 0)
        await runner.run_step(accepted.scan_id, step, 0)
    assert await runner.steps(accepted.scan_id) == ("resolve", "exposures", "synthesis")
    await runner.finish(accepted.scan_id)
    await runner.finish(accepted.scan_id)
    view = await read_status(ctx, accepted.scan_id)
    assert (view.findings_total, view.requests) == (1, 5)
    kinds = [event.kind async for event in watch(ctx, accepted.scan_id)]
    assert kinds.count("done") == 1
    assert kinds.count("finding") == 1


async def test_an_ended_scan_is_not_run_again(ctx: Context, ada: Caller, engine: LittleEngine) -> None:
    accepted = await submit_scan(ctx, ada, WISH)
    await run(ctx, accepted.scan_id)
    ran = len(engine.ran)
    runner = ScanRunner(ctx)
    assert await runner.steps(accepted.scan_id) == ()
    assert not await runner.run_step(accepted.scan_id, "exposures", 0)
    await runner.failed(accepted.scan_id, "too late")
    assert len(engine.ran) == ran
    assert (await read_status(ctx, accepted.scan_id)).status is ScanStatus.COMPLETE
    assert (await read_credits(ctx, ada)).used == 1


async def test_our_own_fault_gives_the_credit_back_once(ctx: Context, ada: Caller, engine: LittleEngine) -> None:
    engine.broken = "exposures"
    accepted = await submit_scan(ctx, ada, WISH)
    runner = ScanRunner(ctx)
    await runner.steps(accepted.scan_id)
    await runner.run_step(accepted.scan_id, "resolve", 0)
    with pytest.raises(TargetError):
        await runner.run_step(accepted.scan_id, "exposures", 0)
    for _ in range(3):
        await runner.failed(accepted.scan_id, "secret path /root/x.py")
    view = await read_status(ctx, accepted.scan_id)
    assert view.status is ScanStatus.ERROR
    assert "credit was given back" in view.error
    assert "x.py" not in view.error
    assert [phase.value for phase in view.not_run] == ["verify", "synthesis"]
    assert (await read_credits(ctx, ada)).used == 0
    kinds = [event.kind async for event in watch(ctx, accepted.scan_id)]
    assert kinds[-1] == "error"
    assert kinds.count("error") == 1


async def test_unfinished_scans_are_known(ctx: Context, ada: Caller) -> None:
    first = await submit_scan(ctx, ada, WISH)
    second = await submit_scan(ctx, ada, WISH)
    runner = ScanRunner(ctx)
    assert await runner.unfinished() == (first.scan_id, second.scan_id)
    await run(ctx, first.scan_id)
    assert await runner.unfinished() == (second.scan_id,)


async def test_an_unknown_scan_has_no_steps_and_no_log(ctx: Context) -> None:
    assert await ScanRunner(ctx).steps("0" * 32) == ()
    stored = StoredScanLog(ctx, "0" * 32)
    assert await stored.stop_requested()
    with pytest.raises(NotFound):
        await stored.so_far()


async def test_over_the_limit_the_oldest_unpinned_report_is_archived(tmp_path: Path) -> None:
    plans = {"small": Plan("small", scans=None, api=True, stored_reports=2)}
    ctx = await make_context(tmp_path, policy=make_policy(plans=plans))
    ada = await make_user(ctx, plan="small")
    made = []
    for number in range(4):
        accepted = await submit_scan(ctx, ada, WISH)
        made.append(accepted)
        if number == 0:
            async with ctx.db.transaction() as tx:
                assert await scans.set_pinned(tx, ada.account_id, accepted.scan_id, True)
        await run(ctx, accepted.scan_id)
    archived = {scan.scan_id for scan in (await list_scans(ctx, ada)).items if scan.archived}
    assert archived == {made[1].scan_id, made[2].scan_id}
    async with ctx.db.reading() as tx:
        told = [
            line.subject for line in await audit.lines(tx, 0, 100, ada.account_id) if line.action == REPORT_ARCHIVED
        ]
    assert told == [made[1].scan_id, made[2].scan_id]
    with pytest.raises(NotFound, match="archived"):
        await read_report(ctx, made[1].db_scan_id, ada, "127.0.0.1")
    with pytest.raises(NotFound) as unknown:
        await read_report(ctx, made[1].db_scan_id, None, "127.0.0.1")
    assert "archived" not in str(unknown.value)
    assert len((await list_findings(ctx, ada)).items) == 1
    await ctx.db.close()


async def test_a_problem_that_is_seen_again_is_open_not_new(ctx: Context, ada: Caller) -> None:
    for expected in (FindingStatus.NEW, FindingStatus.OPEN):
        accepted = await submit_scan(ctx, ada, WISH)
        await run(ctx, accepted.scan_id)
        assert [finding.status for finding in (await list_findings(ctx, ada)).items] == [expected]
