"""The data folder as one server's home: a lock that a second server on the same folder runs into, and the executor id
that makes a restarted worker the same worker (its unfinished scans are found by that id).

The lock is flock(2) on an open file: it ends with the process, however the process ends.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from secrecon.model.errors import OperatorError

LOCK_NAME = "secrecon.lock"
ID_NAME = "executor-id"
_ID_LENGTH = 32


class Home:
    """A data folder taken by this process until `close` or the process's end.

    `entropy`: returns that many random bytes, for the id of a new folder.
    """

    def __init__(self, folder: Path, entropy: Callable[[int], bytes] = os.urandom) -> None:
        self.folder = folder
        self._lock = _lock(folder)
        try:
            self.executor_id = _executor_id(folder, entropy)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let another process have the folder."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _lock(folder: Path) -> int:
    file = folder / LOCK_NAME
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise OperatorError(
            f"the data folder {folder} cannot be written ({error.strerror}): give the server's user the right to,"
            " or set SECRECON_DATA_DIR to another folder"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(lock, 32, 0).decode("ascii", "replace").strip()
        os.close(lock)
        raise OperatorError(
            f"the data folder {folder} is in use by the process {holder or 'unknown'}: stop it first, or give this"
            " server its own folder with SECRECON_DATA_DIR or --data-dir"
        ) from error
    except OSError as error:
        os.close(lock)
        raise OperatorError(
            f"the data folder {folder} cannot be locked ({error.strerror}): use a local disk"
        ) from error
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode("ascii"), 0)
    return lock


def _executor_id(folder: Path, entropy: Callable[[int], bytes]) -> str:
    file = folder / ID_NAME
    try:
        if not file.exists():
            fresh = file.with_suffix(".new")
            fresh.write_text(entropy(_ID_LENGTH // 2).hex() + "\n", "ascii")
            fresh.replace(file)
        found = file.read_text("ascii", "replace").strip()
    except OSError as error:
        raise OperatorError(
            f"{file} cannot be read or written ({error.strerror}): check the folder's rights"
        ) from error
    if len(found) != _ID_LENGTH or set(found) - set("0123456789abcdef"):
        raise OperatorError(f"{file} is damaged: restore it from a backup, or delete it if no scan is unfinished")
    return found
