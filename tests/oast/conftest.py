"""A running listener on ports the kernel chose, with every protocol, and a certificate of its own."""

import asyncio
import random
import ssl
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from tests.oast import talk

from secrecon.model.interaction import Interaction
from secrecon.net.clock import SystemClock
from secrecon.oast.listener import Listener, ListenerConfig
from secrecon.oast.sessions import SessionLimits, Sessions

TOKEN = talk.TOKEN


class Book:
    """Keeps what the listener hands on."""

    def __init__(self) -> None:
        self.hits: list[Interaction] = []

    async def __call__(self, hits: Sequence[Interaction]) -> None:
        self.hits += hits

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


@pytest.fixture
def trusting(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate[0]))


@pytest.fixture
async def server(certificate: tuple[Path, Path]) -> AsyncIterator[Listener]:
    """A callback server for clients of the protocol: every port, no token, no scans of its own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    config = ListenerConfig(
        "127.0.0.1",
        0,
        0,
        domain="cb.test",
        https_port=0,
        smtp_port=0,
        ldap_port=0,
        patience=2.0,
        registrations_per_second=1_000,
        per_second_and_client=5_000,
    )
    sessions = Sessions(SessionLimits(), random.Random(3))
    running = Listener(config, None, SystemClock(), sessions=sessions, tls=context)
    await running.start()
    try:
        yield running
    finally:
        await running.stop()
