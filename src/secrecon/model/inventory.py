"""What a scan's facts say about assets: which ones, from which sources, below what, with which details.

Also which line of the coverage ledger tells, in a later scan, that an asset was looked for again: only where that very
check ran to its end without seeing it is an asset "gone". A source without such a line (a link met while crawling,
say) proves nothing by its silence, so an asset known from it alone is never called gone. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from secrecon.model.asset import Asset, AssetType, Fact, Resolution, Service, Technology, ToldName
from secrecon.model.scan import Attempt, Outcome
from secrecon.model.target import Target, TargetKind

MAX_DETAIL = 300
NEVER = ("", "")
"""The ledger line of a source whose silence proves nothing."""

Look = tuple[str, str]
"""A check and the asset it names in the ledger."""

_SOURCES: Mapping[str, str] = {
    "target": "resolve.addresses",
    "wordlist": "discover.names",
    "zone-transfer": "dns.zone-transfer",
    "zone-walk": "discover.zone-walk",
    "permutation": "discover.permutations",
    **{f"dns-{type_}": "discover.records" for type_ in ("ns", "mx", "srv", "txt", "soa")},
}
"""By source of a name or an address: the check that sees it, one line for the whole target."""
_ANSWERED = frozenset({"resolve.www", "discover.name-servers"})
"""Checks whose reason, where they are done, is an answer and not a gap."""


SAME_IN_QUICK = ("resolve.", "exposure.")
"""Checks that ask the same in a quick scan as in a full one, what was seen before included."""


class Criticality(StrEnum):
    """How much an asset matters, as its people say; "" where nobody said."""

    CRITICAL = "critical"
    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


class AssetState(StrEnum):
    """How an asset of one target stands after its latest scan."""

    PRESENT = "present"
    GONE = "gone"
    UNKNOWN = "unknown"


class ChangeKind(StrEnum):
    """What happened to an asset between two scans of a target."""

    APPEARED = "appeared"
    CHANGED = "changed"
    GONE = "gone"
    NOT_LOOKED = "not_looked_at_again"


@dataclass(frozen=True, slots=True)
class AssetFilter:
    """Which assets; every condition given must hold. `text`: a part of the value or the details, any case."""

    type: AssetType | None = None
    text: str = ""
    tag: str = ""
    owner: str = ""
    criticality: Criticality | None = None
    gone: bool | None = None
    target: str = ""


@dataclass(slots=True)
class Sighting:
    """An asset as one scan saw it. `detail`: what is worth comparing from scan to scan, by name."""

    type: AssetType
    value: str
    sources: dict[str, None] = field(default_factory=dict)
    parents: dict[str, None] = field(default_factory=dict)
    detail: dict[str, str] = field(default_factory=dict)
    looks: dict[Look, None] = field(default_factory=dict)

    @property
    def key(self) -> tuple[AssetType, str]:
        return self.type, self.value


def sightings(facts: Iterable[Fact], target: Target) -> tuple[Sighting, ...]:
    """Every asset in a scan's facts, each once, in the order met."""
    found: dict[tuple[AssetType, str], Sighting] = {}

    def see(type_: AssetType, value: str, source: str, parent: str, look: Look) -> Sighting:
        seen = found.setdefault((type_, value), Sighting(type_, value))
        seen.sources.setdefault(source)
        if parent and parent != value:
            seen.parents.setdefault(parent)
        seen.looks.setdefault(look)
        return seen

    resolutions: dict[str, Resolution] = {}
    facts = tuple(facts)
    for fact in facts:
        if isinstance(fact, Asset):
            see(fact.type, fact.value, fact.source, fact.parent, _look(fact, target))
        elif isinstance(fact, Resolution):
            resolutions[fact.name] = fact
        elif isinstance(fact, Service):
            _service(see, fact, target)
        elif isinstance(fact, Technology):
            line = ("fingerprint.web", fact.asset)
            seen = see(AssetType.TECHNOLOGY, f"{fact.name} on {fact.asset}", "fingerprint", fact.asset, line)
            _note(seen, name=fact.name, version=fact.version, cpe=fact.cpe)
    for fact in facts:
        if isinstance(fact, ToldName) and (AssetType.SUBDOMAIN, fact.name) in found:
            seen = found[AssetType.SUBDOMAIN, fact.name]
            seen.sources.setdefault(fact.source)
            if fact.source in _SOURCES:
                seen.looks.setdefault((_SOURCES[fact.source], target.host))
    for seen in found.values():
        known = resolutions.get(seen.value) if seen.type in (AssetType.DOMAIN, AssetType.SUBDOMAIN) else None
        if known is not None:
            _note(seen, addresses=" ".join(sorted(known.addresses)), alias=" ".join(known.cnames))
    for seen in found.values():
        if seen.type is AssetType.IP:  # an address is looked for where its names are
            above = [
                found[AssetType.SUBDOMAIN, name] for name in seen.parents if (AssetType.SUBDOMAIN, name) in found
            ]
            seen.looks.update((look, None) for name in above for look in name.looks)
    return tuple(found.values())


class _See(Protocol):
    """The shape of `see` above."""

    def __call__(self, type_: AssetType, value: str, source: str, parent: str, look: Look) -> Sighting: ...


def _service(see: _See, fact: Service, target: Target) -> None:
    """A service, and the certificate that it showed."""
    line = fact.asset if target.kind is TargetKind.ORIGIN else fact.host
    ports = ("services.ports", fact.address)
    web = fact.origin is not None
    seen = see(
        AssetType.SERVICE,
        fact.asset,
        "probe" if web else "port scan",
        fact.host,
        ("probe.web", line) if web else ports,
    )
    if web and target.kind is TargetKind.ORGANISATION:
        seen.looks.setdefault(ports)
    _note(seen, protocol=fact.protocol, product=fact.product, version=fact.version, banner=fact.banner)
    seen.detail.setdefault("address", fact.address[:MAX_DETAIL])
    if fact.tls is None or not fact.tls.fingerprint_sha256:
        return
    tls = fact.tls
    _note(seen, certificate=tls.fingerprint_sha256[:16])
    shown = see(AssetType.CERTIFICATE, f"sha256:{tls.fingerprint_sha256}", "probe", fact.asset, ("probe.tls", line))
    names = " ".join(tls.names[:20]) + (f" and {len(tls.names) - 20} more" if len(tls.names) > 20 else "")
    _note(shown, subject=tls.subject, issuer=tls.issuer, names=names, expires=tls.not_after)


def _note(seen: Sighting, **detail: str) -> None:
    seen.detail.update((name, value[:MAX_DETAIL]) for name, value in detail.items() if value)


def _look(fact: Asset, target: Target) -> Look:
    """The ledger line that tells in a later scan whether this asset was looked for."""
    if fact.type is AssetType.SENSITIVE_PATH:
        return fact.source, fact.parent
    if fact.source == "dns":
        name = fact.parent if fact.type is AssetType.IP else fact.value
        resolved = {target.host: "resolve.addresses", f"www.{target.host}": "resolve.www"}
        return resolved.get(name, "discover.names"), target.host
    check = _SOURCES.get(fact.source)
    return NEVER if check is None else (check, target.host)


def looked(looks: Iterable[Look], attempts: Mapping[Look, Attempt], *, shallow: bool = False) -> bool:
    """Whether every check that saw an asset before ran to its end again. `attempts`: the later scan's ledger; `shallow`: it is
    of a quick scan and the asset is known from a full one, whose checks ask more places."""
    lines = tuple(looks)
    if shallow and not all(check.startswith(SAME_IN_QUICK) for check, _ in lines):
        return False
    return bool(lines) and all(_ran(attempts.get(line)) for line in lines)


def _ran(attempt: Attempt | None) -> bool:
    """DONE, and without a gap: a check that is done may still say that some of its requests were not answered."""
    if attempt is None or attempt.outcome is not Outcome.DONE:
        return False
    if attempt.check == "services.ports":
        return "gave no answer" not in attempt.reason and "only" not in attempt.reason
    return not attempt.reason or attempt.reason in ("no web service",) or attempt.check in _ANSWERED


COMPARED: Mapping[AssetType, tuple[str, ...]] = {
    AssetType.DOMAIN: ("addresses", "alias"),
    AssetType.SUBDOMAIN: ("addresses", "alias"),
    AssetType.SERVICE: ("protocol", "product", "version", "banner", "certificate"),
    AssetType.TECHNOLOGY: ("version",),
}
"""The details whose difference makes an asset "changed"; by type."""


def differences(type_: AssetType, before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, list[str]]:
    """What changed, by name: before and after."""
    return {
        name: [before.get(name, ""), after.get(name, "")]
        for name in COMPARED.get(type_, ())
        if before.get(name, "") != after.get(name, "")
    }
