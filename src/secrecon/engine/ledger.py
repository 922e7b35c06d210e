"""The coverage ledger: one attempt per check and asset, made from the replies of its probes.

Only DONE may be read as clean. A check most of whose requests were answered is DONE and says how many were not; a
check that was answered less than that takes the outcome of what went wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from secrecon.model.probe import HttpProbe, Reply, Skip
from secrecon.model.scan import Attempt, Outcome, PhaseName

PACE = "recon.pace"
PORTS = "services.ports"
"""The check whose requests are connections of the port scan, which have a budget of their own."""
ENOUGH = 0.9
"""The share of a check's requests that must be answered for the check to count as done."""

_WORST = (Outcome.DONE, Outcome.SKIPPED, Outcome.TIMED_OUT, Outcome.FAILED, Outcome.BLOCKED)


def attempts_from(
    phase: PhaseName, replies: Sequence[Reply], skips: Iterable[Skip]
) -> dict[tuple[str, str], Attempt]:
    """One attempt per (check, asset) of a round."""
    groups: dict[tuple[str, str], list[Reply]] = {}
    for reply in replies:
        groups.setdefault((reply.probe.check, reply.probe.asset), []).append(reply)
    attempts = {key: _attempt(phase, key, group) for key, group in groups.items()}
    for skip in skips:
        attempts.setdefault(
            (skip.check, skip.asset), Attempt(phase, skip.check, skip.asset, skip.outcome, skip.reason)
        )
    return attempts


def _attempt(phase: PhaseName, key: tuple[str, str], replies: Sequence[Reply]) -> Attempt:
    check, asset = key
    outcomes = Counter(reply.outcome for reply in replies)
    total, answered = len(replies), outcomes[Outcome.DONE]
    sent = sum(1 for reply in replies if reply.outcome is not Outcome.SKIPPED)
    if answered == total:
        return Attempt(phase, check, asset, Outcome.DONE, "", sent)
    first = next(reply for reply in replies if reply.outcome is not Outcome.DONE)
    if answered >= ENOUGH * total:
        return Attempt(phase, check, asset, Outcome.DONE, f"{total - answered} of {total}: {first.reason}", sent)
    worst = outcomes.most_common()
    outcome = max((o for o, _ in worst if o is not Outcome.DONE), key=lambda o: outcomes[o])
    reason = next(reply.reason for reply in replies if reply.outcome is outcome)
    if total > 1:
        reason = f"{total - answered} of {total} requests were not answered; {reason}"
    return Attempt(phase, check, asset, outcome, reason, sent)


def merge(
    known: Mapping[tuple[str, str], Attempt], new: Mapping[tuple[str, str], Attempt], judged: Iterable[Attempt]
) -> tuple[Attempt, ...]:
    """A round's attempts added to those of the earlier rounds of the same phase: requests add up, the worst outcome
    stays. What the phase judged itself replaces both."""
    merged: dict[tuple[str, str], Attempt] = {}
    for key, attempt in new.items():
        before = known.get(key)
        if before is None or before.phase is not attempt.phase:
            merged[key] = attempt
            continue
        worse = max(before, attempt, key=lambda a: (_WORST.index(a.outcome), bool(a.reason)))
        merged[key] = replace(worse, requests=before.requests + attempt.requests)
    for attempt in judged:
        key = (attempt.check, attempt.asset)
        sent = merged[key].requests if key in merged else 0
        merged[key] = replace(attempt, requests=max(attempt.requests, sent))
    return tuple(merged.values())


def not_done(attempts: Iterable[Attempt], outcome: Outcome, reason: str) -> tuple[Attempt, ...]:
    """`attempts` with every one that counted as done taken back: what came after showed that it was not."""
    return tuple(
        replace(attempt, outcome=outcome, reason="; ".join(filter(None, (reason, attempt.reason))))
        if attempt.outcome is Outcome.DONE
        else attempt
        for attempt in attempts
    )


def pushed_back(
    phase: PhaseName, replies: Sequence[Reply], slowed: Mapping[str, str]
) -> dict[tuple[str, str], Attempt]:
    """A line for each host of a round that made the scan slow down, with the reason. `slowed`: host to reason."""
    hosts = {reply.probe.request.origin.host for reply in replies if isinstance(reply.probe, HttpProbe)}
    return {
        (PACE, host): Attempt(phase, PACE, host, Outcome.DONE, f"the host pushed back: {slowed[host]}")
        for host in sorted(hosts & slowed.keys())
    }
