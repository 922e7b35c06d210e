"""The sieve never says of what is there that it is not, keeps what all look through, and little of anything else."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrecon.templates import matchers, patterns, sieve
from secrecon.templates.dsl import evaluate
from secrecon.templates.dsl.functions import text as functions
from secrecon.templates.matchers import BinaryTest, Condition, Matcher, RegexTest, WordTest
from secrecon.templates.patterns import Pattern
from secrecon.templates.sieve import LARGEST, MOST_BYTES, MOST_TEXTS, SMALLEST, Sieve

page = st.builds(
    lambda seed, size: random.Random(seed).randbytes(size), st.integers(0, 50), st.integers(2_048, 4_100)
)


@given(page, st.integers(0, 4_000), st.integers(0, 40), st.booleans())
def test_what_is_there_is_never_said_to_be_lacking(text: bytes, start: int, size: int, low: bool) -> None:
    looked = Sieve(often=1)
    text = text.lower() if low else text
    assert not looked.lacks(text, text[start : start + size])
    assert looked.lowered(text) == text.lower()


@given(page, st.binary(max_size=12))
def test_what_is_said_to_be_lacking_is_not_there(text: bytes, piece: bytes) -> None:
    looked = Sieve(often=1)
    looked.lacks(text, piece)
    assert not looked.lacks(text, piece) or piece not in text


def test_a_text_is_read_once_it_was_looked_through_often() -> None:
    looked, text = Sieve(often=3), b"<p>some words</p>" * 200
    assert [looked.lacks(text, b"absent") for _ in range(4)] == [False, False, True, True]
    assert not looked.lacks(b"short", b"absent")
    assert not looked.lacks(text, b"zz")


def test_too_large_and_too_many_sided_texts_are_looked_through_as_ever() -> None:
    looked = Sieve(often=1)
    assert not looked.lacks(b"x" * (LARGEST + 1), b"absent")
    noise = random.Random(1).randbytes(LARGEST)
    assert not looked.lacks(noise, b"absent")


def test_what_is_kept_is_bounded_and_a_shared_page_stays() -> None:
    looked, shared = Sieve(often=2), b"<p>shared</p>" * 300
    for _ in range(2):
        looked.lacks(shared, b"absent")
    others = [b"%05d" % at * 500 for at in range(MOST_TEXTS * 3)]
    for text in others:
        looked.lacks(text, b"absent")
    assert len(looked._looks) <= MOST_TEXTS
    assert looked.lacks(shared, b"absent")
    for at in range(40):
        looked.lacks(b"%06d" % at * (LARGEST // 6), b"absent")
        assert sum(len(look.text) for look in looked._looks.values()) <= MOST_BYTES + LARGEST


words = st.binary(min_size=1, max_size=8)


@given(
    st.lists(words, min_size=1, max_size=6),
    st.lists(words, max_size=6),
    st.integers(0, 20),
    st.booleans(),
    st.booleans(),
)
def test_verdicts_are_the_same_with_and_without(
    wanted: list[bytes], there: list[bytes], seed: int, every: bool, any_case: bool
) -> None:
    filler = bytes(random.Random(seed).choices(b"abc <>/=", k=SMALLEST))
    body = filler + b"|".join(there) + filler
    tests: list[Condition] = [
        WordTest(tuple(wanted), every, case_insensitive=any_case),
        BinaryTest(tuple(wanted), every),
        RegexTest(tuple(Pattern(word.hex().encode() + b"[a-c]?x") for word in wanted)),
    ]
    variables = {"body": body, "piece": wanted[0]}
    expressions = [
        "contains(body, piece)",
        "contains_any(to_lower(body), piece, 'zzzz')",
        "contains_all(body, piece)",
    ]

    def verdicts(often: int) -> list[object]:
        looked = Sieve(often)
        with pytest.MonkeyPatch.context() as patch:
            for module in (matchers, patterns, sieve, functions):
                patch.setattr(module, "SIEVE", looked)
            found: list[object] = [Matcher(test).matches({"body": body}) for test in tests for _ in range(2)]
            return found + [evaluate(expression, variables) for expression in expressions]

    assert verdicts(1) == verdicts(10**9)
