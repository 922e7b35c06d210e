"""What a script asks its server for, read without running it: string literals that are paths, calls of fetch, axios,
XMLHttpRequest and jQuery with their methods, JSON keys and form fields, GraphQL operations with their variables, and
the address of its source map.

Everything is found by RE2 over at most MAX_BODY bytes read as Latin-1, in time linear in the bytes, so a fifty
megabyte line costs what two do. A template literal's `${...}` becomes the value 1. Guesses, all of them: a link from
here is worth asking for, no more.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import re2

MAX_BODY = 2_000_000
MAX_ENDPOINTS = 300
MAX_LENGTH = 500
_NEAR = 600
MAX_FIELDS = 30
MAX_OPERATIONS = 20
MAX_QUERY = 3_000
_NUMBERS = (b"Int", b"Float", b"Boolean")
_METHODS = ("GET", "POST", "PUT", "PATCH")


def _compile(pattern: str) -> re2._Regexp:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False
    return re2.compile(pattern.encode("ascii"), options)


_PATH = _compile(r"""["'`]((?:https?:)?/[^"'`\s<>\\]*)["'`]""")
_CALL = _compile(
    r"""(?:\bfetch\s*\(|\baxios(?:\.(get|post|put|patch|request))?\s*\(|\$\.(get|post|getJSON)\s*\(|"""
    r"""\.open\s*\(\s*["']([A-Za-z]+)["']\s*,|\$?http\.(get|post|put|patch)\s*\()\s*["'`]([^"'`\s<>\\]+)["'`]"""
)
_URL_KEY = _compile(r"""\b(?:url|endpoint|baseURL|action)\s*:\s*["'`]([^"'`\s<>\\]+)["'`]""")
_METHOD_KEY = _compile(r"""\b(?:method|type)\s*:\s*["']([A-Za-z]+)["']""")
_STRINGIFY = _compile(r"JSON\.stringify\s*\(\s*\{")
_PARAMS = _compile(r"new\s+URLSearchParams\s*\(\s*\{")
_APPENDED = _compile(r"""\.append\s*\(\s*["']([A-Za-z_$][A-Za-z0-9_$.-]*)["']""")
_TOKEN = _compile(
    r"""["']([A-Za-z_$][A-Za-z0-9_$-]*)["']\s*:|([A-Za-z_$][A-Za-z0-9_$]*)|[{}\[\](),:]|["'`][^"'`]*["'`]"""
)
_OPERATION = _compile(r"\b(?:query|mutation)\b\s*[A-Za-z0-9_]*\s*\(\s*(\$[^(){}]{1,500})\)\s*\{[^`\"']*\}")
_GRAPHQL = _compile(r"""["'`]((?:https?:)?/[^"'`\s<>\\]*graphql[^"'`\s<>\\]*)["'`]""")
_VARIABLE = _compile(r"\$([A-Za-z_][A-Za-z0-9_]*)\s*:\s*\[?([A-Za-z0-9_]+)")
_HOLE = _compile(r"\$\{[^{}]*\}")
_SOURCE_MAP = _compile(r"(?://|/\*)[#@]\s*sourceMappingURL=([^\s'\"*]+)")
_NOT_A_PATH = _compile(r"[(){}|^*;,\[\]$]|^//?$|^/[/*]")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`href`: the address as written, holes filled. `fields`: dotted names of a body seen beside the call, each with
    a value where one must be kept ("" where not). `form`: they are form fields, not JSON."""

    href: str
    method: str = "GET"
    fields: tuple[tuple[str, str], ...] = ()
    called: bool = False
    form: bool = False


@dataclass(frozen=True, slots=True)
class ScriptFacts:
    """`source_map`: what the last sourceMappingURL comment says, "" for none or an inline one. `cut`: what was left
    out."""

    endpoints: tuple[Endpoint, ...]
    source_map: str = ""
    cut: str = ""


def read_script(body: bytes) -> ScriptFacts:
    """The endpoints and the source map of a script, within the bounds."""
    text = body[:MAX_BODY]
    found: dict[tuple[str, str, str], Endpoint] = {}
    cut = f"only the first {MAX_BODY} bytes of a script were read" if len(body) > MAX_BODY else ""
    for endpoint in _endpoints(text):
        if len(found) >= MAX_ENDPOINTS:
            cut = f"only the first {MAX_ENDPOINTS} endpoints of a script were kept"
            break
        operation = next((value for _, value in endpoint.fields if value), "")
        found.setdefault((endpoint.method, endpoint.href, operation), endpoint)
    return ScriptFacts(tuple(found.values()), source_map(body), cut)


def source_map(body: bytes) -> str:
    """The address in the sourceMappingURL comment at the end of a script, "" for none or a data: URL."""
    last = ""
    for found in _SOURCE_MAP.finditer(body[-20_000:]):
        last = found.group(1)[:MAX_LENGTH].decode("latin-1")
    return "" if last.startswith("data:") else last


def _endpoints(text: bytes) -> list[Endpoint]:
    found: list[Endpoint] = []
    never: set[str] = set()
    for call in _CALL.finditer(text):
        href = _clean(call.group(5))
        if not href:
            continue
        named = next((word for word in call.groups()[:4] if word), b"").decode("latin-1").upper()
        near = text[call.end() : call.end() + _NEAR]
        next_call = _CALL.search(near)
        near = near[: next_call.start()] if next_call is not None else near
        method = _method(named, near)
        if method:
            fields, form = (
                _fields(near, text[max(0, call.start() - _NEAR) : call.start()]) if method != "GET" else ((), False)
            )
            found.append(Endpoint(href, method, fields, called=True, form=form))
        else:
            never.add(href)
        if len(found) > MAX_ENDPOINTS:
            return found
    found += _graphql(text, found)
    known = {endpoint.href for endpoint in found} | never
    for pattern in (_PATH, _URL_KEY):
        for literal in pattern.finditer(text):
            href = _clean(literal.group(1))
            if href and href not in known:
                known.add(href)
                found.append(Endpoint(href))
            if len(found) > MAX_ENDPOINTS:
                return found
    return found


def _method(named: str, near: bytes) -> str:
    """The method of a call; "" for one that is never asked for (DELETE and what we do not know)."""
    if named in ("GETJSON", "GET"):
        return "GET"
    if named and named != "REQUEST":
        return named if named in _METHODS else ""
    found = _METHOD_KEY.search(near)
    if found is None:
        return "GET"
    method: str = found.group(1).decode("latin-1").upper()
    return method if method in _METHODS else ""


def _fields(near: bytes, before: bytes) -> tuple[tuple[tuple[str, str], ...], bool]:
    """The names in a body and whether it is a form. `near`: what follows the call, `before`: what precedes it."""
    body = _STRINGIFY.search(near)
    if body is not None:
        return tuple((name, "") for name in _keys(near[body.end() :])), False
    body = _PARAMS.search(near)
    if body is not None:
        return tuple((name, "") for name in _keys(near[body.end() :])), True
    names = dict.fromkeys(found.group(1).decode("latin-1") for found in _APPENDED.finditer(before))
    return tuple((name, "") for name in list(names)[:MAX_FIELDS]), True


def _keys(text: bytes) -> list[str]:
    """The dotted names of an object literal, from behind its opening brace to its end. `{source: {url: x}, name}`
    gives `source.url` and `name`; what stands inside calls and lists is passed over."""
    path: list[str] = []
    found: dict[str, None] = {}
    pending, value, skipped = "", False, 0
    for token in _TOKEN.finditer(text[:_NEAR]):
        word = token.group(0)
        if skipped or word in b"([":
            skipped += (word in b"([") - (word in b")]")
        elif word == b"{":
            path, pending, value = [*path, pending], "", False
        elif word in b"},":
            if pending:
                found.setdefault(".".join([*filter(None, path), pending]))
            pending, value = "", False
            if word == b"}":
                if not path:
                    break
                path = path[:-1]
        elif word == b":":
            value = True
        elif token.group(1):
            pending, value = token.group(1).decode("latin-1"), True
        elif token.group(2) and not value:
            pending = token.group(2).decode("latin-1")
        if len(found) >= MAX_FIELDS or len(path) > 6:
            break
    return list(found)[:MAX_FIELDS]


def _graphql(text: bytes, found: list[Endpoint]) -> list[Endpoint]:
    """Operations with variables, each a request of its own at the endpoint that the script names, or at /graphql."""
    operations = list(itertools.islice(_OPERATION.finditer(text), MAX_OPERATIONS))
    if not operations:
        return []
    literal = _GRAPHQL.search(text)
    named = [e.href for e in found if "graphql" in e.href]
    place = (named or [_clean(literal.group(1)) if literal is not None else ""])[0] or "/graphql"
    made: list[Endpoint] = []
    for operation in operations:
        variables = [(v.group(1).decode("latin-1"), v.group(2)) for v in _VARIABLE.finditer(operation.group(1))]
        kept = tuple(
            (f"variables.{name}", "1" if kind in _NUMBERS else "") for name, kind in variables[:MAX_FIELDS]
        )
        query = " ".join(operation.group(0)[:MAX_QUERY].decode("latin-1").split())
        made.append(Endpoint(place, "POST", (("query", query), *kept), called=True))
    return made


def _clean(raw: bytes) -> str:
    """A literal as an address, "" where it is none."""
    if len(raw) > MAX_LENGTH:
        return ""
    filled = _HOLE.sub(b"1", raw)
    if _NOT_A_PATH.search(filled) is not None:
        return ""
    text: str = filled.decode("latin-1")
    return text if any(char.isalnum() for char in text) and text.isascii() else ""
