"""What every client of a server's token may read: the baskets `extra` and `tlddata` of a poll, in plain JSON.

`extra` holds what carried no session's id on a protocol that often carries none (LDAP, SMTP); `tlddata` everything that
reached the domain, where the operator wants that. Each client has its own place in each basket, so that none empties it
for the others. Items and bytes are bounded, the oldest go first. Kept in memory only.
"""

from __future__ import annotations

from collections import deque

MAX_ITEMS = 10_000
MAX_BYTES = 33_554_432
MAX_READ = 1_000


class Basket:
    """One basket. `dropped`: items that went before anybody could be sure to have read them."""

    def __init__(self, items: int = MAX_ITEMS, size: int = MAX_BYTES) -> None:
        self._most = items
        self._most_bytes = size
        self._items: deque[str] = deque()
        self._bytes = 0
        self._first = 0
        self._places: dict[str, int] = {}
        self.dropped = 0

    def put(self, item: str) -> None:
        """Add an item."""
        self._items.append(item)
        self._bytes += len(item)
        while len(self._items) > self._most or self._bytes > self._most_bytes:
            self._bytes -= len(self._items.popleft())
            self._first += 1
            self.dropped += 1

    def read(self, client: str) -> tuple[str, ...]:
        """What `client` has not read yet, oldest first, at most a thousand; a client never seen starts at the oldest."""
        start = max(self._places.get(client, 0), self._first)
        skip = start - self._first
        end = min(len(self._items), skip + MAX_READ)
        found = tuple(self._items[at] for at in range(skip, end))
        self._places[client] = self._first + end
        return found

    def forget(self, client: str) -> None:
        """A client that is gone."""
        self._places.pop(client, None)

    def keep_only(self, clients: object) -> None:
        """Forget the places of everybody who is not in `clients` (anything that has `in`)."""
        self._places = {client: place for client, place in self._places.items() if client in clients}  # type: ignore[operator]
