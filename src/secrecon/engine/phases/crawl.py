"""Crawl: walks the pages of each web service by breadth, and keeps what they point at and what they take.

First the start and the well-known places, then links not visited yet, in batches. GET only. A link that acts (logs out,
deletes, ...) or asks for something large is kept as a fact and never followed; no value of a link is ever changed. Of
each kind of page only a few are visited, so a calendar without end is not walked to its end (`engine.crawling`).
Where the scan asked for it, a few pages are then rendered in Chromium (`engine.crawling.rendered`), and the walk goes on with
what they showed. Where the walk stopped short, the ledger says so. No state: what was visited is what the facts say.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Iterable, Sequence
from typing import ClassVar

from secrecon.engine.crawling.rendered import render_pages
from secrecon.engine.crawling.walk import BROWSER, CHECK, Walk, origins_of
from secrecon.engine.phase import Ground, Judgement
from secrecon.engine.view import ScanView
from secrecon.model.scan import PhaseName, ScanMode, Touch
from secrecon.net.network import Network
from secrecon.net.rendering import OpenBrowser

BATCHES = 10
"""Batches of a round: what a worker that dies loses."""


class CrawlPhase:
    """The `crawl` step: rounds of ten batches, until nothing is left or the scan's page budget is used up."""

    step: ClassVar[str] = "crawl"
    name: ClassVar[PhaseName] = PhaseName.CRAWL
    title: ClassVar[str] = "Crawling pages"
    touch: ClassVar[Touch] = Touch.LIGHT
    modes: ClassVar[frozenset[ScanMode]] = frozenset(ScanMode)
    listens: ClassVar[bool] = False

    def checks(self, view: ScanView) -> Iterable[tuple[str, str]]:
        names = (CHECK, BROWSER) if view.spec.browser else (CHECK,)
        return [(check, str(origin)) for origin in origins_of(view) for check in names]

    def __init__(self, browser: OpenBrowser | None = None) -> None:
        self._browser = browser
        self._walks: weakref.WeakKeyDictionary[Network, tuple[int, Walk]] = weakref.WeakKeyDictionary()

    async def hold(self, view: ScanView, round_: int, ground: Ground) -> tuple[Sequence[Judgement], bool]:
        """A walk goes on from the round before in the same process; anywhere else it is built from the facts."""
        before, kept = self._walks.pop(ground.network, (0, None))
        walk = kept if kept is not None and before + 1 == round_ else await asyncio.to_thread(Walk, view)
        judged: list[Judgement] = []
        probes = walk.first() if round_ == 0 else walk.again()
        for batch in range(BATCHES):
            if not probes or ground.stop.is_set():
                break
            replies = await ground.ask(probes, keep=round_ == 0 and batch < 2)
            judged += await asyncio.to_thread(walk.learn, replies, ground.network.slowed)
            del replies
            await ground.told(walk.frontier.visited, view.spec.budget.pages)
            probes = walk.next()
        if not probes and not ground.stop.is_set() and (last := walk.last()):
            judged += walk.learn(await ground.ask(last, keep=False), ground.network.slowed)
        if not probes and view.spec.browser and not ground.stop.is_set():
            judged += await render_pages(walk, ground, self._browser)
            probes = walk.next()
        stopped = ground.stop.is_set()
        more = bool(probes) and not stopped
        judged += walk.lines(more=more, stopped=stopped)
        if more:
            walk.put_back(probes)
            self._walks[ground.network] = (round_, walk)
        return judged, more
