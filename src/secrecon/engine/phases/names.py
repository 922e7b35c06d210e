"""Names: those that certificates and pages tell of, looked up after the fact, and the web services on what is new.

Two steps of one shape: `names` after the first look at services, for the names in their certificates; `met` after the crawl, for
the names in pages and scripts and in certificates seen since. A name counts as in discovery (`engine.naming`). Services found
on new names are tested by all the steps that follow; what is no longer done for them is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from secrecon.engine.crawling.walk import CHECK as PAGES
from secrecon.engine.crawling.walk import HOSTS
from secrecon.engine.naming.pages import compare, dangling
from secrecon.engine.naming.search import Search
from secrecon.engine.phase import Ground, Judgement
from secrecon.engine.phases.discover import is_zone, search_of, told_lines
from secrecon.engine.phases.probe import WEB_PORTS, ProbePhase
from secrecon.engine.view import ScanView
from secrecon.model.asset import Resolution, Service
from secrecon.model.probe import Probe, Skip, Wait
from secrecon.model.scan import Attempt, Outcome, PhaseName, ScanMode, Touch

CERTIFICATES = "discover.certificate-names"
MET = "discover.met-names"


class NamesPhase:
    """The `names` step. `ports`: on which web services are looked for."""

    step: ClassVar[str] = "names"
    name: ClassVar[PhaseName] = PhaseName.PROBE
    title: ClassVar[str] = "Looking up the names in certificates"
    touch: ClassVar[Touch] = Touch.LIGHT
    modes: ClassVar[frozenset[ScanMode]] = frozenset(ScanMode)
    listens: ClassVar[bool] = False
    line: ClassVar[str] = CERTIFICATES

    def __init__(self, ports: Sequence[int] = WEB_PORTS) -> None:
        self._ports = tuple(ports)

    def checks(self, view: ScanView) -> Iterable[tuple[str, str]]:
        return [(self.line, view.spec.target.host)] if is_zone(view) else []

    async def hold(self, view: ScanView, round_: int, ground: Ground) -> tuple[Sequence[Judgement], bool]:
        if not is_zone(view):
            return [], False
        search = search_of(view, ground)
        self._listen(search, view)
        pending = search.pending()
        await search.look_up(pending)
        judged: list[Judgement] = await compare(search, self._ports)
        judged += [item for item in await dangling(search) if not isinstance(item, Attempt)]
        facts = list(search.facts())
        new = [fact for fact in facts if isinstance(fact, Resolution) and "*" not in fact.name]
        services = await self._probe(view, ground, new) if view.spec.mode is ScanMode.FULL else []
        judged += services
        judged += self._lines(view, search, [item for item in services if isinstance(item, Service)])
        return [*facts, *judged], ground.stop.is_set()

    def _listen(self, search: Search, view: ScanView) -> None:
        """Take in the names that were told of since discovery."""
        for service in view.services:
            if service.tls is not None:
                search.tell(service.tls.names, "certificate", service.asset)

    async def _probe(self, view: ScanView, ground: Ground, new: Sequence[Resolution]) -> list[Judgement]:
        """The web services on names that were not known before, found as the probe step finds them."""
        if not new:
            return []
        fresh = ScanView(spec=view.spec, mint=view.mint, now=view.now)
        fresh.add(new, (), ())
        probe = ProbePhase(self._ports)
        probes: list[Probe] = list(probe.plan(fresh, 0))
        asked = [item for item in probes if not isinstance(item, Wait | Skip)]
        return list(probe.judge(fresh, 0, await ground.ask(asked, keep=True)))

    def _lines(self, view: ScanView, search: Search, services: Sequence[Service]) -> list[Judgement]:
        lines = told_lines(search, self.line)
        return lines or [Attempt(self.name, self.line, search.zone, Outcome.DONE)]


class MetNamesPhase(NamesPhase):
    """The `met` step. What was met too late for the walk and for telling products is told as not done."""

    step: ClassVar[str] = "met"
    name: ClassVar[PhaseName] = PhaseName.CRAWL
    title: ClassVar[str] = "Looking up the names met on pages"
    line: ClassVar[str] = MET

    def _listen(self, search: Search, view: ScanView) -> None:
        super()._listen(search, view)
        for told in view.told:
            if told.source == "crawl":
                search.tell([told.name], told.source, told.detail)

    def _lines(self, view: ScanView, search: Search, services: Sequence[Service]) -> list[Judgement]:
        lines = super()._lines(view, search, services)
        late = "the name was met too late in this scan: scan it by its own name"
        for service in services:
            lines.append(Attempt(self.name, PAGES, service.asset, Outcome.SKIPPED, late))
            lines.append(Attempt(PhaseName.FINGERPRINT, "fingerprint.web", service.asset, Outcome.SKIPPED, late))
        if (HOSTS, search.zone) in view.attempts:
            there = sorted(search.found)
            shown = f": {', '.join(there[:4])}" if there else ""
            reason = f"{len(there)} names that only pages told of are there and were not walked{shown}"
            outcome = Outcome.SKIPPED if there else Outcome.DONE
            lines.append(Attempt(self.name, HOSTS, search.zone, outcome, reason[:400] if there else ""))
        return lines
