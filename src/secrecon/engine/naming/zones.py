"""Asking a zone about itself: its records, its name servers, a transfer, a walk. What it says becomes told names, findings and
lines of the ledger; nothing is looked up here."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from secrecon.engine.asking import Memo, ask
from secrecon.engine.ledger import attempts_from
from secrecon.engine.naming.candidates import clean, service_names
from secrecon.engine.naming.records import TYPES, included, names_in
from secrecon.engine.naming.search import Search
from secrecon.engine.naming.walk import walk
from secrecon.engine.phase import Judgement
from secrecon.model.confidence import Ground, confidence
from secrecon.model.dns import DnsAnswer
from secrecon.model.errors import BudgetSpent, TargetError
from secrecon.model.finding import Evidence, EvidenceLevel, Finding, Severity
from secrecon.model.probe import Asked, DnsProbe, Reply, ZoneTransferProbe
from secrecon.model.scan import Attempt, Outcome, PhaseName
from secrecon.model.target import Target
from secrecon.net.network import Network

TRANSFER, SERVERS, RECORDS, WALK = (
    "dns.zone-transfer",
    "discover.name-servers",
    "discover.records",
    "discover.zone-walk",
)
MAX_POLICIES = 10
"""How many included mail policies are read at each of as many levels (RFC 7208 4.6.4 allows ten lookups)."""
MAX_EXCERPT_LINES = 25
PHASE = PhaseName.DISCOVER


async def ask_together(network: Network, probes: Iterable[Asked]) -> list[Reply]:
    """The replies to `probes`, in their order; the network paces them."""
    memo = Memo()
    return list(await asyncio.gather(*(ask(network, memo, probe) for probe in probes)))


async def read_records(search: Search, target: Target) -> tuple[tuple[str, ...], list[Judgement]]:
    """The zone's own name servers that belong to the target; and what the records of the apex and of its services led to."""
    zone = search.zone
    probes: list[Asked] = [DnsProbe(SERVERS if t == "NS" else RECORDS, zone, zone, t) for t in TYPES]
    probes += [DnsProbe(RECORDS, zone, name, "SRV") for name in service_names(zone)]
    probes.append(DnsProbe(RECORDS, zone, f"_dmarc.{zone}", "TXT"))
    replies = await ask_together(search.network, probes)
    policies = _policies(search, replies)
    for _ in range(MAX_POLICIES):
        if not policies:
            break
        further = await ask_together(search.network, [DnsProbe(RECORDS, zone, name, "TXT") for name in policies])
        replies += further
        policies = _policies(search, further)
    mine: list[str] = []
    for reply in replies:
        if reply.dns is None:
            continue
        for name, type_ in names_in(reply.dns):
            search.tell([name], f"dns-{type_.lower()}", f"{reply.dns.name} {type_}")
        if reply.probe.check == SERVERS:
            servers = (server.rstrip(".").lower() for server in reply.dns.values("NS"))
            mine += [server for server in servers if target.covers_name(server)]
    lines: list[Judgement] = [*attempts_from(PHASE, replies, ()).values()]
    lines += _unhelpful(zone, replies)
    lines += servers_left_out(target, zone, replies)
    return tuple(dict.fromkeys(mine)), lines


def _policies(search: Search, replies: Sequence[Reply]) -> list[str]:
    """Names in the zone that a mail policy includes, whose own policy is to be read too."""
    found = [name for reply in replies if reply.dns is not None for name in included(reply.dns)]
    return [name for name in dict.fromkeys(found) if clean(name, search.zone)][:MAX_POLICIES]


async def find_cuts(search: Search, target: Target, places: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Which of `places` are zones of their own, each with its name servers inside the target."""
    replies = await ask_together(search.network, [DnsProbe(SERVERS, search.zone, place, "NS") for place in places])
    cuts: dict[str, tuple[str, ...]] = {}
    for place, reply in zip(places, replies, strict=True):
        records = [r for r in (reply.dns.records if reply.dns else ()) if r.type == "NS" and r.name == place]
        if records:
            servers = [record.value.rstrip(".").lower() for record in records]
            search.tell(servers, "dns-ns", f"{place} NS")
            cuts[place] = tuple(server for server in servers if target.covers_name(server))
    return cuts


async def transfer(search: Search, target: Target, zone: str, servers: Sequence[str]) -> list[Judgement]:
    """Ask each of `servers` for the whole of `zone`."""
    if not servers:
        reason = "no name server inside the target's own names is known"
        return [Attempt(PHASE, TRANSFER, zone, Outcome.SKIPPED, reason)]
    probes = [ZoneTransferProbe(TRANSFER, zone, zone, server) for server in servers]
    replies = await ask_together(search.network, probes)
    judged: list[Judgement] = [*attempts_from(PHASE, replies, ()).values()]
    if all(reply.dns is not None or reply.error == "ProtocolBroken" for reply in replies):
        judged.append(Attempt(PHASE, TRANSFER, zone, Outcome.DONE, "", len(replies)))
    for probe, reply in zip(probes, replies, strict=True):
        if reply.dns is not None and any(record.type == "SOA" for record in reply.dns.records):
            search.tell(transferred_hosts(reply.dns, target), "zone-transfer", probe.server)
            stars = {r.name[2:] for r in reply.dns.records if r.name.startswith("*.")}
            await search.learn(sorted(name for name in stars if target.covers_name(name)))
            judged.append(transfer_finding(reply.dns, probe))
    return judged


async def walk_zone(search: Search, zone: str) -> list[Judgement]:
    """Walk `zone` along its NSEC records, where it has them."""

    async def look(name: str, type_: str) -> DnsAnswer:
        if search.stop.is_set():
            raise TargetError("the scan was cancelled before the walk came to its end")
        return await search.network.dns(name, type_)

    try:
        walked = await walk(zone, look)
    except (TargetError, BudgetSpent) as error:
        return [Attempt(PHASE, WALK, zone, Outcome.FAILED, str(error))]
    search.tell(walked.hosts, "zone-walk", zone)
    if not walked.walkable:
        return [Attempt(PHASE, WALK, zone, Outcome.SKIPPED, f"not applicable: {walked.end}", walked.asked)]
    told = f"{walked.names} names are in the zone's NSEC records, {len(walked.hosts)} of them hosts"
    if walked.end:
        return [Attempt(PHASE, WALK, zone, Outcome.SKIPPED, f"{told}; {walked.end}", walked.asked)]
    return [Attempt(PHASE, WALK, zone, Outcome.DONE, told, walked.asked)]


def servers_left_out(target: Target, zone: str, replies: Sequence[Reply]) -> list[Attempt]:
    """What the lookup of the name servers left open: no answer to it, or servers that are not the target's own."""
    lines: list[Attempt] = []
    for reply in replies:
        if reply.probe.check != SERVERS or reply.dns is None:
            continue
        if reply.dns.rcode not in ("NOERROR", "NXDOMAIN"):
            reason = f"the name servers of {zone} are not known: {reply.dns.server} answers {reply.dns.rcode}"
            lines.append(Attempt(PHASE, SERVERS, zone, Outcome.FAILED, reason, 1))
            continue
        names = [server.rstrip(".").lower() for server in reply.dns.values("NS")]
        outside = [name for name in names if not target.covers_name(name)]
        if outside:
            reason = f"name servers outside the target's names are not asked for the zone: {', '.join(outside[:4])}"
            lines.append(Attempt(PHASE, SERVERS, zone, Outcome.DONE, reason[:400], 1))
    return lines


def _unhelpful(zone: str, replies: Sequence[Reply]) -> list[Attempt]:
    """Records that a server answered for with a failure."""
    mine = [reply for reply in replies if reply.probe.check == RECORDS]
    bad = [r for r in mine if r.dns is not None and r.dns.rcode not in ("NOERROR", "NXDOMAIN")]
    if not bad or bad[0].dns is None:
        return []
    reason = f"{len(bad)} of {len(mine)} lookups failed: {bad[0].dns.server} answers {bad[0].dns.rcode}"
    return [Attempt(PHASE, RECORDS, zone, Outcome.FAILED, reason, len(mine))]


def transferred_hosts(answer: DnsAnswer, target: Target) -> list[str]:
    """The names with an address or an alias that a transfer handed out."""
    hosts = {r.name for r in answer.records if r.type in ("A", "AAAA", "CNAME") and "*" not in r.name}
    return sorted(name for name in hosts if name != target.host and target.covers_name(name))


def transfer_finding(answer: DnsAnswer, probe: ZoneTransferProbe) -> Finding:
    """That a name server hands out its zone."""
    lines = [f"{r.name} {r.ttl} {r.type} {r.value}"[:200] for r in answer.records[:MAX_EXCERPT_LINES]]
    if len(answer.records) > MAX_EXCERPT_LINES:
        lines.append(f"... and {len(answer.records) - MAX_EXCERPT_LINES} more records")
    return Finding(
        check=TRANSFER,
        title=f"The zone {probe.zone} can be copied by anyone",
        severity=Severity.MEDIUM,
        asset=probe.zone,
        location=probe.server,
        evidence_level=EvidenceLevel.BEHAVIOUR,
        confidence=confidence(Ground.RECORDS),
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
