"""Between dnspython's wire classes and our DNS nouns. Pure: no sockets.

Everything a server says is hostile: an answer that cannot be read is no answer (RFC 1035, 5936 for transfers).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from secrecon.model.dns import DnsRecord
from secrecon.model.errors import BadInput, Unresolvable

PAYLOAD = 1232
MAX_MESSAGE_RECORDS = 2_000
"""A message of 64 kB can announce 5,000 records whose compressed names take half a second to read."""
NAME_VALUES = frozenset({"CNAME", "NS", "PTR", "DNAME", "MX", "SRV"})


def dns_name(text: str) -> dns.name.Name:
    """`text` as an absolute DNS name. Raises Unresolvable where it cannot be one."""
    try:
        name = dns.name.from_text(text.rstrip(".") + ".")
    except (dns.exception.DNSException, ValueError) as error:
        raise Unresolvable(f"{text!r} is not a DNS name") from error
    return name


def make_query(
    name: str, type_: str, id_: int, *, class_: str = "IN", recursion: bool = True
) -> dns.message.QueryMessage:
    """A query with EDNS. Raises BadInput for an unknown record type or class."""
    try:
        kind = dns.rdatatype.from_text(type_)
    except (dns.exception.DNSException, ValueError) as error:
        raise BadInput(f"unknown DNS record type {type_!r}", "type") from error
    try:
        space = dns.rdataclass.from_text({"inet": "IN", "chaos": "CH", "hesiod": "HS"}.get(class_.lower(), class_))
    except (dns.exception.DNSException, ValueError) as error:
        raise BadInput(f"unknown DNS class {class_!r}", "class") from error
    plain = kind in (dns.rdatatype.AXFR, dns.rdatatype.IXFR)
    query = dns.message.make_query(
        dns_name(name), kind, space, use_edns=False if plain else 0, payload=None if plain else PAYLOAD, id=id_
    )
    if not recursion:
        query.flags &= ~dns.flags.RD
    return query


def read_answer(query: dns.message.QueryMessage, wire: bytes) -> dns.message.Message | None:
    """The message in `wire` if it answers `query` (same id and question), else None."""
    message = read_message(wire, truncated_ok=True)
    if message is None or message.id != query.id or not message.flags & dns.flags.QR:
        return None
    if message.question != query.question:
        return None
    return message


def record_count(wire: bytes) -> int:
    """How many records, and questions past the first, the header of `wire` announces (RFC 1035 4.1.1): what reading
    it costs."""
    counts = [int.from_bytes(wire[at : at + 2]) for at in (4, 6, 8, 10)]
    return max(0, counts[0] - 1) + sum(counts[1:])


def read_message(
    wire: bytes, *, truncated_ok: bool = False, transfer: bool = False, limit: int = MAX_MESSAGE_RECORDS
) -> dns.message.Message | None:
    """The message in `wire`, or None where it cannot be read or announces more than `limit` records."""
    if record_count(wire) > limit:
        return None
    try:
        return dns.message.from_wire(
            wire,
            ignore_trailing=True,
            raise_on_truncation=False,
            continue_on_error=truncated_ok,
            one_rr_per_rrset=transfer,
            xfr=transfer,
        )
    except (dns.exception.DNSException, ValueError, struct.error, IndexError, KeyError):
        return None


def is_truncated(message: dns.message.Message) -> bool:
    """True where the server says that the answer did not fit."""
    return bool(message.flags & dns.flags.TC)


def rcode_of(message: dns.message.Message) -> str:
    """The answer's code as text: NOERROR, NXDOMAIN, ..."""
    return dns.rcode.to_text(message.rcode())


def records_of(sets: Iterable[dns.rrset.RRset], limit: int) -> tuple[DnsRecord, ...]:
    """At most `limit` records of `sets`, in order."""
    found: list[DnsRecord] = []
    for rrset in sets:
        name = rrset.name.to_text(omit_final_dot=True).lower()
        type_ = dns.rdatatype.to_text(rrset.rdtype)
        for rdata in rrset:
            if len(found) >= limit:
                return tuple(found)
            value = rdata.to_text()
            if type_ in NAME_VALUES:
                value = value.rstrip(".").lower()
            found.append(DnsRecord(name, type_, int(rrset.ttl), value))
    return tuple(found)
