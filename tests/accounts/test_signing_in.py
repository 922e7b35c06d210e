"""Users, sessions and keys: who is let in, until when, and what a stolen database would show."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from secrecon.accounts import keys, people, sessions
from secrecon.accounts.caller import Caller
from secrecon.model.errors import BadInput, Conflict, Forbidden
from secrecon.store import keys as stored_keys
from secrecon.store import sessions as stored_sessions
from secrecon.store import tables, users
from secrecon.store.database import Database
from secrecon.store.users import User

if TYPE_CHECKING:
    from tests.accounts.conftest import HandClock


def caller_of(user: User) -> Caller:
    return Caller(user.account_id, user.email, "business", "session", False, user.id)


async def test_an_email_is_one_user_in_any_case(db: Database, clock: HandClock, user: User) -> None:
    assert user.email == "ann@example.com"
    with pytest.raises(Conflict, match=r"ann@example\.com exists"):
        async with db.transaction() as tx:
            await people.add_user(tx, clock, " ANN@example.COM ", "hash", "business")
    async with db.reading() as tx:
        assert await users.by_email(tx, "ann@example.com") == user
        assert await users.every(tx) == (user,)
        operator = await people.operator_for(tx, "ann@EXAMPLE.com")
        assert await people.operator_for(tx, "bob@example.com") is None
    assert operator == Caller(user.account_id, "ann@example.com", "business", "operator", True, user.id)


@pytest.mark.parametrize(
    "text", ["", "ann", "@example.com", "ann@", "a b@c.d", "a@b\n", "a@b@c.d", "x" * 65 + "@c.d"]
)
def test_what_is_no_email(text: str) -> None:
    if text == "a@b\n":
        assert people.normal_email(text) == "a@b"
        return
    with pytest.raises(BadInput, match="not an email"):
        people.normal_email(text)


async def test_a_session_from_sign_in_to_sign_out(db: Database, clock: HandClock, user: User) -> None:
    async with db.transaction() as tx:
        new = await sessions.open_session(tx, clock, user)
        other = await sessions.open_session(tx, clock, user)
    assert len({new.token, new.csrf, other.token, other.csrf}) == 4
    async with db.reading() as tx:
        known = await sessions.find_session(tx, clock, new.token)
        assert await sessions.find_session(tx, clock, new.token[:-1]) is None
        assert await sessions.find_session(tx, clock, "\ud83d") is None
    assert known is not None
    assert known.caller == caller_of(user)
    assert sessions.csrf_matches(known, new.csrf)
    assert not sessions.csrf_matches(known, other.csrf)
    assert not sessions.csrf_matches(known, "")
    async with db.transaction() as tx:
        await sessions.close_session(tx, new.token)
        assert await sessions.find_session(tx, clock, new.token) is None
        assert await sessions.find_session(tx, clock, other.token) is not None


async def test_a_session_ends_when_idle_and_at_last_in_any_case(db: Database, clock: HandClock, user: User) -> None:
    async with db.transaction() as tx:
        new = await sessions.open_session(tx, clock, user)
        begun = clock.time
        clock.time += sessions.IDLE_SECONDS - 1
        known = await sessions.find_session(tx, clock, new.token)
        assert known is not None
        assert known.touch_due
        await sessions.note_use(tx, clock, new.token)
        clock.time += sessions.IDLE_SECONDS - 1
        assert await sessions.find_session(tx, clock, new.token) is not None
        clock.time += 2
        assert await sessions.find_session(tx, clock, new.token) is None
        clock.time = begun + sessions.ABSOLUTE_SECONDS - 1
        await sessions.note_use(tx, clock, new.token)
        assert await sessions.find_session(tx, clock, new.token) is not None
        clock.time += 1
        assert await sessions.find_session(tx, clock, new.token) is None
        assert await sessions.sweep(tx, clock) == 1


async def test_a_key_from_making_to_revoking(db: Database, clock: HandClock, user: User) -> None:
    caller = caller_of(user)
    async with db.transaction() as tx:
        new = await keys.create_key(tx, clock, caller, " CI ", expires=clock.time + 100)
        known = await keys.find_key(tx, clock, new.key)
        await keys.note_use(tx, clock, new.id)
        again = await keys.find_key(tx, clock, new.key)
        (listed,) = await stored_keys.list_of(tx, user.account_id)
        with pytest.raises(Forbidden, match="not known"):
            await keys.find_key(tx, clock, new.key + "x")
        clock.time += 100
        with pytest.raises(Forbidden, match="expired"):
            await keys.find_key(tx, clock, new.key)
        assert not await stored_keys.revoke(tx, user.account_id + 1, new.id, clock.time)
        assert await stored_keys.revoke(tx, user.account_id, new.id, clock.time)
        with pytest.raises(Forbidden, match="revoked"):
            await keys.find_key(tx, clock, new.key)
    assert new.key.startswith("sra_")
    assert len(new.key) == 47
    assert new.key.startswith(new.prefix)
    assert (known.caller.via, known.caller.account_id, known.touch_due) == ("key", user.account_id, True)
    assert not again.touch_due
    assert (listed.name, listed.prefix, listed.last_used) == ("CI", new.prefix, clock.time - 100)


async def test_the_operator_makes_a_key_for_the_accounts_user(db: Database, clock: HandClock, user: User) -> None:
    operator = Caller(user.account_id, user.email, "business", "operator", True)
    async with db.transaction() as tx:
        new = await keys.create_key(tx, clock, operator, "shell")
        assert (await keys.find_key(tx, clock, new.key)).caller.user_id == user.id


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "a\nb", "\x00"])
async def test_a_key_needs_a_name(db: Database, clock: HandClock, user: User, name: str) -> None:
    async with db.transaction() as tx:
        with pytest.raises(BadInput, match="needs a name"):
            await keys.create_key(tx, clock, caller_of(user), name)


async def test_a_shut_out_user_has_neither_session_nor_key(db: Database, clock: HandClock, user: User) -> None:
    async with db.transaction() as tx:
        session = await sessions.open_session(tx, clock, user)
        key = await keys.create_key(tx, clock, caller_of(user), "CI")
        await users.disable(tx, user.id, clock.time)
        assert await sessions.find_session(tx, clock, session.token) is None
        with pytest.raises(Forbidden, match="may not sign in"):
            await keys.find_key(tx, clock, key.key)
        await users.disable(tx, user.id, None)
        assert await sessions.find_session(tx, clock, session.token) is not None
        await stored_sessions.remove_all(tx, user.id)
        assert await sessions.find_session(tx, clock, session.token) is None


async def test_a_stolen_database_opens_nothing(db: Database, clock: HandClock, user: User) -> None:
    async with db.transaction() as tx:
        session = await sessions.open_session(tx, clock, user)
        key = await keys.create_key(tx, clock, caller_of(user), "CI")
    text = ""
    async with db.reading() as tx:
        for table in tables.METADATA.sorted_tables:
            text += repr((await tx.connection.execute(sa.select(table))).all())
    assert user.email in text
    assert session.token not in text
    assert key.key not in text
    assert key.key.removeprefix("sra_") not in text
