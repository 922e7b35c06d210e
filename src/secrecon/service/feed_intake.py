"""Whether a feed file may take the place of the one that is kept: recognised, whole, not shrunk, not older, not from the future.

What does not pass is an alarm on the feed's entry, and the good copy stays. One rule for files that were fetched, given by
hand or came in a bundle. Template sets are unpacked here, under names of their own making.
"""

from __future__ import annotations

import datetime
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from secrecon.detect import wappalyzer
from secrecon.intel.feeds import archives
from secrecon.intel.feeds.errors import FeedBroken, FeedOlder
from secrecon.intel.feeds.kinds import ABOUT, Kind
from secrecon.intel.feeds.opening import plain_chunks, whole
from secrecon.intel.feeds.sniff import is_template, sniff
from secrecon.intel.index.build import TABLES, Counted, SourceFile, count
from secrecon.model.errors import OperatorError
from secrecon.service.feeds_state import FeedEntry, FeedStore, Manifest, digest_of

SHRUNK = 0.9
"""A feed with fewer than this share of the rows of the one before is taken for broken."""
FUTURE = datetime.timedelta(days=2)
TEMPLATE_SUFFIXES = (".yaml", ".yml", ".txt", ".json", ".js")
MAX_TEMPLATE_FILES = 100_000
MAX_FINGERPRINTS = 50_000_000
_SAFE = re.compile(r"[A-Za-z0-9._@+-]{1,120}")
_SUFFIXES = re.compile(r"(?:\.(?:json|gz|xz|zst|bin))+$")
_YEAR = re.compile(r"nvdcve-2\.0-(\d{4}|modified|recent)\b")

_USUAL_NAMES = {
    "known_exploited": Kind.KEV,
    "epss_scores": Kind.EPSS,
    "ssvc": Kind.SSVC,
    "jsrepository": Kind.RETIRE,
    "fingerprints_data": Kind.FINGERPRINTS,
}
"""What providers call their files: part of the name to what it is."""


@dataclass(frozen=True, slots=True)
class Given:
    """A file to take in under a name. `move`: it is ours to move; else it is copied. `smaller`: the operator said that a
    smaller or older one is right."""

    name: str
    path: Path
    move: bool
    kind: Kind | None = None
    delta: bool = False
    url: str = ""
    etag: str = ""
    modified: str = ""
    smaller: bool = False


def admit(store: FeedStore, manifest: Manifest, given: Given, now: float) -> Manifest:
    """The manifest with the file taken in. Only under the store's lock; the caller saves it.

    Raises FeedBroken where the file may not be used, in words for the operator; the manifest of before is still right.
    """
    with _opened(given.path) as file:
        kind = sniff(file)
    if given.kind is not None and kind is not given.kind:
        raise FeedBroken(f"it is a {ABOUT[kind].title} file ({kind}), not {given.kind}")
    sha256 = digest_of(given.path)
    known = manifest.entries.get(given.name)
    counted = _counted(SourceFile(given.name, sha256, given.path), kind)
    _compare(known, counted, given, now)
    if kind is Kind.TEMPLATES:
        unpack_templates(given.path, store.root / "templates" / sha256, store.part)
    size = given.path.stat().st_size
    store.take_in(given.path, sha256, move=given.move)
    entry = FeedEntry(
        name=given.name,
        kind=kind,
        url=given.url,
        etag=given.etag,
        modified=given.modified,
        fetched=now,
        checked=now,
        date=counted.date,
        rows=counted.rows,
        skipped=counted.skipped,
        size=size,
        sha256=sha256,
        delta=given.delta,
    )
    return manifest.having(entry)


def alarmed(manifest: Manifest, name: str, kind: Kind, problem: str, now: float) -> Manifest:
    """The manifest with an alarm on a feed; what is kept of it stays."""
    entry = manifest.entries.get(name) or FeedEntry(name=name, kind=kind)
    return manifest.having(replace(entry, checked=now, alarm=problem[:500], alarm_at=now))


def name_of(path: Path, kind: Kind) -> tuple[str, bool]:
    """What a file that was given by hand is called, and whether it is a delta: as a sync would call it where that can be
    told, so that the one takes the other's place."""
    if kind is Kind.NVD:
        found = _YEAR.search(path.name)
        part = found[1] if found else re.sub(r"[^a-z0-9]+", "-", _SUFFIXES.sub("", path.name.lower())).strip("-")
        return f"nvd-{part}"[:60], part in ("modified", "recent")
    if kind is Kind.OSV:
        return f"osv-{_ecosystem(path)}"[:60], False
    names = {Kind.CVE5: "cisa-vulnrichment", Kind.OVERRIDES: "nvd-overrides"}
    return names.get(kind, kind.value), False


def named_by(path: Path) -> tuple[str, Kind] | None:
    """The feed that a file is by its name alone, for one whose content tells nothing; None where the name tells nothing
    either."""
    name = path.name.lower()
    if _YEAR.search(name):
        return name_of(path, Kind.NVD)[0], Kind.NVD
    return next(((kind.value, kind) for part, kind in _USUAL_NAMES.items() if part in name), None)


def _ecosystem(path: Path) -> str:
    with _opened(path) as file:
        if not archives.is_zip(file.read(4)):
            return path.name.split(".")[0].lower()
        for member in archives.zip_members(file, (".json",)):
            found = re.search(rb'"ecosystem"\s*:\s*"([A-Za-z .]+)', member.body)
            if found:
                return found[1].decode().strip().lower().replace(" ", "-").replace(".", "-")
    return "packages"


def _compare(known: FeedEntry | None, counted: Counted, given: Given, now: float) -> None:
    """Against today and against what is kept."""
    if counted.date:
        date = datetime.date.fromisoformat(counted.date)
        today = datetime.datetime.fromtimestamp(now, datetime.UTC).date()
        if date > today + FUTURE:
            raise FeedBroken(f"it is dated {counted.date}, which is in the future")
    if known is None or not known.sha256 or given.smaller:
        return
    if counted.date and known.date and counted.date < known.date:
        raise FeedOlder(f"it is dated {counted.date}, older than the kept one of {known.date}")
    if not given.delta and counted.rows < known.rows * SHRUNK:
        raise FeedBroken(
            f"it has {counted.rows:,} records where the kept one has {known.rows:,}: more than a tenth is missing"
        )


def _counted(file: SourceFile, kind: Kind) -> Counted:
    if kind in TABLES:
        return count(file, kind)
    if kind is Kind.TEMPLATES:
        found = sum(
            1 for member in _members(file.path) if is_template(member.body[:65_536].decode("utf-8", "replace"))
        )
        return _some(Counted(found), file.name)
    with _opened(file.path) as packed:
        text = whole(packed, MAX_FINGERPRINTS)
    try:
        return _some(Counted(wappalyzer.read(text).technologies), file.name)
    except ValueError as error:
        raise FeedBroken(f"{file.name}: not a file of fingerprints: {error}") from error


def _some(counted: Counted, name: str) -> Counted:
    if not counted.rows:
        raise FeedBroken(f"{name}: it holds nothing that can be read")
    return counted


def unpack_templates(path: Path, folder: Path, part: Path) -> None:
    """Write an archive's template and payload files below `folder`, by names that were checked; nothing where it is there
    already. The folder appears whole."""
    if folder.is_dir():
        return
    fresh = part / f"{folder.name}.templates"
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        for number, member in enumerate(_members(path)):
            parts = PurePosixPath(member.name).parts
            if number >= MAX_TEMPLATE_FILES:
                raise FeedBroken(f"the archive holds more than {MAX_TEMPLATE_FILES:,} files")
            if len(parts) > 20 or not all(_SAFE.fullmatch(name) and name.strip(".") for name in parts):
                continue
            target = fresh.joinpath(*parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(member.body)
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.replace(fresh, folder)
    except OSError as error:
        raise OperatorError(
            f"{error.filename or folder} cannot be written: {error.strerror}; free some disk and run it again"
        ) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _members(path: Path) -> Iterator[archives.MemberFile]:
    with _opened(path) as file:
        if archives.is_zip(file.read(4)):
            yield from archives.zip_members(file, TEMPLATE_SUFFIXES)
            return
        file.seek(0)
        if archives.is_tar(next(plain_chunks(file), b"")):
            yield from archives.tar_members(file, TEMPLATE_SUFFIXES)
            return
        yield archives.MemberFile("template.yaml", whole(file, archives.MAX_MEMBER))


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise OperatorError(f"{path} cannot be read: {error.strerror}") from error
