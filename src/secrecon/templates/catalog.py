"""A set of templates from a directory: read, compiled, chosen from, and named by one digest.

Files are read from below the directory and nowhere else: a link that leaves it is not followed, and a template's payload
files are looked for beside it and below the root. What cannot be used is kept with the reason.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import gc
import hashlib
import os
import random
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from secrecon.templates.errors import TemplateError, TemplateInvalid, TemplateRefused
from secrecon.templates.parse import MARKER, read_draft
from secrecon.templates.parse_blocks import Helper
from secrecon.templates.payloads import MAX_FILE
from secrecon.templates.plancache import Kept, PlanCache
from secrecon.templates.policy import Safety, classify
from secrecon.templates.template import Template
from secrecon.templates.yamltree import MAX_BYTES

MAX_ABOVE = 6
SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Entry:
    """A template of a set, with the path it has in it. `safety`: what the policy says of it, where that was asked for.
    `named`: the file itself was named, not a folder that it lies in."""

    path: str
    template: Template
    safety: Safety | None = None
    named: bool = False


@dataclass(frozen=True, slots=True)
class Problem:
    """A file of a set that cannot be used."""

    path: str
    error: TemplateError | OSError

    @property
    def where(self) -> str:
        line = getattr(self.error, "line", 0)
        return f"{self.path}:{line}" if line else self.path

    @property
    def reason(self) -> str:
        return str(getattr(self.error, "reason", "") or self.error)


@dataclass(frozen=True, slots=True)
class Catalog:
    """`digest`: sha256 hex over the paths and bytes of all files that were read, in order. `note`: why what was compiled
    could not be kept for the next start, "" where nothing stood in the way."""

    entries: tuple[Entry, ...]
    problems: tuple[Problem, ...]
    digest: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which templates are meant. An empty field chooses all; what is left out wins. Case makes no difference."""

    tags: frozenset[str] = frozenset()
    severities: frozenset[str] = frozenset()
    ids: frozenset[str] = frozenset()
    without_tags: frozenset[str] = frozenset()
    without_severities: frozenset[str] = frozenset()
    without_ids: frozenset[str] = frozenset()

    def takes(self, template: Template) -> bool:
        tags = {tag.lower() for tag in template.info.tags}
        severity, name = template.info.severity.lower(), template.id.lower()
        if tags & self.without_tags or severity in self.without_severities or name in self.without_ids:
            return False
        return (
            (not self.tags or bool(tags & self.tags))
            and (not self.severities or severity in self.severities)
            and (not self.ids or name in self.ids)
        )


def files_below(root: Path) -> Iterator[Path]:
    """YAML files below a directory in a stable order; hidden ones are left out, links to folders not followed."""
    yield from sorted(_found(root), key=lambda file: file.parts)


def _found(folder: Path) -> Iterator[Path]:
    try:
        with os.scandir(folder) as listing:
            inside = list(listing)
    except PermissionError:
        return
    for item in inside:
        if item.name.startswith("."):
            continue
        if item.is_dir(follow_symlinks=False):
            yield from _found(folder / item.name)
        elif item.name.endswith(SUFFIXES) and _is_file(item):
            yield folder / item.name


def _is_file(item: os.DirEntry[str]) -> bool:
    """A plain file, or a link to one. What cannot be looked at, such as a link to itself, is none."""
    try:
        return item.is_file()
    except OSError:
        return False


def read_found(root: Path, file: Path) -> bytes:
    """The bytes of a file that `files_below` gave, at most one more than allowed. Only such a file's last part can be a
    link, so that most need no look at where they really lie."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        return read_below(root, file, MAX_BYTES)
    with os.fdopen(descriptor, "rb") as opened:
        _plain(opened)
        return opened.read(MAX_BYTES + 1)


def _plain(opened: IO[bytes]) -> None:
    """Raises OSError for a device, a pipe or a folder, from which there may be no end of bytes, or none at all."""
    if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
        raise OSError(errno.EINVAL, "not a plain file")


def read_below(root: Path, file: Path, most: int) -> bytes:
    """At most one byte more than allowed, for the reader to refuse. A link that leaves the root is not followed."""
    if not file.resolve().is_relative_to(root):
        raise PermissionError(f"{file.name} lies outside of the folder")
    with open(file, "rb", opener=_unblocked) as opened:
        _plain(opened)
        return opened.read(most + 1)


def _unblocked(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)


Gate = Callable[[Path, bytes], str]
"""(folder of the set, bytes of a file) to why the file may not be used, "" where it may."""


def load(
    paths: Sequence[Path],
    chance: random.Random,
    *,
    kept: Path | None = None,
    judged: bool = False,
    gate: Gate | None = None,
) -> Catalog:
    """The templates of files and directories. Two with the same id: the first is kept, the other is a problem.

    `kept`: the folder where what was compiled is kept for the next time. `judged`: with their levels by the policy.
    `gate` is asked before anything of a file is read as a template; what it refuses is a problem.
    """
    tops = [path.resolve() for path in paths]
    cache = PlanCache(kept, "\n".join(map(str, tops))) if kept is not None else None
    with _undisturbed():
        if cache is not None:
            cache.open()
        loader = _Loader(chance, cache, gate, judged=judged)
        for top in tops:
            root = top if top.is_dir() else top.parent
            for file in files_below(root) if top.is_dir() else (top,):
                loader.add(root, file, named=file == top)
        if cache is not None:
            cache.close()
    note = cache.problem if cache is not None else ""
    return Catalog(tuple(loader.entries), tuple(loader.problems), loader.digest.hexdigest(), note)


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Hundreds of thousands of objects are made and none is garbage: the collector need not look at them again and again."""
    before = gc.get_threshold()
    gc.set_threshold(200_000, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


class _Loader:
    def __init__(self, chance: random.Random, cache: PlanCache | None, gate: Gate | None, *, judged: bool) -> None:
        self._chance = chance
        self._cache = cache
        self._judged = judged
        self._gate = gate
        self._known: set[str] = set()
        self.digest = hashlib.sha256()
        self.entries: list[Entry] = []
        self.problems: list[Problem] = []

    def add(self, root: Path, file: Path, *, named: bool) -> None:
        shown = str(file)[len(str(root)) + 1 :]
        try:
            source = read_found(root, file)
            self.digest.update(_fed(shown, source))
            refused = self._gate(root, source) if self._gate is not None else ""
            if refused:
                raise TemplateRefused(refused, source.count(b"\n", 0, len(source.rstrip())) + 1, policy=True)
            entry = self._entry(shown, source, functools.partial(_helper, root, file))
        except (TemplateError, OSError) as error:
            self.problems.append(Problem(shown, error))
            return
        if entry.template.id in self._known:
            twice = TemplateInvalid(f"there is another template {entry.template.id}", 1)
            self.problems.append(Problem(shown, twice))
            return
        self._known.add(entry.template.id)
        self.entries.append(replace(entry, named=True) if named else entry)

    def _entry(self, shown: str, source: bytes, helper: Helper) -> Entry:
        """From what was kept, or compiled: what chance has a part in is compiled each time."""
        cache = self._cache
        if cache is None:
            template = read_draft(source, self._chance).compile(helper)
            return Entry(shown, template, classify(template) if self._judged else None)
        key = hashlib.sha256(source).hexdigest()
        kept = cache.get(key) or Kept(None, None, ())
        made, helpers = kept.template, kept.helpers
        if made is None or any(not _same(helper, *read) for read in helpers):
            read: dict[str, str] = {}

            def noted(name: str) -> bytes:
                content = helper(name)
                read[name] = _digest(content)
                return content

            made = read_draft(source, self._chance).compile(noted)
            helpers = tuple(read.items())
        safety = kept.safety if made is kept.template or not helpers else None
        if safety is None and self._judged:
            safety = classify(made)
        cache.put(key, Kept(None if MARKER in source else made, safety, helpers))
        return Entry(shown, made, safety if self._judged else None)


def _same(helper: Helper, name: str, digest: str) -> bool:
    """Whether a payload file still is what it was."""
    try:
        return _digest(helper(name)) == digest
    except OSError:
        return False


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def digest_of(root: Path) -> tuple[str, int, float]:
    """The digest of a directory's templates as `load` gives it, how many files they are, and when the newest changed
    (epoch seconds). Files that cannot be read count with nothing."""
    digest = hashlib.sha256()
    rows, newest, top = 0, 0.0, root.resolve()
    for file in files_below(top):
        try:
            source = read_found(top, file)
            newest = max(newest, file.stat().st_mtime)
        except OSError:
            continue
        digest.update(_fed(str(file.relative_to(top)), source))
        rows += 1
    return digest.hexdigest(), rows, newest


def _fed(shown: str, source: bytes) -> bytes:
    return f"{shown}\0{len(source)}\0".encode() + source


def _helper(root: Path, near: Path, name: str) -> bytes:
    """A payload file by its path: below the root, or beside the template. A set keeps shared files in a folder `helpers`
    at its top, which may be above what was named on the command line; only that folder is looked for there."""
    folders = [root, near.parent]
    if name.startswith("helpers/"):
        folders += [above for above in root.parents[:MAX_ABOVE] if (above / "helpers").is_dir()]
    for folder in folders:
        candidate = folder / name
        if candidate.is_file():
            return read_below(folder.resolve(), candidate, MAX_FILE)
    raise FileNotFoundError(name)
