"""What templates cost: loading a set, and running all of it against one local server; with --peer beside another engine.

Run: `.venv/bin/python -P benchmarks/templates.py [--templates DIR] [--server absent page echo] [--most N] [--peer COMMAND]`.
Without a directory the templates that ship with SecRecon are run. The server is a process of its own, so that its CPU is
not counted; it counts the requests that arrive. Each measurement is a process of its own too: CPU is user and system time,
memory is the peak of resident memory. Taken are the http templates that can be compiled and that face a target; `--most`
leaves out those that make more requests than that. They are copied into one folder, which is what a peer gets as well.

A peer's COMMAND may hold {target}, {templates} and {output} (a file that it may write). Its CPU is that of its whole
process, start and loading included, and is set beside ours, start and loading included. Rates are for orientation only:
the server shares the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import uvloop

from secrecon.app.armory import own_folder
from secrecon.engine.phases.templates import requests_of
from secrecon.engine.templating.asker import Asker
from secrecon.engine.templating.driver import Runner, jobs_for
from secrecon.model.scan import Budget
from secrecon.model.target import parse_target
from secrecon.net.clock import SystemClock
from secrecon.net.gate import ScopeGate
from secrecon.net.loop import prepare_loop
from secrecon.net.network import Network
from secrecon.net.resolver import Resolver
from secrecon.templates.catalog import load
from secrecon.templates.dsl.run import Ambient
from secrecon.templates.execution.session import Options, prepare
from secrecon.templates.execution.subject import parse_subject

MAX_SECONDS = 3_600.0
PAGE = (
    b"<html><head><title>It works</title></head><body>" + b"<p>Some text of a page.</p>" * 300 + b"</body></html>"
)
GONE = b"<html><head><title>404 Not Found</title></head><body><h1>Not Found</h1></body></html>"


def absent(head: bytes, body: bytes) -> tuple[bytes, bytes]:
    return b"404 Not Found", GONE


def page(head: bytes, body: bytes) -> tuple[bytes, bytes]:
    return b"200 OK", PAGE


def echo(head: bytes, body: bytes) -> tuple[bytes, bytes]:
    return b"200 OK", b"<html><body><pre>" + head + body + b"</pre></body></html>"


BEHAVIOURS: dict[str, Callable[[bytes, bytes], tuple[bytes, bytes]]] = {
    "absent": absent,
    "page": page,
    "echo": echo,
}


class Site(asyncio.Protocol):
    """Answers every request as its behaviour says, and counts them."""

    def __init__(self, name: str, counts: Counter[str]) -> None:
        self._name, self._counts = name, counts
        self._waiting = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._waiting += data
        while (end := self._waiting.find(b"\r\n\r\n")) >= 0:
            head = self._waiting[: end + 4]
            size = _length(head)
            if len(self._waiting) < end + 4 + size:
                return
            body, self._waiting = self._waiting[end + 4 : end + 4 + size], self._waiting[end + 4 + size :]
            status, answer = BEHAVIOURS[self._name](head, body)
            self._counts[self._name] += 1
            if self._transport is not None:
                self._transport.write(
                    b"HTTP/1.1 %b\r\nServer: bench\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%b"
                    % (status, len(answer), answer)
                )


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length" and value.strip().isdigit():
            return int(value)
    return 0


async def serve() -> None:
    """One port for each behaviour, printed first; a line on standard input is answered with the counts so far."""
    counts: Counter[str] = Counter()
    loop = asyncio.get_running_loop()
    ports = {}
    for name in BEHAVIOURS:
        server = await loop.create_server(lambda name=name: Site(name, counts), "127.0.0.1", 0)  # type: ignore[misc]
        ports[name] = server.sockets[0].getsockname()[1]
    print(json.dumps(ports), flush=True)
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(counts), flush=True)


@dataclass
class Server:
    ports: dict[str, int]
    process: subprocess.Popen[str]

    def count(self, name: str) -> int:
        """How many requests have arrived so far."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("count\n")
        self.process.stdin.flush()
        return int(json.loads(self.process.stdout.readline()).get(name, 0))


@contextlib.contextmanager
def server() -> Iterator[Server]:
    process = subprocess.Popen(
        [sys.executable, "-P", __file__, "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield Server(json.loads(process.stdout.readline()), process)
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


def chosen(source: Path, folder: Path, most: int) -> int:
    """Copy the templates to measure, with the payload files that they share; how many they are."""
    count = 0
    for entry in load([source], random.Random(1)).entries:
        template = entry.template
        if set(template.sections) != {"http"} or template.self_contained or (most and requests_of(template) > most):
            continue
        place = folder / entry.path
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / entry.path, place)
        count += 1
    if (source / "helpers").is_dir():
        shutil.copytree(source / "helpers", folder / "helpers", dirs_exist_ok=True)
    return count


def used() -> float:
    """CPU seconds of this process so far."""
    now = resource.getrusage(resource.RUSAGE_SELF)
    return now.ru_utime + now.ru_stime


async def run(folder: Path, kept: Path, url: str, concurrency: int) -> dict[str, float]:
    """Load and run the set in this process."""
    prepare_loop()
    started = used()
    catalog = load([folder], random.SystemRandom(), kept=kept)
    loaded = used()
    clock = SystemClock()
    target, resolver = parse_target(url), Resolver()
    budget = Budget(requests=10**9, bytes=10**12, rate=1e9, in_flight=concurrency, seconds=MAX_SECONDS)
    network = Network(ScopeGate(target, ("127.0.0.0/8",), resolver), resolver, budget, clock)
    asker = Asker(network, clock)
    ambient = Ambient(time.time, random.SystemRandom(), lambda seconds: None)
    runner = Runner(asker, Options(), ambient, concurrency=concurrency)
    jobs = jobs_for(
        [prepare(entry.template, ambient, entry.path) for entry in catalog.entries], [parse_subject(url)]
    )
    began, found, outcomes = time.perf_counter(), 0, Counter[str]()
    async for attempt in runner.run(jobs):
        outcomes[attempt.outcome] += 1
        found += bool(attempt.found)
    wall = time.perf_counter() - began
    await network.close()
    return {
        "templates": len(jobs),
        "load": loaded - started,
        "run": used() - loaded,
        "wall": wall,
        "sent": asker.sent,
        "shared": asker.shared,
        "found": found,
        "done": outcomes["done"],
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def loads(folder: Path, kept: Path | None) -> dict[str, float]:
    """Load the set in this process."""
    before = used()
    catalog = load([folder], random.SystemRandom(), kept=kept)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"templates": len(catalog.entries), "load": used() - before, "memory": memory}


def child(*arguments: str) -> tuple[dict[str, float], float]:
    """This file run as a process: what it printed, and the CPU of the whole process."""
    out, cpu, _ = command([sys.executable, "-P", __file__, *arguments])
    return json.loads(out), cpu


def command(words: list[str]) -> tuple[str, float, float]:
    """Its output, and the CPU and wall time of the whole process."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(words, check=True, capture_output=True, text=True, timeout=MAX_SECONDS)
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done.stdout, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, wall


def measure_loading(folder: Path, kept: Path, runs: int) -> None:
    def best(*more: str) -> dict[str, float]:
        found = [child("--load", str(folder), *more)[0] for _ in range(runs)]
        return min(found, key=lambda figures: figures["load"])

    figures = {
        "compiled, nothing kept": best(),
        "compiled, and kept": child("--load", str(folder), "--kept", str(kept))[0],
    }
    figures["read from what was kept"] = best("--kept", str(kept))
    print(f"{'loading':<26}{'CPU s':>10}{'us/template':>14}{'peak MB':>10}")
    for name, row in figures.items():
        each = row["load"] / max(row["templates"], 1) * 1e6
        print(f"{name:<26}{row['load']:>10.2f}{each:>14.0f}{row['memory']:>10.0f}")


def measure_running(options: argparse.Namespace, folder: Path, kept: Path) -> None:
    print(
        f"\n{'server':<10}{'engine':<10}{'requests':>10}{'shared':>8}{'found':>7}{'CPU s':>9}{'us/request':>12}"
        f"{'us/template':>13}{'requests/s':>12}{'peak MB':>9}"
    )
    with server() as site:
        for name in options.server:
            url = f"http://127.0.0.1:{site.ports[name]}"
            before = site.count(name)
            more = ("--url", url, "--kept", str(kept), "--concurrency", str(options.concurrency))
            row, whole = child("--run", str(folder), *more)
            arrived = site.count(name) - before
            print(
                f"{name:<10}{'secrecon':<10}{arrived:>10,}{row['shared']:>8,.0f}{row['found']:>7,.0f}{row['run']:>9.2f}"
                f"{row['run'] / max(arrived, 1) * 1e6:>12.0f}{row['run'] / max(row['templates'], 1) * 1e6:>13.0f}"
                f"{arrived / row['wall']:>12,.0f}{row['memory']:>9.0f}"
            )
            if options.peer:
                measure_peer(options.peer, site, name, folder, (arrived, whole))


def measure_peer(peer: str, site: Server, name: str, folder: Path, ours: tuple[int, float]) -> None:
    """The other engine on the same work, and ratios of whole processes."""
    with tempfile.TemporaryDirectory() as place:
        output = Path(place, "output")
        values = {"target": f"http://127.0.0.1:{site.ports[name]}", "templates": str(folder), "output": str(output)}
        words = [word.format_map(values) for word in shlex.split(peer)]
        before = site.count(name)
        _, cpu, wall = command(words)
        arrived = site.count(name) - before
    if not arrived:
        sys.exit(f"the peer sent nothing: {words[0]}")
    print(
        f"{name:<10}{'peer':<10}{arrived:>10,}{'':>8}{'':>7}{cpu:>9.2f}{cpu / arrived * 1e6:>12.0f}{'':>13}"
        f"{arrived / wall:>12,.0f}"
    )
    print(
        f"{'':<10}whole processes, peer to ours: CPU {cpu / ours[1]:.2f}, CPU for each request "
        f"{cpu / arrived / (ours[1] / max(ours[0], 1)):.2f}, requests {arrived / max(ours[0], 1):.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--templates", type=Path, help="a directory of templates; without it those that ship")
    parser.add_argument("--server", nargs="+", choices=tuple(BEHAVIOURS), default=list(BEHAVIOURS))
    parser.add_argument(
        "--most", type=int, default=0, metavar="N", help="leave out what makes more requests than that"
    )
    parser.add_argument("--concurrency", type=int, default=25)
    parser.add_argument("--runs", type=int, default=3, help="of loading; the best counts")
    parser.add_argument("--peer", default="", metavar="COMMAND")
    for name in ("--serve",):
        parser.add_argument(name, action="store_true", help=argparse.SUPPRESS)
    for name in ("--load", "--run", "--kept"):
        parser.add_argument(name, type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--url", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        uvloop.run(serve())
    elif options.load:
        print(json.dumps(loads(options.load, options.kept)))
    elif options.run:
        print(json.dumps(uvloop.run(run(options.run, options.kept, options.url, options.concurrency))))
    else:
        with tempfile.TemporaryDirectory() as place:
            folder, kept = Path(place, "templates"), Path(place, "kept")
            count = chosen((options.templates or own_folder()).resolve(), folder, options.most)
            print(f"{count:,} templates, {options.concurrency} at once\n")
            measure_loading(folder, kept, options.runs)
            measure_running(options, folder, kept)


if __name__ == "__main__":
    main()
