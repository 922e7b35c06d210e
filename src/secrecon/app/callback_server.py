"""The callback listener's company: sessions that survive a restart, and the certificate. And the listener as a process
of its own, `secrecon oast serve`, which is the same one that `serve` and `worker` hold.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass

from secrecon.app.context import database_of
from secrecon.app.parts import build_listener, build_zone
from secrecon.app.settings import Settings
from secrecon.jobs.home import Home
from secrecon.model.errors import OperatorError
from secrecon.net.clock import Clock, SystemClock
from secrecon.net.loop import prepare_loop
from secrecon.oast import acme
from secrecon.oast.certificate import Certificate
from secrecon.oast.dnswire import Zone
from secrecon.oast.sessions import SessionLimits, Sessions
from secrecon.service.callback_sessions import SessionKeeper

ACME_FOLDER = "oast-certificate"


@dataclass(frozen=True, slots=True)
class CallbackParts:
    """What a listener is built with. `listening`: to be set when it has started; a certificate is asked for then."""

    sessions: Sessions | None
    tls: ssl.SSLContext | None
    zone: Zone
    listening: asyncio.Event
    kept: Callable[[], Awaitable[None]] | None


@contextlib.asynccontextmanager
async def callback_parts(
    settings: Settings, home: str, clock: Clock, *, sessions: bool
) -> AsyncIterator[CallbackParts]:
    """Restored sessions, where `sessions` are held, and a certificate that is watched. Close the listener before these."""
    async with contextlib.AsyncExitStack() as stack:
        zone, listening = build_zone(settings), asyncio.Event()
        certificate = _certificate(settings, clock)
        if certificate is not None:
            await stack.enter_async_context(_background(certificate.watch(clock)))
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGHUP, certificate.reload)
            stack.callback(loop.remove_signal_handler, signal.SIGHUP)
            if settings.oast_acme:
                asked = _asked(settings, zone, clock, certificate)
                await stack.enter_async_context(_background(_when(listening, asked.keep())))
        keeper = await stack.enter_async_context(_keeper(settings, home, clock)) if sessions else None
        yield CallbackParts(
            keeper.sessions if keeper is not None else None,
            certificate.context if certificate is not None else None,
            zone,
            listening,
            keeper.settled if keeper is not None else None,
        )


async def serve_callbacks(settings: Settings) -> None:
    """The listener alone, for clients of the callback protocol, until SIGINT or SIGTERM."""
    prepare_loop()
    clock = SystemClock()
    if not settings.oast_domain:
        raise OperatorError("a callback server needs its domain: give --domain (SECRECON_OAST_DOMAIN)")
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with Home(settings.data_dir) as home:
        async with callback_parts(settings, home.executor_id, clock, sessions=True) as parts:
            listener = build_listener(settings, None, clock, parts.sessions, parts.tls, parts.zone, parts.kept)
            await listener.start()
            parts.listening.set()
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


def _certificate(settings: Settings, clock: Clock) -> Certificate | None:
    chain, key = settings.oast_cert, settings.oast_key
    if settings.oast_acme:
        if chain is not None or key is not None:
            raise OperatorError(
                "the certificate comes from files or from SECRECON_OAST_ACME, not from both: set one"
            )
        if not settings.oast_domain:
            raise OperatorError("an ACME certificate needs the domain that it is for: set SECRECON_OAST_DOMAIN")
        folder = settings.data_dir / ACME_FOLDER
        acme.prepare(folder, settings.oast_domain, clock.now())
        return Certificate(acme.chain_file(folder), acme.key_file(folder))
    if chain is None and key is None:
        return None
    if chain is None or key is None:
        raise OperatorError("a certificate needs its key: set both SECRECON_OAST_CERT and SECRECON_OAST_KEY")
    return Certificate(chain, key)


def _asked(settings: Settings, zone: Zone, clock: Clock, certificate: Certificate) -> acme.AcmeCertificate:
    ca = str(settings.tls_ca) if settings.tls_ca is not None else ""
    authority = acme.Authority(settings.oast_acme, settings.oast_acme_email, ca)
    return acme.AcmeCertificate(authority, zone, settings.data_dir / ACME_FOLDER, clock, certificate.reload)


async def _when(event: asyncio.Event, work: Coroutine[None, None, None]) -> None:
    try:
        await event.wait()
        await work
    finally:
        work.close()


@contextlib.asynccontextmanager
async def _background(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@contextlib.asynccontextmanager
async def _keeper(settings: Settings, home: str, clock: Clock) -> AsyncIterator[SessionKeeper]:
    sessions = Sessions(SessionLimits(), random.SystemRandom(), keeping=True)
    keeper = SessionKeeper(sessions, home, clock)
    db = database_of(settings)
    try:
        await db.migrate()
        await keeper.load(db)
        keeper.start(db)
        try:
            yield keeper
        finally:
            await keeper.stop()
    finally:
        await db.close()
