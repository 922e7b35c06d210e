"""Matchers and extractors of one block put together: what one response means.

Extractors run first and matchers see their values. Under `and` the first matcher that fails ends it and names are not
told; under `or` every matcher is asked and each named one that hits is a result of its own.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

from secrecon.templates.dsl.run import SYSTEM, Ambient
from secrecon.templates.errors import OverLimit
from secrecon.templates.extractors import DslTake, Extractor, KeyTake
from secrecon.templates.matchers import Data, DslTest, Matcher, WordTest
from secrecon.templates.render import Text


@dataclass(frozen=True, slots=True)
class Result:
    """One thing to report, with the name of the matcher or of the extractor that makes it one of its own."""

    matcher: str = ""
    extractor: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`matched`: what a flow sees. `results`: what to report. `extracted`: extractor name to values that are shown.
    `dynamic`: variables for later requests, there even where nothing matched. `undecided`: why it is not known whether it
    would have matched."""

    matched: bool
    results: tuple[Result, ...]
    extracted: dict[str, tuple[bytes, ...]]
    dynamic: dict[str, bytes | tuple[bytes, ...]]
    undecided: str = ""


@dataclass(frozen=True)
class Operators:
    matchers: tuple[Matcher, ...] = ()
    extractors: tuple[Extractor, ...] = ()
    every: bool = False

    @functools.cached_property
    def reads(self) -> frozenset[str]:
        """Every name of the data that they look at: parts, keys, and names in expressions and words."""
        found = {matcher.part for matcher in self.matchers} | {extractor.part for extractor in self.extractors}
        for test in (matcher.test for matcher in self.matchers):
            if isinstance(test, DslTest):
                found |= {name for program in test.programs for name in program.names}
            elif isinstance(test, WordTest):
                found |= {name for word in test.words if isinstance(word, Text) for name in word.names}
        for take in (extractor.take for extractor in self.extractors):
            if isinstance(take, DslTake):
                found |= {name for program in take.programs for name in program.names}
            elif isinstance(take, KeyTake):
                found |= set(take.keys)
        return frozenset(found)

    def judge(self, data: Data, ambient: Ambient = SYSTEM) -> Verdict:
        extracted: dict[str, tuple[bytes, ...]] = {}
        dynamic: dict[str, bytes | tuple[bytes, ...]] = {}
        seen: dict[str, object] = dict(data) if self.extractors else {}
        for extractor in self.extractors:
            values = extractor.extract(seen, ambient)
            if not values:
                continue
            if extractor.name:
                named = _named(extractor, values)
                seen.update(named)
                if extractor.internal:
                    dynamic.update(named)
            if not extractor.internal:
                known = extracted.get(extractor.name, ())
                extracted[extractor.name] = tuple(dict.fromkeys(known + values))
        if not self.matchers:
            found = bool(extracted or dynamic) or not self.extractors
            return Verdict(found, _results((), extracted) if extracted else (), extracted, dynamic)
        over: list[OverLimit] = []
        hits = self._hits(seen if self.extractors else data, ambient, over)
        if hits is None:
            return Verdict(False, (), {}, dynamic, str(over[0]) if over else "")
        hidden = all(matcher.internal for matcher in self.matchers)
        told = () if self.every else tuple(hit.name for hit in hits if hit.name and not hit.internal)
        return Verdict(True, () if hidden else _results(told, extracted), extracted, dynamic)

    def _hits(self, data: Data, ambient: Ambient, over: list[OverLimit]) -> tuple[Matcher, ...] | None:
        """`over` gets the errors of matchers that went too far to say."""

        def hit(matcher: Matcher) -> bool:
            try:
                return matcher.matches(data, ambient)
            except OverLimit as error:
                over.append(error)
                return False

        if self.every:
            return self.matchers if all(map(hit, self.matchers)) else None
        return tuple(filter(hit, self.matchers)) or None


def _named(extractor: Extractor, values: tuple[bytes, ...]) -> dict[str, bytes | tuple[bytes, ...]]:
    """One value by its name; several as a list, and for internal extractors also one by one: name0, name1..."""
    if len(values) == 1:
        return {extractor.name: values[0]}
    named: dict[str, bytes | tuple[bytes, ...]] = {extractor.name: values}
    if extractor.internal:
        named.update({f"{extractor.name}{at}": value for at, value in enumerate(values)})
    return named


def _results(named: tuple[str, ...], extracted: dict[str, tuple[bytes, ...]]) -> tuple[Result, ...]:
    """One per named matcher that hit, else one per named extractor that found something, else one."""
    if named:
        return tuple(Result(matcher=name) for name in dict.fromkeys(named))
    return tuple(Result(extractor=name) for name in extracted if name) or (Result(),)
