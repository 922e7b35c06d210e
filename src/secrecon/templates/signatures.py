"""Signatures on template files: the last line `# digest: SIGNATURE:FRAGMENT`, ECDSA P-256 over SHA-256.

What is signed is the file without that line, trimmed, with LF line ends. SIGNATURE is hexadecimal of a Go gob of the ASN.1
(DER) signature: a length, 0x0a, 0x00, a count, the bytes. FRAGMENT is the MD5 of the key's X coordinate; it names the key
and proves nothing. Which keys are believed is the operator's word alone: none ships with SecRecon.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from secrecon.model.errors import OperatorError

MAX_KEY_FILE = 100_000
_MARK = b"# digest:"
_GOB_BYTES = b"\x0a\x00"
_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"


class Signed(StrEnum):
    """VALID: by a key that the operator trusts. UNSIGNED: there is no digest line. INVALID: there is one, and it proves
    nothing."""

    VALID = "valid"
    UNSIGNED = "unsigned"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`reason`: in words, also for a valid one: which key."""

    signed: Signed
    reason: str


@dataclass(frozen=True, slots=True)
class TrustedKeys:
    """Public keys by their fragment."""

    keys: tuple[tuple[str, ec.EllipticCurvePublicKey], ...] = ()

    def check(self, source: bytes) -> Verdict:
        """Whether one of the keys signed the file with these bytes."""
        content, line = _parted(source)
        if not line:
            return Verdict(Signed.UNSIGNED, "it is not signed")
        signature, _, fragment = line.removeprefix(_MARK).strip().partition(b":")
        try:
            der = _unwrapped(bytes.fromhex(signature.decode("ascii")))
        except ValueError:
            return Verdict(Signed.INVALID, "its digest line is malformed")
        named = fragment.decode("ascii", "replace").strip().lower()
        known = [key for own, key in self.keys if own == named]
        if not known:
            return Verdict(Signed.INVALID, f"it is signed by a key that is not trusted ({named[:32] or 'unnamed'})")
        for key in known:
            try:
                key.verify(der, content, ec.ECDSA(hashes.SHA256()))
            except InvalidSignature:
                continue
            return Verdict(Signed.VALID, f"signed by the trusted key {named}")
        return Verdict(Signed.INVALID, "it was changed after it was signed, or the signature is wrong")


def trusted_keys(files: Iterable[tuple[str, bytes]]) -> TrustedKeys:
    """(name, content) of PEM files: public keys or certificates on P-256, several in one file too. Raises OperatorError."""
    found: dict[str, ec.EllipticCurvePublicKey] = {}
    for name, content in files:
        for key in _keys_in(name, content):
            found[fragment_of(key)] = key
    return TrustedKeys(tuple(found.items()))


def _keys_in(name: str, content: bytes) -> list[ec.EllipticCurvePublicKey]:
    """Raises OperatorError."""
    try:
        if len(content) > MAX_KEY_FILE:
            raise ValueError("too large")
        keys: list[object]
        if _CERTIFICATE in content:
            keys = [certificate.public_key() for certificate in x509.load_pem_x509_certificates(content)]
        else:
            keys = [serialization.load_pem_public_key(content)]
    except (ValueError, UnsupportedAlgorithm) as error:
        raise OperatorError(f"{name} is no PEM file of a public key or certificate: {error}") from error
    usable = [key for key in keys if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == "secp256r1"]
    if len(usable) != len(keys):
        raise OperatorError(f"{name} holds a key that is not an ECDSA key on the curve P-256")
    return usable


def signing_key(name: str, content: bytes) -> ec.EllipticCurvePrivateKey:
    """The private key in a PEM file without a passphrase. Raises OperatorError."""
    try:
        key = serialization.load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise OperatorError(f"{name} is no PEM file of a private key without a passphrase: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
        raise OperatorError(f"{name} is not an ECDSA key on the curve P-256")
    return key


def sign(source: bytes, key: ec.EllipticCurvePrivateKey) -> bytes:
    """The file with its digest line, in place of an older one."""
    content, _ = _parted(source)
    der = key.sign(content, ec.ECDSA(hashes.SHA256()))
    return content + b"\n%b %b:%b\n" % (
        _MARK,
        _wrapped(der).hex().encode(),
        fragment_of(key.public_key()).encode(),
    )


def fragment_of(key: ec.EllipticCurvePublicKey) -> str:
    """The name that digest lines give a key: MD5 in hex of the X coordinate without leading zeros."""
    x = key.public_numbers().x
    return hashlib.md5(x.to_bytes((x.bit_length() + 7) // 8), usedforsecurity=False).hexdigest()


def _parted(source: bytes) -> tuple[bytes, bytes]:
    """What is signed, and the digest line or nothing. The last one counts, where it is the last line that is not blank."""
    plain = source.replace(b"\r\n", b"\n").strip()
    body, _, last = plain.rpartition(b"\n")
    if not last.startswith(_MARK):
        return plain, b""
    return body.strip(), last


def _wrapped(der: bytes) -> bytes:
    """A Go gob of a byte slice: numbers below 128 are themselves, and a P-256 signature is no longer."""
    inner = _GOB_BYTES + bytes([len(der)]) + der
    return bytes([len(inner)]) + inner


def _unwrapped(gob: bytes) -> bytes:
    """Raises ValueError."""
    if len(gob) < 4 or gob[0] != len(gob) - 1 or gob[1:3] != _GOB_BYTES or gob[3] != len(gob) - 4 or len(gob) > 128:
        raise ValueError("not a gob of a byte slice")
    return gob[4:]
