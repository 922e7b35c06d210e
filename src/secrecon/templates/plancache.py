"""What a set of templates came to, kept in one file, so that the next start reads it instead of compiling again.

A template is found by the digest of its bytes. The file says which engine wrote it (a digest of this room's own sources
and the libraries that judge patterns) and carries a digest of itself: one that is cut off, changed, of another engine or
written by somebody else is as good as none. It is replaced as a whole, never written in place. It holds data, no code
(`plans`). What cannot be kept is told as `problem` and costs only time.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import json
import os
import stat
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from secrecon.templates.errors import TemplateError
from secrecon.templates.plans import NotPlain, Plain, Reader, Writer
from secrecon.templates.policy import Safety
from secrecon.templates.template import Template

MAX_FILE = 512 * 1024 * 1024
MAX_FILES = 8
SUFFIX = ".plans"
_MAGIC = b"secrecon template plans 1"
_LIBRARIES = ("google-re2", "jq", "lxml", "PyYAML", "quickjs-ng")


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of a template file. `template` None: it is another at each reading. `safety` None: nobody asked yet.
    `helpers`: the payload files that were read for it, each with its sha256 in hex."""

    template: Template | None
    safety: Safety | None
    helpers: tuple[tuple[str, str], ...]


class PlanCache:
    """The plans of one set. `name`: what tells the set from others; `folder` is made where it is not there."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._file = folder / (hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:32] + SUFFIX)
        self._read: dict[str, Kept] = {}
        self._used: dict[str, Kept] = {}
        self.problem = ""

    def open(self) -> None:
        """Read what is there; anything wrong with it is as if nothing were."""
        try:
            body = _body(self._file)
            if body is not None:
                self._read = _plans(json.loads(body))
        except (OSError, ValueError, TypeError, LookupError, RecursionError, TemplateError):
            self._read = {}

    def get(self, key: str) -> Kept | None:
        """What is known of a template file, by the sha256 of its bytes in hex."""
        return self._read.get(key)

    def put(self, key: str, kept: Kept) -> None:
        """Say what is to be kept, also where nothing has changed: what is not said is dropped."""
        before = self._read.get(key)
        same = before is not None and before.template is kept.template and before == kept
        self._used[key] = before if before is not None and same else kept

    def close(self) -> None:
        """Write what is to be kept, where it is not what is there already."""
        if len(self._used) == len(self._read) and all(
            self._read.get(key) is kept for key, kept in self._used.items()
        ):
            return
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _replace(self._file, _written(self._used))
            _tidy(self._folder, self._file)
        except (OSError, NotPlain) as error:
            self.problem = f"what was compiled could not be kept for the next start: {error}"


@functools.cache
def engine() -> str:
    """Names what decides how a template is read: this room's sources and the libraries below it."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(file.read_bytes())
    for library in _LIBRARIES:
        digest.update(f"{library} {importlib.metadata.version(library)}\n".encode())
    return digest.hexdigest()


def _body(file: Path) -> bytes | None:
    """What the file says, where it is ours and whole."""
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as opened:
        found = os.fstat(descriptor)
        shared = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        if found.st_uid != os.geteuid() or shared or found.st_size > MAX_FILE or not stat.S_ISREG(found.st_mode):
            return None
        head = opened.readline(400)
        body = opened.read(MAX_FILE)
    return body if head == _head(body) else None


def _head(body: bytes) -> bytes:
    return b"%b %b %b\n" % (_MAGIC, engine().encode(), hashlib.sha256(body).hexdigest().encode())


def _plans(document: object) -> dict[str, Kept]:
    if not isinstance(document, dict):
        raise NotPlain("plans are a table")
    reader = Reader(document["shared"])
    found: dict[str, Kept] = {}
    for key, plan in dict(document["plans"]).items():
        template, safety, helpers = map(reader.noun, plan)
        if not isinstance(template, Template | None) or not isinstance(safety, Safety | None):
            raise NotPlain("a plan is a template and its level")
        found[key] = Kept(template, safety, tuple((str(name), str(digest)) for name, digest in helpers))  # type: ignore[attr-defined]
    return found


def _written(plans: dict[str, Kept]) -> bytes:
    writer = Writer()
    made: dict[str, Plain] = {
        key: [writer.plain(plan.template), writer.plain(plan.safety), writer.plain(plan.helpers)]
        for key, plan in plans.items()
    }
    return json.dumps({"plans": made, "shared": writer.shared}, separators=(",", ":")).encode("ascii")


def _replace(file: Path, body: bytes) -> None:
    descriptor, name = tempfile.mkstemp(prefix=".", suffix=SUFFIX, dir=file.parent)
    try:
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(_head(body))
            opened.write(body)
        os.replace(name, file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _tidy(folder: Path, kept: Path) -> None:
    """Sets come and go: the oldest files beyond a few are removed, and what an interrupted write left."""
    files: Iterable[Path] = (file for file in folder.glob(f"*{SUFFIX}") if file != kept)
    old = sorted(files, key=lambda file: file.stat().st_mtime, reverse=True)
    for file in old[MAX_FILES - 1 :]:
        file.unlink(missing_ok=True)
