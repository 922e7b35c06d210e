"""From the wire to the book: a bounded queue of hits and the one task that hands them on, many at a time.

The listener must answer at once, storing takes longer. Anybody can send what looks like a token, so a flood of one token
takes up only its own room, and no more is waited for than fits. While the book cannot be reached hits wait; one that
cannot be stored for another reason is tried again and then given up. Each loss is counted and logged, never silent.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

import structlog

from secrecon.model.errors import OperatorError
from secrecon.model.interaction import CallbackProtocol, Interaction
from secrecon.model.oast import Heard
from secrecon.net.clock import Clock
from secrecon.oast import dnstext
from secrecon.oast.httpcatch import printable
from secrecon.oast.tokens import is_own

OnHits = Callable[[Sequence[Interaction]], Awaitable[None]]
TRIES = 3
RETRY_AFTER = 0.5
RETRY_MOST = 10.0
DRAIN_SECONDS = 5.0
MAX_RAW = 8_192
BATCH = 500
PER_TOKEN = 250
log_ = structlog.get_logger("secrecon.oast")


class HitQueue:
    """Hands hits to `on_hits` in the order they came, at most 500 at once. `taken`, `dropped` and `failed` count them."""

    def __init__(self, on_hits: OnHits, clock: Clock, size: int) -> None:
        self._on_hits = on_hits
        self._clock = clock
        self._size = size
        self._waiting: deque[Heard] = deque()
        self._by_token: dict[str, int] = {}
        self._some = asyncio.Event()
        self._none = asyncio.Event()
        self._none.set()
        self._task: asyncio.Task[None] | None = None
        self._in_hand = 0
        self.taken = 0
        self.dropped = 0
        self.failed = 0

    def start(self) -> None:
        """Begin to hand hits on."""
        self._task = asyncio.create_task(self._run())

    def put(self, heard: Heard) -> None:
        """Take a hit; counted and logged where there is no room."""
        count = self._by_token.get(heard.token, 0)
        if len(self._waiting) >= self._size or count >= PER_TOKEN:
            self.dropped += 1
            if self.dropped & (self.dropped - 1) == 0:  # 1, 2, 4, 8, ... so that a flood does not flood the log
                log_.error("callbacks dropped: more arrive than can be stored", dropped=self.dropped)
            return
        self._by_token[heard.token] = count + 1
        if len(heard.request) > MAX_RAW:
            heard = heard._replace(request=heard.request[:MAX_RAW])
        self._waiting.append(heard)
        self._some.set()
        self._none.clear()
        self.taken += 1

    async def stop(self) -> None:
        """Hand on what waits, for a few seconds at most, then end. What is left counts as dropped."""
        if self._task is None:
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._none.wait(), DRAIN_SECONDS)
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._task = None
        left = len(self._waiting) + self._in_hand
        if left:
            self.dropped += left
            log_.error("callbacks dropped at shutdown", dropped=left)

    async def _run(self) -> None:
        while True:
            await self._some.wait()
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            for heard in batch:
                self._leave(heard.token)
            if not self._waiting:
                self._some.clear()
            self._in_hand = len(batch)
            await self._hand_on([interaction_of(heard) for heard in batch])
            self._in_hand = 0
            if not self._waiting:
                self._none.set()

    def _leave(self, token: str) -> None:
        left = self._by_token[token] - 1
        if left:
            self._by_token[token] = left
        else:
            del self._by_token[token]

    async def _hand_on(self, hits: Sequence[Interaction]) -> None:
        wait, attempt = RETRY_AFTER, 0
        while True:
            attempt += 1
            try:
                await self._on_hits(hits)
                return
            except OperatorError as error:
                log_.error("callbacks wait: they cannot be stored now", hits=len(hits), error=str(error))
            except Exception:
                log_.exception("callbacks could not be stored", hits=len(hits), attempt=attempt)
                if attempt >= TRIES:
                    break
            await self._clock.sleep(wait)
            wait = min(wait * 2, RETRY_MOST)
        if len(hits) == 1:
            self.failed += 1
            return
        for hit in hits:  # one that cannot be stored must not take the others with it
            await self._hand_on([hit])


def interaction_of(heard: Heard) -> Interaction:
    """What was heard as our scans keep it: bounded, as text."""
    if heard.protocol == "dns":
        raw, query = dnstext.text(heard.request).decode("utf-8", "replace"), heard.query_type
    else:
        raw = printable(heard.request[:MAX_RAW])
        query = raw.partition("\n")[0][:300]
    if heard.sender:
        raw, query = f"MAIL FROM:<{heard.sender}>\n{raw}", f"mail from {heard.sender}"[:300]
    return Interaction(
        heard.id,
        heard.token,
        CallbackProtocol(heard.protocol),
        heard.remote_address,
        raw,
        heard.at,
        query,
        is_own(heard.token),
    )
