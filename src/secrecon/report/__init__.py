"""Floor 3: grade, coverage, narrative and exports. Pure: a scan record in, a document out."""

from secrecon.report.assemble import briefing_of, build, show_finding
from secrecon.report.baseline import Baseline, baseline_of, read_baseline
from secrecon.report.briefing import read_answer
from secrecon.report.document import Report, ReportFinding
from secrecon.report.gate import THRESHOLDS, FailOn, Verdict, exit_code, judge, parse_fail_on
from secrecon.report.jsonform import as_document, finding_document, to_json
from secrecon.report.render import FORMATS, MEDIA_TYPES, format_of, render

__all__ = [
    "FORMATS",
    "MEDIA_TYPES",
    "THRESHOLDS",
    "Baseline",
    "FailOn",
    "Report",
    "ReportFinding",
    "Verdict",
    "as_document",
    "baseline_of",
    "briefing_of",
    "build",
    "exit_code",
    "finding_document",
    "format_of",
    "judge",
    "parse_fail_on",
    "read_answer",
    "read_baseline",
    "render",
    "show_finding",
    "to_json",
]
