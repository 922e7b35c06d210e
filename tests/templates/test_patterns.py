"""Matches are counted as the reference's language counts them."""

from __future__ import annotations

import pytest

from secrecon.templates.patterns import compile_pattern


@pytest.mark.parametrize(
    ("source", "text", "matches", "replaced"),
    [
        (b"(?s).*", b"abc", [b"abc"], b"-"),
        (b"x*", b"axxb", [b"", b"xx", b""], b"-a-b-"),
        (b"a*", b"", [b""], b"-"),
        (b"b", b"abba", [b"b", b"b"], b"a--a"),
    ],
)
def test_an_empty_match_right_behind_another_is_none(
    source: bytes, text: bytes, matches: list[bytes], replaced: bytes
) -> None:
    pattern = compile_pattern(source)
    assert list(pattern.matches(text)) == matches
    assert pattern.replace(text, b"-", 100) == replaced
