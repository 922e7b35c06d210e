"""An index holds what its feeds say, whole or not at all, whatever their order; what did not change is copied."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from tests.intel import madeup

from secrecon.intel.feeds.errors import FeedBroken
from secrecon.intel.feeds.kinds import Kind
from secrecon.intel.index.build import TABLES, build, count
from secrecon.intel.index.tables import Reader
from secrecon.intel.lookup import Index
from secrecon.intel.records import EpssScore, SsvcPoints

SHOP = "a:acme:shop"


def made(folder: Path, **files: bytes) -> Index:
    path = folder / "made.index"
    build(path, madeup.sources(folder, **files))
    return Index(path)


def test_every_kind_is_looked_up(tmp_path: Path) -> None:
    event: tuple[madeup.Json, ...] = (
        {"introduced": "0"},
        {"fixed": "1.2.0"},
        {"introduced": "2.0"},
        {"last_affected": "2.3"},
    )
    index = made(
        tmp_path,
        nvd=madeup.nvd(madeup.cve("CVE-2026-1000", [madeup.node(madeup.match(SHOP, endExcluding="2.0"))])),
        kev=madeup.kev("CVE-2026-1000"),
        epss=madeup.epss({"CVE-2026-1000": (0.5, 0.99)}),
        ssvc=madeup.ssvc({"CVE-2026-1000": ("active", "yes", "total")}),
        osv=madeup.osv(madeup.osv_record("PYSEC-1", "PyPI", "Acme_Kit", *event, aliases=["CVE-2026-1001"])),
        retirejs=madeup.retire(),
    )
    facts = index.facts("CVE-2026-1000")
    assert facts is not None
    assert facts.description == "A flaw, CVE-2026-1000."
    assert facts.references == ("https://vendor.test/advisory",)
    assert facts.cwe == ("CWE-22",)
    entry = index.kev("CVE-2026-1000")
    assert entry is not None
    assert (entry.added, entry.due, entry.ransomware) == ("2026-11-01", "2026-11-22", True)
    assert index.epss("CVE-2026-1000") == EpssScore(0.5, 0.99)
    assert index.ssvc("CVE-2026-1000") == SsvcPoints("active", "yes", "total", "2026-10-01T00:00:00Z")
    assert index.kev("CVE-2026-1001") is None
    assert index.facts("CVE-2026-1001") is None
    (flaw,) = index.flaws("pypi/acme-kit")
    assert flaw.cves == ("CVE-2026-1001",)
    assert [(r.introduced, r.fixed, r.last) for r in flaw.ranges] == [("0", "1.2.0", ""), ("2.0", "", "2.3")]
    assert {flaw.id for flaw in index.flaws("js/widget-js")} == {"CVE-2026-7001", "GHSA-aaaa-bbbb-cccc"}
    assert index.flaws("npm/none") == ()
    index.close()


@pytest.mark.parametrize("newest_first", [True, False])
def test_the_record_modified_last_counts(tmp_path: Path, newest_first: bool) -> None:
    old = madeup.cve("CVE-2026-1000", [madeup.node(madeup.match(SHOP, endExcluding="9.0"))], modified="2026-01-01")
    new = madeup.cve("CVE-2026-1000", [madeup.node(madeup.match(SHOP, endExcluding="2.0"))], modified="2026-05-01")
    bodies = [madeup.nvd(new), madeup.nvd(old)] if newest_first else [madeup.nvd(old), madeup.nvd(new)]
    files = [madeup.source(tmp_path, f"part-{number}", body) for number, body in enumerate(bodies)]
    build(tmp_path / "i", {Kind.NVD: files})
    index = Index(tmp_path / "i")
    assert [match.cve_id for match in index.match([SHOP], "1.0").matches] == ["CVE-2026-1000"]
    assert index.match([SHOP], "3.0").matches == ()
    index.close()


def test_a_record_that_was_rejected_later_matches_nothing(tmp_path: Path) -> None:
    nodes = [madeup.node(madeup.match(SHOP, endExcluding="9.0"))]
    old = madeup.cve("CVE-2026-1000", nodes, modified="2026-01-01")
    gone = madeup.cve("CVE-2026-1000", nodes, modified="2026-05-01", status="Rejected")
    index = made(tmp_path, nvd=madeup.nvd(old, gone))
    assert index.match([SHOP], "1.0").matches == ()
    index.close()


def test_unchanged_feeds_are_copied_byte_for_byte(tmp_path: Path) -> None:
    files = madeup.sources(
        tmp_path,
        nvd=madeup.nvd(madeup.cve("CVE-2026-1000", [madeup.node(madeup.match(SHOP, endExcluding="2.0"))])),
        epss=madeup.epss({"CVE-2026-1000": (0.5, 0.9)}),
    )
    first = tmp_path / "first"
    build(first, files)
    before = Reader(first)
    files[Kind.EPSS] = [madeup.source(tmp_path, "later", madeup.epss({"CVE-2026-1000": (0.7, 0.95)}))]
    built = build(tmp_path / "second", files, before)
    assert built.copied == [Kind.NVD]
    after = Reader(tmp_path / "second")
    after.verify()
    for table in TABLES[Kind.NVD]:
        assert dict(after.rows(table)) == dict(before.rows(table))
    index = Index(tmp_path / "second")
    assert index.epss("CVE-2026-1000") == EpssScore(0.7, 0.95)
    assert isinstance(index.about, dict)
    assert [feed["rows"] for feed in index.about["nvd"]] == [1]
    index.close()
    after.close()
    before.close()


@pytest.mark.parametrize(
    ("kind", "body", "words"),
    [
        (Kind.NVD, madeup.nvd(madeup.cve("CVE-2026-1000"))[:-40], "not a whole JSON object"),
        (Kind.NVD, madeup.nvd(madeup.cve("CVE-2026-1000"), told=7), "says it holds 7"),
        (Kind.NVD, madeup.nvd(), "no record"),
        (Kind.NVD, madeup.nvd({"cve": {"id": 7}}, {"cve": {"id": "CVE-x"}}, madeup.cve("CVE-2026-1000")), "2 of 3"),
        (Kind.EPSS, madeup.epss({"CVE-2026-1000": (0.5, 0.9)})[:-12], "cut off"),
        (
            Kind.EPSS,
            madeup.epss({"CVE-2026-1000": (0.5, 0.9)}) + gzip.compress(b"x,1,1\n" * 11_000),
            "first 10,00. rec",
        ),
        (Kind.EPSS, b"#score_date:2026-11-24\ncve,epss,percentile\nCVE-2026-1000,0.5,0.9", "last line"),
        (Kind.EPSS, b"#score_date:soon\ncve,epss,percentile\n", "no date"),
        (Kind.EPSS, b"cve,score\n", "no date"),
        (Kind.KEV, b'{"count": 2, "dateReleased": "2026-01-01", "vulnerabilities": []}', "says it holds 2"),
        (Kind.KEV, madeup.kev("CVE-2026-1000") + b"x", "something follows"),
        (Kind.SSVC, b"cve,exploitation\n", "first columns"),
        (Kind.OSV, madeup.osv(madeup.osv_record("P-1", "PyPI", "a"))[:-30], "damaged"),
        (Kind.RETIRE, b"[1]", "not JSON of libraries"),
        (Kind.TEMPLATES, b"x", "not part of an index"),
    ],
)
def test_a_broken_feed_builds_nothing(tmp_path: Path, kind: Kind, body: bytes, words: str) -> None:
    file = madeup.source(tmp_path, "broken.feed", body)
    with pytest.raises(FeedBroken, match=words) as caught:
        count(file, kind)
    assert "broken.feed" in str(caught.value)
    if kind in TABLES:
        with pytest.raises(FeedBroken, match=words):
            build(tmp_path / "made.index", {kind: [file]})
    assert [path.name for path in tmp_path.iterdir()] == ["broken.feed"]


def test_a_disk_that_fills_leaves_the_index_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = madeup.sources(tmp_path, nvd=madeup.nvd(madeup.cve("CVE-2026-1000")))
    build(tmp_path / "i", files)
    before = (tmp_path / "i").read_bytes()
    monkeypatch.setattr("os.fsync", _full)
    with pytest.raises(OSError, match="No space"):
        build(tmp_path / "i", files)
    assert (tmp_path / "i").read_bytes() == before
    assert not list(tmp_path.glob("*.new"))


def _full(_: int) -> None:
    raise OSError(28, "No space left on device")


def test_corrections_take_the_place_of_what_nvd_says(tmp_path: Path) -> None:
    wrong = madeup.cve("CVE-2026-1000", [madeup.node(madeup.match(SHOP, endExcluding="9.0"))])
    right = (
        b'{"_annotation": {"cve_id": "CVE-2026-1000"}, "cve": {"configurations": [{"nodes": [{"cpeMatch": '
        b'[{"vulnerable": true, "criteria": "cpe:2.3:a:acme:shop:*:*:*:*:*:*:*:*", "versionEndExcluding": "2.0"}]}]}]}}'
    )
    index = made(tmp_path, nvd=madeup.nvd(wrong), overrides=right)
    assert index.match([SHOP], "5.0").matches == ()
    (match,) = index.match([SHOP], "1.0").matches
    assert (match.cve_id, match.provider) == ("CVE-2026-1000", "anchore")
    index.close()


def test_a_record_of_the_cve_program_adds_cisas_words(tmp_path: Path) -> None:
    body = (
        b'{"dataType":"CVE_RECORD","dataVersion":"5.1","cveMetadata":{"cveId":"CVE-2026-1000","state":"PUBLISHED",'
        b'"dateUpdated":"2026-02-02T00:00:00Z"},"containers":{"cna":{"providerMetadata":{"shortName":"acme"},'
        b'"descriptions":[{"lang":"en","value":"Told by the vendor."}]},"adp":[{"providerMetadata":{"shortName":'
        b'"CISA-ADP"},"metrics":[{"cvssV3_1":{"baseScore":5.3,"vectorString":'
        b'"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:N/A:N"}},{"other":{"type":"ssvc","content":{"timestamp":'
        b'"2026-02-01","options":[{"Exploitation":"poc"},{"Automatable":"no"},{"Technical Impact":"total"}]}}}],'
        b'"cpeApplicability":[{"nodes":[{"cpeMatch":[{"criteria":"cpe:2.3:a:acme:shop:*:*:*:*:*:*:*:*",'
        b'"versionEndIncluding":"3.0","vulnerable":true}]}]}]}]}}'
    )
    index = made(tmp_path, cve5=body, ssvc=madeup.ssvc({"CVE-2026-1000": ("none", "no", "partial")}))
    (match,) = index.match([SHOP], "3.0").matches
    assert (match.cve_id, match.provider, match.score) == ("CVE-2026-1000", "cisa-adp", 5.3)
    points = index.ssvc("CVE-2026-1000")
    assert points is not None
    assert (points.exploitation, points.impact) == ("poc", "total")
    facts = index.facts("CVE-2026-1000")
    assert facts is not None
    assert facts.description == "Told by the vendor."
    index.close()
