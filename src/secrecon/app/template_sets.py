"""Where the templates of scans lie: the ones that ship with SecRecon, and the versions of the set that a feed brings.

A version is a folder named by its digest below the data dir; the file `current` names the one in use and is replaced as a
whole. A set is complete before it is named, so a reader sees the old one or the new one. Old versions stay until the next
but one, for whoever is still reading.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable
from importlib import resources
from pathlib import Path, PurePosixPath

from secrecon.model.errors import BadInput, OperatorError

MAX_FILES = 100_000
MAX_BYTES = 1_000_000_000
KEPT = 2
_POINTER = "current"
_NEW = ".new-"


def own_folder() -> Path:
    """Where the shipped templates are."""
    return Path(str(resources.files("secrecon"))) / "rules" / "templates"


class TemplateSets:
    """The versions below one folder, which is made where a set is first put there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def current(self) -> Path | None:
        """The folder of the version in use; None where no feed brought one yet."""
        try:
            name = (self._folder / _POINTER).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError):
            return None
        folder = self._folder / name
        usable = name and "/" not in name and not name.startswith(".") and folder.is_dir()
        return folder if usable else None

    def install(self, files: Iterable[tuple[str, bytes]]) -> Path:
        """Put a set there and name it the current one. `files`: (path below the set, bytes).

        Raises BadInput for a path that leaves the set, or too many or too large files; the set in use then stays.
        """
        self._make()
        fresh = Path(tempfile.mkdtemp(prefix=_NEW, dir=self._folder))
        try:
            name = _fill(fresh, files)
            version = self._folder / name
            if version.is_dir():
                shutil.rmtree(fresh)
            else:
                fresh.chmod(0o755)
                fresh.rename(version)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
        self._name(name)
        self._forget(version)
        return version

    def _make(self) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OperatorError(f"the folder {self._folder} cannot be made: {error.strerror}") from error

    def _name(self, name: str) -> None:
        descriptor, written = tempfile.mkstemp(prefix=_NEW, dir=self._folder)
        with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
            opened.write(name + "\n")
            opened.flush()
            os.fsync(opened.fileno())
        os.replace(written, self._folder / _POINTER)

    def _forget(self, version: Path) -> None:
        """All but the newest versions; the one in use is always kept."""
        others = [item for item in self._folder.iterdir() if item.is_dir() and item != version]
        others.sort(key=lambda item: item.stat().st_mtime, reverse=True)
        for item in others[KEPT - 1 :]:
            shutil.rmtree(item, ignore_errors=True)


def _fill(folder: Path, files: Iterable[tuple[str, bytes]]) -> str:
    """Write the files and give the name of the version: the digest of their paths and bytes."""
    digests: dict[str, str] = {}
    size = 0
    for path, content in files:
        parts = PurePosixPath(path).parts
        if not parts or path.startswith("/") or "\\" in path or any(part in ("..", ".") for part in parts):
            raise BadInput(f"a set of templates may not hold the path {path[:100]!r}", "path")
        size += len(content)
        if len(digests) >= MAX_FILES or size > MAX_BYTES:
            raise BadInput(f"a set of templates of more than {MAX_FILES:,} files or {MAX_BYTES:,} bytes", "files")
        file = folder.joinpath(*parts)
        with contextlib.suppress(FileExistsError):
            file.parent.mkdir(parents=True)
        file.write_bytes(content)
        digests["/".join(parts)] = hashlib.sha256(content).hexdigest()
    if not digests:
        raise BadInput("a set of templates without a file", "files")
    whole = hashlib.sha256()
    for name, digest in sorted(digests.items()):
        whole.update(f"{name}\0{digest}\n".encode("utf-8", "surrogateescape"))
    return whole.hexdigest()[:32]
