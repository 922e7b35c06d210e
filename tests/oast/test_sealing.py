"""Keys as independent clients write them, items in both modes that servers have used, and damage."""

import base64
import json
import random

import pytest
from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from hypothesis import given
from hypothesis import strategies as st
from tests.oast.talk import KEY, PUBLIC

from secrecon.oast.sealing import load_public_key, lock_key, open_item, seal, unlock_key, unwrap, wrap

AES = bytes(range(32))
ITEM = {"protocol": "dns", "unique-id": "a" * 33, "raw-request": "é" * 50}


def der_of(label: str) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    der = KEY.public_key().public_bytes(serialization.Encoding.DER, form)
    return base64.b64encode(
        f"-----BEGIN {label}-----\n{base64.encodebytes(der).decode()}-----END {label}-----\n".encode()
    ).decode()


@pytest.mark.parametrize("label", ["PUBLIC KEY", "RSA PUBLIC KEY", "WHATEVER"])
def test_a_key_is_read_whatever_its_label_says(label: str) -> None:
    assert load_public_key(der_of(label)).public_numbers() == KEY.public_key().public_numbers()


def test_a_small_key_can_wrap_and_a_smaller_one_is_refused() -> None:
    small = rsa.generate_private_key(public_exponent=65_537, key_size=1_024)
    assert unwrap(small, wrap(small.public_key(), AES)) == AES
    assert unwrap(KEY, wrap(load_public_key(PUBLIC), AES)) == AES
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    text = other.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(ValueError, match="not an RSA key"):
        load_public_key(base64.b64encode(text).decode())


def test_an_item_is_opened_in_either_mode() -> None:
    text = json.dumps(ITEM).encode()
    assert open_item(AES, seal(AES, bytes(16), text + b"\n \n")) == ITEM
    iv = random.Random(1).randbytes(16)
    old = base64.b64encode(iv + Cipher(algorithms.AES(AES), CFB(iv)).encryptor().update(text)).decode()
    assert open_item(AES, old) == ITEM


@pytest.mark.parametrize("item", ["", "x", "AAAA", base64.b64encode(bytes(100)).decode(), "é"])
def test_what_is_no_item_is_refused(item: str) -> None:
    with pytest.raises(ValueError, match="item"):
        open_item(AES, item)


@given(st.integers(0, 39))
def test_a_kept_key_that_was_damaged_is_not_used(at: int) -> None:
    locked = bytearray(lock_key(AES, "secret", "a" * 20))
    assert unlock_key(bytes(locked), "secret", "a" * 20) == AES
    locked[at] ^= 1
    with pytest.raises(ValueError, match="damaged"):
        unlock_key(bytes(locked), "secret", "a" * 20)
    with pytest.raises(ValueError, match="damaged"):
        unlock_key(lock_key(AES, "secret", "a" * 20), "secret", "b" * 20)
