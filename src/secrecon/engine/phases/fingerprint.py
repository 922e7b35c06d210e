"""Fingerprint: which technologies run on each web service, and in which version.

Round 0 asks for the start page (and the path the user gave), and for a page that does not exist, since error pages tell
versions. It keeps the addresses of the page's own scripts and icon as links. Round 1 fetches the icon and a few
scripts, whose text tells what their address does not. Only requests that a browser makes; nothing is judged as a
problem here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar

from secrecon.detect.fingerprint import Fingerprints, dedupe
from secrecon.detect.fingerprint_page import page_links
from secrecon.engine.phase import Judgement
from secrecon.engine.view import ScanView
from secrecon.model.asset import Link, Service, Technology
from secrecon.model.http import HttpExchange, HttpRequest
from secrecon.model.probe import HttpProbe, Probe, Reply
from secrecon.model.scan import Attempt, Outcome, PhaseName, ScanMode, Touch
from secrecon.model.target import Origin

CHECK = "fingerprint.web"
MISSING_PATH = "/secrecon-404-check"
"""Fixed, so that an administrator who finds it in a log can look it up, and a repeated scan asks the same."""
FOLLOW = 5
MAX_SCRIPTS = 4
ICON_CAP = 200_000

PAGE, MISSING, ICON, SCRIPT = "page", "missing", "icon", "script"
_SOURCES = (ICON, SCRIPT)


class FingerprintPhase:
    """The `fingerprint` step."""

    step: ClassVar[str] = "fingerprint"
    name: ClassVar[PhaseName] = PhaseName.FINGERPRINT
    title: ClassVar[str] = "Identifying technologies and versions"
    touch: ClassVar[Touch] = Touch.LIGHT
    modes: ClassVar[frozenset[ScanMode]] = frozenset(ScanMode)
    max_rounds: ClassVar[int] = 2

    def __init__(self, fingerprints: Callable[[], Fingerprints]) -> None:
        self._fingerprints = fingerprints

    def checks(self, view: ScanView) -> Iterable[tuple[str, str]]:
        return [(CHECK, service.asset) for service in view.web]

    def plan(self, view: ScanView, round_: int) -> Iterable[Probe]:
        for service in view.web:
            if service.origin is None:
                continue
            if round_ == 0:
                yield from _first(view, service, service.origin)
            elif _answered(view, service.asset):
                yield from _second(view, service, service.origin)

    def judge(self, view: ScanView, round_: int, replies: Sequence[Reply]) -> Iterable[Judgement]:
        groups: dict[str, list[Reply]] = {}
        for reply in replies:
            groups.setdefault(reply.probe.asset, []).append(reply)
        for asset, group in groups.items():
            if round_ == 0:
                yield from self._judge_first(asset, group)
            else:
                yield from self._judge_second(view, asset, group)

    def _judge_first(self, asset: str, replies: Sequence[Reply]) -> Iterable[Judgement]:
        links = self._links(asset, [reply for reply in replies if _tag(reply) == PAGE])
        yield from links
        later = frozenset(link.url for link in links if link.source == SCRIPT)
        found: list[Technology] = []
        for reply in replies:
            if reply.http is not None:
                found += self._fingerprints().identify(asset, reply.http, leave_out=later)
        yield from dedupe(found)
        if any(reply.outcome is Outcome.DONE for reply in replies if _tag(reply) == PAGE):
            yield _attempt(asset, replies)

    def _judge_second(self, view: ScanView, asset: str, replies: Sequence[Reply]) -> Iterable[Judgement]:
        found: list[Technology] = []
        for reply in replies:
            assert isinstance(reply.probe, HttpProbe)
            if _tag(reply) == SCRIPT:
                found += self._fingerprints().identify_script(asset, reply.probe.request, reply.http)
            elif reply.http is not None and _is_icon(reply.http):
                found += self._fingerprints().identify_icon(asset, reply.http.reply.body)
        known = [technology for technology in view.technologies if technology.asset == asset]
        names = {technology.name for technology in known}
        yield from (t for t in dedupe([*known, *found]) if t not in known and (t.version or t.name not in names))
        yield _attempt(asset, replies)

    def _links(self, asset: str, pages: Sequence[Reply]) -> list[Link]:
        """The scripts and the icon to fetch next: scripts that tell a library but not its version come first."""
        scripts: dict[Link, None] = {}
        icons: dict[Link, None] = {}
        for reply in pages:
            for request, answer in reply.http.hops[-1:] if reply.http else ():
                if str(request.origin) != asset:
                    continue
                links = page_links(request, answer)
                scripts.update((Link(request.origin, target, 1, SCRIPT), None) for target in links.scripts)
                icons.update((Link(request.origin, target, 1, ICON), None) for target in links.icons)
        ranked = sorted(scripts, key=lambda link: self._rank(asset, link))
        return [*list(icons)[:1], *ranked[:MAX_SCRIPTS]]

    def _rank(self, asset: str, link: Link) -> int:
        found = self._fingerprints().identify_script(asset, HttpRequest(link.origin, target=link.target), None)
        if not found:
            return 1
        return 2 if all(technology.version for technology in found) else 0


def _first(view: ScanView, service: Service, origin: Origin) -> Iterable[Probe]:
    target = view.spec.target
    paths = ["/"]
    if target.path != "/" and target.origin == origin:
        paths.append(target.path)
    for path in paths:
        yield HttpProbe(CHECK, service.asset, HttpRequest(origin, target=path), follow=FOLLOW, tag=PAGE)
    yield HttpProbe(CHECK, service.asset, HttpRequest(origin, target=MISSING_PATH), tag=MISSING)


def _second(view: ScanView, service: Service, origin: Origin) -> Iterable[Probe]:
    links = [link for link in view.links if link.origin == origin and link.source in _SOURCES]
    icon = next((link.target for link in links if link.source == ICON), "/favicon.ico")
    scripts = [link.target for link in links if link.source == SCRIPT][:MAX_SCRIPTS]
    request = HttpRequest(origin, target=icon)
    yield HttpProbe(CHECK, service.asset, request, follow=1, tag=ICON, body_cap=ICON_CAP)
    for target in scripts:
        yield HttpProbe(CHECK, service.asset, HttpRequest(origin, target=target), tag=SCRIPT)


def _answered(view: ScanView, asset: str) -> bool:
    attempt = view.attempts.get((CHECK, asset))
    return attempt is not None and attempt.outcome is Outcome.DONE


def _tag(reply: Reply) -> str:
    return reply.probe.tag


def _is_icon(exchange: HttpExchange) -> bool:
    reply = exchange.reply
    return reply.status == 200 and not reply.truncated and "html" not in reply.content_type


def _attempt(asset: str, replies: Sequence[Reply]) -> Attempt:
    """Done, since the start page was read; what could not be read beside it is told."""
    failed = [reply for reply in replies if reply.outcome is not Outcome.DONE and _tag(reply) != MISSING]
    reason = ""
    if failed:
        reason = f"{len(failed)} of {len(replies)} requests were not answered, versions may be missing: {failed[0].reason}"
    return Attempt(PhaseName.FINGERPRINT, CHECK, asset, Outcome.DONE, reason)
