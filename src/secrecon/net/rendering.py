"""What a page turned into once its scripts had run, and what they asked for: the words between a browser and the crawl.

No browser here: `net.browser` drives one, and needs a package that is not always installed. Everything in these nouns
was said by the target, and is bounded by whoever made them.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from secrecon.model.target import Origin
from secrecon.net.network import Network


@dataclass(frozen=True, slots=True)
class Wish:
    """A request that a page's script made. `sent`: whether it left; only GET and HEAD ever do. `body`: what it carried,
    cut short, "" for none or for what is no text."""

    method: str
    origin: Origin
    target: str
    content_type: str
    body: str
    sent: bool


@dataclass(frozen=True, slots=True)
class Rendered:
    """A page after its scripts. `origin` and `target`: where it was in the end, as scripts may lead on. `refused`: what
    the scope did not admit, at most a few; `trouble`: why it may not be whole, "" where it is."""

    origin: Origin
    target: str
    html: str
    wishes: tuple[Wish, ...]
    refused: tuple[str, ...] = ()
    trouble: str = ""


class Renderer(Protocol):
    """A browser that is running."""

    async def render(self, origin: Origin, target: str) -> Rendered:
        """Open a page and let its scripts run. Raises TargetTimeout, ProtocolBroken where it does not open, BudgetSpent."""
        ...


Refuses = Callable[[str], str]
"""Says why a target must not be asked for, "" where it may be."""
OpenBrowser = Callable[[Network, Refuses], AbstractAsyncContextManager[Renderer]]
"""Starts a browser for one scan; it ends with the context. Raises OperatorError where it does not start."""
