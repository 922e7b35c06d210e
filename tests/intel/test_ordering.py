"""The order of versions: numbers by value, zeros at the end do not count, words where they belong, and unknown is unknown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrecon.intel.ordering import base_and_update, branch_key, canonical, compare, plain_key, plain_text

NUMBERS = st.lists(st.integers(0, 10**12), min_size=1, max_size=6)

ORDERED = [
    ("1.0", "1.0.0", 0),
    ("1.9", "1.10", -1),
    ("v2.0", "2.0", 0),
    ("1.0.2", "1.0.2k", -1),
    ("1.0.2k", "1.0.3", -1),
    ("1.0.2k", "1.0.2l", -1),
    ("1.0.2u", "1.0.2v", -1),
    ("1.0.2v", "1.0.2w", -1),
    ("1.0.2", "1.0.2v", -1),
    ("1.0.2z", "1.0.2za", -1),
    ("1.0.2k", "1.0.2zi", -1),
    ("1.0.2zi", "1.0.2zl", -1),
    ("0.9.8zh", "1.0.1", -1),
    ("1.0.2k-fips", "1.0.2k", 0),
    ("9.4.30.v20200611", "9.4.30.20200611", 0),
    ("1.0rc1", "1.0", -1),
    ("2.0-beta2", "2.0-rc1", -1),
    ("2.0 RC-1", "2.0rc1", 0),
    ("9.0.0.M1", "9.0.0", -1),
    ("9.0.0.M2", "9.0.0.M10", -1),
    ("7.4p1", "7.4", 1),
    ("7.4p1", "7.5", -1),
    ("2.3.4.Final", "2.3.4", 0),
    ("1.2.3-el7", "1.2.4", -1),
    ("1.2-el7", "1.2", None),
    ("8.0_sp1", "8.0_p1", None),
    ("1.0-foo", "1.0-bar", None),
    ("trunk", "1.0", None),
    ("", "1.0", None),
    ("trunk", "TRUNK", 0),
    ("1" * 101, "1.0", None),
    ("20240101", "2024.1", 1),
]


@pytest.mark.parametrize(("one", "other", "order"), ORDERED)
def test_order_both_ways(one: str, other: str, order: int | None) -> None:
    assert compare(one, other) == order
    assert compare(other, one) == (None if order is None else -order)


@given(NUMBERS, NUMBERS)
def test_plain_keys_sort_as_the_numbers_do(one: list[int], other: list[int]) -> None:
    def stripped(numbers: list[int]) -> list[int]:
        while numbers and numbers[-1] == 0:
            numbers = numbers[:-1]
        return numbers

    left, right = (".".join(map(str, numbers)) for numbers in (one, other))
    first, second = plain_key(left), plain_key(right)
    assert first is not None
    assert second is not None
    expected = (stripped(one) > stripped(other)) - (stripped(one) < stripped(other))
    assert (first > second) - (first < second) == expected
    assert compare(left, right) == expected
    assert (canonical(left) == canonical(right)) == (expected == 0)
    assert compare(plain_text(first), left) == 0


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_text_is_answered(one: str, other: str) -> None:
    order, back = compare(one, other), compare(other, one)
    assert order == (None if back is None else -back)
    assert compare(one, one) == 0
    canonical(one)


def test_numbers_and_the_rest() -> None:
    assert base_and_update("8.4p1") == ("8.4", "p1")
    assert base_and_update("2.0-rc1") == ("2.0", "rc1")
    assert base_and_update("v1.2") == ("1.2", "")
    assert base_and_update("trunk") == ("trunk", "")
    assert plain_key("1.0rc1") is None


@given(NUMBERS, NUMBERS)
def test_the_key_of_a_branch_lies_after_all_of_it_and_before_the_next(numbers: list[int], more: list[int]) -> None:
    text = ".".join(map(str, numbers))
    branch = branch_key(text)
    following = plain_key(".".join(map(str, [*numbers[:-1], numbers[-1] + 1])))
    assert branch is not None
    assert following is not None
    for inside in (text, ".".join(map(str, [*numbers, *more]))):
        key = plain_key(inside)
        assert key is not None
        assert key < branch < following
    assert plain_text(branch) == f"{text}.x"
    assert branch_key("7-foo") is None
