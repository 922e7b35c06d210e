"""Checks a bundle: who signed it, and every later change, named precisely. Offline, and trusting nothing in the file.

A file whose shape is not that of our bundles (too large, a bomb, names that lead elsewhere, duplicates, links, encryption)
is refused as a whole before anything of it is used. Nothing is ever written to disk. Pure over a seekable file.
"""

from __future__ import annotations

import base64
import json
import re
import stat
import zipfile
import zlib
from dataclasses import dataclass
from typing import BinaryIO, TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from secrecon.model.chain import START, link
from secrecon.model.errors import BadInput
from secrecon.report.bundle import CONTEXT, EVENTS, FORMAT, MANIFEST, REPORT, SIGNATURE, finding_digest, sha256
from secrecon.report.text import line

MAX_FILE = 1_000_000_000
MAX_ENTRIES = 60_000
MAX_ENTRY = 800_000_000
MAX_MANIFEST = 64_000_000
MAX_TOTAL = 2_000_000_000
MAX_RATIO = 400
"""Times that contents may be larger than the file they came in: text shrinks to a fiftieth, bombs to a thousandth."""
MAX_TOLD = 50
END_RECORD, ZIP64_LOCATOR = 22, 20
MAX_DIRECTORY = MAX_ENTRIES * 200
"""Bytes of the list of entries: it is read whole before anything of it can be judged."""
T = TypeVar("T", bound=BaseModel)
_NAME = re.compile(r"(?:evidence/)?[a-z0-9][a-z0-9._-]{0,120}")


@dataclass(frozen=True, slots=True)
class Proof:
    """What a check came to. `changes`: every difference, in words, none where the bundle is as it was signed.

    `key`: hex of the public key in the file. `trusted`: it is the key that was asked for; None where none was.
    """

    key: str
    trusted: bool | None
    changes: tuple[str, ...]
    target: str
    scan_id: str
    finished: str
    version: int
    allowed_by: str
    files: int
    events: int

    @property
    def good(self) -> bool:
        """True where nothing was changed and the key is not another than the one asked for."""
        return not self.changes and self.trusted is not False


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _File(_Part):
    name: str
    bytes: int
    sha256: str


class _Finding(_Part):
    fingerprint: str
    title: str
    sha256: str


class _Log(_Part):
    events: int
    unchained: int
    head: str


class _Scan(_Part):
    scan_id: str
    finished_at: str | None = None
    report_version: int


class _Scope(_Part):
    target: str


class _Allowed(_Part):
    submitted_by: str
    active_checks_authorized_by: str


class _Manifest(_Part):
    format: str
    scan: _Scan
    scope: _Scope
    allowed_by: _Allowed
    findings: list[_Finding]
    event_log: _Log
    files: list[_File]


class _Signature(_Part):
    algorithm: str
    public_key: str = Field(pattern="^[0-9a-f]{64}$")
    signature: str = Field(max_length=100)


class _Event(_Part):
    seq: int
    at: float
    kind: str
    data: dict[str, object]
    digest: str


def check_bundle(file: BinaryIO, size: int, key: str | None = None) -> Proof:
    """Check a bundle of `size` bytes; `key`: hex of the public key that must have signed it. Raises BadInput for what is none."""
    if size > MAX_FILE:
        raise BadInput(f"the file is larger than {MAX_FILE:,} bytes: no bundle is")
    try:
        _refuse_large(file, size)
        with zipfile.ZipFile(file) as archive:
            _refuse_odd(archive, size)
            return _checked(archive, key)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, zlib.error) as error:
        raise BadInput(f"this is no bundle, or it is damaged: {line(str(error), 200)}") from error


def _refuse_large(file: BinaryIO, size: int) -> None:
    """Refuse a file whose list of entries is larger than a bundle's, before the library holds all of it in memory.

    APPNOTE 4.3.16: the last record names the list's size; one of zip64 before it would be believed instead.
    """
    file.seek(max(size - END_RECORD - ZIP64_LOCATOR, 0))
    tail = file.read(END_RECORD + ZIP64_LOCATOR)
    end = tail[-END_RECORD:]
    if len(end) < END_RECORD or not end.startswith(b"PK\5\6"):
        raise BadInput("this is no bundle, or it is damaged: it does not end as one")
    entries, directory = int.from_bytes(end[10:12], "little"), int.from_bytes(end[12:16], "little")
    if tail.startswith(b"PK\6\7") or entries > MAX_ENTRIES or directory > MAX_DIRECTORY:
        raise BadInput(f"the file lists more entries than a bundle holds ({MAX_ENTRIES:,})")


def _refuse_odd(archive: zipfile.ZipFile, size: int) -> None:
    entries = archive.infolist()
    if len(entries) > MAX_ENTRIES:
        raise BadInput(f"the file holds {len(entries):,} entries: no bundle holds more than {MAX_ENTRIES:,}")
    total, names = 0, set()
    for entry in entries:
        shown = line(entry.filename, 80)
        if not _NAME.fullmatch(entry.filename) or ".." in entry.filename:
            raise BadInput(f"the file holds an entry with a name that no bundle has: {shown}")
        if entry.filename in names:
            raise BadInput(f"the file holds {shown} twice: which one counts cannot be told")
        if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG):
            raise BadInput(f"{shown} is no plain file")
        if entry.flag_bits & 0x1 or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise BadInput(f"{shown} is encrypted, or packed as no bundle is")
        most = MAX_MANIFEST if entry.filename in (MANIFEST, SIGNATURE) else MAX_ENTRY
        if entry.file_size > most or entry.file_size > MAX_RATIO * max(entry.compress_size, 1_000):
            raise BadInput(f"{shown} claims to hold {entry.file_size:,} bytes: more than a bundle can")
        names.add(entry.filename)
        total += entry.file_size
    if total > MAX_TOTAL:
        raise BadInput(f"the file claims to hold {total:,} bytes: no bundle holds more than {MAX_TOTAL:,}")
    if not {MANIFEST, SIGNATURE} <= names:
        raise BadInput(f"this is no bundle: {MANIFEST} or {SIGNATURE} is missing")
    directory = sum(46 + len(e.filename.encode()) + len(e.extra) + len(e.comment) for e in entries)
    if min(e.header_offset for e in entries) or archive.start_dir + directory + END_RECORD != size:
        raise BadInput(
            "the file holds bytes before, after or between the parts of the bundle: it was put together anew"
        )


def _checked(archive: zipfile.ZipFile, key: str | None) -> Proof:
    manifest_bytes, signature_bytes = _read(archive, MANIFEST), _read(archive, SIGNATURE)
    manifest, signature = (
        _shape(_Manifest, manifest_bytes, MANIFEST),
        _shape(_Signature, signature_bytes, SIGNATURE),
    )
    if manifest.format != FORMAT:
        raise BadInput(f"the bundle is of the format {line(manifest.format, 40)}, and this version reads {FORMAT}")
    changes = list(_signature_changes(manifest_bytes, signature))
    listed = {entry.name: entry for entry in manifest.files}
    there = {entry.filename for entry in archive.infolist()} - {MANIFEST, SIGNATURE}
    for name, entry in sorted(listed.items()):
        if name not in there:
            changes.append(f"{line(name, 200)}: was removed")
            continue
        changes += _file_changes(archive, entry, manifest)
    changes += [f"{line(name, 200)}: was added" for name in sorted(there - listed.keys())]
    if len(changes) > MAX_TOLD:
        changes = [*changes[:MAX_TOLD], f"and {len(changes) - MAX_TOLD:,} more changes"]
    allowed = manifest.allowed_by
    return Proof(
        key=signature.public_key,
        trusted=None if key is None else key == signature.public_key,
        changes=tuple(changes),
        target=line(manifest.scope.target),
        scan_id=line(manifest.scan.scan_id, 64),
        finished=line(manifest.scan.finished_at or "", 40),
        version=manifest.scan.report_version,
        allowed_by=line(allowed.active_checks_authorized_by or allowed.submitted_by, 400),
        files=len(listed),
        events=manifest.event_log.events,
    )


def _signature_changes(manifest: bytes, signature: _Signature) -> list[str]:
    if signature.algorithm != "Ed25519":
        return [f"{SIGNATURE}: names {line(signature.algorithm, 40)} where Ed25519 is meant"]
    try:
        made = base64.b64decode(signature.signature, validate=True)
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(signature.public_key)).verify(made, CONTEXT + manifest)
    except (InvalidSignature, ValueError):
        return [
            f"{MANIFEST}: was changed after it was signed, or {SIGNATURE} is another's; nothing it says is proven"
        ]
    return []


def _file_changes(archive: zipfile.ZipFile, entry: _File, manifest: _Manifest) -> list[str]:
    name = line(entry.name, 200)
    try:
        content = _read(archive, entry.name)
    except (zipfile.BadZipFile, zlib.error) as error:
        return [f"{name}: is damaged ({line(str(error), 200)})"]
    found = sha256(content)
    if found == entry.sha256 and len(content) == entry.bytes:
        return _event_changes(content, manifest.event_log) if entry.name == EVENTS else []
    changes = [f"{name}: was changed (sha256 {found[:16]}..., signed {line(entry.sha256[:16], 16)}...)"]
    if entry.name == EVENTS:
        changes += _event_changes(content, manifest.event_log)
    if entry.name == REPORT:
        changes += _finding_changes(content, manifest.findings)
    return changes


def _finding_changes(content: bytes, signed: list[_Finding]) -> list[str]:
    """Which findings of a changed report are not as they were signed."""
    try:
        document = json.loads(content)
        found = {str(item["fingerprint"]): finding_digest(item) for item in document["findings"]}
    except (ValueError, TypeError, KeyError, RecursionError):
        return [f"{REPORT}: cannot be read as a report any more"]
    told: list[str] = []
    known = {item.fingerprint: item for item in signed}
    for fingerprint, item in known.items():
        title = f"{line(fingerprint, 40)} ({line(item.title, 120)})"
        if fingerprint not in found:
            told.append(f"{REPORT}: the finding {title} was removed")
        elif found[fingerprint] != item.sha256:
            told.append(f"{REPORT}: the finding {title} was changed")
    told += [f"{REPORT}: a finding {line(name, 40)} was added" for name in found if name not in known]
    return told or [f"{REPORT}: the findings are as they were signed; something else was changed"]


def _event_changes(content: bytes, log: _Log) -> list[str]:
    """Where the chain of events does not hold, at its first break."""
    previous, count, unchained = START, 0, 0
    for number, text in enumerate(content.splitlines(), 1):
        try:
            event = _Event.model_validate_json(text)
        except ValidationError:
            return [f"{EVENTS}: line {number} cannot be read as an event"]
        count += 1
        if event.seq != number:
            return [
                f"{EVENTS}: line {number} holds event {event.seq}: events were removed, added or put in another order"
            ]
        if not event.digest and previous == START:
            unchained += 1
            continue
        previous_of = link(previous, event.seq, event.at, event.kind, event.data)
        if event.digest != previous_of:
            return [
                f"{EVENTS}: event {event.seq} ({line(event.kind, 40)}) is not as it was written, or one before it is not"
            ]
        previous = event.digest
    if (count, unchained, previous) != (log.events, log.unchained, log.head):
        return [f"{EVENTS}: ends after {count:,} events, and the manifest names {log.events:,} with another end"]
    return []


def _read(archive: zipfile.ZipFile, name: str) -> bytes:
    """Never more than the entry claims, which was bounded before."""
    claimed = archive.getinfo(name).file_size
    with archive.open(name) as opened:
        content = opened.read(claimed + 1)
    if len(content) > claimed:
        raise zipfile.BadZipFile(f"{name} holds more than it claims")
    return content


def _shape(kind: type[T], content: bytes, name: str) -> T:
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadInput(f"{name} cannot be read: {line(where, 100)} {line(first['msg'], 100)}") from error
