"""Where everything that was heard goes: to the session whose payload it is, to our own scans, or to the shared baskets.

A request may carry many windows that could be tokens. Each that starts with a live session's id is that session's; the
others are handed to our own scans, where there are any, which know by their stored payloads what is theirs. Without I/O:
the queue to the scans is passed in, and so are time and randomness.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

from secrecon.model.oast import Heard
from secrecon.net.clock import Clock
from secrecon.oast.baskets import Basket
from secrecon.oast.protocol import interaction_json
from secrecon.oast.sessions import Sessions
from secrecon.oast.tokens import CORRELATION_LENGTH, is_minted

MAX_TAKEN = 16
FEW = 3
"""A long word has many windows. Beyond so many candidates only those that look minted are handed to our scans, so that long
words cannot fill the queue."""
SHARED_TEXT = 4_096


class Intake:
    """`own`: takes what may belong to our scans, None where there are none. `extra`, `everything`: the baskets."""

    def __init__(
        self,
        clock: Clock,
        source: random.Random,
        sessions: Sessions | None = None,
        own: Callable[[Heard], None] | None = None,
        extra: Basket | None = None,
        everything: Basket | None = None,
    ) -> None:
        self._clock = clock
        self._source = source
        self._sessions = sessions
        self._own = own
        self._extra = extra
        self._everything = everything

    def is_session(self, token: str) -> bool:
        """Whether the token belongs to a live session."""
        return self._sessions is not None and token[:CORRELATION_LENGTH] in self._sessions

    def take(
        self,
        protocol: str,
        client: str,
        tokens: Iterable[str],
        name: str,
        request: bytes,
        response: bytes = b"",
        query: str = "",
        sender: str = "",
    ) -> None:
        """One request with the tokens that it carries. `name`: the text that a token stands in, mostly a host."""
        now, tokens = self._clock.now(), tuple(tokens)
        many = len(tokens) > FEW
        sessions, own, taken, found = self._sessions, self._own, 0, False
        for token in tokens:
            session = sessions is not None and token[:CORRELATION_LENGTH] in sessions
            if not session and (own is None or (many and not is_minted(token))):
                continue
            id_ = f"{self._source.getrandbits(128):032x}"
            full = _full_id(name, token)
            heard = Heard(id_, token, full, protocol, client, now, request, response, query, sender)
            if session and sessions is not None:
                sessions.hear(heard, now)
                found = True
            elif own is not None:
                own(heard)
            taken += 1
            if taken >= MAX_TAKEN and found:
                break
        basket = self._everything if protocol in ("dns", "http", "https") else self._everything or self._extra
        if basket is not None and not (found and basket is self._extra):
            heard = Heard("", "", name[:255], protocol, client, now, request[:SHARED_TEXT], b"", query, sender)
            basket.put(interaction_json(heard).decode("ascii").strip())


def _full_id(name: str, token: str) -> str:
    """`name` up to the end of the label that holds the token, in the case it came in."""
    at = name.lower().find(token)
    if at < 0:
        return token
    end = name.find(".", at)
    return (name if end < 0 else name[:end])[:1024]
