"""Counts over everything, for the operator's metrics. Nothing here belongs to one account."""

from __future__ import annotations

import sqlalchemy as sa

from secrecon.model.scan import ScanStatus
from secrecon.store.database import Reading
from secrecon.store.tables import scan as _scan


async def scans_by_status(tx: Reading) -> dict[ScanStatus, int]:
    """How many scans are in each status that any scan is in."""
    query = sa.select(_scan.c.status, sa.func.count().label("scans")).group_by(_scan.c.status)
    return {ScanStatus(row.status): int(row.scans) for row in await tx.connection.execute(query)}
