"""Signing in and out, sessions, CSRF, and where one goes afterwards."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.little import PASSWORD, make_context, make_policy, make_user
from tests.web.conftest import Browser, make_app

from secrecon.accounts.caller import Caller
from secrecon.service.context import Context
from secrecon.web.access import safe_next


async def test_signing_in_and_out(browser: Browser, ada: Caller) -> None:
    page = await browser.page("/sign-in")
    assert "secrecon users add" in page.words
    reply = await browser.post("/sign-in", "/sign-in", email="ADA@acme.test ", password=PASSWORD)
    assert (reply.status_code, reply.headers["Location"]) == (303, "/")
    cookie = next(c for c in reply.headers.get_list("Set-Cookie") if c.startswith("secrecon="))
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Secure" not in cookie
    page = await browser.page("/")
    assert "ada@acme.test" in page.words
    token = browser.http.cookies["secrecon"]
    reply = await browser.post("/sign-out", "/")
    assert reply.status_code == 303
    browser.http.cookies.set("secrecon", token)
    assert (await browser.get("/")).status_code == 303


async def test_a_wrong_password_says_so_and_keeps_the_email(browser: Browser, ada: Caller) -> None:
    reply = await browser.post("/sign-in", "/sign-in", email="ada@acme.test", password="wrong one")
    assert reply.status_code == 403
    assert "The email or the password is wrong." in reply.text
    assert 'value="ada@acme.test"' in reply.text
    assert "wrong one" not in reply.text
    unknown = await browser.post("/sign-in", "/sign-in", email="eve@acme.test", password="wrong one")
    assert unknown.status_code == 403
    assert "The email or the password is wrong." in unknown.text


async def test_too_many_tries_are_refused_with_a_time(browser: Browser, ada: Caller) -> None:
    for _ in range(40):
        reply = await browser.post("/sign-in", "/sign-in", email="ada@acme.test", password="wrong one")
        if reply.status_code == 429:
            break
    assert reply.status_code == 429
    assert int(reply.headers["Retry-After"]) > 0
    assert "Too many tries" in reply.text


async def test_the_session_is_another_one_after_signing_in(browser: Browser, ada: Caller) -> None:
    await browser.sign_in()
    first = browser.http.cookies["secrecon"]
    hidden = {"csrf": "planted-token-of-32-characters-xx"}
    browser.http.cookies.set("secrecon-form", hidden["csrf"], domain="secrecon.test")
    reply = await browser.http.post("/sign-in", data={**hidden, "email": ada.email, "password": PASSWORD})
    assert reply.status_code == 303
    assert browser.http.cookies["secrecon"] != first
    browser.http.cookies.set("secrecon", first, domain="secrecon.test")
    assert (await browser.get("/")).headers["Location"].startswith("/sign-in")


async def test_a_fixed_session_cookie_is_not_taken_over(browser: Browser, ada: Caller) -> None:
    browser.http.cookies.set("secrecon", "chosen-by-an-attacker", domain="secrecon.test")
    await browser.sign_in()
    assert browser.http.cookies["secrecon"] != "chosen-by-an-attacker"


@pytest.mark.parametrize("headers", [{}, {"Sec-Fetch-Site": "cross-site"}])
async def test_a_forged_sign_in_is_refused(browser: Browser, ada: Caller, headers: dict[str, str]) -> None:
    hidden = (await browser.page("/sign-in")).hidden if headers else {"csrf": "guess"}
    form = {**hidden, "email": ada.email, "password": PASSWORD}
    reply = await browser.http.post("/sign-in", data=form, headers=headers)
    assert reply.status_code == 403
    assert "reload the page" in reply.text
    assert "secrecon" not in browser.http.cookies


@pytest.mark.parametrize(
    "path",
    [
        "/scans/new", f"/scans/{'a' * 32}/cancel", "/settings/keys", "/settings/keys/1/revoke", "/settings/reports",
        "/targets", "/sign-out",
    ],
)  # fmt: skip
async def test_every_post_needs_its_token(browser: Browser, ada: Caller, path: str) -> None:
    anonymous = await browser.http.post(path, data={"csrf": "x"})
    assert (anonymous.status_code, anonymous.headers["Location"]) == (303, "/sign-in")
    await browser.sign_in()
    good = (await browser.page("/settings")).hidden["csrf"]
    for form, headers in (({}, {}), ({"csrf": "wrong"}, {}), ({"csrf": good}, {"Sec-Fetch-Site": "cross-site"})):
        reply = await browser.http.post(path, data={**form, "name": "x", "target": "a.test"}, headers=headers)
        assert reply.status_code in (400, 403), reply.text
    json = await browser.http.post(path, json={"csrf": good})
    assert json.status_code == 400
    assert "sra_" not in (await browser.get("/settings")).text


async def test_what_needs_a_session_leads_to_the_sign_in_page_and_back(browser: Browser, ada: Caller) -> None:
    for path in ("/", "/scans/new", "/findings", "/assets?type=ip", "/targets", "/settings", "/scans/" + "a" * 32):
        reply = await browser.get(path)
        assert reply.status_code == 303
        assert reply.headers["Location"].startswith("/sign-in")
    reply = await browser.get("/assets?type=ip")
    assert reply.headers["Location"] == "/sign-in?next=/assets%3Ftype%3Dip"
    hidden_next = (await browser.page(reply.headers["Location"])).hidden["next"]
    assert hidden_next == "/assets?type=ip"
    form = await browser.post("/sign-in", reply.headers["Location"], email=ada.email, password=PASSWORD)
    assert form.headers["Location"] == "/assets?type=ip"


@pytest.mark.parametrize(
    "wanted",
    [
        "//evil.test", "https://evil.test", "/\\evil.test", "javascript:alert(1)", "", "evil", "/sign-out", "/\tx",
        "/ü", "/" + "a" * 600,
    ],
)  # fmt: skip
def test_there_is_no_way_to_another_site(wanted: str) -> None:
    assert safe_next(wanted) == "/"


@given(st.text(max_size=60))
def test_next_is_always_a_path_of_ours(wanted: str) -> None:
    path = safe_next(wanted)
    assert path.startswith("/")
    assert not path.startswith(("//", "/\\"))


def test_an_ordinary_next_is_kept() -> None:
    assert safe_next("/reports/42?severity=high") == "/reports/42?severity=high"


async def test_cookies_are_secure_where_the_deployment_has_tls(tmp_path: object) -> None:
    ctx = await make_context(tmp_path, policy=make_policy(base_url="https://secrecon.test"))  # type: ignore[arg-type]
    await make_user(ctx)
    try:
        transport = httpx.ASGITransport(make_app(ctx))
        async with httpx.AsyncClient(transport=transport, base_url="https://secrecon.test") as client:
            browser = Browser(client)
            reply = await browser.post("/sign-in", "/sign-in", email="ada@acme.test", password=PASSWORD)
            cookies = reply.headers.get_list("Set-Cookie")
            assert any(c.startswith("__Host-secrecon=") and "Secure" in c and "HttpOnly" in c for c in cookies)
            assert (await browser.get("/")).status_code == 200
    finally:
        await ctx.db.close()


async def test_two_browsers_are_two_sessions(
    open_browser: Callable[[], Awaitable[Browser]], ctx: Context, ada: Caller
) -> None:
    one, two = await open_browser(), await open_browser()
    await one.sign_in()
    await two.sign_in()
    token = (await one.page("/settings")).hidden["csrf"]
    reply = await two.http.post("/settings/keys", data={"csrf": token, "name": "stolen"})
    assert reply.status_code == 403
