"""The callback listener of this process, or its session on a callback server, wired to the service that keeps what is heard.

A listener starts before there is an engine, because the engine must know its port; what it hears until the context is
attached waits. This is also how the rest of the process sees whether a listener runs and where.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence

import structlog

from secrecon.model.errors import SecReconError
from secrecon.model.interaction import Interaction
from secrecon.net.clock import Clock
from secrecon.oast.client import Gap
from secrecon.oast.hits import OnHits
from secrecon.oast.listener import Listener
from secrecon.oast.polling import OnGap, Polling
from secrecon.service.callback_identity import note_heard
from secrecon.service.callbacks import record_gap, record_interactions
from secrecon.service.context import Context

NOTE_EVERY = 30.0
log_ = structlog.get_logger("secrecon.worker")


class Ear:
    """Starts and stops a listener. `make`: builds it around the function that takes its hits."""

    def __init__(self, make: Callable[[OnHits], Listener]) -> None:
        self._context: asyncio.Future[Context] | None = None
        self._listener = make(self._hear)
        self._running = False
        self.public_url = ""

    @property
    def running(self) -> bool:
        """Whether the listener's ports are open."""
        return self._running

    def turn(self, name: str, first: str) -> None:
        """Have a name of the listener's domain lead somewhere else once."""
        self._listener.zone.turn(name, first)

    @property
    def http_port(self) -> int:
        """The port that the HTTP side is bound to; 0 before the start."""
        return self._listener.http_port

    @property
    def dns_port(self) -> int:
        """The port that the DNS side is bound to; 0 before the start."""
        return self._listener.dns_port

    async def start(self) -> None:
        """Open the ports. Raises OperatorError where one cannot be bound."""
        self._context = asyncio.get_running_loop().create_future()
        await self._listener.start()
        self._running = True

    def attach(self, ctx: Context, public_url: str) -> None:
        """Say where hits are kept, and where the listener is for people."""
        assert self._context is not None, "start comes before attach"
        self._context.set_result(ctx)
        self.public_url = public_url

    async def stop(self) -> None:
        """Close the ports, then hand on the hits that wait."""
        self._running = False
        await self._listener.stop()

    async def _hear(self, interactions: Sequence[Interaction]) -> None:
        assert self._context is not None, "a listener that was not started heard something"
        await record_interactions(await asyncio.shield(self._context), interactions)


class FarEar:
    """Hears through a session on a callback server. `make`: builds the polling around what takes its hits and its gaps.
    `busy` is asked whether scans wait for hits, which are then asked for more often."""

    def __init__(
        self, server: str, make: Callable[[OnHits, OnGap, Callable[[], bool]], Polling], clock: Clock
    ) -> None:
        self._server = server
        self._clock = clock
        self._context: asyncio.Future[Context] = asyncio.get_running_loop().create_future()
        self.polling = make(self._hear, self._gap, lambda: self.busy())
        self.busy: Callable[[], bool] = lambda: True
        self._noting: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        """Whether the server answered when it was last asked."""
        return self.polling.running

    @property
    def public_url(self) -> str:
        """Where the server is, for people."""
        return self.polling.public_url

    async def start(self) -> None:
        """Register; a server that cannot be reached is asked again later."""
        await self.polling.start()

    def attach(self, ctx: Context) -> None:
        """Say where hits are kept."""
        self._context.set_result(ctx)
        self._noting = asyncio.create_task(self._note(ctx))

    async def stop(self) -> None:
        """Ask no more. The session stays on the server, for what arrives while nobody asks."""
        await self.polling.stop()
        if self._noting is not None:
            self._noting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._noting
            self._noting = None
            await self._write(self._context.result())

    async def _hear(self, interactions: Sequence[Interaction]) -> None:
        await record_interactions(await asyncio.shield(self._context), interactions)

    async def _gap(self, gap: Gap) -> None:
        await record_gap(await asyncio.shield(self._context), self._server, gap.since, gap.until)

    async def _note(self, ctx: Context) -> None:
        while True:
            await self._write(ctx)
            await self._clock.sleep(NOTE_EVERY)

    async def _write(self, ctx: Context) -> None:
        if not self.polling.heard:
            return
        try:
            await note_heard(ctx.db, self._server, self.polling.heard)
        except SecReconError as error:
            log_.warning("when the callback server was last asked could not be noted", error=str(error))
