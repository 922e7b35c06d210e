"""Loopback addresses and ports for the lab: a block 127.77.N.0/24 that no other lab holds, and shared ports.

A block is claimed by a bound socket that lives as long as the lab, so that labs of tests that run side by side never
meet. A port is taken only where it is free on every address of the list.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from secrecon.model.errors import OperatorError

BLOCKS = 255
CLAIM_PORT = 7799
HTTP_PORTS = (8080, 8000, 8888, 8081, 3000, 5000, 9000)
TLS_PORTS = (8443, 9443, 4443, 10443)
KERNEL_TRIES = 30
BACKLOG = 128


@dataclass(frozen=True, slots=True)
class Block:
    """127.77.`number`.0/24, held by `claim` until it is closed."""

    number: int
    claim: socket.socket

    @property
    def cidr(self) -> str:
        return f"127.77.{self.number}.0/24"

    def address(self, index: int) -> str:
        """The address with the last part `index` (1-254)."""
        if not 1 <= index <= 254:
            raise OperatorError(f"the lab has more hosts than one block of addresses holds (wanted number {index})")
        return f"127.77.{self.number}.{index}"


def claim_block() -> Block:
    """The first block that nobody holds. Raises OperatorError where none is left."""
    for number in range(1, BLOCKS):
        claim = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            claim.bind((f"127.77.{number}.254", CLAIM_PORT))
        except OSError:
            claim.close()
            continue
        return Block(number, claim)
    raise OperatorError("no free loopback block below 127.77.0.0/16: end the labs that still run")


def listen_everywhere(addresses: Sequence[str], preferred: Sequence[int]) -> tuple[int, list[socket.socket]]:
    """Listening TCP sockets on one port of all `addresses`: the first free of `preferred`, else any.

    Raises OperatorError where no common port is free.
    """
    for port in preferred:
        with contextlib.suppress(OSError):
            return port, _bind_all(addresses, port)
    for _ in range(KERNEL_TRIES):
        with contextlib.suppress(OSError):
            sockets = _bind_all(addresses, 0)
            return int(sockets[0].getsockname()[1]), sockets
    raise OperatorError("no port is free on every address of the lab")


def _bind_all(addresses: Sequence[str], port: int) -> list[socket.socket]:
    sockets: list[socket.socket] = []
    try:
        for address in addresses:
            listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            sockets.append(listener)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((address, port))
            listener.listen(BACKLOG)
            listener.setblocking(False)
            port = port or int(listener.getsockname()[1])
    except OSError:
        for listener in sockets:
            listener.close()
        raise
    return sockets
