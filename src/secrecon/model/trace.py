"""When the absence of a finding means something: only where the same check ran again at the same place, to its end.

One pure rule for "fixed" and for "not re-tested", used by the store's statuses, by the difference between two reports and by the
retest of one finding. What a scan did comes from its attempts, never from its silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from secrecon.model.asset import Fact, Technology
from secrecon.model.finding import EvidenceLevel, Finding
from secrecon.model.scan import Attempt, Outcome, ScanMode

VERSIONS = "cve.match"
"""The ledger's line for looking up all CVEs of an asset's versions."""

CALLBACKS = "ssrf.callback"
"""The ledger's line for everything that is concluded from giving inputs an address."""

LOGIN = "crawl.login"
"""The ledger's line of a scan that was logged in to its target."""

EVERYWHERE = ("cve", "hygiene", "tls", "dns")
"""Areas whose checks ask the same in a quick scan as in a full one."""


@dataclass(frozen=True, slots=True)
class Sought:
    """A finding as something to look for: `lines` of the ledger that must be done; `product`: what must have shown a version."""

    check: str
    asset: str
    lines: tuple[str, ...]
    product: str = ""


@dataclass(frozen=True, slots=True)
class Ledger:
    """What a scan did. `lines`: (check, asset) to outcome and reason. `versioned`: (asset, product) that showed a version."""

    mode: ScanMode
    lines: Mapping[tuple[str, str], tuple[Outcome, str]]
    versioned: frozenset[tuple[str, str]]


def logged_in(ledger: Ledger) -> bool:
    """Whether the scan was logged in to its target."""
    return any(check == LOGIN and told[0] is Outcome.DONE for (check, _), told in ledger.lines.items())


def sought(finding: Finding) -> Sought:
    """What must run again before the absence of `finding` means that it is gone."""
    lines = finding.found_by or lines_of(finding.check)
    by_version = not finding.oast_verified and finding.evidence_level.rank <= EvidenceLevel.VERSION_RANGE.rank
    product = finding.location if by_version and lines == (VERSIONS,) else ""
    return Sought(finding.check, finding.asset, lines, product)


def lines_of(check: str) -> tuple[str, ...]:
    """The lines of the ledger behind a check that does not name its own."""
    if check.startswith("cve."):
        return (VERSIONS,)
    return (CALLBACKS,) if check.startswith("ssrf.") else (check,)


def ledger_of(mode: ScanMode, attempts: Iterable[Attempt], facts: Iterable[Fact]) -> Ledger:
    """The ledger of a scan. Of two attempts of a check on an asset the one that was not done counts, as in the coverage."""
    lines: dict[tuple[str, str], tuple[Outcome, str]] = {}
    for item in attempts:
        known = lines.get((item.check, item.asset))
        if known is None or known[0] is Outcome.DONE:
            lines[item.check, item.asset] = (item.outcome, item.reason)
    return Ledger(
        mode,
        lines,
        frozenset((fact.asset, fact.name) for fact in facts if isinstance(fact, Technology) and fact.version),
    )


def not_looked(wanted: Sought, found_in: ScanMode, ledger: Ledger, as_user: bool = False) -> str:
    """Why a scan with this ledger says nothing about a finding that it does not have; "" where it looked to the end.

    `found_in`: the mode of the scan that has it; `as_user`: that one was logged in.
    """
    for line in wanted.lines:
        known = ledger.lines.get((line, wanted.asset))
        if known is None:
            return f"{line} did not run on {wanted.asset}"
        if known[0] is not Outcome.DONE:
            return f"{line} was {str(known[0]).replace('_', ' ')} on {wanted.asset}: {known[1] or 'no reason was recorded'}"
    shallow = found_in is ScanMode.FULL and ledger.mode is ScanMode.QUICK
    if shallow and wanted.check.split(".", 1)[0] not in EVERYWHERE:
        return "a full scan found it, and a quick scan asks fewer places"
    if as_user and not logged_in(ledger) and wanted.check.split(".", 1)[0] not in EVERYWHERE:
        return "a scan that was logged in found it, and this one was not"
    if wanted.product and (wanted.asset, wanted.product) not in ledger.versioned:
        return f"{wanted.product} did not tell its version on {wanted.asset}, so it could not be looked up"
    return ""
