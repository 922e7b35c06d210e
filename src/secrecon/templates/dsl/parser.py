"""Tokens to a syntax tree, by precedence, tight to loose:

function and parenthesis, prefix (- ! ~), **, * / %, + -, << >>, & | ^, comparators, &&, ||, ternary and ??, comma.
Operators of one level group from the left. A chain of one level is one node however long it is, so only real nesting
costs depth, and that is bounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from secrecon.templates.dsl.lexer import Kind, Token, tokens_of
from secrecon.templates.errors import DslError

MAX_NESTING = 50
LEVELS: tuple[frozenset[str], ...] = (
    frozenset({"||"}),
    frozenset({"&&"}),
    frozenset({"==", "!=", "<", ">", "<=", ">=", "=~", "!~", "in"}),
    frozenset({"&", "|", "^"}),
    frozenset({"<<", ">>"}),
    frozenset({"+", "-"}),
    frozenset({"*", "/", "%"}),
    frozenset({"**"}),
)
"""Loose to tight."""
_TIGHTEST = len(LEVELS) - 1
_CHAINING = frozenset[str]().union(*LEVELS)
PREFIXES = frozenset({"-", "!", "~"})


@dataclass(frozen=True, slots=True)
class Literal:
    value: bool | float | bytes | None


@dataclass(frozen=True, slots=True)
class Name:
    name: str
    dotted: bool


@dataclass(frozen=True, slots=True)
class Call:
    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Prefix:
    operators: tuple[str, ...]
    operand: Node


@dataclass(frozen=True, slots=True)
class Chain:
    """`first` and then (operator, operand) pairs of one level, from the left."""

    first: Node
    rest: tuple[tuple[str, Node], ...]


@dataclass(frozen=True, slots=True)
class Ternary:
    """`condition ? then : otherwise`; without a colon the other branch is nothing."""

    condition: Node
    then: Node
    otherwise: Node


@dataclass(frozen=True, slots=True)
class Coalesce:
    choices: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Listing:
    items: tuple[Node, ...]


Node: TypeAlias = "Literal | Name | Call | Prefix | Chain | Ternary | Coalesce | Listing"
NOTHING = Literal(None)


class _Parser:
    def __init__(self, expression: str, functions: frozenset[str]) -> None:
        self._tokens = tokens_of(expression)
        self._functions = functions
        self._at = 0
        self._depth = 0

    def whole(self) -> Node:
        if self._peek().kind is Kind.END:
            raise DslError("the expression is empty")
        node = self._listing()
        if self._peek().kind is not Kind.END:
            raise self._unexpected()
        return node

    def _peek(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        token = self._tokens[self._at]
        self._at += 1
        return token

    def _accept(self, operator: str) -> bool:
        token = self._peek()
        if token.kind is Kind.OPERATOR and token.word == operator:
            self._at += 1
            return True
        return False

    def _operator(self) -> str:
        token = self._peek()
        if token.kind is Kind.OPERATOR:
            return token.word
        return "in" if token.kind is Kind.NAME and token.word in ("in", "IN") else ""

    def _unexpected(self) -> DslError:
        token = self._peek()
        if token.kind is Kind.END:
            return DslError("the expression ends too early")
        shown = token.word or (
            token.text.decode("utf-8", "replace") if token.kind is Kind.TEXT else str(token.number)
        )
        return DslError(f"unexpected {token.kind} {shown[:40]!r} at {token.at + 1}")

    def _listing(self) -> Node:
        first = self._choice()
        items = [first]
        while self._accept(","):
            items.append(self._choice())
        return first if len(items) == 1 else Listing(tuple(items))

    def _choice(self, *, colon: bool = True) -> Node:
        """A colon without its question mark chooses like `??` (`colon`), but not inside of a ternary's first branch."""
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise DslError(f"an expression nested deeper than {MAX_NESTING}")
        choices = [self._level(0)]
        while self._accept("??") or (colon and self._accept(":")):
            choices.append(self._level(0))
        node = choices[0] if len(choices) == 1 else Coalesce(tuple(choices))
        if self._accept("?"):
            then = self._choice(colon=False)
            node = Ternary(node, then, self._choice() if self._accept(":") else NOTHING)
        self._depth -= 1
        return node

    def _level(self, level: int) -> Node:
        """A chain of this level or a tighter one. The tightest is read first, then each level that its operator has."""
        node = self._prefixed()
        for tighter in range(_TIGHTEST, level - 1, -1):
            operator = self._operator()
            if operator not in _CHAINING:
                return node
            if operator not in LEVELS[tighter]:
                continue
            rest: list[tuple[str, Node]] = []
            while self._operator() in LEVELS[tighter]:
                word = self._take().word
                rest.append((word.lower(), self._level(tighter + 1)))
            node = Chain(node, tuple(rest))
        return node

    def _prefixed(self) -> Node:
        operators: list[str] = []
        while self._operator() in PREFIXES:
            operators.append(self._take().word)
        operand = self._primary()
        return Prefix(tuple(reversed(operators)), operand) if operators else operand

    def _primary(self) -> Node:
        token = self._peek()
        if token.kind is Kind.NUMBER:
            self._at += 1
            return Literal(token.number)
        if token.kind is Kind.TEXT:
            self._at += 1
            return Literal(token.text)
        if token.kind is Kind.QUOTED_NAME:
            self._at += 1
            return Name(token.word, dotted=False)
        if token.kind is Kind.NAME and token.word not in ("in", "IN"):
            self._at += 1
            return self._named(token)
        if self._accept("("):
            return Listing(()) if self._accept(")") else self._closed(self._listing())
        raise self._unexpected()

    def _closed(self, node: Node) -> Node:
        if not self._accept(")"):
            raise self._unexpected()
        return node

    def _named(self, token: Token) -> Node:
        word = token.word
        if word in ("true", "false"):
            return Literal(word == "true")
        following = self._peek()
        called = following.kind is Kind.OPERATOR and following.word == "("
        if not called:
            return Name(word, dotted="." in word)
        if word not in self._functions:
            raise DslError(f"there is no function {word}")
        self._at += 1
        if self._accept(")"):
            return Call(word, ())
        inside = self._closed(self._listing())
        return Call(word, inside.items if isinstance(inside, Listing) else (inside,))


def parse(expression: str, functions: frozenset[str]) -> Node:
    """The tree of `expression`. Raises DslError with the place that is wrong."""
    return _Parser(expression, functions).whole()
