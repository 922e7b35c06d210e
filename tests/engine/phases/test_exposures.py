"""Exposures: what is asked, what becomes a finding, and what the ledger says where nothing can be told."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.detect.exposure_samples import REAL
from tests.engine.phases.web_views import answered, failed, view_of

from secrecon.engine.phases.exposures import BUDGET_SHARE, REST, SAMPLES, ExposuresPhase
from secrecon.engine.view import ScanView
from secrecon.model.asset import Asset, AssetType, Link, Technology
from secrecon.model.finding import Finding
from secrecon.model.probe import HttpProbe, Reply, Skip
from secrecon.model.scan import Attempt, Outcome, Revisit, ScanMode
from secrecon.model.target import Origin

DEV = Origin("http", "dev.acme.test", 8080)
FILES = {"/.git/HEAD": REAL["git-head"], "/.git/config": REAL["git-config"], "/.env": REAL["env"]}


def run(view: ScanView, site: Callable[[HttpProbe], Reply]) -> list[object]:
    """Every round, as the engine runs them; what the ledger says of the list itself is left out."""
    judged: list[object] = []
    for round_ in range(ExposuresPhase.max_rounds):
        probes = [p for p in ExposuresPhase().plan(view, round_) if isinstance(p, HttpProbe)]
        found = list(ExposuresPhase().judge(view, round_, [site(probe) for probe in probes]))
        facts = [item for item in found if not isinstance(item, Finding | Attempt)]
        findings = [item for item in found if isinstance(item, Finding)]
        view.add(facts, findings, [item for item in found if isinstance(item, Attempt)])
        judged += found
    return [item for item in judged if not isinstance(item, Attempt) or item.check != REST]


def honest(probe: HttpProbe) -> Reply:
    body = FILES.get(probe.request.target)
    return answered(probe, body, "text/plain") if body else answered(probe, b"not found", status=404)


def test_files_become_findings_and_sensitive_paths() -> None:
    judged = run(view_of(str(DEV), DEV), honest)
    found = {f.check: f for f in judged if isinstance(f, Finding)}
    assert found.keys() == {"exposure.git", "exposure.env"}
    assert found["exposure.git"].location == "/.git/HEAD"
    assert len(found["exposure.git"].evidence) == 2
    assert "hunter2222" not in repr(judged)
    paths = {a.value for a in judged if isinstance(a, Asset) and a.type is AssetType.SENSITIVE_PATH}
    assert paths == {str(DEV) + path for path in FILES}


def test_a_site_that_answers_everything_gives_nothing() -> None:
    view = view_of(str(DEV), DEV)
    judged = run(
        view, lambda probe: answered(probe, b"<html><title>Shop</title><p>Welcome, have a look around</p>")
    )
    assert judged == []


def test_a_wall_is_blocked_and_a_refused_file_beside_honest_404s_is_not() -> None:
    view = view_of(str(DEV), DEV)
    walled = [item for item in run(view, lambda p: answered(p, b"no", status=403)) if isinstance(item, Attempt)]
    assert {item.outcome for item in walled} == {Outcome.BLOCKED}
    assert {item.check for item in walled} >= {check for check, _ in ExposuresPhase().checks(view)}
    limited = [item for item in run(view, lambda p: answered(p, b"slow", status=429)) if isinstance(item, Attempt)]
    assert limited
    assert "429" in limited[0].reason
    denied = run(view, lambda p: answered(p, b"no", status=404 if p.check == SAMPLES else 403))
    assert denied == []


def test_silence_gives_no_words_of_its_own() -> None:
    assert run(view_of(str(DEV), DEV), failed) == []


def test_quick_asks_for_little_and_all_is_get_with_a_small_body() -> None:
    full = [p for p in ExposuresPhase().plan(view_of(str(DEV), DEV), 0) if isinstance(p, HttpProbe)]
    quick = [
        p for p in ExposuresPhase().plan(view_of(str(DEV), DEV, mode=ScanMode.QUICK), 0) if isinstance(p, HttpProbe)
    ]
    assert len(quick) < 40 < 120 < len(full)
    assert {p.request.method for p in full} == {"GET"}
    assert max(p.body_cap or 10**9 for p in full) <= 65_536
    assert list(ExposuresPhase().plan(view_of(str(DEV), DEV), 0)) == full


def test_the_crawl_adds_folders_and_source_maps() -> None:
    view = view_of(str(DEV), DEV, mode=ScanMode.QUICK)
    view.add([Link(DEV, "/a/b.html", 1, "html"), Link(DEV, "/static/app.js.map", 1, "source-map")], (), ())
    asked = {p.request.target: p.check for p in ExposuresPhase().plan(view, 0) if isinstance(p, HttpProbe)}
    assert asked["/a/"] == "exposure.directory-listing"
    assert asked["/static/app.js.map"] == "exposure.source-map"
    assert ("exposure.source-map", str(DEV)) in set(ExposuresPhase().checks(view))


def test_many_services_share_the_budget_and_what_was_left_out_is_told() -> None:
    origins = [Origin("http", f"h{number}.acme.test", 8080) for number in range(300)]
    view = view_of("acme.test", *origins)
    probes = list(ExposuresPhase().plan(view, 0))
    sent = [probe for probe in probes if isinstance(probe, HttpProbe) and probe.check != SAMPLES]
    assert len(sent) <= BUDGET_SHARE * view.spec.budget.requests
    skips = [probe for probe in probes if isinstance(probe, Skip) and probe.check == REST]
    assert len(skips) == 300
    assert "paths were left out: 300 services share" in skips[0].reason
    first = [probe.request.target for probe in sent if probe.asset == str(origins[0])]
    alone = list(ExposuresPhase().plan(view_of("acme.test", origins[0]), 0))
    ordered = [p.request.target for p in alone if isinstance(p, HttpProbe) and p.check != SAMPLES]
    assert first == ordered[: len(first)], "the likeliest paths stay"


def real(probe: HttpProbe) -> Reply | None:
    body = {**FILES, "/backup.zip": REAL["archive"], "/.git/packed-refs": REAL["git-packed-refs"]}.get(
        probe.request.target
    )
    return answered(probe, body, "text/plain") if body else None


PAGE = b"<html><title>Shop</title><p>Welcome, have a look around at what we sell</p></html>"
NOISE = random.Random(5)


def noise(probe: HttpProbe) -> Reply:
    words = " ".join(NOISE.choice(("ant", "bee", "cow", "dog", "elk", "fox", "gnu", "hen")) for _ in range(60))
    return answered(probe, f"<html><p>{words}</p></html>".encode())


def endings(probe: HttpProbe) -> Reply:
    """Everything that ends in .zip, .sql or .key is made on the spot, and everything below /.git/ is a reference."""
    path = probe.request.target
    made = {".zip": "archive", ".sql": "sql-dump", ".key": "private-key", ".log": "log", ".gz": "archive"}
    for ending, name in made.items():
        if path.endswith(ending):
            return answered(probe, REAL[name], "application/octet-stream")
    if path.startswith("/.git/"):
        return answered(probe, REAL["git-head"], "text/plain")
    return answered(probe, b"not found", status=404)


def folder(probe: HttpProbe) -> Reply:
    """One folder is an application that answers everything with its settings; all else is honest."""
    inside = probe.request.target.startswith("/api/")
    return answered(probe, REAL["env"], "text/plain") if inside else answered(probe, b"no", status=404)


SOFT: dict[str, Callable[[HttpProbe], Reply]] = {
    "page": lambda p: answered(p, PAGE),
    "home": lambda p: answered(p, b"", status=302, more=(("Location", "/"),)),
    "reflected": lambda p: answered(
        p, b"<html><p>Nothing at " + p.request.target.encode() + b" here, DB_PASSWORD=hunter2222</p></html>"
    ),
    "plain-reflected": lambda p: answered(
        p, p.request.target.encode() + b"\nDB_PASSWORD=hunter2222\n", "text/plain"
    ),
    "noise": noise,
    "honest": lambda p: answered(p, b"not found", status=404),
    "folder": folder,
}


@pytest.mark.parametrize("kind", SOFT)
def test_soft_404s_of_every_kind_hide_nothing_and_show_nothing(kind: str) -> None:
    view = view_of(str(DEV), DEV, paths=800)
    truth = run(view, lambda probe: real(probe) or SOFT[kind](probe))
    found = {f.check for f in truth if isinstance(f, Finding)}
    paths = {a.value.removeprefix(str(DEV)) for a in truth if isinstance(a, Asset)}
    if (
        kind == "plain-reflected"
    ):  # whatever is asked for looks like an environment file: that one cannot be told apart
        assert found == {"exposure.git", "exposure.backup-archive"}
        paths.add("/.env")
    else:
        assert found == {"exposure.git", "exposure.env", "exposure.backup-archive"}
    assert paths == {*FILES, "/backup.zip", "/.git/packed-refs"}
    again = run(view_of(str(DEV), DEV, paths=800), SOFT[kind])
    assert [item for item in again if isinstance(item, Finding | Asset)] == []


def test_what_a_server_makes_for_any_name_with_an_ending_is_nothing() -> None:
    assert [i for i in run(view_of(str(DEV), DEV, paths=800), endings) if isinstance(i, Finding | Asset)] == []


def test_what_the_first_round_shows_opens_its_group_also_where_many_services_share_the_budget() -> None:
    origins = [Origin("http", f"h{number}.acme.test", 8080) for number in range(120)]
    view = view_of("acme.test", *origins, paths=2_000)

    def site(probe: HttpProbe) -> Reply:
        found = real(probe) if probe.asset == str(origins[3]) else None
        return found or answered(probe, b"not found", status=404)

    git = [f for f in run(view, site) if isinstance(f, Finding) and f.check == "exposure.git"]
    assert {f.asset for f in git} == {str(origins[3])}
    assert len({f.fingerprint for f in git}) == 1, "what a later round adds is the same finding"
    assert "/.git/packed-refs" in git[-1].description
    assert git[-1].location == "/.git/HEAD"


def test_a_product_opens_its_groups_and_the_ledger_counts_the_list() -> None:
    view = view_of("acme.test", DEV, paths=50)
    view.add([Technology(str(DEV), "spring-boot", "", "", "", 0.9)], (), ())
    run(view, honest)
    line = view.attempts[REST, str(DEV)]
    assert line.outcome is Outcome.DONE
    assert "likeliest of" in line.reason
    asked = [p.request.target for p in ExposuresPhase().plan(view, 1) if isinstance(p, HttpProbe)]
    assert "/management/env" in asked
    assert "/package.json" not in asked


def test_what_an_earlier_scan_saw_is_asked_for_again_in_any_mode() -> None:
    seen = (
        Revisit(f"{DEV}/old/site/backup-2019.zip", "exposure.backup-archive"),
        Revisit("http://other.test/x.zip", "exposure.backup-archive"),
    )
    view = view_of(str(DEV), DEV, mode=ScanMode.QUICK)
    view.spec = replace(view.spec, revisit=seen)
    asked = {p.request.target: p.check for p in ExposuresPhase().plan(view, 0) if isinstance(p, HttpProbe)}
    assert asked["/old/site/backup-2019.zip"] == "exposure.backup-archive"
    assert "/x.zip" not in asked
