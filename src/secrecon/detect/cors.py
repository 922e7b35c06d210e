"""Cross-origin sharing with credentials: which foreign web pages may read replies as the visitor (Fetch standard).

The proof is a reply that allows exactly the foreign origin that was sent, together with credentials. `*` is harmless
here: browsers do not combine it with credentials. Origins sent lie below `.invalid`, which nobody owns. Pure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from secrecon.detect.evidence import http_evidence
from secrecon.model.confidence import Ground, confidence
from secrecon.model.finding import EvidenceLevel, Finding, Severity
from secrecon.model.http import HttpExchange, HttpRequest
from secrecon.model.target import Origin, is_ip

CHECK = "behaviour.cors-credentials"
EACH = 3
"""More vulnerable paths than this on one origin are one finding: it is the server's setting, not the path's."""


@dataclass(frozen=True, slots=True)
class Trick:
    """One foreign origin. `words`: which pages may read, said of the reply that allows it."""

    origin: str
    words: str


def tricks(own: Origin, scan_id: str) -> tuple[Trick, ...]:
    """The origins to send, the plainest first."""
    mark = "x" + hashlib.sha256(f"cross origin {scan_id}".encode()).hexdigest()[:16]
    found = [
        Trick(f"https://{mark}.invalid", "pages of any origin"),
        Trick("null", "sandboxed frames and local files of anybody (the origin null)"),
    ]
    if ":" not in own.host:
        begins = f"{own.scheme}://{own.host}.{mark}.invalid"
        found.append(Trick(begins, f"pages of any origin whose name begins with {own.host}"))
    if not is_ip(own.host):
        found.append(
            Trick(f"{own.scheme}://{mark}{own.host}", f"pages of any origin whose name ends in {own.host}")
        )
    return tuple(found)


def request_for(origin: Origin, target: str, trick: Trick) -> HttpRequest:
    """The request that a foreign page's script would make."""
    return HttpRequest(origin, "GET", target, (("Origin", trick.origin),))


def finding_for(exchange: HttpExchange, trick: Trick) -> Finding | None:
    """The finding where the reply lets `trick`'s pages read with the visitor's cookies; else None."""
    request, reply = exchange.request, exchange.reply
    allowed = [value.strip() for value in reply.all("access-control-allow-origin")]
    credentials = [value.strip() for value in reply.all("access-control-allow-credentials")]
    if allowed != [trick.origin] or credentials != ["true"]:
        return None
    path = request.target.partition("?")[0]
    matcher = f"Access-Control-Allow-Origin repeats {trick.origin} and Access-Control-Allow-Credentials is true"
    return Finding(
        check=CHECK,
        title="Foreign web pages may read replies with the visitor's credentials",
        severity=Severity.HIGH,
        asset=str(request.origin),
        location=f"{request.method} {path} header:Origin",
        evidence_level=EvidenceLevel.BEHAVIOUR,
        confidence=confidence(Ground.REPLY),
        evidence=(http_evidence(request, reply, matcher, f"{trick.words} may read {path[:200]}"),),
        description=f"The reply of {path[:200]} allows {trick.words} to read it with the visitor's cookies.",
        impact=(
            "Where this address shows a signed-in visitor anything personal, any page they open can read it, and use "
            "tokens in it to act as them."
        ),
        remediation=(
            "Compare the whole Origin header with a list of the origins that need access, send no "
            "Access-Control-Allow-Credentials to others, never allow null, and add Vary: Origin."
        ),
        references=(
            "https://fetch.spec.whatwg.org/#http-cors-protocol",
            "https://cwe.mitre.org/data/definitions/942.html",
        ),
        cwe=("CWE-942",),
    )


def collected(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """One finding per path; where an origin has more than EACH, one in all, at the first path."""
    by_asset: dict[str, dict[str, Finding]] = {}
    for finding in findings:
        by_asset.setdefault(finding.asset, {}).setdefault(finding.location, finding)
    out: list[Finding] = []
    for places in by_asset.values():
        first, *rest = places.values()
        if len(rest) < EACH:
            out += [first, *rest]
            continue
        paths = ", ".join(f.location.split(" ")[1][:100] for f in rest[:10])
        note = f" The same holds for {len(rest)} more paths: {paths}{' and others' if len(rest) > 10 else ''}."
        out.append(replace(first, description=first.description + note))
    return tuple(out)
