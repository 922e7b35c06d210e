"""What a scan's workflow calls: the use cases above this floor, as the runner sees them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class ScanWork(Protocol):
    """Runs on the event loop that started the runner. Every method may be called again after a crash."""

    async def steps(self, scan_id: str) -> Sequence[str]:
        """Mark the scan as running; its steps in order; no step for a scan that has ended already."""
        ...

    async def run_step(self, scan_id: str, step: str, round_: int) -> bool:
        """Run one round of a step and commit it; whether another round follows."""
        ...

    async def finish(self, scan_id: str) -> None:
        """Every step is done: end the scan."""
        ...

    async def failed(self, scan_id: str, error: str) -> None:
        """The scan cannot go on through our own fault: end it in error and give its credit back."""
        ...

    async def unfinished(self) -> Sequence[str]:
        """The scans that have been accepted and have not ended."""
        ...
