"""Wakes watchers of a scan in the same process at once; watchers in other processes find out at their next look.

Only a hint: the event log in the database is the truth, and a missed ring costs one poll interval, nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib


class Bell:
    """One bell per scan that somebody here waits for. Belongs to one event loop."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Event]] = {}

    def ring(self, scan_id: str) -> None:
        """Something was added to the scan's event log."""
        for event in self._waiting.get(scan_id, ()):
            event.set()

    async def wait(self, scan_id: str, seconds: float) -> None:
        """Returns when the bell rings, or after `seconds`."""
        event = asyncio.Event()
        waiting = self._waiting.setdefault(scan_id, set())
        waiting.add(event)
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await event.wait()
        finally:
            waiting.discard(event)
            if not waiting and self._waiting.get(scan_id) is waiting:
                del self._waiting[scan_id]
