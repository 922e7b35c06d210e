"""Starts a program on a free loopback port, waits until it answers, and ends it: it and its children, by its own group.

What it prints goes to a file beside its environment, whose end is told where it does not come up.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

GRACE = 5.0
"""Seconds between asking a program to end and ending it."""


class NotStarted(Exception):
    """Why, and the program's last words."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def running(
    words: Sequence[str],
    where: Path,
    variables: Mapping[str, str],
    port: int,
    ready: str,
    patience: float,
    log: Path,
) -> Iterator[None]:
    """The program while it serves. `ready`: a path that it answers, with whatever status; `patience`: seconds. Raises
    NotStarted."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            ["nice", *words], cwd=where, env=dict(variables), stdin=subprocess.DEVNULL, stdout=out,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        _wait(process, port, ready, patience, log)
        yield
    finally:
        _end(process)


def _wait(process: subprocess.Popen[bytes], port: int, ready: str, patience: float, log: Path) -> None:
    until = time.monotonic() + patience
    while time.monotonic() < until:
        if process.poll() is not None:
            raise NotStarted(f"ended with {process.returncode}: {_last_words(log)}")
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            try:
                connection.request("GET", ready)
                connection.getresponse().read(1)
            finally:
                connection.close()
            return
        time.sleep(0.3)
    raise NotStarted(f"did not answer within {patience:.0f} s: {_last_words(log)}")


def _last_words(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return " / ".join(lines[-2:])[-200:] or "it said nothing"


def _end(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
            if number is signal.SIGKILL:
                return
            time.sleep(0.2)
