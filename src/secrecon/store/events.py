"""A scan's event log: the truth that watchers follow. `seq` counts from 1 without gaps, also under concurrent writers.

The next number is taken from the scan's row, which the writer holds until it commits or rolls back. Each event carries the
digest of the one before (`model.chain`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from secrecon.model.chain import START, link
from secrecon.model.errors import InternalError
from secrecon.model.record import JsonValue, ScanEvent
from secrecon.store.database import Reading, Transaction
from secrecon.store.tables import clean
from secrecon.store.tables import scan as _scan
from secrecon.store.tables import scan_event as _event

Entry = tuple[str, Mapping[str, JsonValue]]


async def append(tx: Transaction, scan_id: str, entries: Sequence[Entry], at: float) -> int:
    """Append (kind, data) entries in order; the last seq of the log. An unknown scan is a bug of the caller."""
    taken = await tx.connection.execute(
        sa.update(_scan)
        .where(_scan.c.scan_id == scan_id)
        .values(last_seq=_scan.c.last_seq + len(entries))
        .returning(_scan.c.last_seq)
    )
    last = taken.scalar_one_or_none()
    if last is None:
        raise InternalError(f"events for a scan that does not exist: {scan_id}")
    first = int(last) - len(entries) + 1
    rows: list[dict[str, object]] = []
    digest = await _digest_of(tx, scan_id, first - 1) if entries else ""
    for seq, (kind, data) in enumerate(entries, first):
        digest = link(digest, seq, at, kind, data)
        row = {"scan_id": scan_id, "seq": seq, "at": at, "kind": kind, "data": json.dumps(data), "digest": digest}
        rows.append(row)
    if rows:
        await tx.connection.execute(sa.insert(_event), rows)
    return int(last)


async def _digest_of(tx: Reading, scan_id: str, seq: int) -> str:
    """What the event after `seq` is chained to; events of older versions have no digest, and a chain begins after them."""
    query = sa.select(_event.c.digest).where(_event.c.scan_id == scan_id, _event.c.seq == seq)
    return (await tx.connection.execute(query)).scalar_one_or_none() or START


async def chained(tx: Reading, scan_id: str) -> tuple[tuple[ScanEvent, str], ...]:
    """Every event with its digest, in order; "" for those of versions that kept none."""
    query = sa.select(_event).where(_event.c.scan_id == scan_id).order_by(_event.c.seq)
    return tuple(
        (ScanEvent(row.seq, row.at, row.kind, json.loads(row.data)), row.digest or "")
        for row in await tx.connection.execute(query)
    )


async def after(tx: Reading, scan_id: str, seq: int, limit: int) -> tuple[ScanEvent, ...]:
    """At most `limit` events that follow `seq`, in order. `seq` is a watcher's word and may be beyond every column."""
    follows = _event.c.seq > sa.literal(min(seq, 2**63 - 1), sa.BigInteger)
    query = sa.select(_event).where(_event.c.scan_id == scan_id, follows).order_by(_event.c.seq).limit(limit)
    return tuple(
        ScanEvent(row.seq, row.at, row.kind, json.loads(row.data)) for row in await tx.connection.execute(query)
    )


async def changes(tx: Reading, scan_id: str) -> tuple[str, ...]:
    """Why the report changed after the scan had ended, oldest first."""
    query = (
        sa.select(_event.c.data)
        .where(_event.c.scan_id == scan_id, _event.c.kind == "report_version")
        .order_by(_event.c.seq)
    )
    return tuple(str(json.loads(data).get("reason", "")) for data in (await tx.connection.execute(query)).scalars())


async def last_seqs(tx: Reading, scan_ids: Sequence[str]) -> dict[str, int]:
    """The last seq of each scan: one cheap look for everything that is being watched."""
    query = sa.select(_scan.c.scan_id, _scan.c.last_seq).where(_scan.c.scan_id.in_(tuple(scan_ids)))
    return {row.scan_id: row.last_seq for row in await tx.connection.execute(query)}


def shown(text: str) -> str:
    """Hostile text as an event may carry it."""
    return clean(text)
