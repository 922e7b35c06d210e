"""The audit log: append-only, each line carrying the digest of the one before, so that a changed line shows.

Appending takes the log's end for the rest of the transaction: append last, after every other change.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from secrecon.model.record import JsonValue
from secrecon.store.database import Reading, Transaction
from secrecon.store.tables import audit_log as _log
from secrecon.store.tables import clean, digest

_LOCK = 0x5EC12EC1
START = "0" * 64


@dataclass(frozen=True, slots=True)
class AuditLine:
    """Who (`actor`) did what (`action`) to what (`subject`), when. `detail` is JSON text."""

    seq: int
    account_id: int | None
    at: float
    actor: str
    action: str
    subject: str
    detail: str
    previous: str
    digest: str


async def append(
    tx: Transaction,
    *,
    actor: str,
    action: str,
    subject: str,
    at: float,
    account_id: int | None = None,
    detail: Mapping[str, JsonValue] | None = None,
) -> None:
    """Add a line at the end."""
    if not tx.is_sqlite:
        await tx.connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    query = sa.select(_log.c.seq, _log.c.digest).order_by(_log.c.seq.desc()).limit(1)
    last = (await tx.connection.execute(query)).one_or_none()
    seq, previous = (1, START) if last is None else (int(last.seq) + 1, str(last.digest))
    text = json.dumps(detail or {}, sort_keys=True)
    line = AuditLine(seq, account_id, at, clean(actor), action, clean(subject), text, previous, "")
    await tx.connection.execute(
        sa.insert(_log).values(
            seq=seq,
            account_id=account_id,
            at=at,
            actor=line.actor,
            action=action,
            subject=line.subject,
            detail=text,
            previous=previous,
            digest=_digest(line),
        )
    )


async def lines(tx: Reading, after: int, limit: int, account_id: int | None = None) -> tuple[AuditLine, ...]:
    """Lines after `after`, oldest first; of one account where given."""
    query = sa.select(_log).where(_log.c.seq > after).order_by(_log.c.seq).limit(limit)
    if account_id is not None:
        query = query.where(_log.c.account_id == account_id)
    return tuple(_read(row) for row in await tx.connection.execute(query))


async def about(tx: Reading, account_id: int, action: str, subject: str) -> AuditLine | None:
    """The first line that tells `action` of `subject` in an account."""
    query = sa.select(_log).where(
        _log.c.account_id == account_id, _log.c.action == action, _log.c.subject == clean(subject)
    )
    row = (await tx.connection.execute(query.order_by(_log.c.seq).limit(1))).one_or_none()
    return None if row is None else _read(row)


async def first_broken(tx: Reading, batch: int = 1000) -> int | None:
    """The seq of the first line that was changed, removed or put in; None where the whole chain holds.

    Lines cut off the end leave no trace in the log itself: compare the last digest with one noted elsewhere.
    """
    expected, previous = 1, START
    while True:
        found = await lines(tx, expected - 1, batch)
        for line in found:
            if line.seq != expected or line.previous != previous or line.digest != _digest(line):
                return expected
            expected, previous = expected + 1, line.digest
        if len(found) < batch:
            return None


def _digest(line: AuditLine) -> str:
    fields = (str(line.seq), str(line.account_id), repr(line.at), line.actor, line.action, line.subject)
    return digest(*(json.dumps(field) for field in fields), line.detail, line.previous)


def _read(row: sa.Row[tuple[object, ...]]) -> AuditLine:
    return AuditLine(
        row.seq,
        row.account_id,
        row.at,
        row.actor,
        row.action,
        row.subject,
        row.detail,
        row.previous,
        row.digest,
    )
