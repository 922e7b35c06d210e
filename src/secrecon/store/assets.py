"""The account's inventory: every asset that any of its scans met, once, with when it was first and last seen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from secrecon.model.asset import Asset, AssetType
from secrecon.store.database import Reading, Transaction
from secrecon.store.tables import asset as _asset
from secrecon.store.tables import digest


@dataclass(frozen=True, slots=True)
class StoredAsset:
    """`source` and `scan_id`: the check and the scan that saw it first."""

    id: int
    type: AssetType
    value: str
    source: str
    first_seen: float
    last_seen: float
    scan_id: str


async def put(tx: Transaction, account_id: int, scan_id: str, assets: Iterable[Asset], at: float) -> None:
    """Add assets to the inventory, or note that they were seen again."""
    unique = {asset.key: asset for asset in assets}
    rows = [
        {
            "account_id": account_id,
            "type": asset.type.value,
            "value_digest": digest(asset.value),
            "value": asset.value,
            "source": asset.source,
            "first_seen": at,
            "last_seen": at,
            "scan_id": scan_id,
        }
        for _, asset in sorted(
            unique.items()
        )  # one order for everyone: two scans never wait for each other crosswise
    ]
    if not rows:
        return
    statement = tx.insert(_asset).on_conflict_do_update(
        index_elements=["account_id", "type", "value_digest"], set_={"last_seen": at}
    )
    await tx.connection.execute(statement, rows)


async def list_of(
    tx: Reading, account_id: int, type_: AssetType | None, before: int | None, limit: int
) -> tuple[StoredAsset, ...]:
    """The account's assets, newest first; of one type, and with an id below `before`, where given."""
    query = sa.select(_asset).where(_asset.c.account_id == account_id).order_by(_asset.c.id.desc()).limit(limit)
    if type_ is not None:
        query = query.where(_asset.c.type == type_.value)
    if before is not None:
        query = query.where(_asset.c.id < before)
    return tuple(
        StoredAsset(
            id=row.id,
            type=AssetType(row.type),
            value=row.value,
            source=row.source,
            first_seen=row.first_seen,
            last_seen=row.last_seen,
            scan_id=row.scan_id,
        )
        for row in await tx.connection.execute(query)
    )
