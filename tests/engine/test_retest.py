"""A retest asks for what concerns its finding and for nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from secrecon.engine.retest import kept_probes, kept_results, narrowed, steps_of
from secrecon.model.finding import EvidenceLevel, Finding, Severity
from secrecon.model.http import HttpRequest
from secrecon.model.interaction import Payload
from secrecon.model.probe import HttpProbe, Probe, Skip, Wait
from secrecon.model.scan import QUICK_BUDGET, Retest, ScanMode, ScanSpec, Touch
from secrecon.model.target import Origin, TargetKind, parse_target

SITE = "http://shop.acme.test:8080"
ORIGIN = Origin("http", "shop.acme.test", 8080)
GIT = Retest(7, "f" * 32, "exposure.git", SITE, "/.git/HEAD", ("exposure.git",))


def probe(check: str, path: str, payload: Payload | None = None) -> HttpProbe:
    return HttpProbe(check, SITE, HttpRequest(ORIGIN, target=path), payload=payload)


@pytest.mark.parametrize(
    ("lines", "steps"),
    [
        (("exposure.git",), {"exposures"}),
        (("tls.expired",), {"hygiene"}),
        (("ssrf.callback",), {"ssrf"}),
        (("cve.match",), {"fingerprint", "crawl", "match"}),
        (("cve.match", "template.x"), {"fingerprint", "crawl", "match", "templates"}),
    ],
)
def test_the_steps_of_a_retest(lines: tuple[str, ...], steps: set[str]) -> None:
    assert steps_of(replace(GIT, lines=lines)) == steps | {"resolve", "probe", "synthesis"}


@pytest.mark.parametrize(
    "retest",
    [
        replace(GIT, lines=("dns.zone-transfer",), asset="acme.test"),
        replace(GIT, asset="shop.acme.test:22"),
        replace(GIT, asset="shop.acme.test"),
        replace(GIT, asset=SITE + "/app"),
        replace(GIT, lines=()),
        replace(GIT, lines=("exposure.git", "service.unknown")),
    ],
)
def test_what_cannot_be_looked_for_alone(retest: Retest) -> None:
    assert not steps_of(retest)


def test_only_the_path_and_what_teaches_its_absence_are_asked() -> None:
    wanted, samples = probe("exposure.git", "/.git/HEAD"), probe("recon.missing-pages", "/nothing")
    planned: list[Probe] = [
        samples,
        wanted,
        probe("exposure.env", "/.env"),
        Skip("exposure.full-list", SITE, "left out"),
    ]
    assert kept_probes(GIT, "exposures", planned) == [samples, wanted]
    assert kept_probes(None, "exposures", planned) == planned
    (untold,) = kept_probes(GIT, "exposures", [samples, probe("exposure.git", "/.git/config")])
    assert isinstance(untold, Skip), "another path of the same check says nothing of this one"


def test_only_the_input_is_given_an_address() -> None:
    place = "GET /fetch query:url"
    retest = replace(GIT, check="ssrf.callback", location=place, lines=("ssrf.callback",))

    def carried(location: str) -> Payload:
        return Payload("t", "u", "h", "s", "ssrf.callback", SITE, location, "direct", "", "", 0.0)

    mine, other = (
        probe("ssrf.callback", "/fetch", carried(place)),
        probe("ssrf.callback", "/x", carried("GET /x query:u")),
    )
    assert kept_probes(retest, "ssrf", [mine, other, Wait(1.0)]) == [mine, Wait(1.0)]


def test_other_findings_are_left_alone() -> None:
    found = Finding(
        check="exposure.git",
        title="t",
        severity=Severity.HIGH,
        asset=SITE,
        location="/.git/HEAD",
        evidence_level=EvidenceLevel.BEHAVIOUR,
        confidence=1.0,
        evidence=(),
        description="",
        impact="",
        remediation="",
    )
    retest = replace(GIT, fingerprint=found.fingerprint)
    assert kept_results(retest, [found, replace(found, location="/x")]) == [found]


def test_the_target_is_the_findings_origin() -> None:
    spec = ScanSpec("a" * 32, parse_target("acme.test"), ScanMode.FULL, Touch.ACTIVE, QUICK_BUDGET, retest=GIT)
    assert narrowed(spec).target.kind is TargetKind.ORIGIN
    assert str(narrowed(spec).target.origin) == SITE
    assert narrowed(replace(spec, retest=None)).target == spec.target
