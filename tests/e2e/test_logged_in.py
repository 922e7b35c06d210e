"""A scan that logs in finds what only members see, signs nobody out, and brings its credentials nowhere else."""

from __future__ import annotations

import asyncio

import pytest
from tests.e2e.test_accuracy import settings

from secrecon import report as reports
from secrecon.app.oneshot import OneShot
from secrecon.lab.hosts.members import PASSWORD, USER
from secrecon.lab.process import LabProcess
from secrecon.model.login import FormLogin, Login
from secrecon.model.record import ScanRecord
from secrecon.model.scan import Outcome, ScanMode

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
LOGIN = Login(form=FormLogin("/login", (("email", USER), ("password", PASSWORD))), check_text="Signed in as")


def scanned(lab: LabProcess, host: str, login: Login | None) -> ScanRecord:
    target = str(lab.description.origin(host))
    return asyncio.run(OneShot(settings(lab), target, ScanMode.QUICK, (lab.description.allow,), login=login).run())


def fetched(record: ScanRecord) -> list[str]:
    return [r.finding.location for r in record.findings if r.finding.check == "ssrf.callback"]


def test_what_only_members_see(lab: LabProcess) -> None:
    before = lab.traps()
    assert fetched(scanned(lab, "members", None)) == []
    record = scanned(lab, "members", LOGIN)
    assert fetched(record) == ["GET /preview query:url"]
    assert fetched(scanned(lab, "members-safe", LOGIN)) == []
    assert lab.traps() == before
    line = next(attempt for attempt in record.attempts if attempt.check == "crawl.login")
    assert line.outcome is Outcome.DONE
    report = reports.build(record)
    for name in ("json", "html", "md", "csv", "sarif"):
        body = reports.render(report, name)[0].decode()
        assert PASSWORD not in body
        assert "member=" not in body.replace("member=***", "").replace("member=\\*\\*\\*", "")
