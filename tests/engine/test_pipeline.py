"""The engine, against a real server on loopback: rounds, resume, cancel, budgets, authorization, and broken phases."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from tests.engine.conftest import Site, Watched, make_engine, make_spec

from secrecon.engine.memory import MemoryLog
from secrecon.engine.phase import Judgement
from secrecon.engine.phases.probe import ProbePhase
from secrecon.engine.phases.resolve import ResolvePhase
from secrecon.engine.phases.synthesis import SynthesisPhase
from secrecon.engine.pipeline import NOT_AUTHORIZED
from secrecon.engine.view import ScanView
from secrecon.model.asset import Asset, AssetType, Page
from secrecon.model.errors import OperatorError
from secrecon.model.http import HttpRequest
from secrecon.model.probe import HttpProbe, Probe, Reply
from secrecon.model.record import Progress
from secrecon.model.scan import Budget, Outcome, PhaseName, ScanMode, Touch
from secrecon.net.clock import SystemClock
from secrecon.oast.callbacks import EmbeddedCallbacks


@dataclass
class Toy:
    """Fetches `paths` in each of `max_rounds` rounds and keeps a page per answer."""

    paths: tuple[str, ...] = ("/",)
    rounds: int = 1
    breaks: bool = False
    step: ClassVar[str] = "toy"
    name: ClassVar[PhaseName] = PhaseName.CRAWL
    title: ClassVar[str] = "Playing"
    touch: ClassVar[Touch] = Touch.ACTIVE
    modes: ClassVar[frozenset[ScanMode]] = frozenset(ScanMode)
    max_rounds: ClassVar[int] = 5
    mints: bool = False

    def checks(self, view: ScanView) -> Iterable[tuple[str, str]]:
        return [("toy.check", view.spec.target.url)]

    def plan(self, view: ScanView, round_: int) -> Iterable[Probe]:
        if round_ >= self.rounds:
            return
        for path in self.paths:
            payload = None
            if self.mints:
                payload = view.mint(check="toy.check", asset="a", location="b", technique="c")
                assert payload is not None
                path = f"/{payload.token}"
            request = HttpRequest(view.spec.target.origin, target=path)
            yield HttpProbe("toy.check", view.spec.target.url, request, payload=payload)

    def judge(self, view: ScanView, round_: int, replies: Sequence[Reply]) -> Iterable[Judgement]:
        if self.breaks:
            raise RuntimeError("a bug")
        for index, reply in enumerate(replies):
            if reply.http:
                yield Page(f"{round_}/{index}", reply.http.reply.status, "", "", 0, "", 0)


@dataclass
class Lister(Toy):
    """Remembers in which thread it told its checks; `mute`: it cannot tell them."""

    mute: bool = False
    thread: int = 0

    def checks(self, view: ScanView) -> Iterable[tuple[str, str]]:
        self.thread = threading.get_ident()
        if self.mute:
            raise OSError("the rules are gone")
        yield from super().checks(view)


class Toy2(Toy):
    step: ClassVar[str] = "toy2"


async def test_a_scan_runs_its_rounds_and_commits_each(site: Site) -> None:
    watched = Watched()
    engine = make_engine([ResolvePhase(), ProbePhase(), Toy(("/a", "/b"), rounds=2), SynthesisPhase()])
    await engine.run(make_spec(site.url), watched.log)
    assert [f.key for f in watched.log.facts.values() if isinstance(f, Page)] == [
        "page|0/0",
        "page|0/1",
        "page|1/0",
        "page|1/1",
    ]
    attempt = watched.log.attempts["toy.check", site.url]
    assert (attempt.outcome, attempt.requests) == (Outcome.DONE, 4)
    assert sorted(site.requests) == ["GET / HTTP/1.1", "GET /a HTTP/1.1", "GET /b HTTP/1.1"], (
        "identical GETs go once"
    )
    assert watched.log.requests == 3
    percents = [item.percent for item in watched.told if isinstance(item, Progress)]
    assert percents == sorted(percents)
    assert max(percents) <= 99


async def test_another_process_goes_on_after_the_last_committed_round(site: Site) -> None:
    watched, spec = Watched(), make_spec(site.url)
    first = make_engine([Toy(("/a",), rounds=2)])
    await first.run_chunk(spec, "toy", 0, watched.log)
    await first.close(spec.scan_id)
    second = make_engine([Toy(("/a",), rounds=2)])
    again = await second.run_chunk(spec, "toy", 0, watched.log)
    assert again.more
    assert again.requests == 0
    await second.run(spec, watched.log)
    assert [f.key for f in watched.log.facts.values()] == ["page|0/0", "page|1/0"]
    assert len(site.requests) == 2


async def test_a_bug_in_a_phase_ends_that_phase_only(site: Site) -> None:
    watched = Watched()
    await make_engine([Toy(breaks=True), Toy2()]).run(make_spec(site.url), watched.log)
    # The second phase ran the same check afterwards; the first one's failure was told to the watcher.
    failed = [
        a for c in watched.told if not isinstance(c, Progress) for a in c.attempts if a.outcome is Outcome.FAILED
    ]
    assert failed[0].reason == "internal error in toy: RuntimeError"
    assert "page|0/0" in watched.log.facts


class Slow(Toy):
    """Thinks for a second in each half of a round, holding the interpreter as Python code does."""

    def plan(self, view: ScanView, round_: int) -> Iterable[Probe]:
        think(1.0)
        return super().plan(view, round_)

    def judge(self, view: ScanView, round_: int, replies: Sequence[Reply]) -> Iterable[Judgement]:
        think(1.0)
        return super().judge(view, round_, replies)


def think(seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        sum(range(1_000))


async def test_the_loop_keeps_turning_while_a_phase_thinks(site: Site) -> None:
    watched, turns, longest = Watched(), 0, 0.0

    async def turn() -> None:
        nonlocal turns, longest
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.01)
            turns, longest = turns + 1, max(longest, time.monotonic() - before)

    turning = asyncio.create_task(turn())
    callbacks = EmbeddedCallbacks(address="127.0.0.1", http_port=9, domain="", clock=SystemClock())
    await make_engine([Slow(mints=True)], callbacks).run(make_spec(site.url), watched.log)
    turning.cancel()
    assert "page|0/0" in watched.log.facts
    assert len(watched.log.payloads) == 1, "payloads that were made in the thread are stored"
    assert turns >= 20, "two seconds of thought leave the loop room for far more"
    assert longest < 0.9, "no thought held the loop to its end"


class Stray(Toy):
    """Ends an iteration that it never began: a bug that would be lost between threads."""

    def judge(self, view: ScanView, round_: int, replies: Sequence[Reply]) -> Iterable[Judgement]:
        return [next(iter(()))]


async def test_a_stray_end_of_an_iteration_is_a_bug_like_any_other(site: Site) -> None:
    watched = Watched()
    await asyncio.wait_for(make_engine([Stray()]).run(make_spec(site.url), watched.log), 10)
    assert watched.log.attempts["toy.check", site.url].reason == "internal error in toy: RuntimeError"


async def test_what_is_not_authorized_is_not_sent_and_is_told(site: Site) -> None:
    watched = Watched()
    await make_engine([Toy()]).run(make_spec(site.url, touch=Touch.LIGHT), watched.log)
    attempt = watched.log.attempts["toy.check", site.url]
    assert (attempt.outcome, attempt.reason) == (Outcome.SKIPPED, NOT_AUTHORIZED)
    assert site.requests == []


async def test_the_request_budget_is_kept(site: Site) -> None:
    watched = Watched()
    phase = Toy(tuple(f"/{n}" for n in range(30)))
    await make_engine([phase]).run(make_spec(site.url, budget=Budget(requests=5)), watched.log)
    assert len(site.requests) == 5
    attempt = watched.log.attempts["toy.check", site.url]
    assert attempt.outcome is Outcome.SKIPPED
    assert attempt.requests == 5
    assert "25 of 30 requests were not answered" in attempt.reason


async def test_time_that_is_used_up_skips_what_is_left(site: Site) -> None:
    watched = Watched()
    watched.log.started -= 100
    await make_engine([Toy(), SynthesisPhase()]).run(make_spec(site.url, budget=Budget(seconds=50)), watched.log)
    attempt = watched.log.attempts["toy.check", site.url]
    assert attempt.outcome is Outcome.SKIPPED
    assert "time budget of 50 s" in attempt.reason
    assert site.requests == []


async def test_a_cancelled_scan_stops_sending_and_keeps_what_it_has(site: Site) -> None:
    watched = Watched()
    site.delay = 5.0
    engine = make_engine([ResolvePhase(), Toy(tuple(f"/{n}" for n in range(50))), Toy2()])
    task = asyncio.create_task(engine.run(make_spec(site.url), watched.log))
    while not site.requests:
        await asyncio.sleep(0.01)
    watched.log.stop.set()
    began = time.monotonic()
    await task
    assert time.monotonic() - began < 2.0
    sent = len(site.requests)
    attempt = watched.log.attempts["toy.check", site.url]
    assert attempt.outcome is Outcome.SKIPPED
    assert "cancelled" in attempt.reason
    assert watched.log.not_run([("resolve", PhaseName.RESOLVE), ("toy", PhaseName.CRAWL)]) == (PhaseName.CRAWL,)
    await asyncio.sleep(0.2)
    assert len(site.requests) == sent


async def test_payloads_are_stored_before_their_requests_leave(site: Site) -> None:
    watched, stored = Watched(), []
    site.on_request = lambda line: stored.append(line.split()[1].strip("/") in watched.log.payloads)
    callbacks = EmbeddedCallbacks(address="127.0.0.1", http_port=9, domain="", clock=SystemClock())
    await make_engine([Toy(("/x",) * 20, mints=True)], callbacks).run(make_spec(site.url), watched.log)
    assert stored == [True] * 20


async def test_a_target_that_refuses_ends_in_honest_coverage() -> None:
    watched = Watched()
    engine = make_engine([ResolvePhase(), ProbePhase(), SynthesisPhase()])
    await engine.run(make_spec("http://127.0.0.1:1"), watched.log)
    attempt = watched.log.attempts["probe.web", "http://127.0.0.1:1"]
    assert attempt.outcome is Outcome.FAILED
    assert "no web service answered (tried port 1)" in attempt.reason
    assert Asset(AssetType.IP, "127.0.0.1", "target") in watched.log.facts.values()


async def test_a_name_that_does_not_resolve_ends_in_honest_coverage() -> None:
    watched = Watched()
    engine = make_engine([ResolvePhase(), ProbePhase(), SynthesisPhase()])
    await engine.run(make_spec("http://nowhere.invalid"), watched.log)
    assert watched.log.attempts["resolve.addresses", "nowhere.invalid"].outcome is not Outcome.DONE
    assert watched.log.attempts["probe.web", "http://nowhere.invalid"].outcome is not Outcome.DONE


async def test_an_address_outside_the_allow_list_is_blocked(site: Site) -> None:
    watched = Watched()
    spec = make_spec(site.url)
    spec = type(spec)(spec.scan_id, spec.target, spec.mode, spec.touch, spec.budget, allow=("10.0.0.0/8",))
    await make_engine([ResolvePhase(), ProbePhase()]).run(spec, watched.log)
    attempt = watched.log.attempts["probe.web", site.url]
    assert attempt.outcome is Outcome.BLOCKED
    assert "loopback" in attempt.reason
    assert site.requests == []


async def test_a_later_round_that_time_forbids_takes_back_what_was_called_done(site: Site) -> None:
    watched = Watched()
    engine, spec = make_engine([Toy(rounds=3)]), make_spec(site.url, budget=Budget(seconds=50))
    assert (await engine.run_chunk(spec, "toy", 0, watched.log)).more
    assert watched.log.attempts["toy.check", site.url].outcome is Outcome.DONE
    watched.log.started -= 100
    assert not (await engine.run_chunk(spec, "toy", 1, watched.log)).more
    await engine.close(spec.scan_id)
    attempt = watched.log.attempts["toy.check", site.url]
    assert attempt.outcome is Outcome.SKIPPED
    assert attempt.reason.startswith("not finished: the scan's time budget")


async def test_checks_are_told_in_a_thread_and_where_they_cannot_be_the_step_itself_is_not_tested(
    site: Site,
) -> None:
    for mute, line in ((False, "toy.check"), (True, "toy")):
        watched, toy = Watched(), Lister(mute=mute)
        await make_engine([toy]).run(make_spec(site.url, touch=Touch.LIGHT), watched.log)
        assert toy.thread not in (0, threading.get_ident())
        attempt = watched.log.attempts[line, site.url]
        assert (attempt.outcome, attempt.reason) == (Outcome.SKIPPED, NOT_AUTHORIZED)


class BusyLog(MemoryLog):
    """A log whose database has no time for progress."""

    async def progress(self, progress: Progress) -> None:
        raise OperatorError("the database was busy")


async def test_progress_that_cannot_be_kept_costs_nothing_else(site: Site) -> None:
    log = BusyLog(SystemClock().now(), lambda _: None)
    await make_engine([Toy(("/", "/a"))]).run(make_spec(site.url), log)
    assert {(a.check, a.outcome) for a in log.attempts.values()} == {("toy.check", Outcome.DONE)}
    assert any(isinstance(fact, Page) for fact in log.facts.values())
