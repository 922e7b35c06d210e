"""The workflow of one scan, and the seat through which DBOS's thread reaches the worker's event loop.

Registered with DBOS when this module is imported, once per process. The body must stay deterministic: which steps there
are and whether a round follows come from recorded steps only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TypeVar

import structlog
from dbos import DBOS

from secrecon.jobs import system
from secrecon.jobs.work import ScanWork
from secrecon.model.errors import InternalError, OperatorError, SecReconError

T = TypeVar("T")
log_ = structlog.get_logger("secrecon.jobs")
MAX_ROUNDS = 10_000
TRIES = 5
MAX_CONTINUATIONS = 20


class Seat:
    """The one worker of this process, while it runs.

    `active`: scans whose workflow is here. `busy`: those that are in a round or between two, and not held. Both are
    changed on DBOS's loop and read on ours.
    """

    current: Seat | None = None

    def __init__(self, work: ScanWork) -> None:
        self.work = work
        self.active: set[str] = set()
        self.busy: set[str] = set()
        self.stopping = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: set[asyncio.Task[object]] = set()

    def take(self, loop: asyncio.AbstractEventLoop) -> None:
        """Become the worker of this process, working on `loop`."""
        if Seat.current is not None:
            raise InternalError("this process runs a worker already")
        self._loop = loop
        Seat.current = self

    def leave(self) -> None:
        """Let another worker of this process begin."""
        Seat.current = None
        self._loop = None

    async def ask(self, call: Callable[[], Coroutine[object, object, T]]) -> T:
        """From DBOS's loop: run `call` on ours. Cancelling one cancels the other."""
        if self._loop is None:
            raise InternalError("a workflow step ran without a worker")
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._run(call), self._loop))

    async def hold(self, scan_id: str) -> None:
        """From DBOS's loop, between rounds: while the worker stops, wait here until DBOS lets go of the workflow."""
        if self.stopping:
            self.busy.discard(scan_id)
            await asyncio.Event().wait()

    async def settle(self) -> None:
        """On our loop, after DBOS stopped: wait until abandoned rounds have wound up."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, call: Callable[[], Coroutine[object, object, T]]) -> T:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await call()


def _seat() -> Seat:
    if Seat.current is None:
        raise InternalError("a workflow ran without a worker")
    return Seat.current


def _may_pass(error: BaseException) -> bool:
    """Whether trying again may help: the database was away or locked."""
    return isinstance(error, OperatorError)


@DBOS.step(name="steps", retries_allowed=True, max_attempts=TRIES, interval_seconds=0.5, should_retry=_may_pass)
async def _steps(scan_id: str) -> list[str]:
    seat = _seat()
    return list(await seat.ask(lambda: seat.work.steps(scan_id)))


@DBOS.step(name="round", retries_allowed=True, max_attempts=TRIES, interval_seconds=0.5, should_retry=_may_pass)
async def _round(scan_id: str, step: str, round_: int) -> bool:
    seat = _seat()
    return await seat.ask(lambda: seat.work.run_step(scan_id, step, round_))


@DBOS.step(name="finish", retries_allowed=True, max_attempts=TRIES, interval_seconds=0.5, should_retry=_may_pass)
async def _finish(scan_id: str) -> None:
    seat = _seat()
    await seat.ask(lambda: seat.work.finish(scan_id))


@DBOS.step(name="failed", retries_allowed=True, max_attempts=TRIES, interval_seconds=0.5, should_retry=_may_pass)
async def _failed(scan_id: str, reason: str) -> None:
    seat = _seat()
    await seat.ask(lambda: seat.work.failed(scan_id, reason))


@DBOS.workflow(name=system.WORKFLOW, max_recovery_attempts=MAX_CONTINUATIONS)
async def scan(scan_id: str) -> None:
    """Run a scan to its end; after a crash, from the round that was not recorded."""
    seat = _seat()
    seat.active.add(scan_id)
    seat.busy.add(scan_id)
    try:
        await _run_steps(seat, scan_id)
        await seat.hold(scan_id)
        await _finish(scan_id)
    except Exception as error:
        log_.exception("scan failed", scan_id=scan_id)
        await _failed(scan_id, _reason(error))
    finally:
        seat.busy.discard(scan_id)
        seat.active.discard(scan_id)


async def _run_steps(seat: Seat, scan_id: str) -> None:
    for step in await _steps(scan_id):
        for round_ in range(MAX_ROUNDS):
            await seat.hold(scan_id)
            if not await _round(scan_id, step, round_):
                break
        else:
            raise InternalError(f"the step {step} did not end within {MAX_ROUNDS} rounds")


def _reason(error: BaseException) -> str:
    """What the scan's owner is told: our own words where the error is ours, otherwise only its kind."""
    if isinstance(error, SecReconError):
        return str(error)
    return f"internal error: {type(error).__name__}"
