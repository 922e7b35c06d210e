"""Asking the language model for its part of a report, while watchers are told how far it is.

One call for each scan, in the synthesis phase, with no tool at hand; what it wrote is kept as it came, once, and judged
whenever a report is made (`report.prose`). Whatever goes wrong is kept as the reason why rules wrote the report. A scan
never fails for its narrative.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import replace

import structlog

from secrecon import report
from secrecon.engine.ports import ScanLog
from secrecon.model.draft import Draft
from secrecon.model.errors import LanguageFailed
from secrecon.model.language import Language, Turn
from secrecon.model.record import Progress, ScanRecord
from secrecon.model.scan import PhaseName, ScanStatus
from secrecon.net.clock import Clock
from secrecon.service.context import Context
from secrecon.store import drafts, records, scans

BEGUN = 95
TELL_EVERY = 0.5
STOP_POLL = 1.0
CANCELLED = "the scan was cancelled while it wrote"
log = structlog.get_logger("secrecon.service")

Told = Callable[[Progress], Awaitable[None]]


async def write_narrative(ctx: Context, scan_id: str, stored: ScanLog) -> None:
    """Let the model write about a scan, and keep it. Nothing happens without a model, or where that was done before."""
    if ctx.language is None:
        return
    async with ctx.db.reading() as tx:
        scan = await scans.by_scan_id(tx, scan_id)
        if scan is None or scan.status.is_final or await drafts.of_scan(tx, scan_id) is not None:
            return
        record = await records.load_record(tx, scan.db_scan_id, ctx.clock.now())
    writing = asyncio.create_task(draft_of(ctx.language, record, ctx.clock, ctx.draws.mark(), stored.progress))
    stopping = asyncio.create_task(_until_stopped(stored, ctx.clock))
    try:
        await asyncio.wait({writing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if stopping.done() and not writing.done():
            stopping.result()
            draft: Draft | None = Draft(ctx.language.name, (), CANCELLED, version=record.version)
        else:
            draft = await writing
    finally:
        for task in (writing, stopping):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
    if draft is not None:
        async with ctx.db.transaction() as tx:
            await drafts.put(tx, scan_id, draft, ctx.clock.now())
        log.info(
            "the language model was asked",
            scan_id=scan_id,
            model=draft.model,
            sentences=len(draft.sentences),
            failure=draft.failure,
            tokens_in=draft.tokens_in,
            tokens_out=draft.tokens_out,
            seconds=draft.seconds,
        )


async def draft_of(language: Language, record: ScanRecord, clock: Clock, mark: str, told: Told) -> Draft | None:
    """What the model writes about a scan that is at its end; None where there is nothing for it to write about.

    `mark`: drawn for this call alone. `told`: of each progress.
    """
    ended = replace(record, status=ScanStatus.COMPLETE, finished=record.finished or clock.now())
    briefing = await asyncio.to_thread(report.briefing_of, ended, mark, language.limits.letters_in)
    if briefing is None:
        return None
    begun = clock.monotonic()
    last, lines = begun - TELL_EVERY, 0

    async def on_text(piece: str) -> None:
        nonlocal last, lines
        lines += piece.count("\n")
        if clock.monotonic() - last >= TELL_EVERY:
            last = clock.monotonic()
            await told(_progress(lines))

    await told(_progress(0))
    try:
        reply = await language.ask(briefing.system, [Turn("user", briefing.question)], on_text)
    except LanguageFailed as error:
        return Draft(language.name, (), str(error), version=record.version, seconds=_since(begun, clock))
    read = report.read_answer(reply.text, briefing.labels)
    return Draft(
        model=language.name,
        sentences=read.sentences,
        refused=read.refused,
        version=record.version,
        tokens_in=reply.tokens_in,
        tokens_out=reply.tokens_out,
        seconds=_since(begun, clock),
    )


def _progress(lines: int) -> Progress:
    so_far = f" ({lines} lines so far)" if lines else ""
    return Progress(PhaseName.SYNTHESIS, min(BEGUN + lines // 4, 99), f"The language model writes{so_far}")


def _since(begun: float, clock: Clock) -> float:
    return round(clock.monotonic() - begun, 3)


async def _until_stopped(stored: ScanLog, clock: Clock) -> None:
    while not await stored.stop_requested():
        await clock.sleep(STOP_POLL)
