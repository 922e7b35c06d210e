"""Callbacks: kept at once, turned into findings however late they come, never made from our own traffic."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

import pytest
from tests.little import START, LittleEngine, make_user, payload_of

from secrecon.accounts.caller import Caller
from secrecon.model.errors import NotFound
from secrecon.model.finding import EvidenceLevel
from secrecon.model.interaction import CallbackProtocol, Interaction
from secrecon.model.record import Chunk
from secrecon.model.scan import Outcome, PhaseName, ScanStatus
from secrecon.report.assemble import build
from secrecon.service.answers import AcceptedScan, ScanRequest
from secrecon.service.callback_identity import identity_on, note_heard
from secrecon.service.callbacks import record_gap, record_interaction, record_interactions
from secrecon.service.context import Context
from secrecon.service.inventory import list_findings, oast_status
from secrecon.service.reports import read_record
from secrecon.service.running import ScanRunner
from secrecon.service.scan_log import StoredScanLog
from secrecon.service.scans import find_scan, read_status, submit_scan, watch
from secrecon.store.database import Database

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


async def test_a_hit_on_another_worker_finds_its_finding(ctx: Context, ada: Caller, engine: LittleEngine) -> None:
    accepted = await begin(ctx, ada, engine)
    await ScanRunner(ctx).finish(accepted.scan_id)
    db = Database(ctx.db.url.render_as_string(hide_password=False))
    try:
        await record_interaction(replace(ctx, db=db, engine=LittleEngine()), HIT)
    finally:
        await db.close()
    assert await ssrf(ctx, ada) == ["high"]
    assert (await read_record(ctx, accepted.db_scan_id, ada, "")).version == 2


async def test_a_late_hit_on_a_template_is_told_as_what_it_is(
    ctx: Context, ada: Caller, engine: LittleEngine
) -> None:
    accepted = await begin(ctx, ada, engine)
    token = "t" * 33
    log = StoredScanLog(ctx, accepted.scan_id)
    async with ctx.db.reading() as tx:
        spec = (await find_scan(tx, accepted.scan_id)).spec
    sent = replace(payload_of(spec, token), check="template.CVE-2021-44228", location="", created=START)
    await log.keep_payloads([sent])
    await record_interaction(ctx, replace(HIT, id="early", token=token, at=START))
    await log.commit(Chunk(PhaseName.VERIFY, "templates", 0, (), (), (), False, 0, 0))
    end = ctx.clock.now()
    await ScanRunner(ctx).finish(accepted.scan_id)
    assert [f.check for f in (await list_findings(ctx, ada)).items if "44228" in f.check] == []
    await record_interaction(ctx, replace(HIT, id="late", token=token, at=end + 60, protocol=CallbackProtocol.LDAP))
    (found,) = [f for f in (await list_findings(ctx, ada)).items if "44228" in f.check]
    assert (found.evidence_level, found.severity.value, found.oast_verified) == (
        EvidenceLevel.CALLBACK, "medium", True,
    )  # fmt: skip
    assert "called back late" in found.title


async def test_a_hit_that_came_our_own_way_counts_for_less(ctx: Context, ada: Caller, engine: LittleEngine) -> None:
    accepted = await begin(ctx, ada, engine)
    ours = "8.8.4.4"
    await record_interaction(ctx, replace(HIT, id="canary", token=OTHER, remote_address=ours, own=True))
    await ScanRunner(ctx).finish(accepted.scan_id)
    await record_interaction(ctx, replace(HIT, remote_address=ours))
    (found,) = [f for f in (await list_findings(ctx, ada)).items if f.check == "ssrf.callback"]
    assert found.confidence == 0.5
    await record_interaction(ctx, replace(HIT, id="theirs", remote_address="9.9.9.9"))
    (found,) = [f for f in (await list_findings(ctx, ada)).items if f.check == "ssrf.callback"]
    assert found.confidence == 0.95
