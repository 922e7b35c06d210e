"""The `variables:` block: evaluated in file order, each against everything known so far.

A name that exists already as runtime data is not evaluated: what is there wins. Lists are passed through.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from secrecon.templates.dsl.run import SYSTEM, Ambient
from secrecon.templates.render import Text


@dataclass(frozen=True, slots=True)
class Variables:
    entries: tuple[tuple[str, Text | tuple[Text, ...]], ...] = ()

    def evaluate(self, known: Mapping[str, object], ambient: Ambient = SYSTEM) -> dict[str, object]:
        """The variables that `known` does not already have. Raises DslError where one cannot be computed."""
        seen = dict(known)
        found: dict[str, object] = {}
        for name, value in self.entries:
            if name in known:
                continue
            if isinstance(value, tuple):
                found[name] = tuple(item.render(seen, ambient) for item in value)
            else:
                found[name] = value.render(seen, ambient)
            seen[name] = found[name]
        return found
