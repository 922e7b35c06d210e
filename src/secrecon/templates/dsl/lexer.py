"""Text of an expression to tokens.

Pitfalls kept on purpose: a backslash in a literal keeps the next character and drops itself (so a pattern's digit class
is written `\\\\d`), only the quote that opened a literal closes it, and a literal that looks like a date is a number:
its seconds since 1970 (UTC here; the reference uses the machine's zone).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from secrecon.templates.dsl.golayout import parse_date_literal
from secrecon.templates.dsl.values import encoded
from secrecon.templates.errors import DslError

MAX_LENGTH = 64 * 1024
MAX_TOKENS = 10_000
_OF_TWO = frozenset({"**", "==", "!=", ">=", "<=", "=~", "!~", "&&", "||", "??", "<<", ">>"})
_OF_ONE = frozenset("+-*/%<>!~&|^?:,()")


class Kind(StrEnum):
    NUMBER = "number"
    TEXT = "text"
    NAME = "name"
    QUOTED_NAME = "[name]"
    OPERATOR = "operator"
    END = "end"


@dataclass(frozen=True, slots=True)
class Token:
    kind: Kind
    at: int
    word: str = ""
    number: float = 0.0
    text: bytes = b""


def tokens_of(expression: str) -> list[Token]:
    if len(expression) > MAX_LENGTH:
        raise DslError(f"an expression of {len(expression)} characters; at most {MAX_LENGTH} are read")
    found: list[Token] = []
    at = 0
    while at < len(expression):
        if expression[at].isspace():
            at += 1
            continue
        token, at = _next(expression, at)
        found.append(token)
        if len(found) > MAX_TOKENS:
            raise DslError(f"an expression of more than {MAX_TOKENS} parts")
    found.append(Token(Kind.END, len(expression)))
    return found


def _next(expression: str, at: int) -> tuple[Token, int]:
    char = expression[at]
    if char in "\"'":
        raw, end = _until(expression, at, char)
        date = parse_date_literal(raw)
        if date is not None:
            return Token(Kind.NUMBER, at, number=date), end
        return Token(Kind.TEXT, at, text=encoded(raw)), end
    if char == "[":
        name, end = _until(expression, at, "]")
        return Token(Kind.QUOTED_NAME, at, word=name), end
    if char in "0123456789" or (char == "." and expression[at + 1 : at + 2].isdigit()):
        return _number(expression, at)
    if char.isalpha() or char == "_":
        end = at
        while end < len(expression) and (expression[end].isalnum() or expression[end] in "_."):
            end += 1
        return Token(Kind.NAME, at, word=expression[at:end]), end
    if expression[at : at + 2] in _OF_TWO:
        return Token(Kind.OPERATOR, at, word=expression[at : at + 2]), at + 2
    if char in _OF_ONE:
        return Token(Kind.OPERATOR, at, word=char), at + 1
    raise DslError(f"unexpected character {char!r} at {at + 1}")


def _until(expression: str, start: int, close: str) -> tuple[str, int]:
    """What stands between the delimiter at `start` and `close`, with backslashes resolved, and where it goes on."""
    parts: list[str] = []
    at = start + 1
    while at < len(expression):
        char = expression[at]
        if char == "\\" and at + 1 < len(expression):
            parts.append(expression[at + 1])
            at += 2
            continue
        if char == close:
            return "".join(parts), at + 1
        parts.append(char)
        at += 1
    raise DslError(f"the {expression[start]} at {start + 1} is never closed")


def _number(expression: str, at: int) -> tuple[Token, int]:
    end = at
    if expression[at : at + 2].lower() == "0x":
        end += 2
        while end < len(expression) and expression[end] in "0123456789abcdefABCDEF":
            end += 1
        digits = expression[at + 2 : end]
        if not 0 < len(digits) <= 16:
            raise DslError(f"not a number at {at + 1}: {expression[at:end][:40]}")
        return Token(Kind.NUMBER, at, number=float(int(digits, 16))), end
    while end < len(expression) and expression[end] in "0123456789.":
        end += 1
    written = expression[at:end]
    if written.count(".") > 1 or len(written) > 400:
        raise DslError(f"not a number at {at + 1}: {written[:40]}")
    return Token(Kind.NUMBER, at, number=float(written)), end
