"""Which of our addresses faces a target; nothing is sent to find out."""

from __future__ import annotations

import pytest

from secrecon.net.route import local_address_towards


@pytest.mark.parametrize(
    ("target", "ours"), [("127.0.0.1", "127.0.0.1"), ("127.77.1.9", "127.0.0.1"), ("::1", "::1")]
)
def test_loopback_is_faced_from_loopback(target: str, ours: str) -> None:
    assert local_address_towards(target) == ours
