"""Archives of feed files: zip and tar (in any compression that `opening` knows), one member at a time, in memory.

Nothing is ever written by a member's own name. Bounded: how many members, how large each and all of them are, and how
much larger than the archive they grow; overlapping or lying sizes end with an error. Links, devices and folders are
passed over. A zip inside a zip (as the CVE list's releases are) is opened one level deep.
"""

from __future__ import annotations

import io
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from secrecon.intel.feeds.errors import FeedBroken
from secrecon.intel.feeds.opening import MAX_PLAIN, is_bomb, plain_chunks

MAX_MEMBERS = 1_000_000
MAX_MEMBER = 20_000_000
MAX_NAME = 500
ZIP = b"PK\x03\x04"
_BLOCK = 512


@dataclass(frozen=True, slots=True)
class MemberFile:
    """One file of an archive. `name` is the archive's word, with forward slashes: never a path to use as it is."""

    name: str
    body: bytes


def is_zip(start: bytes) -> bool:
    return start.startswith(ZIP)


def is_tar(start: bytes) -> bool:
    return len(start) >= _BLOCK and start[257:262] == b"ustar"


def zip_members(packed: BinaryIO, suffixes: tuple[str, ...], *, nested: bool = True) -> Iterator[MemberFile]:
    """The files of a zip whose names end in `suffixes`, in its order. Raises FeedBroken."""
    packed.seek(0, io.SEEK_END)
    size, tally, read = packed.tell(), _Tally(), 0
    try:
        with zipfile.ZipFile(packed) as archive:
            for info in archive.infolist():
                tally.member()
                name = _name(info.filename)
                if nested and name.lower().endswith(".zip"):
                    yield from _inner(archive, info, suffixes)
                elif not info.is_dir() and name.lower().endswith(suffixes):
                    body = _read(archive, info)
                    read += info.compress_size
                    tally.grow(len(body), min(read, size))
                    yield MemberFile(name, body)
    except (
        zipfile.BadZipFile,
        NotImplementedError,
        RuntimeError,
        EOFError,
        OSError,
        zlib.error,
        ValueError,
    ) as error:
        if isinstance(error, FeedBroken):
            raise
        raise FeedBroken(f"the zip archive is damaged or cut off: {error}") from error


def _inner(archive: zipfile.ZipFile, info: zipfile.ZipInfo, suffixes: tuple[str, ...]) -> Iterator[MemberFile]:
    with tempfile.TemporaryFile() as file:
        tally = _Tally()
        with archive.open(info) as source:
            while chunk := source.read(1 << 20):
                tally.grow(len(chunk), info.compress_size)
                file.write(chunk)
        yield from zip_members(file, suffixes, nested=False)


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    with archive.open(info) as source:
        body = source.read(MAX_MEMBER + 1)
    if len(body) > MAX_MEMBER:
        raise FeedBroken(f"{_name(info.filename)} unpacks to more than {MAX_MEMBER:,} bytes")
    return body


def tar_members(packed: BinaryIO, suffixes: tuple[str, ...]) -> Iterator[MemberFile]:
    """The regular files of a tar whose names end in `suffixes`, in its order. Raises FeedBroken."""
    tally = _Tally()
    stream = _Stream(plain_chunks(packed))
    try:
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for info in archive:
                tally.member()
                name = _name(info.name)
                if not info.isreg() or not name.lower().endswith(suffixes):
                    continue
                if info.size > MAX_MEMBER:
                    raise FeedBroken(f"{name} is larger than {MAX_MEMBER:,} bytes")
                source = archive.extractfile(info)
                body = source.read() if source else b""
                if len(body) != info.size:
                    raise FeedBroken(f"the tar archive is cut off in {name}")
                tally.grow(len(body), packed.tell())
                yield MemberFile(name, body)
    except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
        if isinstance(error, FeedBroken):
            raise
        raise FeedBroken(f"the tar archive is damaged or cut off: {error}") from error
    if not stream.whole:
        raise FeedBroken("the tar archive is cut off: its end mark is missing")


class _Tally:
    """Counts what came out of an archive."""

    def __init__(self) -> None:
        self._total = 0
        self._members = 0

    def member(self) -> None:
        self._members += 1
        if self._members > MAX_MEMBERS:
            raise FeedBroken(f"the archive has more than {MAX_MEMBERS:,} members")

    def grow(self, size: int, packed: int) -> None:
        """Note `size` more plain bytes; `packed`: how many bytes of the archive all of them came from so far."""
        self._total += size
        if self._total > MAX_PLAIN or is_bomb(self._total, packed):
            raise FeedBroken("the archive unpacks to far more than its size: taken for a bomb")


class _Stream(io.RawIOBase):
    """Chunks as the file object that tarfile reads from. `whole`: the end mark of a tar (an empty block) was seen."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._waiting = b""
        self._last = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        while size < 0 or len(self._waiting) < size:
            chunk = next(self._chunks, b"")
            if not chunk:
                break
            self._waiting += chunk
        taken = self._waiting if size < 0 else self._waiting[:size]
        self._waiting = self._waiting[len(taken) :]
        self._last = (self._last + taken)[-_BLOCK:]
        return taken

    @property
    def whole(self) -> bool:
        return len(self._last) == _BLOCK and not self._last.strip(b"\0")


def _name(text: str) -> str:
    return text.replace("\\", "/")[:MAX_NAME]
