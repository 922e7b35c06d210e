"""The HTML file in a real browser, with everything in it that a hostile target could say: nothing runs, loads or hides."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pypdfium2
import pytest
from playwright.async_api import Browser, Page, async_playwright
from tests.chromium import ARGUMENTS, CHROMIUM
from tests.report.conftest import ALL_DONE, entry, make_record, with_callback
from tests.report.test_exports import hostile_finding

from secrecon.model.finding import Evidence
from secrecon.model.record import ScanRecord
from secrecon.model.scan import Outcome
from secrecon.report import build, render

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(120)]
MARK = "document.title='PWNED'"
HOSTILE = (
    f"<script>{MARK}</script>",
    f"<img src=x onerror=\"{MARK}\">",
    f"\"'><svg onload={MARK}>",
    f"</title></style></textarea><script>{MARK}</script>",
    f"</desc></svg><iframe srcdoc='<script>parent.{MARK}</script>'>",
    f"javascript:{MARK}",
    "<style>*{display:none}</style><link rel=stylesheet href=http://127.0.0.1:9/x.css>",
    "<meta http-equiv=refresh content='0;url=http://127.0.0.1:9/'><base href=http://127.0.0.1:9/>",
    "<form action=http://127.0.0.1:9/><input name=q autofocus onfocus=" + MARK + ">",
    "{{ 7*7 }}{% raw %}${7*7}<!--",
    "\x1b]0;owned\x07\x1b[31mred\x1b[0m",
    "user\u202egpj.exe \u2066x\u2069 zero\u200bwidth",
    "\ud800 lone \x00 nul \x85 \u2028 line",
    "=HYPERLINK(\"http://127.0.0.1:9/\",\"x\")",
)  # fmt: skip
SHOWN = (
    "\\x1b]0;owned\\x07",
    "\\u202egpj.exe",
    "zero\\u200bwidth",
    "\\ud800 lone \\x00 nul",
    "{{ 7*7 }}",
    "<script>",
)


def hostile_record() -> ScanRecord:
    big = "B" * 10_000_000
    findings = [replace(hostile_finding(text), check=f"exposure.{n}") for n, text in enumerate(HOSTILE)]
    findings.append(
        replace(findings[0], location="/big", evidence=(Evidence("http", big, big, big, big, big, big),))
    )
    attempts = tuple(
        replace(ALL_DONE[0], asset=text, check=f"exposure.{n}", outcome=Outcome.FAILED, reason=text)
        for n, text in enumerate(HOSTILE)
    )
    record = with_callback(make_record())
    hits = tuple(replace(record.interactions[0], id=text, raw=text, remote_address=text) for text in HOSTILE)
    listed = tuple(entry(finding, number) for number, finding in enumerate(findings, 1))
    return replace(record, findings=listed, attempts=(*ALL_DONE, *attempts), error=HOSTILE[0], interactions=hits)


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield browser
        await browser.close()


def watched(tab: Page) -> tuple[list[str], list[str]]:
    """What the page will have asked for, and what it will have complained of."""
    asked: list[str] = []
    complaints: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("console", lambda message: complaints.append(message.text))
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("dialog", lambda dialog: complaints.append(dialog.message))
    return asked, complaints


async def test_what_a_hostile_target_said_is_only_text(chromium: Browser, tmp_path: Path) -> None:
    report = build(hostile_record())
    file = tmp_path / "report.html"
    file.write_bytes(render(report, "html")[0])
    for scripts in (True, False):
        tab = await chromium.new_page(java_script_enabled=scripts)
        asked, complaints = watched(tab)
        await tab.goto(file.as_uri())
        await tab.wait_for_timeout(300)
        assert asked == [file.as_uri()]
        assert complaints == []
        assert await tab.title() == f"Security report: {report.facts.subject}"
        assert tab.url == file.as_uri()
        text = await tab.locator("body").text_content() or ""
        for shown in SHOWN:
            assert shown in text
        assert await tab.locator("h2", has_text="Coverage").is_visible()
        assert not any(ord(character) in range(0x202A, 0x202F) for character in text)
        if scripts:
            shapes = "document.querySelectorAll('script,iframe,form,img,base,link,input,object,embed').length"
            assert await tab.evaluate(shapes) == 0
            assert await tab.evaluate(
                "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
            )
            links = await tab.evaluate("[...document.links].map(a => a.protocol)")
            assert set(links) <= {"file:", "https:", "http:"}
        await tab.close()


async def test_it_prints(chromium: Browser, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_bytes(render(build(hostile_record()), "html")[0])
    tab = await chromium.new_page()
    await tab.goto(file.as_uri())
    paper = pypdfium2.PdfDocument(await tab.pdf(format="A4"))
    words = []
    for page in paper:
        text = page.get_textpage()
        words.append(text.get_text_range())
        text.close()
        page.close()
    assert 3 < len(words) < 60
    assert "Grade arithmetic" in " ".join(words)
    assert "What ran on which asset" in " ".join(words)
    assert "Contents" not in words[0]
    paper.close()
