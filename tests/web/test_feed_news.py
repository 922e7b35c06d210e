"""From a feed file to what people see: exploited since today and seen before, on the page, in the API and in the events; and
an alarm of a feed that shrank, on the page, in the API and in the next report."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from tests.intel import madeup
from tests.little import make_key
from tests.web.conftest import Browser, NoisyEngine, finished_scan, make_app

from secrecon.accounts.caller import Caller
from secrecon.app.feeds import Library
from secrecon.app.parts import build_info
from secrecon.app.settings import Settings
from secrecon.intel.core import load_core
from secrecon.model.asset import Technology
from secrecon.service.context import Context
from secrecon.service.feeds import FeedOutcome, import_files
from secrecon.service.feeds_state import FeedStore
from secrecon.worker.feeds import FeedKeeper

SHOP = Technology("http://shop.acme.test:8080", "shop", "1.0", "cpe:2.3:a:acme:shop", "header", 0.95)
NVD = madeup.nvd(
    madeup.cve("CVE-2026-1000", [madeup.node(madeup.match("a:acme:shop", endExcluding="2.0"))], score=5.3)
)
OTHERS = tuple(f"CVE-2026-20{number:02}" for number in range(20))


async def test_news_and_alarms_reach_people(
    ctx: Context,
    ada: Caller,
    engine: NoisyEngine,
    tmp_path: Path,
    open_browser: Callable[[], Awaitable[Browser]],
) -> None:
    ctx = replace(ctx, policy=replace(ctx.policy, data_dir=tmp_path))
    store, library = FeedStore(tmp_path), Library(Settings(data_dir=tmp_path), load_core())
    keeper = FeedKeeper(ctx, store, library.current)
    key = {"X-API-Key": await make_key(ctx, ada)}
    browser = await open_browser()
    browser.http._transport.app = make_app(ctx)  # type: ignore[attr-defined]
    await browser.sign_in()

    def given(name: str, body: bytes) -> FeedOutcome:
        (tmp_path / name).write_bytes(body)
        return import_files(store, [tmp_path / name], ctx.clock.now())[0]

    assert "Curated core only" in (await browser.page("/")).words
    given("nvd.json", NVD)
    given("kev.json", madeup.kev(*OTHERS))
    engine.facts, engine.noisy = (SHOP,), False
    scan = await finished_scan(ctx, ada)
    assert await keeper.look()
    assert "2 feeds, all good" in (await browser.page("/")).words

    given("kev.json", madeup.kev(*OTHERS, "CVE-2026-1000", date="2026-11-20"))
    assert await keeper.look()
    page = (await browser.page(f"/reports/{scan.db_scan_id}")).words
    report = (await browser.get(f"/api/scan/{scan.db_scan_id}", headers=key)).json()
    (finding,) = [each for each in report["findings"] if each["cve_id"] == "CVE-2026-1000"]
    assert (finding["KEV_Status"], finding["exploitation"]["kev_due"]) == ("Active_Exploit", "2026-11-22")
    assert "KEV of 2026-11-20" in finding["risk"]["arithmetic"]
    assert "CVE-2026-1000" in page
    assert "2026-11-22" in page
    assert "This report has changed since the scan ended (version 3): the vulnerability data changed" in page
    told = (await browser.get(f"/api/scan/{scan.scan_id}/events", headers=key)).text
    assert "CVE-2026-1000 was added to CISA's catalogue of exploited vulnerabilities (2026-11-20), seen on" in told

    assert (
        "more than a tenth is missing" in given("kev.json", madeup.kev("CVE-2026-1000", date="2026-11-20")).problem
    )
    page = (await browser.page("/")).words
    assert "1 of 2 need care" in page
    assert "kev: kev.json: it has 1 records" in page
    feeds = (await browser.get("/api/v1/feeds", headers=key)).json()["items"]
    assert {feed["name"]: feed["state"] for feed in feeds} == {"kev": "alarm", "nvd-nvd": "good"}
    engine.info = build_info(library)
    again = await finished_scan(ctx, ada)
    text = (await browser.get(f"/api/scan/{again.db_scan_id}/report?format=md", headers=key)).text
    assert "alarm: kev" in text
    assert "the last good copy was used" in text
