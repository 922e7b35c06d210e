"""The page about templates names what is refused, exactly, and its examples compute what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from secrecon.templates.dsl import evaluate
from secrecon.templates.dsl.functions.refused import REASONS
from secrecon.templates.parse import BY_POLICY, NOT_BUILT, SECTIONS
from secrecon.templates.parse_blocks import REFUSED_FIELDS

PAGE = (Path(__file__).parents[2] / "docs" / "templates.md").read_text("utf-8")


@pytest.mark.parametrize("name", [*REASONS, *BY_POLICY, *NOT_BUILT, *SECTIONS, *REFUSED_FIELDS])
def test_the_page_names_it(name: str) -> None:
    assert f"`{name}`" in PAGE


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("len('ü')", 2),
        ('"200" == 200', False),
        (r'regex("\d", "7")', False),
        ('"2022-01-13"', 1642032000),
        ("compare_versions('1.2.3-rc1', '< 2.0')", False),
    ],
)
def test_the_examples_are_true(expression: str, value: object) -> None:
    assert f"`{expression}`" in PAGE
    assert evaluate(expression, {}) == value
