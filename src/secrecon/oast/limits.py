"""Limits on what one client, and all together, may do to the listener. Memory stays bounded under any flood.

Pure counting; the caller passes the time. Source addresses of datagrams can be forged, so a client over its limit is
answered by silence, never by an error.
"""

from __future__ import annotations

MAX_CLIENTS = 8_192


class RateLimit:
    """At most `per_second` events of one client in any one second, for at most MAX_CLIENTS clients.

    When more clients than that show up within one second, the newcomers share one allowance.
    """

    def __init__(self, per_second: int) -> None:
        self._per_second = per_second
        self._second = -1
        self._counts: dict[str, int] = {}
        self.refused = 0

    def allows(self, client: str, now: float) -> bool:
        """Count one event; False where it is over the limit. `now`: monotonic seconds."""
        second = int(now)
        if second != self._second:
            self._second = second
            self._counts.clear()
        if client not in self._counts and len(self._counts) >= MAX_CLIENTS:
            client = "others"
        count = self._counts.get(client, 0) + 1
        self._counts[client] = count
        if count > self._per_second:
            self.refused += 1
            return False
        return True


class Slots:
    """How many connections are open: at most `total`, at most `per_client` of one client."""

    def __init__(self, total: int, per_client: int) -> None:
        self._total = total
        self._per_client = per_client
        self._open: dict[str, int] = {}
        self._count = 0
        self.refused = 0

    def take(self, client: str) -> bool:
        """Open one; False where a limit is reached. Each True needs one `give`."""
        if self._count >= self._total or self._open.get(client, 0) >= self._per_client:
            self.refused += 1
            return False
        self._open[client] = self._open.get(client, 0) + 1
        self._count += 1
        return True

    def give(self, client: str) -> None:
        """Close one."""
        self._count -= 1
        left = self._open.get(client, 0) - 1
        if left > 0:
            self._open[client] = left
        else:
            self._open.pop(client, None)
