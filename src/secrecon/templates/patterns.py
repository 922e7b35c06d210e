"""Regular expressions of templates: google-re2 over bytes, one byte per character (its Latin-1 mode).

Linear time whatever the pattern and the body. `$` is the end of the text only, `\\d \\w \\s` are ASCII, as in Go. Never
Python's `re` on a template's pattern or on what a target said. A pattern is compiled once, and kept for all that write it
alike; one that is known to be good waits until a text holds what it cannot match without (`needs`).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import re2

from secrecon.templates import needs
from secrecon.templates.errors import DslError
from secrecon.templates.sieve import SIEVE

MAX_PATTERN = 16 * 1024
_MAX_MEMORY = 16 * 1024 * 1024
_KEPT = 16_384


class Pattern:
    """A pattern. Never changes, shared by all scans."""

    __slots__ = ("_compiled", "_needed", "source")

    def __init__(self, source: bytes) -> None:
        self.source = source
        self._compiled: re2.Pattern | None = None
        self._needed: tuple[bytes, bool] | None = None

    @property
    def compiled(self) -> re2.Pattern:
        """Raises DslError where it is no pattern."""
        made = self._compiled
        if made is None:
            made = self._compiled = _compile(self.source)
        return made

    @property
    def groups(self) -> int:
        return int(self.compiled.groups)

    @property
    def sure(self) -> bool:
        """Whether it is known to be a pattern without compiling it."""
        return bool(self._need()[0])

    def _need(self) -> tuple[bytes, bool]:
        if self._needed is None:
            self._needed = needs.needed(self.source)
        return self._needed

    def absent_from(self, text: bytes) -> bool:
        """True where the text cannot hold a match; nothing is compiled for this."""
        piece, any_case = self._need()
        if not piece:
            return False
        looked = SIEVE.lowered(text) if any_case else text
        return SIEVE.lacks(looked, piece) or piece not in looked

    def found_in(self, text: bytes) -> bool:
        return not self.absent_from(text) and self.compiled.search(text) is not None

    def matches(self, text: bytes, group: int = 0) -> Iterator[bytes]:
        """All non-overlapping matches, in order; a group that took no part is empty."""
        if self.absent_from(text):
            return
        for match in self._each(text):
            yield match.group(group) or b""

    def _each(self, text: bytes) -> Iterator[re2.Match]:
        """As Go counts them: an empty match right behind another one is none."""
        end = -1
        for match in self.compiled.finditer(text):
            if match.end() > match.start() or match.start() != end:
                yield match
            end = match.end()

    def replace(self, text: bytes, template: bytes, limit: int) -> bytes:
        """Every match replaced by `template`, where `$1` and `${name}` stand for groups. At most `limit` bytes."""
        parts: list[bytes] = []
        size = end = 0
        for match in self._each(text):
            piece = text[end : match.start()] + _expand(match, template)
            size += len(piece)
            if size > limit:
                raise DslError(f"the replaced text would be longer than {limit} bytes")
            parts.append(piece)
            end = match.end()
        return b"".join(parts) + text[end:]


_REFERENCE = re2.compile(r"\$(?:\$|\{(\w+)\}|(\w+))")


def _expand(match: re2.Match, template: bytes) -> bytes:
    """Go's Expand: `$$` is a dollar; an unknown group is empty."""
    if b"$" not in template:
        return template
    parts: list[bytes] = []
    end = 0
    text = template.decode("latin-1")
    for reference in _REFERENCE.finditer(text):
        parts.append(text[end : reference.start()].encode("latin-1"))
        name = reference.group(1) or reference.group(2)
        parts.append(b"$" if name is None else _group(match, name))
        end = reference.end()
    parts.append(text[end:].encode("latin-1"))
    return b"".join(parts)


def _group(match: re2.Match, name: str) -> bytes:
    key: int | str = int(name) if name.isdigit() and len(name) < 6 else name
    names = match.re.groupindex
    if isinstance(key, str):
        found = names.get(key, names.get(key.encode("latin-1")))
        if found is None:
            return b""
        key = found
    if key > match.re.groups:
        return b""
    value = match.group(key)
    return value if isinstance(value, bytes) else b""


def _compile(source: bytes) -> re2.Pattern:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False
    options.max_mem = _MAX_MEMORY
    try:
        return re2.compile(source, options)
    except re2.error as error:
        told = error.args[0] if error.args else b""
        reason = told.decode("latin-1") if isinstance(told, bytes) else str(told)
        raise DslError(f"not a regular expression: {reason}") from error


@functools.lru_cache(maxsize=_KEPT)
def waiting_pattern(source: bytes) -> Pattern:
    """The pattern, compiled when it is first used. For those that were compiled before."""
    return Pattern(source)


def compile_pattern(source: bytes) -> Pattern:
    """The pattern, known to be one. Raises DslError where it is none, or too long."""
    if len(source) > MAX_PATTERN:
        raise DslError(f"a regular expression of {len(source)} bytes; at most {MAX_PATTERN} are read")
    pattern = waiting_pattern(source)
    if not pattern.sure:
        _ = pattern.compiled
    return pattern
