"""The only door out, for one scan: every request passes the scope gate, the budget and the host's pace, in this order.

Phases and the engine talk to this class alone. Redirects are followed only where the gate admits them; one that it
refuses ends the exchange with the redirect itself, and is written down in `refusals`; so is what a rendered page asked
for and may not have.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from secrecon.model.asset import Resolution, TlsInfo
from secrecon.model.dns import DnsAnswer, SweepResult
from secrecon.model.errors import (
    BudgetSpent,
    ConnectFailed,
    ProtocolBroken,
    ScopeRefused,
    TargetError,
    TargetTimeout,
    TlsFailed,
    Unresolvable,
)
from secrecon.model.http import HttpExchange, HttpReply, HttpRequest
from secrecon.model.scan import Budget
from secrecon.model.target import Origin
from secrecon.net import talk, tls
from secrecon.net.client import MAX_ADDRESSES, Client, RawSend
from secrecon.net.clock import Clock
from secrecon.net.connection import Timeouts
from secrecon.net.gate import ScopeGate
from secrecon.net.http1 import Limits
from secrecon.net.identity import Identity
from secrecon.net.pace import Pace
from secrecon.net.ports import Aim, Aimed, PortSweep, SweepLimits, Swept, added, left_of, moved
from secrecon.net.resolver import Resolver
from secrecon.net.sweep import Sweeper
from secrecon.net.wire import next_request

MAX_REFUSALS = 1_000
DNS_IN_FLIGHT = 50
STALE_SECONDS = 0.5
PORT_FACTOR = 10.0
"""A connection that carries nothing weighs a tenth of a request: so many a second for each request of the rate."""
SWEEP_SECONDS = 20.0
"""How long pinned addresses are swept before they are judged again; less than the time that a pin holds."""
SWEEP_POLL = 0.1


T = TypeVar("T")
_Send = Callable[[Sequence[str], int, float], Awaitable[HttpReply]]
"""Sends to one of the addresses, reading at most so many bytes, within so many seconds."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something that was not contacted. `rule`: the scope rule, or `unresolvable` for a redirect that leads nowhere."""

    url: str
    rule: str
    message: str


class Network:
    """`used_requests`, `used_bytes` and `used_connects`: what the scan had used before this process took it over.
    `deadline`: when its time is over (epoch seconds); without one, `budget.seconds` from now. `identity`: who a
    request may be sent as."""

    def __init__(
        self,
        gate: ScopeGate,
        resolver: Resolver,
        budget: Budget,
        clock: Clock,
        *,
        used_requests: int = 0,
        used_bytes: int = 0,
        used_connects: int = 0,
        deadline: float | None = None,
        timeouts: Timeouts | None = None,
        identity: Identity | None = None,
    ) -> None:
        self.identity = identity
        self._gate = gate
        self._resolver = resolver
        self._budget = budget
        self._clock = clock
        self._timeouts = timeouts or Timeouts()
        self._pace = Pace(budget.rate, budget.in_flight, clock)
        self._client = Client(self._timeouts, Limits(body=budget.body_cap))
        self._used_bytes = used_bytes
        left = budget.seconds if deadline is None else deadline - clock.now()
        self._deadline = clock.monotonic() + left
        self._dns_slots = asyncio.Semaphore(DNS_IN_FLIGHT)
        self._sweeping = asyncio.Lock()
        self._sweeper = Sweeper(resolver.servers, rate=resolver.rate)
        self.requests = used_requests
        self.connects = used_connects
        self.refusals: list[Refusal] = []

    @property
    def received(self) -> int:
        """Bytes of replies read so far, those before a resumption included."""
        return self._used_bytes + self._client.received

    @property
    def slowed(self) -> Mapping[str, str]:
        """Host -> why it was slowed down."""
        return self._pace.slowed

    async def http(
        self, request: HttpRequest, *, follow: int = 0, body_cap: int | None = None, user: bool = False
    ) -> HttpExchange:
        """Send `request`, following at most `follow` redirects that the gate admits. `user`: as the identity, where there
        is one; credentials go to its hosts alone, hop by hop, and are in nothing that comes back.

        Raises ScopeRefused, BudgetSpent, the TargetError family, and BadInput for a request that cannot be written.
        """
        exchange = await self._exchanged(request, follow, body_cap, user=user)
        return self.identity.hidden(exchange) if user and self.identity is not None else exchange

    async def browsed(self, request: HttpRequest, body_cap: int) -> HttpExchange | None:
        """As `http` without redirects, for what a page in a browser asked for, as the user where there is one. None where
        the gate refuses it, as it would a redirect: our own listener is refused too. Raises as `http` does."""
        if not await self._may_follow(request):
            return None
        return await self.http(
            request, body_cap=min(body_cap, self._budget.body_cap), user=self.identity is not None
        )

    async def log_in(self, request: HttpRequest, follow: int) -> HttpExchange:
        """As `http` for the user, with the secrets still in what comes back: to log in by, never to be kept or shown."""
        return await self._exchanged(request, follow, None, user=True, typed=True)

    async def _exchanged(
        self, request: HttpRequest, follow: int, body_cap: int | None, *, user: bool, typed: bool = False
    ) -> HttpExchange:
        """`typed`: the body holds what a user types into a log-in, so a redirect that keeps it ends where that may go."""
        cap = self._budget.body_cap if body_cap is None else body_cap
        hops: list[tuple[HttpRequest, HttpReply]] = []
        while True:
            reply = await self._send_as(request, cap) if user else await self._send(request, cap)
            following = next_request(request, reply) if len(hops) < follow else None
            leaks = typed and following is not None and following.body and not self._covered(following.origin)
            if following is None or leaks or not await self._may_follow(following):
                return HttpExchange(request, reply, tuple(hops))
            hops.append((request, reply))
            request = following

    async def raw(self, raw: RawSend, body_cap: int | None = None) -> HttpReply:
        """Send exact bytes; one reply, no redirect followed. Where they go is admitted, paced and counted like any
        request. Raises as `http` does."""
        cap = self._budget.body_cap if body_cap is None else body_cap
        return await self._paced(
            raw.connect,
            lambda addresses, left, seconds: self._client.send_raw(raw, addresses, min(cap, left), seconds),
        )

    async def dns(self, name: str, type_: str) -> DnsAnswer:
        """Look `name` up through the scan's resolver; the target itself is not contacted."""
        async with self._dns_slots:
            self._spend()
            return await self._resolver.query(name, type_)

    async def addresses(self, name: str) -> Resolution:
        """Every address of `name`. Nothing is contacted, so nothing is judged here."""
        async with self._dns_slots:
            self._spend()
            return await self._resolver.addresses(name)

    async def sweep(self, names: Sequence[str], stop: asyncio.Event | None = None) -> SweepResult:
        """Look all of `names` up at once through the scan's name servers, until the scan's time is over or `stop` is set; the
        target itself is not contacted. A sweep's lookups are counted by themselves: the limit of requests is what the target
        gets."""

        def over() -> str:
            if stop is not None and stop.is_set():
                return "a stop was asked for"
            return "the scan's time was used up" if self._clock.monotonic() > self._deadline else ""

        async with self._sweeping:
            return await self._sweeper.names(names, over)

    async def transfer(self, zone: str, server: str) -> DnsAnswer:
        """Ask the name server `server` (a name or an address) for all of `zone`, which must belong to the target."""
        addresses = await self._gate.admit_server(zone, server)
        async with self._dns_slots:
            self._spend()
            return await self._resolver.transfer(zone, addresses[0], self._resolver.port_of(addresses[0]))

    async def message(self, name: str, type_: str, class_: str, *, recursion: bool) -> dict[str, bytes]:
        """The answer to a DNS query as text by section (`talk.message_text`), `rcode` and `server` among them."""
        async with self._dns_slots:
            self._spend()
            message, server = await self._resolver.whole(name, type_, class_, recursion=recursion)
        return {
            **talk.message_text(message),
            "rcode": str(int(message.rcode())).encode(),
            "server": server.encode(),
        }

    async def shake(self, host: str, port: int, sni: str, limits: tuple[str, str]) -> talk.TlsFacts:
        """A TLS handshake with host:port, in detail. Raises as `tls` does."""
        return await self._talked(
            host,
            port,
            lambda address: talk.shake(address, host, port, sni, limits, self._timeouts, self._clock.now()),
        )

    async def converse(
        self, host: str, port: int, steps: Sequence[talk.Say], read: int, *, tls: bool, every: bool
    ) -> talk.Said:
        """A conversation over TCP or TLS. Raises ScopeRefused, BudgetSpent, ConnectFailed, TargetTimeout, TlsFailed."""
        name = host if tls else None
        said = await self._talked(
            host,
            port,
            lambda address: talk.converse(address, port, name, steps, read, every=every, timeouts=self._timeouts),
        )
        self._used_bytes += sum(map(len, said.reads)) + len(said.rest)
        return said

    async def greet(
        self, host: str, address: str, port: int, data: bytes, *, tls: bool, patience: float, most: int
    ) -> bytes:
        """Connect to one of a host's own addresses, say `data` (b"": only listen), and hear at most `most` bytes; `patience`:
        seconds until the first of them. Raises as `converse` does."""
        if address not in await self._gate.admit(host, port):
            raise moved(host, address)
        await self._pace.enter(host, self._deadline)
        try:
            self._spend()
            patient = replace(self._timeouts, connect=min(self._timeouts.connect, patience + 1))
            patient = replace(patient, head=patience, total=patience + 3)
            name, steps = host if tls else None, [talk.Say(data)] if data else []
            said = await talk.converse(address, port, name, steps, most, every=False, timeouts=patient)
        finally:
            self._pace.leave(host)
        self._used_bytes += len(said.rest)
        return said.rest

    async def scan_ports(
        self, aims: Sequence[Aim], stop: asyncio.Event, told: Callable[[int, int], Awaitable[None]]
    ) -> list[Aimed]:
        """Try the ports of every aim, side by side: one result per aim, in their order. Each host is admitted before the
        first connection to it, and again after SWEEP_SECONDS. `told` is awaited with (ports done, of how many)."""
        results = [Aimed(Swept(untried=tuple(sorted({*aim.ports})))) for aim in aims]
        under_way = [index for index, aim in enumerate(aims) if aim.ports]
        total = sum(len(result.swept.untried) for result in results)
        while under_way and not stop.is_set():
            jobs: list[tuple[int, Aim]] = []
            for index in under_way:
                aim = replace(aims[index], ports=left_of(aims[index].ports, results[index].swept))
                try:
                    if aim.address not in await self._gate.admit_ports(aim.host, aim.ports):
                        raise moved(aim.host, aim.address)
                    self._check_connects()
                except (ScopeRefused, TargetError, BudgetSpent) as error:
                    results[index] = replace(results[index], failure=error)
                else:
                    jobs.append((index, aim))
            done = total - sum(len(result.swept.untried) for result in results)
            stretch = await self._swept(jobs, stop, told, done, total)
            for (index, _), swept in zip(jobs, stretch, strict=True):
                results[index] = Aimed(added(results[index].swept, swept))
            under_way = [i for i, _ in jobs if results[i].swept.untried and not results[i].swept.trouble]
        return results

    async def _swept(
        self,
        jobs: Sequence[tuple[int, Aim]],
        stop: asyncio.Event,
        told: Callable[[int, int], Awaitable[None]],
        before: int,
        total: int,
    ) -> list[Swept]:
        """One stretch of a sweep, in a thread that ends soon after `stop`."""
        if not jobs:
            return []
        now = self._clock.monotonic()
        limits = SweepLimits(
            rate=self._budget.rate * PORT_FACTOR,
            connects=self._budget.connects - self.connects,
            until=min(self._deadline, now + SWEEP_SECONDS),
        )
        halt = threading.Event()
        sweep = PortSweep([(aim.address, aim.ports) for _, aim in jobs], limits, self._clock.monotonic, halt)
        work = asyncio.ensure_future(asyncio.to_thread(sweep.run))
        try:
            while not work.done():
                await asyncio.wait({work}, timeout=SWEEP_POLL)
                if stop.is_set():
                    halt.set()
                await told(before + sweep.done, total)
        finally:
            halt.set()
            swept = await work
        self.connects += sum(item.attempts for item in swept)
        return swept

    def _check_connects(self) -> None:
        """Raises BudgetSpent where no further connection may begin."""
        if self.connects >= self._budget.connects:
            raise BudgetSpent(f"the scan's limit of {self._budget.connects} connections was reached", "connects")
        if self._clock.monotonic() > self._deadline:
            raise BudgetSpent(f"the scan's time of {self._budget.seconds:.0f} s was used up", "seconds")

    async def _talked(self, host: str, port: int, hold: Callable[[str], Awaitable[T]]) -> T:
        """One conversation with the first address that accepts it: admitted, in its turn, and counted."""
        addresses = await self._gate.admit(host, port)
        began = await self._pace.enter(host, self._deadline)
        failure: TargetError = ConnectFailed(f"{host}:{port} has no address to connect to")
        try:
            for address in addresses[:MAX_ADDRESSES]:
                self._spend()
                try:
                    return await hold(address)
                except ConnectFailed as error:
                    failure = error
            raise failure
        except (ConnectFailed, TargetTimeout):
            self._pace.broke(host, began)
            raise
        finally:
            self._pace.leave(host)

    async def tls(self, host: str, port: int) -> TlsInfo:
        """The certificate of host:port, whether it is trusted, and the protocol versions the server accepts."""
        addresses = await self._gate.admit(host, port)
        began = await self._pace.enter(host, self._deadline)
        try:
            return await tls.inspect(addresses, host, port, self._timeouts, self._spend)
        except (ConnectFailed, TargetTimeout):
            self._pace.broke(host, began)
            raise
        finally:
            self._pace.leave(host)

    async def close(self) -> None:
        """Drop every connection."""
        await self._client.close()

    def _covered(self, origin: Origin) -> bool:
        return self.identity is not None and self.identity.covers(origin)

    async def _send_as(self, request: HttpRequest, cap: int) -> HttpReply:
        """One request as the identity; as nobody where it may not see the host."""
        identity = self.identity
        if identity is None or request.raw is not None or not identity.covers(request.origin):
            return await self._send(request, cap)
        reply = await self._send(identity.dressed(request), cap)
        identity.received(request, reply)
        return reply

    async def _send(self, request: HttpRequest, cap: int) -> HttpReply:
        return await self._paced(
            request.origin,
            lambda addresses, left, seconds: self._client.send(request, addresses, min(cap, left), seconds),
        )

    async def _paced(self, origin: Origin, send: _Send) -> HttpReply:
        """One request to `origin`: admitted, in its turn, and counted."""
        host = origin.host
        addresses = await self._gate.admit(origin)
        asked = self._clock.monotonic()
        pace = self._pace
        began = await pace.enter(host, self._deadline)
        try:
            if began - asked > STALE_SECONDS:  # the turn came late: what was pinned may be due to be judged again
                addresses = await self._gate.admit(origin)
            left = self._spend(began)
            reply = await send(addresses, left, self._deadline - began)
            pace.answered(host, reply, began)
            return reply
        except (ConnectFailed, ProtocolBroken, TargetTimeout, TlsFailed):
            pace.broke(host, began)
            raise
        finally:
            pace.leave(host)

    def _spend(self, now: float | None = None) -> int:
        """Count one request; the bytes that are left. Raises BudgetSpent where a limit is reached."""
        budget = self._budget
        if self.requests >= budget.requests:
            raise BudgetSpent(f"the scan's limit of {budget.requests} requests was reached", "requests")
        left = budget.bytes - self._used_bytes - self._client.received
        if left <= 0:
            raise BudgetSpent(f"the scan's limit of {budget.bytes} received bytes was reached", "bytes")
        if (self._clock.monotonic() if now is None else now) > self._deadline:
            raise BudgetSpent(f"the scan's time of {budget.seconds:.0f} s was used up", "seconds")
        self.requests += 1
        return left

    async def _may_follow(self, request: HttpRequest) -> bool:
        try:
            await self._gate.admit_redirect(request.origin)
        except ScopeRefused as error:
            self._refuse(request, error.rule, str(error))
        except (Unresolvable, TargetTimeout) as error:
            self._refuse(request, "unresolvable", str(error))
        else:
            return True
        return False

    def _refuse(self, request: HttpRequest, rule: str, message: str) -> None:
        """Write it down; where a log-in leads elsewhere, the address may hold what proves the user."""
        if len(self.refusals) < MAX_REFUSALS:
            url = request.url if self.identity is None else self.identity.cleaned_text(request.url)
            self.refusals.append(Refusal(url, rule, message))
