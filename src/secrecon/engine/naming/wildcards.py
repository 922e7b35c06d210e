"""Wildcards (RFC 4592): what names that nobody registered are answered, and which answers that explains. Pure.

A wildcard may be at every level, so each name is held against that of its own parent. Answers may rotate: the set is
the union of several random names'. Where every random name had other addresses, an address proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from secrecon.model.dns import NameAnswer


@dataclass(frozen=True, slots=True)
class Wildcard:
    """What random names below `parent` are answered. `there`: they exist at all. `varies`: each had other addresses, so
    that no answer can be told from the wildcard's. `tested` False: nobody answered for them."""

    parent: str
    there: bool = False
    addresses: frozenset[str] = frozenset()
    aliases: frozenset[str] = frozenset()
    varies: bool = False
    tested: bool = True

    def explains(self, answer: NameAnswer) -> bool:
        """True where a name that is answered so may be no more than the wildcard, or that cannot be told."""
        if not self.tested:
            return True
        if not self.there:
            return False
        if answer.aliases or self.aliases:
            label = answer.name.partition(".")[0]
            return any(alias.replace("*", label) == answer.aliases[0] for alias in self.aliases if answer.aliases)
        return self.varies or set(answer.addresses) <= self.addresses


def learn(parent: str, asked: Iterable[str], answers: Iterable[NameAnswer], silent: Iterable[str]) -> Wildcard:
    """The wildcard below `parent`, from the answers to random names; `silent`: those nobody answered for."""
    names, unheard = tuple(asked), set(silent)
    heard = [answer for answer in answers if answer.name in names]
    if len(unheard.intersection(names)) == len(names):
        return Wildcard(parent, tested=False)
    sets = [frozenset(answer.addresses) for answer in heard if answer.addresses]
    together = frozenset[str]().union(*sets)
    apart = len(sets) > 2 and all(not one & other for at, one in enumerate(sets) for other in sets[:at])
    aliases = frozenset(_pattern(answer) for answer in heard if answer.aliases)
    return Wildcard(parent, bool(heard), together, aliases, varies=apart)


def _pattern(answer: NameAnswer) -> str:
    """The first alias of a random name, with its label as `*`: some wildcards put it in."""
    return answer.aliases[0].replace(answer.name.partition(".")[0], "*")
