"""The report holds what the record holds, in one order, with every documented field."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from tests.report.conftest import FEEDS, NOW, entry, make_finding, make_record, records, with_callback

from secrecon.model.finding import Severity
from secrecon.model.record import ScanRecord
from secrecon.report import as_document, build, to_json
from secrecon.report.assemble import LEFT_OUT, _bounded

DOCUMENTED = {
    "id", "title", "severity", "cve_id", "KEV_Status", "confidence_score", "oast_verified", "evidence_level", "cvss",
    "epss", "ssvc", "asset", "location", "evidence", "fingerprint", "first_seen", "status", "remediation", "references",
    "description", "impact", "cwe",
}  # fmt: skip


def test_every_documented_field_is_there() -> None:
    document = json.loads(to_json(build(with_callback(make_record(make_finding())))))
    assert document.keys() >= {
        "db_scan_id", "target", "status", "cancelled", "findings", "kev_count", "cve_count", "risk_score",
        "report_text", "oast_interactions", "coverage", "feeds", "engine", "oast_self_test", "narrative_source",
        "narrative_note", "narrative",
    }  # fmt: skip
    for finding in document["findings"]:
        assert finding.keys() >= DOCUMENTED
    assert document["narrative_source"] == "deterministic"
    assert "no language model took part" in document["narrative_note"]
    decision = next(section for section in document["narrative"] if section["audience"] == "director")
    assert decision["points"][0]["finding_ids"] == [99]
    assert document["created_at"].endswith("Z")
    assert document["duration_seconds"] == 35.0
    assert document["findings"][0]["oast_verified"] is True
    assert [hit["own"] for hit in document["oast_interactions"]] == [True, False]
    assert document["oast_interactions"][1]["location"] == "GET /fetch query:url"


@given(records())
def test_the_same_record_makes_the_same_bytes(record: ScanRecord) -> None:
    first = to_json(build(record))
    assert first == to_json(build(replace(record)))
    first.decode("ascii")


@given(records())
def test_counts_equal_the_findings(record: ScanRecord) -> None:
    document = as_document(build(record))
    findings = [each.finding for each in record.findings]
    assert document["kev_count"] == sum(f.kev_status == "Active_Exploit" for f in findings)
    assert document["cve_count"] == len({f.cve_id for f in findings} - {None})
    assert document["finding_count"] == len(findings)
    assert document["risk_score"] in ("A", "B", "C", "D", "F")
    shown = document["findings"]
    assert isinstance(shown, list)
    ranks = [Severity(str(f["severity"])).rank for f in shown if isinstance(f, dict)]
    assert ranks == sorted(ranks, reverse=True)


def test_fields_are_carried_over() -> None:
    document = json.loads(to_json(build(make_record(make_finding(cve_id="CVE-2021-41773", kev=True)))))
    finding = document["findings"][0]
    assert finding["KEV_Status"] == "Active_Exploit"
    assert finding["cvss"] == {"score": 7.5, "vector": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"}
    assert finding["evidence"][0]["request"].startswith("GET /.git/HEAD HTTP/1.1\nHost:")
    assert [feed["name"] for feed in document["feeds"]] == [feed.name for feed in FEEDS]
    assert document["asset_counts"] == {"domain": 1, "subdomain": 0, "ip": 0, "sensitive_path": 0, "total": 1}
    ssh = next(service for service in document["services"] if service["protocol"] == "ssh")
    assert (ssh["asset"], ssh["product"], ssh["version"]) == ("shop.acme.test:22", "openssh", "9.2p1")


@pytest.mark.parametrize("number", [math.nan, math.inf, -1.0, 7.0])
def test_impossible_numbers_never_leave(number: float) -> None:
    odd = replace(make_finding(), confidence=number, epss=number, cvss_score=number * 10)
    finding = json.loads(to_json(build(make_record(odd))))["findings"][0]
    assert 0.0 <= finding["confidence_score"] <= 1.0
    assert finding["epss"] is None or 0.0 <= finding["epss"] <= 1.0


def test_an_unfinished_scan_has_a_report_too() -> None:
    record = replace(make_record(), started=None, finished=None)
    document = json.loads(to_json(build(record)))
    assert (document["started_at"], document["finished_at"], document["duration_seconds"]) == (None, None, None)


def test_history_is_told() -> None:
    finding = build(replace(make_record(), findings=(entry(make_finding()),))).facts.findings[0]
    assert finding.first_seen < finding.last_seen
    assert NOW > 0


def test_all_evidence_together_is_bounded_and_the_worst_keep_theirs() -> None:
    findings = build(make_record(make_finding(), make_finding(severity=Severity.LOW, location="/b"))).facts.findings
    size = sum(len(item.request) + len(item.response) for item in findings[0].evidence)
    whole, cut = _bounded(list(findings), size)
    assert whole == findings[0]
    assert cut.evidence[0].request == cut.evidence[0].response == ""
    assert cut.evidence[0].curl
    assert cut.evidence[0].matcher.endswith(LEFT_OUT)
