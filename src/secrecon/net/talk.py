"""Conversations that are not HTTP: bytes over TCP or TLS, what a handshake shows in detail, and DNS answers as text.

Templates of the dns, ssl and tcp protocols need these. Addresses come pinned from the gate; nothing here resolves a
name. Everything read is bounded in bytes and time. Names of TLS facts are those that the templates' language uses.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtensionOID, NameOID

from secrecon.model.errors import ConnectFailed, TargetTimeout, TlsFailed
from secrecon.net.certificates import covers
from secrecon.net.connection import Timeouts, open_socket
from secrecon.net.tls import VERSIONS, handshake, lax, ranged, strict, trust_error

MAX_TOTAL = 4 * 1024 * 1024
FIRST, QUIET = 5.0, 0.4
"""Seconds of silence that end a reading: before its first byte, and after."""
_SHORT = {"TLSv1": "tls10", "TLSv1.1": "tls11", "TLSv1.2": "tls12", "TLSv1.3": "tls13", "SSLv3": "ssl30"}
_WRITTEN = {"ssl30": "TLSv1.0", "sslv3": "TLSv1.0", "tls10": "TLSv1.0", "tls11": "TLSv1.1"} | {
    "tls12": "TLSv1.2",
    "tls13": "TLSv1.3",
}
_SHORTER = {
    NameOID.COMMON_NAME: "CN",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "OU",
    NameOID.ORGANIZATION_NAME: "O",
    NameOID.LOCALITY_NAME: "L",
    NameOID.STATE_OR_PROVINCE_NAME: "ST",
    NameOID.COUNTRY_NAME: "C",
    NameOID.STREET_ADDRESS: "street",
    NameOID.DOMAIN_COMPONENT: "DC",
    NameOID.EMAIL_ADDRESS: "emailAddress",
    NameOID.SERIAL_NUMBER: "serialNumber",
    NameOID.POSTAL_CODE: "postalCode",
}


@dataclass(frozen=True, slots=True)
class Say:
    """Send `data`, then read at most `read` bytes; 0 reads nothing."""

    data: bytes
    read: int = 0


@dataclass(frozen=True, slots=True)
class Said:
    """`reads`: what came after each step that reads, b"" for others; `rest`: what came at the end."""

    reads: tuple[bytes, ...]
    rest: bytes
    address: str


@dataclass(frozen=True, slots=True)
class TlsFacts:
    """What one handshake showed: by name, and as JSON text."""

    facts: dict[str, object] = field(default_factory=dict)
    document: bytes = b""
    address: str = ""


async def converse(
    address: str,
    port: int,
    server_name: str | None,
    steps: Sequence[Say],
    read: int,
    *,
    every: bool,
    timeouts: Timeouts,
) -> Said:
    """Say each step in turn and read what comes. `server_name`: for TLS, None for plain TCP. `every`: read to the end at
    last, not only `read` bytes. Silence ends a reading, not the conversation. Raises ConnectFailed, TargetTimeout,
    TlsFailed."""
    sock = await open_socket(address, port, timeouts.connect)
    until = asyncio.get_running_loop().time() + timeouts.total
    try:
        async with asyncio.timeout_at(until):
            context = None if server_name is None else lax()
            reader, writer = await asyncio.open_connection(sock=sock, ssl=context, server_hostname=server_name)
    except BaseException as error:
        sock.close()
        raise _broken(error, f"{address}:{port}", timeouts.total, tls=server_name is not None) from error
    try:
        ear = _Ear(reader, min(FIRST, timeouts.head), until)
        reads = []
        for step in steps:
            async with asyncio.timeout_at(until):
                writer.write(step.data)
                await writer.drain()
            reads.append(await ear.hear(step.read) if step.read else b"")
        return Said(tuple(reads), await ear.hear(MAX_TOTAL if every else read), address)
    except (OSError, ValueError) as error:
        raise _broken(error, f"{address}:{port}", timeouts.total, tls=False) from error
    finally:
        writer.transport.abort()


def _broken(error: BaseException, where: str, allowed: float, *, tls: bool) -> BaseException:
    if isinstance(error, TimeoutError):
        return TargetTimeout(f"{where} took longer than {allowed:.0f} s", "total")
    if isinstance(error, OSError | ValueError):
        kind = TlsFailed if tls else ConnectFailed
        return kind(f"{where}: {getattr(error, 'strerror', None) or error}")
    return error


class _Ear:
    """Reads of one conversation. `patience`: seconds for a first byte; `until`: when all of it ends (loop time)."""

    def __init__(self, reader: asyncio.StreamReader, patience: float, until: float) -> None:
        self._reader = reader
        self._patience = patience
        self._until = until

    async def hear(self, most: int) -> bytes:
        """At most so many bytes: what comes first, and what follows without a pause."""
        clock = asyncio.get_running_loop()
        parts: list[bytes] = []
        size, most = 0, min(most, MAX_TOTAL)
        while size < most:
            wait = QUIET if parts else self._patience
            try:
                async with asyncio.timeout_at(min(clock.time() + wait, self._until)):
                    part = await self._reader.read(most - size)
            except OSError:  # silence (TimeoutError), or a reset after bytes that count
                break
            if not part:
                break
            parts.append(part)
            size += len(part)
        return b"".join(parts)


async def shake(
    address: str, host: str, port: int, sni: str, limits: tuple[str, str], timeouts: Timeouts, now: float
) -> TlsFacts:
    """A handshake within the versions that `limits` writes ("" for no limit). Raises ConnectFailed, TargetTimeout, and
    TlsFailed where the server does not agree. A second one, which verifies the chain, tells `untrusted`."""
    low, high = (_WRITTEN.get(text, "") for text in limits)
    if limits[1] in ("ssl30", "sslv3"):
        raise TlsFailed(f"{address}:{port}: SSL 3.0 cannot be offered by this machine's TLS library")
    try:
        context = ranged(low or next(iter(VERSIONS)), high or next(reversed(VERSIONS)))
    except ValueError as error:
        raise TlsFailed(f"{address}:{port}: this machine's TLS library cannot offer {limits}: {error}") from error
    der, version, cipher = await handshake(address, port, context, sni or host, timeouts)
    untrusted = await _untrusted(address, port, sni or host, timeouts)
    facts = {
        "host": host,
        "ip": address,
        "port": str(port),
        "probe_status": True,
        "tls_version": _SHORT.get(version, version),
        "cipher": iana_name(cipher),
        "tls_connection": "ctls",
        **({} if untrusted is None else {"untrusted": untrusted}),
        **_certificate(der, host, now),
    }
    return TlsFacts(facts, json.dumps(facts).encode(), address)


async def _untrusted(address: str, port: int, name: str, timeouts: Timeouts) -> bool | None:
    """Whether the chain fails to lead to a root of the system's store; None where that cannot be told."""
    try:
        await handshake(address, port, strict(), name, timeouts)
    except TlsFailed as error:
        return True if trust_error(error.__cause__) is not None else None
    except (ConnectFailed, TargetTimeout):
        return None
    return False


def _certificate(der: bytes, host: str, now: float) -> dict[str, object]:
    """A certificate's facts; none where it cannot be read."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        names = _names(certificate)
        subject, issuer = certificate.subject, certificate.issuer
        before, after = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    except ValueError:
        return {}
    moment = datetime.fromtimestamp(now, UTC)
    common = _first(subject, NameOID.COMMON_NAME)
    every = [*names, common] if common else names
    return {
        "expired": moment > after,
        "self_signed": subject == issuer,
        "mismatched": not covers(every, host),
        "not_before": before.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "not_after": after.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "subject_dn": _written(subject),
        "subject_cn": common,
        "subject_org": [str(item.value) for item in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)],
        "subject_an": names,
        "serial": ":".join(f"{byte:02X}" for byte in _serial(certificate)),
        "issuer_dn": _written(issuer),
        "issuer_cn": _first(issuer, NameOID.COMMON_NAME),
        "issuer_org": [str(item.value) for item in issuer.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)],
        "wildcard_certificate": any(name.startswith("*.") for name in every),
        "fingerprint_hash": {
            "md5": certificate.fingerprint(hashes.MD5()).hex(),  # noqa: S303 - a name, not a seal
            "sha1": certificate.fingerprint(hashes.SHA1()).hex(),  # noqa: S303
            "sha256": certificate.fingerprint(hashes.SHA256()).hex(),
        },
    }


def _serial(certificate: x509.Certificate) -> bytes:
    number = certificate.serial_number
    return number.to_bytes((number.bit_length() + 8) // 8, "big", signed=True).lstrip(b"\0") or b"\0"


def _written(name: x509.Name) -> str:
    """A distinguished name the way ssl templates expect it: the last part first, no escapes (CN=a, O=b, C=US)."""
    parts = [f"{_SHORTER.get(item.oid, item.oid.dotted_string)}={_value(item)}" for item in name]
    return ", ".join(reversed(parts))


def _value(item: x509.NameAttribute[str | bytes]) -> str:
    return item.value if isinstance(item.value, str) else item.value.decode("utf-8", "replace")


def _first(name: x509.Name, oid: x509.ObjectIdentifier) -> str:
    found = name.get_attributes_for_oid(oid)
    return str(found[0].value) if found else ""


def _names(certificate: x509.Certificate) -> list[str]:
    with contextlib.suppress(x509.ExtensionNotFound, ValueError):
        extension = certificate.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
        assert isinstance(extension, x509.SubjectAlternativeName)
        return [
            *extension.get_values_for_type(x509.DNSName),
            *map(str, extension.get_values_for_type(x509.IPAddress)),
        ]
    return []


def iana_name(cipher: str) -> str:
    """OpenSSL's name of a cipher suite as the registry's (`ECDHE-RSA-AES128-GCM-SHA256` is
    `TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256`); one that is already so, or unknown, as it is."""
    if cipher.startswith("TLS_") or not cipher:
        return cipher
    exchange, rest = "RSA", cipher
    for known in ("ECDHE-ECDSA", "ECDHE-RSA", "DHE-RSA", "DHE-DSS", "ADH", "AECDH"):
        if cipher.startswith(known + "-"):
            exchange, rest = known, cipher[len(known) + 1 :]
            break
    exchange = {"ADH": "DH_anon", "AECDH": "ECDH_anon"}.get(exchange, exchange.replace("-", "_"))
    if rest == "CHACHA20-POLY1305":
        return f"TLS_{exchange}_WITH_CHACHA20_POLY1305_SHA256"
    rest = rest.replace("DES-CBC3", "3DES-EDE-CBC").replace("AES128", "AES-128").replace("AES256", "AES-256")
    rest = (
        rest.replace("CAMELLIA128", "CAMELLIA-128").replace("CAMELLIA256", "CAMELLIA-256").replace("RC4", "RC4-128")
    )
    block, _, digest = rest.rpartition("-")
    if not any(mode in block for mode in ("GCM", "CCM", "CBC", "RC4")):
        block += "-CBC"
    return f"TLS_{exchange}_WITH_{block}_{digest}".replace("-", "_")


def message_text(message: dns.message.Message) -> dict[str, bytes]:
    """An answer as text: `raw` all of it, the way dig prints one; `question`, `answer`, `ns` and `extra` its records, with
    tabs between the fields and nothing between the records."""
    sections = {
        "answer": [_lines(rrset) for rrset in message.answer],
        "ns": [_lines(rrset) for rrset in message.authority],
        "extra": [_lines(rrset) for rrset in message.additional],
    }
    flat = {name: [line for lines in found for line in lines] for name, found in sections.items()}
    question = [
        f";{rrset.name}\t{dns.rdataclass.to_text(rrset.rdclass)}\t {dns.rdatatype.to_text(rrset.rdtype)}"
        for rrset in message.question
    ]
    flags = dns.flags.to_text(message.flags).lower()
    counts = f"QUERY: {len(question)}, ANSWER: {len(flat['answer'])}, AUTHORITY: {len(flat['ns'])}"
    head = [
        f";; opcode: {dns.opcode.to_text(message.opcode())}, status: {dns.rcode.to_text(message.rcode())}, id: {message.id}",
        f";; flags: {flags}; {counts}, ADDITIONAL: {len(flat['extra'])}",
    ]
    titles = (("ANSWER", "answer"), ("AUTHORITY", "ns"), ("ADDITIONAL", "extra"))
    head += ["", ";; QUESTION SECTION:", *question] if question else []
    for title, name in titles:
        head += ["", f";; {title} SECTION:", *flat[name]] if flat[name] else []
    found = {name: "".join(lines).encode("utf-8", "replace") for name, lines in flat.items()}
    return {
        **found,
        "question": "".join(question).encode(),
        "raw": ("\n".join(head) + "\n").encode("utf-8", "replace"),
    }


def _lines(rrset: dns.rrset.RRset) -> list[str]:
    name, kind = str(rrset.name), dns.rdatatype.to_text(rrset.rdtype)
    return [f"{name}\t{rrset.ttl}\t{dns.rdataclass.to_text(rrset.rdclass)}\t{kind}\t{item}" for item in rrset]
