"""A callback server's sessions over restarts and failures of the database."""

from __future__ import annotations

import asyncio
import random

import pytest
from tests.oast.talk import CORRELATION, PUBLIC, SECRET, TOKEN

from secrecon.model.errors import OperatorError
from secrecon.model.oast import Heard
from secrecon.net.clock import SystemClock
from secrecon.oast.sessions import Refused, SessionLimits, Sessions
from secrecon.service import callback_sessions as module
from secrecon.service.callback_sessions import SessionKeeper
from secrecon.store.database import Database


def heard(number: int) -> Heard:
    return Heard(f"{number:032x}", TOKEN, TOKEN, "dns", "192.0.2.1", float(number), b"q")


async def keeper_of(db: Database, home: str = "home") -> tuple[Sessions, SessionKeeper]:
    sessions = Sessions(SessionLimits(), random.Random(1), keeping=True)
    keeper = SessionKeeper(sessions, home, SystemClock())
    await keeper.load(db)
    keeper.start(db)
    return sessions, keeper


async def test_a_restart_costs_neither_a_session_nor_what_waits(db: Database) -> None:
    sessions, keeper = await keeper_of(db)
    sessions.register(PUBLIC, SECRET, CORRELATION, 1.0)
    for number in range(3):
        sessions.hear(heard(number), 1.0)
    await keeper.write()
    key = sessions.poll(CORRELATION, SECRET, 2.0, "1").key
    sessions.hear(heard(3), 2.0)
    await keeper.stop()
    again, second = await keeper_of(db)
    batch = again.poll(CORRELATION, SECRET, 3.0)
    assert (batch.key, [item.id for item in batch.items]) == (key, [heard(n).id for n in range(4)])
    await second.stop()
    last, third = await keeper_of(db)
    assert last.poll(CORRELATION, SECRET, 4.0).items == ()
    last.deregister(CORRELATION, SECRET)
    await third.stop()
    nobody, fourth = await keeper_of(db)
    assert len(nobody) == 0
    await fourth.stop()


async def test_an_id_that_is_registered_anew_does_not_inherit(db: Database) -> None:
    sessions, keeper = await keeper_of(db)
    sessions.register(PUBLIC, SECRET, CORRELATION, 1.0)
    sessions.hear(heard(1), 1.0)
    sessions.deregister(CORRELATION, SECRET)
    sessions.register(PUBLIC, "another", CORRELATION, 1.0)
    await keeper.stop()
    again, second = await keeper_of(db)
    with pytest.raises(Refused, match="invalid secret"):
        again.poll(CORRELATION, SECRET, 2.0)
    assert again.poll(CORRELATION, "another", 2.0).items == ()
    await second.stop()


async def test_while_the_database_fails_changes_wait(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    sessions, keeper = await keeper_of(db)
    sessions.register(PUBLIC, SECRET, CORRELATION, 1.0)

    def fails() -> None:
        raise OperatorError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(db, "transaction", fails)
        with pytest.raises(OperatorError):
            await keeper.write()
        sessions.hear(heard(1), 1.0)
    await keeper.stop()
    again, second = await keeper_of(db)
    assert len(again.poll(CORRELATION, SECRET, 2.0).items) == 1
    await second.stop()


async def test_what_is_settled_survives_a_crash(db: Database) -> None:
    sessions, keeper = await keeper_of(db)
    for number in range(5):
        sessions.register(PUBLIC, SECRET, f"{number:020d}", 1.0)
    await asyncio.gather(*(keeper.settled() for _ in range(5)))
    sessions.register(PUBLIC, SECRET, CORRELATION, 1.0)
    await keeper.settled()
    again, second = await keeper_of(db)  # the first one is never stopped before this
    assert len(again) == 6
    await second.stop()
    await keeper.stop()


async def test_a_database_that_fails_does_not_hold_an_answer_for_ever(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SETTLE_MOST", 0.1)
    sessions, keeper = await keeper_of(db)

    def fails() -> None:
        raise OperatorError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(db, "transaction", fails)
        sessions.register(PUBLIC, SECRET, CORRELATION, 1.0)
        async with asyncio.timeout(5):
            await keeper.settled()
    await keeper.stop()
