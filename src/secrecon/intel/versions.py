"""Comparing versions, and placing one against affected ranges. Whatever cannot be read is unknown, never guessed.

Schemes: `dotted` compares plain dotted numbers of any length part by part and takes nothing else; `semver`, `maven`,
`pypi`, `nginx` and `openssl` are read by univers, guarded so that no part of a version is silently dropped (its
semver reads a fourth number as build metadata, and RC1 as older than rc1, so case is dropped). Fallback: where a
scheme's reader refuses one of two versions and both are plain dotted numbers, they are compared as `dotted`; where they
are not, the answer is unknown.

A server may tell only the beginning of its version (`Apache/2.4`). Such a version stands for every version that
begins so, and is placed only where all of those share one answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import zip_longest

from univers.versions import (
    InvalidVersion,
    MavenVersion,
    NginxVersion,
    OpensslVersion,
    PypiVersion,
    SemverVersion,
    Version,
)

MAX_LENGTH = 64
BEYOND = "999999999"
"""A part larger than any that a product uses: the upper end of what an incomplete version stands for."""

# Linear patterns over at most MAX_LENGTH characters, anchored at both ends.
_SHAPE = re.compile(r"[0-9][0-9A-Za-z.+_-]*")
_DOTTED = re.compile(r"[0-9]{1,10}(?:\.[0-9]{1,10})*")
_SEMVER = re.compile(r"[0-9]{1,10}(?:\.[0-9]{1,10}){0,2}(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?")


class Scheme(StrEnum):
    """How a product counts its versions."""

    DOTTED = "dotted"
    SEMVER = "semver"
    MAVEN = "maven"
    PYPI = "pypi"
    NGINX = "nginx"
    OPENSSL = "openssl"


class Placement(StrEnum):
    """Where a version lies. UNKNOWN: it cannot be read, or is told too roughly to say."""

    INSIDE = "inside"
    OUTSIDE = "outside"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Range:
    """Affected versions: from `introduced` (with it; "" = from the first) to `fixed` (without it) or `last` (with
    it). Exactly one of the two is set."""

    introduced: str = ""
    fixed: str = ""
    last: str = ""

    @property
    def vers(self) -> str:
        """The constraint as in a `vers:` string."""
        start = f">={self.introduced}|" if self.introduced else ""
        return start + (f"<{self.fixed}" if self.fixed else f"<={self.last}")


_READERS: dict[Scheme, type[Version]] = {
    Scheme.SEMVER: SemverVersion,
    Scheme.NGINX: NginxVersion,
    Scheme.MAVEN: MavenVersion,
    Scheme.PYPI: PypiVersion,
    Scheme.OPENSSL: OpensslVersion,
}


def _univers(scheme: Scheme, text: str) -> Version | None:
    if scheme in (Scheme.SEMVER, Scheme.NGINX) and not _SEMVER.fullmatch(text):
        return None
    try:
        return _READERS[scheme](text.lower() if scheme is Scheme.SEMVER else text)
    except (InvalidVersion, ValueError):
        return None


def is_plain(text: str) -> bool:
    """True for a dotted number and nothing else."""
    return len(text) <= MAX_LENGTH and _DOTTED.fullmatch(text) is not None


def compare(scheme: Scheme, one: str, other: str) -> int | None:
    """-1, 0 or 1 as `one` is older than, the same as or newer than `other`; None where that cannot be known."""
    if not all(len(text) <= MAX_LENGTH and _SHAPE.fullmatch(text) for text in (one, other)):
        return None
    if scheme is not Scheme.DOTTED:
        left, right = _univers(scheme, one), _univers(scheme, other)
        if left is not None and right is not None:
            return -1 if left < right else int(right < left)
    if not (is_plain(one) and is_plain(other)):
        return None
    return _compare_dotted(one, other)


def _compare_dotted(one: str, other: str) -> int:
    for left, right in zip_longest(one.split("."), other.split("."), fillvalue="0"):
        if int(left) != int(right):
            return -1 if int(left) < int(right) else 1
    return 0


def place(scheme: Scheme, version: str, ranges: Iterable[Range], parts: int) -> Placement:
    """Where `version` lies against the union of `ranges`. `parts`: how many numbers a complete version has at least."""
    ends = [version]
    if is_plain(version) and version.count(".") + 1 < parts:
        ends = [version, f"{version}.{BEYOND}"]
    known = list(ranges)
    placements = [[_inside(scheme, end, item) for end in ends] for item in known]
    if any(all(inside is True for inside in row) for row in placements):
        return Placement.INSIDE
    if any(inside is not False for row in placements for inside in row):
        return Placement.UNKNOWN
    if len(ends) == 2 and any(_splits(scheme, ends[0], ends[1], item) for item in known):
        return Placement.UNKNOWN
    return Placement.OUTSIDE


def _inside(scheme: Scheme, version: str, item: Range) -> bool | None:
    if item.introduced:
        start = compare(scheme, version, item.introduced)
        if start is None:
            return None
        if start < 0:
            return False
    end = compare(scheme, version, item.fixed or item.last)
    if end is None:
        return None
    return end < 0 if item.fixed else end <= 0


def _splits(scheme: Scheme, low: str, high: str, item: Range) -> bool:
    """Whether an end of the range lies between the two ends of an incomplete version (or cannot be compared)."""
    for bound in (item.introduced, item.fixed, item.last):
        if bound:
            below, above = compare(scheme, low, bound), compare(scheme, high, bound)
            if below is None or above is None or (below < 0 <= above):
                return True
    return False
