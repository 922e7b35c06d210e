"""Pages in a browser: which are opened, what is learned from them, and what the ledger says; the browser is made by hand."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest
from tests.engine.phases.test_crawl import SHOP, ground_over, keep
from tests.engine.phases.web_views import view_of

from secrecon.engine.crawling.rendered import PAGES
from secrecon.engine.crawling.walk import BROWSER
from secrecon.engine.phase import Ground
from secrecon.engine.phases.crawl import CrawlPhase
from secrecon.engine.view import ScanView
from secrecon.model.asset import InputPlace, RequestShape
from secrecon.model.errors import BudgetSpent, OperatorError, TargetTimeout
from secrecon.model.scan import Outcome
from secrecon.model.target import Origin
from secrecon.net.network import Network
from secrecon.net.rendering import OpenBrowser, Refuses, Rendered, Renderer, Wish

Shows = Callable[[str], Rendered]


class Fake:
    """Shows pages by `shows`; `opened`: what was asked for, in order."""

    def __init__(self, shows: Shows) -> None:
        self.shows = shows
        self.opened: list[str] = []

    async def render(self, origin: Origin, target: str) -> Rendered:
        self.opened.append(target)
        return self.shows(target)

    @contextlib.asynccontextmanager
    async def open(self, network: Network, refuses: Refuses) -> AsyncIterator[Renderer]:
        yield self


def page(target: str, html: str = "<p>", *wishes: Wish, refused: tuple[str, ...] = ()) -> Rendered:
    return Rendered(SHOP, target, html, wishes, refused)


def wish(method: str, target: str, body: str = "", kind: str = "", origin: Origin = SHOP) -> Wish:
    return Wish(method, origin, target, kind, body, sent=method == "GET")


def crawl(
    open_browser: OpenBrowser | None, html: bytes = b"<p>", meanwhile: Callable[[Ground], None] | None = None
) -> tuple[ScanView, list[str]]:
    """A whole crawl of a site whose every page is `html`, with a fresh phase each round; what was asked for."""
    view = view_of("http://shop.acme.test", SHOP)
    view.spec = replace(view.spec, browser=True)
    asked: list[list[str]] = []

    async def through() -> None:
        ground = ground_over(lambda target: html, asked)
        if meanwhile is not None:
            meanwhile(ground)
        for number in range(20):
            judged, more = await CrawlPhase(open_browser).hold(view, number, ground)
            keep(view, judged)
            if not more:
                break
        await ground.network.close()

    asyncio.run(through())
    return view, [url for batch in asked for url in batch]


def test_what_scripts_make_becomes_links_and_inputs_and_is_walked() -> None:
    made = "<a href='/made/by/script'>x</a><a href='/x?a=1'>Delete</a><form method=post action=/note><input name=text></form>"
    fake = Fake(
        lambda target: page(
            target,
            made,
            wish("GET", "/api/items?page=2"),
            wish("POST", "/api/cart?v=1", '{"item": {"id": 7, "gift": true}}', "application/json"),
            wish("PUT", "/api/form", "name=Ann&age=3", "application/x-www-form-urlencoded"),
            wish("POST", "/api/broken", "{", "application/json"),
            wish("DELETE", "/api/cart/7"),
            wish("POST", "/logout", "a=1", "application/x-www-form-urlencoded"),
            wish("POST", "/elsewhere", '{"a": 1}', origin=Origin("http", "other.test", 80)),
        )
    )
    view, asked = crawl(fake.open)
    shapes: dict[tuple[str, str], RequestShape] = {(s.method, s.path): s for s in view.shapes}
    cart = shapes["POST", "/api/cart"]
    assert [(p.name, p.place, p.value) for p in cart.parameters] == [
        ("v", InputPlace.QUERY, "1"),
        ("item.id", InputPlace.JSON, "7"),
        ("item.gift", InputPlace.JSON, "true"),
    ]
    assert cart.content_type == "application/json"
    assert [p.name for p in shapes["PUT", "/api/form"].parameters] == ["name", "age"]
    assert {("GET", "/api/items"), ("POST", "/note")} <= {*shapes}
    assert not {m for m, p in shapes if p in ("/logout", "/elsewhere")} | {m for m, _ in shapes if m == "DELETE"}
    assert "http://shop.acme.test/made/by/script" in asked, "the walk goes on with what was found"
    assert {"/made/by/script"} <= {*fake.opened}, "a kind of page that only rendering showed is rendered too"
    assert not any("/x?a=1" in url for url in (*asked, *fake.opened)), "a label that acts is believed here too"
    line = view.attempts[BROWSER, str(SHOP)]
    assert line.outcome is Outcome.DONE
    assert "2 pages rendered" in line.reason
    assert "noted and not sent" in line.reason


def test_a_site_without_end_is_left_after_eleven_pages_the_start_first() -> None:
    fake = Fake(lambda target: page(target, "".join(f"<a href='/{'x' * n}'>x</a>" for n in range(1, 60))))
    view, _ = crawl(fake.open)
    assert fake.opened[0] == "/"
    assert len(fake.opened) == len({*fake.opened}) == PAGES
    assert view.attempts[BROWSER, str(SHOP)].outcome is Outcome.DONE


def test_without_a_browser_the_ledger_says_that_it_was_not_installed() -> None:
    view, _ = crawl(None)
    line = view.attempts[BROWSER, str(SHOP)]
    assert (line.outcome, line.reason.partition(":")[0]) == (Outcome.SKIPPED, "not installed")


def failing(error: Exception) -> Shows:
    def shows(target: str) -> Rendered:
        raise error

    return shows


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (BudgetSpent("the scan's limit of 5 requests was reached", "requests"), Outcome.SKIPPED),
        (TargetTimeout("not rendered within 20 s", "total"), Outcome.FAILED),
    ],
)
def test_what_could_not_be_rendered_is_never_done(error: Exception, outcome: Outcome) -> None:
    view, _ = crawl(Fake(failing(error)).open)
    line = view.attempts[BROWSER, str(SHOP)]
    assert line.outcome is outcome
    assert str(error) in line.reason


def test_a_browser_that_does_not_start_fails_every_service() -> None:
    @contextlib.asynccontextmanager
    async def broken(network: Network, refuses: Refuses) -> AsyncIterator[Renderer]:
        if network.requests == 0:
            raise OperatorError("Chromium did not start")
        yield Fake(page)

    view, _ = crawl(broken)
    assert view.attempts[BROWSER, str(SHOP)].outcome is Outcome.FAILED


def test_a_stop_ends_a_page_at_once() -> None:
    ended: list[str] = []
    grounds: list[Ground] = []

    class Endless(Fake):
        async def render(self, origin: Origin, target: str) -> Rendered:
            grounds[0].stop.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(target)
            return page(target)

    view, _ = crawl(Endless(page).open, meanwhile=grounds.append)
    assert ended == ["/"]
    line = view.attempts[BROWSER, str(SHOP)]
    assert (line.outcome, line.reason.partition(";")[0]) == (Outcome.SKIPPED, "cancelled")


def test_what_the_scope_refused_is_told() -> None:
    view, _ = crawl(Fake(lambda target: page(target, refused=("http://other.test",))).open)
    assert "out of scope and not asked: http://other.test" in view.attempts[BROWSER, str(SHOP)].reason
