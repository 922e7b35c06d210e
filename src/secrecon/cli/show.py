"""What the terminal shows: live progress on stderr, and the summary of a report on stdout.

Text from targets passes `plain`, which makes control characters visible; rich markup is never interpreted in it.
"""

from __future__ import annotations

import unicodedata
from collections import Counter

from pydantic import BaseModel
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from secrecon.model.finding import Severity
from secrecon.model.scan import PhaseName

SEVERITY_STYLE = {
    Severity.CRITICAL: "bold white on red",
    Severity.HIGH: "bold red",
    Severity.MEDIUM: "yellow",
    Severity.LOW: "cyan",
    Severity.INFO: "dim",
}
GRADE_STYLE = {"A": "bold green", "B": "green", "C": "yellow", "D": "bold yellow", "F": "bold red"}
MAX_ROWS = 40
MAX_GAPS = 5
PIPE_WIDTH = 120


def plain(text: str, limit: int = 200) -> str:
    """`text` on one line without control or bidirectional characters, at most `limit` characters."""
    shown = "".join("\ufffd" if unicodedata.category(c) in ("Cc", "Cf", "Cs") else c for c in text[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def stderr_console() -> Console:
    """Where progress and summaries go; 120 columns where nobody can say how wide it is, as in a pipeline's log."""
    console = Console(stderr=True, highlight=False, markup=False)
    return console if console.is_terminal else Console(stderr=True, highlight=False, markup=False, width=PIPE_WIDTH)


class LiveProgress:
    """A bar with the phases and counters. Use as a context manager; on a dumb terminal it prints a line per phase."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._phase: PhaseName | None = None
        self._message = ""
        self._counters: dict[str, int] = {}
        self._bar = Progress(
            BarColumn(bar_width=40), TextColumn("{task.percentage:>3.0f} %"), TimeElapsedColumn(), console=console
        )
        self._task = self._bar.add_task("scan", total=100)
        self._live = Live(self._draw(), console=console, refresh_per_second=8, transient=True)

    def __enter__(self) -> LiveProgress:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def update(self, phase: PhaseName | None, percent: int, message: str, counters: dict[str, int]) -> None:
        """Show where the scan is. `counters`: label -> number, in the order to show."""
        if phase is not self._phase and not self._console.is_terminal:
            numbers = ", ".join(f"{value} {label}" for label, value in counters.items())
            line = Text(f"[{percent:>3} %] {phase or 'starting'}: {plain(message)}  ({numbers})")
            self._console.print(line, soft_wrap=True)
        self._phase, self._message, self._counters = phase, message, counters
        self._bar.update(self._task, completed=percent)
        if self._console.is_terminal:
            self._live.update(self._draw())

    def _draw(self) -> Group:
        steps = Text()
        passed = True
        for name in PhaseName:
            if name is self._phase:
                passed = False
                steps.append(f" {name} ", "bold reverse")
            else:
                steps.append(f" {name} ", "green" if passed and self._phase else "dim")
        numbers = Text("   ".join(f"{value:,} {label}" for label, value in self._counters.items()), "bold")
        return Group(steps, self._bar, Text(plain(self._message), "dim"), numbers)


class SeenFinding(BaseModel):
    """What the summary shows of one finding of a report's JSON."""

    check: str
    title: str
    severity: Severity
    asset: str
    location: str
    evidence_level: str
    oast_verified: bool


class SeenCount(BaseModel):
    """Numbers of one coverage count."""

    applicable: int
    done: int


class SeenCoverageSummary(BaseModel):
    """The coverage part of a report's JSON."""

    enough: bool
    gaps: list[str]
    assessing_checks: SeenCount


class SeenCoverage(BaseModel):
    """Holds the summary of the coverage."""

    summary: SeenCoverageSummary


class SeenReport(BaseModel):
    """What the terminal shows of a report's JSON; the other fields are left alone."""

    target: str
    risk_score: str
    cancelled: bool
    findings: list[SeenFinding]
    coverage: SeenCoverage


def print_summary(console: Console, document: object) -> None:
    """A report's JSON document in a screenful: grade, counts, findings worst first, and what was not tested."""
    report = SeenReport.model_validate(document)
    counts = Counter(finding.severity for finding in report.findings)
    style = f"{GRADE_STYLE[report.risk_score]} reverse"
    console.print(
        Text.assemble("\n  Grade ", (f" {report.risk_score} ", style), "  ", (plain(report.target), "bold"))
    )
    parts = [Text(f"{counts[s]} {s}", SEVERITY_STYLE[s]) for s in Severity if counts[s]]
    nothing = Text("nothing found in what was tested", "green" if report.coverage.summary.enough else "yellow")
    console.print(Text("  ") + (Text("   ").join(parts) if parts else nothing))
    if report.findings:
        console.print(_findings(report.findings))
    coverage = report.coverage.summary
    checks = coverage.assessing_checks
    console.print(
        Text(f"  {checks.done} of {checks.applicable} checks ran", "" if coverage.enough else "bold yellow")
    )
    if report.cancelled:
        console.print(Text("  The scan was stopped before its end; what follows was not run.", "bold yellow"))
    for gap in coverage.gaps[:MAX_GAPS]:
        console.print(Text(f"  Gap: {plain(gap, 800)}", "yellow"))


def _findings(findings: list[SeenFinding]) -> Table:
    table = Table(box=None, padding=(0, 1), show_edge=False, header_style="dim")
    for name in ("severity", "evidence", "finding", "where"):
        table.add_column(name, overflow="fold", no_wrap=name in ("severity", "evidence"))
    for finding in findings[:MAX_ROWS]:
        place = f"{finding.asset} {finding.location}".strip()
        level = "callback" if finding.oast_verified else finding.evidence_level
        severity = Text(str(finding.severity), SEVERITY_STYLE[finding.severity])
        table.add_row(severity, Text(level, "dim"), Text(plain(finding.title, 90)), Text(plain(place, 90), "dim"))
    if len(findings) > MAX_ROWS:
        table.add_row("", "", Text(f"... and {len(findings) - MAX_ROWS} more in the report"), "")
    return table
