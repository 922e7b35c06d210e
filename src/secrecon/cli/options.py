"""Options that several commands share. Imports nothing of ours, so that a command costs what it needs and no more."""

from __future__ import annotations

from pathlib import Path

import click

data_dir_option = click.option(
    "--data-dir", type=click.Path(file_okay=False, path_type=Path), help="As SECRECON_DATA_DIR."
)
