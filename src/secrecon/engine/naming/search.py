"""The search for names below one zone: what told of a name, what is there, and what is only a wildcard.

A name counts as found where DNS has an address or an alias for it that its parent's wildcard does not explain, or where the
zone itself told of it (a transfer, a walk). Everything else that was told is kept as told and not as found. Nobody's
answer is no answer: such names are counted and said. No sockets here: the scan's network asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from secrecon.engine.naming.candidates import clean, parent, random_names
from secrecon.engine.naming.wildcards import Wildcard, learn
from secrecon.model.asset import Asset, AssetType, Fact, Resolution, ToldName
from secrecon.model.dns import NameAnswer, SweepResult
from secrecon.net.network import Network

MAX_TOLD = 4_000
"""How many names that sources tell of are looked up in one scan."""
MAX_PARENTS = 400
MAX_FOUND = 9_000
"""More than can be told: however many names somebody tells of, there is room for those that we find."""
GUESSED = ("wordlist", "permutation")
"""Sources that are our own guesses."""
ZONE_DATA = ("zone-transfer", "zone-walk")
"""Sources that tell what the zone holds, so that no wildcard can explain it."""


@dataclass(slots=True)
class Search:
    """One search. `seed` makes the random labels, the same for the same scan. `seen`: names known before it began."""

    zone: str
    network: Network
    seed: str
    stop: asyncio.Event
    seen: frozenset[str] = frozenset()
    sources: dict[str, dict[str, str]] = field(default_factory=dict)
    found: dict[str, NameAnswer] = field(default_factory=dict)
    alike: dict[str, NameAnswer] = field(default_factory=dict)
    wild: dict[str, Wildcard] = field(default_factory=dict)
    empty: dict[str, None] = field(default_factory=dict)
    absent: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    over: int = 0
    sent: int = 0
    notes: dict[str, None] = field(default_factory=dict)

    def tell(self, names: Iterable[str], source: str, detail: str = "") -> tuple[str, ...]:
        """Note that `source` told of `names`; those of them that can be names below the zone, each once."""
        told: dict[str, None] = {}
        for raw in names:
            name = clean(raw, self.zone)
            if not name:
                continue
            if name not in self.sources and len(self.sources) >= MAX_TOLD:
                self.over += 1
                continue
            self.sources.setdefault(name, {}).setdefault(source, detail[:200])
            told.setdefault(name)
        return tuple(told)

    def pending(self) -> tuple[str, ...]:
        """Names that were told of and not looked up yet."""
        return tuple(name for name in self.sources if not self._asked(name))

    def _asked(self, name: str) -> bool:
        known = (self.found, self.alike, self.absent, self.silent, self.refused)
        return name in self.seen or any(name in group for group in known)

    async def look_up(self, names: Iterable[str], source: str = "") -> SweepResult:
        """Look up what was not looked up yet, learn the wildcards above what is there, and sort it. `source`: who told of those
        that are found, "" where that is noted already."""
        wanted = [name for name in dict.fromkeys(names) if not self._asked(name)]
        result = await self._sweep(wanted)
        self.silent.update(result.silent)
        self.refused.update(result.refused)
        await self.learn(parent(answer.name) for answer in result.answers)
        there = {answer.name for answer in result.answers}
        self.absent.update(set(wanted) - there - self.silent - self.refused)
        for answer in result.answers:
            self._sort(answer, source)
        return result

    def _sort(self, answer: NameAnswer, source: str) -> None:
        told = self.sources.get(answer.name, {})
        known = any(name in told for name in ZONE_DATA)
        if not answer.addresses and not answer.aliases:
            self.absent.add(answer.name)
            wild = self.wild[parent(answer.name)]
            if wild.tested and (not wild.there or wild.addresses or wild.aliases):
                self.empty.setdefault(answer.name)  # a place in the tree, or a name with other records only
        elif not known and self.wild[parent(answer.name)].explains(answer):
            self.alike[answer.name] = answer
            if source:
                self.sources.setdefault(answer.name, {}).setdefault(source, "")
        elif len(self.found) >= MAX_FOUND:
            self.over += 1
        else:
            self.found[answer.name] = answer
            if source:
                self.sources.setdefault(answer.name, {}).setdefault(source, "")

    async def learn(self, above: Iterable[str]) -> None:
        """Learn the wildcard below each of `above` that is not known yet."""
        wanted = [name for name in dict.fromkeys(above) if name not in self.wild]
        asked = {name: random_names(self.seed, name) for name in wanted[: max(0, MAX_PARENTS - len(self.wild))]}
        result = await self._sweep([name for names in asked.values() for name in names])
        by_parent: dict[str, list[NameAnswer]] = {}
        for answer in result.answers:
            by_parent.setdefault(parent(answer.name), []).append(answer)
        unheard = (*result.silent, *result.refused)
        for name in wanted:
            if name in asked:
                self.wild[name] = learn(name, asked[name], by_parent.get(name, []), unheard)
            else:
                self.wild[name] = Wildcard(name, tested=False)

    async def _sweep(self, names: Sequence[str]) -> SweepResult:
        if not names or self.stop.is_set():
            return SweepResult((), 0, 0, silent=tuple(names))
        result = await self.network.sweep(names, self.stop)
        self.sent += result.sent
        self.notes.update(dict.fromkeys(result.notes))
        return result

    def real(self, name: str, detail: str) -> None:
        """A name that looked like its parent's wildcard is one of its own after all; `detail` says why."""
        self.found[name] = self.alike.pop(name)
        told = self.sources.setdefault(name, {})
        for source in tuple(told) or ("wordlist",):
            told[source] = told.get(source) or detail

    @property
    def wildcards(self) -> tuple[Wildcard, ...]:
        """The wildcards that are there."""
        return tuple(wildcard for wildcard in self.wild.values() if wildcard.there and wildcard.tested)

    def facts(self) -> Iterable[Fact]:
        """What the scan keeps: found names as assets with their addresses and sources, wildcards, and what was only told."""
        for wildcard in self.wildcards:
            yield Resolution(
                f"*.{wildcard.parent}", tuple(sorted(wildcard.addresses))[:64], tuple(sorted(wildcard.aliases))[:8]
            )
        for name, answer in self.found.items():
            told = self.sources.get(name, {})
            source = next(iter(told), "dns")
            yield Asset(AssetType.SUBDOMAIN, name, source, self.zone)
            if answer.addresses:
                yield Resolution(name, answer.addresses, answer.aliases)
            for address in answer.addresses:
                yield Asset(AssetType.IP, address, source, name)
        for name, told in self.sources.items():
            for source, detail in told.items():
                if name in self.found or source not in GUESSED:
                    yield ToldName(name, source, detail)
