"""Signs of a server-side request where no callback can come: replies that differ between two addresses.

A server that cannot reach our listener may still say, by its status, by the words of its error or by its time, that it
tried one address and not the other. That is a sign and never a proof: it is told as information with low confidence, and
only where the same difference holds against two names that lead nowhere (RFC 6761 `.invalid`). Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

from secrecon.detect.evidence import http_evidence
from secrecon.detect.ssrf import REFERENCES, place_of
from secrecon.model.confidence import Ground, confidence
from secrecon.model.finding import EvidenceLevel, Finding, Severity
from secrecon.model.http import HttpExchange

CHECK = "ssrf.sign"
SLOWER = 2.0
"""Seconds by which a reply must differ to be a sign."""
MAX_BODY = 50_000
_WORDS = (
    "refused",
    "timed out",
    "timeout",
    "unreachable",
    "could not resolve",
    "not resolve",
    "name or service not known",
    "getaddrinfo",
    "enotfound",
    "econnrefused",
    "etimedout",
    "no route",
    "nxdomain",
    "unknown host",
    "no such host",
    "connection reset",
    "could not connect",
    "failed to connect",
)


def difference(listener: HttpExchange, nowhere: Sequence[HttpExchange]) -> str:
    """In words, how the reply for our listener's address differs from both replies for names that lead nowhere; "" where
    it does not, or where those two differ from each other."""
    if len(nowhere) < 2:
        return ""
    if len({other.reply.status for other in nowhere}) == 1 and listener.reply.status != nowhere[0].reply.status:
        return f"the status is {listener.reply.status}, and {nowhere[0].reply.status} for a name that leads nowhere"
    said = _said(listener)
    others = [_said(other) for other in nowhere]
    if all(other == others[0] for other in others) and said != others[0]:
        only = sorted(said - others[0]) or sorted(others[0] - said)
        where = "for our address" if said - others[0] else "for a name that leads nowhere"
        return f"only the reply {where} says {only[0]!r}"
    times = [other.reply.elapsed for other in nowhere]
    if abs(times[0] - times[1]) < SLOWER / 2 and abs(listener.reply.elapsed - max(times)) >= SLOWER:
        return (
            f"the reply took {listener.reply.elapsed:.1f} s, and {max(times):.1f} s for a name that leads nowhere"
        )
    return ""


def _said(exchange: HttpExchange) -> set[str]:
    text = exchange.reply.body[:MAX_BODY].decode("utf-8", "replace").lower()
    return {word for word in _WORDS if word in text}


def sign_finding(asset: str, location: str, exchange: HttpExchange, words: str) -> Finding:
    """The information that an input behaves as if its address were tried."""
    place, name = place_of(location)
    summary = f"replies differ by the address given: {words}"
    return Finding(
        check=CHECK,
        title=f"The {place} input {name!r} may be fetched by the server (a sign, not proven)",
        severity=Severity.INFO,
        asset=asset,
        location=location,
        evidence_level=EvidenceLevel.BANNER,
        confidence=confidence(Ground.SIGN),
        evidence=(http_evidence(exchange.request, exchange.reply, summary, summary),),
        description=(
            f"No callback came, but {words}. A server that tries to reach the address and is stopped by a firewall "
            "behaves so; one that only checks the name may too."
        ),
        impact="If the server does fetch, this is server-side request forgery towards the hosts that its firewall allows.",
        remediation="Find out in the code whether this input is fetched; if it is, allow a list of hosts only.",
        references=REFERENCES,
        cwe=("CWE-918",),
    )
