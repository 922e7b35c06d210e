"""A whole server in one process: API, dashboard, worker and callback listener on one event loop.

The data dir is locked first, then the listener binds, then the database opens; a failure of any ends the start with a
clear message and nothing left open. Stopping goes the other way round.
"""

from __future__ import annotations

import contextlib
import random
import signal
import socket
from collections.abc import AsyncIterator, Callable
from functools import partial

import structlog
import uvicorn
from fastapi import FastAPI

from secrecon.api.app import ApiOptions, install_api
from secrecon.api.metrics import MetricsAccess, MetricsPolicy
from secrecon.app.callback_server import callback_parts, until_told
from secrecon.app.context import database_of, open_installation
from secrecon.app.feeds import keeper
from secrecon.app.parts import build_callbacks, build_client, build_listener
from secrecon.app.protocol import Protocol
from secrecon.app.settings import Settings
from secrecon.jobs.home import Home
from secrecon.jobs.runner import RunnerConfig
from secrecon.model.errors import OperatorError
from secrecon.net.clock import Clock, SystemClock
from secrecon.net.loop import prepare_loop
from secrecon.oast.callbacks import EmbeddedCallbacks, ServerCallbacks
from secrecon.oast.client import Gap, Identity, OastClient
from secrecon.oast.hits import OnHits
from secrecon.oast.polling import OnGap, Polling
from secrecon.service.callback_identity import identity_on
from secrecon.service.context import Context
from secrecon.web.app import create_web, error_page
from secrecon.worker.ear import Ear, FarEar
from secrecon.worker.run import Worker

log_ = structlog.get_logger("secrecon.app")
SHUTDOWN_SECONDS = 10
WS_MAX_BYTES = 65_536


@contextlib.asynccontextmanager
async def running_parts(settings: Settings) -> AsyncIterator[Context]:
    """Everything but the web server: locked data dir, listener or session on a callback server, database, queue, worker."""
    prepare_loop()
    database_of(settings)  # makes the data dir, so that the lock has somewhere to be
    clock = SystemClock()
    with Home(settings.data_dir) as home:
        hearing = _server_hearing if settings.oast_server else _own_hearing
        async with (
            hearing(settings, home, clock) as (ear, callbacks),
            open_installation(settings, callbacks, ear) as (ctx, queue),
        ):
            config = RunnerConfig(executor_id=home.executor_id, scans_at_once=settings.scans_at_once)
            worker = Worker(ctx, queue, config, ear, keeper(settings, ctx))
            if isinstance(ear, FarEar):
                ear.busy = lambda: bool(worker.running)
                ear.attach(ctx)
            else:
                ear.attach(ctx, callbacks.url)
            await worker.start()
            try:
                yield ctx
            finally:
                await worker.stop()


_Hearing = tuple[Ear | FarEar, EmbeddedCallbacks | ServerCallbacks]


@contextlib.asynccontextmanager
async def _own_hearing(settings: Settings, home: Home, clock: Clock) -> AsyncIterator[_Hearing]:
    async with callback_parts(settings, home.executor_id, clock, sessions=bool(settings.oast_token)) as parts:
        ear = Ear(
            lambda on_hits: build_listener(
                settings, on_hits, clock, parts.sessions, parts.tls, parts.zone, parts.kept
            )
        )
        await ear.start()
        parts.listening.set()
        try:
            yield ear, build_callbacks(settings, ear.http_port, clock, ear.turn)
        finally:
            await ear.stop()


@contextlib.asynccontextmanager
async def _server_hearing(settings: Settings, home: Home, clock: Clock) -> AsyncIterator[_Hearing]:
    server = settings.oast_server
    db = database_of(settings)
    try:
        await db.migrate()
        identity, heard = await identity_on(db, server, clock, random.SystemRandom())
    finally:
        await db.close()

    def make(on_hits: OnHits, on_gap: OnGap, busy: Callable[[], bool]) -> Polling:
        client = partial(_client, settings, clock, identity, heard)
        return Polling(server, client, on_hits, on_gap, clock, busy)

    ear = FarEar(server, make, clock)
    await ear.start()
    try:
        yield ear, ServerCallbacks(ear.polling, clock)
    finally:
        await ear.stop()


def _client(
    settings: Settings, clock: Clock, identity: Identity, heard: float, on_gap: Callable[[Gap], None]
) -> OastClient:
    return build_client(settings, clock, on_gap, identity, heard)


def build_app(ctx: Context, settings: Settings) -> FastAPI:
    """The API and the dashboard on one application."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    access = MetricsAccess.OPEN if settings.metrics == "open" else MetricsAccess.OFF
    install_api(app, ctx, ApiOptions(metrics=MetricsPolicy(access), page=error_page))
    app.include_router(create_web(ctx))
    return app


def bind(host: str, port: int) -> socket.socket:
    """The listening socket of the web server. Raises OperatorError that says what to do."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # asyncio sets TCP_NODELAY only so
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise OperatorError(
            f"cannot listen on {host}:{port}: {error.strerror}; choose another with --host and --port"
        ) from error
    return bound


async def serve(settings: Settings, host: str, port: int) -> None:
    """Run until SIGINT or SIGTERM, then stop taking requests, let rounds under way end, and close everything."""
    bound = bind(host, port)
    try:
        async with running_parts(settings) as ctx:
            config = uvicorn.Config(
                build_app(ctx, settings),
                log_config=None,
                access_log=False,
                server_header=False,
                http=Protocol,
                proxy_headers=bool(settings.trusted_proxies),
                forwarded_allow_ips=list(settings.trusted_proxies),
                ws_max_size=WS_MAX_BYTES,
                timeout_graceful_shutdown=SHUTDOWN_SECONDS,
            )
            address = bound.getsockname()
            log_.info("listening", url=f"http://{address[0]}:{address[1]}", data_dir=str(settings.data_dir))
            for number in (signal.SIGINT, signal.SIGTERM):
                # uvicorn takes these over, and raises the one it got again when it is done: by then we are stopping.
                signal.signal(number, lambda *_: None)
            await uvicorn.Server(config).serve(sockets=[bound])
    finally:
        bound.close()


async def work(settings: Settings) -> None:
    """Run a worker without a web server until SIGINT or SIGTERM."""
    async with running_parts(settings):
        await until_told()
