"""Server-side request forgery: what a callback proves, and how it is told (CWE-918).

The only address ever asked for is our own callback listener's; internal services and metadata are never read. Each
input carries its own callback token, so a hit names the input. A request to our listener proves a request; a lookup
alone proves a lookup and says no more; our page's marker in the reply proves that the reply can be read. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from secrecon.detect.evidence import curl_command, excerpt, http_evidence, printable, sent_bytes
from secrecon.detect.ssrf_headers import REQUEST_TARGET
from secrecon.detect.ssrf_payloads import HOP, LAST, REDIRECTS, SCHEMES, WORDS, Technique, bare, bypass_of
from secrecon.detect.third_parties import third_party_of
from secrecon.model.confidence import Ground, confidence
from secrecon.model.finding import Evidence, EvidenceLevel, Finding, Severity
from secrecon.model.http import HttpExchange, HttpRequest
from secrecon.model.interaction import CallbackProtocol, Interaction, Payload

CHECK = "ssrf.callback"
THIRD_PARTY = "ssrf.third-party"
MAX_EVIDENCE = 4
MAX_CALLBACK_TEXT = 2_000
MAX_PARAGRAPHS = 6
PARAGRAPH = "\n\n"
_KINDS = {
    CallbackProtocol.DNS: "DNS lookup",
    CallbackProtocol.HTTP: "HTTP request",
    CallbackProtocol.HTTPS: "HTTPS request",
    CallbackProtocol.SMTP: "mail",
    CallbackProtocol.LDAP: "LDAP search",
}
PLACEHOLDER = "CALLBACK"
REFERENCES = (
    "https://cwe.mitre.org/data/definitions/918.html",
    "https://cheatsheetseries.owasp.org/cheatsheets/Server_Side_Request_Forgery_Prevention_Cheat_Sheet.html",
)


def told(payload: Payload, request: HttpRequest) -> Payload:
    """`payload` with the request that carries it, for evidence that a late callback can still show."""
    return replace(
        payload, request=excerpt(sent_bytes(request), 2_000), curl=_replayable(payload, curl_command(request))
    )


def finding_for(
    payload: Payload,
    interactions: Iterable[Interaction],
    exchange: HttpExchange | None = None,
    marker: str = "",
) -> Finding | None:
    """What the callbacks of one payload prove; None where there are none (our own do not count).

    `exchange`: the request that carried the payload with its reply, where it is at hand; a late callback has none.
    `marker`: what our listener answered the token with; in the reply's body it shows that replies can be read.
    """
    hits = sorted((i for i in interactions if i.token == payload.token and not i.own), key=lambda i: i.at)
    requests = [hit for hit in hits if hit.protocol is not CallbackProtocol.DNS]
    if not hits:
        return None
    strangers = [third_party_of(hit.raw) for hit in requests]
    if strangers and all(strangers):
        return _passed_on(payload, hits, strangers[0].name if strangers[0] else "")
    shown = bool(requests and marker and exchange and marker.encode("ascii") in exchange.reply.body)
    place, name = place_of(payload.location)
    where = _where(place, name)
    kind = _kind(requests[0]) if requests else ""
    severity, ground, title, description, impact = _verdict(where, kind, shown)
    if requests and not shown and payload.technique == Technique.HEADER_ALONE:
        ground = Ground.REQUEST_ALONE
    from_ = sorted({hit.remote_address for hit in requests or hits})
    description += (
        f" It was given as {_how(payload)}; the callback came from {', '.join(from_[:3])}."
        " If that address is neither yours nor your resolver's, a third party (a proxy, a link scanner) made it."
    )
    description = PARAGRAPH.join([description, *_more(payload, hits)])
    return Finding(
        check=CHECK,
        title=title,
        severity=severity,
        asset=payload.asset,
        location=payload.location,
        evidence_level=EvidenceLevel.CALLBACK,
        confidence=confidence(ground),
        evidence=(_evidence(payload, requests or hits, exchange, marker if shown else ""),),
        description=description,
        impact=impact,
        remediation=_remediation(place, name),
        references=REFERENCES,
        cwe=("CWE-918",),
        oast_verified=True,
    )


def _passed_on(payload: Payload, hits: Sequence[Interaction], who: str) -> Finding:
    """Information: the address was fetched, by somebody who calls himself a third party."""
    where = _where(*place_of(payload.location))
    requests = [hit for hit in hits if hit.protocol is not CallbackProtocol.DNS]
    return Finding(
        check=THIRD_PARTY,
        title=f"A third party fetches addresses given in {where}",
        severity=Severity.INFO,
        asset=payload.asset,
        location=payload.location,
        evidence_level=EvidenceLevel.BANNER,
        confidence=confidence(Ground.SIGN),
        evidence=(_evidence(payload, requests, None, ""),),
        description=(
            f"The address given in {where} was fetched from {requests[0].remote_address} by a client that calls itself "
            f"{who}: a service that makes previews of, or looks at, links that it is shown. So the address was passed on "
            "or published; that this server fetched it is not shown. A server that fetches may call itself so too: where "
            "the address is one of yours, treat this as server-side request forgery."
        ),
        impact="Who can place links here can have that service fetch them. Requests from it do not come from your network.",
        remediation="Nothing, where links are meant to be shared. Else do not pass on or publish addresses unchecked.",
        references=REFERENCES,
        cwe=("CWE-918",),
    )


def _remediation(place: str, name: str) -> str:
    if place == "header":
        return (
            f"Do not build addresses from the {name} header. Configure the server's own name, and drop forwarded "
            "headers that your own proxy did not set."
        )
    return (
        "Do not fetch addresses that a client names. Where it must be: compare the parsed scheme, host and port with "
        "a list of allowed ones, resolve the name once and refuse private, loopback and link-local addresses, "
        "connect to that very address, do not follow redirects (or check each the same way), and let the fetching "
        "host reach only what it needs."
    )


def place_of(location: str) -> tuple[str, str]:
    """The place and the name of an input from its location (`GET /path query:url`); a path may hold blanks."""
    place, _, name = location.partition(" ")[2].partition(" ")[2].partition(":")
    return place, name


def _where(place: str, name: str) -> str:
    if place == "header":
        return "the request's target" if name == REQUEST_TARGET else f"the request header {name}"
    if place == "file":
        return f"an uploaded file in {name!r}"
    return f"the {place} input {name!r}"


def _kind(hit: Interaction) -> str:
    """What a hit was, for people."""
    kind = _KINDS[hit.protocol]
    return f"{'an' if kind[0] in 'HL' else 'a'} {kind}"


def _verdict(where: str, kind: str, shown: bool) -> tuple[Severity, Ground, str, str, str]:
    """`kind`: what arrived beside lookups, "" for nothing."""
    if shown:
        return (
            Severity.CRITICAL,
            Ground.READABLE,
            f"Server-side request forgery with readable replies through {where}",
            f"The server fetched an address given in {where} and handed back what it read there.",
            "Anyone can read, through this server, whatever it can reach: internal services, administration pages, "
            "cloud metadata with credentials. (The scan asked for its own listener only.)",
        )
    if kind:
        return (
            Severity.HIGH,
            Ground.REQUEST,
            f"Blind server-side request forgery through {where}",
            f"The server sent {kind} to an address given in {where}; what it read there was not seen in its reply.",
            "Anyone can make this server send requests to hosts it can reach: internal services can be found by timing "
            "and triggered, and filters that trust this server's address are passed.",
        )
    return (
        Severity.MEDIUM,
        Ground.LOOKUP,
        f"The server looks up host names given in {where}",
        f"A host name given in {where} was looked up in DNS; no HTTP request arrived. Only the lookup is proven: "
        "a firewall may have stopped a request, or the server may only check the name.",
        "If a request follows the lookup, this is server-side request forgery, towards hosts that the firewall lets "
        "it reach. The lookup alone tells an outsider the server's resolver.",
    )


def _more(payload: Payload, hits: Sequence[Interaction]) -> list[str]:
    """What a payload that only asks what a proven fetch can do has shown."""
    bypass = bypass_of(payload)
    contacts = [hit for hit in hits if hit.protocol is not CallbackProtocol.DNS]
    if bypass is None:
        return []
    if bypass.technique is Technique.FOLLOWED and contacts:
        codes = followed_codes(hit.query for hit in contacts)
        shown = ", ".join(
            codes
        )  # none is no proof of the contrary: a foreign callback server may not redirect at all
        words = f"It follows redirects ({shown}), so a check of the first address alone would not help."
        return [words] if codes else []
    if bypass.technique in SCHEMES:
        scheme = str(bypass.technique)
        if contacts:
            return [
                f"It also connects for {scheme}: addresses, with which other protocols than HTTP can be spoken to."
            ]
        return [
            f"It looked up the host of an {scheme}: address: a sign, no proof, that this scheme is not refused."
        ]
    return []


def followed_codes(lines: Iterable[str]) -> list[str]:
    """The status codes of our redirects that were followed, from the first lines of the requests that arrived."""
    codes = REDIRECTS.removeprefix(HOP).split("-")
    left = len(codes)
    for line in lines:
        last = line.partition(" ")[2].rpartition(" ")[0].partition("?")[0].rpartition("/")[2]
        if last == LAST:
            left = 0
        elif last.startswith(HOP):
            left = min(left, len(last.removeprefix(HOP).split("-")))
    return codes[: len(codes) - left]


def settled(findings: Iterable[Finding]) -> list[Finding]:
    """What the findings of many payloads come to: one for each input and check. Where all who came to an input were
    third parties, lookups for it are theirs too."""
    groups: dict[str, list[Finding]] = {}
    strangers: set[tuple[str, str]] = set()
    for finding in findings:
        groups.setdefault(finding.fingerprint, []).append(finding)
        if finding.check == THIRD_PARTY:
            strangers.add((finding.asset, finding.location))
    found = [merged(group) for group in groups.values()]
    return [
        f
        for f in found
        if f.check != CHECK or f.severity is not Severity.MEDIUM or (f.asset, f.location) not in strangers
    ]


def merged(findings: Sequence[Finding]) -> Finding:
    """Several findings of one location as one: the strongest's words, everybody's evidence, strongest first, and what
    the others add."""
    ordered = sorted(findings, key=lambda f: (-f.severity.rank, -f.confidence))
    evidence = list(dict.fromkeys(e for finding in ordered for e in finding.evidence))
    verdict = ordered[0].description.partition(PARAGRAPH)[0]
    added = dict.fromkeys(p for f in ordered for p in f.description.split(PARAGRAPH)[1:])
    description = PARAGRAPH.join([verdict, *added][:MAX_PARAGRAPHS])
    return replace(ordered[0], evidence=tuple(evidence[:MAX_EVIDENCE]), description=description)


def _how(payload: Payload) -> str:
    bypass = bypass_of(payload)
    return WORDS[bypass.technique] if bypass is not None else printable(payload.technique[:80])


def _evidence(
    payload: Payload, hits: Sequence[Interaction], exchange: HttpExchange | None, marker: str
) -> Evidence:
    first = hits[0]
    kind = _KINDS[first.protocol]
    matcher = f"the {kind} carries the token {payload.token}, which only this probe was given"
    if marker:
        matcher += f"; the reply holds {marker}, which our listener answered it with"
    summary = f"{kind} from {first.remote_address} after {_how(payload)}"
    at = datetime.fromtimestamp(first.at, UTC).isoformat(timespec="milliseconds")
    more = f", {len(hits) - 1} more like it" if len(hits) > 1 else ""
    raw = printable(first.raw[:MAX_CALLBACK_TEXT].encode("utf-8", "replace"))
    callback = f"{kind} from {first.remote_address} at {at} for {payload.token}{more}\n{raw}"
    if exchange is None:
        request = payload.request or f"{payload.location} = {payload.url} ({payload.technique})"
        return Evidence("callback", summary, request, "", matcher, callback, payload.curl)
    around = exchange.reply.body.find(marker.encode("ascii")) if marker else 0
    made = http_evidence(exchange.request, exchange.reply, matcher, summary, around=around)
    return replace(made, kind="callback", callback=callback, curl=_replayable(payload, made.curl))


def _replayable(payload: Payload, command: str) -> str:
    """A token proves one probe once; whoever repeats the command needs an address that they can watch."""
    if command.startswith("#"):  # why there is no command
        return command
    where = bare(payload).replace(payload.token, PLACEHOLDER)
    note = f"# {where} stands for a fresh callback address: put in one that you can watch\n"
    return note + command.replace(payload.token, PLACEHOLDER)
