"""What the use cases take and give: plain frozen values that api, web and cli shape for their readers.

No HTTP, no HTML, no SQL. Times are seconds since the epoch (UTC). Text that came from a target is hostile and is
escaped by whoever shows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from secrecon.model.asset import AssetType
from secrecon.model.finding import EvidenceLevel, FindingStatus, Severity
from secrecon.model.interaction import OastSelfTest
from secrecon.model.inventory import ChangeKind, Criticality
from secrecon.model.login import Login
from secrecon.model.record import JsonValue
from secrecon.model.scan import PhaseName, ScanMode, ScanStatus


@dataclass(frozen=True, slots=True)
class ScanRequest:
    """A wish to scan, as the user typed it. `via_api`: started with a key, so that its report may be read by link. `login`:
    what it may log in with, unchecked. `max_seconds`: it must end by then, where that is sooner than usual."""

    target: str
    mode: ScanMode = ScanMode.QUICK
    via_api: bool = False
    login: Login | None = None
    max_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class AcceptedScan:
    """The answer to an accepted scan. `target` is the normalised URL. `replayed`: an earlier answer, given again."""

    scan_id: str
    db_scan_id: int
    target: str
    status: ScanStatus
    plan: str
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class StatusView:
    """Where a scan is. `phase` is None until the first one begins. `not_run`: phases a cancelled scan did not reach.

    `vulnerabilities_found` counts findings above info; `findings_total` counts all. `stopping`: cancelled by its user and
    not yet at its end.
    """

    scan_id: str
    db_scan_id: int
    target: str
    mode: ScanMode
    status: ScanStatus
    phase: PhaseName | None
    current_message: str
    current_progress: int
    vulnerabilities_found: int
    findings_total: int
    services_found: int
    assets_found: int
    interactions: int
    requests: int
    received: int
    attempts: int
    stopping: bool
    cancelled: bool
    error: str
    not_run: tuple[PhaseName, ...]
    oast_self_test: OastSelfTest | None
    created: float
    started: float | None
    finished: float | None
    last_seq: int


@dataclass(frozen=True, slots=True)
class ScanSummary:
    """One line of the list of scans. `archived`: its report left the plan's store; assets and findings stay."""

    scan_id: str
    db_scan_id: int
    target: str
    mode: ScanMode
    status: ScanStatus
    cancelled: bool
    progress: int
    via_api: bool
    archived: bool
    pinned: bool
    version: int
    created: float
    finished: float | None


@dataclass(frozen=True, slots=True)
class AssetRecord:
    """An asset of the account, over all its scans. `source` and `scan_id`: the check and the scan that saw it first;
    `sources`: every one. `gone`: when a scan looked for it and did not see it any more."""

    id: int
    type: AssetType
    value: str
    source: str
    sources: tuple[str, ...]
    parents: tuple[str, ...]
    detail: Mapping[str, str]
    first_seen: float
    last_seen: float
    scan_id: str
    last_scan_id: str
    gone: float | None
    tags: tuple[str, ...]
    owner: str
    criticality: Criticality | None


@dataclass(frozen=True, slots=True)
class AssetChange:
    """One change of one asset between two scans of a target. `detail`: by name, what was before and after."""

    id: int
    asset_id: int
    type: AssetType
    value: str
    target: str
    scan_id: str
    kind: ChangeKind
    detail: Mapping[str, JsonValue]
    at: float


@dataclass(frozen=True, slots=True)
class FindingSummary:
    """One line of the list of findings, over all scans of the account."""

    id: int
    fingerprint: str
    check: str
    title: str
    severity: Severity
    asset: str
    location: str
    cve_id: str | None
    kev_status: str | None
    evidence_level: EvidenceLevel
    confidence: float
    oast_verified: bool
    status: FindingStatus
    first_seen: float
    last_seen: float
    revision: int
    reopened: str


@dataclass(frozen=True, slots=True)
class OastStatus:
    """The callback listener and what it heard for this account's scans; our own self-test hits are not counted.

    `oast_url` is "" where no listener runs.
    """

    active: bool
    oast_url: str
    dns: int
    http: int
    total: int


@dataclass(frozen=True, slots=True)
class Credits:
    """This month's scan credits. `limit` and `remaining` are None where the plan has no limit."""

    plan: str
    limit: int | None
    used: int
    remaining: int | None
    resets_at: float


@dataclass(frozen=True, slots=True)
class TargetView:
    """A target that the account may check actively. `authorized_by`: who said so. `not_after`: None for no end."""

    id: int
    target: str
    method: str
    authorized_by: str
    created: float
    not_after: float | None


@dataclass(frozen=True, slots=True)
class KeyView:
    """An API key as it can be shown: never the key itself."""

    id: int
    name: str
    prefix: str
    created: float
    expires: float | None
    last_used: float | None
    revoked: float | None


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made: the only time that `key` is seen."""

    id: int
    key: str
    prefix: str
