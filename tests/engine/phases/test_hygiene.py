"""Hygiene: one GET stands for its checks, and what does not apply counts neither way."""

from __future__ import annotations

from dataclasses import replace

from tests.detect.test_tls_hygiene import GOOD
from tests.engine.phases.web_views import answered, failed, view_of

from secrecon.engine.phases.hygiene import HygienePhase
from secrecon.engine.view import ScanView
from secrecon.model.finding import Finding, Severity
from secrecon.model.http import HttpExchange, HttpRequest
from secrecon.model.probe import HttpProbe, Reply
from secrecon.model.scan import Attempt, Outcome
from secrecon.model.target import Origin

PLAIN = Origin("http", "shop.acme.test", 8080)
SECURE = Origin("https", "shop.acme.test", 8443)
LOCAL = Origin("http", "127.0.0.1", 8080)


def probe_of(view: ScanView) -> HttpProbe:
    (probe,) = [p for p in HygienePhase().plan(view, 0) if isinstance(p, HttpProbe)]
    return probe


def run(view: ScanView, reply: Reply) -> tuple[dict[str, Finding], dict[str, Attempt]]:
    judged = list(HygienePhase().judge(view, 0, [reply]))
    findings = {item.check: item for item in judged if isinstance(item, Finding)}
    return findings, {item.check: item for item in judged if isinstance(item, Attempt)}


def test_every_check_has_its_line_and_each_fault_its_finding() -> None:
    view = view_of(str(SECURE), SECURE, tls=replace(GOOD, protocols=("TLSv1.0", "TLSv1.2")))
    findings, attempts = run(view, answered(probe_of(view), b"<html><p>hello"))
    assert findings.keys() == {
        "hygiene.csp-missing",
        "hygiene.framing-allowed",
        "hygiene.sniffing-allowed",
        "hygiene.hsts-missing",
        "tls.old-protocol",
    }
    assert {(check, str(SECURE)) for check in attempts} == set(HygienePhase().checks(view))
    assert {attempt.outcome for attempt in attempts.values()} == {Outcome.DONE}


def test_plain_http_matters_for_names_and_not_for_a_local_address() -> None:
    view = view_of(str(PLAIN), PLAIN)
    findings, _ = run(view, answered(probe_of(view), b"<html><input type=password>"))
    assert findings["hygiene.plain-http"].severity is Severity.MEDIUM
    view = view_of(str(LOCAL), LOCAL)
    findings, attempts = run(view, answered(probe_of(view), b"<html><input type=password>"))
    assert "hygiene.plain-http" not in findings
    assert attempts["hygiene.plain-http"].reason.startswith("not applicable")


def test_what_is_no_page_does_not_apply_and_a_refusal_is_blocked() -> None:
    view = view_of(str(PLAIN), PLAIN)
    findings, attempts = run(view, answered(probe_of(view), b"{}", "application/json"))
    assert findings == {}
    assert attempts["hygiene.csp-missing"].outcome is Outcome.SKIPPED
    assert attempts["hygiene.csp-missing"].reason.startswith("not applicable")
    _, attempts = run(view, answered(probe_of(view), b"<html>no", status=403))
    assert attempts["hygiene.csp-missing"].outcome is Outcome.BLOCKED


def test_silence_is_not_clean() -> None:
    view = view_of(str(SECURE), SECURE)
    findings, attempts = run(view, failed(probe_of(view)))
    assert findings == {}
    assert {attempts[check].outcome for check in attempts if check.startswith("hygiene.")} == {Outcome.TIMED_OUT}
    assert {attempts[check].outcome for check in attempts if check.startswith("tls.")} == {Outcome.FAILED}
    assert {(check, str(SECURE)) for check in attempts} == set(HygienePhase().checks(view))


def test_the_page_behind_a_redirect_is_what_is_judged() -> None:
    view = view_of(str(PLAIN), PLAIN)
    probe = probe_of(view)
    assert probe.follow > 0
    first = answered(probe, b"", status=302, more=(("Location", "/login"), ("Set-Cookie", "session=abcdef123456")))
    last = answered(replace(probe, request=replace(probe.request, target="/login")), b"<html><p>sign in")
    assert first.http is not None
    assert last.http is not None
    whole = HttpExchange(last.http.request, last.http.reply, ((first.http.request, first.http.reply),))
    findings, attempts = run(view, Reply(probe, Outcome.DONE, http=whole))
    assert {"hygiene.csp-missing", "hygiene.cookie-flags", "hygiene.plain-http"} <= findings.keys()
    assert attempts["hygiene.csp-missing"].outcome is Outcome.DONE
    away = HttpExchange(HttpRequest(SECURE), last.http.reply, ((first.http.request, first.http.reply),))
    findings, attempts = run(view, Reply(probe, Outcome.DONE, http=away))
    assert findings.keys() == {"hygiene.cookie-flags"}
    assert attempts["hygiene.csp-missing"].reason == f"not applicable: the start page leads to {SECURE}"


def test_a_refusal_says_nothing_of_cookies_and_encryption() -> None:
    view = view_of(str(PLAIN), PLAIN)
    _, attempts = run(view, answered(probe_of(view), b"<html>busy", status=503))
    assert {attempt.outcome for attempt in attempts.values()} == {Outcome.BLOCKED}
    assert {(check, str(PLAIN)) for check in attempts} == set(HygienePhase().checks(view))


def test_protocol_versions_that_were_not_tried_are_not_clean() -> None:
    view = view_of(str(SECURE), SECURE, tls=replace(GOOD, protocols=()))
    _, attempts = run(view, answered(probe_of(view), b"<html><p>hello"))
    assert attempts["tls.old-protocol"].outcome is Outcome.FAILED
    assert attempts["tls.expired"].outcome is Outcome.DONE
