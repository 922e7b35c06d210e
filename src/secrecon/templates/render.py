"""Text with places to fill in: `{{name}}`, `§name§` and `{{expression}}`, found once, filled many times.

An expression is what stands between `{{` and the first `}}` with which it compiles, if it calls a function or reads a
name that is known; a bare name is a name, and pure literals such as `{{1+1}}` stay text. Unknown names stay as they are.
What is filled in is data: it is never read again for places, so that a response cannot inject an expression.
"""

from __future__ import annotations

import functools
import string
from collections.abc import Mapping
from dataclasses import dataclass

import re2

from secrecon.templates.dsl.program import Program, build
from secrecon.templates.dsl.run import MAX_OUTPUT, SYSTEM, Ambient
from secrecon.templates.dsl.values import encoded, inward, text_of
from secrecon.templates.errors import DslError

MAX_PLACES = 250
MAX_TEXT = 4 * 1024 * 1024
MAX_TRIED = 1024 * 1024
_TRIES = 20
_LONGEST = 64 * 1024
_LONGEST_NAME = 200
_NAME = frozenset(string.ascii_letters + string.digits + "_-.")
_KEPT = 32_768
_ENCODED_WISH = re2.compile(r"(?i)%7B%7B(interactsh-url(?:_[0-9]+){0,3})%7D%7D")


@dataclass(frozen=True, slots=True)
class Place:
    """A name to fill in; `written` stays where it is not known."""

    name: str
    written: bytes


@dataclass(frozen=True, slots=True)
class Formula:
    """An expression to fill in; `written` stays where it calls nothing and none of its names is known."""

    program: Program
    written: bytes

    def applies(self, variables: Mapping[str, object]) -> bool:
        return bool(self.program.calls) or any(name in variables for name in self.program.names)


@dataclass(frozen=True, slots=True)
class Text:
    """A compiled text. `names`: the variables it may read; `calls`: the functions it may call."""

    source: str
    pieces: tuple[bytes | Place | Formula, ...]
    names: frozenset[str]
    calls: frozenset[str]

    def render(self, variables: Mapping[str, object], ambient: Ambient = SYSTEM) -> bytes:
        """The text with everything known filled in. Raises DslError where an expression fails."""
        parts: list[bytes] = []
        size = 0
        for piece in self.pieces:
            if isinstance(piece, bytes):
                part = piece
            elif isinstance(piece, Place):
                part = text_of(inward(variables[piece.name])) if piece.name in variables else piece.written
            elif piece.applies(variables):
                part = text_of(piece.program.run(variables, ambient))
            else:
                part = piece.written
            size += len(part)
            if size > MAX_OUTPUT:
                raise DslError(f"the text becomes longer than {MAX_OUTPUT} bytes")
            parts.append(part)
        return b"".join(parts)

    def unresolved(self, variables: Mapping[str, object]) -> tuple[str, ...]:
        """The names that would stay unfilled. A pair of braces around no letter does not count."""
        left: list[str] = []
        for piece in self.pieces:
            if isinstance(piece, Place) and piece.name not in variables and any(map(str.isalpha, piece.name)):
                left.append(piece.name)
            elif isinstance(piece, Formula) and not piece.applies(variables):
                left += sorted(piece.program.names)
        return tuple(left)


@functools.lru_cache(maxsize=_KEPT)
def compile_text(source: str) -> Text:
    """The text with its places found. Raises DslError where it is too long or has too many.

    A wish for a callback address (`{{interactsh-url}}`) may also be written percent-encoded.
    """
    if "%7Binteractsh-url" in source or "%7binteractsh-url" in source:
        source = str(_ENCODED_WISH.sub(r"{{\1}}", source))
    if len(source) > MAX_TEXT:
        raise DslError(f"a text of {len(source)} characters; at most {MAX_TEXT} are read")
    pieces: list[bytes | Place | Formula] = []
    start = at = 0
    scan = _Scan(source)
    while (place := scan.next_place(at)) is not None:
        begin, end, piece = place
        if piece is not None:
            if begin > start:
                pieces.append(encoded(source[start:begin]))
            pieces.append(piece)
            start = end
            if len(pieces) > 2 * MAX_PLACES:
                raise DslError(f"a text with more than {MAX_PLACES} places to fill in")
        at = end
    if start < len(source):
        pieces.append(encoded(source[start:]))
    names: set[str] = set()
    calls: set[str] = set()
    for found in pieces:
        if isinstance(found, Place):
            names.add(found.name)
        elif isinstance(found, Formula):
            names |= found.program.names
            calls |= found.program.calls
    return Text(source, tuple(pieces), frozenset(names), frozenset(calls))


class _Scan:
    """Finds places in one text. What it tries to compile is bounded in all, as a hostile text could make it try forever."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._tried = 0
        self._mark = source.find("§")
        self._last_close = source.rfind("}}")

    def next_place(self, at: int) -> tuple[int, int, Place | Formula | None] | None:
        """Where the next `{{` or `§` is, where to go on, and what it is (None: plain text)."""
        source = self._source
        if 0 <= self._mark < at:
            self._mark = source.find("§", at)
        mark = self._mark
        braces = source.find("{{", at, self._last_close) if self._last_close >= at else -1
        if mark >= 0 and (braces < 0 or mark < braces):
            close = source.find("§", mark + 1)
            name = source[mark + 1 : close] if 0 < close - mark <= _LONGEST_NAME else ""
            if name and _NAME.issuperset(name):
                return mark, close + 1, Place(name, encoded(source[mark : close + 1]))
            return mark, mark + 1, None
        if braces < 0:
            return None
        close = braces
        for _ in range(_TRIES):
            close = source.find("}}", close + 2, braces + _LONGEST + 2)
            if close < 0:
                break
            self._tried += close - braces
            if self._tried > MAX_TRIED:
                raise DslError("a text with too many braces that are no expression")
            piece = _read(source[braces + 2 : close], source[braces : close + 2])
            if piece is not None:
                return braces, close + 2, piece
        return braces, braces + 2, None


def _read(inside: str, written: str) -> Place | Formula | None:
    if inside and _NAME.issuperset(inside):
        return Place(inside, encoded(written))
    try:
        program = build(inside, literal_places)
    except DslError:
        return None
    return Formula(program, encoded(written)) if program.calls or program.names else None


def literal_places(literal: bytes) -> Text | None:
    """A literal of an expression that itself has places: `md5('{{token}}')`."""
    if b"{{" not in literal or literal.count(b"{{") > MAX_PLACES:
        return None
    text = compile_text(literal.decode("utf-8", "surrogateescape"))
    return text if text.names or text.calls else None


@functools.lru_cache(maxsize=_KEPT)
def compile_condition(expression: str) -> Program:
    """An expression of a matcher or extractor: places inside its literals are filled in from the data."""
    return build(expression, literal_places)


def waiting_condition(expression: str, names: frozenset[str], calls: frozenset[str]) -> Program:
    """An expression that was compiled before, compiled again when it is first run."""
    return Program(expression, names, calls, lambda run: compile_condition(expression).step(run))
