"""A set of templates from a directory: read, compiled, chosen from, and named by one digest.

Files are read from below the directory and nowhere else: a link that leaves it is not followed, and a template's payload
files are looked for beside it and below the root. What cannot be used is kept with the reason.
"""

from __future__ import annotations

import functools
import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from secrecon.templates.errors import TemplateError, TemplateInvalid
from secrecon.templates.parse import read_draft
from secrecon.templates.payloads import MAX_FILE
from secrecon.templates.template import Template
from secrecon.templates.yamltree import MAX_BYTES

MAX_ABOVE = 6
SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Entry:
    """A template of a set, with the path it has in it."""

    path: str
    template: Template


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
    """`digest`: sha256 hex over the paths and bytes of all files that were read, in order."""

    entries: tuple[Entry, ...]
    problems: tuple[Problem, ...]
    digest: str


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
    """YAML files below a directory in a stable order; hidden ones are left out."""
    for file in sorted(root.rglob("*")):
        hidden = any(part.startswith(".") for part in file.relative_to(root).parts)
        if file.suffix in SUFFIXES and not hidden and file.is_file():
            yield file


def read_below(root: Path, file: Path, most: int) -> bytes:
    """At most one byte more than allowed, for the reader to refuse. A link that leaves the root is not followed."""
    if not file.resolve().is_relative_to(root):
        raise PermissionError(f"{file.name} lies outside of the folder")
    with file.open("rb") as opened:
        return opened.read(most + 1)


def load(paths: Sequence[Path], chance: random.Random) -> Catalog:
    """The templates of files and directories. Two with the same id: the first is kept, the other is a problem."""
    digest = hashlib.sha256()
    entries: list[Entry] = []
    problems: list[Problem] = []
    known: set[str] = set()
    for path in paths:
        top = path.resolve()
        root = top if top.is_dir() else top.parent
        for file in files_below(root) if top.is_dir() else (top,):
            shown = str(file.relative_to(root))
            try:
                source = read_below(root, file, MAX_BYTES)
                digest.update(_fed(shown, source))
                template = read_draft(source, chance).compile(functools.partial(_helper, root, file))
            except (TemplateError, OSError) as error:
                problems.append(Problem(shown, error))
                continue
            if template.id in known:
                problems.append(Problem(shown, TemplateInvalid(f"there is another template {template.id}", 1)))
                continue
            known.add(template.id)
            entries.append(Entry(shown, template))
    return Catalog(tuple(entries), tuple(problems), digest.hexdigest())


def digest_of(root: Path) -> tuple[str, int, float]:
    """The digest of a directory's templates as `load` gives it, how many files they are, and when the newest changed
    (epoch seconds). Files that cannot be read count with nothing."""
    digest = hashlib.sha256()
    rows, newest, top = 0, 0.0, root.resolve()
    for file in files_below(top):
        try:
            source = read_below(top, file, MAX_BYTES)
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
