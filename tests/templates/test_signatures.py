"""Signatures on templates, with keys made here: what is signed, what is refused and why, hostile digest lines."""

from __future__ import annotations

import datetime
import hashlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from secrecon.model.errors import OperatorError
from secrecon.templates.signatures import Signed, TrustedKeys, fragment_of, sign, signing_key, trusted_keys

SOURCE = b"id: made-up\ninfo:\n  name: Made up\n  author: us\nhttp:\n  - path: ['{{BaseURL}}/']\n"
KEY = ec.generate_private_key(ec.SECP256R1())
OTHER = ec.generate_private_key(ec.SECP256R1())


def public(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def private(key: ec.EllipticCurvePrivateKey) -> bytes:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def certificate(key: ec.EllipticCurvePrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "signer.test")])
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=900))
    )
    return built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


TRUSTED = trusted_keys([("key", public(KEY))])


def test_a_signed_file_is_valid_and_stays_a_template() -> None:
    signed = sign(SOURCE, KEY)
    assert signed.startswith(SOURCE.strip() + b"\n# digest: 4")
    assert signed.splitlines()[-1].endswith(b":" + fragment_of(KEY.public_key()).encode())
    verdict = TRUSTED.check(signed)
    assert verdict.signed is Signed.VALID
    assert fragment_of(KEY.public_key()) in verdict.reason


def test_the_digest_line_has_the_documented_shape() -> None:
    line = sign(SOURCE, KEY).splitlines()[-1].removeprefix(b"# digest: ")
    gob, _, fragment = line.partition(b":")
    raw = bytes.fromhex(gob.decode())
    assert raw[0] == len(raw) - 1
    assert raw[1:3] == b"\x0a\x00"
    assert raw[3] == len(raw) - 4
    KEY.public_key().verify(raw[4:], SOURCE.strip(), ec.ECDSA(hashes.SHA256()))
    x = KEY.public_key().public_numbers().x
    expected = hashlib.md5(x.to_bytes((x.bit_length() + 7) // 8), usedforsecurity=False).hexdigest()
    assert fragment.decode() == expected


def test_line_ends_and_blanks_around_do_not_matter_and_signing_again_replaces() -> None:
    signed = sign(SOURCE, KEY)
    assert TRUSTED.check(signed.replace(b"\n", b"\r\n")).signed is Signed.VALID
    assert TRUSTED.check(b"\n\n" + signed + b"\n  \n").signed is Signed.VALID
    again = sign(sign(signed, OTHER), KEY)
    assert again.count(b"# digest:") == 1
    assert TRUSTED.check(again).signed is Signed.VALID


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: SOURCE, "not signed"),
        (lambda s: s + b"# a word more\n", "not signed"),
        (lambda s: s.replace(b"made-up", b"made-it"), "changed after it was signed"),
        (lambda s: sign(SOURCE, OTHER), "a key that is not trusted"),
        (lambda s: s.rpartition(b":")[0] + b"\n", "a key that is not trusted (unnamed)"),
        (lambda s: s.replace(b"# digest: ", b"# digest: zz"), "malformed"),
        (lambda s: s.replace(b"# digest: 4", b"# digest: 5"), "malformed"),
        (lambda s: SOURCE + b"# digest: :" + fragment_of(KEY.public_key()).encode(), "malformed"),
        (lambda s: SOURCE + b"# digest:", "malformed"),
        (lambda s: _with_fragment_of_key(sign(SOURCE, OTHER)), "changed after it was signed"),
    ],
)  # fmt: skip
def test_everything_else_is_told_with_its_reason(change: object, words: str) -> None:
    assert callable(change)
    verdict = TRUSTED.check(change(sign(SOURCE, KEY)))
    assert verdict.signed is not Signed.VALID
    assert words in verdict.reason


def _with_fragment_of_key(signed: bytes) -> bytes:
    return signed.rpartition(b":")[0] + b":" + fragment_of(KEY.public_key()).encode()


def test_keys_come_as_public_keys_or_certificates() -> None:
    both = trusted_keys([("a", public(OTHER)), ("b", certificate(KEY))])
    assert both.check(sign(SOURCE, KEY)).signed is Signed.VALID
    assert both.check(sign(SOURCE, OTHER)).signed is Signed.VALID
    chain = trusted_keys([("chain", certificate(KEY) + certificate(OTHER))])
    assert chain.check(sign(SOURCE, OTHER)).signed is Signed.VALID
    assert TrustedKeys().check(sign(SOURCE, KEY)).signed is Signed.INVALID


def test_what_is_no_usable_key_is_refused_by_name() -> None:
    odd = rsa.generate_private_key(65537, 2048)
    for content in (b"", b"\x00\xff", b"-----BEGIN CERTIFICATE-----\nAAAA\n", public(odd), b"x" * 200_000,
                    public(ec.generate_private_key(ec.SECP384R1()))):  # fmt: skip
        with pytest.raises(OperatorError, match=r"mine\.pem"):
            trusted_keys([("mine.pem", content)])
    assert sign(SOURCE, signing_key("k", private(KEY)))
    for content in (b"", public(KEY), private(ec.generate_private_key(ec.SECP384R1()))):
        with pytest.raises(OperatorError, match=r"mine\.pem"):
            signing_key("mine.pem", content)


@given(st.binary(max_size=300), st.binary(max_size=100))
def test_no_digest_line_is_too_odd(body: bytes, line: bytes) -> None:
    verdict = TRUSTED.check(body + b"\n# digest: " + line)
    assert verdict.signed is not Signed.VALID
