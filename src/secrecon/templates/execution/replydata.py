"""A response as templates see it: its variables and parts. Made once for a reply, shared by every template.

Set in this order, later overwrites: each cookie by its name, each header by its name (lower-case, `-` as `_`), then
status_code, body, all_headers, header, response, content_length. All text is bytes. The header text is what a client
of the reference's language would print: the status line, then framing, then names in canonical case, sorted.
"""

from __future__ import annotations

import functools

from secrecon.model.http import HttpReply

_FRAMING = frozenset({"Content-Length", "Transfer-Encoding", "Trailer"})
KEPT_NAME = 200
_GBK = ("gb2312", "gbk", "gb18030")


def reply_data(reply: HttpReply, *, bare: bool = False) -> dict[str, object]:
    """The variables of `reply`. `bare`: as if it had no body."""
    data: dict[str, object] = {}
    for name, value in _cookies(reply):
        data[name] = value
    for name, value in _joined(reply).items():
        data[name] = value
    head = header_text(reply)
    body = b"" if bare else decoded(reply)
    data["status_code"] = reply.status
    data["body"] = body
    data["all_headers"] = data["header"] = head
    data["response"] = head + body
    data["content_length"] = _length(reply, body)
    return data


def header_text(reply: HttpReply) -> bytes:
    """Status line and headers, canonical and sorted, each line with CRLF and an empty line at the end."""
    lines = [f"{_protocol(reply)} {reply.status:03} {_reason(reply)}"]
    by_name: dict[str, list[str]] = {}
    for name, value in reply.headers:
        by_name.setdefault(canonical(name), []).append(value)
    if any("close" in value.lower() for value in by_name.get("Connection", [])):
        lines.append("Connection: close")
        del by_name["Connection"]
    if "Transfer-Encoding" in by_name:
        lines.append(f"Transfer-Encoding: {by_name['Transfer-Encoding'][-1]}")
    elif "Content-Length" in by_name:
        lines.append(f"Content-Length: {by_name['Content-Length'][-1]}")
    for name in sorted(by_name):
        if name not in _FRAMING:
            lines += [f"{name}: {value}" for value in by_name[name]]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


def canonical(name: str) -> str:
    """`x-powered-by` as `X-Powered-By`; a name with odd characters stays as it is."""
    return _kept(name) if len(name) <= KEPT_NAME else _canonical(name)


def _canonical(name: str) -> str:
    if not name or not all(char.isascii() and (char.isalnum() or char in "!#$%&'*+-.^_`|~") for char in name):
        return name
    return "-".join(part[:1].upper() + part[1:].lower() for part in name.split("-"))


_kept = functools.lru_cache(maxsize=1024)(_canonical)


def decoded(reply: HttpReply) -> bytes:
    """The body; Chinese and Cyrillic code pages as UTF-8, everything else untouched."""
    kind = (reply.header("content-type") or "").lower()
    if any(name in kind for name in _GBK):
        return reply.body.decode("gb18030", "replace").encode()
    if "windows-1251" in kind:
        return reply.body.decode("cp1251", "replace").encode()
    return reply.body


def cookie_pairs(reply: HttpReply) -> tuple[tuple[str, str, str], ...]:
    """(name, value, attributes) of each Set-Cookie that has a name."""
    found = []
    for line in reply.all("set-cookie"):
        pair, _, attributes = line.partition(";")
        name, equals, value = pair.strip().partition("=")
        if equals and name.strip():
            found.append((name.strip(), value.strip().strip('"'), attributes))
    return tuple(found)


def _protocol(reply: HttpReply) -> str:
    start = reply.raw_head[:9]
    return start[:8].decode("latin-1") if start.startswith(b"HTTP/") and len(start) > 8 else "HTTP/1.1"


def _reason(reply: HttpReply) -> str:
    """The reason phrase; where the status line ends with the number itself, the number again, as the reference has it."""
    if reply.reason:
        return reply.reason
    return "" if reply.raw_head.partition(b"\r\n")[0].endswith(b" ") else str(reply.status)


def _cookies(reply: HttpReply) -> list[tuple[str, bytes]]:
    return [(name.lower(), value.encode("latin-1", "replace")) for name, value, _ in cookie_pairs(reply)]


def _joined(reply: HttpReply) -> dict[str, bytes]:
    values: dict[str, list[str]] = {}
    for name, value in reply.headers:
        values.setdefault(name.lower().replace("-", "_").strip(), []).append(value)
    return {name: " ".join(each).encode("latin-1", "replace") for name, each in values.items()}


def _length(reply: HttpReply, body: bytes) -> int:
    """Content-Length where the response was not compressed on the way and said one, else the body's length."""
    said = (reply.header("content-length") or "").strip()
    if said.isascii() and said.isdigit() and len(said) < 16 and not reply.header("content-encoding"):
        return int(said)
    return len(body)
