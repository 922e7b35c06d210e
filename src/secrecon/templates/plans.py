"""Compiled templates as plain JSON and back, so that a set that was read once need not be read again.

Only what is the same at every reading is written: no code, no pickle, nothing that is called when it is read. What stands
in a plan is one of the classes listed here, text, bytes, numbers, lists and tables; anything else is refused on the way
out and on the way in. Equal parts are written once and shared. Patterns and expressions come back by their source, known
to be good, and are compiled when they are first used.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import TypeAlias

from secrecon.model.scan import Touch
from secrecon.templates import (
    extractors,
    flow,
    flowscript,
    fuzzing,
    matchers,
    operators,
    policy,
    rawrequest,
    render,
)
from secrecon.templates import template as nouns
from secrecon.templates.documents import JsonQuestion, PathQuestion
from secrecon.templates.dsl.program import Program
from secrecon.templates.patterns import Pattern, waiting_pattern
from secrecon.templates.payloads import Attack, Payloads
from secrecon.templates.variables import Variables

Plain: TypeAlias = "bool | int | float | str | list[Plain] | None"

NOUNS: tuple[type, ...] = (
    nouns.Template, nouns.Info, nouns.HttpBlock, nouns.DnsBlock, nouns.SslBlock, nouns.TcpBlock, nouns.TcpInput,
    operators.Operators, matchers.Matcher, matchers.StatusTest, matchers.SizeTest, matchers.WordTest,
    matchers.RegexTest, matchers.BinaryTest, matchers.DslTest, matchers.PathTest,
    extractors.Extractor, extractors.RegexTake, extractors.KeyTake, extractors.PathTake, extractors.JsonTake,
    extractors.DslTake, render.Text, render.Place, render.Formula, rawrequest.RawRequest, rawrequest.Annotations,
    Payloads, Variables, flow.Flow, flow.Ask, flow.Not, flow.Both, flow.Either, flow.When, flowscript.FlowScript,
    policy.Safety, policy.Reason, fuzzing.Fuzzing, fuzzing.Rule,
)  # fmt: skip
WORDS: tuple[type[StrEnum], ...] = (nouns.Redirects, Attack, Touch, fuzzing.Kind)
_SHARED = (matchers.Matcher, extractors.Extractor, render.Text, Program)
_REF, _TUPLE, _BYTES, _TABLE, _NAMES, _PATTERN, _PROGRAM, _JSON, _PATH, _WORD, _FIRST = range(11)


class NotPlain(ValueError):
    """Something that a plan cannot hold, or that is no plan."""


class Writer:
    """Turns nouns into plain lists. `shared`: the parts that later ones refer to by their place."""

    def __init__(self) -> None:
        self.shared: list[Plain] = []
        self._places: dict[object, int] = {}
        self._tags = {kind: tag for tag, kind in enumerate(NOUNS, _FIRST)}
        self._fields = {kind: dataclasses.fields(kind) for kind in NOUNS}

    def plain(self, value: object) -> Plain:
        """Raises NotPlain."""
        kind = type(value)
        if kind in _SHARED:
            place = self._places.get(value)
            if place is None:
                self.shared.append(self._made(value))
                place = self._places[value] = len(self.shared) - 1
            return [_REF, place]
        return self._made(value)

    def _made(self, value: object) -> Plain:
        if value is None or type(value) in (bool, int, float, str):
            return value  # type: ignore[return-value]
        if isinstance(value, bytes):
            return [_BYTES, value.decode("latin-1")]
        if isinstance(value, tuple):
            return [_TUPLE, *map(self.plain, value)]
        if isinstance(value, dict):
            return [_TABLE, *(part for pair in value.items() for part in map(self.plain, pair))]
        if isinstance(value, Pattern):
            return [_PATTERN, value.source.decode("latin-1")]
        if isinstance(value, Program):
            return [_PROGRAM, value.source, sorted(value.names), sorted(value.calls)]  # type: ignore[list-item]
        if isinstance(value, frozenset):
            return [_NAMES, *sorted(value)]
        if isinstance(value, JsonQuestion | PathQuestion):
            return [_JSON if isinstance(value, JsonQuestion) else _PATH, value.source]
        if isinstance(value, WORDS):
            return [_WORD, WORDS.index(type(value)), str(value)]
        return self._noun(value)

    def _noun(self, value: object) -> Plain:
        """Tag and fields, those at the end left out that are as they are by default."""
        tag = self._tags.get(type(value))
        if tag is None:
            raise NotPlain(f"a plan cannot hold {type(value).__name__}")
        fields = self._fields[type(value)]
        values = [getattr(value, field.name) for field in fields]
        while values and fields[len(values) - 1].default == values[-1]:
            values.pop()
        return [tag, *map(self.plain, values)]


class Reader:
    """Turns plain lists back. Raises NotPlain, TypeError, ValueError or LookupError for what no writer wrote."""

    def __init__(self, shared: Sequence[Plain]) -> None:
        self._shared: list[object] = []
        self._kinds: tuple[Callable[[list[Plain]], object], ...] = (
            self._ref, self._tuple, _bytes, self._table, _names, _pattern, _program, _json, _path, _word,
            *(self._noun for _ in NOUNS),
        )  # fmt: skip
        for part in shared:
            self._shared.append(self.noun(part))

    def noun(self, value: Plain) -> object:
        return self._kinds[value[0]](value) if type(value) is list else value  # type: ignore[index]

    def _noun(self, value: list[Plain]) -> object:
        noun = self.noun
        kind = NOUNS[value[0] - _FIRST]  # type: ignore[operator, index]
        return kind(*[noun(part) if type(part) is list else part for part in value[1:]])

    def _ref(self, value: list[Plain]) -> object:
        return self._shared[value[1]]  # type: ignore[index]

    def _tuple(self, value: list[Plain]) -> object:
        noun = self.noun
        return tuple([noun(part) if type(part) is list else part for part in value[1:]])

    def _table(self, value: list[Plain]) -> object:
        return {_text(value[at]): self.noun(value[at + 1]) for at in range(1, len(value), 2)}


def _text(value: Plain) -> str:
    if isinstance(value, str):
        return value
    raise NotPlain("a plan that is none")


def _bytes(value: list[Plain]) -> bytes:
    return _text(value[1]).encode("latin-1")


def _names(value: list[Plain]) -> frozenset[str]:
    return frozenset(map(_text, value[1:]))


def _pattern(value: list[Plain]) -> Pattern:
    return waiting_pattern(_bytes(value))


def _program(value: list[Plain]) -> Program:
    _, source, names, calls = value
    if not isinstance(names, list) or not isinstance(calls, list):
        raise NotPlain("a plan that is none")
    return render.waiting_condition(_text(source), frozenset(map(_text, names)), frozenset(map(_text, calls)))


def _json(value: list[Plain]) -> JsonQuestion:
    return JsonQuestion(_text(value[1]))


def _path(value: list[Plain]) -> PathQuestion:
    return PathQuestion(_text(value[1]))


def _word(value: list[Plain]) -> StrEnum:
    return WORDS[value[1]](_text(value[2]))  # type: ignore[index]
