"""Opening a feed file: gzip (RFC 1952), xz, zstd (RFC 8878) or plain, told apart by content and read as a stream.

Bounded: the plain size, and how many times larger than the packed bytes read so far it may have grown, so that a bomb ends
with an error after its first megabytes and not with a full disk, memory or an hour of work. A stream that ends before its
own end is broken, never "shorter". Only one layer of compression is taken off.
"""

from __future__ import annotations

import gzip
import lzma
import zlib
from collections.abc import Iterator
from typing import BinaryIO, Protocol

import zstandard

from secrecon.intel.feeds.errors import FeedBroken

CHUNK = 262_144
MAX_PLAIN = 4_000_000_000
MAX_RATIO = 100
"""Feeds grow 5 to 25 times, their most repetitive stretches 60 times."""
FREE_PLAIN = 30_000_000
"""Below this plain size any ratio is taken: small repetitive files are no bombs."""
WINDOW = 1 << 27
LZMA_MEMORY = 512 * 1024 * 1024

GZIP, XZ, ZSTD = b"\x1f\x8b", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd"


class _Unpacker(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


def plain_chunks(packed: BinaryIO, *, limit: int = MAX_PLAIN) -> Iterator[bytes]:
    """The plain bytes of a feed file, from its start. Raises FeedBroken."""
    packed.seek(0)
    magic = packed.read(6)
    packed.seek(0)
    total = 0
    unpacker = _unpacker(packed, magic)
    while True:
        try:
            chunk = unpacker.read(CHUNK)
        except (EOFError, OSError, zlib.error, lzma.LZMAError, zstandard.ZstdError) as error:
            raise FeedBroken(f"the compressed file is damaged or cut off: {error}") from error
        if not chunk:
            break
        total += len(chunk)
        if total > limit:
            raise FeedBroken(f"the file unpacks to more than {limit:,} bytes")
        if is_bomb(total, packed.tell()):
            raise FeedBroken(f"the file unpacks to more than {MAX_RATIO} times its size: taken for a bomb")
        yield chunk


def is_bomb(plain: int, packed: int) -> bool:
    """Whether so many plain bytes from so many packed ones are more than any feed has."""
    return plain > FREE_PLAIN and plain > packed * MAX_RATIO


def head(packed: BinaryIO, size: int) -> bytes:
    """The first `size` plain bytes, fewer where the file is shorter. Raises FeedBroken."""
    start = bytearray()
    for chunk in plain_chunks(packed):
        start += chunk
        if len(start) >= size:
            break
    return bytes(start[:size])


def whole(packed: BinaryIO, limit: int) -> bytes:
    """All plain bytes of a feed that is small by nature. Raises FeedBroken above `limit`."""
    return b"".join(plain_chunks(packed, limit=limit))


def _unpacker(packed: BinaryIO, magic: bytes) -> _Unpacker:
    if magic.startswith(GZIP):
        return gzip.GzipFile(fileobj=packed, mode="rb")
    if magic.startswith(XZ):
        return _Xz(packed)
    if magic.startswith(ZSTD):
        return _Zstd(packed)
    return packed


class _Xz:
    """xz with a bound on the decoder's memory, which the header of a hostile file chooses."""

    def __init__(self, packed: BinaryIO) -> None:
        self._packed = packed
        self._decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=LZMA_MEMORY)

    def read(self, size: int = -1, /) -> bytes:
        while True:
            if self._decoder.eof:
                rest = self._decoder.unused_data.lstrip(b"\0") or self._packed.read(CHUNK).lstrip(b"\0")
                if not rest:
                    return b""
                self._decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=LZMA_MEMORY)
                plain = self._decoder.decompress(rest, size)
            elif self._decoder.needs_input:
                data = self._packed.read(CHUNK)
                if not data:
                    raise EOFError("it ends before the end-of-stream marker")
                plain = self._decoder.decompress(data, size)
            else:
                plain = self._decoder.decompress(b"", size)
            if plain:
                return plain


class _Zstd:
    """zstd frame by frame: the library's own reader takes a cut-off frame for a short one."""

    def __init__(self, packed: BinaryIO) -> None:
        self._packed = packed
        self._waiting = bytearray()
        self._frame: zstandard.ZstdDecompressionObj = self._new()
        self._started = False
        self._ended = False

    @staticmethod
    def _new() -> zstandard.ZstdDecompressionObj:
        return zstandard.ZstdDecompressor(max_window_size=WINDOW).decompressobj()

    def read(self, size: int = -1, /) -> bytes:
        while not self._waiting:
            if self._ended:
                return b""
            data = self._frame.unused_data if self._frame.eof else b""
            if self._frame.eof:
                self._frame, self._started = self._new(), False
            data = data or self._packed.read(min(CHUNK, 16_384))
            if not data:
                if self._started:
                    raise EOFError("it ends inside a frame")
                self._ended = True
                return b""
            self._started = True
            self._waiting += self._frame.decompress(data)
        plain = bytes(self._waiting[:size])
        del self._waiting[:size]
        return plain
