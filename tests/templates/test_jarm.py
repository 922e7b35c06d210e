"""The ten hellos and the reading of answers. The fingerprint of the last test was told by another program for the same server."""

from __future__ import annotations

import hashlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrecon.templates.jarm import NO_TLS, fingerprint, hellos


def answer(cipher: str, version: str = "0303", extensions: str = "") -> bytes:
    """A server hello."""
    more = bytes.fromhex(extensions)
    body = bytes.fromhex(version) + bytes(32) + b"\x20" + bytes(32) + bytes.fromhex(cipher) + b"\0"
    body += len(more).to_bytes(2, "big") + more if more else b""
    return b"\x16\x03\x03" + (len(body) + 4).to_bytes(2, "big") + b"\x02" + len(body).to_bytes(3, "big") + body


def test_every_hello_is_a_record_of_a_client_hello_for_the_host() -> None:
    made = hellos("app.acme.test", random.Random(1))
    assert len(made) == len(set(made)) == 10
    for hello in made:
        assert hello[0] == 22
        assert hello[5] == 1
        assert int.from_bytes(hello[3:5], "big") == len(hello) - 5
        assert int.from_bytes(hello[6:9], "big") == len(hello) - 9
        assert b"app.acme.test" in hello
    assert [hello[1:3].hex() for hello in made] == ["0303"] * 5 + ["0302"] + ["0301"] * 4
    assert made[0] != hellos("app.acme.test", random.Random(2))[0]


def test_no_answer_is_all_zeros() -> None:
    assert fingerprint([b""] * 10) == NO_TLS
    assert fingerprint([b"\x15\x03\x03\x00\x02\x02\x28"] * 10) == NO_TLS
    assert fingerprint([b"HTTP/1.1 400 Bad Request\r\n\r\n"] * 10) == NO_TLS


def test_the_parts_of_a_fingerprint() -> None:
    rest = "h2" + "ff01-0010" + "ff01"
    heard = [
        answer("c02f", extensions="ff01000100001000050003026832"),
        answer("0004", "0301", "ff01000100"),
        answer("1305"),
        answer("abcd"),
        *[b""] * 6,
    ]
    told = fingerprint(heard)
    assert told[:30] == "29d" + "01b" + "45d" + "46d" + "000" * 6
    assert told[30:] == hashlib.sha256(rest.encode()).hexdigest()[:32]


@pytest.mark.parametrize("cut", [1, 6, 43, 45, 78, 82])
def test_an_answer_that_is_cut_is_no_error(cut: int) -> None:
    assert len(fingerprint([answer("c02f", extensions="ff01000100")[:cut]] * 10)) == 62


@given(st.lists(st.binary(max_size=200), min_size=10, max_size=10))
def test_any_bytes_give_a_fingerprint(heard: list[bytes]) -> None:
    assert len(fingerprint(heard)) == 62


@given(st.lists(st.binary(max_size=120).map(lambda tail: answer("c02f")[:76] + tail), min_size=10, max_size=10))
def test_any_end_of_a_hello_gives_a_fingerprint(heard: list[bytes]) -> None:
    assert len(fingerprint(heard)) == 62


def test_a_server_that_another_program_fingerprinted() -> None:
    """OpenSSL 3 with TLS 1.2 and 1.3, its ten server hellos by cipher, version and extensions."""
    older, newer = "ff0100010000170000", "002b0002030400330024001d0020" + "00" * 32
    heard = [answer("c030", extensions=older)] * 2 + [b""] + [answer("c030", extensions=older)] * 2 + [b""]
    heard += [answer("1302", extensions=newer)] * 2 + [b""] * 2
    assert fingerprint(heard)[:30] == "2ad2ad0002ad2ad00042d42d000000"
