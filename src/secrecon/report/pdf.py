"""The report as a PDF for people: cover, summary, charts, findings with evidence, coverage, method. Set by typst as PDF/UA-1.

What the report says reaches the template as one JSON file and nothing else: text from outside is never part of the
markup. The template is ours, loads nothing and names only the fonts that typst carries; no file, font or package of the
system is read. A PDF is bounded, because people read it: what is left out is counted, and the JSON export holds it.
ISO 32000, ISO 14289-1 (PDF/UA).
"""

from __future__ import annotations

import json
from datetime import datetime
from importlib.resources import files

from secrecon.model.errors import InternalError
from secrecon.model.record import JsonValue
from secrecon.report.document import Report
from secrecon.report.pdfdata import pdf_document
from secrecon.report.pdftext import plain

_TEMPLATE = (files("secrecon.report") / "templates" / "report.typ").read_bytes()


def to_pdf(report: Report) -> bytes:
    """The whole report as one PDF file; equal reports make equal bytes. Raises InternalError where it cannot be set."""
    document = pdf_document(report)
    made = datetime.fromisoformat(report.facts.finished or report.facts.created).replace(microsecond=0)
    return _set(document, made)


def _set(document: dict[str, JsonValue], made: datetime) -> bytes:
    """Set it; where a font lacks what the table of characters promised, once more in ASCII, so that a PDF there is."""
    import typst  # noqa: PLC0415 - a large library that nothing but a PDF needs

    for attempt in (document, plain(document)):
        data = json.dumps(attempt, ensure_ascii=True, allow_nan=False).encode("ascii")
        try:
            return typst.compile(  # type: ignore[call-overload,no-any-return]  # files in memory
                {"main.typ": _TEMPLATE, "report.json": data},
                format="pdf",
                ignore_system_fonts=True,
                pdf_standards=["ua-1"],
                timestamp=made,
            )
        except typst.TypstError as error:
            failure = error
    raise InternalError(f"the PDF could not be set: {failure}; take the html format") from failure
