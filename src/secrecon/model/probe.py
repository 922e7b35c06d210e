"""Probes and replies: what a phase asks for, and what became of it. The engine alone turns one into the other."""

from __future__ import annotations

from dataclasses import dataclass

from secrecon.model.asset import TlsInfo
from secrecon.model.dns import DnsAnswer
from secrecon.model.http import HttpExchange, HttpRequest
from secrecon.model.interaction import Payload
from secrecon.model.scan import Outcome


@dataclass(frozen=True, slots=True)
class HttpProbe:
    """Send `request`, following at most `follow` redirects inside the scope.

    `check` and `asset` name the line of the coverage ledger this probe counts for; `tag` is the phase's own note,
    handed back with the reply. `payload`: the callback the request carries, `also`: more of them; their rows are
    stored before sending. `user`: sent as the user that the scan is logged in as, where it is.
    """

    check: str
    asset: str
    request: HttpRequest
    follow: int = 0
    tag: str = ""
    payload: Payload | None = None
    body_cap: int | None = None
    also: tuple[Payload, ...] = ()
    user: bool = False


@dataclass(frozen=True, slots=True)
class DnsProbe:
    """Look `name` up. `type`: A, AAAA, CNAME, NS, MX, TXT, ..."""

    check: str
    asset: str
    name: str
    type: str
    tag: str = ""


@dataclass(frozen=True, slots=True)
class ZoneTransferProbe:
    """Ask `server` (a name or an address) for the whole of `zone` by AXFR."""

    check: str
    asset: str
    zone: str
    server: str
    tag: str = ""


@dataclass(frozen=True, slots=True)
class TlsProbe:
    """Handshakes with host:port that tell its certificate and the protocol versions it accepts."""

    check: str
    asset: str
    host: str
    port: int
    tag: str = ""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing is sent: the engine waits up to `seconds` for callbacks, then the phase judges again."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Skip:
    """A check that is not run on an asset, with the reason that the ledger will show."""

    check: str
    asset: str
    reason: str
    outcome: Outcome = Outcome.SKIPPED


Asked = HttpProbe | DnsProbe | ZoneTransferProbe | TlsProbe
Probe = Asked | Wait | Skip


@dataclass(frozen=True, slots=True)
class Reply:
    """What became of a probe: `outcome` DONE with exactly one of the results, or another outcome with `reason`.

    BLOCKED with `http` is a refusal: the server answered, but not the question (see `engine.walls`).

    `error`: the class name of the TargetError or ScopeRefused, "" for DONE. `received`: bytes that had arrived.
    """

    probe: Asked
    outcome: Outcome
    reason: str = ""
    error: str = ""
    http: HttpExchange | None = None
    dns: DnsAnswer | None = None
    tls: TlsInfo | None = None
    received: bytes = b""
