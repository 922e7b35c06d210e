"""Who may read which report, and how guessing is slowed down (contract: "Closing its hole")."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.little import BentClock, make_context, make_policy, make_user

from secrecon.accounts.caller import Caller
from secrecon.model.errors import Exhausted, NotFound
from secrecon.service.answers import AcceptedScan, ScanRequest
from secrecon.service.context import Context
from secrecon.service.people import set_reports_need_key
from secrecon.service.reports import NO_REPORT, read_record, read_report
from secrecon.service.scans import submit_scan


async def make(ctx: Context, caller: Caller, *, via_api: bool) -> AcceptedScan:
    return await submit_scan(ctx, caller, ScanRequest("https://shop.acme.test", via_api=via_api))


async def can_read(ctx: Context, scan: AcceptedScan, caller: Caller | None) -> bool:
    try:
        report = await read_report(ctx, scan.db_scan_id, caller, "192.0.2.1")
    except NotFound:
        return False
    return report.facts.db_scan_id == scan.db_scan_id


@pytest.mark.parametrize(
    ("via_api", "account_needs_key", "nobody", "other", "owner"),
    [
        (True, False, True, True, True),
        (True, True, False, False, True),
        (False, False, False, False, True),
        (False, True, False, False, True),
    ],
)
async def test_who_may_read(
    ctx: Context,
    ada: Caller,
    bob: Caller,
    via_api: bool,
    account_needs_key: bool,
    nobody: bool,
    other: bool,
    owner: bool,
) -> None:
    await set_reports_need_key(ctx, ada, account_needs_key)
    scan = await make(ctx, ada, via_api=via_api)
    found = [await can_read(ctx, scan, caller) for caller in (None, bob, ada)]
    assert found == [nobody, other, owner]


async def test_a_deployment_can_make_every_report_private(tmp_path: Path) -> None:
    ctx = await make_context(tmp_path, policy=make_policy(reports_need_key=True))
    ada, bob = await make_user(ctx), await make_user(ctx, "bob@other.test")
    scan = await make(ctx, ada, via_api=True)
    assert [await can_read(ctx, scan, caller) for caller in (None, bob, ada)] == [False, False, True]
    await ctx.db.close()


async def test_unknown_and_forbidden_are_told_alike(ctx: Context, ada: Caller, bob: Caller) -> None:
    private = await make(ctx, ada, via_api=False)
    told = set()
    for number in (private.db_scan_id, 1, 0, -1, 2**53, 10**30):
        for caller in (None, bob):
            with pytest.raises(NotFound) as caught:
                await read_record(ctx, number, caller, "192.0.2.1")
            told.add(str(caught.value))
    assert told == {NO_REPORT}


async def test_guessing_is_slowed_down_per_client(ctx: Context, ada: Caller, bob: Caller, clock: BentClock) -> None:
    public = await make(ctx, ada, via_api=True)
    for number in range(1, 21):
        with pytest.raises(NotFound):
            await read_record(ctx, number, None, "192.0.2.1")
    for number in (21, public.db_scan_id):  # a hit looks like a miss now, or guessing would go on
        with pytest.raises(Exhausted) as caught:
            await read_record(ctx, number, None, "192.0.2.1")
        assert 0 < caught.value.retry_after <= 600
    await read_record(ctx, public.db_scan_id, None, "192.0.2.2")
    await read_record(ctx, public.db_scan_id, ada, "192.0.2.1")
    clock.at += caught.value.retry_after
    await read_record(ctx, public.db_scan_id, None, "192.0.2.1")


async def test_a_report_of_a_running_scan_can_be_read(ctx: Context, ada: Caller) -> None:
    scan = await make(ctx, ada, via_api=True)
    assert (await read_record(ctx, scan.db_scan_id, None, "")).finished is None
