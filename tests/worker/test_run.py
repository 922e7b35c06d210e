"""A worker with the real queue: takes scans, ends them, stops gracefully, goes on after a stop; and its listener's ear."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from tests.little import LittleEngine, make_context, make_user

from secrecon.jobs.queue import ScanQueue
from secrecon.jobs.runner import RunnerConfig
from secrecon.model.errors import OperatorError
from secrecon.model.scan import ScanStatus
from secrecon.net.clock import SystemClock
from secrecon.oast.hits import OnHits
from secrecon.oast.listener import Listener, ListenerConfig
from secrecon.oast.tokens import new_token
from secrecon.service.answers import AcceptedScan, ScanRequest
from secrecon.service.context import Context
from secrecon.service.inventory import list_findings, oast_status
from secrecon.service.people import read_credits
from secrecon.service.scans import cancel_scan, read_status, submit_scan
from secrecon.worker.ear import Ear
from secrecon.worker.run import Worker

WISH = ScanRequest("https://shop.acme.test", via_api=True)
CONFIG = RunnerConfig("worker-1", scans_at_once=2, poll=0.1)
PATIENCE = 30.0


@pytest.fixture
def engine() -> LittleEngine:
    return LittleEngine()


@pytest.fixture
async def queue(tmp_path: Path) -> AsyncIterator[ScanQueue]:
    ctx = await make_context(tmp_path)
    queue = ScanQueue(ctx.db)
    await queue.open()
    yield queue
    await queue.close()
    await ctx.db.close()


@pytest.fixture
async def ctx(tmp_path: Path, queue: ScanQueue, engine: LittleEngine) -> AsyncIterator[Context]:
    ctx = await make_context(tmp_path, queue=queue, engine=engine, clock=SystemClock())
    yield ctx
    await ctx.db.close()


async def ended(ctx: Context, scan: AcceptedScan) -> ScanStatus:
    async with asyncio.timeout(PATIENCE):
        while not (view := await read_status(ctx, scan.scan_id)).status.is_final:
            await asyncio.sleep(0.05)
    return view.status


async def test_scans_are_taken_and_ended(ctx: Context, queue: ScanQueue, engine: LittleEngine) -> None:
    ada = await make_user(ctx)
    first = await submit_scan(ctx, ada, WISH)
    worker = Worker(ctx, queue, CONFIG)
    await worker.start()
    try:
        second = await submit_scan(ctx, ada, WISH)
        assert [await ended(ctx, scan) for scan in (first, second)] == [ScanStatus.COMPLETE] * 2
        engine.broken = "resolve"
        third = await submit_scan(ctx, ada, WISH)
        assert await ended(ctx, third) is ScanStatus.ERROR
        assert (await read_credits(ctx, ada)).used == 2
    finally:
        await worker.stop()


async def test_a_stopped_worker_leaves_its_scan_to_the_next(
    ctx: Context, queue: ScanQueue, engine: LittleEngine
) -> None:
    ada = await make_user(ctx)
    engine.gate = asyncio.Event()
    scan = await submit_scan(ctx, ada, WISH)
    worker = Worker(ctx, queue, CONFIG)
    await worker.start()
    async with asyncio.timeout(PATIENCE):
        while ("exposures", 0) not in {(step, round_) for _, step, round_ in engine.ran}:
            await asyncio.sleep(0.05)
    await worker.stop(timeout=0.2)
    assert (await read_status(ctx, scan.scan_id)).status is ScanStatus.RUNNING
    engine.gate.set()
    again = Worker(ctx, queue, CONFIG)
    await again.start()
    try:
        assert await ended(ctx, scan) is ScanStatus.COMPLETE
    finally:
        await again.stop()
    assert [step for _, step, _ in engine.ran].count("resolve") == 1
    assert (await read_status(ctx, scan.scan_id)).findings_total == 1


async def test_a_running_scan_can_be_cancelled(ctx: Context, queue: ScanQueue, engine: LittleEngine) -> None:
    ada = await make_user(ctx)
    engine.gate = asyncio.Event()
    accepted = [await submit_scan(ctx, ada, WISH) for _ in range(2)]
    worker = Worker(ctx, queue, CONFIG)
    await worker.start()
    try:
        async with asyncio.timeout(PATIENCE):
            while not any(step == "exposures" for _, step, _ in engine.ran):
                await asyncio.sleep(0.05)
        # One scan per account at a time, so the other one waits; accepted in one millisecond, either may be first.
        running, waiting = sorted(accepted, key=lambda scan: scan.scan_id != engine.ran[0][0])
        assert (await cancel_scan(ctx, ada, waiting.scan_id)).cancelled
        assert (await cancel_scan(ctx, ada, running.scan_id)).stopping
        engine.gate.set()
        assert await ended(ctx, running) is ScanStatus.COMPLETE
        view = await read_status(ctx, running.scan_id)
        assert (view.cancelled, [phase.value for phase in view.not_run]) == (True, ["verify", "synthesis"])
    finally:
        await worker.stop()


def ear_on(port: int = 0) -> Ear:
    def make(on_hits: OnHits) -> Listener:
        return Listener(ListenerConfig("127.0.0.1", port, 0, "cb.test"), on_hits, SystemClock(), random.Random(1))

    return Ear(make)


async def test_what_the_listener_hears_reaches_the_account(
    ctx: Context, queue: ScanQueue, engine: LittleEngine
) -> None:
    ada = await make_user(ctx)
    token = new_token(random.Random(2))
    engine.payloads = (token,)
    ear = ear_on()
    assert not ear.running
    await ear.start()
    heard = replace(ctx, listener=ear)
    worker = Worker(heard, queue, CONFIG, ear)
    await worker.start()
    try:
        scan = await submit_scan(heard, ada, WISH)
        assert await ended(heard, scan) is ScanStatus.COMPLETE
        async with httpx.AsyncClient() as client:
            early = asyncio.create_task(client.get(f"http://127.0.0.1:{ear.http_port}/{token}"))
            await early  # heard before the context was attached: it waits
            assert (await oast_status(heard, ada)).total == 0
            ear.attach(heard, "http://*.cb.test/")
            async with asyncio.timeout(PATIENCE):
                while (await oast_status(heard, ada)).total == 0:
                    await asyncio.sleep(0.05)
        found = await oast_status(heard, ada)
        assert (found.active, found.oast_url, found.http) == (True, "http://*.cb.test/", 1)
        assert "ssrf.callback" in {finding.check for finding in (await list_findings(heard, ada)).items}
    finally:
        await worker.stop()
    assert not ear.running


async def test_a_port_that_is_taken_is_the_operators_to_mend() -> None:
    first = ear_on()
    await first.start()
    try:
        with pytest.raises(OperatorError):
            await ear_on(first.http_port).start()
    finally:
        await first.stop()
