"""Exposures: asks each web service for files that should not be public, and for pages that cannot exist.

Three rounds. First missing pages, which teach how the origin answers for nothing (`detect.soft404`), and what
`exposure_plan` puts first. Then two names that cannot exist beside each thing that was seen, in its folder and with its
ending: where they are answered alike, nothing was seen. With them go the paths that the first round made likely, and last
the names beside what those brought. A few missing pages at the end of a round tell whether the site has begun to turn the
scan away. GET only, small body caps; whatever was fetched before is not fetched again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from secrecon.detect.exposure_rules import ExposureRules, Rule, load_rules
from secrecon.detect.exposures import Exposed, findings, judge, proves
from secrecon.detect.soft404 import Soft404, learn, sample_targets, siblings
from secrecon.engine.ledger import ENOUGH
from secrecon.engine.phase import Judgement
from secrecon.engine.phases.exposure_plan import BUDGET_SHARE, REST, ExposurePlan
from secrecon.engine.view import ScanView
from secrecon.model.asset import Asset, AssetType, Suspect
from secrecon.model.http import HttpExchange, HttpRequest
from secrecon.model.probe import HttpProbe, Probe, Reply, Skip
from secrecon.model.scan import Attempt, Outcome, PhaseName, ScanMode, Touch
from secrecon.model.target import Origin

__all__ = ["BUDGET_SHARE", "REST", "SAMPLES", "ExposuresPhase"]

SAMPLES = "recon.missing-pages"
AGAIN, SIBLING = "again", "sibling"
"""The tags of the missing pages that are asked for at the end, and beside what was seen."""
SAMPLE_CAP = 65_536
LATER = 1_000_000
"""Added to the order of what a later round saw: the place of a finding stays where it was first seen."""
REFUSED = frozenset({401, 403, 407, 429})


class ExposuresPhase:
    """The `exposures` step. `rules`: ours unless others are given."""

    step: ClassVar[str] = "exposures"
    name: ClassVar[PhaseName] = PhaseName.VERIFY
    title: ClassVar[str] = "Looking for exposed files"
    touch: ClassVar[Touch] = Touch.LIGHT
    modes: ClassVar[frozenset[ScanMode]] = frozenset(ScanMode)
    max_rounds: ClassVar[int] = 3

    def __init__(self, rules: ExposureRules | None = None) -> None:
        self._rules = rules or load_rules()

    def checks(self, view: ScanView) -> Iterable[tuple[str, str]]:
        plan = ExposurePlan(self._rules, view)
        return [
            (check, str(origin))
            for origin in plan.services
            for check in dict.fromkeys(rule.proof.check for rule in plan.asked(origin, 0))
        ]

    def plan(self, view: ScanView, round_: int) -> Iterable[Probe]:
        plan = ExposurePlan(self._rules, view)
        for origin in plan.services:
            asset = str(origin)
            asked, suspects = plan.asked(origin, round_), plan.suspects(origin, round_)
            if asked or suspects:
                for target in sample_targets(view.spec.scan_id, origin):
                    yield HttpProbe(
                        SAMPLES, asset, HttpRequest(origin, target=target), tag=SAMPLES, body_cap=SAMPLE_CAP
                    )
            for rule in (*(self._rule(one) for one in suspects), *asked):
                request = HttpRequest(origin, target=rule.path)
                yield HttpProbe(rule.proof.check, asset, request, tag=rule.proof.name, body_cap=rule.proof.cap)
            for target in dict.fromkeys(
                target for one in suspects for target in siblings(view.spec.scan_id, origin, one.path)
            ):
                yield HttpProbe(
                    SAMPLES, asset, HttpRequest(origin, target=target), tag=SIBLING, body_cap=SAMPLE_CAP
                )
            if asked:
                seed = f"{view.spec.scan_id} again {round_}"
                for target in sample_targets(seed, origin)[::3]:
                    yield HttpProbe(
                        SAMPLES, asset, HttpRequest(origin, target=target), tag=AGAIN, body_cap=SAMPLE_CAP
                    )
            line = plan.told(origin, 0) if round_ == 0 else None
            if isinstance(line, Skip):
                yield line

    def judge(self, view: ScanView, round_: int, replies: Sequence[Reply]) -> Iterable[Judgement]:
        groups: dict[str, list[Reply]] = {}
        for reply in replies:
            groups.setdefault(reply.probe.asset, []).append(reply)
        plan = ExposurePlan(self._rules, view)
        for origin in plan.services:
            mine = groups.get(str(origin), ())
            if mine:
                yield from self._judge_origin(plan, view.spec.scan_id, origin, round_, mine)
            if mine and round_ < 2:
                yield _list_line(self.name, plan.told(origin, round_), mine)

    def _judge_origin(
        self, plan: ExposurePlan, seed: str, origin: Origin, round_: int, replies: Sequence[Reply]
    ) -> Iterable[Judgement]:
        missing, later = _learned(replies, SAMPLES), _learned(replies, AGAIN)
        exchanges = {(r.probe.tag, r.http.request.target): r.http for r in replies if r.http is not None}
        rules = {(rule.proof.name, rule.path): rule for rule in plan.asked(origin, round_)}
        fresh = [
            found
            for key, rule in rules.items()
            if key in exchanges and (found := judge(rule, exchanges[key], missing)) is not None
        ]
        for item in fresh:
            rule = item.rule
            yield Suspect(origin, rule.path, rule.proof.check, rule.proof.name, rule.order, round_)
        exposed = list(self._confirmed(plan.suspects(origin, round_), seed, exchanges, missing))
        for item in exposed:
            yield Asset(AssetType.SENSITIVE_PATH, item.exchange.request.url, item.rule.proof.check, str(origin))
        yield from findings(self._rules, origin, exposed)
        seen = {item.rule.proof.check for item in (*fresh, *exposed)}
        yield from _refused(self.name, str(origin), replies, missing, seen)
        yield from _turned(self.name, str(origin), replies, missing, later, seen)

    def _confirmed(
        self,
        suspects: Sequence[Suspect],
        seed: str,
        exchanges: Mapping[tuple[str, str], HttpExchange],
        missing: Soft404,
    ) -> Iterable[Exposed]:
        """What was seen, and is not answered alike for names beside it that cannot exist."""
        for one in suspects:
            rule = self._rule(one)
            exchange = exchanges.get((rule.proof.name, rule.path))
            found = judge(rule, exchange, missing) if exchange is not None else None
            beside = [
                exchanges[SIBLING, target]
                for target in siblings(seed, one.origin, one.path)
                if (SIBLING, target) in exchanges
            ]
            if found is not None and not any(_alike(rule, exchange) for exchange in beside):
                yield replace(found, rule=replace(rule, order=rule.order + LATER * one.round))

    def _rule(self, one: Suspect) -> Rule:
        return Rule(one.path, self._rules.proofs[one.proof], one.order)


def _alike(rule: Rule, exchange: HttpExchange) -> bool:
    """Whether a name that cannot exist was answered with the very thing."""
    reply = exchange.reply
    return proves(
        rule.proof, exchange.request.origin, exchange.request.target, reply.status, reply.body[: rule.proof.cap]
    )


def _list_line(phase: PhaseName, line: Skip | Attempt, replies: Sequence[Reply]) -> Attempt:
    """How much of the list was asked for; not done where the requests of the round were mostly not answered."""
    lost = Counter(reply.outcome for reply in replies if reply.outcome is not Outcome.DONE)
    if isinstance(line, Attempt) and lost.total() <= (1 - ENOUGH) * len(replies):
        return line
    if isinstance(line, Skip):
        return Attempt(phase, line.check, line.asset, line.outcome, line.reason)
    worst = lost.most_common(1)[0][0]
    why = next(reply.reason for reply in replies if reply.outcome is worst)
    return replace(
        line, outcome=worst, reason=f"{lost.total()} of {len(replies)} requests were not answered; {why}"
    )


def _learned(replies: Sequence[Reply], tag: str) -> Soft404:
    return learn(
        (r.http.request.target, r.http.reply) for r in replies if r.probe.tag == tag and r.http is not None
    )


def _turned(
    phase: PhaseName, asset: str, replies: Sequence[Reply], missing: Soft404, later: Soft404, found: set[str]
) -> Iterable[Attempt]:
    """Attempts for checks that got the page with which a site, honest about missing pages at first, answered for
    everything later on: a wall that says 200, or a redirect to a puzzle."""
    if not missing.honest or later.honest or not later.samples:
        return
    groups: dict[str, list[Reply]] = {}
    for reply in replies:
        if reply.probe.check != SAMPLES:
            groups.setdefault(reply.probe.check, []).append(reply)
    for check, group in groups.items():
        answers = [reply.http for reply in group if reply.http is not None]
        turned = [
            x for x in answers if x.reply.status not in (404, 410) and later.is_soft404(x.request.target, x.reply)
        ]
        if turned and check not in found:
            reason = (
                f"{len(turned)} of {len(group)} requests were not really answered: during the scan the server began to "
                f"answer {turned[0].reply.status} even for pages that cannot exist"
            )
            yield Attempt(phase, check, asset, Outcome.BLOCKED, reason, len(group))


def _refused(
    phase: PhaseName, asset: str, replies: Sequence[Reply], missing: Soft404, found: set[str]
) -> Iterable[Attempt]:
    """Attempts for checks whose answers were refusals: a wall that refuses what cannot exist too says nothing."""
    groups: dict[str, list[Reply]] = {}
    for reply in replies:
        if reply.probe.check != SAMPLES:
            groups.setdefault(reply.probe.check, []).append(reply)
    for check, group in groups.items():
        statuses = [reply.http.reply.status for reply in group if reply.http is not None]
        limited = statuses.count(429)
        walled = missing.wall if missing.wall in statuses else 0
        refused = max(limited, sum(1 for s in statuses if s == walled and s in REFUSED))
        if check in found or not refused or refused < len(statuses):
            continue
        status = 429 if limited == refused else walled
        reason = (
            "the server answered 429 (too many requests); try again later or from an address it allows"
            if status == 429
            else f"the server answers {status} even for pages that cannot exist, so what lies behind cannot be told"
        )
        yield Attempt(phase, check, asset, Outcome.BLOCKED, reason, len(group))
