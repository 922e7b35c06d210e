"""NVD JSON 2.0: year, modified and recent files, and pages of the API, which have one form.

A record that does not fit the schema is skipped and counted; the caller decides when so many were skipped that the feed
is broken. Metrics and ranges keep their source. Nothing is judged here: which of several scores counts, and whether a
rejected record is of interest, is for the index and the look-up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from secrecon.intel.cpe import ANY, NA, split
from secrecon.intel.feeds.errors import FeedBroken
from secrecon.intel.feeds.jsonstream import members
from secrecon.intel.feeds.lists import Dated, iso_date
from secrecon.intel.records import (
    MAX_DESCRIPTION,
    MAX_REFERENCES,
    Configuration,
    Criterion,
    CveFacts,
    CveRecord,
    Metric,
    cve_number,
)

PROVIDER = "nvd"
MAX_CRITERIA = 20_000
MAX_LIMIT = 100


class _Camel(msgspec.Struct, rename="camel"):
    pass


class _Match(_Camel):
    criteria: str
    vulnerable: bool = True
    version_start_including: str = ""
    version_start_excluding: str = ""
    version_end_including: str = ""
    version_end_excluding: str = ""


class _Node(_Camel):
    cpe_match: list[_Match] = []
    operator: str | None = "OR"
    negate: bool | None = False


class RawConfiguration(_Camel):
    """A configuration as NVD writes it, and in the same form the CVE Program (`cpeApplicability`)."""

    nodes: list[_Node]
    operator: str | None = "OR"
    negate: bool | None = False


class RawText(_Camel):
    """A text with its language, as NVD and the CVE Program write it."""

    lang: str
    value: str


class _Weakness(_Camel):
    description: list[RawText] = []


class _Reference(_Camel):
    url: str


class _CvssData(_Camel):
    version: str
    vector_string: str = ""
    base_score: float | None = None


class _Metric(_Camel):
    cvss_data: _CvssData
    source: str = ""
    type: str = ""


class _Cve(_Camel):
    id: str
    published: str = ""
    last_modified: str = ""
    vuln_status: str = ""
    descriptions: list[RawText] = []
    metrics: dict[str, object] = {}
    weaknesses: list[_Weakness] = []
    references: list[_Reference] = []
    configurations: list[RawConfiguration] = []


class _Item(_Camel):
    cve: _Cve


def read(chunks: Iterable[bytes], dated: Dated) -> Iterator[CveRecord | None]:
    """The records of a file, in its order; None for each that does not fit. `dated` gets the file's own date.

    Raises FeedBroken where the file is not whole, holds fewer records than it says, or is none of NVD's.
    """
    count, told, format_ = 0, None, ""
    for member in members(chunks):
        if member.key == "vulnerabilities" and member.index >= 0:
            count += 1
            yield record(member.value)
        elif member.key == "resultsPerPage" and isinstance(member.value, int):
            told = member.value
        elif member.key == "timestamp":
            dated.date = iso_date(str(member.value)[:10], "the file's timestamp")
        elif member.key == "format":
            format_ = str(member.value)
    if told is not None and told != count:
        raise FeedBroken(f"the file says it holds {told:,} records and holds {count:,}")
    if not count and format_ != "NVD_CVE":
        raise FeedBroken("the file holds no CVE records")


def record(value: object) -> CveRecord | None:
    """One element of `vulnerabilities`; None where it does not fit the schema."""
    try:
        cve = msgspec.convert(value, _Item).cve
        cve_number(cve.id)
        configurations = tuple(made for each in cve.configurations for made in configuration(each, PROVIDER))
        metrics = tuple(_metrics(cve.metrics))
    except (msgspec.ValidationError, ValueError):
        return None
    return CveRecord(
        CveFacts(
            cve.id,
            PROVIDER,
            cve.published[:30],
            cve.last_modified[:30],
            cve.vuln_status.lower() == "rejected",
            english(cve.descriptions),
            metrics,
            tuple(dict.fromkeys(weakness for weakness in _weaknesses(cve.weaknesses))),
            urls(reference.url for reference in cve.references),
        ),
        configurations,
    )


def urls(found: Iterable[str]) -> tuple[str, ...]:
    """The web addresses among some texts, each once, the first few."""
    kept = (url for url in found if url.startswith(("https://", "http://")) and len(url) <= 300 and " " not in url)
    return tuple(list(dict.fromkeys(kept))[:MAX_REFERENCES])


def english(texts: Iterable[RawText]) -> str:
    """The English text, bounded."""
    found = next((text.value for text in texts if text.lang.lower().startswith("en")), "")
    return found if len(found) <= MAX_DESCRIPTION else found[: MAX_DESCRIPTION - 1] + "…"


def _weaknesses(weaknesses: Iterable[_Weakness]) -> Iterator[str]:
    for weakness in weaknesses:
        for text in weakness.description:
            if text.value.startswith("CWE-") and text.value[4:].isdecimal():
                yield text.value


def _metrics(metrics: dict[str, object]) -> Iterator[Metric]:
    for name, given in metrics.items():
        if not name.startswith("cvssMetric"):
            continue
        for metric in msgspec.convert(given, list[_Metric]):
            data = metric.cvss_data
            if data.base_score is not None and 0.0 <= data.base_score <= 10.0:
                primary = metric.type.lower() == "primary" or metric.source == "nvd@nist.gov"
                yield Metric(
                    metric.source[:80], data.version[:4], data.vector_string[:200], data.base_score, primary
                )


def configuration(raw: RawConfiguration, provider: str) -> Iterator[Configuration]:
    """A configuration in our form: nodes joined by OR become one each, an AND of products inside a node becomes nodes."""
    nodes = [node for node in raw.nodes if node.cpe_match]
    if sum(len(node.cpe_match) for node in nodes) > MAX_CRITERIA:
        raise ValueError("more criteria than any record has")
    together = (raw.operator or "OR").upper() == "AND" and len(nodes) > 1
    if together:
        yield _joined(nodes, provider)
        return
    for node in nodes:
        yield _joined([node], provider)


def _joined(nodes: list[_Node], provider: str) -> Configuration:
    criteria: list[Criterion] = []
    negated: list[int] = []
    number = 0
    for node in nodes:
        inner = (node.operator or "OR").upper() == "AND"
        if node.negate:
            negated.append(number)
        for match in node.cpe_match:
            criteria.append(criterion(match, number))
            number += inner
        number += not inner
    return Configuration(provider, number > 1, tuple(criteria), tuple(negated))


def criterion(match: _Match, node: int) -> Criterion:
    """One CPE match in our form. Raises ValueError for a name or limits that are none."""
    name = split(match.criteria)
    start = match.version_start_including or match.version_start_excluding
    end = match.version_end_including or match.version_end_excluding
    if max(len(start), len(end)) > MAX_LIMIT:
        raise ValueError("a version of more than 100 characters")
    exact = name.version not in (ANY, NA)
    return Criterion(
        name.key,
        name.version,
        name.update,
        name.qualifiers,
        "" if exact else start,
        not match.version_start_excluding or bool(match.version_start_including),
        "" if exact else end,
        bool(match.version_end_including),
        match.vulnerable,
        node,
    )
