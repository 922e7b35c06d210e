"""The callback listener's company: sessions that survive a restart, and the certificate. And the listener as a process
of its own, `secrecon oast serve`, which is the same one that `serve` and `worker` hold.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass

from secrecon.app.context import database_of
from secrecon.app.parts import build_listener
from secrecon.app.settings import Settings
from secrecon.jobs.home import Home
from secrecon.model.errors import OperatorError
from secrecon.net.clock import Clock, SystemClock
from secrecon.net.loop import prepare_loop
from secrecon.oast.certificate import Certificate
from secrecon.oast.sessions import SessionLimits, Sessions
from secrecon.service.callback_sessions import SessionKeeper


@dataclass(frozen=True, slots=True)
class CallbackParts:
    """What a listener is built with."""

    sessions: Sessions | None
    tls: ssl.SSLContext | None


@contextlib.asynccontextmanager
async def callback_parts(
    settings: Settings, home: str, clock: Clock, *, sessions: bool
) -> AsyncIterator[CallbackParts]:
    """Restored sessions, where `sessions` are held, and a certificate that is watched. Close the listener before these."""
    async with contextlib.AsyncExitStack() as stack:
        certificate = _certificate(settings)
        if certificate is not None:
            await stack.enter_async_context(_background(certificate, clock))
        held = await stack.enter_async_context(_kept_sessions(settings, home, clock)) if sessions else None
        yield CallbackParts(held, certificate.context if certificate is not None else None)


async def serve_callbacks(settings: Settings) -> None:
    """The listener alone, for clients of the callback protocol, until SIGINT or SIGTERM."""
    prepare_loop()
    clock = SystemClock()
    if not settings.oast_domain:
        raise OperatorError("a callback server needs its domain: give --domain (SECRECON_OAST_DOMAIN)")
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with Home(settings.data_dir) as home:
        async with callback_parts(settings, home.executor_id, clock, sessions=True) as parts:
            listener = build_listener(settings, None, clock, parts.sessions, parts.tls)
            await listener.start()
            try:
                await until_told()
            finally:
                await listener.stop()


async def until_told() -> None:
    """Until SIGINT or SIGTERM."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    await told.wait()


def _certificate(settings: Settings) -> Certificate | None:
    chain, key = settings.oast_cert, settings.oast_key
    if chain is None and key is None:
        return None
    if chain is None or key is None:
        raise OperatorError("a certificate needs its key: set both SECRECON_OAST_CERT and SECRECON_OAST_KEY")
    return Certificate(chain, key)


@contextlib.asynccontextmanager
async def _background(certificate: Certificate, clock: Clock) -> AsyncIterator[None]:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, certificate.reload)
    task = asyncio.create_task(certificate.watch(clock))
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@contextlib.asynccontextmanager
async def _kept_sessions(settings: Settings, home: str, clock: Clock) -> AsyncIterator[Sessions]:
    sessions = Sessions(SessionLimits(), random.SystemRandom(), keeping=True)
    keeper = SessionKeeper(sessions, home, clock)
    db = database_of(settings)
    try:
        await db.migrate()
        await keeper.load(db)
        keeper.start(db)
        try:
            yield sessions
        finally:
            await keeper.stop()
    finally:
        await db.close()
