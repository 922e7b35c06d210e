"""What was known before: a report to hold a new one against, so that a pipeline fails for new findings only.

Read from our own JSON or SARIF export (a file of a pipeline's earlier run), or made from an earlier report. A finding is
known where the baseline had it at the threshold already, and standing: what became worse since then, came back after it
was fixed, or is open again after a decision ended, is new. Untrusted: read strictly, errors name what is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from secrecon.model.errors import BadInput
from secrecon.model.finding import FindingStatus, Severity
from secrecon.report.document import Report, ReportFinding

MOST_BYTES = 500_000_000
FINGERPRINT = "secreconFingerprint/v1"


@dataclass(frozen=True, slots=True)
class Known:
    """What the baseline said of one fingerprint."""

    severity: Severity
    kev: bool


_NOT_STANDING = frozenset({FindingStatus.FIXED, FindingStatus.ACCEPTED, FindingStatus.FALSE_POSITIVE})
Baseline = dict[str, Known]
"""By fingerprint, what was known and standing."""


class _JsonFinding(BaseModel):
    fingerprint: str
    severity: Severity
    KEV_Status: str | None = None
    status: str = "open"


class _JsonReport(BaseModel):
    findings: list[_JsonFinding]


class _SarifProperties(BaseModel):
    severity: Severity
    KEV_Status: str | None = None
    status: str = "open"


class _SarifResult(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    prints: dict[str, str] = Field(alias="partialFingerprints")
    properties: _SarifProperties


class _SarifRun(BaseModel):
    results: list[_SarifResult]


class _SarifLog(BaseModel):
    runs: list[_SarifRun]


def baseline_of(report: Report) -> Baseline:
    """An earlier report as a baseline."""
    return _standing((f.fingerprint, f.severity, f.is_kev, str(f.status)) for f in report.facts.findings)


def read_baseline(data: bytes) -> Baseline:
    """A JSON or SARIF export of SecRecon as a baseline. Raises BadInput where it is neither."""
    if len(data) > MOST_BYTES:
        raise BadInput(f"the baseline is larger than {MOST_BYTES // 1_000_000} MB", "baseline")
    try:
        if b'"runs"' in data[:4_096]:
            results = [result for run in _SarifLog.model_validate_json(data).runs for result in run.results]
            rows = ((r.prints[FINGERPRINT], r.properties) for r in results)
            return _standing((name, p.severity, _listed(p.KEV_Status), p.status) for name, p in rows)
        found = _JsonReport.model_validate_json(data).findings
        return _standing((f.fingerprint, f.severity, _listed(f.KEV_Status), f.status) for f in found)
    except (ValidationError, KeyError) as error:
        first = error.errors()[0] if isinstance(error, ValidationError) else {"msg": f"no {error}", "loc": ()}
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise BadInput(
            f"the baseline is no JSON or SARIF report of SecRecon: {where}: {first['msg']}", "baseline"
        ) from error


def is_new(finding: ReportFinding, baseline: Baseline, least: Severity | None) -> bool:
    """Whether a finding at the threshold was not at the threshold before. `least` None: the threshold is KEV."""
    known = baseline.get(finding.fingerprint)
    if known is None or finding.status is FindingStatus.REGRESSED:
        return True
    return not known.kev if least is None else known.severity.rank < least.rank


def _listed(kev_status: str | None) -> bool:
    return kev_status == "Active_Exploit"


def _standing(rows: Iterable[tuple[str, Severity, bool, str]]) -> Baseline:
    """The worst of what is said of each fingerprint."""
    known: Baseline = {}
    for name, severity, kev, status in rows:
        if status not in _NOT_STANDING:
            before = known.get(name, Known(severity, kev))
            known[name] = Known(max(severity, before.severity, key=lambda level: level.rank), kev or before.kev)
    return known
