"""The queue of accepted scans, as the process that accepts them sees it. It runs nothing; `runner` does.

A scan's workflow has the scan's own id, so enqueueing the same scan twice queues it once. Retests have a queue of their own, so
that they start at once while scans run or wait.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import sqlalchemy as sa
from dbos import DBOSClient, EnqueueOptions
from dbos import error as dbos_errors
from sqlalchemy.exc import SQLAlchemyError

from secrecon.jobs import system
from secrecon.jobs.system import first_line
from secrecon.model.errors import InternalError, OperatorError
from secrecon.store import faults
from secrecon.store.database import Database, Transaction

BATCH = 500
SOON_AT_ONCE = 2
"""How many small scans a worker runs beside its scans; one of each account."""


class JobStatus(StrEnum):
    """WAITING in the queue, RUNNING on a worker (or on one that died and will be continued), or over."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Job:
    """`executor`: the worker that has it or had it last, "" for none. `queue`: where it waits or waited."""

    status: JobStatus
    executor: str
    queue: str


_STATUS = {
    "ENQUEUED": JobStatus.WAITING,
    "DELAYED": JobStatus.WAITING,
    "PENDING": JobStatus.RUNNING,
    "SUCCESS": JobStatus.DONE,
    "ERROR": JobStatus.FAILED,
    "MAX_RECOVERY_ATTEMPTS_EXCEEDED": JobStatus.FAILED,
    "CANCELLED": JobStatus.CANCELLED,
}
_OVER = ("SUCCESS", "ERROR", "MAX_RECOVERY_ATTEMPTS_EXCEEDED", "CANCELLED")


class ScanQueue:
    """The queue in `db`. Call `open` once before use and `close` at the end."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._client: DBOSClient | None = None

    async def open(self) -> None:
        """Make or update the queue's tables. `db.migrate` comes first. Raises OperatorError."""
        await asyncio.to_thread(system.migrate, self._db.url)
        self._client = DBOSClient(
            system_database_url=system.system_url(self._db.url),
            dbos_system_schema=system.SCHEMA,
            serializer=system.SERIALIZER,
            application_name=system.APPLICATION,
            lazy=True,
            retry_connection_errors=False,
        )

    async def close(self) -> None:
        """Give the connections back."""
        if self._client is not None:
            await asyncio.to_thread(self._client.destroy)
            self._client = None

    async def enqueue(self, tx: Transaction, scan_id: str, account_id: int, soon: bool = False) -> None:
        """Queue a scan in the caller's transaction: it is there once that commits, and never if it does not.

        Accounts take turns. `soon`: a small scan that somebody waits for; it waits for other such scans only.
        """
        client = self._opened()
        options: EnqueueOptions = {
            "workflow_name": system.WORKFLOW,
            "queue_name": system.SOON if soon else system.QUEUE,
            "workflow_id": scan_id,
            "app_version": system.VERSION,
            "queue_partition_key": str(account_id),
        }

        def put(connection: sa.Connection) -> None:
            client.enqueue_in_transaction(connection, options, scan_id)

        await tx.connection.run_sync(put)

    async def withdraw(self, scan_id: str) -> bool:
        """Take a scan that still waits out of the queue; False where it does not wait (any more).

        A scan that runs stops by itself once its row says so.
        """
        if await self.status(scan_id) is not JobStatus.WAITING:
            return False
        with self._told():
            await self._opened().cancel_workflow_async(scan_id)
        return True

    async def status(self, scan_id: str) -> JobStatus | None:
        """How the scan's job stands; None where it was never queued."""
        job = await self.look(scan_id)
        return None if job is None else job.status

    async def look(self, scan_id: str) -> Job | None:
        """The scan's job; None where it was never queued."""
        with self._told():
            found = await self._opened().list_workflows_async(
                workflow_ids=[scan_id], load_input=False, load_output=False
            )
        if not found:
            return None
        return Job(_STATUS[found[0].status], found[0].executor_id or "", found[0].queue_name or system.QUEUE)

    async def resume(self, scan_id: str) -> None:
        """Queue a scan again, where it was queued, that no worker is running although its job says so."""
        job = await self.look(scan_id)
        with self._told():
            await self._opened().resume_workflow_async(scan_id, queue_name=job.queue if job else system.QUEUE)

    async def forget(self, before: float) -> int:
        """Drop the jobs that ended before that moment, some hundreds at a time; how many. The scans stay."""
        moment = datetime.fromtimestamp(before, UTC).isoformat()
        with self._told():
            old = await self._opened().list_workflows_async(
                status=list(_OVER), completed_before=moment, limit=BATCH, load_input=False, load_output=False
            )
            if old:
                await self._opened().delete_workflows_async([job.workflow_id for job in old])
        return len(old)

    async def configure(self, scans_at_once: int, per_account: int, poll: float) -> None:
        """Say how many scans a worker and an account may have under way, and how often workers look, in seconds.

        Retests come on top, SOON_AT_ONCE per worker and one per account. The last worker to start decides for all.
        """
        limits = ((system.QUEUE, scans_at_once, per_account), (system.SOON, SOON_AT_ONCE, 1))
        with self._told():
            for name, at_once, each in limits:
                await self._opened().register_queue_async(
                    name,
                    worker_concurrency=at_once,
                    partition_concurrency=each,
                    polling_interval_sec=poll,
                    on_conflict="always_update",
                )

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, dbos_errors.DBOSException) as error:
            raise OperatorError(
                f"the queue in {faults.name(self._db.url)} cannot be used: {first_line(error)}"
            ) from error

    def _opened(self) -> DBOSClient:
        if self._client is None:
            raise InternalError("the queue was used before it was opened")
        return self._client
