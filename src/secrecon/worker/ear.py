"""The callback listener of this process, wired to the service that keeps what it hears.

The listener starts before there is an engine, because the engine must know its port; what it hears until the context is
attached waits. This is also how the rest of the process sees whether a listener runs and where.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from secrecon.model.interaction import Interaction
from secrecon.oast.hits import OnHits
from secrecon.oast.listener import Listener
from secrecon.service.callbacks import record_interactions
from secrecon.service.context import Context


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
