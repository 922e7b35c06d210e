"""How many questions are being answered at once, in this process and for one account: each holds a connection to the model."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from secrecon.model.errors import Exhausted

MOST_AT_ONCE = 8
MOST_OF_ONE = 2
WAIT = 10


@dataclass(slots=True)
class Room:
    """Who is being answered in this process, so that nobody takes every place. Belongs to one event loop."""

    answering: Counter[int] = field(default_factory=Counter)

    def check(self, account_id: int) -> None:
        """Raise Exhausted where there is no place for this account."""
        if self.answering[account_id] >= MOST_OF_ONE:
            raise Exhausted("Your account is being answered already: wait until that answer is whole.", WAIT)
        if self.answering.total() >= MOST_AT_ONCE:
            raise Exhausted("Too many questions are being answered right now. Try again.", WAIT)

    @contextlib.contextmanager
    def place(self, account_id: int) -> Iterator[None]:
        """A place for one answer. Raises Exhausted where there is none."""
        self.check(account_id)
        self.answering[account_id] += 1
        try:
            yield
        finally:
            self.answering[account_id] -= 1
            if not self.answering[account_id]:
                del self.answering[account_id]
