"""The `variables:` block: evaluated in file order, each against everything known so far.

A name that exists already as runtime data is not evaluated: what is there wins. Lists are passed through.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from secrecon.templates.dsl.run import SYSTEM, Ambient
from secrecon.templates.dsl.values import encoded
from secrecon.templates.errors import DslError
from secrecon.templates.render import Text


@dataclass(frozen=True, slots=True)
class _Layers(Mapping[str, object]):
    """What was found on top of what was known. Nothing is copied, as what is known may make a value when it is read."""

    top: dict[str, object]
    known: Mapping[str, object]

    def __getitem__(self, name: str) -> object:
        return self.top[name] if name in self.top else self.known[name]

    def __contains__(self, name: object) -> bool:
        return name in self.top or name in self.known

    def __iter__(self) -> Iterator[str]:
        return iter({**self.known, **self.top})

    def __len__(self) -> int:
        return len({**self.known, **self.top})


@dataclass(frozen=True, slots=True)
class Variables:
    entries: tuple[tuple[str, Text | tuple[Text, ...]], ...] = ()

    def evaluate(self, known: Mapping[str, object], ambient: Ambient = SYSTEM) -> dict[str, object]:
        """The variables that `known` does not already have."""
        found: dict[str, object] = {}
        seen = _Layers(found, known)
        for name, value in self.entries:
            if name in known:
                continue
            if isinstance(value, tuple):
                found[name] = tuple(_made(item, seen, ambient) for item in value)
            else:
                found[name] = _made(value, seen, ambient)
        return found


def _made(text: Text, known: Mapping[str, object], ambient: Ambient) -> bytes:
    """The text filled in, or as it is written where it cannot be yet: a later request may know more."""
    try:
        return text.render(known, ambient)
    except DslError:
        return encoded(text.source)
