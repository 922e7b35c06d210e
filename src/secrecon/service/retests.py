"""Looking for one finding again, in seconds: a small scan through the same gate as any other, which costs no credit
and does not wait for scans: its queue is its own.

What it asks is `engine.retest`'s; what its silence means is `model.trace`'s, as for any scan: still there, not found any more, or
could not test. It starts with the inputs and pages of the scan that saw the finding last.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from secrecon.accounts import audit, throttling
from secrecon.accounts.audit import Action
from secrecon.accounts.caller import Caller
from secrecon.accounts.targets import find_authorization
from secrecon.engine.retest import steps_of
from secrecon.model.asset import Fact, Link, Page, RequestShape
from secrecon.model.errors import Conflict, Exhausted, InternalError, NotFound
from secrecon.model.record import JsonValue
from secrecon.model.scan import Retest, ScanMode, ScanSpec, ScanStatus, Touch
from secrecon.model.target import parse_target
from secrecon.model.trace import LOGIN, ledger_of, not_looked, sought
from secrecon.net.gate import screen
from secrecon.service.context import Context
from secrecon.service.triage import NO_FINDING
from secrecon.store import chunks, findings, scans
from secrecon.store.database import Reading
from secrecon.store.findings import KnownFinding
from secrecon.store.scans import StoredScan

SECONDS, PAGES, MOST_FACTS = 180.0, 30, 2_000
AT_ONCE = 5
LIMIT = throttling.Limit("retest", 120, 3_600.0, "your account has asked for too many retests")
"""They cost no credit, and each sends requests to somebody's server."""
SHOWN = 20
DRAWS = 8
NOT_ALONE = (
    "This finding cannot be looked for alone (it is not one of a web origin's checks). Start a scan of {target}."
)
AS_USER = (
    "This finding was seen while logged in, and log-ins are not kept. Start a scan of {target} with the log-in."
)
BUSY = "{count} retests of your account are waiting or running. Wait for one to end."


@dataclass(frozen=True, slots=True)
class RetestView:
    """A retest of a finding. `state`: "waiting", "running", "still_there", "not_found" or "could_not_test"; `why` in words.

    `seconds`: from its start to its end, None before it.
    """

    scan_id: str
    finding_id: int
    state: str
    why: str
    created: float
    finished: float | None
    seconds: float | None
    requests: int


async def retest_finding(ctx: Context, caller: Caller, finding_id: int) -> RetestView:
    """Look for a finding of the account again; where that is under way already, that one. Raises NotFound, Conflict for
    a finding that cannot be looked for alone, ScopeRefused, and Exhausted where too many are under way."""
    async with ctx.db.reading() as tx:
        known, last = await _known(ctx, tx, caller, finding_id)
        as_user = await chunks.did(tx, last.scan_id, LOGIN)
    retest = _retest(known)
    if not steps_of(retest) or not last.spec.target.covers_origin(parse_target(retest.asset).origin):
        raise Conflict(NOT_ALONE.format(target=known.target))
    if as_user:
        raise Conflict(AS_USER.format(target=known.target))
    await screen(parse_target(retest.asset), ctx.policy.allow, ctx.policy.resolver)
    async with ctx.db.transaction() as tx:
        before = await scans.retests_of(tx, caller.account_id, finding_id, 1)
        if before and not before[0].status.is_final:
            return await _view(tx, before[0], known)
        under_way = await scans.retests_under_way(tx, caller.account_id)
        if under_way >= AT_ONCE:
            raise Exhausted(BUSY.format(count=under_way), 15)
        refused = await throttling.count(tx, ctx.clock, LIMIT, f"account {caller.account_id}")
        if refused is not None:  # what is rolled back with it is this one alone: the limit stays used up
            raise refused
        spec = await _specify(ctx, tx, caller, last, retest)
        number = await _number(ctx, tx)
        now, info = ctx.clock.now(), ctx.engine.info
        await scans.add(
            tx, account_id=caller.account_id, db_scan_id=number, spec=spec, engine=info, via_api=False, at=now
        )
        await chunks.seed(tx, spec.scan_id, _seeds(retest, await chunks.facts_of(tx, last.scan_id)), now)
        await ctx.queue.enqueue(tx, spec.scan_id, caller.account_id, soon=True)
        detail: dict[str, JsonValue] = {"target": known.target, "retest_of": finding_id, "touch": spec.touch.value}
        await audit.record(tx, ctx.clock, caller, Action.SCAN_SUBMITTED, spec.scan_id, detail)
        scan = await scans.locked(tx, spec.scan_id)
        return await _view(tx, scan, known)


async def list_retests(ctx: Context, caller: Caller, finding_id: int) -> tuple[RetestView, ...]:
    """The latest retests of a finding of the account, newest first. Raises NotFound."""
    async with ctx.db.reading() as tx:
        known, _ = await _known(ctx, tx, caller, finding_id)
        every = await scans.retests_of(tx, caller.account_id, finding_id, SHOWN)
        return tuple([await _view(tx, scan, known) for scan in every])


async def _known(ctx: Context, tx: Reading, caller: Caller, finding_id: int) -> tuple[KnownFinding, StoredScan]:
    known = await findings.by_id(tx, caller.account_id, finding_id, ctx.clock.now())
    last = None if known is None else await scans.by_scan_id(tx, known.last_scan_id)
    if known is None or last is None:
        raise NotFound(NO_FINDING)
    return known, last


def _retest(known: KnownFinding) -> Retest:
    finding = known.finding
    lines = sought(finding).lines
    return Retest(known.id, finding.fingerprint, finding.check, finding.asset, finding.location, lines)


async def _specify(ctx: Context, tx: Reading, caller: Caller, last: StoredScan, retest: Retest) -> ScanSpec:
    """As the scan that saw it, with the permission of today and the scope of today."""
    authorized = await find_authorization(tx, ctx.clock, caller.account_id, last.spec.target)
    budget = ctx.policy.budgets[last.spec.mode]
    return ScanSpec(
        scan_id=ctx.draws.scan_id(),
        target=last.spec.target,
        mode=last.spec.mode,
        touch=Touch.LIGHT if authorized is None else Touch.ACTIVE,
        budget=replace(budget, seconds=min(budget.seconds, SECONDS), pages=min(budget.pages, PAGES)),
        allow=ctx.policy.allow,
        authorized_by="" if authorized is None else f"{authorized.authorized_by} ({authorized.proof})",
        retest=retest,
    )


async def _number(ctx: Context, tx: Reading) -> int:
    for _ in range(DRAWS):
        number = ctx.draws.db_scan_id()
        if await scans.by_db_id(tx, number) is None:
            return number
    raise InternalError(f"{DRAWS} random report ids in a row were taken: the random source is broken")


def _seeds(retest: Retest, facts: tuple[Fact, ...]) -> list[Fact]:
    """The inputs of the finding's place, and the pages and links of its origin."""
    seeds: list[Fact] = []
    for fact in facts:
        if isinstance(fact, RequestShape) and str(fact.origin) == retest.asset:
            places = [f"{fact.method} {fact.path} {p.place}:{p.name}" for p in fact.parameters]
            if retest.location in places or not retest.location.startswith(f"{fact.method} "):
                seeds.append(fact)
        elif (isinstance(fact, Link) and str(fact.origin) == retest.asset) or (
            isinstance(fact, Page) and fact.url.startswith(retest.asset + "/")
        ):
            seeds.append(fact)
    return seeds[:MOST_FACTS]


async def _view(tx: Reading, scan: StoredScan, known: KnownFinding) -> RetestView:
    state, why = await _result(tx, scan, known)
    ended = scan.finished is not None and scan.started is not None
    seconds = round(scan.finished - scan.started, 1) if ended and scan.finished and scan.started else None
    return RetestView(
        scan_id=scan.scan_id,
        finding_id=known.id,
        state=state,
        why=why,
        created=scan.created,
        finished=scan.finished,
        seconds=seconds,
        requests=scan.requests,
    )


async def _result(tx: Reading, scan: StoredScan, known: KnownFinding) -> tuple[str, str]:
    if not scan.status.is_final:
        waiting = scan.status is ScanStatus.STARTING
        return ("waiting", "waiting for a worker") if waiting else ("running", scan.message)
    fingerprint = known.finding.fingerprint
    found = [one for one in await findings.seen_by(tx, scan.scan_id) if one.fingerprint == fingerprint]
    if found:
        level = str(found[0].evidence_level).replace("_", " ")
        return "still_there", f"the same check found it again at the same place (evidence: {level})"
    if scan.status is ScanStatus.ERROR or scan.cancelled:
        return "could_not_test", scan.error or "the retest was cancelled"
    attempts, facts = await chunks.attempts_of(tx, scan.scan_id), await chunks.facts_of(tx, scan.scan_id)
    why = not_looked(sought(known.finding), ScanMode.QUICK, ledger_of(scan.spec.mode, attempts, facts))
    return (
        ("could_not_test", why) if why else ("not_found", "everything that found it ran again and did not find it")
    )
