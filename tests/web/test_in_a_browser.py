"""The pages in a real browser: no sideways scrolling, no console error, no policy violation, and scripts that work."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvicorn
from playwright.async_api import Browser as Chromium
from playwright.async_api import Page as Tab
from playwright.async_api import async_playwright
from tests.chromium import ARGUMENTS, CHROMIUM
from tests.little import PASSWORD, make_context, make_user, payload_of
from tests.scribe import Say, scribe
from tests.web.conftest import NoisyEngine, finished_scan, make_app, run_to_end

from secrecon.model.interaction import CallbackProtocol, Interaction
from secrecon.model.language import LanguageLimits
from secrecon.net.clock import SystemClock
from secrecon.net.language import LanguageAddress, LanguageModel
from secrecon.net.language_openai import OpenAiWire
from secrecon.service.callbacks import record_interaction
from secrecon.service.context import Context
from secrecon.service.people import authorize_target, operator_for
from secrecon.service.scan_log import StoredScanLog
from secrecon.service.scans import find_scan, read_status
from secrecon.service.webhooks import create_webhook, try_webhook

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.timeout(180),
]


@dataclass
class Site:
    """A running server and what it stores."""

    url: str
    ctx: Context
    engine: NoisyEngine


@dataclass
class Watcher:
    """Whatever a page complained about."""

    complaints: list[str] = field(default_factory=list)

    def watch(self, tab: Tab) -> None:
        tab.on("console", lambda m: self.complaints.append(m.text) if m.type in ("error", "warning") else None)
        tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        tab.on("requestfailed", lambda r: self.complaints.append(f"{r.url}: {r.failure}"))


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    engine = NoisyEngine(many=12)
    ctx = await make_context(tmp_path, clock=SystemClock(), engine=engine)
    server = uvicorn.Server(uvicorn.Config(make_app(ctx), log_config=None, ws="websockets-sansio", lifespan="off"))
    bound = socket.create_server(("127.0.0.1", 0))
    running = asyncio.create_task(server.serve(sockets=[bound]))
    while not server.started:
        await asyncio.sleep(0.02)
    yield Site(f"http://127.0.0.1:{bound.getsockname()[1]}", ctx, engine)
    server.should_exit = True
    await running
    bound.close()
    await ctx.db.close()


@pytest.fixture
async def chromium() -> AsyncIterator[Chromium]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield browser
        await browser.close()


async def sign_in(tab: Tab, site: Site) -> None:
    await tab.goto(site.url + "/sign-in")
    await tab.fill("#email", "ada@acme.test")
    await tab.fill("#password", PASSWORD)
    await tab.click("button[type=submit]")
    await tab.wait_for_url(site.url + "/")


async def fits(tab: Tab) -> bool:
    """True where nothing sticks out to the side."""
    wide: int = await tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return wide <= 0


async def test_no_page_scrolls_sideways_or_complains(site: Site, chromium: Chromium, tmp_path: Path) -> None:
    ada = await make_user(site.ctx)
    accepted = await finished_scan(site.ctx, ada)
    await authorize_target(site.ctx, await operator_for(site.ctx, ada.email), ada.email, "acme.test")
    hook = await create_webhook(site.ctx, ada, "Alerts", "http://127.0.0.1:9/" + "a" * 200, ["scan.finished"])
    await try_webhook(site.ctx, ada, hook.webhook.id)
    paths = [
        "/sign-in", "/", "/scans/new", f"/scans/{accepted.scan_id}", f"/reports/{accepted.db_scan_id}", "/findings",
        "/assets", "/assets/1", "/assets/changes", "/assets/surface", "/targets",
        "/schedules", "/integrations", f"/integrations/{hook.webhook.id}", "/settings", "/no-such-page",
    ]  # fmt: skip
    for width in (375, 768, 1440):
        for scheme in ("light", "dark"):
            watcher = Watcher()
            tab = await chromium.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
            await tab.goto(site.url + "/sign-in")
            assert await fits(tab)
            await sign_in(tab, site)
            watcher.watch(tab)
            for path in paths[1:]:
                await tab.goto(site.url + path)
                await tab.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
                assert await fits(tab), (path, width)
                await tab.screenshot(
                    path=tmp_path / f"{path.strip('/').split('/')[0] or 'home'}-{width}-{scheme}.png"
                )
            unexpected = [c for c in watcher.complaints if "404" not in c and "ERR_ABORTED" not in c]
            assert unexpected == []
            await tab.close()


async def test_a_scan_is_watched_live(site: Site, chromium: Chromium) -> None:
    await make_user(site.ctx)
    site.engine.gate = asyncio.Event()
    watcher = Watcher()
    tab = await chromium.new_page()
    await sign_in(tab, site)
    watcher.watch(tab)
    await tab.goto(site.url + "/scans/new")
    await tab.fill("#target", "http://shop.acme.test:8080")
    await tab.click("main button[type=submit]")
    await tab.wait_for_selector("[data-scan]")
    scan_id = tab.url.rpartition("/")[2]
    scan = asyncio.create_task(run_to_end(site.ctx, scan_id))
    await tab.wait_for_selector("[data-phase=verify][aria-current=step]", timeout=10_000)
    assert await tab.text_content("[data-connection]") == "Live."
    token = "a" * 33
    async with site.ctx.db.reading() as tx:
        spec = (await find_scan(tx, scan_id)).spec
    await StoredScanLog(site.ctx, scan_id).keep_payloads([payload_of(spec, token)])
    hit = Interaction("hit", token, CallbackProtocol.SMTP, "192.0.2.9", "<b>raw</b>", site.ctx.clock.now())
    await record_interaction(site.ctx, hit)
    await tab.wait_for_selector("[data-hits] li >> text=SMTP from 192.0.2.9", timeout=10_000)
    site.engine.gate.set()
    await tab.wait_for_selector("[data-findings] li >> text=Git repository can be read", timeout=10_000)
    await tab.wait_for_selector("[data-finished]:not([hidden])", timeout=10_000)
    await scan
    status = await read_status(site.ctx, scan_id)
    for name, number in (
        ("vulnerabilities", status.vulnerabilities_found),
        ("services", status.services_found),
        ("assets", status.assets_found),
        ("callbacks", status.interactions),
        ("requests", status.requests),
    ):
        assert await tab.text_content(f"[data-{name}]") == str(number), name
    assert await tab.get_attribute("[data-phase=synthesis]", "data-state") == "done"
    await tab.wait_for_selector("[data-connection] >> text=Finished.", timeout=10_000)
    assert watcher.complaints == []
    await tab.click("text=Open the report")
    await tab.wait_for_selector("text=Grade arithmetic")
    assert watcher.complaints == []


async def test_polling_is_enough(site: Site, chromium: Chromium) -> None:
    """Where neither WebSocket nor event stream gets through, the page still comes to its end."""
    await make_user(site.ctx)
    tab = await chromium.new_page()
    await tab.add_init_script("window.WebSocket = function () { throw new Error('blocked'); }")
    await tab.route("**/events", lambda route: route.abort())
    await sign_in(tab, site)
    await tab.goto(site.url + "/scans/new")
    await tab.fill("#target", "http://shop.acme.test:8080")
    await tab.click("main button[type=submit]")
    await tab.wait_for_selector("[data-scan]")
    await run_to_end(site.ctx, tab.url.rpartition("/")[2])
    await tab.wait_for_selector("[data-finished]:not([hidden])", timeout=15_000)


async def test_without_scripts_everything_is_there(site: Site, chromium: Chromium) -> None:
    ada = await make_user(site.ctx)
    accepted = await finished_scan(site.ctx, ada)
    context = await chromium.new_context(java_script_enabled=False, viewport={"width": 375, "height": 800})
    tab = await context.new_page()
    await sign_in(tab, site)
    assert await tab.is_visible("nav >> text=Settings")
    await tab.goto(f"{site.url}/reports/{accepted.db_scan_id}?severity=critical")
    assert await tab.locator("article").count() > 0
    await context.close()


async def test_the_menu_and_the_keyboard(site: Site, chromium: Chromium) -> None:
    await make_user(site.ctx)
    tab = await chromium.new_page(viewport={"width": 375, "height": 800})
    await sign_in(tab, site)
    assert not await tab.is_visible("nav >> text=Settings")
    await tab.keyboard.press("Tab")
    assert await tab.evaluate("document.activeElement.textContent") == "Skip to content"
    await tab.click("text=Menu")
    assert await tab.get_attribute("[data-menu]", "aria-expanded") == "true"
    await tab.click("nav >> text=Settings")
    await tab.fill("#name", "laptop")
    await tab.click("text=Generate New API Key")
    key = await tab.text_content("#new-key")
    assert key is not None
    assert key.startswith("sra_")


async def test_a_question_is_answered_as_it_is_written(site: Site, chromium: Chromium, tmp_path: Path) -> None:
    ada = await make_user(site.ctx)
    accepted = await finished_scan(site.ctx, ada)
    with scribe() as server:
        address = LanguageAddress("little", server.base, "")
        language = LanguageModel(
            OpenAiWire(compatible=True), address, LanguageLimits(20.0, retries=0), SystemClock()
        )
        object.__setattr__(site.ctx, "language", language)
        server.says(Say("", (("list_scans", {}),)), Say("There is one scan.\n<b>Nothing</b> more to say."))
        watcher, tab = Watcher(), await chromium.new_page()
        watcher.watch(tab)
        await sign_in(tab, site)
        await tab.goto(f"{site.url}/reports/{accepted.db_scan_id}")
        await tab.fill("#message", "How many scans are there?")
        await tab.click("#ask button")
        await tab.get_by_text("checked against your data.").wait_for()
        told = await tab.inner_text("[data-talk]")
        assert "How many scans are there?" in told
        assert "There is one scan." in told
        assert await tab.locator("[data-talk] b").count() == 0
        assert await fits(tab)
        await tab.screenshot(path=tmp_path / "ask.png")
        # the page may let go of the answer's stream after its last event, before the server has closed it
        assert [c for c in watcher.complaints if not c.endswith("/api/agent/chat: net::ERR_ABORTED")] == []
        tab_without = await (await chromium.new_context(java_script_enabled=False)).new_page()
        await sign_in(tab_without, site)
        await tab_without.goto(f"{site.url}/reports/{accepted.db_scan_id}")
        server.says(Say("There is little to say."))
        await tab_without.fill("#message", "And now?")
        await tab_without.click("#ask button")
        assert "There is little to say." in await tab_without.inner_text("#answer")
