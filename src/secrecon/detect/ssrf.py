"""Server-side request forgery: what to put where, and what a callback proves (CWE-918).

The only address ever asked for is our own callback listener's; internal services and metadata are never read. Each
probe carries its own callback token, so a hit names the probe. A request to our listener proves a request; a lookup
alone proves a lookup and says no more; our page's marker in the reply proves that the reply can be read. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

from secrecon.detect.destinations import host_in
from secrecon.detect.evidence import curl_command, excerpt, http_evidence, printable, sent_bytes
from secrecon.model.asset import Parameter
from secrecon.model.finding import Evidence, EvidenceLevel, Finding, Severity
from secrecon.model.http import HttpExchange, HttpRequest
from secrecon.model.interaction import CallbackProtocol, Interaction, Payload
from secrecon.model.target import Origin

CHECK = "ssrf.callback"
MAX_EVIDENCE = 4
MAX_CALLBACK_TEXT = 2_000
PLACEHOLDER = "CALLBACK"
REFERENCES = (
    "https://cwe.mitre.org/data/definitions/918.html",
    "https://cheatsheetseries.owasp.org/cheatsheets/Server_Side_Request_Forgery_Prevention_Cheat_Sheet.html",
)


class Technique(StrEnum):
    """How the callback address is written, in the order tried."""

    DIRECT = "direct"
    SCHEME_RELATIVE = "scheme-relative"
    BARE_HOST = "bare-host"
    USERINFO = "trusted-userinfo"
    PREFIX_DOMAIN = "trusted-prefix-domain"
    IN_PATH = "trusted-in-path"
    IN_QUERY = "trusted-in-query"
    IN_FRAGMENT = "trusted-in-fragment"
    OPEN_REDIRECT = "own-open-redirect"
    HEADER = "header"
    HEADER_ALONE = "header-alone"


_WORDS = {
    Technique.DIRECT: "the address as it is",
    Technique.SCHEME_RELATIVE: "the address without its scheme",
    Technique.BARE_HOST: "the host name alone",
    Technique.USERINFO: "a trusted host as user name before the address",
    Technique.PREFIX_DOMAIN: "a trusted host as the beginning of the host name",
    Technique.IN_PATH: "a trusted host in the path of the address",
    Technique.IN_QUERY: "a trusted host in the query of the address",
    Technique.IN_FRAGMENT: "a trusted host in the fragment of the address",
    Technique.OPEN_REDIRECT: "the target's own redirect that leads to the address",
    Technique.HEADER: "a request header, among several with different addresses",
    Technique.HEADER_ALONE: "a request header, alone",
}
_KINDS = {
    CallbackProtocol.DNS: "DNS lookup",
    CallbackProtocol.HTTP: "HTTP request",
    CallbackProtocol.HTTPS: "HTTPS request",
    CallbackProtocol.SMTP: "mail",
    CallbackProtocol.LDAP: "LDAP search",
}
_TRUSTED = (
    Technique.USERINFO,
    Technique.PREFIX_DOMAIN,
    Technique.IN_PATH,
    Technique.IN_QUERY,
    Technique.IN_FRAGMENT,
)


class HeaderForm(StrEnum):
    """What a header holds: a URL, a host, an address of a client, or one of two special notations."""

    URL = "url"
    HOST = "host"
    FORWARDED = "forwarded"
    MAIL = "mail"


@dataclass(frozen=True, slots=True)
class HeaderInput:
    """A request header that some servers act upon."""

    name: str
    form: HeaderForm


HEADER_GROUPS: tuple[tuple[HeaderInput, ...], ...] = (
    (
        HeaderInput("Referer", HeaderForm.URL),
        HeaderInput("X-Callback-Url", HeaderForm.URL),
        HeaderInput("X-Wap-Profile", HeaderForm.URL),
        HeaderInput("From", HeaderForm.MAIL),
    ),
    (
        HeaderInput("X-Forwarded-Host", HeaderForm.HOST),
        HeaderInput("X-Host", HeaderForm.HOST),
        HeaderInput("X-Forwarded-Server", HeaderForm.HOST),
        HeaderInput("Forwarded", HeaderForm.FORWARDED),
    ),
    (
        HeaderInput("X-Forwarded-For", HeaderForm.HOST),
        HeaderInput("X-Real-IP", HeaderForm.HOST),
        HeaderInput("X-Client-IP", HeaderForm.HOST),
        HeaderInput("True-Client-IP", HeaderForm.HOST),
        HeaderInput("CF-Connecting-IP", HeaderForm.HOST),
    ),
    (HeaderInput("X-Original-URL", HeaderForm.URL), HeaderInput("X-Rewrite-URL", HeaderForm.URL)),
    (HeaderInput("Host", HeaderForm.HOST),),
)
"""Headers that share one request; those that may upset a server, or each other, are kept apart."""


def header_value(header: HeaderInput, payload: Payload) -> str:
    """What `header` carries for `payload`."""
    authority = bare(payload)
    match header.form:
        case HeaderForm.URL:
            return payload.url
        case HeaderForm.HOST:
            return authority
        case HeaderForm.FORWARDED:
            return f'for="{payload.hostname or "unknown"}";host="{authority}";proto=http'
        case HeaderForm.MAIL:
            return f"postmaster@{payload.hostname or authority}"


def header_of(name: str) -> HeaderInput | None:
    """The header of that name that is tested, or None."""
    return next((header for group in HEADER_GROUPS for header in group if header.name == name), None)


def bare(payload: Payload) -> str:
    """The callback address without scheme and final slash: `token.domain:port` or `address:port/token`."""
    return payload.url.partition("://")[2].rstrip("/")


@dataclass(frozen=True, slots=True)
class Bypass:
    """One way around a filter. `trusted`: the authority it pretends to be, "" where it needs none."""

    technique: Technique
    trusted: str = ""


def bypasses(parameter: Parameter, own: Origin, redirects: int, named: bool) -> tuple[Bypass, ...]:
    """What to try after the direct address, in order.

    `own`: the target's origin. `redirects`: how many of its redirects can be used. `named`: whether the listener has a
    domain (a prefix of the host name needs one).
    """
    trusted = tuple(dict.fromkeys(filter(None, (host_in(parameter.value), own.authority))))
    found = [Bypass(Technique.SCHEME_RELATIVE), Bypass(Technique.BARE_HOST)]
    found += [
        Bypass(technique, host)
        for technique in _TRUSTED
        for host in (trusted if technique in _TRUSTED[:2] else trusted[:1])
        if named or technique is not Technique.PREFIX_DOMAIN
    ]
    found += [Bypass(Technique.OPEN_REDIRECT, str(number)) for number in range(redirects)]
    return tuple(found)


def value_for(bypass: Bypass, payload: Payload) -> str:
    """The address as `bypass` writes it. (OPEN_REDIRECT needs a request of the target's: see the phase.)"""
    rest = payload.url.partition("://")[2]
    host, trusted = bypass.trusted.partition(":")[0], bypass.trusted
    match bypass.technique:
        case Technique.SCHEME_RELATIVE:
            return "//" + rest
        case Technique.BARE_HOST:
            return bare(payload)
        case Technique.USERINFO:
            return f"http://{trusted}@{rest}"
        case Technique.PREFIX_DOMAIN:
            return f"http://{host}.{rest}"
        case Technique.IN_PATH:
            return f"{payload.url.rstrip('/')}/{trusted}"
        case Technique.IN_QUERY:
            return f"{payload.url}?{trusted}"
        case Technique.IN_FRAGMENT:
            return f"{payload.url}#{trusted}"
        case _:
            return payload.url


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
    shown = bool(requests and marker and exchange and marker.encode("ascii") in exchange.reply.body)
    place, _, name = payload.location.rpartition(" ")[2].partition(":")
    where = f"the {place} input {name!r}" if place != "header" else f"the request header {name}"
    severity, confidence, title, description, impact = _verdict(where, bool(requests), shown)
    if requests and not shown and payload.technique == Technique.HEADER_ALONE:
        confidence = 0.97
    from_ = sorted({hit.remote_address for hit in requests or hits})
    description += (
        f" It was given as {_how(payload)}; the callback came from {', '.join(from_[:3])}."
        " If that address is neither yours nor your resolver's, a third party (a proxy, a link scanner) made it."
    )
    return Finding(
        check=CHECK,
        title=title,
        severity=severity,
        asset=payload.asset,
        location=payload.location,
        evidence_level=EvidenceLevel.CALLBACK,
        confidence=confidence,
        evidence=(_evidence(payload, requests or hits, exchange, marker if shown else ""),),
        description=description,
        impact=impact,
        remediation=_remediation(place, name),
        references=REFERENCES,
        cwe=("CWE-918",),
        oast_verified=True,
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


def _verdict(where: str, requested: bool, shown: bool) -> tuple[Severity, float, str, str, str]:
    if shown:
        return (
            Severity.CRITICAL,
            0.99,
            f"Server-side request forgery with readable replies through {where}",
            f"The server fetched an address given in {where} and handed back what it read there.",
            "Anyone can read, through this server, whatever it can reach: internal services, administration pages, "
            "cloud metadata with credentials. (The scan asked for its own listener only.)",
        )
    if requested:
        return (
            Severity.HIGH,
            0.95,
            f"Blind server-side request forgery through {where}",
            f"The server sent an HTTP request to an address given in {where}; what it read there was not seen in its reply.",
            "Anyone can make this server send requests to hosts it can reach: internal services can be found by timing "
            "and triggered, and filters that trust this server's address are passed.",
        )
    return (
        Severity.MEDIUM,
        0.6,
        f"The server looks up host names given in {where}",
        f"A host name given in {where} was looked up in DNS; no HTTP request arrived. Only the lookup is proven: "
        "a firewall may have stopped a request, or the server may only check the name.",
        "If a request follows the lookup, this is server-side request forgery, towards hosts that the firewall lets "
        "it reach. The lookup alone tells an outsider the server's resolver.",
    )


def merged(findings: Sequence[Finding]) -> Finding:
    """Several findings of one location as one: the strongest's words, everybody's evidence, strongest first."""
    ordered = sorted(findings, key=lambda f: (-f.severity.rank, -f.confidence))
    evidence = list(dict.fromkeys(e for finding in ordered for e in finding.evidence))
    return replace(ordered[0], evidence=tuple(evidence[:MAX_EVIDENCE]))


def _how(payload: Payload) -> str:
    technique = next((t for t in Technique if payload.technique.partition(" ")[0] == t), None)
    return _WORDS[technique] if technique else printable(payload.technique[:80])


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
    if not command:
        return ""
    where = bare(payload).replace(payload.token, PLACEHOLDER)
    note = f"# {where} stands for a fresh callback address: put in one that you can watch\n"
    return note + command.replace(payload.token, PLACEHOLDER)
