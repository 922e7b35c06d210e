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
        """Compile all; raises BadPattern naming the first that is none."""
        self._singles = [compile_pattern(pattern, exact=exact) for pattern in patterns]
        self._set = re2.Set.SearchSet(_options(exact=exact)) if self._singles else None
        if self._set is not None:
            for single in self._singles:
                self._set.Add(single.pattern)
            self._set.Compile()

    def __len__(self) -> int:
        return len(self._singles)

    def matching(self, text: bytes) -> tuple[int, ...]:
        """The indexes of the patterns that occur somewhere in `text`, ascending."""
        if self._set is None:
            return ()
        return tuple(sorted(self._set.Match(text) or ()))

    def search(self, index: int, text: bytes) -> Match | None:
        """The first occurrence of one pattern, with its named groups."""
        found = self._singles[index].search(text)
        if found is None:
            return None
        # With Latin-1 options, re2 gives the names of groups as bytes too.
        groups = {_text(name): _text(value) for name, value in found.groupdict().items() if value}
        return Match(found.group(0).decode("latin-1"), groups)


def _text(value: bytes | str) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def compile_pattern(pattern: str, *, exact: bool = False) -> re2._Regexp:
    """One pattern, compiled. Raises BadPattern."""
    if len(pattern) > MAX_PATTERN:
        raise BadPattern(f"pattern is longer than {MAX_PATTERN} characters")
    if not pattern.isascii():
        raise BadPattern(f"pattern is not plain ASCII: {pattern!r}")
    try:
        return re2.compile(pattern.encode("ascii"), _options(exact=exact))
    except re2.error as error:
        raise BadPattern(f"pattern {pattern!r} is not RE2: {error}") from error
