"""SSRF accuracy and cost on the lab: recall, false positives, requests per input; beside wapiti where it is wanted.

Run: `.venv/bin/python benchmarks/ssrf.py [--peer wapiti]`. One full scan of the lab by our scanner, judged by the lab's
ground truth. With the peer, wapiti3 from PyPI is installed into an environment of its own below `build/` (its licence is
the GPL: it is run, never imported), given every host with such an input, one after the other, with its SSRF module and,
where a host has one, its API description; the callbacks that it needs go to an endpoint of ours on loopback.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import resource
import subprocess
import tempfile
import threading
import time
import venv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from secrecon.app.oneshot import OneShot
from secrecon.app.settings import Settings
from secrecon.cli.local_server import free_port
from secrecon.lab.process import LabProcess
from secrecon.lab.truth import Truth, load_truth, place_of
from secrecon.model.scan import ScanMode
from secrecon.report import build

CHECK = "ssrf.callback"
BUILD = Path(__file__).parents[1] / "build" / "wapiti"
ENDPOINT = re.compile(r"^/ssrf/([A-Za-z0-9]+)/(\d+)/([0-9a-f]+)")
PEER_SECONDS = 120
DESCRIBED = ("api", "api-safe", "graph", "graph-safe")
Input = tuple[str, str, str, str]
"""Host, method, path, name: what both tools' findings can be compared by."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What one tool did. `requests`: sent to the hosts with inputs. `seconds`: wall time."""

    name: str
    found: frozenset[Input]
    false: frozenset[Input]
    requests: int
    cpu: float
    seconds: float


def input_of(host: str, location: str) -> Input:
    """The input of a location such as `GET /path query:url`."""
    method, path, place = location.split(" ", 2)
    return host, method, path, place.partition(":")[2]


def wanted(truth: Truth) -> frozenset[Input]:
    """Every input that fetches."""
    return frozenset(input_of(e.host, e.locations[0]) for e in truth.expected if e.check == CHECK)


def innocent(truth: Truth) -> frozenset[Input]:
    """Every input of a twin: the same request on a host that does not fetch."""
    return frozenset(
        (twin.host, *each[1:])
        for twin in truth.twins
        if CHECK in twin.checks
        for each in wanted(truth)
        if each[0] == twin.twin_of
    )


def ours(lab: LabProcess, truth: Truth, hosts: frozenset[str]) -> Figures:
    """A full scan of the whole lab; the requests are those of the crawl and of the SSRF checks on `hosts`."""
    where, port = lab.description, free_port()
    lab.set_callback_dns("127.0.0.1", port)
    settings = Settings(
        scope_allow=(where.allow,),
        dns_servers=tuple(f"{host}:{number}" for host, number in where.name_servers),
        web_ports=(where.http_port, where.tls_port),
        service_ports=where.scan_ports,
        oast_domain=where.callback_domain,
        oast_http_port=0,
        oast_dns_port=port,
    )
    allow = (where.allow, where.domain, f"*.{where.domain}")
    before, start = _cpu(resource.RUSAGE_SELF), time.monotonic()
    report = build(asyncio.run(OneShot(settings, where.domain, ScanMode.FULL, allow).run()))
    cpu, seconds = _cpu(resource.RUSAGE_SELF) - before, time.monotonic() - start
    seen = frozenset(
        input_of(place_of(truth, f.asset)[1], f.location) for f in report.facts.findings if f.check == CHECK
    )
    lines = [line for line in report.coverage.lines if line.check in (CHECK, "crawl.pages")]
    sent = sum(line.requests for line in lines if place_of(truth, line.asset)[1] in hosts)
    return Figures("secrecon", seen & wanted(truth), seen - wanted(truth), sent, cpu, seconds)


class Endpoint(BaseHTTPRequestHandler):
    """What wapiti expects of its callback server: fetches are kept, and told as JSON when it asks."""

    kept: dict[str, dict[str, dict[str, list[dict[str, object]]]]] = {}  # noqa: RUF012 - one server in this process

    def do_GET(self) -> None:
        found = ENDPOINT.match(self.path)
        session = self.path.partition("session_id=")[2]
        body = b"{}"
        if found is not None:
            session, request, name = found.groups()
            hit = {"date": "now", "ip": self.client_address[0], "method": "GET", "url": self.path, "size": 0}
            self.kept.setdefault(session, {}).setdefault(request, {}).setdefault(name, []).append(hit)
        elif session:
            body = json.dumps(self.kept.get(session, {})).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's word
        """Quiet."""


def wapiti() -> Path:
    """The peer's program, installed where it is not."""
    program = BUILD / "bin" / "wapiti"
    if not program.exists():
        venv.create(BUILD, with_pip=True)
        subprocess.run([BUILD / "bin" / "pip", "install", "-q", "wapiti3"], check=True)
    return program


def peer(lab: LabProcess, truth: Truth, hosts: Iterable[str]) -> Figures:
    """Wapiti on each host by its address, with the SSRF module."""
    program, found = wapiti(), set[Input]()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    before, asked, start = _cpu(resource.RUSAGE_CHILDREN), lab.asked(), time.monotonic()
    for host in sorted(hosts):
        found |= _one(program, lab, host, server.server_address[1])
        print(f"  wapiti: {host}, {len(found)} inputs so far", flush=True)
    sent = sum(lab.asked().values()) - sum(asked.values())
    cpu, seconds = _cpu(resource.RUSAGE_CHILDREN) - before, time.monotonic() - start
    server.shutdown()
    # a path's placeholder is ours: wapiti names the path that it asked for
    seen = frozenset(found)
    return Figures("wapiti", seen & wanted(truth), seen - wanted(truth), sent, cpu, seconds)


def _one(program: Path, lab: LabProcess, host: str, port: int) -> set[Input]:
    origin = str(lab.description.address_origin(host))
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [str(program), "-u", f"{origin}/", "-m", "ssrf", "--scope", "domain", "-l", "2", "-f", "json"]
        command += ["-o", str(report), "--flush-session", "--no-bugreport", "-v", "0", "--max-scan-time", "60"]
        command += ["--store-session", folder, "--store-config", folder, "--endpoint", f"http://127.0.0.1:{port}/"]
        if host.partition(".")[0] in DESCRIBED:
            command += ["--swagger", f"{origin}/openapi.json"]
        subprocess.run(
            command, check=False, timeout=PEER_SECONDS, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        if not report.exists():
            return set()
        document = json.loads(report.read_text("utf-8"))
    hits = document.get("vulnerabilities", {}).get("Server Side Request Forgery", [])
    return {(host, hit["method"], hit["path"].partition("?")[0], hit["parameter"]) for hit in hits}


def _cpu(who: int) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def table(figures: Sequence[Figures], fetch: int, still: int) -> str:
    """The figures, and each tool's ratio to the first."""
    lines = ["", f"{fetch} inputs that fetch, {still} that do not", ""]
    lines.append(
        f"{'':<10}{'found':>8}{'recall':>8}{'false':>7}{'requests':>10}{'per input':>11}{'CPU s':>8}{'wall s':>8}"
    )
    for each in figures:
        rate = each.requests / (fetch + still)
        lines.append(
            f"{each.name:<10}{len(each.found):>8}{len(each.found) / fetch:>8.2f}{len(each.false):>7}{each.requests:>10}"
            f"{rate:>11.1f}{each.cpu:>8.1f}{each.seconds:>8.1f}"
        )
    for each in figures[1:]:
        first = figures[0]
        lines.append(
            f"ratios, {each.name} to {first.name}: found {len(each.found) / max(1, len(first.found)):.2f}, "
            f"requests {each.requests / max(1, first.requests):.2f}"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="SSRF on the lab: recall, false positives, requests per input")
    parser.add_argument("--peer", choices=["wapiti"], help="run this tool on the same lab")
    parser.add_argument("--missed", action="store_true", help="list what each tool missed")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, LabProcess(Path(folder)) as lab:
        truth = load_truth(lab.description, ca_trusted=False)
        fetch, still = wanted(truth), innocent(truth)
        hosts = frozenset(host for host, *_ in fetch | still)
        figures = [ours(lab, truth, hosts)]
        if asked.peer:
            figures.append(peer(lab, truth, hosts))
    print(table(figures, len(fetch), len(still)))
    for each in figures if asked.missed else ():
        for line in sorted(fetch - each.found):
            print(f"{each.name} missed", *line)
    for each in figures:
        for line in sorted(each.false):
            print(f"{each.name} FALSE", *line)


if __name__ == "__main__":
    main()
