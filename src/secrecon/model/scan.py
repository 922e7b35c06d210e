"""What a scan is: its mode, phases, touch levels, budget, and the attempts that make the coverage ledger."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from secrecon.model.target import Target


class ScanMode(StrEnum):
    """QUICK: light checks, and callbacks where authorized. FULL: discovery and active verification too."""

    QUICK = "quick"
    FULL = "full"


class ScanStatus(StrEnum):
    """The four documented states; a cancelled scan is COMPLETE with its `cancelled` flag set."""

    STARTING = "starting"
    RUNNING = "running"
    COMPLETE = "complete"
    ERROR = "error"

    @property
    def is_final(self) -> bool:
        """True once nothing more will happen."""
        return self in (ScanStatus.COMPLETE, ScanStatus.ERROR)


class PhaseName(StrEnum):
    """The nine phases, in the order they run."""

    RESOLVE = "resolve"
    DISCOVER = "discover"
    PROBE = "probe"
    FINGERPRINT = "fingerprint"
    CRAWL = "crawl"
    MATCH = "match"
    VERIFY = "verify"
    OAST = "oast"
    SYNTHESIS = "synthesis"


class Touch(StrEnum):
    """How hard a check touches the target (contract: "Two modes, and what may be touched")."""

    LIGHT = "light"
    ACTIVE = "active"
    INTRUSIVE = "intrusive"

    @property
    def rank(self) -> int:
        """0, 1 or 2; a check runs where its rank is at most the scan's."""
        return list(Touch).index(self)


class Outcome(StrEnum):
    """What became of one check on one asset. Only DONE may ever be read as "clean"."""

    DONE = "done"
    SKIPPED = "skipped"
    BLOCKED = "blocked"
    TIMED_OUT = "timed_out"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One line of the coverage ledger: `check` (a stable id such as `exposure.git-config`) on `asset`.

    `reason` is empty only for DONE. `requests` counts what was really sent. One attempt per (check, asset):
    a later one replaces an earlier one of the same phase round.
    """

    phase: PhaseName
    check: str
    asset: str
    outcome: Outcome
    reason: str = ""
    requests: int = 0


@dataclass(frozen=True, slots=True)
class Budget:
    """Hard limits of one scan. `rate` is requests per second and host, `in_flight` concurrent per host. `connects`:
    connections that the port scan may begin; they send nothing, and count for no request."""

    requests: int = 60_000
    bytes: int = 1_000_000_000
    seconds: float = 3600.0
    rate: float = 50.0
    in_flight: int = 10
    pages: int = 200
    paths: int = 2_000
    body_cap: int = 2_000_000
    connects: int = 400_000


QUICK_BUDGET = Budget(requests=1_500, bytes=200_000_000, seconds=600.0, pages=30, connects=0)
FULL_BUDGET = Budget()


@dataclass(frozen=True, slots=True)
class Revisit:
    """A sensitive path that an earlier scan of the target saw, and the check that saw it."""

    url: str
    check: str


@dataclass(frozen=True, slots=True)
class Retest:
    """The one finding that a scan is to look for again: nothing else is asked. `finding_id`: its number in the database.
    `lines`: of the coverage ledger that must be done before its absence means anything."""

    finding_id: int
    fingerprint: str
    check: str
    asset: str
    location: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ScanSpec:
    """Everything a worker needs to run a scan, fixed when it was accepted.

    `touch`: the highest level this target is authorized for. `allow`: the operator's scope allow-list at that
    time (host names, addresses or CIDR blocks). `authorized_by`: who authorized active checks, or "". `revisit`: what is
    asked for again in any mode, so that what is gone can be told from what was not looked at. `retest`: the
    finding that is looked for again, None for a whole scan. `browser`: some pages are rendered in Chromium too.
    `private`: its report shows what only users see, so that
    it is for its account alone, however it was started.
    """

    scan_id: str
    target: Target
    mode: ScanMode
    touch: Touch
    budget: Budget
    allow: tuple[str, ...] = ()
    authorized_by: str = ""
    revisit: tuple[Revisit, ...] = ()
    retest: Retest | None = None
    browser: bool = False
    private: bool = False


@dataclass(frozen=True, slots=True)
class FeedInfo:
    """One data source that a scan used: `date` is ISO 8601, `rows` its record count, `digest` sha256 hex."""

    name: str
    date: str
    rows: int
    digest: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What did the scanning: package version and the sha256 hex digest of the rule set."""

    version: str
    rules_digest: str
    feeds: tuple[FeedInfo, ...] = field(default=())
