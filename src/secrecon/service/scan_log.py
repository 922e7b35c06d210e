"""Where the engine keeps a running scan: its log port over the database. One transaction per promise.

Payloads are committed before their requests leave, a chunk is committed whole and once, and whoever watches in this
process is woken. A scan that ended elsewhere takes no more chunks and tells the engine to stop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from secrecon.engine.ports import ScanSoFar
from secrecon.model.codec import load
from secrecon.model.errors import NotFound
from secrecon.model.interaction import Interaction, Payload
from secrecon.model.login import Login
from secrecon.model.record import Chunk, Progress
from secrecon.service.context import Context
from secrecon.store import chunks, interactions, logins, payloads, scans

LOGIN = "log-in of a scan"
"""What a scan's log-in is sealed for."""


class StoredScanLog:
    """`ScanLog` for one scan."""

    def __init__(self, ctx: Context, scan_id: str) -> None:
        self._ctx = ctx
        self._scan_id = scan_id

    async def so_far(self) -> ScanSoFar:
        async with self._ctx.db.reading() as tx:
            kept = await chunks.kept(tx, self._scan_id)
            sealed = await logins.find(tx, self._scan_id)
        if kept is None:
            raise NotFound(f"scan {self._scan_id} is not stored")
        return ScanSoFar(
            facts=kept.facts,
            findings=kept.findings,
            attempts=kept.attempts,
            payloads=kept.payloads,
            interactions=kept.interactions,
            self_test=kept.self_test,
            done=kept.done,
            requests=kept.scan.requests,
            received=kept.scan.received,
            started=kept.scan.created if kept.scan.started is None else kept.scan.started,
            login=None if sealed is None else load(Login, self._ctx.vault.open(sealed, LOGIN)),
        )

    async def progress(self, progress: Progress) -> None:
        async with self._ctx.db.transaction() as tx:
            await scans.progress(tx, self._scan_id, progress, self._ctx.clock.now())
        self._ctx.bell.ring(self._scan_id)

    async def keep_payloads(self, payloads_: Sequence[Payload]) -> None:
        ours = [replace(payload, scan_id=self._scan_id) for payload in payloads_]
        async with self._ctx.db.transaction() as tx:
            await payloads.add(tx, ours)

    async def interactions(self) -> tuple[Interaction, ...]:
        async with self._ctx.db.reading() as tx:
            return await interactions.of_scan(tx, self._scan_id)

    async def commit(self, chunk: Chunk) -> None:
        async with self._ctx.db.transaction() as tx:
            await chunks.commit_chunk(tx, self._scan_id, chunk, self._ctx.clock.now())
        self._ctx.bell.ring(self._scan_id)

    async def stop_requested(self) -> bool:
        async with self._ctx.db.reading() as tx:
            scan = await scans.by_scan_id(tx, self._scan_id)
        return scan is None or scan.status.is_final or scan.cancel_requested is not None
