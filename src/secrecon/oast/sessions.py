"""The sessions of a callback server's clients, in memory and without I/O: who is registered, and what waits for whom.

Everything is bounded: sessions, items and bytes of each, bytes in all. A flood on one payload uses up only its own
session's room and leaves some to every other payload, and a flood on one session never takes the room that every other
session is owed. What changes is noted for whoever keeps it (`Changes`); time and randomness are passed in.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from secrecon.model.oast import Heard, KeptSession
from secrecon.oast.sealing import (
    KEY_LENGTH,
    load_public_key,
    lock_key,
    same,
    secret_digest,
    unlock_key,
    wrap,
)
from secrecon.oast.tokens import ALPHABET, CORRELATION_LENGTH

DAY = 86_400.0
MAX_SECRET = 256
OWED_TO_TOKEN = 100
OWED_TO_SESSION = 65_536
POLL_ITEMS = 10_000
POLL_BYTES = 16_777_216
NOT_CACHED = "could not get correlation-id from cache"
_LETTERS = frozenset(ALPHABET)


class Refused(Exception):
    """A client's wish cannot be met; the text is the protocol's own."""


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How much is kept. `ttl`: seconds after which a session that nobody touched is forgotten."""

    sessions: int = 200_000
    items: int = 50_000
    bytes: int = 33_554_432
    total_bytes: int = 268_435_456
    ttl: float = 30 * DAY


@dataclass(frozen=True, slots=True)
class Batch:
    """What one poll hands out. `name`: of a batch that is kept until it is acknowledged, else ""."""

    correlation: str
    items: tuple[Heard, ...]
    key: bytes
    wrapped: str
    name: str = ""


@dataclass(slots=True)
class Changes:
    """What is not yet kept: to be added and to be removed, oldest first."""

    sessions: list[KeptSession] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    heard: dict[str, Heard] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.sessions or self.gone or self.heard or self.done)


@dataclass(slots=True)
class _Session:
    kept: KeptSession
    key: bytes
    seen: float
    items: deque[Heard] = field(default_factory=deque)
    held: int = 0
    by_token: dict[str, int] = field(default_factory=dict)
    batch: str = ""
    sent: tuple[Heard, ...] = ()
    sent_size: int = 0
    dropped: int = 0


class Sessions:
    """Every live session. `changes` is emptied by whoever keeps it (`take_changes`); `keeping` False notes none."""

    def __init__(self, limits: SessionLimits, source: random.Random, *, keeping: bool = False) -> None:
        self.limits = limits
        self._source = source
        self._keeping = keeping
        self._all: dict[str, _Session] = {}
        self._changes = Changes()
        self.held = 0
        self.heard = 0
        self.dropped = 0
        self.fetched = 0

    def __len__(self) -> int:
        return len(self._all)

    def __contains__(self, correlation: object) -> bool:
        return correlation in self._all

    def take_changes(self) -> Changes:
        """What has changed since the last time."""
        taken, self._changes = self._changes, Changes()
        if taken.gone:  # a session that came and went, or came again, in the meantime
            live = self._all
            taken.sessions = [
                kept for kept in taken.sessions if (now := live.get(kept.correlation)) and now.kept is kept
            ]
        return taken

    def give_back(self, changes: Changes) -> None:
        """What could not be kept; it is tried again."""
        later, self._changes = self._changes, changes
        gone = set(later.gone)
        changes.heard = {i: h for i, h in changes.heard.items() if h.token[:CORRELATION_LENGTH] not in gone}
        changes.sessions += later.sessions
        changes.gone += later.gone
        changes.heard.update(later.heard)
        changes.done += [id_ for id_ in later.done if changes.heard.pop(id_, None) is None]

    def restore(self, kept: KeptSession, items: Iterable[Heard] = ()) -> None:
        """A session from where it was kept. Its AES key is opened by the first poll."""
        session = self._all.setdefault(kept.correlation, _Session(kept, b"", kept.seen))
        for heard in items:
            self._put(session, heard)

    def forget(self, correlation: str) -> None:
        """A session that was removed elsewhere."""
        session = self._all.pop(correlation, None)
        if session is not None:
            self.held -= session.held + session.sent_size

    def register(self, public_key: str, secret: str, correlation: str, now: float) -> None:
        """A new session. Raises Refused; for a session that lives, that also keeps it alive."""
        if len(correlation) != CORRELATION_LENGTH or not set(correlation) <= _LETTERS:
            raise Refused(
                f"correlation-id must be {CORRELATION_LENGTH} lower-case letters and digits on this server"
            )
        if not 0 < len(secret) <= MAX_SECRET:
            raise Refused(f"secret-key must have 1 to {MAX_SECRET} characters")
        if (known := self._all.get(correlation)) is not None:
            if known.seen + self.limits.ttl > now:
                known.seen = now
                raise Refused("correlation-id provided already exists")
            self._remove(correlation)
        try:
            key = load_public_key(public_key)
        except ValueError as error:
            raise Refused(f"could not read public Key: {error}") from error
        if len(self._all) >= self.limits.sessions:
            raise Refused("too many sessions, try again later")
        session_key = self._source.randbytes(KEY_LENGTH)
        kept = KeptSession(
            correlation,
            secret_digest(secret),
            wrap(key, session_key),
            lock_key(session_key, secret, correlation),
            now,
            now,
        )
        self._all[correlation] = _Session(kept, session_key, now)
        if self._keeping:
            self._changes.sessions.append(kept)

    def deregister(self, correlation: str, secret: str) -> None:
        """End a session. Raises Refused."""
        self._known(correlation, secret, "deregister")
        self._remove(correlation)

    def hear(self, heard: Heard, now: float) -> bool:
        """Keep an interaction for its session; False where there is none or no room."""
        session = self._all.get(heard.token[:CORRELATION_LENGTH])
        if session is None:
            return False
        session.seen = now
        self.heard += 1
        return self._put(session, heard, fresh=True)

    def poll(self, correlation: str, secret: str, now: float, ack: str = "") -> Batch:
        """What waits for a session. Raises Refused.

        `ack` "": what is handed out is forgotten. Otherwise the batch is kept until a later poll names it; a poll that
        names another (or "1") is given the same batch once more, under the same name: so several who poll for one
        session all come on.
        """
        session = self._known(correlation, secret, "user")
        session.seen = now
        if session.sent:
            if ack != session.batch and ack:
                return Batch(correlation, session.sent, session.key, session.kept.wrapped, session.batch)
            if ack:
                self._done(session.sent)
                self.held -= session.sent_size
                session.sent, session.sent_size = (), 0
            else:
                self._put_back(session)
        items = self._take(session)
        self.fetched += len(items)
        if not ack:
            self._done(items)
            return Batch(correlation, items, session.key, session.kept.wrapped)
        session.sent, session.sent_size = items, sum(heard.size for heard in items)
        self.held += session.sent_size
        session.batch = f"{self._source.getrandbits(64):016x}" if items else ""
        return Batch(correlation, items, session.key, session.kept.wrapped, session.batch)

    def expire(self, now: float) -> int:
        """Forget the sessions that nobody touched for too long; how many."""
        old = [name for name, session in self._all.items() if session.seen + self.limits.ttl <= now]
        for name in old:
            self._remove(name)
        return len(old)

    def seen(self) -> list[tuple[str, float]]:
        """When each session was last touched."""
        return [(name, session.seen) for name, session in self._all.items()]

    def _known(self, correlation: str, secret: str, what: str) -> _Session:
        session = self._all.get(correlation)
        if session is None:
            raise Refused(NOT_CACHED)
        if not same(secret_digest(secret), session.kept.digest):
            raise Refused(f"invalid secret key passed for {what}")
        if not session.key:
            try:
                session.key = unlock_key(session.kept.locked, secret, correlation)
            except ValueError as error:
                self._remove(correlation)
                raise Refused(NOT_CACHED) from error
        return session

    def _put(self, session: _Session, heard: Heard, *, fresh: bool = False) -> bool:
        limits, size = self.limits, heard.size
        full = len(session.items) >= limits.items or session.held + size > limits.bytes
        if self.held + size > limits.total_bytes and session.held + size > OWED_TO_SESSION:
            full = True
        count = session.by_token.get(heard.token, 0)
        if full:
            if count >= OWED_TO_TOKEN or not session.items:
                self._drop(session)
                return False
            while session.items and (
                len(session.items) >= limits.items
                or session.held + size > limits.bytes
                or self.held + size > limits.total_bytes
            ):
                self._drop(session)
                self._done((self._out(session),))
        session.items.append(heard)
        session.by_token[heard.token] = count + 1
        session.held += size
        self.held += size
        if fresh and self._keeping:
            self._changes.heard[heard.id] = heard
        return True

    def _drop(self, session: _Session) -> None:
        session.dropped += 1
        self.dropped += 1

    def _out(self, session: _Session) -> Heard:
        heard = session.items.popleft()
        session.held -= heard.size
        self.held -= heard.size
        left = session.by_token[heard.token] - 1
        if left:
            session.by_token[heard.token] = left
        else:
            del session.by_token[heard.token]
        return heard

    def _take(self, session: _Session) -> tuple[Heard, ...]:
        taken: list[Heard] = []
        size = 0
        while session.items and len(taken) < POLL_ITEMS and size <= POLL_BYTES:
            heard = self._out(session)
            size += heard.size
            taken.append(heard)
        return tuple(taken)

    def _put_back(self, session: _Session) -> None:
        for heard in reversed(session.sent):
            session.items.appendleft(heard)
            session.by_token[heard.token] = session.by_token.get(heard.token, 0) + 1
            session.held += heard.size
            self.held += heard.size
        self.held -= session.sent_size
        session.sent, session.sent_size, session.batch = (), 0, ""

    def _done(self, items: Iterable[Heard]) -> None:
        if not self._keeping:
            return
        for heard in items:
            if self._changes.heard.pop(heard.id, None) is None:
                self._changes.done.append(heard.id)

    def _remove(self, correlation: str) -> None:
        session = self._all.get(correlation)
        self.forget(correlation)
        if self._keeping:
            for heard in (*session.items, *session.sent) if session is not None else ():
                self._changes.heard.pop(heard.id, None)
            self._changes.gone.append(correlation)
