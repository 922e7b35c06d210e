"""`secrecon templates validate`: the table, the reasons, the last line; nothing outside of the folder is read."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from secrecon.cli.main import cli
from secrecon.model.errors import BadInput

HEAD = "id: made-up\ninfo:\n  name: Made up\n  author: us\n"
GOOD = HEAD + "http:\n  - path: ['{{BaseURL}}/a']\n    matchers:\n      - type: status\n        status: [200]\n"


def validate(folder: Path) -> list[str]:
    done = CliRunner().invoke(cli, ["templates", "validate", str(folder)])
    assert done.exit_code == 0, done.output
    return done.output.splitlines()


def test_the_table_and_the_last_line(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "good.yaml").write_text(GOOD)
    (tmp_path / "code.yaml").write_text(GOOD + "code:\n  - source: id\n")
    (tmp_path / "bad.yaml").write_text(GOOD.replace("status: [200]", "status: [ok]"))
    (tmp_path / "alone.yml").write_text("self-contained: true\n" + GOOD)
    (tmp_path / "dns.yaml").write_text(HEAD + "dns:\n  - name: '{{FQDN}}'\n")
    (tmp_path / "broken.yaml").write_text("a: [\x1b1")
    (tmp_path / ".hidden.yaml").write_text("a: [")
    shown = validate(tmp_path)
    assert "bad.yaml:9: invalid: a status must be a whole number, not ok" in shown
    assert "code.yaml:11: by-policy: code sections are not supported, by policy" in shown
    assert any(line.startswith("broken.yaml:1: invalid: not YAML") for line in shown)
    assert "\x1b" not in "".join(shown)
    assert [line.split() for line in shown[-5:-1]] == [
        ["protocol", "files", "compiled", "by-policy", "not-built", "invalid"],
        ["http", "4", "2", "1", "0", "1"],
        ["dns", "1", "1", "0", "0", "0"],
        ["other", "1", "0", "0", "0", "1"],
    ]
    assert shown[-1] == "compiled 1 of 3 target-facing http templates (33.33 %)"
    assert len(shown) == 8


def test_all_compiled_is_a_hundred(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text(GOOD)
    assert validate(tmp_path)[-1] == "compiled 1 of 1 target-facing http templates (100.00 %)"


def test_payload_files_are_read_from_below_the_folder_only(tmp_path: Path) -> None:
    folder, outside = tmp_path / "set", tmp_path / "outside.txt"
    folder.mkdir()
    outside.write_text("secret")
    (folder / "inside.txt").write_text("one\ntwo\n")
    (folder / "link.txt").symlink_to(outside)
    (folder / "link.yaml").symlink_to(tmp_path / "elsewhere.yaml")
    (tmp_path / "elsewhere.yaml").write_text(GOOD)
    for name, path in (
        ("ok", "inside.txt"),
        ("up", "../outside.txt"),
        ("link", "link.txt"),
        ("root", str(outside)),
    ):
        (folder / f"p-{name}.yaml").write_text(GOOD + f"    payloads:\n      a: {path}\n    body: '{{{{a}}}}'\n")
    shown = validate(folder)
    assert "link.yaml: invalid: link.yaml lies outside of the folder" in shown
    assert "p-link.yaml:11: invalid: the payload file link.txt cannot be read" in shown
    assert sum("below the template directory" in line for line in shown) == 2
    assert shown[-1] == "compiled 1 of 4 target-facing http templates (25.00 %)"


def test_a_folder_without_templates_is_told(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["templates", "validate", str(tmp_path)])
    assert isinstance(done.exception, BadInput)
