"""Callbacks that came the way our own traffic goes: from our egress address, or through the resolver that we use.

The canaries of a scan's self-test show both. A callback from there may be a proxy, a mail scanner or a browser beside us, or
a target that shares our way out, so it counts for less and says why. Loopback and private addresses tell nothing: there
everybody comes the same way. Pure.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import replace

from secrecon.model.confidence import Doubt, doubted
from secrecon.model.finding import Finding, Severity
from secrecon.model.interaction import CallbackProtocol, Interaction, Payload

Way = tuple[bool, str]
"""Whether it is a way of lookups, and the address that a listener sees."""


def own_ways(interactions: Iterable[Interaction]) -> frozenset[Way]:
    """The ways that the canaries of a scan took."""
    return frozenset(_way(hit) for hit in interactions if hit.own and _is_global(hit.remote_address))


def weighed(
    finding: Finding, payload: Payload, interactions: Iterable[Interaction], ways: frozenset[Way]
) -> Finding:
    """`finding` with less confidence where all that called `payload` came our own way. One whose replies can be read
    stays as it is: that the target showed."""
    mine = [hit for hit in interactions if hit.token == payload.token and not hit.own]
    strongest = [hit for hit in mine if hit.protocol is not CallbackProtocol.DNS] or mine
    if not strongest or finding.severity is Severity.CRITICAL or not all(_way(hit) in ways for hit in strongest):
        return finding
    address = strongest[0].remote_address
    if address in payload.asset:
        return finding
    lookup = strongest[0].protocol is CallbackProtocol.DNS
    what = "resolver that SecRecon itself uses" if lookup else "address that SecRecon's own requests come from"
    words = (
        f"It came from {address}, the {what}: something beside SecRecon may have made it (a proxy, a mail scanner), "
        "unless the target shares that way."
    )
    doubt = Doubt.OUR_RESOLVER if lookup else Doubt.OUR_EGRESS
    return replace(
        finding, confidence=doubted(finding.confidence, doubt), description=f"{finding.description}\n\n{words}"
    )


def _way(hit: Interaction) -> Way:
    return hit.protocol is CallbackProtocol.DNS, hit.remote_address


def _is_global(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_global
    except ValueError:
        return False
