"""Probe: which web services answer, over http and https, and what their TLS shows.

A URL target is that one origin. A bare name is tried on 80 and 443, and in a full scan on the configured web ports of
every name that was resolved. A closed port is an answer; a host on which nothing answered could not be tested.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from secrecon.engine.phase import Judgement
from secrecon.engine.view import ScanView
from secrecon.model.asset import Service
from secrecon.model.http import HttpRequest
from secrecon.model.probe import HttpProbe, Probe, Reply, TlsProbe
from secrecon.model.scan import Attempt, Outcome, PhaseName, ScanMode, Touch
from secrecon.model.target import Origin, TargetKind

CHECK, TLS_CHECK = "probe.web", "probe.tls"
WEB_PORTS = (80, 443, 8080, 8443, 8000, 8888, 8081, 3000, 5000, 9000, 9443)
TLS_FIRST = frozenset({443, 8443, 9443, 4443, 10443})
MAX_HOSTS = 500


class ProbePhase:
    """One round: a GET on every candidate origin, and TLS handshakes on every https one.

    `ports`: the ports tried on each name of an organisation in a full scan.
    """

    step: ClassVar[str] = "probe"
    name: ClassVar[PhaseName] = PhaseName.PROBE
    title: ClassVar[str] = "Looking for web services"
    touch: ClassVar[Touch] = Touch.LIGHT
    modes: ClassVar[frozenset[ScanMode]] = frozenset(ScanMode)
    max_rounds: ClassVar[int] = 1

    def __init__(self, ports: Sequence[int] = WEB_PORTS) -> None:
        self._ports = tuple(ports)

    def checks(self, view: ScanView) -> Iterable[tuple[str, str]]:
        return list(dict.fromkeys((CHECK, _asset(view, origin)) for origin in self._candidates(view)))

    def plan(self, view: ScanView, round_: int) -> Iterable[Probe]:
        for origin in self._candidates(view):
            asset = _asset(view, origin)
            yield HttpProbe(CHECK, asset, HttpRequest(origin))
            if origin.scheme == "https":
                yield TlsProbe(TLS_CHECK, asset, origin.host, origin.port)

    def judge(self, view: ScanView, round_: int, replies: Sequence[Reply]) -> Iterable[Judgement]:
        tls = {(r.probe.host, r.probe.port): r.tls for r in replies if isinstance(r.probe, TlsProbe)}
        secure = {
            (r.probe.request.origin.host, r.probe.request.origin.port)
            for r in replies
            if isinstance(r.probe, HttpProbe) and r.http and r.probe.request.origin.scheme == "https"
        }
        found: set[str] = set()
        for reply in replies:
            if not isinstance(reply.probe, HttpProbe) or reply.http is None:
                continue
            origin = reply.probe.request.origin
            place = (origin.host, origin.port)
            if origin.scheme == "http" and place in secure:
                continue  # a TLS port that answers plain requests with an error page
            found.add(reply.probe.asset)
            banner = reply.http.reply.header("server") or ""
            facts = tls.get(place) or reply.http.reply.tls
            address = reply.http.reply.address
            yield Service(origin.host, address, origin.port, origin.scheme, origin, banner[:200], facts)
        yield from self._coverage(view, replies, found)
        over = self._names(view)[MAX_HOSTS:]
        if over:
            reason = f"{len(over)} hosts were not looked at: the limit is {MAX_HOSTS} a scan ({', '.join(over[:3])}, ...)"
            yield Attempt(self.name, "probe.hosts", view.spec.target.host, Outcome.SKIPPED, reason[:400])

    def _coverage(self, view: ScanView, replies: Sequence[Reply], found: set[str]) -> Iterable[Attempt]:
        groups: dict[str, list[Reply]] = {}
        for reply in replies:
            if isinstance(reply.probe, HttpProbe):
                groups.setdefault(reply.probe.asset, []).append(reply)
        for asset, group in groups.items():
            unsent = next((r for r in group if r.outcome in (Outcome.SKIPPED, Outcome.BLOCKED)), None)
            if asset in found and unsent is not None:
                missed = sum(r.outcome is unsent.outcome for r in group)
                reason = f"{missed} of {len(group)} ports were not tried; {unsent.reason}"
                yield Attempt(self.name, CHECK, asset, unsent.outcome, reason, len(group) - missed)
            elif asset in found:
                silent = _ports(r for r in group if r.outcome is Outcome.TIMED_OUT)
                reason = f"no answer in time from port {silent}" if silent else ""
                yield Attempt(self.name, CHECK, asset, Outcome.DONE, reason, len(group))
            elif found and asset != view.spec.target.host and all(r.error == "ConnectFailed" for r in group):
                # A name of the organisation whose ports are closed: that is an answer, not a gap.
                yield Attempt(self.name, CHECK, asset, Outcome.DONE, "no web service", len(group))
            else:
                worst = next((r for r in group if r.outcome is not Outcome.FAILED), group[0])
                reason = f"no web service answered (tried port {_ports(group)}): {worst.reason}"
                yield Attempt(self.name, CHECK, asset, worst.outcome, reason, len(group))
        if view.spec.target.kind is TargetKind.ORGANISATION:
            for asset in {r.probe.asset for r in replies if isinstance(r.probe, TlsProbe)}:
                group = [r for r in replies if isinstance(r.probe, TlsProbe) and r.probe.asset == asset]
                gap = next((r for r in group if r.outcome not in (Outcome.DONE, Outcome.FAILED)), None)
                outcome = Outcome.DONE if gap is None or asset in found else gap.outcome
                if gap is not None and gap.outcome is Outcome.SKIPPED:
                    outcome = gap.outcome
                told = gap.reason if gap is not None else ""
                reason = (
                    told
                    if any(r.tls for r in group)
                    else "; ".join(filter(None, ("no TLS service answered", told)))
                )
                yield Attempt(self.name, TLS_CHECK, asset, outcome, reason, len(group))

    def _candidates(self, view: ScanView) -> tuple[Origin, ...]:
        target = view.spec.target
        if target.kind is TargetKind.ORIGIN:
            return (target.origin,)
        full = view.spec.mode is ScanMode.FULL and view.spec.touch.rank >= Touch.ACTIVE.rank
        ports = self._ports if full else (443, 80)
        names = self._names(view)[:MAX_HOSTS]
        return tuple(Origin(scheme, host, port) for host in names for port in ports for scheme in _schemes(port))

    def _names(self, view: ScanView) -> list[str]:
        """Every name of the organisation that has an address; the target's own where none has."""
        target = view.spec.target
        names = [r.name for r in view.resolutions if "*" not in r.name and target.covers_name(r.name)]
        return names or [target.host]


def _ports(replies: Iterable[Reply]) -> str:
    ports = (r.probe.request.origin.port for r in replies if isinstance(r.probe, HttpProbe))
    return ", ".join(str(port) for port in dict.fromkeys(ports))


def _schemes(port: int) -> tuple[str, ...]:
    if port in TLS_FIRST:
        return ("https",)
    return ("http",) if port == 80 else ("http", "https")


def _asset(view: ScanView, origin: Origin) -> str:
    """An origin target is its own line; an organisation has one line per host, not one per port."""
    return str(origin) if view.spec.target.kind is TargetKind.ORIGIN else origin.host
