"""What a template's verdict is worth: a template that says it rests on a version proves no more than one."""

from __future__ import annotations

import random
import time

import pytest

from secrecon.engine.templating.driver import Job
from secrecon.engine.templating.findings import finding_for
from secrecon.model.finding import EvidenceLevel
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
