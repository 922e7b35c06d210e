"""One page of a list, and the opaque cursor that leads to the next: every list of the API has this shape. And ids, as
addresses hold them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from secrecon.model.errors import BadInput, NotFound

T = TypeVar("T")
R = TypeVar("R")

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
MAX_ID = 2**53 - 1
ID_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """`items` in order; `next_cursor` leads to what follows, None at the end."""

    items: tuple[T, ...]
    next_cursor: str | None


def read_id(text: str, unknown: str) -> int:
    """An id out of an address, 1 to 2^53 - 1. What cannot be one is as unknown as a number that nobody has: NotFound,
    in the words of `unknown`."""
    if not text.isascii() or not text.isdigit() or len(text) > ID_DIGITS or not 0 < int(text) <= MAX_ID:
        raise NotFound(unknown)
    return int(text)


def write_cursor(position: int) -> str:
    """The cursor that goes on after `position`, the key of the last item shown."""
    return base64.urlsafe_b64encode(f"after:{position}".encode()).decode().rstrip("=")


def read_cursor(cursor: str | None) -> int | None:
    """The position a cursor holds; None for no cursor. Raises BadInput for one that we never wrote."""
    if cursor is None:
        return None
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except (binascii.Error, ValueError) as error:
        raise _unknown() from error
    digits = text.removeprefix("after:")
    if not text.startswith("after:") or not digits.isdigit() or len(digits) > 18:
        raise _unknown()
    return int(digits)


def check_limit(limit: int) -> int:
    """`limit` where it is one that a page may have."""
    if not 1 <= limit <= MAX_LIMIT:
        raise BadInput(f"limit must be between 1 and {MAX_LIMIT}", "limit")
    return limit


def _unknown() -> BadInput:
    return BadInput("cursor is not one that a list gave out: leave it out to begin again", "cursor")


def cut(rows: Sequence[R], limit: int, position: Callable[[R], int], shape: Callable[[R], T]) -> Listing[T]:
    """A page of at most `limit` from rows of which one more was asked for, to know whether there is more."""
    shown = rows[:limit]
    more = len(rows) > limit
    return Listing(tuple(shape(row) for row in shown), write_cursor(position(shown[-1])) if more else None)
