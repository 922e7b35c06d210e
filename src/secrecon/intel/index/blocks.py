"""What is stored of one product: every affected version and range of every CVE, in a form that is fast to go through.

A limit is a key that sorts as the version does where it is plain dotted numbers (`ordering.plain_key`), and 0xff and its
text where it is not. Rules with the same limits lie together, so that each limit is compared once. Versions that are named
one by one are kept by their canonical text, so that they need no comparing. What a rule asks for besides its product (a
platform, another product) is kept once, however many rules ask for it. Fields are positional on disk.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

import msgspec
import zstandard

from secrecon.intel.cpe import ANY, NA
from secrecon.intel.ordering import branch_key, canonical, plain_key
from secrecon.intel.records import Configuration, Criterion

LOW_INCLUDED, HIGH_INCLUDED = 1, 2
TEXT, ZERO = b"\xff", b"\x01\x00"
"""How a limit begins that has to be compared as text; and the version 0, which has no numbers of its own."""
LEVEL = 6
MAX_BLOCK = 64_000_000
_OPEN = re.compile(r"(?:\.[xX*])+$")
_BRANCH = re.compile(r"v?[0-9]{1,18}(?:\.[0-9]{1,18}){0,8}(?:\.[xX*])+")


class Limits(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A range of versions. `low`, `high`: its limits, b"" for none. `flags`: which of them belong to it."""

    low: bytes = b""
    high: bytes = b""
    flags: int = 0


class Row(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A rule. `cve`: number of the CVE. `update`: "" any, "-" none, else canonical. `provider`, `qualifiers`, `needs`: places
    in the block's lists; `needs` -1: nothing else is asked for."""

    cve: int
    update: str
    provider: int
    qualifiers: int
    needs: int


class Need(msgspec.Struct, frozen=True, array_like=True):
    """Criteria of which one must hold, or with `negated` none may."""

    negated: bool
    criteria: tuple[Criterion, ...]


class Block(msgspec.Struct, frozen=True, array_like=True):
    """Everything of one product. `parts`: how many numbers its versions usually have. `exact`: rows by canonical version,
    still packed, as a look-up needs those of one version only. `scores`: CVE number to ten times its CVSS score, for
    sorting. `unversioned`: CVEs whose record says that it has no versions. `nodes`: what rules ask for besides, still packed;
    `needs`: combinations of those, by place."""

    providers: list[str]
    qualifiers: list[str]
    parts: int
    ranges: list[tuple[Limits, list[Row]]]
    exact: dict[str, msgspec.Raw]
    unversioned: list[int]
    scores: dict[int, int]
    nodes: list[msgspec.Raw]
    needs: list[tuple[int, ...]]

    @property
    def size(self) -> int:
        """How much it holds, in rows and versions."""
        return sum(len(rows) for _, rows in self.ranges) + len(self.exact) + len(self.unversioned)

    def named(self, version: str) -> list[Row]:
        """The rows that name a version, by its canonical text."""
        packed = self.exact.get(version)
        return _EXACT.decode(packed) if packed is not None else []

    def needed(self, number: int) -> list[Need]:
        """What the combination with that place asks for."""
        return [_NEED.decode(self.nodes[place]) for place in self.needs[number]]


T = TypeVar("T")
_PACK = msgspec.msgpack.Encoder()
_ROWS = msgspec.msgpack.Decoder(tuple[int, str, tuple[int, ...], Criterion])
_EXACT = msgspec.msgpack.Decoder(list[Row])
_NEED = msgspec.msgpack.Decoder(Need)
_BLOCK = msgspec.msgpack.Decoder(Block)

Gathered = tuple[int, str, tuple[int, ...], Criterion]
"""(entry or CVE, provider, what else is needed as places in the gathering's nodes, criterion)."""


class Gathering:
    """The criteria of all products while feeds are read, packed tightly: there are millions. `nodes`: what criteria ask for
    besides, each once."""

    def __init__(self) -> None:
        self._rows: dict[str, bytearray] = {}
        self._places: dict[bytes, int] = {}
        self.nodes: list[bytes] = []

    def add(self, entry: int, configuration: Configuration) -> None:
        """The vulnerable criteria of a configuration of the record that is number `entry`."""
        nodes: dict[int, list[Criterion]] = {}
        if configuration.every or configuration.negated:
            for criterion in configuration.criteria:
                nodes.setdefault(criterion.node, []).append(criterion)
        places = {node: self._place(node in configuration.negated, criteria) for node, criteria in nodes.items()}
        own: dict[str, set[int]] = {}
        for criterion in configuration.criteria:
            if criterion.vulnerable and criterion.node not in configuration.negated:
                own.setdefault(criterion.product, set()).add(criterion.node)
        for criterion in configuration.criteria:
            if criterion.vulnerable and criterion.node not in configuration.negated:
                met = own[criterion.product]
                needs = tuple(place for node, place in places.items() if node not in met)
                self._add((entry, configuration.provider, needs, criterion))

    def _place(self, negated: bool, criteria: list[Criterion]) -> int:
        packed = _PACK.encode(Need(negated, tuple(criteria)))
        place = self._places.setdefault(packed, len(self.nodes))
        if place == len(self.nodes):
            self.nodes.append(packed)
        return place

    def _add(self, row: Gathered) -> None:
        packed = _PACK.encode(row)
        rows = self._rows.setdefault(row[3].product, bytearray())
        rows += len(packed).to_bytes(4, "big")
        rows += packed

    def products(self) -> list[str]:
        """Every product, in the order of the keys of the index."""
        return sorted(self._rows, key=lambda name: name.encode())

    def take(self, product: str) -> Iterator[Gathered]:
        """The rows of a product, which are then forgotten."""
        rows = memoryview(bytes(self._rows.pop(product)))
        at = 0
        while at < len(rows):
            length = int.from_bytes(rows[at : at + 4], "big")
            yield _ROWS.decode(rows[at + 4 : at + 4 + length])
            at += 4 + length


class _Numbered(Generic[T]):
    """Things in the order in which they first came, each once."""

    def __init__(self) -> None:
        self._places: dict[T, int] = {}

    def place(self, thing: T) -> int:
        return self._places.setdefault(thing, len(self._places))

    @property
    def all(self) -> list[T]:
        return list(self._places)


def block_of(rows: Iterable[Gathered], scores: dict[int, int], nodes: list[bytes]) -> Block:
    """The block of a product from its rows, whose first field is the number of the CVE. `scores`: of every CVE; `nodes`: of
    the gathering."""
    providers, qualifiers = _Numbered[str](), _Numbered[str]()
    used, needs = _Numbered[int](), _Numbered[tuple[int, ...]]()
    parts: Counter[int] = Counter()
    ranges: dict[Limits, dict[Row, None]] = {}
    exact: dict[str, dict[Row, None]] = {}
    unversioned: dict[int, None] = {}
    seen: dict[int, int] = {}
    for cve, provider, needed, criterion in rows:
        seen[cve] = scores.get(cve, 0)
        if criterion.version == NA:
            unversioned[cve] = None
            continue
        row = Row(
            cve,
            "" if criterion.update == ANY else canonical_update(criterion.update),
            providers.place(provider),
            qualifiers.place(criterion.qualifiers),
            needs.place(tuple(used.place(node) for node in needed)) if needed else -1,
        )
        limits = _limits(criterion)
        told = [criterion.version] if limits is None else [criterion.start, criterion.end]
        parts.update(limit.count(".") + 1 for limit in told if plain_key(limit) is not None)
        if limits is None:
            exact.setdefault(canonical(criterion.version), {})[row] = None
        else:
            ranges.setdefault(limits, {})[row] = None
    return Block(
        providers.all,
        qualifiers.all,
        parts.most_common(1)[0][0] if parts else 1,
        [(limits, list(found)) for limits, found in ranges.items()],
        {version: msgspec.Raw(_PACK.encode(list(found))) for version, found in exact.items()},
        list(unversioned),
        seen,
        [msgspec.Raw(nodes[node]) for node in used.all],
        needs.all,
    )


def _limits(criterion: Criterion) -> Limits | None:
    """The range of a criterion; None where it names one version. `8.1.x` is a range of its own, and as a limit it is all of
    8.1: `<= 8.1.x` holds 8.1.30, `< 8.1.x` none of them."""
    if criterion.version != ANY:
        if not _BRANCH.fullmatch(criterion.version):
            return None
        return Limits(_from(criterion.version), _through(criterion.version), LOW_INCLUDED | HIGH_INCLUDED)
    flags = LOW_INCLUDED * criterion.start_included | HIGH_INCLUDED * criterion.end_included
    low = _from(criterion.start) if criterion.start_included else _through(criterion.start)
    high = _through(criterion.end) if criterion.end_included else _from(criterion.end)
    return Limits(low, high, flags)


def _from(version: str) -> bytes:
    """A limit before all versions that `8.1.x` stands for."""
    return limit(_OPEN.sub("", version))


def _through(version: str) -> bytes:
    """A limit after all of them."""
    opened = _OPEN.sub("", version)
    key = branch_key(opened) if opened != version else None
    return limit(opened) if key is None else key


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
