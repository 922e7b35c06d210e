"""Accounts and the users who sign in to them. An email is stored as given to us: callers fold its case first."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from secrecon.model.errors import Conflict
from secrecon.store import tables
from secrecon.store.database import Reading, Transaction

_user, _account = tables.user, tables.account


@dataclass(frozen=True, slots=True)
class Account:
    """Who pays and owns: scans, findings, assets, keys belong to it. `plan` is a name from the plan table."""

    id: int
    plan: str
    reports_need_key: bool
    created: float


@dataclass(frozen=True, slots=True)
class User:
    """Someone who signs in. `disabled`: since when they may not."""

    id: int
    account_id: int
    email: str
    password_hash: str
    is_admin: bool
    created: float
    disabled: float | None


async def add_account(tx: Transaction, plan: str, at: float) -> int:
    """A new account's id."""
    values = {"plan": plan, "reports_need_key": False, "created": at}
    result = await tx.connection.execute(sa.insert(_account).values(values).returning(_account.c.id))
    return int(result.scalar_one())


async def account(tx: Reading, account_id: int) -> Account | None:
    row = (await tx.connection.execute(sa.select(_account).where(_account.c.id == account_id))).one_or_none()
    return None if row is None else Account(row.id, row.plan, row.reports_need_key, row.created)


async def set_plan(tx: Transaction, account_id: int, plan: str) -> None:
    await tx.connection.execute(sa.update(_account).where(_account.c.id == account_id).values(plan=plan))


async def set_reports_need_key(tx: Transaction, account_id: int, needed: bool) -> None:
    change = sa.update(_account).where(_account.c.id == account_id).values(reports_need_key=needed)
    await tx.connection.execute(change)


async def add(
    tx: Transaction, account_id: int, email: str, password_hash: str, *, is_admin: bool, at: float
) -> int:
    """A new user's id. Raises Conflict where the email is taken."""
    statement = (
        tx.insert(_user)
        .values(account_id=account_id, email=email, password_hash=password_hash, is_admin=is_admin, created=at)
        .on_conflict_do_nothing(index_elements=["email"])
        .returning(_user.c.id)
    )
    new = (await tx.connection.execute(statement)).scalar_one_or_none()
    if new is None:
        raise Conflict(f"a user with the email {email} exists already")
    return int(new)


async def by_email(tx: Reading, email: str) -> User | None:
    return await _one(tx, _user.c.email == tables.clean(email))


async def by_id(tx: Reading, user_id: int) -> User | None:
    return await _one(tx, _user.c.id == user_id)


async def first_of(tx: Reading, account_id: int) -> User | None:
    """The account's first user."""
    return await _one(tx, _user.c.account_id == account_id)


async def every(tx: Reading) -> tuple[User, ...]:
    """All users, oldest first."""
    rows = await tx.connection.execute(sa.select(_user).order_by(_user.c.id))
    return tuple(_read(row) for row in rows)


async def set_password(tx: Transaction, user_id: int, password_hash: str) -> None:
    await tx.connection.execute(sa.update(_user).where(_user.c.id == user_id).values(password_hash=password_hash))


async def disable(tx: Transaction, user_id: int, at: float | None) -> None:
    """Shut a user out from `at` on; None lets them in again."""
    await tx.connection.execute(sa.update(_user).where(_user.c.id == user_id).values(disabled=at))


async def _one(tx: Reading, where: sa.ColumnElement[bool]) -> User | None:
    row = (await tx.connection.execute(sa.select(_user).where(where).order_by(_user.c.id).limit(1))).one_or_none()
    return None if row is None else _read(row)


def _read(row: sa.Row[tuple[object, ...]]) -> User:
    return User(row.id, row.account_id, row.email, row.password_hash, row.is_admin, row.created, row.disabled)
