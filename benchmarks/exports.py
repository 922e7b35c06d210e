"""What each export of a large report costs: CPU time and peak memory, each format in a process of its own.

    python -P benchmarks/exports.py [--findings 5000] [--evidence 4000] [--assets 200]

The report is made up: as many findings as asked for, each with a request and a response of `--evidence` characters, and a
ledger of a hundred checks on each asset. Times are CPU time (user and system) of the export alone; memory is the highest that
the process held, report included.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time

from secrecon.model.asset import Technology
from secrecon.model.finding import Evidence, EvidenceLevel, Finding, FindingStatus, Severity
from secrecon.model.record import FindingRecord, ScanRecord
from secrecon.model.scan import (
    FULL_BUDGET,
    Attempt,
    EngineInfo,
    Outcome,
    PhaseName,
    ScanMode,
    ScanSpec,
    ScanStatus,
    Touch,
)
from secrecon.model.target import parse_target
from secrecon.report import FORMATS, build, render

NOW = 1_795_400_000.0
CHECKS = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--findings", type=int, default=5_000)
    parser.add_argument("--evidence", type=int, default=4_000, help="characters of each request and response")
    parser.add_argument("--assets", type=int, default=200)
    parser.add_argument("--one", choices=("none", *FORMATS), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        measure(given.one, record(given.findings, given.evidence, given.assets))
        return
    print(
        f"{given.findings:,} findings with evidence of 2 x {given.evidence:,} characters on {given.assets:,} assets"
    )
    print(f"{'format':<12}{'CPU s':>8}{'file MB':>10}{'peak MB':>10}")
    for name in ("none", *FORMATS):
        command = [sys.executable, "-P", __file__, "--one", name, "--findings", str(given.findings)]
        command += ["--evidence", str(given.evidence), "--assets", str(given.assets)]
        print(subprocess.run(command, check=True, capture_output=True, text=True).stdout, end="", flush=True)


def measure(name: str, made: ScanRecord) -> None:
    """Build the report, export it, and print one line; `none`: what record and report cost by themselves."""
    began = time.process_time()
    report = build(made)
    built = time.process_time() - began
    began = time.process_time()
    size = 0 if name == "none" else len(render(report, name)[0])
    spent = built if name == "none" else time.process_time() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    title = "(the report)" if name == "none" else name
    print(f"{title:<12}{spent:>8.2f}{size / 1e6:>10.2f}{peak:>10,.0f}")


def record(findings: int, evidence: int, assets: int) -> ScanRecord:
    """A finished scan with that many findings, a fifth of them of each severity, a fourth by version alone."""
    hosts = [f"https://host{n:04}.example.test" for n in range(assets)]
    attempts = tuple(
        Attempt(PhaseName.VERIFY, f"exposure.check-{check}", host, Outcome.DONE if check % 9 else Outcome.BLOCKED,
                "" if check % 9 else "a wall answers for it", 2)
        for host in hosts
        for check in range(CHECKS)
    )  # fmt: skip
    technologies = tuple(Technology(host, "nginx", "1.18.0", "cpe:2.3:a:f5:nginx", "header", 0.9) for host in hosts)
    return ScanRecord(
        spec=ScanSpec("0" * 31 + "b", parse_target("example.test"), ScanMode.FULL, Touch.ACTIVE, FULL_BUDGET),
        db_scan_id=1,
        status=ScanStatus.COMPLETE,
        cancelled=False,
        error="",
        created=NOW,
        started=NOW,
        finished=NOW + 3_600,
        version=1,
        facts=technologies,
        findings=tuple(
            FindingRecord(n, finding(n, hosts[n % assets], evidence), NOW, NOW, FindingStatus.NEW)
            for n in range(1, findings + 1)
        ),
        attempts=attempts,
        payloads=(),
        interactions=(),
        self_test=None,
        engine=EngineInfo("0.1.0", "ab" * 32, ()),
        not_run=(),
        requests=50_000,
        received=10**9,
    )


def finding(number: int, host: str, evidence: int) -> Finding:
    by_version = number % 4 == 0
    cve = f"CVE-2021-{10_000 + number % 500}" if by_version else None
    body = (f"line {number} of an answer: <b>{number}</b> " * (evidence // 30 + 1))[:evidence]
    return Finding(
        check=f"cve.{cve}" if cve else f"exposure.check-{number % CHECKS}",
        title=f"A flaw of nginx ({cve})" if cve else f"Something can be read that should not ({number % CHECKS})",
        severity=list(Severity)[number % 5],
        asset=host,
        location="nginx" if by_version else f"/folder/{number}/file.txt",
        evidence_level=EvidenceLevel.VERSION_RANGE if by_version else EvidenceLevel.BEHAVIOUR,
        confidence=0.6 if by_version else 0.95,
        evidence=(
            Evidence("http", "The answer shows it", body, body, "body contains it", "", f"curl {host}/{number}"),
        ),
        description="What it is, in a few words that are long enough to fill a line or two of a report on paper.",
        impact="What it allows.",
        remediation="What to do about it.",
        references=("https://example.test/advisory",),
        cve_id=cve,
        cwe=("CWE-200",),
        cvss_score=7.5,
        kev=False if cve else None,
    )


if __name__ == "__main__":
    main()
