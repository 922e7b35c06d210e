"""Many patterns over one hostile text in one pass: the typed face of google-re2 that fingerprints use.

RE2 runs in time linear in the text whatever the pattern, so a page cannot make us slow. All patterns of one kind go
into an `re2.Set`, whose single pass tells which of them occur; only those are then searched for their groups.
Text is bytes read as Latin-1: no decoding can fail, and every byte is one character. Nothing here knows what a
technology is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import re2

MAX_PATTERN = 400
SET_MEMORY = 64_000_000


class BadPattern(ValueError):
    """A pattern that RE2 does not take, or that is too long or not ASCII. Never leaves the rule loader."""


@dataclass(frozen=True, slots=True)
class Match:
    """`text`: what matched. `groups`: the named groups that took part."""

    text: str
    groups: dict[str, str]


def _options(*, exact: bool = False) -> re2.Options:
    options = re2.Options()
    options.case_sensitive = exact
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False
    options.max_mem = SET_MEMORY
    return options


class PatternSet:
    """A fixed set of patterns, searched together; `exact`: upper and lower case differ. Indexes are the order they were given
    in."""

    def __init__(self, patterns: Iterable[str], *, exact: bool = False) -> None:
        """Compile all into one; raises BadPattern naming the first that is none. Each by itself is compiled when it first
        occurs: of thousands, a page holds a handful."""
        self._patterns = list(patterns)
        self._exact = exact
        self._singles: dict[int, re2._Regexp] = {}
        self._set = re2.Set.SearchSet(_options(exact=exact)) if self._patterns else None
        if self._set is not None:
            for pattern in self._patterns:
                try:
                    self._set.Add(_encoded(pattern))
                except re2.error as error:
                    raise BadPattern(f"pattern {pattern!r} is not RE2: {error}") from error
            self._set.Compile()

    def __len__(self) -> int:
        return len(self._patterns)

    def matching(self, text: bytes) -> tuple[int, ...]:
        """The indexes of the patterns that occur somewhere in `text`, ascending."""
        if self._set is None:
            return ()
        return tuple(sorted(self._set.Match(text) or ()))

    def search(self, index: int, text: bytes) -> Match | None:
        """The first occurrence of one pattern, with its named groups."""
        single = self._singles.get(index)
        if single is None:
            single = self._singles[index] = compile_pattern(self._patterns[index], exact=self._exact)
        found = single.search(text)
        if found is None:
            return None
        # With Latin-1 options, re2 gives the names of groups as bytes too.
        groups = {_text(name): _text(value) for name, value in found.groupdict().items() if value}
        return Match(found.group(0).decode("latin-1"), groups)


def _text(value: bytes | str) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def compile_pattern(pattern: str, *, exact: bool = False) -> re2._Regexp:
    """One pattern, compiled. Raises BadPattern."""
    try:
        return re2.compile(_encoded(pattern), _options(exact=exact))
    except re2.error as error:
        raise BadPattern(f"pattern {pattern!r} is not RE2: {error}") from error


def _encoded(pattern: str) -> bytes:
    if len(pattern) > MAX_PATTERN:
        raise BadPattern(f"pattern is longer than {MAX_PATTERN} characters")
    if not pattern.isascii():
        raise BadPattern(f"pattern is not plain ASCII: {pattern!r}")
    return pattern.encode("ascii")
