"""Templates on targets that the operator named on the command line, in this process, with nothing kept.

Naming a target is the permission to ask that host and its addresses; redirects and `@Host` to others are refused unless
the allow list has them. A callback listener of our own runs for as long as it is needed.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from secrecon.app.parts import build_listener, build_resolver
from secrecon.app.settings import Settings
from secrecon.engine.templating.asker import Asker
from secrecon.engine.templating.driver import Attempted, CallbackSource, Job, Runner, by_lookup_alone
from secrecon.engine.templating.mints import callback_of
from secrecon.engine.templating.walled import is_doubtful, told_apart
from secrecon.model.asset import Resolution
from secrecon.model.errors import OperatorError, TargetError
from secrecon.model.interaction import Interaction
from secrecon.model.scan import Budget
from secrecon.model.scan import Outcome as Done
from secrecon.model.target import Origin, Target, TargetKind
from secrecon.net.clock import SystemClock
from secrecon.net.gate import ScopeGate
from secrecon.net.loop import prepare_loop
from secrecon.net.network import Network
from secrecon.net.resolver import Resolver
from secrecon.net.route import local_address_towards
from secrecon.oast.client import OastClient, ServerHit
from secrecon.oast.tokens import new_token
from secrecon.templates.catalog import Entry
from secrecon.templates.dsl.run import Ambient
from secrecon.templates.execution.asks import HttpAsk
from secrecon.templates.execution.events import Callback, Found
from secrecon.templates.execution.session import Options, Prepared, prepare
from secrecon.templates.execution.subject import Subject, parse_subject
from secrecon.templates.leaving import EXAMPLE_TARGET
from secrecon.templates.preview import preview
from secrecon.templates.workflow import Workflow

COOLDOWN = 5.0
POLL = 0.2
SERVER_POLL = 1.0
RUN_SECONDS = 6 * 3600.0


@dataclass(frozen=True, slots=True)
class Limits:
    """`rate`: requests per second, hosts being asked one after the other; `timeout`: seconds for a request; `cooldown`: how
    long callbacks are waited for at the end, in seconds. `every_address`: a host is asked at each of its addresses, each as
    a target of its own."""

    rate: float = 150.0
    concurrency: int = 25
    timeout: float = 10.0
    cooldown: float = COOLDOWN
    every_address: bool = False


class OneAddress(Resolver):
    """A resolver for which a host has one address only."""

    def __init__(self, other: Resolver, host: str, address: str) -> None:
        super().__init__(other.servers)
        self._host = host
        self._address = address

    async def addresses(self, name: str) -> Resolution:
        if name.rstrip(".").lower() == self._host:
            return Resolution(self._host, (self._address,))
        return await super().addresses(name)


@dataclass(slots=True)
class Tally:
    """What a run came to."""

    outcomes: Counter[Done] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    found: int = 0
    asked: int = 0
    sent: int = 0

    def add(self, attempt: Attempted) -> None:
        self.outcomes[attempt.outcome] += 1
        self.asked += attempt.requests
        if attempt.outcome is not Done.DONE:
            self.reasons[attempt.reason] += 1


class OwnListener:
    """Callback addresses of a listener in this process."""

    def __init__(self, settings: Settings, facing: str) -> None:
        given = settings.model_fields_set & {"oast_host", "oast_http_port", "oast_dns_port", "oast_domain"}
        if not given:
            settings = settings.model_copy(update={"oast_host": facing, "oast_http_port": 0, "oast_dns_port": 0})
        self._address = settings.oast_address or settings.oast_host
        self._domain = settings.oast_domain.strip(".").lower()
        self._source = random.SystemRandom()
        self._arrived: list[tuple[str, Callback]] = []
        self._listener = build_listener(settings, self._hear, SystemClock())

    async def start(self) -> None:
        await self._listener.start()

    async def stop(self) -> None:
        await self._listener.stop()

    def mint(self, job: Job) -> tuple[str, str] | None:
        if not self._domain and by_lookup_alone(job.prepared.template):
            return None
        token = new_token(self._source)
        port = self._listener.http_port
        if self._domain:
            return f"{token}.{self._domain}", token
        host = f"[{self._address}]" if ":" in self._address else self._address
        return f"{host}:{port}/{token}", token

    async def keep(self, job: Job, tokens: Sequence[str], request: bytes) -> None:
        """Nothing outlives this process, so there is nothing to store."""

    async def collect(self) -> Sequence[tuple[str, Callback]]:
        arrived, self._arrived = self._arrived, []
        return arrived

    async def _hear(self, interactions: Sequence[Interaction]) -> None:
        self._arrived += [(hit.token, callback_of(hit)) for hit in interactions if not hit.own]


class ServerCallbacks:
    """Callback addresses of an Interactsh-compatible server. `problem`: why callbacks may be missing, "" where none are:
    the last poll failed, or the server had forgotten the session."""

    def __init__(self, client: OastClient) -> None:
        self._client = client
        self.problem = ""

    async def start(self) -> None:
        await self._client.start()

    async def stop(self) -> None:
        await self._client.close()

    def mint(self, job: Job) -> tuple[str, str] | None:
        return self._client.mint()

    async def keep(self, job: Job, tokens: Sequence[str], request: bytes) -> None:
        """Nothing outlives this process, so there is nothing to store."""

    async def collect(self) -> Sequence[tuple[str, Callback]]:
        try:
            hits = await self._client.poll()
        except OperatorError as error:
            self.problem = str(error)
            return ()
        lost = sum(gap.until - gap.since for gap in self._client.gaps)
        self.problem = f"the server had forgotten our session, for {lost:.0f} seconds at most" if lost else ""
        return [(hit.token, _callback(hit)) for hit in hits]


def _callback(hit: ServerHit) -> Callback:
    request = hit.request.encode("utf-8", "surrogateescape")
    return Callback(hit.protocol, request, hit.response.encode("utf-8", "surrogateescape"), hit.remote_address)


class TemplateRun:
    """One run. `entries` in the order they are tried; `targets` as the operator wrote them. Raises BadInput for a target
    that is none."""

    def __init__(
        self,
        settings: Settings,
        entries: Sequence[Entry],
        targets: Sequence[str],
        options: Options,
        limits: Limits,
        server: OastClient | None = None,
        workflows: Sequence[Workflow] = (),
        watchers: Sequence[Entry] = (),
    ) -> None:
        self._watchers = watchers
        self._settings = settings
        self._entries = entries
        self._subjects = list(dict.fromkeys(parse_subject(target) for target in targets))
        self._options = options
        self._limits = limits
        self._server = ServerCallbacks(server) if server is not None else None
        self._workflows = workflows
        self._ready: dict[str, Prepared] = {}
        self._also = _own_addresses(entries, options)
        self.tally = Tally()
        self.stop = asyncio.Event()

    async def results(
        self, told: Callable[[int, int], Awaitable[None]] | None = None
    ) -> AsyncIterator[tuple[Job, Found]]:
        """Every result as it is found; callbacks are waited for at the end, once, where any can come."""
        prepare_loop()
        clock = SystemClock()
        ambient = Ambient(time.time, random.SystemRandom(), lambda seconds: None)
        resolver = build_resolver(self._settings)
        prepared = [self._prepare(entry, ambient) for entry in self._entries]
        by_host: dict[str, list[Subject]] = {}
        for subject in self._subjects:
            by_host.setdefault(subject.origin.host, []).append(subject)
        if self._server is not None:
            await self._server.start()
        try:
            async for item in self._hosts(by_host, resolver, clock, ambient, prepared, told):
                yield item
        finally:
            if self._server is not None:
                await self._server.stop()

    async def _hosts(
        self,
        by_host: Mapping[str, Sequence[Subject]],
        resolver: Resolver,
        clock: SystemClock,
        ambient: Ambient,
        prepared: Sequence[Prepared],
        told: Callable[[int, int], Awaitable[None]] | None,
    ) -> AsyncIterator[tuple[Job, Found]]:
        for host, subjects in by_host.items():
            addresses = await _addresses(resolver, host)
            every = self._limits.every_address and len(addresses) > 1
            for address in addresses if every else ("",):
                if self.stop.is_set():
                    return
                own = (address,) if address else addresses
                asked = OneAddress(resolver, host, address) if address else resolver
                network = self._network(host, own, asked, clock)
                options = self._options
                if address:
                    options = replace(options, given={**options.given, "ip": address.encode()})
                async for item in self._at(network, own, options, ambient, clock, (prepared, subjects), told):
                    yield item

    async def _at(
        self,
        network: Network,
        addresses: Sequence[str],
        options: Options,
        ambient: Ambient,
        clock: SystemClock,
        work: tuple[Sequence[Prepared], Sequence[Subject]],
        told: Callable[[int, int], Awaitable[None]] | None,
    ) -> AsyncIterator[tuple[Job, Found]]:
        """Everything for one host, at one of its addresses or wherever it answers first."""
        source, own = await self._listen(addresses)
        try:
            asker = Asker(network, clock, timeout=self._limits.timeout)
            runner = Runner(asker, options, ambient, source, self._limits.concurrency, self.stop)
            runner.watchers = [self._prepare(entry, ambient) for entry in self._watchers]
            doubtful: list[Attempted] = []
            async for item in self._host(runner, *work, doubtful, told):
                yield item
            for attempt in await told_apart(network, new_token(random.SystemRandom()), doubtful, self.stop):
                self.tally.add(attempt)
            self.tally.sent += asker.sent
        finally:
            await network.close()
            if own is not None:
                await own.stop()

    async def _host(
        self,
        runner: Runner,
        prepared: Sequence[Prepared],
        subjects: Sequence[Subject],
        doubtful: list[Attempted],
        told: Callable[[int, int], Awaitable[None]] | None,
    ) -> AsyncIterator[tuple[Job, Found]]:
        """`doubtful` gets the attempts that are not counted yet, as they may have been turned away."""
        jobs = [
            Job(each, subject)
            for each in prepared
            for subject in subjects
            if not each.template.self_contained or subject is self._subjects[0]
        ]
        async for attempt in runner.run(jobs, told):
            self._count(attempt, doubtful)
            for found in attempt.found:
                self.tally.found += found.held
                yield attempt.job, found
        for workflow in self._workflows:
            for subject in subjects:
                for attempt in await runner.flow(workflow, subject, lambda e: self._prepare(e, runner.ambient)):
                    self._count(attempt, doubtful)
                    for found in attempt.found:
                        self.tally.found += found.held
                        yield attempt.job, found
        for job, found in runner.noticed_now():
            self.tally.found += 1
            yield job, found
        until = time.monotonic() + self._limits.cooldown
        while runner.expects:
            for job, found in await runner.callbacks_now():
                self.tally.found += 1
                yield job, found
            if time.monotonic() >= until or self.stop.is_set():
                break
            await asyncio.sleep(POLL if self._server is None else SERVER_POLL)
        if self._server is not None and self._server.problem:
            self.tally.reasons[f"callbacks may be missing: {self._server.problem}"] += 1

    def _count(self, attempt: Attempted, doubtful: list[Attempted]) -> None:
        if is_doubtful(attempt):
            doubtful.append(attempt)
        else:
            self.tally.add(attempt)

    def _prepare(self, entry: Entry, ambient: Ambient) -> Prepared:
        ready = self._ready.get(entry.template.id)
        if ready is None:
            ready = self._ready[entry.template.id] = prepare(entry.template, ambient, entry.path)
        return ready

    async def _listen(self, addresses: Sequence[str]) -> tuple[CallbackSource | None, OwnListener | None]:
        if self._server is not None:
            return self._server, None
        if not addresses:
            return None, None
        own = OwnListener(self._settings, local_address_towards(addresses[0]))
        await own.start()
        return own, own

    def _network(self, host: str, addresses: Sequence[str], resolver: Resolver, clock: SystemClock) -> Network:
        limits = self._limits
        target = Target(TargetKind.ORGANISATION, host, Origin("https", host, 443), "/")
        gate = ScopeGate(target, (*self._settings.scope_allow, host, *addresses), resolver, self._also)
        budget = Budget(
            requests=10_000_000,
            bytes=100_000_000_000,
            seconds=RUN_SECONDS,
            rate=limits.rate,
            in_flight=limits.concurrency,
        )
        return Network(gate, resolver, budget, clock)


def _own_addresses(entries: Sequence[Entry], options: Options) -> tuple[Origin, ...]:
    """Where self-contained templates go, which were allowed by running them at all."""
    found: dict[Origin, None] = {}
    for entry in entries:
        if entry.template.self_contained:
            for ask in preview(entry.template, parse_subject(EXAMPLE_TARGET), options).asks:
                if isinstance(ask, HttpAsk):
                    found[ask.origin] = None
    return tuple(found)


async def _addresses(resolver: Resolver, host: str) -> tuple[str, ...]:
    try:
        return (await resolver.addresses(host)).addresses
    except TargetError:
        return ()
