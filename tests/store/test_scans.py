"""A scan from acceptance to its end: what watchers see, and that an ended scan stays as it ended."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from secrecon.model.errors import InternalError
from secrecon.model.record import Progress
from secrecon.model.scan import EngineInfo, PhaseName, ScanStatus
from secrecon.store import events, findings, keys, payloads, records, scans, targets, users

if TYPE_CHECKING:
    from tests.store.conftest import Shelf

NEWER = EngineInfo("0.2.0", "e" * 64)


async def test_a_scan_from_start_to_end(shelf: Shelf) -> None:
    scan_id = await shelf.add_scan()
    async with shelf.db.transaction() as tx:
        assert await scans.start(tx, scan_id, NEWER, 1001.0)
        assert await scans.start(tx, scan_id, NEWER, 1005.0)
        await scans.progress(tx, scan_id, Progress(PhaseName.RESOLVE, 5, "Resolving"), 1001.0)
        await scans.progress(tx, scan_id, Progress(PhaseName.CRAWL, 40, "Crawling"), 1002.0)
        await scans.progress(tx, scan_id, Progress(PhaseName.CRAWL, 30, "Crawling\x00"), 1003.0)
        running = await scans.by_scan_id(tx, scan_id)
        assert await scans.finish(tx, scan_id, ScanStatus.COMPLETE, 1009.0)
        assert not await scans.finish(tx, scan_id, ScanStatus.ERROR, 1010.0, error="too late")
        assert not await scans.start(tx, scan_id, NEWER, 1011.0)
        assert not await scans.request_cancel(tx, scan_id, 1012.0)
        await scans.progress(tx, scan_id, Progress(PhaseName.OAST, 99, "late"), 1013.0)
    assert running is not None
    assert (running.status, running.phase, running.percent) == (ScanStatus.RUNNING, PhaseName.CRAWL, 40)
    async with shelf.db.reading() as tx:
        record = await records.load_record(tx, 2**51 + 1, 9e9)
        log = await events.after(tx, scan_id, 0, 100)
        done = await scans.by_scan_id(tx, scan_id)
    assert (record.status, record.started, record.finished) == (ScanStatus.COMPLETE, 1001.0, 1009.0)
    assert (record.error, record.engine, record.version) == ("", NEWER, 1)
    kinds = ["phase_started", "progress", "phase_started", "progress", "progress", "done"]
    assert [event.kind for event in log] == kinds
    assert [event.data.get("percent") for event in log if event.kind == "progress"] == [5, 40, 40]
    assert log[4].data["message"] == "Crawling\ufffd"
    assert done is not None
    assert (done.percent, done.message, done.last_seq) == (100, "complete", 6)


async def test_a_cancelled_scan_says_what_was_not_run(shelf: Shelf) -> None:
    scan_id = await shelf.add_scan()
    async with shelf.db.transaction() as tx:
        assert not await scans.cancel_requested(tx, scan_id)
        assert await scans.request_cancel(tx, scan_id, 1002.0)
        assert not await scans.request_cancel(tx, scan_id, 1003.0)
        assert await scans.cancel_requested(tx, scan_id)
        left = (PhaseName.OAST, PhaseName.SYNTHESIS)
        assert await scans.finish(tx, scan_id, ScanStatus.COMPLETE, 1009.0, cancelled=True, not_run=left)
        record = await records.load_record(tx, 2**51 + 1, 9e9)
        (event,) = await events.after(tx, scan_id, 0, 10)
    assert (record.cancelled, record.not_run) == (True, left)
    assert event.data == {
        "status": "complete",
        "cancelled": True,
        "error": "",
        "not_run": ["oast", "synthesis"],
    }


async def test_only_one_of_many_ends_it(shelf: Shelf) -> None:
    scan_id = await shelf.add_scan()

    async def end(error: str) -> bool:
        async with shelf.db.transaction() as tx:
            return await scans.finish(tx, scan_id, ScanStatus.ERROR, 1009.0, error=error)

    ended = await asyncio.gather(*(end(f"worker {number}") for number in range(5)))
    assert sorted(ended) == [False] * 4 + [True]
    async with shelf.db.reading() as tx:
        assert [event.kind for event in await events.after(tx, scan_id, 0, 10)] == ["error"]
        assert await scans.unfinished(tx) == ()


async def test_a_late_callback_makes_a_new_version(shelf: Shelf) -> None:
    scan_id = await shelf.add_scan()
    async with shelf.db.transaction() as tx:
        await scans.finish(tx, scan_id, ScanStatus.COMPLETE, 1009.0)
        assert await scans.new_version(tx, scan_id, "a late callback", 1100.0) == 2
        log = await events.after(tx, scan_id, 1, 10)
    assert [(event.kind, event.data) for event in log] == [
        ("report_version", {"version": 2, "reason": "a late callback"})
    ]


async def test_lists_are_paged_newest_first(shelf: Shelf) -> None:
    ids = [await shelf.add_scan(number, at=1000.0) for number in range(1, 6)]
    async with shelf.db.reading() as tx:
        first = await scans.list_of(tx, shelf.account_id, None, 2)
        second = await scans.list_of(tx, shelf.account_id, first[-1].id, 2)
        last = await scans.list_of(tx, shelf.account_id, second[-1].id, 2)
        assert await scans.list_of(tx, shelf.account_id + 1, None, 9) == ()
        assert await scans.unfinished(tx) == tuple(ids)
    assert [scan.scan_id for scan in (*first, *second, *last)] == ids[::-1]


async def test_the_oldest_unpinned_reports_are_archived(shelf: Shelf) -> None:
    ids = [await shelf.add_scan(number) for number in range(1, 7)]
    async with shelf.db.transaction() as tx:
        for scan_id in ids[:5]:
            await scans.finish(tx, scan_id, ScanStatus.COMPLETE, 1009.0)
        assert await scans.set_pinned(tx, shelf.account_id, ids[0], True)
        assert not await scans.set_pinned(tx, shelf.account_id + 1, ids[1], True)
        assert await scans.archive_over(tx, shelf.account_id, 3, 1010.0) == (ids[1], ids[2])
        assert await scans.archive_over(tx, shelf.account_id, 3, 1011.0) == ()
        assert await scans.archive_over(tx, shelf.account_id, 0, 1012.0) == (ids[3], ids[4])
        archived = [scan.scan_id for scan in await scans.list_of(tx, shelf.account_id, None, 9) if scan.archived]
    assert sorted(archived) == ids[1:5]


async def test_events_of_no_scan_are_a_bug(shelf: Shelf) -> None:
    async with shelf.db.transaction() as tx:
        with pytest.raises(InternalError, match="does not exist"):
            await events.append(tx, "f" * 32, [("progress", {})], 1.0)


async def test_events_are_read_on_from_any_seq(shelf: Shelf) -> None:
    scan_id = await shelf.add_scan()
    async with shelf.db.transaction() as tx:
        assert await events.append(tx, scan_id, [("progress", {"n": n}) for n in range(5)], 1.0) == 5
        assert await events.append(tx, scan_id, [], 1.0) == 5
        log = await events.after(tx, scan_id, 2, 2)
        for beyond in (5, 2**31, 2**53 - 1, 2**63, 10**30):
            assert await events.after(tx, scan_id, beyond, 2) == ()
        assert await events.last_seqs(tx, [scan_id, "f" * 32]) == {scan_id: 5}
    assert [(event.seq, event.data) for event in log] == [(3, {"n": 2}), (4, {"n": 3})]


@pytest.mark.parametrize("number", [0, -1, 2**53, 2**63, 10**30, -(10**30)])
async def test_numbers_that_nobody_gave_out_find_nothing(shelf: Shelf, number: int) -> None:
    await shelf.add_scan()
    async with shelf.db.transaction() as tx:
        assert await scans.by_db_id(tx, number) is None
        assert await findings.by_id(tx, shelf.account_id, number, 0.0) is None
        assert not await keys.revoke(tx, shelf.account_id, number, 1.0)
        assert not await targets.revoke(tx, shelf.account_id, number, 1.0)


async def test_names_that_nobody_gave_out_find_nothing(shelf: Shelf) -> None:
    await shelf.add_scan()
    async with shelf.db.reading() as tx:
        for text in ("", "\x00", "\ud83d", "a" * 5000):
            assert await scans.by_scan_id(tx, text) is None
            assert await payloads.find(tx, text) is None
            assert await users.by_email(tx, text) is None
