"""The favicon hash, held against MurmurHash3 written out a second time."""

from __future__ import annotations

import base64

from hypothesis import given
from hypothesis import strategies as st

from secrecon.detect.favicon import MAX_ICON, favicon_hash


def reference_hash(data: bytes) -> int:
    """MurmurHash3 x86 32, written out from its public description, as an independent judge."""
    text, h = base64.encodebytes(data), 0
    mask = 0xFFFFFFFF

    def mix(k: int) -> int:
        k = k * 0xCC9E2D51 & mask
        return ((k << 15 | k >> 17) & mask) * 0x1B873593 & mask

    for at in range(0, len(text) // 4 * 4, 4):
        h ^= mix(int.from_bytes(text[at : at + 4], "little"))
        h = ((h << 13 | h >> 19) & mask) * 5 + 0xE6546B64 & mask
    if tail := text[len(text) // 4 * 4 :]:
        h ^= mix(int.from_bytes(tail, "little"))
    h ^= len(text)
    h = (h ^ h >> 16) * 0x85EBCA6B & mask
    h = (h ^ h >> 13) * 0xC2B2AE35 & mask
    h ^= h >> 16
    return h - (1 << 32) if h & 1 << 31 else h


@given(st.binary(min_size=1, max_size=400))
def test_it_is_the_hash_that_search_engines_use(icon: bytes) -> None:
    assert favicon_hash(icon) == reference_hash(icon)


def test_the_base64_text_is_broken_into_lines() -> None:
    """A long icon hashed without line feeds would give another number: the usual mistake."""
    icon = bytes(range(200))
    assert base64.encodebytes(icon).count(b"\n") == 4
    assert favicon_hash(icon) == reference_hash(icon)


def test_nothing_and_too_much_have_no_hash() -> None:
    assert favicon_hash(b"") is None
    assert favicon_hash(b"x" * (MAX_ICON + 1)) is None
