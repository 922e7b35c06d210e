"""Pattern sets: one pass tells which patterns occur, and the single search agrees with it."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrecon.detect.fingerprint_patterns import BadPattern, PatternSet, compile_pattern


def test_matching_and_groups() -> None:
    patterns = PatternSet([r"nginx/(?P<version>\d+(?:\.\d+)+)?", r"^apache$", r"x(?P<a>y)?(?P<b>z)?"])
    assert len(patterns) == 3
    assert patterns.matching(b"Server NGINX/1.18.0") == (0, 2)
    found = patterns.search(0, b"Server NGINX/1.18.0")
    assert found is not None
    assert (found.text, found.groups) == ("NGINX/1.18.0", {"version": "1.18.0"})
    assert patterns.search(1, b"apache 2") is None


def test_an_empty_set_matches_nothing() -> None:
    assert PatternSet([]).matching(b"anything") == ()


@pytest.mark.parametrize("pattern", ["(", "a(?=b)", r"(a)\1", "\u00e4", "a" * 401])
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(BadPattern):
        compile_pattern(pattern)


def test_time_is_linear_in_hostile_text() -> None:
    patterns = PatternSet([r"(a*)*b", r"(x+x+)+y"])
    start = time.perf_counter()
    assert patterns.matching(b"a" * 200_000 + b"x" * 200_000) == ()
    assert time.perf_counter() - start < 1.0


@given(st.binary(max_size=300))
def test_the_set_agrees_with_each_pattern_alone(text: bytes) -> None:
    sources = [r"[0-9]+\.[0-9]", r"a.c", r"\x00", r"end$", r"<[a-z]+>"]
    patterns = PatternSet(sources)
    alone = tuple(i for i in range(len(sources)) if patterns.search(i, text) is not None)
    assert patterns.matching(text) == alone
    # Python's own engine as a second judge; `$` means the very end in RE2.
    judged = [re.search(s.replace("$", r"\Z").encode(), text, re.IGNORECASE) is not None for s in sources]
    assert alone == tuple(i for i, found in enumerate(judged) if found)
