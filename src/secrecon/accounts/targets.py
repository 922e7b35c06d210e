"""Authorized targets: what may be checked actively, who said so, how they proved it, and for how long.

The rule: authorizing a name covers the organisation behind it, so its subdomains and all of their origins. Authorizing
a URL covers that one origin. A public suffix such as `com` or `github.io` is nobody's organisation and is refused.
"""

from __future__ import annotations

from enum import StrEnum

import tldextract

from secrecon.model.errors import BadInput
from secrecon.model.target import Target, TargetKind
from secrecon.net.clock import Clock
from secrecon.store import targets
from secrecon.store.database import Reading, Transaction
from secrecon.store.targets import AuthorizedTarget

_SUFFIXES = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None, include_psl_private_domains=True)


class Proof(StrEnum):
    """How the right to check a target was shown."""

    OPERATOR = "operator"
    DNS = "dns"
    FILE = "file"
    META = "meta"


def covers(authorized: Target, wanted: Target) -> bool:
    """True where an authorization for one target is enough for the other."""
    if authorized.kind is TargetKind.ORGANISATION:
        return authorized.covers_name(wanted.host)
    return wanted.kind is TargetKind.ORIGIN and authorized.origin == wanted.origin


async def authorize(
    tx: Transaction,
    clock: Clock,
    account_id: int,
    target: Target,
    proof: Proof,
    authorized_by: str,
    *,
    not_before: float | None = None,
    not_after: float | None = None,
) -> AuthorizedTarget:
    """Record an authorization. Raises BadInput for a public suffix or a window that is over or empty."""
    if target.kind is TargetKind.ORGANISATION and not target.is_address:
        parts = _SUFFIXES(target.host)
        if parts.suffix == target.host:
            raise BadInput(
                f"{target.host} is a public suffix, not one organisation: name a domain below it", "target"
            )
    now = clock.now()
    if not_after is not None and not_after <= max(now, not_before or now):
        raise BadInput("the authorization would be over before it begins", "not_after")
    new = await targets.add(
        tx,
        account_id=account_id,
        target=target,
        proof=proof.value,
        authorized_by=authorized_by,
        at=now,
        not_before=not_before,
        not_after=not_after,
    )
    return AuthorizedTarget(new, account_id, target, proof.value, authorized_by, now, not_before, not_after, None)


async def find_authorization(tx: Reading, clock: Clock, account_id: int, target: Target) -> AuthorizedTarget | None:
    """The authorization in force that covers `target`; None where there is none."""
    now = clock.now()
    for found in await targets.on_hosts(tx, account_id, _hosts(target)):
        begun = found.not_before is None or found.not_before <= now
        over = found.not_after is not None and found.not_after <= now
        if begun and not over and covers(found.target, target):
            return found
    return None


def _hosts(target: Target) -> tuple[str, ...]:
    if target.is_address:
        return (target.host,)
    labels = target.host.split(".")
    return tuple(".".join(labels[start:]) for start in range(len(labels)))
