"""The queue to the scans: a flood of one token leaves room for others, and an outage of the book is waited out."""

import asyncio
from collections.abc import Sequence

from tests.oast.conftest import Book
from tests.oast.talk import TOKEN

from secrecon.model.errors import OperatorError
from secrecon.model.interaction import Interaction
from secrecon.model.oast import Heard
from secrecon.net.clock import SystemClock
from secrecon.oast import hits as module
from secrecon.oast.hits import MAX_RAW, PER_TOKEN, HitQueue
from secrecon.oast.tokens import TOKEN_LENGTH


def heard(number: int, token: str = TOKEN, request: bytes = b"GET / HTTP/1.1\r\n\r\n") -> Heard:
    return Heard(f"{number:032x}", token, token, "http", "192.0.2.1", 1.0, request)


async def test_a_flood_of_one_token_leaves_room_for_the_others(book: Book) -> None:
    queue = HitQueue(book, SystemClock(), 1_000)
    for number in range(5_000):
        queue.put(heard(number))
    others = [f"{number:0{TOKEN_LENGTH}d}" for number in range(700)]
    for number, token in enumerate(others):
        queue.put(heard(10_000 + number, token))
    queue.start()
    await queue.stop()
    tokens = [hit.token for hit in book.hits]
    assert tokens.count(TOKEN) == PER_TOKEN
    assert set(others) <= set(tokens)
    assert (queue.taken, queue.dropped) == (PER_TOKEN + 700, 5_000 - PER_TOKEN)


async def test_what_waits_is_bounded_in_bytes(book: Book) -> None:
    queue = HitQueue(book, SystemClock(), 10)
    for number in range(20):
        queue.put(heard(number, f"{number:033d}", b"x" * 80_000))
    assert queue.dropped == 10
    queue.start()
    await queue.stop()
    assert {len(hit.raw) for hit in book.hits} == {MAX_RAW}


async def test_while_the_book_cannot_be_reached_hits_wait() -> None:
    class Clock(SystemClock):
        async def sleep(self, seconds: float) -> None:
            await asyncio.sleep(0)

    tries = 0
    kept: list[Interaction] = []

    async def away(hits: Sequence[Interaction]) -> None:
        nonlocal tries
        tries += 1
        if tries < 20:
            raise OperatorError("the database is away")
        kept.extend(hits)

    queue = HitQueue(away, Clock(), 100)
    queue.put(heard(1))
    queue.start()
    await queue.stop()
    assert (len(kept), queue.failed, queue.dropped) == (1, 0, 0)


async def test_one_that_cannot_be_stored_does_not_take_the_others_with_it(book: Book) -> None:
    async def picky(hits: Sequence[Interaction]) -> None:
        if any(hit.remote_address == "poison" for hit in hits):
            raise RuntimeError("cannot be stored")
        await book(hits)

    module_wait = module.RETRY_AFTER
    module.RETRY_AFTER = 0.01
    try:
        queue = HitQueue(picky, SystemClock(), 100)
        for number in range(5):
            queue.put(heard(number, f"{number:033d}"))
        queue.put(heard(9)._replace(remote_address="poison"))
        queue.start()
        await queue.stop()
    finally:
        module.RETRY_AFTER = module_wait
    assert (len(book.hits), queue.failed) == (5, 1)
