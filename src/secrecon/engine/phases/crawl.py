"""Crawl: walks the pages of each web service by breadth, and keeps what they point at and what they take.

Round 0 asks for the start and the well-known places, later rounds for links not visited yet. GET only. A link that
acts (logs out, deletes, ...) or asks for something very large is kept as a fact and never followed; no value of a link is
ever changed. Pages of one kind are visited a few times only, so a calendar without end is not walked to its end.
Where the walk stopped short, the ledger says so. No state: what was visited is what the facts say.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from secrecon.detect.content import Content, read_content, read_title
from secrecon.detect.links import acting_word, is_static, oversized, shape
from secrecon.engine.phase import Judgement
from secrecon.engine.view import ScanView
from secrecon.model.asset import Asset, AssetType, Link, Page
from secrecon.model.http import HttpExchange, HttpRequest
from secrecon.model.probe import HttpProbe, Probe, Reply
from secrecon.model.scan import Attempt, Outcome, PhaseName, ScanMode, Touch
from secrecon.model.target import Origin, TargetKind

CHECK, ACTING, HOSTS = "crawl.pages", "crawl.acting-links", "crawl.hosts"
PER_ROUND = 40
PER_SHAPE = 3
SCRIPT_SHARE = 4
MAX_LINKS, MAX_LINKS_A_PAGE = 3_000, 400
MAX_SHAPES = 1_000
MAX_HOSTS = 200
ROUND_BYTES = 5_000_000
"""How much HTML a round searches for links; other bodies, which cost less, count a fifth."""
QUICK_KNOWN = ("/robots.txt", "/sitemap.xml", "/.well-known/security.txt", "/openapi.json", "/swagger.json")
FULL_KNOWN = (
    *QUICK_KNOWN,
    "/security.txt",
    "/sitemap_index.xml",
    "/openapi.yaml",
    "/swagger.yaml",
    "/api/openapi.json",
    "/api/swagger.json",
    "/v2/api-docs",
    "/v3/api-docs",
    "/swagger/v1/swagger.json",
    "/api-docs",
    "/.well-known/openid-configuration",
)
_KNOWN = frozenset(FULL_KNOWN)


class CrawlPhase:
    """The `crawl` step: at most eight rounds of forty pages, within the scan's page budget."""

    step: ClassVar[str] = "crawl"
    name: ClassVar[PhaseName] = PhaseName.CRAWL
    title: ClassVar[str] = "Crawling pages"
    touch: ClassVar[Touch] = Touch.LIGHT
    modes: ClassVar[frozenset[ScanMode]] = frozenset(ScanMode)
    max_rounds: ClassVar[int] = 8

    def checks(self, view: ScanView) -> Iterable[tuple[str, str]]:
        return [(CHECK, str(origin)) for origin in _origins(view)]

    def plan(self, view: ScanView, round_: int) -> Iterable[Probe]:
        if round_ == 0:
            known = FULL_KNOWN if view.spec.mode is ScanMode.FULL else QUICK_KNOWN
            for origin in _origins(view):
                for target in dict.fromkeys((*_starts(view, origin), *known)):
                    yield _probe(origin, target, 0)
            return
        frontier = _Frontier(view)
        for link in frontier.next(min(PER_ROUND, view.spec.budget.pages - frontier.visited)):
            yield _probe(link.origin, link.target, link.depth)

    def judge(self, view: ScanView, round_: int, replies: Sequence[Reply]) -> Iterable[Judgement]:
        origins = frozenset(_origins(view))
        taken = _Taken(links=len(view.links), shapes=len(view.shapes))
        notes: dict[str, list[str]] = {}
        facts: list[Judgement] = []
        for reply in replies:
            if not isinstance(reply.probe, HttpProbe):
                continue
            request, depth = reply.probe.request, int(reply.probe.tag)
            if reply.http is None:
                facts.append(Page(request.url, 0, "", "", 0, "", depth))
                continue
            content = self._read(reply.http, origins, taken)
            facts.append(_page(reply.http, content, depth))
            if request.target in _KNOWN and reply.http.reply.status >= 400:
                continue
            notes.setdefault(reply.probe.asset, []).extend(content.notes)
            facts += _facts(view, content, depth, taken)
        yield from facts
        after = _after(view, facts)
        frontier = _Frontier(after)
        ends = frontier.visited >= view.spec.budget.pages or round_ + 1 >= self.max_rounds
        groups: dict[str, list[Reply]] = {str(origin): [] for origin in origins} if ends else {}
        for reply in replies:
            groups.setdefault(reply.probe.asset, []).append(reply)
        for asset, group in groups.items():
            left = frontier.left(asset) if ends else 0
            yield from self._coverage(view, after, asset, group, notes.get(asset, []), left)
        yield from self._unscanned(after)

    def _read(self, exchange: HttpExchange, origins: frozenset[Origin], taken: _Taken) -> Content:
        """What a page holds; its title alone once the scan has no room for links, or the round has read enough."""
        if taken.read >= ROUND_BYTES or taken.links >= MAX_LINKS:
            note = "some pages were not searched for links, because the crawl had reached its bounds"
            return replace(read_title(exchange.reply), notes=(note,))
        reply = exchange.reply
        taken.read += len(reply.body) // (1 if "html" in reply.content_type else 5)
        return read_content(exchange.request, exchange.reply, origins.__contains__)

    def _coverage(
        self,
        before: ScanView,
        view: ScanView,
        asset: str,
        replies: Sequence[Reply],
        notes: Sequence[str],
        left: int,
    ) -> Iterable[Attempt]:
        """The ledger's lines. Where requests failed, the engine's own line stands. `left`: addresses that this walk
        knew and will not visit any more; without them the crawl is not done."""
        acting = sorted({link.target for link in view.links if str(link.origin) == asset and _refusal(link.target)})
        if acting:
            shown = ", ".join(target[:80] for target in acting[:3])
            reason = f"not applicable: {len(acting)} links that would act or ask for too much were not followed ({shown})"
            yield Attempt(self.name, ACTING, asset, Outcome.SKIPPED, reason)
        known = before.attempts.get((CHECK, asset))
        failed = any(reply.outcome is not Outcome.DONE for reply in replies)
        if failed or (known is not None and known.outcome is not Outcome.DONE):
            return
        if known is None and not replies:
            return
        said = [*([known.reason] if known is not None else []), *notes]
        if left:
            limit = f"the budget of {view.spec.budget.pages} pages a scan, or {self.max_rounds} rounds, was used up"
            said.insert(0, f"{left} addresses were not visited: {limit}")
        reason = "; ".join(dict.fromkeys(part for whole in said for part in whole.split("; ") if part))
        sent = len(replies) + (known.requests if known is not None else 0)
        yield Attempt(self.name, CHECK, asset, Outcome.SKIPPED if left else Outcome.DONE, reason[:400], sent)

    def _unscanned(self, view: ScanView) -> Iterable[Attempt]:
        """Hosts that only the crawl met: services were looked for before, so nothing was tested on them."""
        resolved = {resolution.name for resolution in view.resolutions}
        hosts = [a.value for a in view.assets if a.source == "crawl" and a.value not in resolved]
        if hosts:
            reason = f"{len(hosts)} hosts were met while crawling and not scanned: {', '.join(hosts[:4])}"
            yield Attempt(self.name, HOSTS, view.spec.target.host, Outcome.SKIPPED, reason[:400])


@dataclass(slots=True)
class _Taken:
    """How many facts of each kind the scan has, and the bytes this round has searched: a hostile site fills neither
    the store nor the day."""

    links: int
    shapes: int
    read: int = 0
    hosts: dict[str, None] = field(default_factory=dict)


class _Frontier:
    """What has been visited and what comes next, from the facts alone."""

    def __init__(self, view: ScanView) -> None:
        self._origins = _origins(view)
        self._seen = {page.url for page in view.pages}
        links = {link.url: link for link in view.links}
        crawled = [links[url] for url in self._seen if url in links and links[url].target not in _KNOWN]
        starts = {str(origin) + target for origin in self._origins for target in _starts(view, origin)}
        self._shapes = Counter((link.origin, shape(link.target)) for link in crawled)
        self._scripts = sum(1 for link in crawled if _is_script(link.target))
        self._max_scripts = max(2, view.spec.budget.pages // SCRIPT_SHARE)
        self._links = view.links
        self.visited = len(crawled) + len((starts & self._seen) - links.keys())

    def next(self, count: int) -> tuple[Link, ...]:
        """At most `count` links to visit, the nearest first, the origins taking turns."""
        queues: dict[Origin, list[Link]] = {origin: [] for origin in self._origins}
        for link in sorted(self._links, key=lambda link: link.depth):
            if link.origin in queues and self._take(link):
                queues[link.origin].append(link)
        chosen: list[Link] = []
        for turn in range(max(map(len, queues.values()), default=0)):
            chosen += [queue[turn] for queue in queues.values() if turn < len(queue)]
            if len(chosen) >= count:
                break
        return tuple(chosen[: max(0, count)])

    def left(self, asset: str) -> int:
        """How many addresses of `asset` were not visited that would have been worth it."""
        wanted = (link for link in self._links if str(link.origin) == asset and self._wanted(link))
        return len({link.url for link in wanted if not _is_script(link.target)})

    def _take(self, link: Link) -> bool:
        if not self._wanted(link):
            return False
        if _is_script(link.target):
            if self._scripts >= self._max_scripts:
                return False
            self._scripts += 1
        self._shapes[link.origin, shape(link.target)] += 1
        self._seen.add(link.url)
        return True

    def _wanted(self, link: Link) -> bool:
        return (
            link.url not in self._seen
            and link.target not in _KNOWN
            and link.source != "source-map"
            and not is_static(link.target)
            and not _refusal(link.target)
            and self._shapes[link.origin, shape(link.target)] < PER_SHAPE
        )


def _probe(origin: Origin, target: str, depth: int) -> HttpProbe:
    return HttpProbe(CHECK, str(origin), HttpRequest(origin, target=target), tag=str(depth))


def _origins(view: ScanView) -> tuple[Origin, ...]:
    return tuple(dict.fromkeys(service.origin for service in view.web if service.origin is not None))


def _starts(view: ScanView, origin: Origin) -> tuple[str, ...]:
    """Where the walk begins: "/" and, on the target's own origin, the path that the user gave."""
    target = view.spec.target
    mine = target.kind is TargetKind.ORIGIN and origin == target.origin
    return ("/", target.path) if mine and target.path != "/" else ("/",)


def _refusal(target: str) -> str:
    """The word for which a link is not followed, "" where it may be."""
    return acting_word(target) or oversized(target)


def _is_script(target: str) -> bool:
    return target.split("?", 1)[0].lower().endswith((".js", ".mjs"))


def _page(exchange: HttpExchange, content: Content, depth: int) -> Page:
    reply = exchange.reply
    return Page(
        url=exchange.request.url,
        status=reply.status,
        content_type=reply.content_type[:100],
        title=content.title,
        size=len(reply.body),
        digest=hashlib.sha256(reply.body).hexdigest(),
        depth=depth,
        forms=content.forms,
    )


def _facts(view: ScanView, content: Content, depth: int, taken: _Taken) -> Iterable[Judgement]:
    """Links, requests and names of one page, as far as the scan's bounds allow."""
    for found in content.links[:MAX_LINKS_A_PAGE]:
        link = Link(found.origin, found.target, depth + 1, found.source)
        if taken.links < MAX_LINKS and link.key not in view.facts:
            taken.links += 1
            yield link
    for request in content.shapes:
        if taken.shapes < MAX_SHAPES and request.key not in view.facts:
            taken.shapes += 1
            yield request
    target = view.spec.target
    if target.kind is not TargetKind.ORGANISATION:
        return
    for host in content.hosts:
        if host != target.host and target.covers_name(host) and len(taken.hosts) < MAX_HOSTS:
            taken.hosts.setdefault(host)
            yield Asset(AssetType.SUBDOMAIN, host, "crawl", target.host)


def _after(view: ScanView, facts: Sequence[Judgement]) -> ScanView:
    """The view with this round's facts, for the ledger's words; the given view is not touched."""
    later = ScanView(spec=view.spec, mint=view.mint, now=view.now, facts=dict(view.facts))
    for fact in facts:
        if isinstance(fact, Page | Link | Asset):
            later.facts.setdefault(fact.key, fact)
    return later
