"""The digest of everything that decides what is found: the shipped rules. It goes into every report."""

from __future__ import annotations

import functools
import hashlib
from importlib import resources
from importlib.resources.abc import Traversable


@functools.cache
def rules_digest() -> str:
    """sha256 hex over the names and bytes of every file below `secrecon.rules`, in sorted order."""
    digest = hashlib.sha256()
    for name, entry in sorted(_files(resources.files("secrecon.rules"), "")):
        digest.update(name.encode() + b"\0" + entry.read_bytes() + b"\0")
    return digest.hexdigest()


def _files(folder: Traversable, prefix: str) -> list[tuple[str, Traversable]]:
    found: list[tuple[str, Traversable]] = []
    for entry in folder.iterdir():
        name = f"{prefix}{entry.name}"
        if entry.is_dir():
            if entry.name != "__pycache__":
                found += _files(entry, name + "/")
        elif not entry.name.endswith((".py", ".pyc")):
            found.append((name, entry))
    return found
