"""Sessions of a callback server's clients, with what was heard for them and not yet fetched.

`home` is the data folder whose listener holds them: listeners that share a database keep theirs apart. An AES key is
stored only as its client's and its secret's locks leave it; what was heard is stored as it came.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from secrecon.model.oast import Heard, KeptSession
from secrecon.store.database import Reading, Transaction
from secrecon.store.tables import callback_heard as _heard
from secrecon.store.tables import callback_session as _session

IDS_AT_ONCE = 500


async def all_sessions(tx: Reading, home: str) -> list[KeptSession]:
    """Every session of a home."""
    rows = await tx.connection.execute(sa.select(_session).where(_session.c.home == home))
    return [KeptSession(r.correlation, r.digest, r.wrapped, r.locked, r.created, r.seen) for r in rows]


async def all_heard(tx: Reading, home: str) -> list[Heard]:
    """Everything that waits for the sessions of a home, oldest first."""
    columns = [_heard.c[name] for name in Heard._fields]
    rows = await tx.connection.execute(
        sa.select(*columns).where(_heard.c.home == home).order_by(_heard.c.at, _heard.c.id)
    )
    return [Heard(*row) for row in rows]


async def remove(tx: Transaction, home: str, correlations: Sequence[str]) -> None:
    """Forget sessions with everything that waits for them."""
    for some in _slices(correlations):
        for table in (_heard, _session):
            mine = (table.c.home == home) & table.c.correlation.in_(some)
            await tx.connection.execute(sa.delete(table).where(mine))


async def add(tx: Transaction, home: str, sessions: Iterable[KeptSession]) -> None:
    """Store sessions; one that is stored already stays as it is."""
    rows = [{"home": home, **session._asdict()} for session in sessions]
    if rows:
        await tx.connection.execute(tx.insert(_session).on_conflict_do_nothing(), rows)


async def add_heard(tx: Transaction, home: str, heard: Iterable[tuple[str, Heard]]) -> None:
    """Store what was heard, each with the session it waits for."""
    rows = [{"home": home, "correlation": correlation, **item._asdict()} for correlation, item in heard]
    if rows:
        await tx.connection.execute(tx.insert(_heard).on_conflict_do_nothing(), rows)


async def remove_heard(tx: Transaction, ids: Sequence[str]) -> None:
    """Forget what was fetched."""
    for some in _slices(ids):
        await tx.connection.execute(sa.delete(_heard).where(_heard.c.id.in_(some)))


async def touch(tx: Transaction, home: str, seen: Iterable[tuple[str, float]]) -> None:
    """Note when sessions were last touched."""
    rows = [{"of": correlation, "at": at} for correlation, at in seen]
    if rows:
        change = sa.update(_session).where(_session.c.home == home, _session.c.correlation == sa.bindparam("of"))
        await tx.connection.execute(change.values(seen=sa.bindparam("at")), rows)


def _slices(items: Sequence[str]) -> Iterable[Sequence[str]]:
    return (items[start : start + IDS_AT_ONCE] for start in range(0, len(items), IDS_AT_ONCE))
