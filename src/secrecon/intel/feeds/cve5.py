"""CVE records in JSON 5.x (the CVE Program's format) with CISA's container, and corrections of affected products.

The words of a vendor about affected versions (`affected`) have no fixed meaning and are not turned into ranges; only
`cpeApplicability`, which has the form of NVD's configurations, is. A record that does not fit is None, counted by the caller.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec

from secrecon.intel.feeds.archives import MemberFile
from secrecon.intel.feeds.lists import ssvc_points
from secrecon.intel.feeds.nvd import RawConfiguration, RawText, configuration, english, urls
from secrecon.intel.records import Configuration, CveFacts, CveRecord, Metric, SsvcPoints, cve_number

PROVIDER = "cve.org"
CISA = "cisa-adp"
CORRECTIONS = "anchore"
_METRICS = {"cvssV2_0": "2.0", "cvssV3_0": "3.0", "cvssV3_1": "3.1", "cvssV4_0": "4.0"}
_NAME = re.compile(r"CVE-\d{4}-\d{4,9}")


class _Camel(msgspec.Struct, rename="camel"):
    pass


class _Provider(_Camel):
    short_name: str = ""


class _Weakness(_Camel):
    cwe_id: str = ""


class _ProblemType(_Camel):
    descriptions: list[_Weakness] = []


class _Reference(_Camel):
    url: str


class _Container(_Camel):
    provider_metadata: _Provider = msgspec.field(default_factory=_Provider)
    descriptions: list[RawText] = []
    metrics: list[dict[str, object]] = []
    problem_types: list[_ProblemType] = []
    references: list[_Reference] = []
    cpe_applicability: list[RawConfiguration] = []


class _Containers(_Camel):
    cna: _Container
    adp: list[_Container] = []


class _Metadata(_Camel):
    cve_id: str
    state: str = ""
    date_published: str = ""
    date_updated: str = ""


class _Record(_Camel):
    cve_metadata: _Metadata
    containers: _Containers


class _Score(_Camel):
    base_score: float
    vector_string: str = ""


class _Options(_Camel):
    options: list[dict[str, str]] = []
    timestamp: str = ""


class _Override(_Camel):
    cve: dict[str, msgspec.Raw]
    annotation: dict[str, msgspec.Raw] = msgspec.field(name="_annotation", default_factory=dict)


def read(files: Iterable[MemberFile]) -> Iterator[CveRecord | None]:
    """The record of each file; files that are no records (`delta.json` and such) are passed over."""
    for file in files:
        if _NAME.search(file.name.rsplit("/", 1)[-1]):
            yield record(file.body)


def record(body: bytes) -> CveRecord | None:
    """One record; None where it does not fit the schema."""
    try:
        raw = msgspec.json.decode(body, type=_Record)
        meta, containers = raw.cve_metadata, [raw.containers.cna, *raw.containers.adp]
        cve_number(meta.cve_id)
        configurations = [
            made
            for container in containers
            for each in container.cpe_applicability
            for made in configuration(each, _provider(container, raw.containers.cna))
        ]
        metrics = [metric for each in containers for metric in _metrics(each, _provider(each, raw.containers.cna))]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError):
        return None
    cwes = [
        weakness.cwe_id
        for container in containers
        for problem in container.problem_types
        for weakness in problem.descriptions
        if re.fullmatch(r"CWE-\d{1,6}", weakness.cwe_id)
    ]
    points = next((found for each in containers if (found := _points(each)) is not None), None)
    return CveRecord(
        CveFacts(
            meta.cve_id,
            PROVIDER,
            meta.date_published[:30],
            meta.date_updated[:30],
            meta.state.upper() == "REJECTED",
            english(text for container in containers for text in container.descriptions),
            tuple(metrics),
            tuple(dict.fromkeys(cwes)),
            urls(reference.url for container in containers for reference in container.references),
        ),
        tuple(configurations),
        (points.exploitation, points.automatable, points.impact, points.at) if points else ("", "", "", ""),
    )


def read_corrections(
    files: Iterable[MemberFile],
) -> Iterator[tuple[str, tuple[Configuration, ...]] | None]:
    """(CVE id, the configurations that take the place of NVD's) of each file."""
    for file in files:
        name = _NAME.search(file.name.rsplit("/", 1)[-1])
        try:
            raw = msgspec.json.decode(file.body, type=_Override)
            found = _annotated(raw) or (name[0] if name else "")
            cve_number(found)
            given = msgspec.json.decode(raw.cve.get("configurations", b"[]"), type=list[RawConfiguration])
            yield found, tuple(made for each in given for made in configuration(each, CORRECTIONS))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError):
            yield None


def _annotated(raw: _Override) -> str:
    named = raw.annotation.get("cve_id") or raw.cve.get("id")
    return msgspec.json.decode(named, type=str) if named is not None else ""


def _provider(container: _Container, cna: _Container) -> str:
    name = container.provider_metadata.short_name.lower()[:60]
    return PROVIDER if container is cna and not name else (CISA if name == CISA else name or PROVIDER)


def _metrics(container: _Container, provider: str) -> Iterator[Metric]:
    for metric in container.metrics:
        for key, version in _METRICS.items():
            if key in metric:
                score = msgspec.convert(metric[key], _Score)
                if 0.0 <= score.base_score <= 10.0:
                    yield Metric(provider, version, score.vector_string[:200], score.base_score)


def _points(container: _Container) -> SsvcPoints | None:
    for metric in container.metrics:
        other = metric.get("other")
        if not isinstance(other, dict) or str(other.get("type", "")).lower() != "ssvc":
            continue
        try:
            told = msgspec.convert(other.get("content"), _Options)
            given = {key.lower(): value for option in told.options for key, value in option.items()}
            return ssvc_points(
                given.get("exploitation", ""),
                given.get("automatable", ""),
                given.get("technical impact", ""),
                told.timestamp,
            )
        except (msgspec.ValidationError, ValueError):
            continue
    return None
