"""Request bodies and header values written so that any text can stand in them: forms, multipart, JSON, XML.

Text is percent-encoded, escaped or cut down to what its place may hold, and never ends the place that it stands in
(RFC 7578 for multipart, RFC 8259 for JSON, XML 1.0 for XML). Dotted names are nested objects or elements. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote
from xml.sax.saxutils import escape as xml_escape

from secrecon.model.record import JsonValue

MAX_DEPTH = 12
MAX_VALUE = 4_096
BOUNDARY = "secrecon-form-boundary-7f3a91"
URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
XML = "application/xml"
ENTITY = "probe"
"""The name of the entity that `xml_document` refers to."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as a form sends it. `name`: plain ASCII without quotes. `kind`: its media type."""

    name: str
    kind: str
    content: bytes


NO_FILE = Upload("", "application/octet-stream", b"")
"""What a browser sends for a file field in which nothing was chosen."""


def escaped(text: str) -> str:
    """`text` percent-encoded, at most MAX_VALUE characters of it."""
    return quote(text[:MAX_VALUE], safe="", errors="surrogatepass" if text.isascii() else "replace")


def urlencoded(pairs: Sequence[tuple[str, str]]) -> str:
    """Names and values as a query or a form holds them."""
    return "&".join(f"{escaped(name)}={escaped(text)}" for name, text in pairs)


def multipart(fields: Sequence[tuple[str, str | Upload]]) -> bytes:
    """A multipart form with BOUNDARY."""
    out = b""
    for name, value in fields:
        quoted = header_value(name).replace("\\", "\\\\").replace('"', "%22")
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{quoted}"'
        if isinstance(value, Upload):
            head += f'; filename="{value.name}"\r\nContent-Type: {value.kind}'
            content = value.content
        else:
            content = value[:MAX_VALUE].encode("utf-8", "replace")
        out += head.encode("ascii", "replace") + b"\r\n\r\n" + content + b"\r\n"
    return out + f"--{BOUNDARY}--\r\n".encode("ascii")


def header_name(name: str) -> str:
    """`name` cut down to what a header's name may hold."""
    allowed = "!#$%&'*+-.^_`|~"
    return "".join(c for c in name[:100] if c.isascii() and (c.isalnum() or c in allowed)) or "X"


def header_value(text: str) -> str:
    """`text` cut down to what a header may hold."""
    return "".join(c for c in text[:MAX_VALUE] if " " <= c <= "~").strip()


def cookie_value(text: str) -> str:
    """`text` as the value of a cookie."""
    return header_value(text).replace(";", "%3B").replace(",", "%2C").replace(" ", "%20")


def literal(text: str) -> JsonValue:
    """A kept JSON value: what reads as a number, true, false or null is one, everything else stays text."""
    if len(text) > 30:
        return text
    try:
        value: JsonValue = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, int | float | bool) or value is None else text


def json_body(fields: Sequence[tuple[str, JsonValue]]) -> bytes:
    """Dotted paths as nested objects; `items.0.url`, `items[0].url` and `items[].url` as lists."""
    root: dict[str, JsonValue] = {}
    for name, value in fields:
        keys = name.replace("[]", ".0").replace("[", ".").replace("]", "").split(".")[:MAX_DEPTH]
        keys = [key for key in keys if key] or [name]
        here = root
        for key in keys[:-1]:
            below = here.setdefault(key, {})
            if not isinstance(below, dict):
                below = here[key] = {}
            here = below
        here[keys[-1]] = value
    return json.dumps({key: _lists(value) for key, value in root.items()}).encode("ascii")


def _lists(value: JsonValue) -> JsonValue:
    if not isinstance(value, dict):
        return value
    items = {key: _lists(item) for key, item in value.items()}
    return list(items.values()) if items and all(key.isascii() and key.isdigit() for key in items) else items


_Element = dict[str, "str | _Element"]


def xml_document(fields: Sequence[tuple[str, str]], *, external: str = "", subset: str = "") -> bytes:
    """Dotted paths as nested elements, the first part of the first name being the root; `a.@href` is an attribute, and
    `a.b#1` and `a.b#2` are two elements `b`.

    `external`: the address of an external entity that every element refers to. `subset`: of an external subset.
    """
    root = _name(fields[0][0].split(".")[0]) if fields else "request"
    tree: _Element = {}
    for name, value in fields:
        keys = [key for key in name.split(".")[1:MAX_DEPTH] if key] or ["value"]
        here = tree
        for key in keys[:-1]:
            below = here.setdefault(key, {})
            if isinstance(below, str):
                below = here[key] = {}
            here = below
        here[keys[-1]] = value
    text = '<?xml version="1.0" encoding="UTF-8"?>\n'
    if external or subset:
        before = f' SYSTEM "{_quoted(subset)}"' if subset else ""
        inside = f' [<!ENTITY {ENTITY} SYSTEM "{_quoted(external)}">]' if external else ""
        text += f"<!DOCTYPE {root}{before}{inside}>\n"
    return (text + _element(root, tree, f"&{ENTITY};" if external else "")).encode("utf-8", "replace")


def _element(name: str, below: _Element, instead: str) -> str:
    attributes = "".join(
        f' {_name(key[1:])}="{_quoted(value)}"'
        for key, value in below.items()
        if key.startswith("@") and isinstance(value, str)
    )
    inner = ""
    for key, value in below.items():
        if isinstance(value, dict):
            inner += _element(_name(key), value, instead)
        elif not key.startswith("@"):
            inner += f"<{_name(key)}>{instead or _text(value)}</{_name(key)}>"
    return f"<{name}{attributes}>{inner}</{name}>"


def _text(value: str) -> str:
    return xml_escape("".join(char for char in value[:MAX_VALUE] if char >= " " or char in "\t\n"))


def _quoted(value: str) -> str:
    return _text(value).replace('"', "&quot;")


def _name(name: str) -> str:
    plain = name[:80].partition("#")[0]
    kept = "".join(char for char in plain if char.isascii() and (char.isalnum() or char in "_-:")).strip(":")
    return kept if kept and not kept[0].isdigit() and kept[0] != "-" else "x" + kept
