"""API keys: `sra_` and 256 random bits. The key is shown once; afterwards only its first letters are known to us."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from secrecon.accounts import people
from secrecon.accounts.caller import Caller
from secrecon.accounts.entropy import Entropy, digest, draw
from secrecon.model.errors import BadInput, Forbidden
from secrecon.net.clock import Clock
from secrecon.store import keys, users
from secrecon.store.database import Reading, Transaction

MARK = "sra_"
PREFIX_LENGTH = len(MARK) + 6
MAX_NAME = 100
TOUCH_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class CreatedKey:
    """The only time that `key` is seen."""

    id: int
    key: str
    prefix: str


@dataclass(frozen=True, slots=True)
class KnownKey:
    """`touch_due`: its last use was noted long enough ago to note this one (`note_use`)."""

    id: int
    caller: Caller
    touch_due: bool


async def create_key(
    tx: Transaction,
    clock: Clock,
    caller: Caller,
    name: str,
    expires: float | None = None,
    entropy: Entropy = secrets.token_bytes,
) -> CreatedKey:
    """A new key for the caller's account. Raises BadInput for an empty or long name, or an end in the past."""
    name = name.strip()
    if not name or len(name) > MAX_NAME or not name.isprintable():
        raise BadInput(f"a key needs a name of 1 to {MAX_NAME} printable characters", "name")
    if expires is not None and expires <= clock.now():
        raise BadInput("the key would have expired already", "expires")
    user = await users.first_of(tx, caller.account_id) if caller.user_id is None else None
    user_id = caller.user_id if user is None else user.id
    if user_id is None:
        raise BadInput("the account has no user that the key could belong to")
    key = MARK + draw(entropy)
    prefix = key[:PREFIX_LENGTH]
    new = await keys.add(
        tx,
        account_id=caller.account_id,
        user_id=user_id,
        key_hash=digest(key),
        name=name,
        prefix=prefix,
        at=clock.now(),
        expires=expires,
    )
    return CreatedKey(new, key, prefix)


async def find_key(tx: Reading, clock: Clock, key: str) -> KnownKey:
    """Whose key it is. Raises Forbidden for an unknown, revoked or expired one."""
    stored = await keys.by_hash(tx, digest(key))
    if stored is None:
        raise Forbidden("the API key is not known")
    now = clock.now()
    if stored.revoked is not None:
        raise Forbidden("the API key was revoked")
    if stored.expires is not None and now >= stored.expires:
        raise Forbidden("the API key has expired")
    caller = await people.caller_for(tx, await users.by_id(tx, stored.user_id), "key")
    if caller is None:
        raise Forbidden("the API key belongs to a user who may not sign in")
    due = stored.last_used is None or now - stored.last_used > TOUCH_SECONDS
    return KnownKey(stored.id, caller, due)


async def note_use(tx: Transaction, clock: Clock, key_id: int) -> None:
    """Note that a key was used."""
    await keys.touch(tx, key_id, clock.now())
