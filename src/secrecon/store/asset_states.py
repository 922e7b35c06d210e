"""Where each asset of a target stands after its latest scan, and what changed from the scan before.

Settled once, in the transaction that ends a scan. The first scan of a target is the baseline: nothing has "appeared"
yet. An asset that was not seen is gone only where the checks that saw it before ran to their end again; else it was not
looked at again, which is told once, until it is seen again. A detail that is missing now counts as changed under the
same condition alone.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import sqlalchemy as sa

from secrecon.model.asset import AssetType, Fact
from secrecon.model.codec import load, load_fact
from secrecon.model.inventory import (
    AssetState,
    ChangeKind,
    Look,
    Sighting,
    differences,
    looked,
    sightings,
)
from secrecon.model.record import JsonValue
from secrecon.model.scan import Attempt, Revisit, ScanMode
from secrecon.store import assets, events, tables
from secrecon.store.database import Reading, Transaction
from secrecon.store.scans import StoredScan

MAX_EVENTS = 200
"""How many single changes one scan tells as events; the summary counts them all."""
MAX_REVISITS = 300
_BATCH = 500
_KINDS = ("asset", "told", "resolution", "service", "technology")
_asset, _state, _change = tables.asset, tables.asset_state, tables.asset_change


@dataclass(frozen=True, slots=True)
class StoredChange:
    """One change of one asset. `detail`: for CHANGED by name what was before and after; for others what there is to say."""

    id: int
    asset_id: int
    type: AssetType
    value: str
    target: str
    scan_id: str
    kind: ChangeKind
    detail: dict[str, JsonValue]
    at: float


@dataclass(frozen=True, slots=True)
class _Known:
    """An asset of this target before the scan."""

    id: int
    type: AssetType
    value: str
    state: AssetState
    detail: dict[str, str]
    looks: tuple[Look, ...]
    mode: str


@dataclass(frozen=True, slots=True)
class _Row:
    """The inventory's own row of an asset that the scan saw."""

    id: int
    sources: tuple[str, ...]
    parents: tuple[str, ...]


@dataclass(slots=True)
class _Ledger:
    """What the scan changes: states and lines of the change feed. `quick`: it is a quick scan."""

    attempts: Mapping[Look, Attempt]
    quick: bool
    states: dict[int, dict[str, object]]
    changes: list[tuple[int, AssetType, str, ChangeKind, dict[str, JsonValue]]]
    gone: list[int]

    def looked(self, old: _Known) -> bool:
        """Whether what saw an asset before ran to its end again, as deep as then."""
        return looked(old.looks, self.attempts, shallow=self.quick and old.mode == ScanMode.FULL)


async def settle(tx: Transaction, scan: StoredScan, at: float) -> tuple[tuple[AssetType, str], ...]:
    """Compare what a scan saw with what was known of its target; write states, changes and their events. The assets that
    appeared."""
    seen = sightings(await _facts(tx, scan.scan_id), scan.spec.target)
    known = await _known(tx, scan)
    rows = await _rows(tx, scan.account_id, seen)
    attempts = await _attempts(tx, scan.scan_id, {check for old in known.values() for check, _ in old.looks})
    asked = {item.url for item in scan.spec.revisit}
    first = not known
    ledger = _Ledger(attempts, scan.spec.mode is ScanMode.QUICK, {}, [], [])
    for one in seen:
        row = rows.get((one.type.value, tables.digest(one.value)))
        if row is not None:
            _seen(ledger, one, row, known.pop(row.id, None), scan.spec.mode, first=first)
    for old in known.values():
        _unseen(ledger, old, ledger.looked(old) and _asked(old, asked))
    await _write(tx, scan, at, ledger, seen, rows)
    return tuple((type_, value) for _, type_, value, kind, _ in ledger.changes if kind is ChangeKind.APPEARED)


def _asked(old: _Known, asked: set[str]) -> bool:
    return old.type is not AssetType.SENSITIVE_PATH or old.value in asked


def _seen(ledger: _Ledger, one: Sighting, row: _Row, old: _Known | None, mode: ScanMode, *, first: bool) -> None:
    detail = dict(one.detail)
    if old is not None:
        changed = differences(one.type, old.detail, detail)
        if any(not after for _, after in changed.values()) and not ledger.looked(old):
            for name in [name for name, (_, after) in changed.items() if not after]:
                detail[name] = changed.pop(name)[0]
        if old.state is AssetState.GONE:
            ledger.changes.append((row.id, one.type, one.value, ChangeKind.APPEARED, {"back": True}))
        elif changed:
            told: dict[str, JsonValue] = {name: list(pair) for name, pair in changed.items()}
            ledger.changes.append((row.id, one.type, one.value, ChangeKind.CHANGED, told))
    elif not first:
        ledger.changes.append((row.id, one.type, one.value, ChangeKind.APPEARED, {}))
    ledger.states[row.id] = {
        "state": AssetState.PRESENT.value,
        "detail": json.dumps(detail),
        "looks": _looks(one.looks, mode),
    }


def _unseen(ledger: _Ledger, old: _Known, ran: bool) -> None:
    if old.state is AssetState.GONE or (old.state is AssetState.UNKNOWN and not ran):
        return
    kind = ChangeKind.GONE if ran else ChangeKind.NOT_LOOKED
    ledger.changes.append((old.id, old.type, old.value, kind, {}))
    if ran:
        ledger.gone.append(old.id)
    ledger.states[old.id] = {
        "state": (AssetState.GONE if ran else AssetState.UNKNOWN).value,
        "detail": json.dumps(old.detail),
        "looks": _looks(old.looks, old.mode),
    }


def _looks(looks: Iterable[Look], mode: str) -> str:
    return json.dumps({"mode": str(mode), "lines": list(looks)})


async def _write(
    tx: Transaction,
    scan: StoredScan,
    at: float,
    ledger: _Ledger,
    seen: Sequence[Sighting],
    rows: Mapping[tuple[str, str], _Row],
) -> None:
    target = tables.digest(scan.spec.target.url)
    common = {"account_id": scan.account_id, "target_digest": target, "scan_id": scan.scan_id, "at": at}
    states = [{**common, "asset_id": id_, **ledger.states[id_]} for id_ in sorted(ledger.states)]
    if states:
        statement = tx.insert(_state)
        fresh = {name: statement.excluded[name] for name in ("state", "detail", "looks", "scan_id", "at")}
        await tx.connection.execute(
            statement.on_conflict_do_update(index_elements=["account_id", "target_digest", "asset_id"], set_=fresh),
            states,
        )
    await _refresh(tx, seen, rows)
    changes = [
        {
            **common,
            "asset_id": id_,
            "target": scan.spec.target.url,
            "kind": kind.value,
            "detail": json.dumps(detail),
        }
        for id_, _, _, kind, detail in ledger.changes
    ]
    if changes:
        await tx.connection.execute(sa.insert(_change), changes)
    await _mark_gone(tx, ledger.gone, at)
    await _tell(tx, scan.scan_id, ledger, len(seen), at)


async def _refresh(tx: Transaction, seen: Sequence[Sighting], rows: Mapping[tuple[str, str], _Row]) -> None:
    """Bring sources, parents and details of the inventory up to what the whole scan saw."""
    values: list[tuple[int, dict[str, object]]] = []
    for one in seen:
        row = rows.get((one.type.value, tables.digest(one.value)))
        if row is not None:
            fresh = {
                "id_": row.id,
                "sources_": assets.dump_list(dict.fromkeys((*row.sources, *one.sources))),
                "parents_": assets.dump_list(dict.fromkeys((*one.parents, *row.parents))),
                "detail_": json.dumps(one.detail),
            }
            values.append((row.id, fresh))
    if not values:
        return
    change = (
        sa.update(_asset)
        .where(_asset.c.id == sa.bindparam("id_"))
        .values(sources=sa.bindparam("sources_"), parents=sa.bindparam("parents_"), detail=sa.bindparam("detail_"))
    )
    await tx.connection.execute(change, [value for _, value in sorted(values, key=lambda pair: pair[0])])


async def _mark_gone(tx: Transaction, ids: Sequence[int], at: float) -> None:
    """An asset is gone from the inventory where no target has it any more."""
    for batch in _batches(sorted(ids)):
        elsewhere = (
            sa.select(sa.literal(1))
            .where(_state.c.asset_id == _asset.c.id, _state.c.state != AssetState.GONE.value)
            .exists()
        )
        await tx.connection.execute(sa.update(_asset).where(_asset.c.id.in_(batch), ~elsewhere).values(gone=at))


async def _tell(tx: Transaction, scan_id: str, ledger: _Ledger, seen: int, at: float) -> None:
    counts = Counter(kind for _, _, _, kind, _ in ledger.changes)
    entries: list[events.Entry] = [
        (
            "asset_change",
            {"change": kind.value, "type": type_.value, "value": events.shown(value), "detail": detail},
        )
        for _, type_, value, kind, detail in ledger.changes[:MAX_EVENTS]
    ]
    summary: dict[str, JsonValue] = {kind.value: counts[kind] for kind in ChangeKind}
    entries.append(("asset_changes", {**summary, "seen": seen}))
    await events.append(tx, scan_id, entries, at)


async def revisits(tx: Reading, account_id: int, target: str) -> tuple[Revisit, ...]:
    """The sensitive paths of a target that are not known to be gone, the latest first."""
    query = (
        sa.select(_asset.c.value, _state.c.looks)
        .join(_asset, _asset.c.id == _state.c.asset_id)
        .where(
            _state.c.account_id == account_id,
            _state.c.target_digest == tables.digest(target),
            _state.c.state != AssetState.GONE.value,
            _asset.c.type == AssetType.SENSITIVE_PATH.value,
        )
        .order_by(_asset.c.id.desc())
        .limit(MAX_REVISITS)
    )
    return tuple(
        Revisit(row.value, check)
        for row in await tx.connection.execute(query)
        for check, _ in json.loads(row.looks)["lines"]
    )


async def changes_of(
    tx: Reading,
    account_id: int,
    before: int | None,
    limit: int,
    *,
    target: str = "",
    scan_id: str = "",
    kind: ChangeKind | None = None,
    asset_id: int | None = None,
) -> tuple[StoredChange, ...]:
    """The account's changes, newest first."""
    query = (
        sa.select(_change, _asset.c.type, _asset.c.value)
        .join(_asset, _asset.c.id == _change.c.asset_id)
        .where(_change.c.account_id == account_id)
        .order_by(_change.c.id.desc())
        .limit(limit)
    )
    if target:
        query = query.where(_change.c.target_digest == tables.digest(target))
    if scan_id:
        query = query.where(_change.c.scan_id == tables.clean(scan_id))
    if kind is not None:
        query = query.where(_change.c.kind == kind.value)
    if asset_id is not None:
        query = query.where(_change.c.asset_id == tables.storable(asset_id))
    if before is not None:
        query = query.where(_change.c.id < before)
    return tuple(
        StoredChange(
            id=row.id,
            asset_id=row.asset_id,
            type=AssetType(row.type),
            value=row.value,
            target=row.target,
            scan_id=row.scan_id,
            kind=ChangeKind(row.kind),
            detail=json.loads(row.detail),
            at=row.at,
        )
        for row in await tx.connection.execute(query)
    )


async def targets_of(tx: Reading, account_id: int) -> tuple[str, ...]:
    """The targets whose assets are known, by name."""
    scan = tables.scan
    query = (
        sa.select(scan.c.target)
        .where(
            scan.c.account_id == account_id,
            scan.c.scan_id.in_(sa.select(_state.c.scan_id).where(_state.c.account_id == account_id).distinct()),
        )
        .distinct()
        .order_by(scan.c.target)
    )
    return tuple((await tx.connection.execute(query)).scalars())


async def _facts(tx: Reading, scan_id: str) -> list[Fact]:
    fact = tables.scan_fact
    query = (
        sa.select(fact.c.kind, fact.c.fact)
        .where(fact.c.scan_id == scan_id, fact.c.kind.in_(_KINDS))
        .order_by(fact.c.id)
    )
    return [load_fact(row.kind, row.fact) for row in await tx.connection.execute(query)]


async def _known(tx: Reading, scan: StoredScan) -> dict[int, _Known]:
    query = (
        sa.select(_state, _asset.c.type, _asset.c.value)
        .join(_asset, _asset.c.id == _state.c.asset_id)
        .where(
            _state.c.account_id == scan.account_id,
            _state.c.target_digest == tables.digest(scan.spec.target.url),
        )
        .order_by(_state.c.asset_id)
    )
    return {
        row.asset_id: _Known(
            row.asset_id,
            AssetType(row.type),
            row.value,
            AssetState(row.state),
            json.loads(row.detail),
            tuple((check, asset) for check, asset in json.loads(row.looks)["lines"]),
            json.loads(row.looks)["mode"],
        )
        for row in await tx.connection.execute(query)
    }


async def _rows(tx: Reading, account_id: int, seen: Sequence[Sighting]) -> dict[tuple[str, str], _Row]:
    rows: dict[tuple[str, str], _Row] = {}
    for batch in _batches(sorted({tables.digest(one.value) for one in seen})):
        query = sa.select(
            _asset.c.id, _asset.c.type, _asset.c.value_digest, _asset.c.sources, _asset.c.parents
        ).where(_asset.c.account_id == account_id, _asset.c.value_digest.in_(batch))
        for row in await tx.connection.execute(query):
            rows[row.type, row.value_digest] = _Row(
                row.id, tuple(json.loads(row.sources)), tuple(json.loads(row.parents))
            )
    return rows


async def _attempts(tx: Reading, scan_id: str, checks: Iterable[str]) -> dict[Look, Attempt]:
    found: dict[Look, Attempt] = {}
    for batch in _batches(sorted(check for check in checks if check)):
        query = sa.select(tables.attempt.c.attempt).where(
            tables.attempt.c.scan_id == scan_id, tables.attempt.c.check.in_(batch)
        )
        for text in (await tx.connection.execute(query)).scalars():
            attempt = load(Attempt, text)
            found[attempt.check, attempt.asset] = attempt
    return found


T = TypeVar("T")


def _batches(items: Sequence[T]) -> Iterable[Sequence[T]]:
    return (items[start : start + _BATCH] for start in range(0, len(items), _BATCH))
