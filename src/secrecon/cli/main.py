"""The command line's root: `secrecon COMMAND`. Each command lives in a module that is imported when it is called.

Errors of ours end in one clear line on stderr and exit code 3; a traceback is a bug. Nothing is asked interactively.
"""

from __future__ import annotations

import importlib
import sys

import click

from secrecon import __version__
from secrecon.model.errors import InternalError, SecReconError

EXIT_ERROR = 3
COMMANDS = {
    "demo": "demo",
    "diff": "diff",
    "explain-diff": "diff",
    "feeds": "feeds",
    "keys": "accounts",
    "mcp": "mcp",
    "oast": "oast",
    "retest": "retest",
    "scan": "scan",
    "serve": "serve",
    "targets": "accounts",
    "templates": "templates",
    "users": "accounts",
    "verify": "verify",
    "worker": "serve",
}
"""Command name to the module of this room that holds it."""


class Commands(click.Group):
    """Imports a command's module when the command is asked for: `scan` needs no database, `keys` no lab."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"secrecon.cli.{COMMANDS[cmd_name]}")
        command = getattr(module, cmd_name.replace("-", "_"))
        if not isinstance(command, click.Command):
            raise InternalError(f"{cmd_name} is not a command")
        return command


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="secrecon")
def cli() -> None:
    """SecRecon: a self-hosted web security scanner whose reports can be trusted."""


def main() -> None:
    """Entry point of the `secrecon` command."""
    try:
        sys.exit(cli.main(standalone_mode=False))
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
