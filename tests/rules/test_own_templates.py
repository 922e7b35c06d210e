"""Each template of our own is sound, harmless, finds its vulnerable twin and finds nothing on the fixed one or on innocents.

A template without a twin fails, and so does a twin without a template. `verdicts` runs the whole set once.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from cvss import CVSS3
from tests.engine.innocents import INNOCENTS
from tests.rules.own_page import PAGE, page
from tests.rules.verdicts import FIXED, VULNERABLE, WORDY, Verdicts, judge, own_catalog, own_files

from secrecon.engine.templating.findings import cve_ids
from secrecon.lab.twins import every_twin
from secrecon.model.finding import Severity
from secrecon.model.scan import Outcome, Touch
from secrecon.templates.policy import classify
from secrecon.templates.template import Template

ROOT = Path(__file__).resolve().parents[2]
KEV = Path(os.environ.get("SECRECON_TEST_DATA") or ROOT.parent / "shared" / "data") / "kev"
KEV_FILE = KEV / "known_exploited_vulnerabilities.json"
IDS = [file.stem for file in own_files()]
EVIDENCE = ("behaviour", "callback", "version")


@pytest.fixture(scope="module")
def templates() -> Mapping[str, Template]:
    catalog = own_catalog()
    assert [f"{problem.where}: {problem.reason}" for problem in catalog.problems] == []
    return {entry.template.id: entry.template for entry in catalog.entries}


@pytest.fixture(scope="module")
def verdicts(templates: Mapping[str, Template]) -> Verdicts:
    return judge(list(templates.values()))


def test_every_file_is_named_after_its_template(templates: Mapping[str, Template]) -> None:
    assert sorted(IDS) == sorted(templates)


def test_every_template_has_a_twin_and_every_twin_a_template(templates: Mapping[str, Template]) -> None:
    assert sorted(every_twin()) == sorted(templates)


@pytest.mark.parametrize("name", IDS)
def test_it_says_what_it_is(templates: Mapping[str, Template], name: str) -> None:
    template = templates[name]
    info = template.info
    assert info.authors == ("secrecon",)
    assert Severity(info.severity)
    assert len(info.description.split()) >= 8
    assert len(info.impact.split()) >= 3
    assert len(info.remediation.split()) >= 4
    assert info.references
    assert all(reference.startswith("https://") for reference in info.references)
    assert re.fullmatch(r"CWE-\d+(,CWE-\d+)*", info.classification["cwe-id"])
    assert info.metadata["vendor"]
    assert info.metadata["product"]
    assert info.metadata["evidence"] in EVIDENCE
    if name.startswith("CVE-"):
        assert name in cve_ids(template)
        assert {"cve", f"cve{name[4:8]}"} <= set(info.tags)
        score = CVSS3(info.classification["cvss-metrics"]).base_score
        assert float(score) == float(info.classification["cvss-score"])
        assert info.severity == CVSS3(info.classification["cvss-metrics"]).severities()[0].lower()


@pytest.mark.parametrize("name", IDS)
def test_its_evidence_is_what_it_looks_at(templates: Mapping[str, Template], name: str) -> None:
    """A verdict that rests on a version says so; one that waits for a callback does too."""
    template = templates[name]
    evidence = template.info.metadata["evidence"]
    reads = {name for block in template.http for name in block.operators.reads}
    assert (evidence == "callback") == any(name.startswith("interactsh_") for name in reads)
    source = next(file for file in own_files() if file.stem == name).read_text("utf-8")
    if "compare_versions" in source:
        assert evidence == "version"


@pytest.mark.parametrize("name", IDS)
def test_it_does_without_a_header_that_it_forbids(name: str) -> None:
    """A variable of a header that was not sent is an error, which is no match: many servers send a file that has no
    ending without a Content-Type."""
    source = next(file for file in own_files() if file.stem == name).read_text("utf-8")
    assert not re.search(r"!\s*\w+\((?:tolower\()?content_type", source), (
        "write: !contains(tolower(header), 'text/html')"
    )


SEND_NUL = frozenset({"CVE-2010-2861", "CVE-2022-36804"})
"""Flaws that a NUL byte alone shows. Servers have died of those, so these two run by name or when intrusive ones may."""


@pytest.mark.parametrize("name", IDS)
def test_it_is_harmless(templates: Mapping[str, Template], name: str) -> None:
    safety = classify(templates[name])
    if name in SEND_NUL:
        assert {reason.why for reason in safety.reasons} == {"it sends a NUL byte"}
        return
    assert safety.level in (Touch.LIGHT, Touch.ACTIVE), safety.words


@pytest.mark.skipif(not KEV_FILE.is_file(), reason="no test data: set SECRECON_TEST_DATA to a folder with kev/")
def test_known_exploited_ones_are_marked(templates: Mapping[str, Template]) -> None:
    listed = {entry["cveID"] for entry in json.loads(KEV_FILE.read_bytes())["vulnerabilities"]}
    marked = {name for name, template in templates.items() if "kev" in template.info.tags}
    assert marked == {name for name, template in templates.items() if listed & set(cve_ids(template))}


@pytest.mark.parametrize("name", IDS)
def test_it_finds_the_vulnerable_twin(verdicts: Verdicts, name: str) -> None:
    attempts = verdicts.attempts[name, VULNERABLE]
    assert attempts, "there is no twin"
    assert verdicts.found[name, VULNERABLE], [attempt.reason for attempt in attempts]


@pytest.mark.parametrize("name", IDS)
def test_it_finds_nothing_on_the_fixed_twin(verdicts: Verdicts, name: str) -> None:
    attempts = verdicts.attempts[name, FIXED]
    assert [(attempt.outcome, attempt.reason) for attempt in attempts] == [(Outcome.DONE, "")] * len(attempts)
    assert all(attempt.requests > 0 for attempt in attempts)
    assert attempts
    assert verdicts.found[name, FIXED] == []


@pytest.mark.parametrize("name", IDS)
def test_it_finds_nothing_on_innocents(verdicts: Verdicts, name: str) -> None:
    found = [habit.__name__ for habit in INNOCENTS if verdicts.found[name, habit.__name__]]
    assert found == []
    assert all(verdicts.attempts[name, habit.__name__] for habit in INNOCENTS)


@pytest.mark.parametrize("name", IDS)
def test_it_is_not_fooled_by_its_own_words(verdicts: Verdicts, name: str) -> None:
    """Behaviour is more than words on a page: a text about the flaw has them all."""
    assert verdicts.attempts[name, WORDY]
    assert verdicts.found[name, WORDY] == []


def test_the_page_of_our_templates_is_up_to_date() -> None:
    assert PAGE.read_text("utf-8") == page(), "write it again: python -m tests.rules.own_page"
