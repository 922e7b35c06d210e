"""Two people never decide over each other, another account sees nothing, and every decision is in the audit log."""

from __future__ import annotations

import asyncio
import json

import pytest
from tests.little import BentClock, finding_of

from secrecon.accounts.caller import Caller
from secrecon.model.errors import BadInput, Conflict, NotFound
from secrecon.model.finding import EvidenceLevel, FindingStatus
from secrecon.model.triage import TriageState
from secrecon.service.answers import AcceptedScan, ScanRequest
from secrecon.service.context import Context
from secrecon.service.inventory import list_findings
from secrecon.service.reports import SOMEBODY, read_report
from secrecon.service.running import ScanRunner
from secrecon.service.scans import submit_scan
from secrecon.service.triage import Verdict, read_finding, triage, triage_many
from secrecon.store import audit, findings, scans

DAY = 86_400.0
FALSE = Verdict(TriageState.FALSE_POSITIVE, "a test file of ours")


async def scan(ctx: Context, caller: Caller, *, via_api: bool = False) -> AcceptedScan:
    accepted = await submit_scan(ctx, caller, ScanRequest("https://shop.acme.test", via_api=via_api))
    runner = ScanRunner(ctx)
    for step in await runner.steps(accepted.scan_id):
        await runner.run_step(accepted.scan_id, step, 0)
    await runner.finish(accepted.scan_id)
    return accepted


async def the_finding(ctx: Context, caller: Caller) -> int:
    await scan(ctx, caller)
    (found,) = (await list_findings(ctx, caller)).items
    return found.id


async def test_a_decision_survives_rescans_and_is_told_everywhere(
    ctx: Context, ada: Caller, bob: Caller, clock: BentClock
) -> None:
    """Whoever reads by link is told that it was decided, but neither by whom nor why."""
    number = await the_finding(ctx, ada)
    until = clock.now() + 30 * DAY
    decided = await triage(ctx, ada, number, 0, Verdict(TriageState.ACCEPTED, "behind the VPN", until))
    assert (decided.status, decided.revision) == (FindingStatus.ACCEPTED, 1)
    again = await scan(ctx, ada, via_api=True)
    report = await read_report(ctx, again.db_scan_id, ada, "here")
    (shown,) = report.facts.findings
    assert shown.status is FindingStatus.ACCEPTED
    assert shown.triage is not None
    assert (shown.triage.reason, shown.triage.by, shown.triage.holds) == ("behind the VPN", ada.email, True)
    assert report.grade.set_aside == (shown.fingerprint,)
    for reader in (None, bob):
        (theirs,) = (await read_report(ctx, again.db_scan_id, reader, "elsewhere")).facts.findings
        assert theirs.triage is not None
        told = (theirs.triage.state, theirs.triage.reason, theirs.triage.by)
        assert (theirs.status, *told) == (FindingStatus.ACCEPTED, "accepted", "", SOMEBODY)
    clock.at = until
    (after,) = (await read_report(ctx, again.db_scan_id, ada, "here")).facts.findings
    assert after.status is FindingStatus.OPEN
    assert after.triage is not None
    assert "the acceptance ended on" in after.triage.reopened
    async with ctx.db.reading() as tx:
        (line,) = [one for one in await audit.lines(tx, 0, 100, ada.account_id) if one.action == "finding.decided"]
    assert (line.actor, line.subject) == (f"{ada.via}:{ada.email}", str(number))
    assert json.loads(line.detail)["to"] == "accepted"


async def test_stronger_evidence_opens_it_again(ctx: Context, ada: Caller) -> None:
    number = await the_finding(ctx, ada)
    await triage(ctx, ada, number, 0, FALSE)
    accepted = await submit_scan(ctx, ada, ScanRequest("https://shop.acme.test"))
    async with ctx.db.transaction() as tx:
        stored = await scans.locked(tx, accepted.scan_id)
        proven = finding_of(stored.spec, evidence_level=EvidenceLevel.CALLBACK)
        await findings.put(tx, stored, [proven], ctx.clock.now())
    known = await read_finding(ctx, ada, number)
    assert (known.status, known.revision) == (FindingStatus.OPEN, 1)
    assert known.reopened == "the evidence became stronger: behaviour, now callback"


async def test_the_second_of_two_people_is_told_of_the_first(ctx: Context, ada: Caller) -> None:
    number = await the_finding(ctx, ada)
    accepted = Verdict(TriageState.IN_PROGRESS, "on it")
    results = await asyncio.gather(
        triage(ctx, ada, number, 0, FALSE), triage(ctx, ada, number, 0, accepted), return_exceptions=True
    )
    (refused,) = [result for result in results if isinstance(result, BaseException)]
    assert isinstance(refused, Conflict)
    assert f"{ada.email} decided" in str(refused)
    assert "Nothing was changed" in str(refused)
    assert (await read_finding(ctx, ada, number)).revision == 1
    with pytest.raises(Conflict, match="There is no revision 7"):
        await triage(ctx, ada, number, 7, FALSE)
    reopened = await triage(ctx, ada, number, 1, Verdict(TriageState.OPEN))
    assert (reopened.decision, reopened.revision) == (None, 2)


async def test_another_account_finds_nothing(ctx: Context, ada: Caller, bob: Caller) -> None:
    number = await the_finding(ctx, ada)
    for wrong in (number, 0, -1, 2**80):
        with pytest.raises(NotFound, match="No such finding"):
            await triage(ctx, bob, wrong, 0, FALSE)
        with pytest.raises(NotFound):
            await read_finding(ctx, bob, wrong)
    (result,) = await triage_many(ctx, bob, [(number, 0)], FALSE)
    assert (result.result, result.revision) == ("unknown", None)
    assert (await read_finding(ctx, ada, number)).decision is None


async def test_many_at_once_changes_what_fits(ctx: Context, ada: Caller) -> None:
    number = await the_finding(ctx, ada)
    results = await triage_many(ctx, ada, [(number, 0), (number + 99, 0)], FALSE)
    assert [(r.finding_id, r.result, r.revision) for r in results] == [
        (number, "changed", 1),
        (number + 99, "unknown", None),
    ]
    (late,) = await triage_many(ctx, ada, [(number, 0)], FALSE)
    assert (late.result, late.revision) == ("conflict", 1)
    assert "a test file of ours" in late.why
    for wanted in ([], [(number, 0)] * 2, [(n, 0) for n in range(1, 202)]):
        with pytest.raises(BadInput) as refused:
            await triage_many(ctx, ada, wanted, FALSE)
        assert refused.value.field == "findings"


@pytest.mark.parametrize(
    ("verdict", "field"),
    [
        (Verdict(TriageState.FALSE_POSITIVE, "  "), "reason"),
        (Verdict(TriageState.FALSE_POSITIVE, "x" * 1_001), "reason"),
        (Verdict(TriageState.ACCEPTED, "", 1.0), "reason"),
        (Verdict(TriageState.ACCEPTED, "why"), "expires_at"),
        (Verdict(TriageState.ACCEPTED, "why", 1.0), "expires_at"),
        (Verdict(TriageState.ACCEPTED, "why", 9e12), "expires_at"),
        (Verdict(TriageState.ACCEPTED, "why", float("nan")), "expires_at"),
        (Verdict(TriageState.IN_PROGRESS, "", 1.0), "expires_at"),
    ],
)
async def test_what_a_decision_must_say(ctx: Context, ada: Caller, verdict: Verdict, field: str) -> None:
    with pytest.raises(BadInput) as refused:
        await triage(ctx, ada, 1, 0, verdict)
    assert refused.value.field == field
