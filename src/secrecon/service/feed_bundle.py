"""All feeds in one signed file, for machines without a network: a tar of the files, their list, and an Ed25519 signature.

    secrecon-feeds.json   the list: who made it when, and each feed with its digest, rows and date
    signature             of exactly those bytes (RFC 8032), then the public key
    files/SHA256          the feed files as they came

A bundle is taken in only where its key is trusted, every file is what the list says, and each feed passes the same
examination as one that was fetched. The private key is made on first use and stays in the data dir, readable by its owner.
"""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import BinaryIO

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from secrecon.intel.feeds.errors import FeedBroken, FeedOlder
from secrecon.model.errors import BadInput, OperatorError
from secrecon.service.feed_intake import Given, admit, alarmed
from secrecon.service.feeds import FeedOutcome, Told, indexed, nobody
from secrecon.service.feeds_state import FORMAT, FeedEntry, FeedStore, Manifest, digest_of

LIST = "secrecon-feeds.json"
SIGNATURE = "signature"
MAX_LIST = 4_000_000
MAX_FILE = 4_000_000_000
KEY_FILE = "signing.key"


@dataclass(frozen=True, slots=True)
class Exported:
    """A bundle that was written. `key`: the public key that a machine must trust to take it in, hex."""

    path: Path
    feeds: int
    size: int
    key: str


def export_bundle(store: FeedStore, path: Path, now: float) -> Exported:
    """Write every kept feed into one signed file; a copy that fails half-way leaves nothing.

    Raises BadInput where there is no feed."""
    manifest = store.load()
    entries = [entry for _, entry in sorted(manifest.entries.items()) if entry.sha256]
    if not entries:
        raise BadInput("there is nothing to export: no feed was ever fetched or imported")
    key = _signing_key(store)
    listed = json.dumps(
        {
            "format": FORMAT,
            "made": now,
            "feeds": [asdict(replace(entry, alarm="", alarm_at=0.0)) for entry in entries],
        },
        indent=1,
    ).encode()
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    fresh = path.with_name(path.name + ".new")
    try:
        with tarfile.open(fresh, "w") as archive:
            _add(archive, LIST, len(listed), io.BytesIO(listed))
            signed = key.sign(listed) + public
            _add(archive, SIGNATURE, len(signed), io.BytesIO(signed))
            for sha256 in sorted({entry.sha256 for entry in entries}):
                blob = store.blob(sha256)
                with blob.open("rb") as body:
                    _add(archive, f"files/{sha256}", blob.stat().st_size, body)
        os.replace(fresh, path)
    except OSError as error:
        raise OperatorError(
            f"{error.filename or path} cannot be written: {error.strerror}; nothing was left behind"
        ) from error
    finally:
        fresh.unlink(missing_ok=True)
    return Exported(path, len(entries), path.stat().st_size, public.hex())


def is_bundle(path: Path) -> bool:
    """Whether a file is a bundle of feeds."""
    try:
        with path.open("rb") as file:
            return file.read(512)[:100].rstrip(b"\0") == LIST.encode()
    except OSError as error:
        raise OperatorError(f"{path} cannot be read: {error.strerror}") from error


def import_bundle(
    store: FeedStore,
    path: Path,
    now: float,
    told: Told = nobody,
    *,
    trust: str = "",
    smaller: bool = False,
) -> list[FeedOutcome]:
    """Take in every feed of a bundle and rebuild the index. `trust`: a public key (hex) to trust from now on.

    Raises BadInput where the key is not trusted or the bundle was changed; nothing is taken in then.
    """
    outcomes: list[FeedOutcome] = []
    with store.locked():
        manifest = store.load()
        with _verified(path, (*manifest.trusted, *([trust.lower()] if trust else []))) as (archive, entries, key):
            manifest = replace(manifest, trusted=tuple(dict.fromkeys((*manifest.trusted, key))))
            for entry in entries:
                told(entry.name, 0, 0)
                manifest, outcome = _take(store, manifest, archive, entry, now, smaller=smaller)
                store.save(manifest)
                outcomes.append(outcome)
        manifest = indexed(store, manifest, now, told)
        store.save(manifest)
        store.sweep(manifest)
    return outcomes


def _take(
    store: FeedStore,
    manifest: Manifest,
    archive: tarfile.TarFile,
    entry: FeedEntry,
    now: float,
    *,
    smaller: bool,
) -> tuple[Manifest, FeedOutcome]:
    known = manifest.entries.get(entry.name)
    if known is not None and known.sha256 == entry.sha256:
        return manifest, FeedOutcome(entry.name, False, known.rows, known.date)
    part = store.part / "bundled"
    try:
        _unpack(archive, f"files/{entry.sha256}", part)
        if digest_of(part) != entry.sha256:
            raise FeedBroken("its bytes are not what the bundle's list says")
        given = Given(
            entry.name, part, True, entry.kind, entry.delta, entry.url, entry.etag, entry.modified, smaller
        )
        manifest = admit(store, manifest, given, now)
    except FeedBroken as error:
        kept = known or FeedEntry(entry.name, entry.kind)
        if not isinstance(error, FeedOlder):
            manifest = alarmed(manifest, entry.name, entry.kind, str(error), now)
        return manifest, FeedOutcome(entry.name, False, kept.rows, kept.date, str(error))
    finally:
        part.unlink(missing_ok=True)
    # as old as it was where it was fetched
    taken = manifest.entries[entry.name]
    manifest = manifest.having(replace(taken, fetched=min(entry.fetched, now), checked=min(entry.checked, now)))
    return manifest, FeedOutcome(entry.name, True, taken.rows, taken.date)


@contextmanager
def _verified(path: Path, trusted: tuple[str, ...]) -> Iterator[tuple[tarfile.TarFile, list[FeedEntry], str]]:
    """The open bundle, its list and its key, where a trusted key signed it."""
    try:
        with tarfile.open(path, "r:") as archive:
            listed = _member(archive, LIST, MAX_LIST)
            signature = _member(archive, SIGNATURE, 96)
            if len(signature) != 96:
                raise BadInput(f"{path} is no bundle of feeds: its signature is cut off")
            key = signature[64:].hex()
            if key not in trusted:
                raise BadInput(
                    f"{path} was signed with a key that is not trusted here: {key}. Compare it with what `secrecon feeds export` "
                    f"printed on the other machine, then import it with --trust {key}"
                )
            Ed25519PublicKey.from_public_bytes(signature[64:]).verify(signature[:64], listed)
            yield archive, _entries(path, listed), key
    except InvalidSignature as error:
        raise BadInput(f"{path} was changed after it was signed: nothing was imported") from error
    except (tarfile.TarError, EOFError) as error:
        raise BadInput(f"{path} is cut off or no bundle of feeds: {error}") from error
    except OSError as error:
        raise OperatorError(f"{path} cannot be read: {error.strerror or error}") from error


def _entries(path: Path, listed: bytes) -> list[FeedEntry]:
    try:
        raw = json.loads(listed)
        if raw["format"] != FORMAT:
            raise ValueError("it was made by another version of SecRecon")
        return [FeedEntry.read(entry) for entry in raw["feeds"]]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadInput(f"{path} cannot be understood: {error}") from error


def _member(archive: tarfile.TarFile, name: str, most: int) -> bytes:
    try:
        source = archive.extractfile(name)
    except KeyError as error:
        raise BadInput(f"the bundle has no {name}") from error
    return source.read(most) if source is not None else b""


def _unpack(archive: tarfile.TarFile, name: str, into: Path) -> None:
    try:
        info = archive.getmember(name)
        source = archive.extractfile(info)
    except KeyError as error:
        raise FeedBroken("the bundle does not hold its file") from error
    if source is None or info.size > MAX_FILE:
        raise FeedBroken("the bundle's file is no regular file of a sane size")
    try:
        with into.open("wb") as file:
            while chunk := source.read(1 << 20):
                file.write(chunk)
    except OSError as error:
        raise OperatorError(
            f"{into} cannot be written: {error.strerror}; free some disk and run it again"
        ) from error


def _add(archive: tarfile.TarFile, name: str, size: int, body: BinaryIO) -> None:
    info = tarfile.TarInfo(name)
    info.size = size
    archive.addfile(info, body)


def _signing_key(store: FeedStore) -> Ed25519PrivateKey:
    path = store.root / KEY_FILE
    try:
        if not path.exists():
            key = Ed25519PrivateKey.generate()
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(key.private_bytes_raw())
        return Ed25519PrivateKey.from_private_bytes(path.read_bytes())
    except (OSError, ValueError) as error:
        raise OperatorError(f"the signing key {path} cannot be used: {error}") from error
