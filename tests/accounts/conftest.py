"""A clock that stands still until it is moved, cheap password hashes, and one user."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from argon2 import PasswordHasher

from secrecon.accounts.passwords import Passwords
from secrecon.accounts.people import add_user
from secrecon.store.database import Database
from secrecon.store.users import User

START = 1_795_000_000.0  # 2026-11-18


@dataclass(slots=True)
class HandClock:
    """Shows `time` until someone moves it."""

    time: float = START

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def passwords() -> Passwords:
    return Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture
async def user(db: Database, clock: HandClock) -> User:
    async with db.transaction() as tx:
        return await add_user(tx, clock, "Ann@Example.com", "hash", "business")
