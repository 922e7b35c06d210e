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

from secrecon.report.causes import BASIS, root_causes
from secrecon.report.coverage import AREAS
from secrecon.report.document import AreaCoverage, CallbackHit, Report, Term
from secrecon.report.matrix import SHORT, areas_tested, cell_words, check_rows, matrix
from secrecon.report.mending import check_the_fix
from secrecon.report.owasp import top_ten
from secrecon.report.risk import arithmetic
from secrecon.report.since import MEANING, TITLE, made_with, summary
from secrecon.report.since import rows as rows_since
from secrecon.report.text import clock_time, count, day, is_link
from secrecon.report.timeline import moments

_TEMPLATES = files("secrecon.report") / "templates"
_STYLE = (_TEMPLATES / "report.css").read_text(encoding="utf-8")
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode("utf-8")).digest()).decode("ascii")
CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'"
)
"""What a server sends with the file when it shows it inline; the file itself carries the same."""

MOST_TERMS = 200
MOST_NAMED = 200
MOST_HITS = 500
MOST_CHANGES = 400
MOST_CHECKS = 400
MOST_MOMENTS = 40
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
class TermRow:
    """Terms of the grade that read the same: `times` findings of `each` points. `anchor`: the first one's fingerprint."""

    title: str
    anchor: str
    term: Term
    times: int
    together: float


@dataclass(frozen=True, slots=True)
class ProbeHits:
    """The callbacks of one place, first one first."""

    check: str
    place: str
    own: bool
    http: int
    dns: int
    first: CallbackHit
    hits: tuple[CallbackHit, ...]


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
    rows = term_rows(report)
    hits = report.facts.hits
    checks = check_rows(report.coverage)
    changed, left = rows_since(report.since, MOST_CHANGES)
    return {
        "report": report,
        "facts": report.facts,
        "severity_bars": severity_bars(report),
        "area_bars": area_bars(report.coverage.areas),
        "causes": root_causes(report.facts.findings),
        "basis": BASIS,
        "since_title": TITLE,
        "since_words": summary(report.since),
        "since_made_with": made_with(report.since),
        "since_rows": changed,
        "since_left": left,
        "since_meaning": MEANING,
        "terms": rows[:MOST_TERMS],
        "terms_left": _rest(rows[MOST_TERMS:]),
        "weightless": sum(term.points <= 0 for term in report.grade.terms),
        "groups": report.coverage.groups,
        "picture": matrix(report.coverage),
        "short": SHORT,
        "area_titles": AREAS,
        "checks": checks[:MOST_CHECKS],
        "checks_left": max(len(checks) - MOST_CHECKS, 0),
        "tested": areas_tested(report.coverage),
        "most_named": MOST_NAMED,
        "probes": probe_hits(hits[:MOST_HITS]),
        "most_moments": MOST_MOMENTS,
        "moments": moments(hits[:MOST_HITS]),
        "hits_left": max(len(hits) - MOST_HITS, 0),
    }


def term_rows(report: Report) -> tuple[TermRow, ...]:
    """The grade's terms with those that have the same words and factors in one row, in the order of their points."""
    alike: dict[tuple[str, float, float, float, float], list[Term]] = {}
    for term in report.grade.terms:
        if term.points > 0:
            key = (term.title, term.base, term.evidence_factor, term.confidence, term.exploitation_factor)
            alike.setdefault(key, []).append(term)
    return tuple(
        TermRow(terms[0].title, terms[0].fingerprint, terms[0], len(terms), _points(terms))
        for terms in alike.values()
    )


def probe_hits(hits: Iterable[CallbackHit]) -> tuple[ProbeHits, ...]:
    """Callbacks by the place that was probed: the target's first, then our own."""
    places: dict[tuple[bool, str, str, str], list[CallbackHit]] = {}
    for hit in hits:
        places.setdefault((hit.own, hit.check, hit.asset, hit.location), []).append(hit)
    found = [
        ProbeHits(
            check=check,
            place=f"{asset} {location}".strip(),
            own=own,
            http=sum(hit.protocol in ("http", "https") for hit in mine),
            dns=sum(hit.protocol == "dns" for hit in mine),
            first=mine[0],
            hits=tuple(mine),
        )
        for (own, check, asset, location), mine in places.items()
    ]
    return tuple(sorted(found, key=lambda probe: probe.own))


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


def _rest(rows: Iterable[TermRow]) -> Rest:
    every = tuple(rows)
    return Rest(sum(row.times for row in every), sum(round(row.together * 100) for row in every) / 100)


def _points(terms: Iterable[Term]) -> float:
    return sum(round(term.points * 100) for term in terms) / 100


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
    environment.filters.update(day=day, clock=clock_time, cell=cell_words, count=count)
    environment.tests["link"] = is_link
    environment.globals["risk"] = arithmetic
    environment.globals["check_fix"] = check_the_fix
    environment.globals["top_ten"] = top_ten
    return environment


_ENVIRONMENT = _environment()
