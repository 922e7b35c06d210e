"""Who a scan is logged in as: puts credentials on requests to the target's own hosts, and takes them out of what is kept.

The last door before the wire and the first behind it: phases never see a credential. A request is dressed here, hop by
hop, so a redirect elsewhere carries nothing; what comes back has every secret replaced before anybody may show it (request
bytes, head, body). Cookies as RFC 6265 says, for the names that credentials may go to, host-only or with a Domain below the
target. Over plain http only where the operator named that very origin. Opens no socket.
"""

from __future__ import annotations

from dataclasses import replace
from html import escape
from urllib.parse import quote, quote_plus, unquote

import re2

from secrecon.model.http import Headers, HttpExchange, HttpReply, HttpRequest
from secrecon.model.login import Login, place_of
from secrecon.model.target import Origin, Target, TargetKind
from secrecon.net.wire import request_bytes

HIDDEN = "***"
SHORTEST = 6
"""A secret shorter than this is not looked for in what comes back: it would be found everywhere."""
_FORGERY = re2.compile(r"(?i)csrf|xsrf")
"""Cookies that stand in the forms too, against forged ones: no secret by themselves, and a form cannot be sent without."""
MAX_COOKIES = 60
MAX_SECRETS = 400
"""Of those that the target gave: a session that changes with every answer pushes out its oldest, never what the user gave."""


class Identity:
    """One user of the target. `sent`: how many requests went out as this user."""

    def __init__(self, login: Login, target: Target) -> None:
        self.login = login
        named = [place_of(url)[0] for url in (login.form.url if login.form else "", login.check_url) if url]
        own = [target.origin] if target.kind is TargetKind.ORIGIN else []
        self._named = frozenset((*named, *own))
        self._hosts = frozenset((target.host, *login.hosts, *(origin.host for origin in named)))
        self._target = target
        self._jar: dict[tuple[str, str], str] = {("", name): value for name, value in login.cookies}
        self._given = dict.fromkeys(word for secret in login.secrets for word in _written(secret))
        self._learned: dict[bytes, None] = {}
        self.sent = 0

    def covers(self, origin: Origin) -> bool:
        """Whether credentials may go to `origin`."""
        if origin in self._named:
            return True
        return origin.scheme == "https" and origin.host in self._hosts and self._target.covers_origin(origin)

    def dressed(self, request: HttpRequest) -> HttpRequest:
        """`request` as this user sends it. A header that it brings itself stays; a cookie of the user's goes before its own."""
        return self._dress(request, hidden=False)

    def shown(self, request: HttpRequest) -> HttpRequest:
        """`request` as dressed, with every credential replaced, in its target too: what may be kept of it."""
        told = self._dress(request, hidden=True)
        return replace(
            told,
            target=self.cleaned_text(told.target),
            headers=tuple((name, self.cleaned_text(value)) for name, value in told.headers),
            body=self.cleaned(told.body),
        )

    def forget_cookies(self) -> None:
        """Begin a new session: only the cookies that were given stay."""
        self._jar = {("", name): value for name, value in self.login.cookies}

    def received(self, request: HttpRequest, reply: HttpReply) -> None:
        """Take in the cookies that a reply sets."""
        for header in reply.all("set-cookie")[:MAX_COOKIES]:
            self._take(request.origin.host, header)
        self.sent += 1

    def hidden(self, exchange: HttpExchange) -> HttpExchange:
        """An exchange without secrets: in what was sent each credential is replaced, and in what came back too."""
        hops = [(self.shown(request), self._hidden(request, reply)) for request, reply in exchange.hops]
        return HttpExchange(*hops[-1], tuple(hops[:-1]))

    def cleaned(self, data: bytes) -> bytes:
        """`data` with every secret replaced."""
        mark = HIDDEN.encode("ascii")
        for secrets in (self._given, self._learned):
            for secret in secrets:
                if secret in data:
                    data = data.replace(secret, mark)
        return data

    def cleaned_text(self, text: str) -> str:
        """`text` with every secret replaced."""
        return self.cleaned(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")

    def _dress(self, request: HttpRequest, *, hidden: bool) -> HttpRequest:
        if request.raw is not None or not self.covers(request.origin):
            return request
        own = {name.lower() for name, _ in request.headers}
        headers: list[tuple[str, str]] = [
            (name, HIDDEN if hidden else value) for name, value in self.login.headers if name.lower() not in own
        ]
        jar = {name: value for (host, name), value in self._jar.items() if self._fits(host, request.origin.host)}
        cookies = [f"{name}={HIDDEN if hidden else value}" for name, value in jar.items()]
        kept: Headers = ()
        for name, value in request.headers:
            if name.lower() != "cookie" or not jar:
                kept += ((name, value),)
                continue
            cookies += [pair for pair in value.split("; ") if pair.partition("=")[0] not in jar]
        if cookies:
            headers.append(("Cookie", "; ".join(cookies)))
        return replace(request, headers=(*kept, *headers))

    @staticmethod
    def _fits(host: str, asked: str) -> bool:
        return host in ("", asked) or (host.startswith(".") and (asked == host[1:] or asked.endswith(host)))

    def _take(self, host: str, header: str) -> None:
        pair, *attributes = header[:8_192].split(";")
        name, mark, value = pair.strip().partition("=")
        if not mark or not name or not (name + value).isascii() or not (name + value).isprintable():
            return
        given = {key.strip().lower(): text.strip() for key, _, text in (a.partition("=") for a in attributes)}
        domain = given.get("domain", "").lstrip(".").lower()
        if domain and domain != host and not host.endswith("." + domain):
            return
        wide = bool(domain) and self._target.covers_name(domain) and domain != host
        key = ("." + domain if wide else host, name.strip())
        self._jar.pop(("", key[1]), None)
        if not value.strip() or given.get("max-age", "1").startswith(("0", "-")):
            self._jar.pop(key, None)
        elif key in self._jar or len(self._jar) < MAX_COOKIES:
            self._jar[key] = value.strip()
            if not _FORGERY.search(name):
                self._learn(value.strip().strip('"'))

    def _learn(self, secret: str) -> None:
        for word in _written(secret):
            self._learned.pop(word, None)
            self._learned[word] = None
        while len(self._learned) > MAX_SECRETS:
            del self._learned[next(iter(self._learned))]

    def _hidden(self, request: HttpRequest, reply: HttpReply) -> HttpReply:
        clean = self.cleaned
        body = clean(reply.body)
        return replace(
            reply,
            request_bytes=clean(request_bytes(self.shown(request))),
            raw_head=clean(reply.raw_head),
            headers=tuple((n, clean(v.encode("latin-1", "replace")).decode("latin-1")) for n, v in reply.headers),
            raw_body=body if reply.raw_body is reply.body else clean(reply.raw_body),
            body=body,
        )


def _written(secret: str) -> list[bytes]:
    """The ways in which a secret may stand in a request or a page."""
    forms = (secret, quote(secret, safe=""), quote_plus(secret), unquote(secret), escape(secret))
    words = (form.encode("utf-8", "surrogatepass") for form in dict.fromkeys(forms))
    return [word for word in words if len(word) >= SHORTEST]
