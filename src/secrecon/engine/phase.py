"""The shape of a phase: plan what to ask, judge what came back. Both are pure; the engine does the asking.

Both run in a worker thread, rounds of several scans side by side, on one phase object: it must not change itself.
A dialogue is the other shape: what it asks next depends on the answer before, so it asks by itself, through the same
network, and says what it learned.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

from secrecon.engine.ports import Callbacks, ScanLog
from secrecon.engine.view import ScanView
from secrecon.model.asset import Fact
from secrecon.model.finding import Finding
from secrecon.model.probe import Asked, Probe, Reply
from secrecon.model.scan import Attempt, PhaseName, ScanMode, Touch
from secrecon.net.network import Network

Judgement = Fact | Finding | Attempt


class Phase(Protocol):
    """One step of the pipeline.

    `step`: unique id. `name`: the documented phase it belongs to (several steps may share one). `modes`: scans it
    takes part in. `touch`: the level it needs; where the scan has less, the step is recorded as skipped with that
    reason for each (check, asset) that `checks` names. `title`: for people, in the progress message.
    """

    step: ClassVar[str]
    name: ClassVar[PhaseName]
    title: ClassVar[str]
    touch: ClassVar[Touch]
    modes: ClassVar[frozenset[ScanMode]]
    max_rounds: ClassVar[int]

    def checks(self, view: ScanView) -> Iterable[tuple[str, str]]:
        """Every (check, asset) pair this step stands for on this scan; the ledger shows each, run or not."""
        ...

    def plan(self, view: ScanView, round_: int) -> Iterable[Probe]:
        """What to ask in this round (0, 1, ...). Nothing planned ends the step; round 0 is judged all the same."""
        ...

    def judge(self, view: ScanView, round_: int, replies: Sequence[Reply]) -> Iterable[Judgement]:
        """What the replies mean. An Attempt yielded here replaces the one the engine would have recorded.

        `replies` are in the order planned and hold one entry per asked probe, failures included. When callbacks
        were waited for, `view.interactions` holds them.
        """
        ...


class Asking(Protocol):
    """Asks probes through the scan's network and tells answers from refusals."""

    async def __call__(self, probes: Sequence[Asked], *, keep: bool) -> list[Reply]: ...


@dataclass(frozen=True, slots=True)
class Ground:
    """What a dialogue works with for one round. `callbacks`: the listener, None where there is none or where the
    self-test did not get through; `network` is the scan's only door out; `stop` is set soon after a stop was asked for.
    `told` is awaited with (done, of how many) for the progress shown to people. `deaf`: after payloads were sent, why
    callbacks could not be heard any more, "" where they still can: silence then says nothing.
    `ask`: answers probes in the order given, as a phase's are; with `keep`, other phases need not ask the same again."""

    network: Network
    log: ScanLog
    callbacks: Callbacks | None
    stop: asyncio.Event
    told: Callable[[int, int], Awaitable[None]]
    deaf: Callable[[], Awaitable[str]]
    ask: Asking


@runtime_checkable
class Dialogue(Protocol):
    """A step that talks by itself, round by round; class variables as in `Phase`. It keeps no state between rounds.

    `listens`: it waits for callbacks, so the listener is tested before it begins.
    """

    step: ClassVar[str]
    name: ClassVar[PhaseName]
    title: ClassVar[str]
    touch: ClassVar[Touch]
    modes: ClassVar[frozenset[ScanMode]]
    listens: ClassVar[bool]

    def checks(self, view: ScanView) -> Iterable[tuple[str, str]]:
        """As in `Phase`."""
        ...

    async def hold(self, view: ScanView, round_: int, ground: Ground) -> tuple[Sequence[Judgement], bool]:
        """Talk for one round: what was learned, an Attempt for each check included, and whether another round
        follows. Never raises for what the target did."""
        ...
