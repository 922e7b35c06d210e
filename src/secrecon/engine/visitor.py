"""Logging in, noticing that one is logged out again, and saying so: the scan as a user of its target.

The form is fetched, filled and sent as a browser would, hidden fields included. Whether one is in is judged by a page: by
the text that only a user sees, or by how it differs from what a stranger gets. Answers that look logged out (401, a
redirect to the log-in, its form) are checked; a lost session is begun anew, a few times, and what it cost is asked again.
What cannot be told is told as that. Credentials stay in `net.identity`: nothing here is logged or shown.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

from secrecon.detect.bodies import BOUNDARY, MULTIPART, URLENCODED, multipart, urlencoded
from secrecon.detect.forms import form_shapes
from secrecon.detect.html import read_html
from secrecon.engine.asking import Memo, ask_all
from secrecon.model.asset import InputPlace, RequestShape
from secrecon.model.errors import BudgetSpent, ScopeRefused, TargetError
from secrecon.model.finding import Finding
from secrecon.model.http import HttpExchange, HttpReply, HttpRequest
from secrecon.model.login import FormLogin, place_of
from secrecon.model.probe import Asked, HttpProbe, Reply
from secrecon.model.scan import Attempt, Outcome, PhaseName
from secrecon.model.target import Target
from secrecon.model.trace import sought
from secrecon.net.clock import Clock
from secrecon.net.identity import Identity
from secrecon.net.network import Network

CHECK = "crawl.login"
MAX_LOGINS = 20
SLICE = 100
"""Requests between two looks at whether one is still logged in."""
FOLLOW = 5
TURNED_AWAY = "the session had ended, and the log-in was shown instead"
NOT_SAID = "whether they are accepted could not be told, as no page differs for them: give check_url and check_text"


@dataclass(slots=True)
class Visitor:
    """The user of one scan in one process. `trouble`: why one is not, or no longer, logged in; "" where one is."""

    target: Target
    identity: Identity
    clock: Clock
    begun: bool = False
    logins: int = 0
    checkable: bool = True
    trouble: str = ""
    events: list[str] = field(default_factory=list)
    lost: int = 0
    services: dict[str, None] = field(default_factory=dict)

    @property
    def inside(self) -> bool:
        """Whether what is asked now is asked as the user."""
        return self.begun and not self.trouble

    async def ask(
        self,
        network: Network,
        memo: Memo,
        probes: Sequence[Asked],
        stop: asyncio.Event,
        answered: Callable[[int], Awaitable[None]],
    ) -> list[Reply]:
        """As `ask_all`, as the user: logged in before, a slice at a time, so that a lost session is noticed soon; what it
        cost is asked again after a new log-in."""
        if not self.begun:
            self.begun = True
            await self._enter(network)
        replies: list[Reply] = []
        for at in range(0, len(probes), SLICE):

            async def counted(count: int, before: int = at) -> None:
                await answered(before + count)

            replies += await self._slice(network, memo, probes[at : at + SLICE], stop, counted)
        return replies

    async def _slice(
        self,
        network: Network,
        memo: Memo,
        probes: Sequence[Asked],
        stop: asyncio.Event,
        answered: Callable[[int], Awaitable[None]],
    ) -> list[Reply]:
        inside = self.inside
        mine = [replace(probe, user=True) if inside and isinstance(probe, HttpProbe) else probe for probe in probes]
        for probe in mine:
            if isinstance(probe, HttpProbe) and self.identity.covers(probe.request.origin):
                self.services.setdefault(str(probe.request.origin))
        replies = await ask_all(network, memo, mine, stop, answered)
        if not inside or not self.checkable or stop.is_set() or await self._inside(network):
            return replies
        self.lost += 1
        self.events.append(f"lost at {self._now()}")
        doubtful = [at for at, reply in enumerate(replies) if reply.http and _shows_login(reply.http)]
        if await self._enter(network):
            again = doubtful or [at for at, reply in enumerate(replies) if _is_plain(reply)]
            more = await ask_all(network, Memo(), [replies[at].probe for at in again], stop, answered)
            for at, reply in zip(again, more, strict=True):
                replies[at] = reply
        for at in doubtful:
            reply = replies[at]
            if reply.http and reply.outcome is Outcome.DONE and _shows_login(reply.http):
                replies[at] = replace(reply, outcome=Outcome.BLOCKED, reason=TURNED_AWAY)
        return replies

    def _now(self) -> str:
        return dt.datetime.fromtimestamp(self.clock.now(), dt.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")

    def lines(self) -> list[Attempt]:
        """The ledger's lines about it, one for each service that credentials may go to. What was found as the user is only
        called gone where such a line says that a later scan was one too."""
        said = [f"{self.identity.sent} requests were sent as the user of {self.identity.login.told}", *self.events]
        outcome, state = Outcome.DONE, "logged in" if self.checkable else f"credentials were sent; {NOT_SAID}"
        if self.trouble:
            outcome = Outcome.BLOCKED if self.lost else Outcome.FAILED
            state = f"{'no longer' if self.lost else 'not'} logged in: {self.trouble}"
        reason = self.identity.cleaned_text("; ".join([state, *said]))[:400]
        return [
            Attempt(PhaseName.CRAWL, CHECK, asset, outcome, reason) for asset in self.services or [self.target.url]
        ]

    def found(self, finding: Finding) -> Finding:
        """A finding of a step that asked as the user: that is one of the lines that must be done to look for it again."""
        lines = sought(finding).lines
        return replace(finding, found_by=(*lines, CHECK)) if self.inside and CHECK not in lines else finding

    async def _enter(self, network: Network) -> bool:
        """Log in; whether one is in."""
        form = self.identity.login.form
        if self.logins >= MAX_LOGINS or (self.logins and form is None):
            self.trouble = (
                f"the session was lost {self.lost} times"
                if form is not None
                else "the credentials are not accepted any more"
            )
            return False
        self.logins += 1
        try:
            self.trouble = await self._send_form(network, form) if form is not None else ""
            if not self.trouble:
                await self._judge(network)
        except (TargetError, ScopeRefused, BudgetSpent) as error:
            self.trouble = str(error)
        if not self.trouble and self.logins > 1:
            self.events.append("logged in again")
        return not self.trouble

    async def _judge(self, network: Network) -> None:
        """Whether one is in, after credentials were given."""
        login = self.identity.login
        if login.check_text:
            if not await self._inside(network):
                self.trouble = f"{self._check().url} does not show the text that only a user sees"
            return
        user = await network.http(self._check(), follow=FOLLOW, user=True)
        stranger = await network.http(self._check(), follow=FOLLOW)
        if _shows_login(user):
            said = f"answers {user.reply.status}" if _refused(user) else "still asks for a password"
            self.trouble = f"{self._check().url} {said}"
            return
        self.checkable = _shows_login(stranger)

    async def _inside(self, network: Network) -> bool:
        """Whether the page that tells says that one is in."""
        try:
            found = await network.http(self._check(), follow=FOLLOW, user=True)
        except (TargetError, ScopeRefused, BudgetSpent):
            return True  # nothing was said about it; what was asked has its own reply
        text = self.identity.login.check_text
        if text:
            return self.identity.cleaned(text.encode()) in found.reply.body and not _refused(found)
        return not _shows_login(found)

    def _check(self) -> HttpRequest:
        login = self.identity.login
        if login.check_url:
            return HttpRequest(place_of(login.check_url)[0], target=place_of(login.check_url)[1])
        origin = place_of(login.form.url)[0] if login.form is not None else self.target.origin
        return HttpRequest(origin, target=self.target.path)

    async def _send_form(self, network: Network, form: FormLogin) -> str:
        """Fetch, fill and send the form; why that could not be done, "" where it was."""
        self.identity.forget_cookies()
        origin, target = place_of(form.url)
        shown = await network.log_in(HttpRequest(origin, target=target), FOLLOW)
        shape = _form_of(shown, form)
        if shape is None:
            names = ", ".join(name for name, _ in form.fields)
            return f"{form.url} answered {shown.reply.status} without a form that has the fields {names}"
        if not self.identity.covers(shape.origin):
            return f"the form of {form.url} is sent to {shape.origin}, where credentials may not go"
        request = _filled(shape, form)
        sent = await network.log_in(request, FOLLOW)
        if _refused(sent) or sent.reply.status >= 400:
            return f"the form was answered with {sent.reply.status}"
        return ""


def _is_plain(reply: Reply) -> bool:
    """Whether a request may be made once more without harm, although it was answered."""
    probe = reply.probe
    return isinstance(probe, HttpProbe) and probe.request.method == "GET" and probe.payload is None


def _refused(exchange: HttpExchange) -> bool:
    return exchange.reply.status in (401, 403, 407)


def _shows_login(exchange: HttpExchange) -> bool:
    """Whether this is what somebody gets who is not logged in."""
    return _refused(exchange) or _leads_to_login(exchange.reply) or _asks_password(exchange.reply)


def _leads_to_login(reply: HttpReply) -> bool:
    location = (reply.header("location") or "").lower().partition("?")[0]
    words = ("login", "signin", "sign-in", "sign_in", "logon", "sso", "auth")
    return 300 <= reply.status < 400 and any(word in location for word in words)


def _asks_password(reply: HttpReply) -> bool:
    tags = read_html(reply.body[:300_000]).tags if b"password" in reply.body else ()
    return any(tag.name == "input" and tag.get("type").strip().lower() == "password" for tag in tags)


def _form_of(exchange: HttpExchange, form: FormLogin) -> RequestShape | None:
    """The form of the page that has the fields."""
    wanted = {name for name, _ in form.fields}
    request = HttpRequest(exchange.request.origin, target=exchange.request.target)
    for shape in form_shapes(read_html(exchange.reply.body), request):
        if wanted <= {parameter.name for parameter in shape.parameters}:
            return shape
    return None


def _filled(shape: RequestShape, form: FormLogin) -> HttpRequest:
    """The form as a browser sends it: what was typed, and every other field as it stood."""
    typed = dict(form.fields)
    pairs = [(p.name, typed.get(p.name, p.value)) for p in shape.parameters if p.place is not InputPlace.QUERY]
    query = urlencoded(
        [(p.name, typed.get(p.name, p.value)) for p in shape.parameters if p.place is InputPlace.QUERY]
    )
    target = shape.path + ("?" + query if query else "")
    if shape.method == "GET":
        return HttpRequest(shape.origin, target=target)
    if shape.content_type == MULTIPART:
        kind, body = f"{MULTIPART}; boundary={BOUNDARY}", multipart(pairs)
    else:
        kind, body = URLENCODED, urlencoded(pairs).encode("ascii")
    return HttpRequest(shape.origin, "POST", target, (("Content-Type", kind),), body)
