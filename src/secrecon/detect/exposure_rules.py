"""Our list of files that should not be public: reads `rules/exposures/*.yaml` and refuses what is not sound.

Three files: what each check is for people, what proves the thing itself, and which paths are asked for in which
order. Errors are the installation's (OperatorError) and name the entry. The rules are ours, not a target's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Protocol, TypeVar

import re2
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from secrecon.detect.masking import MASKS
from secrecon.model.errors import OperatorError
from secrecon.model.finding import Severity

QUICK_PATHS = 25
DEFAULT_CAP = 65_536
FILES = ("checks.yaml", "proofs.yaml", "paths.yaml")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CheckEntry(_Strict):
    """What one check is, for people."""

    id: str = Field(pattern=r"^exposure\.[a-z][a-z-]*$")
    title: str = Field(min_length=5, max_length=100)
    severity: Severity
    description: str = Field(min_length=20)
    impact: str = Field(min_length=20)
    remediation: str = Field(min_length=10)
    cwe: tuple[str, ...] = Field(min_length=1)
    references: tuple[str, ...] = ()


class ProofEntry(_Strict):
    """What proves the thing itself, as written."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    check: str
    all: tuple[str, ...] = ()
    any: tuple[str, ...] = ()
    none: tuple[str, ...] = ()
    magic: tuple[str, ...] = ()
    json_keys: tuple[str, ...] = Field(default=(), alias="json")
    status: tuple[int, ...] = (200,)
    page: bool = False
    listing: bool = False
    mask: str = ""
    cap: int = Field(default=DEFAULT_CAP, ge=64, le=DEFAULT_CAP)
    words: str = Field(min_length=5)


class PathEntry(_Strict):
    """One path, as written."""

    path: str = Field(pattern=r"^/[!-~]*$")
    proof: str


class _Checks(_Strict):
    checks: tuple[CheckEntry, ...]


class _Proofs(_Strict):
    proofs: tuple[ProofEntry, ...]


class _Paths(_Strict):
    paths: tuple[PathEntry, ...]


class Hit(Protocol):
    """Where a pattern matched."""

    def start(self) -> int: ...


class Pattern(Protocol):
    """A compiled RE2 pattern over bytes."""

    def search(self, text: bytes) -> Hit | None: ...


@dataclass(frozen=True, slots=True)
class Proof:
    """Ready to be applied. `magic`: one of these is at the beginning. `json_keys`: all are at the top level."""

    name: str
    check: str
    all: tuple[Pattern, ...]
    any: tuple[Pattern, ...]
    none: tuple[Pattern, ...]
    magic: tuple[bytes, ...]
    json_keys: tuple[str, ...]
    status: tuple[int, ...]
    page: bool
    listing: bool
    mask: str
    cap: int
    words: str


@dataclass(frozen=True, slots=True)
class Rule:
    """A path and the proof that what lies there is what its name says. `order`: 0 is asked for first."""

    path: str
    proof: Proof
    order: int


@dataclass(frozen=True, slots=True)
class ExposureRules:
    """Everything the exposure checks know."""

    checks: Mapping[str, CheckEntry]
    proofs: Mapping[str, Proof]
    rules: tuple[Rule, ...]

    @property
    def quick(self) -> tuple[Rule, ...]:
        """The rules of a quick scan."""
        return self.rules[:QUICK_PATHS]


def parse_rules(files: Mapping[str, str]) -> ExposureRules:
    """The rules from the texts of FILES. Raises OperatorError naming the file and what is wrong."""
    checks = {entry.id: entry for entry in _read(_Checks, files, "checks.yaml").checks}
    proofs: dict[str, Proof] = {}
    for entry in _read(_Proofs, files, "proofs.yaml").proofs:
        if entry.name in proofs or entry.check not in checks or entry.mask not in MASKS:
            raise OperatorError(f"proofs.yaml: {entry.name}: used twice, or of an unknown check or mask")
        proofs[entry.name] = _proof(entry)
    paths = _read(_Paths, files, "paths.yaml").paths
    unknown = sorted({entry.proof for entry in paths} - proofs.keys())
    if unknown:
        raise OperatorError(f"paths.yaml: unknown proofs: {', '.join(unknown)}")
    rules = tuple(Rule(entry.path, proofs[entry.proof], order) for order, entry in enumerate(paths))
    return ExposureRules(checks, proofs, rules)


@cache
def load_rules() -> ExposureRules:
    """The rules that SecRecon ships with."""
    folder = resources.files("secrecon.rules").joinpath("exposures")
    return parse_rules({name: folder.joinpath(name).read_text("utf-8") for name in FILES})


M = TypeVar("M", bound=_Strict)


def _read(kind: type[M], files: Mapping[str, str], name: str) -> M:
    try:
        return kind.model_validate(yaml.safe_load(files[name]))
    except (KeyError, yaml.YAMLError, ValidationError) as error:
        raise OperatorError(f"{name}: not a file of exposure rules: {error}") from error


def _proof(entry: ProofEntry) -> Proof:
    if not (entry.all or entry.any or entry.magic or entry.json_keys or entry.listing):
        raise OperatorError(f"proofs.yaml: {entry.name}: proves nothing")
    try:
        magic = tuple(bytes.fromhex(text) for text in entry.magic)
        compiled = [tuple(_compile(text) for text in part) for part in (entry.all, entry.any, entry.none)]
    except (ValueError, re2.error) as error:
        raise OperatorError(f"proofs.yaml: {entry.name}: {error}") from error
    return Proof(
        name=entry.name,
        check=entry.check,
        all=compiled[0],
        any=compiled[1],
        none=compiled[2],
        magic=magic,
        json_keys=entry.json_keys,
        status=entry.status,
        page=entry.page,
        listing=entry.listing,
        mask=entry.mask,
        cap=entry.cap,
        words=entry.words,
    )


def _compile(pattern: str) -> Pattern:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False
    compiled: Pattern = re2.compile(pattern.encode("ascii"), options)
    return compiled
