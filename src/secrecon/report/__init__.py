"""Floor 3: grade, coverage, narrative and exports. Pure: a scan record in, a document out."""

<<<<<<< HEAD
from secrecon.report.assemble import briefing_of, build, show_finding
from secrecon.report.briefing import read_answer
=======
from secrecon.report.assemble import build, show_finding
from secrecon.report.baseline import Baseline, baseline_of, read_baseline
>>>>>>> 8000156 (Pipelines fail for new findings only: a baseline for the command line, a verdict over the API, a GitHub Action and a GitLab job)
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
<<<<<<< HEAD
    "briefing_of",
=======
    "baseline_of",
>>>>>>> 8000156 (Pipelines fail for new findings only: a baseline for the command line, a verdict over the API, a GitHub Action and a GitLab job)
    "build",
    "exit_code",
    "finding_document",
    "format_of",
    "judge",
    "parse_fail_on",
<<<<<<< HEAD
    "read_answer",
=======
    "read_baseline",
>>>>>>> 8000156 (Pipelines fail for new findings only: a baseline for the command line, a verdict over the API, a GitHub Action and a GitLab job)
    "render",
    "show_finding",
    "to_json",
]
