"""What a template's verdict is worth: a template that says it rests on a version proves no more than one."""

from __future__ import annotations

import random
import time
from dataclasses import replace

import pytest

from secrecon.engine.templating.driver import Job
from secrecon.engine.templating.findings import finding_for
from secrecon.model.finding import Evidence, EvidenceLevel, Finding, Severity
from secrecon.model.target import Origin
from secrecon.templates.dsl.run import Ambient
from secrecon.templates.execution.events import Found
from secrecon.templates.execution.session import prepare
from secrecon.templates.execution.subject import Subject
from secrecon.templates.parse import read_draft

ASSET = "http://shop.acme.test"
TEMPLATE = """
id: shop-old
info:
  name: An old shop
  author: secrecon
  severity: high
  metadata:
    evidence: {evidence}
http:
  - path: ["{{{{BaseURL}}}}/"]
    matchers:
      - type: word
        words: ["Shop 1.0"]
"""


@pytest.mark.parametrize(
    ("evidence", "level"),
    [
        ("version", EvidenceLevel.VERSION_RANGE),
        ("behaviour", EvidenceLevel.BEHAVIOUR),
        ('""', EvidenceLevel.BEHAVIOUR),
    ],
)
def test_a_template_that_rests_on_a_version_proves_no_more(evidence: str, level: EvidenceLevel) -> None:
    draft = read_draft(TEMPLATE.format(evidence=evidence).encode(), random.Random(1))
    template = draft.compile(lambda name: b"")
    ambient = Ambient(time.time, random.Random(1), lambda seconds: None)
    job = Job(prepare(template, ambient), Subject(Origin("http", "shop.acme.test", 80), "shop.acme.test"))
    found = finding_for(job, ASSET, [Found(template, "http", ASSET, f"{ASSET}/")], {})
    assert found.evidence_level is level
    assert found.title.startswith("Possible") == (level is EvidenceLevel.VERSION_RANGE)


@pytest.mark.parametrize(
    ("paths", "asked", "place"),
    [
        ("/Setup.aspx/{{rand_text_alpha(8)}}", "/Setup.aspx/qwertyui", "/Setup.aspx/*"),
        ("/{{randstr}}.js?x={{randstr}}", "/2abc.js?x=2abc", "/*.js"),
        ("/%24%7B{{one}}*{{two}}%7D/a.action", "/%24%7B12*34%7D/a.action", "/%24%7B***%7D/a.action"),
        ("/files/{{name}}/{{randstr}}", "/files/b.zip/2abc", "/files/b.zip/*"),
        ("/plain", "/plain?x=1", "/plain"),
        ("/{{randstr}}/end", "/elsewhere", "/elsewhere"),
    ],
)
def test_a_place_is_the_same_in_every_scan(paths: str, asked: str, place: str) -> None:
    """What a template filled in would make it another finding each time; which payload it was is told."""
    source = TEMPLATE.format(evidence="behaviour").replace(
        '- path: ["{{BaseURL}}/"]',
        f'- path: ["{{{{BaseURL}}}}{paths}"]\n    attack: batteringram\n    payloads: {{name: [a.zip, b.zip]}}',
    )
    template = read_draft(source.encode(), random.Random(1)).compile(lambda name: b"")
    ambient = Ambient(time.time, random.Random(1), lambda seconds: None)
    job = Job(prepare(template, ambient), Subject(Origin("http", "shop.acme.test", 80), "shop.acme.test"))
    url = ASSET + asked.replace("2abc", template.constants.get("randstr", ""))
    found = finding_for(job, ASSET, [Found(template, "http", ASSET, url)], {})
    assert found.location == place


OWN = Finding(
    check="exposure.env",
    title="A file of secrets is served",
    severity=Severity.MEDIUM,
    asset=ASSET,
    location="/.env",
    evidence_level=EvidenceLevel.BEHAVIOUR,
    confidence=0.8,
    evidence=(Evidence("http", "the file holds names and values"),),
    description="",
    impact="",
    remediation="",
)


def template_finding(path: str, known: dict[str, Finding], name: str = "shop-old", cve: str = "") -> Finding:
    source = TEMPLATE.format(evidence="behaviour").replace("{{BaseURL}}/", "{{BaseURL}}" + path)
    source = source.replace("id: shop-old", f"id: {name}")
    if cve:
        source = source.replace("  metadata:", f"  classification: {{cve-id: {cve}}}\n  metadata:")
    template = read_draft(source.encode(), random.Random(1)).compile(lambda name: b"")
    ambient = Ambient(time.time, random.Random(1), lambda seconds: None)
    job = Job(prepare(template, ambient), Subject(Origin("http", "shop.acme.test", 80), "shop.acme.test"))
    return finding_for(job, ASSET, [Found(template, "http", ASSET, ASSET + path)], known)


def test_an_own_check_and_a_template_at_one_file_are_one_finding() -> None:
    found = template_finding("/.env", {OWN.fingerprint: OWN})
    assert found.fingerprint == OWN.fingerprint
    assert [item.summary for item in found.evidence] == ["the file holds names and values", "template shop-old"]
    assert (found.severity, found.confidence) == (Severity.HIGH, 0.96)
    assert found.found_by == ("exposure.env", "template.shop-old"), "both must run again before it is fixed"
    assert template_finding("/.env", {}).confidence == 0.92, "alone it counts whole, and both together for more"
    again = template_finding("/.env", {found.fingerprint: found})
    assert again == found, "said once"


def test_another_place_or_a_start_page_is_another_finding() -> None:
    for path, own in (("/.env.bak", OWN), ("/", replace(OWN, location="/"))):
        assert template_finding(path, {own.fingerprint: own}).fingerprint != own.fingerprint


def test_two_templates_of_one_cve_at_one_place_are_one_finding() -> None:
    cve = "CVE-2024-1111"
    first = template_finding("/a", {}, "one", cve)
    both = template_finding("/a", {first.fingerprint: first}, "two", cve)
    assert both.fingerprint == first.fingerprint
    assert [item.summary for item in both.evidence] == ["template one", "template two"]
    assert both.found_by == ("template.one", "template.two")
    assert (
        template_finding("/a", {first.fingerprint: first}, "three", "CVE-2024-2222").fingerprint
        != first.fingerprint
    )
