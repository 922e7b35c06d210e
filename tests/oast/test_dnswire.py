import struct

import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrecon.oast.dnswire import MAX_QUERY, MAX_TURNING, UDP_MOST, Answered, Zone, _read, _read_odd, answer

ZONE = Zone("cb.test", ("192.0.2.7", "2001:db8::7"))
TOKEN = "abcdefghij0123456789" + "nonce67890123"


def ask(
    name: str, kind: str = "A", zone: Zone = ZONE, *, tcp: bool = False, edns: int = -1, payload: int = 1232
) -> tuple[Answered, dns.message.Message]:
    query = dns.message.make_query(name, kind, use_edns=edns if edns >= 0 else False, payload=payload)
    answered = answer(zone, query.to_wire(), tcp=tcp)
    assert answered.wire is not None
    reply = dns.message.from_wire(answered.wire)
    assert query.is_response(reply)
    return answered, reply


def test_a_name_in_the_domain_resolves_to_us_and_is_recorded() -> None:
    answered, reply = ask(f"{TOKEN}.cb.test")
    assert answered.tokens == (TOKEN,)
    assert answered.query == "A"
    assert TOKEN in answered.name
    assert [str(rdata) for rrset in reply.answer for rdata in rrset] == ["192.0.2.7"]
    assert reply.flags & dns.flags.AA
    assert not reply.flags & dns.flags.RA
    assert 0 <= reply.answer[0].ttl <= 5


def test_only_the_asked_type_is_answered() -> None:
    _, reply = ask(f"{TOKEN}.cb.test", "AAAA")
    assert [str(rdata) for rrset in reply.answer for rdata in rrset] == ["2001:db8::7"]


@pytest.mark.parametrize("kind", ["TXT", "CAA", "HTTPS", "SRV", "PTR", "NS", "SOA", "CNAME"])
def test_a_type_we_do_not_have_is_an_empty_answer_with_soa_and_still_recorded(kind: str) -> None:
    answered, reply = ask(f"x.{TOKEN}.cb.test", kind)
    assert reply.rcode() == dns.rcode.NOERROR
    assert reply.answer == []
    assert [rrset.rdtype for rrset in reply.authority] == [dns.rdatatype.SOA]
    assert reply.authority[0].name == dns.name.from_text("cb.test.")
    assert reply.authority[0].ttl <= 5
    assert answered.tokens == (TOKEN,)


@pytest.mark.parametrize("name", ["example.com", "test", f"{TOKEN}.evilcb.test", f"{TOKEN}.cb.test.evil", "."])
def test_foreign_names_are_refused_and_not_recorded(name: str) -> None:
    answered, reply = ask(name)
    assert reply.rcode() == dns.rcode.REFUSED
    assert not reply.answer
    assert not reply.flags & dns.flags.AA
    assert answered.tokens == ()


def test_without_a_domain_everything_is_refused() -> None:
    _, reply = ask(f"{TOKEN}.cb.test", zone=Zone("", ("127.0.0.1",)))
    assert reply.rcode() == dns.rcode.REFUSED


@pytest.mark.parametrize("kind", ["AXFR", "IXFR"])
def test_the_zone_cannot_be_copied(kind: str) -> None:
    query = dns.message.make_query("cb.test", kind)
    wire = answer(ZONE, query.to_wire(), tcp=True).wire
    assert wire is not None
    assert dns.message.from_wire(wire).rcode() == dns.rcode.REFUSED


def test_the_apex_has_name_servers_with_glue_and_a_soa() -> None:
    _, reply = ask("cb.test", "NS")
    assert sorted(str(rdata) for rdata in reply.answer[0]) == ["ns1.cb.test.", "ns2.cb.test."]
    assert {str(rrset.name) for rrset in reply.additional} == {"ns1.cb.test.", "ns2.cb.test."}
    _, soa = ask("cb.test", "SOA")
    assert soa.answer[0].rdtype == dns.rdatatype.SOA
    _, glue = ask("NS1.cb.test", "A")
    assert str(glue.answer[0][0]) == "192.0.2.7"


def test_the_case_of_the_question_is_echoed_and_the_token_is_lower_case() -> None:
    mixed = "".join(c.upper() if i % 2 else c for i, c in enumerate(TOKEN)) + ".Cb.TeSt"
    answered, reply = ask(mixed)
    assert str(reply.question[0].name) == mixed + "."
    assert str(reply.answer[0].name) == mixed + "."
    assert answered.tokens == (TOKEN,)


def test_edns_is_echoed_only_to_who_speaks_it() -> None:
    _, plain = ask(f"{TOKEN}.cb.test")
    _, with_edns = ask(f"{TOKEN}.cb.test", edns=0)
    assert plain.edns == -1
    assert with_edns.edns == 0
    assert with_edns.payload == UDP_MOST


def test_an_unknown_edns_version_is_badvers() -> None:
    answered, reply = ask(f"{TOKEN}.cb.test", edns=1)
    assert reply.rcode() == dns.rcode.BADVERS
    assert not reply.answer
    assert answered.tokens == ()


def test_a_long_answer_is_truncated_over_udp_and_whole_over_tcp() -> None:
    many = Zone("cb.test", tuple(f"192.0.2.{n}" for n in range(200)))
    answered, reply = ask(f"{TOKEN}.cb.test", zone=many, edns=0, payload=4096)
    assert reply.flags & dns.flags.TC
    assert len(answered.wire or b"") <= UDP_MOST
    _, small = ask(f"{TOKEN}.cb.test", zone=Zone("cb.test", many.addresses[:60]))
    assert small.flags & dns.flags.TC
    _, whole = ask(f"{TOKEN}.cb.test", zone=many, tcp=True)
    assert not whole.flags & dns.flags.TC
    assert len(whole.answer[0]) == 200


def test_replies_are_not_answered() -> None:
    query = dns.message.make_query(f"{TOKEN}.cb.test", "A")
    assert answer(ZONE, dns.message.make_response(query).to_wire()).wire is None


def test_other_opcodes_and_strange_questions_get_a_bare_error() -> None:
    query = dns.message.make_query("cb.test", "A")
    query.set_opcode(dns.opcode.STATUS)
    wire = answer(ZONE, query.to_wire()).wire
    assert wire is not None
    assert dns.message.from_wire(wire).rcode() == dns.rcode.NOTIMP
    empty = b"\x12\x34\x01\x00" + bytes(8)
    assert answer(ZONE, empty).wire == b"\x12\x34\x81\x01" + bytes(8)


def test_the_chaos_class_is_refused() -> None:
    query = dns.message.make_query("x.cb.test", "TXT", rdclass="CH")
    wire = answer(ZONE, query.to_wire()).wire
    assert wire is not None
    assert dns.message.from_wire(wire).rcode() == dns.rcode.REFUSED


@given(st.binary(max_size=600))
def test_no_bytes_make_it_fail(packet: bytes) -> None:
    check_sane(packet, answer(ZONE, packet))


@given(
    st.lists(st.tuples(st.integers(0, 511), st.integers(0, 255)), max_size=12),
    st.integers(12, 512),
    st.sampled_from(["A", "NS", "TXT", "ANY"]),
)
def test_no_damaged_query_makes_it_fail(damage: list[tuple[int, int]], cut: int, kind: str) -> None:
    packet = bytearray(dns.message.make_query(f"{TOKEN}.cb.test", kind, use_edns=0).to_wire())
    for place, value in damage:
        packet[place % len(packet)] = value
    check_sane(bytes(packet[:cut]), answer(ZONE, bytes(packet[:cut])))


def check_sane(packet: bytes, answered: Answered) -> None:
    if answered.wire is not None:
        assert answered.wire[:2] == packet[:2]
        assert answered.wire[2] & 0x80
        assert len(answered.wire) <= max(512, UDP_MOST)
        dns.message.from_wire(answered.wire)


def test_a_giant_packet_is_dropped() -> None:
    assert answer(ZONE, b"\0" * (MAX_QUERY + 1), tcp=True).wire is None
    assert answer(ZONE, b"\0" * (UDP_MOST + 1)).wire is None, "we tell askers that we take no more by UDP"


@pytest.mark.parametrize("counts", [(1, 0, 0, 290), (1, 290, 0, 0), (1, 0, 290, 0), (290, 0, 0, 0), (0, 0, 0, 5)])
def test_a_query_stuffed_with_records_is_refused_unread(
    counts: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*_: object, **__: object) -> dns.message.Message:
        raise AssertionError("the packet was read")

    packet = struct.pack("!HHHHHH", 7, 0x0100, *counts) + b"\x01a" * 126 + b"\0" + struct.pack("!HH", 1, 1)
    packet += (b"\xc0\x0c" + struct.pack("!HHIHH", 65_280, 1, 0, 2, 1)) * 270
    monkeypatch.setattr(dns.message, "from_wire", read)
    answered = answer(ZONE, packet[:MAX_QUERY], tcp=True)
    assert answered.wire is not None
    assert (answered.wire[3] & 15, answered.tokens) == (dns.rcode.FORMERR, ())


def test_what_real_resolvers_add_to_a_query_is_read() -> None:
    query = dns.message.make_query(f"{TOKEN}.cb.test", "A", use_edns=0, payload=4096, pad=128)
    assert answer(ZONE, query.to_wire()).tokens == (TOKEN,)


@given(st.data())
def test_both_ways_to_read_a_query_agree(data: st.DataObject) -> None:
    """The quick reader and dnspython find the same question, or the quick one leaves it."""
    query = dns.message.make_query(f"{TOKEN}.cb.test", "A", use_edns=data.draw(st.sampled_from([False, 0])))
    wire = bytearray(query.to_wire())
    for _ in range(data.draw(st.integers(0, 3))):
        wire[data.draw(st.integers(12, len(wire) - 1))] = data.draw(st.integers(0, 255))
    sections = [int.from_bytes(wire[at : at + 2]) for at in (6, 8, 10)]
    quick = _read(bytes(wire), sections)
    slow = _read_odd(bytes(wire))
    if quick is not None and slow is not None:
        assert (quick.name, quick.kind, quick.class_, quick.edns) == (slow.name, slow.kind, slow.class_, slow.edns)


def test_added_records_are_answered_until_they_are_removed() -> None:
    zone = Zone("cb.test", ("192.0.2.7",))
    zone.add("_acme-challenge", "TXT", '"one"')
    zone.add("_acme-challenge", "TXT", '"two"')
    _, reply = ask("_acme-challenge.cb.test", "TXT", zone)
    assert [str(rdata) for rdata in reply.answer[0]] == ['"one"', '"two"']
    zone.remove("_acme-challenge", "TXT")
    _, reply = ask("_acme-challenge.cb.test", "TXT", zone)
    assert not reply.answer
    with pytest.raises(ValueError, match="no data"):
        zone.add("x", "A", "not an address")


def test_mail_for_a_name_comes_to_us() -> None:
    answered, reply = ask(f"{TOKEN}.cb.test", "MX")
    assert str(reply.answer[0][0]) == "1 mail.cb.test."
    assert answered.tokens == (TOKEN,)


def test_a_name_that_turns_leads_elsewhere_once() -> None:
    zone = Zone("cb.test", ("192.0.2.7", "2001:db8::7"))
    zone.turn(f"{TOKEN}.CB.test", "198.51.100.4")
    other = TOKEN[:-1] + "z"

    def led(name: str, kind: str = "A") -> list[str]:
        _, reply = ask(name, kind, zone=zone)
        return [item.to_text() for rrset in reply.answer for item in rrset]

    assert led(f"{TOKEN}.cb.test", "AAAA") == ["2001:db8::7"]
    assert led(f"{other}.cb.test") == ["192.0.2.7"]
    assert led(f"{TOKEN.upper()}.cb.test") == ["198.51.100.4"]
    assert led(f"{TOKEN}.cb.test") == ["192.0.2.7"]
    for number in range(MAX_TURNING + 5):
        zone.turn(f"n{number}.cb.test", "198.51.100.4")
    assert led("n0.cb.test") == ["192.0.2.7"]
    assert led(f"n{MAX_TURNING + 4}.cb.test") == ["198.51.100.4"]
    for name, address in (("a..b", "192.0.2.1"), ("a.cb.test", "::1"), ("a.cb.test", "nonsense")):
        with pytest.raises(ValueError, match=r"."):
            zone.turn(name, address)
