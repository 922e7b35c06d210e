"""Whose misses are counted: one address, or the network that one customer holds."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from secrecon.service.clients import client_of


@dataclass
class There:
    """A peer."""

    host: str


@dataclass
class Line:
    """A connection."""

    client: There | None


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
    ],
)
def test_a_client_is_an_address_or_its_network(host: str, name: str) -> None:
    assert client_of(Line(There(host))) == name


def test_no_peer_is_one_client() -> None:
    assert client_of(Line(None)) == ""
