"""The HTTP side's socket shell: bytes between a connection and the catcher, the control calls and their replies.

One request on a connection, except for control calls, which may follow each other. Seconds are bounded for what comes
in and for what goes out; large polls are written by few at a time, so that slow readers hold little memory. What a
request means is decided elsewhere (`httpcatch`, `protocol`, `intake`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import cast

import structlog

from secrecon.net.clock import Clock
from secrecon.oast.answers import Wish, wish_in
from secrecon.oast.httpcatch import Caught, HttpCatcher, page, reflection
from secrecon.oast.intake import Intake
from secrecon.oast.limits import RateLimit, Slots
from secrecon.oast.protocol import TOO_MANY, Control, Reply
from secrecon.oast.sessions import Batch
from secrecon.oast.tokens import marker

IDLE = 75.0
MAX_CALLS = 1_000
SENDING = 30.0
BIG = 50
BIG_AT_ONCE = 8
CLOSING = 1.0
log_ = structlog.get_logger("secrecon.oast")


@dataclass(slots=True)
class WebHouse:
    """What every connection shares. `control`: None where no sessions are held. `dynamic`: whether a session's owner may
    write answers. `patience`: seconds for a request to arrive. `kept`: awaited before a registration is answered."""

    intake: Intake
    control: Control | None
    slots: Slots
    rate: RateLimit
    registrations: RateLimit
    clock: Clock
    server: str
    patience: float
    dynamic: bool
    open: set[Conversation]
    big: asyncio.Semaphore
    kept: Callable[[], Awaitable[None]] | None


class Conversation(asyncio.Protocol):
    """One connection. `secure`: it is encrypted."""

    def __init__(self, house: WebHouse, secure: bool) -> None:
        self._house = house
        self._protocol = "https" if secure else "http"
        self._catcher = HttpCatcher()
        self._transport: asyncio.Transport | None = None
        self._client = ""
        self._taken = False
        self._answered = False
        self._calls = 0
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._client = client_of(transport.get_extra_info("peername"))
        house = self._house
        self._taken = house.slots.take(self._client)
        if not self._taken or not house.rate.allows(self._client, house.clock.monotonic()):
            self._transport.abort()
            return
        house.open.add(self)
        self._wait(house.patience * 0.7)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
        if self._taken:
            self._house.slots.give(self._client)
            self._taken = False
        self._house.open.discard(self)

    def data_received(self, data: bytes) -> None:
        if self._answered or self._transport is None:
            return  # read so that the answer is not reset away, and dropped
        interim = self._catcher.feed(data)
        if interim:
            self._transport.write(interim)
        if self._catcher.complete:
            self._answer()

    def eof_received(self) -> bool:
        if not self._answered and self._catcher.started:
            self._answer()
            return True
        return self._task is not None

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    def _wait(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._late)

    def _late(self) -> None:
        if not self._answered and self._catcher.started:
            self._answer()
        else:
            self.abort()

    def _answer(self) -> None:
        self._answered = True
        try:
            caught = self._catcher.caught()
            control = self._house.control
            if control is not None and control.takes(caught.path) and not self._is_hit(caught):
                self._control(control, caught)
            else:
                self._catch(caught)
        except Exception:
            log_.exception("a callback could not be answered", client=self._client)
            self.abort()

    def _is_hit(self, caught: Caught) -> bool:
        host = caught.host.lower()
        return any(self._house.intake.is_session(token) and token in host for token in caught.tokens)

    def _catch(self, caught: Caught) -> None:
        house = self._house
        sessions = {token for token in caught.tokens if house.intake.is_session(token)}
        wish: Wish | None = None
        if house.dynamic and sessions:
            wish = wish_in(caught.target.partition("?")[2])
        shown = {
            token: reflection(caught.host, token) if token in sessions else marker(token)
            for token in caught.tokens
            if not sessions or token in sessions
        }
        wire = page(caught, shown, house.server, wish)
        house.intake.take(self._protocol, self._client, caught.tokens, caught.host, caught.raw, wire)
        if wish is not None and wish.delay:
            self._wait(wish.delay + house.patience)
            self._task = asyncio.create_task(self._later(wire, wish.delay))
        else:
            self._last(wire)

    async def _later(self, wire: bytes, delay: float) -> None:
        await self._house.clock.sleep(delay)
        self._last(wire)

    def _last(self, wire: bytes) -> None:
        """Write the last answer; then let the client read it before unread input resets it."""
        assert self._transport is not None
        self._task = None
        self._transport.write(wire)
        if self._transport.can_write_eof() and not self._transport.is_closing():
            self._transport.write_eof()
            self._wait_for_close()
        else:
            self._transport.close()

    def _wait_for_close(self) -> None:
        self._wait(CLOSING)

    def _control(self, control: Control, caught: Caught) -> None:
        house = self._house
        self._calls += 1
        stays = caught.clear and self._calls < MAX_CALLS
        target = caught.path + ("?" + caught.target.partition("?")[2] if "?" in caught.target else "")
        if caught.path == "/register" and not house.registrations.allows(self._client, house.clock.monotonic()):
            answer: Reply | Batch = TOO_MANY
        else:
            call = control.read(caught.method, target, caught.authorization, caught.body)
            answer = call if isinstance(call, Reply) else control.answer(call, house.clock.now())
        if isinstance(answer, Batch) and len(answer.items) > BIG:
            self._wait(SENDING)
            self._task = asyncio.create_task(self._send(control, answer, stays, caught.rest))
            return
        if isinstance(answer, Batch):
            answer = Reply(200, b"".join(control.poll_parts(answer)))
        wire = control.wire(answer, close=not stays, server=house.server)
        if caught.path == "/register" and answer.status == 200 and house.kept is not None:
            self._wait(SENDING)
            self._task = asyncio.create_task(self._promise(house.kept, wire, stays, caught.rest))
            return
        self._next(wire, stays, caught.rest)

    async def _promise(self, kept: Callable[[], Awaitable[None]], wire: bytes, stays: bool, rest: bytes) -> None:
        await kept()
        self._next(wire, stays, rest)

    def _next(self, wire: bytes, stays: bool, rest: bytes) -> None:
        assert self._transport is not None
        if not stays:
            self._last(wire)
            return
        self._transport.write(wire)
        self._task = None
        self._answered = False
        self._catcher = HttpCatcher()
        self._wait(IDLE)
        if rest:
            asyncio.get_running_loop().call_soon(self.data_received, rest)

    async def _send(self, control: Control, batch: Batch, stays: bool, rest: bytes) -> None:
        """A large poll, in slices between which others are served."""
        assert self._transport is not None
        async with self._house.big:
            self._wait(SENDING)
            parts: list[bytes] = []
            for part in control.poll_parts(batch):
                parts.append(part)
                await asyncio.sleep(0)
            head = control.wire(Reply(200), length=sum(map(len, parts)), close=not stays, server=self._house.server)
            self._transport.write(head)
            for part in parts:
                self._transport.write(part)
                await self._writable.wait()
        self._next(b"", stays, rest)


def client_of(peer: object) -> str:
    """The address of a peer, without its port."""
    return str(peer[0])[:64] if isinstance(peer, tuple) and peer else "unknown"
