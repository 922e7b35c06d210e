"""A report says what changed since the scan before, to whoever may read that one too."""

from __future__ import annotations

from tests.service.test_triage import scan

from secrecon.accounts.caller import Caller
from secrecon.report.diff import Change
from secrecon.report.since import FIRST, NOT_OURS, RUNNING, summary
from secrecon.service.answers import ScanRequest
from secrecon.service.comparing import read_whole_report
from secrecon.service.context import Context
from secrecon.service.scans import submit_scan


async def test_the_second_report_names_the_first(ctx: Context, ada: Caller) -> None:
    first = await scan(ctx, ada)
    await ctx.clock.sleep(60)
    second = await scan(ctx, ada)
    alone = await read_whole_report(ctx, first.db_scan_id, ada, "here")
    assert summary(alone.since) == FIRST
    since = (await read_whole_report(ctx, second.db_scan_id, ada, "here")).since
    assert since.difference is not None
    assert since.difference.earlier.db_scan_id == first.db_scan_id
    assert since.difference.counts[Change.UNCHANGED] == 1


async def test_a_scan_under_way_is_not_compared(ctx: Context, ada: Caller) -> None:
    await scan(ctx, ada)
    waiting = await submit_scan(ctx, ada, ScanRequest("https://shop.acme.test"))
    assert summary((await read_whole_report(ctx, waiting.db_scan_id, ada, "here")).since) == RUNNING


async def test_a_link_tells_nothing_of_other_reports(ctx: Context, ada: Caller, bob: Caller) -> None:
    first = await scan(ctx, ada, via_api=True)
    await ctx.clock.sleep(60)
    second = await scan(ctx, ada, via_api=True)
    for reader in (bob, None):
        for one in (first, second):
            since = (await read_whole_report(ctx, one.db_scan_id, reader, "here")).since
            assert summary(since) == NOT_OURS
