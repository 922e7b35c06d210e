"""Callback sessions at rest: each listener's apart, bytes as they came, hostile text held."""

from __future__ import annotations

from secrecon.model.oast import Heard, KeptSession
from secrecon.store import callback_sessions as stored
from secrecon.store.database import Database

ONE, TWO = (KeptSession(letter * 20, b"\x00digest\xff", "wrapped", b"\x01locked\x00", 1.0, 2.0) for letter in "ab")
HIT = Heard("0" * 32, "a" * 33, "x.\x00\ud800", "smtp", "192.0.2.1", 5.0, b"\x00\xff", b"", "", "\x00@x")


async def test_what_is_kept_comes_back_as_it_was(db: Database) -> None:
    async with db.transaction() as tx:
        await stored.add(tx, "home", [ONE, TWO])
        await stored.add(tx, "home", [ONE])
        await stored.add(tx, "other", [ONE])
        await stored.add_heard(tx, "home", [(ONE.correlation, HIT), (ONE.correlation, HIT)])
    async with db.reading() as tx:
        assert await stored.all_sessions(tx, "home") == [ONE, TWO]
        (back,) = await stored.all_heard(tx, "home")
        assert await stored.all_heard(tx, "other") == []
    assert (back.request, back.token, back.at) == (HIT.request, HIT.token, HIT.at)


async def test_removal_takes_what_waited_and_only_that_home(db: Database) -> None:
    async with db.transaction() as tx:
        for home in ("home", "other"):
            await stored.add(tx, home, [ONE, TWO])
        await stored.add_heard(tx, "home", [(ONE.correlation, HIT)])
        await stored.touch(tx, "home", [(TWO.correlation, 9.0)])
        await stored.remove(tx, "home", [ONE.correlation])
    async with db.reading() as tx:
        assert await stored.all_sessions(tx, "home") == [TWO._replace(seen=9.0)]
        assert await stored.all_heard(tx, "home") == []
        assert await stored.all_sessions(tx, "other") == [ONE, TWO]


async def test_many_are_removed_at_once(db: Database) -> None:
    many = [HIT._replace(id=f"{number:032x}") for number in range(1_200)]
    async with db.transaction() as tx:
        await stored.add_heard(tx, "home", [(ONE.correlation, item) for item in many])
        await stored.remove_heard(tx, [item.id for item in many[:1_150]])
    async with db.reading() as tx:
        assert len(await stored.all_heard(tx, "home")) == 50
