"""Callbacks as the engine uses them: mints payloads, and tests whether callbacks can come back at all. By the listener of
this installation (`EmbeddedCallbacks`) or by a callback server elsewhere (`ServerCallbacks`).

An outage of the listener means "could not test", never "clean", so the verdict is careful: a canary must make the
whole way (request, listener, store), and the address we advertise must be one that the target can reach. Payload rows
are stored by the caller before their requests leave. Opens no sockets itself: canaries go through the scan's network.
"""

from __future__ import annotations

import ipaddress
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from secrecon.model.dns import DnsAnswer
from secrecon.model.errors import BudgetSpent, OperatorError, ScopeRefused, TargetError
from secrecon.model.http import HttpExchange, HttpRequest
from secrecon.model.interaction import CallbackProtocol, Interaction, OastReach, OastSelfTest, Payload
from secrecon.model.scan import ScanSpec
from secrecon.model.target import Origin
from secrecon.net.clock import Clock
from secrecon.net.network import Network
from secrecon.oast.tokens import new_token, proof_in

SELF_TEST = "oast.self-test"
SELF_TEST_SECONDS = 4.0
POLL = 0.1
_REACH = ("loopback", "private", "public")


class HitLog(Protocol):
    """What the self-test needs of a scan's log."""

    async def keep_payloads(self, payloads: Sequence[Payload]) -> None: ...

    async def interactions(self) -> tuple[Interaction, ...]: ...


class Session(Protocol):
    """What the self-test and the payloads need of a client's session on a server. `problem`: why the server cannot be
    used now, "" where it can."""

    @property
    def origin(self) -> Origin: ...

    @property
    def domain(self) -> str: ...

    @property
    def problem(self) -> str: ...

    def token(self, *, own: bool = False) -> str: ...


@dataclass(frozen=True, slots=True)
class _Canary:
    """One canary: where it went and why it could not be sent, "" where it was."""

    payload: Payload
    problem: str
    refused: bool = False


class _Callbacks(ABC):
    """What both have in common. `origin`: where payloads lead to. `domain`: whose names carry tokens, "" for none."""

    settings: ClassVar[tuple[str, str]]
    """Which settings to look at where the HTTP canary, and where the DNS canary, does not come back."""
    _nearer: ClassVar[str]
    _nameless: ClassVar[str]

    def __init__(self, origin: Origin, domain: str, clock: Clock, source: random.Random | None) -> None:
        self.origin = origin
        self.domain = domain
        self._clock = clock
        self._source = source or random.SystemRandom()

    @property
    def origins(self) -> tuple[Origin, ...]:
        """What the gate must admit beside the target for the self-test."""
        return (self.origin,)

    @property
    def url(self) -> str:
        """Where the listener is, for people."""
        return f"{self.origin.scheme}://*.{self._authority(self.domain)}/" if self.domain else f"{self.origin}/"

    @property
    def turns(self) -> bool:
        """Whether a payload's name can lead somewhere else first."""
        return False

    def mint(
        self, spec: ScanSpec, *, check: str, asset: str, location: str, technique: str, now: float, first: str = ""
    ) -> Payload:
        """A fresh payload. Nothing is stored yet. `first`: the IPv4 address that its name leads to once, before it leads
        to the listener; only where `turns`."""
        payload = self._payload(self._token(), spec.scan_id, check, asset, location, technique, now)
        if first and self.turns:
            self._turned(payload.hostname, first)
        return payload

    def _turned(self, hostname: str, first: str) -> None:  # noqa: B027 - only names of our own zone can turn
        """Have the name lead to `first` once."""

    async def self_test(self, network: Network, log: HitLog, addresses: Sequence[str]) -> OastSelfTest:
        """Send canaries by HTTP and by DNS, wait for them in the log, and say whether targets at `addresses` could
        do the same. The canaries' payloads carry no scan id; the log they are kept in knows its scan."""
        problem = self._unready()
        if problem:
            return OastSelfTest(OastReach.BLOCKED, OastReach.BLOCKED, problem, str(self.origin))
        distance = self._distance(addresses, await self._nearness(network))
        by_http = await self._send_http(network, log)
        by_dns = await self._send_dns(network, log) if self.domain else None
        wanted = {canary.payload.token for canary in (by_http, by_dns) if canary and not canary.problem}
        arrived = await self._arrived(log, wanted)
        http, http_words = self._http_verdict(by_http, arrived, distance)
        dns, dns_words = self._dns_verdict(by_dns, arrived)
        return OastSelfTest(http, dns, f"HTTP: {http_words} DNS: {dns_words}", str(self.origin))

    @abstractmethod
    def _token(self, *, own: bool = False) -> str:
        """A fresh token. `own`: of our own traffic."""

    def _unready(self) -> str:
        """Why nothing can be tested now, "" where it can."""
        return ""

    @abstractmethod
    async def _nearness(self, network: Network) -> int:
        """How near what we contact is: an index of `_REACH`."""

    def _strange(self, exchange: HttpExchange, token: str) -> str:
        """What is wrong with the answer to the HTTP canary, "" where nothing is."""
        return ""

    def _elsewhere(self, answer: DnsAnswer, kind: str) -> str:
        """What is wrong with the answer to the DNS canary, "" where nothing is."""
        return ""

    def _authority(self, host: str) -> str:
        return Origin(self.origin.scheme, host, self.origin.port).authority

    def _payload(
        self, token: str, scan_id: str, check: str, asset: str, location: str, technique: str, now: float
    ) -> Payload:
        hostname = f"{token}.{self.domain}" if self.domain else ""
        url = f"{self.origin.scheme}://{self._authority(hostname)}/" if hostname else f"{self.origin}/{token}"
        return Payload(token, url, hostname, scan_id, check, asset, location, technique, "", "", now)

    def _canary(self, technique: str) -> Payload:
        token = self._token(own=True)
        return self._payload(token, "", SELF_TEST, str(self.origin), "", technique, self._clock.now())

    async def _send_http(self, network: Network, log: HitLog) -> _Canary:
        payload = self._canary("http")
        await log.keep_payloads([payload])
        headers: tuple[tuple[str, str], ...] = ()
        target = f"/{payload.token}"
        if payload.hostname:
            headers, target = (("Host", self._authority(payload.hostname)),), "/"
        try:
            exchange = await network.http(HttpRequest(self.origin, target=target, headers=headers))
        except ScopeRefused as error:
            return _Canary(payload, str(error), refused=True)
        except (TargetError, BudgetSpent) as error:
            return _Canary(payload, str(error))
        return _Canary(payload, self._strange(exchange, payload.token))

    async def _send_dns(self, network: Network, log: HitLog) -> _Canary:
        payload = self._canary("dns")
        await log.keep_payloads([payload])
        kind = "AAAA" if ":" in self.origin.host else "A"
        try:
            answer = await network.dns(payload.hostname, kind)
        except ScopeRefused as error:
            return _Canary(payload, str(error), refused=True)
        except (TargetError, BudgetSpent) as error:
            return _Canary(payload, str(error))
        return _Canary(payload, self._elsewhere(answer, kind))

    async def _arrived(self, log: HitLog, wanted: set[str]) -> set[tuple[str, CallbackProtocol]]:
        """The canary hits in the log, waited for a few seconds."""
        deadline = self._clock.monotonic() + SELF_TEST_SECONDS
        while True:
            hits = {(hit.token, hit.protocol) for hit in await log.interactions() if hit.own}
            if wanted <= {token for token, _ in hits} or self._clock.monotonic() >= deadline:
                return hits
            await self._clock.sleep(POLL)

    def _http_verdict(
        self, canary: _Canary, arrived: set[tuple[str, CallbackProtocol]], distance: tuple[OastReach, str]
    ) -> tuple[OastReach, str]:
        verdict, words = distance
        if verdict is not OastReach.REACHABLE:
            return verdict, words
        where = str(self.origin)
        if canary.refused:
            return OastReach.NOT_TESTABLE, (
                f"the canary to our own listener was not sent: {canary.problem}. "
                f"Add {self.origin.host} to SECRECON_SCOPE_ALLOW."
            )
        if canary.problem:
            return OastReach.BLOCKED, (
                f"the canary did not reach the listener at {where}: {canary.problem}. Check {self.settings[0]} "
                "and the firewall."
            )
        if not arrived & {(canary.payload.token, kind) for kind in CallbackProtocol if kind.is_web}:
            return OastReach.BLOCKED, (
                f"the listener at {where} answered, but its hit was not recorded within {SELF_TEST_SECONDS:.0f} s. "
                "See the worker's log."
            )
        return verdict, words

    def _distance(self, addresses: Sequence[str], nearness: int) -> tuple[OastReach, str]:
        """Whether what we reached is what the target would reach."""
        advertised, where = _REACH[nearness], str(self.origin)
        if not addresses and advertised != "public":
            return OastReach.NOT_TESTABLE, (
                f"the target's addresses are not known, so nobody can say whether it reaches the {advertised} address "
                f"{where}."
            )
        far = [address for address in addresses if _reach(address) > nearness]
        if far:
            return OastReach.BLOCKED, (
                f"the listener is advertised at {where}, a {advertised} address, which the target at {far[0]} cannot "
                f"reach. {self._nearer}"
            )
        return OastReach.REACHABLE, f"the canary to {where} came back."

    def _dns_verdict(
        self, canary: _Canary | None, arrived: set[tuple[str, CallbackProtocol]]
    ) -> tuple[OastReach, str]:
        if canary is None:
            return OastReach.NOT_TESTABLE, (
                "no domain is delegated to the listener, so a target that only looks the name up is not seen. "
                f"{self._nameless}"
            )
        if canary.refused:
            return OastReach.NOT_TESTABLE, f"the canary lookup was not sent: {canary.problem}."
        mend = self.settings[1].format(domain=self.domain)
        if canary.problem:
            return (
                OastReach.BLOCKED,
                f"the domain {self.domain} does not lead to the listener: {canary.problem}. {mend}",
            )
        if (canary.payload.token, CallbackProtocol.DNS) not in arrived:
            return OastReach.BLOCKED, f"the canary lookup was answered, but not by our listener. {mend}"
        return OastReach.REACHABLE, f"a lookup of a name in {self.domain} came back."


class EmbeddedCallbacks(_Callbacks):
    """Callbacks by the listener of this installation.

    `address`: the IP address that targets reach the listener at. `http_port`: the port they reach it on. `domain`: the
    domain delegated to the listener's DNS side, "" for none. `turn`: tells the name server of a name that leads somewhere
    else once. Raises OperatorError for an address nobody can contact.
    """

    settings = (
        "SECRECON_OAST_ADDRESS, SECRECON_OAST_HTTP_PORT",
        "Check that the name servers of {domain} (SECRECON_OAST_DOMAIN) are this machine and that port 53 is forwarded to "
        "SECRECON_OAST_DNS_PORT.",
    )
    _nearer = (
        "Set SECRECON_OAST_ADDRESS to an address that the target can reach (and SECRECON_OAST_DOMAIN to a domain delegated "
        "to the listener), or run SecRecon beside the target."
    )
    _nameless = "Set SECRECON_OAST_DOMAIN."

    def __init__(
        self,
        *,
        address: str,
        http_port: int,
        domain: str,
        clock: Clock,
        source: random.Random | None = None,
        turn: Callable[[str, str], None] | None = None,
    ) -> None:
        parsed = ipaddress.ip_address(address)
        if parsed.is_unspecified or parsed.is_multicast:
            raise OperatorError(
                f"callbacks cannot be advertised at {address}: set SECRECON_OAST_ADDRESS to the address that targets "
                "reach this machine at"
            )
        super().__init__(Origin("http", str(parsed), http_port), domain.strip(".").lower(), clock, source)
        self._turn = turn

    @property
    def turns(self) -> bool:
        return self._turn is not None and bool(self.domain)

    def _turned(self, hostname: str, first: str) -> None:
        if self._turn is not None:
            self._turn(hostname, first)

    def _token(self, *, own: bool = False) -> str:
        return new_token(self._source, own=own)

    async def _nearness(self, network: Network) -> int:
        return _reach(self.origin.host)

    def _strange(self, exchange: HttpExchange, token: str) -> str:
        body = exchange.reply.body
        return "" if proof_in(token, body) else f"something else than our listener answered at {self.origin}"

    def _elsewhere(self, answer: DnsAnswer, kind: str) -> str:
        if self.origin.host in answer.values(kind):
            return ""
        got = ", ".join(answer.values(kind)[:3]) or answer.rcode
        return f"{kind} of a name in it gave {got}, not {self.origin.host}"


class ServerCallbacks(_Callbacks):
    """Callbacks by an Interactsh-compatible server. `session`: the client's, which somebody else polls; what it hears
    must come into the logs of scans."""

    settings = (
        "SECRECON_OAST_SERVER, SECRECON_OAST_TOKEN, the server",
        "Check that the name servers of {domain} are the callback server (SECRECON_OAST_SERVER).",
    )
    _nearer = "Set SECRECON_OAST_SERVER to a server that the target can reach."
    _nameless = "Set SECRECON_OAST_SERVER to the server's domain instead of its address."

    def __init__(self, session: Session, clock: Clock, source: random.Random | None = None) -> None:
        super().__init__(session.origin, session.domain, clock, source)
        self._session = session

    def _token(self, *, own: bool = False) -> str:
        return self._session.token(own=own)

    def _unready(self) -> str:
        return self._session.problem

    async def _nearness(self, network: Network) -> int:
        host = self.origin.host
        if not self.domain:
            return _reach(host)
        try:
            found = (await network.addresses(host)).addresses
        except (TargetError, BudgetSpent):
            found = ()
        return min((_reach(address) for address in found), default=0)


def _reach(address: str) -> int:
    """0 loopback, 1 private or otherwise not global, 2 public."""
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    if parsed.is_loopback:
        return 0
    return 2 if parsed.is_global else 1
