"""Whether this process can take scans, asked of the parts themselves. Says which part fails, never where it lives."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass

import structlog

from secrecon.model.errors import SecReconError
from secrecon.model.scan import ScanStatus
from secrecon.service.context import Context
from secrecon.store import tallies

PATIENCE = 3.0
log = structlog.get_logger("secrecon.service")


@dataclass(frozen=True, slots=True)
class Check:
    """One part. `detail` is for anybody to read; the log has the rest."""

    name: str
    ok: bool
    detail: str


async def check_ready(ctx: Context) -> tuple[Check, ...]:
    """Database, disk and, where one runs here, the callback listener."""
    checks = [await _database(ctx), _disk(ctx)]
    if ctx.listener is not None:
        running = ctx.listener.running
        checks.append(
            Check("listener", running, "listening" if running else "the callback listener is not running")
        )
    return tuple(checks)


async def count_scans(ctx: Context) -> dict[str, int]:
    """How many scans are in each status."""
    async with ctx.db.reading() as tx:
        found = await tallies.scans_by_status(tx)
    return {status.value: found.get(status, 0) for status in ScanStatus}


async def _database(ctx: Context) -> Check:
    try:
        async with asyncio.timeout(PATIENCE):
            await ctx.db.check()
    except TimeoutError:
        return Check("database", False, f"no answer within {PATIENCE:.0f} seconds")
    except SecReconError as error:
        log.error("the database is not ready", error=str(error))
        return Check("database", False, "not usable; the server's log says why")
    return Check("database", True, "answers")


def _disk(ctx: Context) -> Check:
    folder = ctx.policy.data_dir
    if folder is None:
        return Check("disk", True, "no local data folder")
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        log.error("the data folder cannot be read", error=str(error))
        return Check("disk", False, "the data folder cannot be read")
    if free < ctx.policy.min_free_bytes:
        return Check("disk", False, f"less than {ctx.policy.min_free_bytes // 1_000_000} MB free")
    return Check("disk", True, "enough free")
