"""Take the documentation's pictures: `make screenshots`.

Runs the demo deployment (the lab and a server, each a process of its own on loopback), scans the lab, and drives
Chromium through the dashboard and the HTML report as a user would. Writes docs/images/*.png and nothing else. The API
key on the picture is replaced by words before the picture is taken.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from secrecon.cli.local_server import LocalServer, Started, free_port, lab_environment
from secrecon.lab.process import LabProcess
from secrecon.model.errors import OperatorError

IMAGES = Path(__file__).parents[1] / "docs" / "images"
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-sync",
    "--disable-component-update",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost",
)
EMAIL = "demo@example.com"
WIDTH = 1280
HEIGHT = 900
MOST_BYTES = 300_000
SCAN_SECONDS = 300.0
LIVE_PERCENT = 55


def main() -> None:
    """Every picture, in one go."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise OperatorError("Chromium is needed: scripts/system installs it")
    IMAGES.mkdir(parents=True, exist_ok=True)
    dns_port = free_port()
    with tempfile.TemporaryDirectory() as folder, LabProcess(Path(folder) / "lab", ("127.0.0.1", dns_port)) as lab:
        domain = lab.description.domain
        with LocalServer(Path(folder) / "data", lab_environment(lab.description, dns_port)) as server:
            key = server.account(EMAIL, "enterprise", domain)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
                take_all(browser, server, key, domain, Path(folder))
                browser.close()


def take_all(browser: Browser, server: LocalServer, key: str, domain: str, folder: Path) -> None:
    """Scan and take the pictures in the order in which a user meets them."""
    first = server.submit(key, f"http://shop.{domain}:{web_port(server)}", "quick")
    wait(server, first)
    page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
    sign_in(page, server)
    page.goto(f"{server.base}/scans/new")
    page.fill("#target", domain)
    page.check("input[name=mode][value=full]")
    take(page, "new-scan", 720)
    page.click("main button[type=submit]")
    page.wait_for_url("**/scans/*")
    wait_for_progress(page)
    take(page, "live-scan", HEIGHT)
    page.wait_for_selector("[data-finished]:not([hidden])", timeout=SCAN_SECONDS * 1000)
    page.click("text=Open the report")
    page.wait_for_selector("#grade")
    report = page.request.get(f"{server.base}/api/scan/{page.url.rsplit('/', 1)[1]}/report?format=html")
    page.goto(server.base)
    take(page, "dashboard", 620)
    page.goto(f"{server.base}/settings")
    page.fill("#name", "build pipeline")
    page.click("text=Generate New API Key")
    page.wait_for_selector("#new-key")
    page.evaluate("document.querySelector('#new-key').textContent = 'your new key stands here, once'")
    page.evaluate("window.scrollTo(0, document.querySelector('#api-access').offsetTop - 24)")
    take(page, "api-access", 700)
    file = folder / "report.html"
    file.write_bytes(report.body())
    for name, scheme in (("report", "light"), ("report-dark", "dark")):
        shown = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        shown.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        shown.goto(file.as_uri())
        if scheme == "dark":
            shown.evaluate("document.getElementById('fix').scrollIntoView()")
        take(shown, name, 1000)
        shown.close()


def web_port(server: LocalServer) -> str:
    """The lab's port for plain http, as the server's settings name it."""
    return server.environment["SECRECON_WEB_PORTS"].split()[0]


def sign_in(page: Page, server: LocalServer) -> None:
    """As the demo's user."""
    page.goto(f"{server.base}/sign-in")
    page.fill("#email", EMAIL)
    page.fill("#password", (server.data_dir / "password").read_text("utf-8").strip())
    page.click("button[type=submit]")
    page.wait_for_url(f"{server.base}/")


def wait_for_progress(page: Page) -> None:
    """Until the page of a running scan shows LIVE_PERCENT. Its policy allows no predicate of ours, so it is read."""
    end = time.monotonic() + SCAN_SECONDS
    while time.monotonic() < end:
        shown = (page.text_content("[data-percent]") or "0").split()[0]
        if int(shown) >= LIVE_PERCENT:
            return
        page.wait_for_timeout(200)
    raise OperatorError(f"the scan did not come to {LIVE_PERCENT} % within {SCAN_SECONDS:.0f} s")


def wait(server: LocalServer, scan: Started) -> None:
    """Until a scan is complete. Raises OperatorError where it is not in time."""
    end = time.monotonic() + SCAN_SECONDS
    while time.monotonic() < end:
        status = server.status(scan.scan_id).status
        if status == "complete":
            return
        if status == "error":
            break
        time.sleep(0.3)
    raise OperatorError(f"the scan {scan.scan_id} did not complete: {server.log_end()}")


def take(page: Page, name: str, height: int) -> None:
    """One picture of the window at `height`. Raises OperatorError where the file is too large for the repository."""
    page.set_viewport_size({"width": WIDTH, "height": height})
    page.wait_for_timeout(300)
    path = IMAGES / f"{name}.png"
    page.screenshot(path=path)
    page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise OperatorError(f"{path.name} has {size:,} bytes, more than {MOST_BYTES:,}: make its window smaller")
    sys.stdout.write(f"{path.relative_to(IMAGES.parents[1])}  {size:,} bytes\n")


if __name__ == "__main__":
    main()
