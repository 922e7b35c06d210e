"""From the wire to the book: a bounded queue of hits and the one task that hands them on.

The listener must answer at once, storing takes longer. A full queue or a store that keeps failing loses hits; each
loss is counted and logged, so it is never silent.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import structlog

from secrecon.model.interaction import Interaction
from secrecon.net.clock import Clock

OnHit = Callable[[Interaction], Awaitable[None]]
TRIES = 3
RETRY_AFTER = 0.5
DRAIN_SECONDS = 5.0
log_ = structlog.get_logger("secrecon.oast")


class HitQueue:
    """Hands every hit to `on_hit`, one at a time, in order. `taken`, `dropped` and `failed` count them."""

    def __init__(self, on_hit: OnHit, clock: Clock, size: int) -> None:
        self._on_hit = on_hit
        self._clock = clock
        self._queue: asyncio.Queue[Interaction] = asyncio.Queue(maxsize=size)
        self._task: asyncio.Task[None] | None = None
        self.taken = 0
        self.dropped = 0
        self.failed = 0

    def start(self) -> None:
        """Begin to hand hits on."""
        self._task = asyncio.create_task(self._run())

    def put(self, hit: Interaction) -> None:
        """Take a hit; counted and logged where there is no room."""
        try:
            self._queue.put_nowait(hit)
        except asyncio.QueueFull:
            self.dropped += 1
            if self.dropped & (self.dropped - 1) == 0:  # 1, 2, 4, 8, ... so that a flood does not flood the log
                log_.error("callbacks dropped: more arrive than can be stored", dropped=self.dropped)
        else:
            self.taken += 1

    async def stop(self) -> None:
        """Hand on what waits, for a few seconds at most, then end. What is left counts as dropped."""
        if self._task is None:
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._queue.join(), DRAIN_SECONDS)
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._task = None
        left = self._queue.qsize()
        if left:
            self.dropped += left
            log_.error("callbacks dropped at shutdown", dropped=left)

    async def _run(self) -> None:
        while True:
            hit = await self._queue.get()
            try:
                await self._hand_on(hit)
            finally:
                self._queue.task_done()

    async def _hand_on(self, hit: Interaction) -> None:
        for attempt in range(1, TRIES + 1):
            try:
                await self._on_hit(hit)
            except Exception:
                log_.exception("a callback could not be stored", token=hit.token, attempt=attempt)
                if attempt < TRIES:
                    await self._clock.sleep(RETRY_AFTER)
            else:
                return
        self.failed += 1
