"""Out-of-band callbacks: the payloads we hand out and the interactions that come back."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class CallbackProtocol(StrEnum):
    """What reached the listener. DNS alone proves a lookup; each of the others proves a connection and what was said."""

    DNS = "dns"
    HTTP = "http"
    HTTPS = "https"
    SMTP = "smtp"
    LDAP = "ldap"

    @property
    def is_web(self) -> bool:
        """Whether it was an HTTP request, encrypted or not."""
        return self in (CallbackProtocol.HTTP, CallbackProtocol.HTTPS)


@dataclass(frozen=True, slots=True)
class Payload:
    """One callback address, minted for exactly one probe. Its row is stored before the probe leaves.

    `token`: 33 lower-case letters and digits. `url`: the http URL that carries it. `hostname`: the name that
    carries it, or "" where the listener has no domain and works by address and path. `check`, `asset`, `location`,
    `technique`: what the probe was, so that a late callback finds its finding. `request`: the probe as text.
    `curl`: how to replay it. `created`: seconds since the epoch.
    """

    token: str
    url: str
    hostname: str
    scan_id: str
    check: str
    asset: str
    location: str
    technique: str
    request: str
    curl: str
    created: float


@dataclass(frozen=True, slots=True)
class Interaction:
    """One hit on the listener. `raw`: the request as text, bounded. `at`: seconds since the epoch.

    `id`: unique per hit. `own`: True where the hit came from SecRecon itself (its self-test or resolver) and
    so proves nothing about the target.
    """

    id: str
    token: str
    protocol: CallbackProtocol
    remote_address: str
    raw: str
    at: float
    query: str = ""
    own: bool = False


class OastReach(StrEnum):
    """The self-test's verdict on whether callbacks can reach us."""

    REACHABLE = "reachable"
    BLOCKED = "blocked"
    NOT_TESTABLE = "not_testable"


@dataclass(frozen=True, slots=True)
class OastSelfTest:
    """A canary sent out the way a target would send it, and what became of it.

    `origin`: where the listener answers by address (`http://192.0.2.7:8880`), "" where that is not known.
    """

    http: OastReach
    dns: OastReach
    detail: str
    origin: str = ""
