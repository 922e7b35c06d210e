"""Schedules on the dashboard: made, run, switched, read about, removed; refusals keep what was typed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from tests.web.conftest import HOSTILE, Browser

from secrecon.accounts.caller import Caller
from secrecon.service.context import Context
from secrecon.service.schedules import list_schedules

FIELDS = {
    "name": "Every night",
    "target": "http://shop.acme.test:8080",
    "scan_mode": "quick",
    "cron": "0 2 * * *",
    "zone": "Europe/Berlin",
    "begin": "22:00",
    "until": "06:00",
}


async def test_from_nothing_to_a_run(browser: Browser, ctx: Context, ada: Caller) -> None:
    await browser.sign_in()
    assert "No schedule yet" in (await browser.page("/schedules")).words
    assert (await browser.post("/schedules", "/schedules", **FIELDS)).status_code == 303
    (made,) = await list_schedules(ctx, ada)
    words = (await browser.page("/schedules")).words
    assert "22:00 to 06:00 only" in words
    assert "Next 20" in words
    log = f"/schedules/{made.id}"
    assert "No moment has come yet" in (await browser.page(log)).words
    started = await browser.post(f"{log}/run", "/schedules")
    assert started.headers["Location"].startswith("/scans/")
    assert "asked for by a user" in (await browser.page(log)).words
    assert (await browser.post(f"{log}/switch", "/schedules", on="no")).status_code == 303
    assert "Off: switched off by a user" in (await browser.page("/schedules")).words
    assert (await browser.post(f"{log}/remove", "/schedules")).status_code == 303
    assert await list_schedules(ctx, ada) == ()


@pytest.mark.parametrize(
    "change",
    [
        {"name": HOSTILE},
        {"target": HOSTILE},
        {"cron": "every day"},
        {"zone": "Nowhere/Land"},
        {"begin": "22:00", "until": ""},
        {"begin": "25:00"},
        {"begin": HOSTILE},
        {"scan_mode": "deep"},
    ],
)
async def test_what_is_refused_is_told_and_stays_typed(
    browser: Browser, ctx: Context, ada: Caller, change: dict[str, str]
) -> None:
    await browser.sign_in()
    reply = await browser.post("/schedules", "/schedules", **{**FIELDS, **change})
    assert reply.status_code == 400
    assert 'role="alert"' in reply.text
    assert "<script>alert" not in reply.text
    if "target" not in change:
        assert 'value="http://shop.acme.test:8080"' in reply.text
    assert await list_schedules(ctx, ada) == ()


async def test_another_accounts_schedule_is_not_there(
    browser: Browser, open_browser: Callable[[], Awaitable[Browser]], ctx: Context, ada: Caller, bob: Caller
) -> None:
    await browser.sign_in()
    await browser.post("/schedules", "/schedules", **FIELDS)
    (made,) = await list_schedules(ctx, ada)
    other = await open_browser()
    await other.sign_in(bob.email)
    await other.page(f"/schedules/{made.id}", 404)
    for action in ("run", "switch", "remove"):
        assert (await other.post(f"/schedules/{made.id}/{action}", "/schedules")).status_code == 404, action
    assert await list_schedules(ctx, ada) == (made,)
