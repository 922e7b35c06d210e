"""Probe, resolve and discover: what was not sent or not answered is no answer, and limits are told."""

from __future__ import annotations

import pytest
from tests.engine.phases.web_views import answered, view_of

from secrecon.engine.naming.zones import servers_left_out
from secrecon.engine.phases import probe as probe_module
from secrecon.engine.phases.probe import ProbePhase
from secrecon.engine.phases.resolve import ResolvePhase
from secrecon.engine.view import ScanView
from secrecon.model.asset import Asset, Resolution
from secrecon.model.dns import DnsAnswer, DnsRecord
from secrecon.model.probe import DnsProbe, HttpProbe, Reply
from secrecon.model.scan import Attempt, Outcome, ScanMode

ZONE = "acme.test"


def zone_view(*names: str, mode: ScanMode = ScanMode.FULL) -> ScanView:
    view = view_of(ZONE, mode=mode)
    view.add([Resolution(name, ("192.0.2.1",)) for name in names], (), ())
    return view


def lines(judged: object) -> dict[tuple[str, str], Attempt]:
    assert isinstance(judged, list)
    return {(item.check, item.asset): item for item in judged if isinstance(item, Attempt)}


def test_ports_that_were_not_tried_leave_a_host_not_done() -> None:
    view, phase = zone_view("www.acme.test", mode=ScanMode.QUICK), ProbePhase()
    probes = [probe for probe in phase.plan(view, 0) if isinstance(probe, HttpProbe)]
    replies = [answered(probes[0], b"hello"), Reply(probes[1], Outcome.SKIPPED, "the limit was reached")]
    attempt = lines(list(phase.judge(view, 0, replies)))["probe.web", "www.acme.test"]
    assert attempt.outcome is Outcome.SKIPPED
    assert "1 of 2 ports were not tried" in attempt.reason
    silent = [replies[0], Reply(probes[1], Outcome.TIMED_OUT, "silence", "TargetTimeout")]
    attempt = lines(list(phase.judge(view, 0, silent)))["probe.web", "www.acme.test"]
    assert attempt.outcome is Outcome.DONE
    assert "no answer in time from port 80" in attempt.reason


def test_hosts_beyond_the_limit_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe_module, "MAX_HOSTS", 2)
    view, phase = zone_view("a.acme.test", "b.acme.test", "c.acme.test"), ProbePhase((80,))
    probes = [probe for probe in phase.plan(view, 0) if isinstance(probe, HttpProbe)]
    attempt = lines(list(phase.judge(view, 0, [answered(p, b"x") for p in probes])))["probe.hosts", ZONE]
    assert attempt.outcome is Outcome.SKIPPED
    assert attempt.reason.startswith("1 hosts were not looked at")


@pytest.mark.parametrize(
    ("error", "done"), [("Unresolvable", True), ("NamingFailed", False), ("TargetTimeout", False)]
)
def test_only_a_name_that_does_not_exist_is_an_answer(error: str, done: bool) -> None:
    view = view_of(ZONE)
    www = DnsProbe("resolve.www", ZONE, f"www.{ZONE}", "ADDRESS")
    judged = lines(list(ResolvePhase().judge(view, 0, [Reply(www, Outcome.FAILED, "why", error)])))
    assert (("resolve.www", ZONE) in judged) is done


def test_name_servers_that_fail_or_lie_outside_are_told() -> None:
    target, ask = view_of(ZONE).spec.target, DnsProbe("discover.name-servers", ZONE, ZONE, "NS")
    failed = Reply(ask, Outcome.DONE, dns=DnsAnswer(ZONE, "NS", "SERVFAIL", (), "127.0.0.1"))
    (attempt,) = servers_left_out(target, ZONE, [failed])
    assert attempt.outcome is Outcome.FAILED
    record = DnsRecord(ZONE, "NS", 60, "ns1.elsewhere.example.")
    outside = Reply(ask, Outcome.DONE, dns=DnsAnswer(ZONE, "NS", "NOERROR", (record,), "127.0.0.1"))
    (attempt,) = servers_left_out(target, ZONE, [outside])
    assert "ns1.elsewhere.example" in attempt.reason


def test_www_is_not_counted_where_every_name_is_answered_alike() -> None:
    view, phase = view_of(ZONE), ResolvePhase()
    probes = [probe for probe in phase.plan(view, 0) if isinstance(probe, DnsProbe)]
    assert len(probes) == 4

    def judged(www: str, other: str) -> set[str]:
        replies = []
        for probe in probes:
            address = www if probe.name.startswith("www.") else "192.0.2.1" if probe.name == ZONE else other
            records = (DnsRecord(probe.name, "A", 60, address),)
            replies.append(Reply(probe, Outcome.DONE, dns=DnsAnswer(probe.name, "ADDRESS", "NOERROR", records, "")))
        facts = list(phase.judge(view, 0, replies))
        assert f"www.{ZONE}" in {fact.name for fact in facts if isinstance(fact, Resolution)}
        return {fact.value for fact in facts if isinstance(fact, Asset)}

    assert f"www.{ZONE}" not in judged("192.0.2.7", "192.0.2.7")
    assert f"www.{ZONE}" in judged("192.0.2.7", "192.0.2.8")
