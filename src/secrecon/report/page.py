"""The report as ONE self-contained HTML file: no script, no request to anywhere, readable on paper and on a phone.

Jinja2 escapes everything. As a second lock the file carries its own Content-Security-Policy that allows nothing but
its one style sheet, named by hash; so even markup that slipped through could not run or load anything.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from secrecon.report.document import AreaCoverage, CoverageCount, Report, Term
from secrecon.report.text import count, day, is_link

_TEMPLATES = files("secrecon.report") / "templates"
_STYLE = (_TEMPLATES / "report.css").read_text(encoding="utf-8")
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode("utf-8")).digest()).decode("ascii")
CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'"
)
"""What a server sends with the file when it shows it inline; the file itself carries the same."""

MOST_TERMS = 200
MOST_ASSETS = 200
MOST_HITS = 500
BAR_WIDTH = 270


@dataclass(frozen=True, slots=True)
class SeverityBar:
    """One bar of the severity chart; `width` in chart units, 0 for none."""

    level: str
    number: int
    width: float


@dataclass(frozen=True, slots=True)
class AreaBar:
    """One bar of the coverage picture: the share done, then the share not done."""

    title: str
    words: str
    done: float
    missed: float


@dataclass(frozen=True, slots=True)
class Rest:
    """What a bounded table leaves out."""

    number: int
    points: float


def to_html(report: Report) -> bytes:
    """The whole report as one HTML file."""
    return _page().render(**view(report), style=_STYLE, policy=CONTENT_SECURITY_POLICY).encode("utf-8")


def view(report: Report) -> dict[str, object]:
    """What the template shows, worked out beforehand so that it only lays out. The dashboard's report page uses it."""
    terms = [term for term in report.grade.terms if term.points > 0]
    return {
        "report": report,
        "facts": report.facts,
        "severity_bars": severity_bars(report),
        "area_bars": area_bars(report.coverage.areas),
        "terms": terms[:MOST_TERMS],
        "terms_left": _rest(terms[MOST_TERMS:]),
        "weightless": len(report.grade.terms) - len(terms),
        "assets": report.coverage.assets[:MOST_ASSETS],
        "assets_left": max(len(report.coverage.assets) - MOST_ASSETS, 0),
        "hits": report.facts.hits[:MOST_HITS],
        "hits_left": max(len(report.facts.hits) - MOST_HITS, 0),
    }


def severity_bars(report: Report) -> tuple[SeverityBar, ...]:
    """The severity chart: bars in proportion to the highest number."""
    most = max((number for _, number in report.facts.severity_counts), default=0) or 1
    return tuple(
        SeverityBar(str(level), number, round(BAR_WIDTH * number / most, 1))
        for level, number in report.facts.severity_counts
    )


def area_bars(areas: Iterable[AreaCoverage]) -> tuple[AreaBar, ...]:
    """The coverage picture: per area how much of what applies was done."""
    return tuple(_area_bar(area) for area in areas)


def _area_bar(area: AreaCoverage) -> AreaBar:
    counted = area.count
    done = BAR_WIDTH * counted.done / counted.applicable if counted.applicable else 0.0
    missed = BAR_WIDTH - done if counted.applicable or counted.total == 0 else 0.0
    return AreaBar(area.title, cell_words(counted), round(done, 1), round(missed, 1))


def cell_words(counted: CoverageCount) -> str:
    """A count of checks in words that cannot be misread."""
    if counted.total == 0:
        return "no check ran"
    if counted.applicable == 0:
        return "does not apply"
    if counted.done == counted.applicable:
        return f"all {counted.done:,} ran" if counted.done > 1 else "ran"
    if counted.done == 0:
        return "not tested"
    return f"{counted.done:,} of {counted.applicable:,} ran"


def _rest(terms: list[Term]) -> Rest:
    return Rest(len(terms), sum(round(term.points * 100) for term in terms) / 100)


def _page() -> Template:
    return _ENVIRONMENT.get_template("report.html.j2")


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("secrecon.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(day=day, cell=cell_words, count=count)
    environment.tests["link"] = is_link
    return environment


_ENVIRONMENT = _environment()
