"""The LDAP catcher, without I/O: a directory client's bytes in, answers and the searches it made out (RFC 4511, 4515).

Every bind succeeds and every search finds nothing, so a client that looks for an object to load gets none. A token is
looked for in the base name and in the filter. Messages, nesting and their number are bounded; anything that is no LDAP
ends the connection. StartTLS throws away what came before it in the same breath.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from secrecon.oast.tokens import find_tokens

MAX_MESSAGE = 65_536
MAX_MESSAGES = 200
MAX_DEPTH = 20
MAX_SHOWN = 4_096
START_TLS = b"1.3.6.1.4.1.1466.20037"
_BIND, _UNBIND, _SEARCH, _ABANDON, _EXTENDED = 0x60, 0x42, 0x63, 0x50, 0x77
_DONE = {0x60: 0x61, 0x63: 0x65, 0x66: 0x67, 0x68: 0x69, 0x4A: 0x6B, 0x6C: 0x6D, 0x6E: 0x6F, 0x77: 0x78}
_SUCCESS, _UNWILLING = 0, 53


class NotLdap(Exception):
    """What came cannot be read as LDAP."""


@dataclass(frozen=True, slots=True)
class Search:
    """One search, or (with `base` "") a bind that named somebody. `request`: it in words."""

    base: str
    tokens: tuple[str, ...]
    request: bytes


@dataclass(slots=True)
class Step:
    """What to do after some bytes: write `reply`, record `searches`, then encrypt or close."""

    reply: bytes = b""
    searches: list[Search] = field(default_factory=list)
    encrypt: bool = False
    close: bool = False


class LdapCatcher:
    """One connection. `tls`: whether StartTLS is granted."""

    def __init__(self, *, tls: bool = False) -> None:
        self._tls = tls
        self._buffer = bytearray()
        self._count = 0

    def encrypted(self) -> None:
        """The connection is encrypted now."""
        self._tls = False
        self._buffer.clear()

    def feed(self, data: bytes) -> Step:
        """Take in bytes."""
        step = Step()
        self._buffer += data
        try:
            while not (step.close or step.encrypt):
                size = _size(self._buffer)
                if size is None or len(self._buffer) < size:
                    break
                message = bytes(self._buffer[:size])
                del self._buffer[:size]
                self._message(message, step)
        except NotLdap:
            step.close = True
        return step

    def _message(self, message: bytes, step: Step) -> None:
        self._count += 1
        if self._count > MAX_MESSAGES:
            step.close = True
            return
        _, inside, _ = _read(message, 0)
        tag, number, at = _read(inside, 0)
        if tag != 0x02 or not 0 < len(number) <= 4:
            raise NotLdap
        op, body, _ = _read(inside, at)
        match op:
            case 0x42:
                step.close = True
            case 0x50:
                return
            case 0x60:
                step.reply += _result(number, op, _SUCCESS)
                self._bind(body, step)
            case 0x63:
                step.searches.append(_search(body))
                step.reply += _result(number, op, _SUCCESS)
            case 0x77:
                _, name, _ = _read(body, 0)
                granted = name == START_TLS and self._tls
                step.reply += _result(number, op, _SUCCESS if granted else _UNWILLING)
                if granted:
                    self._buffer.clear()
                    step.encrypt = True
            case _ if op in _DONE:
                step.reply += _result(number, op, _UNWILLING)
            case _:
                raise NotLdap

    def _bind(self, body: bytes, step: Step) -> None:
        """Whoever binds with a name of ours has contacted us; the password is not kept."""
        _, _, at = _read(body, 0)
        _, name, _ = _read(body, at)
        who = _text(name)
        if who:
            step.searches.append(Search("", find_tokens(who), f"Type=Bind\nName={who}\n".encode()))


def _search(body: bytes) -> Search:
    parts: list[tuple[int, bytes]] = []
    at = 0
    while at < len(body) and len(parts) < 8:
        tag, value, at = _read(body, at)
        parts.append((tag, value))
    if len(parts) < 7:
        raise NotLdap
    base = _text(parts[0][1])
    kind, inside = parts[6]
    shown = _filter(kind, inside, 0)[:MAX_SHOWN]
    asked: list[str] = []
    if len(parts) > 7:
        at = 0
        while at < len(parts[7][1]) and len(asked) < 100:
            _, name, at = _read(parts[7][1], at)
            asked.append(_text(name)[:200])
    limit = int.from_bytes(parts[4][1][:4], "big")
    words = (
        f"Type=Search\nBaseDn={base}\nFilter={kind & 0x1F}\nFilterString={shown}\nAttributes={','.join(asked)}\n"
        f"TimeLimit={limit}\n"
    )
    tokens = dict.fromkeys((*find_tokens(base), *find_tokens(shown)))
    return Search(base, tuple(tokens), words.encode("utf-8", "replace"))


def _filter(tag: int, value: bytes, depth: int) -> str:
    """A filter as text, for reading only."""
    if depth > MAX_DEPTH:
        raise NotLdap
    if tag in (0xA0, 0xA1, 0xA2):
        inner: list[str] = []
        at = 0
        while at < len(value) and len(inner) < 50:
            kind, body, at = _read(value, at)
            inner.append(_filter(kind, body, depth + 1))
        return "(" + {0xA0: "&", 0xA1: "|", 0xA2: "!"}[tag] + "".join(inner) + ")"
    if tag == 0x87:
        return f"({_text(value)}=*)"
    if tag in (0xA3, 0xA5, 0xA6, 0xA8):
        _, name, at = _read(value, 0)
        _, against, _ = _read(value, at)
        sign = {0xA3: "=", 0xA5: ">=", 0xA6: "<=", 0xA8: "~="}[tag]
        return f"({_text(name)}{sign}{_text(against)})"
    if tag in (0xA4, 0xA9):
        return f"(complex {_text(value)[:500]})"
    raise NotLdap


def _text(value: bytes) -> str:
    shown = value[:MAX_SHOWN].decode("utf-8", "replace")
    return "".join(char if char.isprintable() else "?" for char in shown)


def _size(buffer: bytearray) -> int | None:
    """How long the first message is; None while that is not known. Raises NotLdap."""
    if not buffer:
        return None
    if buffer[0] != 0x30:
        raise NotLdap
    if len(buffer) < 2:
        return None
    length = buffer[1]
    if length < 0x80:
        return 2 + length
    count = length & 0x7F
    if not 1 <= count <= 4:
        raise NotLdap
    if len(buffer) < 2 + count:
        return None
    size = 2 + count + int.from_bytes(buffer[2 : 2 + count], "big")
    if size > MAX_MESSAGE:
        raise NotLdap
    return size


def _read(data: bytes, at: int) -> tuple[int, bytes, int]:
    """(tag, value, where the next begins) of the element at `at`. Raises NotLdap."""
    if at + 2 > len(data):
        raise NotLdap
    tag, length = data[at], data[at + 1]
    start = at + 2
    if length & 0x80:
        count = length & 0x7F
        if not 1 <= count <= 4 or start + count > len(data):
            raise NotLdap
        length = int.from_bytes(data[start : start + count], "big")
        start += count
    if start + length > len(data):
        raise NotLdap
    return tag, data[start : start + length], start + length


def _result(number: bytes, op: int, code: int) -> bytes:
    body = bytes((0x0A, 1, code, 0x04, 0, 0x04, 0))
    message = bytes((0x02, len(number))) + number + bytes((_DONE[op], len(body))) + body
    return bytes((0x30, len(message))) + message
