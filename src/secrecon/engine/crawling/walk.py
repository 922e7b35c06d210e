"""What a walk learns from the pages that came, batch by batch: facts, the ledger's lines, and what comes next.

Can be built from the facts at any round, so any worker can go on. Of a page only its facts are kept, never its body, so
a site of any size is walked in the same memory. Bounds are of the whole scan: links, requests, hosts, bytes searched.
Pure: the phase does the asking.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from secrecon.detect import graphql
from secrecon.detect.acting import refusal
from secrecon.detect.content import ACTS, Content, Target, read_content, read_title
from secrecon.detect.graphql import MAX_QUERIES
from secrecon.detect.links import is_static
from secrecon.detect.mentions import names_in
from secrecon.detect.pagekind import kind
from secrecon.engine.crawling.frontier import Frontier, is_script
from secrecon.engine.ledger import attempts_from, merge, pushed_back
from secrecon.engine.phase import Judgement
from secrecon.engine.view import ScanView
from secrecon.model.asset import Fact, Link, Page, RequestShape, ToldName
from secrecon.model.http import HttpExchange, HttpReply, HttpRequest
from secrecon.model.probe import HttpProbe, Reply
from secrecon.model.scan import Attempt, Outcome, PhaseName, ScanMode, Touch
from secrecon.model.target import Origin, TargetKind
from secrecon.net.rendering import Rendered

CHECK, ACTING, HOSTS = "crawl.pages", "crawl.acting-links", "crawl.hosts"
GRAPHQL = "crawl.graphql"
BROWSER = "crawl.browser"
UNFINISHED = "not finished"
ALIKE = "more addresses were like pages that had shown nothing new any more"
CIRCLES = "addresses that lead round in circles were not entered"
_OLD = re.compile(f"^{UNFINISHED}|{ALIKE}$|{CIRCLES}$")
"""What a line said of the state of the walk in the round before."""
PER_BATCH = 40
PAGE_CAP, SCRIPT_CAP = 1_000_000, 2_000_000
LINKS_A_PAGE, FEWEST_LINKS, MOST_LINKS = 3, 3_000, 100_000
MAX_LINKS_A_PAGE = 400
MAX_SHAPES, MAX_SHAPES_A_PATH = 1_000, 12
MAX_HOSTS = 200
MAX_GRAPHQL = 40
BATCH_BYTES = 5_000_000
"""How much HTML a batch searches for links; other bodies, which cost less, count a fifth."""
QUICK_KNOWN = ("/robots.txt", "/sitemap.xml", "/.well-known/security.txt", "/openapi.json", "/swagger.json")
FULL_KNOWN = (
    *QUICK_KNOWN,
    "/security.txt",
    "/sitemap_index.xml",
    "/sitemap.xml.gz",
    "/openapi.yaml",
    "/swagger.yaml",
    "/api/openapi.json",
    "/api/swagger.json",
    "/v2/api-docs",
    "/v3/api-docs",
    "/swagger/v1/swagger.json",
    "/api-docs",
    "/.well-known/openid-configuration",
    "/.well-known/assetlinks.json",
    "/manifest.json",
)
KNOWN = frozenset(FULL_KNOWN)
FactT = TypeVar("FactT", bound=Fact)


def max_links(pages: int) -> int:
    """How many addresses a scan keeps, for its budget of pages."""
    return min(MOST_LINKS, max(FEWEST_LINKS, LINKS_A_PAGE * pages))


class Walk:
    """One round of the crawl."""

    def __init__(self, view: ScanView) -> None:
        self._spec = view.spec
        self.origins = origins_of(view)
        self.frontier = Frontier(self.origins, view.spec.budget.pages, KNOWN)
        self._keys = set(view.facts)
        self._links = self._shapes = self._read = 0
        self._paths: Counter[str] = Counter()
        self._hosts: dict[str, None] = {}
        self._graphql: dict[tuple[Origin, str], None] = {}
        self._chosen: list[HttpProbe] = []
        self._resolved = {resolution.name for resolution in view.resolutions}
        self._lines: dict[tuple[str, str], Attempt] = {
            k: a for k, a in view.attempts.items() if k[0] in (CHECK, GRAPHQL, BROWSER)
        }
        self._notes: dict[str, dict[str, None]] = {}
        self._views: dict[Origin, dict[str, str]] = {origin: {} for origin in self.origins}
        self._viewed: set[tuple[Origin, str]] = set()
        self._remember(view)

    def _see(self, link: Link) -> None:
        path = link.target.partition("?")[0]
        if "graphql" in path.lower() and not is_script(path) and not refusal(path):
            self._graphql.setdefault((link.origin, path))

    def _remember(self, view: ScanView) -> None:
        sources = {link.url: link.source for link in view.links}
        for page in view.pages:
            for origin in self.origins:
                if page.url.startswith(f"{origin}/"):
                    target = page.url[len(str(origin)) :]
                    self.frontier.visit(origin, target, page.structure, sources.get(page.url, ""))
                    self._show(origin, target, page)
        for link in view.links:
            self.frontier.add(link)
            self._see(link)
        self._links = len(view.links)
        self._shapes = len(view.shapes)
        for shape in view.shapes:
            self._paths[f"{shape.method} {shape.url}"] += 1
        for told in view.told:
            if told.source == "crawl":
                self._hosts.setdefault(told.name)

    def first(self) -> list[HttpProbe]:
        """The start and the well-known places of every service."""
        known = FULL_KNOWN if self._spec.mode is ScanMode.FULL else QUICK_KNOWN
        return [
            self._probe(origin, target, 0)
            for origin in self.origins
            for target in dict.fromkeys((*self._starts(origin), *known))
        ]

    def next(self) -> list[HttpProbe]:
        """The next batch; none where the walk is at its end or its budget is used up."""
        room = min(PER_BATCH, self._spec.budget.pages - self.frontier.visited)
        return [self._probe(link.origin, link.target, link.depth) for link in self.frontier.next(room)]

    def put_back(self, probes: Sequence[HttpProbe]) -> None:
        """Keep a batch that was chosen and not asked for the next round."""
        self._chosen = list(probes)

    def again(self) -> list[HttpProbe]:
        """The batch that the round before put back, or the next one."""
        chosen, self._chosen = self._chosen, []
        return chosen or self.next()

    def learn(self, replies: Sequence[Reply], slowed: Mapping[str, str]) -> list[Judgement]:
        """The facts of a batch. `slowed`: host to why it was slowed down."""
        self._read = 0
        facts: list[Judgement] = []
        for reply in replies:
            if not isinstance(reply.probe, HttpProbe):
                continue
            facts += self._schema(reply) if reply.probe.check == GRAPHQL else self._learn(reply, reply.probe)
        new = attempts_from(PhaseName.CRAWL, replies, ()) | pushed_back(PhaseName.CRAWL, replies, slowed)
        for attempt in merge(self._lines, new, ()):
            self._lines[attempt.check, attempt.asset] = attempt
        return facts

    def _learn(self, reply: Reply, probe: HttpProbe) -> Iterable[Judgement]:
        request, depth = probe.request, int(probe.tag)
        if reply.http is None:
            self.frontier.visit(request.origin, request.target, "")
            yield from self._new(Page(request.url, 0, "", "", 0, "", depth, user=probe.user))
            return
        content = self._content(reply.http)
        page = _page(reply.http, content, depth, probe.user)
        self.frontier.visit(request.origin, request.target, page.structure)
        self._show(request.origin, request.target, page)
        yield from self._new(page)
        if request.target in KNOWN and reply.http.reply.status >= 400:
            return
        for note in content.notes:
            self._note(probe.asset, note)
        yield from self._facts(content, depth)
        if self._spec.target.kind is TargetKind.ORGANISATION and len(self._hosts) < MAX_HOSTS:
            yield from self._names(names_in(reply.http.reply.body, self._spec.target.host))

    def _content(self, exchange: HttpExchange) -> Content:
        """What a page holds; its title alone once the scan has no room for links, or the batch has read enough."""
        if self._read >= BATCH_BYTES or self._links >= max_links(self._spec.budget.pages):
            note = "some pages were not searched for links, because the crawl had reached its bounds"
            return replace(read_title(exchange.reply), notes=(note,))
        reply = exchange.reply
        self._read += len(reply.body) // (1 if "html" in reply.content_type else 5)
        return read_content(exchange.request, exchange.reply, set(self.origins).__contains__)

    def _facts(self, content: Content, depth: int) -> Iterable[Judgement]:
        """Links, requests and names of one page, as far as the scan's bounds allow."""
        for found in content.links[:MAX_LINKS_A_PAGE]:
            if self._links < max_links(self._spec.budget.pages):
                for link in self._new(Link(found.origin, found.target, depth + 1, found.source)):
                    self._links += 1
                    self.frontier.add(link)
                    self._see(link)
                    yield link
        yield from self._requests(content.shapes)
        if self._spec.target.kind is TargetKind.ORGANISATION:
            yield from self._names(content.hosts)

    def _names(self, hosts: Iterable[str]) -> Iterable[Judgement]:
        """Names of the organisation that a page points at or mentions; they are only told, and looked up later."""
        target = self._spec.target
        for host in hosts:
            if host != target.host and target.covers_name(host) and len(self._hosts) < MAX_HOSTS:
                self._hosts.setdefault(host)
                yield from self._new(ToldName(host, "crawl"))

    def _requests(self, shapes: Iterable[RequestShape]) -> Iterable[Judgement]:
        for request in shapes:
            path = f"{request.method} {request.url}"
            several = MAX_QUERIES if request.source == "graphql" else MAX_SHAPES_A_PATH
            if self._shapes < MAX_SHAPES and self._paths[path] < several:
                for shape in self._new(request):
                    self._shapes += 1
                    self._paths[path] += 1
                    yield shape

    def _show(self, origin: Origin, target: str, page: Page) -> None:
        """Note a page that a browser would show: the first of its kind."""
        if page.status == 200 and page.structure and target not in KNOWN and not refusal(target):
            self._views[origin].setdefault(kind(target), target)

    def to_render(self, origin: Origin) -> str | None:
        """A page of a kind that was not rendered yet, where the walk began first; None where there is none."""
        views = self._views[origin]
        ordered = [*(t for t in self._starts(origin) if t in views.values()), *views.values()]
        for target in ordered:
            if (origin, kind(target)) not in self._viewed:
                self._viewed.add((origin, kind(target)))
                return target
        return None

    def was_rendered(self, origin: Origin) -> bool:
        """Whether the ledger has the browser's line for a service."""
        return (BROWSER, str(origin)) in self._lines

    def tell(self, lines: Iterable[Attempt]) -> Iterable[Attempt]:
        """Take lines of the ledger in, and give them back."""
        for line in lines:
            self._lines[line.check, line.asset] = line
            yield line

    def learn_rendered(self, page: Rendered, shapes: Sequence[RequestShape]) -> list[Judgement]:
        """The facts of a page as it was after its scripts. `shapes`: the requests that its scripts made."""
        if page.origin not in self.origins:
            return []
        self._viewed.add((page.origin, kind(page.target)))
        request = HttpRequest(page.origin, target=page.target)
        content = read_content(request, _as_reply(page), set(self.origins).__contains__)
        links = [replace(t, source="browser") if t.source == "html" else t for t in content.links]
        asked = [wish for wish in page.wishes if wish.sent and wish.origin in self.origins]
        links += [Target(wish.origin, wish.target, "browser") for wish in asked]
        for found in links:
            path = found.target
            if found.source != ACTS and not (is_script(path) or is_static(path) or refusal(path)):
                self._views[found.origin].setdefault(kind(path), path)
        for wish in asked:  # an answer for scripts is no page
            self._viewed.add((wish.origin, kind(wish.target)))
        kept = [shape for shape in shapes if shape.origin in self.origins]
        content = replace(content, links=tuple(links), shapes=(*content.shapes, *kept))
        return list(self._facts(content, 0))

    def last(self) -> list[HttpProbe]:
        """Once the pages are read: the question that an open GraphQL endpoint answers, where active checks are allowed."""
        if self._spec.mode is not ScanMode.FULL or self._spec.touch.rank < Touch.ACTIVE.rank:
            return []
        usual = [(origin, path) for origin in self.origins for path in graphql.USUAL_PLACES]
        places = list(dict.fromkeys((*list(self._graphql)[:MAX_GRAPHQL], *usual)))
        fresh = [place for place in places if (GRAPHQL, str(place[0])) not in self._lines]
        return [
            HttpProbe(GRAPHQL, str(origin), graphql.introspection(origin, path), body_cap=SCRIPT_CAP)
            for origin, path in fresh
        ]

    def _schema(self, reply: Reply) -> Iterable[Judgement]:
        """The queries of an endpoint that told its schema."""
        if reply.http is None or not graphql.is_open(reply.http.reply):
            return
        asset = reply.probe.asset
        self._note(asset, f"GraphQL introspection is open at {reply.http.request.target[:80]}")
        yield from self._requests(graphql.queries(reply.http.request, reply.http.reply))

    def lines(self, *, more: bool, stopped: bool) -> list[Attempt]:
        """The ledger's lines after a round. `more`: the walk goes on in another; `stopped`: the scan was cancelled."""
        lines = [attempt for (check, _), attempt in self._lines.items() if check != CHECK]
        for origin in self.origins:
            asset = str(origin)
            lines += self._acting(asset)
            known = self._lines.get((CHECK, asset))
            if known is None:
                continue
            if known.outcome is Outcome.DONE or known.reason.startswith(UNFINISHED):
                known = self._line(origin, known, more=more, stopped=stopped)
            lines.append(known)
        return [*lines, *self._unscanned()]

    def _line(self, origin: Origin, known: Attempt, *, more: bool, stopped: bool) -> Attempt:
        left = 0 if more else self.frontier.left(origin)
        alike = self.frontier.alike(origin)
        said = [part for part in known.reason.split("; ") if part and not _OLD.search(part)]
        said += self._notes.get(str(origin), {})
        if alike:
            said.append(f"{alike} {ALIKE}")
        if trapped := self.frontier.trapped[str(origin)]:
            said.append(f"{trapped} {CIRCLES}")
        if stopped:
            said.insert(0, f"{UNFINISHED}: cancelled")
        elif more:
            said.insert(0, f"{UNFINISHED}: the walk was interrupted")
        elif left:
            limit = f"the budget of {self._spec.budget.pages} pages a scan was used up"
            said.insert(0, f"{left} addresses were not visited: {limit}")
        reason = "; ".join(dict.fromkeys(said))
        outcome = Outcome.SKIPPED if left or more or stopped else Outcome.DONE
        return replace(known, outcome=outcome, reason=reason[:400])

    def _acting(self, asset: str) -> Iterable[Attempt]:
        if acting := sorted(self.frontier.acting.get(asset, ())):
            shown = ", ".join(target[:80] for target in acting[:3])
            reason = f"not applicable: {len(acting)} links that would act or ask for too much were not followed ({shown})"
            yield Attempt(PhaseName.CRAWL, ACTING, asset, Outcome.SKIPPED, reason)

    def _unscanned(self) -> Iterable[Attempt]:
        """Hosts that only the crawl met: services were looked for before, so nothing was tested on them."""
        hosts = [host for host in self._hosts if host not in self._resolved]
        if hosts:
            reason = f"{len(hosts)} hosts were met while crawling and not scanned: {', '.join(hosts[:4])}"
            yield Attempt(PhaseName.CRAWL, HOSTS, self._spec.target.host, Outcome.SKIPPED, reason[:400])

    def _new(self, fact: FactT) -> Iterable[FactT]:
        if fact.key not in self._keys:
            self._keys.add(fact.key)
            yield fact

    def _note(self, asset: str, note: str) -> None:
        notes = self._notes.setdefault(asset, {})
        if len(notes) < 8:
            notes.setdefault(note)

    def _probe(self, origin: Origin, target: str, depth: int) -> HttpProbe:
        script = is_script(target) or target in KNOWN or target.endswith(".map")
        cap = min(SCRIPT_CAP if script else PAGE_CAP, self._spec.budget.body_cap)
        return HttpProbe(CHECK, str(origin), HttpRequest(origin, target=target), tag=str(depth), body_cap=cap)

    def _starts(self, origin: Origin) -> tuple[str, ...]:
        """Where the walk begins: "/" and, on the target's own origin, the path that the user gave."""
        target = self._spec.target
        mine = target.kind is TargetKind.ORIGIN and origin == target.origin
        return ("/", target.path) if mine and target.path != "/" else ("/",)


def origins_of(view: ScanView) -> tuple[Origin, ...]:
    """The web services of the scan."""
    return tuple(dict.fromkeys(service.origin for service in view.web if service.origin is not None))


def _as_reply(page: Rendered) -> HttpReply:
    body = page.html.encode("utf-8", "replace")
    return HttpReply(
        200, "OK", (("content-type", "text/html; charset=utf-8"),), body, b"", body, b"",
        truncated=False, problems=(), elapsed=0.0, address="",
    )  # fmt: skip


def _page(exchange: HttpExchange, content: Content, depth: int, user: bool) -> Page:
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
        structure=content.structure,
        user=user,
    )
