"""Takes the secrets out of an exposed file before it becomes evidence: names stay, values become `ab***`.

What is kept must still let a reader see that the file is what the finding says; what is lost must be every value that
could be used. When in doubt, more is masked. RE2 only, and one shape a pattern: of two in one, the longer would be
tried to the end of the text at every match of the shorter. The text is bounded by the caller's body cap.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import re2

from secrecon.detect.evidence import masked

_PAIR = re2.compile(rb"(?m)^([^=:\n]{1,120}[=:][ \t]*)([^\r\n]+)")
_STRING = re2.compile(rb"""((?:=>|[=,:(\[])\s*)(?:"([^"\n]*)"|'([^'\n]*)')""")
_DEFINED = re2.compile(rb"""(?i)(\bdefine\s*\(\s*)(?:"([A-Z0-9_]*)"|'([A-Z0-9_]*)')""")
_URL_LOGIN = re2.compile(rb"(://)([^/\s:@]*):([^@\s/]+)@")
_TOKEN_IN_URL = re2.compile(rb"(://)([^/\s:@]{8,})@")
_PEM = re2.compile(rb"(?s)(-----BEGIN [^\n-]*-----)(.*?)(-----END [^\n-]*-----|\z)")
_PUTTY = re2.compile(rb"(?s)((?:Private|Public)-Lines: [0-9]+\r?\n)(.*?)((?:Private|Public)-|\z)")
_DATA_LINE = re2.compile(rb"(?m)^(?:--|CREATE |DROP |ALTER |\)|SET |USE |PRAGMA |BEGIN|/\*!)[^\n]*")
_CELL = re2.compile(rb"""(<td class="v">)([^<]*)""")
_IP = re2.compile(rb"\b([0-9]{1,3}\.)[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\b")
_MAIL = re2.compile(rb"[\w.+-]+@[\w-]+\.[\w.]+")
_QUERY = re2.compile(rb"(\?)[^\s\"'<]+")
_ROW = re2.compile(rb"(?is)<tr>\s*<td>.*?</tr>")


class _Found(Protocol):
    def group(self, index: int = 0) -> bytes | None: ...


def mask_body(body: bytes, kind: str) -> bytes:
    """`body` with its secrets masked the way its `kind` of file needs; logins in addresses always are."""
    return _MASKS.get(kind, _urls)(body)


def _short(secret: bytes) -> bytes:
    return masked(secret.decode("latin-1").strip("\"' ,;")).encode("latin-1", "replace")


def _part(found: _Found, index: int) -> bytes:
    return found.group(index) or b""


def _none(body: bytes) -> bytes:
    return _urls(body)


def _hide(body: bytes) -> bytes:
    return body[:16] + (b"\n[the rest is not shown]" if len(body) > 16 else b"")


def _urls(body: bytes) -> bytes:
    body = _sub(_URL_LOGIN, lambda m: _part(m, 1) + _short(_part(m, 2)) + b":***@", body)
    return _sub(_TOKEN_IN_URL, lambda m: _part(m, 1) + _short(_part(m, 2)) + b"@", body)


def _pairs(body: bytes) -> bytes:
    lines = []
    for line in body.split(b"\n"):
        kept = line.lstrip().startswith((b"#", b";", b"//", b"["))
        lines.append(b"#***" if kept and b"=" in line else line if kept else _pair(line))
    return _urls(b"\n".join(lines))


def _pair(line: bytes) -> bytes:
    found = _PAIR.search(line)
    if found is None:
        text = line.strip()
        return line if len(text) < 3 or text.endswith((b":", b"{", b"}")) else _short(text)
    return _part(found, 1) + _short(_part(found, 2))


def _strings(body: bytes) -> bytes:
    """Quoted values after =, =>, a comma, a colon or a bracket; the name that `define` defines stays."""
    kept = _sub(_DEFINED, lambda m: _part(m, 1) + b"\x00" + _part(m, 2) + _part(m, 3) + b"\x00", body)
    kept = _sub(_STRING, lambda m: _part(m, 1) + b'"' + _short(_part(m, 2) + _part(m, 3)) + b'"', kept)
    return _urls(kept.replace(b"\x00", b"'"))


def _pem(body: bytes) -> bytes:
    body = _sub(_PEM, lambda m: _part(m, 1) + b"\n***\n" + _part(m, 3), body)
    return _sub(_PUTTY, lambda m: _part(m, 1) + b"***\n" + _part(m, 3), body)


def _rows(body: bytes) -> bytes:
    """Of a dump: comments and table definitions; never a row of data."""
    lines = [found.group(0)[:300] for found in _DATA_LINE.finditer(body)]
    return b"\n".join(lines) if lines else _hide(body)


def _cells(body: bytes) -> bytes:
    return _urls(_sub(_CELL, lambda m: _part(m, 1) + _short(_part(m, 2)), body))


def _addresses(body: bytes) -> bytes:
    body = _sub(_MAIL, lambda m: b"***", body)
    body = _sub(_IP, lambda m: _part(m, 1) + b"***", body)
    return _urls(_sub(_QUERY, lambda m: _part(m, 1) + b"***", body))


def _status(body: bytes) -> bytes:
    """A status page without the visitors: rows of requests go, addresses are cut."""
    return _addresses(_ROW.sub(b"<tr><td>***</td></tr>", body))


def _sub(pattern: re2._Regexp, change: Callable[[_Found], bytes], body: bytes) -> bytes:
    changed: bytes = pattern.sub(change, body)
    return changed


_MASKS: dict[str, Callable[[bytes], bytes]] = {
    "": _none,
    "hide": _hide,
    "urls": _urls,
    "pairs": _pairs,
    "strings": _strings,
    "pem": _pem,
    "rows": _rows,
    "cells": _cells,
    "addresses": _addresses,
    "status": _status,
}
MASKS = frozenset(_MASKS)
