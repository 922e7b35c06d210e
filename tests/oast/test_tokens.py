import random
import string

from hypothesis import given
from hypothesis import strategies as st

from secrecon.oast.tokens import (
    ALPHABET,
    MAX_TOKENS,
    OWN_PREFIX,
    find_tokens,
    is_minted,
    is_own,
    is_token,
    marker,
    new_token,
)

tokens = st.text(ALPHABET, min_size=33, max_size=33)


def test_a_token_is_33_lower_case_letters_and_digits_and_never_the_same() -> None:
    source = random.Random(1)
    made = {new_token(source) for _ in range(500)}
    assert len(made) == 500
    assert all(is_token(token) and not is_own(token) for token in made)


def test_a_canary_is_known_by_its_beginning() -> None:
    token = new_token(random.Random(2), own=True)
    assert is_token(token)
    assert token.startswith(OWN_PREFIX)
    assert is_own(token)


@given(tokens, st.text(string.ascii_letters + string.digits, max_size=20), st.text(ALPHABET, max_size=20))
def test_a_token_is_found_with_text_glued_to_both_ends_and_in_any_case(token: str, before: str, after: str) -> None:
    assert token in find_tokens(f"www.{before}{token.swapcase()}{after}.cb.test")


@given(tokens, st.text("-._/?&=%:é\x00 ", min_size=1, max_size=5))
def test_a_token_between_other_characters_is_the_only_one(token: str, other: str) -> None:
    assert find_tokens(f"x{other}{token}{other}y") == (token,)


def test_exact_words_come_before_windows_of_longer_ones() -> None:
    token = "a" * 20 + "b" * 13
    assert find_tokens("c" * 60 + "." + token)[0] == token


@given(st.text(max_size=300))
def test_whatever_is_found_is_a_token(text: str) -> None:
    assert all(is_token(token) for token in find_tokens(text))


def test_long_hostile_text_gives_a_bounded_answer() -> None:
    text = "".join(random.Random(3).choices(ALPHABET, k=100_000))
    assert len(find_tokens(text)) == MAX_TOKENS
    assert find_tokens("x" * 32) == ()


def test_the_marker_is_not_in_the_url_and_differs_per_token() -> None:
    one, two = "a" * 33, "b" * 33
    assert marker(one) == marker(one) != marker(two)
    assert one not in marker(one)
    assert one[::-1] not in marker(one)
    assert marker(one).isalnum()
    assert find_tokens(marker(one)) == ()


def test_what_was_minted_is_known_by_its_last_letters() -> None:
    source = random.Random(4)
    tokens = [new_token(source, own=bool(number % 2)) for number in range(200)]
    assert all(is_token(token) and is_minted(token) for token in tokens)
    changed = [token[:5] + ("a" if token[5] != "a" else "b") + token[6:] for token in tokens]
    assert not any(is_minted(token) for token in changed)
