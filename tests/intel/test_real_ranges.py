"""Real affected ranges: a sample of NVD's own records, with versions inside, on and outside of their limits. What the index
says is held against a small model of our own that reads the same JSON and compares rows of integers. Needs the test data.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import random
import re
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from secrecon.intel.feeds.kinds import Kind
from secrecon.intel.index.build import SourceFile, build
from secrecon.intel.lookup import Index

ROOT = Path(__file__).resolve().parents[2]
NVD = Path(os.environ.get("SECRECON_TEST_DATA") or ROOT.parent / "shared" / "data") / "nvd"
SUBSET = NVD / "nvdcve-2.0-kev-subset.json.gz"
SAMPLED = 300
LIMITS = ("versionStartIncluding", "versionStartExcluding", "versionEndIncluding", "versionEndExcluding")
PLAIN = re.compile(r"\d{1,9}(?:\.\d{1,9}){0,5}")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SUBSET.is_file(), reason="no test data: set SECRECON_TEST_DATA to a folder with nvd/"),
]
Numbers = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Rules:
    """What one record says of one product: `rows` of the CPE matches that count it as affected."""

    cve: str
    product: str
    rows: tuple[dict[str, Any], ...]

    def hold(self, version: Numbers) -> bool:
        return any(holds(row, version) for row in self.rows)

    @property
    def bounds(self) -> list[Numbers]:
        texts = [row[name] for row in self.rows for name in LIMITS if name in row]
        texts += [exactly(row) for row in self.rows]
        return [numbers(text) for text in texts if text]


def numbers(text: str) -> Numbers:
    """A plain version as integers, zeros at the end left out: 1.0 is 1."""
    parts = [int(part) for part in text.split(".")]
    while parts and not parts[-1]:
        parts.pop()
    return tuple(parts)


def exactly(row: dict[str, Any]) -> str:
    version = fields(row)[5]
    return "" if version in "*-" else version.replace("\\", "")


def fields(row: dict[str, Any]) -> list[str]:
    return re.split(r"(?<!\\):", row["criteria"])


def holds(row: dict[str, Any], version: Numbers) -> bool:
    if exactly(row):
        return numbers(exactly(row)) == version
    return (
        ("versionStartIncluding" not in row or version >= numbers(row["versionStartIncluding"]))
        and ("versionStartExcluding" not in row or version > numbers(row["versionStartExcluding"]))
        and ("versionEndIncluding" not in row or version <= numbers(row["versionEndIncluding"]))
        and ("versionEndExcluding" not in row or version < numbers(row["versionEndExcluding"]))
    )


def is_plain(row: dict[str, Any]) -> bool:
    """Whether the row can be told with integers alone."""
    version, update = fields(row)[5:7]
    texts = [row[name] for name in LIMITS if name in row] + ([exactly(row)] if exactly(row) else [])
    return version != "-" and update in "*-" and bool(texts) and all(PLAIN.fullmatch(text) for text in texts)


def taken_from_nvd() -> set[str]:
    """The CVEs whose record in the data is NVD's own, by its list of origins."""
    with gzip.open(NVD / "PROVENANCE.csv.gz", "rt") as file:
        rows = (line.rstrip("\n").split(",", 1) for line in file)
        return {row[0] for row in rows if len(row) == 2 and row[1].startswith(("nvd2.0", "nvd1.1"))}


def all_rules() -> Iterator[Rules]:
    """The rules of every record of NVD that can be told with integers, in the order of the file."""
    trusted = taken_from_nvd()
    with gzip.open(SUBSET) as file:
        records = [row["cve"] for row in json.load(file)["vulnerabilities"]]
    for record in records:
        rows: dict[str, list[dict[str, Any]]] = {}
        nodes = [n for c in record.get("configurations", []) if not c.get("negate") for n in c["nodes"]]
        for row in (m for n in nodes if not n.get("negate") for m in n["cpeMatch"] if m["vulnerable"]):
            rows.setdefault(":".join(fields(row)[2:5]), []).append(row)
        for product, found in rows.items():
            ranged = any(name in row for row in found for name in LIMITS)
            if record["id"] in trusted and ranged and "\\" not in product and all(map(is_plain, found)):
                yield Rules(record["id"], product, tuple(found))


def probes(bounds: list[Numbers]) -> set[Numbers]:
    """Each limit, one step beside it at every place, a little after it, and far before and after all."""
    made: set[Numbers] = {(0, 0, 1), (99_999, 1)}
    for bound in bounds:
        made.update({bound, (*bound, 0, 1), (*bound, 1)})
        for place, number in enumerate(bound):
            made.update((*bound[:place], changed) for changed in (number - 1, number + 1) if changed >= 0)
            made.add((*bound[:place], max(0, number - 1), 999))
    return {numbers(".".join(map(str, probe))) for probe in made if probe}


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    folder = tmp_path_factory.mktemp("real")
    copied = folder / SUBSET.name
    shutil.copyfile(SUBSET, copied)
    build(
        folder / "i",
        {Kind.NVD: [SourceFile(SUBSET.name, hashlib.sha256(copied.read_bytes()).hexdigest(), copied)]},
    )
    made = Index(folder / "i")
    yield made
    made.close()


def test_every_limit_of_real_records_is_kept(index: Index) -> None:
    every = list(all_rules())
    assert len(every) >= SAMPLED
    count: Counter[str] = Counter()
    wrong = []
    for rules in random.Random(20261125).sample(every, SAMPLED):
        for probe in sorted(probes(rules.bounds)):
            version = ".".join(map(str, probe)) or "0"
            result = index.match([rules.product], version, whole=True)
            got = rules.cve in {match.cve_id for match in result.matches}
            wanted = rules.hold(probe)
            count[{(1, 1): "right", (0, 0): "ruled out", (1, 0): "missed", (0, 1): "extra"}[wanted, got]] += 1
            if got != wanted or rules.cve in result.undecided:
                wrong.append(f"{rules.product} {rules.cve} {version}: {got} instead of {wanted}")
    right = count["right"]
    sys.stdout.write(
        f"\n{SAMPLED} of {len(every)} products of records, {count.total()} versions: {dict(count)}, "
        f"precision {right / (right + count['extra']):.4f}, recall {right / (right + count['missed']):.4f}\n"
    )
    assert not wrong, "\n".join(wrong[:40])
    assert min(right, count["ruled out"]) >= SAMPLED, "too few of either side to say anything"


def test_the_model_can_disagree() -> None:
    """The twin that must differ: a limit moved by one place changes what the model says, and the probes see it."""
    row = {"criteria": "cpe:2.3:a:acme:shop:*:*:*:*:*:*:*:*", "versionEndExcluding": "1.4.0"}
    one, other = (
        Rules("CVE-2026-0001", "a:acme:shop", (r,)) for r in (row, {**row, "versionEndExcluding": "1.4.1"})
    )
    assert [probe for probe in sorted(probes(one.bounds)) if one.hold(probe) != other.hold(probe)] == [
        (1, 4),
        (1, 4, 0, 1),
    ]
