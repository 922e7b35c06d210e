"""Addresses that a page points at: resolved the careful way, never decoded, never re-encoded, never requested here.

`urllib` joins and normalises too much: a scanner must ask for exactly what the page says (RFC 3986 5.2 for relative
references; what browsers do with tabs, backslashes and spaces, WHATWG URL 4.4). Only a literal dot segment of a
relative reference is resolved. Also here: what a page's address looks like once its numbers are taken out. Which
addresses must not be asked for is `acting`.
"""

from __future__ import annotations

from urllib.parse import unquote, unquote_plus

import re2

from secrecon.detect.destinations import holds_url, looks_like_host, looks_like_url
from secrecon.model.asset import InputPlace, Parameter
from secrecon.model.errors import BadInput
from secrecon.model.target import DEFAULT_PORTS, Origin, normalise_host

MAX_TARGET = 2_000
MAX_PARAMETERS = 50

_SCHEME = re2.compile(r"^([A-Za-z][A-Za-z0-9+.-]*):")
_PORT = re2.compile(r"^[0-9]{1,5}$")
_VARIABLE_SEGMENT = re2.compile(
    r"^(?:[0-9]+|[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}|[0-9a-fA-F]{16,}|[0-9]{1,4}[-_.][0-9]{1,2}(?:[-_.][0-9]{1,4})?|\{[^{}]*\})$"
)
_DIGITS = re2.compile(r"[0-9]+")
_STATIC_WORDS = (
    "png jpg jpeg gif svg ico webp avif bmp tif tiff woff woff2 ttf otf eot css mp3 mp4 webm ogg wav avi mov pdf "
    "doc docx xls xlsx ppt pptx zip gz tgz tar rar 7z exe msi dmg apk iso bin"
)
_STATIC = frozenset(_STATIC_WORDS.split())


def resolve(base: Origin, base_target: str, href: str) -> tuple[Origin, str] | None:
    """Where `href` on the page `base` + `base_target` leads, as origin and request target.

    None where it is no http(s) address, carries credentials, is only a fragment, is too long or cannot be read.
    """
    if len(href) > MAX_TARGET * 2:
        return None
    text = "".join(char for char in href.strip("\x00\x01\x0b\x0c \t\r\n") if char not in "\t\r\n")
    text = text.split("#", 1)[0]
    if not text:
        return None
    scheme = base.scheme
    found = _SCHEME.search(text)
    if found is not None:
        scheme = found.group(1).lower()
        rest = text[found.end() :].replace("\\", "/", 2)
        if scheme not in DEFAULT_PORTS or not rest.startswith("//"):
            return None
        return _absolute(scheme, rest[2:])
    slashed = text[:2].replace("\\", "/") + text[2:]
    if slashed.startswith("//"):
        return _absolute(scheme, slashed[2:])
    target = _relative(base_target, slashed)
    encoded = encode_target(target)
    return (base, encoded) if encoded is not None else None


def _absolute(scheme: str, rest: str) -> tuple[Origin, str] | None:
    end = min((at for at in (rest.find(char) for char in "/\\?") if at >= 0), default=len(rest))
    authority, target = rest[:end], rest[end:]
    if "@" in authority or not authority:
        return None
    host, port = authority, ""
    closing = authority.rfind("]")
    colon = authority.rfind(":")
    if colon > closing:
        host, port = authority[:colon], authority[colon + 1 :]
    if port and (_PORT.search(port) is None or not 0 < int(port) < 65_536):
        return None
    try:
        name = normalise_host(host)
    except BadInput:
        return None
    if target.startswith("\\"):
        target = "/" + target[1:]
    if not target.startswith("/"):
        target = "/" + target
    encoded = encode_target(target)
    if encoded is None:
        return None
    return Origin(scheme, name, int(port) if port else DEFAULT_PORTS[scheme]), encoded


def _relative(base_target: str, text: str) -> str:
    path = base_target.split("?", 1)[0].split("#", 1)[0]
    if text.startswith("/"):
        return text
    if text.startswith("?"):
        return path + text
    folders = path.split("/")[1:-1]
    reference, mark, query = text.partition("?")
    parts = reference.split("/")
    if all(part not in (".", "..") for part in parts):
        return "/" + "/".join([*folders, *parts]) + mark + query
    for part in parts[:-1]:
        if part == "..":
            del folders[-1:]
        elif part != ".":
            folders.append(part)
    last = parts[-1]
    if last == "..":
        last = ""
        del folders[-1:]
    elif last == ".":
        last = ""
    return "/" + "/".join([*folders, last]) + mark + query


def encode_target(target: str) -> str | None:
    """`target` as it can be sent: spaces, quotes, angle brackets and non-ASCII percent-encoded, the rest untouched."""
    if len(target) > MAX_TARGET:
        return None
    out: list[str] = []
    for char in target:
        if char in ' "<>`' or ord(char) > 0x7E:
            out += [f"%{byte:02X}" for byte in char.encode("utf-8", "replace")]
        elif ord(char) < 0x20:
            return None
        else:
            out.append(char)
    text = "".join(out)
    return text if len(text) <= MAX_TARGET else None


def query_parameters(query: str) -> tuple[Parameter, ...]:
    """The parameters of a query string, decoded, in order; at most MAX_PARAMETERS."""
    found: list[Parameter] = []
    for part in query[:MAX_TARGET].split("&")[:MAX_PARAMETERS]:
        name, _, value = part.partition("=")
        if name:
            found.append(Parameter(unquote_plus(name), InputPlace.QUERY, unquote_plus(value)))
    return tuple(found)


def address_in_path(target: str) -> tuple[str, Parameter] | None:
    """A path that carries an address or a host, as a path with a placeholder and its input; None for all others.

    `/proxy/https://a.test/x` gives `/proxy/{+address}`, which is written as it is; `/img/http%3A%2F%2Fa.test` and
    `/img/aHR0cDovL2E...` give `/img/{address}`, `/icons/a.test` gives `/icons/{host}`.
    """
    lower = target.lower()
    for scheme in ("http:/", "https:/"):
        at = lower.find("/" + scheme)
        if at >= 0 and "?" not in target[:at]:
            return target[:at] + "/{+address}", Parameter("+address", InputPlace.PATH, target[at + 1 :])
    path = target.partition("?")[0]
    before, _, last = path.rpartition("/")
    text = unquote(last)
    if looks_like_url(text) or holds_url(text):
        return before + "/{address}", Parameter("address", InputPlace.PATH, text)
    if before and looks_like_host(text) and not is_static(path):
        return before + "/{host}", Parameter("host", InputPlace.PATH, text)
    return None


def shape(target: str) -> str:
    """What many pages of one kind have in common: segments that are numbers, ids or dates collapsed, and the
    names of the query's parameters."""
    path, _, query = target.partition("?")
    segments = [
        "*" if _VARIABLE_SEGMENT.search(segment) else _DIGITS.sub("#", segment) for segment in path.split("/")
    ]
    names = sorted({part.partition("=")[0] for part in query.split("&") if part})
    return "/".join(segments) + ("?" + "&".join(names) if names else "")


def is_static(target: str) -> bool:
    """True for pictures, fonts, styles, media and documents: nothing in them leads on."""
    last = target.split("?", 1)[0].rsplit("/", 1)[-1]
    return "." in last and last.rsplit(".", 1)[-1].lower() in _STATIC
