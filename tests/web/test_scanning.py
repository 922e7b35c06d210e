"""Starting a scan from the form, watching it, cancelling it, and the dashboard that lists it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import re2
from tests.little import ListQueue
from tests.web.conftest import Browser, finished_scan, run_to_end

from secrecon.accounts.caller import Caller
from secrecon.service.context import Context
from secrecon.service.people import authorize_target, operator_for, read_credits
from secrecon.service.scans import read_status
from secrecon.web.static_files import address

TARGET = "http://shop.acme.test:8080"


async def start(browser: Browser, target: str = TARGET, mode: str = "quick") -> str:
    reply = await browser.post("/scans/new", "/scans/new", target=target, mode=mode)
    assert reply.status_code == 303, reply.text
    return reply.headers["Location"].removeprefix("/scans/")


async def test_a_scan_from_form_to_report(browser: Browser, ctx: Context, ada: Caller, queue: ListQueue) -> None:
    await browser.sign_in()
    scan_id = await start(browser)
    assert queue.entries == [scan_id]
    page = await browser.page(f"/scans/{scan_id}")
    assert (await read_status(ctx, scan_id)).current_message in page.words
    assert "Cancel scan" in page.words
    assert ("meta", "http-equiv", "refresh") in page.attributes
    await run_to_end(ctx, scan_id)
    page = await browser.page(f"/scans/{scan_id}")
    assert "The scan is finished." in page.words
    assert "reloads every five seconds" not in page.words
    assert "so far" not in page.words
    assert ("meta", "http-equiv", "refresh") not in page.attributes
    dashboard = await browser.page("/")
    assert TARGET in dashboard.words
    number = (await read_status(ctx, scan_id)).db_scan_id
    assert ("a", "href", f"/reports/{number}") in dashboard.attributes
    assert any(value.startswith("grade grade-") for _, name, value in dashboard.attributes if name == "class")
    assert "Risk grade" in (await browser.page(f"/reports/{number}")).words


async def test_the_live_script_reads_what_the_status_says(browser: Browser, ctx: Context, ada: Caller) -> None:
    accepted = await finished_scan(ctx, ada)
    answer = (await browser.get(f"/api/scan/{accepted.scan_id}/status")).json()
    script = (await browser.get(address("live.js"))).text
    read = {part.split("status.", 1)[1] for part in re2.findall(r"\bstatus\.[a-z_]+", script)}
    assert len(read) > 5
    assert read <= answer.keys()


async def test_the_same_form_twice_is_one_scan(browser: Browser, ctx: Context, ada: Caller) -> None:
    await browser.sign_in()
    hidden = (await browser.page("/scans/new")).hidden
    form = {**hidden, "target": TARGET, "mode": "quick"}
    first = await browser.http.post("/scans/new", data=form)
    second = await browser.http.post("/scans/new", data=form)
    assert first.headers["Location"] == second.headers["Location"]
    assert (await read_credits(ctx, ada)).used == 1


async def test_a_full_scan_needs_an_authorized_target(browser: Browser, ctx: Context, ada: Caller) -> None:
    await browser.sign_in()
    reply = await browser.post("/scans/new", "/scans/new", target=TARGET, mode="full")
    assert reply.status_code == 403
    assert "secrecon targets authorize" in reply.text
    assert f'value="{TARGET}"' in reply.text
    assert 'value="full" checked' in reply.text
    assert (await read_credits(ctx, ada)).used == 0
    await authorize_target(ctx, await operator_for(ctx, ada.email), ada.email, "acme.test")
    await start(browser, mode="full")


async def test_refused_and_exhausted_are_told_in_the_form(browser: Browser, ctx: Context, ada: Caller) -> None:
    await browser.sign_in()
    for target, status in (("http://10.0.0.1/", 403), ("ftp://x", 400), ("", 400)):
        reply = await browser.post("/scans/new", "/scans/new", target=target, mode="quick")
        assert reply.status_code == status, target
        assert "The scan was not started" in reply.text
        assert 'aria-invalid="true"' in reply.text
    for _ in range(5):
        await start(browser)
    reply = await browser.post("/scans/new", "/scans/new", target=TARGET, mode="quick")
    assert reply.status_code == 429
    assert "no scan credit is left" in reply.text


async def test_cancelling(
    browser: Browser, open_browser: Callable[[], Awaitable[Browser]], ctx: Context, ada: Caller, bob: Caller
) -> None:
    await browser.sign_in()
    scan_id = await start(browser)
    other = await open_browser()
    await other.sign_in(bob.email)
    reply = await other.post(f"/scans/{scan_id}/cancel", "/settings")
    assert reply.status_code == 404
    reply = await browser.post(f"/scans/{scan_id}/cancel", f"/scans/{scan_id}")
    assert reply.status_code == 303
    status = await read_status(ctx, scan_id)
    assert status.stopping or status.cancelled


async def test_unknown_scans_are_not_found(browser: Browser, ada: Caller) -> None:
    await browser.sign_in()
    for scan_id in ("a" * 32, "nonsense", "A" * 32):
        await browser.page(f"/scans/{scan_id}", 404)


async def test_a_dashboard_shows_only_its_own(
    open_browser: Callable[[], Awaitable[Browser]], ctx: Context, ada: Caller, bob: Caller
) -> None:
    accepted = await finished_scan(ctx, ada)
    other = await open_browser()
    await other.sign_in(bob.email)
    for path in ("/", "/findings", "/assets"):
        assert "shop.acme.test" not in (await other.page(path)).words
    await other.page(f"/reports/{accepted.db_scan_id}", 404)
