"""Payload lists and the three ways to combine them. The number of sets is known before the first is made, and bounded.

batteringram: one list, one value at a time. pitchfork: the i-th of each list, to the end of the shortest. clusterbomb: all
combinations, the last list varying fastest.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from secrecon.templates.dsl.run import SYSTEM, Ambient
from secrecon.templates.dsl.values import encoded
from secrecon.templates.errors import DslError
from secrecon.templates.render import compile_text

MAX_VALUES = 200_000
MAX_SETS = 1_000_000
MAX_FILE = 4 * 1024 * 1024


class Attack(StrEnum):
    BATTERINGRAM = "batteringram"
    PITCHFORK = "pitchfork"
    CLUSTERBOMB = "clusterbomb"


@dataclass(frozen=True, slots=True)
class Payloads:
    attack: Attack
    lists: tuple[tuple[str, tuple[str, ...]], ...]

    def __post_init__(self) -> None:
        if self.attack is Attack.BATTERINGRAM and len(self.lists) != 1:
            raise DslError(f"batteringram needs exactly one payload list, not {len(self.lists)}")
        if any(len(values) > MAX_VALUES for _, values in self.lists):
            raise DslError(f"a payload list of more than {MAX_VALUES} values")
        if self.count > MAX_SETS:
            raise DslError(f"{self.count} combinations of payloads; at most {MAX_SETS} are made")

    @property
    def count(self) -> int:
        sizes = [len(values) for _, values in self.lists]
        return math.prod(sizes) if self.attack is Attack.CLUSTERBOMB else min(sizes)

    def written(self) -> Iterator[dict[str, bytes]]:
        """One set after the other, as they are written in the template."""
        names = [name for name, _ in self.lists]
        lists = [values for _, values in self.lists]
        rows = itertools.product(*lists) if self.attack is Attack.CLUSTERBOMB else zip(*lists, strict=False)
        for row in rows:
            yield {name: encoded(value) for name, value in zip(names, row, strict=True)}

    def sets(self, variables: Mapping[str, object], ambient: Ambient = SYSTEM) -> Iterator[dict[str, bytes]]:
        """One set after the other, each value filled in from the variables."""
        for row in self.written():
            yield {
                name: compile_text(value.decode("utf-8", "surrogateescape")).render(variables, ambient)
                for name, value in row.items()
            }


def lines_of(content: bytes) -> tuple[str, ...]:
    """The values in a payload file: one a line, empty lines skipped."""
    if len(content) > MAX_FILE:
        raise DslError(f"a payload file of {len(content)} bytes; at most {MAX_FILE} are read")
    lines = (line.rstrip(b"\r") for line in content.split(b"\n"))
    return tuple(line.decode("utf-8", "surrogateescape") for line in lines if line.strip())


def refused_path(path: str) -> str | None:
    """Why a payload file's path is not followed, or None."""
    if len(path) > 300 or "\x00" in path or "\\" in path:
        return "a payload file's name is too long or has odd characters"
    if path.startswith("/") or ":" in path or ".." in path.split("/"):
        return "a payload file must lie below the template directory"
    return None
