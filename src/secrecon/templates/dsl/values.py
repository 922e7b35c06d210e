"""The values of the language and how they turn into each other.

A value is None, a bool, a float, text (always bytes) or a list. What comes from outside is brought into this shape once
(`inward`); integers become floats there, as the reference casts them. `text_of` is the one rule for making text.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import TypeAlias

from secrecon.templates.errors import DslError

Value: TypeAlias = "bool | float | bytes | tuple[Value, ...] | Mapping[str, object] | None"

MAX_DEPTH = 8
_INT64 = 1 << 63


def inward(value: object, depth: int = 0) -> Value:
    """A value of the caller in the language's shape."""
    if value is None or isinstance(value, bool | float | bytes):
        return value
    if isinstance(value, int):
        return clip(value)
    if isinstance(value, str):
        return encoded(value)
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    if isinstance(value, list | tuple) and depth < MAX_DEPTH:
        return tuple(inward(item, depth + 1) for item in value)
    if isinstance(value, Mapping):
        return value
    raise DslError(f"a value of type {type(value).__name__} cannot be used in an expression")


def encoded(value: str) -> bytes:
    """Text as bytes; lone surrogates that stand for a byte become it, others cannot be kept."""
    try:
        return value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return value.encode("utf-8", "replace")


def outward(value: Value) -> object:
    """A value for the caller: text as `str` where it is UTF-8."""
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return value
    if isinstance(value, tuple):
        return [outward(item) for item in value]
    return value


def clip(number: int) -> float:
    """An integer as a float; one that no float holds is an infinity."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def number_text(number: float) -> str:
    """The shortest decimal that reads back as the same number, without an exponent."""
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "+Inf" if number > 0 else "-Inf"
    shown = format(Decimal(repr(number)), "f")
    return shown[:-2] if shown.endswith(".0") else shown


def text_of(value: Value) -> bytes:
    """Any value as text: None is empty, a list is shown the way Go shows it."""
    if isinstance(value, bytes):
        return value
    if value is None:
        return b""
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, float):
        return number_text(value).encode()
    if isinstance(value, tuple):
        return b"[" + b" ".join(text_of(item) for item in value) + b"]"
    return b"map[" + b" ".join(encoded(key) + b":" + text_of(inward(value[key])) for key in sorted(value)) + b"]"


def whole(value: Value, what: str) -> int:
    """An integer from a number or from decimal text, within 64 bits."""
    if isinstance(value, float) and math.isfinite(value):
        number = int(value)
    else:
        shown = text_of(value)
        if not _is_integer(shown):
            raise DslError(f"{what} must be a whole number")
        number = int(shown)
    return bounded(number, what)


def number_of(value: Value, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, float):
        raise DslError(f"{what} must be a number")
    return value


def text_only(value: Value, what: str) -> bytes:
    """For functions whose argument must really be text: a number is an error there, not converted."""
    if not isinstance(value, bytes):
        raise DslError(f"{what} must be text")
    return value


def to_int64(value: float) -> int:
    """The operand of a bit operation."""
    if not math.isfinite(value) or not -_INT64 <= value < _INT64:
        raise DslError("bit operations need a number within 64 bits")
    return int(value)


def wrap_int64(number: int) -> float:
    return float((number + _INT64) % (2 * _INT64) - _INT64)


def bounded(number: int, what: str) -> int:
    if not -_INT64 <= number < _INT64:
        raise DslError(f"{what} must be within 64 bits")
    return number


def _is_integer(shown: bytes) -> bool:
    digits = shown[1:] if shown[:1] in (b"-", b"+") else shown
    return 0 < len(digits) <= 19 and digits.isdigit()


def same(left: Value, right: Value) -> bool:
    """Deep equality with type: a number never equals text, nor a boolean a number."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, tuple) and isinstance(right, tuple):
        return len(left) == len(right) and all(map(same, left, right))
    return type(left) is type(right) and left == right


def kind(value: Value) -> str:
    """The value's type, for messages."""
    if isinstance(value, bool):
        return "a boolean"
    names = {float: "a number", bytes: "text", tuple: "a list", type(None): "nothing"}
    return names.get(type(value), "an object")
