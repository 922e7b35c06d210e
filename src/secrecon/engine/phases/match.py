"""Match: known CVEs of the versions that were seen, from the curated core. Sends nothing.

A match says that a version lies in an affected range, and never more: words, evidence level and confidence all say
that nothing was tried on the target. Where a version is not known, nothing is reported and the ledger says so; a
CVE that the core does not hold is not known to be absent, which the ledger's reason and the feed note tell.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from typing import ClassVar

from secrecon.engine.phase import Judgement
from secrecon.engine.view import ScanView
from secrecon.intel.core import Core
from secrecon.intel.match import CveMatch, look_up
from secrecon.model.asset import Technology
from secrecon.model.finding import Evidence, EvidenceLevel, Finding
from secrecon.model.probe import Probe, Reply
from secrecon.model.scan import Attempt, Outcome, PhaseName, ScanMode, Touch

CHECK = "cve.match"
NO_TECHNOLOGY = "no technology with a version was seen, so no version could be looked up"
MAX_NAMED = 6


class MatchPhase:
    """The `match` step."""

    step: ClassVar[str] = "match"
    name: ClassVar[PhaseName] = PhaseName.MATCH
    title: ClassVar[str] = "Looking up known flaws of the versions seen"
    touch: ClassVar[Touch] = Touch.LIGHT
    modes: ClassVar[frozenset[ScanMode]] = frozenset(ScanMode)
    max_rounds: ClassVar[int] = 1

    def __init__(self, core: Core) -> None:
        self._core = core

    def checks(self, view: ScanView) -> Iterable[tuple[str, str]]:
        return [(CHECK, service.asset) for service in view.web]

    def plan(self, view: ScanView, round_: int) -> Iterable[Probe]:
        """Nothing: everything was asked by the steps before."""
        return ()

    def judge(self, view: ScanView, round_: int, replies: Sequence[Reply]) -> Iterable[Judgement]:
        by_asset: dict[str, list[Technology]] = {service.asset: [] for service in view.web}
        for technology in view.technologies:
            by_asset.setdefault(technology.asset, []).append(technology)
        for asset, technologies in by_asset.items():
            yield from self._judge_asset(asset, technologies)

    def _judge_asset(self, asset: str, technologies: Sequence[Technology]) -> Iterable[Judgement]:
        versioned = [technology for technology in technologies if technology.version]
        found: dict[str, Finding] = {}
        notes: list[str] = []
        decided = 0
        for technology in versioned:
            lookup = look_up(self._core, technology)
            decided += len(lookup.product.cves) - len(lookup.undecided) if lookup.product else 0
            if lookup.undecided:
                told = f"{technology.name} {technology.version}"
                notes.append(f"{told} is too rough to place against {_named(lookup.undecided)}")
            for match in lookup.matches:
                finding = _finding(technology, match)
                known = found.get(finding.fingerprint)
                if known is None or _weight(finding) > _weight(known):
                    found[finding.fingerprint] = finding
        yield from found.values()
        yield self._attempt(asset, technologies, versioned, notes, decided)

    def _attempt(
        self,
        asset: str,
        technologies: Sequence[Technology],
        versioned: Sequence[Technology],
        notes: Sequence[str],
        decided: int,
    ) -> Attempt:
        """Done where at least one CVE of the core could be decided; what could not be is told either way."""
        seen = {technology.name for technology in versioned}
        unversioned = [
            t for t in technologies if t.name not in seen and self._core.product(t.name, t.cpe) is not None
        ]
        rest = list(notes)
        if unversioned:
            rest.append(f"version unknown: {_named([t.name for t in unversioned])}")
        unheard = [t.name for t in versioned if self._core.product(t.name, t.cpe) is None]
        if unheard and not decided:
            rest.append(f"the curated core has no record of {_named(unheard)}")
        reason = "; ".join(rest)
        if decided:
            return Attempt(PhaseName.MATCH, CHECK, asset, Outcome.DONE, reason)
        return Attempt(PhaseName.MATCH, CHECK, asset, Outcome.SKIPPED, reason or NO_TECHNOLOGY)


def _named(names: Iterable[str]) -> str:
    unique = list(dict.fromkeys(names))
    more = f" and {len(unique) - MAX_NAMED} more" if len(unique) > MAX_NAMED else ""
    return ", ".join(unique[:MAX_NAMED]) + more


def _weight(finding: Finding) -> tuple[int, float]:
    return finding.evidence_level.rank, finding.confidence


def _finding(technology: Technology, match: CveMatch) -> Finding:
    cve, product = match.cve, match.product
    shown = f"{product.name} {technology.version}"
    doubt = ""
    if match.level is EvidenceLevel.BANNER:
        doubt = (
            f" {technology.distribution} ships this version with its own fixes, so ask the package manager which "
            "fixes are in before acting on this."
        )
    needs = f" The flaw also needs {cve.needs}." if cve.needs else ""
    known = f" CISA has listed it as exploited since {cve.kev_added}." if cve.kev else ""
    evidence = Evidence(
        kind="version",
        summary=f"{match.reason}; not verified",
        response=technology.evidence,
        matcher=f"version {technology.version} read from: {technology.evidence}",
        curl=f"curl -sk -i {shlex.quote(technology.asset + '/')}",
    )
    return Finding(
        check=f"cve.{cve.id}",
        title=f"Possible, by its version: {cve.title} ({cve.id})",
        severity=cve.severity,
        asset=technology.asset,
        location=technology.name,
        evidence_level=match.level,
        confidence=match.confidence,
        evidence=(evidence,),
        description=(
            f"{cve.summary} The server says it runs {shown}, which is in the affected range; this was not verified "
            f"on the target.{needs}{doubt}{known}"
        ),
        impact=f"Where the flaw applies: {cve.impact}",
        remediation=cve.fix,
        references=cve.references,
        cve_id=cve.id,
        cwe=cve.cwe,
        cvss_score=cve.cvss_score,
        cvss_vector=cve.cvss_vector,
        epss=None,
        kev=cve.kev,
    )
