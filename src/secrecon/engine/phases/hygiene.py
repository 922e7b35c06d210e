"""Hygiene: headers, cookies and encryption of each web service's start page, and what its TLS handshake showed.

Asks for "/" as the fingerprint phase did, so that the engine has it in memory, and judges the page that it leads to on
the same origin; the TLS facts are those the probe kept with the service. What does not apply (TLS on plain http, header
policies of something that is no page) is recorded so and counts neither way.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import ClassVar

from secrecon.detect.hygiene import (
    COOKIES,
    CSP,
    FRAMING,
    HEADER_CHECKS,
    HSTS,
    PLAIN,
    SNIFFING,
    is_document,
    judge_cookies,
    judge_headers,
    judge_plain,
)
from secrecon.detect.tls_hygiene import CHECKS as TLS_CHECKS
from secrecon.detect.tls_hygiene import OLD, judge_tls
from secrecon.engine.phase import Judgement
from secrecon.engine.view import ScanView
from secrecon.engine.walls import is_refusal
from secrecon.model.asset import Service
from secrecon.model.finding import Severity
from secrecon.model.http import HttpExchange, HttpRequest
from secrecon.model.probe import HttpProbe, Probe, Reply
from secrecon.model.scan import Attempt, Outcome, PhaseName, ScanMode, Touch
from secrecon.model.target import Origin, TargetKind, is_ip

FIRST = CSP
FOLLOW = 5
NO_PAGE = "not applicable: the start page is no HTML document"
NO_TLS = "not applicable: plain http"


class HygienePhase:
    """The `hygiene` step. One GET stands for all of its checks on an origin."""

    step: ClassVar[str] = "hygiene"
    name: ClassVar[PhaseName] = PhaseName.MATCH
    title: ClassVar[str] = "Checking headers, cookies and TLS"
    touch: ClassVar[Touch] = Touch.LIGHT
    modes: ClassVar[frozenset[ScanMode]] = frozenset(ScanMode)
    max_rounds: ClassVar[int] = 1

    def checks(self, view: ScanView) -> Iterable[tuple[str, str]]:
        for service in view.web:
            for check in _checks_of(service):
                yield check, service.asset

    def plan(self, view: ScanView, round_: int) -> Iterable[Probe]:
        for service in view.web:
            if service.origin is not None:
                yield HttpProbe(FIRST, service.asset, HttpRequest(service.origin), follow=FOLLOW)

    def judge(self, view: ScanView, round_: int, replies: Sequence[Reply]) -> Iterable[Judgement]:
        by_asset = {reply.probe.asset: reply for reply in replies}
        for service in view.web:
            reply = by_asset.get(service.asset)
            if service.origin is None or reply is None:
                continue
            yield from self._judge_tls(view, service, service.origin)
            if reply.http is None:
                for check in (*HEADER_CHECKS, COOKIES, HSTS, PLAIN):
                    if check in _checks_of(service):
                        yield Attempt(self.name, check, service.asset, reply.outcome, reply.reason or "no reply")
                continue
            yield from self._judge_page(view, service.origin, reply.http)

    def _judge_page(self, view: ScanView, origin: Origin, whole: HttpExchange) -> Iterable[Judgement]:
        own = [HttpExchange(request, reply) for request, reply in whole.hops if request.origin == origin]
        for earlier in own[:-1]:
            yield from judge_cookies(origin, earlier)
        exchange = own[-1]
        yield from judge_headers(origin, exchange)
        asset, status = str(origin), exchange.reply.status
        document = is_document(exchange.reply)
        refused = not document and is_refusal(status)
        for check in (CSP, FRAMING, SNIFFING, COOKIES):
            if document or (check == COOKIES and not refused):
                yield Attempt(self.name, check, asset, Outcome.DONE, "", 1 if check == FIRST else 0)
            elif refused:
                reason = f"the start page answered {status}, so its real headers were not seen"
                yield Attempt(self.name, check, asset, Outcome.BLOCKED, reason, 1 if check == FIRST else 0)
            else:
                yield Attempt(self.name, check, asset, Outcome.SKIPPED, _no_page(whole, origin))
        yield from self._judge_scheme(view, origin, exchange, refused)

    def _judge_scheme(
        self, view: ScanView, origin: Origin, exchange: HttpExchange, refused: bool
    ) -> Iterable[Judgement]:
        """HSTS on https, the lack of encryption on http."""
        asset, status = str(origin), exchange.reply.status
        if origin.scheme == "https":
            if is_ip(origin.host):
                reason = "not applicable: browsers keep no such rule for an address"
                yield Attempt(self.name, HSTS, asset, Outcome.SKIPPED, reason)
            elif status < 400:
                yield Attempt(self.name, HSTS, asset, Outcome.DONE)
            else:
                yield Attempt(self.name, HSTS, asset, Outcome.SKIPPED, f"the start page answered {status}")
            return
        if not _plain_matters(view, origin):
            reason = "not applicable: a local address that was given with http"
            yield Attempt(self.name, PLAIN, asset, Outcome.SKIPPED, reason)
            return
        if refused:
            reason = f"the start page answered {status}, so whether it leads to https was not seen"
            yield Attempt(self.name, PLAIN, asset, Outcome.BLOCKED, reason)
            return
        found = judge_plain(origin, exchange)
        if found is not None:
            weighty = "password field" in found.evidence[0].matcher
            yield found if not weighty else replace(found, severity=Severity.MEDIUM)
        yield Attempt(self.name, PLAIN, asset, Outcome.DONE)

    def _judge_tls(self, view: ScanView, service: Service, origin: Origin) -> Iterable[Judgement]:
        if origin.scheme != "https":
            return
        if service.tls is None:
            for check in TLS_CHECKS:
                yield Attempt(self.name, check, service.asset, Outcome.FAILED, "no TLS handshake could be examined")
            return
        yield from judge_tls(origin, service.tls, view.now)
        for check in TLS_CHECKS:
            if check == OLD and not service.tls.protocols:
                reason = "the handshakes that try each protocol version were not made to the end"
                yield Attempt(self.name, check, service.asset, Outcome.FAILED, reason)
            else:
                yield Attempt(self.name, check, service.asset, Outcome.DONE)


def _no_page(exchange: HttpExchange, origin: Origin) -> str:
    """Why there is nothing to judge header policies on."""
    final, reply = exchange.request.origin, exchange.reply
    if final != origin:
        return f"not applicable: the start page leads to {final}"
    if 300 <= reply.status < 400:
        return (
            f"not applicable: the start page leads elsewhere (Location: {(reply.header('location') or '')[:100]!r})"
        )
    return NO_PAGE


def _checks_of(service: Service) -> tuple[str, ...]:
    if service.origin is not None and service.origin.scheme == "https":
        return (*HEADER_CHECKS, COOKIES, HSTS, *TLS_CHECKS)
    return (*HEADER_CHECKS, COOKIES, PLAIN)


def _plain_matters(view: ScanView, origin: Origin) -> bool:
    """Plain http is worth a finding for an organisation, and for one origin unless it is a local address."""
    if view.spec.target.kind is TargetKind.ORGANISATION:
        return True
    if origin.host == "localhost" or origin.host.endswith((".localhost", ".local")):
        return False
    return not (is_ip(origin.host) and not ipaddress.ip_address(origin.host).is_global)
