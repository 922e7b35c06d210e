"""Docs that are held against the code."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import pytest

from secrecon.app.parts import build_phases
from secrecon.app.settings import Settings
from secrecon.detect.name_sources import read_sources
from secrecon.intel.core import load_core
from secrecon.model.asset import AssetType
from secrecon.model.inventory import ChangeKind
from secrecon.report import FORMATS

ROOT = Path(__file__).parents[1]


def test_the_tour_lists_every_step_in_order() -> None:
    text = (ROOT / "docs" / "tour.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (\w+) \| \S", text, re.MULTILINE)
    assert rows == [(p.step, str(p.name), str(p.touch)) for p in build_phases(Settings(), load_core())]


@pytest.mark.parametrize(
    "page", [*sorted(str(p.relative_to(ROOT)) for p in ROOT.glob("docs/**/*.md")), "README.md"]
)
def test_links_between_pages_lead_somewhere(page: str) -> None:
    path = ROOT / page
    for link in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", path.read_text("utf-8")):
        assert (path.parent / link).exists(), f"{page} links to {link}"


def test_every_format_is_told_where_a_reader_looks_for_it() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "reports.md").read_text("utf-8"), re.MULTILINE)
    assert sorted(rows) == sorted(FORMATS)
    assert f"format={'|'.join(FORMATS)}`" in (ROOT / "docs" / "api.md").read_text("utf-8")
    spelled = "\\|".join(FORMATS)
    assert f"`--format {spelled}`" in (ROOT / "docs" / "command-line.md").read_text("utf-8")


def test_no_address_of_a_registry_is_in_the_lock_file() -> None:
    assert "://" not in (ROOT / "requirements.lock").read_text("utf-8")


def test_the_page_on_assets_names_every_type_and_kind_of_change() -> None:
    text = (ROOT / "docs" / "assets.md").read_text("utf-8")
    rows = set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))
    filters = {"type", "q", "tag", "owner", "criticality", "gone", "target"}
    assert rows == {*AssetType, *ChangeKind} | filters


def test_every_passive_source_of_names_has_its_row() -> None:
    rules = Path(str(resources.files("secrecon.rules").joinpath("names/sources.yaml")))
    text = (ROOT / "docs" / "subdomains.md").read_text("utf-8")
    rows = re.findall(r"^\| `([a-z]+)` \| ([^|]+) \| (none|optional|required) \| ([^|]+) \|$", text, re.MULTILINE)
    assert rows == [(s.id, s.title, s.key, s.terms) for s in read_sources(rules)]
