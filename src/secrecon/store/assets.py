"""The account's inventory: every asset that any of its scans met, once, with when it was first and last seen.

What people note about an asset (tags, owner, criticality) is kept beside it and no scan touches it. Where an asset
stands per target, and what changed between scans, is kept by `asset_states`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from secrecon.model.asset import AssetType
from secrecon.model.inventory import AssetFilter, Criticality, Sighting
from secrecon.store import tables
from secrecon.store.database import Reading, Transaction
from secrecon.store.tables import asset as _asset
from secrecon.store.tables import digest

MAX_LISTED = 50
"""How many sources and how many parents one asset keeps."""


@dataclass(frozen=True, slots=True)
class StoredAsset:
    """`source` and `scan_id`: the check and the scan that saw it first. `parents`: the names, addresses or services that
    it belongs to. `gone`: when a scan looked and did not see it any more, in every target it was known from."""

    id: int
    type: AssetType
    value: str
    source: str
    sources: tuple[str, ...]
    parents: tuple[str, ...]
    detail: dict[str, str]
    first_seen: float
    last_seen: float
    scan_id: str
    last_scan_id: str
    gone: float | None
    tags: tuple[str, ...]
    owner: str
    criticality: Criticality | None


@dataclass(frozen=True, slots=True)
class SurfaceRow:
    """What the graph needs of an asset. `addresses`: those of a name, or where a service was reached."""

    id: int
    type: AssetType
    value: str
    parents: tuple[str, ...]
    addresses: tuple[str, ...]
    gone: float | None


@dataclass(frozen=True, slots=True)
class Notes:
    """What people note about an asset."""

    tags: tuple[str, ...]
    owner: str
    criticality: Criticality | None


async def put(tx: Transaction, account_id: int, scan_id: str, seen: Iterable[Sighting], at: float) -> None:
    """Add assets to the inventory, or note that they were seen again."""
    unique = {one.key: one for one in seen}
    rows = [
        {
            "account_id": account_id,
            "type": one.type.value,
            "value_digest": digest(one.value),
            "value": one.value,
            "source": next(iter(one.sources), ""),
            "first_seen": at,
            "last_seen": at,
            "scan_id": scan_id,
            "last_scan_id": scan_id,
            "sources": dump_list(one.sources),
            "parents": dump_list(one.parents),
            "detail": json.dumps(one.detail),
            "tags": "[]",
            "owner": "",
            "criticality": "",
        }
        for _, one in sorted(
            unique.items()
        )  # one order for everyone: two scans never wait for each other crosswise
    ]
    if not rows:
        return
    statement = tx.insert(_asset).on_conflict_do_update(
        index_elements=["account_id", "type", "value_digest"],
        set_={"last_seen": at, "last_scan_id": scan_id, "gone": None},
    )
    await tx.connection.execute(statement, rows)


async def list_of(
    tx: Reading, account_id: int, wanted: AssetFilter, before: int | None, limit: int
) -> tuple[StoredAsset, ...]:
    """The account's assets, newest first; with an id below `before` where given."""
    query = sa.select(_asset).where(*_conditions(account_id, wanted)).order_by(_asset.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(_asset.c.id < before)
    return tuple(read_row(row) for row in await tx.connection.execute(query))


async def count_by_type(tx: Reading, account_id: int, wanted: AssetFilter) -> dict[AssetType, int]:
    """How many assets of each type the filter leaves."""
    query = (
        sa.select(_asset.c.type, sa.func.count())
        .where(*_conditions(account_id, wanted))
        .group_by(_asset.c.type)
        .order_by(_asset.c.type)
    )
    return {AssetType(type_): int(many) for type_, many in await tx.connection.execute(query)}


async def surface_rows(
    tx: Reading, account_id: int, wanted: AssetFilter, types: Sequence[AssetType]
) -> tuple[SurfaceRow, ...]:
    """Every asset of some types, oldest first, without what only a reader of one asset needs."""
    query = (
        sa.select(_asset.c.id, _asset.c.type, _asset.c.value, _asset.c.parents, _asset.c.detail, _asset.c.gone)
        .where(*_conditions(account_id, wanted), _asset.c.type.in_([type_.value for type_ in types]))
        .order_by(_asset.c.id)
    )
    return tuple(
        SurfaceRow(
            row.id,
            AssetType(row.type),
            row.value,
            tuple(json.loads(row.parents)),
            _addresses(json.loads(row.detail)),
            row.gone,
        )
        for row in await tx.connection.execute(query)
    )


async def by_id(tx: Reading, account_id: int, asset_id: int) -> StoredAsset | None:
    """One asset of the account; None for one that it has not."""
    query = sa.select(_asset).where(_asset.c.id == tables.storable(asset_id), _asset.c.account_id == account_id)
    row = (await tx.connection.execute(query)).one_or_none()
    return None if row is None else read_row(row)


async def set_notes(tx: Transaction, account_id: int, asset_id: int, notes: Notes) -> bool:
    """Replace what people noted; False where the account has no such asset."""
    ours = sa.and_(_asset.c.id == tables.storable(asset_id), _asset.c.account_id == account_id)
    change = (
        sa.update(_asset)
        .where(ours)
        .values(tags=json.dumps(notes.tags), owner=notes.owner, criticality=notes.criticality or "")
    )
    return (await tx.connection.execute(change)).rowcount == 1


def _addresses(detail: dict[str, str]) -> tuple[str, ...]:
    return tuple(f"{detail.get('addresses', '')} {detail.get('address', '')}".split())


def _conditions(account_id: int, wanted: AssetFilter) -> list[sa.ColumnElement[bool]]:
    where: list[sa.ColumnElement[bool]] = [_asset.c.account_id == account_id]
    if wanted.type is not None:
        where.append(_asset.c.type == wanted.type.value)
    if wanted.text:
        where.append(
            sa.or_(
                _asset.c.value.icontains(tables.clean(wanted.text), autoescape=True),
                _asset.c.detail.icontains(json.dumps(wanted.text)[1:-1], autoescape=True),
            )
        )
    if wanted.tag:
        where.append(_asset.c.tags.contains(json.dumps(wanted.tag), autoescape=True))
    if wanted.owner:
        where.append(sa.func.lower(_asset.c.owner) == tables.clean(wanted.owner).lower())
    if wanted.criticality is not None:
        where.append(_asset.c.criticality == wanted.criticality.value)
    if wanted.gone is not None:
        where.append(_asset.c.gone.is_not(None) if wanted.gone else _asset.c.gone.is_(None))
    if wanted.target:
        state = tables.asset_state
        ours = sa.select(state.c.asset_id).where(
            state.c.account_id == account_id, state.c.target_digest == digest(wanted.target)
        )
        where.append(_asset.c.id.in_(ours))
    return where


def dump_list(items: Iterable[str]) -> str:
    """The first MAX_LISTED of `items` as JSON text."""
    return json.dumps(list(items)[:MAX_LISTED])


def read_row(row: sa.Row[tuple[object, ...]]) -> StoredAsset:
    """A row of `asset` as the noun."""
    sources: Sequence[str] = json.loads(row.sources) or [row.source]
    return StoredAsset(
        id=row.id,
        type=AssetType(row.type),
        value=row.value,
        source=row.source,
        sources=tuple(sources),
        parents=tuple(json.loads(row.parents)),
        detail=json.loads(row.detail),
        first_seen=row.first_seen,
        last_seen=row.last_seen,
        scan_id=row.scan_id,
        last_scan_id=row.last_scan_id,
        gone=row.gone,
        tags=tuple(json.loads(row.tags)),
        owner=row.owner,
        criticality=Criticality(row.criticality) if row.criticality else None,
    )
