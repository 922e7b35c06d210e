"""Servers that look guilty and are not: a full scan of each finds nothing above information but what is true."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest
from tests.engine.habits import Asked, Habit, Scan, reply, serving
from tests.engine.innocents import FORMS, INNOCENTS

from secrecon.model.finding import Severity
from secrecon.model.scan import ScanMode

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("habit", INNOCENTS, ids=lambda habit: habit.__name__)
async def test_an_innocent_server_is_not_accused(habit: Habit) -> None:
    async with serving(habit) as server:
        report = await Scan().run(server.url)
    found = [
        f"{f.severity} {f.check} {f.location}" for f in report.facts.findings if f.severity is not Severity.INFO
    ]
    assert found == []
    assert len(server.asked) > 20, "the scan came to something"
    assert report.grade.letter != "F"


async def test_a_guilty_twin_is_accused() -> None:
    """What the innocents look like is found where it is real: this test can fail."""

    def guilty(asked: Asked) -> bytes:
        if asked.path == "/":
            return reply(FORMS)
        if asked.path == "/.env":
            return reply("DB_PASSWORD=correct-horse\nAPP_NAME=shop\n", "200 OK", "text/plain")
        if asked.path == "/go":
            wanted = dict(parse_qsl(asked.target.partition("?")[2])).get("next", "/")
            return reply("", "302 Found", "text/html", ("Location", wanted))
        return reply("<html><p>not found</p></html>", "404 Not Found")

    async with serving(guilty) as server:
        report = await Scan(ScanMode.QUICK).run(server.url)
    assert {"exposure.env", "behaviour.open-redirect"} <= {f.check for f in report.facts.findings}
