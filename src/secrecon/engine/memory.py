"""A scan log in memory: what the one-shot command line keeps its scan in. Nothing survives the process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from secrecon.engine.ports import ScanSoFar
from secrecon.model.asset import Fact
from secrecon.model.finding import Finding
from secrecon.model.interaction import Interaction, OastSelfTest, Payload
from secrecon.model.login import Login
from secrecon.model.record import Chunk, Progress
from secrecon.model.scan import Attempt, PhaseName


class MemoryLog:
    """A `ScanLog` for one scan in one process. `watch` is told of every progress and every chunk."""

    def __init__(
        self, started: float, watch: Callable[[Progress | Chunk], None], login: Login | None = None
    ) -> None:
        self.started = started
        self._login = login
        self._watch = watch
        self.stop = asyncio.Event()
        self.facts: dict[str, Fact] = {}
        self.findings: dict[str, Finding] = {}
        self.attempts: dict[tuple[str, str], Attempt] = {}
        self.payloads: dict[str, Payload] = {}
        self.hits: dict[str, Interaction] = {}
        self.self_test: OastSelfTest | None = None
        self.requests = 0
        self.received = 0
        self._done: dict[tuple[str, int], bool] = {}
        self._stopped: set[str] = set()

    async def so_far(self) -> ScanSoFar:
        return ScanSoFar(
            facts=tuple(self.facts.values()),
            findings=tuple(self.findings.values()),
            attempts=tuple(self.attempts.values()),
            payloads=tuple(self.payloads.values()),
            interactions=tuple(self.hits.values()),
            self_test=self.self_test,
            done=dict(self._done),
            requests=self.requests,
            received=self.received,
            started=self.started,
            login=self._login,
        )

    async def progress(self, progress: Progress) -> None:
        self._watch(progress)

    async def keep_payloads(self, payloads: Sequence[Payload]) -> None:
        self.payloads.update((payload.token, payload) for payload in payloads)

    async def interactions(self) -> tuple[Interaction, ...]:
        return tuple(self.hits.values())

    async def hear(self, interactions: Sequence[Interaction]) -> None:
        """Take in what the listener heard, as far as its tokens are this scan's."""
        self.hits.update((hit.id, hit) for hit in interactions if hit.token in self.payloads)

    def note(self, attempt: Attempt) -> None:
        """A line of the ledger that no step brought."""
        self.attempts[attempt.check, attempt.asset] = attempt

    async def commit(self, chunk: Chunk) -> None:
        if (chunk.step, chunk.round) in self._done:
            return
        self._done[chunk.step, chunk.round] = chunk.more
        if self.stop.is_set():
            self._stopped.add(chunk.step)
        for fact in chunk.facts:
            self.facts.setdefault(fact.key, fact)
        self.findings.update((finding.fingerprint, finding) for finding in chunk.findings)
        self.attempts.update(((a.check, a.asset), a) for a in chunk.attempts)
        self.self_test = chunk.self_test or self.self_test
        self.requests += chunk.requests
        self.received += chunk.received
        self._watch(chunk)

    def not_run(self, steps: Sequence[tuple[str, PhaseName]]) -> tuple[PhaseName, ...]:
        """The phases of which a step did not come to its own end before the stop."""
        if not self.stop.is_set():
            return ()
        ended = {step for (step, _), more in self._done.items() if not more} - self._stopped
        return tuple(dict.fromkeys(phase for step, phase in steps if step not in ended))

    async def stop_requested(self) -> bool:
        return self.stop.is_set()
