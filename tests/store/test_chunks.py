"""A chunk is stored whole and once, its events are numbered without a gap, and a late worker changes nothing."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from secrecon.model.asset import Asset, AssetType, Fact, Page, Technology
from secrecon.model.chain import START, link
from secrecon.model.errors import BadInput, NotFound
from secrecon.model.finding import Finding, FindingStatus
from secrecon.model.interaction import OastReach, OastSelfTest
from secrecon.model.inventory import AssetFilter
from secrecon.model.record import Chunk, ScanEvent
from secrecon.model.scan import Attempt, Outcome, PhaseName, ScanStatus
from secrecon.model.triage import Decision, TriageState, basis_of
from secrecon.service.settling import settle_findings
from secrecon.store import assets, chunks, events, findings, records, scans, tables
from secrecon.store.database import Database

if TYPE_CHECKING:
    from tests.store.conftest import Shelf

SUBDOMAIN = Asset(AssetType.SUBDOMAIN, "shop.acme.test", "dns")
NGINX = Technology("http://shop.acme.test:8080", "nginx", "1.18.0", "cpe:2.3:a:f5:nginx", "header Server", 0.9)
NOW = 9_000.0
DONE = Attempt(PhaseName.VERIFY, "exposure.git", "http://shop.acme.test:8080", Outcome.DONE, requests=3)


def chunk(
    round_: int = 0,
    facts: tuple[Fact, ...] = (),
    found: tuple[Finding, ...] = (),
    attempts: tuple[Attempt, ...] = (),
    more: bool = True,
    step: str = "exposures",
) -> Chunk:
    return Chunk(PhaseName.VERIFY, step, round_, facts, found, attempts, more, requests=3, received=500)


async def commit(db: Database, scan_id: str, what: Chunk, at: float = 1010.0) -> bool:
    async with db.transaction() as tx:
        return await chunks.commit_chunk(tx, scan_id, what, at)


async def log_of(db: Database, scan_id: str) -> tuple[ScanEvent, ...]:
    async with db.reading() as tx:
        return await events.after(tx, scan_id, 0, 1000)


async def test_a_chunk_comes_back_as_it_was(shelf: Shelf, problem: Finding) -> None:
    scan_id = await shelf.add_scan()
    reach = OastSelfTest(OastReach.REACHABLE, OastReach.BLOCKED, "no DNS")
    what = replace(chunk(0, (SUBDOMAIN, NGINX), (problem,), (DONE,), more=False), self_test=reach)
    assert await commit(shelf.db, scan_id, what) is True
    async with shelf.db.reading() as tx:
        kept = await chunks.kept(tx, scan_id)
        counts = await scans.counts(tx, scan_id)
        known = await assets.list_of(tx, shelf.account_id, AssetFilter(), None, 10)
    assert kept is not None
    assert (kept.facts, kept.findings, kept.attempts) == ((SUBDOMAIN, NGINX), (problem,), (DONE,))
    assert kept.done == {("exposures", 0): False}
    assert (kept.scan.requests, kept.scan.received, kept.self_test) == (3, 500, reach)
    assert (counts.findings, counts.vulnerabilities, counts.assets, counts.attempts) == (1, 1, 1, 1)
    assert [(asset.type, asset.value, asset.first_seen) for asset in known] == [
        (AssetType.TECHNOLOGY, "nginx on http://shop.acme.test:8080", 1010.0),
        (AssetType.SUBDOMAIN, "shop.acme.test", 1010.0),
    ]
    log = await log_of(shelf.db, scan_id)
    assert [event.kind for event in log] == ["fact", "fact", "finding", "attempt", "phase_done"]
    assert [event.seq for event in log] == [1, 2, 3, 4, 5]


async def test_the_same_round_again_changes_nothing(shelf: Shelf, problem: Finding, minor: Finding) -> None:
    scan_id = await shelf.add_scan()
    await commit(shelf.db, scan_id, chunk(0, (SUBDOMAIN,), (problem,), (DONE,)))
    before = await log_of(shelf.db, scan_id)
    assert await commit(shelf.db, scan_id, chunk(0, (NGINX,), (minor,), ()), at=2000.0) is False
    assert await log_of(shelf.db, scan_id) == before
    async with shelf.db.reading() as tx:
        record = await records.load_record(tx, 2**51 + 1, NOW)
    assert record.facts == (SUBDOMAIN,)
    assert [item.finding for item in record.findings] == [problem]
    assert record.requests == 3


async def test_of_two_workers_with_one_round_one_wins(shelf: Shelf, problem: Finding) -> None:
    scan_id = await shelf.add_scan()
    tries = [commit(shelf.db, scan_id, chunk(0, (SUBDOMAIN,), (problem,))) for _ in range(6)]
    assert sorted(await asyncio.gather(*tries)) == [False] * 5 + [True]
    assert [event.kind for event in await log_of(shelf.db, scan_id)] == ["fact", "finding"]


async def test_rounds_stored_at_once_number_their_events_without_gaps(shelf: Shelf) -> None:
    scan_id = await shelf.add_scan()
    facts = [replace(SUBDOMAIN, value=f"h{number}.acme.test") for number in range(12)]
    await asyncio.gather(
        *(commit(shelf.db, scan_id, chunk(0, (fact,), step=f"step{index}")) for index, fact in enumerate(facts))
    )
    assert [event.seq for event in await log_of(shelf.db, scan_id)] == list(range(1, 13))


async def test_a_rolled_back_chunk_leaves_no_trace(shelf: Shelf, problem: Finding) -> None:
    scan_id = await shelf.add_scan()
    with pytest.raises(ZeroDivisionError):
        async with shelf.db.transaction() as tx:
            await chunks.commit_chunk(tx, scan_id, chunk(0, (SUBDOMAIN,), (problem,), (DONE,)), 1010.0)
            raise ZeroDivisionError
    assert await log_of(shelf.db, scan_id) == ()
    assert await commit(shelf.db, scan_id, chunk(0, (NGINX,))) is True
    assert [event.seq for event in await log_of(shelf.db, scan_id)] == [1]


async def test_an_ended_scan_takes_no_more(shelf: Shelf, problem: Finding) -> None:
    scan_id = await shelf.add_scan()
    async with shelf.db.transaction() as tx:
        await scans.finish(tx, scan_id, ScanStatus.COMPLETE, 1020.0)
    assert await commit(shelf.db, scan_id, chunk(0, (), (problem,))) is False
    assert [event.kind for event in await log_of(shelf.db, scan_id)] == ["done"]


async def test_facts_stay_as_first_seen_and_attempts_as_last(shelf: Shelf) -> None:
    scan_id = await shelf.add_scan()
    blocked = replace(DONE, outcome=Outcome.BLOCKED, reason="a wall answered")
    await commit(shelf.db, scan_id, chunk(0, (NGINX, NGINX), attempts=(blocked,)))
    await commit(shelf.db, scan_id, chunk(1, (replace(NGINX, confidence=0.1),), attempts=(DONE,)))
    async with shelf.db.reading() as tx:
        assert await chunks.facts_of(tx, scan_id) == (NGINX,)
        assert await chunks.attempts_of(tx, scan_id) == (DONE,)


async def test_hostile_text_is_stored_whatever_it_holds(shelf: Shelf, problem: Finding) -> None:
    scan_id = await shelf.add_scan()
    long = "https://shop.acme.test/" + "ä\x00\U0001f600'\"\\" * 3000
    page = Page(long, 200, "text/html", "<script>\x00", 5, "0" * 64, 0)
    asset = Asset(AssetType.SENSITIVE_PATH, long, "exposure.git\x00")
    attempt = replace(DONE, check="c" * 5000, asset=long)
    found = replace(problem, title="\x00" + long, asset=long, location=long)
    assert await commit(shelf.db, scan_id, chunk(0, (page, asset), (found,), (attempt,))) is True
    async with shelf.db.reading() as tx:
        kept = await chunks.kept(tx, scan_id)
        known = await assets.list_of(tx, shelf.account_id, AssetFilter(type=AssetType.SENSITIVE_PATH), None, 10)
    assert kept is not None
    assert (kept.facts, kept.findings, kept.attempts) == ((page, asset), (found,), (attempt,))
    assert known[0].value == long.replace("\x00", "\ufffd")


async def test_text_with_half_a_surrogate_pair_does_not_stop_a_scan(shelf: Shelf, problem: Finding) -> None:
    scan_id = await shelf.add_scan()
    page = Page("https://shop.acme.test/", 200, "text/html", "half \ud83d of a smile", 5, "0" * 64, 0)
    assert await commit(shelf.db, scan_id, chunk(0, (page,), (replace(problem, title="\udc80"),))) is True
    async with shelf.db.reading() as tx:
        (kept,) = await chunks.facts_of(tx, scan_id)
    assert isinstance(kept, Page)
    assert kept.title.startswith("half ")


async def test_an_unknown_scan_is_told(shelf: Shelf) -> None:
    with pytest.raises(NotFound):
        await commit(shelf.db, "f" * 32, chunk())
    async with shelf.db.reading() as tx:
        assert await chunks.kept(tx, "f" * 32) is None
        with pytest.raises(NotFound):
            await records.load_record(tx, 5, NOW)


@pytest.mark.parametrize(
    ("table", "column", "damage", "message"),
    [
        (tables.scan_fact, "fact", '{"type": "spaceship"}', "stored Asset cannot be read"),
        (tables.scan_fact, "kind", "spaceship", "unknown kind of fact"),
        (tables.attempt, "attempt", "{", "stored Attempt cannot be read"),
        (tables.scan_finding, "finding", "null", "stored Finding cannot be read"),
        (tables.scan, "spec", "[]", "stored ScanSpec cannot be read"),
        (tables.scan, "not_run", '["tea"]', "stored phases of scan"),
    ],
    ids=["fact", "kind", "attempt", "finding", "spec", "phases"],
)
async def test_damaged_rows_are_named(
    shelf: Shelf, problem: Finding, table: sa.Table, column: str, damage: str, message: str
) -> None:
    scan_id = await shelf.add_scan()
    await commit(shelf.db, scan_id, chunk(0, (SUBDOMAIN,), (problem,), (DONE,)))
    async with shelf.db.transaction() as tx:
        await tx.connection.execute(sa.update(table).values({column: damage}))
    async with shelf.db.reading() as tx:
        with pytest.raises(BadInput, match=message):
            await records.load_record(tx, 2**51 + 1, NOW)


async def test_the_status_of_a_finding_over_scans(shelf: Shelf, problem: Finding) -> None:
    """new, then open; fixed only by a scan that looked to the end; regressed when it is back. Old reports stay."""
    first = await shelf.add_scan(1, at=1000.0)
    await commit(shelf.db, first, chunk(0, found=(problem,)), at=1001.0)
    await commit(shelf.db, first, chunk(1, found=(replace(problem, confidence=0.5),)), at=1002.0)
    statuses = [FindingStatus.NEW]
    second = await shelf.add_scan(2, at=2000.0)
    await commit(shelf.db, second, chunk(0, found=(problem,)), at=2001.0)
    statuses.append(FindingStatus.OPEN)
    third = await shelf.add_scan(3, at=3000.0)
    await commit(shelf.db, third, chunk(0, attempts=(replace(DONE, outcome=Outcome.TIMED_OUT, reason="slow"),)))
    assert await settle(shelf, third) == 0
    await commit(shelf.db, third, chunk(1, attempts=(DONE,)))
    assert await settle(shelf, third) == 1
    fourth = await shelf.add_scan(4, at=4000.0)
    await commit(shelf.db, fourth, chunk(0, found=(problem,)), at=4001.0)
    statuses.append(FindingStatus.REGRESSED)
    async with shelf.db.reading() as tx:
        shown = [await findings.of_scan(tx, scan_id, NOW) for scan_id in (first, second, fourth)]
        (known,) = await findings.list_of(tx, shelf.account_id, None, 10, NOW)
    assert [records_[0].status for records_ in shown] == statuses
    assert {records_[0].id for records_ in shown} == {known.id}
    assert (known.first_seen, known.last_seen, known.status) == (1001.0, 4001.0, FindingStatus.REGRESSED)


async def settle(shelf: Shelf, scan_id: str) -> int:
    async with shelf.db.transaction() as tx:
        return await settle_findings(tx, await scans.locked(tx, scan_id))


async def test_another_target_is_another_problem(shelf: Shelf, problem: Finding) -> None:
    for number, target in enumerate(("http://shop.acme.test:8080", "acme.test"), 1):
        scan_id = await shelf.add_scan(number, target)
        await commit(shelf.db, scan_id, chunk(0, found=(problem,)))
    async with shelf.db.reading() as tx:
        known = await findings.list_of(tx, shelf.account_id, None, 10, NOW)
    assert [item.target for item in known] == ["https://acme.test", "http://shop.acme.test:8080"]
    assert {item.status for item in known} == {FindingStatus.NEW}


async def test_what_a_person_decided_stays(shelf: Shelf, problem: Finding) -> None:
    first = await shelf.add_scan(1)
    await commit(shelf.db, first, chunk(0, found=(problem,)))
    async with shelf.db.transaction() as tx:
        (known,) = await findings.list_of(tx, shelf.account_id, None, 10, NOW)
        mine, basis = shelf.account_id, basis_of(problem)
        accepted = Decision(TriageState.ACCEPTED, "behind the VPN", "ada", 1.0, basis, expires=NOW + 1)
        assert not await findings.decide(tx, mine + 1, known.id, 0, accepted), "another account's"
        assert await findings.decide(tx, mine, known.id, 0, accepted)
        assert not await findings.decide(tx, mine, known.id, 0, None), "somebody decided meanwhile"
    second = await shelf.add_scan(2)
    await commit(shelf.db, second, chunk(0, found=(problem,)))
    async with shelf.db.reading() as tx:
        for scan_id in (first, second):
            assert (await findings.of_scan(tx, scan_id, NOW))[0].status is FindingStatus.ACCEPTED
        assert await findings.by_id(tx, shelf.account_id + 1, known.id, NOW) is None


async def test_the_event_log_is_a_chain(shelf: Shelf, problem: Finding) -> None:
    """Each event's digest covers the one before, over several appends."""
    scan_id = await shelf.add_scan()
    await commit(shelf.db, scan_id, chunk(0, (SUBDOMAIN,), (problem,), (DONE,)))
    await commit(shelf.db, scan_id, chunk(1, (NGINX,), more=False), at=1011.5)
    async with shelf.db.reading() as tx:
        chained = await events.chained(tx, scan_id)
    previous = START
    for event, digest in chained:
        previous = link(previous, event.seq, event.at, event.kind, event.data)
        assert digest == previous
    assert len(chained) == 5
    changed = chained[1][0]
    assert link(START, changed.seq, changed.at, changed.kind, {**changed.data, "x": 1}) != chained[1][1]
