"""What a callback server keeps for its clients: their sessions, and what was heard for them and not yet fetched."""

from __future__ import annotations

from typing import NamedTuple


class KeptSession(NamedTuple):
    """A session at rest. `digest`: of its secret. `wrapped`: its AES key for its client, base64. `locked`: the same key
    for us, readable with the secret only. `created`, `seen`: epoch seconds."""

    correlation: str
    digest: bytes
    wrapped: str
    locked: bytes
    created: float
    seen: float


class Heard(NamedTuple):
    """One interaction with a session's payload. A NamedTuple, because thousands are made in a second.

    `id`: unique. `full_id`: the name up to the label that holds the token, as it was written. `request`, `response`:
    what was on the wire (for LDAP: the search in words). `at`: epoch seconds. `query_type`: DNS only. `sender`: SMTP only.
    """

    id: str
    token: str
    full_id: str
    protocol: str
    remote_address: str
    at: float
    request: bytes
    response: bytes = b""
    query_type: str = ""
    sender: str = ""

    @property
    def size(self) -> int:
        """About how many bytes of memory it holds."""
        return len(self.request) + len(self.response) + len(self.full_id) + len(self.sender) + OVERHEAD


OVERHEAD = 512
