"""Floor 3: grade, coverage, narrative and exports. Pure: a scan record in, a document out."""

from secrecon.report.assemble import briefing_of, build, show_finding
from secrecon.report.briefing import read_answer
from secrecon.report.document import Report, ReportFinding
from secrecon.report.gate import FailOn, exit_code, parse_fail_on
from secrecon.report.jsonform import as_document, finding_document, to_json
from secrecon.report.render import FORMATS, MEDIA_TYPES, format_of, render

__all__ = [
    "FORMATS",
    "MEDIA_TYPES",
    "FailOn",
    "Report",
    "ReportFinding",
    "as_document",
    "briefing_of",
    "build",
    "exit_code",
    "finding_document",
    "format_of",
    "parse_fail_on",
    "read_answer",
    "render",
    "show_finding",
    "to_json",
]
