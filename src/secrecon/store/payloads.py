"""Callback payloads: stored before the request that carries them leaves, found again by token however late."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from secrecon.model.codec import dump, load
from secrecon.model.interaction import Payload
from secrecon.store.database import Reading, Transaction
from secrecon.store.tables import clean
from secrecon.store.tables import payload as _payload


async def add(tx: Transaction, payloads: Sequence[Payload]) -> None:
    """Store payloads; one that is stored already stays as it is."""
    rows = [
        {"token": item.token, "scan_id": item.scan_id, "payload": dump(item), "created": item.created}
        for item in payloads
    ]
    if rows:
        statement = tx.insert(_payload).on_conflict_do_nothing(index_elements=["token"])
        await tx.connection.execute(statement, rows)


async def find(tx: Reading, token: str) -> Payload | None:
    query = sa.select(_payload.c.payload).where(_payload.c.token == clean(token))
    text = (await tx.connection.execute(query)).scalar_one_or_none()
    return None if text is None else load(Payload, text)


async def owners(tx: Reading, tokens: Iterable[str]) -> dict[str, str]:
    """Token -> scan, for those that were given out."""
    query = sa.select(_payload.c.token, _payload.c.scan_id).where(
        _payload.c.token.in_([clean(token) for token in tokens])
    )
    return {row.token: row.scan_id for row in await tx.connection.execute(query)}


async def scans_with(tx: Reading, since: float, until: float) -> tuple[str, ...]:
    """The scans that gave out payloads in that time."""
    inside = (_payload.c.created >= since) & (_payload.c.created <= until)
    query = sa.select(_payload.c.scan_id).where(inside).distinct().order_by(_payload.c.scan_id)
    return tuple((await tx.connection.execute(query)).scalars())


async def of_scan(tx: Reading, scan_id: str) -> tuple[Payload, ...]:
    """A scan's payloads, oldest first."""
    query = (
        sa.select(_payload.c.payload)
        .where(_payload.c.scan_id == scan_id)
        .order_by(_payload.c.created, _payload.c.token)
    )
    return tuple(load(Payload, text) for text in (await tx.connection.execute(query)).scalars())
