"""DNS messages as text, the way dig prints them. Read-only, bounded by what was captured; nothing here answers.

Plain messages are printed by hand, because a poll may hand out thousands; dnspython prints the others.
"""

from __future__ import annotations

import ipaddress
import re
import struct

import dns.exception
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype

_FLAGS = (
    (0x8000, "qr"),
    (0x0400, "aa"),
    (0x0200, "tc"),
    (0x0100, "rd"),
    (0x0080, "ra"),
    (0x20, "ad"),
    (0x10, "cd"),
)
_PLAIN = re.compile(rb"[A-Za-z0-9_\-]+\Z")
_KINDS = {int(kind): kind.name for kind in dns.rdatatype.RdataType}
_SHAPE = struct.Struct("!HHHHHH")


def text(wire: bytes) -> bytes:
    """A message as text; what cannot be read as one is shown as hexadecimal digits."""
    plain = _plain(wire)
    if plain is not None:
        return plain.encode("ascii")
    try:
        return _any(dns.message.from_wire(wire, ignore_trailing=True)).encode("utf-8", "replace")
    except (dns.exception.DNSException, ValueError, IndexError, struct.error):
        return wire.hex().encode("ascii")


def _plain(wire: bytes) -> str | None:
    """A query, or an answer of addresses only; None for any other."""
    if len(wire) < 12:
        return None
    id_, flags, questions, answers, authorities, additional = _SHAPE.unpack_from(wire)
    if questions != 1 or authorities or additional > 1 or flags & 0x780F:
        return None
    labels, at = [], 12
    while at < len(wire) and 0 < (length := wire[at]) < 64:
        labels.append(wire[at + 1 : at + 1 + length])
        at += length + 1
    if not labels or not all(_PLAIN.match(label) for label in labels) or at + 5 > len(wire) or wire[at]:
        return None
    name = b".".join(labels).decode("ascii") + "."
    kind = int.from_bytes(wire[at + 1 : at + 3], "big")
    if wire[at + 3 : at + 5] != b"\0\x01":
        return None
    at += 5
    lines: list[str] = []
    for _ in range(answers):
        rdtype = int.from_bytes(wire[at + 2 : at + 4], "big")
        size = {1: 4, 28: 16}.get(rdtype, 0)
        if not size or wire[at : at + 2] != b"\xc0\x0c" or at + 12 + size > len(wire):
            return None
        ttl = int.from_bytes(wire[at + 6 : at + 10], "big")
        address = ipaddress.ip_address(wire[at + 12 : at + 12 + size])
        lines.append(f"{name}\t{ttl}\tIN\t{_KINDS[rdtype]}\t{address}")
        at += 12 + size
    edns = ""
    if additional:
        if wire[at : at + 3] != b"\0\0\x29" or wire[at + 5 : at + 11] != bytes(6):
            return None
        edns = _edns(0, "", int.from_bytes(wire[at + 3 : at + 5], "big"))
    shown = "".join(f" {word}" for bit, word in _FLAGS if flags & bit)
    head = (
        f";; opcode: QUERY, status: NOERROR, id: {id_}\n;; flags:{shown}; QUERY: 1, ANSWER: {answers}, AUTHORITY: 0, "
        f"ADDITIONAL: {additional}\n{edns}\n;; QUESTION SECTION:\n;{name}\tIN\t {_KINDS.get(kind) or f'TYPE{kind}'}\n"
    )
    return head + ("\n;; ANSWER SECTION:\n" + "\n".join(lines) + "\n" if lines else "")


def _edns(version: int, flags: str, payload: int, options: str = "") -> str:
    return f"\n;; OPT PSEUDOSECTION:\n; EDNS: version {version}; flags:{flags}; udp: {payload}\n{options}"


def _any(message: dns.message.Message) -> str:
    counts = [sum(len(rrset) for rrset in section) for section in message.sections[1:]]
    edns = ""
    if message.edns >= 0:
        counts[2] += 1
        options = "".join(f"; {option}\n" for option in message.options[:8])
        edns = _edns(message.edns, " do" if message.ednsflags & dns.flags.DO else "", message.payload, options)
    flags = dns.flags.to_text(message.flags).lower()
    head = (
        f";; opcode: {dns.opcode.to_text(message.opcode())}, status: {dns.rcode.to_text(message.rcode())}, "
        f"id: {message.id}\n;; flags:{' ' + flags if flags else ''}; QUERY: {len(message.question)}, "
        f"ANSWER: {counts[0]}, AUTHORITY: {counts[1]}, ADDITIONAL: {counts[2]}\n{edns}"
    )
    parts = [head]
    for question in message.question:
        class_, kind = dns.rdataclass.to_text(question.rdclass), dns.rdatatype.to_text(question.rdtype)
        parts.append(f"\n;; QUESTION SECTION:\n;{question.name}\t{class_}\t {kind}\n")
    for title, section in zip(("ANSWER", "AUTHORITY", "ADDITIONAL"), message.sections[1:], strict=True):
        lines = [
            f"{rrset.name}\t{rrset.ttl}\t{dns.rdataclass.to_text(rrset.rdclass)}\t"
            f"{dns.rdatatype.to_text(rrset.rdtype)}\t{data}\n"
            for rrset in section
            for data in rrset
        ]
        if lines:
            parts.append(f"\n;; {title} SECTION:\n" + "".join(lines))
    return "".join(parts)
