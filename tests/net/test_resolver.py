"""The resolver against a DNS server of our own that lies, stalls, truncates and loops."""

from __future__ import annotations

import asyncio
import contextlib
import struct
import time
from pathlib import Path
from typing import TYPE_CHECKING

import dns.message
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrecon.model.errors import BadInput, ConnectFailed, ProtocolBroken, TargetTimeout, Unresolvable
from secrecon.net import dnswire
from secrecon.net.resolver import Resolver

if TYPE_CHECKING:
    from tests.net.conftest import FakeDns, Serve


async def test_addresses_and_chain(dns_server: FakeDns) -> None:
    dns_server.zone = {
        ("www.acme.test", "CNAME"): ["edge.acme.test."],
        ("edge.acme.test", "CNAME"): ["host.acme.test."],
        ("host.acme.test", "A"): ["192.0.2.1", "192.0.2.2"],
        ("host.acme.test", "AAAA"): ["2001:db8::1"],
    }
    found = await dns_server.resolver().addresses("WWW.Acme.test.")
    assert found.name == "www.acme.test"
    assert sorted(found.addresses[:2]) == ["192.0.2.1", "192.0.2.2"]  # a server may give them in any order
    assert found.addresses[2:] == ("2001:db8::1",)
    assert found.cnames == ("edge.acme.test", "host.acme.test")


async def test_a_chain_split_over_several_answers(dns_server: FakeDns) -> None:
    """A server that gives the alias alone: the rest of the chain is asked for."""
    dns_server.zone = {("a.test", "CNAME"): ["b.test."], ("b.test", "A"): ["192.0.2.9"]}
    original = dns_server.answer

    def alone(wire: bytes) -> dns.message.Message:
        reply = original(wire)
        if len(reply.answer) > 1:
            del reply.answer[1:]
        return reply

    dns_server.answer = alone  # type: ignore[method-assign]
    assert (await dns_server.resolver().addresses("a.test")).addresses == ("192.0.2.9",)


async def test_endless_chains_end(dns_server: FakeDns) -> None:
    dns_server.zone = {("a.test", "CNAME"): ["b.test."], ("b.test", "CNAME"): ["a.test."]}
    with pytest.raises(Unresolvable, match="loops"):
        await dns_server.resolver().addresses("a.test")
    dns_server.zone = {(f"n{n}.test", "CNAME"): [f"n{n + 1}.test."] for n in range(100)}
    with pytest.raises(Unresolvable, match="longer"):
        await dns_server.resolver().addresses("n0.test")
    assert len(dns_server.asked) < 20


async def test_names_that_do_not_resolve(dns_server: FakeDns) -> None:
    dns_server.zone = {("mail.test", "MX"): ["10 mx.mail.test."]}
    resolver = dns_server.resolver()
    with pytest.raises(Unresolvable, match="NXDOMAIN"):
        await resolver.addresses("gone.test")
    with pytest.raises(Unresolvable, match="no address"):
        await resolver.addresses("mail.test")
    for bad in ("a..b", "x" * 64 + ".test", "a." * 140 + "test", ""):
        with pytest.raises(Unresolvable):
            await resolver.addresses(bad)
    answer = await resolver.query("mail.test", "MX")
    assert answer.rcode == "NOERROR"
    assert answer.values("MX") == ("10 mx.mail.test",)
    assert (await resolver.query("gone.test", "TXT")).rcode == "NXDOMAIN"
    with pytest.raises(BadInput):
        await resolver.query("mail.test", "NOSUCH")


async def test_a_refusing_server_is_reported(dns_server: FakeDns) -> None:
    dns_server.rcode = 5
    assert (await dns_server.resolver().query("a.test", "A")).rcode == "REFUSED"
    with pytest.raises(Unresolvable, match="REFUSED"):
        await dns_server.resolver().addresses("a.test")


async def test_the_next_server_is_asked(dns_server: FakeDns) -> None:
    dns_server.zone = {("a.test", "A"): ["192.0.2.1"]}
    resolver = Resolver([("127.0.0.1", 9), ("127.0.0.1", dns_server.port)], timeout=2.0, hosts=Path("/nonexistent"))
    assert (await resolver.addresses("a.test")).addresses == ("192.0.2.1",)


async def test_silence_is_bounded(dns_server: FakeDns) -> None:
    dns_server.silent = True
    began = time.monotonic()
    with pytest.raises(TargetTimeout) as caught:
        await dns_server.resolver(timeout=0.3).addresses("a.test")
    assert caught.value.stage == "resolve"
    assert time.monotonic() - began < 1.5


def _forged(reply: dns.message.Message, _: bytes) -> list[bytes]:
    """Answers an off-path attacker might send: wrong id, wrong question, no QR flag, garbage."""
    name = reply.question[0].name
    evil = dns.message.from_wire(reply.to_wire())
    evil.answer = [dns.rrset.from_text(name, 60, "IN", "A", "6.6.6.6")]
    wrong_id = dns.message.from_wire(evil.to_wire())
    wrong_id.id = (evil.id + 1) % 65536
    not_reply = dns.message.from_wire(evil.to_wire())
    not_reply.flags &= ~0x8000
    other = dns.message.make_response(dns.message.make_query("other.test", "A", id=evil.id))
    other.answer = evil.answer
    return [
        wrong_id.to_wire(),
        not_reply.to_wire(),
        other.to_wire(),
        b"",
        b"\0" * 12,
        b"garbage",
        evil.to_wire()[:20],
    ]


async def test_forged_answers_are_ignored(dns_server: FakeDns) -> None:
    dns_server.zone = {("a.test", "A"): ["192.0.2.1"]}
    dns_server.forge = _forged
    assert (await dns_server.resolver().query("a.test", "A")).values("A") == ("192.0.2.1",)
    dns_server.silent = True
    with pytest.raises(TargetTimeout):
        await dns_server.resolver(timeout=0.3).query("a.test", "A")


async def test_a_truncated_answer_is_asked_again_over_tcp(dns_server: FakeDns) -> None:
    values = [f"192.0.2.{n}" for n in range(1, 200)]
    dns_server.zone = {("many.test", "A"): [*values]}
    dns_server.truncate = True
    answer = await dns_server.resolver().query("many.test", "A")
    assert sorted(answer.values("A")) == sorted(values)
    assert dns_server.tcp_asked == 1


async def test_localhost_and_the_hosts_file(tmp_path: Path, dns_server: FakeDns) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("# comment\n10.0.0.7  Box box.lan # note\nfe80::1%lo0 odd\n::7 box\nnonsense\n")
    resolver = Resolver([("127.0.0.1", dns_server.port)], hosts=hosts)
    assert (await resolver.addresses("box")).addresses == ("10.0.0.7", "::7")
    assert (await resolver.addresses("BOX.lan")).addresses == ("10.0.0.7",)
    for name in ("localhost", "x.localhost", "LOCALHOST."):
        assert (await resolver.addresses(name)).addresses == ("127.0.0.1", "::1")
    assert (await resolver.addresses("0x7f.1")).addresses == ("127.0.0.1",)
    assert (await resolver.addresses("::1")).addresses == ("::1",)
    assert dns_server.asked == []


def test_system_settings(tmp_path: Path) -> None:
    settings = tmp_path / "resolv.conf"
    settings.write_text("search lan\nnameserver 192.0.2.53 # x\nnameserver 2001:db8::53\nnameserver\n")
    assert Resolver(settings=settings).servers == (("192.0.2.53", 53), ("2001:db8::53", 53))
    assert Resolver(settings=tmp_path / "missing").servers == (("127.0.0.1", 53),)
    assert Resolver([("192.0.2.1", 5353)]).port_of("192.0.2.1") == 5353
    assert Resolver([("192.0.2.1", 5353)]).port_of("192.0.2.2") == 53


ZONE = [
    ("acme.test", "SOA", "ns.acme.test. hostmaster.acme.test. 1 3600 600 86400 60"),
    ("acme.test", "NS", "ns.acme.test."),
    ("secret.acme.test", "A", "192.0.2.77"),
]


async def test_zone_transfer(dns_server: FakeDns) -> None:
    dns_server.transfers = {"acme.test": [ZONE[:2], ZONE[2:], ZONE[:1]]}
    answer = await dns_server.resolver().transfer("acme.test", "127.0.0.1", dns_server.port)
    assert answer.rcode == "NOERROR"
    assert [record.type for record in answer.records] == ["SOA", "NS", "A", "SOA"]
    assert ("secret.acme.test", "192.0.2.77") in [(record.name, record.value) for record in answer.records]


async def test_zone_transfers_that_fail(dns_server: FakeDns, serve: Serve) -> None:
    resolver = dns_server.resolver()
    refused = await resolver.transfer("other.test", "127.0.0.1", dns_server.port)
    assert (refused.rcode, refused.records) == ("REFUSED", ())
    dns_server.transfers = {"cut.test": [[("cut.test", *ZONE[0][1:]), ("a.cut.test", "A", "192.0.2.1")]]}
    with pytest.raises(ProtocolBroken, match="early"):
        await resolver.transfer("cut.test", "127.0.0.1", dns_server.port)
    dns_server.transfers = {"odd.test": [[("a.odd.test", "A", "192.0.2.1")]]}
    with pytest.raises(ProtocolBroken, match="SOA"):
        await resolver.transfer("odd.test", "127.0.0.1", dns_server.port)
    with pytest.raises(ConnectFailed):
        await resolver.transfer("acme.test", "127.0.0.1", 1)


def stuffed(answers: int, others: int) -> bytes:
    """A message whose every record's name is 126 labels behind one pointer: 14 bytes each, slow to read."""
    name = b"\x01a" * 126 + b"\0"
    record = b"\xc0\x0c" + struct.pack("!HHIH", 65_280, 1, 0, 2)
    wire = struct.pack("!HHHHHH", 7, 0x8400, 1, answers, 0, others) + name + struct.pack("!HH", 252, 1)
    return wire + b"".join(record + struct.pack("!H", n) for n in range(answers + others))


def test_what_a_message_may_announce_is_bounded_before_it_is_read() -> None:
    assert dnswire.read_message(stuffed(10, 10)) is not None
    assert dnswire.record_count(stuffed(1, 4_000)) == 4_001
    assert dnswire.read_message(stuffed(1, 4_000)) is None
    assert dnswire.read_message(stuffed(1, 4_000), transfer=True, limit=5_000) is not None
    assert dnswire.record_count(b"") == dnswire.record_count(b"\0" * 12) == 0


async def test_a_transfer_stuffed_with_what_is_not_kept_is_ended(serve: Serve) -> None:
    sent = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        size = int.from_bytes(await reader.readexactly(2))
        id_ = (await reader.readexactly(size))[:2]
        first = dns.message.from_wire(stuffed(0, 0))
        first.answer.append(dns.rrset.from_text("a.test.", 60, "IN", *ZONE[0][1:]))
        with contextlib.suppress(ConnectionError):
            for wire in (first.to_wire(), *[stuffed(1, 3_000)] * 100):
                writer.write(len(wire).to_bytes(2) + id_ + wire[2:])
                await writer.drain()
                sent += 1

    port = await serve(talk)
    with pytest.raises(ProtocolBroken, match="early"):
        await Resolver([("127.0.0.1", 9)]).transfer("a.test", "127.0.0.1", port)
    assert sent < 100, "the connection was closed long before the end"


async def test_a_large_transfer_is_kept_up_to_its_bound(dns_server: FakeDns) -> None:
    rows = [(f"h{n}.acme.test", "A", "192.0.2.1") for n in range(6_000)]
    messages = [ZONE[:1], *(rows[at : at + 1_500] for at in range(0, 6_000, 1_500)), ZONE[:1]]
    dns_server.transfers = {"acme.test": messages}
    answer = await dns_server.resolver().transfer("acme.test", "127.0.0.1", dns_server.port)
    assert len(answer.records) == 6_002


@given(st.binary(max_size=300))
def test_any_bytes_are_read_without_an_error(wire: bytes) -> None:
    query = dnswire.make_query("a.test", "A", 7)
    message = dnswire.read_answer(query, wire)
    assert message is None or message.id == 7
    dnswire.read_message(wire, transfer=True)


@given(st.binary(max_size=200))
def test_a_real_answer_with_damage_never_raises(damage: bytes) -> None:
    query = dnswire.make_query("a.test", "A", 7)
    reply = dns.message.make_response(query)
    reply.answer.append(dns.rrset.from_text("a.test.", 60, "IN", "A", "192.0.2.1"))
    wire = bytearray(reply.to_wire())
    for index, value in enumerate(damage):
        wire[(index * 7 + 2) % len(wire)] ^= value
    dnswire.read_answer(query, bytes(wire))
