"""The ask box: shown where a model is, answered without script, and never for a form from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.scribe import Fail, Say, Scribe, scribe
from tests.web.conftest import HOSTILE, Browser, finished_scan

from secrecon.accounts.caller import Caller
from secrecon.model.language import LanguageLimits
from secrecon.net.clock import SystemClock
from secrecon.net.language import LanguageAddress, LanguageModel
from secrecon.net.language_openai import OpenAiWire
from secrecon.service.context import Context


@pytest.fixture(scope="module")
def server() -> Iterator[Scribe]:
    with scribe() as made:
        yield made


@pytest.fixture
async def report(ctx: Context, ada: Caller, server: Scribe, browser: Browser) -> str:
    """The address of a finished report, with a model at hand and Ada signed in."""
    accepted = await finished_scan(ctx, ada)
    address = LanguageAddress("little", server.base, "")
    language = LanguageModel(OpenAiWire(compatible=True), address, LanguageLimits(5.0, retries=0), SystemClock())
    object.__setattr__(ctx, "language", language)
    await browser.sign_in()
    return f"/reports/{accepted.db_scan_id}"


async def test_without_a_model_there_is_no_box(ctx: Context, report: str, browser: Browser) -> None:
    assert "Ask about this report" in (await browser.page(report)).words
    object.__setattr__(ctx, "language", None)
    assert "Ask about this report" not in (await browser.page(report)).words


async def test_a_question_is_answered_on_a_page(server: Scribe, report: str, browser: Browser) -> None:
    server.says(Say("", (("list_findings", {}),)), Say("The Git repository can be read."))
    reply = await browser.post(f"{report}/ask", report, message=f"What is worst? {HOSTILE}")
    assert reply.status_code == 200
    assert "The Git repository can be read." in reply.text
    assert "<img src=x>" not in reply.text
    assert "script-src 'self'" in reply.headers["Content-Security-Policy"]
    assert "db_scan_id" in str(server.asked[0]["messages"])


async def test_what_goes_wrong_is_told_on_the_page(server: Scribe, report: str, browser: Browser) -> None:
    server.says(Fail(500))
    reply = await browser.post(f"{report}/ask", report, message="What is worst?")
    assert "HTTP 500" in reply.text
    reply = await browser.post(f"{report}/ask", report, message=" ")
    assert reply.status_code == 400
    assert "ask something" in reply.text


async def test_a_form_from_elsewhere_asks_nothing(server: Scribe, report: str, browser: Browser) -> None:
    server.says(Say("x"))
    reply = await browser.http.post(f"{report}/ask", data={"message": "x", "csrf": "made up"})
    assert reply.status_code == 403
    assert server.asked == []
    assert (await browser.http.post("/reports/4711/ask", data={"message": "x"})).status_code in (403, 404)
