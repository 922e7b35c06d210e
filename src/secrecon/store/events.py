"""A scan's event log: the truth that watchers follow. `seq` counts from 1 without gaps, also under concurrent writers.

The next number is taken from the scan's row, which the writer holds until it commits or rolls back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import sqlalchemy as sa

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
    rows = [
        {"scan_id": scan_id, "seq": first + index, "at": at, "kind": kind, "data": json.dumps(data)}
        for index, (kind, data) in enumerate(entries)
    ]
    if rows:
        await tx.connection.execute(sa.insert(_event), rows)
    return int(last)


async def after(tx: Reading, scan_id: str, seq: int, limit: int) -> tuple[ScanEvent, ...]:
    """At most `limit` events that follow `seq`, in order. `seq` is a watcher's word and may be beyond every column."""
    follows = _event.c.seq > sa.literal(min(seq, 2**63 - 1), sa.BigInteger)
    query = sa.select(_event).where(_event.c.scan_id == scan_id, follows).order_by(_event.c.seq).limit(limit)
    return tuple(
        ScanEvent(row.seq, row.at, row.kind, json.loads(row.data)) for row in await tx.connection.execute(query)
    )


async def last_seqs(tx: Reading, scan_ids: Sequence[str]) -> dict[str, int]:
    """The last seq of each scan: one cheap look for everything that is being watched."""
    query = sa.select(_scan.c.scan_id, _scan.c.last_seq).where(_scan.c.scan_id.in_(tuple(scan_ids)))
    return {row.scan_id: row.last_seq for row in await tx.connection.execute(query)}


def shown(text: str) -> str:
    """Hostile text as an event may carry it."""
    return clean(text)
