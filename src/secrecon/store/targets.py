"""Targets that an account may check actively. Which of them covers what is a rule of `accounts`, not of this room."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from secrecon.model.codec import dump, load
from secrecon.model.target import Target
from secrecon.store.database import Reading, Transaction
from secrecon.store.tables import authorized_target as _target
from secrecon.store.tables import storable


@dataclass(frozen=True, slots=True)
class AuthorizedTarget:
    """`proof`: operator, dns, file or meta. Without `not_before` or `not_after` the window is open on that side."""

    id: int
    account_id: int
    target: Target
    proof: str
    authorized_by: str
    created: float
    not_before: float | None
    not_after: float | None
    revoked: float | None


async def add(
    tx: Transaction,
    *,
    account_id: int,
    target: Target,
    proof: str,
    authorized_by: str,
    at: float,
    not_before: float | None,
    not_after: float | None,
) -> int:
    """A new authorization's id."""
    statement = (
        sa.insert(_target)
        .values(
            account_id=account_id,
            host=target.host,
            target=dump(target),
            proof=proof,
            authorized_by=authorized_by,
            created=at,
            not_before=not_before,
            not_after=not_after,
        )
        .returning(_target.c.id)
    )
    return int((await tx.connection.execute(statement)).scalar_one())


async def on_hosts(tx: Reading, account_id: int, hosts: Iterable[str]) -> tuple[AuthorizedTarget, ...]:
    """The account's authorizations, not revoked, whose host is one of `hosts`; oldest first."""
    query = (
        sa.select(_target)
        .where(_target.c.account_id == account_id, _target.c.host.in_(tuple(hosts)), _target.c.revoked.is_(None))
        .order_by(_target.c.id)
    )
    return tuple(_read(row) for row in await tx.connection.execute(query))


async def list_of(tx: Reading, account_id: int) -> tuple[AuthorizedTarget, ...]:
    """The account's authorizations that are not revoked, newest first."""
    query = (
        sa.select(_target)
        .where(_target.c.account_id == account_id, _target.c.revoked.is_(None))
        .order_by(_target.c.id.desc())
    )
    return tuple(_read(row) for row in await tx.connection.execute(query))


async def revoke(tx: Transaction, account_id: int, target_id: int, at: float) -> bool:
    """Withdraw an authorization; False where the account has no such one in force."""
    ours = sa.and_(
        _target.c.id == storable(target_id), _target.c.account_id == account_id, _target.c.revoked.is_(None)
    )
    return (await tx.connection.execute(sa.update(_target).where(ours).values(revoked=at))).rowcount == 1


def _read(row: sa.Row[tuple[object, ...]]) -> AuthorizedTarget:
    return AuthorizedTarget(
        id=row.id,
        account_id=row.account_id,
        target=load(Target, row.target),
        proof=row.proof,
        authorized_by=row.authorized_by,
        created=row.created,
        not_before=row.not_before,
        not_after=row.not_after,
        revoked=row.revoked,
    )
