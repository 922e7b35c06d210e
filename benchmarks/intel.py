"""The vulnerability index beside a naive scan of the same data: build, size, opening, and look-ups with equal answers.

    python benchmarks/intel.py FOLDER [--naive N]

FOLDER holds feed files of any known format (an NVD folder at least). The yardstick reads every CVE record for each look-up,
as a program without an index would, over the same parsed records; both must name the same CVEs, else the exit code is 1.
Times are CPU time of this process; other work on the machine hardly touches them.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import random
import re
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from secrecon.intel.cpe import ANY, NA
from secrecon.intel.feeds import lists, nvd
from secrecon.intel.feeds.errors import FeedBroken
from secrecon.intel.feeds.kinds import Kind
from secrecon.intel.feeds.opening import plain_chunks
from secrecon.intel.feeds.sniff import sniff
from secrecon.intel.index.build import TABLES, SourceFile, build
from secrecon.intel.lookup import Index
from secrecon.intel.ordering import compare, plain_key
from secrecon.intel.records import Criterion, CveRecord

T = TypeVar("T")
SEED = 20_261_125
SERVICES = 50
OPEN = re.compile(r"(?:\.[xX*])+$")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--naive", type=int, default=40, help="look-ups held against the naive scan")
    given = parser.parse_args()
    sources = found(given.folder)
    if Kind.NVD not in sources:
        sys.exit(f"{given.folder} holds no NVD files")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "intel.index"
        _, seconds = timed(lambda: build(path, sources))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"build        {seconds:8.1f} s CPU   peak memory {peak:,.0f} MB   file {path.stat().st_size / 1e6:,.0f} MB"
        )
        measure_opening(path)
        index = Index(path)
        records = [
            record for record in parsed(sources[Kind.NVD]) if record is not None and not record.facts.rejected
        ]
        cases = sample(records, 4_000)
        gc.collect()
        gc.freeze()  # the yardstick's records are not the index's to walk over
        measure_lookups(index, cases)
        same = measure_naive(index, records, cases[: given.naive])
        index.close()
    sys.exit(0 if same else 1)


def found(folder: Path) -> dict[Kind, list[SourceFile]]:
    """The feed files below a folder that an index is made of."""
    sources: dict[Kind, list[SourceFile]] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        try:
            with path.open("rb") as file:
                kind = sniff(file)
        except FeedBroken:
            continue
        if kind in TABLES:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            sources.setdefault(kind, []).append(SourceFile(path.name, digest, path))
    return sources


def measure_opening(path: Path) -> None:
    before = resident()
    index, seconds = timed(lambda: Index(path), wall=True)
    index.match(["a:f5:nginx"], "1.18.0")
    print(
        f"open         {seconds * 1000:8.2f} ms       memory {max(0.0, resident() - before):,.1f} MB with one look-up"
    )
    index.close()


def measure_lookups(index: Index, cases: Sequence[tuple[str, str]]) -> None:
    """Each product the first time it is asked for (cold), then all again (warm); and hosts of fifty services."""
    cold = [timed(partial(index.match, [product], version))[1] for product, version in cases]
    print(f"look-up cold {quantiles(cold)}   ({len(cases):,} products with versions against everything)")
    warm = [timed(partial(index.match, [product], version))[1] for product, version in cases[-400:]]
    print(f"look-up warm {quantiles(warm)}")
    hosts = [cases[at : at + SERVICES] for at in range(0, len(cases) - SERVICES, SERVICES)]
    spent = [sum(timed(partial(index.match, [product], version))[1] for product, version in host) for host in hosts]
    print(f"host of {SERVICES}   {quantiles(spent)}")


def measure_naive(index: Index, records: Sequence[CveRecord], cases: Sequence[tuple[str, str]]) -> bool:
    """Both ways over the same cases; whether they name the same CVEs."""
    same = True
    ours_all = naive_all = 0.0
    for product, version in cases:
        result, ours = timed(partial(index.match, [product], version, whole=True))
        expected, naive = timed(partial(naively, records, product, version))
        ours_all, naive_all = ours_all + ours, naive_all + naive
        named = {match.cve_id for match in result.matches}
        if named != expected:
            same = False
            print(
                f"  differs: {product} {version}: only index {sorted(named - expected)[:5]}, "
                f"only naive {sorted(expected - named)[:5]}"
            )
    print(
        f"naive scan   {1000 * naive_all / len(cases):8.0f} ms a look-up; "
        f"the index needs 1/{naive_all / max(ours_all, 1e-9):,.0f} of it"
    )
    print(f"equal answers in {len(cases)} of {len(cases)} look-ups" if same else "the answers differ")
    return same


def naively(records: Iterable[CveRecord], product: str, version: str) -> set[str]:
    """Every CVE with a vulnerable criterion that holds the version; what cannot be ordered does not."""
    return {
        record.facts.id
        for record in records
        if any(
            criterion.vulnerable
            and criterion.product == product
            and criterion.node not in each.negated
            and holds(criterion, version)
            for each in record.configurations
            for criterion in each.criteria
        )
    }


def holds(criterion: Criterion, version: str) -> bool:
    if criterion.version == NA:
        return False
    if criterion.version != ANY:
        exactly = against(criterion.version, version) == 0
        return exactly and (criterion.update in (ANY, NA) or OPEN.search(criterion.version) is not None)
    start = against(criterion.start, version) if criterion.start else 1
    end = against(criterion.end, version) if criterion.end else -1
    if start is None or end is None:
        return False
    return (start > 0 or (start == 0 and criterion.start_included)) and (
        end < 0 or (end == 0 and criterion.end_included)
    )


def against(limit: str, version: str) -> int | None:
    """How a version lies to a limit; every version of a branch is the same as the branch (`8.1.x`)."""
    branch = OPEN.sub("", limit)
    if branch != limit and re.fullmatch(r"[0-9.]+", branch):
        numbers, wanted = (tuple(int(part) for part in text.split(".")) for text in (version, branch))
        mine = (numbers + (0,) * len(wanted))[: len(wanted)]
        return (mine > wanted) - (mine < wanted)
    return compare(version, limit)


def sample(records: Sequence[CveRecord], count: int) -> list[tuple[str, str]]:
    """Products with plain versions that their own criteria name: limits and single versions."""
    chance = random.Random(SEED)
    cases: list[tuple[str, str]] = []
    while len(cases) < count:
        record = chance.choice(records)
        criteria = [
            criterion for each in record.configurations for criterion in each.criteria if criterion.vulnerable
        ]
        if criteria:
            criterion = chance.choice(criteria)
            version = criterion.end or criterion.start or criterion.version
            if plain_key(version) is not None:
                cases.append((criterion.product, version))
    return cases


def parsed(files: Iterable[SourceFile]) -> Iterable[CveRecord | None]:
    for file in files:
        with file.path.open("rb") as packed:
            yield from nvd.read(plain_chunks(packed), lists.Dated())


def timed(work: Callable[[], T], *, wall: bool = False) -> tuple[T, float]:
    clock = time.perf_counter if wall else time.process_time
    began = clock()
    result = work()
    return result, clock() - began


def quantiles(seconds: Sequence[float]) -> str:
    ordered = sorted(seconds)
    last = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return f"p50 {1000 * statistics.median(ordered):7.3f} ms   p99 {1000 * last:7.3f} ms"


def resident() -> float:
    """Resident memory of this process, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


if __name__ == "__main__":
    main()
