"""The DNS answerer, without I/O: one query's bytes in, the answer's bytes and the tokens it carried out.

Authoritative for one domain: addresses for every name in it, NS and SOA at its apex, SOA in negative answers, REFUSED
for all other names (RFC 1035, 2308, 6891, 8482). Time-to-live is at most five seconds so that resolvers hide no
repeats. The question is echoed in the case it was asked in. Nothing that was asked is ever put into an answer's data.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from secrecon.oast.tokens import find_tokens

MAX_QUERY = 4_096
MAX_RECORDS = 4
"""A query has one question and hardly more than OPT and TSIG behind it. Reading costs time for each record announced:
300 of them with long compressed names hold the listener for a thirtieth of a second."""
UDP_DEFAULT = 512
UDP_MOST = 1_232
ADDRESS_TTL = 1
APEX_TTL = 5
NAME_SERVERS = ("ns1", "ns2")


@dataclass(frozen=True, slots=True)
class Zone:
    """What we are authoritative for. `domain` "" answers nothing. `addresses`: textual, IPv4 and IPv6."""

    domain: str
    addresses: tuple[str, ...]

    @property
    def apex(self) -> dns.name.Name | None:
        """The domain as a DNS name, or None where there is none."""
        return dns.name.from_text(self.domain + ".") if self.domain else None


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of one query. `wire` None: nothing is sent back. `tokens` is empty for foreign names.

    `raw`: the query in one line of text, `query`: its type such as `AAAA`.
    """

    wire: bytes | None
    tokens: tuple[str, ...] = ()
    raw: str = ""
    query: str = ""


SILENT = Answered(None)


def answer(zone: Zone, packet: bytes, *, tcp: bool = False) -> Answered:
    """Answer one query. Never raises for what the packet holds; replies and unreadable packets get silence."""
    if not 12 <= len(packet) <= (MAX_QUERY if tcp else UDP_MOST) or packet[2] & 0x80:
        return SILENT
    questions, *sections = (int.from_bytes(packet[at : at + 2]) for at in (4, 6, 8, 10))
    if questions != 1 or sum(sections) > MAX_RECORDS:
        return Answered(_bare_error(packet, dns.rcode.NOTIMP if packet[2] & 0x78 else dns.rcode.FORMERR))
    try:
        query = dns.message.from_wire(packet, ignore_trailing=True)
    except (dns.exception.DNSException, ValueError, IndexError):
        return Answered(_bare_error(packet, dns.rcode.FORMERR))
    if query.opcode() != dns.opcode.QUERY:
        return Answered(_bare_error(packet, dns.rcode.NOTIMP))
    if len(query.question) != 1 or type(query) is not dns.message.QueryMessage:
        return Answered(_bare_error(packet, dns.rcode.FORMERR))
    reply = dns.message.make_response(query, our_payload=UDP_MOST)
    reply.use_edns(0 if query.edns >= 0 else -1, payload=UDP_MOST)
    if query.edns > 0:
        reply.set_rcode(dns.rcode.BADVERS)
        return Answered(_wire(reply, query, tcp))
    asked = query.question[0]
    kind = dns.rdatatype.to_text(asked.rdtype)
    if not _fill(zone, reply, asked):
        reply.set_rcode(dns.rcode.REFUSED)
        return Answered(_wire(reply, query, tcp))
    name = asked.name.to_text(omit_final_dot=True)
    raw = f"{name} IN {kind} (id {query.id}, {'tcp' if tcp else 'udp'}{_edns_text(query)})"
    return Answered(_wire(reply, query, tcp), find_tokens(name), raw, kind)


def _fill(zone: Zone, reply: dns.message.Message, asked: dns.rrset.RRset) -> bool:
    """Put the answer into `reply`. False where the question is none of ours."""
    apex, name = zone.apex, asked.name
    transfer = asked.rdtype in (dns.rdatatype.AXFR, dns.rdatatype.IXFR)
    if apex is None or asked.rdclass != dns.rdataclass.IN or transfer or not name.is_subdomain(apex):
        return False
    reply.flags |= dns.flags.AA
    for family, rdtype in ((4, dns.rdatatype.A), (6, dns.rdatatype.AAAA)):
        found = [address for address in zone.addresses if ipaddress.ip_address(address).version == family]
        if found and asked.rdtype in (rdtype, dns.rdatatype.ANY):
            reply.answer.append(_rrset(name, ADDRESS_TTL, rdtype, *found))
    if name == apex and asked.rdtype in (dns.rdatatype.NS, dns.rdatatype.ANY):
        servers = [f"{label}.{zone.domain}." for label in NAME_SERVERS]
        reply.answer.append(_rrset(name, APEX_TTL, dns.rdatatype.NS, *servers))
        if asked.rdtype == dns.rdatatype.NS:
            _glue(zone, reply)
    if name == apex and asked.rdtype in (dns.rdatatype.SOA, dns.rdatatype.ANY):
        reply.answer.append(_soa(zone, name))
    if not reply.answer:
        reply.authority.append(_soa(zone, apex))
    return True


def _glue(zone: Zone, reply: dns.message.Message) -> None:
    for label in NAME_SERVERS:
        owner = dns.name.from_text(f"{label}.{zone.domain}.")
        for address in zone.addresses:
            rdtype = dns.rdatatype.A if ipaddress.ip_address(address).version == 4 else dns.rdatatype.AAAA
            reply.additional.append(_rrset(owner, APEX_TTL, rdtype, address))


def _soa(zone: Zone, owner: dns.name.Name) -> dns.rrset.RRset:
    text = f"ns1.{zone.domain}. hostmaster.{zone.domain}. 1 3600 600 86400 {APEX_TTL}"
    return _rrset(owner, APEX_TTL, dns.rdatatype.SOA, text)


def _rrset(name: dns.name.Name, ttl: int, rdtype: dns.rdatatype.RdataType, *values: str) -> dns.rrset.RRset:
    return dns.rrset.from_text(name, ttl, dns.rdataclass.IN, rdtype, *values)


def _wire(reply: dns.message.Message, query: dns.message.Message, tcp: bool) -> bytes:
    """The reply's bytes, within what the asker can take: too long over UDP is emptied and marked truncated."""
    limit = 65_535 if tcp else max(UDP_DEFAULT, min(query.payload if query.edns >= 0 else 0, UDP_MOST))
    try:
        return reply.to_wire(max_size=limit)
    except dns.exception.TooBig:
        reply.answer.clear()
        reply.authority.clear()
        reply.additional.clear()
        reply.flags |= dns.flags.TC
        return reply.to_wire(max_size=limit)


def _bare_error(packet: bytes, rcode: int) -> bytes:
    """A header alone (RFC 1035 4.1.1): the asker's id, opcode and RD, our rcode, no sections."""
    return packet[:2] + bytes([0x80 | (packet[2] & 0x79), rcode]) + bytes(8)


def _edns_text(query: dns.message.Message) -> str:
    if query.edns < 0:
        return ""
    options = " ".join(str(option)[:80] for option in query.options[:4])
    return f", edns payload {query.payload}{' ' + options if options else ''}"
