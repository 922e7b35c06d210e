"""Workflow files: the templates they name are found, and what is wrong is told."""

from __future__ import annotations

import random

import pytest

from secrecon.templates.catalog import Entry
from secrecon.templates.errors import TemplateInvalid
from secrecon.templates.parse import parse_template
from secrecon.templates.workflow import Workflow, named_in, read_workflow

INFO = "info:\n  name: Made up\n  author: us\n"
HEAD = f"id: flow\n{INFO}workflows:\n"
DEEP = "".join("    " * at + "    subtemplates:\n" + "    " * at + "      - template: a\n" for at in range(11))


def no_file(path: str) -> bytes:
    raise FileNotFoundError(path)


def entry(path: str) -> Entry:
    text = f"id: {path.rpartition('/')[2].removesuffix('.yaml')}\n{INFO}  tags: shop\nhttp:\n  - path: ['{{{{BaseURL}}}}']\n"
    return Entry(path, parse_template(text.encode(), no_file, random.Random(1)))


def workflow(text: str) -> Workflow:
    return read_workflow(
        (HEAD + text).encode(), [entry("tech/see.yaml"), entry("cves/a.yaml"), entry("cves/b.yaml")]
    )


def test_what_is_not_there_is_told() -> None:
    flow = workflow("  - template: tech/gone.yaml\n  - tags: nothing,none\n  - template: cves\n")
    assert flow.missing == ("tech/gone.yaml", "none,nothing")
    assert [len(step.entries) for step in flow.steps] == [0, 0, 2]
    assert named_in((HEAD + "  - template: a.yaml\n    subtemplates: [{tags: b}]\n").encode()) == (
        ("a.yaml",),
        True,
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("  - template: a.yaml\nhttp: []\n", "no other section"),
        ("  - name: a\n", "neither a template nor tags"),
        ("  - template: a\n    colour: red\n", "unknown field"),
        ("  - template: a\n    matchers: [{subtemplates: []}]\n", "has no name"),
        ("  []\n", "no steps"),
        ("  - template: a\n" + DEEP, "levels"),
    ],
)  # fmt: skip
def test_what_is_no_workflow_is_told(text: str, reason: str) -> None:
    with pytest.raises(TemplateInvalid, match=reason):
        workflow(text)
