"""How fast a host is asked: a token bucket and a limit on what is in flight, per host, and backing off when told to.

A 429 or 503, or a run of connections that break, halves the host's rate and is remembered in `slowed`, so that a
report can say which results came from a host that was pushing back. No sockets here; the clock is passed in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from secrecon.model.errors import BudgetSpent
from secrecon.model.http import HttpReply
from secrecon.net.clock import Clock

RETRY_CAP = 30.0
BREAKS = 3
SLOWEST = 16.0


class _Host:
    """One host's pace. `free_at`: when the next request may leave, on the monotonic clock."""

    __slots__ = ("breaks", "free_at", "gap", "served", "slots", "slowed_at")

    def __init__(self, gap: float, in_flight: int) -> None:
        self.gap = gap
        self.slots = asyncio.Semaphore(in_flight)
        self.free_at = 0.0
        self.breaks = 0
        self.served = False
        self.slowed_at = float("-inf")


class Pace:
    """`rate`: requests per second and host. `in_flight`: how many at once. A burst is as many, but no more
    than a second's worth."""

    def __init__(self, rate: float, in_flight: int, clock: Clock) -> None:
        self._rate = max(rate, 0.01)
        self._in_flight = max(1, in_flight)
        self._burst = min(self._in_flight, max(1.0, self._rate)) - 1
        self._clock = clock
        self._hosts: dict[str, _Host] = {}
        self._slowed: dict[str, str] = {}

    @property
    def slowed(self) -> Mapping[str, str]:
        """Host -> why it was slowed down, the latest reason."""
        return self._slowed

    async def enter(self, host: str, deadline: float) -> float:
        """Wait for a turn; the time it began (monotonic). Every enter that returns needs its `leave`.

        Raises BudgetSpent at once where the turn would come after `deadline` (monotonic).
        """
        state = self._hosts.get(host)
        if state is None:
            state = self._hosts[host] = _Host(1.0 / self._rate, self._in_flight)
        await state.slots.acquire()
        try:
            now = self._clock.monotonic()
            start = max(state.free_at, now - state.gap * self._burst)
            if start > deadline:
                raise BudgetSpent(
                    f"the next request to {host} would leave after the scan's time is over", "seconds"
                )
            state.free_at = start + state.gap
            if start > now:
                await self._clock.sleep(start - now)
                return self._clock.monotonic()
            return now
        except BaseException:
            state.slots.release()
            raise

    def leave(self, host: str) -> None:
        """The turn is over."""
        self._hosts[host].slots.release()

    def answered(self, host: str, reply: HttpReply, began: float) -> None:
        """A reply came; a 429 or 503 slows the host down."""
        state = self._hosts[host]
        state.breaks = 0
        state.served = True
        status = reply.status
        if status not in (429, 503):
            return
        pause = retry_seconds(reply.header("retry-after"), self._clock.now())
        said = f" with Retry-After, waiting {pause:.0f} s" if pause else ""
        self._slow(host, state, began, pause, f"answered {status}{said}")

    def broke(self, host: str, began: float) -> None:
        """A connection failed or broke. A run of these on a host that has answered before looks like blocking."""
        state = self._hosts[host]
        state.breaks += 1
        if state.breaks >= BREAKS and state.served:
            self._slow(host, state, began, 0.0, f"{state.breaks} connections in a row broke")
            state.breaks = 0

    def _slow(self, host: str, state: _Host, began: float, pause: float, why: str) -> None:
        now = self._clock.monotonic()
        state.free_at = max(state.free_at, now + pause)
        if began < state.slowed_at:
            return  # sent before the last slow-down: says nothing new
        state.slowed_at = now
        state.gap = min(state.gap * 2, SLOWEST / self._rate)
        self._slowed[host] = f"{why}; slowed to {1 / state.gap:.3g} requests per second"


def retry_seconds(value: str | None, now: float) -> float:
    """How long Retry-After asks to wait (RFC 9110 section 10.2.3), at most RETRY_CAP; 0 where it says nothing."""
    if not value or len(value) > 100:
        return 0.0
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text), RETRY_CAP)
    try:
        when = parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return min(max(when - now, 0.0), RETRY_CAP)
