"""Which technologies a response betrays, and in which version.

`Fingerprints` holds the rules of `rules/fingerprints` compiled once; `identify` is pure and runs in time linear in
the response. What it says is what the response claims: headers and pages can lie, so every technology carries where
it was read and how sure that signal is. A version is only ever copied from the text, never guessed. Responses from
another origin than the asset (a followed redirect) tell nothing about the asset and are left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from importlib import resources

from secrecon.detect.favicon import favicon_hash
from secrecon.detect.fingerprint_format import Condition, Fingerprint, Kind, Signal, parse_files
from secrecon.detect.fingerprint_page import Observation, observe
from secrecon.detect.fingerprint_patterns import PatternSet
from secrecon.detect.packaged import distribution_of, packaged
from secrecon.model.asset import Technology
from secrecon.model.http import HttpExchange, HttpRequest

IMPLIED = 0.9
"""The share of a technology's confidence that what it implies inherits."""

MAX_EVIDENCE = 160
MAX_VERSION = 40


@dataclass(frozen=True, slots=True)
class _Hit:
    """One condition that held, and what it said. `script`: the script address it was read from, else ""."""

    evidence: str
    version: str = ""
    distribution: str = ""
    script: str = ""


class _Bank:
    """All conditions of one kind and key, searched in one pass."""

    def __init__(self, conditions: Iterable[Condition]) -> None:
        self._conditions = list(conditions)
        self._set = PatternSet(condition.pattern for condition in self._conditions)

    def search(self, text: bytes, label: str) -> Iterator[tuple[Condition, _Hit]]:
        """Every condition that occurs in `text`; `label` begins the evidence."""
        for index in self._set.matching(text):
            found = self._set.search(index, text)
            if found is None:
                continue
            whole = label.startswith(("header", "cookie", "meta", "title", "script", "path"))
            shown = text.decode("latin-1") if whole else found.text
            yield (
                self._conditions[index],
                _Hit(_shown(f"{label}{shown}"), _version(found.groups), distribution_of(shown) if whole else ""),
            )


class Fingerprints:
    """The compiled rule set. `digest`: sha256 hex of the files it came from."""

    def __init__(self, fingerprints: Iterable[Fingerprint], digest: str = "") -> None:
        self.all = tuple(fingerprints)
        self.digest = digest
        self._by_id = {fingerprint.id: fingerprint for fingerprint in self.all}
        self._users: dict[Condition, list[tuple[Fingerprint, Signal]]] = {}
        for fingerprint in self.all:
            for signal in fingerprint.signals:
                for condition in signal.conditions:
                    self._users.setdefault(condition, []).append((fingerprint, signal))
        self._banks: dict[tuple[Kind, str], _Bank] = {}
        keys = {(c.kind, c.key) for c in self._users if c.kind not in ("status", "favicon")}
        for kind, key in keys:
            self._banks[kind, key] = _Bank(c for c in self._users if (c.kind, c.key) == (kind, key))
        self._statuses = {c: _numbers(c) for c in self._users if c.kind == "status"}
        self._icons = {c: _numbers(c) for c in self._users if c.kind == "favicon"}

    @classmethod
    def load(cls) -> Fingerprints:
        """The rules that ship with the package. Raises OperatorError where a file is broken."""
        folder = resources.files("secrecon") / "rules" / "fingerprints"
        files = {item.name: item.read_text("utf-8") for item in folder.iterdir() if item.name.endswith(".yaml")}
        return cls.parse(files)

    @classmethod
    def parse(cls, files: dict[str, str]) -> Fingerprints:
        """The rules in the named YAML texts. Raises OperatorError naming file and entry."""
        whole = "\0".join(f"{name}\0{text}" for name, text in sorted(files.items()))
        return cls(parse_files(files), hashlib.sha256(whole.encode("utf-8")).hexdigest())

    def with_more(self, more: Iterable[Fingerprint], digest: str) -> Fingerprints:
        """These and others, searched together. `digest`: of the file that the others came from."""
        return Fingerprints([*self.all, *more], hashlib.sha256(f"{self.digest} {digest}".encode()).hexdigest())

    def identify(
        self,
        asset: str,
        exchange: HttpExchange,
        favicon: bytes | None = None,
        *,
        leave_out: Collection[str] = (),
    ) -> tuple[Technology, ...]:
        """What the responses of `asset` (an origin as text) in this exchange betray.

        `favicon`: the site's icon, where it was fetched. `leave_out`: absolute addresses of scripts that are going to
        be fetched themselves; unversioned sightings of those are left to `identify_script`.
        """
        found: list[Technology] = []
        for request, reply in exchange.hops:
            if str(request.origin) == asset:
                found += self._identify(asset, observe(request, reply), leave_out)
        if favicon is not None:
            found += self.identify_icon(asset, favicon)
        return dedupe(found)

    def identify_script(
        self, asset: str, request: HttpRequest, exchange: HttpExchange | None
    ) -> tuple[Technology, ...]:
        """What a script's own address and, where it could be fetched, its text betray."""
        found = list(self._identify(asset, Observation(0, b"", scripts=(request.url,))))
        if exchange is not None and exchange.reply.status == 200:
            found += self._identify(asset, replace(observe(*exchange.hops[-1]), scripts=()))
        return dedupe(found)

    def identify_icon(self, asset: str, icon: bytes) -> tuple[Technology, ...]:
        """What a favicon's bytes betray."""
        return dedupe(self._identify(asset, Observation(0, b"", icon=favicon_hash(icon))))

    def _identify(self, asset: str, seen: Observation, leave_out: Collection[str] = ()) -> list[Technology]:
        hits: dict[Condition, list[_Hit]] = {}
        for condition, hit in self._hits(seen):
            hits.setdefault(condition, []).append(hit)
        backdrop = _backdrop(seen)
        found: list[Technology] = []
        done: set[tuple[str, Signal]] = set()
        for condition in hits:
            for fingerprint, signal in self._users[condition]:
                if (fingerprint.id, signal) in done or not all(c in hits for c in signal.conditions):
                    continue
                done.add((fingerprint.id, signal))
                for hit in _readings(signal, hits):
                    if hit.version or not hit.script or hit.script not in leave_out:
                        found.append(self._technology(asset, fingerprint, signal.confidence, hit, backdrop))
        return found + self._implied(asset, found)

    def _hits(self, seen: Observation) -> Iterator[tuple[Condition, _Hit]]:
        named: tuple[tuple[Kind, tuple[tuple[str, bytes], ...]], ...] = (
            ("header", seen.headers),
            ("cookie", seen.cookies),
            ("meta", seen.metas),
        )
        for kind, values in named:
            for name, value in values:
                bank = self._banks.get((kind, name))
                if bank is not None:
                    yield from bank.search(value, f"cookie {name}=" if kind == "cookie" else f"{kind} {name}: ")
        texts: tuple[tuple[Kind, bytes], ...] = (
            ("title", seen.title),
            ("path", seen.path),
            ("html", seen.html),
            ("code", seen.code),
        )
        for text_kind, text in texts:
            bank = self._banks.get((text_kind, ""))
            if text and bank is not None:
                label = {"html": "page text: ", "code": "script text: "}.get(text_kind, f"{text_kind}: ")
                yield from bank.search(text, label)
        bank = self._banks.get(("script", ""))
        for script in seen.scripts if bank is not None else ():
            assert bank is not None
            for condition, hit in bank.search(script.encode("latin-1", "replace"), "script: "):
                yield condition, replace(hit, script=script)
        yield from (
            (c, _Hit(f"status {seen.status}")) for c, wanted in self._statuses.items() if seen.status in wanted
        )
        yield from (
            (c, _Hit(f"favicon hash {seen.icon}")) for c, wanted in self._icons.items() if seen.icon in wanted
        )

    def _technology(
        self, asset: str, fingerprint: Fingerprint, confidence: float, hit: _Hit, backdrop: str
    ) -> Technology:
        told = packaged(fingerprint.id, hit.version, hit.evidence)
        own = told.distribution if told.package else hit.distribution
        is_built = hit.evidence.startswith(("header server", "header x-powered-by"))
        return Technology(
            asset=asset,
            name=fingerprint.id,
            version=hit.version,
            cpe=fingerprint.cpe,
            evidence=_sourced(hit.evidence, fingerprint),
            confidence=confidence,
            distribution=own or (backdrop if is_built else ""),
            package=told.package,
            package_version=told.package_version,
        )

    def _implied(self, asset: str, found: Iterable[Technology]) -> list[Technology]:
        implied: list[Technology] = []
        queue = [(technology.name, technology.confidence) for technology in found]
        seen: set[str] = set()
        while queue:
            name, confidence = queue.pop()
            if name in seen:
                continue
            seen.add(name)
            for other in self._by_id[name].implies:
                fingerprint = self._by_id[other]
                weight = round(confidence * IMPLIED, 2)
                evidence = _sourced(f"implied by {name}", self._by_id[name])
                implied.append(Technology(asset, other, "", fingerprint.cpe, evidence, weight))
                queue.append((other, weight))
        return implied


def dedupe(found: Iterable[Technology]) -> tuple[Technology, ...]:
    """One technology per name and version: the surest sighting. A versioned one replaces what is less precise: no
    version, or the beginning of its own (`8.1` beside `8.1.2`). Different versions are all kept."""
    best: dict[tuple[str, str, str], Technology] = {}
    for technology in found:
        key = (technology.asset, technology.name, technology.version)
        known = best.get(key)
        if known is None or technology.confidence > known.confidence:
            distribution = technology.distribution or (known.distribution if known else "")
            best[key] = replace(technology, distribution=distribution)
        elif technology.distribution and not known.distribution:
            best[key] = replace(known, distribution=technology.distribution)
    return tuple(t for t in best.values() if not any(_says_more(other, t) for other in best.values()))


def _says_more(one: Technology, other: Technology) -> bool:
    if (one.asset, one.name) != (other.asset, other.name) or not one.version or one.version == other.version:
        return False
    return not other.version or one.version.startswith(other.version + ".")


def _readings(signal: Signal, hits: dict[Condition, list[_Hit]]) -> list[_Hit]:
    """What a signal that held says: every hit of a lone condition, else one hit that carries all that was read."""
    if len(signal.conditions) == 1:
        return hits[signal.conditions[0]]
    every = [hits[condition][0] for condition in signal.conditions]
    chosen = next((hit for hit in every if hit.version), every[0])
    distribution = next((hit.distribution for hit in every if hit.distribution), "")
    return [replace(chosen, distribution=distribution)]


def _backdrop(seen: Observation) -> str:
    """The distribution that the Server header names: whatever else it and X-Powered-By name came with it."""
    server = next((value for name, value in seen.headers if name == "server"), b"")
    return distribution_of(server.decode("latin-1"))


def _version(groups: dict[str, str]) -> str:
    text = groups.get("version", "").strip(".-_ ")
    return text if len(text) <= MAX_VERSION and text[:1].isdigit() else ""


def _sourced(evidence: str, fingerprint: Fingerprint) -> str:
    """The evidence, with who knows it where that is not us."""
    return f"{evidence} (told by {fingerprint.source})" if fingerprint.source else evidence


def _shown(text: str) -> str:
    clean = "".join(c if c.isprintable() else " " for c in text[: MAX_EVIDENCE * 2])
    return clean if len(clean) <= MAX_EVIDENCE else clean[: MAX_EVIDENCE - 1] + "…"


def _numbers(condition: Condition) -> frozenset[int]:
    return frozenset(int(text) for text in condition.pattern.split(","))
