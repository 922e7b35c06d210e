"""A text as whoever receives it may come to read it: percent escapes, backslash escapes, entities, character codes, base64
and hexadecimal undone, quotes and joins inside words taken away; again and again, to a bounded depth.

For the policy, which must see a command through whatever it is wrapped in. Every reading is kept beside the one it was
made from, so that more text can only add readings. Nothing here is ever sent.
"""

from __future__ import annotations

import base64
import binascii
import functools
import html
import string
from collections.abc import Callable, Iterator

import re2

MAX_DEPTH = 8
MAX_READINGS = 150
MAX_CHARACTERS = 4_000_000
_ALPHABET = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"
_PRINTABLE = bytes(range(32, 127)) + b"\t\r\n\x00"


def _places(bit: int) -> str:
    """The base64 characters whose value lacks a bit, as a class; of the two alphabets that are in use."""
    chars = "".join(char for at, char in enumerate(_ALPHABET) if not at & bit)
    return f"[{chars}{'-' if '+' in chars else ''}{'_' if '/' in chars else ''}]".replace("-", "\\-")


# In base64 of plain ASCII three of every four characters lack a bit, which random letters seldom do.
_BASE64 = re2.compile(
    f"(?:{_places(0x20)}{_places(0x08)}{_places(0x02)}[A-Za-z0-9+/_-]){{3,}}[A-Za-z0-9+/_-]{{0,3}}"
)
_BASE64_LONG = re2.compile(r"[A-Za-z0-9+/_-]{40,}")
_HEX = re2.compile(r"(?i)(?:[0-7][0-9a-f]){6,}")
_HEX_LONG = re2.compile(r"(?i)(?:[0-9a-f]{2}){20,}")
_STRINGS = re2.compile(r"[ -~]{4,}")
_PERCENT = re2.compile(r"%([0-9a-fA-F]{2})")
_ESCAPES = re2.compile(r"(?i)\\u\{?0{0,4}([0-9a-f]{2,4})\}?|\\x([0-9a-f]{2})|%u00([0-9a-f]{2})|\\([0-3][0-7]{2})")
_CODES = re2.compile(r"(?:\b\d{2,3}\s*[,|\s]\s*){2,}\d{2,3}\b")
_CHARACTER = re2.compile(r"(?i)\b(?:n?chr|n?char|fromcharcode|tochar)\s*\(\s*(\d{1,3})\s*\)")
_JOINS = re2.compile(r"""["']\s*(?:\.|\+|\|\||~)?\s*["']""")
_QUOTES = re2.compile(r"""(\w)(?:["'\\^`]{1,2}|\$@|\$\*|\$\{?\d\}?)(\w)""")
_BLANKS = re2.compile(r"(?i)/\*.{0,60}?\*/|\$\{?ifs\}?(?:\$9)?")
SERIALIZED = "\xac\xed\x00\x05"


@functools.lru_cache(maxsize=1024)
def readings(text: str) -> tuple[tuple[str, ...], bool]:
    """Every reading of a text, itself first, and whether that was all: False where there are too many to go on."""
    found: dict[str, None] = {text: None}
    level = [text]
    size = len(text)
    for _ in range(MAX_DEPTH):
        fresh: list[str] = []
        for out, again in _made(level):
            if out not in found:
                size += len(out)
                if len(found) >= MAX_READINGS or size > MAX_CHARACTERS:
                    return tuple(found), False
                found[out] = None
                if again:
                    fresh.append(out)
        if not fresh:
            return tuple(found), True
        level = fresh
    return tuple(found), False


def _made(level: list[str]) -> Iterator[tuple[str, bool]]:
    """(reading, whether to go on from it): one step after the other on each text, and what is unpacked from them."""
    for item in level:
        shapes = [item]
        for step in _STEPS:
            out = step(shapes[-1])
            if out != shapes[-1]:
                shapes.append(out)
        yield from ((shape, shape is shapes[-1]) for shape in shapes[1:])
        for shape in shapes:
            for unpack in _UNPACK:
                yield from unpack(shape)


def unescaped(text: str) -> str:
    """A request target with its percent escapes undone, as often as a chain of servers may."""
    for _ in range(MAX_DEPTH):
        plain = _percent(text)
        if plain == text:
            break
        text = plain
    return text


def _percent(text: str) -> str:
    if "%" not in text:
        return text
    return str(_PERCENT.sub(lambda match: chr(int(match.group(1), 16)), text))


def _escapes(text: str) -> str:
    if "\\" not in text and "%u" not in text:
        return text
    return str(_ESCAPES.sub(lambda match: _character(match.groups()), text))


def _character(groups: tuple[str | None, ...]) -> str:
    wide, short, odd, octal = groups
    return chr(int(octal, 8)) if octal else chr(int(wide or short or odd or "20", 16))


def _entities(text: str) -> str:
    return html.unescape(text) if "&" in text and ";" in text else text


def _characters(text: str) -> str:
    """`chr(105).chr(100)`."""
    if "(" not in text:
        return text
    named = str(_CHARACTER.sub(lambda match: f"'{chr(int(match.group(1)))}'", text))
    return str(_JOINS.sub("", named)) if named != text else text


def _joined(text: str) -> str:
    """`'sys'.'tem'`."""
    return str(_JOINS.sub("", text)) if "'" in text or '"' in text else text


def _quotes(text: str) -> str:
    """`w"ge"t` as a shell reads it."""
    if not any(mark in text for mark in "'\"\\^`$"):
        return text
    return str(_QUOTES.sub(r"\1\2", str(_QUOTES.sub(r"\1\2", text))))


def _blanks(text: str) -> str:
    """What stands for a blank where a blank is not let through, and what stands between wide characters."""
    if "/*" in text or "$" in text:
        text = str(_BLANKS.sub(" ", text))
    return text.replace("+", " ").replace("\x00", "")


def _codes(text: str) -> Iterator[tuple[str, bool]]:
    for match in _CODES.finditer(text):
        numbers = [int(word) for word in match.group(0).replace(",", " ").replace("|", " ").split()]
        if all(9 <= number < 127 for number in numbers):
            yield "".join(map(chr, numbers)), True


def _base64(text: str) -> Iterator[tuple[str, bool]]:
    for match in _BASE64.finditer(text):
        plain = decoded(match.group(0))
        if _reads(plain):
            yield plain.decode("latin-1"), True
    for match in _BASE64_LONG.finditer(text):
        yield from _strings(decoded(match.group(0)))


def decoded(run: str) -> bytes:
    """What base64 of either alphabet stands for, padded or not; nothing where it is none."""
    plain = run.replace("-", "+").replace("_", "/")
    if len(plain) % 4 == 1:
        plain = plain[:-1]
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4))
    except (binascii.Error, ValueError):
        return b""


def _hexadecimal(text: str) -> Iterator[tuple[str, bool]]:
    for match in _HEX.finditer(text):
        plain = bytes.fromhex(match.group(0))
        if _reads(plain):
            yield plain.decode("latin-1"), True
    for match in _HEX_LONG.finditer(text):
        yield from _strings(bytes.fromhex(match.group(0)))


def _reads(data: bytes) -> bool:
    """True for what is text, or nearly."""
    return len(data) >= 6 and len(data.translate(None, _PRINTABLE)) * 8 <= len(data)


def opaque(run: str) -> bool:
    """True for a run of base64 or hexadecimal that stands for neither text nor an object with names in it."""
    plain = bytes.fromhex(run) if _HEX_LONG.fullmatch(run) else decoded(run)
    return not _reads(plain) and SERIALIZED.encode("latin-1") not in plain


def _strings(data: bytes) -> Iterator[tuple[str, bool]]:
    """The names that stand in what is not text: an object, an archive, a picture."""
    if data and not _reads(data):
        head = SERIALIZED if data.startswith(SERIALIZED.encode("latin-1")) else ""
        runs = _STRINGS.findall(data.decode("latin-1"))
        if runs or head:
            yield head + "\x01".join(runs), False


_STEPS: tuple[Callable[[str], str], ...] = (
    _percent,
    _escapes,
    _entities,
    _characters,
    _joined,
    _blanks,
    _quotes,
)
_UNPACK: tuple[Callable[[str], Iterator[tuple[str, bool]]], ...] = (_codes, _base64, _hexadecimal)
