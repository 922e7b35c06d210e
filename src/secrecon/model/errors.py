"""The error tree. Who is to blame is the type; each message says what happened, to what, and what to do next.

SecReconError
├── UserError            the caller asked for something that cannot be done (an API answers 4xx)
│   ├── BadInput         malformed or unknown input                                            400
│   ├── NotAuthenticated no credentials were given                                             401
│   ├── Forbidden        wrong credentials, wrong plan, missing right                          403
│   │   └── ScopeRefused a scope rule forbids this address or name; carries the rule's name    403
│   ├── NotFound         unknown, or not visible to this caller (the two are told alike)       404
│   ├── Conflict         the thing is in a state that does not allow it                        409
│   ├── Unavailable      this installation has no such part, or cannot reach it now            503
│   └── Exhausted        a credit or a rate limit is used up; carries retry_after              429
├── TargetError          the target did something that ended this exchange; an attempt records it
│   ├── Unresolvable     the name has no usable address
│   │   └── NamingFailed the name servers could not say (SERVFAIL, REFUSED): not that there is none
│   ├── ConnectFailed    refused, unreachable
│   │   └── ConnectionBroken it was there, and ended before a byte of the reply
│   ├── TargetTimeout    a stage took longer than allowed; carries the stage
│   ├── TlsFailed        the handshake failed
│   └── ProtocolBroken   the reply cannot be read as the protocol, or ended early
├── BudgetSpent          this scan's own limit was reached; what follows is recorded as skipped
├── LanguageFailed       the language model gave no usable answer; whoever asked goes on without it
├── OperatorError        the installation is wrong: settings, disk, database, ports; says how to mend it
└── InternalError        a bug of ours
"""

from __future__ import annotations


class SecReconError(Exception):
    """Root of every error that SecRecon raises on purpose. `str(error)` is safe to show to the user."""


class UserError(SecReconError):
    """The caller asked for something that cannot be done."""

    status = 400


class BadInput(UserError):
    """Malformed or unknown input. `field` names the offending field when there is one."""

    status = 400

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class NotAuthenticated(UserError):
    """No credentials were given."""

    status = 401


class Forbidden(UserError):
    """The credentials do not allow this."""

    status = 403


class ScopeRefused(Forbidden):
    """A scope rule forbids contact. `rule` is the rule's stable name, such as `loopback` or `off-target`."""

    def __init__(self, message: str, rule: str) -> None:
        super().__init__(message)
        self.rule = rule


class NotFound(UserError):
    """Unknown, or not visible to this caller; the two cannot be told apart."""

    status = 404


class Conflict(UserError):
    """The thing is in a state that does not allow it."""

    status = 409


class Unavailable(UserError):
    """A part that this needs is not set up, or cannot be reached; the message says which setting matters."""

    status = 503


class Exhausted(UserError):
    """A credit or rate limit is used up. `retry_after` is in whole seconds."""

    status = 429

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TargetError(SecReconError):
    """The target ended this exchange. `received` holds the bytes that had arrived, as evidence."""

    def __init__(self, message: str, received: bytes = b"") -> None:
        super().__init__(message)
        self.received = received


class Unresolvable(TargetError):
    """The name has no usable address."""


class NamingFailed(Unresolvable):
    """The name servers could not say whether the name has an address."""


class ConnectFailed(TargetError):
    """Refused, unreachable or ended before the first byte."""


class ConnectionBroken(ConnectFailed):
    """A connection was made, and ended before a byte of the reply."""


class TargetTimeout(TargetError):
    """A stage took longer than allowed. `stage`: resolve, connect, tls, write, head, body or total."""

    def __init__(self, message: str, stage: str, received: bytes = b"") -> None:
        super().__init__(message, received)
        self.stage = stage


class TlsFailed(TargetError):
    """The TLS handshake failed."""


class ProtocolBroken(TargetError):
    """The reply cannot be read as the protocol, or ended early."""


class BudgetSpent(SecReconError):
    """One of the scan's own limits was reached. `limit`: requests, bytes or seconds."""

    def __init__(self, message: str, limit: str) -> None:
        super().__init__(message)
        self.limit = limit


class LanguageFailed(SecReconError):
    """The language model gave no usable answer within its limits. The message never holds what its server said."""


class OperatorError(SecReconError):
    """The installation is wrong; the message says how to mend it."""


class InternalError(SecReconError):
    """A bug of ours."""
