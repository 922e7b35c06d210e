"""Deciding about a finding, what changed, and a target over time: by forms and links alone, no script."""

from __future__ import annotations

import pytest
from tests.little import make_user
from tests.web.conftest import Browser, finished_scan

from secrecon.accounts.caller import Caller
from secrecon.service.context import Context
from secrecon.service.inventory import list_findings
from secrecon.service.triage import read_finding


async def test_a_decision_by_form_and_the_one_that_comes_too_late(
    browser: Browser, ctx: Context, ada: Caller
) -> None:
    accepted = await finished_scan(ctx, ada)
    await browser.sign_in()
    number = (await list_findings(ctx, ada)).items[0].id
    report = f"/reports/{accepted.db_scan_id}"
    where = f"/findings/{number}/triage"
    back = str(accepted.db_scan_id)
    done = await browser.post(
        where,
        report,
        revision="0",
        state="accepted",
        reason="behind\x1b[31m <b>VPN</b>",
        until="2027-02-01",
        back=back,
    )
    assert done.status_code == 303, done.text
    assert done.headers["location"].startswith(f"{report}#f-")
    page = await browser.page(report)
    assert "Accepted until" in page.words
    assert "<b>VPN</b>" in page.words
    late = await browser.post(where, report, revision="0", state="false_positive", reason="mine", back=back)
    assert late.status_code == 409
    assert "ada@acme.test decided" in late.text
    assert ">mine</textarea>" in late.text, "what was entered is kept"
    assert (await read_finding(ctx, ada, number)).revision == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"state": "accepted", "reason": "x"},
        {"state": "accepted", "reason": "x", "until": "soon"},
        {"state": "accepted", "reason": "x", "until": "9999-12-31"},
        {"state": "false_positive", "reason": ""},
        {"state": "gone"},
        {"state": "open", "revision": "x"},
    ],
)
async def test_what_is_wrong_is_told(browser: Browser, ctx: Context, ada: Caller, fields: dict[str, str]) -> None:
    await finished_scan(ctx, ada)
    await browser.sign_in()
    number = (await list_findings(ctx, ada)).items[0].id
    reply = await browser.post(f"/findings/{number}/triage", f"/findings/{number}", **fields)
    assert reply.status_code == 400
    assert 'role="alert"' in reply.text
    assert (await read_finding(ctx, ada, number)).decision is None


async def test_another_account_sees_no_finding_and_no_form(browser: Browser, ctx: Context, ada: Caller) -> None:
    await finished_scan(ctx, ada)
    number = (await list_findings(ctx, ada)).items[0].id
    await make_user(ctx, "bob@other.test", "enterprise")
    await browser.sign_in("bob@other.test")
    await browser.page(f"/findings/{number}", 404)
    reply = await browser.post(f"/findings/{number}/triage", "/settings", state="open", revision="0")
    assert reply.status_code == 404
    for odd in ("/findings/x", "/findings/99999999999999999999", "/findings/0"):
        await browser.page(odd, 404)


async def test_changes_and_the_line_over_time(browser: Browser, ctx: Context, ada: Caller) -> None:
    first, second = await finished_scan(ctx, ada), await finished_scan(ctx, ada)
    await browser.sign_in()
    await browser.page(f"/reports/{first.db_scan_id}/changes", 404)
    page = await browser.page(f"/reports/{second.db_scan_id}/changes")
    assert "0 new" in page.words
    assert "2 unchanged" in page.words
    assert "The same rules, the same data, the same mode." in page.words
    page = await browser.page(f"/trend?target={second.target}")
    assert page.tags.count("rect") >= 2
    assert "first" in page.words
    assert "No finished scan" in (await browser.page("/trend?target=https://other.test")).words
    await browser.page("/trend", 400)
    await browser.page(f"/reports/{second.db_scan_id}/changes?from=x", 404)
