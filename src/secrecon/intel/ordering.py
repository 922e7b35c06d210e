"""The order of versions where no ecosystem says how to read them: what CPE ranges are compared with.

A version is a row of numbers and words; everything else separates. Numbers compare by value and zeros at the end do not
count. Words that announce a release (alpha, beta, rc, ...) lie before it, words that mend one (p1, sp1, a letter glued to
a number as in 1.0.2k, with za following z) after it. Two different words of the same side, and a word that is neither,
cannot be ordered: the answer is then None, never a guess. Plain dotted numbers, nearly all there are, have a key of bytes
that sorts alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

MAX_LENGTH = 100
MAX_TOKENS = 40
LARGE = b"\x09"
"""Ends the key of a branch: sorts after every number of a plain key."""
_TOKEN = re.compile(r"[0-9]+|[a-z]+")
_PLAIN = re.compile(r"v?[0-9]{1,18}(?:\.[0-9]{1,18}){0,15}")

BEFORE = {
    "dev": 0,
    "snapshot": 0,
    "nightly": 0,
    "alpha": 1,
    "a": 1,
    "beta": 2,
    "b": 2,
    "milestone": 3,
    "m": 3,
    "pre": 4,
    "preview": 4,
    "prerelease": 4,
    "rc": 5,
    "cr": 5,
    "candidate": 5,
}
AFTER = {
    "p": "p",
    "pl": "p",
    "patch": "p",
    "sp": "sp",
    "update": "u",
    "u": "u",
    "hotfix": "hf",
    "hf": "hf",
    "fix": "fix",
    "fixpack": "fp",
    "fp": "fp",
    "cu": "cu",
    "post": "post",
    "build": "build",
}
_FILLERS = frozenset({"release", "final", "ga", "lts", "version", "v", "fips"})

Token = tuple[int, str, int]
"""(place: 0 before the release, 1 the end, 2 after it, 3 a number; the word; the number)."""
_END: Token = (1, "", 0)
_UNKNOWN = 9


def plain_key(version: str) -> bytes | None:
    """A key that sorts as the version does, for plain dotted numbers; None for every other version."""
    if not _PLAIN.fullmatch(version):
        return None
    numbers = _numbers(version)
    while numbers and not numbers[-1]:
        numbers.pop()
    return _key(numbers)


def branch_key(version: str) -> bytes | None:
    """A key that sorts after every version that begins with these numbers and before the next: for `8.1`, after 8.1.999;
    None for what is no plain dotted number."""
    return _key(_numbers(version)) + LARGE if _PLAIN.fullmatch(version) else None


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.lstrip("v").split(".")]


def _key(numbers: Iterable[int]) -> bytes:
    return b"".join(
        bytes((length := (number.bit_length() + 7) // 8 or 1,)) + number.to_bytes(length, "big")
        for number in numbers
    )


def plain_text(key: bytes, more: str = "x") -> str:
    """The version that a plain key is of, without the zeros at its end; the key of a branch ends in `more`."""
    numbers: list[str] = []
    at = 0
    while at < len(key):
        length = key[at]
        numbers.append(more if length == LARGE[0] else str(int.from_bytes(key[at + 1 : at + 1 + length], "big")))
        at += 1 + length
    return ".".join(numbers) or "0"


def compare(one: str, other: str) -> int | None:
    """-1, 0 or 1 as `one` is older than, the same as or newer than `other`; None where that cannot be known."""
    left, right = tokens(one), tokens(other)
    if left is None or right is None:
        return 0 if one.lower() == other.lower() else None
    for mine, theirs in zip(left, right, strict=False):
        if mine == theirs:
            continue
        if _UNKNOWN in (mine[0], theirs[0]):
            return None
        if mine[0] == theirs[0] == 2 and mine[1] != theirs[1]:
            return None
        return -1 if mine < theirs else 1
    return 0


def canonical(version: str) -> str:
    """A text that is equal for equal versions: `1.0` and `1.0.0`, `2.0 RC1` and `2.0-rc-1`."""
    known = tokens(version)
    if known is None:
        return version.lower()
    parts = (
        f"{'~' if place == 0 else ''}{word}.{number}" if word else str(number) for place, word, number in known[:-1]
    )
    return ".".join(parts) or "0"


def base_and_update(version: str) -> tuple[str, str]:
    """The numbers a version begins with, and the rest: CPE keeps `2.0` and `rc1` apart. The rest is "" for none."""
    match = re.match(r"v?[0-9]+(?:\.[0-9]+)*", version.lower())
    if match is None:
        return version, ""
    return match[0].lstrip("v"), version[match.end() :].strip(" .-_+~:")


@lru_cache(maxsize=65_536)
def tokens(version: str) -> tuple[Token, ...] | None:
    """What a version is compared by; None where it is too long or holds no number."""
    if not 0 < len(version) <= MAX_LENGTH:
        return None
    found = _TOKEN.findall(version.lower())
    if not found or len(found) > MAX_TOKENS or not any(part[0].isdigit() for part in found):
        return None
    made: list[Token] = []
    at = 0
    while at < len(found):
        part = found[at]
        at += 1
        if part[0].isdigit():
            made.append((3, "", int(part[:18])))
            continue
        follows = at < len(found) and found[at][0].isdigit()
        if part in _FILLERS and (part != "v" or follows or not made):
            continue
        number = int(found[at][:18]) if follows else 0
        at += follows
        _strip_zeros(made)
        made.append(_word(part, number, follows))
    _strip_zeros(made)
    return (*made, _END)


def _word(word: str, number: int, numbered: bool) -> Token:
    if len(word) == 1 and not numbered:
        return (2, "letter", ord(word))
    if len(word) == 2 and word[0] == "z" and not numbered:
        return (2, "letter", (ord("z") << 8) + ord(word[1]))
    if word in BEFORE:
        return (0, f"{BEFORE[word]}", number)
    if word in AFTER:
        return (2, AFTER[word], number)
    return (_UNKNOWN, word, number)


def _strip_zeros(made: list[Token]) -> None:
    while made and made[-1] == (3, "", 0):
        made.pop()
