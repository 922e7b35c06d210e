"""Open redirects: a parameter that sends a visitor's browser to any host (CWE-601).

The proof is a redirect to a host name that only this scan knows, below `.invalid`, which nobody can own (RFC 2606);
it is never followed. Where a Location leads is worked out the way browsers do it (WHATWG URL standard): a marker that
merely appears in a path or query of the same host proves nothing. Pure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from secrecon.detect.evidence import http_evidence
from secrecon.detect.html import read_html
from secrecon.detect.inject import location_of
from secrecon.model.asset import Parameter, RequestShape
from secrecon.model.confidence import Ground, confidence
from secrecon.model.finding import EvidenceLevel, Finding, Severity
from secrecon.model.http import HttpExchange, HttpReply
from secrecon.model.target import DEFAULT_PORTS, Origin, is_ip

CHECK = "behaviour.open-redirect"
STATUSES = frozenset({301, 302, 303, 307, 308})
MAX_LOCATION = 8_192
MAX_HTML = 300_000
MAX_METAS = 50
_BLANK = "".join(chr(c) for c in range(0x21))
_FORBIDDEN = frozenset('\0\t\n\r #/:<>?@[\\]^|%"') | frozenset(map(chr, range(0x20)))


@dataclass(frozen=True, slots=True)
class Led:
    """Where a reply sends the browser. `by`: how, for people; `text`: the address as it was written."""

    host: str
    by: str
    text: str


def marker_host(scan_id: str) -> str:
    """The scan's own host name, which resolves nowhere and cannot be guessed without the scan's id."""
    return hashlib.sha256(f"open redirect {scan_id}".encode()).hexdigest()[:20] + ".invalid"


def values(host: str, own: Origin) -> tuple[str, ...]:
    """What to put into a redirect parameter, the plain address first, then ways around filters.

    `own`: the target's origin, which careless filters look for.
    """
    return (
        f"https://{host}/",
        f"//{host}/",
        f"/\\{host}/",
        f"https:{host}/" if own.scheme == "http" else f"http:{host}/",
        f"https://{own.host}@{host}/",
        f"https://{own.host}.{host}/" if ":" not in own.host else f"https://{host}/?{own.host}",
        f"https://{host}/{own.host}",
        f"/\t/{host}/",
    )


def led_to(origin: Origin, reply: HttpReply) -> Iterator[Led]:
    """Every host that a browser would go to by this reply alone: Location, Refresh header, meta refresh."""
    if reply.status in STATUSES:
        locations = reply.all("location")
        if locations and len(set(locations)) == 1:  # browsers refuse a reply that contradicts itself
            yield from _led(origin, locations[0], f"Location header of a {reply.status}")
        return
    for value in reply.all("refresh")[:1]:
        yield from _led(origin, _refresh_url(value), "Refresh header")
    if "html" in reply.content_type:
        for content in _meta_refreshes(reply.body[:MAX_HTML]):
            yield from _led(origin, _refresh_url(content), "meta refresh")


def _meta_refreshes(page: bytes) -> Iterator[str]:
    """What the page's refresh tags say. A template's content is no part of the page."""
    templates = refreshes = 0
    for tag in read_html(page).tags:
        if tag.name == "template":
            templates = max(0, templates + (-1 if tag.closing else 1))
        elif tag.name == "meta" and not templates and tag.get("http-equiv").strip().lower() == "refresh":
            yield tag.get("content")
            refreshes += 1
            if refreshes >= MAX_METAS:
                return


def finding_for(shape: RequestShape, parameter: Parameter, exchange: HttpExchange, host: str) -> Finding | None:
    """The finding where `exchange` leads a browser to `host` or a name below it; else None."""
    led = next((to for to in led_to(exchange.request.origin, exchange.reply) if _is(to.host, host)), None)
    if led is None:
        return None
    matcher = f"the {led.by} leads a browser to {led.host}, a host that only this scan knows"
    return Finding(
        check=CHECK,
        title=f"Open redirect through the {parameter.place} input {parameter.name[:80]!r}",
        severity=Severity.MEDIUM,
        asset=str(shape.origin),
        location=location_of(shape, parameter),
        evidence_level=EvidenceLevel.BEHAVIOUR,
        confidence=confidence(Ground.CONTENT),
        evidence=(http_evidence(exchange.request, exchange.reply, matcher, f"{led.by}: {led.text[:200]}"),),
        description=(
            f"The {parameter.place} input {parameter.name[:80]!r} decides where the visitor's browser is sent, and any host is "
            "accepted. The redirect was read, not followed."
        ),
        impact=(
            "A link that begins with your name leads to a page of an attacker's choice: good bait for passwords. Sign-in "
            "flows may hand their tokens to it, and checks that trust your own addresses can be led elsewhere."
        ),
        remediation=(
            "Accept only paths of your own: one slash at the beginning, no second slash or backslash, no control "
            "characters; or map short names to addresses on the server. Compare parsed hosts, never text beginnings."
        ),
        references=(
            "https://cwe.mitre.org/data/definitions/601.html",
            "https://cheatsheetseries.owasp.org/cheatsheets/Unvalidated_Redirects_and_Forwards_Cheat_Sheet.html",
        ),
        cwe=("CWE-601",),
    )


def _is(found: str, host: str) -> bool:
    return found == host or found.endswith("." + host)


def _led(origin: Origin, text: str, by: str) -> Iterator[Led]:
    host = browser_host(origin, text)
    if host is not None:
        yield Led(host, by, text)


def _refresh_url(value: str) -> str:
    """The address in `5; url='...'` (HTML standard, shared declarative refresh steps)."""
    rest = value[:MAX_LOCATION].lstrip(_BLANK).lstrip("0123456789.")
    if not rest or (rest[0] not in ";," and rest[0] not in " \t\n\f\r"):
        return ""
    rest = rest.lstrip(" \t\n\f\r")
    rest = (rest[1:] if rest[:1] in (";", ",") else rest).lstrip(" \t\n\f\r")
    if rest[:3].lower() == "url":
        after = rest[3:].lstrip(" \t\n\f\r")
        if after.startswith("="):
            rest = after[1:].lstrip(" \t\n\f\r")
    if rest[:1] in ("'", '"'):
        return rest[1:].partition(rest[0])[0]
    return rest


def browser_host(origin: Origin, location: str) -> str | None:
    """The host a browser goes to when a page of `origin` sends it to `location`; None for no http(s) host at all.

    The parts of the WHATWG URL parser that decide the host: blanks and controls at the ends go, tabs and line breaks
    anywhere go, backslashes are slashes, any number of slashes may follow a scheme, credentials end at the last @.
    """
    if len(location) > MAX_LOCATION:
        return None
    text = "".join(c for c in location.strip(_BLANK) if c not in "\t\r\n")
    scheme, rest = _scheme(text)
    if scheme and scheme not in DEFAULT_PORTS:
        return None
    slashes = len(rest) - len(rest.lstrip("/\\"))
    if scheme in ("", origin.scheme) and slashes < 2:
        return origin.host
    return _host(rest[slashes:])


def _scheme(text: str) -> tuple[str, str]:
    head, colon, rest = text.partition(":")
    valid = head[:1].isalpha() and head.isascii() and all(c.isalnum() or c in "+-." for c in head)
    return (head.lower(), rest) if colon and valid else ("", text)


def _host(rest: str) -> str | None:
    end = min((at for mark in "/\\?#" if (at := rest.find(mark)) >= 0), default=len(rest))
    authority = rest[:end].rpartition("@")[2]
    if authority.startswith("["):
        inside, _, port = authority[1:].partition("]")
        return inside.lower() if is_ip(inside) and not port.lstrip(":").strip("0123456789") else None
    name, _, port = authority.partition(":")
    if port and not (port.isascii() and port.isdigit() and int(port[:6]) < 65_536):
        return None
    host = unquote(name).lower()
    return host if host and not _FORBIDDEN & set(host) else None
