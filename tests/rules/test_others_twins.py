"""A template that proves one product's flaw says nothing of another's: each is run on vulnerable twins of other products.

A few flaws are so alike that one request shows both; those pairs are named here, and only those.
"""

from __future__ import annotations

import pytest
from tests.rules.verdicts import judge_others, own_catalog

pytestmark = pytest.mark.slow

EVERY = 8
ALIKE = {
    ("CVE-2024-32982", "CVE-2024-23334"),  # two servers of static files for Python, below the same folder
}
"""A template, and the twin of another on which it holds too."""


def test_a_template_holds_on_its_own_product_only() -> None:
    verdicts = judge_others([entry.template for entry in own_catalog().entries], EVERY)
    assert len(verdicts.attempts) > 1_000
    assert {pair for pair, found in verdicts.found.items() if found} - ALIKE == set()
