"""What is kept of the feeds below the data dir, and nothing of what they mean.

    feeds/manifest.json   one entry per feed, and which index file is in use; replaced as a whole (rename), never edited
    feeds/files/SHA256    the feed files as they came, named by content
    feeds/part/           what is being fetched or built; may be deleted while nothing runs
    feeds/index/          index files; the manifest names the one in use
    feeds/templates/SHA256/  unpacked template sets
    feeds/lock            held by whoever changes any of it

A crash at any moment leaves the manifest of before or of after, and both name only whole files.
"""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import hashlib
import json
import math
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Self

import msgspec

from secrecon.intel.feeds.kinds import Kind
from secrecon.model.errors import Conflict, OperatorError

FORMAT = 1
_NAME = re.compile(r"[^\x00-\x1f\x7f/\\]{1,80}")
MAX_MANIFEST = 4_000_000
SETS_KEPT = 2
"""Template sets: the one in use, and the one before for whoever is still reading it."""


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """One feed. Times are epoch seconds, 0 for never. `date`: ISO 8601, as the feed itself says it is. `delta`: it adds
    to the others and may be of any size. `alarm`: why the last try failed, "" where it did not; what is kept is then
    still the last good copy, or nothing (`sha256` "")."""

    name: str
    kind: Kind
    url: str = ""
    etag: str = ""
    modified: str = ""
    fetched: float = 0.0
    checked: float = 0.0
    date: str = ""
    rows: int = 0
    skipped: int = 0
    size: int = 0
    sha256: str = ""
    delta: bool = False
    alarm: str = ""
    alarm_at: float = 0.0

    @classmethod
    def read(cls, raw: Mapping[str, object]) -> Self:
        """The entry of a manifest or of a bundle's list. Raises ValueError or TypeError where a field is not what it must be."""
        entry = msgspec.convert({name: raw[name] for name in cls.__dataclass_fields__ if name in raw}, cls)
        if not _NAME.fullmatch(entry.name):
            raise ValueError(f"a feed is named {entry.name[:80]!r}")
        if not all(math.isfinite(at) and at >= 0 for at in (entry.fetched, entry.checked, entry.alarm_at)):
            raise ValueError(f"{entry.name} has a time that is none")
        if entry.date:
            datetime.date.fromisoformat(entry.date)
        return entry


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything that is kept. `index`: the file's name below feeds/index, "" for none. `index_of`: the digest of what
    it was built from. `synced`: when a sync last ended, 0 for never; `trusted`: public keys of bundles, hex."""

    entries: Mapping[str, FeedEntry] = field(default_factory=dict)
    index: str = ""
    index_of: str = ""
    index_built: float = 0.0
    index_alarm: str = ""
    synced: float = 0.0
    matched_with: str = ""
    trusted: tuple[str, ...] = ()

    def having(self, entry: FeedEntry) -> Manifest:
        """The same with one entry put in."""
        return replace(self, entries={**self.entries, entry.name: entry})

    @property
    def digest(self) -> str:
        """What all kept files are, in one value: equal where an index of them would be."""
        text = "\n".join(f"{name} {entry.sha256}" for name, entry in sorted(self.entries.items()) if entry.sha256)
        return hashlib.sha256(text.encode()).hexdigest() if text else ""


class FeedStore:
    """The folder `feeds` of one data dir. Reading needs no lock; changing does."""

    def __init__(self, data_dir: Path) -> None:
        self.root = data_dir / "feeds"
        self.part = self.root / "part"

    def load(self) -> Manifest:
        """The manifest; an empty one where there is none. Raises OperatorError where it cannot be read."""
        path = self.root / "manifest.json"
        try:
            with path.open("rb") as file:
                text = file.read(MAX_MANIFEST + 1)
        except FileNotFoundError:
            return Manifest()
        except OSError as error:
            raise OperatorError(f"{path} cannot be read: {error.strerror}; check its owner and mode") from error
        try:
            raw = json.loads(text)
            entries = {str(e["name"]): FeedEntry.read(e) for e in raw.pop("entries")}
            if raw.pop("format") != FORMAT or len(text) > MAX_MANIFEST:
                raise ValueError("another version of SecRecon wrote it")
            raw["trusted"] = tuple(raw["trusted"])
            return Manifest(entries=entries, **raw)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise OperatorError(
                f"{path} cannot be understood ({error}): move the folder {self.root} away and sync or import again"
            ) from error

    def save(self, manifest: Manifest) -> None:
        """Put a manifest in the place of the one before, in one step. Only under the lock."""
        body = asdict(manifest)
        body["format"] = FORMAT
        body["entries"] = [asdict(entry) for _, entry in sorted(manifest.entries.items())]
        with _disk(self.root):
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            fresh = self.root / "manifest.new"
            with fresh.open("w", encoding="utf-8") as file:
                json.dump(body, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self.root / "manifest.json")
            _sync_folder(self.root)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Alone until the block ends. Raises Conflict where another process changes the feeds."""
        with _disk(self.root):
            for folder in (self.root, self.part, self.root / "files", self.root / "index"):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            file = (self.root / "lock").open("w")
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise Conflict("the feeds are being changed by another process: wait until it is done") from error
            yield

    def blob(self, sha256: str) -> Path:
        """Where the file of this content is."""
        return self.root / "files" / sha256

    def take_in(self, path: Path, sha256: str, *, move: bool) -> None:
        """Keep a file under its digest. A copy that fails half-way leaves nothing behind."""
        kept = self.blob(sha256)
        if kept.exists():
            if move:
                path.unlink(missing_ok=True)
            return
        with _disk(self.root):
            if move:
                path.replace(kept)
            else:
                fresh = self.part / f"{sha256}.copy"
                try:
                    shutil.copyfile(path, fresh)
                    if digest_of(fresh) != sha256:
                        raise OperatorError(f"{path} changed while it was read: import it again")
                    fresh.replace(kept)
                finally:
                    fresh.unlink(missing_ok=True)
            _sync_folder(kept.parent)

    def index_path(self, manifest: Manifest) -> Path | None:
        """The index in use; None where there is none."""
        if not manifest.index:
            return None
        path = self.root / "index" / manifest.index
        return path if path.is_file() else None

    def templates_path(self, manifest: Manifest) -> Path | None:
        """The unpacked template set in use; None where there is none."""
        entry = manifest.entries.get("templates")
        path = self.root / "templates" / entry.sha256 if entry and entry.sha256 else None
        return path if path is not None and path.is_dir() else None

    def matched(self, index: str) -> None:
        """Note that the newest scans were held against that index. Left undone where another process changes the feeds:
        doing it again changes nothing."""
        with contextlib.suppress(Conflict), self.locked():
            self.save(replace(self.load(), matched_with=index))

    def sweep(self, manifest: Manifest) -> None:
        """Delete what no entry names any more. Only under the lock; an index that is open elsewhere stays readable."""
        named = {entry.sha256 for entry in manifest.entries.values()}
        sets = sorted((self.root / "templates").glob("*"), key=lambda path: path.stat().st_mtime, reverse=True)
        kept = named | {path.name for path in sets[:SETS_KEPT]}
        for folder, keep in (("files", named), ("index", {manifest.index}), ("templates", kept)):
            for path in (self.root / folder).glob("*"):
                if path.name not in keep:
                    shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def current_index(data_dir: Path) -> Path | None:
    """The index that scans should use; None where nothing was ever synced or imported."""
    store = FeedStore(data_dir)
    return store.index_path(store.load())


def digest_of(path: Path) -> str:
    """sha256 hex of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def _disk(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OperatorError(
            f"{error.filename or root} cannot be written: {error.strerror}; nothing was changed. Free some disk, or "
            "choose another place with SECRECON_DATA_DIR"
        ) from error


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
