"""Rules that are not sound are refused, and the error names what is wrong."""

from __future__ import annotations

import pytest
from tests.rules.paths_page import PAGE, page

from secrecon.detect.exposure_rules import choices, parse_rules
from secrecon.model.errors import OperatorError

GOOD = {
    "checks.yaml": "checks: [{id: exposure.x, title: A thing, severity: low, description: It lies there for everyone., "
    "impact: Everyone can read it now., remediation: Remove it., cwe: [CWE-538]}]",
    "proofs.yaml": "proofs: [{name: p, check: exposure.x, all: ['^x'], words: an x at the start}]",
    "paths.yaml": "paths: [{path: /x, proof: p}]",
    "groups.yaml": "groups: [{name: g, about: things, hits: [exposure.x], paths: [{path: '/(x|y)(|.bak)', proof: p}]}]",
}


def test_sound_rules() -> None:
    rules = parse_rules(GOOD)
    assert [(rule.path, rule.proof.check, rule.order) for rule in rules.rules] == [("/x", "exposure.x", 0)]


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("proofs.yaml", "exposure.x", "exposure.y", "unknown check"),
        ("proofs.yaml", "['^x']", "['(']", "p:"),
        ("proofs.yaml", "all: ['^x']", "none: ['^x']", "proves nothing"),
        ("proofs.yaml", "all: ['^x']", "magic: [zz]", "p:"),
        ("proofs.yaml", "words:", "mask: bogus, words:", "mask"),
        ("paths.yaml", "proof: p", "proof: q", "unknown proofs: q"),
        ("paths.yaml", "/x", "x", "paths.yaml"),
        ("checks.yaml", "low", "loud", "checks.yaml"),
        ("groups.yaml", "proof: p", "proof: q", "g: unknown proofs: q"),
        ("groups.yaml", "[exposure.x]", "[exposure.y]", "g: unknown checks: exposure.y"),
        ("groups.yaml", "(x|y)", "(x|y", "bracket"),
        ("groups.yaml", "(x|y)", "x|y)", "brackets"),
        ("checks.yaml", "checks:", "[", "checks.yaml"),
    ],
)
def test_unsound_rules_are_refused(name: str, old: str, new: str, said: str) -> None:
    with pytest.raises(OperatorError, match=said):
        parse_rules({**GOOD, name: GOOD[name].replace(old, new)})


def test_choices_are_written_out_in_order_and_known_paths_left_out() -> None:
    (group,) = parse_rules(GOOD).groups
    assert [(rule.path, rule.order, rule.group) for rule in group.rules] == [
        ("/x.bak", 1, "g"),
        ("/y", 2, "g"),
        ("/y.bak", 3, "g"),
    ]
    assert choices("/a(|1(2|3))") == ("/a", "/a12", "/a13")
    assert choices("/a?wsdl") == ("/a?wsdl",)


def test_the_page_for_readers_is_written_from_the_list() -> None:
    assert PAGE.read_text("utf-8") == page(), "run: python -m tests.rules.paths_page"
