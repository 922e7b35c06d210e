"""SSRF: gives every input that may be fetched an address of our own listener and waits for who comes.

Three rounds: the address as it is, everywhere; then the ways around filters, for likely inputs that showed nothing yet;
then headers that shared a request once more alone, and a last wait for slow fetchers. Where callbacks cannot come
back, nothing is sent and nothing is called clean.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from secrecon.detect.destinations import fetch_rank, redirect_rank
from secrecon.detect.inject import location_of, unsafe_reason, with_value
from secrecon.detect.links import asks_amount
from secrecon.detect.redirect import CHECK as REDIRECT_CHECK
from secrecon.detect.ssrf import (
    CHECK,
    HEADER_GROUPS,
    Bypass,
    HeaderInput,
    Technique,
    bypasses,
    finding_for,
    header_of,
    header_value,
    merged,
    told,
    value_for,
)
from secrecon.engine.phase import Judgement
from secrecon.engine.view import ScanView
from secrecon.model.asset import InputPlace, Parameter, RequestShape
from secrecon.model.finding import Finding
from secrecon.model.http import HttpExchange, HttpRequest
from secrecon.model.interaction import CallbackProtocol, Interaction, OastReach, Payload
from secrecon.model.probe import HttpProbe, Probe, Reply, Skip, Wait
from secrecon.model.scan import Attempt, Outcome, PhaseName, ScanMode, Touch
from secrecon.model.target import Origin, TargetKind
from secrecon.oast.tokens import marker

SHORT_WAIT = 1.5
FINAL_WAIT = 3.0
MAX_INPUTS = {ScanMode.QUICK: 80, ScanMode.FULL: 800}
MAX_BYPASSED = {ScanMode.QUICK: 30, ScanMode.FULL: 200}
MAX_HEADER_PATHS = 12
MAX_HEADER_ORIGINS = 200
MAX_REDIRECTS = 2
NAMED = 2


@dataclass(frozen=True, slots=True)
class _Input:
    """One input to test. `location` is its name in payloads and findings."""

    shape: RequestShape
    parameter: Parameter

    @property
    def place(self) -> tuple[str, str]:
        return str(self.shape.origin), location_of(self.shape, self.parameter)


class SsrfPhase:
    """Callback checks on every input that was met; in a full scan also on request headers."""

    step: ClassVar[str] = "ssrf"
    name: ClassVar[PhaseName] = PhaseName.OAST
    title: ClassVar[str] = "Testing for server-side request forgery"
    touch: ClassVar[Touch] = Touch.ACTIVE
    modes: ClassVar[frozenset[ScanMode]] = frozenset(ScanMode)
    max_rounds: ClassVar[int] = 3

    def checks(self, view: ScanView) -> Iterable[tuple[str, str]]:
        return [(CHECK, str(origin)) for origin in _origins(view)]

    def plan(self, view: ScanView, round_: int) -> Iterable[Probe]:
        refusal = _refusal(view)
        if refusal is not None:
            if round_ == 0:
                yield from (Skip(CHECK, asset, refusal[1], refusal[0]) for _, asset in self.checks(view))
            return
        probes = list((_direct, _around, _confirm)[round_](view))
        yield from probes
        if round_ == 0:
            busy = {probe.asset for probe in probes if isinstance(probe, HttpProbe | Skip)}
            notes = _notes(view)
            for _, asset in self.checks(view):
                if asset not in busy:
                    yield Skip(CHECK, asset, "; ".join(["no inputs to test were found", *notes.get(asset, [])]))
        if any(isinstance(probe, HttpProbe) for probe in probes) or (round_ and _unproven(view)):
            yield Wait(FINAL_WAIT if round_ == 2 else SHORT_WAIT)

    def judge(self, view: ScanView, round_: int, replies: Sequence[Reply]) -> Iterable[Judgement]:
        exchanges = {token: r.http for r in replies if r.http for token in r.probe.tag.split()}
        yield from _findings(view, exchanges)
        if round_ == 0 and _refusal(view) is None:
            yield from _coverage(view, self.name, replies)


def _origins(view: ScanView) -> list[Origin]:
    known = [service.origin for service in view.web if service.origin is not None]
    if not known and view.spec.target.kind is TargetKind.ORIGIN:
        known = [view.spec.target.origin]
    return list(dict.fromkeys(known))


def _refusal(view: ScanView) -> tuple[Outcome, str] | None:
    """Why callbacks cannot be used in this scan. One of HTTP and DNS is enough to test something."""
    test = view.self_test
    if test is None:
        return Outcome.SKIPPED, "no callback listener is running: start one (see docs/callbacks.md)"
    if OastReach.REACHABLE in (test.http, test.dns):
        return None
    blocked = OastReach.BLOCKED in (test.http, test.dns)
    return Outcome.BLOCKED if blocked else Outcome.SKIPPED, f"callbacks cannot reach the listener: {test.detail}"


@dataclass(frozen=True, slots=True)
class _Inputs:
    """`tested`: likeliest first. `unlikely`: left out of a quick scan. `over`: more than the limit."""

    tested: list[_Input]
    unlikely: list[_Input]
    over: list[_Input]


def _inputs(view: ScanView) -> _Inputs:
    found: dict[tuple[str, str], _Input] = {}
    for shape in view.shapes:
        if view.spec.target.covers_origin(shape.origin) and not unsafe_reason(shape):
            for parameter in shape.parameters:
                item = _Input(shape, parameter)
                if asks_amount(parameter.name) and fetch_rank(parameter) < NAMED:
                    continue  # sizes, counts and delays keep the value they were seen with
                found.setdefault(item.place, item)
    ordered = sorted(found.values(), key=lambda item: -fetch_rank(item.parameter))
    full = view.spec.mode is ScanMode.FULL
    wanted = [item for item in ordered if full or fetch_rank(item.parameter)]
    unlikely = [item for item in ordered if not full and not fetch_rank(item.parameter)]
    tested: list[_Input] = []
    over: list[_Input] = []
    for item in wanted:  # writing a request costs, so it is tried only where there is room
        if len(tested) >= MAX_INPUTS[view.spec.mode]:
            over.append(item)
        elif with_value(item.shape, item.parameter, "x") is not None:
            tested.append(item)
    return _Inputs(tested, unlikely, over)


def _direct(view: ScanView) -> Iterator[Probe]:
    for item in _inputs(view).tested:
        yield from _probe(view, item, Bypass(Technique.DIRECT))
    if view.spec.mode is ScanMode.FULL:
        for origin, path in _header_paths(view):
            for group in HEADER_GROUPS if path == "/" else HEADER_GROUPS[:3]:
                yield from _header_probe(view, origin, path, group, Technique.HEADER)


def _around(view: ScanView) -> Iterator[Probe]:
    yield from _confirm(view)
    proven = _proven(view)
    likely = [i for i in _inputs(view).tested if fetch_rank(i.parameter) and i.place not in proven]
    named = any(payload.hostname for payload in view.payloads.values())
    redirectors = _redirectors(view)
    for item in likely[: MAX_BYPASSED[view.spec.mode]]:
        own = item.shape.origin
        others = [other for other in redirectors.get(own, []) if other != item][:MAX_REDIRECTS]
        for bypass in bypasses(item.parameter, own, len(others), named):
            yield from _probe(view, item, bypass, others)


def _confirm(view: ScanView) -> Iterator[Probe]:
    """Headers that shared a request with others and were called back: once more, each alone."""
    alone = {(p.asset, p.location) for p in _payloads(view) if p.technique == Technique.HEADER_ALONE}
    origins = {str(origin): origin for origin in _origins(view)}
    done: set[tuple[str, str]] = set()
    called = _called(view)
    for payload in _payloads(view):
        place = (payload.asset, payload.location)
        header = header_of(payload.location.rpartition(":")[2])
        if payload.technique != Technique.HEADER or place in alone | done or place not in called or not header:
            continue
        done.add(place)
        path = payload.location.partition(" ")[2].rpartition(" ")[0]
        if payload.asset in origins:
            yield from _header_probe(view, origins[payload.asset], path, (header,), Technique.HEADER_ALONE)


def _probe(view: ScanView, item: _Input, bypass: Bypass, redirectors: Sequence[_Input] = ()) -> Iterator[Probe]:
    asset, location = item.place
    technique = f"{bypass.technique} {bypass.trusted}".strip()
    payload = view.mint(check=CHECK, asset=asset, location=location, technique=technique)
    if payload is None:
        yield Skip(CHECK, asset, "no callback address could be made")
        return
    value = value_for(bypass, payload)
    if bypass.technique is Technique.OPEN_REDIRECT:
        through = redirectors[int(bypass.trusted)]
        leading = with_value(through.shape, through.parameter, payload.url)
        value = leading.url if leading is not None else value
    request = with_value(item.shape, item.parameter, value)
    if request is not None:
        yield HttpProbe(CHECK, asset, request, tag=payload.token, payload=told(payload, request))


def _redirectors(view: ScanView) -> dict[Origin, list[_Input]]:
    """Inputs that redirect where they are told (found), or look as if they did where none was found."""
    proven = {(f.asset, f.location) for f in view.findings.values() if f.check == REDIRECT_CHECK}
    found: dict[Origin, list[_Input]] = {}
    looks: dict[Origin, list[_Input]] = {}
    for shape in view.shapes:
        for parameter in shape.parameters:
            if shape.method == "GET" and parameter.place is InputPlace.QUERY and redirect_rank(parameter):
                item = _Input(shape, parameter)
                (found if item.place in proven else looks).setdefault(shape.origin, []).append(item)
    return looks | found


def _header_paths(view: ScanView) -> list[tuple[Origin, str]]:
    paths: list[tuple[Origin, str]] = []
    for origin in _origins(view)[:MAX_HEADER_ORIGINS]:
        own = [s.path for s in view.shapes if s.origin == origin and s.method == "GET" and "{" not in s.path]
        safe = [p for p in dict.fromkeys(["/", *own]) if p.isascii() and p.isprintable() and " " not in p]
        paths += [(origin, path) for path in safe[:MAX_HEADER_PATHS]]
    return paths


def _header_probe(
    view: ScanView, origin: Origin, path: str, group: Sequence[HeaderInput], technique: Technique
) -> Iterator[Probe]:
    asset = str(origin)
    payloads: list[Payload] = []
    headers: list[tuple[str, str]] = []
    for header in group:
        location = f"GET {path} {InputPlace.HEADER}:{header.name}"
        payload = view.mint(check=CHECK, asset=asset, location=location, technique=technique)
        if payload is None:
            yield Skip(CHECK, asset, "no callback address could be made")
            return
        payloads.append(payload)
        headers.append((header.name, header_value(header, payload)))
    request = HttpRequest(origin, "GET", path, tuple(headers))
    tag = " ".join(payload.token for payload in payloads)
    yield HttpProbe(CHECK, asset, request, tag=tag, payload=told(payloads[0], request))


def _payloads(view: ScanView) -> list[Payload]:
    return [payload for payload in view.payloads.values() if payload.check == CHECK]


def _called(view: ScanView, *protocols: CallbackProtocol) -> set[tuple[str, str]]:
    """The inputs that were called back, by any or by one of `protocols`."""
    hits = [hit for hit in view.interactions.values() if not hit.own and hit.token in view.payloads]
    return {
        (view.payloads[hit.token].asset, view.payloads[hit.token].location)
        for hit in hits
        if not protocols or hit.protocol in protocols
    }


def _proven(view: ScanView) -> set[tuple[str, str]]:
    return _called(view, *(kind for kind in CallbackProtocol if kind is not CallbackProtocol.DNS))


def _unproven(view: ScanView) -> bool:
    return bool({(p.asset, p.location) for p in _payloads(view)} - _proven(view))


def _findings(view: ScanView, exchanges: dict[str, HttpExchange]) -> Iterator[Finding]:
    """One finding per input, with what earlier rounds found out about it (they alone saw their replies)."""
    by_place: dict[tuple[str, str], list[Finding]] = {}
    by_token: dict[str, list[Interaction]] = {}
    for hit in view.interactions.values():
        by_token.setdefault(hit.token, []).append(hit)
    for payload in _payloads(view):
        hits = by_token.get(payload.token, [])
        exchange = exchanges.get(payload.token)
        finding = finding_for(payload, hits, exchange, marker(payload.token) if exchange else "")
        if finding is None:
            continue
        known = view.findings.get(finding.fingerprint)
        place = by_place.setdefault((payload.asset, payload.location), [known] if known else [])
        shown = known is not None and any(payload.token in evidence.callback for evidence in known.evidence)
        if not shown or known is None or finding.severity.rank > known.severity.rank:
            place.append(finding)
    for findings in by_place.values():
        yield merged(findings)


def _notes(view: ScanView) -> dict[str, list[str]]:
    """Per asset, what was left out and why."""
    notes: dict[str, list[str]] = {}
    inputs = _inputs(view)
    for asset, count in Counter(item.place[0] for item in inputs.unlikely).items():
        notes.setdefault(asset, []).append(f"inputs that do not look like addresses need a full scan: {count}")
    if view.spec.mode is not ScanMode.FULL:
        for origin in _origins(view):
            notes.setdefault(str(origin), []).append("request headers are tested in a full scan only")
    likely = [item for item in inputs.tested if fetch_rank(item.parameter)]
    for asset, count in Counter(item.place[0] for item in likely[MAX_BYPASSED[view.spec.mode] :]).items():
        notes.setdefault(asset, []).append(f"inputs given the plain address only, no way around filters: {count}")
    for asset, count in Counter(item.place[0] for item in inputs.over).items():
        limit = f"the limit of {MAX_INPUTS[view.spec.mode]} a scan"
        notes.setdefault(asset, []).append(f"inputs not tested because of {limit}: {count}")
    for shape in view.shapes:
        reason = unsafe_reason(shape)
        if reason and shape.parameters:
            notes.setdefault(str(shape.origin), []).append(
                f"{shape.method} {shape.path} was left out: {reason}"[:200]
            )
    return {asset: lines[:5] for asset, lines in notes.items()}


def _coverage(view: ScanView, phase: PhaseName, replies: Sequence[Reply]) -> Iterator[Attempt]:
    """What the ledger must say beside "done": inputs left out, and a half of the listener that cannot be reached."""
    notes, test = _notes(view), view.self_test
    half: list[str] = []
    if test is not None and (test.http, test.dns) != (OastReach.REACHABLE, OastReach.REACHABLE):
        half = [f"one kind of callback could not be received: {test.detail}"]
    over = {item.place[0] for item in _inputs(view).over}
    by_asset: dict[str, list[Reply]] = {}
    for reply in replies:
        by_asset.setdefault(reply.probe.asset, []).append(reply)
    for asset, group in by_asset.items():
        mine = half + notes.get(asset, [])
        if mine and all(reply.outcome is Outcome.DONE for reply in group):
            outcome = Outcome.SKIPPED if asset in over else Outcome.DONE
            yield Attempt(phase, CHECK, asset, outcome, "; ".join(mine), len(group))
