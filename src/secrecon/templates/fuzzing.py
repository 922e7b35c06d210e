"""The `fuzzing` section: which values of the target's own request are replaced, and by what. Pure.

The request is the target as it was given: its path, its query, and headers that a rule names itself. There is no body and
no cookie to change. Values are kept as they are written; what is put in is escaped where it would end the value.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import re2

from secrecon.templates.operators import Operators
from secrecon.templates.patterns import Pattern
from secrecon.templates.render import Text

PARTS = ("query", "path", "header", "cookie", "body", "request")
MAX_GROWN = 1024 * 1024
_ODD = re2.compile(rb"[^\x21-\x7e]|[&#+\"<>]|%([^0-9a-fA-F]|.[^0-9a-fA-F]|.?$)")


class Kind(StrEnum):
    """How a value is changed."""

    REPLACE = "replace"
    PREFIX = "prefix"
    POSTFIX = "postfix"
    INFIX = "infix"
    REPLACE_REGEX = "replace-regex"


@dataclass(frozen=True, slots=True)
class Point:
    """One value that can be changed. `part`: query, path or header. `at`: which parameter or path segment it is."""

    part: str
    key: str
    value: bytes
    at: int = -1


@dataclass(frozen=True, slots=True)
class Rule:
    """`texts`: what is put in, each with the key it is for, "" for all. `every`: all values at once, else one at a time.
    `keys`, `key_patterns` and `value_patterns` choose; without any, all are meant. `pattern`: for replace-regex."""

    parts: tuple[str, ...]
    texts: tuple[tuple[str, Text], ...]
    kind: Kind = Kind.REPLACE
    every: bool = False
    keys: frozenset[str] = frozenset()
    key_patterns: tuple[Pattern, ...] = ()
    value_patterns: tuple[Pattern, ...] = ()
    pattern: Pattern | None = None

    def takes(self, point: Point) -> bool:
        key = point.key.lower()
        named = key in self.keys or any(each.found_in(point.key.encode()) for each in self.key_patterns)
        if (self.keys or self.key_patterns) and not named:
            return False
        return not self.value_patterns or any(each.found_in(point.value) for each in self.value_patterns)

    def changed(self, value: bytes, text: bytes) -> bytes:
        """`value` with `text` put in. Raises DslError where it becomes too long."""
        match self.kind:
            case Kind.PREFIX:
                return text + value
            case Kind.POSTFIX:
                return value + text
            case Kind.INFIX:
                middle = len(value) // 2
                return value[:middle] + text + value[middle:]
            case Kind.REPLACE_REGEX if self.pattern is not None:
                return self.pattern.replace(value, text.replace(b"$", b"$$"), MAX_GROWN)
            case _:
                return text


@dataclass(frozen=True, slots=True)
class Fuzzing:
    """`condition`: what the target's request must be like, where the template says so."""

    rules: tuple[Rule, ...]
    condition: Operators | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """One request to make: `text` goes into all of `points`."""

    rule: Rule
    text: Text
    points: tuple[Point, ...]


def asks(rule: Rule, path: str, query: str) -> Iterator[Ask]:
    """The requests of one rule for a target's path and query."""
    for key, text in rule.texts:
        points = [point for point in _points(rule, path, query, key) if rule.takes(point)]
        if rule.every and points:
            yield Ask(rule, text, tuple(points))
        elif not rule.every:
            for point in points:
                yield Ask(rule, text, (point,))


def _points(rule: Rule, path: str, query: str, key: str) -> Iterator[Point]:
    every = "request" in rule.parts
    if every or "query" in rule.parts:
        for at, pair in enumerate(query.split("&") if query else ()):
            name, _, value = pair.partition("=")
            if key in ("", name):
                yield Point("query", name, value.encode("latin-1", "replace"), at)
    if (every or "path" in rule.parts) and not key:
        for at, segment in enumerate(path.split("/")):
            if segment:
                yield Point("path", str(at), segment.encode("latin-1", "replace"), at)
    if (every or "header" in rule.parts) and key:
        yield Point("header", key, b"")


def written(path: str, query: str, ask: Ask, text: bytes) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The path and query of the request for `ask`, and the headers it sets. Raises DslError."""
    segments, pairs = (path or "/").split("/"), query.split("&")
    headers: list[tuple[str, str]] = []
    for point in ask.points:
        value = ask.rule.changed(point.value, text)
        if point.part == "header":
            shown = value.decode("latin-1")
            headers.append((point.key, "".join(char for char in shown if char not in "\r\n\0")))
        elif point.part == "path":
            segments[point.at] = _escaped(value).replace("?", "%3F")
        else:
            pairs[point.at] = f"{point.key}={_escaped(value)}"
    joined = "&".join(pairs)
    return "/".join(segments) + (f"?{joined}" if joined else ""), tuple(headers)


def _escaped(value: bytes) -> str:
    def escape(match: re2.Match) -> bytes:
        found: bytes = match.group(0)
        return b"%%%02X" % found[0] + found[1:] if found[:1] != b"%" else b"%25" + found[1:]

    return bytes(_ODD.sub(escape, value)).decode("latin-1")


def unmet(rules: Sequence[Rule]) -> str:
    """Why a target gives these rules nothing to change."""
    wanted = dict.fromkeys(part for rule in rules for part in rule.parts)
    return f"the target as it was given has nothing to fuzz in its {' or '.join(wanted)}"
