"""The feeds that are lists of CVE ids with a mark: CISA KEV (JSON), FIRST EPSS (CSV) and CISA SSVC (CSV).

Unknown keys and columns are passed over, since fields appear without notice; a missing one that is needed breaks the
feed. A row that does not fit is None and counted by the caller. Dates are kept as the feed writes them (ISO 8601).
"""

from __future__ import annotations

import codecs
import csv
import datetime
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgspec

from secrecon.intel.feeds.errors import FeedBroken
from secrecon.intel.feeds.jsonstream import members
from secrecon.intel.records import EpssScore, KevEntry, SsvcPoints, cve_number

MAX_LINE = 4_000
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_EXPLOITATION = frozenset({"none", "poc", "active"})
_AUTOMATABLE = frozenset({"yes", "no"})
_IMPACT = frozenset({"partial", "total"})


class _Kev(msgspec.Struct, rename="camel"):
    cve_id: str = msgspec.field(name="cveID")
    vendor_project: str
    product: str
    vulnerability_name: str
    date_added: str
    due_date: str = ""
    required_action: str = ""
    known_ransomware_campaign_use: str = "Unknown"
    notes: str = ""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The whole KEV catalogue. `date`: of its release. `skipped`: entries that do not fit."""

    date: str
    entries: tuple[KevEntry, ...]
    skipped: int


def read_kev(chunks: Iterable[bytes]) -> Catalogue:
    """The catalogue. Raises FeedBroken where it is not whole or holds fewer entries than it says."""
    entries: list[KevEntry] = []
    skipped, told, date = 0, None, ""
    for member in members(chunks):
        if member.key == "vulnerabilities" and member.index >= 0:
            entry = _kev(member.value)
            skipped += entry is None
            if entry is not None:
                entries.append(entry)
        elif member.key == "count" and isinstance(member.value, int):
            told = member.value
        elif member.key == "dateReleased":
            date = str(member.value)[:10]
    if told is not None and told != len(entries) + skipped:
        raise FeedBroken(f"the catalogue says it holds {told:,} entries and holds {len(entries) + skipped:,}")
    return Catalogue(iso_date(date, "the catalogue's dateReleased"), tuple(entries), skipped)


def _kev(value: object) -> KevEntry | None:
    try:
        raw = msgspec.convert(value, _Kev)
        cve_number(raw.cve_id)
    except (msgspec.ValidationError, ValueError):
        return None
    if not _DATE.fullmatch(raw.date_added):
        return None
    return KevEntry(
        raw.cve_id,
        raw.vendor_project[:100],
        raw.product[:200],
        raw.vulnerability_name[:300],
        raw.date_added,
        raw.due_date if _DATE.fullmatch(raw.due_date) else "",
        raw.known_ransomware_campaign_use.strip().lower() == "known",
        raw.required_action[:1000],
        raw.notes[:1000],
    )


@dataclass(slots=True)
class Dated:
    """Filled while a table is read: the date it gives itself, and the version of its model."""

    date: str = ""
    model: str = ""


def read_epss(chunks: Iterable[bytes], dated: Dated) -> Iterator[tuple[int, EpssScore] | None]:
    """(number of the CVE, score) of each row. `dated` is filled from the first line. Raises FeedBroken."""
    lines = _lines(chunks)
    first = next(lines, "")
    if first.startswith("#"):
        facts = dict(part.partition(":")[::2] for part in first.lstrip("#").split(","))
        dated.model, dated.date = facts.get("model_version", "")[:40], facts.get("score_date", "")[:10]
        first = next(lines, "")
    iso_date(dated.date, "the score_date of the first line")
    _header(first, ("cve", "epss", "percentile"))
    for row in csv.reader(lines):
        try:
            score, percentile = float(row[1]), float(row[2])
            if not (0.0 <= score <= 1.0 and 0.0 <= percentile <= 1.0):
                raise ValueError("not a share of one")
            yield cve_number(row[0]), EpssScore(score, percentile)
        except (ValueError, IndexError):
            yield None


def read_ssvc(chunks: Iterable[bytes], dated: Dated) -> Iterator[tuple[int, SsvcPoints] | None]:
    """(number of the CVE, decision points) of each row; `dated` is the newest of them when all are read."""
    lines = _lines(chunks)
    _header(next(lines, ""), ("cve", "exploitation", "automatable", "technical_impact"))
    for row in csv.reader(lines):
        try:
            points = ssvc_points(row[1], row[2], row[3], row[4] if len(row) > 4 else "")
            number = cve_number(row[0])
        except (ValueError, IndexError):
            yield None
            continue
        dated.date = max(dated.date, points.at[:10])
        yield number, points


def ssvc_points(exploitation: str, automatable: str, impact: str, at: str) -> SsvcPoints:
    """Decision points as CISA writes them. Raises ValueError for other words."""
    made = SsvcPoints(exploitation.strip().lower(), automatable.strip().lower(), impact.strip().lower(), at[:30])
    if made.exploitation not in _EXPLOITATION or made.automatable not in _AUTOMATABLE or made.impact not in _IMPACT:
        raise ValueError("unknown decision points")
    return made


def iso_date(text: str, what: str) -> str:
    """`text` where it is an ISO date. Raises FeedBroken naming `what`."""
    try:
        return datetime.date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise FeedBroken(f"{what} is no date: {text[:40]!r}") from error


def _header(line: str, needed: tuple[str, ...]) -> None:
    have = tuple(name.strip().lower() for name in line.split(","))
    if have[: len(needed)] != needed:
        raise FeedBroken(f"the table's first columns are {', '.join(have[:6])[:80]!r}, not {', '.join(needed)!r}")


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Lines of UTF-8 text, bounded in length. The last must end with a line break: a table that was cut off has none."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")("strict")
    rest = ""
    try:
        for chunk in chunks:
            rest += decoder.decode(chunk)
            *whole, rest = rest.split("\n")
            if len(rest) > MAX_LINE:
                raise FeedBroken(f"a line is longer than {MAX_LINE:,} characters")
            yield from whole
        decoder.decode(b"", True)
    except UnicodeDecodeError as error:
        raise FeedBroken(f"the table is not UTF-8: {error.reason}") from error
    if rest.strip():
        raise FeedBroken("the table is cut off in its last line")
