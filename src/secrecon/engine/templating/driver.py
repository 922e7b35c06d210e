"""Many templates on many targets, side by side: each execution is driven to its end, and becomes an attempt.

A template's error never ends a run. Callback addresses are kept by whoever hands them out before the request that
carries them leaves (`CallbackSource.keep`). What waits for a callback is judged as callbacks come in.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from secrecon.engine.templating.asker import Asker
from secrecon.model.scan import Outcome as Done
from secrecon.templates.catalog import Entry
from secrecon.templates.dsl.run import Ambient
from secrecon.templates.execution.asks import Answer, Ask, HttpAnswer, HttpAsk, Trouble
from secrecon.templates.execution.cookies import Jar
from secrecon.templates.execution.events import Callback, Found, Waiting, judge_callback
from secrecon.templates.execution.http import listens
from secrecon.templates.execution.run import Outcome, execute
from secrecon.templates.execution.session import Options, Prepared
from secrecon.templates.execution.subject import Subject
from secrecon.templates.execution.watching import watched
from secrecon.templates.matchers import DslTest, Matcher, WordTest
from secrecon.templates.template import Template
from secrecon.templates.workflow import Step, Workflow

CANCELLED = "cancelled before it was run"
NO_LISTENER = "it is proven by a callback, and no listener that would see it can be reached"
BREATHE = 20
T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """A template to run on a target. Each is itself alone, so that it can be a key."""

    prepared: Prepared
    subject: Subject


@dataclass(frozen=True, slots=True)
class Attempted:
    """What became of a job. Only DONE without a reason may be read as clean. `requests`: how many were asked for.
    `statuses`: of every HTTP answer."""

    job: Job
    outcome: Done
    reason: str
    requests: int
    found: tuple[Found, ...] = ()
    statuses: frozenset[int] = frozenset()


class CallbackSource(Protocol):
    """Where callback addresses come from."""

    def mint(self, job: Job) -> tuple[str, str] | None:
        """(host as it goes into texts, token) of a fresh address; None where there is no listener."""
        ...

    async def keep(self, job: Job, tokens: Sequence[str], request: bytes) -> None:
        """Store the addresses durably; `request` carries them and leaves next."""
        ...

    async def collect(self) -> Sequence[tuple[str, Callback]]:
        """(token, callback) of everything that has arrived since the last time."""
        ...


@dataclass(slots=True)
class Runner:
    """`callbacks` None: templates that need one are told as not tested. `concurrency`: executions at once.
    `watchers`: templates that look at the answers to all others; what they see is taken with `noticed_now`. `told` is
    awaited after each job with (done, of how many)."""

    asker: Asker
    options: Options
    ambient: Ambient
    callbacks: CallbackSource | None = None
    concurrency: int = 25
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    watchers: Sequence[Prepared] = ()
    _noticed: list[tuple[Job, Found]] = field(default_factory=list)
    _waiting: dict[str, list[tuple[Job, Waiting]]] = field(default_factory=dict)
    _settled: set[tuple[str, str]] = field(default_factory=set)
    _hit: set[tuple[int, str, bool]] = field(default_factory=set)

    @property
    def expects(self) -> bool:
        """True where some request carried an address that a verdict depends on."""
        return bool(self._waiting)

    async def run(
        self, jobs: Sequence[Job], told: Callable[[int, int], Awaitable[None]] | None = None
    ) -> AsyncIterator[Attempted]:
        """Every job's attempt, in the order they end."""
        queue = iter(jobs)
        ready: asyncio.Queue[Attempted | BaseException] = asyncio.Queue(self.concurrency * 4)

        async def work() -> None:
            for count, job in enumerate(queue):
                if self.stop.is_set():
                    await ready.put(Attempted(job, Done.SKIPPED, CANCELLED, 0))
                    continue
                try:
                    await ready.put(await self._attempt(job))
                except Exception as error:  # noqa: BLE001 - handed to whoever reads
                    await ready.put(error)
                if count % BREATHE == 0:
                    await asyncio.sleep(0)

        workers = [asyncio.create_task(work()) for _ in range(min(self.concurrency, len(jobs)))]
        try:
            for done in range(1, len(jobs) + 1):
                item = await ready.get()
                if isinstance(item, BaseException):
                    raise item
                if told is not None:
                    await told(done, len(jobs))
                yield item
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def callbacks_now(self) -> list[tuple[Job, Found]]:
        """What the callbacks that have arrived prove. An address that proved one is not judged again, but that a lookup
        may be followed by more than a lookup; nor a whole job whose template stops at its first match."""
        if self.callbacks is None:
            return []
        proven: list[tuple[Job, Found]] = []
        for token, callback in await self.callbacks.collect():
            for job, waiting in self._waiting.get(token, ()):
                key = (job.prepared.template.id, job.subject.url)
                hit = (id(waiting), token, callback.protocol == "dns")
                if (waiting.stop and key in self._settled) or hit in self._hit:
                    continue
                found = judge_callback(waiting, callback, self.ambient)
                if found:
                    self._settled.add(key)
                    self._hit.add(hit)
                    proven += [(job, item) for item in found]
        return proven

    def noticed_now(self) -> list[tuple[Job, Found]]:
        """What the watchers have seen since the last time."""
        noticed, self._noticed = self._noticed, []
        return noticed

    def _watch(self, job: Job, ask: HttpAsk, answer: HttpAnswer) -> None:
        answer.watched = True
        for prepared, found in watched(self.watchers, job.subject, ask, answer, self.ambient):
            self._noticed.append((Job(prepared, job.subject), found))

    async def flow(
        self, workflow: Workflow, subject: Subject, ready: Callable[[Entry], Prepared]
    ) -> list[Attempted]:
        """A workflow on one target: one cookie jar, what was extracted passed on. Every attempt, in order."""
        attempts: list[Attempted] = []
        await self._steps(workflow.steps, _Way(subject, ready, Jar(), attempts), {})
        return attempts

    async def _steps(self, steps: Sequence[Step], way: _Way, passed: Mapping[str, object]) -> None:
        for step in steps:
            for entry in step.entries:
                job = Job(way.ready(entry), way.subject)
                if self.stop.is_set():
                    way.attempts.append(Attempted(job, Done.SKIPPED, CANCELLED, 0))
                    continue
                attempt, outcome = await self._run(job, way.jar, passed)
                way.attempts.append(attempt)
                if not outcome.matched:
                    continue
                told = frozenset(
                    name for found in attempt.found for name in (found.matcher, found.extractor) if name
                )
                values = {**passed, **_extracted(outcome)}
                await self._steps(step.steps, way, values)
                for branch in step.branches:
                    if branch.taken(told):
                        await self._steps(branch.steps, way, values)

    async def _attempt(self, job: Job) -> Attempted:
        return (await self._run(job, None, {}))[0]

    async def _run(self, job: Job, jar: Jar | None, passed: Mapping[str, object]) -> tuple[Attempted, Outcome]:
        minted: list[str] = []

        def mint() -> tuple[str, str] | None:
            made = self.callbacks.mint(job) if self.callbacks is not None else None
            if made is not None:
                minted.append(made[1])
            return made

        steps = execute(job.prepared, job.subject, self.options, self.ambient, mint, jar=jar, passed=passed)
        outcome = await self._drive(job, steps, minted)
        for waiting in outcome.waiting:
            for token in waiting.tokens:
                self._waiting.setdefault(token, []).append((job, waiting))
        return attempted(job, outcome), outcome

    async def _drive(self, job: Job, steps: Generator[Ask, Answer, Outcome], minted: list[str]) -> Outcome:
        asker = self.asker
        try:
            ask = next(steps)
            while True:
                if minted and self.callbacks is not None:
                    await self.callbacks.keep(job, tuple(minted), getattr(ask, "wire", b""))
                    minted.clear()
                answer: Answer | None = asker.known(ask)
                if answer is None:
                    answer = await asker.answer(ask)
                if self.watchers and isinstance(answer, HttpAnswer) and not answer.watched:
                    assert isinstance(ask, HttpAsk)
                    self._watch(job, ask, answer)
                ask = steps.send(answer)
        except StopIteration as end:
            result: Outcome = end.value
            return result


@dataclass(frozen=True, slots=True)
class _Way:
    """A workflow under way on one target."""

    subject: Subject
    ready: Callable[[Entry], Prepared]
    jar: Jar
    attempts: list[Attempted]


def _extracted(outcome: Outcome) -> dict[str, object]:
    """What a template's extractors told, for the templates that follow: one value, or a list and each by number."""
    values: dict[str, object] = dict(outcome.dynamic)
    for found in outcome.found:
        if found.extractor and found.extracted:
            several = len(found.extracted) > 1
            values[found.extractor] = found.extracted if several else found.extracted[0]
            values.update({f"{found.extractor}{at}": value for at, value in enumerate(found.extracted) if several})
    return values


def attempted(job: Job, outcome: Outcome) -> Attempted:
    """The ledger's view of an outcome. What matched was tested, whatever failed beside it."""
    if any(found.held for found in outcome.found):
        return Attempted(job, Done.DONE, "", outcome.asked, outcome.found)
    if not outcome.problems:
        deaf = outcome.wanting and needs_callback(job.prepared.template)
        done, why = (Done.SKIPPED, NO_LISTENER) if deaf else (Done.DONE, "")
        return Attempted(job, done, why, outcome.asked, outcome.found, outcome.statuses)
    trouble, reason = outcome.problems[0]
    if outcome.answered:
        reason = f"{outcome.answered} of {outcome.asked} requests were answered; {reason}"
    return Attempted(job, _OUTCOMES[trouble], reason, outcome.asked, outcome.found)


def needs_callback(template: Template) -> bool:
    """Whether some block of the template looks at callbacks."""
    others = [block.operators for block in template.dns]
    others += [block.operators for block in template.ssl] + [block.operators for block in template.tcp]
    return any(listens(block) for block in template.http) or any(
        name.startswith("interactsh_") for operators in others for name in operators.reads
    )


def by_lookup_alone(template: Template) -> bool:
    """Whether nothing but a DNS lookup proves the template. A callback address without a domain of ours can never be
    looked up, so such a template cannot be tested with one."""
    told = " ".join(_expected(matcher) for block in template.http for matcher in block.operators.matchers)
    return "dns" in told and "http" not in told


def _expected(matcher: Matcher) -> str:
    """What a matcher says of a callback's protocol, as written."""
    test = matcher.test
    if isinstance(test, DslTest):
        return " ".join(program.source for program in test.programs if "interactsh_protocol" in program.names)
    if isinstance(test, WordTest) and matcher.part == "interactsh_protocol":
        return " ".join(word.decode("latin-1") if isinstance(word, bytes) else word.source for word in test.words)
    return ""


_OUTCOMES = {
    Trouble.REFUSED: Done.BLOCKED,
    Trouble.SKIPPED: Done.SKIPPED,
    Trouble.UNREACHABLE: Done.FAILED,
    Trouble.TIMEOUT: Done.TIMED_OUT,
    Trouble.BROKEN: Done.FAILED,
    Trouble.INVALID: Done.FAILED,
}


def jobs_for(templates: Iterable[Prepared], subjects: Sequence[Subject]) -> list[Job]:
    """Every template on every target, template by template, so that no target is asked everything at once."""
    return [Job(prepared, subject) for prepared in templates for subject in subjects]
