"""The fingerprint files: their shape, and the strict reading of them. Format: docs/curated-core.md.

A file holds one category; a technology has signals; a signal holds one or more conditions that must all be true of
one response. Whatever does not fit the shape is refused with the file and the entry named: a rule that cannot be
read must stop the start, not silently detect nothing. Nothing here looks at a response.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from secrecon.detect.fingerprint_patterns import BadPattern, compile_pattern
from secrecon.model.errors import OperatorError

Kind = Literal["status", "header", "cookie", "meta", "html", "title", "script", "code", "path", "favicon"]
TEXT_KINDS: tuple[Kind, ...] = ("html", "title", "script", "code", "path")
NAMED_KINDS: tuple[Kind, ...] = ("header", "cookie", "meta")

VERSION = r"(?P<version>\d+(?:\.\d+)+)"
VERSION_WITH_SUFFIX = r"(?P<version>\d+(?:\.\d+)+(?:[-.+]?[a-z][0-9a-z.]*)?)"
"""What `{v}` and `{vx}` stand for in a pattern: a dotted number, and one that may end in `-rc1`, `.M3`, `p5`."""

Confidence = Annotated[float, Field(gt=0.0, lt=1.0)]
Patterns = str | list[str]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SignalEntry(_Strict):
    """One signal as written. Patterns may hold the group `version`; header, cookie and meta map a name to one; of a list
    of patterns, each must occur."""

    status: list[int] = []
    header: dict[str, str] = {}
    cookie: dict[str, str] = {}
    meta: dict[str, str] = {}
    html: Patterns = []
    title: Patterns = []
    script: Patterns = []
    code: Patterns = []
    path: Patterns = []
    favicon: list[int] = []
    confidence: Confidence = 0.9


class TechnologyEntry(_Strict):
    """One technology as written."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$", max_length=60)
    name: str = Field(min_length=1, max_length=80)
    cpe: str = Field(default="", pattern=r"^$|^cpe:2\.3:[aho]:[^:\s]+:[^:\s]+$")
    implies: list[str] = []
    signals: list[SignalEntry] = Field(min_length=1)


class FileEntry(_Strict):
    """One file as written. Entries are checked one by one, so that an error can name the one it is in."""

    category: str = Field(pattern=r"^[a-z][a-z-]*$")
    technologies: list[object]


@dataclass(frozen=True, slots=True)
class Condition:
    """`key`: the lower-case header, cookie or meta name, else "". `pattern`: "" asks only that the thing is there."""

    kind: Kind
    key: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Signal:
    """All `conditions` must hold for one response."""

    conditions: tuple[Condition, ...]
    confidence: float


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """One technology and how it is told. `source`: the feed that it came from, "" for our own."""

    id: str
    name: str
    category: str
    cpe: str
    implies: tuple[str, ...]
    signals: tuple[Signal, ...]
    source: str = ""


def parse_files(files: Mapping[str, str]) -> tuple[Fingerprint, ...]:
    """Every fingerprint of the named YAML texts, by file name. Raises OperatorError naming file and entry."""
    found: dict[str, Fingerprint] = {}
    for name, text in sorted(files.items()):
        for fingerprint in _parse_file(name, text):
            if fingerprint.id in found:
                raise OperatorError(f"{name}: entry {fingerprint.id}: the id is used twice")
            found[fingerprint.id] = fingerprint
    for fingerprint in found.values():
        unknown = [other for other in fingerprint.implies if other not in found]
        if unknown:
            raise OperatorError(f"fingerprint {fingerprint.id} implies unknown ids: {', '.join(unknown)}")
    return tuple(found.values())


def _parse_file(name: str, text: str) -> Iterable[Fingerprint]:
    try:
        whole = FileEntry.model_validate(yaml.safe_load(text))
    except (yaml.YAMLError, ValidationError) as error:
        raise OperatorError(f"{name}: not a fingerprint file: {error}") from error
    for number, raw in enumerate(whole.technologies, 1):
        label = str(raw["id"]) if isinstance(raw, dict) and "id" in raw else f"number {number}"
        try:
            entry = TechnologyEntry.model_validate(raw)
            yield _fingerprint(whole.category, entry)
        except (ValidationError, BadPattern) as error:
            raise OperatorError(f"{name}: entry {label}: {error}") from error


def _fingerprint(category: str, entry: TechnologyEntry) -> Fingerprint:
    signals = tuple(Signal(_conditions(signal), signal.confidence) for signal in entry.signals)
    return Fingerprint(entry.id, entry.name, category, entry.cpe, tuple(entry.implies), signals)


def _conditions(signal: SignalEntry) -> tuple[Condition, ...]:
    found: list[Condition] = []
    for kind in NAMED_KINDS:
        named: dict[str, str] = getattr(signal, kind)
        found += [Condition(kind, key.lower(), _expand(pattern)) for key, pattern in named.items()]
    for kind in TEXT_KINDS:
        patterns: Patterns = getattr(signal, kind)
        for pattern in [patterns] if isinstance(patterns, str) else patterns:
            if not pattern:
                raise BadPattern(f"{kind} needs a pattern")
            found.append(Condition(kind, "", _expand(pattern)))
    if signal.favicon:
        found.append(Condition("favicon", "", ",".join(str(value) for value in signal.favicon)))
    if not found:
        raise BadPattern("a signal needs a condition other than the status")
    if signal.status:
        found.append(Condition("status", "", ",".join(str(value) for value in signal.status)))
    for condition in found:
        if condition.kind not in ("favicon", "status") and condition.pattern:
            compile_pattern(condition.pattern)
    return tuple(found)


def _expand(pattern: str) -> str:
    return pattern.replace("{v}", VERSION).replace("{vx}", VERSION_WITH_SUFFIX)
