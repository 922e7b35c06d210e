"""The crawl: by breadth, within its budget, a few pages of a kind, nothing that acts, no state of its own."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence

import pytest
from tests.engine.phases.web_views import answered, failed, view_of

from secrecon.engine.crawling.frontier import MOST_OF_A_KIND, PER_FOLDER, PER_KIND
from secrecon.engine.crawling.walk import ACTING, CHECK, FEWEST_LINKS, KNOWN, PER_BATCH, UNFINISHED
from secrecon.engine.memory import MemoryLog
from secrecon.engine.phase import Ground, Judgement
from secrecon.engine.phases.crawl import CrawlPhase
from secrecon.engine.view import ScanView
from secrecon.model.asset import Asset, Link, Page
from secrecon.model.finding import Finding
from secrecon.model.probe import Asked, HttpProbe, Reply
from secrecon.model.scan import Attempt, Budget, Outcome, ScanMode
from secrecon.model.target import Origin, parse_target
from secrecon.net.clock import SystemClock
from secrecon.net.gate import ScopeGate
from secrecon.net.network import Network
from secrecon.net.resolver import Resolver

SHOP = Origin("http", "shop.acme.test", 80)
WWW = Origin("http", "www.acme.test", 80)


Site = Callable[[str], bytes]


def ground_over(site: Site, asked: list[list[str]], outcome: Callable[[HttpProbe], Reply] | None = None) -> Ground:
    """A ground whose network is `site`; `asked` receives the URLs, batch by batch."""
    resolver = Resolver((("127.0.0.1", 9),), timeout=0.5)
    gate = ScopeGate(parse_target("http://shop.acme.test"), (), resolver)
    network = Network(gate, resolver, Budget(), SystemClock())

    async def told(done: int, total: int) -> None:
        return None

    async def deaf() -> str:
        return ""

    async def ask(probes: Sequence[Asked], *, keep: bool) -> list[Reply]:
        mine = [probe for probe in probes if isinstance(probe, HttpProbe)]
        asked.append([probe.request.url for probe in mine])
        return [outcome(p) if outcome else answered(p, site(p.request.target)) for p in mine]

    return Ground(network, MemoryLog(0.0, lambda told: None), None, asyncio.Event(), told, deaf, ask)


def walk(view: ScanView, site: Site, rounds: int = 100) -> list[list[str]]:
    """Run rounds with a fresh phase each time; the URLs asked for, batch by batch."""
    asked: list[list[str]] = []

    async def through() -> None:
        ground = ground_over(site, asked)
        for number in range(rounds):
            judged, more = await CrawlPhase().hold(view, number, ground)
            keep(view, judged)
            if not more:
                break
        await ground.network.close()

    asyncio.run(through())
    return asked


def keep(view: ScanView, judged: Sequence[Judgement]) -> None:
    view.add(
        [item for item in judged if not isinstance(item, Finding | Attempt)],
        (),
        [item for item in judged if isinstance(item, Attempt)],
    )


def visited(view: ScanView) -> set[str]:
    return {page.url.removeprefix(str(SHOP)) for page in view.pages}


def test_a_page_without_end_is_not_walked_to_its_end() -> None:
    view = view_of("http://shop.acme.test", SHOP)
    walk(view, lambda target: b"<a href='/cal?m=%d'>next</a>" % (int(target.partition("=")[2] or 0) + 1))
    assert len([t for t in visited(view) if t.startswith("/cal")]) == 3


def test_the_budget_of_pages_holds_and_the_ledger_says_so() -> None:
    view = view_of("http://shop.acme.test", SHOP, pages=30)
    names = "abcdefghijklmnopqrstuvwxyz"
    links = b"".join(f"<a href='/{a}{b}'>".encode() for a in names for b in names)
    walk(view, lambda target: links)
    assert len([page for page in view.pages if "." not in page.url.removeprefix(str(SHOP))]) <= 30 + 3
    attempt = view.attempts[CHECK, str(SHOP)]
    assert attempt.outcome is Outcome.SKIPPED, "a crawl that stopped short is no full crawl"
    assert "30 pages" in attempt.reason


def test_a_round_is_bounded_and_near_pages_come_first() -> None:
    view = view_of("http://shop.acme.test", SHOP)
    links = b"".join(b"<a href='/%s'>" % (bytes([97 + i % 26]) * (i // 26 + 1)) for i in range(100))
    asked = walk(view, lambda target: links + b"<a href='/deep/%s'>" % target.strip("/").encode(), rounds=3)
    assert len(asked[1]) == PER_BATCH
    assert not any("/deep/" in url for url in asked[1][:-1])


def test_what_acts_or_asks_for_too_much_is_noted_and_not_followed() -> None:
    view = view_of("http://shop.acme.test", SHOP)
    walk(
        view,
        lambda target: (
            b"<a href='/logout'><a href='/p?size=5000'><a href='/p?size=64'><a href='/p?size=65'><a href='/a.png'>"
            b"<a href='/ok'><a href='/gone?id=3'>Delete</a><a href='/f%00.txt'>file</a>"
        ),
    )
    assert {"/ok", "/p?size=64"} <= visited(view)
    assert not {"/logout", "/p?size=5000", "/p?size=65", "/a.png", "/gone?id=3", "/f%00.txt"} & visited(view)
    assert "/logout" in view.attempts[ACTING, str(SHOP)].reason
    assert any(link.target == "/logout" for link in view.links)
    assert not any(shape.path in ("/logout", "/gone", "/f%00.txt") for shape in view.shapes)


def test_links_stay_inside_the_services_of_the_scan_and_names_are_kept() -> None:
    view = view_of("acme.test", SHOP, WWW)
    walk(
        view,
        lambda t: (
            b"<a href='http://www.acme.test/w'><a href='http://new.acme.test/n'><a href='http://other.test/o'>"
            b"<script>var api = 'wss://live.acme.test:9/x'</script>"
        ),
    )
    assert {link.origin for link in view.links} <= {SHOP, WWW}
    assert any(page.url == "http://www.acme.test/w" for page in view.pages)
    assert {"new.acme.test", "live.acme.test"} <= {told.name for told in view.told if told.source == "crawl"}
    assert not any("other.test" in asset.value for asset in view.of(Asset))


def test_the_path_of_the_target_is_where_it_begins() -> None:
    view = view_of("http://shop.acme.test/app/start?x=1", SHOP, mode=ScanMode.QUICK)
    first = [url.removeprefix(str(SHOP)) for url in walk(view, lambda target: b"")[0]]
    assert first[:2] == ["/", "/app/start?x=1"]
    assert "/robots.txt" in first
    assert len(first) < 10


def test_a_hostile_site_cannot_fill_the_store() -> None:
    view = view_of("http://shop.acme.test", SHOP)

    def site(target: str) -> bytes:
        name = target.strip("/").replace("/", "-")[:40].encode()
        return b"".join(b"<a href='/%s/%s'>" % (name, bytes([97 + i % 26]) * (i // 26 + 1)) for i in range(600))

    walk(view, site)
    assert len(view.of(Link)) == FEWEST_LINKS
    assert "bounds" in view.attempts[CHECK, str(SHOP)].reason


def test_a_page_that_did_not_answer_is_a_page_and_its_line_says_why() -> None:
    view = view_of("http://shop.acme.test", SHOP)

    async def once() -> Sequence[Judgement]:
        ground = ground_over(lambda target: b"", [], failed)
        judged, more = await CrawlPhase().hold(view, 0, ground)
        await ground.network.close()
        assert not more
        return judged

    judged = asyncio.run(once())
    assert {item.status for item in judged if isinstance(item, Page)} == {0}
    assert [item.outcome for item in judged if isinstance(item, Attempt)] == [Outcome.TIMED_OUT]


def test_what_a_scan_without_services_does() -> None:
    view = view_of("http://shop.acme.test")
    assert walk(view, lambda target: b"") == []
    assert not view.attempts


def words(number: int) -> str:
    """A word of letters alone, another for each number."""
    return "".join(chr(97 + int(digit)) for digit in str(number))


def skeleton(number: int) -> bytes:
    """Markup that is built differently for each number."""
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    names = (
        "div",
        "ul",
        "li",
        "table",
        "tr",
        "td",
        "form",
        "section",
        "nav",
        "main",
        "aside",
        "header",
        "dl",
        "dt",
        "ol",
        "pre",
    )
    return "".join(f"<{names[int(digit, 16)]}>" for digit in digest[:12]).encode()


@pytest.mark.parametrize(
    ("name", "site", "most"),
    [
        ("items by number", lambda t: b"".join(b"<a href='/item/%d'>" % n for n in range(300)), PER_KIND),
        (
            "random tokens",
            lambda t: b"".join(b"<a href='/s/a%db%dc%dd'>" % (n, n, n) for n in range(100, 400)),
            PER_KIND,
        ),
        (
            "words in a folder",
            lambda t: "".join(f"<a href='/docs/{words(n)}'>" for n in range(300)).encode(),
            PER_FOLDER,
        ),
        ("folders inside themselves", lambda t: b"<a href='more/'>", 20),
        ("session ids", lambda t: b"<a href='/x;jsessionid=%032X'>" % (hash(t) & 0xFFFF), 1),
        ("sessions in the query", lambda t: b"<a href='/x?PHPSESSID=%032X'>" % (hash(t) & 0xFFFF), 1),
        (
            "facets",
            lambda t: "".join(f"<a href='/f?{t.partition('?')[2]}&{n}=1'>" for n in "abcdefghij").encode(),
            30,
        ),
        ("amounts", lambda t: b"".join(b"<a href='/r?rows=%d'>" % n for n in range(1, 90)), 1),
        ("delays", lambda t: b"".join(b"<a href='/delay/%d'>" % n for n in range(3, 90)), 0),
    ],
)
def test_spider_traps_are_left_soon(name: str, site: Site, most: int) -> None:
    view = view_of("http://shop.acme.test", SHOP, pages=1_000)
    walk(view, site)
    inside = {t for t in visited(view) if t != "/" and t not in KNOWN}
    assert 0 < len(inside) + (most == 0) <= max(most, 1), sorted(inside)[:50]
    assert view.attempts[CHECK, str(SHOP)].outcome is Outcome.DONE


def test_pages_of_one_kind_that_are_built_differently_are_visited() -> None:
    view = view_of("http://shop.acme.test", SHOP, pages=1_000)
    links = b"".join(b"<a href='/item/%d'>" % n for n in range(400))
    walk(view, lambda target: links + skeleton(hash(target)))
    assert len([t for t in visited(view) if t.startswith("/item")]) == MOST_OF_A_KIND


def test_a_site_whose_pages_differ_is_walked_to_its_end() -> None:
    view = view_of("http://shop.acme.test", SHOP, pages=1_000)

    def site(target: str) -> bytes:
        number = (
            int("".join(str(ord(c) - 97) for c in target.rpartition("/")[2] if c.isalpha()) or 0)
            if "/p/" in target
            else 0
        )
        return b"".join(
            f"<a href='/p/{words(number * 3 + n)}'>".encode() for n in (1, 2, 3) if number * 3 + n < 700
        ) + skeleton(number)

    asked = walk(view, site)
    assert len([t for t in visited(view) if t.startswith("/p/")]) == 699
    assert view.attempts[CHECK, str(SHOP)].outcome is Outcome.DONE
    assert max(map(len, asked)) <= PER_BATCH


def test_a_walk_that_another_worker_takes_over_goes_on_where_it_was() -> None:
    view = view_of("http://shop.acme.test", SHOP, pages=1_000)

    links = "".join(f"<a href='/{words(n)}/x'>" for n in range(600)).encode()
    first = walk(view, lambda target: links if target == "/" else b"", rounds=1)
    assert view.attempts[CHECK, str(SHOP)].reason.startswith(UNFINISHED)
    assert view.attempts[CHECK, str(SHOP)].outcome is Outcome.SKIPPED
    rest = walk(view, lambda t: b"")
    urls = [url for batch in (*first, *rest[1:]) for url in batch]
    assert len(urls) == len(set(urls)), "nothing is asked twice"
    assert view.attempts[CHECK, str(SHOP)].outcome is Outcome.DONE
