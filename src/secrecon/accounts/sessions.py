"""Browser sessions: a random 256-bit token in a cookie, a CSRF token bound to it, an idle end and an absolute end."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass

from secrecon.accounts import people
from secrecon.accounts.caller import Caller
from secrecon.accounts.entropy import Entropy, digest, draw
from secrecon.net.clock import Clock
from secrecon.store import sessions, users
from secrecon.store.database import Reading, Transaction
from secrecon.store.sessions import StoredSession
from secrecon.store.users import User

IDLE_SECONDS = 8 * 3600.0
ABSOLUTE_SECONDS = 14 * 86400.0
TOUCH_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class NewSession:
    """The only time that `token` is seen."""

    token: str
    csrf: str
    expires: float


@dataclass(frozen=True, slots=True)
class KnownSession:
    """`touch_due`: its last use was noted long enough ago to note this one (`note_use`)."""

    caller: Caller
    csrf: str
    expires: float
    touch_due: bool


async def open_session(
    tx: Transaction, clock: Clock, user: User, entropy: Entropy = secrets.token_bytes
) -> NewSession:
    """Start a session for a user who has just proved who they are."""
    now = clock.now()
    new = NewSession(draw(entropy), draw(entropy), now + ABSOLUTE_SECONDS)
    await sessions.add(tx, StoredSession(digest(new.token), user.id, new.csrf, now, now, new.expires))
    return new


async def find_session(tx: Reading, clock: Clock, token: str) -> KnownSession | None:
    """The session of a token; None where it is unknown, over, idle for too long, or its user was shut out."""
    stored = await sessions.find(tx, digest(token))
    now = clock.now()
    if stored is None or now >= stored.expires or now - stored.last_seen > IDLE_SECONDS:
        return None
    caller = await people.caller_for(tx, await users.by_id(tx, stored.user_id), "session")
    if caller is None:
        return None
    return KnownSession(caller, stored.csrf, stored.expires, now - stored.last_seen > TOUCH_SECONDS)


async def note_use(tx: Transaction, clock: Clock, token: str) -> None:
    """Push the idle end of a session out."""
    await sessions.touch(tx, digest(token), clock.now())


async def close_session(tx: Transaction, token: str) -> None:
    """End a session; one that is over already is no error."""
    await sessions.remove(tx, digest(token))


def csrf_matches(session: KnownSession, given: str) -> bool:
    """Whether a form carries this session's CSRF token."""
    return hmac.compare_digest(session.csrf.encode(), given.encode("utf-8", "replace"))


async def sweep(tx: Transaction, clock: Clock) -> int:
    """Forget the sessions that are over; how many there were."""
    now = clock.now()
    return await sessions.remove_expired(tx, now, now - IDLE_SECONDS)
