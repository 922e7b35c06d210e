"""Golden cases: versions and the CVEs they must, and must not, be found with, in golden.yaml, written by hand from what
advisories name. The curated core answers every one of them alone; where the test data lies beside the repository, so does
an index of NVD records, and its agreement is printed. What it gets wrong there must be a hole of the data that our record
names.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from tests.intel import madeup

from secrecon.intel.aliases import load_aliases
from secrecon.intel.core import Core, load_core
from secrecon.intel.feeds.kinds import Kind
from secrecon.intel.index.build import SourceFile, build
from secrecon.intel.knowledge import Knowledge
from secrecon.intel.lookup import Index
from secrecon.model.asset import Technology
from secrecon.model.confidence import Doubt, Ground, confidence
from secrecon.model.finding import EvidenceLevel

BACKPORT_POSSIBLE = confidence(Ground.VERSION, Doubt.BACKPORT)

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("SECRECON_TEST_DATA") or ROOT.parent / "shared" / "data")
SUBSET = DATA / "nvd" / "nvdcve-2.0-kev-subset.json.gz"

HOLES = {
    (
        "drupal",
        "CVE-2018-7600",
    ): "NVD ends with 7.57 itself, which with three numbers is only the beginning of a version",
    ("screenconnect", "CVE-2024-1709"): "NVD ends with 23.9.7 itself, and builds of it have a fourth number",
}
"""Disagreements that no `differs` of a record tells, and the reason."""


@dataclass(frozen=True, slots=True)
class Case:
    """One version. `found`, `not_found`, `open`: CVE ids that must match, must be ruled out, and must stay undecided."""

    product: str
    version: str
    distribution: str
    found: frozenset[str]
    not_found: frozenset[str]
    open: frozenset[str]

    def __str__(self) -> str:
        return f"{self.product} {self.version} {self.distribution}".rstrip()


def read() -> list[Case]:
    cases = []
    for product, versions in yaml.safe_load((Path(__file__).parent / "golden.yaml").read_text("utf-8")).items():
        for told, words in versions.items():
            version, _, distribution = str(told).partition(" @")
            by_sign: dict[str, set[str]] = {"+": set(), "-": set(), "?": set()}
            for word in words.split():
                by_sign[word[0]].add(f"CVE-{word[1:]}")
            cases.append(Case(product, version, distribution, *map(frozenset, by_sign.values())))
    return cases


CASES = read()


@pytest.fixture(scope="module")
def core() -> Core:
    return load_core()


@pytest.fixture(scope="module")
def alone(core: Core) -> Knowledge:
    return Knowledge(core, load_aliases())


def technology(core: Core, case: Case) -> Technology:
    product = next(product for product in core.products if product.id == case.product)
    return Technology(
        "https://shop.test",
        product.fingerprints[0],
        case.version,
        product.cpe[0],
        "banner",
        0.95,
        case.distribution,
    )


def test_there_are_enough_and_each_is_of_the_core(core: Core) -> None:
    held = {product.id: {cve.id for cve in product.cves} for product in core.products}
    assert len(CASES) >= 300
    assert {case.product for case in CASES} == set(held)
    assert not [
        (str(case), ids) for case in CASES if (ids := case.found | case.not_found | case.open) - held[case.product]
    ]
    assert len({str(case) for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_core_alone(core: Core, alone: Knowledge, case: Case) -> None:
    known = alone.look_up(technology(core, case))
    matched = {match.cve.id: match for match in known.matches}
    assert case.found <= matched.keys()
    assert not case.not_found & (matched.keys() | set(known.undecided))
    assert case.open <= set(known.undecided)
    for match in matched.values():
        if case.distribution:
            assert match.level is EvidenceLevel.BANNER
            assert match.confidence <= BACKPORT_POSSIBLE
        else:
            assert match.level is EvidenceLevel.VERSION_RANGE


OPENSSH = "a:openbsd:openssh"


@pytest.fixture(scope="module")
def ssh(core: Core, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Knowledge]:
    """OpenSSH is not in the core: its cases go through an index of three records that we wrote from its release notes."""
    folder = tmp_path_factory.mktemp("ssh")
    limits = {
        "CVE-2024-6387": [{"startIncluding": "8.5", "endExcluding": "9.8"}, {"endExcluding": "4.4"}],
        "CVE-2018-15473": [{"endIncluding": "7.7"}],
        "CVE-2016-0777": [{"startIncluding": "5.4", "endIncluding": "7.1"}],
    }
    records = [
        madeup.cve(cve, [madeup.node(*(madeup.match(OPENSSH, limits=limit) for limit in ends))])
        for cve, ends in limits.items()
    ]
    build(folder / "i", madeup.sources(folder, nvd=madeup.nvd(*records)))
    index = Index(folder / "i")
    yield Knowledge(core, load_aliases(), index)
    index.close()


@pytest.mark.parametrize(
    ("version", "found"),
    [
        ("9.7p1", {"CVE-2024-6387"}),
        ("9.8p1", set()),
        ("8.5p1", {"CVE-2024-6387"}),
        ("8.4p1", set()),
        ("7.7p1", {"CVE-2018-15473"}),
        ("7.8p1", set()),
        ("7.1p1", {"CVE-2018-15473", "CVE-2016-0777"}),
        ("7.2p2", {"CVE-2018-15473"}),
        ("5.3p1", {"CVE-2018-15473"}),
        ("4.3p2", {"CVE-2024-6387", "CVE-2018-15473"}),
        ("4.4p1", {"CVE-2018-15473"}),
    ],
)
def test_the_portable_mark_of_openssh(ssh: Knowledge, version: str, found: set[str]) -> None:
    known = ssh.look_up(Technology("ssh", "openssh", version, "cpe:2.3:a:openbsd:openssh", "banner", 0.95))
    assert {match.cve.id for match in known.matches} == found
    assert known.undecided == ()


@pytest.mark.slow
@pytest.mark.skipif(not SUBSET.is_file(), reason="no test data: set SECRECON_TEST_DATA to a folder with nvd/")
def test_an_index_of_nvd_agrees(core: Core, tmp_path: Path) -> None:
    """Precision and recall of the feeds alone. A disagreement is allowed only where our record says that NVD differs."""
    copied = tmp_path / SUBSET.name
    shutil.copyfile(SUBSET, copied)
    file = SourceFile(SUBSET.name, hashlib.sha256(copied.read_bytes()).hexdigest(), copied)
    build(tmp_path / "i", {Kind("nvd"): [file]})
    index = Index(tmp_path / "i")
    count, wrong = compare(core, index)
    index.close()
    right, missed, extra = count["right"], count["missed"], count["extra"]
    sys.stdout.write(
        f"\n{count.total()} facts of {len(CASES)} cases could be held against NVD: {dict(count)}\n"
        f"precision {right / (right + extra):.3f}, recall {right / (right + missed):.3f}\n"
        + "\n".join(wrong)
        + "\n"
    )
    told = {(product.id, cve.id) for product in core.products for cve in product.cves if cve.differs} | HOLES.keys()
    unexplained = [line for line in wrong if tuple(line.split()[:2]) not in told]
    assert not unexplained, "\n".join(unexplained)
    assert {tuple(line.split()[:2]) for line in wrong} >= HOLES.keys()
    assert right + count["ruled out"] >= 300, "too few were compared to say anything"


def compare(core: Core, index: Index) -> tuple[Counter[str], list[str]]:
    """How often an index says what the cases say of the CVEs it has, and each time it does not, product and CVE first."""
    aliases = load_aliases()
    count: Counter[str] = Counter()
    wrong: list[str] = []
    for case in CASES:
        product = next(product for product in core.products if product.id == case.product)
        keys = [key for cpe in product.cpe for key in aliases.of(":".join(cpe.split(":")[2:5]))]
        result = index.match(keys, case.version, parts=product.parts)
        matched, undecided = {match.cve_id for match in result.matches}, set(result.undecided)
        of_product = set(index.match(keys, "").candidates)
        for cve in sorted((case.found | case.not_found | case.open) & of_product):
            got = "found" if cve in matched else "open" if cve in undecided else "out"
            wanted = "found" if cve in case.found else "open" if cve in case.open else "out"
            verdict = {
                ("found", "found"): "right",
                ("out", "out"): "ruled out",
                ("open", "open"): "left open",
                ("out", "found"): "extra",
                ("found", "out"): "missed",
            }.get((wanted, got), f"{got} instead of {wanted}")
            count[verdict] += 1
            if verdict not in ("right", "ruled out", "left open"):
                wrong.append(f"{case.product} {cve} {case.version}: {verdict}")
    return count, wrong
