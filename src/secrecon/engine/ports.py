"""What the engine needs from the floors that use it: somewhere to keep what it learns, and a callback listener."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from secrecon.model.asset import Fact
from secrecon.model.finding import Finding
from secrecon.model.interaction import Interaction, OastSelfTest, Payload
from secrecon.model.login import Login
from secrecon.model.record import Chunk, Progress
from secrecon.model.scan import Attempt, ScanSpec
from secrecon.net.network import Network


@dataclass(frozen=True, slots=True)
class ScanSoFar:
    """What is stored of a scan: all that its committed chunks learned, and how many rounds of each step are done.

    `done`: (step, round) -> whether another round follows. `started`: when the scan first ran (epoch seconds);
    `requests` and `received` are what it has used of its budget. `login`: what it may log in with, None for nothing.
    """

    facts: tuple[Fact, ...]
    findings: tuple[Finding, ...]
    attempts: tuple[Attempt, ...]
    payloads: tuple[Payload, ...]
    interactions: tuple[Interaction, ...]
    self_test: OastSelfTest | None
    done: dict[tuple[str, int], bool]
    requests: int
    received: int
    started: float
    login: Login | None = None


class ScanLog(Protocol):
    """Where one scan is kept. Every method may be called again after a crash without doubling anything."""

    async def so_far(self) -> ScanSoFar:
        """What has been committed."""
        ...

    async def progress(self, progress: Progress) -> None:
        """Tell the watchers; nothing depends on it."""
        ...

    async def keep_payloads(self, payloads: Sequence[Payload]) -> None:
        """Store the payloads durably; returns only after the commit, so the requests may leave."""
        ...

    async def interactions(self) -> tuple[Interaction, ...]:
        """Every callback of this scan that has arrived so far."""
        ...

    async def commit(self, chunk: Chunk) -> None:
        """Store a chunk in one transaction; a chunk already stored changes nothing."""
        ...

    async def stop_requested(self) -> bool:
        """True once the user cancelled this scan."""
        ...


class Callbacks(Protocol):
    """The out-of-band listener as the engine sees it."""

    @property
    def turns(self) -> bool:
        """Whether a payload's name can lead somewhere else first."""
        ...

    def mint(
        self, spec: ScanSpec, *, check: str, asset: str, location: str, technique: str, now: float, first: str = ""
    ) -> Payload:
        """A fresh payload. Nothing is stored yet. `first`: where its name leads once, before it leads to the listener."""
        ...

    async def self_test(self, network: Network, log: ScanLog, addresses: Sequence[str]) -> OastSelfTest:
        """Send a canary the way a target at `addresses` would, and say what came back."""
        ...
