"""The report page: who may read it, what it shows, and its filter."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tests.web.conftest import Browser, NoisyEngine, finished_scan, run_to_end

from secrecon.accounts.caller import Caller
from secrecon.model.scan import ScanMode
from secrecon.report import FORMATS
from secrecon.service.answers import ScanRequest
from secrecon.service.context import Context
from secrecon.service.people import set_reports_need_key
from secrecon.service.scans import submit_scan
from secrecon.web.reading import Filter, read_filter


async def test_a_dashboard_report_is_private(browser: Browser, ctx: Context, ada: Caller) -> None:
    accepted = await finished_scan(ctx, ada)
    await browser.page(f"/reports/{accepted.db_scan_id}", 404)
    await browser.sign_in()
    page = await browser.page(f"/reports/{accepted.db_scan_id}")
    assert "Git repository can be read" in page.words
    for part in (
        "Grade arithmetic",
        "Coverage",
        "Callbacks",
        "For the director",
        "What to fix first",
        "What the scan saw",
    ):
        assert part in page.words


async def test_an_api_report_is_read_by_link_unless_the_account_says_no(
    browser: Browser, ctx: Context, ada: Caller
) -> None:
    wish = ScanRequest("http://shop.acme.test:8080", ScanMode.QUICK, via_api=True)
    accepted = await submit_scan(ctx, ada, wish)
    await run_to_end(ctx, accepted.scan_id)
    page = await browser.page(f"/reports/{accepted.db_scan_id}")
    assert "Sign out" not in page.words
    await set_reports_need_key(ctx, ada, True)
    await browser.page(f"/reports/{accepted.db_scan_id}", 404)


async def test_downloads_lead_to_the_export_of_every_format(browser: Browser, ctx: Context, ada: Caller) -> None:
    accepted = await finished_scan(ctx, ada)
    await browser.sign_in()
    page = await browser.page(f"/reports/{accepted.db_scan_id}")
    links = [value for tag, name, value in page.attributes if (tag, name) == ("a", "href") and "/report?" in value]
    assert [link.rpartition("=")[2] for link in links] == [*FORMATS, "bundle"]
    for link in links:
        assert (await browser.get(link)).status_code == 200


async def test_filter_and_pages(browser: Browser, ctx: Context, ada: Caller, engine: NoisyEngine) -> None:
    engine.many = 120
    accepted = await finished_scan(ctx, ada)
    await browser.sign_in()
    path = f"/reports/{accepted.db_scan_id}"
    page = await browser.page(path)
    assert page.tags.count("article") == 50
    assert "Page 1 of 3" in page.words
    assert (await browser.page(path + "?page=3")).tags.count("article") == 22
    assert (await browser.page(path + "?page=99")).tags.count("article") == 22
    assert (await browser.page(path + "?severity=critical")).tags.count("article") == 25
    assert (await browser.page(path + "?q=git+repository")).tags.count("article") == 1
    assert "No finding fits" in (await browser.page(path + "?q=nothing-like-it")).words
    assert "Nothing was found" not in (await browser.page(path + "?evidence=kev")).words


@given(st.dictionaries(st.sampled_from(["q", "severity", "evidence", "status", "page"]), st.text(max_size=20)))
def test_any_query_makes_a_filter(query: dict[str, str]) -> None:
    chosen = read_filter(query)
    assert chosen.page >= 1
    assert read_filter({"severity": chosen.severity}).severity == chosen.severity


def test_a_filter_writes_its_own_address() -> None:
    chosen = Filter(words="a&b=c", severity="high")
    assert chosen.address(2) == "?q=a%26b%3Dc&severity=high&page=2#findings"
