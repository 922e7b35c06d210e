"""What a comparison needs of a scan: its findings, its ledger, the versions it saw, and what it was made with.

Made of a stored scan, or read back from a report's JSON file (which is untrusted: bounded, and every text made safe again).
Nothing here compares; `diff` does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from secrecon.model.asset import Technology
from secrecon.model.errors import BadInput
from secrecon.model.finding import EvidenceLevel, FindingStatus, Severity
from secrecon.model.record import FindingRecord, ScanRecord
from secrecon.model.scan import Outcome, ScanMode
from secrecon.model.trace import Ledger, Sought, ledger_of, sought
from secrecon.model.triage import basis_of
from secrecon.report.text import iso, line

MOST_BYTES = 400_000_000


@dataclass(frozen=True, slots=True)
class Seen:
    """A finding as one scan has it. `wanted`: what must run again before its absence means anything. `id` 0: no database."""

    id: int
    fingerprint: str
    title: str
    severity: Severity
    location: str
    evidence_level: EvidenceLevel
    kev: bool
    status: FindingStatus
    seen: FindingStatus
    first_seen: str
    wanted: Sought

    @property
    def place(self) -> str:
        return f"{self.wanted.asset} {self.location}".strip()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One scan of a target. `feeds`: name to its state in words; `versions`: (asset, product) to the version it told."""

    db_scan_id: int
    target: str
    created: str
    finished: str
    engine_version: str
    rules_digest: str
    feeds: Mapping[str, str]
    findings: Mapping[str, Seen]
    ledger: Ledger
    versions: Mapping[tuple[str, str], str]

    @property
    def name(self) -> str:
        """For people: the report's number where it has one, and its day."""
        number = f"report {self.db_scan_id} of " if self.db_scan_id else "the report of "
        return f"{number}{(self.finished or self.created)[:16].replace('T', ' ')}"


def snapshot_of(record: ScanRecord) -> Snapshot:
    """A stored scan as a comparison needs it."""
    versions: dict[tuple[str, str], str] = {}
    for fact in record.facts:
        if isinstance(fact, Technology) and fact.version:
            versions[fact.asset, fact.name] = line(fact.version, 200)
    return Snapshot(
        db_scan_id=record.db_scan_id,
        target=line(record.spec.target.url),
        created=iso(record.created),
        finished="" if record.finished is None else iso(record.finished),
        engine_version=record.engine.version,
        rules_digest=record.engine.rules_digest,
        feeds={
            line(f.name, 200): _feed(line(f.date, 40), f.rows, line(f.digest, 128)) for f in record.engine.feeds
        },
        findings={entry.finding.fingerprint: _seen(entry) for entry in record.findings},
        ledger=ledger_of(record.spec.mode, record.attempts, record.facts),
        versions=versions,
    )


def _seen(entry: FindingRecord) -> Seen:
    finding, basis = entry.finding, basis_of(entry.finding)
    return Seen(
        id=entry.id,
        fingerprint=finding.fingerprint,
        title=line(finding.title),
        severity=finding.severity,
        location=line(finding.location),
        evidence_level=basis.level,
        kev=basis.kev,
        status=entry.status,
        seen=entry.seen,
        first_seen=iso(entry.first_seen),
        wanted=sought(finding),
    )


def _feed(date: str, rows: int, digest: str) -> str:
    return f"{date or 'no date'}, {rows:,} records, {digest[:12] or 'no digest'}"


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _Finding(_Part):
    id: int = 0
    fingerprint: str = Field(max_length=64)
    check: str
    title: str
    severity: Severity
    asset: str
    location: str
    evidence_level: EvidenceLevel
    oast_verified: bool = False
    KEV_Status: str | None = None
    status: FindingStatus
    seen_as: FindingStatus = FindingStatus.NEW
    first_seen: str
    found_by: list[str] = Field(min_length=1)


class _Check(_Part):
    check: str
    asset: str
    outcome: Outcome
    reason: str | None = None


class _Together(_Part):
    checks: list[str]
    assets: list[str]
    outcome: Outcome
    reason: str | None = None


class _Coverage(_Part):
    checks: list[_Check]
    checks_together: list[_Together] = []


class _Technology(_Part):
    asset: str
    name: str
    version: str | None = None


class _Feed(_Part):
    name: str
    date: str
    rows: int
    digest: str


class _Engine(_Part):
    version: str
    rules_digest: str


class _Report(_Part):
    db_scan_id: int
    target: str
    scan_mode: ScanMode
    created_at: str
    finished_at: str | None = None
    findings: list[_Finding]
    coverage: _Coverage
    technologies: list[_Technology] = []
    feeds: list[_Feed] = []
    engine: _Engine


def read_snapshot(text: bytes, name: str) -> Snapshot:
    """The scan in a report's JSON. Raises BadInput, naming the file, where it is none or of a version that tells too little."""
    if len(text) > MOST_BYTES:
        raise BadInput(f"{name} is larger than {MOST_BYTES:,} bytes: no report of ours is")
    try:
        report = _Report.model_validate(json.loads(text))
    except (ValidationError, ValueError, RecursionError) as error:
        what = "is not JSON" if not isinstance(error, ValidationError) else _first(error)
        raise BadInput(
            f"{name} is no JSON report that can be compared ({what}): make one with --format json"
        ) from error
    lines = {(c.check, c.asset): (c.outcome, line(c.reason or "")) for c in report.coverage.checks}
    for crowd in report.coverage.checks_together:
        reason = line(crowd.reason or "")
        lines |= {(check, asset): (crowd.outcome, reason) for check in crowd.checks for asset in crowd.assets}
    versions = {(t.asset, t.name): line(t.version, 200) for t in report.technologies if t.version}
    return Snapshot(
        db_scan_id=report.db_scan_id,
        target=line(report.target),
        created=line(report.created_at, 40),
        finished=line(report.finished_at or "", 40),
        engine_version=line(report.engine.version, 40),
        rules_digest=line(report.engine.rules_digest, 128),
        feeds={line(f.name, 200): _feed(line(f.date, 40), f.rows, line(f.digest, 128)) for f in report.feeds},
        findings={found.fingerprint: _read(found) for found in report.findings},
        ledger=Ledger(report.scan_mode, lines, frozenset(versions)),
        versions=versions,
    )


def _read(found: _Finding) -> Seen:
    level = EvidenceLevel.CALLBACK if found.oast_verified else found.evidence_level
    by_version = level.rank <= EvidenceLevel.VERSION_RANGE.rank and found.found_by == ["cve.match"]
    return Seen(
        id=found.id,
        fingerprint=line(found.fingerprint, 64),
        title=line(found.title),
        severity=found.severity,
        location=line(found.location),
        evidence_level=level,
        kev=found.KEV_Status == "Active_Exploit",
        status=found.status,
        seen=found.seen_as,
        first_seen=line(found.first_seen, 40),
        wanted=Sought(found.check, found.asset, tuple(found.found_by), found.location if by_version else ""),
    )


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"[:200]
