"""OSV records (the OSV schema, ossf.github.io/osv-schema): vulnerabilities of packages, one JSON file each in `all.zip`.

GIT ranges are passed over (a version is no commit). Events of one range become pairs of introduced and fixed or last.
A withdrawn record yields nothing. A record that does not fit is None and counted by the caller.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec

from secrecon.intel.feeds.archives import MemberFile
from secrecon.intel.feeds.lists import Dated
from secrecon.intel.feeds.nvd import urls
from secrecon.intel.records import PackageFlaw, PackageRange

PROVIDER = "osv"
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}T")
MAX_VERSIONS = 5_000
MAX_SUMMARY = 600
TYPES = {
    "pypi": "pypi",
    "npm": "npm",
    "maven": "maven",
    "go": "golang",
    "crates.io": "cargo",
    "rubygems": "gem",
    "packagist": "composer",
    "nuget": "nuget",
    "hex": "hex",
    "pub": "pub",
    "bitnami": "bitnami",
    "debian": "deb/debian",
    "ubuntu": "deb/ubuntu",
    "alpine": "apk/alpine",
    "rocky linux": "rpm/rocky",
    "almalinux": "rpm/almalinux",
    "red hat": "rpm/redhat",
}
"""Ecosystem of OSV to type (and namespace) of a package URL."""


class _Package(msgspec.Struct):
    name: str
    ecosystem: str


class _Event(msgspec.Struct):
    introduced: str = ""
    fixed: str = ""
    last_affected: str = ""
    limit: str = ""


class _Range(msgspec.Struct):
    type: str
    events: list[_Event] = []


class _Severity(msgspec.Struct):
    type: str
    score: str


class _Affected(msgspec.Struct):
    package: _Package | None = None
    ranges: list[_Range] = []
    versions: list[str] = []
    severity: list[_Severity] = []


class _Reference(msgspec.Struct):
    url: str


class _Record(msgspec.Struct):
    id: str
    modified: str = ""
    affected: list[_Affected] = []
    aliases: list[str] = []
    upstream: list[str] = []
    summary: str = ""
    details: str = ""
    withdrawn: str = ""
    severity: list[_Severity] = []
    references: list[_Reference] = []
    database_specific: dict[str, object] | None = None


def read(files: Iterable[MemberFile], dated: Dated) -> Iterator[list[tuple[str, PackageFlaw]] | None]:
    """For each file the packages it speaks of, as (key, flaw); None where it does not fit. `dated` gets the day of the
    newest change."""
    for file in files:
        try:
            raw = msgspec.json.decode(file.body, type=_Record)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            yield None
            continue
        if _DAY.match(raw.modified):
            dated.date = max(dated.date, raw.modified[:10])
        yield _packages(raw)


def _packages(raw: _Record) -> list[tuple[str, PackageFlaw]]:
    if raw.withdrawn:
        return []
    made: dict[str, list[_Affected]] = {}
    for affected in raw.affected:
        if affected.package is not None:
            key = package_key(affected.package.ecosystem, affected.package.name)
            if key:
                made.setdefault(key, []).append(affected)
    return [(key, _flaw(raw, key, group)) for key, group in made.items()]


def package_key(ecosystem: str, name: str) -> str:
    """`pypi/django`: type and name of the package URL without version, "" for an ecosystem without one. The release of a
    distribution stays: `deb/debian:11/openssh`."""
    system, _, release = ecosystem.partition(":")
    kind = TYPES.get(system.lower())
    if kind is None or not name or len(name) > 200:
        return ""
    name = name.lower()
    if kind == "pypi":
        name = name.replace("_", "-").replace(".", "-")
    return f"{kind}{':' + release.lower() if release else ''}/{name.replace(':', '/')}"


def _flaw(raw: _Record, key: str, group: list[_Affected]) -> PackageFlaw:
    ranges = [made for affected in group for each in affected.ranges for made in _pairs(each)]
    versions = [] if ranges else [version for affected in group for version in affected.versions]
    severities = [*raw.severity, *(each for affected in group for each in affected.severity)]
    named = (raw.database_specific or {}).get("severity", "")
    ecosystem = group[0].package.ecosystem if group[0].package else ""
    return PackageFlaw(
        raw.id[:80],
        PROVIDER,
        ecosystem,
        tuple(name[:80] for name in dict.fromkeys([*raw.aliases, *raw.upstream])),
        tuple(dict.fromkeys(ranges)),
        tuple(version[:100] for version in versions[:MAX_VERSIONS]),
        (raw.summary or raw.details)[:MAX_SUMMARY],
        tuple(dict.fromkeys(each.score[:200] for each in severities if each.score.startswith("CVSS:"))),
        urls(reference.url for reference in raw.references),
        str(named).lower()[:20],
    )


def _pairs(each: _Range) -> Iterator[PackageRange]:
    """The events of a range in their order: each `introduced` with what ends it."""
    if each.type not in ("SEMVER", "ECOSYSTEM"):
        return
    start: str | None = None
    for event in each.events:
        if event.introduced:
            if start is not None:
                yield PackageRange(start)
            start = event.introduced[:100]
        elif (event.fixed or event.last_affected) and start is not None:
            yield PackageRange(start, event.fixed[:100], event.last_affected[:100])
            start = None
    if start is not None:
        yield PackageRange(start)
