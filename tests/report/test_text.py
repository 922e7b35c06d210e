"""Hostile text becomes visible, and stays bounded."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrecon.report.text import block, count, day, is_link, iso, line, listed

anything = st.text(st.characters(codec=None), max_size=200)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("abc\u202egnp.exe", "abc\\u202egnp.exe"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("\ud800", "\\ud800"),
        ("\x9b31m", "\\x9b31m"),
        ("\u2028", "\\u2028"),
        ("\ufeff\ufffe", "\\ufeff\\ufffe"),
        ("\U000e0041", "\\U000e0041"),
        ("naïve 日本 עברית 😀", "naïve 日本 עברית 😀"),
    ],
)
def test_line(raw: str, shown: str) -> None:
    assert line(raw) == shown


def test_block_keeps_lines_and_tabs() -> None:
    assert block("a\r\nb\tc\rd\n") == "a\nb\tc\\rd\n"


@given(anything)
def test_nothing_invisible_is_left(text: str) -> None:
    for shown, allowed in ((line(text), ""), (block(text), "\n\t")):
        left = {c for c in shown if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")} - set(allowed)
        assert not left
        shown.encode("utf-8")


@given(anything)
def test_plain_text_is_not_touched_twice(text: str) -> None:
    assert line(line(text)) == line(text)


def test_ten_megabytes_are_cut_and_the_cut_is_told() -> None:
    shown = block("A" * 10_000_000)
    assert len(shown) < 17_000
    assert shown.endswith("[9,984,000 more characters left out of the report]")


def test_times() -> None:
    assert iso(0.0) == "1970-01-01T00:00:00.000Z"
    assert iso(1_795_400_000.1239) == "2026-11-23T03:33:20.124Z" or iso(1_795_400_000.1239).endswith(".124Z")
    assert day("2026-11-23T03:05:20.124Z") == "23 November 2026, 03:05 UTC"


def test_counting_words() -> None:
    assert (count(0, "finding"), count(1, "finding"), count(2_000, "finding")) == (
        "no findings",
        "1 finding",
        "2,000 findings",
    )
    assert listed([]) == ""
    assert listed(["a", "b"]) == "a and b"
    assert listed(list("abcdefg"), 3) == "a, b and 5 more"


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,x", "//x", "http://", 'http://a/"x', "http://[", "http://a/\n"]
)
def test_only_plain_web_addresses_become_links(url: str) -> None:
    assert not is_link(url)
    assert is_link("https://nvd.nist.gov/vuln/detail/CVE-2021-41773?x=1#y")
