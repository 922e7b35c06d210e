"""What a pattern needs is held against RE2: never a match without it, never a need of what RE2 refuses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrecon.templates.errors import DslError
from secrecon.templates.needs import needed
from secrecon.templates.patterns import Pattern, waiting_pattern


@pytest.mark.parametrize(
    ("source", "piece"),
    [
        (rb"X-Powered-By: PHP/([0-9.]+)", b"X-Powered-By: PHP/"),
        (rb"((u|g)id|groups)=[0-9]{1,4}\([a-z0-9]+\)", b""),
        (rb"root:.*:0:0:", b"root:"),
        (rb"<title>(.*?)</title>", b"</title>"),
        (rb"abcd*", b"abc"),
        (rb"abc+def", b"abc"),
        (rb"abcx{0,2}defg", b"defg"),
        (rb"\"version\":\"(\d+)", b'"version":"'),
        (rb"[a-z]{3}", b""),
        (rb"abc|def", b""),
        (rb"(?i)abCdef", b"abcdef"),
        (rb"(?i)", b""),
        (rb"CLI Driver.{0,200}?DB2", b"CLI Driver"),
        (rb"([0-9]{4})-release-(\d{2}){60}", b""),
        (rb"(?:abc)?defg", b"defg"),
        (rb".abc(?i)DEFG", b"defg"),
        (rb"(?m)^abcd", b"abcd"),
        (rb"(a(?i)b)cdef", b""),
        (rb"(?i)*abcd", b""),
        (rb"\Qabc.def\E", b""),
        (rb"^abcd$", b"abcd"),
        (rb"abcd^*", b""),
        (rb"\bab\n\tcd\b", b"ab\n\tcd"),
        (rb"abc{2", b""),
        (rb"abcd)", b""),
        (rb"(abcd", b""),
        (rb"*abcd", b""),
        (rb"abcd**", b""),
        (rb"abcd[z-a]", b""),
        (rb"abcd[]]", b""),
        (rb"abcd\p{Greek}", b""),
        (rb"abcd{1001}", b""),
        ("größe".encode(), b""),
        (b"", b""),
    ],
)
def test_what_is_needed(source: bytes, piece: bytes) -> None:
    assert needed(source)[0] == piece


atoms = st.sampled_from(
    ["a", "b", "ab", "abc", "xyz", ".", r"\d", r"\.", r"\/", "[a-c]", "[^ab]", r"[\d-]", "[-a]", "[a-]", "-", "=",
     "^", "$", "|", "(", ")", "(?:", "(?i)", "(?s)", "(?P<n>", "[", "]", "{", "}", "{2}", "{1,3}", "{,2}", "{60}",
     "*", "+", "?", "*?", "\\", r"\b", r"\n", r"\x41", "é", " ", r"\Q", r"\E", "[[:alpha:]]", "[a-z0-9_]", "]a"]
)  # fmt: skip
patterns = st.tuples(st.sampled_from(["", "", "(?i)"]), st.lists(atoms, min_size=1, max_size=9).map("".join)).map(
    "".join
)
texts = st.text(st.sampled_from("abcxyz.A1/-=é \n(){}"), max_size=30)


@given(patterns, texts)
def test_no_match_without_what_is_needed(source: str, text: str) -> None:
    piece, any_case = needed(source.encode())
    if not piece:
        return
    pattern = Pattern(source.encode())
    try:
        found = pattern.compiled.search(text.encode()) is not None
    except DslError as error:
        raise AssertionError(f"{source!r} needs {piece!r} and RE2 refuses it") from error
    assert piece in (text.lower() if any_case else text).encode() or not found


pieces = st.sampled_from(["abc", "xyz", "[a-c]", ".", "(ab|c)", "(?:x)?", "(?i)", "a*", "z+", "=", r"\d{1,3}"])
words = st.sampled_from(["abc", "xyz", "a", "x", "=", "1", "zz", "ab", "ABC", "XyZ"])


@given(st.lists(pieces, max_size=7).map("".join), st.lists(words, max_size=10).map("".join))
def test_a_pattern_finds_the_same_with_and_without_a_look_for_what_it_needs(source: str, text: str) -> None:
    pattern = Pattern(source.encode())
    assert pattern.found_in(text.encode()) == (pattern.compiled.search(text.encode()) is not None)
    whole, end = [], -1
    for match in pattern.compiled.finditer(text.encode()):
        if match.group(0) or match.start() != end:  # Go does not count an empty match right behind another one
            whole.append(match.group(0))
        end = match.end()
    assert list(Pattern(source.encode()).matches(text.encode())) == whole


def test_a_pattern_that_cannot_be_there_is_not_compiled() -> None:
    pattern = waiting_pattern(rb"never compiled ([0-9]+)")
    assert not pattern.found_in(b"a page")
    assert list(pattern.matches(b"a page", 1)) == []
    assert pattern._compiled is None
    assert pattern.found_in(b"never compiled 7")
    assert list(pattern.matches(b"never compiled 7", 1)) == [b"7"]
