"""Services: which ports of an organisation's hosts are open, and what listens there. Full scans of authorized targets.

A connect scan of each address, then a dialogue with every open port that is no known web service. Web services on other
ports become origins for the steps that follow. A port that gave no answer is told as not known, never as closed. One
round does a few addresses from beginning to end, so a scan that another process takes over goes on with the next ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import ClassVar

from secrecon.detect.nmap_probes import NmapPatterns
from secrecon.detect.service_facts import findings_of, service_of, technology_of
from secrecon.detect.service_inquiry import UNKNOWN
from secrecon.detect.service_rules import ServiceRules
from secrecon.engine.identifying import Identified, OpenPort, identify, same_page_names
from secrecon.engine.ledger import PORTS
from secrecon.engine.phase import Ground, Judgement
from secrecon.engine.view import ScanView
from secrecon.model.errors import BudgetSpent, ScopeRefused, TargetTimeout
from secrecon.model.scan import Attempt, Outcome, PhaseName, ScanMode, Touch
from secrecon.model.target import TargetKind
from secrecon.net.ports import Aim, Aimed

IDENTITY, NMAP, ACCESS = "services.identity", "services.nmap-patterns", "service.access"
ADDRESSES_A_ROUND = 24
MAX_ADDRESSES = 1_024
MAX_OPEN = 60
"""Open ports of one address that are talked to: an address with more has something before it that accepts everything."""
AT_ONCE = 40
ONLY_FULL = "a quick scan tries no ports but those of the web: that needs a full scan"
NO_PORTS = "by policy: the setting SECRECON_SERVICE_PORTS names no ports"
CANCELLED = "the scan was cancelled"


class ServicesPhase:
    """The `services` step. `ports`: those tried, in order. `more`: patterns of an nmap that is installed, and their file;
    asked for once a scan needs them."""

    step: ClassVar[str] = "services"
    name: ClassVar[PhaseName] = PhaseName.PROBE
    title: ClassVar[str] = "Looking for other services"
    touch: ClassVar[Touch] = Touch.ACTIVE
    modes: ClassVar[frozenset[ScanMode]] = frozenset(ScanMode)
    listens: ClassVar[bool] = False

    def __init__(
        self,
        rules: ServiceRules,
        ports: Sequence[int],
        more: Callable[[], tuple[NmapPatterns, str] | None] = lambda: None,
    ) -> None:
        self._rules = rules
        self._ports = tuple(ports)
        self._more = more

    def checks(self, view: ScanView) -> Iterable[tuple[str, str]]:
        if view.spec.target.kind is not TargetKind.ORGANISATION:
            return []
        if view.spec.mode is not ScanMode.FULL:
            return [(PORTS, view.spec.target.host)]
        return [(PORTS, address) for address in _addresses(view) or (view.spec.target.host,)]

    async def hold(self, view: ScanView, round_: int, ground: Ground) -> tuple[Sequence[Judgement], bool]:
        target = view.spec.target
        if target.kind is not TargetKind.ORGANISATION:
            return [], False
        if view.spec.mode is not ScanMode.FULL or not self._ports:
            reason = ONLY_FULL if view.spec.mode is not ScanMode.FULL else NO_PORTS
            return [self._attempt(PORTS, target.host, Outcome.SKIPPED, reason)], False
        names = _addresses(view)
        pending = [address for address in names if (PORTS, address) not in view.attempts]
        chosen, later = pending[:ADDRESSES_A_ROUND], pending[ADDRESSES_A_ROUND:]
        more = await asyncio.to_thread(self._more)
        judged = [*self._first(view, more)] if round_ == 0 else []
        if chosen:
            judged += await self._addresses(view, ground, {address: names[address] for address in chosen}, more)
        return judged, bool(later)

    def _first(self, view: ScanView, more: tuple[NmapPatterns, str] | None) -> Iterable[Judgement]:
        """What the first round tells beside its addresses."""
        host = view.spec.target.host
        every = _every_address(view)
        if not every:
            yield self._attempt(PORTS, host, Outcome.SKIPPED, "no address of the target is known")
        if len(every) > MAX_ADDRESSES:
            left = len(every) - MAX_ADDRESSES
            reason = f"the ports of {left} of {len(every)} addresses were not tried: the limit is {MAX_ADDRESSES}"
            yield self._attempt(PORTS, host, Outcome.SKIPPED, reason)
        if more is not None and every:
            patterns, file = more
            words = f"{patterns.read:,} patterns of {file} are used beside our own"
            words += f"; {patterns.unusable:,} of it cannot be read here" if patterns.unusable else ""
            yield self._attempt(NMAP, host, Outcome.DONE, words)

    async def _addresses(
        self,
        view: ScanView,
        ground: Ground,
        names: Mapping[str, tuple[str, ...]],
        more: tuple[NmapPatterns, str] | None,
    ) -> list[Judgement]:
        aims = [Aim(hosts[0], address, self._ports) for address, hosts in names.items()]
        swept = await ground.network.scan_ports(aims, ground.stop, ground.told)
        judged: list[Judgement] = [self._of_address(aim, each) for aim, each in zip(aims, swept, strict=True)]
        known = {(service.address, service.port) for service in view.web}
        places = [
            OpenPort(names[aim.address], aim.address, port)
            for aim, each in zip(aims, swept, strict=True)
            for port in self._talked_to(each)
            if (aim.address, port) not in known
        ]

        async def find_out(place: OpenPort) -> Identified:
            return await identify(ground.network, self._rules, more[0] if more else None, place)

        found = await _all(places, find_out, ground.stop, ground.told)
        for place, item in zip(places, found, strict=True):
            judged += self._of_port(item or Identified(place, None, Outcome.SKIPPED, CANCELLED))
        return judged

    def _talked_to(self, aimed: Aimed) -> list[int]:
        opened = set(aimed.swept.open)
        return [port for port in self._ports if port in opened][:MAX_OPEN]

    def _of_address(self, aim: Aim, aimed: Aimed) -> Attempt:
        """The line of an address: what of its ports is known, and what is not."""
        swept, failure = aimed.swept, aimed.failure
        tried = len(aim.ports) - len(swept.untried)
        told = f"{tried} ports tried: {len(swept.open)} open, {len(swept.closed)} closed"
        if swept.silent:
            told += f"; {len(swept.silent)} gave no answer, so whether something listens there is not known"
        if len(swept.open) > MAX_OPEN:
            told += f"; only {MAX_OPEN} of the open ones were talked to, as something seems to accept everything"
        if failure is not None and not tried:
            outcome = {
                ScopeRefused: Outcome.BLOCKED,
                BudgetSpent: Outcome.SKIPPED,
                TargetTimeout: Outcome.TIMED_OUT,
            }
            return self._attempt(PORTS, aim.address, outcome.get(type(failure), Outcome.FAILED), str(failure))
        if swept.untried:
            why = str(failure) if failure is not None else swept.trouble or CANCELLED
            told = f"{len(swept.untried)} of {len(aim.ports)} ports were not tried: {why}; {told}"
            return self._attempt(PORTS, aim.address, Outcome.SKIPPED, told, swept.attempts)
        if not swept.open and not swept.closed:
            told = f"none of {tried} ports gave an answer: what listens at this address is not known"
            return self._attempt(PORTS, aim.address, Outcome.TIMED_OUT, told, swept.attempts)
        return self._attempt(PORTS, aim.address, Outcome.DONE, told, swept.attempts)

    def _of_port(self, item: Identified) -> Iterable[Judgement]:
        """What is kept of an open port: service, technology, findings, and its line."""
        place, told = item.place, item.told
        asset = f"{place.address}:{place.port}" if ":" not in place.address else f"[{place.address}]:{place.port}"
        if told is None:
            yield self._attempt(IDENTITY, asset, item.outcome, item.reason)
            return
        service = item.web[0] if item.web else service_of(told, place.names[0], place.address, place.port, item.tls)
        yield from item.web or (service,)
        technology = technology_of(told, service.asset)
        if technology is not None:
            yield technology
        yield from findings_of(told, [self._rules.exposed[name] for name in told.exposes], service)
        reason = f"what listens there could not be told: {told.reason}" if told.protocol == UNKNOWN else ""
        if not item.web:
            outcome = Outcome.SKIPPED if reason else Outcome.DONE
            yield self._attempt(ACCESS, service.asset, outcome, reason)
        alike = same_page_names(item) if item.web else ()
        if alike:
            reason = f"{len(alike)} more names lead here and show no page of their own ({', '.join(alike[:3])})"
        yield self._attempt(IDENTITY, asset, Outcome.DONE, reason, item.requests)

    def _attempt(self, check: str, asset: str, outcome: Outcome, reason: str = "", requests: int = 0) -> Attempt:
        return Attempt(self.name, check, asset, outcome, reason[:500], requests)


async def _all(
    places: Sequence[OpenPort],
    find_out: Callable[[OpenPort], Awaitable[Identified]],
    stop: asyncio.Event,
    told: Callable[[int, int], Awaitable[None]],
) -> list[Identified | None]:
    """Every result in order, None for what a stop ended."""
    slots = asyncio.Semaphore(AT_ONCE)
    done = 0

    async def one(place: OpenPort) -> Identified:
        nonlocal done
        async with slots:
            result = await find_out(place)
        done += 1
        await told(done, len(places))
        return result

    tasks = [asyncio.create_task(one(place)) for place in places]
    stopper = asyncio.create_task(stop.wait())
    try:
        pending: set[asyncio.Task[object]] = {*tasks}
        while pending and not stop.is_set():
            _, pending = await asyncio.wait({*pending, stopper}, return_when=asyncio.FIRST_COMPLETED)
            pending.discard(stopper)
    finally:
        for task in (*tasks, stopper):
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(stopper, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result
    return [result if isinstance(result, Identified) else None for result in results]


def _every_address(view: ScanView) -> dict[str, tuple[str, ...]]:
    """Address to the target's names that lead to it, the target's own first."""
    target = view.spec.target
    found: dict[str, dict[str, None]] = {}
    for resolution in sorted(view.resolutions, key=lambda r: r.name != target.host):
        if "*" in resolution.name or not target.covers_name(resolution.name):
            continue
        for address in resolution.addresses:
            found.setdefault(address, {})[resolution.name] = None
    return {address: tuple(names) for address, names in found.items()}


def _addresses(view: ScanView) -> dict[str, tuple[str, ...]]:
    return dict(list(_every_address(view).items())[:MAX_ADDRESSES])
