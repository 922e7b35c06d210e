"""Users: adding them, and what an email address is. One account per user for now; the tables allow more."""

from __future__ import annotations

from secrecon.accounts.caller import Caller, Via
from secrecon.model.errors import BadInput
from secrecon.net.clock import Clock
from secrecon.store import users
from secrecon.store.database import Reading, Transaction
from secrecon.store.users import User

MAX_EMAIL = 254


def normal_email(text: str) -> str:
    """The address as we keep it: trimmed, lower-case. Raises BadInput where it cannot be one (RFC 5321 lengths)."""
    email = text.strip().lower()
    local, at, domain = email.rpartition("@")
    unfit = any(ord(c) <= 0x20 or ord(c) == 0x7F or 0xD800 <= ord(c) <= 0xDFFF for c in email)
    if not at or not local or len(local) > 64 or not domain or len(email) > MAX_EMAIL or unfit or "@" in local:
        raise BadInput(f"{text[:80]!r} is not an email address", "email")
    return email


async def add_user(
    tx: Transaction, clock: Clock, email: str, password_hash: str, plan: str, *, is_admin: bool = False
) -> User:
    """A new user with an account of their own. Raises BadInput, or Conflict where the email is taken.

    The password was checked (`passwords.check_password`), the plan too (`plans.check_plan`).
    """
    now = clock.now()
    account_id = await users.add_account(tx, plan, now)
    user_id = await users.add(tx, account_id, normal_email(email), password_hash, is_admin=is_admin, at=now)
    return User(user_id, account_id, normal_email(email), password_hash, is_admin, now, None)


async def caller_for(tx: Reading, user: User | None, via: Via) -> Caller | None:
    """The caller that `user` is; None where there is no such user or they were shut out."""
    if user is None or user.disabled is not None:
        return None
    account = await users.account(tx, user.account_id)
    if account is None:
        return None
    return Caller(user.account_id, user.email, account.plan, via, user.is_admin, user.id)


async def operator_for(tx: Reading, email: str) -> Caller | None:
    """The operator acting for the account of `email`, as the command line does; None for an unknown email."""
    user = await users.by_email(tx, normal_email(email))
    account = None if user is None else await users.account(tx, user.account_id)
    if user is None or account is None:
        return None
    return Caller(user.account_id, user.email, account.plan, "operator", True, user.id)
