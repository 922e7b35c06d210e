"""What is stored of one product: every affected version and range of every CVE, in a form that is fast to go through.

A limit is a key that sorts as the version does where it is plain dotted numbers (`ordering.plain_key`), and 0xff and its
text where it is not. Versions that are named one by one are kept by their canonical text, so that they need no
comparing. Fields are positional on disk.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

import msgspec
import zstandard

from secrecon.intel.cpe import ANY, NA
from secrecon.intel.ordering import canonical, plain_key
from secrecon.intel.records import Criterion

LOW_INCLUDED, HIGH_INCLUDED, TOGETHER = 1, 2, 4
TEXT, ZERO = b"\xff", b"\x01\x00"
"""How a limit begins that has to be compared as text; and the version 0, which has no numbers of its own."""
LEVEL = 6
MAX_BLOCK = 64_000_000


class Row(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A range, or a single version. `cve`: number of the CVE. `low`, `high`: limits, b"" for none; both for a single
    version. `update`: "" any, "-" none, else canonical. `flags`: the bits above. `at`: which of the CVE's joined
    configurations, -1 for none. `provider`, `qualifiers`: places in the block's lists."""

    cve: int
    low: bytes
    high: bytes
    flags: int
    update: str
    provider: int
    qualifiers: int
    at: int


class Block(msgspec.Struct, frozen=True, array_like=True):
    """Everything of one product. `parts`: how many numbers its versions usually have. `exact`: rows by canonical version,
    still packed, as a look-up needs those of one version only. `scores`: CVE number to ten times its CVSS score, for
    sorting. `unversioned`: CVEs whose record says that it has no versions."""

    providers: list[str]
    qualifiers: list[str]
    parts: int
    ranges: list[Row]
    exact: dict[str, msgspec.Raw]
    unversioned: list[int]
    scores: dict[int, int]

    @property
    def size(self) -> int:
        """How much it holds, in rows and versions."""
        return len(self.ranges) + len(self.exact) + len(self.unversioned)

    def named(self, version: str) -> list[Row]:
        """The rows that name a version, by its canonical text."""
        packed = self.exact.get(version)
        return _EXACT.decode(packed) if packed is not None else []


_PACK = msgspec.msgpack.Encoder()
_ROWS = msgspec.msgpack.Decoder(tuple[int, str, int, Criterion])
_EXACT = msgspec.msgpack.Decoder(list[Row])
_BLOCK = msgspec.msgpack.Decoder(Block)


class Gathering:
    """The criteria of all products while feeds are read, packed tightly: there are millions."""

    def __init__(self) -> None:
        self._rows: dict[str, bytearray] = {}

    def add(self, entry: int, provider: str, at: int, criterion: Criterion) -> None:
        """One vulnerable criterion of the record that is number `entry`; `at`: its joined configuration, -1 for none."""
        packed = _PACK.encode((entry, provider, at, criterion))
        rows = self._rows.setdefault(criterion.product, bytearray())
        rows += len(packed).to_bytes(4, "big")
        rows += packed

    def products(self) -> list[str]:
        """Every product, in the order of the keys of the index."""
        return sorted(self._rows, key=lambda name: name.encode())

    def take(self, product: str) -> Iterator[tuple[int, str, int, Criterion]]:
        """The rows of a product, which are then forgotten."""
        rows = memoryview(bytes(self._rows.pop(product)))
        at = 0
        while at < len(rows):
            length = int.from_bytes(rows[at : at + 4], "big")
            yield _ROWS.decode(rows[at + 4 : at + 4 + length])
            at += 4 + length


def block_of(rows: Iterable[tuple[int, str, int, Criterion]], scores: dict[int, int]) -> Block:
    """The block of a product from (number of the CVE, provider, configuration, criterion). `scores`: of every CVE."""
    providers: dict[str, int] = {}
    qualifiers: dict[str, int] = {}
    parts: Counter[int] = Counter()
    ranges: dict[Row, None] = {}
    exact: dict[str, dict[Row, None]] = {}
    unversioned: dict[int, None] = {}
    seen: dict[int, int] = {}
    for cve, provider, at, criterion in rows:
        seen[cve] = scores.get(cve, 0)
        if criterion.version == NA:
            unversioned[cve] = None
            continue
        whose = providers.setdefault(provider, len(providers))
        what = qualifiers.setdefault(criterion.qualifiers, len(qualifiers))
        row = _row(criterion, cve, at, whose, what)
        limits = [criterion.start, criterion.end] if criterion.version == ANY else [criterion.version]
        parts.update(limit.count(".") + 1 for limit in limits if plain_key(limit) is not None)
        if criterion.version == ANY:
            ranges[row] = None
        else:
            exact.setdefault(canonical(criterion.version), {})[row] = None
    usual = parts.most_common(1)[0][0] if parts else 1
    return Block(
        list(providers),
        list(qualifiers),
        usual,
        list(ranges),
        {version: msgspec.Raw(_PACK.encode(list(found))) for version, found in exact.items()},
        list(unversioned),
        seen,
    )


def _row(criterion: Criterion, cve: int, at: int, provider: int, qualifiers: int) -> Row:
    flags = TOGETHER if at >= 0 else 0
    update = "" if criterion.update == ANY else canonical_update(criterion.update)
    if criterion.version != ANY:
        return Row(cve, b"", b"", flags, update, provider, qualifiers, at)
    flags |= LOW_INCLUDED * criterion.start_included | HIGH_INCLUDED * criterion.end_included
    low, high = limit(_opened(criterion.start)), criterion.end
    high = high if criterion.end_included else _opened(high)
    return Row(cve, low, limit(high), flags, update, provider, qualifiers, at)


def _opened(version: str) -> str:
    """`8.1.x` and `8.1.*` as the version that they begin with."""
    return re.sub(r"(?:\.[xX*])+$", "", version)


def canonical_update(update: str) -> str:
    """`RC-1` and `rc1` are one update; "-" where there is none."""
    return NA if update in ("", NA) else canonical(f"0 {update}")


def limit(version: str) -> bytes:
    """A limit as it is stored."""
    if not version:
        return b""
    key = plain_key(version)
    return TEXT + version.encode() if key is None else (key or ZERO)


def pack(block: Block) -> bytes:
    return zstandard.ZstdCompressor(level=LEVEL).compress(_PACK.encode(block))


def unpack(packed: bytes) -> Block:
    return _BLOCK.decode(zstandard.ZstdDecompressor().decompress(packed, max_output_size=MAX_BLOCK))
