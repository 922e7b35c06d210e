"""The tools by which an assistant reads an account's own stored data: typed, read-only, each bound to its caller.

A tool takes its caller from us, never from its arguments, and asks the store for that account's rows alone, every time; what
is another account's is as unknown as what does not exist. Nothing here writes, contacts a target or starts anything. Results
are JSON of bounded size; text in them came from targets and is safe to show (`report.text`), not to obey.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from secrecon import report
from secrecon.accounts.caller import Caller
from secrecon.model.asset import AssetType
from secrecon.model.errors import BadInput, NotFound
from secrecon.model.finding import FindingStatus, Severity
from secrecon.model.inventory import AssetFilter
from secrecon.model.record import FindingRecord, JsonValue
from secrecon.report import ReportFinding
from secrecon.report.text import iso, line
from secrecon.service.context import Context
from secrecon.service.inventory import count_assets, list_assets, oast_status
from secrecon.service.reports import NO_REPORT
from secrecon.service.scans import list_scans
from secrecon.store import findings, records, scans
from secrecon.store.findings import KnownFinding

MOST_ITEMS = 50
MOST_LETTERS = 16_000
MOST_READ = 2_000
BRIEF = 400
NO_FINDING = "No such finding. Its id is in the list of findings of its account."

A = TypeVar("A", bound="Arguments")
Json = dict[str, JsonValue]


class Arguments(BaseModel):
    """What a tool takes. Unknown names are refused."""

    model_config = ConfigDict(extra="forbid")


def _number(value: object) -> object:
    """Refuses what pydantic would take for a number though JSON has it as text or as true."""
    if isinstance(value, bool | str):
        raise ValueError("must be a number")
    return value


Limit = Annotated[
    int, Field(ge=1, le=MOST_ITEMS, description="How many items to return at most"), BeforeValidator(_number)
]
Words = Annotated[str, Field(max_length=200)]
DbScanId = Annotated[
    int,
    Field(ge=1, lt=2**53, description="The db_scan_id of a scan, as list_scans gives it"),
    BeforeValidator(_number),
]


class ListScans(Arguments):
    """Arguments of list_scans."""

    limit: Limit = 20


class OfReport(Arguments):
    """Arguments of read_report and read_coverage."""

    db_scan_id: DbScanId


class ListFindings(Arguments):
    """Arguments of list_findings."""

    severity: Severity | None = None
    status: FindingStatus | None = None
    words: Annotated[Words, Field(description="Words that title, asset, location, CVE or check must hold")] = ""
    known_exploited: Annotated[bool, Field(strict=True, description="Only those in the KEV catalogue")] = False
    limit: Limit = 20


class ReadFinding(Arguments):
    """Arguments of read_finding."""

    finding_id: Annotated[
        int,
        Field(ge=1, lt=2**53, description="The id of a finding, as list_findings gives it"),
        BeforeValidator(_number),
    ]


class ListAssets(Arguments):
    """Arguments of list_assets."""

    type: AssetType | None = None
    limit: Limit = 20


class Nothing(Arguments):
    """No arguments."""


@dataclass(frozen=True, slots=True)
class AgentTool(Generic[A]):
    """One tool. `run` is given the caller by `use`."""

    name: str
    description: str
    arguments: type[A]
    run: Callable[[Context, Caller, A], Awaitable[Json]]

    @property
    def schema(self) -> dict[str, JsonValue]:
        """JSON Schema of the arguments."""
        made: dict[str, JsonValue] = self.arguments.model_json_schema()
        return made


async def use(ctx: Context, caller: Caller, name: str, arguments: Mapping[str, JsonValue]) -> Json:
    """Run a tool for a caller. Raises NotFound for a tool or a thing that the caller does not have, BadInput for arguments
    that do not fit."""
    tool = TOOLS.get(name)
    if tool is None:
        raise NotFound(f"There is no tool {name[:60]!r}: {', '.join(TOOLS)}")
    try:
        given = tool.arguments.model_validate_json(json.dumps(arguments))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise BadInput(f"{field}: {first['msg']}" if field else str(first["msg"]), field or None) from error
    return _bounded(await tool.run(ctx, caller, given))


def _bounded(result: Json) -> Json:
    """A result of at most MOST_LETTERS as JSON: lists lose their last items, and say so."""
    while len(json.dumps(result)) > MOST_LETTERS:
        longest = max(
            (name for name, value in result.items() if isinstance(value, list) and value),
            key=lambda name: len(json.dumps(result[name])),
            default=None,
        )
        if longest is None:
            return {"cut": True, "note": "the result is too large to show"}
        items = result[longest]
        assert isinstance(items, list)
        result = {**result, longest: items[: len(items) // 2], "cut": True}
    return result


async def _list_scans(ctx: Context, caller: Caller, given: ListScans) -> Json:
    listing = await list_scans(ctx, caller, None, given.limit)
    items: list[JsonValue] = [
        {
            "db_scan_id": scan.db_scan_id,
            "target": line(scan.target, BRIEF),
            "mode": str(scan.mode),
            "status": str(scan.status),
            "cancelled": scan.cancelled,
            "archived": scan.archived,
            "created": iso(scan.created),
            "finished": None if scan.finished is None else iso(scan.finished),
        }
        for scan in listing.items
    ]
    return {"scans": items, "more": listing.next_cursor is not None}


async def _report(ctx: Context, caller: Caller, db_scan_id: int) -> report.Report:
    """A report of the caller's own account, never one that is only readable by link."""
    async with ctx.db.reading() as tx:
        scan = await scans.by_db_id(tx, db_scan_id)
        if scan is None or scan.account_id != caller.account_id or scan.archived is not None:
            raise NotFound(NO_REPORT)
        record = await records.load_record(tx, db_scan_id, ctx.clock.now())
    return await asyncio.to_thread(report.build, record)


async def _read_report(ctx: Context, caller: Caller, given: OfReport) -> Json:
    found = await _report(ctx, caller, given.db_scan_id)
    facts = found.facts
    return {
        "db_scan_id": facts.db_scan_id,
        "target": facts.subject,
        "status": str(facts.status),
        "finished": facts.finished,
        "grade": found.risk_score,
        "grade_words": found.grade.words,
        "finding_count": len(facts.findings),
        "by_severity": {str(level): number for level, number in facts.severity_counts},
        "kev_count": facts.kev_count,
        "cve_count": facts.cve_count,
        "callbacks": len(facts.target_hits),
        "coverage": found.coverage.summary,
        "not_tested": list(found.coverage.gaps),
        "findings": [_brief(finding) for finding in facts.findings[:MOST_ITEMS]],
    }


async def _read_coverage(ctx: Context, caller: Caller, given: OfReport) -> Json:
    coverage = (await _report(ctx, caller, given.db_scan_id)).coverage
    areas: list[JsonValue] = [
        {
            "area": area.title,
            "state": area.state,
            "checks_done": area.count.done,
            "checks_that_apply": area.count.applicable,
            "reasons": list(area.reasons[:5]),
            "next_steps": list(area.next_steps[:5]),
        }
        for area in coverage.areas
    ]
    return {"summary": coverage.summary, "not_tested": list(coverage.gaps), "areas": areas}


async def _list_findings(ctx: Context, caller: Caller, given: ListFindings) -> Json:
    async with ctx.db.reading() as tx:
        rows = await findings.list_of(tx, caller.account_id, None, MOST_READ + 1, ctx.clock.now())
    wanted = [row for row in rows[:MOST_READ] if _wanted(row, given)]
    wanted.sort(key=lambda row: (-row.finding.severity.rank, -row.finding.evidence_level.rank, row.id))
    return {
        "total": len(wanted),
        "by_severity": {str(level): sum(row.finding.severity is level for row in wanted) for level in Severity},
        "findings": [_brief(_shown(row)) for row in wanted[: given.limit]],
        "more": len(wanted) > given.limit,
        "only_the_newest_were_read": len(rows) > MOST_READ,
    }


def _wanted(row: KnownFinding, given: ListFindings) -> bool:
    finding = row.finding
    if given.severity is not None and finding.severity is not given.severity:
        return False
    if given.status is not None and row.status is not given.status:
        return False
    if given.known_exploited and not finding.kev:
        return False
    text = f"{finding.title} {finding.asset} {finding.location} {finding.cve_id or ''} {finding.check}".casefold()
    return all(word in text for word in given.words.casefold().split())


async def _read_finding(ctx: Context, caller: Caller, given: ReadFinding) -> Json:
    async with ctx.db.reading() as tx:
        row = await findings.by_id(tx, caller.account_id, given.finding_id, ctx.clock.now())
    if row is None:
        raise NotFound(NO_FINDING)
    shown = _shown(row)
    seen: list[JsonValue] = [
        {"summary": item.summary[:BRIEF], "matcher": item.matcher[:BRIEF]} for item in shown.evidence[:5]
    ]
    return {
        **_brief(shown),
        "check": shown.check,
        "description": shown.description[:2_000],
        "impact": shown.impact[:2_000],
        "remediation": shown.remediation[:2_000],
        "evidence": seen,
        "cvss": shown.cvss_score,
        "epss": shown.epss,
        "ssvc": shown.ssvc,
        "cwe": list(shown.cwe),
        "references": list(shown.references[:10]),
        "first_seen": shown.first_seen,
        "last_seen": shown.last_seen,
    }


async def _list_assets(ctx: Context, caller: Caller, given: ListAssets) -> Json:
    wanted = AssetFilter() if given.type is None else AssetFilter(type=given.type)
    listing = await list_assets(ctx, caller, wanted, None, given.limit)
    counts = await count_assets(ctx, caller, wanted)
    items: list[JsonValue] = [
        {
            "type": str(asset.type),
            "value": line(asset.value, BRIEF),
            "source": line(asset.source, 100),
            "first_seen": iso(asset.first_seen),
            "last_seen": iso(asset.last_seen),
        }
        for asset in listing.items
    ]
    by_type: dict[str, JsonValue] = {str(kind): number for kind, number in counts.items()}
    return {
        "total": sum(counts.values()),
        "by_type": by_type,
        "assets": items,
        "more": listing.next_cursor is not None,
    }


async def _callbacks(ctx: Context, caller: Caller, given: Nothing) -> Json:
    status = await oast_status(ctx, caller)
    return {"listening": status.active, "dns": status.dns, "http": status.http, "total": status.total}


def _shown(row: KnownFinding) -> ReportFinding:
    return report.show_finding(FindingRecord(row.id, row.finding, row.first_seen, row.last_seen, row.status))


def _brief(finding: ReportFinding) -> Json:
    return {
        "finding_id": finding.id,
        "title": finding.title[:BRIEF],
        "severity": str(finding.severity),
        "status": str(finding.status),
        "asset": finding.asset[:BRIEF],
        "location": finding.location[:BRIEF],
        "evidence_level": str(finding.evidence_level),
        "confidence": finding.confidence_score,
        "cve_id": finding.cve_id,
        "known_exploited": finding.is_kev,
        "proven_by_callback": finding.oast_verified,
    }


def _tool(tool: AgentTool[A]) -> AgentTool[Arguments]:
    """A tool as the table holds it; `use` gives each the arguments of its own type."""
    return tool  # type: ignore[return-value]


TOOLS: Mapping[str, AgentTool[Arguments]] = {
    tool.name: tool
    for tool in (
        _tool(AgentTool("list_scans", "The account's scans, newest first.", ListScans, _list_scans)),
        _tool(
            AgentTool(
                "read_report",
                "A scan's report in short: grade, counts, what was not tested, its findings worst first.",
                OfReport,
                _read_report,
            )
        ),
        _tool(
            AgentTool(
                "read_coverage",
                "What a scan tested and what it did not, by area, why, and what would close each gap.",
                OfReport,
                _read_coverage,
            )
        ),
        _tool(
            AgentTool(
                "list_findings",
                "Problems that the account's scans found, worst first, with counts; filtered where wished.",
                ListFindings,
                _list_findings,
            )
        ),
        _tool(
            AgentTool(
                "read_finding",
                "One finding with description, impact, remediation and how it is known.",
                ReadFinding,
                _read_finding,
            )
        ),
        _tool(AgentTool("list_assets", "Assets that scans discovered, newest first.", ListAssets, _list_assets)),
        _tool(
            AgentTool(
                "callback_counts", "Out-of-band callbacks heard for the account's scans.", Nothing, _callbacks
            )
        ),
    )
}
