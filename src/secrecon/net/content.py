"""Content codings undone, never past a cap: gzip, deflate (zlib and raw), br, zstd (RFC 9110 section 8.4).

Pure. A decompression bomb costs at most the cap in memory. What cannot be decoded is handed on as it is, with the
reason as a stable short name; nothing here raises for what a target sent.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import brotli
import zstandard

MAX_CODINGS = 4
ZSTD_WINDOW = 8 * 1024 * 1024
MAX_MEMBERS = 1000


@dataclass(frozen=True, slots=True)
class Decoded:
    """`data` is at most the cap; `cut` tells that there was more. `problem`: a stable name or ""."""

    data: bytes
    cut: bool
    problem: str = ""


def decode(body: bytes, codings: Sequence[str], cap: int) -> tuple[bytes, bool, list[str]]:
    """Undo `codings` (in the order applied) on `body`: the bytes, whether the cap cut them, and problems."""
    problems: list[str] = []
    cut = False
    wanted = [coding for coding in codings if coding not in ("identity", "")]
    if len(wanted) > MAX_CODINGS:
        return body[:cap], len(body) > cap, ["too-many-codings"]
    for coding in reversed(wanted):
        if not body:
            break
        if coding not in _DECODERS:
            problems.append("unknown-coding")
            break
        result = _DECODERS[coding](body, cap)
        cut = cut or result.cut
        if result.problem:
            problems.append(result.problem)
        if result.problem.startswith("bad-") and not result.data:
            break
        body = result.data
    return body, cut, problems


def _gzip(body: bytes, cap: int) -> Decoded:
    return _inflate(body, cap, zlib.MAX_WBITS | 16, "gzip")


def _deflate(body: bytes, cap: int) -> Decoded:
    """`deflate` is zlib by the book and raw in many servers; the first bytes tell."""
    zlib_header = len(body) > 1 and body[0] & 0x0F == 8 and (body[0] * 256 + body[1]) % 31 == 0
    first = _inflate(body, cap, zlib.MAX_WBITS if zlib_header else -zlib.MAX_WBITS, "deflate")
    if zlib_header and first.problem and not first.data:
        return _inflate(body, cap, -zlib.MAX_WBITS, "deflate")
    return first


def _inflate(body: bytes, cap: int, window: int, name: str) -> Decoded:
    """One or more zlib streams, one after the other (gzip files may be joined)."""
    out = bytearray()
    rest = body
    for _ in range(MAX_MEMBERS):
        machine = zlib.decompressobj(window)
        try:
            out += machine.decompress(rest, cap + 1 - len(out))
        except zlib.error:
            # Bytes after a whole stream are padding to every browser; only a broken first one is a problem.
            return Decoded(bytes(out), cut=False, problem=f"bad-{name}" if rest is body else "bytes-after-coding")
        if len(out) > cap:
            return Decoded(bytes(out[:cap]), cut=True)
        if not machine.eof:
            return Decoded(bytes(out), cut=False, problem=f"short-{name}")
        rest = machine.unused_data
        if not rest or window != zlib.MAX_WBITS | 16:
            break
    return Decoded(bytes(out), cut=False, problem="bytes-after-coding" if rest else "")


def _brotli(body: bytes, cap: int) -> Decoded:
    machine = brotli.Decompressor()
    out = bytearray()
    try:
        chunk: bytes = machine.process(body, output_buffer_limit=cap + 1)
        out += chunk
        while len(out) <= cap and not machine.is_finished():
            chunk = machine.process(b"", output_buffer_limit=cap + 1 - len(out))
            if not chunk:
                break
            out += chunk
    except brotli.error:
        return Decoded(bytes(out[:cap]), cut=False, problem="bad-br")
    if len(out) > cap:
        return Decoded(bytes(out[:cap]), cut=True)
    return Decoded(bytes(out), cut=False, problem="" if machine.is_finished() else "short-br")


def _zstd(body: bytes, cap: int) -> Decoded:
    machine = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW)
    out = bytearray()
    try:
        with machine.stream_reader(io.BytesIO(body), read_across_frames=True) as reader:
            while len(out) <= cap:
                chunk: bytes = reader.read(min(65_536, cap + 1 - len(out)))
                if not chunk:
                    break
                out += chunk
    except zstandard.ZstdError:
        return Decoded(bytes(out[:cap]), cut=False, problem="bad-zstd")
    return Decoded(bytes(out[:cap]), cut=len(out) > cap)


_DECODERS = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "br": _brotli,
    "zstd": _zstd,
}
