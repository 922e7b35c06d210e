"""Versions are compared by their scheme; what cannot be read or is told too roughly is unknown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrecon.intel.versions import Placement, Range, Scheme, compare, is_plain, place

DOTTED = st.lists(st.integers(0, 10**9), min_size=1, max_size=5).map(lambda parts: ".".join(map(str, parts)))


@pytest.mark.parametrize(
    ("scheme", "older", "newer"),
    [
        (Scheme.DOTTED, "2.4.9", "2.4.10"),
        (Scheme.DOTTED, "2.4.49", "2.4.49.1"),
        (Scheme.DOTTED, "1.920", "1.1000"),
        (Scheme.SEMVER, "8.0.0-beta1", "8.0.0"),
        (Scheme.SEMVER, "3.4.1", "3.5.0"),
        (Scheme.MAVEN, "9.0.0.M1", "9.0.0"),
        (Scheme.MAVEN, "9.0.9", "9.0.30"),
        (Scheme.MAVEN, "11.0.0-M1", "11.0.0"),
        (Scheme.PYPI, "1.10.10", "1.10.11rc1"),
        (Scheme.NGINX, "1.9.15", "1.20.1"),
        (Scheme.OPENSSL, "1.0.1f", "1.0.1g"),
        (Scheme.OPENSSL, "1.1.1w", "3.0.0"),
        (Scheme.SEMVER, "1.2.3.4", "1.2.3.5"),
        (Scheme.SEMVER, "4.0.0-RC1", "4.0.0"),
        (Scheme.SEMVER, "4.0.0-beta.2", "4.0.0-RC1"),
        (Scheme.SEMVER, "4.0.0-RC1", "4.0.0-rc2"),
    ],
)
def test_order(scheme: Scheme, older: str, newer: str) -> None:
    assert compare(scheme, older, newer) == -1
    assert compare(scheme, newer, older) == 1
    assert compare(scheme, newer, newer) == 0


@pytest.mark.parametrize(
    ("scheme", "one", "other"),
    [
        (Scheme.DOTTED, "2.4.49-dev", "2.4.49"),
        (Scheme.DOTTED, "", "1"),
        (Scheme.SEMVER, "1.2.3.4-rc1", "1.2.3"),
        (Scheme.MAVEN, "abc", "1.0"),
        (Scheme.PYPI, "2.4.7-p1x", "2.4.7"),
        (Scheme.DOTTED, "1." * 60 + "1", "1"),
        (Scheme.DOTTED, "1.2\n", "1.2"),
        (Scheme.DOTTED, "1.٢", "1.2"),
    ],
)
def test_what_cannot_be_read_is_unknown(scheme: Scheme, one: str, other: str) -> None:
    assert compare(scheme, one, other) is None


def test_trailing_zeros_are_the_same_version() -> None:
    assert compare(Scheme.DOTTED, "6.4", "6.4.0") == 0


RANGES = (Range("2.4.49", fixed="2.4.50"), Range("2.4.50", last="2.4.50"))


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("2.4.48", Placement.OUTSIDE),
        ("2.4.49", Placement.INSIDE),
        ("2.4.50", Placement.INSIDE),
        ("2.4.51", Placement.OUTSIDE),
        ("2.4", Placement.UNKNOWN),
        ("2", Placement.UNKNOWN),
        ("2.2", Placement.OUTSIDE),
        ("3", Placement.OUTSIDE),
        ("2.4.49-dev", Placement.UNKNOWN),
    ],
)
def test_placing(version: str, expected: Placement) -> None:
    assert place(Scheme.DOTTED, version, RANGES, 3) is expected


def test_a_rough_version_is_placed_where_all_it_can_be_agrees() -> None:
    wide = [Range(fixed="3.4.0")]
    assert place(Scheme.DOTTED, "3.3", wide, 3) is Placement.INSIDE
    assert place(Scheme.DOTTED, "3.4", wide, 3) is Placement.OUTSIDE  # 3.4.0 is the first one that is fixed
    assert place(Scheme.DOTTED, "3.4", [Range(fixed="3.4.1")], 3) is Placement.UNKNOWN
    assert place(Scheme.DOTTED, "3.4", [Range(fixed="3.4.1")], 2) is Placement.INSIDE


def test_a_range_says_itself() -> None:
    assert [item.vers for item in (*RANGES, Range(fixed="1.2"))] == [
        ">=2.4.49|<2.4.50",
        ">=2.4.50|<=2.4.50",
        "<1.2",
    ]


@given(DOTTED, DOTTED)
def test_comparing_is_antisymmetric(one: str, other: str) -> None:
    forth, back = compare(Scheme.DOTTED, one, other), compare(Scheme.DOTTED, other, one)
    assert forth is not None
    assert back == -forth


@given(DOTTED, DOTTED, DOTTED)
def test_a_complete_version_is_placed_as_its_comparisons_say(version: str, start: str, end: str) -> None:
    placed = place(Scheme.DOTTED, version, [Range(start, fixed=end)], 1)
    inside = compare(Scheme.DOTTED, version, start) != -1 and compare(Scheme.DOTTED, version, end) == -1
    assert placed is (Placement.INSIDE if inside else Placement.OUTSIDE)


@given(DOTTED, st.integers(0, 10**8), DOTTED, DOTTED)
def test_a_rough_version_never_contradicts_the_real_one(prefix: str, rest: int, start: str, end: str) -> None:
    """If the beginning of a version is placed, the whole version is placed there too."""
    ranges = [Range(start, fixed=end)]
    rough = place(Scheme.DOTTED, prefix, ranges, prefix.count(".") + 2)
    if rough is not Placement.UNKNOWN:
        assert place(Scheme.DOTTED, f"{prefix}.{rest}", ranges, 1) is rough


@given(st.sampled_from(list(Scheme)), st.text(max_size=80), st.text(max_size=80))
def test_any_text_can_be_asked_about(scheme: Scheme, one: str, other: str) -> None:
    assert compare(scheme, one, other) in (-1, 0, 1, None)
    assert is_plain(one) in (True, False)
