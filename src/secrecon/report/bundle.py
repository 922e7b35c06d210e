"""The signed bundle: a report, its evidence, its event log and a manifest in one zip file that anybody can check offline.

    manifest.json      what was scanned with what, who allowed it, and the sha256 of every other file
    signature.json     Ed25519 (RFC 8032) over exactly the bytes of the manifest, and the public key
    report.json, report.html, events.jsonl, evidence/NNNN-FINGERPRINT.txt

Pure: the key's signature is passed in, and the same scan makes the same bytes. `proof` reads it back and believes nothing.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

from secrecon.model.chain import START
from secrecon.model.record import JsonValue, ScanEvent, ScanRecord
from secrecon.report.document import Report, ReportFinding
from secrecon.report.jsonform import finding_document, to_json
from secrecon.report.page import to_html
from secrecon.report.text import iso, line

FORMAT = "secrecon-bundle/1"
CONTEXT = b"secrecon-bundle/1\0"
"""What is signed begins with this, so that no signature for something else fits."""
MANIFEST, SIGNATURE, REPORT, PAGE, EVENTS = (
    "manifest.json",
    "signature.json",
    "report.json",
    "report.html",
    "events.jsonl",
)
MEDIA_TYPE = "application/zip"
_LONG_AGO = (1980, 1, 1, 0, 0, 0)
Json = dict[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Permission:
    """Who asked for the scan, when (ISO 8601), and who allowed active checks; "" where that is not known."""

    submitted_by: str
    submitted_at: str
    authorized_by: str


@dataclass(frozen=True, slots=True)
class Signer:
    """The installation's key: its public half (32 bytes) and a function that signs."""

    public: bytes
    sign: Callable[[bytes], bytes]


def make_bundle(
    record: ScanRecord,
    report: Report,
    events: Sequence[tuple[ScanEvent, str]],
    permission: Permission,
    signer: Signer,
) -> bytes:
    """The zip file. `events`: with their digests, in order."""
    files = {REPORT: to_json(report), PAGE: to_html(report), EVENTS: _lines(events)}
    for number, finding in enumerate(report.facts.findings, 1):
        files[f"evidence/{number:04}-{finding.fingerprint}.txt"] = _evidence(finding)
    manifest = manifest_of(record, report, events, permission)
    manifest["files"] = [
        {"name": name, "bytes": len(content), "sha256": sha256(content)} for name, content in sorted(files.items())
    ]
    manifest_bytes = _pretty(manifest)
    signature: Json = {
        "algorithm": "Ed25519",
        "signs": MANIFEST,
        "public_key": signer.public.hex(),
        "signature": base64.b64encode(signer.sign(CONTEXT + manifest_bytes)).decode("ascii"),
    }
    return _zip({MANIFEST: manifest_bytes, SIGNATURE: _pretty(signature), **dict(sorted(files.items()))})


def manifest_of(
    record: ScanRecord, report: Report, events: Sequence[tuple[ScanEvent, str]], permission: Permission
) -> Json:
    """What was done, with what, where, and who allowed it; without the list of files."""
    facts, spec = report.facts, record.spec
    chained = [(event, digest) for event, digest in events if digest]
    return {
        "format": FORMAT,
        "scan": {
            "scan_id": facts.scan_id,
            "db_scan_id": facts.db_scan_id,
            "status": str(facts.status),
            "cancelled": facts.cancelled,
            "created_at": facts.created,
            "started_at": facts.started,
            "finished_at": facts.finished,
            "report_version": facts.version,
            "risk_score": report.risk_score,
        },
        "allowed_by": {
            "submitted_by": line(permission.submitted_by, 400),
            "submitted_at": permission.submitted_at,
            "active_checks_authorized_by": line(permission.authorized_by, 400),
        },
        "scope": {
            "target": facts.target,
            "target_kind": facts.target_kind,
            "exceptions": [line(entry, 300) for entry in spec.allow],
        },
        "settings": {
            "mode": str(spec.mode),
            "touch": str(spec.touch),
            "budget": {name: float(value) for name, value in asdict(spec.budget).items()},
            "callbacks": None if facts.self_test is None else {**asdict(facts.self_test)},
        },
        "engine": {"version": facts.engine_version, "rules_digest": facts.rules_digest},
        "feeds": [{"name": f.name, "date": f.date, "rows": f.rows, "digest": f.digest} for f in facts.feeds],
        "findings": [
            {"fingerprint": f.fingerprint, "title": f.title, "sha256": finding_digest(finding_document(f))}
            for f in facts.findings
        ],
        "event_log": {
            "events": len(events),
            "unchained": len(events) - len(chained),
            "head": chained[-1][1] if chained else START,
        },
    }


def finding_digest(document: Mapping[str, JsonValue]) -> str:
    """sha256 of a finding as reports write it, so that a changed report tells which finding was changed."""
    return sha256(
        json.dumps(dict(document), sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")
    )


def sha256(content: bytes) -> str:
    """Hex."""
    return hashlib.sha256(content).hexdigest()


def _lines(events: Sequence[tuple[ScanEvent, str]]) -> bytes:
    written = [
        json.dumps(
            {"seq": e.seq, "at": e.at, "kind": e.kind, "data": dict(e.data), "digest": digest},
            sort_keys=True,
            ensure_ascii=True,
        )
        for e, digest in events
    ]
    return "".join(text + "\n" for text in written).encode("ascii")


def _evidence(finding: ReportFinding) -> bytes:
    """A finding's evidence as plain text; what came from the target is made safe to show already."""
    parts = [
        f"{finding.title}\n{finding.severity}, {finding.check}\n{finding.place}",
        f"First seen {finding.first_seen}, last seen {finding.last_seen}; status {finding.status}",
    ]
    for number, item in enumerate(finding.evidence, 1):
        parts.append(f"Evidence {number} of {len(finding.evidence)} ({item.kind}): {item.summary}")
        named = (
            ("Request", item.request),
            ("Response", item.response),
            ("What proves it", item.matcher),
            ("Callback", item.callback),
            ("Replay", item.curl),
        )
        parts += [f"{name}:\n{text}" for name, text in named if text]
    return ("\n\n".join(parts) + "\n").encode("utf-8")


def _pretty(document: Json) -> bytes:
    return json.dumps(document, ensure_ascii=True, allow_nan=False, indent=2).encode("ascii") + b"\n"


def _zip(files: Mapping[str, bytes]) -> bytes:
    """No times, no owners: the same files make the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, _LONG_AGO)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system, entry.external_attr = 3, 0o100644 << 16
            archive.writestr(entry, content)
    return buffer.getvalue()


def name_of(report: Report) -> str:
    """The bundle's file name."""
    host = report.facts.target.split("://", 1)[-1].split("/", 1)[0]
    safe = "".join(c if c.isascii() and (c.isalnum() or c in ".-") else "-" for c in host).strip(".-")[:60]
    return f"secrecon-{safe or 'target'}-{report.facts.db_scan_id}.bundle.zip"


def moment(at: float | None) -> str:
    """Epoch seconds as ISO 8601, "" where unknown."""
    return "" if at is None else iso(at)
