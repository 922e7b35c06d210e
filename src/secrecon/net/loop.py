"""What an event loop needs before scans run on it.

A TLS transport that fails its handshake both raises (we tell that as TlsFailed) and reports to the loop's exception
handler, which would log a target's bad TLS as if it were an error of ours. Those reports are dropped; nothing else is.
"""

from __future__ import annotations

import asyncio

_TOLD_ELSEWHERE = ("SSL handshake failed", "SSL error in data received")


def prepare_loop() -> None:
    """Make the running loop fit for scanning. Calling it again changes nothing."""
    asyncio.get_running_loop().set_exception_handler(_handle)


def _handle(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    if not str(context.get("message", "")).startswith(_TOLD_ELSEWHERE):
        loop.default_exception_handler(context)
