"""Every page: well-formed, strict headers, hostile text inert, errors that tell what to do."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest
from tests.little import make_policy
from tests.web.conftest import BASE, HOSTILE, Browser, NoisyEngine, finished_scan, make_app

from secrecon.accounts.caller import Caller
from secrecon.service.context import Context
from secrecon.service.people import authorize_target, operator_for
from secrecon.web.static_files import DIGEST, address


def check_page(text: str, headers: object) -> None:
    """What holds for every page there is."""
    assert "<script>alert" not in text
    assert "<img" not in text
    for raw in ("\x1b", "\u202e"):
        assert raw not in text


async def all_paths(ctx: Context, ada: Caller) -> list[str]:
    accepted = await finished_scan(ctx, ada)
    await authorize_target(ctx, await operator_for(ctx, ada.email), ada.email, "acme.test")
    report = f"/reports/{accepted.db_scan_id}"
    return [
        "/", "/scans/new", f"/scans/{accepted.scan_id}", report, f"{report}?severity=critical&q=alert", "/findings",
        "/assets", "/assets?type=ip", "/targets", "/integrations", "/schedules", "/settings", "/no-such-page", "/reports/12345",
    ]  # fmt: skip


async def test_every_page_is_strict_and_well_formed(browser: Browser, ctx: Context, ada: Caller) -> None:
    paths = await all_paths(ctx, ada)
    await browser.sign_in()
    for path in paths:
        reply = await browser.get(path)
        assert reply.status_code == (404 if path in ("/no-such-page", "/reports/12345") else 200), path
        policy = reply.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert reply.headers["Cache-Control"] == "no-store"
        check_page(reply.text, reply.headers)
        page = await browser.page(path, reply.status_code)
        assert not page.open
        for tag, name, value in page.attributes:
            assert not name.startswith("on")
            assert name != "style"
            if name in ("href", "src", "action"):
                assert value.startswith(("/", "#", "?")), (tag, value)
        assert "style" not in page.tags
        ids = [value for _, name, value in page.attributes if name == "id"]
        assert len(ids) == len(set(ids)), path
        labels = {value for tag, name, value in page.attributes if (tag, name) == ("label", "for")}
        assert labels <= set(ids)


async def test_hostile_findings_are_shown_as_text(browser: Browser, ctx: Context, ada: Caller) -> None:
    accepted = await finished_scan(ctx, ada)
    await browser.sign_in()
    for path in (f"/reports/{accepted.db_scan_id}", "/findings"):
        words = (await browser.page(path)).words
        assert "<script>alert(1)</script>\\x1b[31m\\u202eevil" in words
        assert HOSTILE not in words


async def test_hostile_input_comes_back_as_text(browser: Browser, ada: Caller) -> None:
    await browser.sign_in()
    reply = await browser.post("/scans/new", "/scans/new", target=HOSTILE, mode="quick")
    assert reply.status_code == 400
    check_page(reply.text, reply.headers)
    assert "The scan was not started" in reply.text
    reply = await browser.http.get("/assets", params={"type": HOSTILE})
    check_page(reply.text, reply.headers)


@pytest.mark.parametrize("path", ["/no-such-page", "/reports/1", "/reports/abc", "/reports/99999999999999999999"])
async def test_not_found_is_a_page_that_helps(browser: Browser, ada: Caller, path: str) -> None:
    page = await browser.page(path, 404)
    assert "Go to the dashboard" in page.words


async def test_a_bad_cursor_is_an_error_page(browser: Browser, ada: Caller) -> None:
    await browser.sign_in()
    page = await browser.page("/?cursor=nonsense", 400)
    assert "That request cannot be read" in page.words


async def test_a_broken_part_is_a_page_without_its_insides(ctx: Context, ada: Caller) -> None:
    broken = replace(ctx, policy=make_policy(plans={}))
    transport = httpx.ASGITransport(make_app(broken), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        browser = Browser(client)
        await browser.sign_in()
        reply = await browser.get("/settings")
        assert reply.status_code == 500
        assert "Something went wrong on our side" in reply.text
        assert "plan table" not in reply.text
        assert "Traceback" not in reply.text
        assert reply.headers["Content-Security-Policy"].startswith("default-src 'none'")


async def test_static_files_are_kept_for_ever_and_nothing_else_is_served(browser: Browser) -> None:
    for name, kind in (("app.css", "text/css"), ("live.js", "text/javascript"), ("mark.svg", "image/svg+xml")):
        reply = await browser.get(address(name))
        assert reply.status_code == 200
        assert reply.headers["Content-Type"].startswith(kind)
        assert "immutable" in reply.headers["Cache-Control"]
    again = await browser.get(address("app.css"), headers={"If-None-Match": f'"{DIGEST}"'})
    assert again.status_code == 304
    assert (await browser.get("/favicon.ico")).headers["Content-Type"] == "image/svg+xml"
    old = await browser.get("/static/000000000000/app.css")
    assert old.headers["Cache-Control"] == "no-cache"
    for path in ("/static/x/../app.py", "/static/x/app.py", "/static/x/..%2fapp.py", "/static/x/%2e%2e/app.css"):
        assert (await browser.get(path)).status_code == 404


async def test_empty_pages_say_what_to_do_next(browser: Browser, ada: Caller) -> None:
    await browser.sign_in()
    assert "Start your first scan" in (await browser.page("/")).words
    assert "No findings yet" in (await browser.page("/findings")).words
    assert "secrecon targets authorize ada@acme.test" in (await browser.page("/targets")).words
    assert "No webhook yet" in (await browser.page("/integrations")).words
    assert "Nothing here yet" in (await browser.page("/assets")).words


async def test_lists_have_a_next_page(browser: Browser, ctx: Context, ada: Caller, engine: NoisyEngine) -> None:
    engine.many = 70
    await finished_scan(ctx, ada)
    await browser.sign_in()
    first = await browser.page("/findings")
    following = next(v for t, n, v in first.attributes if n == "href" and "cursor=" in v)
    second = await browser.page(following)
    assert "Back to the first page" in second.words
