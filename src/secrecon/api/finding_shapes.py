"""The JSON shapes around single findings: decisions, differences between scans, the line over time. Shapes only, no rules."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from secrecon.api.shapes import (
    DbScanId,
    EvidenceLevel,
    FindingLine,
    FindingStatus,
    Mode,
    ScanIdText,
    Severity,
    Shape,
    Time,
)

State = Literal["open", "in_progress", "false_positive", "accepted"]
ChangeName = Literal["regressed", "new", "not_retested", "fixed", "unchanged"]
Number = Annotated[int, Field(ge=1, le=2**53 - 1)]
Revision = Annotated[int, Field(ge=0, le=2**31 - 1, description="The finding's revision when you looked at it")]
Why = Annotated[str, Field(max_length=1_000, description="Required for false_positive and accepted")]
Until = Annotated[
    str | None,
    Field(
        max_length=40,
        description="ISO 8601: when the acceptance ends, at most a year ahead. Required for accepted, else left out",
        json_schema_extra={"format": "date-time"},
    ),
]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class TriageBody(_Body):
    """A decision about one finding."""

    state: State
    revision: Revision
    reason: Why = ""
    expires_at: Until = None


class NamedFinding(_Body):
    """A finding, as it was when you looked at it."""

    id: Number
    revision: Revision


class TriageManyBody(_Body):
    """The same decision about several findings."""

    findings: Annotated[list[NamedFinding], Field(min_length=1, max_length=200)]
    state: State
    reason: Why = ""
    expires_at: Until = None


class Triaged(Shape):
    """The decision about a finding. `state` is open where none holds; `reopened` says why one does not hold any more."""

    revision: Annotated[int, Field(ge=0, description="Name it in the next decision")]
    state: State
    decided: State | None
    reason: str
    by: str
    at: Time | None
    expires_at: Time | None
    reopened: str


class FindingAnswer(Shape):
    """One finding of the account: the line of the list, its target, the decision, and the finding as reports tell it."""

    finding: FindingLine
    target: str
    triage: Triaged
    detail: Annotated[dict[str, object], Field(description="As an entry of `findings` in a report")]


class TriageResult(Shape):
    """What became of one finding of several. `revision` is the current one, null where there is no such finding."""

    id: int
    result: Literal["changed", "conflict", "unknown"]
    detail: str
    revision: int | None


class TriageManyAnswer(Shape):
    """Every finding that was named, in order."""

    results: list[TriageResult]


class DiffSide(Shape):
    """One of the two scans."""

    db_scan_id: Annotated[int, Field(ge=0)]
    scan_mode: Mode
    finished_at: str | None


class ReasonLine(Shape):
    """One thing that explains a difference."""

    because: Literal["target", "rules", "feed", "coverage"]
    detail: str


class DiffFinding(Shape):
    """What became of one finding. `differs`: what about it is otherwise; `reasons`: why, empty where nothing changed."""

    change: ChangeName
    id: int
    fingerprint: str
    check: str
    title: str
    severity: Severity
    evidence_level: EvidenceLevel
    asset: str
    location: str
    status: FindingStatus
    differs: list[str]
    reasons: list[ReasonLine]


class DiffAnswer(Shape):
    """Two scans of a target. "fixed" means that everything that found it ran again; otherwise it is `not_retested`."""

    target: str
    from_scan: DiffSide
    to_scan: DiffSide
    counts: dict[str, int]
    made_with: Annotated[list[ReasonLine], Field(description="What differs in rules, feeds and mode")]
    findings: list[DiffFinding]


class TrendPoint(Shape):
    """One finished scan of the target. `changes` holds what changed since the scan before, null for the first."""

    db_scan_id: DbScanId
    scan_mode: Mode
    finished_at: Time
    risk_score: Literal["A", "B", "C", "D", "F"]
    points: float
    share_tested: float
    cancelled: bool
    severity_counts: dict[str, int]
    changes: dict[str, int] | None


class TrendAnswer(Shape):
    """The latest finished scans of a target, oldest first."""

    target: str
    points: list[TrendPoint]


class RetestLine(Shape):
    """A retest of one finding. `detail` says what the state rests on; `seconds` is null until it has ended."""

    scan_id: ScanIdText
    finding_id: int
    state: Literal["waiting", "running", "still_there", "not_found", "could_not_test"]
    detail: str
    created_at: Time
    finished_at: Time | None
    seconds: float | None
    requests: Annotated[int, Field(ge=0)]
