"""One run of an expression: its variables, the ambient world it may use, and what it has spent.

The world is passed in, so that a test, a replay and a scan decide themselves what time it is, what chance says and how
waiting is done. `SYSTEM` is the real one, for single uses; an engine passes its own, which must not block.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from secrecon.templates.dsl.values import Value
from secrecon.templates.errors import DslError

MAX_PRODUCED = 32 * 1024 * 1024
MAX_OUTPUT = 10 * 1024 * 1024
MAX_WAIT = 60.0


@dataclass(frozen=True, slots=True)
class Ambient:
    """`now`: epoch seconds. `chance`: where random text and numbers come from. `wait`: how `wait_for` waits."""

    now: Callable[[], float]
    chance: random.Random
    wait: Callable[[float], None]


SYSTEM = Ambient(now=time.time, chance=random.SystemRandom(), wait=time.sleep)


class Run:
    """State of one evaluation."""

    __slots__ = ("_produced", "ambient", "variables")

    def __init__(self, variables: Mapping[str, object], ambient: Ambient) -> None:
        self.variables = variables
        self.ambient = ambient
        self._produced = 0

    def spent(self, value: Value) -> Value:
        """Counts what a function or a concatenation produced."""
        if isinstance(value, bytes):
            self.allow(len(value))
        elif isinstance(value, tuple):
            self.allow(sum(8 + len(item) if isinstance(item, bytes) else 8 for item in value))
        return value

    def allow(self, size: int) -> None:
        """Raises DslError when one output, or all of a run together, would become too large."""
        self._produced += size
        if size > MAX_OUTPUT or self._produced > MAX_PRODUCED:
            raise DslError(f"the expression produces more than {MAX_OUTPUT} bytes at once or {MAX_PRODUCED} in all")
