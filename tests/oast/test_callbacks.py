import random
import socket
from collections.abc import AsyncIterator, Callable, Sequence

import pytest
from tests.oast.conftest import Book

from secrecon.engine import ports
from secrecon.model.errors import OperatorError
from secrecon.model.interaction import Interaction, OastReach, Payload
from secrecon.model.scan import Budget, ScanMode, ScanSpec, Touch
from secrecon.model.target import Origin, parse_target
from secrecon.net.clock import SystemClock
from secrecon.net.gate import ScopeGate
from secrecon.net.network import Network
from secrecon.net.resolver import Resolver
from secrecon.oast.callbacks import SELF_TEST, EmbeddedCallbacks
from secrecon.oast.listener import Listener
from secrecon.oast.tokens import find_tokens, is_own, is_token

SPEC = ScanSpec("ab" * 16, parse_target("http://127.0.0.1:1"), ScanMode.QUICK, Touch.ACTIVE, Budget())


class Log:
    """A scan's log that shows the listener's hits, for payloads it was given before."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self.payloads: list[Payload] = []

    async def keep_payloads(self, payloads: Sequence[Payload]) -> None:
        self.payloads += payloads

    async def interactions(self) -> tuple[Interaction, ...]:
        known = {payload.token for payload in self.payloads}
        return tuple(hit for hit in self._book.hits if hit.token in known)


def embedded(http_port: int, *, address: str = "127.0.0.1", domain: str = "cb.test") -> EmbeddedCallbacks:
    return EmbeddedCallbacks(
        address=address, http_port=http_port, domain=domain, clock=SystemClock(), source=random.Random(7)
    )


def mint(callbacks: EmbeddedCallbacks) -> Payload:
    return callbacks.mint(SPEC, check="ssrf.callback", asset="a", location="l", technique="t", now=5.0)


@pytest.fixture
async def network(listener: Listener) -> AsyncIterator[Network]:
    resolver = Resolver([("127.0.0.1", listener.dns_port)], 1.0)
    gate = ScopeGate(SPEC.target, ("127.0.0.0/8",), resolver, (Origin("http", "127.0.0.1", listener.http_port),))
    network = Network(gate, resolver, Budget(), SystemClock())
    try:
        yield network
    finally:
        await network.close()


def test_it_is_what_the_engine_wants() -> None:
    callbacks: ports.Callbacks = embedded(80)
    assert callbacks is not None


def test_a_payload_with_a_domain_is_a_name_and_without_one_a_path() -> None:
    named = mint(embedded(8880))
    assert is_token(named.token)
    assert named.hostname == f"{named.token}.cb.test"
    assert named.url == f"http://{named.token}.cb.test:8880/"
    assert (named.scan_id, named.created, named.technique) == (SPEC.scan_id, 5.0, "t")
    assert mint(embedded(80)).url.endswith(".cb.test/")
    bare = mint(embedded(8880, domain="", address="192.0.2.7"))
    assert bare.url == f"http://192.0.2.7:8880/{bare.token}"
    assert bare.hostname == ""
    assert mint(embedded(80, domain="", address="2001:db8::7")).url.startswith("http://[2001:db8::7]/")
    assert find_tokens(bare.url) == (bare.token,)


def test_payloads_are_never_the_same() -> None:
    callbacks = embedded(80)
    assert len({mint(callbacks).token for _ in range(100)}) == 100


def test_an_address_that_nobody_can_contact_is_refused() -> None:
    with pytest.raises(OperatorError, match="SECRECON_OAST_ADDRESS"):
        embedded(80, address="0.0.0.0")


async def test_both_canaries_come_back(listener: Listener, book: Book, network: Network) -> None:
    log = Log(book)
    verdict = await embedded(listener.http_port).self_test(network, log, ["127.0.0.1"])
    assert (verdict.http, verdict.dns) == (OastReach.REACHABLE, OastReach.REACHABLE), verdict.detail
    assert {payload.check for payload in log.payloads} == {SELF_TEST}
    assert all(is_own(payload.token) for payload in log.payloads)
    assert all(hit.own for hit in book.hits)


async def test_without_a_domain_dns_is_not_testable_and_says_how_to_mend(
    listener: Listener, book: Book, network: Network
) -> None:
    verdict = await embedded(listener.http_port, domain="").self_test(network, Log(book), ["127.0.0.1"])
    assert (verdict.http, verdict.dns) == (OastReach.REACHABLE, OastReach.NOT_TESTABLE)
    assert "SECRECON_OAST_DOMAIN" in verdict.detail


async def test_a_loopback_listener_cannot_be_reached_by_a_public_target(
    listener: Listener, book: Book, network: Network
) -> None:
    verdict = await embedded(listener.http_port).self_test(network, Log(book), ["127.0.0.1", "93.184.216.34"])
    assert verdict.http is OastReach.BLOCKED
    assert "93.184.216.34" in verdict.detail
    assert "SECRECON_OAST_ADDRESS" in verdict.detail


async def test_a_target_without_known_addresses_is_not_testable(
    listener: Listener, book: Book, network: Network
) -> None:
    verdict = await embedded(listener.http_port).self_test(network, Log(book), [])
    assert verdict.http is OastReach.NOT_TESTABLE


async def test_a_domain_that_is_not_delegated_is_blocked(listener: Listener, book: Book, network: Network) -> None:
    verdict = await embedded(listener.http_port, domain="other.test").self_test(network, Log(book), ["127.0.0.1"])
    assert verdict.dns is OastReach.BLOCKED
    assert "other.test" in verdict.detail


async def test_hits_that_are_not_recorded_are_blocked(
    listener: Listener, book: Book, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("secrecon.oast.callbacks.SELF_TEST_SECONDS", 0.3)
    log = Log(Book())
    verdict = await embedded(listener.http_port).self_test(network, log, ["127.0.0.1"])
    assert (verdict.http, verdict.dns) == (OastReach.BLOCKED, OastReach.BLOCKED)
    assert "not recorded" in verdict.detail


async def test_a_listener_that_does_not_run_is_blocked(book: Book) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        resolver = Resolver([("127.0.0.1", port)], 0.3)
        gate = ScopeGate(SPEC.target, ("127.0.0.1",), resolver, (Origin("http", "127.0.0.1", port),))
        network = Network(gate, resolver, Budget(), SystemClock())
        verdict = await embedded(port).self_test(network, Log(book), ["127.0.0.1"])
        await network.close()
    assert (verdict.http, verdict.dns) == (OastReach.BLOCKED, OastReach.BLOCKED)


async def test_a_listener_outside_the_scope_is_not_contacted(listener: Listener, book: Book) -> None:
    resolver = Resolver([("127.0.0.1", listener.dns_port)], 1.0)
    network = Network(ScopeGate(SPEC.target, ("127.0.0.1",), resolver), resolver, Budget(), SystemClock())
    verdict = await embedded(listener.http_port, domain="").self_test(network, Log(book), ["127.0.0.1"])
    await network.close()
    assert verdict.http is OastReach.NOT_TESTABLE
    assert "SECRECON_SCOPE_ALLOW" in verdict.detail
    assert book.hits == []


def test_a_payload_turns_only_where_the_name_server_can() -> None:
    told: list[tuple[str, str]] = []

    def minted(domain: str, turn: Callable[[str, str], None] | None) -> tuple[bool, Payload]:
        made = EmbeddedCallbacks(address="127.0.0.1", http_port=80, domain=domain, clock=SystemClock(), turn=turn)
        payload = made.mint(SPEC, check="c", asset="a", location="l", technique="t", now=5.0, first="192.0.2.1")
        return made.turns, payload

    turns, payload = minted("cb.test", lambda name, first: told.append((name, first)))
    assert turns
    assert told == [(payload.hostname, "192.0.2.1")]
    assert minted("", lambda name, first: told.append((name, first)))[0] is False
    assert minted("cb.test", None)[0] is False
    assert len(told) == 1
