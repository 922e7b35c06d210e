"""docs/events.md held against the events that a scan really writes: every kind, every field."""

from __future__ import annotations

import re
from pathlib import Path

from tests.little import START, LittleEngine

from secrecon.accounts.caller import Caller
from secrecon.model.asset import Asset, AssetType
from secrecon.model.interaction import CallbackProtocol, Interaction
from secrecon.service.answers import ScanRequest
from secrecon.service.callbacks import record_interaction
from secrecon.service.context import Context
from secrecon.service.running import ScanRunner
from secrecon.service.scans import submit_scan, watch

DOCUMENT = Path(__file__).parents[2] / "docs" / "events.md"
WISH = ScanRequest("https://shop.acme.test", via_api=True)
TOKEN = "a" * 33


def documented() -> dict[str, set[str]]:
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", DOCUMENT.read_text(), re.MULTILINE)
    return {kind: set(re.findall(r"`(\w+)`", fields)) for kind, fields in rows}


async def test_the_document_lists_what_is_written(ctx: Context, ada: Caller, engine: LittleEngine) -> None:
    engine.payloads = (TOKEN,)
    written: dict[str, set[str]] = {}
    runner = ScanRunner(ctx)
    for fails, facts in ((False, ()), (True, ()), (False, (Asset(AssetType.IP, "127.0.0.2", "dns"),))):
        engine.facts = facts
        accepted = await submit_scan(ctx, ada, WISH)
        for step in await runner.steps(accepted.scan_id):
            await runner.run_step(accepted.scan_id, step, 0)
            if step == "exposures" and not fails:
                await runner.run_step(accepted.scan_id, step, 1)
        if fails:
            await runner.failed(accepted.scan_id, "a test")
        else:
            await runner.finish(accepted.scan_id)
        if engine.payloads:
            await record_interaction(
                ctx, Interaction("1", TOKEN, CallbackProtocol.HTTP, "127.0.0.9", "GET /", START)
            )
        engine.payloads = ()
        async for event in watch(ctx, accepted.scan_id):
            assert written.setdefault(event.kind, set(event.data)) == set(event.data)
    assert written == documented()
