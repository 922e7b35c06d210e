"""The DNS answerer, without I/O: one query's bytes in, the answer's bytes and the tokens it carried out.

Authoritative for one domain: addresses for every name in it, MX, NS and SOA, the records that were added, SOA in negative
answers, REFUSED for all other names (RFC 1035, 2308, 6891, 8482). Time-to-live is at most five seconds so that resolvers
hide no repeats. The question is echoed in the case it was asked in. Nothing that was asked is ever put into an answer's
data. Plain queries, thousands in a second, are read and answered byte by byte; dnspython reads the odd ones.
"""

from __future__ import annotations

import ipaddress
import re
import struct
from collections.abc import Iterable
from typing import NamedTuple

import dns.exception
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from secrecon.oast.tokens import find_tokens

MAX_QUERY = 4_096
MAX_RECORDS = 4
"""A query has one question and hardly more than OPT and TSIG behind it. Reading costs time for each record announced:
300 of them with long compressed names hold the listener for a thirtieth of a second."""
UDP_DEFAULT = 512
UDP_MOST = 1_232
ADDRESS_TTL = 1
MAX_TURNING = 1_000
APEX_TTL = 5
NAME_SERVERS = ("ns1", "ns2")
MAIL_SERVER = "mail"
_HEADER = struct.Struct("!HBBHHHH")
_RECORD = struct.Struct("!HHIH")
_A, _NS, _SOA, _MX, _AAAA, _OPT, _IXFR, _AXFR, _ANY = 1, 2, 6, 15, 28, 41, 251, 252, 255
_POINTER = b"\xc0\x0c"
_PLAIN = re.compile(rb"[A-Za-z0-9_.\-]*\Z")
_KINDS = {int(kind): kind.name for kind in dns.rdatatype.RdataType}


class Zone:
    """What we are authoritative for. `domain` "" answers nothing. `addresses`: textual, IPv4 and IPv6. `records`: what
    else there is, as (name within the domain or "", type, value); a name with a record of a type has no other of it.

    A name that turns (`turn`) leads somewhere else once: for whoever checks a name first and looks it up again to use it.
    Where it leads is never taken from what was asked.
    """

    def __init__(self, domain: str, addresses: Iterable[str], records: Iterable[tuple[str, str, str]] = ()) -> None:
        self.domain = domain
        self.apex = dns.name.from_text(domain + ".").to_digestable() if domain else b""
        self.addresses = tuple(addresses)
        self._own: dict[tuple[bytes, int], tuple[bytes, ...]] = {}
        self._turning: dict[bytes, bytes] = {}
        packed = [ipaddress.ip_address(address) for address in self.addresses]
        self._every = {
            _A: tuple(address.packed for address in packed if address.version == 4),
            _AAAA: tuple(address.packed for address in packed if address.version == 6),
        }
        if domain:
            self._every[_MX] = (self._rdata(_MX, f"1 {MAIL_SERVER}.{domain}."),)
            servers = tuple(self._rdata(_NS, f"{label}.{domain}.") for label in NAME_SERVERS)
            self.soa = self._rdata(_SOA, f"ns1.{domain}. hostmaster.{domain}. 1 3600 600 86400 {APEX_TTL}")
            self._own[self.apex, _NS] = servers
            self._own[self.apex, _SOA] = (self.soa,)
            for name, kind, value in records:
                self.add(name, kind, value)

    def add(self, name: str, kind: str, value: str) -> None:
        """One more record. Raises ValueError for a type or a value that is none."""
        key = self._key(name, kind)
        self._own[key] = (*self._own.get(key, ()), self._rdata(key[1], value))

    def turn(self, name: str, first: str) -> None:
        """Answer the next question for the IPv4 address of `name` (a whole name in the domain) with `first`, those after
        it as always. The oldest of MAX_TURNING names is forgotten. Raises ValueError for what is no name or address."""
        try:
            owner = dns.name.from_text(name.rstrip(".") + ".").to_digestable()
        except dns.exception.DNSException as error:
            raise ValueError(f"{name!r} is no name: {error}") from error
        while len(self._turning) >= MAX_TURNING:
            self._turning.pop(next(iter(self._turning)), None)
        self._turning[owner] = ipaddress.IPv4Address(first).packed

    def remove(self, name: str, kind: str) -> None:
        """Every added record of that name and type."""
        self._own.pop(self._key(name, kind), None)

    def found(self, name: bytes, kind: int) -> tuple[bytes, ...]:
        """The data of a name's records of one type. `name`: on the wire, lower-cased, within the domain."""
        if kind == _A and self._turning and (first := self._turning.pop(name, None)) is not None:
            return (first,)
        own = self._own.get((name, kind))
        return own if own is not None else self._every.get(kind, ())

    def _key(self, name: str, kind: str) -> tuple[bytes, int]:
        try:
            owner = dns.name.from_text(f"{name}.{self.domain}." if name else f"{self.domain}.")
            return owner.to_digestable(), int(dns.rdatatype.from_text(kind))
        except dns.exception.DNSException as error:
            raise ValueError(f"{name!r} {kind!r} is no record's name and type: {error}") from error

    def _rdata(self, kind: int, value: str) -> bytes:
        try:
            origin = dns.name.from_text(f"{self.domain}.")
            data = dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.RdataType(kind), value, origin=origin)
            return data.to_wire(origin=origin) or b""
        except (dns.exception.DNSException, ValueError) as error:
            raise ValueError(f"{value!r} is no data of a {_KINDS.get(kind, kind)} record: {error}") from error


class Answered(NamedTuple):
    """What became of one query. `wire` None: nothing is sent back. `tokens` is empty for foreign names.

    `name`: what was asked for, as text, and `query`: its type such as `AAAA`.
    """

    wire: bytes | None
    tokens: tuple[str, ...] = ()
    name: str = ""
    query: str = ""


class _Asked(NamedTuple):
    """A question. `name`: on the wire, uncompressed, in the case it came in. `starts`: where its labels begin.
    `edns`: the version, -1 for none."""

    name: bytes
    starts: tuple[int, ...]
    kind: int
    class_: int
    edns: int
    payload: int


SILENT = Answered(None)


def answer(zone: Zone, packet: bytes, *, tcp: bool = False) -> Answered:
    """Answer one query. Never raises for what the packet holds; replies and unreadable packets get silence."""
    if not 12 <= len(packet) <= (MAX_QUERY if tcp else UDP_MOST) or packet[2] & 0x80:
        return SILENT
    id_, high, _, questions, *sections = _HEADER.unpack_from(packet)
    if questions != 1 or sum(sections) > MAX_RECORDS or high & 0x78:
        return Answered(_bare_error(packet, dns.rcode.NOTIMP if high & 0x78 else dns.rcode.FORMERR))
    asked = _read(packet, sections) or _read_odd(packet)
    if asked is None:
        return Answered(_bare_error(packet, dns.rcode.FORMERR))
    reply = _Reply(id_, high, asked, tcp)
    if asked.edns > 0:
        return Answered(reply.wire(dns.rcode.BADVERS))
    name = asked.name.lower()
    ours = zone.apex and name.endswith(zone.apex) and len(name) - len(zone.apex) in asked.starts
    if not ours or asked.class_ != 1 or asked.kind in (_AXFR, _IXFR):
        return Answered(reply.wire(dns.rcode.REFUSED))
    _fill(zone, reply, name, asked.kind)
    text = _text(asked)
    return Answered(reply.wire(), find_tokens(text), text, _KINDS.get(asked.kind) or f"TYPE{asked.kind}")


class _Reply:
    """An answer in the making."""

    __slots__ = ("additional", "answers", "asked", "authority", "flags", "id", "limit")

    def __init__(self, id_: int, high: int, asked: _Asked, tcp: bool) -> None:
        self.id = id_
        self.flags = 0x80 | (high & 0x01)
        self.asked = asked
        self.limit = 65_535 if tcp else max(UDP_DEFAULT, min(asked.payload, UDP_MOST))
        self.answers: list[bytes] = []
        self.authority: list[bytes] = []
        self.additional: list[bytes] = []

    def wire(self, rcode: int = 0) -> bytes:
        """The bytes, within what the asker can take: what is too long is emptied and marked truncated."""
        asked = self.asked
        edns = asked.edns >= 0
        opt = b"\0" + _RECORD.pack(_OPT, UDP_MOST, rcode >> 4 << 24, 0) if edns else b""
        question = asked.name + struct.pack("!HH", asked.kind, asked.class_)
        sections = self.answers, self.authority, self.additional
        records = b"".join(b"".join(section) for section in sections)
        counts = [len(section) for section in sections]
        flags = self.flags
        if 12 + len(question) + len(records) + len(opt) > self.limit:
            records, counts, flags = b"", [0, 0, 0], flags | 0x02
        head = _HEADER.pack(self.id, flags, rcode & 0x0F, 1, counts[0], counts[1], counts[2] + edns)
        return head + question + records + opt


def _fill(zone: Zone, reply: _Reply, name: bytes, kind: int) -> None:
    """Put the answer into `reply`."""
    reply.flags |= 0x04
    kinds = (_A, _AAAA, _NS, _SOA) if kind == _ANY else (kind,)
    for each in kinds:
        ttl = ADDRESS_TTL if each in (_A, _AAAA) else APEX_TTL
        for data in zone.found(name, each):
            reply.answers.append(_POINTER + _RECORD.pack(each, 1, ttl, len(data)) + data)
    if kind == _NS and reply.answers and name == zone.apex:
        for label in NAME_SERVERS:
            owner = bytes((len(label),)) + label.encode("ascii") + zone.apex
            for family in (_A, _AAAA):
                for data in zone.found(owner, family):
                    reply.additional.append(owner + _RECORD.pack(family, 1, APEX_TTL, len(data)) + data)
    if not reply.answers:
        reply.authority.append(zone.apex + _RECORD.pack(_SOA, 1, APEX_TTL, len(zone.soa)) + zone.soa)


def _read(packet: bytes, sections: list[int]) -> _Asked | None:
    """A plain query: one uncompressed question and at most an OPT record. None for any other."""
    at, starts, size = 12, [], len(packet)
    while at < size and (length := packet[at]):
        if length > 63:
            return None
        starts.append(at - 12)
        at += length + 1
    end = at + 1
    if end + 4 > size or end - 12 > 255:
        return None
    starts.append(at - 12)
    kind, class_ = struct.unpack_from("!HH", packet, end)
    name, edns, payload = packet[12:end], -1, 0
    if sections == [0, 0, 1]:
        if end + 15 > size or packet[end + 4] or packet[end + 5 : end + 7] != b"\0\x29":
            return None
        payload, _, edns, length = struct.unpack_from("!HBBxxH", packet, end + 7)
        if end + 15 + length > size:
            return None
    elif sections != [0, 0, 0]:
        return None
    return _Asked(name, tuple(starts), kind, class_, edns, payload)


def _read_odd(packet: bytes) -> _Asked | None:
    """Any other query that can be read."""
    try:
        query = dns.message.from_wire(packet, ignore_trailing=True)
        if len(query.question) != 1 or type(query) is not dns.message.QueryMessage:
            return None
        asked = query.question[0]
        name = asked.name.to_wire() or b"\0"
    except (dns.exception.DNSException, ValueError, IndexError, struct.error):
        return None
    starts, at = [0], 0
    while name[at]:
        at += name[at] + 1
        starts.append(at)
    payload = query.payload if query.edns >= 0 else 0
    return _Asked(name, tuple(starts), int(asked.rdtype), int(asked.rdclass), query.edns, payload)


def _text(asked: _Asked) -> str:
    """The name as text, without the last dot."""
    labels = [asked.name[start + 1 : start + 1 + asked.name[start]] for start in asked.starts[:-1]]
    if all(_PLAIN.match(label) and b"." not in label for label in labels):
        return b".".join(labels).decode("ascii")
    return dns.name.from_wire(asked.name, 0)[0].to_text(omit_final_dot=True)


def _bare_error(packet: bytes, rcode: int) -> bytes:
    """A header alone (RFC 1035 4.1.1): the asker's id, opcode and RD, our rcode, no sections."""
    return packet[:2] + bytes([0x80 | (packet[2] & 0x79), rcode]) + bytes(8)
