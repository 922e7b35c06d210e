"""The lab's name server, asked over real sockets with dnspython."""

from __future__ import annotations

import socket

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secrecon.lab.nameserver import Responder
from secrecon.lab.process import LabProcess
from secrecon.lab.zone import Zone


def _ask(lab: LabProcess, name: str, type_: str = "A", tcp: bool = False) -> dns.message.Message:
    host, port = lab.description.dns
    send = dns.query.tcp if tcp else dns.query.udp
    return send(dns.message.make_query(name, type_), host, 5, port)


def _values(reply: dns.message.Message, type_: str) -> list[str]:
    wanted = dns.rdatatype.from_text(type_)
    return [record.to_text() for rrset in reply.answer if rrset.rdtype == wanted for record in rrset]


@pytest.mark.parametrize("tcp", [False, True])
def test_every_host_has_its_address(lab: LabProcess, tcp: bool) -> None:
    for name, address in list(lab.description.addresses.items())[:5]:
        assert _values(_ask(lab, name, tcp=tcp), "A") == [address]


def test_mail_text_and_alias(lab: LabProcess) -> None:
    assert _values(_ask(lab, "acme.test", "MX"), "MX") == ["10 mail.acme.test."]
    assert '"v=spf1 mx -all"' in _values(_ask(lab, "acme.test", "TXT"), "TXT")
    docs = _ask(lab, "docs.acme.test")
    assert _values(docs, "CNAME") == ["www.acme.test."]
    assert _values(docs, "A") == [lab.description.addresses["www.acme.test"]]
    dangling = _ask(lab, "old-campaign.acme.test")
    assert _values(dangling, "CNAME") == ["acme-campaign.provider.invalid."]
    assert dangling.rcode() == dns.rcode.NXDOMAIN
    assert _ask(lab, "acme-campaign.provider.invalid").rcode() == dns.rcode.NXDOMAIN


def test_the_wildcard_leads_to_the_tenants(lab: LabProcess) -> None:
    expected = [lab.description.addresses["tenants.acme.test"]]
    assert _values(_ask(lab, "anything.wild.acme.test"), "A") == expected
    assert _values(_ask(lab, "ANYTHING.wild.acme.test"), "A") == expected


def test_what_is_not_there_is_nxdomain_and_what_is_foreign_is_refused(lab: LabProcess) -> None:
    missing = _ask(lab, "missing.acme.test")
    assert missing.rcode() == dns.rcode.NXDOMAIN
    assert missing.authority[0].rdtype == dns.rdatatype.SOA
    assert _ask(lab, "example.com").rcode() == dns.rcode.REFUSED


def test_one_server_gives_the_zone_and_the_other_refuses(lab: LabProcess) -> None:
    (refusing, port), (generous, _) = lab.description.name_servers
    assert (refusing, port) == lab.description.dns
    query = dns.message.make_query("acme.test", "AXFR")
    assert dns.query.tcp(query, refusing, 5, port).rcode() == dns.rcode.REFUSED
    records = list(dns.query.xfr(generous, "acme.test", timeout=5, port=port, relativize=False))
    names = {rrset.name.to_text(omit_final_dot=True) for part in records for rrset in part.answer}
    assert set(lab.description.addresses) <= names


def test_callback_names_are_passed_on_only_when_there_is_a_listener(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with LabProcess(tmp_path_factory.mktemp("quiet")) as quiet:
        assert _ask(quiet, "token.cb.test").rcode() == dns.rcode.REFUSED


@given(st.binary(max_size=80))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_hostile_datagrams_do_not_stop_it(lab: LabProcess, junk: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(junk, lab.description.dns)
    assert _ask(lab, "www.acme.test").rcode() == dns.rcode.NOERROR


async def test_an_answer_too_large_for_a_datagram_is_cut_and_says_so() -> None:
    async def nobody(wire: bytes, name: str) -> bytes | None:
        return None

    zone = Zone("big.test")
    zone.add("big.test", "SOA", "n. h. 1 2 3 4 5")
    zone.add("big.test", "TXT", *[f'"{number:03d}{"x" * 200}"' for number in range(20)])
    responder = Responder(zone, False, nobody)
    wire = dns.message.make_query("big.test", "TXT").to_wire()
    short = dns.message.from_wire((await responder.answer(wire, tcp=False))[0])
    whole = dns.message.from_wire((await responder.answer(wire, tcp=True))[0])
    assert short.flags & dns.flags.TC
    assert len(whole.answer[0]) == 20
