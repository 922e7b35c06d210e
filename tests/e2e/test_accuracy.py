"""The measure of the whole: what scans of the lab find, miss and imagine, for the organisation and for single origins."""

from __future__ import annotations

import asyncio

import pytest

from secrecon.app.oneshot import OneShot
from secrecon.app.settings import Settings
from secrecon.cli.local_server import free_port
from secrecon.lab.process import LabProcess
from secrecon.lab.truth import Score, load_truth, score
from secrecon.model.finding import Severity
from secrecon.model.scan import Outcome, ScanMode
from secrecon.report import build
from secrecon.report.document import Report

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

IN_FULL = 4
"""A full scan of one origin takes a while; the others are in the organisation's scan."""
PAIRS = [
    ("fetch", "fetch-safe"),
    ("portal", "portal-safe"),
    ("dev", "soft404"),
    ("tls-expired", "tls-good"),
    ("ops", "forbidden"),
    ("go", "go-safe"),
    ("cors", "cors-safe"),
    ("apache", "apache-backport"),
]


def settings(lab: LabProcess) -> Settings:
    """The lab as scope and name servers, and its web ports."""
    where, port = lab.description, free_port()
    lab.set_callback_dns("127.0.0.1", port)
    return Settings(
        scope_allow=(where.allow,),
        rate=400.0,
        dns_servers=tuple(f"{host}:{number}" for host, number in where.name_servers),
        web_ports=(where.http_port, where.tls_port),
        service_ports=where.scan_ports,
        oast_domain=where.callback_domain,
        oast_http_port=0,
        oast_dns_port=port,
    )


async def scanned(lab: LabProcess, target: str, mode: ScanMode) -> Report:
    allow = (lab.description.allow, lab.description.domain, f"*.{lab.description.domain}")
    return build(await OneShot(settings(lab), target, mode, allow).run())


def scored(lab: LabProcess, report: Report, *hosts: str) -> Score:
    truth = load_truth(lab.description, ca_trusted=False)
    seen = [(f.check, f.asset, f.location, f.evidence_level) for f in report.facts.findings]
    return score(truth.of_hosts(*hosts) if hosts else truth, seen)


def test_the_whole_organisation_is_found_out_and_nothing_else(lab: LabProcess) -> None:
    before = lab.traps()
    report = asyncio.run(scanned(lab, lab.description.domain, ScanMode.FULL))
    result = scored(lab, report)
    print(result.table())  # noqa: T201 - the table is what this test is for; pytest -s shows it
    assert result.recall == 1.0, result.table()
    assert result.false_positives == ()
    fetched = {f.location: f.severity for f in report.facts.findings if f.check == "ssrf.callback"}
    assert fetched["GET /resolved query:url"] is Severity.CRITICAL, "the name did not turn between check and use"
    after = lab.traps()
    assert {name: after[name] - before[name] for name in after if after[name] != before[name]} == {}
    assert {line.outcome for line in report.coverage.lines if line.check == "ssrf.callback"} >= {Outcome.DONE}


@pytest.mark.parametrize(
    ("vulnerable", "twin", "mode"),
    [(*pair, ScanMode.QUICK) for pair in PAIRS] + [(*pair, ScanMode.FULL) for pair in PAIRS[:IN_FULL]],
)
def test_an_origin_alone_and_its_twin(lab: LabProcess, vulnerable: str, twin: str, mode: ScanMode) -> None:
    """What a quick scan does not find, its ledger does not call done."""
    for host in (vulnerable, twin):
        origin = lab.description.origin(host)
        report = asyncio.run(scanned(lab, str(origin), mode))
        result = scored(lab, report, f"{host}.{lab.description.domain}")
        assert result.false_positives == (), result.table()
        if mode is ScanMode.FULL:
            assert result.missed == (), result.table()
        done = {line.check for line in report.coverage.lines if line.outcome is Outcome.DONE}
        assert {expected.check for expected in result.missed} & done == set()
        assert report.grade.letter != "A" or not report.coverage.gaps
        if host == twin and host != "apache-backport":
            assert report.grade.earned in "AB", result.table()


def test_a_bare_address_is_scanned_as_well_as_a_name(lab: LabProcess) -> None:
    report = asyncio.run(scanned(lab, str(lab.description.address_origin("dev")), ScanMode.FULL))
    result = scored(lab, report, f"dev.{lab.description.domain}")
    assert result.perfect, result.table()
