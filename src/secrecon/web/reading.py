"""A report as a page: grade, narrative, findings to filter, coverage, arithmetic, callbacks, downloads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from starlette.responses import Response

from secrecon.model.finding import EvidenceLevel, FindingStatus, Severity
from secrecon.report import ReportFinding
from secrecon.report.page import view
from secrecon.report.render import TITLES
from secrecon.service.clients import client_of
from secrecon.service.listing import read_id
from secrecon.service.reports import owns_report, read_report
from secrecon.web.access import Anyone, Here
from secrecon.web.deciding import Entry
from secrecon.web.pages import show

router = APIRouter()
PER_PAGE = 50
MAX_WORDS = 200


@dataclass(frozen=True, slots=True)
class Filter:
    """What the reader wants to see. Empty means everything; unknown values count as empty."""

    words: str = ""
    severity: str = ""
    evidence: str = ""
    status: str = ""
    page: int = 1

    def takes(self, finding: ReportFinding) -> bool:
        """Whether a finding is wanted."""
        if self.severity and finding.severity != self.severity:
            return False
        if self.status and finding.status != self.status:
            return False
        if self.evidence == "kev":
            return finding.is_kev and self._matches(finding)
        if self.evidence and finding.evidence_level != self.evidence:
            return False
        return self._matches(finding)

    def _matches(self, finding: ReportFinding) -> bool:
        text = f"{finding.title} {finding.place} {finding.cve_id or ''} {finding.check}".casefold()
        return all(word in text for word in self.words.casefold().split())

    @property
    def is_set(self) -> bool:
        return bool(self.words or self.severity or self.evidence or self.status)

    def address(self, page: int) -> str:
        """The same filter on another page, as a query."""
        values = {"q": self.words, "severity": self.severity, "evidence": self.evidence, "status": self.status}
        return "?" + urlencode([(k, v) for k, v in values.items() if v] + [("page", str(page))]) + "#findings"


def read_filter(query: Mapping[str, str]) -> Filter:
    """The filter of a query; what it cannot be is ignored."""

    def one_of(name: str, allowed: tuple[str, ...]) -> str:
        value = query.get(name, "")
        return value if value in allowed else ""

    page = query.get("page", "1")
    return Filter(
        words=query.get("q", "")[:MAX_WORDS],
        severity=one_of("severity", tuple(Severity)),
        evidence=one_of("evidence", (*EvidenceLevel, "kev")),
        status=one_of("status", tuple(FindingStatus)),
        page=int(page) if page.isascii() and page.isdigit() and 0 < len(page) < 6 and int(page) else 1,
    )


@router.get("/reports/{db_scan_id}")
async def report_page(request: Request, desk: Here, visitor: Anyone, db_scan_id: str) -> Response:
    """The report, for whoever may read it: the same rules as the API's."""
    number = read_id(db_scan_id, "There is no such report.")
    caller = None if visitor is None else visitor.caller
    report = await read_report(desk.ctx, number, caller, client_of(request))
    chosen = read_filter(request.query_params)
    wanted = [finding for finding in report.facts.findings if chosen.takes(finding)]
    pages = max(-(-len(wanted) // PER_PAGE), 1)
    page = min(chosen.page, pages)
    return show(
        "report.html.j2",
        request,
        visitor,
        **view(report),
        chosen=chosen,
        wanted=len(wanted),
        findings=wanted[(page - 1) * PER_PAGE : page * PER_PAGE],
        page=page,
        pages=pages,
        severities=list(Severity),
        levels=list(EvidenceLevel),
        statuses=list(FindingStatus),
        decides=caller is not None and await owns_report(desk.ctx, number, caller),
        entry=Entry(),
        formats=TITLES,
        can_ask=visitor is not None and desk.ctx.language is not None,
    )
