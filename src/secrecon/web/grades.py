"""The letters of finished reports, so that a list of scans need not build every report again.

A report is a pure function of its record and the version counts every change, so a letter once worked out stays true.
Triage of findings changes the letter without a new version; therefore a letter is kept for a short time only.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from secrecon.accounts.caller import Caller
from secrecon.model.errors import NotFound
from secrecon.service.answers import ScanSummary
from secrecon.service.context import Context
from secrecon.service.reports import read_report

KEPT_SECONDS = 60.0
MOST = 1_000


@dataclass(slots=True)
class Grades:
    """Letters by report and version, each with the time when it is to be worked out again."""

    kept: dict[tuple[int, int], tuple[str, float]] = field(default_factory=dict)

    async def of(self, ctx: Context, caller: Caller, scan: ScanSummary) -> str:
        """The letter of a finished scan of the caller's; "" where there is none to read."""
        if not scan.status.is_final or scan.archived:
            return ""
        key, now = (scan.db_scan_id, scan.version), ctx.clock.monotonic()
        letter, until = self.kept.get(key, ("", 0.0))
        if now < until:
            return letter
        try:
            report = await read_report(ctx, scan.db_scan_id, caller, "dashboard")
        except NotFound:
            return ""
        if len(self.kept) >= MOST:
            self.kept.clear()
        self.kept[key] = (report.risk_score, now + KEPT_SECONDS)
        return report.risk_score
