"""Our list of files that should not be public: reads `rules/exposures/*.yaml` and refuses what is not sound.

Four files: what each check is for people, what proves the thing itself, which paths are asked for first, and the rest of
the list in groups. Errors are the installation's (OperatorError) and name the entry. The rules are ours, not a target's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
FILES = ("checks.yaml", "proofs.yaml", "paths.yaml", "groups.yaml")
FIRST = "first"
"""The group of the paths that every full scan asks for."""
MAX_CHOICES = 4_000


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


class GroupEntry(_Strict):
    """Paths that are asked for together, as written. In a path `(a|b)` stands for each of its choices."""

    name: str = Field(pattern=r"^[a-z][a-z-]*$")
    about: str = Field(min_length=5)
    hits: tuple[str, ...] = ()
    technologies: tuple[str, ...] = ()
    endings: tuple[str, ...] = ()
    paths: tuple[PathEntry, ...] = Field(min_length=1)


class _Groups(_Strict):
    groups: tuple[GroupEntry, ...]


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
    group: str = FIRST


@dataclass(frozen=True, slots=True)
class Group:
    """Paths asked for together. `hits`: checks, `technologies`: products, `endings`: of paths that the crawl met, each of
    which makes it likely on a host that something of the group is there."""

    name: str
    about: str
    hits: frozenset[str]
    technologies: frozenset[str]
    endings: tuple[str, ...]
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class ExposureRules:
    """Everything the exposure checks know. `rules`: what every full scan asks for; `groups`: the rest of the list; `rest`: its
    rules by yield, the likeliest of each group before the less likely of any; `paths`: the whole list, each path once."""

    checks: Mapping[str, CheckEntry]
    proofs: Mapping[str, Proof]
    rules: tuple[Rule, ...]
    groups: tuple[Group, ...]
    rest: tuple[Rule, ...]
    paths: tuple[str, ...]

    @property
    def quick(self) -> tuple[Rule, ...]:
        """The rules of a quick scan."""
        return self.rules[:QUICK_PATHS]

    @property
    def named(self) -> tuple[Rule, ...]:
        """A rule whose path holds the name of the host, if there is one."""
        return tuple(rule for rule in self.rules if "{" in rule.path)[:1]

    def count(self, *, named: bool) -> int:
        """How many paths the whole list has for a host that has a name, or for an address."""
        return sum(1 for path in self.paths if named or "{" not in path)


def parse_rules(files: Mapping[str, str]) -> ExposureRules:
    """The rules from the texts of FILES. Raises OperatorError naming the file and what is wrong."""
    checks = {entry.id: entry for entry in _read(_Checks, files, "checks.yaml").checks}
    proofs: dict[str, Proof] = {}
    for entry in _read(_Proofs, files, "proofs.yaml").proofs:
        if entry.name in proofs or entry.check not in checks or entry.mask not in MASKS:
            raise OperatorError(f"proofs.yaml: {entry.name}: used twice, or of an unknown check or mask")
        proofs[entry.name] = _proof(entry)
    first = _read(_Paths, files, "paths.yaml").paths
    groups = _read(_Groups, files, "groups.yaml").groups
    for name, entries in (("paths.yaml", first), *((f"groups.yaml: {g.name}", g.paths) for g in groups)):
        unknown = sorted({entry.proof for entry in entries} - proofs.keys())
        if unknown:
            raise OperatorError(f"{name}: unknown proofs: {', '.join(unknown)}")
    for group in groups:
        strange = sorted(set(group.hits) - checks.keys())
        if strange:
            raise OperatorError(f"groups.yaml: {group.name}: unknown checks: {', '.join(strange)}")
    rules = tuple(Rule(entry.path, proofs[entry.proof], order) for order, entry in enumerate(first))
    made = _groups(groups, proofs, rules)
    rest = by_yield(made)
    paths = tuple(dict.fromkeys(rule.path for rule in (*rules, *rest)))
    return ExposureRules(checks, proofs, rules, made, rest, paths)


def _groups(entries: Sequence[GroupEntry], proofs: Mapping[str, Proof], first: Sequence[Rule]) -> tuple[Group, ...]:
    """The groups with every choice written out; a path that was listed before for the same proof is left out."""
    listed = {(rule.path, rule.proof.name) for rule in first}
    order = len(first)
    groups: list[Group] = []
    for entry in entries:
        rules: list[Rule] = []
        for item in entry.paths:
            for path in choices(item.path):
                if (path, item.proof) not in listed:
                    listed.add((path, item.proof))
                    rules.append(Rule(path, proofs[item.proof], order, entry.name))
                    order += 1
        groups.append(
            Group(
                entry.name,
                entry.about,
                frozenset(entry.hits),
                frozenset(entry.technologies),
                entry.endings,
                tuple(rules),
            )
        )
    return tuple(groups)


def by_yield(groups: Sequence[Group]) -> tuple[Rule, ...]:
    """The rules of some groups, the same share of each at a time; within a group as they are listed."""
    ranked = [
        (index / len(group.rules), place, rule)
        for place, group in enumerate(groups)
        for index, rule in enumerate(group.rules)
    ]
    return tuple(rule for _, _, rule in sorted(ranked, key=lambda item: item[:2]))


def choices(text: str) -> tuple[str, ...]:
    """Every path that `text` stands for: `/(a|b)(|.bak)` is `/a`, `/a.bak`, `/b`, `/b.bak`. Raises OperatorError."""
    done, rest = _alternatives(text, 0, nested=False)
    if rest != len(text) or len(done) > MAX_CHOICES:
        raise OperatorError(f"groups.yaml: {text[:80]}: brackets that do not fit, or too many choices")
    return tuple(dict.fromkeys(done))


def _alternatives(text: str, at: int, *, nested: bool) -> tuple[list[str], int]:
    """What a part of a pattern stands for, and where it ends. `nested`: within brackets, where `|` parts choices."""
    whole: list[str] = []
    current = [""]
    while at < len(text):
        char = text[at]
        if char == "(":
            inner, at = _alternatives(text, at + 1, nested=True)
            current = [left + right for left in current for right in inner]
            if at >= len(text):
                raise OperatorError(f"groups.yaml: {text[:80]}: a bracket is not closed")
            at += 1
        elif char == ")":
            if not nested:
                break
            return whole + current, at
        elif char == "|" and nested:
            whole, current, at = whole + current, [""], at + 1
        else:
            current, at = [part + char for part in current], at + 1
    return whole + current, at


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
