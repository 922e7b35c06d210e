"""A scan as it is kept: chunks as the engine commits them, events as watchers see them, the whole as reports read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from secrecon.model.asset import Fact
from secrecon.model.draft import Draft
from secrecon.model.finding import Finding, FindingStatus
from secrecon.model.interaction import Interaction, OastSelfTest, Payload
from secrecon.model.scan import Attempt, EngineInfo, PhaseName, ScanSpec, ScanStatus
from secrecon.model.triage import Decision

JsonValue = str | int | float | bool | None | list["JsonValue"] | dict[str, "JsonValue"]


@dataclass(frozen=True, slots=True)
class Chunk:
    """One finished round of one phase: everything it learned, committed in one transaction.

    (`scan_id`, `step`, `round`) is unique: a chunk that is run twice is stored once. `step` is the phase class's own
    id, `phase` the documented name it belongs to. `more`: whether the step has another round. `requests` and
    `received` (bytes) count what this chunk used of the budget.
    """

    phase: PhaseName
    step: str
    round: int
    facts: tuple[Fact, ...]
    findings: tuple[Finding, ...]
    attempts: tuple[Attempt, ...]
    more: bool
    requests: int
    received: int
    self_test: OastSelfTest | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a running scan is. `percent` 0-100 never goes down. `message` is for people."""

    phase: PhaseName
    percent: int
    message: str


@dataclass(frozen=True, slots=True)
class ScanEvent:
    """One entry of a scan's event log. `seq` counts from 1 without gaps per scan; `at`: seconds since the epoch.

    `kind`: phase_started, progress, fact, finding, attempt, interaction, phase_done, report_version, done, error.
    `data`: JSON-safe, shaped per kind as docs/events.md says.
    """

    seq: int
    at: float
    kind: str
    data: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class FindingRecord:
    """A finding with its history in the account. `id` is its database id; times are seconds since the epoch.

    `seen`: what the scan itself says (new, open, regressed); `status`: with the account's `decision` taken into account, and
    `reopened` says why that does not hold any more. `gone`: a later scan or retest looked again and did not find it.
    """

    id: int
    finding: Finding
    first_seen: float
    last_seen: float
    status: FindingStatus
    seen: FindingStatus = FindingStatus.NEW
    decision: Decision | None = None
    reopened: str = ""
    revision: int = 0
    gone: bool = False


@dataclass(frozen=True, slots=True)
class ScanRecord:
    """A whole scan: the input of a report. The same record always makes the same bytes.

    `version` rises when a late callback or newer vulnerability data changes the report; `changes`: why it did, oldest first.
    `error`: why the scan ended in error, "" otherwise. `not_run`: phases that a cancelled or failed scan did not reach.
    `draft`: what a language model wrote, None where none was asked. Times are seconds since the epoch.
    """

    spec: ScanSpec
    db_scan_id: int
    status: ScanStatus
    cancelled: bool
    error: str
    created: float
    started: float | None
    finished: float | None
    version: int
    facts: tuple[Fact, ...]
    findings: tuple[FindingRecord, ...]
    attempts: tuple[Attempt, ...]
    payloads: tuple[Payload, ...]
    interactions: tuple[Interaction, ...]
    self_test: OastSelfTest | None
    engine: EngineInfo
    not_run: tuple[PhaseName, ...]
    requests: int
    received: int
    draft: Draft | None = None
    changes: tuple[str, ...] = ()
