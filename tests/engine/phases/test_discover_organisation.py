"""The search for names held against an organisation of 300 names: all of the truth is found, and nothing else."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from secrecon import __version__
from secrecon.detect.name_sources import chosen, read_sources
from secrecon.engine.memory import MemoryLog
from secrecon.engine.naming.candidates import load_words
from secrecon.engine.phases.discover import DiscoverPhase
from secrecon.engine.phases.resolve import ResolvePhase
from secrecon.engine.pipeline import Engine
from secrecon.lab.organisation import APEX, NAMES, Running, running_organisation
from secrecon.model.asset import Asset, AssetType, ToldName
from secrecon.model.scan import FULL_BUDGET, EngineInfo, Outcome, ScanMode, ScanSpec, Touch
from secrecon.model.target import parse_target
from secrecon.net.clock import SystemClock
from secrecon.net.passive import PassiveFetcher
from secrecon.net.resolver import Resolver

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


async def search(running: Running, tmp_path: Path) -> MemoryLog:
    listed = tmp_path / "sources.yaml"
    listed.write_text(
        f'[{{id: log, title: a log, url: "{running.log_url}", names: ["[].name_value", "[].common_name"]}},'
        ' {id: keyed, title: a keyed one, url: "http://127.0.0.1:1/{key}", key: required, names: [lines]},'
        ' {id: down, title: one that is down, url: "http://127.0.0.1:1/", names: [lines]}]'
    )
    sources = chosen(read_sources(listed), ("log", "keyed", "down"))
    clock = SystemClock()
    phase = DiscoverPhase(ports=(running.web_port,), sources=sources, fetch=PassiveFetcher().fetch)
    engine = Engine(
        phases=(ResolvePhase(), phase),
        info=lambda: EngineInfo(__version__, ""),
        clock=clock,
        resolver=Resolver(running.dns, rate=50_000),
        callbacks=None,
    )
    log = MemoryLog(clock.now(), lambda item: None)
    spec = ScanSpec(
        "s" * 32, parse_target(APEX), ScanMode.FULL, Touch.ACTIVE, FULL_BUDGET, (running.allow, "::/96")
    )
    await engine.run(spec, log)
    return log


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Running, MemoryLog]:
    async def run() -> tuple[Running, MemoryLog]:
        async with running_organisation(load_words()) as running:
            return running, await search(running, tmp_path_factory.mktemp("organisation"))

    return asyncio.run(run())


def test_all_of_the_truth_is_found_and_none_invented(searched: tuple[Running, MemoryLog]) -> None:
    running, log = searched
    truth = running.organisation.hosts
    found = {f.value for f in log.facts.values() if isinstance(f, Asset) and f.type is AssetType.SUBDOMAIN}
    assert len(truth) == NAMES
    assert not sorted(truth - found), sorted(truth - found)
    assert sorted(found - truth) == []


def test_every_name_keeps_its_sources(searched: tuple[Running, MemoryLog]) -> None:
    running, log = searched
    sources: dict[str, set[str]] = {}
    for fact in log.facts.values():
        if isinstance(fact, ToldName):
            sources.setdefault(fact.name, set()).add(fact.source)
    known = {"www." + APEX}  # the resolve phase's own
    assert running.organisation.hosts - known <= sources.keys()
    seen = set().union(*sources.values())
    assert {"zone-transfer", "zone-walk", "wordlist", "permutation", "passive:log"} <= seen
    assert {"dns-mx", "dns-srv", "dns-txt", "dns-ns", "dns-cname"} <= seen
    for name in running.organisation.told:
        assert sources[name] == {"passive:log"}


def test_candidates_for_a_takeover_are_told_and_never_as_proof(searched: tuple[Running, MemoryLog]) -> None:
    running, log = searched
    findings = [finding for finding in log.findings.values() if finding.check == "dns.takeover"]
    assert {finding.asset for finding in findings} == running.organisation.dangling
    for finding in findings:
        assert finding.evidence_level.rank == 0
        assert finding.confidence < 0.7
        assert "candidate" in finding.description
        assert "NXDOMAIN" in finding.evidence[0].response
    transfers = {f.asset for f in log.findings.values() if f.check == "dns.zone-transfer"}
    assert transfers == {f"corp.{APEX}"}


def test_the_ledger_tells_what_failed_was_off_or_cannot_be(searched: tuple[Running, MemoryLog]) -> None:
    _, log = searched
    lines = {(a.check, a.asset): a for a in log.attempts.values()}
    assert lines["discover.passive.keyed", APEX].outcome is Outcome.SKIPPED
    assert "needs a key" in lines["discover.passive.keyed", APEX].reason
    assert lines["discover.passive.down", APEX].outcome is Outcome.FAILED
    assert lines["discover.passive.log", APEX].outcome is Outcome.DONE
    assert "NSEC3" in lines["discover.zone-walk", f"vault.{APEX}"].reason
    assert lines["discover.zone-walk", f"cloud.{APEX}"].outcome is Outcome.DONE
    assert f"*.apps.{APEX}" in lines["discover.wildcard", APEX].reason
    assert "are names of their own" in lines["discover.wildcard-pages", APEX].reason
    assert lines["discover.names", APEX].outcome is Outcome.DONE
