"""TLS handshakes: the contexts we connect with, what a server's handshake shows, and which versions it accepts.

A scanner must talk to servers that no browser would, so nothing is verified in order to connect: no trust, old
versions and weak keys allowed as far as OpenSSL still can. Trust is judged beside it, by a handshake that verifies
the chain against the system's store, and reported in TlsInfo. Names are compared by us.
"""

from __future__ import annotations

import ssl
import warnings
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from pathlib import Path

from secrecon.model.asset import TlsInfo
from secrecon.model.errors import ConnectFailed, TargetError, TargetTimeout, TlsFailed
from secrecon.net.certificates import covers, read_certificate
from secrecon.net.connection import Timeouts, open_connection

CIPHERS = "ALL:@SECLEVEL=0"
LEGACY_SERVER_CONNECT = 0x4
VERSIONS: dict[str, ssl.TLSVersion] = {
    "TLSv1.0": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}
MAX_REASON = 200
MAX_ADDRESSES = 4


def _base() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers(CIPHERS)
    context.options |= LEGACY_SERVER_CONNECT | getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_alpn_protocols(["http/1.1"])
    return context


@cache
def lax() -> ssl.SSLContext:
    """Connects to anything."""
    return _base()


@cache
def strict() -> ssl.SSLContext:
    """The same, but the chain must lead to a root of the system's store. The name is not compared here."""
    context = _base()
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_default_certs()
    return context


def trust_also(file: Path) -> None:
    """Count the authorities in `file` (PEM) as trusted in this process. Raises OSError (ssl.SSLError is one)."""
    strict().load_verify_locations(file)


@cache
def only(version: str) -> ssl.SSLContext:
    """Offers exactly one protocol version. Raises ValueError where this OpenSSL cannot."""
    return ranged(version, version)


@cache
def ranged(lowest: str, highest: str) -> ssl.SSLContext:
    """Offers the versions from one to another. Raises ValueError where this OpenSSL cannot."""
    context = _base()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # old versions are the point
        context.minimum_version = VERSIONS[lowest]
        context.maximum_version = VERSIONS[highest]
    return context


def trust_error(error: BaseException | None) -> str | None:
    """Why the chain is not trusted, or None where `error` is not about that."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return str(error.verify_message or error.reason or "certificate verify failed")[:MAX_REASON]
    return None


@lru_cache(maxsize=256)
def describe(
    shown: tuple[bytes, str, str], host: str, chain_error: str, protocols: tuple[str, ...] = ()
) -> TlsInfo:
    """`shown` (certificate, version, cipher) as facts. `chain_error`: "" where the chain was verified."""
    der, version, cipher = shown
    facts = read_certificate(der)
    errors = [chain_error] if chain_error else []
    if not covers(facts.names, host):
        errors.append(f"name mismatch: the certificate does not cover {host}")
    return TlsInfo(
        version=version,
        cipher=cipher,
        subject=facts.subject,
        issuer=facts.issuer,
        names=facts.names,
        not_before=facts.not_before,
        not_after=facts.not_after,
        self_signed=facts.self_signed,
        trusted=not errors,
        trust_error="; ".join(errors),
        fingerprint_sha256=facts.fingerprint_sha256,
        key_type=facts.key_type,
        key_bits=facts.key_bits,
        signature_hash=facts.signature_hash,
        protocols=protocols,
    )


async def handshake(
    address: str, port: int, context: ssl.SSLContext, server_name: str, timeouts: Timeouts
) -> tuple[bytes, str, str]:
    """One handshake, closed at once: certificate (DER), version, cipher. Raises as `open_connection` does."""
    connection = await open_connection(address, port, timeouts, context, server_name)
    try:
        return connection.certificate()
    finally:
        connection.close()


async def inspect(
    addresses: Sequence[str], host: str, port: int, timeouts: Timeouts, spend: Callable[[], object]
) -> TlsInfo:
    """Certificate, trust and accepted versions of host:port, in at most 2 + len(VERSIONS) handshakes per address tried.

    `spend` is called before each handshake and may raise. Raises ConnectFailed, TargetTimeout or TlsFailed where
    not even one handshake succeeds, or where the server stops accepting connections half-way.
    """
    address, shown = await _first(addresses, port, host, timeouts, spend)
    spend()
    try:
        await handshake(address, port, strict(), host, timeouts)
        chain_error = ""
    except TlsFailed as error:
        chain_error = trust_error(error.__cause__) or f"the chain could not be verified: {error}"
    accepted: list[str] = []
    for version in VERSIONS:
        spend()
        if await _accepts(address, port, host, version, timeouts):
            accepted.append(version)
    return describe(shown, host, chain_error, tuple(accepted))


async def _first(
    addresses: Sequence[str], port: int, host: str, timeouts: Timeouts, spend: Callable[[], object]
) -> tuple[str, tuple[bytes, str, str]]:
    """The first address with which a handshake succeeds, and what it showed."""
    failure: TargetError = ConnectFailed(f"{host}:{port} has no address to connect to")
    for address in addresses[:MAX_ADDRESSES]:
        spend()
        try:
            return address, await handshake(address, port, lax(), host, timeouts)
        except (ConnectFailed, TargetTimeout) as error:
            failure = error
    raise failure


async def _accepts(address: str, port: int, host: str, version: str, timeouts: Timeouts) -> bool:
    """Whether the server completes a handshake of exactly `version`; silence counts as no."""
    try:
        await handshake(address, port, only(version), host, timeouts)
    except TlsFailed:
        return False
    except TargetTimeout as error:
        if error.stage == "tls":
            return False
        raise
    return True
