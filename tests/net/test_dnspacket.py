"""Our own DNS wire code: as dnspython reads it where the packet is sound, refused where it is not, and never without end."""

from __future__ import annotations

import contextlib

import dns.message
import dns.name
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrecon.net import dnspacket
from secrecon.net.dnspacket import A, BrokenPacket

labels = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_", min_size=1, max_size=20)
names = st.lists(labels, min_size=1, max_size=5).map(".".join)


@given(names)
def test_questions_are_those_of_dnspython(name: str) -> None:
    query = dns.message.make_query(name, "A", id=7, use_edns=False)
    assert (7).to_bytes(2) + dnspacket.ONE_QUESTION + dnspacket.question(name, A) == query.to_wire()


@given(names, st.lists(names, max_size=4, unique=True), st.lists(st.ip_addresses(v=4), max_size=4, unique=True))
def test_answers_are_read_as_dnspython_wrote_them(name: str, chain: list[str], addresses: list[object]) -> None:
    chain = [alias for alias in chain if alias != name]
    reply = dns.message.make_response(dns.message.make_query(name, "A", use_edns=False))
    owner = name
    for alias in chain:
        reply.answer.append(dns.rrset.from_text(owner + ".", 60, "IN", "CNAME", alias + "."))
        owner = alias
    if addresses:
        reply.answer.append(dns.rrset.from_text(owner + ".", 60, "IN", "A", *map(str, addresses)))
    told = dnspacket.read(reply.to_wire())
    assert told.aliases == tuple(chain)
    assert sorted(told.addresses) == sorted(map(str, addresses))


@given(st.binary(min_size=1, max_size=63), st.binary(min_size=1, max_size=63))
def test_odd_labels_are_written_as_dnspython_writes_them(first: bytes, second: bytes) -> None:
    wire = bytes((len(first),)) + first + bytes((len(second),)) + second + b"\0"
    text = dns.name.from_wire(wire, 0)[0].canonicalize().to_text(omit_final_dot=True)
    assert dnspacket.read_name(wire, 0) == (text, len(wire))


@given(st.binary(max_size=600))
def test_any_bytes_are_read_or_refused(noise: bytes) -> None:
    wire = b"\x12\x34\x81\x80\0\1\0\x20\0\0\0\0" + noise
    with contextlib.suppress(BrokenPacket):
        told = dnspacket.read(wire)
        assert len(told.aliases) <= dnspacket.MAX_CHAIN
        assert len(told.addresses) <= dnspacket.MAX_ADDRESSES


@pytest.mark.parametrize(
    "name",
    [
        b"\xc0\x00",
        b"\x01a\xc0\x00",
        b"\xc0\x02\xc0\x00",
        b"\x80",
        b"\x3fshort",
        b"\xc0",
        b"\x01a",
        b"\x3e" + b"a" * 62,
    ],
)
def test_pointer_loops_and_cut_names_are_refused(name: bytes) -> None:
    with pytest.raises(BrokenPacket):
        dnspacket.read_name(name, 0)


def test_a_chain_of_pointers_is_followed_once_and_a_long_name_is_refused() -> None:
    wire = b"\x01a\0" + b"".join(
        b"\x01b" + (0xC000 | (0 if n == 0 else 3 + (n - 1) * 4)).to_bytes(2) for n in range(90)
    )
    assert dnspacket.read_name(wire, 3 + 40 * 4)[0].count("b") == 41
    long = b"\x3f" + b"a" * 63
    with pytest.raises(BrokenPacket):
        dnspacket.read_name(long * 4 + b"\0", 0)


def test_ten_thousand_records_in_64_kilobytes_cost_a_bounded_look() -> None:
    """A count is a claim, and what is read of a huge answer is bounded."""
    record = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4"
    body = b"".join(record + n.to_bytes(4) for n in range(4_000))
    wire = b"\0\1\x81\x80\0\1\x27\x10\0\0\0\0" + dnspacket.question("big.test", A) + body
    told = dnspacket.read(wire)
    assert len(told.addresses) == dnspacket.MAX_ADDRESSES
    with pytest.raises(BrokenPacket, match="ends early"):
        dnspacket.read(wire[:400])


@pytest.mark.parametrize("name", ["", "a..b", "a" * 64, "ü.test", ".".join(["a" * 60] * 5)])
def test_names_that_cannot_be_asked_for(name: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        dnspacket.question(name, A)


def test_aliases_that_loop_end() -> None:
    reply = dns.message.make_response(dns.message.make_query("a.test", "A", use_edns=False))
    for owner, target in (("a.test.", "b.test."), ("b.test.", "a.test.")):
        reply.answer.append(dns.rrset.from_text(owner, 60, "IN", "CNAME", target))
    told = dnspacket.read(reply.to_wire())
    assert told.aliases == ("b.test", "a.test")
    assert told.addresses == ()
