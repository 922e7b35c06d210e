"""One door to all exports: a report and a format's name in, bytes, media type and file name out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from secrecon.model.errors import BadInput
from secrecon.report.cyclonedx import to_cyclonedx
from secrecon.report.document import Report
from secrecon.report.jsonform import to_json
from secrecon.report.markdown import to_markdown
from secrecon.report.openvex import to_openvex
from secrecon.report.page import to_html
from secrecon.report.pdf import to_pdf
from secrecon.report.sarif import to_sarif
from secrecon.report.table import to_csv


@dataclass(frozen=True, slots=True)
class _Format:
    write: Callable[[Report], bytes]
    media_type: str
    suffix: str


_FORMATS = {
    "json": _Format(to_json, "application/json", "json"),
    "html": _Format(to_html, "text/html; charset=utf-8", "html"),
    "pdf": _Format(to_pdf, "application/pdf", "pdf"),
    "md": _Format(to_markdown, "text/markdown; charset=utf-8", "md"),
    "csv": _Format(to_csv, "text/csv; charset=utf-8", "csv"),
    "sarif": _Format(to_sarif, "application/sarif+json", "sarif"),
    "cyclonedx": _Format(to_cyclonedx, "application/vnd.cyclonedx+json; version=1.6", "cdx.json"),
    "openvex": _Format(to_openvex, "application/vnd.openvex+json", "openvex.json"),
}
FORMATS = tuple(_FORMATS)
TITLES = {
    "json": ("JSON", "everything, for programs"),
    "html": ("HTML", "one file, for a browser and for paper"),
    "pdf": ("PDF", "to send and to file"),
    "md": ("Markdown", "for tickets and wikis"),
    "csv": ("CSV", "one line per finding, for a spreadsheet"),
    "sarif": ("SARIF", "for code scanning"),
    "cyclonedx": ("CycloneDX", "products and vulnerabilities, with VEX"),
    "openvex": ("OpenVEX", "one statement per finding"),
}
"""What people read of each format: its name and what it is for."""
MEDIA_TYPES = tuple(dict.fromkeys(each.media_type.partition(";")[0] for each in _FORMATS.values()))


def format_of(file_name: str) -> str:
    """The format that a file's ending asks for, such as `html` for `report.html` and `cyclonedx` for `x.cdx.json`; else json."""
    name = file_name.lower()
    endings = sorted(_FORMATS, key=lambda each: -len(_FORMATS[each].suffix))
    return next((each for each in endings if name.endswith("." + _FORMATS[each].suffix)), "json")


def render(report: Report, format_: str) -> tuple[bytes, str, str]:
    """The report in a format: (bytes, media type, file name).

    Raises BadInput naming the formats that exist, and Conflict where this report has nothing that the format could say.
    """
    chosen = _FORMATS.get(format_.lower())
    if chosen is None:
        raise BadInput(f"format {format_!r} is not available: choose one of {', '.join(FORMATS)}", "format")
    name = f"secrecon-{_file_part(report.facts.target)}-{report.facts.db_scan_id}.{chosen.suffix}"
    return chosen.write(report), chosen.media_type, name


def _file_part(target: str) -> str:
    """The target's host as a part of a file name: letters, digits, dots and dashes only."""
    host = target.split("://", 1)[-1].split("/", 1)[0]
    safe = "".join(c if c.isascii() and (c.isalnum() or c in ".-") else "-" for c in host)
    return safe.strip(".-")[:60] or "target"
