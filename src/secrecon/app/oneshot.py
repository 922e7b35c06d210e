"""One scan in this process, with its own callback listener, and nothing kept but the record that a report is made of."""

from __future__ import annotations

import contextlib
import ipaddress
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial

from secrecon.app.browsing import need_browser
from secrecon.app.language import language_of
from secrecon.app.parts import (
    build_callbacks,
    build_client,
    build_engine,
    build_listener,
    build_resolver,
    trust_operator_ca,
)
from secrecon.app.settings import Settings
from secrecon.engine.memory import MemoryLog
from secrecon.model.errors import OperatorError, TargetError
from secrecon.model.finding import FindingStatus
from secrecon.model.login import Login, checked_login
from secrecon.model.record import Chunk, FindingRecord, Progress, ScanRecord
from secrecon.model.scan import (
    Attempt,
    EngineInfo,
    Outcome,
    PhaseName,
    ScanMode,
    ScanSpec,
    ScanStatus,
    Touch,
)
from secrecon.model.target import Target, parse_target
from secrecon.net.clock import SystemClock
from secrecon.net.gate import AllowList, screen
from secrecon.net.loop import prepare_loop
from secrecon.net.route import local_address_towards
from secrecon.oast.callbacks import EmbeddedCallbacks, ServerCallbacks
from secrecon.oast.client import Gap
from secrecon.oast.polling import Polling
from secrecon.service.narrating import draft_of


class OneShot:
    """A scan of one target.

    `allow`: what the operator may test; a target inside it gets active checks (and
    intrusive ones where `intrusive`), any other only light ones. `login`: what it logs in with. `browser`: pages are
    rendered too. `watch` is told of progress. Raises BadInput for a bad target or allow entry, ScopeRefused for one that
    policy forbids, OperatorError where no browser is installed.
    """

    def __init__(
        self,
        settings: Settings,
        target: str,
        mode: ScanMode,
        allow: tuple[str, ...],
        *,
        intrusive: bool = False,
        login: Login | None = None,
        browser: bool = False,
    ) -> None:
        self.target: Target = parse_target(target)
        checked = checked_login(login, self.target) if login is not None else None
        self.watch: Callable[[Progress | Chunk], None] = lambda _: None
        self._settings = settings
        self._browser = need_browser(settings) if browser else None
        self._mode = mode
        self._given = AllowList(allow)
        self._touch = Touch.INTRUSIVE if intrusive else Touch.ACTIVE
        trust_operator_ca(settings)
        self._clock = SystemClock()
        self._resolver = build_resolver(settings)
        self._steps: tuple[tuple[str, PhaseName], ...] = ()
        self._log = MemoryLog(self._clock.now(), lambda item: self.watch(item), checked)

    @property
    def stopping(self) -> bool:
        """True once a stop was asked for."""
        return self._log.stop.is_set()

    def stop(self) -> None:
        """Send nothing more; `run` then returns what was found."""
        self._log.stop.set()

    def counters(self) -> dict[str, int]:
        """Numbers for the progress display."""
        return {
            "services": sum(key.startswith("service|") for key in self._log.facts),
            "findings": len(self._log.findings),
            "callbacks": sum(not hit.own for hit in self._log.hits.values()),
            "requests": self._log.requests,
        }

    async def run(self) -> ScanRecord:
        """Scan to the end, or to the stop, and return the record."""
        prepare_loop()
        await screen(self.target, self._settings.scope_allow, self._resolver)
        addresses = await self._addresses()
        spec = self._spec(addresses)
        async with self._hearing(addresses) as callbacks:
            engine = build_engine(self._settings, self._clock, self._resolver, callbacks, browser=self._browser)
            self._steps = engine.steps(spec)
            await engine.run(spec, self._log)
        return await self._told(self._record(spec, engine.info))

    async def _told(self, record: ScanRecord) -> ScanRecord:
        """The record with what the language model writes, where there is one and the scan was not stopped."""
        language = None if record.cancelled else language_of(self._settings, self._clock)
        if language is None:
            return record

        async def told(progress: Progress) -> None:
            self.watch(progress)

        mark = secrets.token_hex(12)
        return replace(record, draft=await draft_of(language, record, self._clock, mark, told))

    @contextlib.asynccontextmanager
    async def _hearing(self, addresses: tuple[str, ...]) -> AsyncIterator[EmbeddedCallbacks | ServerCallbacks]:
        """A listener for as long as the scan runs, or a session on the server that the settings name."""
        if not self._settings.oast_server:
            settings = self._reachable_listener(addresses)
            listener = build_listener(settings, self._log.hear, self._clock)
            await listener.start()
            try:
                yield build_callbacks(settings, listener.http_port, self._clock, listener.zone.turn)
            finally:
                await listener.stop()
            return
        server = self._settings.oast_server
        make = partial(build_client, self._settings, self._clock)
        polling = Polling(server, make, self._log.hear, self._gap, self._clock)
        await polling.start()
        try:
            yield ServerCallbacks(polling, self._clock)
        finally:
            await polling.stop(leave=False)

    async def _gap(self, gap: Gap) -> None:
        words = (
            f"callbacks of {gap.until - gap.since:.0f} seconds may be missing: the server had forgotten our session"
        )
        self._log.note(Attempt(PhaseName.OAST, "oast.server", self._settings.oast_server, Outcome.BLOCKED, words))

    async def _addresses(self) -> tuple[str, ...]:
        try:
            return (await self._resolver.addresses(self.target.host)).addresses
        except TargetError:
            return ()

    def _spec(self, addresses: tuple[str, ...]) -> ScanSpec:
        named = self._given.allows_name(self.target.host)
        allowed = named or (bool(addresses) and all(self._given.allows_address(a) for a in addresses))
        return ScanSpec(
            scan_id=secrets.token_hex(16),
            target=self.target,
            mode=self._mode,
            touch=self._touch if allowed else Touch.LIGHT,
            budget=self._settings.budgets[self._mode],
            allow=self._settings.scope_allow,
            authorized_by="--allow on the command line" if allowed else "",
            browser=self._browser is not None,
        )

    def _reachable_listener(self, addresses: tuple[str, ...]) -> Settings:
        """Kernel-chosen ports on the address that faces the target, unless the settings name their own."""
        configured = self._settings.model_fields_set & {
            "oast_host",
            "oast_http_port",
            "oast_dns_port",
            "oast_domain",
        }
        if configured or not addresses:
            ports = {"oast_http_port": 0, "oast_dns_port": 0} if not configured else {}
            return self._settings.model_copy(update=ports)
        facing = local_address_towards(addresses[0])
        if ipaddress.ip_address(facing).is_unspecified:
            raise OperatorError(f"this machine has no route to {addresses[0]}: check the network")
        return self._settings.model_copy(update={"oast_host": facing, "oast_http_port": 0, "oast_dns_port": 0})

    def _record(self, spec: ScanSpec, info: EngineInfo) -> ScanRecord:
        log, now = self._log, self._clock.now()
        findings = tuple(
            FindingRecord(number, finding, now, now, FindingStatus.NEW)
            for number, finding in enumerate(log.findings.values(), 1)
        )
        return ScanRecord(
            spec=spec,
            db_scan_id=0,
            status=ScanStatus.COMPLETE,
            cancelled=log.stop.is_set(),
            error="",
            created=log.started,
            started=log.started,
            finished=now,
            version=1,
            facts=tuple(log.facts.values()),
            findings=findings,
            attempts=tuple(log.attempts.values()),
            payloads=tuple(log.payloads.values()),
            interactions=tuple(log.hits.values()),
            self_test=log.self_test,
            engine=info,
            not_run=log.not_run(self._steps),
            requests=log.requests,
            received=log.received,
        )
