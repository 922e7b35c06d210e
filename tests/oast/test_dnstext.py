import dns.message
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.oast.talk import TOKEN

from secrecon.oast.dnstext import text
from secrecon.oast.dnswire import Zone, answer

ZONE = Zone("cb.test", ("192.0.2.7", "2001:db8::7"))


@pytest.mark.parametrize("kind", ["A", "AAAA", "TXT", "MX", "NS", "SOA", "ANY", "TYPE65280"])
@pytest.mark.parametrize("edns", [-1, 0])
def test_a_message_reads_as_dig_prints_it(kind: str, edns: int) -> None:
    query = dns.message.make_query(f"A.{TOKEN}.cb.test", kind, use_edns=edns)
    shown = text(query.to_wire()).decode()
    assert shown.startswith(f";; opcode: QUERY, status: NOERROR, id: {query.id}\n;; flags: rd; QUERY: 1, ")
    assert f";A.{TOKEN}.cb.test.\tIN\t {kind}\n" in shown
    assert ("OPT PSEUDOSECTION" in shown) == (edns == 0)
    reply = text(answer(ZONE, query.to_wire()).wire or b"").decode()
    assert ";; flags: qr aa rd;" in reply
    assert ("192.0.2.7" in reply) == (kind in ("A", "ANY"))


def test_a_clients_subnet_is_shown() -> None:
    option = dns.edns.ECSOption("198.51.100.0", 24)
    query = dns.message.make_query(f"{TOKEN}.cb.test", "A", use_edns=0, options=[option])
    assert b"198.51.100.0/24" in text(query.to_wire())


@given(st.binary(max_size=80))
def test_anything_else_is_shown_as_digits(wire: bytes) -> None:
    assert isinstance(text(wire).decode(), str)
