"""`secrecon mcp`: the read-only tools of a running server for an agent outside, over standard input and output (MCP).

The key comes from the environment alone: an argument could be read in the list of processes. Standard output belongs to the
protocol, so nothing else is written there.
"""

from __future__ import annotations

import asyncio
import os
from urllib.parse import urlsplit

import click

from secrecon.app.mcp_server import run_stdio
from secrecon.model.errors import OperatorError
from secrecon.net.own_api import OwnApi

KEY_VARIABLE = "SECRECON_API_KEY"


@click.command()
@click.option(
    "--url", default="http://127.0.0.1:8000", show_default=True, help="Address of the running SecRecon server."
)
def mcp(url: str) -> None:
    """Give an agent the read-only tools of a running server (Model Context Protocol over stdin and stdout).

    The API key of the account whose data it may read is taken from SECRECON_API_KEY.
    """
    key = os.environ.get(KEY_VARIABLE, "")
    if not key or not key.isascii() or not key.isprintable():
        raise OperatorError(f"set {KEY_VARIABLE} to an API key (`secrecon keys create EMAIL` makes one)")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise OperatorError("--url must begin with http:// or https:// and name a server")

    async def serve() -> None:
        async with OwnApi(url, key) as api:
            await run_stdio(api)

    asyncio.run(serve())
