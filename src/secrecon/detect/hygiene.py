"""Headers, cookies, encryption and certificates of a web service: what is missing, judged soberly.

Headers are judged on an HTML document that was delivered (status below 400, no redirect): an error page or a JSON
answer needs no frame policy. HSTS (RFC 6797) is judged on https with a name alone. Each root cause is told once: a self-signed
certificate is not also reported as untrusted. Pure; the exchange and the handshake were made by others.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import re2

from secrecon.detect.evidence import http_evidence
from secrecon.detect.html import looks_like_html, read_html
from secrecon.model.confidence import Ground, confidence
from secrecon.model.finding import Evidence, EvidenceLevel, Finding, Severity
from secrecon.model.http import HttpExchange, HttpReply
from secrecon.model.target import Origin, is_ip

HSTS, CSP, FRAMING, SNIFFING = (
    "hygiene.hsts-missing",
    "hygiene.csp-missing",
    "hygiene.framing-allowed",
    "hygiene.sniffing-allowed",
)
COOKIES, PLAIN = "hygiene.cookie-flags", "hygiene.plain-http"
HEADER_CHECKS = (CSP, FRAMING, SNIFFING)
MIN_HSTS = 86_400
MAX_COOKIES = 50
MAX_VALUE = 4_000
_MAX_AGE = re2.compile(r'(?i)(?:^|[;\s])max-age\s*=\s*"?([0-9]{1,15})')
_SESSION = re2.compile(
    r"(?i)sess|sid$|^sid|auth|token|login|jwt|remember|identity|credential|^phpsessid$|^jsessionid$|^asp\.net_|connect\.sid"
)
_NO_SESSION = re2.compile(r"(?i)csrf|xsrf|consent|locale|lang|theme|^_ga|^_gid|analytics|token_type|banner")


@dataclass(frozen=True, slots=True)
class _Text:
    title: str
    severity: Severity
    description: str
    impact: str
    remediation: str
    cwe: tuple[str, ...]
    references: tuple[str, ...] = ()


_MDN = "https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/"
_TEXTS = {
    HSTS: _Text(
        "Browsers are not told to use https only",
        Severity.LOW,
        "The service answers over https without a Strict-Transport-Security header that lasts at least a day.",
        "Someone between a visitor and the server can keep the visitor's first request on plain http and read it.",
        "Send `Strict-Transport-Security: max-age=31536000` on every https answer once all of the site works over https.",
        ("CWE-319",),
        (_MDN + "Strict-Transport-Security", "https://www.rfc-editor.org/rfc/rfc6797"),
    ),
    CSP: _Text(
        "There is no content security policy",
        Severity.LOW,
        "The page is delivered without a Content-Security-Policy, neither as a header nor as a meta element.",
        "Should a flaw let foreign script into the page, nothing in the browser holds it back.",
        "Send a Content-Security-Policy; begin with `default-src 'self'; object-src 'none'` in report-only mode.",
        ("CWE-693",),
        (_MDN + "Content-Security-Policy",),
    ),
    FRAMING: _Text(
        "Other sites may show this page in a frame",
        Severity.LOW,
        "Neither X-Frame-Options nor the directive frame-ancestors forbids framing.",
        "A hostile page can lay this one invisibly under its own and take the visitor's clicks (clickjacking).",
        "Send `Content-Security-Policy: frame-ancestors 'none'` (or 'self'), and `X-Frame-Options: DENY` for old browsers.",
        ("CWE-1021",),
        (_MDN + "Content-Security-Policy/frame-ancestors",),
    ),
    SNIFFING: _Text(
        "Browsers may guess content types",
        Severity.INFO,
        "The page is delivered without `X-Content-Type-Options: nosniff`.",
        "An uploaded file may be run as something other than what its type says.",
        "Send `X-Content-Type-Options: nosniff` with every answer.",
        ("CWE-430",),
        (_MDN + "X-Content-Type-Options",),
    ),
    COOKIES: _Text(
        "A session cookie lacks protective flags",
        Severity.LOW,
        "A cookie that looks like a session's is set without flags that keep it from scripts or from other sites.",
        "A flaw elsewhere (foreign script, plain http, a hostile page) is enough to take or to use the session.",
        "Set the cookie with `HttpOnly; SameSite=Lax`, and with `Secure` where the site is served over https.",
        ("CWE-1004", "CWE-614", "CWE-1275"),
        (_MDN + "Set-Cookie", "https://www.rfc-editor.org/rfc/rfc6265"),
    ),
    PLAIN: _Text(
        "The site is served without encryption",
        Severity.LOW,
        "The service answers over plain http with a page of its own instead of leading to https.",
        "Everyone on the way can read and change what visitors and the site tell each other.",
        "Serve the site over https and answer every http request with a permanent redirect to it.",
        ("CWE-319",),
    ),
}  # fmt: skip


def is_document(reply: HttpReply) -> bool:
    """True for an HTML page that was delivered: what the header checks apply to."""
    return (
        200 <= reply.status < 300 and bool(reply.body.strip()) and looks_like_html(reply.content_type, reply.body)
    )


def judge_headers(origin: Origin, exchange: HttpExchange) -> Iterable[Finding]:
    """Missing protective headers of a start page, and session cookies without their flags."""
    reply = exchange.reply
    if origin.scheme == "https" and not is_ip(origin.host) and reply.status < 400 and not _lasting_hsts(reply):
        value = reply.header("strict-transport-security")
        words = f"Strict-Transport-Security is {value[:80]!r}" if value else "no Strict-Transport-Security header"
        yield _finding(HSTS, origin, "", exchange, words)
    if is_document(reply):
        policies = [*reply.all("content-security-policy"), *_meta_policies(reply)]
        if not any(policy.strip() for policy in policies):
            yield _finding(CSP, origin, "", exchange, "no Content-Security-Policy header or meta element")
        if not _framing_forbidden(reply):
            words = "no X-Frame-Options, and no frame-ancestors in the policy"
            yield _finding(FRAMING, origin, "", exchange, words)
        if "nosniff" not in (reply.header("x-content-type-options") or "").lower():
            yield _finding(SNIFFING, origin, "", exchange, "no X-Content-Type-Options: nosniff")
    yield from judge_cookies(origin, exchange)


def judge_cookies(origin: Origin, exchange: HttpExchange) -> Iterable[Finding]:
    """One finding for each cookie that looks like a session's and lacks a flag. Its value is masked."""
    seen: set[str] = set()
    for raw in exchange.reply.all("set-cookie")[:MAX_COOKIES]:
        first, *rest = raw[:MAX_VALUE].split(";")
        name, _, value = first.partition("=")
        name = name.strip()
        flags = {part.partition("=")[0].strip().lower(): part.partition("=")[2].strip().lower() for part in rest}
        if name in seen or not looks_like_session(name, value.strip()) or flags.get("max-age", "1") in ("0", "-1"):
            continue
        seen.add(name)
        missing = [flag for flag, key in (("HttpOnly", "httponly"), ("SameSite", "samesite")) if key not in flags]
        if origin.scheme == "https" and "secure" not in flags:
            missing.append("Secure")
        if missing:
            words = f"Set-Cookie {name[:80]} without {', '.join(missing)}"
            yield _finding(COOKIES, origin, name[:200], exchange, words, (value.strip(),))


def looks_like_session(name: str, value: str) -> bool:
    """True where a cookie's name, and a value long enough to be secret, say that it carries a session."""
    if _NO_SESSION.search(name[:200]) is not None or len(value) < 6:
        return False
    return _SESSION.search(name[:200]) is not None


def judge_plain(origin: Origin, exchange: HttpExchange) -> Finding | None:
    """The finding where an http service delivers a page of its own; None where it leads to https or shows nothing."""
    reply = exchange.reply
    if origin.scheme != "http" or not is_document(reply):
        return None
    words = "an answer of 2xx with a page over http, no redirect to https"
    if _password_form(reply):
        words += "; the page has a password field"
    return _finding(PLAIN, origin, "", exchange, words)


def _lasting_hsts(reply: HttpReply) -> bool:
    found = _MAX_AGE.search((reply.header("strict-transport-security") or "")[:MAX_VALUE])
    return found is not None and int(found.group(1)) >= MIN_HSTS


def _meta_policies(reply: HttpReply) -> list[str]:
    return [
        tag.get("content")
        for tag in read_html(reply.body[:200_000]).tags
        if tag.name == "meta" and tag.get("http-equiv").lower() == "content-security-policy"
    ]


def _framing_forbidden(reply: HttpReply) -> bool:
    """By X-Frame-Options (DENY or SAMEORIGIN), or by frame-ancestors that is not everyone. A meta element cannot."""
    values = {part.strip().lower() for value in reply.all("x-frame-options") for part in value.split(",")}
    if values & {"deny", "sameorigin"}:
        return True
    for policy in reply.all("content-security-policy"):
        for directive in policy[: MAX_VALUE * 4].split(";"):
            words = directive.split()
            if words and words[0].lower() == "frame-ancestors":
                return not {"*", "http:", "https:"} & set(words[1:])
    return False


def _password_form(reply: HttpReply) -> bool:
    return any(t.name == "input" and t.get("type").lower() == "password" for t in read_html(reply.body).tags)


def _finding(
    check: str, origin: Origin, location: str, exchange: HttpExchange, words: str, mask: tuple[str, ...] = ()
) -> Finding:
    text = _TEXTS[check]
    summary = f"GET {exchange.request.target} answered {exchange.reply.status}: {words}"
    evidence: Evidence = http_evidence(exchange.request, exchange.reply, words, summary, mask, body=b"")
    return Finding(
        check=check,
        title=text.title,
        severity=text.severity,
        asset=str(origin),
        location=location,
        evidence_level=EvidenceLevel.BEHAVIOUR,
        confidence=confidence(Ground.REPLY),
        evidence=(evidence,),
        description=f"{text.description} Seen: {words}.",
        impact=text.impact,
        remediation=text.remediation,
        references=text.references,
        cwe=text.cwe,
    )
