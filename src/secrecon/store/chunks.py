"""Chunks: one finished round of one step, committed whole and once.

The scan's row is held while a chunk is stored, and (scan, step, round) is unique, so a worker that was thought dead and
comes back late changes nothing. A final scan takes no more chunks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from secrecon.model.asset import Fact
from secrecon.model.codec import as_json, dump, fact_kind, load, load_fact
from secrecon.model.finding import Finding
from secrecon.model.interaction import Interaction, OastSelfTest, Payload
from secrecon.model.inventory import sightings
from secrecon.model.record import Chunk, JsonValue
from secrecon.model.scan import Attempt, Outcome
from secrecon.store import assets, events, findings, interactions, payloads, scans, tables
from secrecon.store.database import Reading, Transaction
from secrecon.store.scans import StoredScan

_chunk, _fact, _attempt = tables.scan_chunk, tables.scan_fact, tables.attempt


@dataclass(frozen=True, slots=True)
class KeptScan:
    """All that a scan's committed chunks learned. `done`: (step, round) -> whether another round follows."""

    scan: StoredScan
    facts: tuple[Fact, ...]
    findings: tuple[Finding, ...]
    attempts: tuple[Attempt, ...]
    payloads: tuple[Payload, ...]
    interactions: tuple[Interaction, ...]
    self_test: OastSelfTest | None
    done: dict[tuple[str, int], bool]


async def commit_chunk(tx: Transaction, scan_id: str, chunk: Chunk, at: float) -> bool:
    """Store a chunk with its facts, findings, attempts, assets and events.

    False, and nothing changed, where this round was stored before or the scan has ended. Raises NotFound.
    """
    scan = await scans.locked(tx, scan_id)
    if scan.status.is_final:
        return False
    statement = tx.insert(_chunk).values(
        scan_id=scan_id,
        step=chunk.step,
        round=chunk.round,
        phase=chunk.phase.value,
        more=chunk.more,
        requests=chunk.requests,
        received=chunk.received,
        at=at,
    )
    stored = await tx.connection.execute(
        statement.on_conflict_do_nothing(index_elements=["scan_id", "step", "round"])
    )
    if stored.rowcount != 1:
        return False
    await _count(tx, scan, chunk)
    await _put_facts(tx, scan, chunk.facts, at)
    await findings.put(tx, scan, chunk.findings, at)
    await put_attempts(tx, scan_id, chunk.attempts, at)
    if not chunk.more:
        data: dict[str, JsonValue] = {"phase": chunk.phase.value, "step": chunk.step, "rounds": chunk.round + 1}
        await events.append(tx, scan_id, [("phase_done", data)], at)
    return True


async def kept(tx: Reading, scan_id: str) -> KeptScan | None:
    """What is stored of a scan, in the order learned; None for an unknown scan."""
    scan = await scans.by_scan_id(tx, scan_id)
    if scan is None:
        return None
    query = sa.select(_chunk.c.step, _chunk.c.round, _chunk.c.more).where(_chunk.c.scan_id == scan_id)
    done = {(row.step, row.round): row.more for row in await tx.connection.execute(query.order_by(_chunk.c.id))}
    return KeptScan(
        scan=scan,
        facts=await facts_of(tx, scan_id),
        findings=await findings.seen_by(tx, scan_id),
        attempts=await attempts_of(tx, scan_id),
        payloads=await payloads.of_scan(tx, scan_id),
        interactions=await interactions.of_scan(tx, scan_id),
        self_test=scan.self_test,
        done=done,
    )


async def ends(tx: Reading, scan_id: str, step: str) -> tuple[float, ...]:
    """When the rounds of a step were committed."""
    query = sa.select(_chunk.c.at).where(_chunk.c.scan_id == scan_id, _chunk.c.step == step).order_by(_chunk.c.at)
    return tuple((await tx.connection.execute(query)).scalars())


async def facts_of(tx: Reading, scan_id: str) -> tuple[Fact, ...]:
    """A scan's facts in the order learned."""
    query = sa.select(_fact.c.kind, _fact.c.fact).where(_fact.c.scan_id == scan_id).order_by(_fact.c.id)
    return tuple(load_fact(row.kind, row.fact) for row in await tx.connection.execute(query))


async def attempts_of(tx: Reading, scan_id: str) -> tuple[Attempt, ...]:
    """A scan's attempts in the order first recorded."""
    query = sa.select(_attempt.c.attempt).where(_attempt.c.scan_id == scan_id).order_by(_attempt.c.id)
    return tuple(load(Attempt, text) for text in (await tx.connection.execute(query)).scalars())


async def _count(tx: Transaction, scan: StoredScan, chunk: Chunk) -> None:
    change = (
        sa.update(tables.scan)
        .where(tables.scan.c.scan_id == scan.scan_id)
        .values(
            requests=tables.scan.c.requests + chunk.requests,
            received=tables.scan.c.received + chunk.received,
        )
    )
    if chunk.self_test is not None:
        change = change.values(self_test=dump(chunk.self_test))
    await tx.connection.execute(change)


async def seed(tx: Transaction, scan_id: str, facts: Iterable[Fact], at: float) -> None:
    """Give a scan that has not begun what an earlier one learned."""
    await _put_facts(tx, await scans.locked(tx, scan_id), facts, at)


async def did(tx: Reading, scan_id: str, check: str) -> bool:
    """Whether a scan did a check to its end, on any asset."""
    query = sa.select(_attempt.c.id).where(
        _attempt.c.scan_id == scan_id, _attempt.c.check == check, _attempt.c.outcome == Outcome.DONE.value
    )
    return (await tx.connection.execute(query.limit(1))).first() is not None


async def _put_facts(tx: Transaction, scan: StoredScan, facts: Iterable[Fact], at: float) -> None:
    query = sa.select(_fact.c.key_digest).where(_fact.c.scan_id == scan.scan_id)
    known = set((await tx.connection.execute(query)).scalars())
    fresh: dict[str, Fact] = {}
    for fact in facts:
        key = tables.digest(fact.key)
        if key not in known:
            fresh.setdefault(key, fact)
    if not fresh:
        return
    rows = [
        {"scan_id": scan.scan_id, "key_digest": key, "kind": fact_kind(fact), "fact": dump(fact)}
        for key, fact in fresh.items()
    ]
    await tx.connection.execute(sa.insert(_fact), rows)
    found = sightings(fresh.values(), scan.spec.target)
    await assets.put(tx, scan.account_id, scan.scan_id, found, at)
    entries: list[events.Entry] = [
        ("fact", {"kind": fact_kind(fact), "fact": as_json(fact)}) for fact in fresh.values()
    ]
    await events.append(tx, scan.scan_id, entries, at)


async def put_attempts(tx: Transaction, scan_id: str, attempts: Iterable[Attempt], at: float) -> None:
    """Store lines of a scan's ledger; the latest of a check and an asset stays."""
    latest = {tables.digest(item.check, item.asset): item for item in attempts}
    if not latest:
        return
    statement = tx.insert(_attempt)
    await tx.connection.execute(
        statement.on_conflict_do_update(
            index_elements=["scan_id", "key_digest"],
            set_={"outcome": statement.excluded.outcome, "attempt": statement.excluded.attempt},
        ),
        [
            {
                "scan_id": scan_id,
                "key_digest": key,
                "check": item.check,
                "asset": item.asset,
                "outcome": item.outcome.value,
                "attempt": dump(item),
            }
            for key, item in latest.items()
        ],
    )
    entries: list[events.Entry] = []
    for item in latest.values():
        data = as_json(item)
        entries.append(("attempt", data if isinstance(data, dict) else {}))
    await events.append(tx, scan_id, entries, at)
