"""The report as a tree of frozen dataclasses. Every text in it is already safe to show (see `text`).

Field names are those of the REST document where it names one. Nothing here computes; `assemble` fills it in, the
exports read it. Times are ISO 8601 UTC text; lists are in a fixed order, so equal records make equal reports.
"""

from __future__ import annotations

from dataclasses import dataclass

from secrecon.model.finding import NOTHING_KNOWN, EvidenceLevel, FindingStatus, Severity, Threat
from secrecon.model.scan import Outcome, PhaseName, ScanMode, ScanStatus
from secrecon.report.since import STANDS_ALONE, Since


@dataclass(frozen=True, slots=True)
class EvidenceItem:
    """One piece of evidence, bounded and made visible. Empty fields are not shown."""

    kind: str
    summary: str
    request: str
    response: str
    matcher: str
    callback: str
    curl: str


@dataclass(frozen=True, slots=True)
class Triaged:
    """What the account decided about a finding: `state` by whom, when and why; `expires` "" where it has no end.

    `holds` False: the decision ended by itself and `reopened` says why; the finding is open again.
    """

    state: str
    reason: str
    by: str
    at: str
    expires: str
    holds: bool
    reopened: str

    @property
    def words(self) -> str:
        """The decision in a line: what, until when, by whom, why, and whether it still holds."""
        until = f" until {self.expires[:10]}" if self.expires else ""
        why = f": {self.reason}" if self.reason else ""
        ended = "" if self.holds else f" (holds no more: {self.reopened})"
        return f"{self.state.replace('_', ' ')}{until}, by {self.by} on {self.at[:10]}{why}{ended}"


@dataclass(frozen=True, slots=True)
class ReportFinding:
    """A finding with every documented field. `id` is its database id, `fingerprint` stays the same across scans.

    `seen`: what the scan itself says of it (new, open, regressed), decisions aside. `revision` counts decisions. `gone`: a later
    scan or retest looked again and did not find it. `found_by`: the lines of the ledger that found it.
    """

    id: int
    fingerprint: str
    check: str
    title: str
    severity: Severity
    cve_id: str | None
    kev_status: str | None
    confidence_score: float
    oast_verified: bool
    evidence_level: EvidenceLevel
    cvss_score: float | None
    cvss_vector: str | None
    epss: float | None
    ssvc: str | None
    asset: str
    location: str
    evidence: tuple[EvidenceItem, ...]
    first_seen: str
    last_seen: str
    status: FindingStatus
    description: str
    impact: str
    remediation: str
    references: tuple[str, ...]
    cwe: tuple[str, ...]
    threat: Threat = NOTHING_KNOWN
    seen: FindingStatus = FindingStatus.NEW
    triage: Triaged | None = None
    revision: int = 0
    gone: bool = False
    found_by: tuple[str, ...] = ()

    @property
    def counts(self) -> bool:
        """False for what a person set aside (no problem, accepted) or what is fixed: it weighs nothing in the grade."""
        return self.status not in (FindingStatus.FALSE_POSITIVE, FindingStatus.ACCEPTED, FindingStatus.FIXED)

    @property
    def set_aside(self) -> bool:
        """True for what does not count because somebody decided so."""
        return self.status in (FindingStatus.FALSE_POSITIVE, FindingStatus.ACCEPTED)

    @property
    def is_kev(self) -> bool:
        return self.kev_status == "Active_Exploit"

    @property
    def place(self) -> str:
        """Asset and location as one text."""
        return f"{self.asset} {self.location}".strip()


@dataclass(frozen=True, slots=True)
class CallbackHit:
    """One hit on the listener with the probe that caused it. `own`: our own traffic, which proves nothing."""

    id: str
    protocol: str
    at: str
    remote_address: str
    query: str
    raw: str
    own: bool
    token: str
    check: str
    asset: str
    location: str
    technique: str
    probe_sent_at: str | None


@dataclass(frozen=True, slots=True)
class CoverageLine:
    """One line of the ledger: what became of one check on one asset."""

    phase: PhaseName
    check: str
    area: str
    asset: str
    outcome: Outcome
    reason: str
    requests: int
    applicable: bool


@dataclass(frozen=True, slots=True)
class CoverageCount:
    """Counts over some lines of the ledger. `applicable` = total minus what does not apply to the asset."""

    total: int
    applicable: int
    done: int
    skipped: int
    blocked: int
    timed_out: int
    failed: int

    @property
    def not_done(self) -> int:
        return self.applicable - self.done

    @property
    def state(self) -> str:
        """`done`, `partial`, `not_tested`, or `not_applicable` where nothing applied."""
        if self.applicable == 0:
            return "not_applicable"
        if self.done == self.applicable:
            return "done"
        return "partial" if self.done else "not_tested"


@dataclass(frozen=True, slots=True)
class AreaCoverage:
    """A group of checks over all assets. `required`: every web target has this area, so that none of it is a gap.

    `reasons`: why something was not done; `next_steps`: what would close the gap.
    """

    area: str
    title: str
    count: CoverageCount
    reasons: tuple[str, ...]
    next_steps: tuple[str, ...]
    required: bool

    @property
    def ran(self) -> bool:
        return self.count.done > 0

    @property
    def state(self) -> str:
        """As of the count; where nothing of the area is in the ledger, `not_tested` or (not required) `not_run`."""
        if self.count.total:
            return self.count.state
        return "not_tested" if self.required else "not_run"


@dataclass(frozen=True, slots=True)
class AssetCoverage:
    """One asset: its counts per area (in the order of the report's areas) and why something was not done."""

    asset: str
    cells: tuple[tuple[str, CoverageCount], ...]
    count: CoverageCount
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AssetGroup:
    """Assets that lack the same areas (`missed`, their titles) for the same reasons; `count` is their sum."""

    assets: tuple[str, ...]
    missed: tuple[str, ...]
    count: CoverageCount
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Coverage:
    """What ran, what did not, and why. `share`: done among the applicable assessing checks, 0.0-1.0.

    `tested`: at least one assessing check ran on something that answered. `enough`: the documented rule of exit
    code 2. `gaps`: in words, what was not tested.
    """

    total: CoverageCount
    assessing: CoverageCount
    areas: tuple[AreaCoverage, ...]
    assets: tuple[AssetCoverage, ...]
    groups: tuple[AssetGroup, ...]
    lines: tuple[CoverageLine, ...]
    not_run: tuple[PhaseName, ...]
    tested: bool
    enough: bool
    share: float
    ssrf_gap: str
    gaps: tuple[str, ...]
    summary: str


@dataclass(frozen=True, slots=True)
class Term:
    """What one finding adds: points = base x evidence x confidence x exploitation, rounded to 0.01.

    `bucket` says which step of the sum it goes to.
    """

    fingerprint: str
    title: str
    place: str
    severity: Severity
    base: float
    evidence_factor: float
    confidence: float
    exploitation_factor: float
    points: float
    bucket: str


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the sum: what came before plus `added`, counted up to `limit` (None: no limit)."""

    bucket: str
    title: str
    added: float
    limit: float | None
    total: float


@dataclass(frozen=True, slots=True)
class Cap:
    """The best grade that the coverage allows, with its reason in words."""

    letter: str
    reason: str


@dataclass(frozen=True, slots=True)
class Grade:
    """The letter and its whole arithmetic. `earned`: what the points alone would give.

    `set_aside`: fingerprints of the findings that decisions keep out of the sum; `undecided`: the letter with them in it.
    """

    letter: str
    earned: str
    points: float
    terms: tuple[Term, ...]
    steps: tuple[Step, ...]
    caps: tuple[Cap, ...]
    words: str
    set_aside: tuple[str, ...] = ()
    undecided: str = ""


@dataclass(frozen=True, slots=True)
class TlsSeen:
    """What a handshake showed, as far as a reader of a report needs it."""

    version: str
    protocols: tuple[str, ...]
    cipher: str
    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: str
    not_after: str
    trusted: bool
    trust_error: str


@dataclass(frozen=True, slots=True)
class ServiceSeen:
    """Something that answered on a port."""

    asset: str
    host: str
    address: str
    port: int
    protocol: str
    banner: str
    tls: TlsSeen | None
    product: str
    version: str

    @property
    def speaks(self) -> str:
        """For people: `ssh (openssh 9.2p1)`."""
        told = f"{self.product} {self.version}".strip()
        return f"{self.protocol} ({told})" if told else self.protocol


@dataclass(frozen=True, slots=True)
class TechnologySeen:
    """A product seen on an asset; `version` is empty where unknown."""

    asset: str
    name: str
    version: str
    cpe: str
    evidence: str
    confidence: float
    distribution: str


@dataclass(frozen=True, slots=True)
class AssetSeen:
    """A domain, subdomain, address or sensitive path. `sources`: everything that told of it, `source` the first."""

    type: str
    value: str
    source: str
    parent: str
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FeedUsed:
    """A data feed that CVE matching used."""

    name: str
    date: str
    rows: int
    digest: str
    note: str


@dataclass(frozen=True, slots=True)
class SelfTest:
    """The listener's self-test. `reachable`: at least one kind of callback could have reached us."""

    http: str
    dns: str
    detail: str
    reachable: bool


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence or a few that belong together, and the database ids of the findings they speak of."""

    text: str
    findings: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the narrative: paragraphs, then points. `audience`: director, engineer or both.

    Each paragraph is one or more sentences with their own findings; a point of the list is one.
    """

    title: str
    audience: str
    prose: tuple[tuple[Sentence, ...], ...]
    points: tuple[Sentence, ...] = ()

    @property
    def paragraphs(self) -> tuple[str, ...]:
        """The paragraphs as plain text."""
        return tuple(" ".join(sentence.text for sentence in paragraph) for paragraph in self.prose)

    @property
    def bullets(self) -> tuple[str, ...]:
        """The points as plain text."""
        return tuple(point.text for point in self.points)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the report knows before it grades and tells: the record, ordered, counted and made safe to show.

    `target`: the normalised URL. `subject`: what people call it, the bare name for an organisation.
    """

    scan_id: str
    db_scan_id: int
    target: str
    subject: str
    target_kind: str
    scan_mode: ScanMode
    touch: str
    status: ScanStatus
    cancelled: bool
    error: str
    version: int
    created: str
    started: str | None
    finished: str | None
    seconds: float | None
    requests: int
    received: int
    findings: tuple[ReportFinding, ...]
    hits: tuple[CallbackHit, ...]
    services: tuple[ServiceSeen, ...]
    technologies: tuple[TechnologySeen, ...]
    assets: tuple[AssetSeen, ...]
    pages: int
    inputs: int
    feeds: tuple[FeedUsed, ...]
    engine_version: str
    rules_digest: str
    self_test: SelfTest | None
    changes: tuple[str, ...] = ()

    @property
    def counted(self) -> tuple[ReportFinding, ...]:
        """The findings that weigh: without false positives, accepted risks and what is fixed."""
        return tuple(finding for finding in self.findings if finding.counts)

    @property
    def kev_count(self) -> int:
        """Findings whose CVE is in the CISA catalogue, as `KEV_Status` says."""
        return sum(finding.is_kev for finding in self.findings)

    @property
    def cve_count(self) -> int:
        """Distinct CVE identifiers over all services."""
        return len({finding.cve_id for finding in self.findings if finding.cve_id is not None})

    @property
    def severity_counts(self) -> tuple[tuple[Severity, int], ...]:
        """Every severity, worst first, with its number of findings."""
        return tuple((level, sum(f.severity is level for f in self.findings)) for level in Severity)

    @property
    def target_hits(self) -> tuple[CallbackHit, ...]:
        """The callbacks that the target made; our own are left out."""
        return tuple(hit for hit in self.hits if not hit.own)


@dataclass(frozen=True, slots=True)
class Report:
    """The whole document. `narrative_source`: "deterministic" or "model"; `narrative_note` says it in a sentence for people.
    `since`: what changed since the scan before."""

    facts: Facts
    coverage: Coverage
    grade: Grade
    narrative: tuple[Section, ...]
    narrative_source: str
    narrative_note: str
    report_text: str
    since: Since = STANDS_ALONE

    @property
    def risk_score(self) -> str:
        return self.grade.letter
