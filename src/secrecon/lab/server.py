"""Serves every site from one process: uvicorn's HTTP protocol on our own sockets, one application for all hosts.

A request belongs to the site whose address it arrived at, so a site answers under its name, under its bare address and
under any Host header. Nothing runs while nobody asks: no timers, no worker threads.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from inspect import isawaitable

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from secrecon.lab.site import Site

MAX_HEAD = 65_536
KEEP_ALIVE = 30


class SitesApp:
    """The ASGI application. `sites`: by the address that they listen on. `asked`: counts requests by a site's label."""

    def __init__(self, sites: Mapping[str, Site], asked: Counter[str] | None = None) -> None:
        self._sites = sites
        self._asked = asked if asked is not None else Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        site = self._sites[scope["server"][0]]
        self._asked[site.label] += 1
        request = Request(scope, receive)
        reply = site.handler(request.method, request.url.path)(request)
        response = await reply if isawaitable(reply) else reply
        for name, value in site.sent_headers().items():
            response.headers.setdefault(name, value)
        await response(scope, receive, send)


class _QuietProtocol(H11Protocol):
    """uvicorn's protocol without its log: a scan sends much that uvicorn would warn about."""

    def __init__(self, config: Config, state: ServerState) -> None:
        super().__init__(config=config, server_state=state, app_state={})
        self.logger = logging.getLogger("secrecon.lab.http")
        self.logger.setLevel(logging.CRITICAL)
        self.access_log = False


@contextlib.asynccontextmanager
async def serving(
    app: ASGIApp, plain: Sequence[socket.socket], encrypted: Sequence[tuple[socket.socket, ssl.SSLContext]]
) -> AsyncIterator[None]:
    """Serve `app` on listening sockets until the block ends."""
    config = Config(
        app,
        http=H11Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE,
        h11_max_incomplete_event_size=MAX_HEAD,
    )
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()

    def protocol() -> asyncio.Protocol:
        return _QuietProtocol(config, state)

    servers = [await loop.create_server(protocol, sock=listener) for listener in plain]
    for listener, context in encrypted:
        servers.append(await loop.create_server(protocol, sock=listener, ssl=context))
    try:
        yield
    finally:
        for server in servers:
            server.close()
        for connection in list(state.connections):
            if connection.transport is not None:
                connection.transport.abort()
        for task in list(state.tasks):
            task.cancel()
        await asyncio.gather(*state.tasks, return_exceptions=True)
