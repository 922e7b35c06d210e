"""The variables of one request: layers of names, and callback addresses that are minted where they are read.

`interactsh-url` is not a variable but a wish: each place that reads it gets an address of its own (`{{interactsh-url}}`
twice in a text is two addresses, and so is each name such as `interactsh-url_1`). Which were minted is kept, since a hit
on one of them must find this request again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import re2

_WISH = re2.compile(r"interactsh-url(?:_[0-9]+){0,3}")


@dataclass(frozen=True, slots=True)
class Minted:
    """A callback address: `host` as it goes into the text, `token` as hits name it. `marker`: the name it was read by."""

    host: str
    token: str
    marker: str


Mint = Callable[[], tuple[str, str] | None]
"""Gives (host, token) for a fresh callback address; None where there is no listener."""


class Scope(Mapping[str, object]):
    """`known` with wishes on top. Not to be kept: each request has its own."""

    __slots__ = ("_mint", "known", "minted", "wanting")

    def __init__(self, known: Mapping[str, object], mint: Mint) -> None:
        self.known = known
        self._mint = mint
        self.minted: list[Minted] = []
        self.wanting = False
        """True once an address was wished for and there was none to give."""

    def __getitem__(self, name: str) -> object:
        if name in self.known or not is_wish(name):
            return self.known[name]
        made = self._mint()
        if made is None:
            self.wanting = True
            return b""
        host, token = made
        self.minted.append(Minted(host, token, name))
        return host.encode()

    def __contains__(self, name: object) -> bool:
        return name in self.known or (isinstance(name, str) and is_wish(name))

    def __iter__(self) -> Iterator[str]:
        return iter(self.known)

    def __len__(self) -> int:
        return len(self.known)


def is_wish(name: str) -> bool:
    """True for the names that ask for a callback address."""
    return name.startswith("interactsh-url") and _WISH.fullmatch(name) is not None


def placeholders(minted: tuple[Minted, ...]) -> dict[str, object]:
    """What matchers see of the addresses: `interactsh-url`, and beside it `-id` and `-server`; the last of each name."""
    found: dict[str, object] = {}
    for item in minted:
        id_, _, server = item.host.partition(".")
        for name, value in (("url", item.host), ("id", id_), ("server", server)):
            found[item.marker.replace("-url", f"-{name}", 1)] = value.encode()
    return found
