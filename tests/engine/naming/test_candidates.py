"""Candidates: our word list, variations, random names; what sources say is cleaned and bounded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrecon.engine.naming import candidates
from secrecon.engine.naming.candidates import clean, load_words, parents, permutations, random_names

ZONE = "acme.test"


def test_the_word_list_is_large_whole_and_without_repetition() -> None:
    words = load_words()
    assert len(words) >= 1_500
    assert len(set(words)) == len(words)
    assert all(clean(f"{word}.{ZONE}", ZONE) for word in words)
    assert words[0] == "www"


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("WWW.Acme.Test.", "www.acme.test"),
        ("*.dev.acme.test", "dev.acme.test"),
        ("_dmarc.acme.test", "_dmarc.acme.test"),
        ("acme.test", ""),
        ("*.acme.test", ""),
        ("evil-acme.test", ""),
        ("a b.acme.test", ""),
        ("-a.acme.test", ""),
        ("a..acme.test", ""),
        ("ü.acme.test", ""),
        ("x" * 64 + ".acme.test", ""),
        ("a." * 9 + "acme.test", ""),
        ("a\n.acme.test", ""),
        ("", ""),
    ],
)
def test_only_host_names_below_the_zone_count(raw: str, name: str) -> None:
    assert clean(raw, ZONE) == name


@given(st.text(max_size=300))
def test_any_text_is_cleaned(raw: str) -> None:
    name = clean(f"{raw}.{ZONE}", ZONE)
    assert name == "" or clean(name, ZONE) == name


def test_parents_are_between_the_name_and_the_zone() -> None:
    assert parents(["a.b.c.acme.test", "b.c.acme.test", "x.acme.test"], ZONE) == ("c.acme.test", "b.c.acme.test")


def test_random_names_are_the_same_for_the_same_scan_only() -> None:
    assert random_names("one", ZONE) == random_names("one", ZONE)
    assert len({*random_names("one", ZONE), *random_names("two", ZONE), *random_names("one", "b.test")}) == 12


def test_variations_are_those_that_administrators_make() -> None:
    made = set(permutations(["web01.acme.test", "api-dev.acme.test", "shop.acme.test"], ZONE))
    assert {
        "web02.acme.test",
        "web00.acme.test",
        "api-staging.acme.test",
        "shop2.acme.test",
        "dev-shop.acme.test",
    } <= made
    assert "web01.acme.test" not in made


def test_variations_are_bounded_however_much_was_found() -> None:
    names = [f"host{number}-dev.acme.test" for number in range(3_000)]
    assert len(permutations(names, ZONE)) == candidates.MAX_PERMUTATIONS
