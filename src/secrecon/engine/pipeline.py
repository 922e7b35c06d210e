"""The engine: runs one round of one phase at a time, so that a scan can go on anywhere after any crash.

A round is: rebuild the view from the log, let the phase plan, store the callback payloads, ask, wait for callbacks,
let the phase judge, commit. Everything in between is forgotten if the process dies, and done again; the commit
happens once. Phases think in a thread: what they read is hostile and may take seconds, and meanwhile callbacks, other
scans and the API must be served. The view is that round's alone. The engine knows no database, queue, account or page.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ParamSpec, TypeVar

import structlog

from secrecon.engine.asking import Memo, ask_all
from secrecon.engine.ledger import PORTS, attempts_from, merge, not_done, pushed_back
from secrecon.engine.phase import Asking, Dialogue, Ground, Judgement, Phase
from secrecon.engine.ports import Callbacks, ScanLog, ScanSoFar
from secrecon.engine.retest import kept_probes, kept_results, narrowed, steps_of
from secrecon.engine.view import ScanView
from secrecon.engine.visitor import Visitor
from secrecon.engine.walls import told_apart
from secrecon.model.errors import OperatorError
from secrecon.model.finding import Finding
from secrecon.model.interaction import OastReach, OastSelfTest, Payload
from secrecon.model.probe import Asked, HttpProbe, Probe, Reply, Skip, Wait
from secrecon.model.record import Chunk, Progress
from secrecon.model.scan import Attempt, EngineInfo, Outcome, PhaseName, ScanSpec
from secrecon.model.target import Origin
from secrecon.net.clock import Clock
from secrecon.net.gate import ScopeGate
from secrecon.net.identity import Identity
from secrecon.net.network import Network
from secrecon.net.resolver import Resolver

STOP_POLL = 0.5
PROGRESS_EVERY = 0.25
CALLBACK_POLL = 0.1
P = ParamSpec("P")
T = TypeVar("T")
AS_USER = frozenset({"crawl", "behaviour", "ssrf"})
"""The steps that ask as the user that the scan is logged in as. What others judge is what a stranger can reach."""
NOT_AUTHORIZED = "the target is not authorized for active checks"
log_ = structlog.get_logger("secrecon.engine")


@dataclass(slots=True)
class _Session:
    """What one process keeps of a running scan between rounds; none of it is needed to go on elsewhere."""

    network: Network
    memo: Memo = field(default_factory=Memo)
    visitor: Visitor | None = None


@dataclass(frozen=True, slots=True)
class _Round:
    """One round while it is under way."""

    spec: ScanSpec
    phase: Phase | Dialogue
    number: int
    log: ScanLog
    view: ScanView
    session: _Session
    stop: asyncio.Event
    minted: list[Payload]


class Engine:
    """Runs scans round by round.

    `phases` in pipeline order. `callbacks`: the listener, or None where there is none (SSRF is then recorded as not
    testable). `info` is asked at each scan's start, as data is refreshed meanwhile. `listener_origins`: origins of our
    own listener, which the self-test may contact.
    """

    def __init__(
        self,
        *,
        phases: Sequence[Phase | Dialogue],
        info: Callable[[], EngineInfo],
        clock: Clock,
        resolver: Resolver,
        callbacks: Callbacks | None,
        listener_origins: tuple[Origin, ...] = (),
    ) -> None:
        self._phases = tuple(phases)
        self._clock = clock
        self._resolver = resolver
        self._callbacks = callbacks
        self._listener_origins = listener_origins
        self._sessions: dict[str, _Session] = {}
        self._info = info

    @property
    def info(self) -> EngineInfo:
        """What a scan that starts now works with: version, rules and the data as it is."""
        return self._info()

    def steps(self, spec: ScanSpec) -> tuple[tuple[str, PhaseName], ...]:
        """The steps of this scan in order, each with the documented phase it belongs to."""
        return tuple((phase.step, phase.name) for phase in self._of(spec))

    async def run(self, spec: ScanSpec, log: ScanLog) -> None:
        """Run every step to its end in this process, stopping after the round in which a stop was requested."""
        try:
            for step, _ in self.steps(spec):
                round_, more = 0, True
                while more:
                    chunk = await self.run_chunk(spec, step, round_, log)
                    round_, more = round_ + 1, chunk.more
                if await log.stop_requested():
                    return
        finally:
            await self.close(spec.scan_id)

    async def run_chunk(self, spec: ScanSpec, step: str, round_: int, log: ScanLog) -> Chunk:
        """Run one round of one step and commit it. Running it again after a commit changes nothing.

        `more` of the result tells whether the step has another round. Never raises for what the target did; a bug
        in a phase ends that step with a FAILED attempt and the scan goes on.
        """
        spec = narrowed(spec)
        phase = next(phase for phase in self._of(spec) if phase.step == step)
        so_far = await log.so_far()
        if (step, round_) in so_far.done:
            return Chunk(phase.name, step, round_, (), (), (), so_far.done[step, round_], 0, 0)
        session = self._session(spec, so_far)
        view, minted = self._view(spec, so_far)
        await _tell(log, Progress(phase.name, self._percent(spec, step, round_, 0.0), phase.title))
        before = (session.network.requests, session.network.received)
        async with _stop_event(log) as stop:
            current = _Round(spec, phase, round_, log, view, session, stop, minted)
            chunk = await self._run_round(current, so_far)
        used = (session.network.requests - before[0], session.network.received - before[1])
        chunk = replace(chunk, requests=used[0], received=used[1])
        await log.commit(chunk)
        return chunk

    async def close(self, scan_id: str) -> None:
        """Forget what this process keeps of a scan: its connections and its memo."""
        session = self._sessions.pop(scan_id, None)
        if session is not None:
            await session.network.close()

    def _of(self, spec: ScanSpec) -> tuple[Phase | Dialogue, ...]:
        steps = None if spec.retest is None else steps_of(spec.retest)
        return tuple(p for p in self._phases if spec.mode in p.modes and (steps is None or p.step in steps))

    def _session(self, spec: ScanSpec, so_far: ScanSoFar) -> _Session:
        session = self._sessions.get(spec.scan_id)
        if session is None:
            gate = ScopeGate(spec.target, spec.allow, self._resolver, self._listener_origins)
            identity = Identity(so_far.login, spec.target) if so_far.login is not None else None
            network = Network(
                gate,
                self._resolver,
                spec.budget,
                self._clock,
                used_requests=so_far.requests,
                used_bytes=so_far.received,
                used_connects=sum(a.requests for a in so_far.attempts if a.check == PORTS),
                deadline=so_far.started + spec.budget.seconds,
                identity=identity,
            )
            visitor = Visitor(spec.target, identity, self._clock) if identity is not None else None
            session = self._sessions[spec.scan_id] = _Session(network, visitor=visitor)
        return session

    def _view(self, spec: ScanSpec, so_far: ScanSoFar) -> tuple[ScanView, list[Payload]]:
        minted: list[Payload] = []

        def mint(*, check: str, asset: str, location: str, technique: str, first: str = "") -> Payload | None:
            if self._callbacks is None or (first and not self._callbacks.turns):
                return None
            payload = self._callbacks.mint(
                spec,
                check=check,
                asset=asset,
                location=location,
                technique=technique,
                now=self._clock.now(),
                first=first,
            )
            minted.append(payload)
            return payload

        view = ScanView(spec=spec, mint=mint, now=self._clock.now(), self_test=so_far.self_test)
        view.add(so_far.facts, so_far.findings, so_far.attempts)
        view.payloads.update((payload.token, payload) for payload in so_far.payloads)
        view.interactions.update((hit.id, hit) for hit in so_far.interactions)
        return view, minted

    async def _run_round(self, current: _Round, so_far: ScanSoFar) -> Chunk:
        phase, view, spec = current.phase, current.view, current.spec
        refusal = self._refusal(spec, phase, so_far)
        if current.stop.is_set():
            refusal = "the scan was cancelled"
        if refusal:
            return await self._not_run(current, refusal)
        self_test = None
        listens = phase.name is PhaseName.OAST or (isinstance(phase, Dialogue) and phase.listens)
        if listens and view.self_test is None and self._callbacks is not None:
            addresses = [address for fact in view.resolutions for address in fact.addresses]
            self_test = await self._callbacks.self_test(current.session.network, current.log, addresses)
            view.self_test = self_test
        try:
            if isinstance(phase, Dialogue):
                return replace(await self._hold(current, phase), self_test=self_test)
            planned = await asyncio.to_thread(_listed, phase.plan, view, current.number)
            probes = kept_probes(spec.retest, phase.step, planned)
            replies, skips = await self._ask(current, probes)
            deaf = await self._deaf(current, replies)
            judged: list[Judgement] = []
            if probes or current.number == 0:
                judged = await asyncio.to_thread(_listed, phase.judge, view, current.number, replies)
        except Exception as error:
            log_.exception("phase failed", scan_id=spec.scan_id, step=phase.step, round=current.number)
            return await self._not_run(
                current, f"internal error in {phase.step}: {type(error).__name__}", Outcome.FAILED
            )
        chunk = self._chunk(current, phase, probes, replies, skips, judged)
        if deaf is not None:
            lost = not_done(
                chunk.attempts, Outcome.BLOCKED, f"the callback listener failed meanwhile: {deaf.detail}"
            )
            chunk, self_test = replace(chunk, attempts=lost), deaf
        return replace(chunk, self_test=self_test)

    async def _hold(self, current: _Round, phase: Dialogue) -> Chunk:
        """One round of a step that talks by itself."""
        reached = current.view.self_test
        heard = reached is not None and OastReach.REACHABLE in (reached.http, reached.dns)
        last = self._clock.monotonic()

        async def told(done: int, total: int) -> None:
            nonlocal last
            if self._clock.monotonic() - last < PROGRESS_EVERY:
                return
            last = self._clock.monotonic()
            title = f"{phase.title} ({done} of {total})"
            percent = self._percent(current.spec, phase.step, current.number, done / max(total, 1))
            await _tell(current.log, Progress(phase.name, percent, title))

        async def deaf() -> str:
            after = await self._lost(current)
            return after.detail if after is not None else ""

        ground = Ground(
            network=current.session.network,
            log=current.log,
            callbacks=self._callbacks if heard else None,
            stop=current.stop,
            told=told,
            deaf=deaf if heard else _never_deaf,
            ask=self._asking(current),
        )
        judged, more = await phase.hold(current.view, current.number, ground)
        if current.stop.is_set() and more:
            cancelled = await self._not_run(current, "the scan was cancelled")
            judged = [*judged, *cancelled.attempts]
        return self._kept(current, judged, {}, more and not current.stop.is_set())

    def _asking(self, current: _Round) -> Asking:
        """How a dialogue asks by probes, batch after batch."""
        batch = 0

        async def ask(probes: Sequence[Asked], *, keep: bool) -> list[Reply]:
            nonlocal batch
            batch += 1
            session = current.session
            memo = session.memo if keep else Memo()
            replies = await _answers(current, memo, probes, _quietly)
            seed = f"{current.spec.scan_id} {current.phase.step} {current.number} {batch}"
            return await told_apart(session.network, memo, seed, replies, current.stop)

        return ask

    async def _deaf(self, current: _Round, replies: Sequence[Reply]) -> OastSelfTest | None:
        """The self-test once more after payloads were sent; the result where it has become worse, since silence then
        says nothing."""
        if not any(isinstance(r.probe, HttpProbe) and r.probe.payload and r.http for r in replies):
            return None
        return await self._lost(current)

    async def _lost(self, current: _Round) -> OastSelfTest | None:
        """The self-test once more, where it has become worse."""
        before = current.view.self_test
        if self._callbacks is None or before is None or current.stop.is_set():
            return None
        addresses = [address for fact in current.view.resolutions for address in fact.addresses]
        after = await self._callbacks.self_test(current.session.network, current.log, addresses)
        lost = [a for a, b in ((after.http, before.http), (after.dns, before.dns)) if b is OastReach.REACHABLE != a]
        return after if lost else None

    def _refusal(self, spec: ScanSpec, phase: Phase | Dialogue, so_far: ScanSoFar) -> str:
        if phase.touch.rank > spec.touch.rank:
            return NOT_AUTHORIZED
        spent = self._clock.now() - so_far.started
        if phase.name is not PhaseName.SYNTHESIS and spent > spec.budget.seconds:
            return f"the scan's time budget of {spec.budget.seconds:.0f} s was used up"
        return ""

    async def _not_run(self, current: _Round, reason: str, outcome: Outcome = Outcome.SKIPPED) -> Chunk:
        """Every check of the step that has no line yet gets one; lines of its earlier rounds are not done after all,
        but for a dialogue, whose lines each stand for themselves."""
        phase, known = current.phase, current.view.attempts
        try:
            mine = await asyncio.to_thread(_listed, phase.checks, current.view)  # may read a template set
        except Exception:
            log_.exception("checks cannot be told", scan_id=current.spec.scan_id, step=phase.step)
            mine = [(phase.step, current.spec.target.url)]
        attempts = {
            (check, asset): Attempt(phase.name, check, asset, outcome, reason)
            for check, asset in mine
            if (check, asset) not in known
        }
        if current.number and not isinstance(phase, Dialogue):
            begun = [known[key] for key in mine if key in known and known[key].phase is phase.name]
            attempts |= {(a.check, a.asset): a for a in not_done(begun, outcome, f"not finished: {reason}")}
        if not attempts and outcome is Outcome.FAILED:
            key = (phase.step, current.spec.target.url)
            attempts[key] = Attempt(phase.name, *key, outcome, reason)
        return Chunk(phase.name, phase.step, current.number, (), (), tuple(attempts.values()), False, 0, 0)

    async def _ask(self, current: _Round, probes: Sequence[Probe]) -> tuple[list[Reply], list[Skip]]:
        asked = [probe for probe in probes if not isinstance(probe, Wait | Skip)]
        skips = [probe for probe in probes if isinstance(probe, Skip)]
        wait = max((probe.seconds for probe in probes if isinstance(probe, Wait)), default=0.0)
        if current.minted:
            told = [(p.payload, *p.also) for p in asked if isinstance(p, HttpProbe) and p.payload]
            carried = {payload.token: payload for group in told for payload in group}
            minted = [p for p in current.minted if current.spec.retest is None or p.token in carried]
            payloads = [carried.get(payload.token, payload) for payload in minted]
            await current.log.keep_payloads(payloads)
            current.view.payloads.update((payload.token, payload) for payload in payloads)
        last = self._clock.monotonic()

        async def answered(count: int) -> None:
            nonlocal last
            if self._clock.monotonic() - last < PROGRESS_EVERY:
                return
            last = self._clock.monotonic()
            title = f"{current.phase.title} ({count} of {len(asked)} requests)"
            percent = self._percent(current.spec, current.phase.step, current.number, count / len(asked))
            await _tell(current.log, Progress(current.phase.name, percent, title))

        network, memo = current.session.network, current.session.memo
        replies = await _answers(current, memo, asked, answered)
        if current.phase.name is not PhaseName.PROBE:  # there, a refusal too is a service that answers
            seed = f"{current.spec.scan_id} {current.phase.step} {current.number}"
            replies = await told_apart(network, memo, seed, replies, current.stop)
        if wait:
            await self._await_callbacks(current, wait)
        if wait or current.view.payloads:
            hits = await current.log.interactions()
            current.view.interactions.update((hit.id, hit) for hit in hits)
        return replies, skips

    async def _await_callbacks(self, current: _Round, seconds: float) -> None:
        """Wait for the callbacks of this scan; over early once every payload of the scan was called."""
        deadline = self._clock.monotonic() + seconds
        while self._clock.monotonic() < deadline and not current.stop.is_set():
            hits = await current.log.interactions()
            if current.view.payloads.keys() <= {hit.token for hit in hits}:
                return
            await self._clock.sleep(CALLBACK_POLL)

    def _chunk(
        self,
        current: _Round,
        phase: Phase,
        probes: Sequence[Probe],
        replies: Sequence[Reply],
        skips: Sequence[Skip],
        judged: Sequence[Judgement],
    ) -> Chunk:
        attempts = attempts_from(current.phase.name, replies, skips) | pushed_back(
            current.phase.name, replies, current.session.network.slowed
        )
        more = bool(probes) and current.number + 1 < phase.max_rounds
        stopped = current.stop.is_set()
        chunk = self._kept(current, judged, attempts, more and not stopped)
        if stopped and (more or any(isinstance(probe, Wait) for probe in probes)):
            lost = not_done(chunk.attempts, Outcome.SKIPPED, "cancelled before it was finished")
            return replace(chunk, attempts=lost)
        return chunk

    def _kept(
        self,
        current: _Round,
        judged: Sequence[Judgement],
        attempts: Mapping[tuple[str, str], Attempt],
        more: bool,
    ) -> Chunk:
        """What a round learned, as it is committed: facts not known yet, findings, attempts added to earlier ones."""
        phase, view = current.phase, current.view
        visitor = current.session.visitor
        judged = kept_results(current.spec.retest, judged)
        if visitor is not None and visitor.begun:
            if phase.step in AS_USER:
                judged = [visitor.found(item) if isinstance(item, Finding) else item for item in judged]
            judged = [*judged, *visitor.lines()]
        facts = {
            item.key: item
            for item in reversed(judged)
            if not isinstance(item, Finding | Attempt) and item.key not in view.facts
        }
        findings = {item.fingerprint: item for item in judged if isinstance(item, Finding)}
        merged = merge(view.attempts, attempts, [item for item in judged if isinstance(item, Attempt)])
        kept_facts = tuple(reversed(facts.values()))
        return Chunk(
            phase.name, phase.step, current.number, kept_facts, tuple(findings.values()), merged, more, 0, 0
        )

    def _percent(self, spec: ScanSpec, step: str, round_: int, fraction: float) -> int:
        """0-99: each step has an equal share; within a step, rounds fill half of what is left."""
        steps = [name for name, _ in self.steps(spec)]
        within = 1 - 0.5**round_ * (1 - fraction / 2)
        return min(99, int(100 * (steps.index(step) + within) / len(steps)))


async def _tell(log: ScanLog, progress: Progress) -> None:
    """Note where the scan is. A database that is too busy for that costs a line of progress, not what the round learned."""
    try:
        await log.progress(progress)
    except OperatorError as error:
        log_.warning("progress was not kept", step=progress.message, reason=str(error))


def _listed(think: Callable[P, Iterable[T]], *args: P.args, **kwargs: P.kwargs) -> list[T]:
    """All that a phase yields. A stray StopIteration, which no future can carry, becomes an ordinary error."""
    try:
        return list(think(*args, **kwargs))
    except StopIteration as error:
        raise RuntimeError("a phase ended an iteration that it had not begun") from error


@contextlib.asynccontextmanager
async def _stop_event(log: ScanLog) -> AsyncIterator[asyncio.Event]:
    """An event that is set soon after a stop was requested."""
    stop = asyncio.Event()

    async def poll() -> None:
        while not await log.stop_requested():  # noqa: ASYNC110 - the request comes from another process
            await asyncio.sleep(STOP_POLL)
        stop.set()

    if await log.stop_requested():
        stop.set()
    poller = asyncio.create_task(poll())
    try:
        yield stop
    finally:
        poller.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await poller


async def _answers(
    current: _Round, memo: Memo, probes: Sequence[Asked], answered: Callable[[int], Awaitable[None]]
) -> list[Reply]:
    """The replies to `probes`, as the user where this step asks as one."""
    session = current.session
    if session.visitor is not None and current.phase.step in AS_USER:
        return await session.visitor.ask(session.network, memo, probes, current.stop, answered)
    return await ask_all(session.network, memo, probes, current.stop, answered)


async def _never_deaf() -> str:
    return ""


async def _quietly(_: int) -> None:
    """A dialogue tells its progress itself."""
