"""A compiled expression: the tree turned into closures once, run many times. Immutable, shared by all scans.

What a run may use of the world (time, chance, waiting) comes in as `Ambient`. Every run has a budget of bytes that its
functions may produce, so that a bomb of repeats ends in DslError and not in the machine's memory.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from secrecon.templates.dsl.functions.registry import FUNCTIONS
from secrecon.templates.dsl.operators import BINARY, apply_prefix, truth
from secrecon.templates.dsl.parser import (
    Call,
    Chain,
    Coalesce,
    Listing,
    Literal,
    Name,
    Node,
    Prefix,
    Ternary,
    parse,
)
from secrecon.templates.dsl.run import SYSTEM, Ambient, Run
from secrecon.templates.dsl.values import Value, inward, kind
from secrecon.templates.errors import DslError, MissingVariable

_Step: TypeAlias = Callable[[Run], Value]
_KEPT = 32_768
_NAMES = frozenset(FUNCTIONS)


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """One expression. `names`: the variables it reads; `calls`: the functions it calls, by their full names; `parts`: its
    calls, sums and choices, each by itself."""

    source: str
    names: frozenset[str]
    calls: frozenset[str]
    step: _Step
    parts: tuple[_Step, ...] = ()

    def each(self, variables: Mapping[str, object], ambient: Ambient) -> Iterator[Value]:
        """The value of each part that has one, also of those that a choice leaves out. For who reads an expression without
        trusting it."""
        if len(self.parts) < 2:
            return  # it is the whole
        for part in self.parts:
            with contextlib.suppress(DslError):
                yield part(Run(variables, ambient))

    def run(self, variables: Mapping[str, object], ambient: Ambient = SYSTEM) -> Value:
        """The value with these variables. Raises DslError."""
        return self.step(Run(variables, ambient))


@functools.lru_cache(maxsize=_KEPT)
def compile_expression(expression: str) -> Program:
    """The expression, parsed and compiled once. Raises DslError where it does not follow the language."""
    return build(expression, lambda text: None)


def build(expression: str, filled: Callable[[bytes], Filled | None]) -> Program:
    """As `compile_expression`, not kept; a literal for which `filled` gives something is filled in at each run."""
    making = _Making(set(), set(), filled, [])
    try:
        step = _compile(parse(expression, _NAMES), making)
    except RecursionError as error:  # expressions in literals of expressions add up
        raise DslError("an expression nested too deep") from error
    return Program(expression, frozenset(making.names), frozenset(making.calls), step, tuple(making.parts))


class Filled(Protocol):
    """Text with places to fill in."""

    @property
    def names(self) -> frozenset[str]: ...

    @property
    def calls(self) -> frozenset[str]: ...

    def render(self, variables: Mapping[str, object], ambient: Ambient = SYSTEM) -> bytes: ...


@dataclass(frozen=True, slots=True)
class _Making:
    names: set[str]
    calls: set[str]
    filled: Callable[[bytes], Filled | None]
    parts: list[_Step]


def _compile(node: Node, making: _Making) -> _Step:
    step = _step(node, making)
    if isinstance(node, Call | Chain | Ternary | Coalesce):
        making.parts.append(step)
    return step


def _step(node: Node, making: _Making) -> _Step:
    match node:
        case Literal(value):
            return _literal(value, making)
        case Name(name, dotted):
            making.names.add(name)
            return _field(name) if dotted else _variable(name)
        case Call(name, arguments):
            return _call(name, tuple(_compile(argument, making) for argument in arguments), making.calls)
        case Prefix(operators, operand):
            inner = _compile(operand, making)
            return lambda run: apply_prefix(operators, inner(run))
        case Chain(first, rest):
            steps = tuple((operator, _compile(operand, making)) for operator, operand in rest)
            return _chain(_compile(first, making), steps)
        case Ternary(condition, then, otherwise):
            parts = tuple(_compile(part, making) for part in (condition, then, otherwise))
            return lambda run: parts[1](run) if truth(parts[0](run), "?") else parts[2](run)
        case Coalesce(choices):
            return _coalesce(tuple(_compile(choice, making) for choice in choices))
        case Listing(items):
            each = tuple(_compile(item, making) for item in items)
            return lambda run: tuple(step(run) for step in each)


def _literal(value: bool | float | bytes | None, making: _Making) -> _Step:
    text = making.filled(value) if isinstance(value, bytes) else None
    if text is None:
        return lambda run: value
    making.names.update(text.names)
    making.calls.update(text.calls)
    return lambda run: run.spent(text.render(run.variables, run.ambient))


def _variable(name: str) -> _Step:
    def read(run: Run) -> Value:
        try:
            return inward(run.variables[name])
        except KeyError:
            raise MissingVariable(name) from None

    return read


def _field(name: str) -> _Step:
    """A dotted name: the variable of that whole name, else a field of the variable before the dot."""
    base, *fields = name.split(".")

    def read(run: Run) -> Value:
        if name in run.variables:
            return inward(run.variables[name])
        if base not in run.variables:
            raise MissingVariable(base)
        value = inward(run.variables[base])
        for field in fields:
            if not isinstance(value, Mapping) or field not in value:
                raise DslError(f"no field '{field}' in '{base}', which is {kind(value)}")
            value = inward(value[field])
        return value

    return read


def _call(name: str, arguments: tuple[_Step, ...], calls: set[str]) -> _Step:
    function = FUNCTIONS[name]
    calls.add(function.name)

    def call(run: Run) -> Value:
        values = tuple(step(run) for step in arguments)
        function.check(len(values))
        return run.spent(function.body(run, *values))

    return call


def _chain(first: _Step, rest: tuple[tuple[str, _Step], ...]) -> _Step:
    if rest[0][0] in ("&&", "||"):
        return _logic(first, tuple(step for _, step in rest), rest[0][0])

    def chain(run: Run) -> Value:
        value = first(run)
        for operator, step in rest:
            right = step(run)
            value = run.spent(BINARY[operator](value, right)) if operator == "+" else BINARY[operator](value, right)
        return value

    return chain


def _logic(first: _Step, rest: tuple[_Step, ...], operator: str) -> _Step:
    stop = operator == "||"

    def logic(run: Run) -> Value:
        if truth(first(run), operator) is stop:
            return stop
        for step in rest:
            if truth(step(run), operator) is stop:
                return stop
        return not stop

    return logic


def _coalesce(choices: tuple[_Step, ...]) -> _Step:
    def coalesce(run: Run) -> Value:
        value: Value = None
        for step in choices:
            value = step(run)
            if value is not None:
                return value
        return value

    return coalesce
