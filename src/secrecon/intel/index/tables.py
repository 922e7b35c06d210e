"""The index file: sorted tables of bytes to bytes, written once, read through a memory map.

Layout: a magic line, the tables, a directory of them (JSON), and at the very end where the directory is and its sha256. A
table is its values one after another, then its keys, then where each begins (little-endian, 8 bytes). A look-up is a binary
search; nothing is read but what it touches. A file is written beside its place and renamed, so there is never half of
one; a file that is cut off or was changed in its directory is refused when it is opened. `verify` reads every byte.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from secrecon.model.errors import BadInput

MAGIC = b"secrecon-intel 1\n"
_TRAILER = struct.Struct("<QQ32s")
_OFFSETS = struct.Struct("<Q")


class IndexBroken(BadInput):
    """The file is not a whole index of this version."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a table is: byte positions of values, keys and the two rows of offsets; how many rows; the digest of its
    bytes; `of`: the digest of what it was made from, so that an unchanged table is copied and not made again."""

    values: int
    keys: int
    value_offsets: int
    key_offsets: int
    end: int
    count: int
    sha256: str
    of: str = ""


class Writer:
    """Writes an index file. Use as a context manager: the file appears when the block ends without an error."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fresh = path.with_name(path.name + ".new")
        self._tables: dict[str, Place] = {}
        self.about: dict[str, object] = {}

    def __enter__(self) -> Writer:
        self._file: BinaryIO = self._fresh.open("w+b")
        self._file.write(MAGIC)
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            try:
                self._file.close()  # writes what is left, which a full disk refuses again
            finally:
                self._fresh.unlink(missing_ok=True)

    def table(self, name: str, rows: Iterable[tuple[bytes, bytes]], of: str = "") -> None:
        """Write a table. `rows` come in the order of their keys, each key once. Raises ValueError where not."""
        digest = hashlib.sha256()
        start = self._file.tell()
        keys: list[bytes] = []
        offsets = bytearray(_OFFSETS.pack(0))
        size, last = 0, None
        for key, value in rows:
            if last is not None and key <= last:
                raise ValueError(f"rows of {name} are not in order: {last[:60]!r}, {key[:60]!r}")
            last = key
            keys.append(key)
            self._put(value, digest)
            size += len(value)
            offsets += _OFFSETS.pack(size)
        keys_at = self._file.tell()
        key_offsets, size = bytearray(_OFFSETS.pack(0)), 0
        for key in keys:
            size += len(key)
            key_offsets += _OFFSETS.pack(size)
        self._put(b"".join(keys), digest)
        values_at, keys_offsets_at = self._file.tell(), 0
        self._put(bytes(offsets), digest)
        keys_offsets_at = self._file.tell()
        self._put(bytes(key_offsets), digest)
        end = self._file.tell()
        self._tables[name] = Place(
            start, keys_at, values_at, keys_offsets_at, end, len(keys), digest.hexdigest(), of
        )

    def copy(self, name: str, source: Reader) -> None:
        """The same table as in another index."""
        place = source.places[name]
        start = self._file.tell()
        moved = start - place.values
        for at in range(place.values, place.end, 1 << 22):
            self._file.write(source.raw(at, min(at + (1 << 22), place.end)))
        self._tables[name] = Place(
            start,
            place.keys + moved,
            place.value_offsets + moved,
            place.key_offsets + moved,
            place.end + moved,
            place.count,
            place.sha256,
            place.of,
        )

    def _put(self, data: bytes, digest: hashlib._Hash) -> None:
        self._file.write(data)
        digest.update(data)

    def _finish(self) -> None:
        directory = json.dumps(
            {"about": self.about, "tables": {name: asdict(place) for name, place in self._tables.items()}}
        ).encode()
        at = self._file.tell()
        self._file.write(directory)
        self._file.write(_TRAILER.pack(at, len(directory), hashlib.sha256(directory).digest()))
        self._file.flush()
        os.fsync(self._file.fileno())
        self._fresh.replace(self._path)


class Reader:
    """An open index file. `about`: what its builder noted. Safe to share between threads; close when done."""

    def __init__(self, path: Path) -> None:
        """Raises IndexBroken where the file is not a whole index, FileNotFoundError where there is none."""
        self.path = path
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size < len(MAGIC) + _TRAILER.size:
                raise IndexBroken(f"{path} is not an index: it is too short")
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        try:
            self.about, self.places = self._directory(size)
        except BaseException:
            self._map.close()
            raise

    def close(self) -> None:
        self._map.close()

    def get(self, table: str, key: bytes) -> bytes | None:
        """The value of a key, None where the table (or the file) has none."""
        place = self.places.get(table)
        if place is None:
            return None
        low, high = 0, place.count
        while low < high:
            middle = (low + high) // 2
            if self._key(place, middle) < key:
                low = middle + 1
            else:
                high = middle
        if low < place.count and self._key(place, low) == key:
            return self._value(place, low)
        return None

    def rows(self, table: str) -> Iterator[tuple[bytes, bytes]]:
        """Every row of a table, in the order of the keys."""
        place = self.places.get(table)
        for number in range(place.count if place else 0):
            assert place is not None
            yield self._key(place, number), self._value(place, number)

    def count(self, table: str) -> int:
        place = self.places.get(table)
        return place.count if place else 0

    def raw(self, start: int, end: int) -> bytes:
        return self._map[start:end]

    def verify(self) -> None:
        """Read every byte. Raises IndexBroken where a table is not what was written."""
        for name, place in self.places.items():
            digest = hashlib.sha256()
            for at in range(place.values, place.end, 1 << 22):
                digest.update(self._map[at : min(at + (1 << 22), place.end)])
            if digest.hexdigest() != place.sha256:
                raise IndexBroken(f"{self.path} was damaged: table {name} is not what was written; build it again")

    def _directory(self, size: int) -> tuple[Mapping[str, object], dict[str, Place]]:
        at, length, digest = _TRAILER.unpack(self._map[size - _TRAILER.size :])
        directory = self._map[at : at + length] if at + length + _TRAILER.size == size else b""
        if self._map[: len(MAGIC)] != MAGIC or hashlib.sha256(directory).digest() != digest:
            raise IndexBroken(f"{self.path} is not a whole index of this version: build it again")
        read = json.loads(directory)
        return read["about"], {name: Place(**place) for name, place in read["tables"].items()}

    def _key(self, place: Place, number: int) -> bytes:
        return self._slice(place.keys, place.key_offsets, number)

    def _value(self, place: Place, number: int) -> bytes:
        return self._slice(place.values, place.value_offsets, number)

    def _slice(self, base: int, offsets: int, number: int) -> bytes:
        at = offsets + 8 * number
        first, last = struct.unpack_from("<QQ", self._map, at)
        return self._map[base + first : base + last]
