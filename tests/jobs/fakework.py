"""A scan work that keeps its books in a table of its own, so that two processes can be compared afterwards.

Run as a program it is a worker: `python fakework.py DATABASE_URL DATA_DIR UNFINISHED...`. Each scan has two steps of
three rounds; a line per round begun and per round ended goes to the table, and each round takes `PACE` seconds.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa

from secrecon.jobs.home import Home
from secrecon.jobs.queue import ScanQueue
from secrecon.jobs.runner import Runner, RunnerConfig
from secrecon.net.clock import SystemClock
from secrecon.store.database import Database

STEPS = ("resolve", "probe")
ROUNDS = 3
PACE = 0.3
BOOK = sa.Table(
    "book",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("scan_id", sa.String(32)),
    sa.Column("line", sa.String(200)),
)


class BookWork:
    """`ScanWork` that writes into BOOK. `trouble`: raised in the round named `trouble_at`."""

    def __init__(self, db: Database, pace: float = 0.0, waiting: tuple[str, ...] = ()) -> None:
        self.db = db
        self.pace = pace
        self.waiting = waiting
        self.trouble: list[Exception] = []
        self.trouble_at = ""
        self.loops: set[asyncio.AbstractEventLoop] = set()
        self.at_once: Counter[str] = Counter()
        self.most_at_once = 0

    async def note(self, scan_id: str, line: str) -> None:
        self.loops.add(asyncio.get_running_loop())
        async with self.db.transaction() as tx:
            await tx.connection.execute(sa.insert(BOOK).values(scan_id=scan_id, line=line))

    async def steps(self, scan_id: str) -> Sequence[str]:
        await self.note(scan_id, "steps")
        return STEPS

    async def run_step(self, scan_id: str, step: str, round_: int) -> bool:
        name = f"{step} {round_}"
        await self.note(scan_id, f"begin {name}")
        self.at_once[scan_id] += 1
        self.most_at_once = max(self.most_at_once, sum(self.at_once.values()))
        try:
            if name == self.trouble_at and self.trouble:
                raise self.trouble.pop(0)
            await asyncio.sleep(self.pace)
        finally:
            self.at_once[scan_id] -= 1
        await self.note(scan_id, f"end {name}")
        return round_ + 1 < ROUNDS

    async def finish(self, scan_id: str) -> None:
        await self.note(scan_id, "finish")

    async def failed(self, scan_id: str, error: str) -> None:
        await self.note(scan_id, f"failed: {error}")

    async def unfinished(self) -> Sequence[str]:
        return self.waiting


async def make_book(db: Database) -> None:
    async with db.transaction() as tx:
        await tx.connection.run_sync(BOOK.create)


async def lines(db: Database, scan_id: str | None = None) -> list[str]:
    query = sa.select(BOOK.c.line).order_by(BOOK.c.id)
    if scan_id is not None:
        query = query.where(BOOK.c.scan_id == scan_id)
    async with db.reading() as tx:
        return list((await tx.connection.execute(query)).scalars())


async def wait_for(db: Database, scan_id: str, line: str, seconds: float = 20.0) -> list[str]:
    """The book's lines once `line` is among them."""
    for _ in range(int(seconds / 0.05)):
        found = await lines(db, scan_id)
        if any(text.startswith(line) for text in found):
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"{line!r} never came: {await lines(db, scan_id)}")


async def main(url: str, folder: str, waiting: tuple[str, ...]) -> None:
    """Work until SIGTERM. `waiting`: the scans that count as unfinished."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    db = Database(url)
    with Home(Path(folder)) as home:
        queue = ScanQueue(db)
        await queue.open()
        config = RunnerConfig(home.executor_id, poll=0.1, sweep=0.3)
        runner = Runner(db, queue, BookWork(db, PACE, waiting), SystemClock(), config)
        await runner.start()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await stop.wait()
        await runner.stop()
        await queue.close()
    await db.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], tuple(sys.argv[3:])))
