"""Match: known CVEs of the versions that were seen, from the curated core and the feeds. Sends nothing.

A match says that a version lies in an affected range, and never more: words, evidence level and confidence all say
that nothing was tried on the target. Where a version is not known, nothing is reported and the ledger says so; a
CVE that no source holds is not known to be absent, which the ledger's reason and the feed note tell. One look-up uses
one state of the data from beginning to end, and its evidence names it.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar

from secrecon.detect.service_facts import replay
from secrecon.engine.phase import Judgement
from secrecon.engine.view import ScanView
from secrecon.intel.cpe import key_of
from secrecon.intel.knowledge import Knowledge, Known
from secrecon.intel.match import CveMatch
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

    def __init__(self, knowledge: Callable[[], Knowledge]) -> None:
        self._knowledge = knowledge

    def checks(self, view: ScanView) -> Iterable[tuple[str, str]]:
        return [(CHECK, service.asset) for service in view.web]

    def plan(self, view: ScanView, round_: int) -> Iterable[Probe]:
        """Nothing: everything was asked by the steps before."""
        return ()

    def judge(self, view: ScanView, round_: int, replies: Sequence[Reply]) -> Iterable[Judgement]:
        by_asset: dict[str, list[Technology]] = {service.asset: [] for service in view.web}
        for technology in view.technologies:
            by_asset.setdefault(technology.asset, []).append(technology)
        knowledge = self._knowledge()
        for asset, technologies in by_asset.items():
            yield from self._judge_asset(knowledge, asset, technologies)

    def _judge_asset(
        self, knowledge: Knowledge, asset: str, technologies: Sequence[Technology]
    ) -> Iterable[Judgement]:
        found, notes, decided = _looked_up(knowledge, technologies)
        yield from found.values()
        yield self._attempt(asset, notes, decided)

    def _attempt(self, asset: str, notes: Sequence[str], decided: int) -> Attempt:
        """Done where at least one CVE could be decided; what could not be is told either way."""
        reason = "; ".join(dict.fromkeys(notes))
        if decided:
            return Attempt(PhaseName.MATCH, CHECK, asset, Outcome.DONE, reason)
        return Attempt(PhaseName.MATCH, CHECK, asset, Outcome.SKIPPED, reason or NO_TECHNOLOGY)


def findings_of(knowledge: Knowledge, technologies: Sequence[Technology]) -> tuple[Finding, ...]:
    """What is known of technologies that were seen, one finding per CVE, asset and technology. Nothing is sent."""
    by_asset: dict[str, list[Technology]] = {}
    for technology in technologies:
        by_asset.setdefault(technology.asset, []).append(technology)
    return tuple(finding for seen in by_asset.values() for finding in _looked_up(knowledge, seen)[0].values())


def _looked_up(
    knowledge: Knowledge, technologies: Sequence[Technology]
) -> tuple[dict[str, Finding], list[str], int]:
    """Of one asset: findings by fingerprint, what could not be decided in words, and how many CVEs were."""
    present = {key for technology in technologies if (key := key_of(technology.cpe))}
    versioned = {technology.name for technology in technologies if technology.version}
    found: dict[str, Finding] = {}
    notes: list[str] = []
    unversioned: list[str] = []
    unheard: list[str] = []
    decided = 0
    for technology in technologies:
        if not technology.version and technology.name in versioned:
            continue
        known = knowledge.look_up(technology, present)
        if not technology.version:
            unversioned += [_unversioned(technology, known)] if known.known else []
            continue
        decided += known.decided
        unheard += [] if known.known else [technology.name]
        notes += _notes(technology, known)
        for match in known.matches:
            finding = _finding(technology, match, knowledge.data)
            before = found.get(finding.fingerprint)
            if before is None or _weight(finding) > _weight(before):
                found[finding.fingerprint] = finding
    notes += unversioned
    if unheard and not decided:
        source = "no source has a" if knowledge.index is not None else "the curated core has no"
        notes.append(f"{source} record of {_named(unheard)}")
    return found, notes, decided


def _notes(technology: Technology, known: Known) -> Iterable[str]:
    told = f"{technology.name} {technology.version}"
    if known.undecided:
        yield (
            f"{told} is too rough to place against {_named(known.undecided)}, or has no order with their limits, or their "
            "records name no version"
        )
    if known.mended:
        yield (
            f"{told} is {technology.distribution}'s package {technology.package_version}, which by its own data has the fixes "
            f"of {_named(known.mended)}"
        )
    if known.more:
        yield f"{told} matches {known.more:,} more CVEs than are shown, less pressing ones"


def _unversioned(technology: Technology, known: Known) -> str:
    count = f" ({known.candidates:,} CVEs are candidates)" if known.candidates else ""
    return f"version unknown: {technology.name}{count}"


def _named(names: Iterable[str]) -> str:
    unique = list(dict.fromkeys(names))
    more = f" and {len(unique) - MAX_NAMED} more" if len(unique) > MAX_NAMED else ""
    return ", ".join(unique[:MAX_NAMED]) + more


def _replay(asset: str) -> str:
    """A command that shows what was read: of a web service its start page, of another its greeting."""
    if "://" in asset:
        return f"curl -sk -i {shlex.quote(asset + '/')}"
    host, _, port = asset.rpartition(":")
    return replay(b"", host.strip("[]"), int(port)) if port.isdigit() else ""


def _weight(finding: Finding) -> tuple[int, float]:
    return finding.evidence_level.rank, finding.confidence


def _finding(technology: Technology, match: CveMatch, data: str) -> Finding:
    cve = match.cve
    shown = f"{match.name} {technology.version}"
    doubt = ""
    if match.level is EvidenceLevel.BANNER:
        doubt = (
            f" {technology.distribution} ships this version with its own fixes, so ask the package manager which "
            "fixes are in before acting on this."
        )
    needs = f" The flaw also needs {cve.needs}." if cve.needs else ""
    known = f" CISA has listed it as exploited since {match.threat.kev_added}." if match.kev else ""
    evidence = Evidence(
        kind="version",
        summary=f"{match.reason}; not verified; {data}",
        response=technology.evidence,
        matcher=f"version {technology.version} read from: {technology.evidence}",
        curl=_replay(technology.asset),
        version=technology.version,
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
        cve_id=cve.id if cve.id.startswith("CVE-") else None,
        cwe=cve.cwe,
        cvss_score=cve.cvss_score,
        cvss_vector=cve.cvss_vector,
        epss=match.epss,
        kev=match.kev if cve.id.startswith("CVE-") else None,
        ssvc=match.ssvc,
        threat=match.threat,
    )
