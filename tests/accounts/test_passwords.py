"""Which passwords are taken, and that only the right one verifies."""

from __future__ import annotations

import contextlib

import pytest
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as st

from secrecon.accounts.passwords import MAX_LENGTH, Passwords, check_password
from secrecon.model.errors import BadInput

EMAIL = "margaret@example.com"


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("tiny", "shorter than 12"),
        ("elevenchars", "shorter than 12"),
        ("x" * 1025, "longer than 1024"),
        ("passwordpassword", "attackers try first"),
        ("Password123456", "attackers try first"),
        ("QWERTY123456", "attackers try first"),
        ("aaaaaaaaaaaaaaaa", "attackers try first"),
        ("abcabcabcabcabc", "attackers try first"),
        ("secrecon-2026!!!!", "attackers try first"),
        ("margaret@example.com", "built on the email"),
        ("xMARGARET@example.comx", "built on the email"),
        ("margaret1234", "built on the email"),
    ],
)
def test_what_is_refused(password: str, why: str) -> None:
    with pytest.raises(BadInput, match=why) as error:
        check_password(password, EMAIL)
    assert error.value.field == "password"
    assert password not in str(error.value)


@pytest.mark.parametrize(
    "password",
    [
        "twelve chars",
        "correct horse battery",
        "ünïcödé ist auch gut",
        "margaret likes a long sentence",
        "長い合言葉は十二文字以上です",
    ],
)
def test_what_is_taken(password: str) -> None:
    check_password(password, EMAIL)


@given(st.text(max_size=MAX_LENGTH + 5))
def test_any_text_is_taken_or_refused(password: str) -> None:
    with contextlib.suppress(BadInput):
        check_password(password, EMAIL)


async def test_only_the_right_password_verifies(passwords: Passwords) -> None:
    stored = await passwords.hash("correct horse battery")
    assert stored.startswith("$argon2id$")
    assert await passwords.verify(stored, "correct horse battery")
    assert not await passwords.verify(stored, "correct horse batterY")
    assert not await passwords.verify(stored, "")
    assert not await passwords.verify(None, "correct horse battery")
    assert not await passwords.verify(None, "nobody has this password")
    assert not await passwords.verify("damaged", "correct horse battery")
    assert not await passwords.verify(stored, "x" * 100_000)
    assert await passwords.hash("correct horse battery") != stored


async def test_the_same_letters_in_another_form_are_the_same_password(passwords: Passwords) -> None:
    stored = await passwords.hash("un caf\u00e9 noir serr\u00e9")
    assert await passwords.verify(stored, "un cafe\u0301 noir serre\u0301")


async def test_half_a_surrogate_pair_is_no_crash(passwords: Passwords) -> None:
    assert not await passwords.verify(await passwords.hash("correct horse battery"), "correct horse \ud83d")


async def test_old_costs_are_noticed(passwords: Passwords) -> None:
    old = await Passwords(PasswordHasher(time_cost=2, memory_cost=16, parallelism=1)).hash("correct horse battery")
    assert passwords.outdated(old)
    assert not passwords.outdated(await passwords.hash("correct horse battery"))
