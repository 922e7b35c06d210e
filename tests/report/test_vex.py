"""CycloneDX and OpenVEX: valid by their own rules, and never more certain than the evidence."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Literal

import pytest
from cyclonedx.model.bom import Bom
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from hypothesis import given, settings
from pydantic import AnyUrl, AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from tests.report.conftest import NOW, SHOP, entry, hostile, make_finding, make_record, records, with_callback
from tests.report.test_exports import hostile_finding

from secrecon.model.asset import Technology
from secrecon.model.errors import Conflict
from secrecon.model.finding import EvidenceLevel, Finding, FindingStatus, Severity
from secrecon.model.record import ScanRecord
from secrecon.model.triage import Decision, TriageState, basis_of
from secrecon.report import build, render

VALIDATOR = JsonStrictValidator(SchemaVersion.V1_6)
NGINX = "cpe:2.3:a:f5:nginx:1.18.0:*:*:*:*:*:*:*"


class Strict(BaseModel):
    """No field beyond the specification's."""

    model_config = ConfigDict(extra="forbid", strict=False)


class Identifiers(Strict):
    purl: str | None = None
    cpe23: str | None = None


class Part(Strict):
    id: AnyUrl = Field(alias="@id")
    identifiers: Identifiers | None = None


class Product(Part):
    subcomponents: list[Part] = []


class Vulnerability(Strict):
    id: AnyUrl | None = Field(None, alias="@id")
    name: str = Field(min_length=1)
    description: str = ""


class Statement(Strict):
    """Section "The VEX statement" of the OpenVEX 0.2.0 specification."""

    id: AnyUrl = Field(alias="@id")
    vulnerability: Vulnerability
    timestamp: AwareDatetime
    products: list[Product] = Field(min_length=1)
    status: Literal["not_affected", "affected", "fixed", "under_investigation"]
    status_notes: str | None = None
    justification: str | None = None
    impact_statement: str | None = None
    action_statement: str | None = None

    @model_validator(mode="after")
    def says_what_its_status_needs(self) -> Statement:
        if self.status == "not_affected":
            assert bool(self.justification) != bool(self.impact_statement)
        if self.status == "affected":
            assert self.action_statement
        return self


class OpenVex(Strict):
    context: Literal["https://openvex.dev/ns/v0.2.0"] = Field(alias="@context")
    id: AnyUrl = Field(alias="@id")
    author: str = Field(min_length=1)
    role: str
    timestamp: AwareDatetime
    version: int = Field(ge=1)
    tooling: str
    statements: list[Statement] = Field(min_length=1)


def cve(level: EvidenceLevel) -> Finding:
    return make_finding(
        "cve.CVE-2021-23017",
        Severity.HIGH,
        level,
        0.6,
        location="nginx",
        title="A flaw of nginx",
        cve_id="CVE-2021-23017",
    )


def stated(record: ScanRecord) -> OpenVex:
    return OpenVex.model_validate_json(render(build(record), "openvex")[0])


def disclosed(record: ScanRecord) -> dict[str, Any]:
    data = render(build(record), "cyclonedx")[0].decode()
    errors = VALIDATOR.validate_str(data)
    assert errors is None, str(errors)[:2_000]
    document: dict[str, Any] = json.loads(data)
    return document


def states(record: ScanRecord) -> list[tuple[str | None, list[str]]]:
    found = json.loads(render(build(record), "cyclonedx")[0])["vulnerabilities"]
    return [(v["analysis"].get("state"), v["analysis"].get("response", [])) for v in found]


@settings(max_examples=25)
@given(records(5), hostile)
def test_both_are_valid_whatever_was_found(record: ScanRecord, text: str) -> None:
    tech = Technology(text, text, text, "cpe:2.3:a:" + text, text, 0.5)
    bad = (entry(hostile_finding(text), 5_000), entry(replace(hostile_finding(text), cve_id=text), 5_001))
    record = replace(record, findings=(*record.findings, *bad), facts=(*record.facts, tech))
    disclosed(record)
    stated(record)


@pytest.mark.parametrize(
    ("level", "status", "open_vex", "cyclone", "response"),
    [
        (EvidenceLevel.BANNER, FindingStatus.NEW, "under_investigation", "in_triage", []),
        (EvidenceLevel.VERSION_RANGE, FindingStatus.OPEN, "under_investigation", "in_triage", []),
        (EvidenceLevel.BEHAVIOUR, FindingStatus.REGRESSED, "affected", "exploitable", []),
        (EvidenceLevel.CALLBACK, FindingStatus.NEW, "affected", "exploitable", []),
        (EvidenceLevel.BEHAVIOUR, FindingStatus.FIXED, "fixed", "resolved", []),
        (EvidenceLevel.BEHAVIOUR, FindingStatus.FALSE_POSITIVE, "not_affected", "false_positive", []),
        (EvidenceLevel.BEHAVIOUR, FindingStatus.ACCEPTED, "affected", "exploitable", ["will_not_fix"]),
        (EvidenceLevel.VERSION_RANGE, FindingStatus.ACCEPTED, "under_investigation", "in_triage", ["will_not_fix"]),
    ],
)
def test_what_is_said_follows_from_the_evidence_and_from_people(
    level: EvidenceLevel, status: FindingStatus, open_vex: str, cyclone: str, response: list[str]
) -> None:
    record = replace(make_record(), findings=(entry(cve(level), 1, status),))
    assert [statement.status for statement in stated(record).statements] == [open_vex]
    assert states(record) == [(cyclone, response)]


def test_a_decision_is_told_with_its_reason_and_its_end() -> None:
    finding = cve(EvidenceLevel.BEHAVIOUR)
    until = NOW + 86_400 * 30
    decision = Decision(TriageState.ACCEPTED, "behind a wall", "ada@acme.test", NOW, basis_of(finding), until)
    kept = replace(entry(finding, 1, FindingStatus.ACCEPTED), decision=decision)
    record = replace(make_record(), findings=(kept,))
    (statement,) = stated(record).statements
    assert statement.status_notes is not None
    assert statement.status_notes.endswith("accepted by a person until 2026-12-23: behind a wall")
    for name in ("html", "md"):
        assert "accepted until 2026-12-23, by ada" in render(build(record), name)[0].decode().replace("\\", "")
    log = json.loads(render(build(record), "sarif")[0])
    (suppression,) = log["runs"][0]["results"][0]["suppressions"]
    assert suppression["justification"] == "marked as accepted: behind a wall"
    ended = replace(kept, status=FindingStatus.OPEN, reopened="the acceptance ran out")
    assert states(replace(make_record(), findings=(ended,))) == [("exploitable", [])]
    assert (
        "holds no more: the acceptance ran out"
        in render(build(replace(record, findings=(ended,))), "html")[0].decode()
    )


def test_a_version_is_about_the_product_and_a_proof_about_the_asset() -> None:
    record = with_callback(make_record(cve(EvidenceLevel.VERSION_RANGE)))
    ssrf, flaw = stated(record).statements
    assert str(ssrf.products[0].id).rstrip("/") == SHOP
    assert ssrf.vulnerability.name == "SECRECON-ssrf.callback"
    assert ssrf.action_statement == "Deny access to /.git on the web server."
    (part,) = flaw.products[0].subcomponents
    assert part.identifiers is not None
    assert part.identifiers.cpe23 == NGINX
    document = disclosed(record)
    by_ref = {c["bom-ref"]: c for c in document["components"]}
    affected = {v["id"]: v["affects"][0]["ref"] for v in document["vulnerabilities"]}
    assert by_ref[affected["CVE-2021-23017"]]["cpe"] == NGINX
    assert affected["SECRECON-ssrf.callback"] == SHOP


def test_a_missing_header_is_shown_but_not_called_exploitable_and_notes_are_left_out() -> None:
    low = make_finding("hygiene.csp-missing", Severity.LOW)
    note = make_finding("hygiene.server-banner", Severity.INFO, location="/x")
    assert states(make_record(low, note)) == [(None, [])]


def test_nothing_to_state_is_told_and_not_made_up() -> None:
    with pytest.raises(Conflict, match="cannot say that nothing was found"):
        render(build(make_record()), "openvex")
    document = disclosed(make_record())
    assert document["vulnerabilities"] == []
    assert "coverage" in json.dumps(document["metadata"])


def test_the_library_reads_the_document_back() -> None:
    document = disclosed(with_callback(make_record(cve(EvidenceLevel.VERSION_RANGE))))
    read = Bom.from_json(data=document)  # type: ignore[attr-defined]
    assert {str(v.id) for v in read.vulnerabilities} == {"CVE-2021-23017", "SECRECON-ssrf.callback"}
    assert read.urn().startswith("urn:cdx:" + str(document["serialNumber"]).removeprefix("urn:uuid:"))


def test_the_same_report_is_the_same_document_and_a_new_version_another() -> None:
    record = make_record(cve(EvidenceLevel.BANNER))
    assert disclosed(record) == disclosed(record)
    assert disclosed(record)["serialNumber"] != disclosed(replace(record, version=2))["serialNumber"]
