"""Scan records for the tests of the report room: one ordinary scan, and hypothesis strategies for any other."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from secrecon.model.asset import Asset, AssetType, Page, Service, Technology
from secrecon.model.finding import Evidence, EvidenceLevel, Finding, FindingStatus, Severity
from secrecon.model.interaction import CallbackProtocol, Interaction, OastReach, OastSelfTest, Payload
from secrecon.model.record import FindingRecord, ScanRecord
from secrecon.model.scan import (
    QUICK_BUDGET,
    Attempt,
    EngineInfo,
    FeedInfo,
    Outcome,
    PhaseName,
    ScanMode,
    ScanSpec,
    ScanStatus,
    Touch,
)
from secrecon.model.target import Origin, parse_target

SHOP = "http://shop.acme.test:8080"
NOW = 1_795_400_000.0
SELF_TEST = OastSelfTest(OastReach.REACHABLE, OastReach.REACHABLE, "both canaries came back")
FEEDS = (FeedInfo("CISA KEV", "2026-11-20", 1_400, "ab" * 32), FeedInfo("NVD", "2026-11-21", 52_000, "cd" * 32))
CHECKS = (
    (PhaseName.RESOLVE, "resolve.addresses"),
    (PhaseName.PROBE, "probe.web"),
    (PhaseName.MATCH, "cve.match"),
    (PhaseName.MATCH, "hygiene.csp-missing"),
    (PhaseName.MATCH, "hygiene.hsts-missing"),
    (PhaseName.VERIFY, "exposure.git"),
    (PhaseName.VERIFY, "exposure.env"),
    (PhaseName.VERIFY, "behaviour.open-redirect"),
    (PhaseName.OAST, "ssrf.callback"),
)
ALL_DONE = tuple(Attempt(phase, check, SHOP, Outcome.DONE, "", 2) for phase, check in CHECKS)


def make_finding(
    check: str = "exposure.git",
    severity: Severity = Severity.HIGH,
    level: EvidenceLevel = EvidenceLevel.BEHAVIOUR,
    confidence: float = 1.0,
    *,
    location: str = "/.git/HEAD",
    title: str = "The Git repository is open to the public",
    cve_id: str | None = None,
    kev: bool | None = None,
    oast: bool = False,
) -> Finding:
    return Finding(
        check=check,
        title=title,
        severity=severity,
        asset=SHOP,
        location=location,
        evidence_level=level,
        confidence=confidence,
        evidence=(
            Evidence(
                "http",
                "The file begins as a Git HEAD does",
                "GET /.git/HEAD HTTP/1.1\r\nHost: shop.acme.test:8080\r\n\r\n",
                "HTTP/1.1 200 OK\r\n\r\nref: refs/heads/main\n",
                "body begins with 'ref: refs/'",
                "",
                f"curl -s {SHOP}/.git/HEAD",
            ),
        ),
        description="Anyone can download the source code with its history.",
        impact="Source code and old secrets can be read.",
        remediation="Deny access to /.git on the web server.",
        references=("https://cwe.mitre.org/data/definitions/527.html",),
        cve_id=cve_id,
        cwe=("CWE-527",),
        cvss_score=7.5,
        cvss_vector="CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N",
        kev=kev,
        oast_verified=oast,
    )


def entry(finding: Finding, id_: int = 1, status: FindingStatus = FindingStatus.NEW) -> FindingRecord:
    return FindingRecord(id_, finding, NOW - 86_400, NOW, status)


def make_record(*findings: Finding) -> ScanRecord:
    """A complete, authorized quick scan of one origin in which every check ran."""
    spec = ScanSpec("0" * 31 + "a", parse_target(SHOP), ScanMode.QUICK, Touch.ACTIVE, QUICK_BUDGET)
    origin = Origin("http", "shop.acme.test", 8080)
    return ScanRecord(
        spec=spec,
        db_scan_id=1_234_567_890_123,
        status=ScanStatus.COMPLETE,
        cancelled=False,
        error="",
        created=NOW - 40,
        started=NOW - 35,
        finished=NOW,
        version=1,
        facts=(
            Asset(AssetType.DOMAIN, "shop.acme.test", "target"),
            Service("shop.acme.test", "127.0.0.2", 8080, "http", origin, "nginx/1.18.0"),
            Service(
                "shop.acme.test", "127.0.0.2", 22, "ssh", None, "SSH-2.0-OpenSSH_9.2p1", None, "openssh", "9.2p1"
            ),
            Technology(SHOP, "nginx", "1.18.0", "cpe:2.3:a:f5:nginx", "header Server: nginx/1.18.0", 0.9),
            Page(f"{SHOP}/", 200, "text/html", "Shop", 1_000, "00" * 32, 0),
        ),
        findings=tuple(entry(finding, number) for number, finding in enumerate(findings, 1)),
        attempts=ALL_DONE,
        payloads=(),
        interactions=(),
        self_test=SELF_TEST,
        engine=EngineInfo("0.1.0", "ef" * 32, FEEDS),
        not_run=(),
        requests=321,
        received=98_765,
    )


def with_callback(record: ScanRecord) -> ScanRecord:
    """The record with one proven SSRF: payload, the target's hit, and our own self-test's hit."""
    token = "t" * 33
    payload = Payload(
        token, f"http://{token}.cb.test/", f"{token}.cb.test", record.spec.scan_id, "ssrf.callback", SHOP,
        "GET /fetch query:url", "direct", "GET /fetch?url=...", "curl ...", NOW - 20,
    )  # fmt: skip
    hits = (
        Interaction("h2", token, CallbackProtocol.HTTP, "127.0.0.2", "GET / HTTP/1.1", NOW - 19),
        Interaction("h1", "s" * 33, CallbackProtocol.DNS, "127.0.0.1", "A?", NOW - 30, own=True),
    )
    ssrf = make_finding(
        "ssrf.callback",
        Severity.CRITICAL,
        EvidenceLevel.CALLBACK,
        0.99,
        location="GET /fetch query:url",
        title="Server-side request forgery",
        oast=True,
    )
    return replace(record, findings=(*record.findings, entry(ssrf, 99)), payloads=(payload,), interactions=hits)


severities = st.sampled_from(list(Severity))
levels = st.sampled_from(list(EvidenceLevel))
hostile = st.text(st.characters(codec=None), max_size=40) | st.sampled_from(
    [
        "<script>alert(1)</script>",
        "\x1b[31mred\x1b[0m",
        "\u202egnp.exe",
        "=cmd|'/c calc'!A1",
        "\ud800",
        "```\n# x",
        "|a|b|",
        "\x00",
    ]
)
cves = st.sampled_from([None, "CVE-2021-41773", "CVE-2021-23017", "CVE-2024-4577"])


@st.composite
def findings(draw: st.DrawFn) -> Finding:
    cve_id = draw(cves)
    level = draw(levels)
    return make_finding(
        draw(st.sampled_from(["exposure.git", "hygiene.csp-missing", "ssrf.callback", "cve.match"])),
        draw(severities),
        level,
        draw(st.floats(0, 1)),
        location=draw(st.sampled_from(["/a", "/b", "/c", "GET /fetch query:url", ""])),
        title=draw(st.sampled_from(["Git is open", "A header is missing", "Old nginx"])),
        cve_id=cve_id,
        kev=None if cve_id is None else draw(st.booleans()),
        oast=level is EvidenceLevel.CALLBACK,
    )


@st.composite
def attempts(draw: st.DrawFn) -> tuple[Attempt, ...]:
    made = []
    for phase, check in CHECKS:
        outcome = draw(st.sampled_from([*Outcome, None]))
        if outcome is not None:
            reason = (
                ""
                if outcome is Outcome.DONE
                else draw(st.sampled_from(["timed out", "not applicable: no TLS", "refused"]))
            )
            made.append(Attempt(phase, check, SHOP, outcome, reason, 1))
    return tuple(made)


@st.composite
def records(draw: st.DrawFn, most: int = 12) -> ScanRecord:
    """Any scan: every mix of findings, coverage, states, callbacks."""
    record = make_record(*draw(st.lists(findings(), max_size=most)))
    if draw(st.booleans()):
        record = with_callback(record)
    statuses = st.sampled_from(list(FindingStatus))
    reach = st.sampled_from(list(OastReach))
    return replace(
        record,
        findings=tuple(replace(each, status=draw(statuses)) for each in record.findings),
        attempts=draw(attempts()),
        status=draw(st.sampled_from(list(ScanStatus))),
        cancelled=draw(st.booleans()),
        error=draw(st.sampled_from(["", "the worker ran out of disk"])),
        self_test=draw(st.none() | st.builds(OastSelfTest, reach, reach, st.just("detail"))),
        not_run=tuple(draw(st.sets(st.sampled_from(list(PhaseName)), max_size=3))),
        engine=replace(record.engine, feeds=draw(st.sampled_from([FEEDS, ()]))),
        finished=draw(st.none() | st.floats(NOW, NOW + 4_000)),
    )
