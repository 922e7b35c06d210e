"""What a language model wrote about a scan: one row a scan, written once, read with the scan."""

from __future__ import annotations

import sqlalchemy as sa

from secrecon.model.codec import dump, load
from secrecon.model.draft import Draft
from secrecon.store.database import Reading, Transaction
from secrecon.store.tables import clean
from secrecon.store.tables import scan_draft as _draft


async def put(tx: Transaction, scan_id: str, draft: Draft, at: float) -> bool:
    """Keep the draft of a scan; False, and nothing changed, where it has one."""
    statement = tx.insert(_draft).values(scan_id=scan_id, draft=clean(dump(draft)), at=at)
    stored = await tx.connection.execute(statement.on_conflict_do_nothing(index_elements=["scan_id"]))
    return stored.rowcount == 1


async def of_scan(tx: Reading, scan_id: str) -> Draft | None:
    """The draft of a scan. Raises BadInput where what is stored cannot be read."""
    text = (
        await tx.connection.execute(sa.select(_draft.c.draft).where(_draft.c.scan_id == scan_id))
    ).scalar_one_or_none()
    return None if text is None else load(Draft, text)
