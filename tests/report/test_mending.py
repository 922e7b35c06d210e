"""Each finding says what must be different once it is mended."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from tests.report.conftest import entry, findings, make_finding

from secrecon.model.finding import EvidenceLevel, Finding
from secrecon.report import show_finding
from secrecon.report.mending import check_the_fix

SHOWN = make_finding()


@pytest.mark.parametrize(
    ("finding", "words"),
    [
        (SHOWN, "Run the replay command: its answer must not show"),
        (replace(SHOWN, evidence=()), "Retest the finding or scan again"),
        (replace(SHOWN, evidence_level=EvidenceLevel.BANNER), "Ask the host itself"),
        (replace(SHOWN, evidence_level=EvidenceLevel.CALLBACK), "nothing may call it"),
        (replace(SHOWN, evidence_level=EvidenceLevel.BANNER, oast_verified=True), "nothing may call it"),
    ],
)
def test_what_to_do_after_the_fix(finding: Finding, words: str) -> None:
    assert check_the_fix(show_finding(entry(finding))).startswith(words) or words in check_the_fix(
        show_finding(entry(finding))
    )


@given(findings())
def test_every_finding_has_a_way(finding: Finding) -> None:
    assert "everything that found it ran again" in check_the_fix(show_finding(entry(finding)))
