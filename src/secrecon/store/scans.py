"""Scans from acceptance to their end. Once a scan is final nothing here changes its outcome again.

Every change that watchers should see appends its event in the same transaction: `progress` and `phase_started` while
it runs, `done` or `error` at its end.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from secrecon.model.codec import dump, load
from secrecon.model.errors import BadInput, NotFound
from secrecon.model.interaction import OastSelfTest
from secrecon.model.record import JsonValue, Progress
from secrecon.model.scan import EngineInfo, PhaseName, ScanSpec, ScanStatus
from secrecon.store import events, tables
from secrecon.store.database import Reading, Transaction
from secrecon.store.tables import scan as _scan

_WHOLE = _scan.c.retest_of.is_(None)
_FINAL = tuple(status.value for status in ScanStatus if status.is_final)


@dataclass(frozen=True, slots=True)
class StoredScan:
    """A scan's own row. `id` rises with acceptance and orders lists; it is never shown as a number."""

    id: int
    scan_id: str
    db_scan_id: int
    account_id: int
    spec: ScanSpec
    engine: EngineInfo
    via_api: bool
    status: ScanStatus
    phase: PhaseName | None
    percent: int
    message: str
    cancel_requested: float | None
    cancelled: bool
    error: str
    not_run: tuple[PhaseName, ...]
    created: float
    started: float | None
    finished: float | None
    version: int
    requests: int
    received: int
    self_test: OastSelfTest | None
    last_seq: int
    archived: float | None
    pinned: bool
    retest_of: int | None


@dataclass(frozen=True, slots=True)
class Counts:
    """What a scan has found so far. `vulnerabilities` are the findings above info."""

    findings: int
    vulnerabilities: int
    services: int
    assets: int
    interactions: int
    attempts: int


async def add(
    tx: Transaction,
    *,
    account_id: int,
    db_scan_id: int,
    spec: ScanSpec,
    engine: EngineInfo,
    via_api: bool,
    at: float,
) -> None:
    """Store an accepted scan, STARTING. `spec.scan_id` and `db_scan_id` come from a secure random source."""
    await tx.connection.execute(
        sa.insert(_scan).values(
            scan_id=spec.scan_id,
            db_scan_id=db_scan_id,
            account_id=account_id,
            target=spec.target.url,
            mode=spec.mode.value,
            spec=dump(spec),
            engine=dump(engine),
            via_api=via_api,
            status=ScanStatus.STARTING.value,
            percent=0,
            message="waiting for a worker",
            cancelled=False,
            error="",
            not_run="[]",
            created=at,
            version=1,
            requests=0,
            received=0,
            last_seq=0,
            pinned=False,
            retest_of=None if spec.retest is None else spec.retest.finding_id,
        )
    )


async def by_scan_id(tx: Reading, scan_id: str) -> StoredScan | None:
    return await _one(tx, _scan.c.scan_id == tables.clean(scan_id))


async def by_db_id(tx: Reading, db_scan_id: int) -> StoredScan | None:
    return await _one(tx, _scan.c.db_scan_id == tables.storable(db_scan_id))


async def list_of(tx: Reading, account_id: int, before: int | None, limit: int) -> tuple[StoredScan, ...]:
    """The account's scans, newest first, without retests; those with an id below `before` where given."""
    ours = sa.and_(_scan.c.account_id == account_id, _WHOLE)
    query = sa.select(_scan).where(ours).order_by(_scan.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(_scan.c.id < before)
    return tuple(read_row(row) for row in await tx.connection.execute(query))


async def finished_of(tx: Reading, account_id: int, target: str, limit: int) -> tuple[StoredScan, ...]:
    """The finished scans of a target (its normalised URL), newest first, without retests."""
    query = sa.select(_scan).where(
        _scan.c.account_id == account_id, _scan.c.target == target, _scan.c.status.in_(_FINAL), _WHOLE
    )
    rows = await tx.connection.execute(query.order_by(_scan.c.id.desc()).limit(limit))
    return tuple(read_row(row) for row in rows)


async def retests_of(tx: Reading, account_id: int, finding_id: int, limit: int) -> tuple[StoredScan, ...]:
    """The retests of a finding, newest first."""
    query = sa.select(_scan).where(
        _scan.c.account_id == account_id, _scan.c.retest_of == tables.storable(finding_id)
    )
    rows = await tx.connection.execute(query.order_by(_scan.c.id.desc()).limit(limit))
    return tuple(read_row(row) for row in rows)


async def retests_under_way(tx: Reading, account_id: int) -> int:
    """How many retests of an account have not ended."""
    query = sa.select(sa.func.count()).where(
        _scan.c.account_id == account_id, _scan.c.retest_of.is_not(None), _scan.c.status.not_in(_FINAL)
    )
    return int((await tx.connection.execute(query)).scalar_one())


async def unfinished(tx: Reading) -> tuple[str, ...]:
    """The scan_ids of every scan that has not ended, oldest first."""
    query = sa.select(_scan.c.scan_id).where(_scan.c.status.not_in(_FINAL)).order_by(_scan.c.id)
    return tuple((await tx.connection.execute(query)).scalars())


async def counts(tx: Reading, scan_id: str) -> Counts:
    """Counters of one scan."""

    def count(table: sa.Table, *where: sa.ColumnElement[bool]) -> sa.ScalarSelect[int]:
        return (
            sa.select(sa.func.count())
            .select_from(table)
            .where(table.c.scan_id == scan_id, *where)
            .scalar_subquery()
        )

    query = sa.select(
        count(tables.scan_finding),
        count(tables.scan_finding, tables.scan_finding.c.severity != "info"),
        count(tables.scan_fact, tables.scan_fact.c.kind == "service"),
        count(tables.scan_fact, tables.scan_fact.c.kind == "asset"),
        count(tables.interaction, tables.interaction.c.own.is_(False)),
        count(tables.attempt),
    )
    row = (await tx.connection.execute(query)).one()
    return Counts(*(int(value) for value in row))


async def start(tx: Transaction, scan_id: str, engine: EngineInfo, at: float) -> bool:
    """Mark a scan RUNNING; the first time keeps its date. False where it is final already."""
    change = (
        sa.update(_scan)
        .where(_scan.c.scan_id == scan_id, _scan.c.status.not_in(_FINAL))
        .values(
            status=ScanStatus.RUNNING.value,
            started=sa.func.coalesce(_scan.c.started, at),
            engine=dump(engine),
        )
    )
    return (await tx.connection.execute(change)).rowcount == 1


async def progress(tx: Transaction, scan_id: str, progress: Progress, at: float) -> None:
    """Note where a running scan is. The percentage never goes down; a final scan is left alone."""
    row = await locked(tx, scan_id)
    if row.status.is_final:
        return
    percent = max(row.percent, min(progress.percent, 100))
    await tx.connection.execute(
        sa.update(_scan)
        .where(_scan.c.scan_id == scan_id)
        .values(phase=progress.phase.value, percent=percent, message=progress.message)
    )
    entries: list[events.Entry] = []
    if row.phase is not progress.phase:
        entries.append(("phase_started", {"phase": progress.phase.value}))
    data: dict[str, JsonValue] = {
        "phase": progress.phase.value,
        "percent": percent,
        "message": events.shown(progress.message),
    }
    await events.append(tx, scan_id, [*entries, ("progress", data)], at)


async def finish(
    tx: Transaction,
    scan_id: str,
    status: ScanStatus,
    at: float,
    *,
    cancelled: bool = False,
    error: str = "",
    not_run: Sequence[PhaseName] = (),
) -> bool:
    """End a scan with COMPLETE or ERROR; False, and nothing changed, where it had ended before."""
    values: dict[str, object] = {
        "status": status.value,
        "finished": at,
        "cancelled": cancelled,
        "error": error,
        "not_run": json.dumps([phase.value for phase in not_run]),
    }
    if status is ScanStatus.COMPLETE:
        values |= {"percent": 100, "message": "cancelled" if cancelled else "complete"}
    else:
        values |= {"message": error}
    change = sa.update(_scan).where(_scan.c.scan_id == scan_id, _scan.c.status.not_in(_FINAL)).values(**values)
    if (await tx.connection.execute(change)).rowcount != 1:
        return False
    data: dict[str, JsonValue] = {"status": status.value, "cancelled": cancelled, "error": events.shown(error)}
    data["not_run"] = [phase.value for phase in not_run]
    await events.append(tx, scan_id, [("done" if status is ScanStatus.COMPLETE else "error", data)], at)
    return True


async def request_cancel(tx: Transaction, scan_id: str, at: float) -> bool:
    """Ask a scan to stop after the round it is in; False where it is final or was asked before."""
    change = (
        sa.update(_scan)
        .where(_scan.c.scan_id == scan_id, _scan.c.status.not_in(_FINAL), _scan.c.cancel_requested.is_(None))
        .values(cancel_requested=at)
    )
    return (await tx.connection.execute(change)).rowcount == 1


async def cancel_requested(tx: Reading, scan_id: str) -> bool:
    query = sa.select(_scan.c.cancel_requested).where(_scan.c.scan_id == scan_id)
    return (await tx.connection.execute(query)).scalar_one_or_none() is not None


async def latest_finished(tx: Reading) -> tuple[str, ...]:
    """The newest finished scan of each target of each account; their scan_ids."""
    newest = (
        sa.select(sa.func.max(_scan.c.id))
        .where(_scan.c.status.in_(_FINAL), _scan.c.archived.is_(None), _WHOLE)
        .group_by(_scan.c.account_id, _scan.c.target)
    )
    query = sa.select(_scan.c.scan_id).where(_scan.c.id.in_(newest)).order_by(_scan.c.id)
    return tuple((await tx.connection.execute(query)).scalars())


async def new_version(tx: Transaction, scan_id: str, reason: str, at: float) -> int:
    """Count a changed report of a final scan and tell the watchers; the new version."""
    change = (
        sa.update(_scan)
        .where(_scan.c.scan_id == scan_id)
        .values(version=_scan.c.version + 1)
        .returning(_scan.c.version)
    )
    version = (await tx.connection.execute(change)).scalar_one_or_none()
    if version is None:
        raise NotFound("no such scan")
    data: dict[str, JsonValue] = {"version": int(version), "reason": events.shown(reason)}
    await events.append(tx, scan_id, [("report_version", data)], at)
    return int(version)


async def set_pinned(tx: Transaction, account_id: int, scan_id: str, pinned: bool) -> bool:
    """Keep a report from being archived, or let it go again; False where the account has no such scan."""
    ours = sa.and_(_scan.c.scan_id == scan_id, _scan.c.account_id == account_id)
    return (await tx.connection.execute(sa.update(_scan).where(ours).values(pinned=pinned))).rowcount == 1


async def archive_over(tx: Transaction, account_id: int, keep: int, at: float) -> tuple[str, ...]:
    """Archive the oldest unpinned finished reports beyond `keep` stored ones; their scan_ids, oldest first."""
    stored = sa.and_(
        _scan.c.account_id == account_id, _scan.c.archived.is_(None), _scan.c.status.in_(_FINAL), _WHOLE
    )
    total = int((await tx.connection.execute(sa.select(sa.func.count()).where(stored))).scalar_one())
    if total <= keep:
        return ()
    query = (
        sa.select(_scan.c.scan_id).where(stored, _scan.c.pinned.is_(False)).order_by(_scan.c.id).limit(total - keep)
    )
    old = tuple((await tx.connection.execute(query)).scalars())
    await tx.connection.execute(sa.update(_scan).where(_scan.c.scan_id.in_(old)).values(archived=at))
    return old


async def locked(tx: Transaction, scan_id: str) -> StoredScan:
    """The scan's row, held against other writers until this transaction ends. Raises NotFound."""
    query = sa.select(_scan).where(_scan.c.scan_id == scan_id).with_for_update()
    row = (await tx.connection.execute(query)).one_or_none()
    if row is None:
        raise NotFound("no such scan")
    return read_row(row)


async def _one(tx: Reading, where: sa.ColumnElement[bool]) -> StoredScan | None:
    row = (await tx.connection.execute(sa.select(_scan).where(where))).one_or_none()
    return None if row is None else read_row(row)


def read_row(row: sa.Row[tuple[object, ...]]) -> StoredScan:
    """A row of `scan` as the noun. Raises BadInput where what is stored cannot be read."""
    return StoredScan(
        id=row.id,
        scan_id=row.scan_id,
        db_scan_id=row.db_scan_id,
        account_id=row.account_id,
        spec=load(ScanSpec, row.spec),
        engine=load(EngineInfo, row.engine),
        via_api=row.via_api,
        status=ScanStatus(row.status),
        phase=None if row.phase is None else PhaseName(row.phase),
        percent=row.percent,
        message=row.message,
        cancel_requested=row.cancel_requested,
        cancelled=row.cancelled,
        error=row.error,
        not_run=_phases(row.scan_id, row.not_run),
        created=row.created,
        started=row.started,
        finished=row.finished,
        version=row.version,
        requests=row.requests,
        received=row.received,
        self_test=None if row.self_test is None else load(OastSelfTest, row.self_test),
        last_seq=row.last_seq,
        archived=row.archived,
        pinned=row.pinned,
        retest_of=row.retest_of,
    )


def _phases(scan_id: str, text: str) -> tuple[PhaseName, ...]:
    try:
        return tuple(PhaseName(name) for name in json.loads(text))
    except (ValueError, TypeError) as error:
        raise BadInput(f"stored phases of scan {scan_id} cannot be read") from error
