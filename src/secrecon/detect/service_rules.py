"""The files of `rules/services`: which ports are tried, what is asked of them, and what the answers mean. Pure.

Whatever does not fit the shape is refused with the file and the entry named, as with fingerprints. Format:
docs/services.md. Nothing here talks to anybody: `service_inquiry` decides what is asked next, the engine asks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Annotated, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from secrecon.detect.fingerprint_patterns import BadPattern, PatternSet
from secrecon.model.errors import BadInput, OperatorError
from secrecon.model.finding import Severity

GREETING = "greeting"
"""The probe that says nothing: what a service tells by itself."""
HTTP = "http"
DEFAULT_PORTS = "top:200"
MAX_PORT = 65_535
_IDENT = r"^[a-z][a-z0-9-]{0,39}$"
Ident = Annotated[str, Field(pattern=_IDENT)]
Port = Annotated[int, Field(ge=1, le=MAX_PORT)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


F = TypeVar("F", bound=_Strict)


class ProbeEntry(_Strict):
    """One question as written: `text` (latin-1) or `hex`."""

    id: Ident
    text: str = Field(default="", max_length=400)
    hex: str = Field(default="", pattern=r"^(?:[0-9a-f]{2})*$", max_length=800)
    ports: tuple[Port, ...] = ()
    everywhere: bool = False

    @model_validator(mode="after")
    def _one(self) -> ProbeEntry:
        if bool(self.text) == bool(self.hex):
            raise ValueError("a probe has either text or hex")
        self.text.encode("latin-1")
        return self

    @property
    def data(self) -> bytes:
        """The bytes that leave."""
        return self.text.encode("latin-1") if self.text else bytes.fromhex(self.hex)


class MatchEntry(_Strict):
    """One meaning as written. `product` and `cpe` empty: the protocol alone is known."""

    sources: tuple[Ident, ...] = Field(alias="from", min_length=1)
    protocol: Ident
    pattern: str
    product: str = Field(default="", pattern=r"^$|^[a-z0-9][a-z0-9.-]*$", max_length=60)
    cpe: str = Field(default="", pattern=r"^$|^cpe:2\.3:[aho]:[^:\s]+:[^:\s]+$")
    then: str = ""
    exposes: str = ""


class Exposed(_Strict):
    """What an open port shows to everyone, in words; `description` may hold `{where}`."""

    id: Ident
    title: str = Field(min_length=5, max_length=100)
    severity: Severity
    confidence: Annotated[float, Field(gt=0.0, lt=1.0)]
    cwe: tuple[str, ...] = Field(min_length=1)
    description: str
    impact: str
    remediation: str
    references: tuple[str, ...] = Field(min_length=1)


class _ProbesFile(_Strict):
    muted: tuple[Port, ...]
    probes: tuple[ProbeEntry, ...]
    matches: tuple[MatchEntry, ...]


class _ExposedFile(_Strict):
    exposed: tuple[Exposed, ...]


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an answer means. `version` "" where it does not tell. `sure`: 0.0-1.0."""

    protocol: str
    product: str = ""
    version: str = ""
    cpe: str = ""
    then: str = ""
    exposes: str = ""
    sure: float = 0.95
    told_by: str = ""


class ServiceRules:
    """The rule files, compiled. `ports`: (number, what usually listens there), the likeliest first."""

    def __init__(self, ports: str, probes: str, exposed: str) -> None:
        """Raises OperatorError naming file and trouble."""
        self.ports = _read_ports(ports)
        self.hints = dict(self.ports)
        file = _read(_ProbesFile, "services/probes.yaml", probes)
        self.probes: dict[str, ProbeEntry] = {probe.id: probe for probe in file.probes}
        self.muted = frozenset(file.muted)
        self.products = {match.product: match.cpe for match in file.matches if match.cpe}
        entries = _read(_ExposedFile, "services/exposed.yaml", exposed).exposed
        self.exposed: Mapping[str, Exposed] = {entry.id: entry for entry in entries}
        self._by_source: dict[str, tuple[list[MatchEntry], PatternSet]] = {}
        for source in (GREETING, *self.probes):
            chosen = [match for match in file.matches if source in match.sources]
            try:
                patterns = PatternSet((match.pattern for match in chosen), exact=True)
            except BadPattern as error:
                raise OperatorError(f"services/probes.yaml: {error}") from error
            self._by_source[source] = (chosen, patterns)
        self._check(file)

    def _check(self, file: _ProbesFile) -> None:
        known = {GREETING, *self.probes}
        if len(self.probes) != len(file.probes):
            raise OperatorError("services/probes.yaml: a probe's id is used twice")
        for match in file.matches:
            wrong = {*match.sources, *filter(None, (match.then,))} - known
            if wrong or (match.exposes and match.exposes not in self.exposed):
                named = ", ".join(sorted(wrong)) or match.exposes
                raise OperatorError(f"services/probes.yaml: the match {match.pattern!r} names unknown {named}")

    @classmethod
    def load(cls) -> ServiceRules:
        """The rules that ship with the package."""
        folder = resources.files("secrecon") / "rules" / "services"
        return cls(*((folder / name).read_text("utf-8") for name in ("ports.txt", "probes.yaml", "exposed.yaml")))

    def meaning(self, source: str, data: bytes) -> Meaning | None:
        """What an answer to the probe `source` means; the first match in the file's order. None where none fits."""
        entries, patterns = self._by_source[source]
        for index in patterns.matching(data):
            found = patterns.search(index, data)
            if found is None:
                continue
            entry = entries[index]
            version = found.groups.get("version", "")[:60]
            return Meaning(
                entry.protocol,
                entry.product,
                version,
                entry.cpe,
                entry.then,
                entry.exposes,
                0.95,
                "our own patterns",
            )
        return None

    def chosen(self, text: str) -> tuple[int, ...]:
        """The ports that a setting names: `all`, `none`, `top:N`, or numbers and ranges (`22,80,8000-8100`), the muted ones
        left out unless named. Raises BadInput."""
        return choose_ports(text, [number for number, _ in self.ports])


def choose_ports(text: str, listed: list[int]) -> tuple[int, ...]:
    """`listed` or a part of it, or the ports named; see `ServiceRules.chosen`."""
    words = text.replace(",", " ").lower().split()
    if words == ["all"]:
        return tuple(listed)
    if words == ["none"]:
        return ()
    if len(words) == 1 and (top := re.fullmatch(r"top:([0-9]{1,5})", words[0])):
        return tuple(listed[: int(top[1])])
    ports: dict[int, None] = {}
    for word in words:
        span = re.fullmatch(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", word)
        first, last = (int(span[1]), int(span[2] or span[1])) if span else (0, 0)
        if not 1 <= first <= last <= MAX_PORT:
            raise BadInput(
                f"{word!r} names no ports: write all, none, top:N, or numbers and ranges such as 22,80,8000-8100",
                "ports",
            )
        ports.update(dict.fromkeys(range(first, last + 1)))
    if not ports:
        raise BadInput("no ports are named: write all, none, top:N, or numbers such as 22,80", "ports")
    return tuple(ports)


def _read_ports(text: str) -> tuple[tuple[int, str], ...]:
    found: dict[int, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        parts = line.split()
        if (
            len(parts) != 2
            or not parts[0].isdigit()
            or not 1 <= int(parts[0]) <= MAX_PORT
            or int(parts[0]) in found
        ):
            raise OperatorError(f"services/ports.txt: line {number} is not a new port with its name: {line!r}")
        found[int(parts[0])] = parts[1]
    return tuple(found.items())


def _read(kind: type[F], name: str, text: str) -> F:
    try:
        return kind.model_validate(yaml.safe_load(text))
    except (yaml.YAMLError, ValidationError, UnicodeEncodeError) as error:
        raise OperatorError(f"{name}: {error}") from error
