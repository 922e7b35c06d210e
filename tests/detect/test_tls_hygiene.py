"""Certificates and protocols: each fault once, and none on a sound set-up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from secrecon.detect.tls_hygiene import judge_tls
from secrecon.model.asset import TlsInfo
from secrecon.model.target import Origin

ORIGIN = Origin("https", "a.test", 8443)
NOW = 1_795_000_000.0  # November 2026
GOOD = TlsInfo(
    version="TLSv1.3",
    cipher="TLS_AES_256_GCM_SHA384",
    subject="CN=a.test",
    issuer="CN=Some Authority",
    names=("a.test",),
    not_before="2026-10-01T00:00:00+00:00",
    not_after="2027-01-01T00:00:00+00:00",
    self_signed=False,
    trusted=True,
    trust_error="",
    fingerprint_sha256="0" * 64,
    key_type="RSA",
    key_bits=2048,
    signature_hash="sha256",
    protocols=("TLSv1.2", "TLSv1.3"),
)


def checks(info: TlsInfo) -> set[str]:
    return {finding.check.removeprefix("tls.") for finding in judge_tls(ORIGIN, info, NOW)}


def test_a_sound_set_up_gives_nothing() -> None:
    assert checks(GOOD) == set()
    assert checks(replace(GOOD, key_type="EC", key_bits=256)) == set()
    assert checks(replace(GOOD, key_type="Ed25519", key_bits=256)) == set()


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"not_after": "2026-11-01T00:00:00+00:00", "trusted": False, "trust_error": "certificate has expired"}, {"expired"}),
        ({"not_before": "2027-11-01T00:00:00+00:00", "trusted": False, "trust_error": "not yet valid"}, {"expired"}),
        ({"self_signed": True, "trusted": False, "trust_error": "self-signed certificate"}, {"self-signed"}),
        ({"trusted": False, "trust_error": "unable to get local issuer certificate"}, {"untrusted"}),
        ({"trusted": False, "trust_error": "self-signed certificate in certificate chain"}, {"untrusted"}),
        ({"trusted": False, "trust_error": "name mismatch: the certificate does not cover a.test"}, {"name-mismatch"}),
        (
            {"trusted": False, "trust_error": "unable to get local issuer certificate; name mismatch: x"},
            {"untrusted", "name-mismatch"},
        ),
        ({"protocols": ("TLSv1.0", "TLSv1.2")}, {"old-protocol"}),
        ({"key_bits": 1024, "trusted": False, "trust_error": "EE certificate key too weak"}, {"weak-key"}),
        ({"signature_hash": "sha1"}, {"weak-key"}),
        ({"key_bits": 0, "signature_hash": "", "not_after": "", "names": ()}, set()),
    ],
)  # fmt: skip
def test_each_fault_is_told_once(change: dict[str, object], found: set[str]) -> None:
    assert checks(replace(GOOD, **change)) == found  # type: ignore[arg-type]


def test_evidence_is_readable_and_replayable() -> None:
    (finding,) = judge_tls(ORIGIN, replace(GOOD, subject="CN=\x1b[31m", protocols=("TLSv1.1",)), NOW)
    assert "\x1b" not in finding.evidence[0].response
    assert finding.evidence[0].curl == "openssl s_client -connect a.test:8443 -servername a.test </dev/null"
    assert finding.asset == "https://a.test:8443"
    assert finding.location == ""
