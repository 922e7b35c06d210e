"""API keys: made once, shown once, revoked for good; and who may read reports."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from tests.little import make_user
from tests.web.conftest import Browser

from secrecon.accounts.caller import Caller
from secrecon.model.errors import Forbidden
from secrecon.service.context import Context
from secrecon.service.people import add_user, caller_from_key, list_keys, reports_need_key


async def make_key(browser: Browser, name: str = "pipeline", lifetime: str = "") -> str:
    reply = await browser.post("/settings/keys", "/settings", name=name, lifetime=lifetime)
    assert reply.status_code == 201, reply.text
    start = reply.text.index("sra_")
    return reply.text[start : reply.text.index("<", start)]


async def test_a_key_is_shown_once_and_works(browser: Browser, ctx: Context, ada: Caller) -> None:
    await browser.sign_in()
    assert "Generate New API Key" in (await browser.page("/settings")).words
    key = await make_key(browser)
    caller = await caller_from_key(ctx, key, "192.0.2.1")
    assert caller.account_id == ada.account_id
    page = await browser.get("/settings")
    assert key not in page.text
    assert key[:10] in page.text
    (shown,) = await list_keys(ctx, ada)
    assert (shown.name, shown.expires) == ("pipeline", None)


async def test_a_key_can_expire(browser: Browser, ctx: Context, ada: Caller) -> None:
    await browser.sign_in()
    await make_key(browser, lifetime="30")
    (shown,) = await list_keys(ctx, ada)
    assert shown.expires == ctx.clock.now() + 30 * 86_400


async def test_revoking(
    browser: Browser, open_browser: Callable[[], Awaitable[Browser]], ctx: Context, ada: Caller, bob: Caller
) -> None:
    await browser.sign_in()
    key = await make_key(browser)
    (shown,) = await list_keys(ctx, ada)
    other = await open_browser()
    await other.sign_in(bob.email)
    assert (await other.post(f"/settings/keys/{shown.id}/revoke", "/settings")).status_code == 404
    await caller_from_key(ctx, key, "192.0.2.1")
    assert (await browser.post(f"/settings/keys/{shown.id}/revoke", "/settings")).status_code == 303
    with pytest.raises(Forbidden):
        await caller_from_key(ctx, key, "192.0.2.1")
    assert "revoked" in (await browser.page("/settings")).words


@pytest.mark.parametrize("fields", [{"name": ""}, {"name": "x" * 150}, {"name": "x", "lifetime": "9999"}])
async def test_a_bad_key_form_is_told(browser: Browser, ctx: Context, ada: Caller, fields: dict[str, str]) -> None:
    await browser.sign_in()
    reply = await browser.post("/settings/keys", "/settings", **fields)
    assert reply.status_code == 400
    assert 'role="alert"' in reply.text
    assert await list_keys(ctx, ada) == ()


async def test_a_plan_without_the_api_says_so(browser: Browser, ctx: Context) -> None:
    await make_user(ctx, "eve@poor.test", "professional")
    await browser.sign_in("eve@poor.test")
    page = await browser.page("/settings")
    assert "API access requires Business or Enterprise (your plan: Professional)" in page.words
    assert "Generate New API Key" not in page.words
    reply = await browser.http.post("/settings/keys", data={**page.hidden, "name": "x", "lifetime": ""})
    assert reply.status_code == 403


async def test_reports_may_ask_for_a_key(browser: Browser, ctx: Context, ada: Caller) -> None:
    await browser.sign_in()
    assert (await browser.post("/settings/reports", "/settings", need_key="yes")).status_code == 303
    assert await reports_need_key(ctx, ada)
    assert "A key is needed" in (await browser.page("/settings")).words


async def test_only_an_administrator_authorizes_here(browser: Browser, ctx: Context, ada: Caller) -> None:
    await browser.sign_in()
    reply = await browser.post("/targets", "/settings", email=ada.email, target="acme.test", until="")
    assert reply.status_code == 403
    await add_user(ctx, "root@acme.test", "a phrase that nobody guesses", "business", is_admin=True)
    assert "Authorize a target" not in (await browser.page("/targets")).words


async def test_an_administrator_does(browser: Browser, ctx: Context, ada: Caller) -> None:
    await add_user(ctx, "root@acme.test", "a phrase that nobody guesses", "business", is_admin=True)
    await browser.sign_in("root@acme.test")
    bad = await browser.post("/targets", "/targets", email=ada.email, target="com", until="")
    assert bad.status_code == 400
    assert "public suffix" in bad.text
    late = await browser.post("/targets", "/targets", email=ada.email, target="acme.test", until="soon")
    assert late.status_code == 400
    good = await browser.post(
        "/targets", "/targets", email="root@acme.test", target="acme.test", until="2027-01-31"
    )
    assert good.status_code == 303
    assert "2027-02-01" in (await browser.page("/targets")).words
