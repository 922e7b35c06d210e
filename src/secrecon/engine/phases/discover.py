"""Discover: names below an organisation's domain, from every source there is, and only those that are there.

The zone is asked about itself (records, transfer, a walk along NSEC), then passive sources that the operator switched on,
then a word list is swept, the places below which names were found are looked into, and names are varied. Wildcards are
learned at every level, so that a zone that answers everything yields its real names only. Each name keeps its sources. What
a source failed at, what was off and what a bound cut off is in the ledger. How the search works: `engine.naming`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import ClassVar

from secrecon.detect.name_sources import MAX_ANSWER, NameSource
from secrecon.detect.takeover import CHECK as TAKEOVER
from secrecon.engine.naming.candidates import (
    DEEP_WORDS,
    SETTINGS,
    load_words,
    parents,
    permutations,
    words_below,
)
from secrecon.engine.naming.pages import compare, dangling
from secrecon.engine.naming.search import MAX_TOLD, Search
from secrecon.engine.naming.zones import (
    RECORDS,
    SERVERS,
    TRANSFER,
    WALK,
    find_cuts,
    read_records,
    transfer,
    walk_zone,
)
from secrecon.engine.phase import Ground, Judgement
from secrecon.engine.phases.probe import WEB_PORTS
from secrecon.engine.view import ScanView
from secrecon.model.dns import SweepResult
from secrecon.model.errors import TargetError, TargetTimeout
from secrecon.model.scan import Attempt, Outcome, PhaseName, ScanMode, Touch
from secrecon.model.target import TargetKind

NAMES, WILDCARD, TOLD, TWINS, DEEP, SOURCES = (
    "discover.names",
    "discover.wildcard",
    "discover.told-names",
    "discover.permutations",
    "discover.deeper",
    "discover.passive",
)
ONLY_FULL = "a quick scan does not look for subdomains: that needs a full scan"
OFF = "by policy: no passive source of names is switched on (SECRECON_NAME_SOURCES)"
MAX_PLACES = 25
MAX_DEPTH = 3
LIKELY_PLACES = frozenset(
    (*SETTINGS, "corp", "int", "intra", "lab", "office", "cloud", "k8s", "apps", "eu", "us", "vpn")
)
"""Labels below which names are looked for although none was found there yet."""

Fetch = Callable[[str, Mapping[str, str], int], Awaitable[bytes]]
"""(URL, headers, most bytes) -> the body of a passive source's answer; raises TargetError."""


class DiscoverPhase:
    """The `discover` step, one round. Nothing in a quick scan, which says so.

    `words`: labels, the likeliest first. `ports`: on which wildcards' pages are compared. `sources`: the passive sources that
    are switched on, asked through `fetch`.
    """

    step: ClassVar[str] = "discover"
    name: ClassVar[PhaseName] = PhaseName.DISCOVER
    title: ClassVar[str] = "Looking for subdomains"
    touch: ClassVar[Touch] = Touch.ACTIVE
    modes: ClassVar[frozenset[ScanMode]] = frozenset(ScanMode)
    listens: ClassVar[bool] = False

    def __init__(
        self,
        words: Sequence[str] | None = None,
        ports: Sequence[int] = WEB_PORTS,
        sources: Sequence[NameSource] = (),
        fetch: Fetch | None = None,
    ) -> None:
        self._words = tuple(words if words is not None else load_words())
        self._ports = tuple(ports)
        self._sources = tuple(sources)
        self._fetch = fetch

    def checks(self, view: ScanView) -> Sequence[tuple[str, str]]:
        if not is_zone(view):
            return []
        full = (SERVERS, RECORDS, WILDCARD, TRANSFER, WALK, NAMES, SOURCES, TAKEOVER)
        checks = full if view.spec.mode is ScanMode.FULL else (TRANSFER, NAMES)
        return [(check, view.spec.target.host) for check in checks]

    async def hold(self, view: ScanView, round_: int, ground: Ground) -> tuple[Sequence[Judgement], bool]:
        if not is_zone(view):
            return [], False
        if view.spec.mode is not ScanMode.FULL:
            skipped = [Attempt(self.name, *check, Outcome.SKIPPED, ONLY_FULL) for check in self.checks(view)]
            return skipped, False
        search = search_of(view, ground)
        judged: list[Judgement] = []
        stages = (
            partial(self._zone, search, view),
            partial(self._passive, search),
            partial(self._guess, search),
            partial(self._deeper, search, view),
            partial(self._vary, search),
            partial(compare, search, self._ports),
            partial(dangling, search),
        )
        for done, stage in enumerate(stages):
            if ground.stop.is_set():
                break
            await ground.told(done, len(stages))
            judged += await stage()
        judged += [*wildcard_lines(search), *told_lines(search), *_notes(search, judged)]
        return [*search.facts(), *judged], ground.stop.is_set()

    async def _zone(self, search: Search, view: ScanView) -> list[Judgement]:
        """What the zone says of itself, and the wildcard at its top."""
        target = view.spec.target
        servers, judged = await read_records(search, target)
        await search.learn([search.zone])
        judged += await transfer(search, target, search.zone, servers)
        judged += await walk_zone(search, search.zone)
        return judged

    async def _passive(self, search: Search) -> list[Judgement]:
        """What passive sources know, each with its own line."""
        if not self._sources or self._fetch is None:
            return [Attempt(self.name, SOURCES, search.zone, Outcome.SKIPPED, OFF)]
        lines = [await self._source(search, source, self._fetch) for source in self._sources]
        failed = [line for line in lines if line.outcome is not Outcome.DONE]
        outcome = failed[0].outcome if failed else Outcome.DONE
        reason = f"{len(failed)} of {len(lines)} passive sources gave nothing: {failed[0].reason}" if failed else ""
        return [*lines, Attempt(self.name, SOURCES, search.zone, outcome, reason[:400])]

    async def _source(self, search: Search, source: NameSource, fetch: Fetch) -> Attempt:
        check = f"{SOURCES}.{source.id}"
        if not source.ready:
            reason = f"{source.title} needs a key: SECRECON_NAME_SOURCES={source.id}=KEY"
            return Attempt(self.name, check, search.zone, Outcome.SKIPPED, reason)
        url, pages, told = source.first(search.zone), 0, 0
        try:
            while url and pages < source.pages and not search.stop.is_set():
                wire = await fetch(url, source.headers(), MAX_ANSWER)
                pages += 1
                names, url = source.read(url, wire, search.zone)
                told += len(search.tell(names, f"passive:{source.id}"))
        except TargetError as error:
            outcome = Outcome.TIMED_OUT if isinstance(error, TargetTimeout) else Outcome.FAILED
            return Attempt(self.name, check, search.zone, outcome, f"{source.title}: {error}"[:400], pages + 1)
        reason = f"{told} names below {search.zone}"
        if url:
            reason += f"; there are more pages than the {source.pages} that were asked for"
        return Attempt(self.name, check, search.zone, Outcome.SKIPPED if url else Outcome.DONE, reason, pages)

    async def _guess(self, search: Search) -> list[Judgement]:
        """Everything told so far, and the word list at the top of the zone."""
        await search.look_up(search.pending())
        result = await search.look_up(words_below(search.zone, self._words), "wordlist")
        return [sweep_line(NAMES, search.zone, result)]

    async def _deeper(self, search: Search, view: ScanView) -> list[Judgement]:
        """Zones and word lists below the places where names are, level by level."""
        judged: list[Judgement] = []
        seen: set[str] = set()
        results: list[SweepResult] = []
        over = 0
        for _ in range(MAX_DEPTH):
            places = [place for place in _places(search) if place not in seen]
            over += len(places[MAX_PLACES - len(seen) :]) if len(seen) < MAX_PLACES else len(places)
            places = places[: max(0, MAX_PLACES - len(seen))]
            if not places or search.stop.is_set():
                break
            seen.update(places)
            for cut, servers in (await find_cuts(search, view.spec.target, places)).items():
                judged += await transfer(search, view.spec.target, cut, servers)
                judged += await walk_zone(search, cut)
            await search.look_up(search.pending())
            few = (*self._words[:DEEP_WORDS], *(sorted(LIKELY_PLACES) if self._words else ()))
            results.append(
                await search.look_up((n for place in places for n in words_below(place, few)), "wordlist")
            )
        if results:
            more = f"{over} places below the zone were not looked into: the limit is {MAX_PLACES}" if over else ""
            judged.append(sweep_line(DEEP, search.zone, *results, more=more))
        return judged

    async def _vary(self, search: Search) -> list[Judgement]:
        """Variations of what was found; and once more what that told."""
        await search.look_up(_aliases_inside(search))
        names = permutations((*search.found, *search.seen), search.zone)
        result = await search.look_up(names, "permutation")
        await search.look_up(search.pending())
        return [sweep_line(TWINS, search.zone, result)] if names else []


def is_zone(view: ScanView) -> bool:
    """True where names may be looked for: the target is a domain, not an origin or an address."""
    target = view.spec.target
    return target.kind is TargetKind.ORGANISATION and not target.is_address


def search_of(view: ScanView, ground: Ground) -> Search:
    """A search that knows what the scan has resolved already."""
    target = view.spec.target
    counted = {target.host, *(asset.value for asset in view.assets)}
    seen = frozenset(r.name for r in view.resolutions if r.name in counted)
    return Search(target.host, ground.network, view.spec.scan_id, ground.stop, seen)


def sweep_line(check: str, zone: str, *results: SweepResult, more: str = "") -> Attempt:
    """The ledger's line for names that were looked up: what does not exist was tested, silence and failures were not."""
    asked = sum(result.asked for result in results)
    sent = sum(result.sent for result in results)
    silent = sum(len(result.silent) for result in results)
    refused = sum(len(result.refused) for result in results)
    if silent or refused:
        notes = next((result.notes[0] for result in results if result.notes), "")
        parts = [
            f"{silent + refused} of {asked} lookups were not answered",
            f"{refused} with a failure" if refused else "",
        ]
        outcome = Outcome.TIMED_OUT if silent > refused else Outcome.FAILED
        return Attempt(
            PhaseName.DISCOVER, check, zone, outcome, "; ".join(filter(None, (*parts, notes, more))), sent
        )
    if more:
        return Attempt(
            PhaseName.DISCOVER, check, zone, Outcome.SKIPPED, f"{asked} names were looked up; {more}", sent
        )
    return Attempt(PhaseName.DISCOVER, check, zone, Outcome.DONE, "", sent)


def wildcard_lines(search: Search) -> list[Judgement]:
    """Where the zone answers every name, and where that could not be told."""
    zone = search.zone
    untested = [wildcard.parent for wildcard in search.wild.values() if not wildcard.tested]
    if untested:
        reason = f"below {len(untested)} names ({', '.join(untested[:3])}) it is not known whether every name is answered"
        return [Attempt(PhaseName.DISCOVER, WILDCARD, zone, Outcome.TIMED_OUT, reason[:400])]
    there = [f"*.{wildcard.parent}" for wildcard in search.wildcards]
    reason = f"every name is answered below {len(there)} names: {', '.join(there[:4])}" if there else ""
    return [Attempt(PhaseName.DISCOVER, WILDCARD, zone, Outcome.DONE, reason[:400])]


def told_lines(search: Search, check: str = TOLD) -> list[Judgement]:
    """What became of the names that sources told of."""
    told = [
        name for name in search.sources if any(s not in ("wordlist", "permutation") for s in search.sources[name])
    ]
    if not told and not search.over:
        return []
    unheard = [name for name in told if name in search.silent or name in search.refused]
    alike = [name for name in told if name in search.alike]
    absent = [name for name in told if name in search.absent]
    parts = [f"{len(told)} names were told of"]
    parts += [f"{len(absent)} have no address"] if absent else []
    parts += [f"{len(alike)} cannot be told from a wildcard and are not counted"] if alike else []
    outcome = Outcome.DONE
    if unheard:
        outcome = Outcome.TIMED_OUT
        parts.append(f"{len(unheard)} lookups were not answered")
    if search.over:
        outcome = Outcome.SKIPPED
        parts.append(f"{search.over} more were not looked up: the limit is {MAX_TOLD} a scan")
    gap = outcome is not Outcome.DONE or bool(alike)
    return [Attempt(PhaseName.DISCOVER, check, search.zone, outcome, "; ".join(parts) if gap else "", len(told))]


def _notes(search: Search, judged: Sequence[Judgement]) -> list[Judgement]:
    """What was the matter with the name servers: a line of its own, as the others hold only what they lack."""
    if not search.notes:
        return []
    reason = "; ".join(search.notes)[:400]
    return [Attempt(PhaseName.DISCOVER, "discover.resolvers", search.zone, Outcome.FAILED, reason, search.sent)]


def _places(search: Search) -> list[str]:
    """Where names may be below: names that have some, empty places of the tree, and those with a telling label."""
    known = (*search.found, *search.alike, *search.seen)
    likely = [name for name in (*search.found, *search.seen) if name.partition(".")[0] in LIKELY_PLACES]
    places = dict.fromkeys((*parents(known, search.zone), *search.empty, *likely))
    return [place for place in places if place != search.zone and not place.startswith("_")]


def _aliases_inside(search: Search) -> tuple[str, ...]:
    aliases = [alias for answer in search.found.values() for alias in answer.aliases]
    return search.tell(aliases, "dns-cname")
