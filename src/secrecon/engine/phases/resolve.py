"""Resolve: which addresses the target's names have. Without one, nothing else can be tested, and the ledger says so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from secrecon.engine.asking import ADDRESS
from secrecon.engine.naming.candidates import random_names
from secrecon.engine.phase import Judgement
from secrecon.engine.view import ScanView
from secrecon.model.asset import Asset, AssetType, Resolution
from secrecon.model.dns import DnsAnswer
from secrecon.model.probe import DnsProbe, Probe, Reply
from secrecon.model.scan import Attempt, Outcome, PhaseName, ScanMode, Touch
from secrecon.model.target import TargetKind, is_ip

CHECK = "resolve.addresses"
ANY = "any name"


class ResolvePhase:
    """One round: the target's own name and, for an organisation, its `www`."""

    step: ClassVar[str] = "resolve"
    name: ClassVar[PhaseName] = PhaseName.RESOLVE
    title: ClassVar[str] = "Resolving names"
    touch: ClassVar[Touch] = Touch.LIGHT
    modes: ClassVar[frozenset[ScanMode]] = frozenset(ScanMode)
    max_rounds: ClassVar[int] = 1

    def checks(self, view: ScanView) -> Iterable[tuple[str, str]]:
        return [(CHECK, view.spec.target.host)]

    def plan(self, view: ScanView, round_: int) -> Iterable[Probe]:
        target = view.spec.target
        if target.is_address:
            return
        yield DnsProbe(CHECK, target.host, target.host, ADDRESS)
        if target.kind is TargetKind.ORGANISATION and not target.host.startswith("www."):
            yield DnsProbe("resolve.www", target.host, f"www.{target.host}", ADDRESS)
            for name in random_names(view.spec.scan_id, target.host)[:2]:
                yield DnsProbe("resolve.www", target.host, name, ADDRESS, tag=ANY)

    def judge(self, view: ScanView, round_: int, replies: Sequence[Reply]) -> Iterable[Judgement]:
        target = view.spec.target
        if target.is_address:
            yield Asset(AssetType.IP, target.host, "target")
            yield Resolution(target.host, (target.host,))
            yield Attempt(self.name, CHECK, target.host, Outcome.DONE)
            return
        kind = AssetType.DOMAIN if target.kind is TargetKind.ORGANISATION else AssetType.SUBDOMAIN
        yield Asset(kind, target.host, "target")
        every = {a for r in replies if r.dns and _tag(r) == ANY for a in _addresses(r.dns)}
        for reply in replies:
            if _tag(reply) == ANY:
                continue
            if reply.dns is not None and reply.dns.name != target.host and set(_addresses(reply.dns)) <= every:
                # Every name is answered so: it is looked at, and counted only where discovery can tell it apart.
                yield Resolution(reply.dns.name, _addresses(reply.dns), reply.dns.values("CNAME"))
                reason = f"{reply.dns.name} is answered as every name below {target.host} is"
                yield Attempt(self.name, "resolve.www", target.host, Outcome.DONE, reason)
            elif reply.dns is not None:
                yield from resolution_facts(reply.dns, "dns", target.host)
                if reply.dns.name != target.host:
                    yield Attempt(self.name, "resolve.www", target.host, Outcome.DONE)
            elif reply.probe.check == "resolve.www" and reply.error == "Unresolvable":
                # A name that need not exist: that it does not is an answer, not a gap.
                yield Attempt(self.name, "resolve.www", target.host, Outcome.DONE, reply.reason)


def resolution_facts(answer: DnsAnswer, source: str, apex: str) -> Iterable[Asset | Resolution]:
    """The facts in an address answer: the name (a subdomain unless it is the apex) and each address."""
    addresses = _addresses(answer)
    if not addresses:
        return
    if answer.name != apex:
        yield Asset(AssetType.SUBDOMAIN, answer.name, source, apex)
    yield Resolution(answer.name, addresses, answer.values("CNAME"))
    for address in addresses:
        if is_ip(address):
            yield Asset(AssetType.IP, address, source, answer.name)


def _addresses(answer: DnsAnswer) -> tuple[str, ...]:
    return tuple(record.value for record in answer.records if record.type in ("A", "AAAA"))


def _tag(reply: Reply) -> str:
    return reply.probe.tag
