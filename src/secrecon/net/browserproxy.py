"""The proxy that Chromium is given: it forwards nothing.

What a page asks for is taken from Chromium before it leaves, and asked by the scan's own client (`net.browser`). Whatever
is not taken there (a WebSocket, a browser's own business, a kind of request that nobody thought of) ends here: refused,
counted, and noted. As it forwards nothing, it needs no secret: another process of this machine gains nothing by it.
"""

from __future__ import annotations

import asyncio
import contextlib

MAX_NOTES = 200
MAX_OPEN = 64
HEAD_BYTES = 4_096
HEAD_SECONDS = 5.0
_NO = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Wall:
    """Listens on a port of 127.0.0.1 that the system chooses. `refused`: the request lines that came, the first 200;
    `count`: how many connections came."""

    def __init__(self) -> None:
        self.refused: list[str] = []
        self.count = 0
        self.port = 0
        self._open = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._refuse, "127.0.0.1", 0, limit=HEAD_BYTES)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Take no more."""
        if self._server is not None:
            self._server.close()

    async def _refuse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.count += 1
        self._open += 1
        try:
            if self._open > MAX_OPEN:
                return
            with contextlib.suppress(OSError, TimeoutError, ValueError):  # whatever came, the answer is no
                async with asyncio.timeout(HEAD_SECONDS):
                    line = await reader.readline()
                    if len(self.refused) < MAX_NOTES:
                        self.refused.append(line.decode("latin-1").strip()[:300])
                    writer.write(_NO)
                    await writer.drain()
        finally:
            self._open -= 1
            writer.close()
