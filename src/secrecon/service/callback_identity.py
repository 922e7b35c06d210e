"""This installation's session on a callback server elsewhere, kept so that payloads of earlier scans stay good."""

from __future__ import annotations

import asyncio
import random

from secrecon.model.errors import InternalError
from secrecon.net.clock import Clock
from secrecon.oast.client import Identity
from secrecon.store import callback_identity as stored
from secrecon.store.callback_identity import StoredIdentity
from secrecon.store.database import Database


async def identity_on(db: Database, server: str, clock: Clock, source: random.Random) -> tuple[Identity, float]:
    """The identity on `server`, made where there is none, and when it was last polled (0: never)."""
    async with db.reading() as tx:
        known = await stored.find(tx, server)
    if known is None:
        fresh = await asyncio.to_thread(Identity.fresh, source)
        async with db.transaction() as tx:
            made = StoredIdentity(fresh.correlation, fresh.secret, fresh.key, 0.0)
            await stored.add(tx, server, made, clock.now())
            known = await stored.find(tx, server)
    if known is None:
        raise InternalError("a callback identity that was just stored is not there")
    return Identity(known.correlation, known.secret, known.key), known.heard


async def note_heard(db: Database, server: str, at: float) -> None:
    """Note that the server was polled at `at`."""
    async with db.transaction() as tx:
        await stored.heard(tx, server, at)
