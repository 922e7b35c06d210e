"""Keeps a callback server's sessions in the database, so that a restart costs neither a session nor what waits for it.

The listener answers from memory; what changed is written down in the background, several times a second and at the end.
A crash may cost the last moment. Sessions that nobody touched for their time to live are forgotten here.
"""

from __future__ import annotations

import asyncio
import contextlib

import structlog

from secrecon.model.errors import OperatorError
from secrecon.model.oast import Heard
from secrecon.net.clock import Clock
from secrecon.oast.sessions import Sessions
from secrecon.oast.tokens import CORRELATION_LENGTH
from secrecon.store import callback_sessions as stored
from secrecon.store.database import Database

EVERY = 0.2
AT_LEAST = 0.05
SETTLE_MOST = 2.0
TOUCH_EVERY = 600.0
EXPIRE_EVERY = 60.0
log_ = structlog.get_logger("secrecon.oast")


class SessionKeeper:
    """For one listener. `home`: the id of its data folder. `load` before the listener starts, `stop` after it stopped."""

    def __init__(self, sessions: Sessions, home: str, clock: Clock) -> None:
        self.sessions = sessions
        self._home = home
        self._clock = clock
        self._db: Database | None = None
        self._task: asyncio.Task[None] | None = None
        self._touched = self._expired = clock.now()
        self._hurry = asyncio.Event()
        self._next: asyncio.Future[None] | None = None

    async def load(self, db: Database) -> None:
        """Take in what was kept. Raises OperatorError."""
        async with db.reading() as tx:
            sessions = await stored.all_sessions(tx, self._home)
            heard = await stored.all_heard(tx, self._home)
        waiting: dict[str, list[Heard]] = {}
        for item in heard:
            waiting.setdefault(item.token[:CORRELATION_LENGTH], []).append(item)
        for session in sessions:
            self.sessions.restore(session, waiting.get(session.correlation, ()))
        if sessions:
            log_.info("callback sessions restored", sessions=len(sessions), waiting=len(heard))

    def start(self, db: Database) -> None:
        """Begin to write changes down."""
        self._db = db
        self._task = asyncio.create_task(self._run())

    async def settled(self) -> None:
        """Return when all that had changed by now is written down, or when that takes too long: a session whose
        registration was answered should not be forgotten by a crash."""
        if self._task is None:
            return
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
        self._hurry.set()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._next), SETTLE_MOST)

    async def stop(self) -> None:
        """Write down what is left. Raises OperatorError where that fails."""
        if self._task is None:
            return
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._task = None
        await self.write(touch=True)

    async def write(self, *, touch: bool = False) -> None:
        """Write down what changed since the last time. Raises OperatorError; then nothing is forgotten."""
        assert self._db is not None, "start comes first"
        changes = self.sessions.take_changes()
        seen = self.sessions.seen() if touch else []
        if not changes and not seen:
            return
        try:
            async with self._db.transaction() as tx:
                await stored.remove(tx, self._home, changes.gone)
                await stored.add(tx, self._home, changes.sessions)
                heard = ((item.token[:CORRELATION_LENGTH], item) for item in changes.heard.values())
                await stored.add_heard(tx, self._home, heard)
                await stored.remove_heard(tx, changes.done)
                await stored.touch(tx, self._home, seen)
        except BaseException:
            self.sessions.give_back(changes)
            raise

    async def _run(self) -> None:
        while True:
            began = self._clock.monotonic()
            now = self._clock.now()
            if now - self._expired >= EXPIRE_EVERY:
                self._expired = now
                self.sessions.expire(now)
            touch = now - self._touched >= TOUCH_EVERY
            self._hurry.clear()
            asked, self._next = self._next, None
            try:
                await self.write(touch=touch)
                self._touched = now if touch else self._touched
                if asked is not None and not asked.done():
                    asked.set_result(None)
            except OperatorError as error:
                log_.error("callback sessions cannot be written down; it is tried again", error=str(error))
                await self._clock.sleep(2.0)
            pause = max(EVERY - (self._clock.monotonic() - began), AT_LEAST)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), pause)
