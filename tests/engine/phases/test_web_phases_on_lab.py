"""Crawl, hygiene and exposures against the lab, over real sockets: everything the ground truth lists for them is
found, nothing else is, every safe twin stays clean, and no trap is sprung."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from secrecon.engine.crawling.walk import ACTING
from secrecon.engine.memory import MemoryLog
from secrecon.engine.phases.behaviour import BehaviourPhase
from secrecon.engine.phases.crawl import CrawlPhase
from secrecon.engine.phases.exposures import ExposuresPhase
from secrecon.engine.phases.hygiene import HygienePhase
from secrecon.engine.phases.probe import ProbePhase
from secrecon.engine.phases.resolve import ResolvePhase
from secrecon.engine.phases.ssrf import SsrfPhase
from secrecon.engine.pipeline import Engine
from secrecon.lab.running import Lab, running_lab
from secrecon.lab.truth import score
from secrecon.model.asset import Link, Page, RequestShape
from secrecon.model.scan import Budget, EngineInfo, Outcome, ScanMode, ScanSpec, Touch
from secrecon.model.target import parse_target
from secrecon.net.clock import SystemClock
from secrecon.net.resolver import Resolver

AREAS = ("exposure", "hygiene", "tls")


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    async with running_lab(tmp_path) as running:
        yield running


async def scanned(lab: Lab, target: str, mode: ScanMode = ScanMode.FULL) -> MemoryLog:
    clock = SystemClock()
    log = MemoryLog(clock.now(), lambda _: None)
    engine = Engine(
        phases=[
            ResolvePhase(),
            ProbePhase(),
            CrawlPhase(),
            HygienePhase(),
            ExposuresPhase(),
            BehaviourPhase(),
            SsrfPhase(),
        ],
        info=lambda: EngineInfo("test", "0" * 64),
        clock=clock,
        resolver=Resolver([lab.dns]),
        callbacks=None,
    )
    spec = ScanSpec(
        "5" * 32, parse_target(target), mode, Touch.ACTIVE, Budget(rate=5_000.0, paths=100), (lab.allow,)
    )
    await engine.run(spec, log)
    return log


@pytest.mark.slow
@pytest.mark.parametrize("mode", ScanMode)
async def test_what_the_truth_lists_is_found_and_nothing_else(lab: Lab, mode: ScanMode) -> None:
    mine = [e for e in lab.truth.expected if e.check.partition(".")[0] in AREAS]
    hosts = {(e.host, e.scheme) for e in mine}
    hosts |= {(t.host, t.scheme) for t in lab.truth.twins if {c.partition(".")[0] for c in t.checks} & set(AREAS)}
    seen = []
    for host, scheme in sorted(hosts):
        log = await scanned(lab, str(lab.origin(host)), mode)
        seen += [(f.check, f.asset, f.location, str(f.evidence_level)) for f in log.findings.values()]
        assert not any(a.outcome is Outcome.FAILED for a in log.attempts.values()), log.attempts
        assert scheme == lab.origin(host).scheme
    result = score(lab.truth.of_hosts(*(host for host, _ in hosts)), seen)
    missed = [e for e in result.missed if e.check.partition(".")[0] in AREAS]
    if mode is ScanMode.QUICK:
        missed = [e for e in missed if e.check != "exposure.directory-listing"]
    assert not missed, result.table()
    assert not result.false_positives, result.table()


async def test_the_crawl_meets_everything_and_springs_no_trap(lab: Lab) -> None:
    log = await scanned(lab, str(lab.origin("shop")))
    assert not any(lab.traps.values()), lab.traps
    visited = {f.url.removeprefix(str(lab.origin("shop"))) for f in log.facts.values() if isinstance(f, Page)}
    assert {"/", "/items?page=2", "/internal/", "/contact", "/app.js", "/thumbnail?item=3&size=64"} <= visited
    assert sum(1 for target in visited if target.startswith("/calendar")) <= 3
    linked = {f.target for f in log.facts.values() if isinstance(f, Link)}
    assert "/logout?token=a1b2c3" in linked
    shapes = {(f.method, f.path): f for f in log.facts.values() if isinstance(f, RequestShape)}
    assert [p.name for p in shapes["POST", "/contact"].parameters] == ["email", "message", "topic"]
    assert ("GET", "/api/v2/stock") in shapes
    assert not any("delete" in path or "logout" in path for _, path in shapes)
    acting = log.attempts[ACTING, str(lab.origin("shop"))]
    assert acting.outcome is Outcome.SKIPPED
    assert "/items/delete" in acting.reason


async def test_secrets_stay_out_of_the_evidence(lab: Lab) -> None:
    text = ""
    for host in ("dev", "backup", "ops", "cookies"):
        log = await scanned(lab, str(lab.origin(host)))
        text += repr(list(log.findings.values()))
    for secret in (
        "lab-only-not-a-secret",
        "bGFiLW9ubHkt",
        "0123456789abcdefABCDE",
        "Wile E. Coyote",
        "4f1c2a7b9d",
    ):
        assert secret not in text
    assert "DB_PASSWORD=la***" in text
    assert "CREATE TABLE `customers`" in text


async def test_a_wall_is_not_called_clean(lab: Lab) -> None:
    log = await scanned(lab, str(lab.origin("forbidden")))
    attempt = log.attempts["exposure.git", str(lab.origin("forbidden"))]
    assert attempt.outcome is Outcome.BLOCKED
    assert "403" in attempt.reason


async def test_the_back_office_is_crawled_and_nothing_in_it_is_done(lab: Lab) -> None:
    log = await scanned(lab, str(lab.origin("yard")))
    assert not any(lab.traps.values()), lab.traps
    visited = {f.url.removeprefix(str(lab.origin("yard"))) for f in log.facts.values() if isinstance(f, Page)}
    assert {"/records?rows=20", "/find", "/api/records?limit=20", "/maze/1", "/shelf"} <= visited
    assert log.attempts["crawl.pages", str(lab.origin("yard"))].outcome is Outcome.DONE
    assert "forms that would act" in log.attempts["crawl.pages", str(lab.origin("yard"))].reason
