"""What a worker process runs: the queue's runner over the scan's use cases, schedules, webhooks, and the regular tidying up.

Composes, decides nothing. The listener outlives the rounds under way, because they wait for its callbacks.
"""

from __future__ import annotations

import asyncio
import contextlib
import random

import structlog

from secrecon.jobs.queue import ScanQueue
from secrecon.jobs.runner import Runner, RunnerConfig
from secrecon.model.errors import SecReconError
from secrecon.service.context import Context
from secrecon.service.delivering import Deliverer
from secrecon.service.housekeeping import tidy
from secrecon.service.running import ScanRunner
from secrecon.service.schedules import run_due
from secrecon.worker.ear import Ear, FarEar
from secrecon.worker.feeds import FeedKeeper

TIDY_EVERY = 900.0
SCHEDULES_EVERY = 10.0
STOP_SECONDS = 20.0
log = structlog.get_logger("secrecon.worker")


class Worker:
    """Runs queued scans in this process. `ear`: the listener, already started, or None where there is none. `feeds`: looks
    after the vulnerability data, or None where another process does."""

    def __init__(
        self,
        ctx: Context,
        queue: ScanQueue,
        config: RunnerConfig,
        ear: Ear | FarEar | None = None,
        feeds: FeedKeeper | None = None,
    ) -> None:
        self._ctx = ctx
        self._ear = ear
        self._feeds = feeds
        self._runner = Runner(ctx.db, queue, ScanRunner(ctx), ctx.clock, config)
        self._deliverer = Deliverer(ctx, random.SystemRandom())
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def running(self) -> frozenset[str]:
        """The scans under way."""
        return self._runner.running

    async def start(self) -> None:
        """Begin to take scans. Raises OperatorError where the queue cannot be used."""
        await self._runner.start()
        self._tasks = [
            asyncio.create_task(self._tidy()),
            asyncio.create_task(self._deliverer.run()),
            asyncio.create_task(self._schedule()),
        ]
        if self._feeds is not None:
            await self._feeds.start()
        log.info("worker started")

    async def stop(self, timeout: float = STOP_SECONDS) -> None:
        """Take no more scans, let the rounds under way end for up to `timeout` seconds, then close the listener."""
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if self._feeds is not None:
            await self._feeds.stop()
        await self._runner.stop(timeout)
        if self._ear is not None:
            await self._ear.stop()
        log.info("worker stopped")

    async def _schedule(self) -> None:
        while True:
            try:
                await run_due(self._ctx)
            except SecReconError as error:
                log.warning("schedules could not be looked at; it is tried again", error=str(error))
            except Exception:  # a bug or a fault of the database that has no words must not end the loop
                log.exception("schedules could not be looked at; it is tried again")
            await self._ctx.clock.sleep(SCHEDULES_EVERY)

    async def _tidy(self) -> None:
        while True:
            try:
                await tidy(self._ctx)
            except SecReconError as error:
                log.warning("tidying up failed; it is tried again later", error=str(error))
            except Exception:  # a bug or a fault of the database that has no words must not end the loop
                log.exception("tidying up failed; it is tried again later")
            await self._ctx.clock.sleep(TIDY_EVERY)
