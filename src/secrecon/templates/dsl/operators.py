"""What each operator does to two values. Typed: a wrong type is an error, never a guess.

`+` joins text if either side is text. `<` and its kin need two numbers or two texts. `==` compares deeply and with type,
so `"200" == 200` is false. Division by zero is an infinity, as in IEEE 754; bit operations work on 64 bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from secrecon.templates.dsl.values import Value, kind, same, text_of, to_int64, wrap_int64
from secrecon.templates.errors import DslError
from secrecon.templates.patterns import compile_pattern


def truth(value: Value, operator: str) -> bool:
    if isinstance(value, bool):
        return value
    raise DslError(f"{operator} needs a boolean, not {kind(value)}")


def _number(value: Value, operator: str) -> float:
    if isinstance(value, float):
        return value
    raise DslError(f"{operator} needs numbers, not {kind(value)}")


def apply_prefix(operators: tuple[str, ...], value: Value) -> Value:
    for operator in operators:
        if operator == "!":
            value = not truth(value, "!")
        elif operator == "-":
            value = -_number(value, "-")
        else:
            value = float(~to_int64(_number(value, "~")))
    return value


def _plus(left: Value, right: Value) -> Value:
    if isinstance(left, bytes) or isinstance(right, bytes):
        return text_of(left) + text_of(right)
    return _number(left, "+") + _number(right, "+")


def _divide(left: float, right: float) -> float:
    if right != 0:
        return left / right
    if left == 0 or math.isnan(left):
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1.0, right)


def _modulo(left: float, right: float) -> float:
    return math.nan if right == 0 or math.isinf(left) else math.fmod(left, right)


def _power(left: float, right: float) -> float:
    try:
        return math.pow(left, right)
    except OverflowError:
        return -math.inf if left < 0 and math.fmod(right, 2) else math.inf
    except ValueError:
        return math.inf if left == 0 else math.nan


def _numeric(operator: str, compute: Callable[[float, float], float]) -> Callable[[Value, Value], Value]:
    return lambda left, right: compute(_number(left, operator), _number(right, operator))


def _bits(operator: str, compute: Callable[[int, int], int]) -> Callable[[Value, Value], Value]:
    def apply(left: Value, right: Value) -> Value:
        return wrap_int64(compute(to_int64(_number(left, operator)), to_int64(_number(right, operator))))

    return apply


def _shift(left: int, right: int, *, up: bool) -> int:
    if right < 0:
        raise DslError("a shift needs a count of 0 or more")
    if right > 63:
        return 0 if up or left >= 0 else -1
    return left << right if up else left >> right


def _ordered(
    operator: str, compare: Callable[[float | bytes, float | bytes], bool]
) -> Callable[[Value, Value], Value]:
    def apply(left: Value, right: Value) -> Value:
        if isinstance(left, float) and isinstance(right, float):
            return compare(left, right)
        if isinstance(left, bytes) and isinstance(right, bytes):
            return compare(left, right)
        raise DslError(f"{operator} needs two numbers or two texts, not {kind(left)} and {kind(right)}")

    return apply


def _searched(left: Value, right: Value) -> bool:
    if isinstance(left, bytes) and isinstance(right, bytes):
        return compile_pattern(right).found_in(left)
    raise DslError(f"a pattern match needs two texts, not {kind(left)} and {kind(right)}")


def _within(left: Value, right: Value) -> bool:
    if not isinstance(right, tuple):
        raise DslError(f"in needs a list, not {kind(right)}")
    return any(same(left, item) for item in right)


BINARY: dict[str, Callable[[Value, Value], Value]] = {
    "+": _plus,
    "-": _numeric("-", lambda left, right: left - right),
    "*": _numeric("*", lambda left, right: left * right),
    "/": _numeric("/", _divide),
    "%": _numeric("%", _modulo),
    "**": _numeric("**", _power),
    "<<": _bits("<<", lambda left, right: _shift(left, right, up=True)),
    ">>": _bits(">>", lambda left, right: _shift(left, right, up=False)),
    "&": _bits("&", lambda left, right: left & right),
    "|": _bits("|", lambda left, right: left | right),
    "^": _bits("^", lambda left, right: left ^ right),
    "==": same,
    "!=": lambda left, right: not same(left, right),
    "<": _ordered("<", lambda left, right: left < right),  # type: ignore[operator]
    ">": _ordered(">", lambda left, right: left > right),  # type: ignore[operator]
    "<=": _ordered("<=", lambda left, right: left <= right),  # type: ignore[operator]
    ">=": _ordered(">=", lambda left, right: left >= right),  # type: ignore[operator]
    "=~": _searched,
    "!~": lambda left, right: not _searched(left, right),
    "in": _within,
}
