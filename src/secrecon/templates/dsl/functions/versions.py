"""`compare_versions`: versions and constraints as hashicorp/go-version reads and orders them.

A version with a pre-release satisfies a range only where the constraint has one too, on the same numbers; that is the
pitfall that makes `1.2.3-rc1 < 2.0.0` false.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest

import re2

from secrecon.templates.dsl.functions.declare import Function, ranged
from secrecon.templates.dsl.run import Run
from secrecon.templates.dsl.values import Value, text_of
from secrecon.templates.errors import DslError

MAX_VERSION = 256
MAX_CONSTRAINTS = 50
_CORE = r"[vV]?(?P<numbers>[0-9]+(?:\.[0-9]+)*)"
_PRE = r"(?:-(?P<pre>[0-9]+[0-9A-Za-z\-~]*(?:\.[0-9A-Za-z\-~]+)*)|-?(?P<word>[A-Za-z\-~]+[0-9A-Za-z\-~]*(?:\.[0-9A-Za-z\-~]+)*))?"
_META = r"(?:\+[0-9A-Za-z\-~]+(?:\.[0-9A-Za-z\-~]+)*)?"
_VERSION = re2.compile(_CORE + _PRE + _META)
_CONSTRAINT = re2.compile(r"\s*(=|!=|>=|<=|>|<|~>|)\s*(\S+)\s*")


@dataclass(frozen=True, slots=True)
class Version:
    """`numbers` padded to three; `given`: how many were written."""

    numbers: tuple[int, ...]
    given: int
    pre: str


def read_version(text: str) -> Version:
    found = _VERSION.fullmatch(text) if len(text) <= MAX_VERSION else None
    if found is None:
        raise DslError(f"not a version: {text[:40]}")
    numbers = tuple(int(part) for part in found.group("numbers").split("."))
    padded = numbers + (0,) * (3 - len(numbers))
    return Version(padded, len(numbers), found.group("pre") or found.group("word") or "")


def compare(left: Version, right: Version) -> int:
    """-1, 0 or 1."""
    for mine, other in zip_longest(left.numbers, right.numbers, fillvalue=0):
        if mine != other:
            return -1 if mine < other else 1
    if left.pre == right.pre:
        return 0
    if not left.pre or not right.pre:
        return 1 if not left.pre else -1
    for mine_part, other_part in zip_longest(left.pre.split("."), right.pre.split("."), fillvalue=""):
        order = _compare_part(mine_part, other_part)
        if order:
            return order
    return 0


def _compare_part(mine: str, other: str) -> int:
    if mine == other:
        return 0
    if not mine:
        return -1 if other.isdigit() else 1
    if not other:
        return 1 if mine.isdigit() else -1
    if mine.isdigit() != other.isdigit():
        return -1 if mine.isdigit() else 1
    if mine.isdigit():
        return -1 if int(mine) < int(other) else 1
    return -1 if mine < other else 1


def _comparable(version: Version, limit: Version) -> bool:
    if version.pre and limit.pre:
        return version.numbers == limit.numbers
    return not version.pre


def _pessimistic(version: Version, limit: Version) -> bool:
    if not _comparable(version, limit) or (limit.pre and not version.pre) or compare(version, limit) < 0:
        return False
    if len(limit.numbers) > len(version.numbers):
        return False
    kept = limit.given - 1
    last = len(limit.numbers) - 1
    return version.numbers[:kept] == limit.numbers[:kept] and limit.numbers[last] <= version.numbers[last]


def _holds(operator: str, version: Version, limit: Version) -> bool:
    order = compare(version, limit)
    if operator in ("", "="):
        return order == 0
    if operator == "!=":
        return order != 0
    if operator == "~>":
        return _pessimistic(version, limit)
    held = {">": order > 0, "<": order < 0, ">=": order >= 0, "<=": order <= 0}[operator]
    return held and _comparable(version, limit)


def _compare_versions(_: Run, value: Value, *limits: Value) -> Value:
    version = read_version(text_of(value).decode("utf-8", "replace"))
    parts = ",".join(text_of(limit).decode("utf-8", "replace") for limit in limits).split(",")
    if len(parts) > MAX_CONSTRAINTS:
        raise DslError(f"more than {MAX_CONSTRAINTS} version constraints")
    held = True
    for part in parts:
        found = _CONSTRAINT.fullmatch(part) if len(part) <= MAX_VERSION else None
        if found is None:
            raise DslError(f"not a version constraint: {part[:40]}")
        held = _holds(found.group(1), version, read_version(found.group(2))) and held
    return held


VERSIONS: tuple[Function, ...] = (ranged("compare_versions", 2, None, _compare_versions),)
