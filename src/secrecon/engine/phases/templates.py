"""Templates: known flaws asked for directly, those of the products that were seen first, then the others.

A dialogue: what a template asks next depends on what it was answered. Every template on every web service is a line of
the ledger: what the policy forbids, what the budget left no room for and what got no answer are told as such.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from secrecon.engine.phase import Ground, Judgement
from secrecon.engine.templating.asker import Asker
from secrecon.engine.templating.driver import CANCELLED, Attempted, Job, Runner, needs_callback
from secrecon.engine.templating.findings import cve_ids, doubted, finding_for, line_of
from secrecon.engine.templating.mints import ScanCallbacks
from secrecon.engine.templating.walled import told_apart
from secrecon.engine.view import ScanView
from secrecon.model.finding import Finding
from secrecon.model.scan import Attempt, Outcome, PhaseName, ScanMode, Touch
from secrecon.net.clock import Clock
from secrecon.net.network import Network
from secrecon.templates.dsl.run import Ambient
from secrecon.templates.execution.events import Found
from secrecon.templates.execution.session import Options, Prepared, prepare
from secrecon.templates.execution.subject import Subject
from secrecon.templates.policy import Safety, decide
from secrecon.templates.template import Template

CHUNK = 600
LISTENING_CHUNK = 3_000
CALLBACK_SECONDS = 4.0
BUDGET_SHARE = 0.4
MAX_ASKED = 50_000
SPENT = "the share of the scan's requests that templates may use was planned for others"


@dataclass(frozen=True, slots=True)
class Armed:
    """A template with the level that the policy gave it."""

    template: Template
    safety: Safety
    path: str = ""


@dataclass(frozen=True, slots=True)
class Unusable:
    """A template file that cannot run: `path` below its folder."""

    path: str
    outcome: Outcome
    reason: str


@dataclass(frozen=True, slots=True)
class _Aim:
    """What a plan needs to know of a template, worked out once for a set. `line`: its line in the ledger; `about`: what it
    says it is about; `cost`: its requests."""

    armed: Armed
    line: str
    about: frozenset[str]
    cves: frozenset[str]
    cost: int
    listens: bool


@dataclass(frozen=True, slots=True)
class _Plan:
    """`rounds`: pairs of template and service, round by round. `refused`: lines that are not run, with the reason."""

    rounds: tuple[tuple[tuple[Armed, str], ...], ...]
    refused: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True)
class _Scan:
    """A scan under way in this process. `first`: the round that its plan begins with."""

    asker: Asker
    plan: _Plan
    first: int


class TemplatesPhase:
    """The `templates` step. `load` gives the set; it is called when a scan first needs it. `unusable`: files of the
    operator's own set that cannot run, asked after it; each is told once for a scan."""

    step: ClassVar[str] = "templates"
    name: ClassVar[PhaseName] = PhaseName.VERIFY
    title: ClassVar[str] = "Verifying known flaws with templates"
    touch: ClassVar[Touch] = Touch.LIGHT
    modes: ClassVar[frozenset[ScanMode]] = frozenset({ScanMode.FULL})
    listens: ClassVar[bool] = True

    def __init__(
        self,
        load: Callable[[], Sequence[Armed]],
        clock: Clock,
        unusable: Callable[[], Sequence[Unusable]] = tuple,
    ) -> None:
        self._load = load
        self._unusable = unusable
        self._clock = clock
        self._scans: weakref.WeakKeyDictionary[Network, _Scan] = weakref.WeakKeyDictionary()
        self._prepared: dict[str, Prepared] = {}
        self._aimed: tuple[Sequence[Armed], tuple[_Aim, ...]] = ((), ())
        self._ambient = Ambient(clock.now, random.SystemRandom(), lambda seconds: None)

    def checks(self, view: ScanView) -> Iterable[tuple[str, str]]:
        return [(line_of(armed.template), service.asset) for armed in self._load() for service in view.web]

    async def hold(self, view: ScanView, round_: int, ground: Ground) -> tuple[Sequence[Judgement], bool]:
        """The plan is made once, of what was not attempted yet: a scan that another process takes over goes on there.
        Planning and judging are done in a thread, as a set may hold thousands of templates."""
        scan = self._scans.get(ground.network)
        if scan is None:
            plan = await asyncio.to_thread(self._plan, view)
            scan = self._scans[ground.network] = _Scan(Asker(ground.network, self._clock), plan, round_)
        rounds, at = scan.plan.rounds, round_ - scan.first
        judged: list[Judgement] = list(scan.plan.refused) if at == 0 else []
        if at == 0:
            url = view.spec.target.url
            judged += [Attempt(self.name, f"template.{u.path}", url, u.outcome, u.reason) for u in self._unusable()]
        if at >= len(rounds):
            return judged, False
        jobs = await asyncio.to_thread(self._jobs, view, rounds[at])
        source = ScanCallbacks(view.spec, ground, jobs, self._clock) if ground.callbacks is not None else None
        runner = Runner(scan.asker, Options(), self._ambient, source, stop=ground.stop)
        found: dict[Job, list[Found]] = {}
        attempts: list[Attempted] = []
        async for attempt in runner.run(tuple(jobs), ground.told):
            attempts.append(attempt)
            if any(item.held for item in attempt.found):
                found.setdefault(attempt.job, []).extend(item for item in attempt.found if item.held)
        await self._listen(runner, ground, found)
        seed = f"{view.spec.scan_id} {self.step} {round_}"
        attempts = await told_apart(ground.network, seed, attempts, ground.stop)
        if any(needs_callback(item.job.prepared.template) for item in attempts) and (why := await ground.deaf()):
            attempts = [_unheard(item, why) if item.job not in found else item for item in attempts]
        judged += await asyncio.to_thread(self._judged, view, jobs, attempts, found)
        return judged, at + 1 < len(rounds)

    def _jobs(self, view: ScanView, pairs: Sequence[tuple[Armed, str]]) -> dict[Job, str]:
        """Each pair ready to run, with the asset that it is for."""
        origins = {service.asset: service.origin for service in view.web}
        jobs: dict[Job, str] = {}
        for armed, asset in pairs:
            origin = origins[asset]
            if origin is not None:
                jobs[Job(self._ready(armed), Subject(origin, origin.authority))] = asset
        return jobs

    async def _listen(self, runner: Runner, ground: Ground, found: dict[Job, list[Found]]) -> None:
        """Callbacks of this round, for a few seconds where any can come."""
        until = self._clock.monotonic() + CALLBACK_SECONDS
        while runner.expects and not ground.stop.is_set():
            for job, item in await runner.callbacks_now():
                found.setdefault(job, []).append(item)
            if self._clock.monotonic() >= until:
                return
            await self._clock.sleep(0.2)

    def _judged(
        self, view: ScanView, jobs: dict[Job, str], attempts: Sequence[Attempted], found: dict[Job, list[Found]]
    ) -> list[Judgement]:
        known = dict(view.findings)
        judged: list[Judgement] = []
        for attempt in sorted(
            attempts, key=lambda item: not found.get(item.job)
        ):  # what was found before what was not
            job = attempt.job
            asset, template = jobs[job], job.prepared.template
            change: Finding | None = None
            if found.get(job):
                change = finding_for(job, asset, found[job], known)
            elif attempt.outcome is Outcome.DONE and not attempt.reason:
                change = doubted(attempt, asset, known)
            if change is not None:
                known[change.fingerprint] = change
            outcome = Outcome.DONE if found.get(job) else attempt.outcome
            reason = "" if found.get(job) else attempt.reason
            if attempt.reason == CANCELLED:
                outcome, reason = Outcome.SKIPPED, CANCELLED
            judged.append(Attempt(self.name, line_of(template), asset, outcome, reason, attempt.requests))
        changed = [item for key, item in known.items() if view.findings.get(key) != item]
        return [*judged, *changed]

    def _ready(self, armed: Armed) -> Prepared:
        """Variables that are fixed when a template is loaded are fixed for every target and scan."""
        ready = self._prepared.get(armed.template.id)
        if ready is None or ready.template is not armed.template:
            ready = self._prepared[armed.template.id] = prepare(armed.template, self._ambient, armed.path)
        return ready

    def _aims(self) -> tuple[_Aim, ...]:
        loaded = self._load()
        known, aims = self._aimed
        if known is not loaded:
            aims = tuple(map(_aim, loaded))
            self._aimed = (loaded, aims)
        return aims

    def _plan(self, view: ScanView) -> _Plan:
        """Every pair that has no line in the ledger yet: those that a CVE names first, then those of a product seen."""
        room = min(view.spec.budget.requests * BUDGET_SHARE, MAX_ASKED)
        seen = {service.asset: _products(view, service.asset) for service in view.web}
        cves = {finding.cve_id for finding in view.findings.values() if finding.cve_id}
        ranked: tuple[list[tuple[_Aim, str]], ...] = ([], [], [])
        refused: list[Attempt] = []
        only = view.spec.retest
        for aim in self._aims():
            if only is not None and aim.line not in only.lines:
                continue
            decision = decide(aim.armed.safety, view.spec.touch)
            named = not cves.isdisjoint(aim.cves)
            for asset, products in seen.items():
                before = view.attempts.get((aim.line, asset))
                if before is not None:
                    room -= aim.cost if before.outcome is not Outcome.SKIPPED else 0
                elif not decision.allowed:
                    refused.append(Attempt(self.name, aim.line, asset, Outcome.SKIPPED, decision.why))
                else:
                    ranked[0 if named else 2 if aim.about.isdisjoint(products) else 1].append((aim, asset))
        quiet: list[tuple[Armed, str]] = []
        listening: list[tuple[Armed, str]] = []
        for aim, asset in itertools.chain(*ranked):
            if aim.cost > room:
                refused.append(Attempt(self.name, aim.line, asset, Outcome.SKIPPED, SPENT))
                continue
            room -= aim.cost
            (listening if aim.listens else quiet).append((aim.armed, asset))
        rounds = [tuple(quiet[at : at + CHUNK]) for at in range(0, len(quiet), CHUNK)]
        rounds += [tuple(listening[at : at + LISTENING_CHUNK]) for at in range(0, len(listening), LISTENING_CHUNK)]
        return _Plan(tuple(rounds), tuple(refused))


def _aim(armed: Armed) -> _Aim:
    template = armed.template
    return _Aim(
        armed=armed,
        line=line_of(template),
        about=_tokens(template),
        cves=frozenset(cve_ids(template)),
        cost=requests_of(template),
        listens=needs_callback(template),
    )


def _unheard(attempt: Attempted, why: str) -> Attempted:
    """What a silent attempt is worth that waits for a callback, when none could be heard."""
    if attempt.outcome is not Outcome.DONE or not needs_callback(attempt.job.prepared.template):
        return attempt
    return replace(attempt, outcome=Outcome.BLOCKED, reason=f"the callback listener failed meanwhile: {why}")


def requests_of(template: Template) -> int:
    """How many requests a template makes of one target, redirects not among them."""
    total = len(template.dns) + len(template.ssl) + sum(len(block.hosts) for block in template.tcp)
    for block in template.http:
        total += max(len(block.paths), len(block.raws)) * (
            block.payloads.count if block.payloads is not None else 1
        )
    return total


def _products(view: ScanView, asset: str) -> frozenset[str]:
    found: set[str] = set()
    for technology in view.technologies:
        if technology.asset == asset:
            found.add(technology.name.lower())
            found |= {part for part in technology.cpe.lower().split(":")[3:5] if part not in ("", "*")}
    return frozenset(found)


def _tokens(template: Template) -> frozenset[str]:
    """What a template says it is about: tags, product and vendor."""
    info = template.info
    cpe = info.classification.get("cpe", "").lower().split(":")[3:5]
    named = [info.metadata.get(key, "").lower() for key in ("product", "vendor")]
    return frozenset(word for word in (*(tag.lower() for tag in info.tags), *cpe, *named) if word not in ("", "*"))
