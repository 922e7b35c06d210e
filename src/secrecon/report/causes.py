"""What to fix, one entry per root cause: the findings that one change would settle, read together.

The same check with the same severity is one cause wherever it was found; known flaws of one product are one cause,
because one update settles them. What a version banner alone says is kept apart from what lies in an affected range.
Pure; the order of the causes is the order of their worst finding.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from secrecon.model.finding import EvidenceLevel, Severity
from secrecon.report.document import ReportFinding
from secrecon.report.text import count, listed

BASIS = {
    EvidenceLevel.BANNER: "version banner only, a distribution may have fixed it",
    EvidenceLevel.VERSION_RANGE: "version match, not verified on the target",
    EvidenceLevel.BEHAVIOUR: "shown by the target",
    EvidenceLevel.CALLBACK: "proven by a callback",
}
"""What each level of evidence means, in few words."""
SIGN = "a sign only, which something else could explain"
"""What the weakest level means for a finding that is about no version."""

_SHORTEST_TITLE = 3
_NO_END = frozenset(
    {"a", "an", "by", "for", "from", "given", "in", "of", "on", "the", "through", "to", "with", "is"}
)


@dataclass(frozen=True, slots=True)
class Cause:
    """Findings with one root cause, worst first. `title` is true of all of them; a text is "" where they differ."""

    title: str
    severity: Severity
    evidence_level: EvidenceLevel
    findings: tuple[ReportFinding, ...]
    fix: str
    impact: str
    description: str

    @property
    def is_kev(self) -> bool:
        return any(finding.is_kev for finding in self.findings)

    @property
    def is_product(self) -> bool:
        """Several known flaws of one product."""
        return len(self.findings) > 1 and _key(self.findings[0])[0] == "product"

    @property
    def basis(self) -> str:
        sign = self.evidence_level is EvidenceLevel.BANNER and all(f.cve_id is None for f in self.findings)
        return SIGN if sign else BASIS[self.evidence_level]

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts it was found on, each once."""
        return tuple(dict.fromkeys(host_of(finding.asset) for finding in self.findings))

    @property
    def where(self) -> str:
        """One finding by its place, several by their hosts."""
        return self.findings[0].place if len(self.findings) == 1 else listed(self.hosts, 4)

    @property
    def times(self) -> str:
        return count(len(self.findings), "finding")

    @property
    def anchor(self) -> str:
        """The fingerprint of its worst finding."""
        return self.findings[0].fingerprint


def root_causes(findings: Iterable[ReportFinding]) -> tuple[Cause, ...]:
    """Group findings that are ordered worst first; the causes keep that order."""
    groups: dict[tuple[str, ...], list[ReportFinding]] = {}
    for finding in findings:
        groups.setdefault(_key(finding), []).append(finding)
    return tuple(_cause(tuple(group)) for group in groups.values())


def host_of(asset: str) -> str:
    """The host of an origin, or the asset itself where it is none."""
    try:
        return urlsplit(asset).hostname or asset
    except ValueError:
        return asset


def _key(finding: ReportFinding) -> tuple[str, ...]:
    if finding.cve_id is not None and finding.location and "/" not in finding.location:  # a path is no product
        banner = finding.evidence_level is EvidenceLevel.BANNER
        return ("product", finding.location, "banner" if banner else "more")
    return ("check", finding.check, finding.severity, finding.evidence_level)


def _cause(group: tuple[ReportFinding, ...]) -> Cause:
    first = group[0]
    product = len(group) > 1 and _key(first)[0] == "product"
    return Cause(
        title=_product_title(group) if product else _common_title([finding.title for finding in group]),
        severity=first.severity,
        evidence_level=max((finding.evidence_level for finding in group), key=lambda level: level.rank),
        findings=group,
        fix=_shared([finding.remediation for finding in group]),
        impact=_shared([finding.impact for finding in group]),
        description=_shared([finding.description for finding in group]),
    )


def _product_title(group: tuple[ReportFinding, ...]) -> str:
    flaws = len({finding.cve_id for finding in group})
    hosts = len({finding.asset for finding in group})
    on = f" on {count(hosts, 'host')}" if hosts > 1 else ""
    possible = "possible " if group[0].evidence_level is EvidenceLevel.BANNER else ""
    shown = len({f.cve_id for f in group if f.evidence_level.rank > EvidenceLevel.VERSION_RANGE.rank})
    how = f", {shown:,} of them proven on the target{on}" if shown else f" by version{on}"
    return f"{group[0].location}: {count(flaws, f'{possible}known flaw')}{how}"


def _common_title(titles: Sequence[str]) -> str:
    """The words that all titles begin with, without a dangling preposition; the first title where that is too little."""
    shared: list[str] = []
    for words in zip(*(title.split() for title in titles), strict=False):
        if len(set(words)) > 1:
            break
        shared.append(words[0])
    if len(set(titles)) > 1:
        while shared and shared[-1] in _NO_END:
            shared.pop()
    return " ".join(shared) if len(shared) >= _SHORTEST_TITLE else titles[0]


def _shared(texts: Sequence[str]) -> str:
    return texts[0] if len(set(texts)) == 1 else ""
