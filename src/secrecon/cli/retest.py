"""`secrecon retest`: look for one finding again, through the queue of a running server, and say what came of it.

Exit 0: not found any more. 1: still there. 2: could not test. 3: an error.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from secrecon.app.context import open_context
from secrecon.app.logs import configure_logs
from secrecon.app.settings import load_settings
from secrecon.cli.options import data_dir_option
from secrecon.cli.show import plain
from secrecon.model.errors import OperatorError
from secrecon.service import people
from secrecon.service.context import Context
from secrecon.service.retests import RetestView, list_retests, retest_finding

POLL, PATIENCE = 0.5, 240.0
CODES = {"not_found": 0, "still_there": 1, "could_not_test": 2}


@click.command()
@click.argument("email")
@click.argument("finding", type=click.IntRange(1))
@data_dir_option
def retest(email: str, finding: int, data_dir: Path | None) -> None:
    """Look again for the finding numbered FINDING of the account of EMAIL; a server or worker must be running."""
    settings = load_settings(data_dir=data_dir)
    configure_logs(settings, quiet=True)

    async def run() -> RetestView:
        async with open_context(settings) as ctx:
            return await _ended(ctx, email, finding)

    found = asyncio.run(run())
    click.echo(f"{found.state.replace('_', ' ')}: {plain(found.why, 500)}")
    sys.exit(CODES[found.state])


async def _ended(ctx: Context, email: str, number: int) -> RetestView:
    caller = await people.operator_for(ctx, email)
    asked = await retest_finding(ctx, caller, number)
    end = ctx.clock.monotonic() + PATIENCE
    while ctx.clock.monotonic() < end:
        mine = [one for one in await list_retests(ctx, caller, number) if one.scan_id == asked.scan_id]
        if mine and mine[0].state in CODES:
            return mine[0]
        await ctx.clock.sleep(POLL)
    raise OperatorError(
        f"the retest did not end within {PATIENCE:.0f} s: does a server or a worker run on this data dir?"
    )
