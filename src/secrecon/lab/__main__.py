"""`python -m secrecon.lab`: run the lab, print one JSON line when it is ready, serve until SIGTERM or end of input."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from secrecon.lab.control import parse_callback_dns
from secrecon.lab.running import running_lab
from secrecon.model.errors import BadInput, SecReconError


def _host_port(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    try:
        return parse_callback_dns(host, int(port))
    except (ValueError, BadInput) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a loopback address and port: {error}") from error


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m secrecon.lab", description="Run the lab on loopback addresses."
    )
    parser.add_argument("--data-dir", type=Path, required=True, help="folder for the certificates of this run")
    parser.add_argument(
        "--callback-dns", type=_host_port, help="address:port of the callback listener's name server"
    )
    parser.add_argument("--callback-domain", default="cb.test", help="domain of the callback listener")
    return parser.parse_args()


async def _serve(arguments: argparse.Namespace) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running_lab(arguments.data_dir, arguments.callback_dns, arguments.callback_domain) as lab:
        sys.stdout.write(lab.description.to_json() + "\n")
        sys.stdout.flush()
        with _watched_input(loop, stop):
            await stop.wait()


@contextlib.contextmanager
def _watched_input(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> Iterator[None]:
    """Set `stop` when standard input ends. An input that cannot be waited on (a file) is left alone."""
    number = 0

    def ended() -> None:
        if not os.read(number, 1024):
            stop.set()

    try:
        loop.add_reader(number, ended)
    except OSError:
        yield
        return
    try:
        yield
    finally:
        loop.remove_reader(number)


def main() -> int:
    """Run; 3 where the lab cannot start."""
    try:
        asyncio.run(_serve(_arguments()))
    except SecReconError as error:
        sys.stderr.write(f"lab: {error}\n")
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
