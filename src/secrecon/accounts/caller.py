"""Who is asking. Every use case that needs a right takes one of these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Via = Literal["key", "session", "operator"]


@dataclass(frozen=True, slots=True)
class Caller:
    """`via`: an API key, a browser session, or the operator at the command line. `user_id`: None for the operator."""

    account_id: int
    email: str
    plan: str
    via: Via
    is_admin: bool = False
    user_id: int | None = None
