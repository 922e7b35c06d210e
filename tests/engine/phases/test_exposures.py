"""Exposures: what is asked, what becomes a finding, and what the ledger says where nothing can be told."""

from __future__ import annotations

from collections.abc import Callable

from tests.detect.exposure_samples import REAL
from tests.engine.phases.web_views import answered, failed, view_of

from secrecon.engine.phases.exposures import BUDGET_SHARE, REST, SAMPLES, ExposuresPhase
from secrecon.engine.view import ScanView
from secrecon.model.asset import Asset, AssetType, Link
from secrecon.model.finding import Finding
from secrecon.model.probe import HttpProbe, Reply, Skip
from secrecon.model.scan import Attempt, Outcome, ScanMode
from secrecon.model.target import Origin

DEV = Origin("http", "dev.acme.test", 8080)
FILES = {"/.git/HEAD": REAL["git-head"], "/.git/config": REAL["git-config"], "/.env": REAL["env"]}


def run(view: ScanView, site: Callable[[HttpProbe], Reply]) -> list[object]:
    probes = [p for p in ExposuresPhase().plan(view, 0) if isinstance(p, HttpProbe)]
    return list(ExposuresPhase().judge(view, 0, [site(probe) for probe in probes]))


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
    assert {item.check for item in walled} == {check for check, _ in ExposuresPhase().checks(view)}
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
