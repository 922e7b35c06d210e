"""Nouns to JSON and back, for storage. Bytes travel as base64; unknown shapes raise BadInput, never guess."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from secrecon.model.asset import (
    Asset,
    Fact,
    Link,
    Page,
    RequestShape,
    Resolution,
    Service,
    Suspect,
    Technology,
    ToldName,
)
from secrecon.model.errors import BadInput
from secrecon.model.record import JsonValue

T = TypeVar("T")

_FACTS: dict[str, type[Fact]] = {
    "asset": Asset,
    "told": ToldName,
    "resolution": Resolution,
    "service": Service,
    "technology": Technology,
    "page": Page,
    "link": Link,
    "shape": RequestShape,
    "suspect": Suspect,
}
_NAMES = {kind: name for name, kind in _FACTS.items()}


_ADAPTERS: dict[object, TypeAdapter[Any]] = {}


def _adapter(kind: type[T]) -> TypeAdapter[T]:
    known = _ADAPTERS.get(kind)
    if known is None:
        # Dataclasses carry no pydantic config of their own, so bytes are declared here once for all of them.
        config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")
        if not hasattr(kind, "__pydantic_config__"):
            kind.__pydantic_config__ = config  # type: ignore[attr-defined]
        known = _ADAPTERS[kind] = TypeAdapter(kind)
    return known


def dump(noun: object) -> str:
    """`noun` (a model dataclass) as compact JSON text. Half a surrogate pair, which no UTF-8 holds, becomes "?"."""
    try:
        return _adapter(type(noun)).dump_json(noun).decode("utf-8")
    except PydanticSerializationError:
        return json.dumps(as_json(noun), ensure_ascii=False, separators=(",", ":"))


def load(kind: type[T], text: str | bytes) -> T:
    """The noun of type `kind` that `dump` wrote. Raises BadInput where the text is not one."""
    try:
        return _adapter(kind).validate_json(text)
    except ValidationError as error:
        raise BadInput(f"stored {kind.__name__} cannot be read: {error.error_count()} errors") from error


def as_json(noun: object) -> JsonValue:
    """`noun` as JSON-safe Python values, for events and answers; half a surrogate pair becomes "?"."""
    value: JsonValue = _adapter(type(noun)).dump_python(noun, mode="json")
    return _whole(value)


def _whole(value: JsonValue) -> JsonValue:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, dict):
        return {str(_whole(key)): _whole(item) for key, item in value.items()}
    return [_whole(item) for item in value] if isinstance(value, list) else value


def fact_kind(fact: Fact) -> str:
    """The stable name of a fact's type, as stored beside it."""
    return _NAMES[type(fact)]


def load_fact(kind: str, text: str | bytes) -> Fact:
    """The fact of the named kind. Raises BadInput for an unknown kind or shape."""
    if kind not in _FACTS:
        raise BadInput(f"unknown kind of fact: {kind}")
    return load(_FACTS[kind], text)
