"""Evidence of an HTTP exchange: what was sent, what came back, what in it proves the point, and how to replay it.

Everything shown here came from the target and is hostile: it is cut before it is touched, every byte that is not
printable ASCII, newline or tab is written as \\xNN, and secrets are masked before the cut, so that half a secret
never survives at an edge. Commands are quoted for a POSIX shell word by word. Nothing here decides what is a
finding; nothing here is sent.
"""

from __future__ import annotations

import ipaddress
import shlex
from collections.abc import Iterable

from secrecon.model.finding import Evidence
from secrecon.model.http import HttpReply, HttpRequest

MAX_REQUEST = 2_000
MAX_HEAD = 1_500
MAX_BODY = 1_500
MAX_WORDS = 500
MAX_COMMAND = 7_000
_WINDOW = 200_000
_PRINTABLE = frozenset(range(0x20, 0x7F)) | {0x09, 0x0A}
_ADDED = frozenset({"host", "connection", "content-length", "accept-encoding", "transfer-encoding"})

Text = str | bytes


def http_evidence(
    request: HttpRequest,
    reply: HttpReply,
    matcher: str,
    summary: str,
    mask: Iterable[Text] = (),
    *,
    around: int = 0,
    body: Text | None = None,
) -> Evidence:
    """The evidence of one exchange. `matcher`: in words, what in the response proves it.

    `mask`: secrets that must not be shown; each becomes its first two characters and `***`, and so do the values of
    cookies. `around`: where in the body the proof is; the excerpt is cut around it. `body`: shown in place of the
    reply's own body (for a caller that masked it itself).
    """
    secrets = (*(_bytes(secret) for secret in mask), *_cookie_values(reply))
    shown = reply.body if body is None else _bytes(body)
    response = excerpt(reply.raw_head or _head(reply), MAX_HEAD, secrets).rstrip("\n")
    text = excerpt(shown, MAX_BODY, secrets, around)
    return Evidence(
        kind="http",
        summary=printable(_bytes(summary))[:MAX_WORDS],
        request=excerpt(reply.request_bytes or sent_bytes(request), MAX_REQUEST, secrets),
        response=f"{response}\n\n{text}" if text else response,
        matcher=printable(_bytes(matcher))[:MAX_WORDS],
        curl=curl_command(request, reply),
    )


def excerpt(data: bytes, limit: int, mask: Iterable[Text] = (), around: int = 0) -> str:
    """At most `limit` bytes of `data` around a place, masked and printable; a note says what was left out."""
    first = max(0, min(around, len(data)) - _WINDOW // 2)
    window = mask_all(data[first : first + _WINDOW], mask)
    start = max(0, min(around - first, len(window)) - limit // 3) if around else 0
    start = min(start, max(0, len(window) - limit))
    cut = window[start : start + limit]
    before = "[...] " if first + start else ""
    left = len(window) - start - len(cut) + max(0, len(data) - first - _WINDOW)
    return before + printable(cut) + (f"\n[... {left} more bytes]" if left > 0 else "")


def printable(data: Text) -> str:
    """`data` with CRLF as newline and every byte that is not printable ASCII, newline or tab as \\xNN."""
    raw = _bytes(data).replace(b"\r\n", b"\n")
    return "".join(chr(byte) if byte in _PRINTABLE else f"\\x{byte:02x}" for byte in raw)


def masked(secret: str) -> str:
    """The first two characters and `***`; only `***` where the secret is shorter than six characters."""
    return (secret[:2] if len(secret) >= 6 else "") + "***"


def mask_all(data: bytes, secrets: Iterable[Text]) -> bytes:
    """`data` with every secret masked, the longest first so that none hides inside another."""
    for secret in sorted({_bytes(s) for s in secrets if s}, key=len, reverse=True):
        if secret in data:
            data = data.replace(secret, masked(secret.decode("latin-1")).encode("latin-1"))
    return data


def sent_bytes(request: HttpRequest) -> bytes:
    """The request as bytes: what `raw` says, or request line, Host, headers and body."""
    if request.raw is not None:
        return request.raw
    names = {name.lower() for name, _ in request.headers}
    host = () if "host" in names else (("Host", request.origin.authority),)
    lines = [f"{request.method} {request.target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in (*host, *request.headers)]
    return _bytes("\r\n".join(lines) + "\r\n\r\n") + request.body


def curl_command(request: HttpRequest, reply: HttpReply | None = None) -> str:
    """A shell command that repeats the request; where it would be longer than MAX_COMMAND, a comment that says so.

    No request is cut, as it would show nothing; and a here-document is no way out, as it holds the whole body too and
    adds a newline to it. A certificate that was not trusted needs `-k`; a name that led to an address that is not
    public is pinned to it with `--resolve`, because the reader's own resolver may not know it. Bytes that curl cannot
    send as arguments come from `printf` through a pipe.
    """
    if request.raw is not None:
        return _not_too_long(_raw_command(request))
    words = ["curl", "-s", "-i", "-g", "--path-as-is"]
    if reply is not None and reply.tls is not None and not reply.tls.trusted:
        words.append("-k")
    if reply is not None and _needs_pin(request, reply):
        address = f"[{reply.address}]" if ":" in reply.address else reply.address
        words += ["--resolve", f"{request.origin.host}:{request.origin.port}:{address}"]
    if request.method == "HEAD":
        words.append("-I")
    elif request.method != ("POST" if request.body else "GET"):
        words += ["-X", request.method]
    for name, value in request.headers:
        if name.lower() not in _ADDED or (name.lower() == "host" and value != request.origin.authority):
            words += ["-H", f"{name}: {value}" if value else f"{name};"]
    pipe = ""
    if request.body:
        if all(byte in _PRINTABLE for byte in request.body) and not request.body.startswith(b"@"):
            words += ["--data-binary", request.body.decode("ascii")]
        else:
            words += ["--data-binary", "@-"]
            pipe = f"printf {shlex.quote(_printf(request.body))} | "
    words.append(request.url)
    command = pipe + " ".join(shlex.quote(_one_line(word)) for word in words)
    return _not_too_long(command)


def _not_too_long(command: str) -> str:
    if len(command) <= MAX_COMMAND:
        return command
    return (
        f"# No command: with its whole request it would be {len(command):,} characters long. Send the target's own "
        "request from where it was met (its page or API description), changed only in the input that is named here."
    )


def _raw_command(request: HttpRequest) -> str:
    origin = request.origin
    sent = f"printf {shlex.quote(_printf(request.raw or b''))}"
    if origin.scheme == "https":
        host = f"[{origin.host}]" if ":" in origin.host else origin.host
        return f"{sent} | openssl s_client -quiet -servername {shlex.quote(origin.host)} -connect " + shlex.quote(
            f"{host}:{origin.port}"
        )
    return f"{sent} | nc {shlex.quote(origin.host)} {origin.port}"


def _printf(data: bytes) -> str:
    """`data` as a printf(1) format: octal for everything that is not plain."""
    plain = frozenset(range(0x20, 0x7F)) - {0x25, 0x5C}
    return "".join(chr(byte) if byte in plain else f"\\{byte:03o}" for byte in data)


def _one_line(word: str) -> str:
    """No control character reaches a command: a terminal would act on it when the command is pasted."""
    return "".join(char if char.isprintable() or char in "\n\t" else "?" for char in word)


def _needs_pin(request: HttpRequest, reply: HttpReply) -> bool:
    if not reply.address or reply.address == request.origin.host:
        return False
    try:
        return not ipaddress.ip_address(reply.address).is_global
    except ValueError:
        return False


def _cookie_values(reply: HttpReply) -> tuple[bytes, ...]:
    """The values of cookies that were set: a session is nobody's business, a report's reader's least of all."""
    values = (value.split(";", 1)[0].partition("=")[2].strip() for value in reply.all("set-cookie")[:50])
    return tuple(_bytes(value[:4_000]) for value in values if len(value) >= 6)


def _head(reply: HttpReply) -> bytes:
    lines = [f"HTTP/1.1 {reply.status} {reply.reason}".rstrip()]
    return _bytes("\r\n".join(lines + [f"{name}: {value}" for name, value in reply.headers]))


def _bytes(text: Text) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
