"""Functions that encode, decode, compress and pack. Decompression ends at 10 MB, as in the reference."""

from __future__ import annotations

import base64
import binascii
import html
import html.entities
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable

import re2

from secrecon.templates.dsl.functions.declare import Function, fixed, ranged
from secrecon.templates.dsl.run import MAX_OUTPUT, Run
from secrecon.templates.dsl.values import Value, clip, text_of, text_only
from secrecon.templates.errors import DslError

_KEPT = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
_URL_KEPT = _KEPT | frozenset(b"-_.!~*'()")
_URL_TABLE = tuple(bytes([byte]) if byte in _URL_KEPT else b"%%%02X" % byte for byte in range(256))
_URL_TABLE_ALL = tuple(bytes([byte]) if byte in _KEPT else b"%%%02X" % byte for byte in range(256))
_GZIP_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_ENTITIES = {
    "!": "excl", '"': "quot", "#": "num", "$": "dollar", "%": "percnt", "&": "amp", "'": "apos", "(": "lpar", ")": "rpar",
    "*": "ast", "+": "plus", ",": "comma", ".": "period", "/": "sol", ":": "colon", ";": "semi", "<": "lt", "=": "equals",
    ">": "gt", "?": "quest", "@": "commat", "[": "lsqb", "\\": "bsol", "]": "rsqb", "^": "Hat", "_": "lowbar",
    "`": "grave", "{": "lcub", "|": "verbar", "}": "rcub", "\t": "Tab", "\n": "NewLine",
}  # fmt: skip
_ESCAPES = {ord(char): f"&{name};" for char, name in _ENTITIES.items()}
MAX_JSON = 1024 * 1024
MAX_JSON_DEPTH = 100
_JSON_TEXT = re2.compile(r'"(?:[^"\\]|\\.)*"')
_BRACKETS = re2.compile(r"[\[\]{}]")


def _base64_py(_: Run, value: Value) -> Value:
    return base64.encodebytes(text_of(value)) or b"\n"


def _base64_decode(_: Run, value: Value) -> Value:
    text = text_of(value).replace(b"\r", b"").replace(b"\n", b"")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DslError("not base64") from error


def _url_encode(run: Run, value: Value, everything: Value = False) -> Value:
    table = _URL_TABLE_ALL if everything is True or everything == 1.0 else _URL_TABLE
    text = text_of(value)
    run.allow(len(text))
    return b"".join([table[byte] for byte in text])


def _url_decode(_: Run, value: Value) -> Value:
    head, *pieces = text_of(value).split(b"%")
    parts = [head]
    for piece in pieces:
        digits = piece[:2]
        hexadecimal = len(digits) == 2 and all(byte in b"0123456789abcdefABCDEF" for byte in digits)
        parts.append(bytes([int(digits, 16)]) + piece[2:] if hexadecimal else b"%" + piece)
    return b"".join(parts)


def _hex_encode(_: Run, value: Value, style: Value = b"") -> Value:
    digits = text_of(value).hex()
    if text_of(style).lower() == b"x":
        return "".join("\\x" + digits[at : at + 2] for at in range(0, len(digits), 2)).encode()
    return digits.encode()


def _hex_decode(_: Run, value: Value) -> Value:
    try:
        return binascii.unhexlify(text_of(value))
    except (binascii.Error, ValueError) as error:
        raise DslError("not hexadecimal") from error


def _html_escape(run: Run, value: Value, everything: Value = False) -> Value:
    chars = text_of(value).decode("utf-8", "surrogateescape")
    run.allow(4 * len(chars))
    if everything is True:
        return "".join(f"&#{ord(char)};" for char in chars).encode()
    return chars.translate(_ESCAPES).encode("utf-8", "surrogateescape")


def _html_unescape(_: Run, value: Value) -> Value:
    chars = text_of(value).decode("utf-8", "surrogateescape")
    return html.unescape(chars).encode("utf-8", "surrogateescape")


def _deflated(data: bytes) -> bytes:
    squeezer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return squeezer.compress(data) + squeezer.flush()


def _gzip(_: Run, value: Value) -> Value:
    data = text_only(value, "the argument of gzip")
    return _GZIP_HEAD + _deflated(data) + struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF)


def _inflated(name: str, wbits: int) -> Callable[..., Value]:
    def inflate(_: Run, value: Value, limit: Value = None) -> Value:
        most = MAX_OUTPUT
        if isinstance(limit, float) and 0 < limit < MAX_OUTPUT:
            most = max(1, int(limit))
        reader = zlib.decompressobj(wbits)
        try:
            data = reader.decompress(text_of(value), most)
        except zlib.error as error:
            raise DslError(f"{name}: the data cannot be decompressed") from error
        if not reader.eof and len(data) < most:
            raise DslError(f"{name}: the data ends too early")
        return data

    return inflate


def _gzip_mtime(_: Run, value: Value) -> Value:
    data = text_of(value)
    if len(data) < 10 or not data.startswith(b"\x1f\x8b\x08"):
        raise DslError("not gzip data")
    return float(struct.unpack_from("<I", data, 4)[0])


def _zip(_: Run, *values: Value) -> Value:
    if len(values) % 2:
        raise DslError("zip takes pairs of a name and a content")
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for at in range(0, len(values), 2):
            name = text_only(values[at], "a name in zip").decode("utf-8", "replace")
            entry = zipfile.ZipInfo(name or "-", date_time=(1980, 1, 1, 0, 0, 0))
            entry.filename = name
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, text_only(values[at + 1], "a content in zip"))
    return target.getvalue()


def _unpack(_: Run, layout: Value, data: Value) -> Value:
    form = text_only(layout, "the format of unpack").decode("latin-1")
    packed = text_only(data, "the data of unpack")
    order, letter = (form[0], form[1:]) if form[:1] in ("<", ">", "!", "=", "@") and form else ("<", form)
    if len(letter) != 1 or letter not in "bBhHiIlLqQfd?c":
        raise DslError(f"unpack reads one of b B h H i I l L q Q f d ? c, not {form[:20]!r}")
    order = "<" if order in "=@" else order
    size = struct.calcsize(order + letter)
    if len(packed) < size:
        raise DslError(f"unpack needs {size} bytes")
    found: bool | int | float | bytes = struct.unpack_from(order + letter, packed)[0]
    return found if isinstance(found, bool | bytes | float) else clip(found)


def read_json(text: bytes, what: str) -> object:
    """JSON of bounded size and depth. Raises DslError."""
    if len(text) > MAX_JSON:
        raise DslError(f"{what}: JSON of more than {MAX_JSON} bytes")
    try:
        chars = text.decode("utf-8")
        if _depth(chars) > MAX_JSON_DEPTH:
            raise DslError(f"{what}: JSON nested deeper than {MAX_JSON_DEPTH}")
        value: object = json.loads(chars, parse_constant=_no_constant)
    except ValueError as error:
        raise DslError(f"{what}: not JSON") from error
    return value


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _depth(text: str) -> int:
    """How deep the brackets outside of strings are nested."""
    deepest = depth = 0
    for found in _BRACKETS.finditer(_JSON_TEXT.sub("", text)):
        depth += 1 if found.group() in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def minified(value: object) -> bytes:
    """JSON the way Go writes it: sorted keys, no spaces, `< > &` escaped."""
    text = json.dumps(_numbers(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    for char, escaped in (
        ("<", "\\u003c"),
        (">", "\\u003e"),
        ("&", "\\u0026"),
        ("\u2028", "\\u2028"),
        ("\u2029", "\\u2029"),
    ):
        text = text.replace(char, escaped)
    return text.encode("utf-8", "replace")


def _numbers(value: object) -> object:
    """Whole floats shown as integers, as all numbers are floats there."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return int(value)
    if isinstance(value, dict):
        return {key: _numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    return value


def _json_minify(_: Run, value: Value) -> Value:
    data = read_json(text_only(value, "the argument of json_minify"), "json_minify")
    if not isinstance(data, dict):
        raise DslError("json_minify: not a JSON object")
    return minified(data)


def _json_prettify(run: Run, value: Value) -> Value:
    """Re-indented by four spaces; names, order and numbers stay as written."""
    text = text_only(value, "the argument of json_prettify")
    read_json(text, "json_prettify")
    run.allow(2 * len(text))
    parts: list[str] = []
    depth = 0
    tokens = list(_json_tokens(text.decode("utf-8", "surrogateescape")))
    for at, word in enumerate(tokens):
        following = tokens[at + 1] if at + 1 < len(tokens) else ""
        if word in "{[" and following not in ("}", "]"):
            depth += 1
            parts.append(word + "\n" + "    " * depth)
        elif word in "}]" and (at == 0 or tokens[at - 1] not in ("{", "[")):
            depth -= 1
            parts.append("\n" + "    " * depth + word)
        elif word == ",":
            parts.append(",\n" + "    " * depth)
        else:
            parts.append(": " if word == ":" else word)
        run.allow(4 * depth)
    return "".join(parts).encode("utf-8", "surrogateescape")


def _json_tokens(text: str) -> list[str]:
    """Strings, punctuation and bare words of valid JSON."""
    found: list[str] = []
    at = 0
    while at < len(text):
        start = at
        if text[at] == '"':
            at += 1
            while text[at] != '"':
                at += 2 if text[at] == "\\" else 1
            at += 1
        elif text[at] in "{}[],:" or text[at].isspace():
            at += 1
        else:
            while at < len(text) and text[at] not in '{}[],:"' and not text[at].isspace():
                at += 1
        if not text[start:at].isspace():
            found.append(text[start:at])
    return found


ENCODING: tuple[Function, ...] = (
    fixed("base64", 1, lambda run, value: base64.b64encode(text_of(value))),
    fixed("base64_py", 1, _base64_py),
    fixed("base64_decode", 1, _base64_decode),
    ranged("url_encode", 1, 2, _url_encode),
    fixed("url_decode", 1, _url_decode),
    ranged("hex_encode", 1, 2, _hex_encode),
    fixed("hex_decode", 1, _hex_decode),
    ranged("html_escape", 1, 2, _html_escape),
    fixed("html_unescape", 1, _html_unescape),
    fixed("gzip", 1, _gzip),
    ranged("gzip_decode", 1, 2, _inflated("gzip_decode", 16 + zlib.MAX_WBITS)),
    fixed("gzip_mtime", 1, _gzip_mtime),
    fixed("zlib", 1, lambda run, value: zlib.compress(text_only(value, "the argument of zlib"))),
    ranged("zlib_decode", 1, 2, _inflated("zlib_decode", zlib.MAX_WBITS)),
    fixed("deflate", 1, lambda run, value: _deflated(text_only(value, "the argument of deflate"))),
    ranged("inflate", 1, 2, _inflated("inflate", -zlib.MAX_WBITS)),
    ranged("zip", 2, None, _zip),
    fixed("unpack", 2, _unpack),
    fixed("json_minify", 1, _json_minify),
    fixed("json_prettify", 1, _json_prettify),
)
