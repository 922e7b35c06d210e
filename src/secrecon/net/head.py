"""The head of an HTTP/1 response, read as tolerantly as browsers do and more (RFC 9112). Pure, bounded by the caller.

Everything forgiven is noted under a stable short name, so that a phase can tell a clean reply from an odd one; only
bytes that are no HTTP response at all raise ProtocolBroken. Text is latin-1, so no byte is lost.
"""

from __future__ import annotations

from dataclasses import dataclass

from secrecon.model.errors import ProtocolBroken
from secrecon.model.http import Headers

MAX_HEADERS = 512
MAX_LENGTH_DIGITS = 18
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_MEMO_ROWS = 4096
_MEMO_LENGTH = 128
_known: dict[str, tuple[tuple[str, str], str]] = {}
"""Proper header lines seen before -> ((name, value), the lower-case name where it is a framing header, else "").

Servers repeat themselves. A memo, bounded, whose rows depend on nothing but the line."""


@dataclass(slots=True)
class Head:
    """What a head says. `length`: the body's announced length, -1 where none. `persistent`: another request may
    follow on the connection. `codings`: how the body was coded, in the order applied, `chunked` left out."""

    status: int
    reason: str
    headers: Headers
    problems: list[str]
    length: int = -1
    chunked: bool = False
    persistent: bool = True
    codings: tuple[str, ...] = ()


def looks_like_http(start: bytes) -> bool:
    """False once the first bytes of a response show that it cannot be one."""
    upper = start[:4].upper()
    return b"HTTP".startswith(upper) or b"ICY ".startswith(upper)


def read_head(raw: bytes) -> Head:
    """Read a complete head: status line and header lines, with or without the final empty line."""
    text = raw.decode("latin-1")
    problems: list[str] = []
    if text.startswith(("\r", "\n")):
        text = text.lstrip("\r\n")
        problems.append("leading-blank-lines")
    pairs = text.count("\r\n")
    if text.count("\n") != pairs or text.count("\r") != pairs:
        lines = [line.removesuffix("\r") for line in text.split("\n")]
        if text.count("\n") != pairs:
            problems.append("bare-lf")
        if any("\r" in line for line in lines):
            problems.append("control-character")
    else:
        lines = text.split("\r\n")
    if "\0" in text and "control-character" not in problems:
        problems.append("control-character")
    version, status, reason = _status_line(lines[0], problems)
    head = Head(status, reason, (), problems)
    _read_headers(lines, head, version)
    return head


def _status_line(line: str, problems: list[str]) -> tuple[str, int, str]:
    version, _, rest = line.partition(" ")
    code, separator, reason = rest.partition(" ")
    if (
        version in ("HTTP/1.1", "HTTP/1.0")
        and len(code) == 3
        and code.isascii()
        and code.isdigit()
        and code >= "100"
    ):
        if not separator:
            problems.append("no-reason")
        return version, int(code), reason
    words = line.split(None, 2)
    if not words or not (words[0].upper().startswith("HTTP") or words[0].upper() == "ICY"):
        raise ProtocolBroken("the reply does not begin with an HTTP status line")
    if len(words) < 2 or not words[1][:3].isascii() or not words[1][:3].isdigit():
        raise ProtocolBroken("the status line holds no status code")
    problems.append("odd-status-line")
    version = words[0].upper()
    return version, int(words[1][:3]), words[2] if len(words) > 2 else ""


def _read_headers(lines: list[str], head: Head, version: str) -> None:
    problems = head.problems
    headers: list[tuple[str, str]] = []
    framing: list[tuple[str, str]] = []
    del lines[0]
    for line in lines:
        row = _known.get(line)
        if row is None:
            if not line:
                continue
            row = _read_line(line, headers, problems)
            if row is None:
                continue
        if len(headers) >= MAX_HEADERS:
            _note(problems, "too-many-headers")
            break
        pair, lower = row
        headers.append(pair)
        if lower:
            framing.append((lower, pair[1]))
    head.headers = tuple(headers)
    if "obs-fold" in problems:
        framing = [(name.lower(), value) for name, value in headers if name.lower() in _FRAMING]
    _frame(head, version, framing)


_FRAMING = frozenset({"content-length", "transfer-encoding", "connection", "content-encoding"})


def _read_line(
    line: str, headers: list[tuple[str, str]], problems: list[str]
) -> tuple[tuple[str, str], str] | None:
    """One header line as a row of `_known`; None where it makes no header of its own."""
    if line[0] in " \t" and headers:
        _note(problems, "obs-fold")
        last, value = headers[-1]
        headers[-1] = (last, f"{value} {line.strip()}".strip())
        return None
    name, colon, value = line.partition(":")
    if not colon:
        _note(problems, "no-colon")
        return None
    stripped = name.strip(" \t")
    if not stripped:
        _note(problems, "empty-name")
        return None
    lower = stripped.lower()
    row = ((stripped, value.strip(" \t")), lower if lower in _FRAMING else "")
    if stripped != name:
        _note(problems, "space-before-colon")
    elif not _TOKEN.issuperset(stripped):
        _note(problems, "odd-name")
    elif len(line) <= _MEMO_LENGTH:
        if len(_known) >= _MEMO_ROWS:
            _known.clear()
        _known[line] = row
    return row


def _frame(head: Head, version: str, framing: list[tuple[str, str]]) -> None:
    """Work out from the framing headers how the body ends and whether the connection lives on."""
    problems = head.problems
    lengths: list[str] = []
    transfers: list[str] = []
    contents: list[str] = []
    options = ""
    for name, value in framing:
        if name == "content-length":
            lengths.append(value)
        elif name == "connection":
            options += "," + value.lower()
        else:
            words = [word.partition(";")[0].strip().lower() for word in value.split(",")[:64]]
            (transfers if name == "transfer-encoding" else contents).extend(word for word in words if word)
    head.persistent = "close" not in options and (version == "HTTP/1.1" or "keep-alive" in options)
    if lengths:
        head.length = _length(lengths, problems)
    if transfers:
        _transfer(head, transfers, bool(lengths))
    if transfers or contents:
        head.codings = (*contents, *(word for word in transfers if word != "chunked"))
    if problems and not _HARMLESS.issuperset(problems):
        head.persistent = False


_HARMLESS = frozenset({"no-reason", "duplicate-content-length"})


def _transfer(head: Head, transfers: list[str], has_length: bool) -> None:
    coded = [word for word in transfers if word != "identity"]
    head.chunked = coded[-1:] == ["chunked"]
    if not head.chunked or coded != transfers or coded.count("chunked") > 1:
        head.problems.append("odd-transfer-encoding")
    if coded:
        if has_length:
            head.problems.append("length-and-transfer-encoding")
        head.length = -1


def _length(values: list[str], problems: list[str]) -> int:
    """The announced length; -1 where the values say none that can be believed."""
    first = values[0]
    if len(values) == 1 and first.isdigit() and first.isascii() and len(first) <= MAX_LENGTH_DIGITS:
        return int(first)
    parts = ",".join(values).split(",")
    numbers: list[int] = []
    for part in parts:
        digits = part.strip(" \t")
        if not digits.isascii() or not digits.isdigit() or len(digits) > MAX_LENGTH_DIGITS:
            _note(problems, "bad-content-length")
            continue
        numbers.append(int(digits))
    if len(set(numbers)) > 1:
        problems.append("conflicting-content-length")
    elif len(parts) > 1 and numbers:
        problems.append("duplicate-content-length")
    return numbers[0] if numbers else -1


def _note(problems: list[str], name: str) -> None:
    if name not in problems:
        problems.append(name)
