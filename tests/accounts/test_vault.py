"""The vault: what it sealed opens again, with the same key, for the same purpose, and in no other case."""

from __future__ import annotations

import base64
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrecon.accounts.vault import KEY_BYTES, Vault, fresh_vault, vault_at
from secrecon.model.errors import OperatorError

VAULT = fresh_vault()


@given(st.text(), st.text(max_size=20))
def test_what_was_sealed_opens(secret: str, purpose: str) -> None:
    sealed = VAULT.seal(secret, purpose)
    assert sealed.isascii()
    assert VAULT.open(sealed, purpose) == secret


def test_the_sealed_text_tells_nothing_and_is_new_each_time() -> None:
    first, second = VAULT.seal("correct horse", "webhook"), VAULT.seal("correct horse", "webhook")
    assert "horse" not in first
    assert first != second


@pytest.mark.parametrize("change", ["purpose", "key", "text", "empty", "not ascii"])
def test_nothing_else_opens_it(change: str) -> None:
    sealed = VAULT.seal("correct horse", "webhook")
    vault, purpose = VAULT, "webhook"
    match change:
        case "purpose":
            purpose = "login"
        case "key":
            vault = fresh_vault()
        case "text":
            sealed = sealed[:40] + ("A" if sealed[40] != "A" else "B") + sealed[41:]
        case "empty":
            sealed = ""
        case _:
            sealed = "\u00e9" + sealed[1:]
    with pytest.raises(OperatorError, match="enter the secret again"):
        vault.open(sealed, purpose)


def test_a_subkey_stays_and_differs_by_purpose() -> None:
    assert VAULT.subkey("a") == VAULT.subkey("a") != VAULT.subkey("b")
    assert len(VAULT.subkey("a")) == 32


def test_the_file_is_made_once_and_only_for_its_owner(tmp_path: Path) -> None:
    file = tmp_path / "secret.key"
    with ThreadPoolExecutor(8) as pool:
        vaults = list(pool.map(lambda _: vault_at(file), range(16)))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]
    sealed = vaults[0].seal("s", "p")
    assert {vault.open(sealed, "p") for vault in vaults} == {"s"}


@pytest.mark.parametrize(
    "content",
    [b"", b"no base64!", b"\xff\xfe", base64.urlsafe_b64encode(b"k" * (KEY_BYTES - 1)), b"A" * 100_000],
    ids=["empty", "words", "bytes", "short", "huge"],
)
def test_a_file_that_holds_something_else_is_refused_and_kept(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "secret.key"
    file.write_bytes(content)
    with pytest.raises(OperatorError, match=r"secret\.key"):
        vault_at(file)
    assert file.read_bytes() == content


def test_a_folder_that_cannot_hold_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OperatorError, match="cannot be used"):
        vault_at(tmp_path / "file" / "secret.key")


def test_a_key_of_another_length_is_refused() -> None:
    with pytest.raises(OperatorError, match="32 bytes"):
        Vault(b"short")
