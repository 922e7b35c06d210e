"""A retest: the few steps, probes and results of a scan that concern one finding, and nothing else.

Same engine, same gate, same budget rules; only less of it. The target is narrowed to the finding's own origin, inputs and
pages come from the scan that saw it, and what the steps learn of other findings is left out. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from secrecon.engine.phase import Judgement
from secrecon.model.errors import BadInput
from secrecon.model.finding import Finding
from secrecon.model.probe import HttpProbe, Probe, Skip, Wait
from secrecon.model.scan import Retest, ScanSpec
from secrecon.model.target import TargetKind, parse_target
from secrecon.model.trace import VERSIONS

ALWAYS = frozenset({"resolve", "probe", "synthesis"})
AREAS = {"exposure": "exposures", "hygiene": "hygiene", "tls": "hygiene", "behaviour": "behaviour", "ssrf": "ssrf"}
"""The step that looks for the findings of an area."""

READ_VERSIONS = frozenset({"fingerprint", "crawl", "match"})
SAMPLES = "recon.missing-pages"
"""Asked by the exposures step to know how the origin answers for nothing."""


def steps_of(retest: Retest) -> frozenset[str]:
    """The steps that a retest runs; empty where the finding cannot be looked for alone."""
    steps: set[str] = set()
    for line in retest.lines:
        if line == VERSIONS:
            steps |= READ_VERSIONS
        elif line.startswith("template."):
            steps.add("templates")
        elif (step := AREAS.get(line.split(".", 1)[0])) is not None:
            steps.add(step)
        else:
            return frozenset()
    return ALWAYS | steps if steps and _origin(retest.asset) else frozenset()


def narrowed(spec: ScanSpec) -> ScanSpec:
    """The scan as its phases see it: of a retest, the finding's own origin is the whole target."""
    return spec if spec.retest is None else replace(spec, target=parse_target(spec.retest.asset))


def kept_probes(retest: Retest | None, step: str, probes: Iterable[Probe]) -> list[Probe]:
    """The probes that a retest needs; all of them for a whole scan."""
    kept = [probe for probe in probes if retest is None or _needed(retest, step, probe)]
    if retest is None or step != "exposures":
        return kept
    if any(isinstance(probe, HttpProbe) and probe.request.target == retest.location for probe in kept):
        return kept
    return [
        Skip(retest.check, retest.asset, f"the path {retest.location} is not one that a scan asks for by itself")
    ]


def kept_results(retest: Retest | None, judged: Iterable[Judgement]) -> list[Judgement]:
    """What a step learned without the findings that were not asked about."""
    return [
        item
        for item in judged
        if retest is None or not isinstance(item, Finding) or item.fingerprint == retest.fingerprint
    ]


def _needed(retest: Retest, step: str, probe: Probe) -> bool:
    if step == "exposures":
        return not isinstance(probe, Skip | Wait) and probe.check in (retest.check, SAMPLES)
    if step == "behaviour":
        return not isinstance(probe, HttpProbe | Skip) or probe.check == retest.check
    if step == "ssrf" and isinstance(probe, HttpProbe) and probe.payload is not None:
        return any(payload.location == retest.location for payload in (probe.payload, *probe.also))
    return True


def _origin(asset: str) -> bool:
    try:
        target = parse_target(asset)
    except BadInput:
        return False
    return "://" in asset and target.kind is TargetKind.ORIGIN and str(target.origin) == asset
