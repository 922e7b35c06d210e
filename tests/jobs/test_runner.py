"""Scans run to their end, go on after kill -9 and after a stop, and fail in the open. On both databases."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.databases import running_server
from tests.jobs.fakework import ROUNDS, STEPS, BookWork, lines, make_book, wait_for

from secrecon.jobs.presence import Presence
from secrecon.jobs.queue import JobStatus, ScanQueue
from secrecon.jobs.runner import LOST, Runner, RunnerConfig
from secrecon.model.errors import BadInput, InternalError, OperatorError
from secrecon.net.clock import SystemClock
from secrecon.store.database import Database

WHOLE = ["steps", *(f"{what} {s} {r}" for s in STEPS for r in range(ROUNDS) for what in ("begin", "end")), "finish"]


class Held(BookWork):
    """Scans that take for ever, until `go`."""

    def __init__(self, db: Database, held: frozenset[str]) -> None:
        super().__init__(db)
        self.held = held
        self.go = asyncio.Event()

    async def run_step(self, scan_id: str, step: str, round_: int) -> bool:
        if scan_id in self.held:
            await self.go.wait()
        return await super().run_step(scan_id, step, round_)


@pytest.fixture
async def queue(db: Database) -> AsyncIterator[ScanQueue]:
    await make_book(db)
    queue = ScanQueue(db)
    await queue.open()
    yield queue
    await queue.close()


@asynccontextmanager
async def runner(
    db: Database, queue: ScanQueue, work: BookWork, scans_at_once: int = 4, per_account: int = 2
) -> AsyncIterator[Runner]:
    config = RunnerConfig("a" * 32, scans_at_once=scans_at_once, per_account=per_account, poll=0.1, sweep=60.0)
    runner = Runner(db, queue, work, SystemClock(), config)
    await runner.start()
    try:
        yield runner
    finally:
        await runner.stop(timeout=5.0)


async def submit(db: Database, queue: ScanQueue, account: int = 1, soon: bool = False) -> str:
    scan_id = secrets.token_hex(16)
    async with db.transaction() as tx:
        await queue.enqueue(tx, scan_id, account, soon)
    return scan_id


async def status_becomes(queue: ScanQueue, scan_id: str, wanted: JobStatus) -> None:
    for _ in range(200):
        if await queue.status(scan_id) is wanted:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"job is {await queue.status(scan_id)}, not {wanted}")


async def test_a_scan_runs_every_round_once_on_our_loop(db: Database, queue: ScanQueue) -> None:
    work = BookWork(db)
    scan_id = await submit(db, queue)
    assert await queue.status(scan_id) is JobStatus.WAITING
    async with runner(db, queue, work):
        assert await wait_for(db, scan_id, "finish") == WHOLE
        await status_becomes(queue, scan_id, JobStatus.DONE)
    assert work.loops == {asyncio.get_running_loop()}


async def test_a_stopped_worker_goes_on_where_it_was(db: Database, queue: ScanQueue) -> None:
    scan_id = await submit(db, queue)
    async with runner(db, queue, BookWork(db, pace=0.3)):
        await wait_for(db, scan_id, "end resolve 0")
    half = await lines(db, scan_id)
    assert "finish" not in half
    assert sum(line.startswith("begin") for line in half) == sum(line.startswith("end") for line in half)
    assert await queue.status(scan_id) is JobStatus.RUNNING
    async with runner(db, queue, BookWork(db)):
        assert await wait_for(db, scan_id, "finish") == WHOLE


async def test_a_round_that_outlasts_the_stop_is_abandoned_and_run_again(db: Database, queue: ScanQueue) -> None:
    scan_id = await submit(db, queue)
    slow = BookWork(db, pace=60.0)
    config = RunnerConfig("a" * 32, poll=0.1)
    first = Runner(db, queue, slow, SystemClock(), config)
    await first.start()
    await wait_for(db, scan_id, "begin resolve 0")
    await first.stop(timeout=0.2)
    assert sum(slow.at_once.values()) == 0
    async with runner(db, queue, BookWork(db)):
        found = await wait_for(db, scan_id, "finish")
    assert found == ["steps", "begin resolve 0", *WHOLE[1:]]


async def test_a_passing_fault_is_tried_again(db: Database, queue: ScanQueue) -> None:
    work = BookWork(db)
    work.trouble_at, work.trouble = "probe 1", [OperatorError("locked"), OperatorError("locked")]
    scan_id = await submit(db, queue)
    async with runner(db, queue, work):
        found = await wait_for(db, scan_id, "finish")
    assert found.count("begin probe 1") == 3
    assert found.count("end probe 1") == 1


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (BadInput("stored Page cannot be read"), "stored Page cannot be read"),
        (ZeroDivisionError("secret"), "ZeroDivisionError"),
    ],
    ids=["ours", "bug"],
)
async def test_a_broken_scan_fails_in_the_open(db: Database, queue: ScanQueue, error: Exception, told: str) -> None:
    work = BookWork(db)
    work.trouble_at, work.trouble = "probe 1", [error]
    scan_id = await submit(db, queue)
    async with runner(db, queue, work):
        found = await wait_for(db, scan_id, "failed")
        await status_becomes(queue, scan_id, JobStatus.DONE)
    assert found[-1] == f"failed: {told}" or found[-1] == f"failed: internal error: {told}"
    assert "secret" not in "".join(found)


async def test_accounts_take_turns_and_none_runs_more_than_its_share(db: Database, queue: ScanQueue) -> None:
    work = BookWork(db, pace=0.05)
    scans = [await submit(db, queue, account=1) for _ in range(3)] + [await submit(db, queue, account=2)]
    async with runner(db, queue, work, scans_at_once=4, per_account=1):
        for scan_id in scans:
            await wait_for(db, scan_id, "finish")
    assert work.most_at_once <= 2
    everything = await lines(db)
    assert everything.count("finish") == 4


async def test_a_retest_waits_neither_for_scans_that_run_nor_for_those_that_wait(
    db: Database, queue: ScanQueue
) -> None:
    scans = [await submit(db, queue) for _ in range(2)]
    work = Held(db, frozenset(scans))
    async with runner(db, queue, work, scans_at_once=1, per_account=1):
        for _ in range(200):
            if JobStatus.RUNNING in [await queue.status(one) for one in scans]:
                break
            await asyncio.sleep(0.05)
        retest = await submit(db, queue, soon=True)
        assert await wait_for(db, retest, "finish") == WHOLE
        assert {await queue.status(one) for one in scans} == {JobStatus.RUNNING, JobStatus.WAITING}
        work.go.set()
        for one in scans:
            await wait_for(db, one, "finish")


async def test_a_withdrawn_scan_never_runs(db: Database, queue: ScanQueue) -> None:
    scan_id, other = await submit(db, queue), await submit(db, queue)
    assert await queue.withdraw(scan_id) is True
    async with runner(db, queue, BookWork(db)):
        await wait_for(db, other, "finish")
        assert await queue.withdraw(other) is False
    assert await lines(db, scan_id) == []
    assert await queue.status(scan_id) is JobStatus.CANCELLED


async def test_scans_that_no_workflow_will_end_are_ended(db: Database, queue: ScanQueue) -> None:
    never_queued, withdrawn, waiting = secrets.token_hex(16), await submit(db, queue), await submit(db, queue)
    await queue.withdraw(withdrawn)
    work = BookWork(db)
    idle = Runner(db, queue, work, SystemClock(), RunnerConfig("a" * 32))
    work.waiting = (never_queued, withdrawn, waiting)
    await idle.sweep()
    assert await lines(db, never_queued) == [f"failed: {LOST}"]
    assert await lines(db, withdrawn) == ["finish"]
    assert await lines(db, waiting) == []


async def test_jobs_that_ended_are_forgotten_in_time(db: Database, queue: ScanQueue) -> None:
    begun = SystemClock().now()
    done, waiting, withdrawn = [await submit(db, queue, account) for account in (1, 2, 3)]
    await queue.withdraw(withdrawn)
    await queue.withdraw(waiting)
    await queue.resume(waiting)
    async with runner(db, queue, BookWork(db), scans_at_once=1):
        await status_becomes(queue, done, JobStatus.DONE)
        await status_becomes(queue, waiting, JobStatus.DONE)
    late = await submit(db, queue)
    assert await queue.forget(begun - 10) == 0
    assert await queue.status(done) is JobStatus.DONE
    assert await queue.forget(SystemClock().now() + 10) == 3
    assert [await queue.status(scan_id) for scan_id in (done, waiting, withdrawn)] == [None] * 3
    assert await queue.status(late) is JobStatus.WAITING


async def test_a_second_worker_in_one_process_is_refused(db: Database, queue: ScanQueue) -> None:
    async with runner(db, queue, BookWork(db)):
        second = Runner(db, queue, BookWork(db), SystemClock(), RunnerConfig("b" * 32))
        with pytest.raises(InternalError, match="runs a worker already"):
            await second.start()


@asynccontextmanager
async def worker(url: str, folder: Path, *unfinished: str) -> AsyncIterator[Process]:
    """A worker process that is ready; killed at the end where it still runs."""
    program = Path(__file__).with_name("fakework.py")
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(program), url, str(folder), *unfinished, stdout=PIPE, stderr=PIPE, env={**os.environ}
    )
    try:
        assert process.stdout is not None
        ready = await asyncio.wait_for(process.stdout.readline(), 30)
        if ready != b"ready\n":
            assert process.stderr is not None
            raise AssertionError((await process.stderr.read()).decode())
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.mark.slow
async def test_a_scan_survives_kill_9(db: Database, queue: ScanQueue, database_url: str, tmp_path: Path) -> None:
    scan_id = await submit(db, queue)
    async with worker(database_url, tmp_path / "home") as first:
        await wait_for(db, scan_id, "begin resolve 1")
        first.send_signal(signal.SIGKILL)
        await first.wait()
    assert await queue.status(scan_id) is JobStatus.RUNNING
    async with worker(database_url, tmp_path / "home") as second:
        found = await wait_for(db, scan_id, "finish")
        second.terminate()
        assert await asyncio.wait_for(second.wait(), 30) == 0
    assert found.count("steps") == 1
    assert found.count("end resolve 0") == 1
    assert found[-1] == "finish"
    assert list(dict.fromkeys(found)) == WHOLE
    assert sum(found.count(line) - 1 for line in WHOLE if line.startswith("begin")) <= 1


@pytest.mark.slow
async def test_a_scan_of_a_dead_worker_goes_on_elsewhere(
    db: Database, queue: ScanQueue, database_url: str, tmp_path: Path
) -> None:
    scan_id = await submit(db, queue)
    async with worker(database_url, tmp_path / "one") as first:
        await wait_for(db, scan_id, "begin resolve 1")
        first.send_signal(signal.SIGKILL)
        await first.wait()
    async with worker(database_url, tmp_path / "two", scan_id):
        found = await wait_for(db, scan_id, "finish")
    assert list(dict.fromkeys(found)) == WHOLE
    assert found.count("end resolve 0") == 1


@pytest.mark.slow
@pytest.mark.postgres
async def test_a_scan_of_a_living_worker_is_left_alone(postgres_url: str, tmp_path: Path) -> None:
    db = Database(postgres_url)
    await db.migrate()
    await make_book(db)
    queue = ScanQueue(db)
    await queue.open()
    scan_id = await submit(db, queue)
    async with worker(postgres_url, tmp_path / "one"):
        await wait_for(db, scan_id, "begin resolve 0")
        async with worker(postgres_url, tmp_path / "two", scan_id):
            found = await wait_for(db, scan_id, "finish")
    assert found == WHOLE
    await queue.close()
    await db.close()


@pytest.mark.postgres
async def test_two_workers_with_one_id_are_refused(postgres_url: str) -> None:
    db = Database(postgres_url)
    first, second = (Presence(db, "a" * 32, SystemClock()) for _ in range(2))
    try:
        await first.begin()
        with pytest.raises(OperatorError, match=r"another worker with the id a+ runs"):
            await second.begin()
        async with first.seize("b" * 32) as dead:
            assert dead
        await first.renew()
        await first.end()
        await second.renew()
        async with second.seize("a" * 32) as dead:
            assert dead
    finally:
        await first.end()
        await second.end()
        await db.close()


@pytest.mark.parametrize(("soon", "where"), [(False, "scans"), (True, "retests")])
async def test_a_scan_that_this_worker_has_and_does_not_run_is_requeued(
    db: Database, queue: ScanQueue, soon: bool, where: str
) -> None:
    """As when the database went away in a bad moment: the job says running, on us, and nothing runs it."""
    scan_id = await submit(db, queue, soon=soon)
    async with runner(db, queue, BookWork(db, pace=60.0)):
        await wait_for(db, scan_id, "begin resolve 0")
        table = "workflow_status" if db.is_sqlite else "dbos.workflow_status"
        other = await submit(db, queue, account=2)
        await wait_for(db, other, "begin resolve 0")
    idle = Runner(db, queue, BookWork(db, waiting=(scan_id,)), SystemClock(), RunnerConfig("a" * 32))
    async with db.reading() as tx:
        query = sa.text(f"SELECT executor_id FROM {table} WHERE workflow_uuid = :id")
        assert (await tx.connection.execute(query, {"id": scan_id})).scalar_one() == "a" * 32
    await idle.sweep()
    assert await queue.status(scan_id) is JobStatus.RUNNING
    await idle.sweep()
    job = await queue.look(scan_id)
    assert job is not None
    assert (job.status, job.queue) == (JobStatus.WAITING, where)
    assert await queue.status(other) is JobStatus.RUNNING


@pytest.mark.slow
@pytest.mark.postgres
async def test_a_scan_survives_a_restart_of_the_database() -> None:
    with running_server() as server:
        db = Database(server.url("postgres"))
        await db.migrate()
        await make_book(db)
        queue = ScanQueue(db)
        await queue.open()
        scan_id = await submit(db, queue)
        async with runner(db, queue, BookWork(db, pace=0.3)):
            await wait_for(db, scan_id, "begin resolve 1")
            await asyncio.to_thread(server.stop)
            await asyncio.sleep(0.5)
            await asyncio.to_thread(server.start)
            found = await wait_for(db, scan_id, "finish", seconds=40.0)
        assert list(dict.fromkeys(found)) == WHOLE
        assert found.count("end resolve 0") == 1
        await queue.close()
        await db.close()
