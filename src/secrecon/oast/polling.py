"""A session on a callback server elsewhere, kept alive and polled for as long as a process runs.

The server may be out of reach when we start and at any time later: that is told (`problem`) and tried again. A session
goes on over restarts under the identity that is passed in. What is heard is handed on before the server is told that it
came; what may have been missed is handed on too. Hits of protocols that carry no token of ours are left out.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import httpx
import structlog

from secrecon.model.errors import OperatorError
from secrecon.model.interaction import CallbackProtocol, Interaction
from secrecon.model.target import Origin
from secrecon.net.clock import Clock
from secrecon.oast.client import Gap, OastClient, ServerHit, is_address
from secrecon.oast.hits import OnHits
from secrecon.oast.tokens import is_own

QUICK = 1.0
CALM = 5.0
RETRY_MOST = 30.0
MAX_RAW = 8_192
OnGap = Callable[[Gap], Awaitable[None]]
log_ = structlog.get_logger("secrecon.oast")


class Polling:
    """`make`: the client, given the function that takes its gaps. `busy`: whether anybody waits for hits."""

    def __init__(
        self,
        server: str,
        make: Callable[[Callable[[Gap], None]], OastClient],
        on_hits: OnHits,
        on_gap: OnGap,
        clock: Clock,
        busy: Callable[[], bool] = lambda: True,
    ) -> None:
        self._on_hits = on_hits
        self._on_gap = on_gap
        self._clock = clock
        self._busy = busy
        self._gaps: list[Gap] = []
        self._unheard: list[Interaction] = []
        self._client = make(self._gaps.append)
        self._task: asyncio.Task[None] | None = None
        self.problem = f"the callback server {server} was not asked yet"

    @property
    def running(self) -> bool:
        """Whether the last poll succeeded."""
        return not self.problem

    @property
    def heard(self) -> float:
        """When the server was last polled (epoch seconds)."""
        return self._client.heard

    @property
    def public_url(self) -> str:
        """Where payloads lead to, for people."""
        return f"{self.origin.scheme}://*.{self.origin.authority}/" if self.domain else f"{self.origin}/"

    @property
    def origin(self) -> Origin:
        """Where payloads lead to: plain HTTP on its usual port where the server is asked on the usual port of HTTPS."""
        url = httpx.URL(self._client.base)
        usual = url.scheme == "https" and url.port is None
        scheme = "http" if usual else url.scheme
        port = url.port or (443 if scheme == "https" else 80)
        return Origin(scheme, url.host, port)

    @property
    def domain(self) -> str:
        """The server's domain; "" where it is known by its address."""
        return "" if is_address(self.origin.host) else self.origin.host

    def token(self, *, own: bool = False) -> str:
        """A fresh token."""
        return self._client.mint(own=own)[1]

    async def start(self) -> None:
        """Register as far as that is possible now, and go on polling in the background."""
        await self._begin()
        self._task = asyncio.create_task(self._run())

    async def stop(self, *, leave: bool = True) -> None:
        """End. `leave`: the session stays on the server, so that what arrives later is found by whoever goes on."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        await (self._client.leave() if leave else self._client.close())

    async def _begin(self) -> bool:
        try:
            await self._client.start()
        except OperatorError as error:
            self._failed(error)
            return False
        self.problem = ""
        return True

    async def _run(self) -> None:
        started, wait = not self.problem, QUICK
        while True:
            try:
                started = started or await self._begin()
                if started:
                    await self._once()
                wait = (QUICK if self._busy() else CALM) if started else min(wait * 2, RETRY_MOST)
            except OperatorError as error:
                self._failed(error)
                wait = min(wait * 2, RETRY_MOST)
            except Exception:
                log_.exception("callbacks could not be taken over from the server; it is tried again")
                wait = min(wait * 2, RETRY_MOST)
            await self._clock.sleep(wait)

    async def _once(self) -> None:
        if not self._unheard:
            hits = await self._client.poll()
            self.problem = ""
            self._unheard = [found for hit in hits if (found := interaction_of(hit)) is not None]
        if self._unheard:
            await self._on_hits(self._unheard)
            self._unheard = []
        while self._gaps:
            log_.warning("the callback server had forgotten us; hits may be lost", since=self._gaps[0].since)
            await self._on_gap(self._gaps[0])
            del self._gaps[0]

    def _failed(self, error: OperatorError) -> None:
        if str(error) != self.problem:
            log_.error("callbacks cannot be heard", error=str(error))
        self.problem = str(error)


def interaction_of(hit: ServerHit) -> Interaction | None:
    """A server's hit as scans keep it; None for a protocol that says nothing of a token."""
    try:
        protocol = CallbackProtocol(hit.protocol)
    except ValueError:
        return None
    raw = hit.request[:MAX_RAW]
    query = hit.query_type or raw.partition("\n")[0].strip()[:300]
    if hit.sender:
        raw, query = f"MAIL FROM:<{hit.sender}>\n{raw}", f"mail from {hit.sender}"[:300]
    return Interaction(hit.id, hit.token, protocol, hit.remote_address, raw, hit.at, query, is_own(hit.token))
