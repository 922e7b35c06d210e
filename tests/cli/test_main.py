"""The command line as a whole: every command explains itself, and the README names only what exists."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from secrecon.cli.main import COMMANDS, cli

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_explains_itself(name: str) -> None:
    shown = CliRunner().invoke(cli, [name, "--help"])
    assert shown.exit_code == 0, shown.output
    assert "Usage:" in shown.output


def test_an_unknown_command_is_told() -> None:
    shown = CliRunner().invoke(cli, ["explode"])
    assert shown.exit_code == 2
    assert "explode" in shown.output


def options(name: str) -> set[str]:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    groups = command.commands.values() if isinstance(command, click.Group) else [command]
    return {word for each in groups for parameter in each.params for word in parameter.opts}


def test_the_docs_name_only_commands_and_options_that_exist() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    calls = [
        (page.name, call)
        for page in pages
        for call in re.findall(r"secrecon ((?:[a-z]+)[^\n`|]*)", page.read_text("utf-8"))
    ]
    named = [(page, call.split()) for page, call in calls if call.split()[0] in COMMANDS]
    assert len(named) > 5
    for page, words in named:
        for word in words:
            if word.startswith("--"):
                option = word.split("=")[0].rstrip(".,;:)")
                assert option in options(words[0]) | {"--help"}, f"{page}: secrecon {' '.join(words)}"
