"""Behaviour: open redirects and cross-origin sharing, on the inputs and pages that were met.

Two rounds: the plain value for each, then the ways around careless filters where the plain one showed nothing. Redirects
are read, never followed; the foreign origins and hosts that are named belong to nobody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar

from secrecon.detect import cors, redirect
from secrecon.detect.destinations import redirect_rank
from secrecon.detect.inject import location_of, unsafe_reason, with_value
from secrecon.engine.phase import Judgement
from secrecon.engine.view import ScanView
from secrecon.model.asset import Parameter, RequestShape
from secrecon.model.finding import Finding
from secrecon.model.probe import HttpProbe, Probe, Reply, Skip
from secrecon.model.scan import Attempt, Outcome, PhaseName, ScanMode, Touch
from secrecon.model.target import Origin, TargetKind

MAX_INPUTS = {ScanMode.QUICK: 40, ScanMode.FULL: 300}
MAX_PATHS = {ScanMode.QUICK: 10, ScanMode.FULL: 30}
MAX_TRICKED = 10
MAX_ORIGINS = 500
BODY_CAP = 300_000
_STATIC = (
    ".css",
    ".js",
    ".png",
    ".jpg",
    ".jpeg",
    ".gif",
    ".svg",
    ".ico",
    ".woff",
    ".woff2",
    ".map",
    ".txt",
    ".pdf",
)


class BehaviourPhase:
    """Open redirect and CORS checks."""

    step: ClassVar[str] = "behaviour"
    name: ClassVar[PhaseName] = PhaseName.VERIFY
    title: ClassVar[str] = "Testing redirects and cross-origin sharing"
    touch: ClassVar[Touch] = Touch.ACTIVE
    modes: ClassVar[frozenset[ScanMode]] = frozenset(ScanMode)
    max_rounds: ClassVar[int] = 2

    def checks(self, view: ScanView) -> Iterable[tuple[str, str]]:
        return [(check, str(origin)) for origin in _origins(view) for check in (redirect.CHECK, cors.CHECK)]

    def plan(self, view: ScanView, round_: int) -> Iterable[Probe]:
        yield from _redirects(view, round_)
        yield from _sharing(view, round_)

    def judge(self, view: ScanView, round_: int, replies: Sequence[Reply]) -> Iterable[Judgement]:
        inputs = {(str(shape.origin), location_of(shape, p)): (shape, p) for shape, p in _candidates(view)[0]}
        host = redirect.marker_host(view.spec.scan_id)
        shared: list[Finding] = []
        redirects: dict[str, Finding] = {}
        for reply in replies:
            if reply.http is None:
                continue
            if reply.probe.check == redirect.CHECK:
                shape, parameter = inputs[reply.probe.asset, reply.probe.tag]
                finding = redirect.finding_for(shape, parameter, reply.http, host)
                if finding is not None:
                    redirects.setdefault(finding.fingerprint, finding)
            else:
                own = reply.http.request.origin
                trick = next(t for t in cors.tricks(own, view.spec.scan_id) if t.origin == reply.probe.tag)
                found = cors.finding_for(reply.http, trick)
                shared += [found] if found is not None else []
        yield from redirects.values()
        yield from (f for f in cors.collected(shared) if f.fingerprint not in view.findings)
        if round_ == 0:
            yield from _left_out(view, self.name, replies)
            yield from _pages_left_out(view, self.name, replies)


def _origins(view: ScanView) -> list[Origin]:
    known = [service.origin for service in view.web if service.origin is not None]
    if not known and view.spec.target.kind is TargetKind.ORIGIN:
        known = [view.spec.target.origin]
    return list(dict.fromkeys(known))[:MAX_ORIGINS]


_Input = tuple[RequestShape, Parameter]


def _candidates(view: ScanView) -> tuple[list[_Input], list[_Input]]:
    """The inputs that may decide where a browser goes, likeliest first, each once: those that are tested, and those
    over the limit."""
    found: dict[tuple[str, str], _Input] = {}
    for shape in view.shapes:
        if not view.spec.target.covers_origin(shape.origin) or unsafe_reason(shape):
            continue
        for parameter in shape.parameters:
            if redirect_rank(parameter):
                found.setdefault((str(shape.origin), location_of(shape, parameter)), (shape, parameter))
    tested: list[_Input] = []
    over: list[_Input] = []
    for shape, parameter in sorted(found.values(), key=lambda item: -redirect_rank(item[1])):
        if len(tested) >= MAX_INPUTS[view.spec.mode]:
            over.append((shape, parameter))
        elif with_value(shape, parameter, "x") is not None:
            tested.append((shape, parameter))
    return tested, over


def _redirects(view: ScanView, round_: int) -> Iterator[Probe]:
    proven = {(f.asset, f.location) for f in view.findings.values() if f.check == redirect.CHECK}
    host = redirect.marker_host(view.spec.scan_id)
    candidates, _ = _candidates(view)
    for shape, parameter in candidates:
        asset, location = str(shape.origin), location_of(shape, parameter)
        if (asset, location) in proven:
            continue
        values = redirect.values(host, shape.origin)
        for value in values[:1] if round_ == 0 else values[1:]:
            request = with_value(shape, parameter, value)
            if request is not None:
                yield HttpProbe(redirect.CHECK, asset, request, tag=location, body_cap=BODY_CAP)
    if round_ == 0:
        busy = {str(shape.origin) for shape, _ in candidates}
        reason = "not applicable: no input that looks like a destination was found"
        yield from (Skip(redirect.CHECK, str(o), reason) for o in _origins(view) if str(o) not in busy)


def _sharing(view: ScanView, round_: int) -> Iterator[Probe]:
    proven = {(f.asset, f.location) for f in view.findings.values() if f.check == cors.CHECK}
    for origin in _origins(view):
        asset = str(origin)
        tricks = cors.tricks(origin, view.spec.scan_id)
        targets = _targets(view, origin)
        for target in targets[: MAX_PATHS[view.spec.mode] if round_ == 0 else MAX_TRICKED]:
            if (asset, f"GET {target.partition('?')[0]} header:Origin") in proven:
                continue
            for trick in tricks[:1] if round_ == 0 else tricks[1:]:
                request = cors.request_for(origin, target, trick)
                yield HttpProbe(cors.CHECK, asset, request, tag=trick.origin, body_cap=BODY_CAP)


def _targets(view: ScanView, origin: Origin) -> list[str]:
    """What to ask with a foreign origin: the start page, then what looks like an API, then other pages."""
    base = str(origin)
    pages = {
        page.url[len(base) :]: page.content_type
        for page in view.pages
        if page.url.startswith(base + "/") and 0 < page.status < 400
    }
    for shape in view.shapes:
        if shape.origin == origin and shape.method == "GET" and shape.parameters and not unsafe_reason(shape):
            request = with_value(shape, shape.parameters[0], shape.parameters[0].value)
            if request is not None:
                pages.setdefault(request.target, "")
    by_path: dict[str, str] = {"/": "/"}
    for target in sorted(pages, key=lambda t: not ("json" in pages[t] or "/api" in t)):
        path = target.partition("?")[0]
        if not path.lower().endswith(_STATIC) and _sendable(target):
            by_path.setdefault(path, target)
    return list(by_path.values())


def _pages_left_out(view: ScanView, phase: PhaseName, replies: Sequence[Reply]) -> Iterator[Attempt]:
    """Pages beyond the limit were not asked as a foreign page would; the sample that was asked stands for its origin."""
    limit = MAX_PATHS[view.spec.mode]
    for origin in _origins(view):
        over = len(_targets(view, origin)) - limit
        mine = [r for r in replies if r.probe.asset == str(origin) and r.probe.check == cors.CHECK]
        if over > 0 and mine and all(r.outcome is Outcome.DONE for r in mine):
            reason = f"tested on {limit} pages, the likeliest first; {over} more were left out"
            yield Attempt(phase, cors.CHECK, str(origin), Outcome.DONE, reason, len(mine))


def _sendable(target: str) -> bool:
    return target.isascii() and target.isprintable() and " " not in target and "#" not in target


def _left_out(view: ScanView, phase: PhaseName, replies: Sequence[Reply]) -> Iterator[Attempt]:
    """Inputs beyond the limit were not tested, and the ledger says so."""
    limit = MAX_INPUTS[view.spec.mode]
    over = Counter(str(shape.origin) for shape, _ in _candidates(view)[1])
    for asset, count in over.items():
        sent = sum(1 for r in replies if r.probe.asset == asset and r.probe.check == redirect.CHECK)
        reason = f"{count} inputs were not tested: the limit is {limit} a scan"
        yield Attempt(phase, redirect.CHECK, asset, Outcome.SKIPPED, reason, sent)
