"""A scan as a user: logged in by a form with a token, noticed when logged out, never signing out by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from tests.engine.conftest import make_engine, make_spec

from secrecon.engine.asking import Memo
from secrecon.engine.crawling.walk import CHECK as PAGES
from secrecon.engine.memory import MemoryLog
from secrecon.engine.phase import Dialogue, Phase
from secrecon.engine.phases.crawl import CrawlPhase
from secrecon.engine.phases.probe import ProbePhase
from secrecon.engine.phases.resolve import ResolvePhase
from secrecon.engine.visitor import CHECK, MAX_LOGINS, Visitor
from secrecon.model.asset import Page, RequestShape
from secrecon.model.finding import EvidenceLevel, Finding, Severity
from secrecon.model.http import HttpRequest
from secrecon.model.login import FormLogin, Login, checked_login
from secrecon.model.probe import HttpProbe
from secrecon.model.scan import Attempt, Budget, Outcome, PhaseName, ScanMode
from secrecon.model.target import parse_target
from secrecon.model.trace import ledger_of, not_looked, sought
from secrecon.net.clock import SystemClock
from secrecon.net.gate import ScopeGate
from secrecon.net.identity import Identity
from secrecon.net.network import Network
from secrecon.net.resolver import Resolver

SECRET = "rocket-skates"
FORM = (
    b"<form action='/in' method=post><input type=hidden name=token value=t0k3n><input name=user>"
    b"<input name=pass type=password><button>Log in</button></form>"
)


@dataclass
class Club:
    """Pages for members only. `patience`: requests until a session ends; `entries`: how many log-ins it grants."""

    port: int = 0
    patience: int = 10_000
    entries: int = 100
    logins: int = 0
    left: dict[str, int] = field(default_factory=dict)
    out: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                method, path = head.split(b" ")[:2]
                length = int((head.lower().partition(b"content-length: ")[2] or b"0").split(b"\r\n")[0])
                body = await reader.readexactly(length)
                writer.write(self.answer(method, path.decode(), head, body))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            return
        finally:
            writer.close()

    def answer(self, method: bytes, path: str, head: bytes, body: bytes) -> bytes:
        if path == "/login":
            return page(FORM, b"Set-Cookie: csrf=t0k3n\r\n")
        if (method, path) == (b"POST", "/in"):
            good = b"token=t0k3n" in body and b"csrf=t0k3n" in head and SECRET.encode() in body
            if not good or self.logins >= self.entries:
                return page(b"wrong", b"", b"403 No")
            self.logins += 1
            self.left[f"session-{self.logins}"] = self.patience
            return found("/", f"Set-Cookie: sid=session-{self.logins}\r\n".encode())
        session = head.partition(b"sid=")[2].split(b"\r\n")[0].split(b";")[0].decode()
        if self.left.get(session, 0) <= 0:
            return found("/login")
        self.left[session] -= 1
        if path == "/logout":
            self.out += 1
            self.left.clear()
        links = b"".join(b"<a href='/%s/x'>p</a>" % bytes([97 + n, 97 + n]) for n in range(20))
        return page(b"Hello Wile <a href='/logout'>Sign out</a><a href='/fetch?url=http://a.test/'>f</a>" + links)


def page(body: bytes, more: bytes = b"", status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Type: text/html\r\n%sContent-Length: %d\r\n\r\n%s" % (
        status,
        more,
        len(body),
        body,
    )


def found(where: str, more: bytes = b"") -> bytes:
    return b"HTTP/1.1 302 Found\r\nLocation: %s\r\n%sContent-Length: 0\r\n\r\n" % (where.encode(), more)


@pytest.fixture
async def club() -> AsyncIterator[Club]:
    running = Club()
    server = await asyncio.start_server(running.serve, "127.0.0.1", 0)
    running.port = server.sockets[0].getsockname()[1]
    yield running
    server.close()
    await asyncio.sleep(0)


def form(password: str = SECRET) -> FormLogin:
    return FormLogin("/login", (("user", "wile"), ("pass", password)))


async def scanned(club: Club, login: Login | None) -> MemoryLog:
    checked = checked_login(login, parse_target(club.url)) if login is not None else None
    log = MemoryLog(SystemClock().now(), lambda _: None, checked)
    spec = make_spec(club.url, budget=Budget(pages=40))
    phases: list[Phase | Dialogue] = [ResolvePhase(), ProbePhase(), CrawlPhase()]
    await make_engine(phases).run(spec, log)
    return log


def inside(log: MemoryLog) -> list[Page]:
    return [fact for fact in log.facts.values() if isinstance(fact, Page) and fact.status == 200 and fact.user]


def line(log: MemoryLog, club: Club) -> Attempt:
    return log.attempts[CHECK, club.url]


async def test_what_only_members_see_is_found_and_nobody_signs_out(club: Club) -> None:
    stranger = await scanned(club, None)
    assert not any("fetch" in key for key in stranger.facts)
    assert (CHECK, club.url) not in stranger.attempts
    log = await scanned(club, Login(form=form(), check_text="Hello Wile"))
    assert any(isinstance(fact, RequestShape) and fact.path == "/fetch" for fact in log.facts.values())
    assert len(inside(log)) > 20
    assert club.out == 0
    assert club.logins == 1
    assert line(log, club).outcome is Outcome.DONE
    assert line(log, club).reason.startswith("logged in")
    everything = repr((log.facts, log.attempts, log.findings))
    assert SECRET not in everything
    assert "session-1" not in everything


async def test_without_a_text_the_page_that_differs_tells(club: Club) -> None:
    log = await scanned(club, Login(form=form()))
    assert line(log, club).outcome is Outcome.DONE
    assert len(inside(log)) > 20


@pytest.mark.parametrize(
    ("login", "words"),
    [
        (Login(form=form("wrong-password")), "answered with 403"),
        (Login(form=FormLogin("/login", (("nobody", "x"),))), "without a form that has the fields nobody"),
        (Login(form=form(), check_text="Hello Road Runner"), "does not show the text"),
        (Login(cookies=(("sid", "made-up"),)), "still asks for a password"),
        (Login(headers=(("Authorization", "Bearer made-up"),), check_text="Hello"), "does not show the text"),
    ],
)
async def test_who_cannot_log_in_is_told_so(club: Club, login: Login, words: str) -> None:
    log = await scanned(club, login)
    assert line(log, club).outcome is Outcome.FAILED
    assert words in line(log, club).reason
    assert "wrong-password" not in line(log, club).reason
    assert not inside(log)


async def test_a_lost_session_is_begun_anew_and_what_it_cost_is_asked_again(club: Club) -> None:
    club.patience = 30
    log = await scanned(club, Login(form=form(), check_text="Hello Wile"))
    assert 2 <= club.logins <= MAX_LOGINS
    assert "logged in again" in line(log, club).reason
    assert "lost at" in line(log, club).reason
    assert len([p for p in inside(log) if p.url.endswith("/x")]) >= 18
    assert log.attempts[PAGES, club.url].outcome is Outcome.DONE


async def test_a_session_that_cannot_be_kept_is_told(club: Club) -> None:
    club.patience, club.entries = 12, 1
    log = await scanned(club, Login(form=form(), check_text="Hello Wile"))
    assert line(log, club).outcome is Outcome.BLOCKED
    assert line(log, club).reason.startswith("no longer logged in")
    assert club.logins <= MAX_LOGINS


async def test_credentials_that_nothing_tells_apart_are_sent_and_the_doubt_is_told(club: Club) -> None:
    club.left[""] = 10_000
    log = await scanned(club, Login(headers=(("X-Key", "abcdefgh"),)))
    assert line(log, club).outcome is Outcome.DONE
    assert "could not be told" in line(log, club).reason


async def test_what_a_user_found_is_not_gone_because_a_stranger_does_not_see_it(club: Club) -> None:
    """The finding names the log-in among the lines that must be done before its absence says anything."""
    found = Finding(
        "ssrf.callback",
        "SSRF",
        Severity.HIGH,
        club.url,
        "GET /fetch query:url",
        EvidenceLevel.CALLBACK,
        1.0,
        (),
        "",
        "",
        "",
    )
    stranger = await scanned(club, None)
    user = await scanned(club, Login(form=form(), check_text="Hello Wile"))
    target = parse_target(club.url)
    visitor = Visitor(
        target, Identity(checked_login(Login(form=form()), target), target), SystemClock(), begun=True
    )
    wanted = sought(visitor.found(found))
    assert wanted.lines == ("ssrf.callback", CHECK)
    done = Attempt(PhaseName.VERIFY, "ssrf.callback", club.url, Outcome.DONE)
    for log, gone in ((stranger, False), (user, True)):
        ledger = ledger_of(ScanMode.FULL, [*log.attempts.values(), done], [])
        assert (not_looked(wanted, ScanMode.FULL, ledger) == "") is gone


async def test_a_long_round_is_asked_in_slices_and_a_session_lost_within_is_mended(club: Club) -> None:
    """Three hundred requests with sessions of eighty: what was turned away is asked again, nothing is called done that
    was not."""
    club.patience = 80
    target = parse_target(club.url)
    identity = Identity(checked_login(Login(form=form(), check_text="Hello Wile"), target), target)
    resolver = Resolver((("127.0.0.1", 9),))
    gate = ScopeGate(target, ("127.0.0.0/8",), resolver)
    network = Network(gate, resolver, Budget(rate=1e6), SystemClock(), identity=identity)
    visitor = Visitor(target, identity, SystemClock())
    probes = [
        HttpProbe("ssrf.callback", club.url, HttpRequest(target.origin, target=f"/p{number}"))
        for number in range(300)
    ]
    counts: list[int] = []

    async def answered(count: int) -> None:
        counts.append(count)

    replies = await visitor.ask(network, Memo(), probes, asyncio.Event(), answered)
    await network.close()
    assert [reply.probe.request.target for reply in replies if isinstance(reply.probe, HttpProbe)] == [
        probe.request.target for probe in probes
    ]
    assert max(counts) <= 300
    for reply in replies:
        assert reply.http is not None
        if reply.outcome is Outcome.DONE:
            assert b"Hello Wile" in reply.http.reply.body
        else:
            assert reply.outcome is Outcome.BLOCKED
    assert sum(reply.outcome is Outcome.DONE for reply in replies) > 250
    assert 3 <= club.logins <= MAX_LOGINS
