"""The crawl: by breadth, within its budget, a few pages of a kind, nothing that acts, no state of its own."""

from __future__ import annotations

from collections.abc import Callable

from tests.engine.phases.web_views import answered, failed, view_of

from secrecon.engine.phases.crawl import ACTING, CHECK, MAX_LINKS, PER_ROUND, CrawlPhase
from secrecon.engine.view import ScanView
from secrecon.model.asset import Asset, Link, Page
from secrecon.model.finding import Finding
from secrecon.model.probe import HttpProbe
from secrecon.model.scan import Attempt, Outcome, ScanMode
from secrecon.model.target import Origin

SHOP = Origin("http", "shop.acme.test", 80)
WWW = Origin("http", "www.acme.test", 80)


def walk(view: ScanView, site: Callable[[str], bytes], rounds: int = 8) -> list[list[str]]:
    """Run rounds with a fresh phase each time; the URLs asked for, round by round."""
    asked: list[list[str]] = []
    for number in range(rounds):
        probes = [p for p in CrawlPhase().plan(view, number) if isinstance(p, HttpProbe)]
        asked.append([probe.request.url for probe in probes])
        if not probes:
            break
        replies = [answered(probe, site(probe.request.target)) for probe in probes]
        judged = list(CrawlPhase().judge(view, number, replies))
        view.add(
            [item for item in judged if not isinstance(item, Finding | Attempt)],
            (),
            [item for item in judged if isinstance(item, Attempt)],
        )
    return asked


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
    assert len(asked[1]) == PER_ROUND
    assert not any("/deep/" in url for url in asked[1][:-1])


def test_what_acts_or_asks_for_too_much_is_noted_and_not_followed() -> None:
    view = view_of("http://shop.acme.test", SHOP)
    walk(
        view,
        lambda target: (
            b"<a href='/logout'><a href='/p?size=5000'><a href='/p?size=64'><a href='/a.png'><a href='/ok'>"
        ),
    )
    assert {"/ok", "/p?size=64"} <= visited(view)
    assert not {"/logout", "/p?size=5000", "/a.png"} & visited(view)
    assert "/logout" in view.attempts[ACTING, str(SHOP)].reason
    assert any(link.target == "/logout" for link in view.links)
    assert not any(shape.parameters and shape.path == "/logout" for shape in view.shapes)


def test_links_stay_inside_the_services_of_the_scan_and_names_are_kept() -> None:
    view = view_of("acme.test", SHOP, WWW)
    walk(
        view,
        lambda t: (
            b"<a href='http://www.acme.test/w'><a href='http://new.acme.test/n'><a href='http://other.test/o'>"
        ),
    )
    assert {link.origin for link in view.links} <= {SHOP, WWW}
    assert any(page.url == "http://www.acme.test/w" for page in view.pages)
    assert "new.acme.test" in {asset.value for asset in view.of(Asset)}
    assert not any("other.test" in asset.value for asset in view.of(Asset))


def test_the_path_of_the_target_is_where_it_begins() -> None:
    view = view_of("http://shop.acme.test/app/start?x=1", SHOP, mode=ScanMode.QUICK)
    first = [p.request.target for p in CrawlPhase().plan(view, 0) if isinstance(p, HttpProbe)]
    assert first[:2] == ["/", "/app/start?x=1"]
    assert "/robots.txt" in first
    assert len(first) < 10


def test_a_hostile_site_cannot_fill_the_store() -> None:
    view = view_of("http://shop.acme.test", SHOP)

    def site(target: str) -> bytes:
        name = target.strip("/").replace("/", "-")[:40].encode()
        return b"".join(b"<a href='/%s/%s'>" % (name, bytes([97 + i % 26]) * (i // 26 + 1)) for i in range(600))

    walk(view, site)
    assert len(view.of(Link)) == MAX_LINKS
    assert "bounds" in view.attempts[CHECK, str(SHOP)].reason


def test_a_page_that_did_not_answer_is_a_page_and_the_engine_keeps_its_line() -> None:
    view = view_of("http://shop.acme.test", SHOP)
    probes = [p for p in CrawlPhase().plan(view, 0) if isinstance(p, HttpProbe)]
    judged = list(CrawlPhase().judge(view, 0, [failed(probe) for probe in probes]))
    assert {item.status for item in judged if isinstance(item, Page)} == {0}
    assert not any(isinstance(item, Attempt) for item in judged)


def test_what_a_scan_without_services_does() -> None:
    view = view_of("http://shop.acme.test")
    assert list(CrawlPhase().plan(view, 0)) == []
    assert list(CrawlPhase().plan(view, 1)) == []
    assert list(CrawlPhase().judge(view, 0, [])) == []
