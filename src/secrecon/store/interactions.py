"""What the callback listener heard. Only hits on a token we gave out are kept, and only so many per token."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from secrecon.model.codec import dump, load
from secrecon.model.interaction import CallbackProtocol, Interaction, Payload
from secrecon.model.record import JsonValue
from secrecon.store import events, payloads, tables
from secrecon.store.database import Reading, Transaction
from secrecon.store.tables import interaction as _hit

PER_TOKEN = 200


@dataclass(frozen=True, slots=True)
class HitCounts:
    """Hits per protocol, without our own. `http`: encrypted or not; `other`: SMTP and LDAP."""

    dns: int
    http: int
    other: int = 0


async def add(tx: Transaction, hit: Interaction, cap: int = PER_TOKEN) -> Payload | None:
    """Store a hit with its `interaction` event; the payload it belongs to.

    None, and nothing changed, for a token we never gave out, a hit stored before, or a token with `cap` hits already.
    """
    payload = await payloads.find(tx, hit.token)
    if payload is None:
        return None
    query = sa.select(sa.func.count()).select_from(_hit).where(_hit.c.token == hit.token)
    if int((await tx.connection.execute(query)).scalar_one()) >= cap:
        return None
    statement = tx.insert(_hit).values(
        id=hit.id,
        token=hit.token,
        scan_id=payload.scan_id,
        protocol=hit.protocol.value,
        own=hit.own,
        at=hit.at,
        interaction=dump(hit),
    )
    stored = await tx.connection.execute(statement.on_conflict_do_nothing(index_elements=["id"]))
    if stored.rowcount != 1:
        return None
    data: dict[str, JsonValue] = {
        "protocol": hit.protocol.value,
        "remote_address": events.shown(hit.remote_address),
        "own": hit.own,
        "check": payload.check,
        "asset": events.shown(payload.asset),
        "location": events.shown(payload.location),
    }
    await events.append(tx, payload.scan_id, [("interaction", data)], hit.at)
    return payload


async def of_scan(tx: Reading, scan_id: str) -> tuple[Interaction, ...]:
    """A scan's hits, our own included, in the order they came."""
    query = sa.select(_hit.c.interaction).where(_hit.c.scan_id == scan_id).order_by(_hit.c.at, _hit.c.id)
    return tuple(load(Interaction, text) for text in (await tx.connection.execute(query)).scalars())


async def of_account(tx: Reading, account_id: int, scan_id: str | None = None) -> HitCounts:
    """How often targets of the account's scans, or of one of them, called back."""
    query = (
        sa.select(_hit.c.protocol, sa.func.count().label("hits"))
        .join(tables.scan, tables.scan.c.scan_id == _hit.c.scan_id)
        .where(tables.scan.c.account_id == account_id, _hit.c.own.is_(False))
        .group_by(_hit.c.protocol)
    )
    if scan_id is not None:
        query = query.where(_hit.c.scan_id == scan_id)
    found = {row.protocol: int(row.hits) for row in await tx.connection.execute(query)}
    dns, http = (found.get(kind.value, 0) for kind in (CallbackProtocol.DNS, CallbackProtocol.HTTP))
    http += found.get(CallbackProtocol.HTTPS.value, 0)
    return HitCounts(dns, http, sum(found.values()) - dns - http)
