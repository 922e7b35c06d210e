"""CPU microseconds per request: our HTTP client beside wrk, ffuf, aiohttp and pycurl, against one local server.

Run: `.venv/bin/python -P benchmarks/http.py [--requests N] [--in-flight N] [--runs N] [--tls]`. Each client runs in a process
of its own and gets the same small page over loopback; what is printed is the CPU time that process used (user and
system), divided by the requests that were answered, the best of the runs. A peer that is not installed is reported as
missing. Rates are printed for orientation only: the server shares the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime
import json
import resource
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from secrecon.model.http import HttpRequest
from secrecon.model.scan import Budget
from secrecon.model.target import parse_target
from secrecon.net.clock import SystemClock
from secrecon.net.gate import ScopeGate
from secrecon.net.network import Network
from secrecon.net.resolver import Resolver

BODY = b"<html><head><title>It works</title></head><body>" + b"<p>Some text.</p>" * 30 + b"</body></html>"
PAGE = (
    b"HTTP/1.1 200 OK\r\nServer: bench\r\nDate: Mon, 23 Nov 2026 00:00:00 GMT\r\nContent-Type: text/html\r\n"
    b"Connection: keep-alive\r\nX-Frame-Options: DENY\r\nX-Content-Type-Options: nosniff\r\n"
    b'ETag: "5f3a-1"\r\nContent-Length: %d\r\n\r\n' % len(BODY)
) + BODY


class Page(asyncio.Protocol):
    """Answers every request head with the same page."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        if self.transport is not None:
            self.transport.write(PAGE * data.count(b"\r\n\r\n"))


async def serve(certificate: str) -> None:
    """Serve until standard input closes; the port is printed first."""
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Page, "127.0.0.1", 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


async def ours(url: str, count: int, in_flight: int) -> int:
    """The whole door: gate, budget, pace, client, parser, evidence."""
    target = parse_target(url)
    resolver = Resolver()
    budget = Budget(requests=count + 1, rate=1e9, in_flight=in_flight)
    network = Network(ScopeGate(target, ("127.0.0.0/8",), resolver), resolver, budget, SystemClock())
    good = 0
    numbers = iter(range(count))

    async def work() -> None:
        nonlocal good
        for number in numbers:
            exchange = await network.http(HttpRequest(target.origin, target=f"/word{number}"))
            good += exchange.reply.status == 200 and len(exchange.reply.body) == len(BODY)

    await asyncio.gather(*(work() for _ in range(in_flight)))
    await network.close()
    return good


async def with_aiohttp(url: str, count: int, in_flight: int) -> int:
    import aiohttp  # noqa: PLC0415 - a peer that may be missing

    good = 0
    numbers = iter(range(count))
    connector = aiohttp.TCPConnector(limit=in_flight, ssl=False)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def work() -> None:
            nonlocal good
            for number in numbers:
                async with session.get(f"{url}/word{number}") as reply:
                    good += reply.status == 200 and len(await reply.read()) == len(BODY)

        await asyncio.gather(*(work() for _ in range(in_flight)))
    return good


def with_pycurl(url: str, count: int, in_flight: int) -> int:
    import pycurl  # noqa: PLC0415 - a peer that may be missing

    multi = pycurl.CurlMulti()
    numbers = iter(range(count))
    good = 0
    handles = []

    def begin(handle: pycurl.Curl) -> bool:
        number = next(numbers, None)
        if number is None:
            return False
        handle.body = bytearray()
        handle.setopt(pycurl.URL, f"{url}/word{number}")
        handle.setopt(pycurl.WRITEFUNCTION, handle.body.extend)
        multi.add_handle(handle)
        return True

    for _ in range(in_flight):
        handle = pycurl.Curl()
        handle.setopt(pycurl.SSL_VERIFYPEER, 0)
        handle.setopt(pycurl.SSL_VERIFYHOST, 0)
        handles.append(handle)
        begin(handle)
    left = count
    while left:
        multi.perform()
        _, done, failed = multi.info_read()
        for handle in done:
            good += handle.getinfo(pycurl.RESPONSE_CODE) == 200 and len(handle.body) == len(BODY)
        for handle in (*done, *(entry[0] for entry in failed)):
            left -= 1
            multi.remove_handle(handle)
            begin(handle)
        if not done:
            multi.select(1.0)
    return good


def client(name: str, url: str, count: int, in_flight: int) -> None:
    """Run one Python client in this process and print what it used."""
    uvloop.install()
    before = resource.getrusage(resource.RUSAGE_SELF)
    began = time.perf_counter()
    if name == "pycurl":
        good = with_pycurl(url, count, in_flight)
    else:
        good = asyncio.run((ours if name == "secrecon" else with_aiohttp)(url, count, in_flight))
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    print(json.dumps({"good": good, "cpu": cpu, "wall": wall}))


def run_python(name: str, url: str, count: int, in_flight: int) -> tuple[int, float, float]:
    command = [sys.executable, "-P", __file__, "--client", name, "--url", url]
    command += ["--requests", str(count), "--in-flight", str(in_flight)]
    out = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return out["good"], out["cpu"], out["wall"]


def run_command(command: list[str]) -> tuple[str, float, float]:
    """Its output, and the CPU and wall time of the whole process, start included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return done.stdout, cpu, wall


def run_wrk(url: str, count: int, in_flight: int) -> tuple[int, float, float]:
    """wrk runs for a time, not for a count."""
    out, cpu, wall = run_command(["wrk", "-t1", f"-c{in_flight}", "-d2s", f"{url}/word"])
    line = next(line for line in out.splitlines() if "requests in" in line)
    return int(line.split()[0]), cpu, wall


def run_ffuf(url: str, count: int, in_flight: int) -> tuple[int, float, float]:
    """Nothing matches, so that no time goes into printing; every word is one request."""
    with tempfile.TemporaryDirectory() as folder:
        words = Path(folder, "words")
        words.write_text("".join(f"word{number}\n" for number in range(count)))
        _, cpu, wall = run_command(
            ["ffuf", "-s", "-u", f"{url}/FUZZ", "-w", str(words), "-t", str(in_flight), "-mc", "599"]
        )
    return count, cpu, wall


Runner = Callable[[str, int, int], tuple[int, float, float]]


def runners() -> dict[str, Runner | None]:
    """Each client with the way to run it; None where it is not installed."""

    def python(name: str) -> Runner:
        return lambda url, count, in_flight: run_python(name, url, count, in_flight)

    return {
        "secrecon": python("secrecon"),
        "wrk": run_wrk if shutil.which("wrk") else None,
        "ffuf": run_ffuf if shutil.which("ffuf") else None,
        "pycurl": python("pycurl") if find_spec("pycurl") else None,
        "aiohttp": python("aiohttp") if find_spec("aiohttp") else None,
    }


@contextlib.contextmanager
def server(tls: bool) -> Iterator[str]:
    """A server process; gives its URL."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-P", __file__, "--serve"]
        if tls:
            command += ["--certificate", certificate(Path(folder))]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            yield f"{'https' if tls else 'http'}://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.stdin.close()
            process.wait(10)
            process.stdout.close()


def certificate(folder: Path) -> str:
    """A self-signed certificate for 127.0.0.1, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    path = folder / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    )
    return str(path)


def measure(count: int, in_flight: int, runs: int, tls: bool) -> None:
    """Print the table: best run of each client, with its ratio to ours."""
    best: dict[str, tuple[float, float]] = {}
    with server(tls) as url:
        for _ in range(runs):
            for name, run in runners().items():
                if run is None:
                    continue
                good, cpu, wall = run(url, count, in_flight)
                if name != "wrk" and good != count:
                    sys.exit(f"{name}: only {good} of {count} requests were answered properly")
                figures = (cpu / good * 1e6, good / wall)
                best[name] = min(best.get(name, figures), figures)
    mine = best["secrecon"][0]
    print(f"{count} GETs, {in_flight} in flight, {'TLS' if tls else 'plain'}, best of {runs}")
    print(f"{'client':<10}{'CPU us/request':>16}{'ratio to ours':>16}{'requests/s':>14}")
    for name, run in runners().items():
        if run is None:
            print(f"{name:<10}{'missing':>16}")
        else:
            cpu, rate = best[name]
            print(f"{name:<10}{cpu:>16.1f}{cpu / mine:>16.2f}{rate:>14,.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--in-flight", type=int, default=50)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--certificate", default="", help=argparse.SUPPRESS)
    parser.add_argument("--client", default="", help=argparse.SUPPRESS)
    parser.add_argument("--url", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        uvloop.run(serve(options.certificate))
    elif options.client:
        client(options.client, options.url, options.requests, options.in_flight)
    else:
        measure(options.requests, options.in_flight, options.runs, options.tls)


if __name__ == "__main__":
    main()
