"""CPU microseconds per name: our DNS sweep beside massdns, dnsperf, gobuster, aiodns and dnspython, one local name server.

Run: `.venv/bin/python -P benchmarks/dns.py [--names N] [--in-flight N] [--runs N] [--there N]`. Each client runs in a process
of its own and looks the same names up at the same name server on loopback, of which one in `--there` exists. What is printed is
the CPU time that process used (user and system), divided by the names, the best of the runs; and how many of the names that
exist it found. dnsperf only sends and counts: it is the floor for a C program, not a finder of names. A peer that is not
installed is reported as missing. Rates are printed for orientation only: the server shares the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import dns.asyncresolver
import dns.exception
import uvloop

from secrecon.net import sweep

ZONE = "bench.test"
PEERS = ("ours", "massdns", "dnsperf", "gobuster", "aiodns", "dnspython")
SLOW = {"aiodns": 4, "dnspython": 20}
"""Peers that get a part of the names only, as they take long."""


def serve(there: int) -> None:
    """A name server that knows every `there`th name; it ends with standard input's end. Its port is printed first."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    sock.bind(("127.0.0.1", 0))
    print(sock.getsockname()[1], flush=True)
    if os.fork() == 0:
        sys.stdin.read()
        os.kill(os.getppid(), 15)
        os._exit(0)
    record = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x7f\0\0\1"
    while True:
        query, address = sock.recvfrom(2048)
        label = query[13 : 13 + query[12]]
        end = query.index(b"\0", 12) + 5
        asked = query[12:end]
        if label[:1] == b"n" and label[1:].isdigit() and int(label[1:]) % there == 0:
            alone = asked[-4:] == b"\0\1\0\1"
            counts = b"\0\1\0\1\0\0\0\0" if alone else b"\0\1\0\0\0\0\0\0"
            sock.sendto(query[:2] + b"\x81\x80" + counts + asked + (record if alone else b""), address)
        else:
            sock.sendto(query[:2] + b"\x81\x83\0\1\0\0\0\0\0\0" + asked, address)


@dataclass(frozen=True)
class Job:
    """What a client does: so many names at the server on `port`, one in `there` exists."""

    port: int
    names: int
    in_flight: int
    there: int

    def all(self) -> list[str]:
        return [f"n{number}.{ZONE}" for number in range(self.names)]


def ours(job: Job) -> int:
    """The sweep as scans use it, with AAAA for what exists; the rate alone is lifted."""
    sweep.MAX_WINDOW = sweep.FIRST_WINDOW = job.in_flight

    async def run() -> int:
        result = await sweep.Sweeper([("127.0.0.1", job.port)], rate=1e9).names(job.all())
        return sum(bool(answer.addresses) for answer in result.answers)

    return uvloop.run(run())


def dnspython(job: Job) -> int:
    """Its asyncio resolver."""
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers, resolver.port, resolver.cache = ["127.0.0.1"], job.port, None

    async def look(names: list[str]) -> int:
        found = 0
        for name in names:
            try:
                found += bool(await resolver.resolve(name, "A"))
            except dns.exception.DNSException:
                continue
        return found

    return asyncio.run(_spread(look, job))


def aiodns(job: Job) -> int:
    """c-ares behind asyncio."""
    module: Any = importlib.import_module("aiodns")

    async def run() -> int:
        resolver = module.DNSResolver(nameservers=["127.0.0.1"], udp_port=job.port, tcp_port=job.port, timeout=3)

        async def look(names: list[str]) -> int:
            found = 0
            for name in names:
                try:
                    found += bool(await resolver.query_dns(name, "A"))
                except module.error.DNSError:
                    continue
            return found

        return await _spread(look, job)

    return asyncio.run(run())


async def _spread(look: Callable[[list[str]], Any], job: Job) -> int:
    names = job.all()
    parts = [names[at :: job.in_flight] for at in range(job.in_flight)]
    return sum(await asyncio.gather(*(look(part) for part in parts)))


def massdns(job: Job, folder: Path) -> tuple[list[str], Callable[[str], int]]:
    """Its simple output; one line for each name found."""
    (folder / "names").write_text("\n".join(job.all()))
    (folder / "servers").write_text(f"127.0.0.1:{job.port}\n")
    command = ["massdns", "-q", "-r", str(folder / "servers"), "-s", str(job.in_flight), "-t", "A", "-o", "S"]
    return [*command, str(folder / "names")], lambda out: sum(" A " in line for line in out.splitlines())


def dnsperf(job: Job, folder: Path) -> tuple[list[str], Callable[[str], int]]:
    """Sends and counts the codes."""
    (folder / "names").write_text("\n".join(f"{name} A" for name in job.all()))
    command = ["dnsperf", "-s", "127.0.0.1", "-p", str(job.port), "-d", str(folder / "names"), "-n", "1"]

    def found(out: str) -> int:
        words = out.partition("NOERROR ")[2].split()
        return int(words[0]) if words else 0

    return [*command, "-q", str(job.in_flight), "-c", "1", "-T", "1"], found


def gobuster(job: Job, folder: Path) -> tuple[list[str], Callable[[str], int]]:
    """Its dns mode; Go's resolver asks for both families."""
    (folder / "words").write_text("\n".join(name.partition(".")[0] for name in job.all()))
    command = ["gobuster", "dns", "-q", "-z", "--no-color", "-d", ZONE, "-r", f"127.0.0.1:{job.port}"]
    return [*command, "-t", str(job.in_flight), "-w", str(folder / "words")], lambda out: out.count("Found:")


PYTHON: dict[str, Callable[[Job], int]] = {"ours": ours, "aiodns": aiodns, "dnspython": dnspython}
PROGRAMS: dict[str, Callable[[Job, Path], tuple[list[str], Callable[[str], int]]]] = {
    "massdns": massdns,
    "dnsperf": dnsperf,
    "gobuster": gobuster,
}


def missing(peer: str) -> bool:
    """True where the peer is not installed here."""
    if peer in PROGRAMS:
        return shutil.which(peer) is None
    return peer == "aiodns" and find_spec("aiodns") is None


def measure(peer: str, job: Job) -> tuple[float, int, float]:
    """CPU seconds, names found and wall seconds of one run in a process of its own."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        if peer in PYTHON:
            spec = json.dumps([job.port, job.names, job.in_flight, job.there])
            command, count = [sys.executable, "-P", __file__, "--client", peer, spec], int
        else:
            command, count = PROGRAMS[peer](job, Path(folder))  # type: ignore[assignment]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return spent, count(out), time.perf_counter() - began


def main() -> None:
    """Measure every peer in turn and print the table; an empty run's CPU (the start) is taken off."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--names", type=int, default=100_000)
    parser.add_argument("--in-flight", type=int, default=200)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--there", type=int, default=100)
    parser.add_argument("--serve", type=int)
    parser.add_argument("--client", nargs=2)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
    if options.client:
        print(PYTHON[options.client[0]](Job(*json.loads(options.client[1]))))
        return
    server = subprocess.Popen(
        [sys.executable, "-P", __file__, "--serve", str(options.there)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    assert server.stdin is not None
    port = int(server.stdout.readline())
    print(
        f"{'client':10} {'us/name':>8} {'found':>13} {'names/s':>9}  of {options.names} names, best of {options.runs}"
    )
    figures: dict[str, float] = {}
    for peer in PEERS:
        if missing(peer):
            print(f"{peer:10}  not installed: not measured")
            continue
        names = options.names // SLOW.get(peer, 1)
        job = Job(port, names, options.in_flight, options.there)
        start = min(measure(peer, Job(port, 1, 1, options.there))[0] for _ in range(options.runs))
        runs = [measure(peer, job) for _ in range(options.runs)]
        spent, found, wall = min(runs)
        figures[peer] = (spent - start) / names * 1e6
        expected = len(range(0, names, options.there))
        print(f"{peer:10} {figures[peer]:8.1f} {found:6}/{expected:<6} {names / wall:9.0f}")
    server.stdin.close()
    for peer in figures:
        if peer != "ours":
            print(f"names per CPU second: ours is {figures[peer] / figures['ours']:.2f} x {peer}")


if __name__ == "__main__":
    main()
