"""Wakes watchers of a scan in the same process at once; watchers in other processes find out at their next look.

Only a hint: the event log in the database is the truth, and a missed ring costs one poll interval, nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator

from secrecon.model.errors import Exhausted

MAX_WATCHERS = 300
MAX_WATCHERS_OF_ONE = 60
RETRY_AFTER = 10


class Bell:
    """One bell per scan that somebody here waits for. Belongs to one event loop.

    `room`: how many may watch at once; `room_of_one`: how many of them may be one client's, so that nobody takes all.
    """

    def __init__(self, room: int = MAX_WATCHERS, room_of_one: int = MAX_WATCHERS_OF_ONE) -> None:
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._room = room
        self._room_of_one = room_of_one
        self._watchers: Counter[str] = Counter()

    def check_room(self, client: str = "") -> None:
        """Raise Exhausted where too many are watching already: each costs a look at the database every moment."""
        if self._watchers.total() >= self._room:
            raise Exhausted("Too many are watching scans live. Poll the status instead, or try again.", RETRY_AFTER)
        if client and self._watchers[client] >= self._room_of_one:
            raise Exhausted(
                f"{self._room_of_one} scans are being watched live from this address. Poll the status instead.",
                RETRY_AFTER,
            )

    @contextlib.contextmanager
    def watcher(self, client: str = "") -> Iterator[None]:
        """Somebody watches until the block ends. `client`: who, "" for this program itself."""
        self._watchers[client] += 1
        try:
            yield
        finally:
            self._watchers[client] -= 1
            if not self._watchers[client]:
                del self._watchers[client]

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
