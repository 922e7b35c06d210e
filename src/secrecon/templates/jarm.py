"""JARM: a fingerprint of how a TLS server chooses, from its answers to ten fixed client hellos.

The method is public (its authors' description and reference program of November 2020). Here are the bytes of the ten
hellos and the reading of the answers; somebody else sends. The fingerprint is 62 hexadecimal digits: for each hello a
number for the cipher that was chosen and a letter for the version, then a digest over the extensions.
"""

from __future__ import annotations

import hashlib
import random
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")
READ = 400
"""How much of an answer is looked at: a server hello is shorter, and waiting for more takes time."""
NOTHING = "|||"
NO_TLS = "0" * 62
_CIPHERS = bytes.fromhex(
    "001600330067c09ec0a2"
    + "009e0039006bc09fc0a3009f004500be008800c4009ac008c009c023c0acc0aec02bc00ac024c0adc0afc02cc072c073cca9"
    + "13021301cc14c007c012c013c027c02fc014c028c030c060c061c076c077cca8130513041303cc13c011000a002f003c"
    + "c09cc0a0009c0035003dc09dc0a1009d004100ba008400c0000700040005"
)
_OFFERED = tuple(_CIPHERS[at : at + 2] for at in range(0, len(_CIPHERS), 2))
_BEFORE_13 = tuple(cipher for cipher in _OFFERED if cipher[0] != 0x13)
_NUMBERED = tuple(sorted(_OFFERED, key=lambda cipher: (cipher[0] == 0x13, cipher)))
_GREASE = tuple(bytes((high << 4 | 0xA, high << 4 | 0xA)) for high in range(16))
_OLD_NAMES = (b"\x08http/0.9", b"\x08http/1.0")
_NAMES = (*_OLD_NAMES, b"\x08http/1.1", b"\x06spdy/1", b"\x06spdy/2", b"\x06spdy/3\x02h2", b"\x03h2c", b"\x02hq")
_RARE_NAMES = (*_OLD_NAMES, b"\x06spdy/1", b"\x06spdy/2", b"\x06spdy/3", b"\x03h2c", b"\x02hq")
_RECORDS = {"1.1": b"\x03\x02", "1.2": b"\x03\x03", "1.3": b"\x03\x01"}


@dataclass(frozen=True, slots=True)
class _Hello:
    """`order`: of the ciphers; `backward`: of names and versions; `versions`: the highest offered in the extension, ""
    for no such extension."""

    version: str
    order: str
    grease: bool = False
    rare: bool = False
    versions: str = ""
    backward: bool = False
    without_13: bool = False


_HELLOS = (
    _Hello("1.2", "forward", versions="1.2", backward=True),
    _Hello("1.2", "reverse", versions="1.2"),
    _Hello("1.2", "top half"),
    _Hello("1.2", "bottom half", rare=True),
    _Hello("1.2", "middle out", grease=True, rare=True, backward=True),
    _Hello("1.1", "forward"),
    _Hello("1.3", "forward", versions="1.3", backward=True),
    _Hello("1.3", "reverse", versions="1.3"),
    _Hello("1.3", "forward", versions="1.3", without_13=True),
    _Hello("1.3", "middle out", grease=True, versions="1.3", backward=True),
)


def hellos(host: str, chance: random.Random) -> tuple[bytes, ...]:
    """The ten records to send to `host`, each on a connection of its own; `chance` fills what is random in them."""
    return tuple(
        _record(hello, host.encode("idna") if not host.isascii() else host.encode(), chance) for hello in _HELLOS
    )


def fingerprint(answers: Sequence[bytes]) -> str:
    """The fingerprint from what came back for each hello, b"" where nothing did."""
    told = [_read(answer) for answer in answers]
    if all(each == NOTHING for each in told):
        return NO_TLS
    parts = [each.split("|") for each in told]
    chosen = "".join(_number(cipher) + _letter(version) for cipher, version, *_ in parts)
    rest = "".join(part[2] + part[3] for part in parts)
    return chosen + hashlib.sha256(rest.encode()).hexdigest()[:32]


def _ordered(items: Sequence[T], order: str) -> list[T]:
    middle, odd = len(items) // 2, len(items) % 2
    if order == "reverse":
        return list(reversed(items))
    if order == "bottom half":
        return list(items[middle + odd :])
    if order == "top half":
        return list(reversed(items[: middle + odd]))
    if order == "middle out":
        found = [items[middle]] if odd else []
        for step in range(1, middle + 1):
            found += [items[middle - 1 + odd + step], items[middle - step]]
        return found
    return list(items)


def _record(hello: _Hello, host: bytes, chance: random.Random) -> bytes:
    ciphers = _ordered(_BEFORE_13 if hello.without_13 else _OFFERED, hello.order)
    if hello.grease:
        ciphers.insert(0, chance.choice(_GREASE))
    offered = b"".join(ciphers)
    body = b"\x03\x02" if hello.version == "1.1" else b"\x03\x03"
    body += chance.randbytes(32) + b"\x20" + chance.randbytes(32) + _sized(offered) + b"\x01\x00"
    body += _sized(_extensions(hello, host, chance))
    handshake = b"\x01" + struct.pack(">I", len(body))[1:] + body
    return b"\x16" + _RECORDS[hello.version] + _sized(handshake)


def _sized(data: bytes) -> bytes:
    return struct.pack(">H", len(data)) + data


def _extensions(hello: _Hello, host: bytes, chance: random.Random) -> bytes:
    direction = "reverse" if hello.backward else "forward"
    names = b"".join(_ordered(_RARE_NAMES if hello.rare else _NAMES, direction))
    share = chance.choice(_GREASE) + b"\x00\x01\x00" if hello.grease else b""
    share += b"\x00\x1d" + _sized(chance.randbytes(32))
    found = chance.choice(_GREASE) + b"\x00\x00" if hello.grease else b""
    found += b"\x00\x00" + _sized(_sized(b"\x00" + _sized(host)))
    found += bytes.fromhex("001700000001000101ff01000100000a000a0008001d001700180019000b0002010000230000")
    found += b"\x00\x10" + _sized(_sized(names))
    found += bytes.fromhex("000d00140012040308040401050308050501080606010201")
    found += b"\x00\x33" + _sized(_sized(share)) + bytes.fromhex("002d00020101")
    if hello.versions:
        lowest = [b"\x03\x01", b"\x03\x02", b"\x03\x03", b"\x03\x04"][: 3 if hello.versions == "1.2" else 4]
        versions = (chance.choice(_GREASE) if hello.grease else b"") + b"".join(_ordered(lowest, direction))
        found += b"\x00\x2b" + _sized(bytes([len(versions)]) + versions)
    return found


def _read(answer: bytes) -> str:
    """cipher|version|protocol|extensions of a server hello; all empty where it is none."""
    data = answer[:READ]
    try:
        if data[0] != 22 or data[5] != 2:
            return NOTHING
        session = data[43]
        cipher, version = data[session + 44 : session + 46], data[9:11]
        return f"{cipher.hex()}|{version.hex()}|{_told(data, session)}"
    except (IndexError, ValueError):
        return NOTHING


def _told(data: bytes, session: int) -> str:
    at = session + 47
    if at >= len(data) or data[at] == 11:  # the next message follows at once: there are no extensions
        return "|"
    if data[at + 3 : at + 6] == b"\x0e\xac\x0b" or data[82:85] == b"\x0f\xf0\x0b":
        return "|"
    end = at + 1 + int.from_bytes(data[at : at + 2], "big")
    at += 2
    kinds: list[str] = []
    protocol = ""
    while at < end:
        kind, size = data[at : at + 2], data[at + 2 : at + 4]
        if len(size) < 2:
            raise ValueError("the answer ends within its extensions")
        length = int.from_bytes(size, "big")
        if kind == b"\x00\x10" and not protocol:
            protocol = data[at + 7 : at + 4 + length].decode()
        kinds.append(kind.hex())
        at += 4 + length
    return f"{protocol}|{'-'.join(kinds)}"


def _number(cipher: str) -> str:
    if not cipher:
        return "00"
    chosen = bytes.fromhex(cipher)
    return f"{_NUMBERED.index(chosen) + 1 if chosen in _NUMBERED else len(_NUMBERED) + 1:02x}"


def _letter(version: str) -> str:
    return "abcdef"[int(version[3], 16)] if version and version[3] in "012345" else "0"
