"""`secrecon users`, `keys` and `targets`: what the operator decides, straight on the database.

The server need not run; a running one sees the change at once. Passwords come from standard input only.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import click

from secrecon.app.context import open_context
from secrecon.app.logs import configure_logs
from secrecon.app.settings import load_settings
from secrecon.cli.options import data_dir_option
from secrecon.cli.show import plain
from secrecon.model.errors import BadInput
from secrecon.service import people
from secrecon.service.context import Context
from secrecon.service.proof import public_key

T = TypeVar("T")


def _with_context(data_dir: Path | None, work: Callable[[Context], Awaitable[T]]) -> T:
    settings = load_settings(data_dir=data_dir)
    configure_logs(settings, quiet=True)

    async def run() -> T:
        async with open_context(settings) as ctx:
            return await work(ctx)

    return asyncio.run(run())


@click.group()
def users() -> None:
    """Add users."""


@users.command("add")
@click.argument("email")
@click.option(
    "--plan", default="professional", show_default=True, help="professional, business, enterprise or your own."
)
@click.option("--admin", is_flag=True, help="May authorize targets for every account.")
@click.option("--password-stdin", is_flag=True, required=True, help="Read the password from standard input.")
@data_dir_option
def users_add(email: str, plan: str, admin: bool, password_stdin: bool, data_dir: Path | None) -> None:
    """Add the user EMAIL with an account of their own."""
    password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise BadInput(
            "no password on standard input: pipe one in, such as `openssl rand -base64 18 | secrecon users add ...`"
        )
    caller = _with_context(data_dir, lambda ctx: people.add_user(ctx, email, password, plan, admin))
    click.echo(f"added {plain(caller.email)} ({caller.plan})", err=True)


@click.group()
def keys() -> None:
    """Create API keys, and show the key that signs bundles."""


@keys.command("create")
@click.argument("email")
@click.option("--name", default="command line", show_default=True, help="What the key is for.")
@data_dir_option
def keys_create(email: str, name: str, data_dir: Path | None) -> None:
    """Create an API key for EMAIL; it is printed once, alone on standard output."""

    async def work(ctx: Context) -> str:
        return (await people.create_key(ctx, await people.operator_for(ctx, email), name)).key

    click.echo(_with_context(data_dir, work))


@keys.command("signing")
@data_dir_option
def keys_signing(data_dir: Path | None) -> None:
    """Print the public key that signs this installation's bundles, alone on standard output."""

    async def work(ctx: Context) -> str:
        return public_key(ctx)

    click.echo(_with_context(data_dir, work))


@click.group()
def targets() -> None:
    """Authorize targets for active checks."""


@targets.command("authorize")
@click.argument("email")
@click.argument("target")
@data_dir_option
def targets_authorize(email: str, target: str, data_dir: Path | None) -> None:
    """Allow active checks of TARGET for the account of EMAIL; recorded in the audit log."""

    async def work(ctx: Context) -> str:
        operator = await people.operator_for(ctx, email)
        return (await people.authorize_target(ctx, operator, email, target)).target

    click.echo(f"authorized {plain(_with_context(data_dir, work))} for {plain(email)}", err=True)
