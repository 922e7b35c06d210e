"""What changed between two scans, and why: never more than their ledgers say."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from tests.report.conftest import ALL_DONE, FEEDS, NOW, SHOP, entry, make_finding, make_record, records

from secrecon.model.asset import Technology
from secrecon.model.errors import BadInput
from secrecon.model.finding import EvidenceLevel, Finding, FindingStatus, Severity
from secrecon.model.record import ScanRecord
from secrecon.model.scan import EngineInfo, Outcome, ScanMode
from secrecon.model.target import parse_target
from secrecon.report import build, to_json
from secrecon.report.diff import Because, Change, Diff, compare
from secrecon.report.snapshot import read_snapshot, snapshot_of

GIT = make_finding()
LATER = NOW + 86_400.0
CVE = make_finding(
    "cve.CVE-2021-41773",
    level=EvidenceLevel.VERSION_RANGE,
    confidence=0.6,
    location="Apache",
    cve_id="CVE-2021-41773",
    kev=False,
)


def first(*found: Finding) -> ScanRecord:
    """A scan that sees `found` for the first time."""
    record = make_record(*found)
    return replace(record, findings=tuple(replace(item, first_seen=NOW) for item in record.findings))


def second(record: ScanRecord) -> ScanRecord:
    """The same target, a day later."""
    found = tuple(replace(item, first_seen=LATER) for item in record.findings)
    return replace(record, db_scan_id=record.db_scan_id + 1, created=LATER - 40, findings=found)


def difference(old: ScanRecord, new: ScanRecord) -> Diff:
    return compare(snapshot_of(old), snapshot_of(new))


def only(diff: Diff) -> tuple[Change, list[Because], str]:
    (line,) = diff.lines
    return line.change, [reason.because for reason in line.reasons], " ".join(r.words for r in line.reasons)


def without(record: ScanRecord, check: str) -> ScanRecord:
    kept = tuple(attempt for attempt in record.attempts if attempt.check != check)
    return replace(record, attempts=kept)


def apache(version: str) -> tuple[Technology, ...]:
    return (Technology(SHOP, "Apache", version, "", "header Server", 0.9),)


def test_found_where_the_same_check_found_nothing() -> None:
    change, because, words = only(difference(first(), second(first(GIT))))
    assert (change, because) == (Change.NEW, [Because.TARGET])
    assert "the rules and data are the same" in words


def test_found_where_nobody_had_looked_is_new_to_us_not_to_the_target() -> None:
    change, because, words = only(difference(without(first(), "exposure.git"), second(first(GIT))))
    assert (change, because) == (Change.NEW, [Because.COVERAGE])
    assert f"exposure.git did not run on {SHOP}" in words


def test_gone_is_fixed_only_where_it_was_looked_for() -> None:
    change, because, _ = only(difference(first(GIT), second(first())))
    assert (change, because) == (Change.FIXED, [Because.TARGET])
    blocked = tuple(
        replace(a, outcome=Outcome.BLOCKED, reason="a wall") if a.check == "exposure.git" else a for a in ALL_DONE
    )
    change, because, words = only(difference(first(GIT), second(replace(first(), attempts=blocked))))
    assert (change, because) == (Change.NOT_RETESTED, [Because.COVERAGE])
    assert "was blocked" in words
    assert "a wall" in words


def test_what_comes_back_is_regressed() -> None:
    back = second(first())
    back = replace(back, findings=(replace(entry(GIT, 1), first_seen=NOW - 9e5, seen=FindingStatus.REGRESSED),))
    assert only(difference(first(), back))[0] is Change.REGRESSED


def test_known_and_not_looked_for_in_between_is_no_news() -> None:
    back = replace(second(first()), findings=(replace(entry(GIT, 1), first_seen=NOW - 9e5),))
    (line,) = difference(without(first(), "exposure.git"), back).lines
    assert line.change is Change.UNCHANGED
    assert "the earlier scan did not look for it" in line.differs[0]


def test_changed_rules_are_named_beside_the_target() -> None:
    new = second(first())
    new = replace(new, engine=replace(new.engine, rules_digest="e" * 64))
    change, because, _ = only(difference(first(GIT), new))
    assert (change, because) == (Change.FIXED, [Because.TARGET, Because.RULES])


@pytest.mark.parametrize(
    ("then", "now", "feeds", "change", "because"),
    [
        ("2.4.62", "2.4.49", FEEDS, Change.NEW, Because.TARGET),
        ("2.4.49", "2.4.49", FEEDS[:1], Change.NEW, Because.FEED),
        ("", "2.4.49", FEEDS, Change.NEW, Because.COVERAGE),
    ],
)
def test_a_version_tells_target_and_feed_apart(
    then: str, now: str, feeds: tuple[object, ...], change: Change, because: Because
) -> None:
    old = replace(first(), facts=apache(then), engine=EngineInfo("0.1.0", "r" * 64, feeds))  # type: ignore[arg-type]
    new = replace(second(first(CVE)), facts=apache(now), engine=EngineInfo("0.1.0", "r" * 64, FEEDS))
    found = only(difference(old, new))
    assert found[:2] == (change, [because])


def test_a_quick_scan_after_a_full_one() -> None:
    full = replace(first(GIT), spec=replace(first().spec, mode=ScanMode.FULL))
    diff = difference(full, second(first()))
    assert only(diff)[0] is Change.NOT_RETESTED
    assert [reason.words for reason in diff.between] == ["a full scan, then a quick scan"]


def test_what_is_otherwise_is_told() -> None:
    worse = replace(CVE, severity=Severity.CRITICAL, kev=True)
    old, new = first(CVE), second(first(worse))
    new = replace(new, engine=replace(new.engine, feeds=FEEDS[:1]))
    (line,) = difference(old, new).lines
    assert line.change is Change.UNCHANGED
    assert line.differs == ("severity high, now critical", "now known to be exploited")
    assert {reason.because for reason in line.reasons} == {Because.FEED}


def test_two_targets_are_not_compared() -> None:
    other = replace(first(), spec=replace(first().spec, target=parse_target("https://other.test")))
    with pytest.raises(BadInput, match="compare one target"):
        difference(first(), other)


@given(records(), records())
def test_every_finding_once_and_fixed_never_without_a_check(old: ScanRecord, new: ScanRecord) -> None:
    new = replace(new, spec=replace(new.spec, target=old.spec.target))
    diff = difference(old, new)
    both = {e.finding.fingerprint for e in (*old.findings, *new.findings)}
    assert sorted(line.seen.fingerprint for line in diff.lines) == sorted(both)
    assert sum(diff.counts.values()) == len(both)
    done = {(a.check, a.asset) for a in new.attempts if a.outcome is Outcome.DONE}
    for line in diff.of(Change.FIXED):
        assert all((check, line.seen.wanted.asset) in done for check in line.seen.wanted.lines)
    assert all(line.reasons for line in diff.lines if line.change is not Change.UNCHANGED)


@given(records())
def test_a_scan_and_itself_do_not_differ(record: ScanRecord) -> None:
    diff = difference(record, record)
    assert {line.change for line in diff.lines} <= {Change.UNCHANGED}
    assert not diff.between


@given(records(), records())
def test_the_files_say_what_the_database_says(old: ScanRecord, new: ScanRecord) -> None:
    """Two JSON reports compare as the stored scans do. The store holds a problem once in a scan."""
    new = replace(new, spec=replace(new.spec, target=old.spec.target))
    old, new = [
        replace(record, findings=tuple({e.finding.fingerprint: e for e in record.findings}.values()))
        for record in (old, new)
    ]
    read = [read_snapshot(to_json(build(record)), "a.json") for record in (old, new)]
    assert compare(*read).counts == difference(old, new).counts


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b"\xff\xfe", b"[" * 100_000, b'{"findings": 3}', b"NaN"])
def test_what_is_no_report_is_refused(text: bytes) -> None:
    with pytest.raises(BadInput, match=r"a\.json is no JSON report that can be compared"):
        read_snapshot(text, "a.json")


def test_a_report_with_a_wrong_field_names_it() -> None:
    document = json.loads(to_json(build(first(GIT))))
    document["findings"][0]["severity"] = "enormous"
    with pytest.raises(BadInput, match=r"findings\.0\.severity"):
        read_snapshot(json.dumps(document).encode(), "a.json")
