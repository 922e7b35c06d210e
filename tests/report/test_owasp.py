"""A weakness stands where OWASP puts it, and nowhere else."""

from __future__ import annotations

from collections import Counter

import pytest

from secrecon.report.owasp import TOP_TEN, top_ten


@pytest.mark.parametrize(
    ("cwe", "categories"),
    [
        (("CWE-918",), ["A10:2021"]),
        (("CWE-22", "cwe-79"), ["A01:2021", "A03:2021"]),
        (("CWE-79", "CWE-89"), ["A03:2021"]),
        (("CWE-1", "CWE-99999999", "CWE-", "", "CWE-²", "918x"), []),
        ((), []),
    ],
)
def test_categories(cwe: tuple[str, ...], categories: list[str]) -> None:
    assert [name.split()[0] for name in top_ten(cwe)] == categories


def test_each_weakness_stands_in_one_category() -> None:
    counted = Counter(number for numbers in TOP_TEN.values() for number in numbers)
    assert set(counted.values()) == {1}
    assert len(TOP_TEN) == 10
