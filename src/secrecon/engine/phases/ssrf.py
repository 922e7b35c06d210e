"""SSRF: gives every input that may be fetched an address of our own listener and waits for who comes.

Three rounds: the address as it is, everywhere; then the ways around filters, for likely inputs that showed nothing yet,
and each called input once more alone; then what proven fetches follow, and a last wait for slow fetchers. The requests
are planned in `ssrf_plan`. Where callbacks cannot come back, nothing is sent and nothing is called clean.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import ClassVar

from secrecon.detect.inject import unsafe_reason
from secrecon.detect.own_ways import own_ways, weighed
from secrecon.detect.ssrf import CHECK, finding_for, settled
from secrecon.detect.ssrf_payloads import Technique
from secrecon.detect.ssrf_signs import difference, sign_finding
from secrecon.engine.phase import Judgement
from secrecon.engine.phases.ssrf_plan import (
    MAX_BYPASSED,
    MAX_INPUTS,
    NOWHERE,
    around,
    called,
    chosen,
    confirm,
    first,
    follow,
    origins,
    payloads,
    shapes,
)
from secrecon.engine.view import ScanView
from secrecon.model.finding import Finding
from secrecon.model.http import HttpExchange
from secrecon.model.interaction import Interaction, OastReach
from secrecon.model.probe import HttpProbe, Probe, Reply, Skip, Wait
from secrecon.model.scan import Attempt, Outcome, PhaseName, ScanMode, Touch
from secrecon.oast.tokens import proof_in

SHORT_WAIT = 1.5
FINAL_WAIT = 3.0
MAX_NOTES = 6


class SsrfPhase:
    """Callback checks on every input that was met; in a full scan also on request headers, files and documents."""

    step: ClassVar[str] = "ssrf"
    name: ClassVar[PhaseName] = PhaseName.OAST
    title: ClassVar[str] = "Testing for server-side request forgery"
    touch: ClassVar[Touch] = Touch.ACTIVE
    modes: ClassVar[frozenset[ScanMode]] = frozenset(ScanMode)
    max_rounds: ClassVar[int] = 3

    def checks(self, view: ScanView) -> Iterable[tuple[str, str]]:
        return [(CHECK, str(origin)) for origin in origins(view)]

    def plan(self, view: ScanView, round_: int) -> Iterable[Probe]:
        refusal = _refusal(view)
        if refusal is not None:
            if round_ == 0:
                yield from (Skip(CHECK, asset, refusal[1], refusal[0]) for _, asset in self.checks(view))
            return
        probes = list(
            first(view) if round_ == 0 else around(view) if round_ == 1 else [*confirm(view), *follow(view)]
        )
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
        if round_ == 1:
            yield from _signs(view, replies)
        if round_ == 0 and _refusal(view) is None:
            yield from _coverage(view, self.name, replies)


def _refusal(view: ScanView) -> tuple[Outcome, str] | None:
    """Why callbacks cannot be used in this scan. One of HTTP and DNS is enough to test something."""
    test = view.self_test
    if test is None:
        return Outcome.SKIPPED, "no callback listener is running: start one (see docs/callbacks.md)"
    if OastReach.REACHABLE in (test.http, test.dns):
        return None
    blocked = OastReach.BLOCKED in (test.http, test.dns)
    return Outcome.BLOCKED if blocked else Outcome.SKIPPED, f"callbacks cannot reach the listener: {test.detail}"


def _unproven(view: ScanView) -> bool:
    return bool({(p.asset, p.location) for p in payloads(view)} - called(view, lookups=False))


def _findings(view: ScanView, exchanges: dict[str, HttpExchange]) -> Iterator[Finding]:
    """One finding per input, with what earlier rounds found out about it (they alone saw their replies)."""
    made: list[Finding] = []
    earlier: dict[str, Finding] = {}
    by_token: dict[str, list[Interaction]] = {}
    ways = own_ways(view.interactions.values())
    for hit in view.interactions.values():
        by_token.setdefault(hit.token, []).append(hit)
    for payload in payloads(view):
        hits = by_token.get(payload.token, [])
        exchange = exchanges.get(payload.token)
        finding = finding_for(
            payload, hits, exchange, proof_in(payload.token, exchange.reply.body) if exchange else ""
        )
        if finding is None:
            continue
        finding = weighed(finding, payload, hits, ways)
        known = view.findings.get(finding.fingerprint)
        if known is not None:
            earlier[known.fingerprint] = known
        shown = known is not None and any(payload.token in evidence.callback for evidence in known.evidence)
        if not shown or known is None or finding.severity.rank > known.severity.rank:
            made.append(finding)
    yield from settled([*earlier.values(), *made])


def _signs(view: ScanView, replies: Sequence[Reply]) -> Iterator[Finding]:
    """Inputs that nothing called back from, and whose replies differ by the address they were given."""
    silent: dict[tuple[str, str], list[HttpExchange]] = {}
    ours: dict[tuple[str, str], HttpExchange] = {}
    proven = called(view)
    for reply in replies:
        if reply.http is None or reply.outcome is not Outcome.DONE or not isinstance(reply.probe, HttpProbe):
            continue
        probe, carried = reply.probe, reply.probe.payload
        if probe.tag.startswith(NOWHERE):
            silent.setdefault((probe.asset, probe.tag.removeprefix(NOWHERE + " ")), []).append(reply.http)
        elif carried and not probe.also and carried.technique in (Technique.EXTENSION, Technique.DIRECT):
            ours.setdefault((carried.asset, carried.location), reply.http)
    for place, nowhere in silent.items():
        words = difference(ours[place], nowhere) if place in ours and place not in proven else ""
        if words:
            yield sign_finding(*place, ours[place], words)


def _notes(view: ScanView) -> dict[str, list[str]]:
    """Per asset, what was left out and why."""
    notes: dict[str, list[str]] = {}
    inputs, limit = chosen(view), MAX_INPUTS[view.spec.mode]
    full = view.spec.mode is ScanMode.FULL
    beyond = inputs.likely()[MAX_BYPASSED[view.spec.mode] :]
    left_out = (
        (inputs.unlikely, "inputs that do not look like addresses need a full scan: {}"),
        (inputs.stays, "file inputs need a full scan: {}"),
        (beyond, "inputs given the plain address only, no way around filters: {}"),
        (inputs.over, f"inputs not tested because of the limit of {limit} a scan: {{}}"),
        ([] if full else inputs.likely(), "inputs given the plain address and the usual ways around filters: {}"),
    )
    for items, words in left_out:
        for asset, count in Counter(item.place[0] for item in items).items():
            notes.setdefault(asset, []).append(words.format(count))
    if not full:
        for origin in origins(view):
            notes.setdefault(str(origin), []).append("request headers are tested in a full scan only")
    for shape in shapes(view):
        reason = unsafe_reason(shape)
        if reason and shape.parameters:
            words = f"{shape.method} {shape.path} was left out: {reason}"[:200]
            notes.setdefault(str(shape.origin), []).append(words)
    return {asset: lines[:MAX_NOTES] for asset, lines in notes.items()}


def _coverage(view: ScanView, phase: PhaseName, replies: Sequence[Reply]) -> Iterator[Attempt]:
    """What the ledger must say beside "done": inputs left out, and a half of the listener that cannot be reached."""
    notes, test = _notes(view), view.self_test
    half: list[str] = []
    if test is not None and (test.http, test.dns) != (OastReach.REACHABLE, OastReach.REACHABLE):
        half = [f"one kind of callback could not be received: {test.detail}"]
    inputs = chosen(view)
    over = {item.place[0] for item in inputs.over}
    likely = {item.place for item in inputs.likely()}
    by_asset: dict[str, list[Reply]] = {}
    for reply in replies:
        by_asset.setdefault(reply.probe.asset, []).append(reply)
    for asset, group in by_asset.items():
        mine = half + notes.get(asset, []) + _refused(likely, group)
        if mine and all(reply.outcome is Outcome.DONE for reply in group):
            outcome = Outcome.SKIPPED if asset in over else Outcome.DONE
            yield Attempt(phase, CHECK, asset, outcome, "; ".join(mine), len(group))


def _refused(likely: Collection[tuple[str, str]], replies: Sequence[Reply]) -> list[str]:
    """Inputs without a sign that shared a request which the server refused: they may not have been looked at."""
    count = 0
    for reply in replies:
        probe = reply.probe
        if isinstance(probe, HttpProbe) and probe.also and probe.payload and reply.http:
            shared = (probe.payload, *probe.also)
            if reply.http.reply.status >= 400 and shared[0].technique == Technique.SHARED:
                count += sum((p.asset, p.location) not in likely for p in shared)
    return [f"inputs tested together in a request that the server refused: {count}"] if count else []
