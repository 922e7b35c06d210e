"""The command line's root: `secrecon COMMAND`. Each command lives in a module of its own.

Errors of ours end in one clear line on stderr and exit code 3; a traceback is a bug. Nothing is asked interactively.
"""

from __future__ import annotations

import sys

import click

from secrecon import __version__
from secrecon.cli.accounts import keys, targets, users
from secrecon.cli.demo import demo
from secrecon.cli.scan import scan
from secrecon.cli.serve import serve, worker
from secrecon.model.errors import SecReconError

EXIT_ERROR = 3


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="secrecon")
def cli() -> None:
    """SecRecon: a self-hosted web security scanner whose reports can be trusted."""


for command in (demo, serve, worker, scan, users, keys, targets):
    cli.add_command(command)


def main() -> None:
    """Entry point of the `secrecon` command."""
    try:
        cli.main(standalone_mode=False)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(EXIT_ERROR)
    except click.Abort:
        click.echo("aborted", err=True)
        sys.exit(EXIT_ERROR)
    except SecReconError as error:
        click.echo(f"secrecon: {error}", err=True)
        sys.exit(EXIT_ERROR)
