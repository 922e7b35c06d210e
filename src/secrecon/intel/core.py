"""The curated core: product records of our own writing that ship with the package. Format: docs/curated-core.md.

It is what a fresh machine without any feed knows. It is small and dated: what it does not hold is not known to be
safe, and every report says how old it is. The files are read strictly; a fact that contradicts another one (a score that
its vector does not give, a severity that its score does not have, a range without an end) stops the start.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Annotated, Literal, TypeVar

import yaml
from cvss import CVSS3, CVSS4
from cvss.exceptions import CVSSError
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from secrecon.intel.versions import Range, Scheme, compare
from secrecon.model.errors import OperatorError
from secrecon.model.finding import Severity
from secrecon.model.scan import FeedInfo

MANIFEST = "_core.yaml"
FEED_NAME = "curated core"

Url = Annotated[str, Field(pattern=r"^https://[^\s<>\"]+$", max_length=300)]
Text = Annotated[str, Field(min_length=10, max_length=1200)]
Cpe = Annotated[str, Field(pattern=r"^cpe:2\.3:[aho]:[^:\s]+:[^:\s]+$")]
VersionText = Annotated[str, Field(pattern=r"^[0-9][0-9A-Za-z.+_-]*$", max_length=64)]


M = TypeVar("M", bound=BaseModel)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RangeEntry(_Strict):
    """One affected range as written; `exactly` is a range of one version."""

    introduced: VersionText | None = None
    fixed: VersionText | None = None
    last: VersionText | None = None
    exactly: VersionText | None = None

    @model_validator(mode="after")
    def _one_end(self) -> RangeEntry:
        if sum(end is not None for end in (self.fixed, self.last, self.exactly)) != 1:
            raise ValueError("a range has exactly one of fixed, last, exactly")
        if self.exactly is not None and self.introduced is not None:
            raise ValueError("exactly stands alone")
        return self

    def as_range(self) -> Range:
        if self.exactly is not None:
            return Range(introduced=self.exactly, last=self.exactly)
        return Range(self.introduced or "", self.fixed or "", self.last or "")


class CvssEntry(_Strict):
    """A base score with the vector that gives it."""

    vector: str
    score: float

    @model_validator(mode="after")
    def _same_score(self) -> CvssEntry:
        try:
            reader = CVSS4 if self.vector.startswith("CVSS:4.0/") else CVSS3
            score = float(reader(self.vector).base_score)
        except CVSSError as error:
            raise ValueError(f"not a CVSS vector: {error}") from error
        if abs(score - self.score) > 0.001:
            raise ValueError(f"the vector gives {score}, not {self.score}")
        return self


class KevEntry(_Strict):
    """Whether CISA lists it as exploited, and since when."""

    listed: bool
    added: datetime.date | None = None

    @model_validator(mode="after")
    def _dated(self) -> KevEntry:
        if self.listed != (self.added is not None):
            raise ValueError("a listed CVE has the date it was added, and no other has one")
        return self


class CveEntry(_Strict):
    """One CVE of a product as written."""

    id: str = Field(pattern=r"^CVE-\d{4}-\d{4,7}$")
    title: str = Field(min_length=5, max_length=100)
    severity: Literal["critical", "high", "medium", "low"]
    cvss: CvssEntry | None
    cwe: list[Annotated[str, Field(pattern=r"^CWE-\d+$")]] = []
    kev: KevEntry
    affected: list[RangeEntry] = Field(min_length=1)
    needs: str = ""
    summary: Text
    impact: Text
    fix: Text
    references: list[Url] = Field(min_length=1)
    checked: datetime.date
    differs: str = ""

    @model_validator(mode="after")
    def _fits_score(self) -> CveEntry:
        if self.cvss is not None and severity_of(self.cvss.score).value != self.severity:
            raise ValueError(f"{self.id}: {self.cvss.score} is {severity_of(self.cvss.score)}, not {self.severity}")
        return self


class ProductEntry(_Strict):
    """One product file as written."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")
    name: str
    cpe: list[Cpe] = Field(min_length=1)
    fingerprints: list[str] = Field(min_length=1)
    scheme: Scheme
    parts: int = Field(ge=1, le=5)
    cves: list[CveEntry] = Field(min_length=1)


class ManifestEntry(_Strict):
    """When the core was last gone through, and which KEV catalogue it was held against."""

    date: datetime.date
    kev_catalogue: datetime.date


@dataclass(frozen=True, slots=True)
class CveRecord:
    """One CVE of one product. `needs`: what besides the version must be true, in words, or "". `differs`: in what
    and why the record departs from NVD. `checked`: ISO date of the last look at the sources."""

    id: str
    title: str
    severity: Severity
    cvss_score: float | None
    cvss_vector: str | None
    cwe: tuple[str, ...]
    kev: bool
    kev_added: str
    affected: tuple[Range, ...]
    needs: str
    summary: str
    impact: str
    fix: str
    references: tuple[str, ...]
    checked: str
    differs: str


@dataclass(frozen=True, slots=True)
class Product:
    """One product. `cpe`: every CPE prefix it is known by, the present one first. `fingerprints`: technology names
    that are this product. `parts`: how many numbers a complete version has at least."""

    id: str
    name: str
    cpe: tuple[str, ...]
    fingerprints: tuple[str, ...]
    scheme: Scheme
    parts: int
    cves: tuple[CveRecord, ...]


@dataclass(frozen=True, slots=True)
class Core:
    """All product records. `date`: when they were last gone through; `kev_catalogue`: the date of the CISA catalogue
    they were held against; `digest`: sha256 hex of the files."""

    date: str
    kev_catalogue: str
    digest: str
    products: tuple[Product, ...]

    @property
    def feed(self) -> FeedInfo:
        """What a report says of the core; one row is one CVE of one product."""
        rows = sum(len(product.cves) for product in self.products)
        note = (
            f"ships with SecRecon: {len(self.products)} products; exploited-in-the-wild marks as of the CISA catalogue "
            f"of {self.kev_catalogue}; a CVE that is not in it is not known to be absent"
        )
        return FeedInfo(FEED_NAME, self.date, rows, self.digest, note)

    def product(self, name: str, cpe: str) -> Product | None:
        """The product that a technology is, by its name or else by its CPE prefix."""
        by_name = next((product for product in self.products if name in product.fingerprints), None)
        if by_name is not None or not cpe:
            return by_name
        prefix = ":".join(cpe.split(":")[:5])
        return next((product for product in self.products if prefix in product.cpe), None)


def severity_of(score: float) -> Severity:
    """The qualitative rating of a CVSS v3 or v4 base score."""
    for floor, severity in (
        (9.0, Severity.CRITICAL),
        (7.0, Severity.HIGH),
        (4.0, Severity.MEDIUM),
        (0.1, Severity.LOW),
    ):
        if score >= floor:
            return severity
    return Severity.INFO


def load_core() -> Core:
    """The core that ships with the package. Raises OperatorError where a file is broken."""
    folder = resources.files("secrecon") / "rules" / "products"
    return parse_core(
        {item.name: item.read_text("utf-8") for item in folder.iterdir() if item.name.endswith(".yaml")}
    )


def parse_core(files: Mapping[str, str]) -> Core:
    """A core from the named YAML texts. Raises OperatorError naming file and entry."""
    if MANIFEST not in files:
        raise OperatorError(f"the curated core has no {MANIFEST}: reinstall the package")
    manifest = _validate(ManifestEntry, MANIFEST, _yaml(MANIFEST, files[MANIFEST]))
    products = [_product(name, _yaml(name, text)) for name, text in sorted(files.items()) if name != MANIFEST]
    _check_unique(products)
    whole = "\0".join(f"{name}\0{text}" for name, text in sorted(files.items()))
    digest = hashlib.sha256(whole.encode("utf-8")).hexdigest()
    return Core(manifest.date.isoformat(), manifest.kev_catalogue.isoformat(), digest, tuple(products))


def _check_unique(products: Iterable[Product]) -> None:
    seen: dict[str, str] = {}
    for product in products:
        keys = [f"id {product.id}", *(f"fingerprint {f}" for f in product.fingerprints), *product.cpe]
        keys += [f"{product.id} {cve.id}" for cve in product.cves]
        for key in keys:
            if key in seen:
                raise OperatorError(f"the curated core names {key} twice: in {seen[key]} and {product.id}")
            seen[key] = product.id


def _yaml(name: str, text: str) -> object:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise OperatorError(f"{name}: not YAML: {error}") from error


def _validate(kind: type[M], name: str, raw: object) -> M:
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        raise OperatorError(f"{name}: {_place(raw, error)}{error}") from error


def _place(raw: object, error: ValidationError) -> str:
    """The CVE that the first problem is in, for the message."""
    where = error.errors()[0]["loc"]
    if len(where) > 1 and where[0] == "cves" and isinstance(where[1], int) and isinstance(raw, dict):
        entry = raw["cves"][where[1]]
        return f"entry {entry.get('id', where[1]) if isinstance(entry, dict) else where[1]}: "
    return ""


def _product(name: str, raw: object) -> Product:
    entry = _validate(ProductEntry, name, raw)
    cves = tuple(_cve(name, entry.scheme, cve) for cve in entry.cves)
    return Product(
        entry.id, entry.name, tuple(entry.cpe), tuple(entry.fingerprints), entry.scheme, entry.parts, cves
    )


def _cve(name: str, scheme: Scheme, entry: CveEntry) -> CveRecord:
    ranges = tuple(item.as_range() for item in entry.affected)
    for item in ranges:
        end = item.fixed or item.last
        order = compare(scheme, item.introduced, end) if item.introduced else compare(scheme, end, end)
        if order is None or order > 0 or (order == 0 and item.introduced and item.fixed):
            raise OperatorError(f"{name}: entry {entry.id}: the range {item.vers} is empty or not {scheme}")
    return CveRecord(
        id=entry.id,
        title=entry.title,
        severity=Severity(entry.severity),
        cvss_score=entry.cvss.score if entry.cvss else None,
        cvss_vector=entry.cvss.vector if entry.cvss else None,
        cwe=tuple(entry.cwe),
        kev=entry.kev.listed,
        kev_added=entry.kev.added.isoformat() if entry.kev.added else "",
        affected=ranges,
        needs=entry.needs,
        summary=entry.summary,
        impact=entry.impact,
        fix=entry.fix,
        references=tuple(entry.references),
        checked=entry.checked.isoformat(),
        differs=entry.differs,
    )
