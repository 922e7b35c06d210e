"""The ground truth: what a correct scan of the lab finds, and how a scan's findings compare with it.

Every finding that the truth does not list is a false positive. Two exceptions, both written in `truth.yaml`: what is
`tolerated` is true of the lab but no lab host is about it, and `products` names hosts whose version has known
flaws, where the listed CVEs must be found and others of the same product count neither way.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from pathlib import Path
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel, ConfigDict

from secrecon.lab.description import LabDescription
from secrecon.model.finding import EvidenceLevel

CA_VARIABLE = "SECRECON_TLS_CA"
Seen = tuple[str, str, str, str]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Expected(_Strict):
    """A finding that must be there. `locations`: any one of them will do. `min_evidence`: less counts as missed."""

    check: str
    host: str
    scheme: str
    locations: tuple[str, ...]
    min_evidence: EvidenceLevel = EvidenceLevel.BEHAVIOUR
    unless_ca_trusted: bool = False
    about: str


class Twin(_Strict):
    """A host that looks like `twin_of` and on which `checks` must find nothing."""

    host: str
    scheme: str
    twin_of: str
    checks: tuple[str, ...]
    about: str


class Tolerated(_Strict):
    """A finding that counts neither way. An empty `host` or `scheme` stands for all."""

    check: str
    host: str = ""
    scheme: str = ""
    unless_ca_trusted: bool = False
    about: str


class Product(_Strict):
    """A version with known flaws. `names`: what a finding's location may call it. `max_evidence`: more is false."""

    host: str
    names: tuple[str, ...]
    max_evidence: EvidenceLevel = EvidenceLevel.CALLBACK


class TruthFile(_Strict):
    """`truth.yaml` as it is."""

    expected: tuple[Expected, ...]
    twins: tuple[Twin, ...]
    tolerated: tuple[Tolerated, ...]
    products: tuple[Product, ...]


@dataclass(frozen=True, slots=True)
class Truth:
    """The truth about one running lab. `names`: address to host name, for scans of a bare address."""

    expected: tuple[Expected, ...]
    twins: tuple[Twin, ...]
    tolerated: tuple[Tolerated, ...]
    products: tuple[Product, ...]
    names: Mapping[str, str]

    def of_hosts(self, *hosts: str) -> Truth:
        """The truth about some hosts only (full names): for a scan of a single origin."""
        return replace(
            self,
            expected=tuple(e for e in self.expected if e.host in hosts),
            twins=tuple(t for t in self.twins if t.host in hosts),
        )


@dataclass(frozen=True, slots=True)
class Score:
    """How a scan did. `weak`: found, but with less evidence than there is; each is in `missed` too."""

    found: tuple[Expected, ...]
    missed: tuple[Expected, ...]
    weak: tuple[Expected, ...]
    false_positives: tuple[Seen, ...]
    tolerated: int

    @property
    def recall(self) -> float:
        """Found of expected; 1.0 where nothing was expected."""
        total = len(self.found) + len(self.missed)
        return len(self.found) / total if total else 1.0

    @property
    def precision(self) -> float:
        """Found of found and false; 1.0 where neither is there."""
        total = len(self.found) + len(self.false_positives)
        return len(self.found) / total if total else 1.0

    @property
    def perfect(self) -> bool:
        """True where nothing was missed and nothing was false."""
        return not self.missed and not self.false_positives

    def table(self) -> str:
        """Plain text: one line per expected finding, then the false ones, then the sums."""
        rows = [("found", e.check, e.host, e.locations[0]) for e in self.found]
        rows += [("weak" if e in self.weak else "MISSED", e.check, e.host, e.locations[0]) for e in self.missed]
        rows += [
            ("FALSE", check, asset, f"{place} ({level})") for check, asset, place, level in self.false_positives
        ]
        lines = [f"{state:<7} {check:<32} {where:<34} {place}".rstrip() for state, check, where, place in rows]
        total = len(self.found) + len(self.missed)
        lines.append(
            f"found {len(self.found)} of {total} expected findings (recall {self.recall:.3f}), "
            f"{len(self.false_positives)} false positives (precision {self.precision:.3f}), "
            f"{self.tolerated} that count neither way"
        )
        return "\n".join(lines)


@cache
def read_truth_file() -> TruthFile:
    """The packaged truth."""
    text = resources.files("secrecon.lab").joinpath("truth.yaml").read_text("utf-8")
    return TruthFile.model_validate(yaml.safe_load(text))


def ca_is_trusted(lab: LabDescription) -> bool:
    """True where the environment tells scans to trust this lab's certificate authority."""
    named = os.environ.get(CA_VARIABLE, "")
    return bool(named) and Path(named).resolve() == Path(lab.ca_file).resolve()


def load_truth(lab: LabDescription, ca_trusted: bool | None = None) -> Truth:
    """The truth about a running lab; whether its authority is trusted is read from the environment unless given."""
    trusted = ca_is_trusted(lab) if ca_trusted is None else ca_trusted
    file = read_truth_file()
    return Truth(
        expected=tuple(e for e in file.expected if not (trusted and e.unless_ca_trusted)),
        twins=file.twins,
        tolerated=tuple(t for t in file.tolerated if not (trusted and t.unless_ca_trusted)),
        products=file.products,
        names={address: name for name, address in lab.addresses.items()},
    )


def score(truth: Truth, findings: Iterable[Seen]) -> Score:
    """Compare findings, each (check, asset, location, evidence level), with the truth."""
    strong: set[int] = set()
    weak: set[int] = set()
    false: list[Seen] = []
    tolerated = 0
    for seen in findings:
        match = _expected_index(truth, seen)
        if match is not None and not _over_evidence(truth, seen):
            enough = EvidenceLevel(seen[3]).rank >= truth.expected[match].min_evidence.rank
            (strong if enough else weak).add(match)
        elif _is_tolerated(truth, seen):
            tolerated += 1
        else:
            false.append(seen)
    indexed = tuple(enumerate(truth.expected))
    return Score(
        found=tuple(e for index, e in indexed if index in strong),
        missed=tuple(e for index, e in indexed if index not in strong),
        weak=tuple(e for index, e in indexed if index in weak - strong),
        false_positives=tuple(false),
        tolerated=tolerated,
    )


def place_of(truth: Truth, asset: str) -> tuple[str, str]:
    """(scheme, host name) of a finding's asset; the scheme is empty where the asset is a name or host:port."""
    scheme, host = "", asset
    if "://" in asset:
        parts = urlsplit(asset)
        scheme, host = parts.scheme, parts.hostname or ""
    elif asset.count(":") == 1:
        host = asset.split(":", 1)[0]
    return scheme, truth.names.get(host, host)


def _expected_index(truth: Truth, seen: Seen) -> int | None:
    check, asset, location, _ = seen
    scheme, host = place_of(truth, asset)
    for index, expected in enumerate(truth.expected):
        same = (expected.check, expected.scheme, expected.host) == (check, scheme, host)
        if same and (location in expected.locations or _names_product(truth, check, host, location) is not None):
            return index
    return None


def _names_product(truth: Truth, check: str, host: str, location: str) -> Product | None:
    if not check.startswith("cve."):
        return None
    called = location.lower()
    return next((p for p in truth.products if p.host == host and called in p.names), None)


def _over_evidence(truth: Truth, seen: Seen) -> bool:
    product = _names_product(truth, seen[0], place_of(truth, seen[1])[1], seen[2])
    return product is not None and EvidenceLevel(seen[3]).rank > product.max_evidence.rank


def _is_tolerated(truth: Truth, seen: Seen) -> bool:
    check, asset, location, _ = seen
    scheme, host = place_of(truth, asset)
    if any(check in twin.checks and (twin.scheme, twin.host) == (scheme, host) for twin in truth.twins):
        return False
    if _names_product(truth, check, host, location) is not None:
        return not _over_evidence(truth, seen)
    return any(t.check == check and t.host in ("", host) and t.scheme in ("", scheme) for t in truth.tolerated)
