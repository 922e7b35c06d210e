"""Names that DNS cannot tell from a wildcard, told apart by what their web servers show; and pages of unclaimed services.

A random name is asked on the candidate ports first. A name whose answer differs from those of two random names, while these
two are alike, is a name of its own. Where the random names differ from each other, or nothing answers, nothing can be told.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from secrecon.detect.soft404 import NEAR, simhash
from secrecon.detect.takeover import CHECK as TAKEOVER
from secrecon.detect.takeover import missing_target, service_of, unclaimed_page
from secrecon.engine.naming.candidates import parent, random_names
from secrecon.engine.naming.search import GUESSED, Search
from secrecon.engine.naming.zones import PHASE, ask_together
from secrecon.engine.phase import Judgement
from secrecon.model.dns import NameAnswer
from secrecon.model.http import HttpReply, HttpRequest
from secrecon.model.probe import DnsProbe, HttpProbe, Reply
from secrecon.model.scan import Attempt, Outcome
from secrecon.model.target import Origin

PAGES = "discover.wildcard-pages"
MAX_COMPARED = 120
MAX_GUESSED = 40
"""How many names of our own guessing are compared below one wildcard; told ones come first."""
MAX_WILD = 4
"""After how many wildcards without a web server that tells names apart no more is compared: each costs what closed ports do."""
MAX_ALIASES = 100
BODY = 60_000
BUSY = frozenset({429, 502, 503, 504})
"""What a server answers that is asked too much: it says nothing about a name."""


@dataclass(frozen=True, slots=True)
class _Look:
    """What a page looks like once the name that was asked for is taken out."""

    status: int
    place: str
    simhash: int
    size: int

    def like(self, other: _Look) -> bool:
        if self.status != other.status or self.place != other.place:
            return False
        small, large = sorted((self.size, other.size))
        return large <= 2 * small + 400 and (self.simhash ^ other.simhash).bit_count() <= NEAR


async def compare(search: Search, ports: Sequence[int]) -> list[Judgement]:
    """Compare the names that look like their wildcard. Those that are more are made found; the ledger says what was not told."""
    by_parent: dict[str, list[str]] = {}
    for name in search.alike:
        by_parent.setdefault(parent(name), []).append(name)
    if not by_parent:
        return []
    room, asked, real, left = MAX_COMPARED, 0, 0, 0
    dumb: list[str] = []
    for above, names in by_parent.items():
        chosen = _chosen(search, names)[:room] if len(dumb) < MAX_WILD else []
        left += len(names) - len(chosen)
        if not chosen:
            continue
        origin, usual, sent = await _baseline(search, above, ports)
        asked += sent
        if origin is None or usual is None:
            dumb.append(above)
            left += len(chosen)
            continue
        room -= len(chosen)
        replies = await ask_together(search.network, [_get(origin, name) for name in chosen])
        asked += len(replies)
        third = random_names(search.seed, above)[2]
        (again,) = await ask_together(search.network, [_get(origin, third)])
        asked += 1
        if again.http is None or not _look(again.http.reply, third).like(usual):
            dumb.append(above)  # the server has changed its mind meanwhile, perhaps about us
            left += len(chosen)
            continue
        for name, reply in zip(chosen, replies, strict=True):
            if reply.http is None or reply.http.reply.status in BUSY:
                left += 1
            elif not _look(reply.http.reply, name).like(usual):
                search.real(name, f"its page on port {origin.port} differs from the wildcard's")
                real += 1
    compared = sum(map(len, by_parent.values())) - left
    reason = f"{compared} names that DNS cannot tell from a wildcard were compared by their pages, {real} are names of their own"
    if dumb:
        reason += f"; below {', '.join(dumb[:3])} no web server told names apart"
    if left:
        reason += (
            f"; {left} names were not compared (at most {MAX_COMPARED} a scan, {MAX_GUESSED} guesses a wildcard)"
        )
    told_left = [name for name in search.alike if _told(search, name)]
    outcome = Outcome.SKIPPED if left and told_left else Outcome.DONE
    return [Attempt(PHASE, PAGES, search.zone, outcome, reason[:400], asked)]


async def dangling(search: Search) -> list[Judgement]:
    """Aliases that lead to nobody, each a candidate for a takeover."""
    aliased = [answer for answer in search.found.values() if answer.aliases]
    missing = [answer for answer in aliased if answer.rcode == "NXDOMAIN"][:MAX_ALIASES]
    findings: list[Judgement] = []
    again = await ask_together(
        search.network, [DnsProbe(TAKEOVER, search.zone, answer.aliases[-1], "A") for answer in missing]
    )
    for answer, reply in zip(missing, again, strict=True):
        if reply.dns is not None and reply.dns.rcode == "NXDOMAIN":
            finding = missing_target(answer, search.zone, reply.dns.server)
            findings += [finding] if finding else []
    served = [answer for answer in aliased if answer.addresses and _shows_pages(answer)][:MAX_ALIASES]
    pages = await ask_together(
        search.network, [_get(Origin("https", a.name, 443), a.name, TAKEOVER) for a in served]
    )
    plain = await ask_together(search.network, [_get(Origin("http", a.name, 80), a.name, TAKEOVER) for a in served])
    for answer, *replies in zip(served, pages, plain, strict=True):
        found = (_unclaimed(answer, reply) for reply in replies)
        findings += [finding for finding in found if finding is not None][:1]
    unheard = sum(reply.dns is None for reply in again)
    unread = sum(one.http is None and other.http is None for one, other in zip(pages, plain, strict=True))
    over = sum(answer.rcode == "NXDOMAIN" for answer in aliased) - len(missing)
    asked = len(again) + len(pages) + len(plain)
    if unheard or unread or over:
        reason = f"{unheard + unread + over} of {len(missing) + len(served) + over} aliases could not be checked"
        return [*findings, Attempt(PHASE, TAKEOVER, search.zone, Outcome.FAILED, reason, asked)]
    reason = f"{len(aliased)} names are aliases" if aliased else ""
    return [*findings, Attempt(PHASE, TAKEOVER, search.zone, Outcome.DONE, reason, asked)]


def _unclaimed(answer: NameAnswer, reply: Reply) -> Judgement | None:
    service = service_of(answer.aliases)
    if service is None or reply.http is None:
        return None
    return unclaimed_page(answer, service, reply.http.request.url, reply.http.reply)


def _shows_pages(answer: NameAnswer) -> bool:
    service = service_of(answer.aliases)
    return service is not None and bool(service.page)


def _chosen(search: Search, names: Iterable[str]) -> list[str]:
    """Names that somebody told of, then our own guesses, the likeliest first."""
    ordered = list(names)
    told = [name for name in ordered if _told(search, name)]
    return told + [name for name in ordered if not _told(search, name)][:MAX_GUESSED]


def _told(search: Search, name: str) -> bool:
    return any(source not in GUESSED for source in search.sources.get(name, {}))


async def _baseline(search: Search, above: str, ports: Sequence[int]) -> tuple[Origin | None, _Look | None, int]:
    """An origin of the wildcard below `above` that answers two random names alike, what it shows, and the requests sent."""
    one, other = random_names(search.seed, above)[:2]
    origins = [Origin(scheme, one, port) for port in ports for scheme in _schemes(port)]
    replies = await ask_together(search.network, [_get(origin, one) for origin in origins])
    sent = len(replies)
    for origin, reply in zip(origins, replies, strict=True):
        if reply.http is None:
            continue
        (second,) = await ask_together(search.network, [_get(origin, other)])
        sent += 1
        usual = _look(reply.http.reply, one)
        if second.http is not None and _look(second.http.reply, other).like(usual):
            return origin, usual, sent
    return None, None, sent


def _schemes(port: int) -> tuple[str, ...]:
    return ("http",) if port == 80 else ("https",) if port == 443 else ("http", "https")


def _get(origin: Origin, name: str, check: str = PAGES) -> HttpProbe:
    request = HttpRequest(Origin(origin.scheme, name, origin.port))
    return HttpProbe(check, parent(name), request, body_cap=BODY)


def _look(reply: HttpReply, name: str) -> _Look:
    label = name.partition(".")[0]
    gone = re.compile(
        re.escape(label.encode()) + rb"(?:\." + re.escape(parent(name).encode()) + rb")?", re.IGNORECASE
    )
    body = gone.sub(b"", reply.body[:BODY])
    place = gone.sub(b"", (reply.header("location") or "")[:2_000].encode("utf-8", "replace")).decode(
        "utf-8", "replace"
    )
    return _Look(reply.status, place, simhash(body), len(body))
