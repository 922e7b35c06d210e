"""A site with tens of thousands of inputs costs a bounded number of written requests, and the ledger tells the rest."""

from __future__ import annotations

import pytest
from tests.engine.phases.web_views import view_of

from secrecon.detect import ssrf_inputs
from secrecon.detect.inject import with_value
from secrecon.engine.phases import behaviour, ssrf, ssrf_plan
from secrecon.model.asset import InputPlace, Parameter, RequestShape
from secrecon.model.http import HttpRequest
from secrecon.model.interaction import OastReach, OastSelfTest
from secrecon.model.probe import HttpProbe
from secrecon.model.scan import ScanMode
from secrecon.model.target import Origin

SHOP = Origin("http", "shop.acme.test", 80)
PLACES = 300


def test_requests_are_written_only_where_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    written = 0

    def counted(shape: RequestShape, parameter: Parameter, value: str) -> HttpRequest | None:
        nonlocal written
        written += 1
        return with_value(shape, parameter, value)

    parameters = tuple(Parameter(f"url{n}", InputPlace.QUERY) for n in range(20))
    view = view_of(str(SHOP), SHOP)
    view.add([RequestShape(SHOP, "GET", f"/{n}", parameters, "html") for n in range(PLACES)], (), ())
    view.self_test = OastSelfTest(OastReach.REACHABLE, OastReach.REACHABLE, "")
    for module in (ssrf_inputs, ssrf_plan, behaviour):
        monkeypatch.setattr(module, "with_value", counted)
    list(ssrf.SsrfPhase().plan(view, 0))
    assert written <= 3 * ssrf_plan.MAX_INPUTS[ScanMode.FULL]
    written = 0
    probes = list(behaviour.BehaviourPhase().plan(view, 0))
    assert written <= 3 * behaviour.MAX_INPUTS[ScanMode.FULL] + PLACES
    redirects = [p for p in probes if isinstance(p, HttpProbe) and p.check == "behaviour.open-redirect"]
    assert len(redirects) == behaviour.MAX_INPUTS[ScanMode.FULL]
    told = list(behaviour.BehaviourPhase().judge(view, 0, ()))
    assert "5700 inputs were not tested: the limit is 300 a scan" in str(told)
