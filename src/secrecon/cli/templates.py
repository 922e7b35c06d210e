"""`secrecon templates validate DIR`: which templates below a folder can be used, and why the others cannot.

Reads files only; nothing is sent. Payload files are read from below the same folder and nowhere else.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import click

from secrecon.cli.template_explain import explain
from secrecon.cli.template_run import run
from secrecon.cli.template_sign import sign_command
from secrecon.model.errors import BadInput
from secrecon.templates.catalog import files_below, read_below, read_found
from secrecon.templates.errors import TemplateError, TemplateInvalid, TemplateRefused
from secrecon.templates.parse import read_draft
from secrecon.templates.payloads import MAX_FILE

PROTOCOLS = ("http", "dns", "ssl", "tcp")
OUTCOMES = ("compiled", "by-policy", "not-built", "invalid")


@dataclass
class Tally:
    """What was found: per protocol and outcome, and of the http templates that face a target."""

    rows: dict[str, Counter[str]] = field(default_factory=dict)
    facing: int = 0
    facing_compiled: int = 0

    def add(self, sections: tuple[str, ...], outcome: str, *, facing: bool) -> None:
        protocol = next((name for name in PROTOCOLS if name in sections), "other")
        self.rows.setdefault(protocol, Counter())[outcome] += 1
        self.facing += facing
        self.facing_compiled += facing and outcome == "compiled"

    def last_line(self) -> str:
        """The share is rounded down, so that 100 means all."""
        hundredths = 10_000 * self.facing_compiled // self.facing if self.facing else 0
        share = f"{hundredths // 100}.{hundredths % 100:02}"
        return f"compiled {self.facing_compiled} of {self.facing} target-facing http templates ({share} %)"


@click.group()
def templates() -> None:
    """Templates of the nuclei-compatible language: check them, run them."""


templates.add_command(run)
templates.add_command(explain)
templates.add_command(sign_command)


@templates.command()
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
def validate(folder: Path) -> None:
    """Read and compile every template below DIR; tell each that cannot be used, with the line and the reason.

    A template that only looks things up elsewhere (self-contained) is compiled, but not counted as facing a target.
    """
    root = folder.resolve()
    tally = Tally()
    chance = random.SystemRandom()
    for file in files_below(root):
        sections: tuple[str, ...] = ()
        facing = False
        outcome = "compiled"
        try:
            draft = read_draft(read_found(root, file), chance)
            sections, facing = draft.sections, draft.target_facing_http
            draft.compile(lambda path: read_below(root, root / path, MAX_FILE))
        except (TemplateError, OSError) as error:
            outcome = _outcome(error)
            click.echo(_printable(f"{_where(file.relative_to(root), error)}: {outcome}: {_reason(error)}"))
        tally.add(sections, outcome, facing=facing)
    if not tally.rows:
        raise BadInput(f"there is no .yaml file below {folder}")
    _print_table(tally)
    click.echo(tally.last_line())


def _outcome(error: TemplateError | OSError) -> str:
    if isinstance(error, TemplateRefused):
        return "by-policy" if error.policy else "not-built"
    return "invalid"


def _where(shown: Path, error: TemplateError | OSError) -> str:
    return f"{shown}:{error.line}" if isinstance(error, TemplateInvalid | TemplateRefused) else str(shown)


def _reason(error: TemplateError | OSError) -> str:
    return error.reason if isinstance(error, TemplateInvalid | TemplateRefused) else str(error)


def _printable(text: str) -> str:
    """On one line, and without anything that a terminal would act on."""
    return "".join(char if char.isprintable() else "?" for char in text)


def _print_table(tally: Tally) -> None:
    click.echo("".join(f"{title:>11}" for title in ("protocol", "files", *OUTCOMES)))
    for protocol in (*PROTOCOLS, "other"):
        row = tally.rows.get(protocol)
        if row:
            click.echo(
                "".join(f"{cell:>11}" for cell in (protocol, row.total(), *(row[name] for name in OUTCOMES)))
            )
