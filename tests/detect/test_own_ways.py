"""Callbacks from where we ourselves come from count for less, and only where that tells something."""

from dataclasses import replace

import pytest
from tests.detect.test_ssrf import MARK, exchange, hit, payload

from secrecon.detect.own_ways import own_ways, weighed
from secrecon.detect.ssrf import finding_for
from secrecon.model.interaction import CallbackProtocol, Interaction

OURS, THEIRS = "8.8.4.4", "9.9.9.9"


def from_(address: str, protocol: CallbackProtocol = CallbackProtocol.HTTP, *, own: bool = False) -> Interaction:
    return replace(hit(protocol, own=own), remote_address=address)


def confidence(*hits: Interaction, marker: str = "") -> float:
    shown = exchange(MARK) if marker else None
    found = finding_for(payload(), hits, shown, marker)
    assert found is not None
    return weighed(found, payload(), hits, own_ways(hits)).confidence


CANARIES = (from_(OURS, own=True), from_(OURS, CallbackProtocol.DNS, own=True))


def test_a_request_from_our_egress_counts_for_half() -> None:
    assert confidence(*CANARIES, from_(OURS)) == 0.5
    assert confidence(*CANARIES, from_(THEIRS)) == 0.95
    assert confidence(*CANARIES, from_(OURS), replace(from_(THEIRS), id="two")) == 0.95


def test_a_lookup_through_our_resolver_counts_for_less_than_another() -> None:
    assert confidence(*CANARIES, from_(OURS, CallbackProtocol.DNS)) == 0.4
    assert confidence(*CANARIES, from_(THEIRS, CallbackProtocol.DNS)) == 0.6
    assert confidence(*CANARIES, from_(OURS, CallbackProtocol.DNS), from_(THEIRS)) == 0.95


def test_a_readable_reply_stays_what_it_is() -> None:
    assert confidence(*CANARIES, from_(OURS), marker=MARK) == 0.99


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.7", "::1", "no address"])
def test_where_everybody_comes_the_same_way_it_tells_nothing(address: str) -> None:
    assert confidence(from_(address, own=True), from_(address)) == 0.95
