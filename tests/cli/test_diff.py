"""`secrecon diff` on files: what it prints, and how it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from click.testing import CliRunner
from tests.report.conftest import make_finding, make_record
from tests.report.test_diff import GIT, first, second

from secrecon.cli.main import cli
from secrecon.model.errors import BadInput
from secrecon.model.record import ScanRecord
from secrecon.report import build, to_json

OTHER = make_finding("exposure.env", location="/.env", title="A file of secrets\x1b[31m is served")


def write(folder: Path, name: str, record: ScanRecord) -> str:
    file = folder / name
    file.write_bytes(to_json(build(record)))
    return str(file)


def test_two_files_are_compared(tmp_path: Path) -> None:
    old, new = write(tmp_path, "old.json", first(GIT)), write(tmp_path, "new.json", second(first(OTHER)))
    shown = CliRunner().invoke(cli, ["diff", old, new])
    assert shown.exit_code == 0, shown.output
    assert "0 regressed, 1 new, 0 not retested, 1 fixed, 0 unchanged" in shown.output
    assert "Fixed: looked for again, and not found (1)" in shown.output
    assert "\x1b" not in shown.output
    told = CliRunner().invoke(cli, ["explain-diff", old, new])
    assert "the same rules, the same data, the same mode" in told.output
    assert "target: the same check ran both times" in told.output
    document = json.loads(CliRunner().invoke(cli, ["diff", old, new, "--format", "json"]).output)
    assert [item["change"] for item in document["findings"]] == ["new", "fixed"]


def test_what_cannot_be_compared_is_told(tmp_path: Path) -> None:
    old = write(tmp_path, "old.json", first(GIT))
    (tmp_path / "no.json").write_text("{}")
    for wrong in (str(tmp_path / "missing.json"), str(tmp_path / "no.json")):
        result = CliRunner().invoke(cli, ["diff", old, wrong])
        assert isinstance(result.exception, BadInput)
        assert wrong in str(result.exception)


def test_unchanged_is_listed_on_demand(tmp_path: Path) -> None:
    record = make_record(GIT)
    old = write(tmp_path, "old.json", record)
    new = write(tmp_path, "new.json", replace(record, db_scan_id=2))
    assert GIT.title not in CliRunner().invoke(cli, ["diff", old, new]).output
    assert GIT.title in CliRunner().invoke(cli, ["diff", old, new, "--all"]).output
