"""What scans log in with: sealed by the service, kept for as long as the scan runs, and gone with its end."""

from __future__ import annotations

import sqlalchemy as sa

from secrecon.store.database import Reading, Transaction
from secrecon.store.tables import scan_login as _login


async def add(tx: Transaction, scan_id: str, sealed: str, at: float) -> None:
    """Keep a scan's sealed log-in."""
    await tx.connection.execute(tx.insert(_login).values(scan_id=scan_id, sealed=sealed, at=at))


async def find(tx: Reading, scan_id: str) -> str | None:
    """A scan's sealed log-in."""
    query = sa.select(_login.c.sealed).where(_login.c.scan_id == scan_id)
    return (await tx.connection.execute(query)).scalar_one_or_none()


async def drop(tx: Transaction, scan_id: str) -> None:
    """Forget it."""
    await tx.connection.execute(sa.delete(_login).where(_login.c.scan_id == scan_id))
