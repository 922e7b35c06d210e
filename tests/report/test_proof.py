"""A bundle as it was signed is good; any change in it is named; what is no bundle is refused before it is used."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from tests.report.conftest import make_finding, make_record, records

from secrecon.model.chain import START, link
from secrecon.model.errors import BadInput
from secrecon.model.record import JsonValue, ScanEvent, ScanRecord
from secrecon.report import build
from secrecon.report import proof as checking
from secrecon.report.bundle import EVENTS, MANIFEST, REPORT, SIGNATURE, Permission, Signer, make_bundle
from secrecon.report.proof import Proof, check_bundle

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
OTHER = Ed25519PrivateKey.from_private_bytes(b"o" * 32)
ALLOWED = Permission("key:ada@acme.test", "2026-11-23T19:30:00.000Z", "ops@acme.test (operator)")
RECORD = make_record(make_finding(), make_finding("exposure.env", location="/.env"))


def signer(key: Ed25519PrivateKey) -> Signer:
    return Signer(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw), key.sign)


def chained(count: int = 3) -> list[tuple[ScanEvent, str]]:
    events, previous = [], START
    for seq in range(1, count + 1):
        data: dict[str, JsonValue] = {"phase": "resolve", "n": seq, "x": 0.1}
        previous = link(previous, seq, 1000.5 + seq, "progress", data)
        events.append((ScanEvent(seq, 1000.5 + seq, "progress", data), previous))
    return events


def bundle(record: ScanRecord = RECORD, key: Ed25519PrivateKey = KEY) -> bytes:
    return make_bundle(record, build(record), chained(), ALLOWED, signer(key))


def check(content: bytes, key: str | None = None) -> Proof:
    return check_bundle(io.BytesIO(content), len(content), key)


def packed(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def unpacked(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def changed(change: Callable[[dict[str, bytes]], None]) -> Proof:
    files = unpacked(bundle())
    change(files)
    return check(packed(files))


def test_a_bundle_is_as_it_was_signed() -> None:
    proof = check(bundle())
    assert (proof.good, proof.changes, proof.trusted) == (True, (), None)
    assert (proof.events, proof.allowed_by) == (3, "ops@acme.test (operator)")
    assert proof.key == signer(KEY).public.hex()
    assert check(bundle(), proof.key).trusted is True
    refused = check(bundle(), signer(OTHER).public.hex())
    assert (refused.good, refused.trusted) == (False, False)


@given(records())
def test_every_scan_has_a_bundle_the_same_each_time(record: ScanRecord) -> None:
    made = bundle(record)
    assert made == bundle(record)
    assert check(made).good


def test_the_manifest_says_what_mattered() -> None:
    manifest = json.loads(unpacked(bundle())[MANIFEST])
    assert manifest["engine"] == {
        "version": RECORD.engine.version,
        "rules_digest": RECORD.engine.rules_digest,
    }
    assert manifest["allowed_by"]["active_checks_authorized_by"] == "ops@acme.test (operator)"
    assert manifest["scope"]["target"] == RECORD.spec.target.url
    assert [feed["name"] for feed in manifest["feeds"]] == ["CISA KEV", "NVD"]
    assert manifest["settings"]["budget"]["requests"] == RECORD.spec.budget.requests


def _severity(files: dict[str, bytes]) -> None:
    document = json.loads(files[REPORT])
    document["findings"][0]["severity"] = "low"
    files[REPORT] = json.dumps(document).encode()


def _letter(files: dict[str, bytes]) -> None:
    files[REPORT] = files[REPORT].replace(b'"risk_score": "', b'"risk_score": " ', 1)


def _event(files: dict[str, bytes]) -> None:
    files[EVENTS] = files[EVENTS].replace(b'"n": 2', b'"n": 9')


def _no_event(files: dict[str, bytes]) -> None:
    files[EVENTS] = b"".join(files[EVENTS].splitlines(keepends=True)[:-1])


def _swapped(files: dict[str, bytes]) -> None:
    files[EVENTS] = b"".join(files[EVENTS].splitlines(keepends=True)[::-1])


def _manifest(files: dict[str, bytes]) -> None:
    files[MANIFEST] = files[MANIFEST].replace(b"ops@acme.test", b"eve@acme.test")


def _evidence(files: dict[str, bytes]) -> None:
    files.pop(next(name for name in files if name.startswith("evidence/")))


def _signature(files: dict[str, bytes]) -> None:
    files[SIGNATURE] = unpacked(bundle(key=OTHER))[SIGNATURE].replace(
        signer(OTHER).public.hex().encode(), signer(KEY).public.hex().encode()
    )


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_severity, "report.json: the finding "),
        (_letter, "report.json: the findings are as they were signed; something else was changed"),
        (_event, "events.jsonl: event 2 (progress) is not as it was written"),
        (_no_event, "events.jsonl: ends after 2 events, and the manifest names 3"),
        (_swapped, "events.jsonl: line 1 holds event 3"),
        (_manifest, "manifest.json: was changed after it was signed"),
        (_evidence, ": was removed"),
        (lambda files: files.update({"evidence/more.txt": b"x"}), "evidence/more.txt: was added"),
        (lambda files: files.update({REPORT: b"{"}), "report.json: cannot be read as a report any more"),
        (_signature, "nothing it says is proven"),
    ],
)
def test_each_change_is_named(change: Callable[[dict[str, bytes]], None], told: str) -> None:
    proof = changed(change)
    assert not proof.good
    assert any(told in line for line in proof.changes), proof.changes


@given(st.data())
def test_no_byte_can_be_changed_unseen(data: st.DataObject) -> None:
    made = bytearray(bundle())
    at = data.draw(st.integers(0, len(made) - 1))
    made[at] ^= data.draw(st.integers(1, 255))
    try:
        proof = check(bytes(made))
    except BadInput:
        return
    assert not proof.good or unpacked(bytes(made)) == unpacked(bundle()), at


def _zip_of(name: str, content: bytes = b"x", mode: int = 0) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        entry = zipfile.ZipInfo(name)
        entry.external_attr = mode << 16
        archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _twice() -> bytes:
    """Two entries of one name: written under two names of the same length, then renamed in the bytes."""
    return packed({MANIFEST: b"{}", "manifest.jsoN": b"{}"}).replace(b"manifest.jsoN", MANIFEST.encode())


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no bundle, or it is damaged"),
        (b"PK\x03\x04" + b"\0" * 100, "no bundle, or it is damaged"),
        (_zip_of("../../etc/passwd"), "a name that no bundle has"),
        (_zip_of("/etc/passwd"), "a name that no bundle has"),
        (_zip_of("evidence/../x"), "a name that no bundle has"),
        (_zip_of("a\\b"), "a name that no bundle has"),
        (_zip_of("evidence/"), "a name that no bundle has"),
        (_zip_of("link", mode=0o120777), "no plain file"),
        (_zip_of("bomb.txt", b"\0" * 3_000_000), "more than a bundle can"),
        (_zip_of("note.txt"), "manifest.json or signature.json is missing"),
        (packed({MANIFEST: b"{}", SIGNATURE: b"{}"}), "manifest.json cannot be read"),
        (packed({MANIFEST: b"[" * 100_000, SIGNATURE: b"{}"}), "manifest.json cannot be read"),
        (_twice(), "twice"),
        (bundle() + b"more", "does not end as one"),
        (b"more" + bundle(), "put together anew"),
        (bundle()[:-30], "no bundle, or it is damaged"),
    ],
)
def test_what_is_no_bundle_is_refused(content: bytes, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        check(content)


def test_more_entries_and_bytes_than_a_bundle_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "MAX_ENTRIES", 3)
    with pytest.raises(BadInput, match="lists more entries than a bundle holds"):
        check(bundle())
    with pytest.raises(BadInput, match="larger than"):
        check_bundle(io.BytesIO(b""), checking.MAX_FILE + 1)


def test_events_of_older_versions_have_no_chain() -> None:
    events = [(ScanEvent(1, 1.0, "progress", {}), ""), *[(replace(e, seq=e.seq + 1), "") for e, _ in chained(1)]]
    made = make_bundle(RECORD, build(RECORD), events, ALLOWED, signer(KEY))
    assert check(made).good


def test_a_list_of_entries_that_is_too_large_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hostile file of a gigabyte may be nothing but names; the library would hold them all."""
    names = packed({f"evidence/{number:05}.txt": b"" for number in range(300)})
    zip64 = names[:-22] + b"PK\6\7" + b"\0" * 16 + names[-22:]
    monkeypatch.setattr(checking, "MAX_DIRECTORY", 10_000)
    monkeypatch.setattr(zipfile, "ZipFile", None)
    for content in (names, zip64):
        with pytest.raises(BadInput, match="lists more entries"):
            check(content)
