"""Which of this machine's addresses faces a target: where a callback from it could arrive. Nothing is sent."""

from __future__ import annotations

import socket

from secrecon.model.errors import ConnectFailed

_DISCARD = 9


def local_address_towards(address: str) -> str:
    """The local address that a connection to `address` would leave from. Raises ConnectFailed without a route.

    Connecting a UDP socket only looks the route up in the kernel; no packet leaves.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, _DISCARD))
        except OSError as error:
            raise ConnectFailed(f"no route to {address}: {error.strerror}") from error
        name: tuple[str, ...] = probe.getsockname()
        return name[0]
