"""A worker: runs queued scans as durable workflows, one recorded step per round, so that a scan whose worker died
goes on after its last finished round.

Two event loops, never mixed: DBOS has its own, in its own thread, and only the workflow's skeleton (workflow.py) runs
there. All work runs on the loop that called `start`, so it may use that loop's Database. DBOS is one per process, so
is a runner. Why rounds are the unit: docs/adr/0002-one-round-one-step.md.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TypeVar

import structlog
from dbos import DBOS, DBOSConfig

from secrecon.jobs import system, workflow
from secrecon.jobs.presence import Presence
from secrecon.jobs.queue import JobStatus, ScanQueue
from secrecon.jobs.work import ScanWork
from secrecon.model.errors import OperatorError, SecReconError
from secrecon.net.clock import Clock
from secrecon.store.database import Database

T = TypeVar("T")
log_ = structlog.get_logger("secrecon.jobs")
KEEP_SECONDS = 7 * 86400.0
TIDY_SECONDS = 600.0
LOST = "its worker stopped and the scan could not be continued"


@dataclass(frozen=True, slots=True)
class RunnerConfig:
    """`executor_id`: the same after a restart (jobs.home). `scans_at_once`: on this worker; `per_account`: of one account
    over all workers. `poll`: seconds between looks at the queue. `sweep`: seconds between looks for lost scans.
    """

    executor_id: str
    scans_at_once: int = 2
    per_account: int = 1
    poll: float = 0.15
    sweep: float = 5.0


class Runner:
    """Runs scans of the queue in `db` until stopped."""

    def __init__(self, db: Database, queue: ScanQueue, work: ScanWork, clock: Clock, config: RunnerConfig) -> None:
        self._db = db
        self._queue = queue
        self._clock = clock
        self._config = config
        self._started = False
        self._sweeper: asyncio.Task[None] | None = None
        self._seat = workflow.Seat(work)
        self._presence = Presence(db, config.executor_id, clock)
        self._stranded: set[str] = set()

    @property
    def running(self) -> frozenset[str]:
        """The scans under way on this worker."""
        return frozenset(self._seat.active)

    async def start(self) -> None:
        """Begin to take scans; unfinished ones of this executor go on. The queue is open. Raises OperatorError."""
        self._seat.take(asyncio.get_running_loop())
        try:
            await self._presence.begin()
            await self._queue.configure(self._config.scans_at_once, self._config.per_account, self._config.poll)
            await asyncio.to_thread(self._launch)
        except BaseException:
            await asyncio.to_thread(DBOS.destroy)
            await self._presence.end()
            self._seat.leave()
            raise
        self._started = True
        self._sweeper = asyncio.create_task(self._sweep_for_ever())

    async def stop(self, timeout: float = 20.0) -> None:
        """Take no more scans, let the rounds under way finish for up to `timeout` seconds, and stop.

        Scans that are not done stay in the queue and go on after their last finished round at the next start.
        """
        if not self._started:
            return
        self._started = False
        if self._sweeper is not None:
            self._sweeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sweeper
        self._seat.stopping = True
        deadline = self._clock.monotonic() + timeout
        while self._seat.busy and self._clock.monotonic() < deadline:
            await self._clock.sleep(0.05)
        if self._seat.busy:
            log_.warning("rounds abandoned; they will be run again", scans=sorted(self._seat.busy))
        await asyncio.to_thread(DBOS.destroy)
        await self._seat.settle()
        await self._presence.end()
        self._seat.leave()

    async def sweep(self) -> None:
        """Look at each unfinished scan once: end those that no workflow will end, requeue those that nobody runs."""
        await self._presence.renew()
        stranded: set[str] = set()
        for scan_id in await self._seat.work.unfinished():
            job = None if scan_id in self._seat.active else await self._queue.look(scan_id)
            if scan_id in self._seat.active:
                continue
            if job is None or job.status is JobStatus.FAILED:
                log_.error("scan lost", scan_id=scan_id, job=job)
                await self._seat.work.failed(scan_id, LOST)
            elif job.status in (JobStatus.CANCELLED, JobStatus.DONE):
                await self._seat.work.finish(scan_id)
            elif job.status is JobStatus.RUNNING and job.executor == self._config.executor_id:
                stranded.add(scan_id)
            elif job.status is JobStatus.RUNNING:
                await self._rescue(scan_id, job.executor)
        for scan_id in sorted(stranded & self._stranded):
            log_.warning("scan requeued: this worker has it and does not run it", scan_id=scan_id)
            await self._queue.resume(scan_id)
        self._stranded = stranded - self._stranded

    async def _rescue(self, scan_id: str, executor: str) -> None:
        async with self._presence.seize(executor) as dead:
            job = await self._queue.look(scan_id) if dead else None
            if job is not None and job.status is JobStatus.RUNNING and job.executor == executor:
                log_.warning("scan requeued: its worker died", scan_id=scan_id, worker=executor)
                await self._queue.resume(scan_id)

    async def _sweep_for_ever(self) -> None:
        tidied = self._clock.monotonic()
        while True:
            await self._clock.sleep(self._config.sweep)
            try:
                await self.sweep()
                if self._clock.monotonic() - tidied > TIDY_SECONDS:
                    tidied = self._clock.monotonic()
                    await self._queue.forget(self._clock.now() - KEEP_SECONDS)
            except OperatorError as error:
                log_.warning("looking for lost scans failed; it is tried again", error=str(error))
            except Exception:
                log_.exception("looking for lost scans failed; it is tried again")

    def _launch(self) -> None:
        system.tame_log()
        config: DBOSConfig = {
            "name": system.APPLICATION,
            "system_database_url": system.system_url(self._db.url),
            "dbos_system_schema": system.SCHEMA,
            "serializer": system.SERIALIZER,
            "application_version": system.VERSION,
            "executor_id": self._config.executor_id,
            "log_level": "WARNING",
            "sys_db_pool_size": 5,
        }
        try:
            DBOS(config=config)
            DBOS.listen_queues([system.QUEUE, system.SOON])
            DBOS.launch()
        except SecReconError:
            raise
        except Exception as error:
            raise OperatorError(
                f"the queue cannot be started: {str(error)[:300] or type(error).__name__}"
            ) from error
