"""A large site crawled to its end: peak memory and CPU time per page of our crawl, beside scrapy on the same site.

Run: `.venv/bin/python -P benchmarks/crawl.py [--pages N] [--peer scrapy]`. A local server process makes up a site of N pages
(20,000 unless said), each built differently, three to five kilobytes, 29 links. Each crawler runs in a process of its own and
follows every link; what is printed is what that process used: its peak resident memory, its CPU time (user and system) over
the pages it visited, and the rate for orientation, as the server shares the machine. `--peer scrapy` installs it from PyPI below
`build/scrapy` (BSD licence; run beside, never imported by us). `--alike` makes a site of N pages of one kind instead.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import resource
import subprocess
import sys
import time
import venv
from collections.abc import Sequence
from pathlib import Path

import uvloop

from secrecon.engine.memory import MemoryLog
from secrecon.engine.phase import Dialogue, Phase
from secrecon.engine.phases.crawl import CrawlPhase
from secrecon.engine.phases.probe import ProbePhase
from secrecon.engine.phases.resolve import ResolvePhase
from secrecon.engine.pipeline import Engine
from secrecon.model.asset import Page
from secrecon.model.scan import Budget, EngineInfo, ScanMode, ScanSpec, Touch
from secrecon.model.target import parse_target
from secrecon.net.clock import SystemClock
from secrecon.net.resolver import Resolver

BUILD = Path(__file__).parents[1] / "build" / "scrapy"
TAGS = (
    "div",
    "ul",
    "table",
    "section",
    "article",
    "dl",
    "ol",
    "nav",
    "aside",
    "main",
    "form",
    "fieldset",
    "pre",
    "h2",
    "h3",
    "figure",
)
SPIDER = """
import json, resource, sys, time
import scrapy
from scrapy.crawler import CrawlerProcess
from scrapy.linkextractors import LinkExtractor

class Spider(scrapy.Spider):
    name = "peer"
    start_urls = [sys.argv[1]]
    seen = 0
    links = LinkExtractor()

    def parse(self, response):
        Spider.seen += 1
        forms = response.css("form input::attr(name)").getall()
        for link in self.links.extract_links(response):
            yield response.follow(link.url, self.parse)

began = time.perf_counter()
process = CrawlerProcess({"LOG_ENABLED": False, "ROBOTSTXT_OBEY": False, "CONCURRENT_REQUESTS": 10,
    "CONCURRENT_REQUESTS_PER_DOMAIN": 10, "DOWNLOAD_DELAY": 0, "TELNETCONSOLE_ENABLED": False, "AUTOTHROTTLE_ENABLED": False})
process.crawl(Spider)
process.start()
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"pages": Spider.seen, "cpu": used.ru_utime + used.ru_stime, "peak": used.ru_maxrss,
    "seconds": time.perf_counter() - began}))
"""


def word(number: int) -> str:
    """A word of letters alone, another for each number."""
    text = ""
    while number or not text:
        number, digit = divmod(number, 26)
        text += chr(97 + digit)
    return text


def path_of(number: int, alike: bool) -> str:
    if number == 0:
        return "/"
    return f"/item/{number}" if alike else f"/p{word(number // 400)}/p{word(number % 400)}"


def number_of(path: str) -> int:
    parts = path.strip("/").split("/")
    if parts == [""]:
        return 0
    if parts[0] == "item":
        return int(parts[1])
    folder, name = (sum((ord(c) - 97) * 26**at for at, c in enumerate(part[1:])) for part in parts)
    return int(folder * 400 + name)


def page_of(number: int, pages: int, alike: bool) -> bytes:
    """Three pages further down, twenty-five elsewhere, a form, and markup that is this page's own."""
    digest = hashlib.sha256(b"alike" if alike else str(number).encode()).hexdigest()
    below = [number * 3 + step for step in (1, 2, 3)]
    across = [(number * 31 + step * 977) % pages for step in range(25)]
    links = "".join(f'<li><a href="{path_of(n, alike)}">Page {n}</a></li>' for n in (*below, *across) if n < pages)
    built = "".join(f"<{TAGS[int(digit, 16)]} class=c{digit}><p>Some text of a page.</p>" for digit in digest[:24])
    body = (
        f"<!doctype html><html><head><title>Page {number}</title></head><body><ul>{links}</ul>{built}"
        f'<form action="/search"><input name="q"></form></body></html>'
    ).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(body) + body


async def serve(pages: int, alike: bool) -> None:
    """Serve until standard input closes; the port is printed first."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                path = head.split(b" ", 2)[1].decode().partition("?")[0]
                try:
                    number = number_of(path)
                    known = number < pages and path == path_of(number, alike)
                except (ValueError, IndexError):
                    known = False
                writer.write(
                    page_of(number, pages, alike) if known else b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"
                )
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.close()


async def ours(url: str, pages: int) -> None:
    """The crawl as a scan runs it: engine, gate, pace, client, parser, facts."""
    log = MemoryLog(SystemClock().now(), lambda _: None)
    phases: Sequence[Phase | Dialogue] = (ResolvePhase(), ProbePhase(), CrawlPhase())
    engine = Engine(
        phases=phases,
        info=lambda: EngineInfo("bench", "0" * 64),
        clock=SystemClock(),
        resolver=Resolver((("127.0.0.1", 9),)),
        callbacks=None,
    )
    budget = Budget(requests=pages * 2, bytes=10**11, rate=1e9, pages=pages + 10, seconds=7_200.0)
    spec = ScanSpec("b" * 32, parse_target(url), ScanMode.FULL, Touch.ACTIVE, budget, ("127.0.0.0/8",))
    began = time.perf_counter()
    await engine.run(spec, log)
    used = resource.getrusage(resource.RUSAGE_SELF)
    seen = sum(1 for fact in log.facts.values() if isinstance(fact, Page) and fact.status == 200)
    told = [attempt.reason for attempt in log.attempts.values() if attempt.check == "crawl.pages"]
    print(
        json.dumps(
            {
                "pages": seen,
                "cpu": used.ru_utime + used.ru_stime,
                "peak": used.ru_maxrss,
                "seconds": time.perf_counter() - began,
                "told": told,
            }
        )
    )


def scrapy() -> list[str] | None:
    """The command that runs the peer, installed where it is missing; None where it cannot be had."""
    python = BUILD / "bin" / "python"
    if not python.exists():
        venv.create(BUILD, with_pip=True)
        made = subprocess.run([python, "-m", "pip", "-q", "install", "scrapy"], check=False)
        if made.returncode:
            return None
    script = BUILD / "spider.py"
    script.write_text(SPIDER)
    return [str(python), str(script)]


def measured(command: Sequence[str]) -> dict[str, float] | None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stderr[-2_000:], file=sys.stderr)
        return None
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pages", type=int, default=20_000)
    parser.add_argument("--peer", choices=("scrapy",))
    parser.add_argument("--alike", action="store_true")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--ours", default="", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        asyncio.run(serve(given.pages, given.alike))
        return
    if given.ours:
        uvloop.run(ours(given.ours, given.pages))
        return
    me = [sys.executable, "-P", __file__, "--pages", str(given.pages), *(["--alike"] if given.alike else [])]
    server = subprocess.Popen([*me, "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    assert server.stdin is not None
    url = f"http://127.0.0.1:{server.stdout.readline().strip()}/"
    runs = {"secrecon": measured([*me, "--ours", url])}
    if given.peer and (peer := scrapy()) is not None:
        runs[given.peer] = measured([*peer, url])
    server.stdin.close()
    server.wait()
    show(runs)


def show(runs: dict[str, dict[str, float] | None]) -> None:
    base = runs["secrecon"]
    for name, run in runs.items():
        if run is None or not run["pages"]:
            print(f"{name}: failed")
            continue
        each = run["cpu"] / run["pages"]
        line = (
            f"{name}: {run['pages']:.0f} pages, {run['peak'] / 1024:.0f} MB peak, {each * 1e6:.0f} us CPU a page, "
        )
        line += f"{run['pages'] / run['seconds']:.0f} pages a second"
        if base and run is not base:
            line += f"; ratio to ours: CPU {each / (base['cpu'] / base['pages']):.2f}, memory {run['peak'] / base['peak']:.2f}"
        print(line)
        for told in run.get("told", ()) if isinstance(run.get("told"), list) else ():  # type: ignore[union-attr]
            print(f"  its ledger: {told or 'done'}")


if __name__ == "__main__":
    main()
