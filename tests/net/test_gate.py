"""The gate as an attacker meets it: notations, names, mixed answers, changed answers, off-target hosts."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from secrecon.model.errors import BadInput, ScopeRefused, Unresolvable
from secrecon.model.target import Origin, parse_target
from secrecon.net.gate import AllowList, ScopeGate, screen
from secrecon.net.resolver import Resolver

if TYPE_CHECKING:
    from tests.net.conftest import FakeDns

NOWHERE = Resolver([("127.0.0.1", 9)], timeout=0.2, hosts=Path("/nonexistent"))


async def refusal(gate: ScopeGate, where: Origin | str, port: int = 0) -> str:
    with pytest.raises(ScopeRefused) as caught:
        await gate.admit(where, port)
    assert caught.value.rule in str(caught.value)
    return caught.value.rule


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1",
        "http://2130706433",
        "http://0x7f.1",
        "http://0177.0.0.1",
        "http://[::1]",
        "http://[::ffff:127.0.0.1]",
        "http://[64:ff9b::7f00:1]",
        "http://[2002:7f00:1::]",
        "http://localhost",
        "http://admin.localhost",
        "http://127.0.0.1.",
        "localhost",
        "127.1",
    ],
)
async def test_loopback_is_refused_in_every_notation(target: str) -> None:
    parsed = parse_target(target)
    with pytest.raises(ScopeRefused) as caught:
        await screen(parsed, (), NOWHERE)
    assert caught.value.rule == "loopback"
    assert await refusal(ScopeGate(parsed, (), NOWHERE), parsed.origin) == "loopback"


@pytest.mark.parametrize(
    "name", ["metadata.google.internal", "metadata.google.internal.", "METADATA.goog", "metadata"]
)
async def test_metadata_names_are_refused_unasked(name: str) -> None:
    with pytest.raises(ScopeRefused) as caught:
        await screen(parse_target(f"http://{name}/"), (), NOWHERE)
    assert caught.value.rule == "metadata"


async def test_a_host_given_raw_is_judged_as_what_it_means() -> None:
    """An Origin that did not come through parse_target, as from a redirect."""
    gate = ScopeGate(parse_target("http://127.0.0.1"), (), NOWHERE)
    for host in ("2130706433", "0x7f000001", "127.1", "127.0.0.1."):
        assert await refusal(gate, Origin("http", host, 80)) == "loopback"
    for host in ("fe80::1%eth0", "127.0.0.1%25"):
        assert await refusal(gate, Origin("http", host, 80)) == "link-local"
    assert await refusal(gate, Origin("http", "exa mple", 80)) == "unreadable"
    assert await refusal(gate, Origin("http", "", 80)) == "unreadable"


async def test_one_refused_answer_refuses_the_name(dns_server: FakeDns) -> None:
    dns_server.zone = {
        ("mixed.test", "A"): ["8.8.8.8", "10.0.0.1"],
        ("six.test", "A"): ["8.8.8.8"],
        ("six.test", "AAAA"): ["::ffff:169.254.169.254"],
        ("alias.test", "CNAME"): ["inside.test."],
        ("inside.test", "A"): ["192.168.0.1"],
        ("good.test", "A"): ["8.8.8.8"],
        ("good.test", "AAAA"): ["2606:4700::1"],
    }
    for name, rule in (("mixed.test", "private"), ("six.test", "metadata"), ("alias.test", "private")):
        gate = ScopeGate(parse_target(name), (), dns_server.resolver())
        assert await refusal(gate, Origin("https", name, 443)) == rule
        with pytest.raises(ScopeRefused):
            await screen(parse_target(name), (), dns_server.resolver())
    gate = ScopeGate(parse_target("good.test"), (), dns_server.resolver())
    assert await gate.admit(Origin("https", "good.test", 443)) == ("8.8.8.8", "2606:4700::1")


async def test_a_changed_answer_is_judged_again(dns_server: FakeDns) -> None:
    answers = iter([["8.8.8.8"], ["127.0.0.1"], ["8.8.4.4"]])
    dns_server.zone = {("rebind.test", "A"): lambda: next(answers)}
    origin = Origin("http", "rebind.test", 80)
    gate = ScopeGate(parse_target("rebind.test"), (), dns_server.resolver(), pin_seconds=0.0)
    assert await gate.admit(origin) == ("8.8.8.8",)
    assert await refusal(gate, origin) == "loopback"
    assert await gate.admit(origin) == ("8.8.4.4",)


async def test_pinned_addresses_do_not_change_while_pinned(dns_server: FakeDns) -> None:
    answers = iter([["8.8.8.8"], ["127.0.0.1"]])
    dns_server.zone = {("rebind.test", "A"): lambda: next(answers)}
    origin = Origin("http", "rebind.test", 80)
    gate = ScopeGate(parse_target("rebind.test"), (), dns_server.resolver())
    assert [await gate.admit(origin) for _ in range(5)] == [("8.8.8.8",)] * 5


async def test_many_who_wait_for_a_name_share_one_lookup(dns_server: FakeDns) -> None:
    dns_server.zone = {("acme.test", "A"): ["8.8.8.8"], ("in.acme.test", "A"): ["10.0.0.1"]}
    gate = ScopeGate(parse_target("acme.test"), (), dns_server.resolver())
    origin = Origin("http", "acme.test", 80)
    assert await asyncio.gather(*(gate.admit(origin) for _ in range(50))) == [("8.8.8.8",)] * 50
    assert sorted(dns_server.asked) == [("acme.test", "A"), ("acme.test", "AAAA")]
    refused = await asyncio.gather(*(gate.admit("in.acme.test", 80) for _ in range(9)), return_exceptions=True)
    assert {type(error) for error in refused} == {ScopeRefused}


async def test_names_outside_the_target_are_refused_before_any_lookup(dns_server: FakeDns) -> None:
    dns_server.zone = {("a.acme.test", "A"): ["8.8.8.8"], ("evil.test", "A"): ["8.8.8.8"]}
    gate = ScopeGate(parse_target("acme.test"), (), dns_server.resolver())
    assert await gate.admit(Origin("http", "a.acme.test", 8080)) == ("8.8.8.8",)
    dns_server.asked.clear()
    for host in ("evil.test", "notacme.test", "acme.test.evil.test", "8.8.8.8", "test"):
        assert await refusal(gate, Origin("http", host, 80)) == "off-target"
        assert await refusal(gate, host, 443) == "off-target"
    assert dns_server.asked == []


async def test_a_url_is_that_origin_alone(dns_server: FakeDns) -> None:
    dns_server.zone = {("acme.test", "A"): ["8.8.8.8"], ("a.acme.test", "A"): ["8.8.8.8"]}
    also = Origin("http", "9.9.9.9", 8000)
    gate = ScopeGate(parse_target("https://acme.test"), (), dns_server.resolver(), (also,))
    assert await gate.admit(Origin("https", "acme.test", 443)) == ("8.8.8.8",)
    assert await gate.admit("acme.test", 443) == ("8.8.8.8",)
    assert await gate.admit(also) == ("9.9.9.9",)
    for origin in (("http", "acme.test", 80), ("https", "acme.test", 8443), ("https", "a.acme.test", 443)):
        assert await refusal(gate, Origin(*origin)) == "off-target"
    assert await refusal(gate, "acme.test", 22) == "off-target"
    assert await refusal(gate, Origin("http", "9.9.9.9", 8001)) == "off-target"


async def test_an_extra_origin_opens_that_address_and_port_only(dns_server: FakeDns) -> None:
    also = Origin("http", "127.0.0.1", 8000)
    gate = ScopeGate(parse_target("https://acme.test"), (), dns_server.resolver(), (also,))
    assert await gate.admit(also) == ("127.0.0.1",)
    with pytest.raises(ScopeRefused) as caught:
        await gate.admit_redirect(also)
    assert caught.value.rule == "own-listener"
    for other in (
        Origin("http", "127.0.0.1", 8001),
        Origin("https", "127.0.0.1", 8000),
        Origin("http", "127.0.0.2", 8000),
    ):
        with pytest.raises(ScopeRefused):
            await gate.admit(other)


@pytest.mark.parametrize(
    ("entry", "passes"),
    [
        ("10.1.0.0/16", True),
        ("10.1.2.3", True),
        ("167838211", True),
        ("::ffff:10.1.2.3", True),
        ("in.test", True),
        ("IN.test.", True),
        ("*.test", True),
        ("10.2.0.0/16", False),
        ("10.1.2.4", False),
        ("other.test", False),
        ("*.in.test", False),
        ("::/0", False),
    ],
)
async def test_the_allow_list(dns_server: FakeDns, entry: str, passes: bool) -> None:
    dns_server.zone = {("in.test", "A"): ["10.1.2.3"]}
    gate = ScopeGate(parse_target("in.test"), (entry,), dns_server.resolver())
    if passes:
        assert await gate.admit(Origin("http", "in.test", 80)) == ("10.1.2.3",)
    else:
        assert await refusal(gate, Origin("http", "in.test", 80)) == "private"


async def test_an_allowed_block_does_not_allow_the_other_answers(dns_server: FakeDns) -> None:
    dns_server.zone = {("in.test", "A"): ["10.1.2.3", "169.254.169.254"]}
    gate = ScopeGate(parse_target("in.test"), ("10.0.0.0/8",), dns_server.resolver())
    assert await refusal(gate, Origin("http", "in.test", 80)) == "metadata"


async def test_an_allowed_name_allows_no_other_name_at_that_address(dns_server: FakeDns) -> None:
    dns_server.zone = {("a.in.test", "A"): ["10.1.2.3"], ("b.in.test", "A"): ["10.1.2.3"]}
    gate = ScopeGate(parse_target("in.test"), ("a.in.test",), dns_server.resolver())
    assert await gate.admit(Origin("http", "a.in.test", 80)) == ("10.1.2.3",)
    assert await refusal(gate, Origin("http", "b.in.test", 80)) == "private"
    assert await refusal(ScopeGate(parse_target("10.1.2.3"), ("a.in.test",), NOWHERE), "10.1.2.3", 80) == "private"


async def test_the_allow_list_does_not_widen_the_target() -> None:
    gate = ScopeGate(parse_target("http://127.0.0.1:8080"), ("0.0.0.0/0",), NOWHERE)
    assert await refusal(gate, Origin("http", "127.0.0.1", 8081)) == "off-target"
    assert await gate.admit(Origin("http", "127.0.0.1", 8080)) == ("127.0.0.1",)


@pytest.mark.parametrize("entry", ["*", "10.0.0.0/99", "http://x.test", "a b", "1.2.3.4.5", "*.", "x.*"])
def test_unreadable_allow_entries_are_refused(entry: str) -> None:
    with pytest.raises(BadInput):
        AllowList([entry])


async def test_an_unresolvable_name_is_not_refused_at_submission(dns_server: FakeDns) -> None:
    await screen(parse_target("nowhere.test"), (), dns_server.resolver())
    await screen(parse_target("silent.test"), (), NOWHERE)
    await screen(parse_target("8.8.8.8"), (), NOWHERE)
    with pytest.raises(Unresolvable):
        await ScopeGate(parse_target("nowhere.test"), (), dns_server.resolver()).admit("nowhere.test", 443)


async def test_name_servers(dns_server: FakeDns) -> None:
    """A zone of the target may be asked of anybody's name server, but not of one at a refused address."""
    dns_server.zone = {("ns.provider.test", "A"): ["8.8.8.8"], ("ns.acme.test", "A"): ["10.0.0.1"]}
    gate = ScopeGate(parse_target("acme.test"), (), dns_server.resolver())
    assert await gate.admit_server("acme.test", "ns.provider.test") == ("8.8.8.8",)
    for zone, server, rule in (
        ("acme.test", "ns.acme.test", "private"),
        ("acme.test", "127.0.0.1", "loopback"),
        ("provider.test", "ns.provider.test", "off-target"),
    ):
        with pytest.raises(ScopeRefused) as caught:
            await gate.admit_server(zone, server)
        assert caught.value.rule == rule
