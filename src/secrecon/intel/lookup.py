"""Looking things up in an index: which CVEs may apply to a product with a version, to a package, and what is known of a CVE.

Every match names the provider and the rule that made it, and what else would have to be true. A version that cannot be
ordered against a limit, or is told too roughly, is undecided; an unknown version gives candidates only. A look-up reads what
it touches; blocks that were read are kept, bounded.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path

import msgspec
import zstandard

from secrecon.intel.index.blocks import (
    HIGH_INCLUDED,
    LOW_INCLUDED,
    TEXT,
    ZERO,
    Block,
    Limits,
    Need,
    Row,
    canonical_update,
    unpack,
)
from secrecon.intel.index.build import FORMAT, flaws_of
from secrecon.intel.index.tables import IndexBroken, Reader
from secrecon.intel.ordering import (
    base_and_update,
    branch_key,
    canonical,
    compare,
    plain_key,
    plain_text,
)
from secrecon.intel.records import (
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
LARGEST = "9" * 18
_CVES = ("nvd", "cve5")
_NO_LIMITS = Limits()
_FACTS = msgspec.msgpack.Decoder(CveFacts)
_KEV = msgspec.msgpack.Decoder(KevEntry)
_EPSS = msgspec.msgpack.Decoder(EpssScore)
_SSVC = msgspec.msgpack.Decoder(SsvcPoints)


class Matched(msgspec.Struct, frozen=True):
    """A CVE that may apply. `provider`: who says so. `version`: the one that its rule names, "" for a range, which `limits`
    are. `unmet`: what else it asks for and was not seen to hold; `qualifiers`: what the product must be besides."""

    number: int
    provider: str
    product: str
    version: str
    limits: Limits
    unmet: tuple[Need, ...] = ()
    qualifiers: str = ""
    score: float = 0.0

    @property
    def cve_id(self) -> str:
        return cve_name(self.number)

    @property
    def named(self) -> bool:
        """Whether the record limits its versions; one that does not says little."""
        return bool(self.version or self.limits.low or self.limits.high)

    @property
    def rule(self) -> str:
        """The rule that made the match, as people write it."""
        return f"{self.product.partition(':')[2]} {self.version or _range_words(self.limits)}"

    @property
    def conditions(self) -> tuple[str, ...]:
        """What else must hold and could not be seen, in words."""
        told = [f"{'without' if need.negated else 'with'} {_alternatives(need.criteria)}" for need in self.unmet]
        return (*told, f"it is the one with {self.qualifiers}") if self.qualifiers else tuple(told)

    @property
    def weight(self) -> tuple[bool, bool]:
        """Which of several rules for one CVE says most."""
        return not (self.unmet or self.qualifiers), self.named


@dataclass(frozen=True, slots=True)
class Result:
    """All that is known of a product. `known`: some feed has it. `undecided`: CVEs that the version could not be placed
    against, or whose record names no version at all; `decided`: how many it could be. `candidates`: CVEs of the product where
    the version is not known."""

    known: bool
    matches: tuple[Matched, ...] = ()
    undecided: tuple[str, ...] = ()
    candidates: tuple[str, ...] = ()
    decided: int = 0


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
    spoken_of: set[int] = field(default_factory=set)


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
        matches = sorted(found.matches.values(), key=_NUMBER)
        matches.sort(key=_SCORE, reverse=True)
        decided = len(found.spoken_of) - len(undecided)
        return Result(known, tuple(matches), _names(undecided), _names(found.candidates), decided)

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
    unmet: dict[int, tuple[Need, ...] | None] = field(default_factory=dict)

    def candidates(self) -> None:
        self.found.candidates.update(cve for cve in self.block.scores if cve not in self.skip)

    def place(self, version: Version) -> None:
        found, block = self.found, self.block
        found.spoken_of.update(block.scores)
        found.undecided.update(block.unversioned)
        for limits, rows in block.ranges:
            inside = _inside(version, limits)
            if inside is None:
                found.undecided.update(row.cve for row in rows)
            elif inside:
                self._take(rows, limits)
        self.exact(version)
        found.undecided.difference_update(self.skip)
        found.spoken_of.difference_update(self.skip)

    def exact(self, version: Version) -> None:
        """The rows that name the version, whole or with its update told apart."""
        block = self.block
        whole = canonical(version.text)
        if version.rough:
            for named in block.exact:
                if named == whole or named.startswith(f"{whole}."):
                    self.found.undecided.update(row.cve for row in block.named(named))
            return
        self._take([row for row in block.named(whole) if row.update in ("", "-")], _NO_LIMITS, version.text)
        base, rest = base_and_update(version.text)
        if rest:
            update = canonical_update(rest)
            named_so = [row for row in block.named(canonical(base)) if row.update in ("", update)]
            self._take(named_so, _NO_LIMITS, version.text)

    def _take(self, rows: Sequence[Row], limits: Limits, version: str = "") -> None:
        """Rules that hold. `version`: the one that they name, "" for a range."""
        block, matches, skip = self.block, self.found.matches, self.skip
        for row in rows:
            cve = row.cve
            known = matches.get(cve)
            if cve in skip or (known is not None and known.weight == _SAYS_MOST):
                continue
            unmet = self._unmet(row.needs) if row.needs >= 0 else ()
            if unmet is None:
                continue
            matched = Matched(
                cve,
                block.providers[row.provider],
                self.product,
                version,
                limits,
                unmet,
                block.qualifiers[row.qualifiers],
                block.scores.get(cve, 0) / 10,
            )
            if known is None or matched.weight > known.weight:
                matches[cve] = matched

    def _unmet(self, number: int) -> tuple[Need, ...] | None:
        """What a combination asks for and is not known to be there; None where it is known not to apply."""
        if number not in self.unmet:
            needs = self.block.needed(number)
            here = [any(self._is_there(criterion, need) for criterion in need.criteria) for need in needs]
            refused = any(need.negated for need, there in zip(needs, here, strict=True) if there)
            missing = tuple(need for need, there in zip(needs, here, strict=True) if not there)
            self.unmet[number] = None if refused else missing
        return self.unmet[number]

    def _is_there(self, criterion: Criterion, need: Need) -> bool:
        """Whether a product is known to be there. Of the product itself, another version may be what must not be."""
        return criterion.product in self.present and not (need.negated and criterion.product == self.product)


_NUMBER, _SCORE = attrgetter("number"), attrgetter("score")
_SAYS_MOST = (True, True)


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
    return Version(text, low, branch_key(text))


def _inside(version: Version, limits: Limits) -> bool | None:
    """Whether a range holds the version; None where that cannot be known."""
    low, high = limits.low, limits.high
    if version.low is None or version.high is None or low[:1] == TEXT or high[:1] == TEXT:
        return _inside_text(version, limits)
    first = _holds(version.low, low, high, limits.flags)
    if version.low == version.high:
        return first
    last = _holds(version.high, low, high, limits.flags)
    if first and last:
        return True
    # outside at both ends, and no limit between them (one at the lower end itself shuts out all of them)
    between = any(version.low < limit < version.high for limit in (low, high) if limit)
    return None if first or last or between else False


def _holds(key: bytes, low: bytes, high: bytes, flags: int) -> bool:
    if low and (key < low or (key == low and not flags & LOW_INCLUDED)):
        return False
    return not high or key < high or (key == high and bool(flags & HIGH_INCLUDED))


def _inside_text(version: Version, limits: Limits) -> bool | None:
    if limits.low:
        order = compare(version.text, _limit_text(limits.low))
        if order is None:
            return None
        if order < 0 or (order == 0 and not limits.flags & LOW_INCLUDED):
            return False
    if limits.high:
        order = compare(version.text, _limit_text(limits.high))
        if order is None:
            return None
        return order < 0 or (order == 0 and bool(limits.flags & HIGH_INCLUDED))
    return True


def _limit_text(limit: bytes) -> str:
    """A limit as it is compared: all of a branch is its largest version."""
    return limit[1:].decode() if limit[:1] == TEXT else plain_text(limit, LARGEST)


def _shown(limit: bytes) -> str:
    return limit[1:].decode() if limit[:1] == TEXT else plain_text(limit)


def _range_words(limits: Limits) -> str:
    words = []
    if limits.low:
        words.append(f"{'>=' if limits.flags & LOW_INCLUDED else '>'} {_shown(limits.low)}")
    if limits.high:
        words.append(f"{'<=' if limits.flags & HIGH_INCLUDED else '<'} {_shown(limits.high)}")
    return ", ".join(words) or "in every version"
