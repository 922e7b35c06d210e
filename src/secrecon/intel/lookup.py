"""Looking things up in an index: which CVEs may apply to a product with a version, to a package, and what is known of a CVE.

Every match names the provider and the rule that made it, and what else would have to be true. A version that cannot be
ordered against a limit, or is told too roughly, is undecided; an unknown version gives candidates only. A look-up reads what
it touches; blocks that were read are kept, bounded.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import zstandard

from secrecon.intel.index.blocks import (
    HIGH_INCLUDED,
    LOW_INCLUDED,
    TEXT,
    TOGETHER,
    ZERO,
    Block,
    Row,
    canonical_update,
    unpack,
)
from secrecon.intel.index.build import FORMAT, flaws_of
from secrecon.intel.index.tables import IndexBroken, Reader
from secrecon.intel.ordering import base_and_update, canonical, compare, plain_key, plain_text
from secrecon.intel.records import (
    Configuration,
    Criterion,
    CveFacts,
    EpssScore,
    KevEntry,
    PackageFlaw,
    SsvcPoints,
    cve_key,
    cve_name,
    cve_number,
)

KEPT_ROWS = 400_000
MAX_CONDITION = 3
LARGE = b"\x09"
"""Sorts after every number of a plain key."""
_CVES = ("nvd", "cve5")
_FACTS = msgspec.msgpack.Decoder(CveFacts)
_JOINED = msgspec.msgpack.Decoder(list[Configuration])
_KEV = msgspec.msgpack.Decoder(KevEntry)
_EPSS = msgspec.msgpack.Decoder(EpssScore)
_SSVC = msgspec.msgpack.Decoder(SsvcPoints)


@dataclass(frozen=True, slots=True)
class Matched:
    """A CVE that may apply. `provider`: who says so. `unmet`: nodes of its configuration that were not seen to hold, each
    with whether it must not; `qualifiers`: what the product must be besides."""

    number: int
    provider: str
    product: str
    version: str
    row: Row
    unmet: tuple[tuple[bool, tuple[Criterion, ...]], ...] = ()
    qualifiers: str = ""
    score: float = 0.0

    @property
    def cve_id(self) -> str:
        return cve_name(self.number)

    @property
    def named(self) -> bool:
        """Whether the record limits its versions; one that does not says little."""
        return bool(self.version or self.row.low or self.row.high)

    @property
    def rule(self) -> str:
        """The rule that made the match, as people write it."""
        return f"{self.product.partition(':')[2]} {self.version or _range_words(self.row)}"

    @property
    def conditions(self) -> tuple[str, ...]:
        """What else must hold and could not be seen, in words."""
        told = [f"{'without' if negated else 'with'} {_alternatives(criteria)}" for negated, criteria in self.unmet]
        return (*told, f"it is the one with {self.qualifiers}") if self.qualifiers else tuple(told)

    @property
    def weight(self) -> tuple[bool, bool]:
        """Which of several rules for one CVE says most."""
        return not (self.unmet or self.qualifiers), self.named


@dataclass(frozen=True, slots=True)
class Result:
    """All that is known of a product. `known`: some feed has it. `undecided`: CVEs whose limits the version could not be
    placed against. `candidates`: CVEs of the product where the version is not known."""

    known: bool
    matches: tuple[Matched, ...] = ()
    undecided: tuple[str, ...] = ()
    candidates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Version:
    """A version as it is placed. `low`, `high`: plain keys of the first and last version that it may be, the same where it
    is complete; None where it is not plain dotted numbers."""

    text: str
    low: bytes | None
    high: bytes | None

    @property
    def rough(self) -> bool:
        return self.low != self.high


@dataclass(slots=True)
class _Gathered:
    matches: dict[int, Matched] = field(default_factory=dict)
    undecided: set[int] = field(default_factory=set)
    candidates: set[int] = field(default_factory=set)


class Index:
    """An open index file. Safe to share between threads; a file that is replaced stays readable until it is closed."""

    def __init__(self, path: Path) -> None:
        """Raises IndexBroken where the file is none, or was made by another version."""
        self._reader = Reader(path)
        if self._reader.about.get("format") != FORMAT:
            self._reader.close()
            raise IndexBroken(f"{path} was built by another version of SecRecon: build it again")
        self._blocks: OrderedDict[tuple[str, str], Block | None] = OrderedDict()
        self._kept = 0
        self._unpackers: dict[str, zstandard.ZstdDecompressor] = {}

    @property
    def path(self) -> Path:
        return self._reader.path

    @property
    def about(self) -> object:
        """What the builder noted of the feeds."""
        return self._reader.about.get("feeds")

    def close(self) -> None:
        self._reader.close()

    def match(
        self,
        products: Sequence[str],
        version: str,
        present: Collection[str] = (),
        *,
        whole: bool = False,
        by_base: bool = False,
        parts: int = 0,
    ) -> Result:
        """The CVEs of a product (`a:f5:nginx`, with its aliases) in a version; "" where it is not known.

        `present`: products that are known to run on the same host, for rules that need several. `whole`: the version is
        complete as it is; else one with fewer numbers than usual (`parts`, 0: of the feeds) stands for all that begin so.
        `by_base`: what follows the numbers is packaging, such as p1 of OpenSSH.
        """
        found = _Gathered()
        known = False
        corrected = self._corrected
        for product in dict.fromkeys(products):
            for prefix in ("overrides", *_CVES):
                block = self._block(prefix, product)
                if block is None:
                    continue
                known = True
                skip = corrected if prefix == "nvd" else frozenset()
                look = _Look(self, prefix, product, block, frozenset(present), skip, found)
                if not version:
                    look.candidates()
                    continue
                told = base_and_update(version)[0] if by_base else version
                look.place(_version(told, 0 if whole else parts or block.parts))
                if told != version:
                    look.exact(Version(version, None, None))
        undecided = found.undecided - found.matches.keys()
        matches = sorted(found.matches.values(), key=lambda match: (-match.score, match.number))
        return Result(known, tuple(matches), _names(undecided), _names(found.candidates))

    def flaws(self, package: str) -> tuple[PackageFlaw, ...]:
        """What is known of a package (`pypi/django`, `js/jquery`), whatever its version."""
        table = "js.package" if package.startswith("js/") else "osv.package"
        packed = self._reader.get(table, package.encode())
        return tuple(flaws_of(packed)) if packed is not None else ()

    def facts(self, cve_id: str) -> CveFacts | None:
        """The record of a CVE: NVD's, with what only the CVE Program has; None where no feed has it."""
        found = [facts for prefix in _CVES if (facts := self._facts(prefix, cve_id)) is not None]
        if len(found) < 2:
            return found[0] if found else None
        first, second = found
        return msgspec.structs.replace(
            first,
            description=first.description or second.description,
            metrics=(*first.metrics, *(metric for metric in second.metrics if metric not in first.metrics)),
            cwe=first.cwe or second.cwe,
            references=first.references or second.references,
        )

    def kev(self, cve_id: str) -> KevEntry | None:
        packed = self._reader.get("kev", cve_key(cve_number(cve_id)))
        return _KEV.decode(packed) if packed is not None else None

    def epss(self, cve_id: str) -> EpssScore | None:
        packed = self._reader.get("epss", cve_key(cve_number(cve_id)))
        return _EPSS.decode(packed) if packed is not None else None

    def ssvc(self, cve_id: str) -> SsvcPoints | None:
        key = cve_key(cve_number(cve_id))
        packed = self._reader.get("cve5.ssvc", key) or self._reader.get("ssvc", key)
        return _SSVC.decode(packed) if packed is not None else None

    def has(self, table: str) -> bool:
        """Whether a feed of that table is in the index at all (`kev`, `epss`, ...)."""
        return table in self._reader.places

    def joined(self, prefix: str, cve: int) -> list[Configuration]:
        """The configurations of a CVE that need several products."""
        packed = self._reader.get(f"{prefix}.joined", cve_key(cve))
        return _JOINED.decode(packed) if packed is not None else []

    def _facts(self, prefix: str, cve_id: str) -> CveFacts | None:
        packed = self._reader.get(f"{prefix}.cve", cve_key(cve_number(cve_id)))
        if packed is None:
            return None
        unpacker = self._unpackers.get(prefix)
        if unpacker is None:
            dictionary = self._reader.get(f"{prefix}.dictionary", b"zstd") or b""
            data = zstandard.ZstdCompressionDict(dictionary) if dictionary else None
            unpacker = self._unpackers[prefix] = zstandard.ZstdDecompressor(dict_data=data)
        return _FACTS.decode(unpacker.decompress(packed, max_output_size=1_000_000))

    @property
    def _corrected(self) -> frozenset[int]:
        if not self.has("overrides.cve"):
            return frozenset()
        return frozenset(int.from_bytes(key, "big") for key, _ in self._reader.rows("overrides.cve"))

    def _block(self, prefix: str, product: str) -> Block | None:
        key = (prefix, product)
        if key in self._blocks:
            self._blocks.move_to_end(key)
            return self._blocks[key]
        packed = self._reader.get(f"{prefix}.product", product.encode())
        block = unpack(packed) if packed is not None else None
        self._blocks[key] = block
        self._kept += 1 + (block.size if block else 0)
        while self._kept > KEPT_ROWS and len(self._blocks) > 1:
            _, old = self._blocks.popitem(last=False)
            self._kept -= 1 + (old.size if old else 0)
        return block


@dataclass(frozen=True, slots=True)
class _Look:
    """One product's block looked through for one version."""

    index: Index
    prefix: str
    product: str
    block: Block
    present: frozenset[str]
    skip: frozenset[int]
    found: _Gathered
    joined: dict[int, list[Configuration]] = field(default_factory=dict)

    def candidates(self) -> None:
        self.found.candidates.update(cve for cve in self.block.scores if cve not in self.skip)

    def place(self, version: Version) -> None:
        for row in self.block.ranges:
            inside = _inside(version, row)
            if inside is None:
                self.found.undecided.add(row.cve)
            elif inside:
                self._take(row)
        self.exact(version)
        self.found.undecided.difference_update(self.skip)

    def exact(self, version: Version) -> None:
        """The rows that name the version, whole or with its update told apart."""
        block = self.block
        whole = canonical(version.text)
        if version.rough:
            for named in block.exact:
                if named == whole or named.startswith(f"{whole}."):
                    self.found.undecided.update(row.cve for row in block.named(named))
            return
        for row in block.named(whole):
            if row.update in ("", "-"):
                self._take(row, version.text)
        base, rest = base_and_update(version.text)
        if rest:
            update = canonical_update(rest)
            for row in block.named(canonical(base)):
                if row.update in ("", update):
                    self._take(row, version.text)

    def _take(self, row: Row, version: str = "") -> None:
        """A rule that holds. `version`: the one that it names, "" for a range."""
        if row.cve in self.skip:
            return
        known = self.found.matches.get(row.cve)
        if known is not None and known.weight == (True, True):
            return
        unmet = self._unmet(row) if row.flags & TOGETHER else ()
        if unmet is None:
            return
        block = self.block
        provider, score = block.providers[row.provider], block.scores.get(row.cve, 0) / 10
        qualifiers = block.qualifiers[row.qualifiers]
        matched = Matched(row.cve, provider, self.product, version, row, unmet, qualifiers, score)
        if known is None or matched.weight > known.weight:
            self.found.matches[row.cve] = matched

    def _unmet(self, row: Row) -> tuple[tuple[bool, tuple[Criterion, ...]], ...] | None:
        """What else the configuration asks for and is not known to be there; None where it is known not to apply."""
        configurations = self.joined.get(row.cve)
        if configurations is None:
            configurations = self.joined[row.cve] = self.index.joined(self.prefix, row.cve)
        if row.at >= len(configurations):
            return ()
        configuration = configurations[row.at]
        nodes: dict[int, list[Criterion]] = {}
        met: set[int] = set()
        for criterion in configuration.criteria:
            if criterion.product in self.present:
                if criterion.node in configuration.negated:
                    return None
                met.add(criterion.node)
            elif criterion.product == self.product and criterion.vulnerable:
                met.add(criterion.node)
            nodes.setdefault(criterion.node, []).append(criterion)
        return tuple(
            (node in configuration.negated, tuple(criteria)) for node, criteria in nodes.items() if node not in met
        )


def _alternatives(criteria: Sequence[Criterion]) -> str:
    unique = list(dict.fromkeys(criterion.words for criterion in criteria))
    more = f" or {len(unique) - MAX_CONDITION} others" if len(unique) > MAX_CONDITION else ""
    return " or ".join(unique[:MAX_CONDITION]) + more


def _names(cves: Collection[int]) -> tuple[str, ...]:
    return tuple(cve_name(cve) for cve in sorted(cves))


def _version(text: str, parts: int) -> Version:
    low = plain_key(text)
    if low is None:
        return Version(text, None, None)
    low = low or ZERO
    numbers = text.lstrip("v").split(".")
    if len(numbers) >= parts:
        return Version(text, low, low)
    exact = b"".join(_number(int(number)) for number in numbers)
    return Version(text, low, exact + LARGE)


def _number(value: int) -> bytes:
    length = (value.bit_length() + 7) // 8 or 1
    return bytes((length,)) + value.to_bytes(length, "big")


def _inside(version: Version, row: Row) -> bool | None:
    """Whether a range holds the version; None where that cannot be known."""
    low, high = row.low, row.high
    if version.low is None or version.high is None or low[:1] == TEXT or high[:1] == TEXT:
        return _inside_text(version, row)
    first = _holds(version.low, low, high, row.flags)
    if version.low == version.high:
        return first
    last = _holds(version.high, low, high, row.flags)
    if first and last:
        return True
    # outside at both ends, and no limit between them (one at the lower end itself shuts out all of them)
    between = any(version.low < limit < version.high for limit in (low, high) if limit)
    return None if first or last or between else False


def _holds(key: bytes, low: bytes, high: bytes, flags: int) -> bool:
    if low and (key < low or (key == low and not flags & LOW_INCLUDED)):
        return False
    return not high or key < high or (key == high and bool(flags & HIGH_INCLUDED))


def _inside_text(version: Version, row: Row) -> bool | None:
    if row.low:
        order = compare(version.text, _limit_text(row.low))
        if order is None:
            return None
        if order < 0 or (order == 0 and not row.flags & LOW_INCLUDED):
            return False
    if row.high:
        order = compare(version.text, _limit_text(row.high))
        if order is None:
            return None
        return order < 0 or (order == 0 and bool(row.flags & HIGH_INCLUDED))
    return True


def _limit_text(limit: bytes) -> str:
    return limit[1:].decode() if limit[:1] == TEXT else plain_text(limit)


def _range_words(row: Row) -> str:
    words = []
    if row.low:
        words.append(f"{'>=' if row.flags & LOW_INCLUDED else '>'} {_limit_text(row.low)}")
    if row.high:
        words.append(f"{'<=' if row.flags & HIGH_INCLUDED else '<'} {_limit_text(row.high)}")
    return ", ".join(words) or "in every version"
