"""One run of an expression: its variables, the ambient world it may use, and what it has spent.

The world is passed in, so that a test, a replay and a scan decide themselves what time it is, what chance says and how
waiting is done. `SYSTEM` is the real one, for single uses; an engine passes its own, which must not block. What only the
network knows is a question: who runs the expression may answer it by stopping the run (`Unanswered`), asking, and running
it again.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from secrecon.templates.dsl.values import Value
from secrecon.templates.errors import FunctionRefused, OverLimit

MAX_PRODUCED = 32 * 1024 * 1024
MAX_OUTPUT = 10 * 1024 * 1024
MAX_WAIT = 60.0


@dataclass(frozen=True, slots=True)
class Question:
    """`kind`: resolve (`about` a name, `detail` the record type in lower case) or jarm (`about` host:port)."""

    kind: str
    about: str
    detail: str = ""


class Unanswered(Exception):
    """The run cannot go on before `question` is answered."""

    def __init__(self, question: Question) -> None:
        super().__init__(f"{question.kind} {question.about}")
        self.question = question


def _nobody(question: Question) -> bytes:
    raise FunctionRefused(f"{question.kind} asks the network, which only a running template may")


@dataclass(frozen=True, slots=True)
class Ambient:
    """`now`: epoch seconds. `chance`: where random text and numbers come from. `wait`: how `wait_for` waits. `look`: the
    answer to a question; raises Unanswered, or DslError where there is no answer."""

    now: Callable[[], float]
    chance: random.Random
    wait: Callable[[float], None]
    look: Callable[[Question], bytes] = _nobody


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
        """Raises OverLimit when one output, or all of a run together, would become too large."""
        self._produced += size
        if size > MAX_OUTPUT or self._produced > MAX_PRODUCED:
            raise OverLimit(
                f"the expression produces more than {MAX_OUTPUT} bytes at once or {MAX_PRODUCED} in all"
            )
