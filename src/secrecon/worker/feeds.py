"""What a worker does with feeds: has them fetched where the operator wants it, and looks things up again when they changed.

Fetching and building run in a process of their own, at low priority, so that a server stays small and quick. Whoever
changed the feeds, this process, a command line or another worker, the change is seen by the name of the index.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Sequence
from functools import partial

import structlog

from secrecon.engine.phases.match import findings_of
from secrecon.intel.knowledge import Knowledge
from secrecon.model.errors import SecReconError
from secrecon.service.announce import feed_unhealthy
from secrecon.service.context import Context
from secrecon.service.feeds_state import FeedStore
from secrecon.service.retro import retro_match

LOOK_EVERY = 60.0
FETCH_EVERY = 1_800.0
FETCH_SECONDS = 4 * 3600.0
log = structlog.get_logger("secrecon.feeds")


class FeedKeeper:
    """`fetch`: the command that brings the feeds up to date, empty where nothing is to be fetched; `rebuild`: the one that
    makes the index anew where this version cannot read it. What the newest scans were last held against is kept in the
    manifest."""

    def __init__(
        self,
        ctx: Context,
        store: FeedStore,
        current: Callable[[], Knowledge],
        fetch: Sequence[str] = (),
        rebuild: Sequence[str] = (),
    ) -> None:
        self._ctx = ctx
        self._store = store
        self._current = current
        self._fetch = tuple(fetch)
        self._rebuild = tuple(rebuild)
        self._fetched = float("-inf")
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def look(self) -> bool:
        """Hold the newest scans against the data where it changed since the last time; whether it had."""
        known = await asyncio.to_thread(self._current)
        name = known.index.path.name if known.index is not None else ""
        if not name or name == self._store.load().matched_with:
            return False
        result = await retro_match(self._ctx, partial(findings_of, known))
        await asyncio.to_thread(self._store.matched, name)
        log.info("looked up again", index=name, scans=result.looked, changed=result.changed, findings=result.news)
        return True

    async def tell(self) -> int:
        """Announce the feeds that have an alarm; how many have one. Who was told today is not told again."""
        manifest = await asyncio.to_thread(self._store.load)
        alarms = [(entry.name, entry.alarm) for entry in manifest.entries.values() if entry.alarm]
        if manifest.index_alarm:
            alarms.append(("index", manifest.index_alarm))
        for name, alarm in alarms:
            await feed_unhealthy(self._ctx, name, alarm)
        return len(alarms)

    async def _run(self) -> None:
        while True:
            try:
                unreadable = await asyncio.to_thread(self._unreadable)
                if self._rebuild and unreadable:
                    command, self._rebuild = self._rebuild, ()  # once: what fails again needs the operator
                    await self._bring(command)
                if self._fetch and self._ctx.clock.monotonic() - self._fetched >= FETCH_EVERY:
                    self._fetched = self._ctx.clock.monotonic()
                    await self._bring(self._fetch)
                await self.look()
                await self.tell()
            except SecReconError as error:
                log.warning("the feeds could not be looked after; it is tried again later", error=str(error))
            await self._ctx.clock.sleep(LOOK_EVERY)

    def _unreadable(self) -> bool:
        return self._store.index_path(self._store.load()) is not None and self._current().index is None

    async def _bring(self, command: Sequence[str]) -> None:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            preexec_fn=partial(os.nice, 10),
        )
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                told, _ = await process.communicate()
        except TimeoutError:
            log.error("bringing the feeds up to date took too long and was ended", seconds=FETCH_SECONDS)
            return
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        say = log.info if process.returncode == 0 else log.warning
        say("feeds brought up to date", exit_code=process.returncode, told=told.decode("utf-8", "replace")[-2_000:])
