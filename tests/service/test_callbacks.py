"""Callbacks: kept at once, turned into findings however late they come, never made from our own traffic."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

import pytest
from tests.little import START, LittleEngine, make_user

from secrecon.accounts.caller import Caller
from secrecon.model.errors import NotFound
from secrecon.model.interaction import CallbackProtocol, Interaction
from secrecon.model.scan import Outcome, ScanStatus
from secrecon.report.assemble import build
from secrecon.service.answers import AcceptedScan, ScanRequest
from secrecon.service.callback_identity import identity_on, note_heard
from secrecon.service.callbacks import record_gap, record_interaction, record_interactions
from secrecon.service.context import Context
from secrecon.service.inventory import list_findings, oast_status
from secrecon.service.reports import read_record
from secrecon.service.running import ScanRunner
from secrecon.service.scans import read_status, submit_scan, watch

WISH = ScanRequest("https://shop.acme.test", via_api=True)
TOKEN = "a" * 33
OTHER = "b" * 33
HIT = Interaction("hit-1", TOKEN, CallbackProtocol.HTTP, "127.0.0.9", "GET / HTTP/1.1", START + 5)


async def begin(ctx: Context, ada: Caller, engine: LittleEngine) -> AcceptedScan:
    engine.payloads = (TOKEN, OTHER)
    accepted = await submit_scan(ctx, ada, WISH)
    runner = ScanRunner(ctx)
    for step in await runner.steps(accepted.scan_id):
        await runner.run_step(accepted.scan_id, step, 0)
    return accepted


async def ssrf(ctx: Context, ada: Caller) -> list[str]:
    return [f.severity.value for f in (await list_findings(ctx, ada)).items if f.check == "ssrf.callback"]


async def test_a_callback_nobody_judged_is_judged_at_the_end(
    ctx: Context, ada: Caller, engine: LittleEngine
) -> None:
    accepted = await begin(ctx, ada, engine)
    await record_interaction(ctx, HIT)
    assert await ssrf(ctx, ada) == []
    await ScanRunner(ctx).finish(accepted.scan_id)
    assert await ssrf(ctx, ada) == ["high"]
    record = await read_record(ctx, accepted.db_scan_id, ada, "")
    assert (record.version, len(record.interactions)) == (1, 1)
    assert [r.finding.oast_verified for r in record.findings if r.finding.check == "ssrf.callback"] == [True]


async def test_a_late_callback_makes_a_finding_and_a_new_version(
    ctx: Context, ada: Caller, engine: LittleEngine
) -> None:
    accepted = await begin(ctx, ada, engine)
    await ScanRunner(ctx).finish(accepted.scan_id)
    last = (await read_status(ctx, accepted.scan_id)).last_seq
    await record_interaction(ctx, HIT)
    assert await ssrf(ctx, ada) == ["high"]
    record = await read_record(ctx, accepted.db_scan_id, ada, "")
    assert (record.version, record.status) == (2, ScanStatus.COMPLETE)
    told = [event.kind async for event in watch(ctx, accepted.scan_id, last)]
    assert told == ["interaction", "finding", "report_version"]


async def test_the_same_hit_twice_is_one(ctx: Context, ada: Caller, engine: LittleEngine) -> None:
    accepted = await begin(ctx, ada, engine)
    await ScanRunner(ctx).finish(accepted.scan_id)
    await record_interaction(ctx, HIT)
    await record_interaction(ctx, HIT)
    record = await read_record(ctx, accepted.db_scan_id, ada, "")
    assert (record.version, len(record.interactions)) == (2, 1)


async def test_a_lookup_is_less_and_a_request_then_is_more(ctx: Context, ada: Caller, engine: LittleEngine) -> None:
    accepted = await begin(ctx, ada, engine)
    await ScanRunner(ctx).finish(accepted.scan_id)
    await record_interaction(ctx, replace(HIT, id="hit-0", protocol=CallbackProtocol.DNS))
    weaker = await ssrf(ctx, ada)
    await record_interaction(ctx, replace(HIT, token=OTHER))
    assert (len(weaker), await ssrf(ctx, ada)) == (1, ["high"])
    assert weaker != ["high"]
    await record_interaction(ctx, replace(HIT, id="hit-2", protocol=CallbackProtocol.DNS))
    assert await ssrf(ctx, ada) == ["high"]
    found = await oast_status(ctx, ada)
    assert (found.dns, found.http, found.total, found.active, found.oast_url) == (2, 1, 3, False, "")


async def test_a_stronger_finding_of_the_scan_stays(ctx: Context, ada: Caller, engine: LittleEngine) -> None:
    accepted = await begin(ctx, ada, engine)
    await record_interaction(ctx, HIT)
    await ScanRunner(ctx).finish(accepted.scan_id)
    before = await read_record(ctx, accepted.db_scan_id, ada, "")
    await record_interaction(ctx, replace(HIT, id="hit-9"))
    after = await read_record(ctx, accepted.db_scan_id, ada, "")
    assert after.findings == before.findings
    assert after.version == before.version + 1


@pytest.mark.parametrize("hit", [replace(HIT, token="z" * 33), replace(HIT, own=True)])
async def test_strange_tokens_and_our_own_traffic_prove_nothing(
    ctx: Context, ada: Caller, engine: LittleEngine, hit: Interaction
) -> None:
    accepted = await begin(ctx, ada, engine)
    await record_interaction(ctx, hit)
    await ScanRunner(ctx).finish(accepted.scan_id)
    await record_interaction(ctx, replace(hit, id="late"))
    assert await ssrf(ctx, ada) == []
    assert (await read_record(ctx, accepted.db_scan_id, ada, "")).version == 1
    assert (await oast_status(ctx, ada)).total == 0


async def test_many_hits_at_once_make_one_new_version(ctx: Context, ada: Caller, engine: LittleEngine) -> None:
    accepted = await begin(ctx, ada, engine)
    await ScanRunner(ctx).finish(accepted.scan_id)
    hits = [replace(HIT, id=f"hit-{number}", token=(TOKEN, OTHER, "z" * 33)[number % 3]) for number in range(30)]
    await record_interactions(ctx, hits)
    record = await read_record(ctx, accepted.db_scan_id, ada, "")
    assert (record.version, len(record.interactions)) == (2, 20)


async def test_a_server_that_forgot_us_is_told_in_every_scan_it_may_concern(
    ctx: Context, ada: Caller, engine: LittleEngine
) -> None:
    accepted = await begin(ctx, ada, engine)
    await record_gap(ctx, "https://oast.test", START - 90.0, START - 30.0)  # before the payloads were sent
    await ScanRunner(ctx).finish(accepted.scan_id)
    assert (await read_record(ctx, accepted.db_scan_id, ada, "")).version == 1
    await record_gap(ctx, "https://oast.test", START + 60.0, START + 120.0)
    record = await read_record(ctx, accepted.db_scan_id, ada, "")
    assert record.version == 2
    (line,) = [attempt for attempt in record.attempts if attempt.check == "oast.server"]
    assert line.outcome is Outcome.BLOCKED
    assert "may be missing" in line.reason
    assert build(record).coverage.ssrf_gap


async def test_workers_share_one_identity_on_a_server(ctx: Context) -> None:
    source = random.Random(3)
    found = await asyncio.gather(*(identity_on(ctx.db, "https://oast.test", ctx.clock, source) for _ in range(3)))
    assert len({identity.correlation for identity, _ in found}) == 1
    assert found[0][1] == 0.0
    await note_heard(ctx.db, "https://oast.test", START)
    await note_heard(ctx.db, "https://oast.test", START - 5)
    again = await identity_on(ctx.db, "https://oast.test", ctx.clock, source)
    assert again == (found[0][0], START)
    other = await identity_on(ctx.db, "https://other.test", ctx.clock, source)
    assert other[0].correlation != again[0].correlation


async def test_callbacks_are_counted_per_scan_and_only_for_its_account(
    ctx: Context, ada: Caller, engine: LittleEngine
) -> None:
    accepted = await begin(ctx, ada, engine)
    other = await submit_scan(ctx, ada, WISH)
    kinds = [CallbackProtocol.DNS, CallbackProtocol.HTTPS, CallbackProtocol.SMTP, CallbackProtocol.LDAP]
    await record_interactions(ctx, [replace(HIT, id=kind.value, protocol=kind) for kind in kinds])
    found = await oast_status(ctx, ada, accepted.scan_id)
    assert (found.dns, found.http, found.total) == (1, 1, 4)
    assert (await oast_status(ctx, ada, other.scan_id)).total == 0
    eve = await make_user(ctx, "eve@example.com")
    for caller, scan_id in ((eve, accepted.scan_id), (ada, "0" * 32)):
        with pytest.raises(NotFound):
            await oast_status(ctx, caller, scan_id)
