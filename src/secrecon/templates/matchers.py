"""Matchers: is what came back what the template looks for? Pure, over one event's data.

The data maps names to values, text as bytes: `body`, `all_headers`, `status_code`, every header and cookie, payload
values. A part that is not there never matches, and `negative` does not turn that around.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from secrecon.templates.documents import PathQuestion, read_document
from secrecon.templates.dsl.program import Program
from secrecon.templates.dsl.run import SYSTEM, Ambient
from secrecon.templates.dsl.values import inward, text_of
from secrecon.templates.errors import DslError, OverLimit
from secrecon.templates.patterns import Pattern
from secrecon.templates.render import Text
from secrecon.templates.sieve import SIEVE, holds

Data = Mapping[str, object]


def part_of(data: Data, part: str) -> bytes | None:
    """The text of a part: `header` is all headers, `all` is the body and then the headers. None: it is not there."""
    if part == "all":
        body, headers = part_of(data, "body"), part_of(data, "header")
        return None if body is None and headers is None else (body or b"") + (headers or b"")
    name = {"": "body", "header": "all_headers"}.get(part, part)
    return text_of(inward(data[name])) if name in data else None


class Condition(Protocol):
    """What a matcher tests. None: the part it needs is not there."""

    def holds(self, data: Data, part: str, ambient: Ambient) -> bool | None: ...


@dataclass(frozen=True, slots=True)
class Matcher:
    """`negative` inverts a verdict, never the absence of a part. `internal`: true for flows, not shown as a result."""

    test: Condition
    part: str = "body"
    name: str = ""
    negative: bool = False
    internal: bool = False

    def matches(self, data: Data, ambient: Ambient = SYSTEM) -> bool:
        held = self.test.holds(data, self.part, ambient)
        return False if held is None else held is not self.negative


def _combine(hits: Iterable[bool], *, every: bool, collect: bool) -> bool:
    """`every`: all must hit, and one at least is there. `collect` (match-all): look at all, and any is enough."""
    found = False
    for hit in hits:
        found = found or hit
        if not collect and hit is not every:
            return hit
    return found


@dataclass(frozen=True, slots=True)
class StatusTest:
    statuses: tuple[int, ...]

    def holds(self, data: Data, part: str, ambient: Ambient) -> bool | None:
        value = inward(data.get("status_code"))
        return value in self.statuses if isinstance(value, float) else None


@dataclass(frozen=True, slots=True)
class SizeTest:
    sizes: tuple[int, ...]

    def holds(self, data: Data, part: str, ambient: Ambient) -> bool | None:
        text = part_of(data, part)
        return None if text is None else len(text) in self.sizes


@dataclass(frozen=True, slots=True)
class WordTest:
    """Substrings. Words are filled in from the data first; only the searched text is lower-cased then."""

    words: tuple[Text | bytes, ...]
    every: bool = False
    collect: bool = False
    case_insensitive: bool = False

    def holds(self, data: Data, part: str, ambient: Ambient) -> bool | None:
        text = part_of(data, part)
        if text is None:
            return None
        if self.case_insensitive:
            text = _lowered(text)
        return _combine(
            (self._found(word, text, data, ambient) for word in self.words), every=self.every, collect=self.collect
        )

    def _found(self, word: Text | bytes, text: bytes, data: Data, ambient: Ambient) -> bool:
        if isinstance(word, bytes):
            return holds(text, word)
        try:
            return holds(text, word.render(data, ambient))
        except DslError:  # a word that cannot be made is not found
            return False


def _lowered(text: bytes) -> bytes:
    if text.isascii():
        return SIEVE.lowered(text)
    return text.decode("utf-8", "surrogateescape").lower().encode("utf-8", "surrogateescape")


@dataclass(frozen=True, slots=True)
class RegexTest:
    patterns: tuple[Pattern, ...]
    every: bool = False
    collect: bool = False

    def holds(self, data: Data, part: str, ambient: Ambient) -> bool | None:
        text = part_of(data, part)
        if text is None:
            return None
        return _combine(
            (pattern.found_in(text) for pattern in self.patterns), every=self.every, collect=self.collect
        )


@dataclass(frozen=True, slots=True)
class BinaryTest:
    binaries: tuple[bytes, ...]
    every: bool = False

    def holds(self, data: Data, part: str, ambient: Ambient) -> bool | None:
        text = part_of(data, part)
        if text is None:
            return None
        return _combine((holds(text, wanted) for wanted in self.binaries), every=self.every, collect=False)


@dataclass(frozen=True, slots=True)
class DslTest:
    """Expressions. One that fails counts as false under `and` and is skipped under `or`; one that gives no boolean is
    skipped, and cannot be the last word under `and`. Raises OverLimit where only one that went too far could say."""

    programs: tuple[Program, ...]
    every: bool = False

    def holds(self, data: Data, part: str, ambient: Ambient) -> bool | None:
        held = False
        over: OverLimit | None = None
        for program in self.programs:
            held = False
            try:
                value = program.run(data, ambient)
            except OverLimit as error:
                if self.every:
                    raise
                over = error
                continue
            except DslError:
                if self.every:
                    return False
                continue
            if not isinstance(value, bool):
                continue
            if value is not self.every:
                return value
            held = value
        if over is not None and not held:
            raise over
        return held


@dataclass(frozen=True, slots=True)
class PathTest:
    questions: tuple[PathQuestion, ...]
    every: bool = False

    def holds(self, data: Data, part: str, ambient: Ambient) -> bool | None:
        text = part_of(data, part)
        if text is None:
            return None
        document = read_document(text)
        if document is None:
            return False
        return _combine((bool(ask.find(document)) for ask in self.questions), every=self.every, collect=False)
