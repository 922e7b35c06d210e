"""Deciding about findings: one or many, never over somebody else's decision, each with a line in the audit log.

What a decision means and when it ends is `model.triage`'s; here is who may make it and what it must say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from secrecon.accounts import audit
from secrecon.accounts.audit import Action
from secrecon.accounts.caller import Caller
from secrecon.model.errors import BadInput, Conflict, NotFound
from secrecon.model.record import JsonValue
from secrecon.model.triage import Decision, TriageState, basis_of
from secrecon.service.context import Context
from secrecon.store import findings
from secrecon.store.database import Transaction
from secrecon.store.findings import KnownFinding

NO_FINDING = "No such finding. Its id is in the list of findings of its account."
MAX_REASON = 1_000
MAX_TOGETHER = 200
LONGEST = 366 * 86_400.0
"""How far ahead an acceptance may end: nobody can judge a risk for longer."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be decided. `expires`: the end of an acceptance, epoch seconds."""

    state: TriageState
    reason: str = ""
    expires: float | None = None


@dataclass(frozen=True, slots=True)
class Decided:
    """What became of one finding of many: "changed", "conflict" or "unknown", and `why` in words. `revision`: the current one."""

    finding_id: int
    result: str
    why: str
    revision: int | None


async def read_finding(ctx: Context, caller: Caller, finding_id: int) -> KnownFinding:
    """A finding of the caller's account, as its latest scan saw it. Raises NotFound."""
    async with ctx.db.reading() as tx:
        known = await findings.by_id(tx, caller.account_id, finding_id, ctx.clock.now())
    if known is None:
        raise NotFound(NO_FINDING)
    return known


async def triage(ctx: Context, caller: Caller, finding_id: int, revision: int, verdict: Verdict) -> KnownFinding:
    """Decide about one finding of the caller's account, which must be as `revision` says it was when it was looked at.

    Raises NotFound, BadInput for a verdict that lacks something, and Conflict where somebody decided meanwhile.
    """
    check_verdict(ctx, verdict)
    async with ctx.db.transaction() as tx:
        known = await _known(ctx, tx, caller, finding_id)
        if known is None:
            raise NotFound(NO_FINDING)
        if not await _decide(ctx, tx, caller, known, revision, verdict):
            raise Conflict(conflict_words(await _known(ctx, tx, caller, finding_id) or known, revision))
        after = await _known(ctx, tx, caller, finding_id)
        await _record(ctx, tx, caller, known, verdict)
    if after is None:
        raise NotFound(NO_FINDING)
    return after


async def triage_many(
    ctx: Context, caller: Caller, wanted: Sequence[tuple[int, int]], verdict: Verdict
) -> tuple[Decided, ...]:
    """The same decision about several findings, each named with its revision: those that fit are changed, the others told."""
    check_verdict(ctx, verdict)
    if not 1 <= len(wanted) <= MAX_TOGETHER:
        raise BadInput(f"findings must name 1 to {MAX_TOGETHER} findings", "findings")
    if len({number for number, _ in wanted}) != len(wanted):
        raise BadInput("findings names one finding twice", "findings")
    result: list[Decided] = []
    changed: list[KnownFinding] = []
    async with ctx.db.transaction() as tx:
        for number, revision in wanted:
            known = await _known(ctx, tx, caller, number)
            if known is None:
                result.append(Decided(number, "unknown", NO_FINDING, None))
            elif await _decide(ctx, tx, caller, known, revision, verdict):
                changed.append(known)
                result.append(Decided(number, "changed", "", revision + 1))
            else:
                known = await _known(ctx, tx, caller, number) or known
                result.append(Decided(number, "conflict", conflict_words(known, revision), known.revision))
        for known in changed:
            await _record(ctx, tx, caller, known, verdict)
    return tuple(result)


def check_verdict(ctx: Context, verdict: Verdict) -> None:
    """Raise BadInput where a verdict lacks what its state needs, or says what its state cannot have."""
    reason, now = verdict.reason.strip(), ctx.clock.now()
    if len(reason) > MAX_REASON:
        raise BadInput(f"reason must be {MAX_REASON:,} characters at most", "reason")
    closes = verdict.state in (TriageState.ACCEPTED, TriageState.FALSE_POSITIVE)
    if closes and not reason:
        raise BadInput(f"say why: {_named(verdict.state)} needs a reason that others can follow", "reason")
    if verdict.state is not TriageState.ACCEPTED:
        if verdict.expires is not None:
            raise BadInput(
                f"only an accepted risk has an end; leave expires_at out for {_named(verdict.state)}", "expires_at"
            )
        return
    if verdict.expires is None:
        raise BadInput("say until when the risk is accepted: expires_at is required", "expires_at")
    if not now < verdict.expires <= now + LONGEST:
        raise BadInput("expires_at must lie in the future, at most a year from now", "expires_at")


def conflict_words(known: KnownFinding, revision: int) -> str:
    """Why a decision does not fit any more, and what to do."""
    if revision > known.revision:
        return f"There is no revision {revision} of this finding; the current one is {known.revision}. Load it and decide again."
    made = known.decision
    what = "somebody took the decision back"
    if made is not None:
        at = datetime.fromtimestamp(made.at, UTC).strftime("%Y-%m-%d %H:%M UTC")
        what = f"{made.by} decided {_named(made.state)} at {at}: {made.reason or 'no reason given'}"
    return f"Since you looked at this finding, {what}. Nothing was changed. Load it again, then decide."


def _named(state: TriageState) -> str:
    return f'"{str(state).replace("_", " ")}"'


async def _known(ctx: Context, tx: Transaction, caller: Caller, number: int) -> KnownFinding | None:
    return await findings.by_id(tx, caller.account_id, number, ctx.clock.now())


async def _decide(
    ctx: Context, tx: Transaction, caller: Caller, known: KnownFinding, revision: int, verdict: Verdict
) -> bool:
    made = None
    if verdict.state is not TriageState.OPEN:
        at, basis = ctx.clock.now(), basis_of(known.finding)
        made = Decision(verdict.state, verdict.reason.strip(), caller.email, at, basis, verdict.expires)
    return await findings.decide(tx, caller.account_id, known.id, revision, made)


async def _record(ctx: Context, tx: Transaction, caller: Caller, known: KnownFinding, verdict: Verdict) -> None:
    before = TriageState.OPEN if known.decision is None else known.decision.state
    detail: dict[str, JsonValue] = {
        "target": known.target,
        "fingerprint": known.finding.fingerprint,
        "from": before.value,
        "to": verdict.state.value,
        "reason": verdict.reason.strip(),
        "expires": verdict.expires,
    }
    await audit.record(tx, ctx.clock, caller, Action.FINDING_DECIDED, str(known.id), detail)
