"""How a function of the language is declared: its name, how many arguments it takes, and its body.

A body gets the run (for time, chance and the output budget) and the argument values. It raises DslError and nothing else
for whatever its arguments are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from secrecon.templates.dsl.values import Value
from secrecon.templates.errors import DslError

Body: TypeAlias = Callable[..., Value]


@dataclass(frozen=True, slots=True)
class Function:
    """`most` is None where any number of arguments may follow."""

    name: str
    body: Body
    least: int
    most: int | None

    def check(self, count: int) -> None:
        if count < self.least or (self.most is not None and count > self.most):
            if self.most == self.least:
                wanted = str(self.least)
            else:
                wanted = f"{self.least} or more" if self.most is None else f"{self.least} to {self.most}"
            raise DslError(f"{self.name} takes {wanted} arguments, not {count}")


def fixed(name: str, count: int, body: Body) -> Function:
    return Function(name, body, count, count)


def ranged(name: str, least: int, most: int | None, body: Body) -> Function:
    return Function(name, body, least, most)
