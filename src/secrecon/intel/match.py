"""From a technology with a version to the CVEs whose affected range holds it.

A version is a claim of the server and an affected range a claim of the vendor: their meeting is a lead, never a proof.
So the level is VERSION_RANGE at most, and BANNER where the banner names a Linux distribution, which mends flaws
without changing the version it shows. Without a version there is no match at all: what could be wrong with an unknown
version is told in the coverage, not as a finding.
"""

from __future__ import annotations

from dataclasses import dataclass

from secrecon.intel.core import Core, CveRecord, Product
from secrecon.intel.versions import Placement, place
from secrecon.model.asset import Technology
from secrecon.model.confidence import Doubt, Ground, confidence
from secrecon.model.finding import NOTHING_KNOWN, EvidenceLevel, Threat


@dataclass(frozen=True, slots=True)
class CveMatch:
    """One CVE that may apply. `name`: of the product. `level`: VERSION_RANGE or BANNER. `confidence`: of a
    version with its doubts, or that of the technology where that is lower. `reason`: why it was matched and what speaks
    against it. The rest is what feeds say of its exploitation."""

    cve: CveRecord
    name: str
    level: EvidenceLevel
    confidence: float
    reason: str
    epss: float | None = None
    kev: bool = False
    ssvc: str | None = None
    threat: Threat = NOTHING_KNOWN


@dataclass(frozen=True, slots=True)
class Lookup:
    """Everything the core can say of one technology. `product` None: it does not know it. `undecided`: CVE ids whose
    ranges the version could not be placed against; they count as not tested."""

    product: Product | None
    matches: tuple[CveMatch, ...] = ()
    undecided: tuple[str, ...] = ()


def match(core: Core, technology: Technology) -> tuple[CveMatch, ...]:
    """The CVEs of the core whose affected range holds the technology's version, most severe first."""
    return look_up(core, technology).matches


def look_up(core: Core, technology: Technology) -> Lookup:
    """As `match`, and what could not be decided."""
    product = core.product(technology.name, technology.cpe)
    if product is None or not technology.version:
        return Lookup(product)
    found: list[CveMatch] = []
    undecided: list[str] = []
    for cve in product.cves:
        placement = place(product.scheme, technology.version, cve.affected, product.parts)
        if placement is Placement.INSIDE:
            found.append(_matched(technology, product, cve))
        elif placement is Placement.UNKNOWN:
            undecided.append(cve.id)
    found.sort(key=lambda m: (-m.cve.severity.rank, not m.cve.kev, -(m.cve.cvss_score or 0.0), m.cve.id))
    return Lookup(product, tuple(found), tuple(undecided))


def _matched(technology: Technology, product: Product, cve: CveRecord) -> CveMatch:
    ranges = " or ".join(item.vers for item in cve.affected)
    reason = f"{product.name} {technology.version} is in the affected range ({ranges})"
    level, doubts = EvidenceLevel.VERSION_RANGE, [Doubt.CONDITION] if cve.needs else []
    if technology.distribution:
        level = EvidenceLevel.BANNER
        doubts.append(Doubt.BACKPORT)
        reason += f"; the banner names {technology.distribution}, which may have backported the fix without changing the version"
    if cve.needs:
        reason += f"; the flaw also needs {cve.needs}, which a version does not show"
    sure = confidence(Ground.VERSION, *doubts, sighting=technology.confidence)
    return CveMatch(cve, product.name, level, sure, reason, kev=cve.kev)
