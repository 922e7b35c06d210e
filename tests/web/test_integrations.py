"""Integrations: a webhook is made, its secret shown once, tried, read about, replayed, switched off, removed."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from tests.hookhost import HookHost, receiving
from tests.web.conftest import HOSTILE, Browser

from secrecon.accounts.caller import Caller
from secrecon.service.context import Context
from secrecon.service.delivering import Deliverer
from secrecon.service.webhooks import create_webhook, list_webhooks


@pytest.fixture
async def host() -> AsyncIterator[HookHost]:
    async with receiving() as host:
        yield host


async def test_from_nothing_to_a_replay(browser: Browser, ctx: Context, ada: Caller, host: HookHost) -> None:
    await browser.sign_in()
    fields = {"name": "Alerts", "url": host.url(), "scan.finished": "yes"}
    made = await browser.http.post("/integrations", data={**(await browser.page("/integrations")).hidden, **fields})
    assert made.status_code == 201
    assert "whsec_" in made.text
    assert "whsec_" not in (await browser.get("/integrations")).text
    (hook,) = await list_webhooks(ctx, ada)
    log = f"/integrations/{hook.id}"
    assert "Nothing was sent yet" in (await browser.page(log)).words
    assert (await browser.post(f"{log}/test", "/integrations")).headers["Location"] == log
    assert "waiting" in (await browser.page(log)).words
    host.faults = ["500"]
    await Deliverer(ctx, random.Random(1)).deliver_due()
    words = (await browser.page(log)).words
    assert "again at" in words
    assert "answered 500: words" in words
    await ctx.clock.sleep(10)
    await Deliverer(ctx, random.Random(1)).deliver_due()
    assert "delivered" in (await browser.page(log)).words
    replay = next(v for t, n, v in (await browser.page(log)).attributes if n == "action" and v.endswith("replay"))
    assert (await browser.post(replay, log)).status_code == 303
    await Deliverer(ctx, random.Random(1)).deliver_due()
    assert len({taken.headers["webhook-id"] for taken in host.taken}) == 1
    assert len(host.taken) == 3
    assert (await browser.post(f"{log}/switch", "/integrations", on="no")).status_code == 303
    assert "switched off by a user" in (await browser.page("/integrations")).words
    rotated = await browser.post(f"{log}/rotate", "/integrations")
    assert "whsec_" in rotated.text
    assert "For 24 hours" in rotated.text
    assert (await browser.post(f"{log}/remove", "/integrations")).status_code == 303
    assert await list_webhooks(ctx, ada) == ()


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"name": HOSTILE, "url": "https://10.0.0.1/", "scan.finished": "yes"}, 400),
        ({"name": "Alerts", "url": "https://10.0.0.1/x", "scan.finished": "yes"}, 403),
        ({"name": "Alerts", "url": HOSTILE, "scan.finished": "yes"}, 400),
        ({"name": "Alerts", "url": "http://127.0.0.1/"}, 400),
    ],
)
async def test_what_is_refused_is_told_and_stays_typed(
    browser: Browser, ctx: Context, ada: Caller, fields: dict[str, str], status: int
) -> None:
    await browser.sign_in()
    hidden = (await browser.page("/integrations")).hidden
    reply = await browser.http.post("/integrations", data={**hidden, **fields})
    assert reply.status_code == status
    assert "<script>alert" not in reply.text
    assert 'role="alert"' in reply.text
    if "10.0.0.1/x" in fields["url"]:
        assert 'value="https://10.0.0.1/x"' in reply.text
    assert await list_webhooks(ctx, ada) == ()


async def test_another_accounts_webhook_is_not_there(
    browser: Browser, open_browser: Callable[[], Awaitable[Browser]], ctx: Context, ada: Caller, bob: Caller
) -> None:
    made = await create_webhook(ctx, ada, "Alerts", "http://127.0.0.1:9/", ["scan.finished"])
    other = await open_browser()
    await other.sign_in(bob.email)
    at = f"/integrations/{made.webhook.id}"
    await other.page(at, 404)
    for action in ("rotate", "test", "switch", "remove", "deliveries/1/replay"):
        assert (await other.post(f"{at}/{action}", "/integrations")).status_code == 404, action
    assert "Alerts" not in (await other.page("/integrations")).words
    assert await list_webhooks(ctx, ada) == (made.webhook,)


@pytest.mark.parametrize("path", ["/integrations/x", "/integrations/99999999999999999999", "/integrations/-1"])
async def test_what_is_no_id_is_not_there(browser: Browser, ada: Caller, path: str) -> None:
    await browser.sign_in()
    await browser.page(path, 404)
