"""What the feeds say, in one form: CVE records, affected products, packages, and marks of exploitation.

Every metric and every affected range keeps the provider that said it. The structures are frozen and are also the wire
format of the index (arrays, by position): a field is only ever added at the end, with a default.
"""

from __future__ import annotations

from msgspec import Struct

MAX_DESCRIPTION = 1_500
MAX_REFERENCES = 12


class Metric(Struct, frozen=True, array_like=True):
    """One CVSS score. `version`: 2.0, 3.0, 3.1 or 4.0. `primary`: said by the record's keeper (NVD) and not by another."""

    provider: str
    version: str
    vector: str
    score: float
    primary: bool = False


class Criterion(Struct, frozen=True, array_like=True):
    """One product with its affected versions. `product`: `a:f5:nginx`. `version`: exact, `*` any or `-` none; `update` and
    `qualifiers` as in the CPE name. `start`, `end`: limits of a range, "" for none. `vulnerable` False: a platform that
    must be there. `node`: criteria of one node are alternatives; all nodes of a configuration must hold."""

    product: str
    version: str
    update: str
    qualifiers: str
    start: str = ""
    start_included: bool = True
    end: str = ""
    end_included: bool = False
    vulnerable: bool = True
    node: int = 0

    @property
    def words(self) -> str:
        """The criterion as people write it."""
        named = f"{self.product.partition(':')[2]}"
        if self.start or self.end:
            first = f"{'>=' if self.start_included else '>'} {self.start}" if self.start else ""
            last = f"{'<=' if self.end_included else '<'} {self.end}" if self.end else ""
            named = f"{named} {', '.join(limit for limit in (first, last) if limit)}"
        elif self.version == "*":
            named += " in every version"
        elif self.version != "-":
            named += f" {self.version}" + (f" {self.update}" if self.update not in ("*", "-") else "")
        return f"{named} ({self.qualifiers})" if self.qualifiers else named


class Configuration(Struct, frozen=True, array_like=True):
    """Criteria that belong together. `every`: one of each node must hold (AND); else any criterion is enough."""

    provider: str
    every: bool
    criteria: tuple[Criterion, ...]
    negated: tuple[int, ...] = ()


class CveFacts(Struct, frozen=True, array_like=True):
    """One CVE record without its configurations. Dates are ISO 8601. `rejected`: withdrawn, never matched."""

    id: str
    provider: str
    published: str
    modified: str
    rejected: bool
    description: str
    metrics: tuple[Metric, ...] = ()
    cwe: tuple[str, ...] = ()
    references: tuple[str, ...] = ()


class CveRecord(Struct, frozen=True):
    """A CVE record as a feed has it. `ssvc`: the decision points that came with it, "" for none."""

    facts: CveFacts
    configurations: tuple[Configuration, ...] = ()
    ssvc: tuple[str, str, str, str] = ("", "", "", "")


class KevEntry(Struct, frozen=True, array_like=True):
    """An entry of CISA's catalogue of exploited vulnerabilities. Dates are ISO 8601. `ransomware`: known use in campaigns."""

    cve_id: str
    vendor: str
    product: str
    name: str
    added: str
    due: str
    ransomware: bool
    action: str
    notes: str = ""


class EpssScore(Struct, frozen=True, array_like=True):
    """`score`: probability of exploitation in the next 30 days, 0-1. `percentile`: share of CVEs with a lower score, 0-1."""

    score: float
    percentile: float


class SsvcPoints(Struct, frozen=True, array_like=True):
    """CISA's decision points. `exploitation`: none, poc, active. `automatable`: yes, no. `impact`: partial, total."""

    exploitation: str
    automatable: str
    impact: str
    at: str = ""


class PackageRange(Struct, frozen=True, array_like=True):
    """Affected versions of a package: from `introduced` ("" or "0": the first) to `fixed` (without it) or `last` (with
    it); both "": every later one. `exact`: versions named one by one, used where there are no limits."""

    introduced: str = ""
    fixed: str = ""
    last: str = ""


class PackageFlaw(Struct, frozen=True, array_like=True):
    """A vulnerability of a package. `id`: of the record; `aliases`: other ids, CVEs among them. `ecosystem`: how its
    versions are read, as OSV names it. `summary` and `fix` may be ""."""

    id: str
    provider: str
    ecosystem: str
    aliases: tuple[str, ...]
    ranges: tuple[PackageRange, ...]
    versions: tuple[str, ...]
    summary: str
    vectors: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    severity: str = ""

    @property
    def cves(self) -> tuple[str, ...]:
        """The CVE ids among its names."""
        return tuple(name for name in (self.id, *self.aliases) if name.startswith("CVE-"))


def cve_number(cve_id: str) -> int:
    """`CVE-2021-41773` as year * 10**9 + number: sorts by year and number. Raises ValueError for what is no CVE id."""
    head, _, rest = cve_id.partition("-")
    year, _, number = rest.partition("-")
    if head != "CVE" or len(year) != 4 or not 4 <= len(number) <= 9 or not (year + number).isdecimal():
        raise ValueError(f"not a CVE id: {cve_id[:40]!r}")
    if not (year + number).isascii():
        raise ValueError(f"not a CVE id: {cve_id[:40]!r}")
    return int(year) * 10**9 + int(number)


def cve_name(number: int) -> str:
    """The CVE id of a number."""
    year, count = divmod(number, 10**9)
    return f"CVE-{year}-{count:04d}"


def cve_key(number: int) -> bytes:
    """The key of a CVE in the index."""
    return number.to_bytes(8, "big")
