"""Which page comes next: by breadth, the origins taking turns, and of each kind of page only as many as teach something.

A kind is what addresses have in common (`detect.pagekind.kind`). The first few of a kind are always visited; more of it
only while its pages go on being built differently. So a calendar is left after three months, a shop's ten thousand
products after three, and a site whose pages really differ is walked to its end. Folders whose pages only words tell apart
are judged the same way, with more patience. Facets are bounded by path, session ids do not make another page, an amount
keeps its first value, and paths that repeat are not entered. Memory: one entry for each address known.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from secrecon.detect.acting import refusal
from secrecon.detect.content import ACTS
from secrecon.detect.links import is_static
from secrecon.detect.pagekind import amounts, canonical, endless, kind, siblings
from secrecon.model.asset import Link
from secrecon.model.target import Origin

PER_KIND, MOST_OF_A_KIND = 3, 50
PER_FOLDER, WITHOUT_END = 40, 1_000_000
MAX_FACETS, MAX_QUERIES = 8, 50
SCRIPT_SHARE = 4
MAX_SITEMAPS, MAX_MAPS = 20, 8
_EXTRA = frozenset({"sitemap", "source-map"})
Key = tuple[Origin, str]


@dataclass(slots=True)
class _Group:
    """Pages that look alike from outside. `taken`: how many were chosen; `built`: how differently they came out;
    `waiting`: addresses that wait for a reason to be visited."""

    first: int
    most: int
    taken: int = 0
    built: set[str] = field(default_factory=set)
    waiting: deque[Link] = field(default_factory=deque)

    @property
    def pays(self) -> bool:
        """Whether one more of them is worth it: half of those that came were new."""
        return self.room > 0

    @property
    def room(self) -> int:
        """How many more of them are worth it."""
        return min(self.most, max(self.first, len(self.built) * 2)) - self.taken


class Frontier:
    """What is known and not visited yet. `pages`: the budget; `known`: paths that are asked for anyway."""

    def __init__(self, origins: Iterable[Origin], pages: int, known: frozenset[str]) -> None:
        self._queues: dict[Origin, list[tuple[int, int, Link]]] = {origin: [] for origin in origins}
        self._pages = pages
        self._known = known
        self._kinds: dict[Key, _Group] = {}
        self._folders: dict[Key, _Group] = {}
        self._facets: dict[Key, set[str]] = {}
        self._queries: Counter[Key] = Counter()
        self._amounts: dict[tuple[Origin, str, str], str] = {}
        self._seen: set[tuple[Origin, str]] = set()
        self._number = 0
        self._scripts = self._sitemaps = self._maps = 0
        self.visited = 0
        self.acting: dict[str, dict[str, None]] = {}
        self.trapped: Counter[str] = Counter()

    def visit(self, origin: Origin, target: str, structure: str, source: str = "") -> None:
        """Take a page in that was asked for, here or by whoever walked before."""
        if target in self._known:
            return
        if (origin, canonical(target)) not in self._seen:
            self._take(origin, target, source)
        for group in (self._kind(origin, target), self._folder(origin, target)) if structure else ():
            group.built.add(structure)
            for _ in range(min(len(group.waiting), group.room)):
                self._push(group.waiting.popleft())

    def add(self, link: Link) -> None:
        """Take an address in; what must not be asked for is only noted."""
        queue = self._queues.get(link.origin)
        if queue is None or link.target in self._known:
            return
        if link.source == ACTS or refusal(link.target):
            self.acting.setdefault(str(link.origin), {}).setdefault(link.target)
        elif is_static(link.target) and not _is_extra(link):
            return
        elif endless(link.target):
            self.trapped[str(link.origin)] += 1
        else:
            self._push(link)

    def next(self, count: int) -> tuple[Link, ...]:
        """At most `count` links to visit, the nearest first, the origins taking turns. They count as taken."""
        chosen: list[Link] = []
        waiting = [origin for origin, queue in self._queues.items() if queue]
        while waiting and len(chosen) < count:
            for origin in list(waiting):
                link = self._next_of(origin)
                if link is None:
                    waiting.remove(origin)
                else:
                    chosen.append(link)
                    self._take(link.origin, link.target, link.source)
                if len(chosen) >= count:
                    break
        return tuple(chosen)

    def left(self, origin: Origin) -> int:
        """How many addresses are known that would have been worth a visit."""
        worth = (link for _, _, link in self._queues.get(origin, ()))
        return len({canonical(link.target) for link in worth if not _is_extra(link) and self._verdict(link) == ""})

    def alike(self, origin: Origin) -> int:
        """How many addresses are of a kind whose pages had shown nothing new any more."""
        groups = (*self._kinds.items(), *self._folders.items())
        return sum(len(group.waiting) for (where, _), group in groups if where == origin)

    def _push(self, link: Link) -> None:
        self._number += 1
        heapq.heappush(self._queues[link.origin], (link.depth, self._number, link))

    def _next_of(self, origin: Origin) -> Link | None:
        queue = self._queues[origin]
        while queue:
            link = heapq.heappop(queue)[2]
            verdict = self._verdict(link)
            if verdict == "":
                return link
            if verdict == "kind":
                self._kind(origin, link.target).waiting.append(link)
            elif verdict == "folder":
                self._folder(origin, link.target).waiting.append(link)
        return None

    def _verdict(self, link: Link) -> str:
        """ "" where the link is worth a visit; `kind` or `folder` where others like it showed nothing new; else why not."""
        origin, target = link.origin, link.target
        if (origin, canonical(target)) in self._seen:
            return "seen"
        if _is_sitemap(link):
            return "" if self._sitemaps < MAX_SITEMAPS else "sitemaps"
        if link.source == "source-map":
            return "" if self._maps < MAX_MAPS else "maps"
        if is_script(target):
            return "" if self._scripts < max(2, self._pages // SCRIPT_SHARE) else "scripts"
        place = kind(target)
        path, mark, names = place.partition("?")
        if any(self._amounts.get((origin, path, name), value) != value for name, value in amounts(target)):
            return "amount"
        if mark:
            facets = self._facets.get((origin, path), ())
            if (names not in facets and len(facets) >= MAX_FACETS) or self._queries[origin, path] >= MAX_QUERIES:
                return "facet"
        if not self._kind(origin, target).pays:
            return "kind"
        return "" if self._folder(origin, target).pays else "folder"

    def _take(self, origin: Origin, target: str, source: str) -> None:
        self._seen.add((origin, canonical(target)))
        link = Link(origin, target, 0, source)
        if _is_sitemap(link):
            self._sitemaps += 1
            return
        self._maps += source == "source-map"
        if source == "source-map":
            return
        self.visited += 1
        if is_script(target):
            self._scripts += 1
            return
        path, mark, names = kind(target).partition("?")
        if mark:
            self._facets.setdefault((origin, path), set()).add(names)
            self._queries[origin, path] += 1
        for name, value in amounts(target):
            self._amounts.setdefault((origin, path, name), value)
        self._kind(origin, target).taken += 1
        self._folder(origin, target).taken += 1

    def _kind(self, origin: Origin, target: str) -> _Group:
        return self._kinds.setdefault((origin, kind(target)), _Group(PER_KIND, MOST_OF_A_KIND))

    def _folder(self, origin: Origin, target: str) -> _Group:
        return self._folders.setdefault((origin, siblings(target)), _Group(PER_FOLDER, WITHOUT_END))


def is_script(target: str) -> bool:
    """True for the address of a script."""
    return target.split("?", 1)[0].lower().endswith((".js", ".mjs"))


def _is_sitemap(link: Link) -> bool:
    path = link.target.split("?", 1)[0].lower()
    return link.source in ("sitemap", "robots") and path.endswith((".xml", ".xml.gz"))


def _is_extra(link: Link) -> bool:
    """What is read for the addresses in it and is no page: sitemaps and source maps."""
    return link.source == "source-map" or _is_sitemap(link)
