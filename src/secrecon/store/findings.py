"""Findings: what a scan saw (`scan_finding`) and what the account knows of it over all scans (`finding`).

A problem is the same one when account, target and fingerprint are. How its status moves when a scan sees it is
written here because it must happen in the statement that stores it. What people decide is kept beside that status, never over it:
`model.triage` says which of the two counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from secrecon.model.codec import dump, load
from secrecon.model.finding import Finding, FindingStatus, Severity
from secrecon.model.record import FindingRecord, JsonValue
from secrecon.model.triage import Decision, TriageState, standing
from secrecon.store import events, tables
from secrecon.store.database import Reading, Transaction
from secrecon.store.scans import StoredScan

_finding, _seen = tables.finding, tables.scan_finding
_LIVE = (FindingStatus.NEW.value, FindingStatus.OPEN.value, FindingStatus.REGRESSED.value)


@dataclass(frozen=True, slots=True)
class KnownFinding:
    """A finding of the account, as its latest scan saw it. `seen`: what scans say of it; `status`: where it stands with
    `decision` taken into account, and `reopened` why that does not hold any more. `revision` counts decisions."""

    id: int
    account_id: int
    target: str
    finding: Finding
    status: FindingStatus
    first_seen: float
    last_seen: float
    first_scan_id: str
    last_scan_id: str
    seen: FindingStatus
    decision: Decision | None
    reopened: str
    revision: int


@dataclass(frozen=True, slots=True)
class OpenFinding:
    """A problem that nobody has decided and no scan has seen fixed, in brief."""

    id: int
    asset: str
    severity: Severity
    check: str


async def put(tx: Transaction, scan: StoredScan, findings: Sequence[Finding], at: float) -> tuple[str, ...]:
    """Store what a scan found, on fingerprint; the fingerprints that are new to the scan or changed in it.

    Each of those appends a `finding` event.
    """
    changed: list[str] = []
    entries: list[events.Entry] = []
    for finding in findings:
        if await _put_one(tx, scan, finding, at):
            changed.append(finding.fingerprint)
            entries.append(("finding", summary(finding)))
    if entries:
        await events.append(tx, scan.scan_id, entries, at)
    return tuple(changed)


async def seen_by(tx: Reading, scan_id: str) -> tuple[Finding, ...]:
    """What one scan found, without history, in the order found."""
    query = sa.select(_seen.c.finding).where(_seen.c.scan_id == scan_id).order_by(_seen.c.id)
    return tuple(load(Finding, text) for text in (await tx.connection.execute(query)).scalars())


async def of_scan(tx: Reading, scan_id: str, now: float) -> tuple[FindingRecord, ...]:
    """What one scan found, with history, in the order found. `now`: whether an acceptance has ended.

    The status is the one the scan gave it, so that an old report stays as it was; a decision that holds overrules.
    """
    columns: tuple[sa.ColumnElement[Any], ...] = (
        _finding.c.id,
        _finding.c.first_seen,
        _finding.c.finding.label("latest"),
        _finding.c.status.label("known"),
        _finding.c.decision,
        _finding.c.revision,
        _seen.c.finding,
        _seen.c.status,
        _seen.c.at,
    )
    query = (
        sa.select(*columns)
        .join(_finding, _finding.c.id == _seen.c.finding_id)
        .where(_seen.c.scan_id == scan_id)
        .order_by(_seen.c.id)
    )
    return tuple(_record(row, now) for row in await tx.connection.execute(query))


def _record(row: sa.Row[Any], now: float) -> FindingRecord:
    seen, decision = FindingStatus(row.status), _decision(row.decision)
    stands = standing(seen, decision, load(Finding, row.latest), now) if decision else None
    return FindingRecord(
        id=row.id,
        finding=load(Finding, row.finding),
        first_seen=row.first_seen,
        last_seen=row.at,
        status=stands.status if stands else seen,
        seen=seen,
        decision=decision,
        reopened=stands.reopened if stands else "",
        revision=row.revision,
        gone=row.known == FindingStatus.FIXED.value,
    )


async def list_of(
    tx: Reading, account_id: int, after: int | None, limit: int, now: float
) -> tuple[KnownFinding, ...]:
    """The account's findings by descending id; those with an id below `after` where given."""
    query = (
        sa.select(_finding).where(_finding.c.account_id == account_id).order_by(_finding.c.id.desc()).limit(limit)
    )
    if after is not None:
        query = query.where(_finding.c.id < after)
    return tuple(_read(row, now) for row in await tx.connection.execute(query))


async def open_of(tx: Reading, account_id: int, now: float, target: str = "") -> tuple[OpenFinding, ...]:
    """The account's open problems, or those of one target, oldest first."""
    decided = sa.case((_finding.c.decision.is_not(None), _finding.c.finding), else_=None)
    query = (
        sa.select(
            _finding.c.id,
            _finding.c.asset,
            _finding.c.severity,
            _finding.c.check,
            _finding.c.status,
            _finding.c.decision,
            decided.label("whole"),
        )
        .where(_finding.c.account_id == account_id, _finding.c.status.in_(_LIVE))
        .order_by(_finding.c.id)
    )
    if target:
        query = query.where(_finding.c.target_digest == tables.digest(target))
    return tuple(
        OpenFinding(row.id, row.asset, Severity(row.severity), row.check)
        for row in await tx.connection.execute(query)
        if row.whole is None or _stands_open(row.status, row.decision, row.whole, now)
    )


def _stands_open(status: str, decision: str, finding: str, now: float) -> bool:
    """Whether a decision about a problem leaves it open, or does not hold any more."""
    stands = standing(FindingStatus(status), _decision(decision), load(Finding, finding), now)
    return stands.status not in (FindingStatus.FALSE_POSITIVE, FindingStatus.ACCEPTED)


async def titles(tx: Reading, account_id: int, ids: Sequence[int]) -> dict[int, str]:
    """The titles of some problems of the account, by id."""
    found: dict[int, str] = {}
    for start in range(0, len(ids), 500):
        query = sa.select(_finding.c.id, _finding.c.finding).where(
            _finding.c.account_id == account_id, _finding.c.id.in_(ids[start : start + 500])
        )
        found |= {row.id: load(Finding, row.finding).title for row in await tx.connection.execute(query)}
    return found


async def by_id(tx: Reading, account_id: int, finding_id: int, now: float) -> KnownFinding | None:
    query = sa.select(_finding).where(
        _finding.c.id == tables.storable(finding_id), _finding.c.account_id == account_id
    )
    row = (await tx.connection.execute(query)).one_or_none()
    return None if row is None else _read(row, now)


async def decide(
    tx: Transaction, account_id: int, finding_id: int, revision: int, decision: Decision | None
) -> bool:
    """Record a decision, or take one back (None), where nobody decided since `revision`; whether that was so."""
    change = (
        sa.update(_finding)
        .where(
            _finding.c.id == tables.storable(finding_id),
            _finding.c.account_id == account_id,
            _finding.c.revision == revision,
        )
        .values(decision=None if decision is None else dump(decision), revision=_finding.c.revision + 1)
    )
    return (await tx.connection.execute(change)).rowcount == 1


async def unseen(tx: Reading, scan: StoredScan, only: int | None = None) -> tuple[KnownFinding, ...]:
    """What this target had before `scan` and the scan did not see; of these `only` the one with that number, where given."""
    seen = (
        sa.select(sa.literal(1))
        .where(_seen.c.scan_id == scan.scan_id, _seen.c.finding_id == _finding.c.id)
        .exists()
    )
    query = sa.select(_finding).where(
        _finding.c.account_id == scan.account_id,
        _finding.c.target_digest == tables.digest(scan.spec.target.url),
        _finding.c.status.in_(_LIVE),
        _finding.c.first_seen < scan.created,
        ~seen,
    )
    if only is not None:
        query = query.where(_finding.c.id == tables.storable(only))
    rows = await tx.connection.execute(query.order_by(_finding.c.id))
    return tuple(_read(row, scan.created) for row in rows)


async def set_fixed(tx: Transaction, gone: Sequence[KnownFinding]) -> int:
    """Mark findings FIXED; work in progress on them is over. How many."""
    for known in gone:
        values: dict[str, object] = {"status": FindingStatus.FIXED.value}
        if known.decision is not None and known.decision.state is TriageState.IN_PROGRESS:
            values |= {"decision": None, "revision": _finding.c.revision + 1}
        await tx.connection.execute(sa.update(_finding).where(_finding.c.id == known.id).values(**values))
    return len(gone)


def summary(finding: Finding) -> dict[str, JsonValue]:
    """A finding as watchers see it: without its evidence."""
    return {
        "fingerprint": finding.fingerprint,
        "check": finding.check,
        "title": events.shown(finding.title),
        "severity": finding.severity.value,
        "asset": events.shown(finding.asset),
        "location": events.shown(finding.location),
        "evidence_level": finding.evidence_level.value,
        "confidence": finding.confidence,
        "cve_id": finding.cve_id,
        "oast_verified": finding.oast_verified,
    }


async def _put_one(tx: Transaction, scan: StoredScan, finding: Finding, at: float) -> bool:
    text = dump(finding)
    query = sa.select(_seen.c.id, _seen.c.finding).where(
        _seen.c.scan_id == scan.scan_id, _seen.c.fingerprint == finding.fingerprint
    )
    before = (await tx.connection.execute(query)).one_or_none()
    if before is not None and before.finding == text:
        return False
    known_id, status = await _put_known(tx, scan, finding, text, at)
    if before is not None:
        change = sa.update(_seen).where(_seen.c.id == before.id)
        await tx.connection.execute(change.values(finding=text, severity=finding.severity.value, at=at))
        return True
    await tx.connection.execute(
        sa.insert(_seen).values(
            scan_id=scan.scan_id,
            finding_id=known_id,
            fingerprint=finding.fingerprint,
            severity=finding.severity.value,
            finding=text,
            status=status,
            at=at,
        )
    )
    return True


async def _put_known(tx: Transaction, scan: StoredScan, finding: Finding, text: str, at: float) -> tuple[int, str]:
    """Insert or refresh the account's row: fixed comes back as regressed, new becomes open in the next scan."""
    statement = tx.insert(_finding).values(
        account_id=scan.account_id,
        target_digest=tables.digest(scan.spec.target.url),
        target=scan.spec.target.url,
        fingerprint=finding.fingerprint,
        check=finding.check,
        asset=finding.asset,
        severity=finding.severity.value,
        finding=text,
        status=FindingStatus.NEW.value,
        first_seen=at,
        last_seen=at,
        first_scan_id=scan.scan_id,
        last_scan_id=scan.scan_id,
    )
    moved = sa.case(
        (_finding.c.last_scan_id == scan.scan_id, _finding.c.status),
        (_finding.c.status == FindingStatus.FIXED.value, FindingStatus.REGRESSED.value),
        (_finding.c.status == FindingStatus.NEW.value, FindingStatus.OPEN.value),
        else_=_finding.c.status,
    )
    result = await tx.connection.execute(
        statement.on_conflict_do_update(
            index_elements=["account_id", "target_digest", "fingerprint"],
            set_={
                "status": moved,
                "finding": text,
                "severity": finding.severity.value,
                "last_seen": at,
                "last_scan_id": scan.scan_id,
            },
        ).returning(_finding.c.id, _finding.c.status)
    )
    row = result.one()
    return int(row.id), str(row.status)


def _decision(text: str | None) -> Decision | None:
    return None if text is None else load(Decision, text)


def _read(row: sa.Row[tuple[object, ...]], now: float) -> KnownFinding:
    finding, seen, decision = load(Finding, row.finding), FindingStatus(row.status), _decision(row.decision)
    stands = standing(seen, decision, finding, now)
    return KnownFinding(
        id=row.id,
        account_id=row.account_id,
        target=row.target,
        finding=finding,
        status=stands.status,
        first_seen=row.first_seen,
        last_seen=row.last_seen,
        first_scan_id=row.first_scan_id,
        last_scan_id=row.last_scan_id,
        seen=seen,
        decision=decision,
        reopened=stands.reopened,
        revision=row.revision,
    )
