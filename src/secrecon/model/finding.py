"""Findings: one per real problem, with the evidence ladder and a fingerprint that is stable across scans."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """Five levels, worst first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"

    @property
    def rank(self) -> int:
        """4 for critical down to 0 for info."""
        return 4 - list(Severity).index(self)


class EvidenceLevel(StrEnum):
    """The evidence ladder, weakest first. BANNER: a version string alone, with a reason to doubt it (a
    distribution may have backported the fix). VERSION_RANGE: inside an affected range. BEHAVIOUR: the target
    itself showed it. CALLBACK: the target contacted our listener."""

    BANNER = "banner"
    VERSION_RANGE = "version_range"
    BEHAVIOUR = "behaviour"
    CALLBACK = "callback"

    @property
    def rank(self) -> int:
        """0 (banner) to 3 (callback)."""
        return list(EvidenceLevel).index(self)


class FindingStatus(StrEnum):
    """Triage and history states (contract: "Report fields")."""

    NEW = "new"
    OPEN = "open"
    IN_PROGRESS = "in_progress"
    FIXED = "fixed"
    REGRESSED = "regressed"
    FALSE_POSITIVE = "false_positive"
    ACCEPTED = "accepted"


@dataclass(frozen=True, slots=True)
class Evidence:
    """How we know. All text is bounded and hostile: it came from the target.

    `kind`: `http`, `tls`, `dns`, `version` or `callback`. `request`/`response`: excerpts as text with non-printable
    bytes escaped as \\xNN. `matcher`: in words, what in the response proves it. `curl`: a command that replays it.
    `version`: the version that the finding rests on, where it rests on one.
    """

    kind: str
    summary: str
    request: str = ""
    response: str = ""
    matcher: str = ""
    callback: str = ""
    curl: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class Threat:
    """What feeds say of a CVE's exploitation, each with the date of its feed (ISO 8601, "" where it has none of its own).

    `epss_percentile`: share of CVEs that are less likely to be exploited. `ssvc_points`: the published points that
    the decision rests on. `cvss_provider`: who gave the score.
    """

    epss_percentile: float | None = None
    epss_date: str = ""
    kev_added: str = ""
    kev_due: str = ""
    kev_ransomware: bool = False
    kev_date: str = ""
    ssvc_points: str = ""
    ssvc_date: str = ""
    cvss_provider: str = ""
    cvss_date: str = ""


NOTHING_KNOWN = Threat()


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem on one asset.

    `check`: the stable id of the check, such as `exposure.git-config` or `cve.CVE-2021-41773`. `asset`: the
    origin, host:port or name. `location`: where on it (path, parameter, header), "" for the whole asset.
    `confidence`: 0.0-1.0. `cvss`: base score and vector, or None. `epss`: probability of exploitation in the next 30 days.
    `kev`: True/False for a CVE, None without one. `ssvc`: the decision, such as `Attend`. `found_by`: the lines of the coverage
    ledger that found it, where they are not the check itself.
    """

    check: str
    title: str
    severity: Severity
    asset: str
    location: str
    evidence_level: EvidenceLevel
    confidence: float
    evidence: tuple[Evidence, ...]
    description: str
    impact: str
    remediation: str
    references: tuple[str, ...] = ()
    cve_id: str | None = None
    cwe: tuple[str, ...] = ()
    cvss_score: float | None = None
    cvss_vector: str | None = None
    epss: float | None = None
    kev: bool | None = None
    ssvc: str | None = None
    oast_verified: bool = False
    threat: Threat = NOTHING_KNOWN
    found_by: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """sha256 hex (32 characters) over check, asset and location: the same problem has the same one."""
        text = "\0".join((self.check, self.asset, self.location))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]

    @property
    def kev_status(self) -> str | None:
        """The documented `KEV_Status`: Active_Exploit, Not_Listed, or None without a CVE."""
        if self.cve_id is None:
            return None
        return "Active_Exploit" if self.kev else "Not_Listed"
