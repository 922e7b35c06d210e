"""What a certificate says, read from its DER bytes (RFC 5280), and which host names it covers (RFC 9525). Pure.

A certificate comes from the target, so every field is bounded and nothing here raises for what it holds.
"""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa

from secrecon.model.target import is_ip

MAX_TEXT = 512
MAX_NAMES = 200
MAX_DER = 65_536
UNREADABLE = (
    x509.InvalidVersion,
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    OverflowError,
)


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """The fields of TlsInfo that the certificate alone decides; "" or 0 where one cannot be read."""

    subject: str = ""
    issuer: str = ""
    names: tuple[str, ...] = ()
    not_before: str = ""
    not_after: str = ""
    self_signed: bool = False
    fingerprint_sha256: str = ""
    key_type: str = ""
    key_bits: int = 0
    signature_hash: str = ""


def read_certificate(der: bytes) -> CertificateFacts:
    """What the certificate in `der` says. An unreadable one has only its fingerprint."""
    digest = hashlib.sha256(der).hexdigest() if der else ""
    if not der or len(der) > MAX_DER:
        return CertificateFacts(fingerprint_sha256=digest)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd certificates make cryptography warn; they are what we look for
        try:
            certificate = x509.load_der_x509_certificate(der)
        except UNREADABLE:
            return CertificateFacts(fingerprint_sha256=digest)
        key_type, bits = _key(certificate)
        return CertificateFacts(
            subject=_text(lambda: certificate.subject.rfc4514_string()),
            issuer=_text(lambda: certificate.issuer.rfc4514_string()),
            names=_names(certificate),
            not_before=_text(lambda: certificate.not_valid_before_utc.isoformat()),
            not_after=_text(lambda: certificate.not_valid_after_utc.isoformat()),
            self_signed=_self_signed(certificate),
            fingerprint_sha256=digest,
            key_type=key_type,
            key_bits=bits,
            signature_hash=_text(lambda: getattr(certificate.signature_hash_algorithm, "name", "")),
        )


def covers(names: Sequence[str], host: str) -> bool:
    """True where one of a certificate's `names` stands for `host`; `*` stands for one whole first label."""
    if is_ip(host):
        wanted = ipaddress.ip_address(host)
        return any(is_ip(name) and ipaddress.ip_address(name) == wanted for name in names)
    name = host.rstrip(".").lower()
    parent = name.partition(".")[2]
    lowered = {entry.rstrip(".").lower() for entry in names}
    return name in lowered or ("." in parent and f"*.{parent}" in lowered)


def _text(read: Callable[[], str]) -> str:
    try:
        return read()[:MAX_TEXT]
    except UNREADABLE:
        return ""


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, *UNREADABLE):
        return ()
    found: list[str] = []
    for entry in list(extension.value)[:MAX_NAMES]:
        if isinstance(entry, x509.DNSName | x509.IPAddress):
            with contextlib.suppress(*UNREADABLE):
                found.append(str(entry.value)[:MAX_TEXT])
    return tuple(found)


def _key(certificate: x509.Certificate) -> tuple[str, int]:
    try:
        key = certificate.public_key()
    except UNREADABLE:
        return "", 0
    if isinstance(key, rsa.RSAPublicKey):
        return "RSA", key.key_size
    if isinstance(key, ec.EllipticCurvePublicKey):
        return "EC", key.key_size
    if isinstance(key, dsa.DSAPublicKey):
        return "DSA", key.key_size
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "Ed25519", 256
    if isinstance(key, ed448.Ed448PublicKey):
        return "Ed448", 456
    return type(key).__name__.removesuffix("PublicKey"), 0


def _self_signed(certificate: x509.Certificate) -> bool:
    try:
        if certificate.issuer != certificate.subject:
            return False
        certificate.verify_directly_issued_by(certificate)
    except InvalidSignature:
        return False
    except UNREADABLE:
        return True  # same name on both sides, and a signature too odd to check
    return True
