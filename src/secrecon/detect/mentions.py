"""Names of an organisation that the text of a page, a script or an API answer mentions, linked or not. Pure.

What is found is only told: whether such a name is there is for name lookups to say. Bounded in what is read and kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Protocol

import re2

MAX_TEXT = 2_000_000
MAX_NAMES = 200


class _Match(Protocol):
    def group(self, number: int) -> bytes: ...


class Pattern(Protocol):
    """What is used of a compiled pattern."""

    def finditer(self, text: bytes) -> Iterator[_Match]: ...


def names_in(body: bytes, zone: str, limit: int = MAX_NAMES) -> tuple[str, ...]:
    """At most `limit` names below `zone` (lower case, ASCII) in the first bytes of `body`, in the order met."""
    text = body[:MAX_TEXT].lower()
    if b"." + zone.encode() not in text:
        return ()
    found: dict[str, None] = {}
    for match in _pattern(zone).finditer(text.replace(b"%2f", b"/").replace(b"%3a", b":")):
        if not match.group(2):  # else the name goes on: acme.test.example is somebody else's
            found.setdefault(match.group(1).decode("ascii").strip("."))
        if len(found) >= limit:
            break
    return tuple(found)


@lru_cache(maxsize=8)
def _pattern(zone: str) -> Pattern:
    """A run of name characters that ends with the zone, and what would make it longer."""
    compiled: Pattern = re2.compile(rf"([a-z0-9_.-]{{1,200}}\.{re2.escape(zone)})(\.?[a-z0-9_-])?".encode())
    return compiled
