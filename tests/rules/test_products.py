"""The curated core is held against itself, and, where the test data lies beside the repository, against NVD and CISA.

A range or mark that disagrees with the data must say so in `differs`; a note that is not needed any more fails too.
"""

from __future__ import annotations

import gzip
import json
import lzma
import os
import re
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from secrecon.detect.fingerprint import Fingerprints
from secrecon.detect.service_rules import ServiceRules
from secrecon.intel.core import Core, CveRecord, Product, load_core
from secrecon.intel.versions import Placement, Range, Scheme, compare, place

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("SECRECON_TEST_DATA") or ROOT.parent / "shared" / "data")
needs_data = pytest.mark.skipif(
    not (DATA / "nvd").is_dir(), reason="no test data: set SECRECON_TEST_DATA to a folder with nvd/ and kev/"
)

REQUIRED = {
    "apache": {"CVE-2021-41773", "CVE-2021-42013", "CVE-2021-40438"},
    "nginx": {"CVE-2021-23017"},
    "grafana": {"CVE-2021-43798"},
    "jquery": {"CVE-2020-11022", "CVE-2020-11023", "CVE-2015-9251", "CVE-2019-11358"},
    "php": {"CVE-2024-4577", "CVE-2019-11043"},
    "tomcat": {"CVE-2020-1938", "CVE-2025-24813"},
    "jenkins": {"CVE-2024-23897"},
    "confluence": {"CVE-2022-26134", "CVE-2023-22515", "CVE-2023-22527"},
    "gitlab": {"CVE-2023-7028", "CVE-2021-22205"},
    "teamcity": {"CVE-2024-27198"},
}


@pytest.fixture(scope="module")
def core() -> Core:
    return load_core()


def pairs(core: Core) -> Iterable[tuple[Product, CveRecord]]:
    return ((product, cve) for product in core.products for cve in product.cves)


def test_it_holds_what_it_must(core: Core) -> None:
    held = {product.id: {cve.id for cve in product.cves} for product in core.products}
    assert not [
        (name, cves - held.get(name, set())) for name, cves in REQUIRED.items() if cves - held.get(name, set())
    ]
    assert len(core.products) >= 62
    assert core.feed.rows >= 155


def test_every_product_can_be_seen(core: Core) -> None:
    """Each product is reached by a fingerprint or a service's greeting that exists and has one of its CPE prefixes."""
    known = ServiceRules.load().products
    known |= {fingerprint.id: fingerprint.cpe for fingerprint in Fingerprints.load().all}
    wrong = [
        (product.id, name)
        for product in core.products
        for name in product.fingerprints
        if known.get(name) not in product.cpe
    ]
    assert not wrong


def test_every_range_end_is_told_apart(core: Core) -> None:
    """The first affected version of each range is inside; a fixed version is outside unless a later range says."""
    for product, cve in pairs(core):
        for item in cve.affected:
            end = item.last or item.introduced
            if end:
                assert place(product.scheme, end, cve.affected, 1) is Placement.INSIDE, (cve.id, end)
        newest = max((item.fixed for item in cve.affected if item.fixed), key=numbers, default="")
        if newest and not any(item.last for item in cve.affected):
            assert place(product.scheme, newest, cve.affected, 1) is Placement.OUTSIDE, (cve.id, newest)


def numbers(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)]


def test_each_record_was_checked_and_dated(core: Core) -> None:
    for _, cve in pairs(core):
        assert "2026-01-01" <= cve.checked <= core.date
        assert cve.kev_added <= core.kev_catalogue
        assert any(cve.id in reference for reference in cve.references)


@pytest.mark.parametrize(
    ("product_id", "version", "inside"),
    [
        ("apache", "2.4.49", {"CVE-2021-41773", "CVE-2021-42013"}),
        ("apache", "2.4.50", {"CVE-2021-42013"}),
        ("nginx", "1.18.0", {"CVE-2021-23017"}),
        ("nginx", "1.20.0", {"CVE-2021-23017"}),
        ("grafana", "8.3.0", {"CVE-2021-43798"}),
        ("jquery", "1.12.4", {"CVE-2015-9251", "CVE-2019-11358", "CVE-2020-11022", "CVE-2020-11023"}),
        ("tomcat", "9.0.30", {"CVE-2020-1938", "CVE-2025-24813"}),
        ("jenkins", "2.441", {"CVE-2024-23897"}),
        ("jenkins", "2.426.2", {"CVE-2024-23897"}),
        ("jenkins", "2.138.3", {"CVE-2018-1000861"}),
        ("screenconnect", "23.9.7.8804", {"CVE-2024-1709"}),
        ("exchange", "15.2.986.30", {"CVE-2022-41040"}),
        ("openssl", "1.0.1f", {"CVE-2014-0160"}),
        ("wordpress", "7.0", {"CVE-2026-63030"}),
    ],
)
def test_affected_versions_are_inside(core: Core, product_id: str, version: str, inside: set[str]) -> None:
    assert inside <= placed(core, product_id, version, Placement.INSIDE)


@pytest.mark.parametrize(
    ("product_id", "version"),
    [
        ("apache", "2.4.68"),
        ("nginx", "1.30.4"),
        ("grafana", "13.0.2"),
        ("jquery", "3.7.1"),
        ("jenkins", "2.426.3"),
        ("jenkins", "2.440.1"),
        ("jenkins", "2.150.1"),
        ("screenconnect", "25.2.4"),
        ("exchange", "15.2.1118.20"),
        ("openssl", "3.0.7"),
        ("wordpress", "7.0.2"),
        ("tomcat", "11.0.21"),
        ("teamcity", "2026.1.3"),
        ("php", "8.3.8"),
    ],
)
def test_safe_versions_are_outside_of_everything(core: Core, product_id: str, version: str) -> None:
    everything = {cve.id for product, cve in pairs(core) if product.id == product_id}
    outside = placed(core, product_id, version, Placement.OUTSIDE)
    if product_id == "jenkins" and version == "2.150.1":
        outside.add("CVE-2024-23897")  # a long-term release that has that later flaw
    assert outside == everything


def placed(core: Core, product_id: str, version: str, wanted: Placement) -> set[str]:
    product = next(p for p in core.products if p.id == product_id)
    return {c.id for c in product.cves if place(product.scheme, version, c.affected, product.parts) is wanted}


# Against the data


def read_kev() -> dict[str, str]:
    known: dict[str, str] = {}
    for path in sorted((DATA / "kev").glob("*.json")):
        for row in json.loads(path.read_text("utf-8"))["vulnerabilities"]:
            known[row["cveID"]] = row["dateAdded"]
    return known


@needs_data
def test_exploited_marks_agree_with_cisa(core: Core) -> None:
    known = read_kev()
    wrong = [
        (cve.id, cve.kev_added, known.get(cve.id))
        for _, cve in pairs(core)
        if cve.kev_added != known.get(cve.id, "")
    ]
    assert not wrong


@needs_data
def test_exploited_cves_agree_with_nvd(core: Core) -> None:
    with gzip.open(DATA / "nvd" / "nvdcve-2.0-kev-subset.json.gz") as file:
        records = {row["cve"]["id"]: row["cve"] for row in json.load(file)["vulnerabilities"]}
    compared, wrong = check(core, records, complete=False)
    assert not wrong, "\n".join(wrong)
    assert compared >= 20, "too few were compared to say anything"


@needs_data
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_all_cves_agree_with_nvd(core: Core) -> None:
    years = sorted({cve.id.split("-")[1] for _, cve in pairs(core)})
    wanted = {cve.id for _, cve in pairs(core)}
    records: dict[str, Any] = {}
    for year in years:
        path = DATA / "nvd" / f"nvdcve-2.0-{year}.json.xz"
        if path.is_file():
            with lzma.open(path) as file:
                rows = json.load(file)["vulnerabilities"]
            records.update((row["cve"]["id"], row["cve"]) for row in rows if row["cve"]["id"] in wanted)
    compared, wrong = check(core, records, complete=True)
    assert not wrong, "\n".join(wrong)
    assert compared >= 60, "too few were compared to say anything"


SAFE_FROM = re.compile(r"(?:before|prior to|fixed in|patched in|before version|until) v?(\d+(?:\.\d+)+)")
AFFECTED = re.compile(r"(?:through|up to|<=|affected version is|from(?: version)?) v?(\d+(?:\.\d+)+)")


@needs_data
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_what_nvd_has_no_ranges_for_agrees_with_words_and_packages(core: Core) -> None:
    """Records without ranges in the data: the versions that their descriptions, OSV and RetireJS name as mended or affected.
    Prints which rest on nothing of it."""
    wanted = {cve.id for _, cve in pairs(core)}
    told = described(wanted)
    named = packaged(wanted)
    wrong, alone, held = [], [], 0
    for product, cve in pairs(core):
        text, ranged = told.get(cve.id, ("", False))
        safe = set(SAFE_FROM.findall(text)) | named.get(cve.id, (set(), set()))[0]
        bad = set(AFFECTED.findall(text)) | named.get(cve.id, (set(), set()))[1]
        if ranged:
            continue
        held += bool(safe or bad)
        if not (safe or bad):
            alone.append(f"{product.id} {cve.id}")
        for versions, forbidden in ((safe, Placement.INSIDE), (bad, Placement.OUTSIDE)):
            for version in versions:
                if place(product.scheme, version, cve.affected, 1) is forbidden and not cve.differs:
                    wrong.append(f"{product.id} {cve.id}: {version} is {forbidden}")
    sys.stdout.write(f"\n{held} records held against words and packages; nothing to hold against: {alone}\n")
    assert not wrong, "\n".join(wrong)
    assert held >= 15, "too few were compared to say anything"


def described(wanted: set[str]) -> dict[str, tuple[str, bool]]:
    """CVE to its description and whether the data has ranges for it."""
    told: dict[str, tuple[str, bool]] = {}
    for path in sorted([*(DATA / "nvd").glob("nvdcve-2.0-20*.xz"), *(DATA / "nvd-descr-only").glob("*.xz")]):
        if not any(f"-{cve.split('-')[1]}" in path.name for cve in wanted):
            continue
        with lzma.open(path) as file:
            for row in json.load(file)["vulnerabilities"]:
                record = row["cve"]
                if record["id"] in wanted:
                    text = " ".join(each["value"] for each in record["descriptions"] if each["lang"] == "en")
                    known = told.get(record["id"], ("", False))
                    told[record["id"]] = (f"{known[0]} {text}", known[1] or bool(record.get("configurations")))
    return told


def packaged(wanted: set[str]) -> dict[str, tuple[set[str], set[str]]]:
    """CVE to versions that OSV and RetireJS say are the first mended, and the first affected."""
    found: dict[str, tuple[set[str], set[str]]] = {}
    for path in sorted((DATA / "osv").glob("PyPI*.zip")):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                raw = json.loads(archive.read(name)) if name.endswith(".json") else {}
                for cve in wanted.intersection(raw.get("aliases", [])):
                    safe, bad = found.setdefault(cve, (set(), set()))
                    events = [
                        e
                        for a in raw["affected"]
                        for r in a.get("ranges", [])
                        if r["type"] != "GIT"
                        for e in r["events"]
                    ]
                    safe.update(event["fixed"] for event in events if "fixed" in event)
                    bad.update(event["introduced"] for event in events if event.get("introduced", "0") != "0")
    for path in sorted((DATA / "retirejs").glob("jsrepository*.json")):
        for library in json.loads(path.read_text("utf-8")).values():
            for flaw in library.get("vulnerabilities", []):
                for cve in wanted.intersection(flaw.get("identifiers", {}).get("CVE", [])):
                    safe, bad = found.setdefault(cve, (set(), set()))
                    safe.update([flaw["below"]] if "below" in flaw else [])
                    bad.update([flaw["atOrAbove"]] if "atOrAbove" in flaw else [])
    return found


def check(core: Core, records: dict[str, Any], *, complete: bool) -> tuple[int, list[str]]:
    """Compare every record that the data has; the count of ranges compared, and all disagreements. `complete`: the records
    are all that the data has, so a note about a difference that is not there is wrong too."""
    wrong: list[str] = []
    compared = 0
    for product, cve in pairs(core):
        record = records.get(cve.id)
        if record is None:
            continue
        vectors = {plain(v) for v in vectors_of(record)}
        if cve.cvss_vector and vectors and plain(cve.cvss_vector) not in vectors:
            wrong.append(f"{cve.id}: {cve.cvss_vector} is none of {sorted(vectors)}")
        ranges = ranges_of(record, product)
        if not ranges:
            continue
        compared += 1
        different = disagreements(product, cve.affected, ranges)
        if different and not cve.differs:
            wrong.append(f"{product.id} {cve.id}: {different}; NVD has {[item.vers for item in ranges]}")
        if complete and not different and cve.differs:
            wrong.append(f"{product.id} {cve.id}: differs is set, but nothing differs")
    return compared, wrong


def vectors_of(record: dict[str, Any]) -> list[str]:
    metrics = [
        m for name, rows in record.get("metrics", {}).items() if name.startswith("cvssMetricV3") for m in rows
    ]
    return [m["cvssData"]["vectorString"] for m in metrics]


def plain(vector: str) -> str:
    """A vector with its base metrics alone, in one order, and 3.0 read as 3.1 (the same metrics)."""
    base = {"AV", "AC", "PR", "UI", "S", "C", "I", "A"}
    return "/".join(sorted(part for part in vector.split("/") if part.split(":")[0] in base))


def ranges_of(record: dict[str, Any], product: Product) -> list[Range]:
    found = []
    nodes = [n for c in record.get("configurations", []) for n in c.get("nodes", [])]
    for row in (m for n in nodes for m in n.get("cpeMatch", [])):
        parts = re.split(r"(?<!\\):", row["criteria"])
        if ":".join(parts[:5]) not in product.cpe or not row["vulnerable"]:
            continue
        milestone = product.scheme is Scheme.MAVEN and re.fullmatch(r"m\d+", parts[6])
        update = "" if parts[6] in "*-" else (".M" + parts[6][1:] if milestone else "-" + parts[6])
        start = row.get("versionStartIncluding", "")
        if row.get("versionEndExcluding"):
            found.append(Range(start, fixed=row["versionEndExcluding"]))
        elif row.get("versionEndIncluding"):
            found.append(Range(start, last=row["versionEndIncluding"]))
        elif parts[5] not in "*-":
            version = parts[5].replace("\\", "") + update
            found.append(Range(version, last=version))
    ends = {item: item.fixed or item.last for item in found}
    return [item for item in found if compare(product.scheme, ends[item], ends[item]) == 0]


def disagreements(product: Product, ours: Iterable[Range], theirs: Iterable[Range]) -> list[str]:
    """Versions at and next to every bound of either side that the two sides place differently."""
    exact = {item.introduced for item in theirs if item.introduced and item.introduced == item.last}
    spans = [item for item in (*ours, *theirs) if not item.introduced or item.introduced != item.last]
    bounds = {b for item in spans for b in (item.introduced, item.fixed, item.last) if b}
    probes = bounds | {probe for bound in bounds for probe in neighbours(bound)} | exact
    if len(exact) > 10:  # a list of single versions tells nothing of versions that were never released
        probes = exact
    return sorted(
        probe
        for probe in probes
        if compare(product.scheme, probe, probe) == 0
        and place(product.scheme, probe, ours, 1) is not place(product.scheme, probe, theirs, 1)
    )


def neighbours(bound: str) -> list[str]:
    """The versions one step beside a bound, and the end of the line of versions before it."""
    steps = [re.sub(r"\d+$", lambda m, by=by: str(max(0, int(m[0]) + by)), bound) for by in (-1, 1)]  # type: ignore[misc]
    major = int(re.split(r"\D", bound)[0])
    return [*steps, f"{major - 1}.999.0"] if major else steps


def test_the_comparison_can_fail(core: Core) -> None:
    """The safe twin of the comparison: a range moved by one version is noticed, the same range is not."""
    nginx = next(product for product in core.products if product.id == "nginx")
    same = [Range("0.6.18", fixed="1.20.1")]
    assert disagreements(nginx, same, same) == []
    assert disagreements(nginx, same, [Range("0.6.18", fixed="1.20.2")]) == ["1.20.1"]
