"""What an error of the network means for an ask of a template."""

from __future__ import annotations

from secrecon.model.errors import (
    BadInput,
    BudgetSpent,
    ConnectFailed,
    ScopeRefused,
    TargetTimeout,
    TlsFailed,
    Unresolvable,
)
from secrecon.templates.execution.asks import Trouble


def trouble_of(error: Exception) -> Trouble:
    """The kind of trouble that `error` is."""
    if isinstance(error, ScopeRefused):
        return Trouble.REFUSED
    if isinstance(error, BudgetSpent):
        return Trouble.SKIPPED
    if isinstance(error, BadInput):
        return Trouble.INVALID
    if isinstance(error, TargetTimeout):
        return Trouble.TIMEOUT
    return Trouble.UNREACHABLE if isinstance(error, ConnectFailed | Unresolvable | TlsFailed) else Trouble.BROKEN
