"""Reads the JSON body of a request (RFC 8259) and nothing that two parsers could read in two ways.

Refused, always as BadInput: text that is not UTF-8, duplicate keys, NaN and infinities, numbers of absurd length,
NUL characters, lone surrogates, deep nesting, anything but one object. The size was bounded before this is called.
"""

from __future__ import annotations

import json
import math
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from secrecon.model.errors import BadInput
from secrecon.model.record import JsonValue

MAX_DEPTH = 16
MAX_DIGITS = 40
MAX_EXACT = 2**53

M = TypeVar("M", bound=BaseModel)


def read_object(raw: bytes) -> dict[str, JsonValue]:
    """The one JSON object that `raw` holds."""
    if not raw.strip():
        raise BadInput("the body is empty: send a JSON object")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput("the body is not UTF-8 text") from error
    _check_depth(text)
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_number,
            parse_constant=_constant,
        )
    except json.JSONDecodeError as error:
        raise BadInput(f"the body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from error
    if not isinstance(value, dict):
        raise BadInput("the body must be a JSON object")
    return value


def read_model(kind: type[M], raw: bytes) -> M:
    """The request body as `kind`, checked strictly: unknown fields and wrong types are BadInput naming the field."""
    value = read_object(raw)
    try:
        return kind.model_validate(value, strict=True)
    except ValidationError as error:
        raise _told(kind, error) from error


def _told(kind: type[BaseModel], error: ValidationError) -> BadInput:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    if first["type"] == "missing":
        return BadInput(f"{field} is required", field)
    if first["type"] == "extra_forbidden":
        known = ", ".join(kind.model_fields)
        return BadInput(f"unknown field {field[:100]!r}: this request takes {known}", field[:100])
    return BadInput(f"{field}: {first['msg']}", field)


def _check_depth(text: str) -> None:
    """Refuse nesting deeper than MAX_DEPTH before the recursive parser sees it."""
    depth, in_string, escaped = 0, False, False
    for char in text:
        if in_string:
            if escaped:
                escaped = False
            elif char == "\\":
                escaped = True
            elif char == '"':
                in_string = False
        elif char == '"':
            in_string = True
        elif char in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise BadInput(f"the body is nested deeper than {MAX_DEPTH} levels")
        elif char in "]}":
            depth -= 1


def _object(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    found: dict[str, JsonValue] = {}
    for key, value in pairs:
        _check_text(key)
        if key in found:
            raise BadInput(f"the key {key[:100]!r} appears twice", key[:100])
        _check_value(value)
        found[key] = value
    return found


def _check_value(value: JsonValue) -> None:
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, list):
        for item in value:
            _check_value(item)


def _check_text(text: str) -> None:
    if "\0" in text:
        raise BadInput("the body holds a NUL character")
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise BadInput("the body holds half a surrogate pair")


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise BadInput(f"the body holds a number of more than {MAX_DIGITS} digits")
    return int(digits)


def _number(text: str) -> float | int:
    """JSON knows one kind of number: 80.0 is the integer 80 (JSON Schema 2020-12, section 6.1.1)."""
    value = float(text)
    if len(text) > MAX_DIGITS or not math.isfinite(value):
        raise BadInput("the body holds a number that is out of range")
    return int(value) if value.is_integer() and abs(value) < MAX_EXACT else value


def _constant(name: str) -> float:
    raise BadInput(f"the body holds {name}, which is not JSON")
