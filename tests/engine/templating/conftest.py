"""One server on loopback for each module of the differential suite; name servers and TLS from the tests of `net`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest_asyncio
from tests.engine.templating.stage import Stage
from tests.net.conftest import context, dns_server, serve

__all__ = ["context", "dns_server", "serve", "stage"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage() -> AsyncIterator[Stage]:
    playing = Stage()
    server = await asyncio.start_server(playing.serve, "127.0.0.1", 0)
    playing.port = server.sockets[0].getsockname()[1]
    yield playing
    server.close()
    await asyncio.sleep(0.01)
