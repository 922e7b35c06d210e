"""Building the index from feed files: each kind of feed becomes a few tables of its own.

Tables whose files have not changed are copied from the index before, so that a new EPSS file costs seconds. Reading is
streaming; what is held in memory is packed. Of several records of one CVE the one modified last counts, whatever the order
of the files. The file appears whole or not at all (`tables.Writer`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import BinaryIO

import msgspec
import zstandard

from secrecon.intel.feeds import archives, cve5, lists, nvd, osv, scripts
from secrecon.intel.feeds.errors import FeedBroken
from secrecon.intel.feeds.kinds import Kind
from secrecon.intel.feeds.opening import plain_chunks, whole
from secrecon.intel.index.blocks import LEVEL, Gathering, block_of, pack
from secrecon.intel.index.tables import Reader, Writer
from secrecon.intel.records import (
    Configuration,
    CveFacts,
    CveRecord,
    PackageFlaw,
    cve_key,
    cve_number,
)
from secrecon.intel.scores import chosen

FORMAT = 4
"""Raise with every change of what tables hold: older files are then built again."""
MAX_SKIPPED = 0.02
"""A file with a larger share of records that do not fit is broken."""
HOPELESS = 10_000
"""After so many that do not fit, more than do, the rest is not read."""
SMALL = 100_000_000
TRAINING = 4_000
DICTIONARY = 110_000

_PACK = msgspec.msgpack.Encoder()
Told = Callable[[str, int], None]
"""Told of the file that is being read and how many records it gave so far."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One feed file: its name for messages, its sha256 hex and where it is."""

    name: str
    sha256: str
    path: Path


@dataclass(slots=True)
class Counted:
    """What was read of a file. `date`: ISO date that the feed gives itself, "" where it gives none."""

    rows: int = 0
    skipped: int = 0
    date: str = ""


@dataclass(slots=True)
class Built:
    """What an index was built from, per file name; `copied`: kinds whose tables were taken from the index before."""

    counted: dict[str, Counted] = field(default_factory=dict)
    copied: list[Kind] = field(default_factory=list)


TABLES: dict[Kind, tuple[str, ...]] = {
    Kind.NVD: ("nvd.cve", "nvd.dictionary", "nvd.product"),
    Kind.CVE5: ("cve5.cve", "cve5.dictionary", "cve5.product", "cve5.ssvc"),
    Kind.OVERRIDES: ("overrides.cve", "overrides.product"),
    Kind.KEV: ("kev",),
    Kind.EPSS: ("epss",),
    Kind.SSVC: ("ssvc",),
    Kind.OSV: ("osv.package",),
    Kind.RETIRE: ("js.package",),
}


def build(
    path: Path,
    sources: Mapping[Kind, Sequence[SourceFile]],
    previous: Reader | None = None,
    told: Told = lambda _, __: None,
) -> Built:
    """Write an index of the files to `path`. Kinds that are no part of an index are passed over.

    Raises FeedBroken naming the file that cannot be used; nothing is written then.
    """
    built = Built()
    with Writer(path) as writer:
        feeds: dict[str, object] = {}
        writer.about = {"format": FORMAT, "feeds": feeds}
        for kind, files in sorted(sources.items()):
            if kind not in TABLES or not files:
                continue
            of = _digest(files)
            if previous is not None and _has(previous, kind, of):
                for name in TABLES[kind]:
                    writer.copy(name, previous)
                built.copied.append(kind)
                feeds[kind] = _noted(previous, kind)
                continue
            _KindBuilder(writer, kind, of, built, told).run(files)
            feeds[kind] = [
                {"name": file.name, "sha256": file.sha256, **asdict(built.counted[file.name])} for file in files
            ]
    return built


def count(file: SourceFile, kind: Kind) -> Counted:
    """Read a file of a kind to its end without keeping anything. Raises FeedBroken naming the file."""
    counted = Counted()
    for _ in _records(kind, file, counted):
        pass
    _check(file, counted)
    return counted


def _has(previous: Reader, kind: Kind, of: str) -> bool:
    return previous.about.get("format") == FORMAT and all(
        name in previous.places and previous.places[name].of == of for name in TABLES[kind]
    )


def _noted(previous: Reader, kind: Kind) -> object:
    feeds = previous.about.get("feeds")
    return feeds.get(kind) if isinstance(feeds, dict) else None


def _digest(files: Iterable[SourceFile]) -> str:
    return hashlib.sha256("\n".join(sorted(file.sha256 for file in files)).encode()).hexdigest()


class _KindBuilder:
    """Writes the tables of one kind."""

    def __init__(self, writer: Writer, kind: Kind, of: str, built: Built, told: Told) -> None:
        self._writer = writer
        self._kind = kind
        self._of = of
        self._built = built
        self._told = told

    def run(self, files: Sequence[SourceFile]) -> None:
        if self._kind in (Kind.NVD, Kind.CVE5, Kind.OVERRIDES):
            _Cves(self._kind, self._writer, self._of).write(self._each(files))
        elif self._kind in (Kind.OSV, Kind.RETIRE):
            self._packages(files)
        else:
            rows: dict[int, bytes] = {}
            for _, value in self._each(files):
                number, entry = _marked(value)
                rows[number] = _PACK.encode(entry)
            self._table(TABLES[self._kind][0], ((cve_key(number), row) for number, row in sorted(rows.items())))

    def _packages(self, files: Sequence[SourceFile]) -> None:
        flaws: dict[str, dict[str, bytes]] = {}
        for _, value in self._each(files):
            assert isinstance(value, list)
            for key, flaw in value:
                flaws.setdefault(key, {})[flaw.id] = _PACK.encode(flaw)
        compressor = zstandard.ZstdCompressor(level=LEVEL)
        raw = msgspec.Raw
        rows = (
            (key.encode(), compressor.compress(_PACK.encode([raw(row) for row in flaws[key].values()])))
            for key in sorted(flaws, key=str.encode)
        )
        self._table(TABLES[self._kind][0], rows)

    def _table(self, name: str, rows: Iterable[tuple[bytes, bytes]]) -> None:
        self._writer.table(name, rows, self._of)

    def _each(self, files: Sequence[SourceFile]) -> Iterator[tuple[SourceFile, object]]:
        for file in files:
            counted = self._built.counted[file.name] = Counted()
            for value in _records(self._kind, file, counted):
                if value is not None:
                    yield file, value
                if (counted.rows + counted.skipped) % 2_000 == 0:
                    self._told(file.name, counted.rows)
            _check(file, counted)
            self._told(file.name, counted.rows)


class _Cves:
    """Tables of a kind that holds CVE records: the records and the products."""

    def __init__(self, kind: Kind, writer: Writer, of: str) -> None:
        self._prefix = kind.value
        self._writer = writer
        self._of = of
        self._gathering = Gathering()
        self._entries: list[int] = []
        self._modified: list[str] = []
        self._newest: dict[int, int] = {}
        self._facts: dict[int, bytes] = {}
        self._scores: dict[int, int] = {}
        self._ssvc: dict[int, bytes] = {}

    def write(self, records: Iterable[tuple[SourceFile, object]]) -> None:
        for _, record in records:
            assert isinstance(record, CveRecord)
            self._take(record)
        self._write_facts()
        self._table("product", self._products())
        if f"{self._prefix}.ssvc" in TABLES[Kind(self._prefix)]:
            self._table("ssvc", ((cve_key(number), row) for number, row in sorted(self._ssvc.items())))

    def _take(self, record: CveRecord) -> None:
        facts = record.facts
        number = cve_number(facts.id)
        known = self._newest.get(number)
        if known is not None and self._modified[known] > facts.modified:
            return
        entry = self._newest[number] = len(self._entries)
        self._entries.append(number)
        self._modified.append(facts.modified)
        self._facts[number] = _PACK.encode(facts)
        best = chosen(facts.metrics)
        self._scores[number] = round(best.score * 10) if best else 0
        if record.ssvc[0]:
            self._ssvc[number] = _PACK.encode(record.ssvc)
        if facts.rejected:
            return
        for configuration in record.configurations:
            self._gathering.add(entry, configuration)

    def _products(self) -> Iterator[tuple[bytes, bytes]]:
        for product in self._gathering.products():
            rows = (
                (self._entries[entry], provider, needs, criterion)
                for entry, provider, needs, criterion in self._gathering.take(product)
                if self._newest[self._entries[entry]] == entry
            )
            block = block_of(rows, self._scores, self._gathering.nodes)
            if block.size:
                yield product.encode(), pack(block)

    def _write_facts(self) -> None:
        if self._kind_is_corrections:
            self._table("cve", ((cve_key(number), b"\x01") for number in sorted(self._newest)))
            return
        samples: list[bytes | bytearray | memoryview[int]] = []
        samples += [row for number, row in self._facts.items() if number % 50 == 7][:TRAINING]
        dictionary = None
        if len(samples) > 200:
            dictionary = zstandard.train_dictionary(DICTIONARY, samples)
        compressor = zstandard.ZstdCompressor(level=LEVEL, dict_data=dictionary)
        self._table(
            "cve",
            ((cve_key(number), compressor.compress(row)) for number, row in sorted(self._facts.items())),
        )
        self._table("dictionary", [(b"zstd", dictionary.as_bytes() if dictionary else b"")])

    @property
    def _kind_is_corrections(self) -> bool:
        return self._prefix == Kind.OVERRIDES.value

    def _table(self, name: str, rows: Iterable[tuple[bytes, bytes]]) -> None:
        self._writer.table(f"{self._prefix}.{name}", rows, self._of)


def _marked(value: object) -> tuple[int, object]:
    """(number of the CVE, what is stored of it) of a row of KEV, EPSS or SSVC."""
    assert isinstance(value, tuple)
    number, entry = value
    return number, entry


def _check(file: SourceFile, counted: Counted) -> None:
    total = counted.rows + counted.skipped
    if not counted.rows:
        raise FeedBroken(f"{file.name}: it holds no record that can be read")
    if counted.skipped > max(1, total * MAX_SKIPPED):
        raise FeedBroken(f"{file.name}: {counted.skipped:,} of {total:,} records do not fit the format")


def _records(kind: Kind, file: SourceFile, counted: Counted) -> Iterator[object | None]:
    """The records of a file in our form; None for each that does not fit. Counts as it goes."""
    with file.path.open("rb") as packed:
        try:
            for value in _read(kind, packed, counted):
                if value is None:
                    counted.skipped += 1
                    if counted.skipped > HOPELESS and counted.skipped > counted.rows:
                        raise FeedBroken(f"most of its first {counted.skipped + counted.rows:,} records do not fit")
                else:
                    counted.rows += 1
                yield value
        except FeedBroken as error:
            raise FeedBroken(f"{file.name}: {error}") from error


def _read(kind: Kind, packed: BinaryIO, counted: Counted) -> Iterator[object | None]:
    dated = lists.Dated()
    if kind is Kind.NVD:
        yield from nvd.read(plain_chunks(packed), dated)
    elif kind is Kind.CVE5:
        yield from cve5.read(_members(packed))
    elif kind is Kind.OVERRIDES:
        for found in cve5.read_corrections(_members(packed)):
            yield None if found is None else _correction(*found)
    elif kind is Kind.KEV:
        catalogue = lists.read_kev(plain_chunks(packed))
        dated.date, counted.skipped = catalogue.date, catalogue.skipped
        yield from ((cve_number(entry.cve_id), entry) for entry in catalogue.entries)
    elif kind is Kind.EPSS:
        yield from lists.read_epss(plain_chunks(packed), dated)
    elif kind is Kind.SSVC:
        yield from lists.read_ssvc(plain_chunks(packed), dated)
    elif kind is Kind.OSV:
        yield from osv.read(_members(packed), dated)
    elif kind is Kind.RETIRE:
        for pair in scripts.read(whole(packed, SMALL)):
            yield None if pair is None else [pair]
    else:
        raise FeedBroken(f"{kind} files are not part of an index")
    counted.date = dated.date


def _members(packed: BinaryIO) -> Iterator[archives.MemberFile]:
    packed.seek(0)
    if archives.is_zip(packed.read(4)):
        return archives.zip_members(packed, (".json",))
    packed.seek(0)
    start = next(plain_chunks(packed), b"")
    if archives.is_tar(start):
        return archives.tar_members(packed, (".json",))
    return iter([archives.MemberFile("CVE-0000-0000.json", whole(packed, archives.MAX_MEMBER))])


def _correction(cve_id: str, configurations: tuple[Configuration, ...]) -> CveRecord:
    return CveRecord(CveFacts(cve_id, cve5.CORRECTIONS, "", "", False, ""), configurations)


def flaws_of(packed: bytes) -> list[PackageFlaw]:
    """The flaws of a package as they are stored."""
    return _FLAWS.decode(zstandard.ZstdDecompressor().decompress(packed, max_output_size=SMALL))


_FLAWS = msgspec.msgpack.Decoder(list[PackageFlaw])
