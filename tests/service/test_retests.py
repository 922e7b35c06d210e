"""One finding is looked for again: for its account alone, once at a time, for no credit, and told for what it is worth."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.little import LittleEngine, finding_of
from tests.service.test_triage import scan, the_finding

from secrecon.accounts.caller import Caller
from secrecon.model.errors import Conflict, Exhausted, NotFound
from secrecon.model.finding import Finding, FindingStatus
from secrecon.model.record import Chunk
from secrecon.model.scan import Attempt, Outcome, PhaseName, ScanSpec
from secrecon.service import retests
from secrecon.service.context import Context
from secrecon.service.inventory import list_findings
from secrecon.service.people import read_credits
from secrecon.service.reports import read_report
from secrecon.service.retests import list_retests, retest_finding
from secrecon.service.running import ScanRunner
from secrecon.service.scans import list_scans
from secrecon.service.triage import read_finding
from secrecon.store import scans


class Answering(LittleEngine):
    """Finds, or does not find, and says how the check went."""

    outcome: Outcome = Outcome.DONE
    there: bool = True

    def _chunk(self, spec: ScanSpec, phase: PhaseName, step: str, round_: int) -> Chunk:
        chunk = super()._chunk(spec, phase, step, round_)
        if step != "exposures":
            return chunk
        found: tuple[Finding, ...] = (finding_of(spec),) if self.there else ()
        line = Attempt(
            phase, "exposure.git", str(spec.target.origin), self.outcome, "" if self.there else "told", 1
        )
        return replace(chunk, findings=found, attempts=(line,))


@pytest.fixture
def engine() -> Answering:
    return Answering()


async def run(ctx: Context, scan_id: str) -> None:
    runner = ScanRunner(ctx)
    for step in await runner.steps(scan_id):
        await runner.run_step(scan_id, step, 0)
    await runner.finish(scan_id)


@pytest.mark.parametrize(
    ("there", "outcome", "state", "status"),
    [
        (True, Outcome.DONE, "still_there", FindingStatus.OPEN),
        (False, Outcome.DONE, "not_found", FindingStatus.FIXED),
        (False, Outcome.BLOCKED, "could_not_test", FindingStatus.NEW),
    ],
)
async def test_what_came_of_it(
    ctx: Context, ada: Caller, engine: Answering, there: bool, outcome: Outcome, state: str, status: FindingStatus
) -> None:
    number = await the_finding(ctx, ada)
    await ctx.clock.sleep(60)
    spent = (await read_credits(ctx, ada)).used
    engine.there, engine.outcome = there, outcome
    asked = await retest_finding(ctx, ada, number)
    assert (asked.state, asked.seconds) == ("waiting", None)
    assert (await retest_finding(ctx, ada, number)).scan_id == asked.scan_id, "the one that is under way"
    await run(ctx, asked.scan_id)
    (told,) = await list_retests(ctx, ada, number)
    assert told.state == state
    assert (await read_finding(ctx, ada, number)).status is status
    assert (await read_credits(ctx, ada)).used == spent
    assert len((await list_scans(ctx, ada)).items) == 1, "a retest is no scan of the list"
    async with ctx.db.reading() as tx:
        stored = await scans.by_scan_id(tx, asked.scan_id)
    assert stored is not None
    with pytest.raises(NotFound, match="has no report of its own"):
        await read_report(ctx, stored.db_scan_id, ada, "here")


async def test_another_accounts_finding_is_unknown(ctx: Context, ada: Caller, bob: Caller) -> None:
    number = await the_finding(ctx, ada)
    for action in (retest_finding, list_retests):
        with pytest.raises(NotFound):
            await action(ctx, bob, number)


async def test_an_account_has_so_many_in_an_hour(
    ctx: Context, ada: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = await the_finding(ctx, ada)
    monkeypatch.setattr(retests, "LIMIT", replace(retests.LIMIT, most=1))
    await run(ctx, (await retest_finding(ctx, ada, number)).scan_id)
    for _ in range(2):
        with pytest.raises(Exhausted, match="too many retests"):
            await retest_finding(ctx, ada, number)
    await ctx.clock.sleep(3_601)
    assert (await retest_finding(ctx, ada, number)).state == "waiting"


async def test_what_cannot_be_looked_for_alone_is_told(
    ctx: Context, ada: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = await the_finding(ctx, ada)
    monkeypatch.setattr(retests, "AT_ONCE", 0)
    with pytest.raises(Exhausted, match="Wait for one to end"):
        await retest_finding(ctx, ada, number)
    mine = retests._retest
    monkeypatch.setattr(retests, "_retest", lambda known: replace(mine(known), asset="https://shop.else.test"))
    with pytest.raises(Conflict, match="cannot be looked for alone"):  # outside of the target that was scanned
        await retest_finding(ctx, ada, number)
    monkeypatch.setattr(retests, "_retest", mine)
    monkeypatch.setattr(retests, "steps_of", lambda retest: frozenset())
    with pytest.raises(Conflict, match="cannot be looked for alone"):
        await retest_finding(ctx, ada, number)


async def test_a_fixed_finding_comes_back_as_regressed(ctx: Context, ada: Caller, engine: Answering) -> None:
    number = await the_finding(ctx, ada)
    await ctx.clock.sleep(60)
    engine.there = False
    await run(ctx, (await retest_finding(ctx, ada, number)).scan_id)
    engine.there = True
    await scan(ctx, ada)
    (line,) = (await list_findings(ctx, ada)).items
    assert line.status is FindingStatus.REGRESSED
