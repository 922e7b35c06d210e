"""Whether a package's version is affected, by the version rules of its ecosystem (univers), with a documented fallback.

Where a reader refuses a version, plain dotted numbers are compared as such (`ordering`); everything else is unknown.
"""

from __future__ import annotations

from univers.versions import (
    AlpineLinuxVersion,
    ComposerVersion,
    DebianVersion,
    GolangVersion,
    InvalidVersion,
    MavenVersion,
    NugetVersion,
    PypiVersion,
    RpmVersion,
    RubygemsVersion,
    SemverVersion,
    Version,
)

from secrecon.intel import ordering
from secrecon.intel.records import PackageFlaw, PackageRange
from secrecon.intel.versions import Placement

MAX_LENGTH = 100
READERS: dict[str, type[Version]] = {
    "pypi": PypiVersion,
    "npm": SemverVersion,
    "crates.io": SemverVersion,
    "hex": SemverVersion,
    "pub": SemverVersion,
    "go": GolangVersion,
    "maven": MavenVersion,
    "rubygems": RubygemsVersion,
    "packagist": ComposerVersion,
    "nuget": NugetVersion,
    "debian": DebianVersion,
    "ubuntu": DebianVersion,
    "alpine": AlpineLinuxVersion,
    "red hat": RpmVersion,
    "rocky linux": RpmVersion,
    "almalinux": RpmVersion,
}
"""Ecosystem as OSV names it, without its release, to how its versions are read. Others: `ordering`."""


def compare(ecosystem: str, one: str, other: str) -> int | None:
    """-1, 0 or 1; None where the order cannot be known."""
    if max(len(one), len(other)) > MAX_LENGTH:
        return None
    reader = READERS.get(ecosystem.partition(":")[0].lower())
    if reader is not None:
        try:
            left, right = reader(one), reader(other)
            return -1 if left < right else int(right < left)
        except (InvalidVersion, ValueError, TypeError, IndexError, AttributeError):
            pass  # the fallback below decides; it says None for what it cannot order either
    return ordering.compare(one, other)


def place(flaw: PackageFlaw, version: str) -> Placement:
    """Where a version lies against the affected ranges of a flaw."""
    if version in flaw.versions:
        return Placement.INSIDE
    answers = [_inside(flaw.ecosystem, each, version) for each in flaw.ranges]
    if any(answers):
        return Placement.INSIDE
    return Placement.UNKNOWN if None in answers else Placement.OUTSIDE


def words(flaw: PackageFlaw) -> str:
    """The affected ranges as people write them."""
    told = []
    for each in flaw.ranges[:4]:
        first = f">= {each.introduced}" if each.introduced not in ("", "0") else ""
        last = f"< {each.fixed}" if each.fixed else (f"<= {each.last}" if each.last else "")
        told.append(", ".join(limit for limit in (first, last) if limit) or "every version")
    return " or ".join(told) or "versions named one by one"


def fix_for(flaw: PackageFlaw, version: str) -> str:
    """The version that mends it for who runs `version`, "" where none is named."""
    for each in flaw.ranges:
        if _inside(flaw.ecosystem, each, version):
            return each.fixed
    return ""


def _inside(ecosystem: str, limits: PackageRange, version: str) -> bool | None:
    if limits.introduced not in ("", "0"):
        start = compare(ecosystem, version, limits.introduced)
        if start is None:
            return None
        if start < 0:
            return False
    if not (limits.fixed or limits.last):
        return True
    end = compare(ecosystem, version, limits.fixed or limits.last)
    if end is None:
        return None
    return end < 0 if limits.fixed else end <= 0
