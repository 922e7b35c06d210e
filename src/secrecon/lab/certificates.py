"""The lab's certificates and TLS set-ups, made when it starts: one good one, and one for each mistake.

All but the self-signed one come from a certificate authority that exists for this run only; its certificate is written
to `ca.pem` so that a scan can be told to trust it. No key here ever leaves the lab's data directory.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
import warnings
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

GOOD, EXPIRED, SELF_SIGNED, WRONG_NAME, OLD, WEAK = "good", "expired", "self-signed", "wrong-name", "old", "weak"
DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Authority:
    """The lab's certificate authority."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    folder: Path
    now: dt.datetime

    @property
    def ca_file(self) -> Path:
        """Where its certificate is, as PEM."""
        return self.folder / "ca.pem"

    def context(self, kind: str, name: str, address: str) -> ssl.SSLContext:
        """A server's TLS set-up of one kind (the constants above) for `name` at `address`."""
        key: Key = _weak_key() if kind == WEAK else ec.generate_private_key(ec.SECP256R1())
        shown = f"elsewhere.{name}" if kind == WRONG_NAME else name
        alternatives: list[x509.GeneralName] = [x509.DNSName(shown)]
        if kind != WRONG_NAME:
            alternatives.append(x509.IPAddress(ipaddress.ip_address(address)))
        until = self.now - 3 * DAY if kind == EXPIRED else self.now + 90 * DAY
        builder = (
            x509.CertificateBuilder()
            .subject_name(_subject(shown))
            .issuer_name(_subject(shown) if kind == SELF_SIGNED else self.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(until - 120 * DAY)
            .not_valid_after(until)
            .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        )
        signer = key if kind == SELF_SIGNED else self.key
        certificate = builder.sign(signer, hashes.SHA256())
        chain = _write(self.folder / f"{name}.pem", certificate, key)
        return _server_context(chain, kind)


def make_authority(folder: Path, now: dt.datetime) -> Authority:
    """A fresh authority whose certificate is written to `folder`/ca.pem."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _subject("SecRecon lab authority")
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + 365 * DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    authority = Authority(certificate, key, folder, now)
    authority.ca_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return authority


def throwaway_key() -> str:
    """A private key in PEM that was made just now and protects nothing: what the leaked-key page shows."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem.decode("ascii")


def throwaway_public_key() -> str:
    """The public half of such a key: what the twin shows."""
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return pem.decode("ascii")


def _weak_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 1024)


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _write(path: Path, certificate: x509.Certificate, key: Key) -> Path:
    path.touch(mode=0o600)
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return path


def _server_context(chain: Path, kind: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if kind in (OLD, WEAK):
        context.set_ciphers("ALL:@SECLEVEL=0")
    if kind == OLD:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(chain)
    return context
