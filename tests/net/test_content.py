"""Content codings: whole, joined, broken, short, and bombs that must not go off."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from secrecon.net.content import decode

TEXT = b"the quick brown fox " * 50


def raw_deflate(data: bytes) -> bytes:
    machine = zlib.compressobj(wbits=-15)
    return machine.compress(data) + machine.flush()


def encoded(coding: str, data: bytes) -> bytes:
    return {
        "gzip": lambda: gzip.compress(data),
        "x-gzip": lambda: gzip.compress(data),
        "deflate": lambda: zlib.compress(data),
        "br": lambda: bytes(brotli.compress(data)),
        "zstd": lambda: bytes(zstandard.compress(data)),
    }[coding]()


CODINGS = ["gzip", "x-gzip", "deflate", "br", "zstd"]


@pytest.mark.parametrize("coding", CODINGS)
def test_whole_bodies(coding: str) -> None:
    assert decode(encoded(coding, TEXT), [coding], 10_000) == (TEXT, False, [])
    assert decode(b"", [coding], 10_000) == (b"", False, [])
    assert decode(encoded(coding, TEXT), [coding], len(TEXT)) == (TEXT, False, [])


def test_raw_deflate_and_joined_gzip() -> None:
    assert decode(raw_deflate(TEXT), ["deflate"], 10_000) == (TEXT, False, [])
    assert decode(gzip.compress(b"ab") + gzip.compress(b"cd"), ["gzip"], 100) == (b"abcd", False, [])
    assert decode(gzip.compress(b"ab") + b"junk", ["gzip"], 100) == (b"ab", False, ["bytes-after-coding"])


def test_several_codings_are_undone_in_reverse() -> None:
    body = brotli.compress(gzip.compress(TEXT))
    assert decode(body, ["gzip", "br"], 10_000) == (TEXT, False, [])
    assert decode(TEXT, ["identity", ""], 10_000) == (TEXT, False, [])
    assert decode(TEXT, ["gzip"] * 5, 10_000) == (TEXT, False, ["too-many-codings"])
    assert decode(TEXT, ["compress"], 10_000) == (TEXT, False, ["unknown-coding"])


@pytest.mark.parametrize("coding", CODINGS)
def test_broken_and_short_bodies(coding: str) -> None:
    name = coding.removeprefix("x-")
    body, cut, problems = decode(b"\xff<html>plain</html>", [coding], 10_000)
    assert (body, cut, problems) == (b"\xff<html>plain</html>", False, [f"bad-{name}"])
    noise = bytes(range(256)) * 8
    whole = encoded(coding, noise)
    body, cut, problems = decode(whole[: len(whole) // 2], [coding], 10_000)
    assert noise.startswith(body) or problems == [f"bad-{name}"]
    if coding != "zstd":
        assert problems == [f"short-{name}"]


@pytest.mark.parametrize("coding", CODINGS)
def test_bombs_are_defused(coding: str) -> None:
    bomb = encoded(coding, b"\0" * 50_000_000)
    assert len(bomb) < 200_000
    tracemalloc.start()
    body, cut, _ = decode(bomb, [coding], 100_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (len(body), cut) == (100_000, True)
    assert peak < 5_000_000


def test_a_bomb_in_a_bomb_is_defused() -> None:
    inner = gzip.compress(b"\0" * 20_000_000)
    body, cut, _ = decode(gzip.compress(inner), ["gzip", "gzip"], 50_000)
    assert (len(body), cut) == (50_000, True)


@given(st.binary(max_size=300), st.lists(st.sampled_from([*CODINGS, "odd"]), max_size=5))
def test_any_bytes_decode_without_an_error(data: bytes, codings: list[str]) -> None:
    body, _, _ = decode(data, codings, 1000)
    assert len(body) <= 1000


@given(st.binary(max_size=2000), st.sampled_from(CODINGS), st.integers(1, 3000))
def test_round_trip_up_to_the_cap(data: bytes, coding: str, cap: int) -> None:
    body, cut, problems = decode(encoded(coding, data), [coding], cap)
    assert (body, cut, problems) == (data[:cap], len(data) > cap, [])
