"""A running listener on ports the kernel chose, and raw clients to talk to it."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from secrecon.model.interaction import Interaction
from secrecon.net.clock import SystemClock
from secrecon.oast.listener import Listener, ListenerConfig

TOKEN = "abcdefghij0123456789" + "nonce67890123"


class Book:
    """Keeps what the listener hands on."""

    def __init__(self) -> None:
        self.hits: list[Interaction] = []

    async def __call__(self, hit: Interaction) -> None:
        self.hits.append(hit)

    async def until(self, count: int) -> list[Interaction]:
        for _ in range(500):
            if len(self.hits) >= count:
                return self.hits
            await asyncio.sleep(0.01)
        raise AssertionError(f"{len(self.hits)} hits instead of {count}")


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture
async def listener(book: Book) -> AsyncIterator[Listener]:
    config = ListenerConfig("127.0.0.1", 0, 0, domain="cb.test", patience=2.0)
    running = Listener(config, book, SystemClock())
    await running.start()
    try:
        yield running
    finally:
        await running.stop()
