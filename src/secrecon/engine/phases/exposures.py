"""Exposures: asks each web service for files that should not be public, and for pages that cannot exist.

One round. Missing pages, asked for first, teach how the origin answers for nothing (`detect.soft404`), so that a site
that answers 200 to everything gives no finding, and a site that refuses everything is recorded as not testable instead
of clean. A few more at the end tell whether the site has begun to turn the scan away meanwhile, in whatever words.
GET only, small body caps; what the crawl met adds folders, copies of scripts and source maps.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from secrecon.detect.exposure_rules import ExposureRules, Rule, load_rules
from secrecon.detect.exposures import Exposed, derived_rules, findings, judge, rules_for
from secrecon.detect.soft404 import Soft404, learn, sample_targets
from secrecon.engine.phase import Judgement
from secrecon.engine.view import ScanView
from secrecon.model.asset import Asset, AssetType
from secrecon.model.http import HttpRequest
from secrecon.model.probe import HttpProbe, Probe, Reply, Skip
from secrecon.model.scan import Attempt, Outcome, PhaseName, ScanMode, Touch
from secrecon.model.target import Origin

SAMPLES, REST = "recon.missing-pages", "exposure.full-list"
BUDGET_SHARE = 0.4
"""How much of a scan's requests the listed paths may take, so that what comes after them is tested too."""
AGAIN = "again"
"""The tag of the missing pages that are asked for at the end."""
SAMPLE_CAP = 65_536
REFUSED = frozenset({401, 403, 407, 429})


class ExposuresPhase:
    """The `exposures` step. `rules`: ours unless others are given."""

    step: ClassVar[str] = "exposures"
    name: ClassVar[PhaseName] = PhaseName.VERIFY
    title: ClassVar[str] = "Looking for exposed files"
    touch: ClassVar[Touch] = Touch.LIGHT
    modes: ClassVar[frozenset[ScanMode]] = frozenset(ScanMode)
    max_rounds: ClassVar[int] = 1

    def __init__(self, rules: ExposureRules | None = None) -> None:
        self._rules = rules or load_rules()

    def checks(self, view: ScanView) -> Iterable[tuple[str, str]]:
        return [
            (check, str(origin))
            for origin in _origins(view)
            for check in dict.fromkeys(rule.proof.check for rule in self._of(view, origin))
        ]

    def plan(self, view: ScanView, round_: int) -> Iterable[Probe]:
        for origin in _origins(view):
            asset = str(origin)
            for target in sample_targets(view.spec.scan_id, origin):
                yield HttpProbe(
                    SAMPLES, asset, HttpRequest(origin, target=target), tag=SAMPLES, body_cap=SAMPLE_CAP
                )
            for rule in self._of(view, origin):
                request = HttpRequest(origin, target=rule.path)
                yield HttpProbe(rule.proof.check, asset, request, tag=rule.proof.name, body_cap=rule.proof.cap)
            for target in sample_targets(f"{view.spec.scan_id} again", origin)[::3]:
                yield HttpProbe(SAMPLES, asset, HttpRequest(origin, target=target), tag=AGAIN, body_cap=SAMPLE_CAP)
            every, kept = len(rules_for(self._rules.rules, origin)), len(self._listed(view, origin))
            if view.spec.mode is not ScanMode.FULL:
                yield Skip(REST, asset, f"a quick scan leaves {every - kept} more paths to a full scan")
            elif kept < every:
                many = f"{len(_origins(view))} services share the scan's {view.spec.budget.requests} requests"
                yield Skip(REST, asset, f"{every - kept} of {every} paths were left out: {many}")

    def judge(self, view: ScanView, round_: int, replies: Sequence[Reply]) -> Iterable[Judgement]:
        groups: dict[str, list[Reply]] = {}
        for reply in replies:
            groups.setdefault(reply.probe.asset, []).append(reply)
        for origin in _origins(view):
            yield from self._judge_origin(view, origin, groups.get(str(origin), ()))

    def _judge_origin(self, view: ScanView, origin: Origin, replies: Sequence[Reply]) -> Iterable[Judgement]:
        missing, later = _learned(replies, SAMPLES), _learned(replies, AGAIN)
        rules = {(rule.proof.name, rule.path): rule for rule in self._of(view, origin)}
        exposed: list[Exposed] = []
        for reply in replies:
            if reply.http is None or not isinstance(reply.probe, HttpProbe):
                continue
            rule = rules.get((reply.probe.tag, reply.probe.request.target))
            found = judge(rule, reply.http, missing) if rule is not None else None
            if found is not None:
                exposed.append(found)
        for item in exposed:
            yield Asset(AssetType.SENSITIVE_PATH, item.exchange.request.url, item.rule.proof.check, str(origin))
        yield from findings(self._rules, origin, exposed)
        found_checks = {item.rule.proof.check for item in exposed}
        yield from _refused(self.name, str(origin), replies, missing, found_checks)
        yield from _turned(self.name, str(origin), replies, missing, later, found_checks)

    def _listed(self, view: ScanView, origin: Origin) -> tuple[Rule, ...]:
        """The listed rules of this scan for one origin: the likeliest, as many as its share of the budget allows."""
        quick = rules_for(self._rules.quick, origin)
        if view.spec.mode is not ScanMode.FULL:
            return quick
        share = int(BUDGET_SHARE * view.spec.budget.requests / max(1, len(_origins(view))))
        return rules_for(self._rules.rules, origin)[: max(share, len(quick))]

    def _of(self, view: ScanView, origin: Origin) -> tuple[Rule, ...]:
        """The rules of this scan for one origin, in order; each path and proof once."""
        rules = self._listed(view, origin)
        links = [link for link in view.links if link.origin == origin]
        maps = [link.target for link in links if link.source == "source-map"]
        rules += derived_rules(self._rules, [link.target for link in links], maps)
        return tuple({(rule.proof.name, rule.path): rule for rule in reversed(rules)}.values())[::-1]


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


def _origins(view: ScanView) -> tuple[Origin, ...]:
    return tuple(dict.fromkeys(service.origin for service in view.web if service.origin is not None))
