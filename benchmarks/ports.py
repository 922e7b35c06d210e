"""CPU time per port of the connect scan, beside nmap's (-sT), on one loopback address. Prints ratios.

    .venv/bin/python -P benchmarks/ports.py [--ports 50000] [--runs 3]

Both connect to the same ports of the same address, of which a few listen; each runs in processes of its own, so the
figure is user and system time of the whole process, its start included. Both must find the same open ports, or there is
no figure. nmap is told neither to ping, nor to look names up, nor to wait (-Pn -n -T5 --max-retries 1).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import resource
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

from secrecon.net.ports import PortSweep, SweepLimits

ADDRESS = "127.0.0.97"
LISTENERS = 10


@contextlib.contextmanager
def listening(below: int) -> Iterator[list[int]]:
    """Ten ports below a limit that accept connections."""
    with contextlib.ExitStack() as stack:
        ports: list[int] = []
        for wanted in range(1_100, below, max(1, below // LISTENERS)):
            with contextlib.suppress(OSError):
                server = stack.enter_context(socket.create_server((ADDRESS, wanted), backlog=64))
                ports.append(server.getsockname()[1])
        yield ports


def ours(last: int) -> None:
    """The child: scan, and print what is open and what it took."""
    limits = SweepLimits(rate=1e9, connects=10**9, until=float("inf"))
    (found,) = PortSweep([(ADDRESS, range(1, last + 1))], limits, time.monotonic, threading.Event()).run()
    print(json.dumps({"open": found.open, "closed": len(found.closed), "silent": len(found.silent)}))


def cpu_of(command: list[str]) -> tuple[float, str]:
    """User and system seconds of a command, and what it printed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def nmap_command(last: int) -> list[str] | None:
    """How nmap is called; None where it is not installed."""
    path = shutil.which("nmap")
    if path is None:
        return None
    return [path, "-sT", "-Pn", "-n", "-T5", "--max-retries", "1", "-oG", "-", f"-p1-{last}", ADDRESS]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--ports", type=int, default=50_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        ours(options.ports)
        return 0
    last = options.ports
    child = [sys.executable, "-P", __file__, "--child", "--ports"]
    peer = nmap_command(last)
    if peer is None:
        print("nmap: not installed (apt-get install nmap), so there is nothing to compare with")
    mine: list[float] = []
    theirs: list[float] = []
    with listening(last) as ports:
        start = min(cpu_of([*child, "1"])[0] for _ in range(options.runs))
        for _ in range(options.runs):
            seconds, text = cpu_of([*child, str(last)])
            found = json.loads(text)
            if set(found["open"]) < set(ports) or found["silent"]:
                print(
                    f"secrecon: open {found['open']} and {found['silent']} silent, where {ports} listen: no figure"
                )
                return 1
            mine.append(seconds)
            if peer is not None:
                seconds, text = cpu_of(peer)
                seen = {int(port) for port in re.findall(r"(\d+)/open/", text)}
                if seen != set(found["open"]):
                    print(
                        f"nmap: open {sorted(seen)}, secrecon: open {found['open']}: they do not agree, no figure"
                    )
                    return 1
                theirs.append(seconds)
    best = min(mine)
    print(f"{last:,} ports of one loopback address, {len(ports)} of them open; the best of {options.runs} runs")
    print(
        f"secrecon: {best / last * 1e6:.1f} µs of CPU a port (without the {start:.2f} s in which Python starts: "
        f"{(best - start) / last * 1e6:.1f})"
    )
    if theirs:
        peers = min(theirs)
        print(f"nmap -sT: {peers / last * 1e6:.1f} µs of CPU a port")
        print(f"secrecon to nmap: {best / peers:.2f}, without Python's start {(best - start) / peers:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
