"""One pass over a text that many templates look through, after which most of what they look for is known not to be there.

A page that over a thousand templates ask for would be searched tens of thousands of times. A text that is looked through
again and again is read once for every four bytes in a row that it holds; a piece with four others is not in it. The answer is
"not there" or "look for yourself", so verdicts are the same with and without. What is kept is bounded in bytes and texts.
"""

from __future__ import annotations

import sys

SMALLEST = 2_048
LARGEST = 2 * 1024 * 1024
OFTEN = 300
"""Reading a text costs about as much as looking through it so many times."""
MOST_TEXTS = 64
MOST_BYTES = 32 * 1024 * 1024
MOST_GRAMS = 300_000
_GRAM = 4
_ORDER = sys.byteorder


class _Look:
    """A text, how often it was looked through, and what is known of it. `grams` empty: nothing can be said."""

    __slots__ = ("grams", "lowered", "text", "times")

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.times = 0
        self.grams: frozenset[int] | None = None
        self.lowered: bytes | None = None


class Sieve:
    """`often`: how many looks make a text worth reading."""

    def __init__(self, often: int = OFTEN) -> None:
        self._often = often
        self._looks: dict[int, _Look] = {}
        self._size = 0

    def lacks(self, text: bytes, piece: bytes) -> bool:
        """True: `piece` is not in `text`. False says nothing."""
        if len(text) < SMALLEST or len(piece) < _GRAM:
            return False
        look = self._look(text)
        if look is None:
            return False
        grams = look.grams
        if grams is None:
            look.times += 1
            if look.times < self._often:
                return False
            grams = look.grams = _grams(text)
        if not grams:
            return False
        last = len(piece) - _GRAM
        return any(
            int.from_bytes(piece[at : at + _GRAM], _ORDER) not in grams for at in {0, last, last // 2, last // 4}
        )

    def lowered(self, text: bytes) -> bytes:
        """The text with its ASCII letters in lower case; the same object for the same text, while it is kept."""
        look = self._look(text) if len(text) >= SMALLEST else None
        if look is None:
            return text.lower()
        if look.lowered is None:
            look.lowered = text.lower()
        return look.lowered

    def _look(self, text: bytes) -> _Look | None:
        look = self._looks.get(id(text))
        if look is not None and look.text is text:
            return look
        if len(text) > LARGEST:
            return None
        self._size += len(text)
        if len(self._looks) >= MOST_TEXTS or self._size > MOST_BYTES:
            self._forget()
        look = self._looks[id(text)] = _Look(text)
        return look

    def _forget(self) -> None:
        """The texts that were looked through least, but not what all templates share."""
        kept = sorted(self._looks.values(), key=lambda look: look.grams is not None)[-MOST_TEXTS // 8 :]
        kept = [look for look in kept if look.grams is not None]
        if sum(len(look.text) for look in kept) > MOST_BYTES // 2:
            kept = []
        self._looks = {id(look.text): look for look in kept}
        self._size = sum(len(look.text) for look in kept)


def _grams(text: bytes) -> frozenset[int]:
    """Every four bytes in a row, as numbers; empty where they are too many to be worth it."""
    found: set[int] = set()
    for start in range(_GRAM):
        whole = (len(text) - start) // _GRAM * _GRAM
        found.update(memoryview(text)[start : start + whole].cast("I"))
        if len(found) > MOST_GRAMS:
            return frozenset()
    return frozenset(found)


SIEVE = Sieve()


def holds(text: bytes, piece: bytes) -> bool:
    """Whether `piece` is in `text`."""
    return not SIEVE.lacks(text, piece) and piece in text
