"""DNS packets for the sweep, in our own wire code (RFC 1035 section 4): one question out, addresses and aliases in.

Pure: no sockets. A sweep sends thousands of questions of which most have no answer, so a packet is told by its header
and only what names something is read. Everything a server says is hostile: a compression pointer must point before
the name it ends, a name has at most 255 bytes, a record count is a claim. For all other DNS there is `dnswire`.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

A, CNAME, AAAA = 1, 5, 28
HEADER = 12
MAX_RECORDS = 2_000
MAX_ADDRESSES = 64
MAX_CHAIN = 8
MAX_NAME = 255
ONE_QUESTION = b"\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
"""Flags (recursion desired) and counts of a query, after the id."""
_PLAIN = re.compile(rb"[a-z0-9_*/+=!#%&'<>?^`{|}~,:-]+")


class BrokenPacket(ValueError):
    """A packet that is not DNS; its text says where it breaks."""


@dataclass(frozen=True, slots=True)
class Told:
    """What an answer says of the name asked for. `aliases`: the CNAME chain in order. `last`: its last name, or the name
    itself. `addresses`: those of `last`, IPv4 and IPv6 as text, at most MAX_ADDRESSES."""

    rcode: int
    aliases: tuple[str, ...]
    addresses: tuple[str, ...]


def question(name: str, type_: int) -> bytes:
    """The question section for `name` (lower-case ASCII, no final dot). Raises ValueError where it is no DNS name."""
    encoded = encode_name(name)
    if len(encoded) > MAX_NAME:
        raise ValueError(f"{name[:80]!r} is longer than a DNS name may be")
    return encoded + type_.to_bytes(2) + b"\x00\x01"


def encode_name(name: str) -> bytes:
    """`name` as labels with their lengths. Raises ValueError for an empty or long label, or one outside ASCII."""
    out = bytearray()
    for label in name.split("."):
        raw = label.encode("ascii")  # UnicodeEncodeError is a ValueError
        if not 0 < len(raw) < 64:
            raise ValueError(f"{name[:80]!r} has a label of {len(raw)} bytes")
        out.append(len(raw))
        out += raw
    out.append(0)
    return bytes(out)


def read(wire: bytes) -> Told:
    """What `wire`, an answer with one question, tells of the name it was asked for. Raises BrokenPacket.

    Records that do not belong to the name or its aliases are ignored; at most MAX_RECORDS are looked at.
    """
    if len(wire) < HEADER:
        raise BrokenPacket(f"only {len(wire)} bytes")
    if wire[4:6] != b"\x00\x01":
        raise BrokenPacket("not one question")
    asked, at = read_name(wire, HEADER)
    at += 4
    aliases: dict[str, str] = {}
    addresses: dict[str, list[str]] = {}
    for _ in range(min(int.from_bytes(wire[6:8]), MAX_RECORDS)):
        owner, at = read_name(wire, at)
        if at + 10 > len(wire):
            raise BrokenPacket("a record ends early")
        type_ = int.from_bytes(wire[at : at + 2])
        start = at + 10
        at = start + int.from_bytes(wire[at + 8 : start])
        if at > len(wire):
            raise BrokenPacket("a record is longer than the packet")
        data = wire[start:at]
        if type_ == CNAME:
            aliases.setdefault(owner, read_name(wire, start)[0])
        elif (type_ == A and len(data) == 4) or (type_ == AAAA and len(data) == 16):
            known = addresses.setdefault(owner, [])
            if len(known) < MAX_ADDRESSES:
                known.append(str(ipaddress.ip_address(data)))
    chain = _chain(asked, aliases)
    last = chain[-1] if chain else asked
    return Told(wire[3] & 15, chain, tuple(dict.fromkeys(addresses.get(last, ()))))


def read_name(wire: bytes, at: int) -> tuple[str, int]:
    """The name at `at`, in lower case and escaped as in a zone file, and where what follows it begins.

    Raises BrokenPacket. A pointer must point before every byte read for this name so far, so that none can loop.
    """
    labels: list[str] = []
    size, follows, barrier = 1, -1, at
    while True:
        if at >= len(wire):
            raise BrokenPacket("a name ends early")
        length = wire[at]
        if length == 0:
            return ".".join(labels), at + 1 if follows < 0 else follows
        if length >= 0xC0:
            if at + 2 > len(wire):
                raise BrokenPacket("a pointer ends early")
            target = int.from_bytes(wire[at : at + 2]) & 0x3FFF
            if target >= barrier:
                raise BrokenPacket("a pointer does not point back")
            follows = at + 2 if follows < 0 else follows
            at = barrier = target
            continue
        if length >= 0x40:
            raise BrokenPacket("a label of an unknown kind")
        label = wire[at + 1 : at + 1 + length]
        size += 1 + length
        if size > MAX_NAME or len(label) < length:
            raise BrokenPacket("a name is longer than it may be")
        labels.append(_text(label.lower()))
        at += 1 + length


def _text(label: bytes) -> str:
    if _PLAIN.fullmatch(label):
        return label.decode("ascii")
    return "".join(_escaped(byte) for byte in label)


def _escaped(byte: int) -> str:
    if byte in b'".;\\@$()':
        return "\\" + chr(byte)
    return chr(byte) if 0x20 < byte < 0x7F else f"\\{byte:03d}"


def _chain(name: str, aliases: dict[str, str]) -> tuple[str, ...]:
    """The aliases that lead on from `name`, until one leads back or they are too many."""
    chain: list[str] = []
    while name in aliases and len(chain) < MAX_CHAIN:
        name = aliases[name]
        if name in chain:
            break
        chain.append(name)
    return tuple(chain)
