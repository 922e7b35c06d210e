"""Synthesis: nothing is asked. Marks the point at which the report is written; `report` does the writing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from secrecon.engine.phase import Judgement
from secrecon.engine.view import ScanView
from secrecon.model.probe import Probe, Reply
from secrecon.model.scan import PhaseName, ScanMode, Touch


class SynthesisPhase:
    """No rounds of its own; its progress message is what a watcher sees while the report is made."""

    step: ClassVar[str] = "synthesis"
    name: ClassVar[PhaseName] = PhaseName.SYNTHESIS
    title: ClassVar[str] = "Generating report..."
    touch: ClassVar[Touch] = Touch.LIGHT
    modes: ClassVar[frozenset[ScanMode]] = frozenset(ScanMode)
    max_rounds: ClassVar[int] = 1

    def checks(self, view: ScanView) -> Iterable[tuple[str, str]]:
        return ()

    def plan(self, view: ScanView, round_: int) -> Iterable[Probe]:
        return ()

    def judge(self, view: ScanView, round_: int, replies: Sequence[Reply]) -> Iterable[Judgement]:
        return ()
