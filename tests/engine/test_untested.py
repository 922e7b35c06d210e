"""Whole scans of sites that stop answering in every way we know: what was not tested is told, and limits the grade."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest
from tests.engine.habits import Asked, Habit, HabitServer, Scan, reply, serving

from secrecon.engine.templating.driver import NO_LISTENER
from secrecon.model.scan import Budget, Outcome, PhaseName, ScanMode
from secrecon.report.document import CoverageLine, Report

pytestmark = pytest.mark.slow

AFTER = 30
HANDS_ON = (PhaseName.VERIFY, PhaseName.OAST)
PAGE = """<!doctype html><html><head><title>Shop</title></head><body>
<a href="/view?url=http://static.example.test/a.png">picture</a> <a href="/go?next=/cart">cart</a></body></html>"""
MISSING = reply("<html><p>not found</p></html>", "404 Not Found")
WALLS = {
    "503": reply("<html>busy</html>", "503 Service Unavailable"),
    "429": reply("slow down", "429 Too Many Requests", "text/plain"),
    "403": reply("<html><h1>Forbidden</h1></html>", "403 Forbidden"),
    "401": reply("<html><h1>Sign in</h1></html>", "401 Unauthorized"),
    "500": reply("<html><h1>Error</h1></html>", "500 Internal Server Error"),
}
SOFT_WALLS = {
    "200": reply("<html><title>Attention required</title><p>Prove that you are a person.</p></html>"),
    "302": reply("", "302 Found", "text/html", ("Location", "/puzzle")),
}


def healthy(asked: Asked) -> bytes:
    return reply(PAGE) if asked.path in ("/", "/view", "/go") else MISSING


def turning(wall: bytes, after: int = AFTER) -> Habit:
    return lambda asked: healthy(asked) if asked.number < after else wall


def lines(report: Report, phases: Iterable[PhaseName] = HANDS_ON, *checks: str) -> list[CoverageLine]:
    wanted = tuple(phases)
    return [
        line
        for line in report.coverage.lines
        if line.phase in wanted
        and line.applicable
        and line.area != "recon"
        and (not checks or line.check.startswith(checks))
    ]


def said(report: Report) -> str:
    return " ".join(cap.reason for cap in report.grade.caps)


def limited(report: Report) -> None:
    assert report.grade.letter in "CDF", (report.grade.letter, said(report))
    assert report.grade.caps
    assert report.coverage.gaps
    assert not report.coverage.enough


async def test_a_site_that_answers_is_tested_through_and_through() -> None:
    async with serving(healthy) as server:
        report = await Scan().run(server.url)
    left = [line for line in lines(report) if line.outcome is not Outcome.DONE]
    assert {line.reason for line in left} <= {NO_LISTENER}  # a listener without a domain sees no lookups
    assert all(line.check.startswith("template.") for line in left)
    assert report.coverage.ssrf_gap == ""
    assert report.coverage.enough


@pytest.mark.parametrize("wall", WALLS)
async def test_a_wall_that_comes_up_half_way_is_not_clean(wall: str) -> None:
    async with serving(turning(WALLS[wall])) as server:
        report = await Scan().run(server.url)
    tested = [line.check for line in lines(report) if line.outcome is Outcome.DONE]
    assert tested == []
    assert any(wall in line.reason for line in lines(report))
    slowed = [line.reason for line in report.coverage.lines if line.check == "recon.pace"]
    assert bool(slowed) is (wall in ("429", "503"))
    limited(report)


@pytest.mark.parametrize("wall", SOFT_WALLS)
async def test_a_wall_of_friendly_words_is_seen_at_the_files(wall: str) -> None:
    async with serving(turning(SOFT_WALLS[wall], 60)) as server:
        report = await Scan().run(server.url, ["probe", "exposures"])
    exposures = lines(report, (PhaseName.VERIFY,), "exposure.")
    blocked = [line for line in exposures if line.outcome is Outcome.BLOCKED]
    assert len(blocked) > len(exposures) / 2
    assert f"began to answer {wall}" in blocked[0].reason


async def test_one_forbidden_file_is_an_answer() -> None:
    def forbids(asked: Asked) -> bytes:
        return WALLS["403"] if asked.path.startswith("/.git") else healthy(asked)

    async with serving(forbids) as server:
        report = await Scan().run(server.url, ["probe", "exposures"])
    assert {line.outcome for line in lines(report)} == {Outcome.DONE}


@pytest.mark.parametrize("mode", [ScanMode.FULL, ScanMode.QUICK])
async def test_a_target_that_dies_half_way_is_not_clean(mode: ScanMode) -> None:
    servers: list[HabitServer] = []

    def dies(asked: Asked) -> bytes:
        if asked.number >= AFTER - 10:
            servers[0].die()
        return healthy(asked)

    async with serving(dies) as server:
        servers.append(server)
        report = await Scan(mode).run(server.url)
    done = {line.check for line in lines(report) if line.outcome is Outcome.DONE}
    assert done <= {"exposure.api-docs", "exposure.git"}, (
        "all that these ask for was answered while the server lived"
    )
    limited(report)


async def test_a_tarpit_costs_the_budget_and_no_more() -> None:
    async with serving(lambda asked: healthy(asked) if asked.number < AFTER else None) as server:
        report = await Scan(budget=Budget(seconds=14)).run(server.url)
    assert [line.check for line in lines(report) if line.outcome is Outcome.DONE] == []
    assert any("time" in line.reason for line in lines(report))
    limited(report)


async def test_a_spent_budget_of_requests_is_told() -> None:
    async with serving(healthy) as server:
        report = await Scan(budget=Budget(requests=40)).run(server.url)
    exposures = lines(report, (PhaseName.VERIFY,), "exposure.")
    assert sum(line.outcome is Outcome.SKIPPED for line in exposures) > len(exposures) / 2
    late = lines(report, HANDS_ON, "ssrf.", "behaviour.")
    assert {line.outcome for line in late} <= {Outcome.SKIPPED, Outcome.BLOCKED}
    limited(report)


@pytest.mark.parametrize("step", ["exposures", "ssrf"])
async def test_a_scan_cancelled_in_the_middle_of_a_step_calls_none_of_it_done(step: str) -> None:
    scan = Scan(rate=100.0)

    def stops(asked: Asked) -> bytes:
        begun = "/.git/" in asked.target if step == "exposures" else b"x-forwarded-host" in asked.head.lower()
        if begun:
            scan.log.stop.set()
        return healthy(asked)

    async with serving(stops) as server:
        report = await scan.run(server.url)
    prefix = "exposure." if step == "exposures" else "ssrf."
    mine = lines(report, HANDS_ON, prefix)
    assert mine or "verify" in said(report)
    if step == "ssrf":
        assert {line.outcome for line in mine} == {Outcome.SKIPPED}
    else:
        assert any(line.outcome is Outcome.SKIPPED for line in mine)
    assert "cancelled" in said(report)
    assert report.grade.letter in "CDF"


async def test_a_listener_that_dies_makes_silence_worthless() -> None:
    scan = Scan()
    ending: list[asyncio.Task[None]] = []

    def kills(asked: Asked) -> bytes:
        if asked.path == "/view" and "static" not in asked.target and not ending:
            assert scan.listener is not None
            ending.append(asyncio.ensure_future(scan.listener.stop()))
        return healthy(asked)

    async with serving(kills) as server:
        report = await scan.run(server.url)
    assert ending
    (line,) = lines(report, (PhaseName.OAST,), "ssrf.callback")
    assert line.outcome is Outcome.BLOCKED
    assert "listener" in line.reason
    assert report.coverage.ssrf_gap
    assert "SSRF could not be tested" in said(report)


async def test_a_crawl_that_stops_short_says_how_many_addresses_it_left() -> None:
    def large(asked: Asked) -> bytes:
        names = "abcdefghijklmnopqrstuvwxyz"
        return reply("<html>" + "".join(f"<a href='/{a}{b}'>x</a>" for a in names for b in names[:10]) + "</html>")

    async with serving(large) as server:
        report = await Scan(ScanMode.QUICK).run(server.url, ["probe", "crawl", "hygiene"])
    (line,) = [line for line in report.coverage.lines if line.check == "crawl.pages"]
    assert line.outcome is Outcome.SKIPPED
    assert "addresses were not visited: the budget of 30 pages" in line.reason
    assert "were not visited" in said(report)


async def test_a_quick_scan_says_which_files_it_left_to_a_full_one() -> None:
    async with serving(healthy) as server:
        report = await Scan(ScanMode.QUICK).run(server.url)
    (rest,) = lines(report, HANDS_ON, "exposure.full-list")
    assert rest.outcome is Outcome.SKIPPED
    assert "full scan" in rest.reason
    (ssrf,) = lines(report, HANDS_ON, "ssrf.callback")
    assert ssrf.outcome is Outcome.DONE
    assert "header" in ssrf.reason


async def test_names_that_could_not_be_looked_up_are_no_answer() -> None:
    report = await Scan(ScanMode.QUICK).run("acme.test")
    outcomes = {line.check: line.outcome for line in report.coverage.lines}
    assert outcomes["resolve.addresses"] is not Outcome.DONE
    assert outcomes["resolve.www"] is not Outcome.DONE
    assert outcomes["discover.names"] is Outcome.SKIPPED
    assert not report.coverage.tested
