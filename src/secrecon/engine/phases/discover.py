"""Discover: names below an organisation's domain, by zone transfer where a server allows it and by a word list.

A wildcard zone answers every name; random labels are asked first, and a name whose answer cannot be told from the
wildcard's is not reported. Passive sources and large-scale brute force belong to later work.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from importlib import resources
from typing import ClassVar

from secrecon.engine.asking import ADDRESS
from secrecon.engine.phase import Judgement
from secrecon.engine.phases.resolve import resolution_facts
from secrecon.engine.view import ScanView
from secrecon.model.asset import Asset, AssetType, Resolution
from secrecon.model.dns import DnsAnswer
from secrecon.model.finding import Evidence, EvidenceLevel, Finding, Severity
from secrecon.model.probe import DnsProbe, Probe, Reply, Skip, ZoneTransferProbe
from secrecon.model.scan import Attempt, Outcome, PhaseName, ScanMode, Touch
from secrecon.model.target import TargetKind

TRANSFER, NAMES, SERVERS, WILDCARD = (
    "dns.zone-transfer",
    "discover.names",
    "discover.name-servers",
    "discover.wildcard",
)
TOLD = "discover.told-names"
MAX_NAMES = 2_000
MAX_EXCERPT_LINES = 25
ONLY_FULL = "a quick scan does not look for subdomains: that needs a full scan"


class DiscoverPhase:
    """Nothing in a quick scan, which says so. Else three rounds: name servers and wildcard test; transfers and the word
    list; names the transfers told of."""

    step: ClassVar[str] = "discover"
    name: ClassVar[PhaseName] = PhaseName.DISCOVER
    title: ClassVar[str] = "Looking for subdomains"
    touch: ClassVar[Touch] = Touch.ACTIVE
    modes: ClassVar[frozenset[ScanMode]] = frozenset(ScanMode)
    max_rounds: ClassVar[int] = 3

    def __init__(self, words: Sequence[str] | None = None) -> None:
        self._words = tuple(words if words is not None else load_words())

    def checks(self, view: ScanView) -> Iterable[tuple[str, str]]:
        if not _is_zone(view):
            return []
        checks = (SERVERS, WILDCARD, TRANSFER, NAMES) if view.spec.mode is ScanMode.FULL else (TRANSFER, NAMES)
        return [(check, view.spec.target.host) for check in checks]

    def plan(self, view: ScanView, round_: int) -> Iterable[Probe]:
        if not _is_zone(view):
            return
        zone = view.spec.target.host
        if view.spec.mode is not ScanMode.FULL:
            if round_ == 0:
                yield from (Skip(check, asset, ONLY_FULL) for check, asset in self.checks(view))
        elif round_ == 0:
            yield DnsProbe(SERVERS, zone, zone, "NS")
            for label in _random_labels(view.spec.scan_id):
                yield DnsProbe(WILDCARD, zone, f"{label}.{zone}", ADDRESS, tag="wildcard")
        elif round_ == 1:
            for asset in view.assets:
                if asset.source == "ns":
                    yield ZoneTransferProbe(TRANSFER, zone, zone, asset.value)
            known = {resolution.name for resolution in view.resolutions}
            for word in self._words:
                if f"{word}.{zone}" not in known:
                    yield DnsProbe(NAMES, zone, f"{word}.{zone}", ADDRESS)
        else:
            for name in _told(view)[:MAX_NAMES]:
                yield DnsProbe(TOLD, zone, name, ADDRESS)

    def judge(self, view: ScanView, round_: int, replies: Sequence[Reply]) -> Iterable[Judgement]:
        zone = view.spec.target.host
        wild = _wildcard_addresses(view, replies)
        failures = [r for r in replies if r.dns is None and r.error != "Unresolvable"]
        for reply in replies:
            if reply.dns is None:
                continue
            if isinstance(reply.probe, ZoneTransferProbe):
                yield from _transferred(reply.dns, reply.probe, view)
            elif reply.probe.check == SERVERS:
                servers = (server.rstrip(".").lower() for server in reply.dns.values("NS"))
                for server in servers:
                    if view.spec.target.covers_name(server):
                        yield Asset(AssetType.SUBDOMAIN, server, "ns", zone)
            elif reply.probe.check == WILDCARD:
                yield Resolution(f"*.{zone}", _addresses(reply.dns))
            elif not set(_addresses(reply.dns)) <= wild:
                yield from resolution_facts(reply.dns, "wordlist", zone)
        yield from _absent_is_an_answer(self.name, zone, replies, failures)
        yield from _servers(self.name, view, replies)
        if round_ == 1 and not any(isinstance(r.probe, ZoneTransferProbe) for r in replies):
            reason = "no name server inside the target's own names is known"
            yield Attempt(self.name, TRANSFER, zone, Outcome.SKIPPED, reason)
        over = len(_told(view)) - MAX_NAMES
        if round_ == 2 and over > 0:
            reason = f"{over} names were not looked up: the limit is {MAX_NAMES} a scan"
            yield Attempt(self.name, TOLD, zone, Outcome.SKIPPED, reason, len(replies))


def load_words() -> tuple[str, ...]:
    """Our own list of subdomain labels, most frequent first."""
    text = resources.files("secrecon.rules").joinpath("words/subdomains.txt").read_text("utf-8")
    return tuple(line for line in text.splitlines() if line and not line.startswith("#"))


def _told(view: ScanView) -> list[str]:
    """Names that somebody told of and that were not looked up yet."""
    known = {resolution.name for resolution in view.resolutions}
    return [a.value for a in view.assets if a.type is AssetType.SUBDOMAIN and a.value not in known]


def _servers(phase: PhaseName, view: ScanView, replies: Sequence[Reply]) -> Iterable[Attempt]:
    """What the lookup of the name servers left open: no answer to it, or servers that are not the target's own."""
    zone = view.spec.target.host
    for reply in replies:
        if reply.probe.check != SERVERS or reply.dns is None:
            continue
        if reply.dns.rcode not in ("NOERROR", "NXDOMAIN"):
            reason = f"the name servers of {zone} are not known: {reply.dns.server} answers {reply.dns.rcode}"
            yield Attempt(phase, SERVERS, zone, Outcome.FAILED, reason, 1)
            continue
        names = [server.rstrip(".").lower() for server in reply.dns.values("NS")]
        outside = [name for name in names if not view.spec.target.covers_name(name)]
        if outside:
            reason = f"name servers outside the target's names are not asked for the zone: {', '.join(outside[:4])}"
            yield Attempt(phase, SERVERS, zone, Outcome.DONE, reason[:400], 1)


def _is_zone(view: ScanView) -> bool:
    target = view.spec.target
    return target.kind is TargetKind.ORGANISATION and not target.is_address


def _random_labels(scan_id: str) -> tuple[str, str]:
    digest = hashlib.sha256(f"wildcard {scan_id}".encode()).hexdigest()
    return digest[:16], digest[16:34]


def _addresses(answer: DnsAnswer) -> tuple[str, ...]:
    return tuple(record.value for record in answer.records if record.type in ("A", "AAAA"))


def _wildcard_addresses(view: ScanView, replies: Sequence[Reply]) -> set[str]:
    zone = view.spec.target.host
    known = {a for r in view.resolutions if r.name == f"*.{zone}" for a in r.addresses}
    return known | {a for r in replies if r.dns and r.probe.check == WILDCARD for a in _addresses(r.dns)}


def _absent_is_an_answer(
    phase: PhaseName, zone: str, replies: Sequence[Reply], failures: Sequence[Reply]
) -> Iterable[Attempt]:
    """A name that does not exist was tested; only silence and refusals leave a gap."""
    for check in {reply.probe.check for reply in replies} - {TRANSFER, SERVERS}:
        silent = [r for r in failures if r.probe.check == check]
        total = sum(1 for r in replies if r.probe.check == check)
        if not silent:
            yield Attempt(phase, check, zone, Outcome.DONE, "", total)
        else:
            reason = f"{len(silent)} of {total} lookups were not answered; {silent[0].reason}"
            yield Attempt(phase, check, zone, silent[0].outcome, reason, total)
    transfers = [r for r in replies if isinstance(r.probe, ZoneTransferProbe)]
    if transfers and all(r.dns is not None or r.error == "ProtocolBroken" for r in transfers):
        yield Attempt(phase, TRANSFER, zone, Outcome.DONE, "", len(transfers))


def _transferred(answer: DnsAnswer, probe: ZoneTransferProbe, view: ScanView) -> Iterable[Judgement]:
    """The names a transfer handed out, and the finding that it did."""
    if answer.rcode != "NOERROR" or not any(record.type == "SOA" for record in answer.records):
        return
    target = view.spec.target
    names = sorted({r.name for r in answer.records if target.covers_name(r.name) and "*" not in r.name})
    hosts = {r.name for r in answer.records if r.type in ("A", "AAAA", "CNAME")}
    for name in names[:MAX_NAMES]:
        if name != target.host and name in hosts:
            yield Asset(AssetType.SUBDOMAIN, name, "zone-transfer", target.host)
    lines = [f"{r.name} {r.ttl} {r.type} {r.value}"[:200] for r in answer.records[:MAX_EXCERPT_LINES]]
    if len(answer.records) > MAX_EXCERPT_LINES:
        lines.append(f"... and {len(answer.records) - MAX_EXCERPT_LINES} more records")
    yield Finding(
        check=TRANSFER,
        title=f"The zone {probe.zone} can be copied by anyone",
        severity=Severity.MEDIUM,
        asset=probe.zone,
        location=probe.server,
        evidence_level=EvidenceLevel.BEHAVIOUR,
        confidence=0.99,
        evidence=(
            Evidence(
                kind="dns",
                summary=f"{probe.server} answered a zone transfer with {len(answer.records)} records",
                request=f"AXFR {probe.zone} at {probe.server}",
                response="\n".join(lines),
                matcher="a complete transfer that begins with the zone's SOA record",
                curl=f"dig AXFR {probe.zone} @{probe.server}",
            ),
        ),
        description=(
            f"The name server {probe.server} hands the whole zone to anyone who asks for a transfer (AXFR). "
            "Transfers are meant for the zone's own secondary servers only."
        ),
        impact="An attacker learns every host name at once, internal and forgotten ones included.",
        remediation=(
            "Restrict zone transfers to the addresses of the secondary name servers, or require TSIG keys "
            "(BIND: allow-transfer; NSD: provide-xfr; Knot: acl). Then repeat the transfer from outside."
        ),
        references=("https://www.rfc-editor.org/rfc/rfc5936#section-6",),
        cwe=("CWE-200",),
    )
