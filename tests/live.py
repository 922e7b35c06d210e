"""A live server for tests: the API on a real port, the durable queue, a worker, one SQLite file, one enterprise account.

Everything runs in one thread with its own event loop, as `secrecon serve` runs in one process. The engine can be given;
by default it is the little one, so that nothing outside is contacted.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
from tests.little import PASSWORD, LittleEngine, make_key, make_policy, make_user, quick_passwords

from secrecon.api.app import ApiOptions, create_app
from secrecon.api.metrics import MetricsAccess, MetricsPolicy
from secrecon.jobs.home import Home
from secrecon.jobs.queue import ScanQueue
from secrecon.jobs.runner import RunnerConfig
from secrecon.net.clock import SystemClock
from secrecon.net.hooks import HookSender
from secrecon.net.resolver import Resolver
from secrecon.service.context import Context, ScanEngine
from secrecon.service.people import authorize_target, operator_for, session_cookie, sign_in
from secrecon.store.database import Database, sqlite_url
from secrecon.worker.run import Worker

EMAIL = "ada@acme.test"
TARGET = "https://shop.acme.test"
START_SECONDS = 60.0


@dataclass
class LiveServer:
    """Where the server is, and a key of an account with the target authorized."""

    base: str
    key: str
    cookie: str
    password: str = PASSWORD
    email: str = EMAIL
    target: str = TARGET


@dataclass
class _Running:
    """What the thread and the test tell each other."""

    folder: Path
    sock: socket.socket
    engine: ScanEngine
    ready: threading.Event = field(default_factory=threading.Event)
    key: str = ""
    cookie: str = ""
    failure: BaseException | None = None
    server: uvicorn.Server | None = None

    def run(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as error:  # noqa: BLE001 - the test that waits raises it
            self.failure = error
        finally:
            self.ready.set()

    async def _main(self) -> None:
        db = Database(sqlite_url(self.folder / "secrecon.db"))
        await db.migrate()
        queue = ScanQueue(db)
        await queue.open()
        ctx = Context(
            db=db,
            queue=queue,
            clock=SystemClock(),
            policy=make_policy(data_dir=self.folder, min_free_bytes=0),
            engine=self.engine,
            hooks=HookSender(("127.0.0.0/8",), Resolver((("127.0.0.1", 9),), timeout=0.2)),
            passwords=quick_passwords(),
        )
        ada = await make_user(ctx, EMAIL, "enterprise")
        self.key = await make_key(ctx, ada)
        signed = await sign_in(ctx, EMAIL, PASSWORD, "127.0.0.1")
        self.cookie = f"{session_cookie(ctx)}={signed.token}"
        await authorize_target(ctx, await operator_for(ctx, EMAIL), EMAIL, TARGET)
        with Home(self.folder) as home:
            config = RunnerConfig(home.executor_id, scans_at_once=4, per_account=4)
            worker = Worker(ctx, queue, config)
            await worker.start()
            try:
                await self._serve(ctx)
            finally:
                await worker.stop()
                await queue.close()
                await db.close()

    async def _serve(self, ctx: Context) -> None:
        app = create_app(ctx, ApiOptions(metrics=MetricsPolicy(MetricsAccess.OPEN)))
        config = uvicorn.Config(app, log_level="warning", lifespan="off", ws="websockets-sansio")
        self.server = uvicorn.Server(config)
        serving = asyncio.create_task(self.server.serve(sockets=[self.sock]))
        while not self.server.started and not serving.done():
            await asyncio.sleep(0.02)
        self.ready.set()
        await serving


@contextlib.contextmanager
def live_server(folder: Path, engine: ScanEngine | None = None) -> Iterator[LiveServer]:
    """A server that runs until the block ends."""
    with socket.socket(
        proto=socket.IPPROTO_TCP
    ) as sock:  # asyncio sets TCP_NODELAY only where the protocol is named
        sock.bind(("127.0.0.1", 0))
        sock.listen(64)
        running = _Running(folder, sock, engine or LittleEngine())
        thread = threading.Thread(target=running.run, name="live-server")
        thread.start()
        try:
            assert running.ready.wait(START_SECONDS), "the live server did not start"
            if running.failure is not None:
                raise running.failure
            yield LiveServer(f"http://127.0.0.1:{sock.getsockname()[1]}", running.key, running.cookie)
        finally:
            if running.server is not None:
                running.server.should_exit = True
            thread.join(30)
            assert not thread.is_alive(), "the live server did not stop"
    if running.failure is not None:
        raise running.failure
