"""Flows of protocol calls: `http(1) && (http(2) || http("id"))`, line after line, and `if (http(1)) { http(2) }`.

Evaluated lazily, left to right: what decides the outcome first ends it. Flows that are real JavaScript are refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import re2

from secrecon.templates.errors import DslError

MAX_FLOW = 10_000
MAX_NESTING = 20
PROTOCOLS = ("http", "dns", "ssl", "tcp")
_TOKEN = re2.compile(
    r"""[ \t\r]*(?:(\n|;)|(&&|\|\||[()!,{}])|([a-z]+)|([0-9]{1,4})|"([^"\n]{1,100})"|'([^'\n]{1,100})')"""
)


@dataclass(frozen=True, slots=True)
class Ask:
    """Run blocks of one protocol: by number or by id, all where none is named."""

    protocol: str
    blocks: tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class Not:
    inner: Step


@dataclass(frozen=True, slots=True)
class Both:
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Either:
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class When:
    """`if (condition) { statements }`."""

    condition: Step
    statements: tuple[Step, ...]


Step: TypeAlias = "Ask | Not | Both | Either | When"


@dataclass(frozen=True, slots=True)
class Flow:
    """Statements in order; the last one's value is the flow's."""

    statements: tuple[Step, ...]

    def run(self, ask: Callable[[Ask], bool]) -> bool:
        """`ask` runs blocks and says whether they matched."""
        held = False
        for statement in self.statements:
            held = _run(statement, ask)
        return held

    def asks(self) -> tuple[Ask, ...]:
        found: list[Ask] = []
        for statement in self.statements:
            _collect(statement, found)
        return tuple(found)


def _run(step: Step, ask: Callable[[Ask], bool]) -> bool:
    match step:
        case Ask():
            return ask(step)
        case Not(inner):
            return not _run(inner, ask)
        case Both(steps):
            return all(_run(each, ask) for each in steps)
        case Either(steps):
            return any(_run(each, ask) for each in steps)
        case When(condition, statements):
            return _run(condition, ask) and [_run(each, ask) for each in statements][-1]


def _collect(step: Step, found: list[Ask]) -> None:
    if isinstance(step, Ask):
        found.append(step)
    elif isinstance(step, Not):
        _collect(step.inner, found)
    elif isinstance(step, When):
        for each in (step.condition, *step.statements):
            _collect(each, found)
    else:
        for each in step.steps:
            _collect(each, found)


class _Parser:
    def __init__(self, tokens: list[str | int]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    def flow(self) -> Flow:
        statements = self._statements()
        if self._at < len(self._tokens):
            raise DslError("a brace in the flow closes nothing")
        return Flow(statements)

    def _statements(self) -> tuple[Step, ...]:
        statements: list[Step] = []
        while self._at < len(self._tokens) and self._tokens[self._at] != "}":
            if self._accept("\n"):
                continue
            statements.append(self._when() if self._accept("if") else self._either())
            if self._at < len(self._tokens) and self._tokens[self._at] not in ("\n", "}"):
                raise DslError("two calls on one line need && or || between them")
        if not statements:
            raise DslError("the flow is empty")
        return tuple(statements)

    def _when(self) -> Step:
        self._depth += 1
        if self._depth > MAX_NESTING or not self._accept("("):
            raise DslError("a condition in parentheses comes after if")
        condition = self._either()
        self._close()
        self._skip_lines()
        if not self._accept("{"):
            raise DslError("braces come after the condition of an if")
        statements = self._statements()
        if not self._accept("}"):
            raise DslError("a brace in the flow is not closed")
        self._depth -= 1
        return When(condition, statements)

    def _accept(self, token: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at] == token:
            self._at += 1
            return True
        return False

    def _skip_lines(self) -> None:
        while self._accept("\n"):
            pass

    def _either(self) -> Step:
        steps = [self._both()]
        while self._follows("||"):
            steps.append(self._both())
        return steps[0] if len(steps) == 1 else Either(tuple(steps))

    def _both(self) -> Step:
        steps = [self._one()]
        while self._follows("&&"):
            steps.append(self._one())
        return steps[0] if len(steps) == 1 else Both(tuple(steps))

    def _follows(self, operator: str) -> bool:
        """The operator, also at the beginning of a following line."""
        start = self._at
        self._skip_lines()
        if self._accept(operator):
            self._skip_lines()
            return True
        self._at = start
        return False

    def _one(self) -> Step:
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise DslError(f"a flow nested deeper than {MAX_NESTING}")
        step: Step
        if self._accept("!"):
            step = Not(self._one())
        elif self._accept("("):
            self._skip_lines()
            step = self._either()
            self._skip_lines()
            self._close()
        else:
            step = self._ask()
        self._depth -= 1
        return step

    def _close(self) -> None:
        if not self._accept(")"):
            raise DslError("a parenthesis in the flow is not closed")

    def _ask(self) -> Ask:
        name = self._tokens[self._at] if self._at < len(self._tokens) else ""
        self._at += 1
        if name not in PROTOCOLS or not self._accept("("):
            raise DslError(f"a flow calls {', '.join(PROTOCOLS)}; {str(name)[:40]!r} is none of them")
        blocks: list[int | str] = []
        while not self._accept(")"):
            if self._at >= len(self._tokens):
                raise DslError("a parenthesis in the flow is not closed")
            block = self._tokens[self._at]
            self._at += 1
            if isinstance(block, str) and not block.startswith('"'):
                raise DslError("a flow's call takes numbers and quoted ids")
            blocks.append(block.removeprefix('"') if isinstance(block, str) else block)
            if not self._accept(",") and self._tokens[self._at : self._at + 1] != [")"]:
                raise DslError("blocks in a flow's call are separated by commas")
        return Ask(str(name), tuple(blocks))


def parse_flow(source: str) -> Flow | None:
    """The flow, or None where it is JavaScript beyond that. Raises DslError where it is a wrong one."""
    if len(source) > MAX_FLOW:
        return None
    tokens: list[str | int] = []
    at = 0
    text = source.strip()
    while at < len(text):
        found = _TOKEN.match(text[at:])
        if found is None or not found.group(0):
            return None
        line, operator, word, number, double, single = found.groups()
        if word and word not in (*PROTOCOLS, "if"):
            return None
        quoted = double or single
        tokens.append("\n" if line else int(number) if number else f'"{quoted}' if quoted else operator or word)
        at += found.end()
    return _Parser(tokens).flow()
