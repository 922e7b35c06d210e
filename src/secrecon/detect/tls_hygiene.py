"""What a TLS handshake shows that should not be so: certificates that browsers refuse, old protocols, weak keys.

Each root cause is told once. OpenSSL stops at the first fault of a chain, so an expired, self-signed or weak
certificate that is "untrusted" for that very reason is not reported as untrusted too. Facts come from a `TlsInfo`; no
handshake is made here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from secrecon.detect.evidence import printable
from secrecon.model.asset import TlsInfo
from secrecon.model.confidence import Ground, confidence
from secrecon.model.finding import Evidence, EvidenceLevel, Finding, Severity
from secrecon.model.target import Origin

EXPIRED, SELF_SIGNED, UNTRUSTED = "tls.expired", "tls.self-signed", "tls.untrusted"
MISMATCH, OLD, WEAK = "tls.name-mismatch", "tls.old-protocol", "tls.weak-key"
CHECKS = (EXPIRED, SELF_SIGNED, UNTRUSTED, MISMATCH, OLD, WEAK)
MIN_BITS = {"RSA": 2048, "DSA": 2048, "EC": 224}
_OLD = ("SSLv2", "SSLv3", "TLSv1", "TLSv1.0", "TLSv1.1")
_WEAK_HASHES = ("md5", "sha1", "md2", "md4")
_NAME = "name mismatch"
_OWN_REASONS = (
    "expired",
    "not yet valid",
    "self-signed",
    "self signed",
    "too weak",
    "too small",
    "hostname mismatch",
)


@dataclass(frozen=True, slots=True)
class _Text:
    title: str
    severity: Severity
    impact: str
    remediation: str
    cwe: tuple[str, ...]


_REFUSED = (
    "Browsers refuse the site; visitors who get used to clicking the warning away cannot tell an attacker apart."
)
_TEXTS = {
    EXPIRED: _Text(
        "The certificate is outside its dates", Severity.MEDIUM, _REFUSED,
        "Install a current certificate and renew it automatically (ACME).", ("CWE-298",),
    ),
    SELF_SIGNED: _Text(
        "The certificate signed itself", Severity.MEDIUM, _REFUSED,
        "Install a certificate from an authority that browsers trust.", ("CWE-295",),
    ),
    UNTRUSTED: _Text(
        "The certificate's issuer is not trusted", Severity.MEDIUM, _REFUSED,
        "Install a certificate from a trusted authority, and send the intermediate certificates with it. Where the "
        "authority is your own, add it to the scanner's trust store.", ("CWE-295",),
    ),
    MISMATCH: _Text(
        "The certificate is for another name", Severity.MEDIUM, _REFUSED,
        "Install a certificate that names this host among its subject alternative names.", ("CWE-297",),
    ),
    OLD: _Text(
        "Old TLS versions are accepted", Severity.LOW,
        "TLS 1.0 and 1.1 rest on weak hashes and are refused by browsers (RFC 8996).",
        "Accept TLS 1.2 and 1.3 only.", ("CWE-326", "CWE-327"),
    ),
    WEAK: _Text(
        "The certificate's key or signature is weak", Severity.MEDIUM,
        "With enough means the key can be found or a certificate forged.",
        "Make a new key (RSA with at least 2048 bits, or P-256) and a certificate signed with SHA-256.", ("CWE-326",),
    ),
}  # fmt: skip


def judge_tls(origin: Origin, info: TlsInfo, now: float) -> tuple[Finding, ...]:
    """Everything wrong with the TLS of `origin`. `now`: seconds since the epoch."""
    told = tuple(_told(info, now))
    return tuple(_finding(check, origin, info, words) for check, words in told)


def _told(info: TlsInfo, now: float) -> Iterable[tuple[str, str]]:
    dates = _outside_dates(info, now)
    if dates:
        yield EXPIRED, dates
    chain = [part.strip() for part in info.trust_error.split(";") if part.strip()]
    weak = _weak(info)
    if info.self_signed:
        yield SELF_SIGNED, "issuer and subject are the same, and the certificate is signed with its own key"
    elif not info.trusted and not dates:
        other = [part for part in chain if not part.lower().startswith(_NAME)]
        if other and not (weak and "weak" in other[0].lower()) and not _own_reason(other[0]):
            yield UNTRUSTED, f"verification failed: {other[0]}"
    if any(part.lower().startswith((_NAME, "hostname mismatch")) for part in chain):
        yield MISMATCH, f"the certificate covers {', '.join(info.names[:10]) or 'no name'}"
    old = [version for version in info.protocols if version in _OLD]
    if old:
        yield OLD, f"a handshake succeeded with {', '.join(old)}"
    if weak:
        yield WEAK, weak


def _own_reason(text: str) -> bool:
    """Whether a chain's fault is one that has a check of its own ("self-signed certificate in certificate chain" is
    an authority nobody knows, and so no such)."""
    lowered = text.lower()
    return "in certificate chain" not in lowered and any(reason in lowered for reason in _OWN_REASONS)


def _outside_dates(info: TlsInfo, now: float) -> str:
    """In words how the dates are wrong; "" where they are right or cannot be read."""
    after, before = _time(info.not_after), _time(info.not_before)
    if after is not None and now > after:
        return f"not valid after {info.not_after}"
    if before is not None and now < before:
        return f"not valid before {info.not_before}"
    return ""


def _time(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _weak(info: TlsInfo) -> str:
    least = MIN_BITS.get(info.key_type, 0)
    if 0 < info.key_bits < least:
        return f"a {info.key_type} key of {info.key_bits} bits"
    if not info.self_signed and info.signature_hash.lower() in _WEAK_HASHES:
        return f"a signature with {info.signature_hash.upper()}"
    return ""


def _finding(check: str, origin: Origin, info: TlsInfo, words: str) -> Finding:
    text = _TEXTS[check]
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    facts = [
        f"subject: {info.subject}",
        f"issuer: {info.issuer}",
        f"names: {', '.join(info.names[:20])}",
        f"valid: {info.not_before} to {info.not_after}",
        f"key: {info.key_type} {info.key_bits} bits, signature hash {info.signature_hash}",
        f"sha256: {info.fingerprint_sha256}",
        f"negotiated: {info.version} {info.cipher}; accepted: {', '.join(info.protocols)}",
        f"verification: {info.trust_error or 'trusted'}",
    ]
    evidence = Evidence(
        kind="tls",
        summary=printable(f"{origin.host}:{origin.port}: {words}")[:500],
        request=f"TLS handshake with {host}:{origin.port}, server name {origin.host}",
        response=printable("\n".join(fact[:400] for fact in facts)),
        matcher=printable(words)[:500],
        curl=f"openssl s_client -connect {host}:{origin.port} -servername {origin.host} </dev/null",
    )
    return Finding(
        check=check,
        title=text.title,
        severity=text.severity,
        asset=str(origin),
        location="",
        evidence_level=EvidenceLevel.BEHAVIOUR,
        confidence=confidence(Ground.HANDSHAKE),
        evidence=(evidence,),
        description=f"The TLS handshake with this service showed: {evidence.matcher}.",
        impact=text.impact,
        remediation=text.remediation,
        cwe=text.cwe,
    )
