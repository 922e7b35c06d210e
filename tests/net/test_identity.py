"""Credentials: on requests to the target's own hosts, on no others, and in nothing that comes back."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING

import pytest

from secrecon.model.http import Headers, HttpExchange, HttpReply, HttpRequest
from secrecon.model.login import FormLogin, Login
from secrecon.model.scan import Budget
from secrecon.model.target import Origin, parse_target
from secrecon.net.clock import SystemClock
from secrecon.net.gate import ScopeGate
from secrecon.net.identity import Identity
from secrecon.net.network import Network
from secrecon.net.resolver import Resolver

if TYPE_CHECKING:
    from tests.net.conftest import Serve

APP = Origin("https", "app.acme.test", 443)
TOKEN = "s3cr3t-token-value"
BEARER = (("Authorization", f"Bearer {TOKEN}"),)


def reply(body: bytes = b"", headers: Headers = ()) -> HttpReply:
    return HttpReply(200, "OK", headers, body, b"HTTP/1.1 200 OK\r\n\r\n", body, b"", False, (), 0.1, "127.0.0.1")


@pytest.mark.parametrize(
    ("target", "hosts", "origin", "may"),
    [
        ("https://app.acme.test", (), APP, True),
        ("https://app.acme.test", (), Origin("http", "app.acme.test", 80), False),
        ("acme.test", (), Origin("https", "acme.test", 8443), True),
        ("acme.test", (), Origin("http", "acme.test", 80), False),
        ("acme.test", (), APP, False),
        ("acme.test", ("app.acme.test",), APP, True),
        ("acme.test", ("app.acme.test",), Origin("https", "evil.test", 443), False),
        ("http://app.acme.test:8080", (), Origin("http", "app.acme.test", 8080), True),
        ("http://app.acme.test:8080", (), Origin("https", "app.acme.test", 443), False),
    ],
)
def test_where_credentials_may_go(target: str, hosts: tuple[str, ...], origin: Origin, may: bool) -> None:
    identity = Identity(Login(headers=BEARER, hosts=hosts), parse_target(target))
    sent = identity.dressed(HttpRequest(origin))
    assert identity.covers(origin) is may
    assert (TOKEN in repr(sent)) is may


def test_a_request_keeps_what_it_brings_but_not_the_users_cookie() -> None:
    identity = Identity(Login(headers=BEARER, cookies=(("sid", TOKEN),)), parse_target(str(APP)))
    own = HttpRequest(APP, headers=(("authorization", "mine"), ("Cookie", "sid=other; lang=en")))
    sent = identity.dressed(own)
    assert dict(sent.headers) == {"authorization": "mine", "Cookie": f"sid={TOKEN}; lang=en"}
    assert TOKEN not in repr(identity.shown(own))


def test_cookies_that_are_set_are_kept_for_the_hosts_they_are_for() -> None:
    target = parse_target("acme.test")
    identity = Identity(
        Login(form=FormLogin("https://app.acme.test/", (("a", "b"),)), hosts=("api.acme.test",)), target
    )
    headers = (
        ("Set-Cookie", "own=1234567; Path=/; HttpOnly"),
        ("Set-Cookie", "wide=7654321; Domain=acme.test"),
        ("Set-Cookie", "foreign=1; Domain=evil.test"),
        ("Set-Cookie", "gone=; Max-Age=0"),
        ("Set-Cookie", "nonsense"),
    )
    identity.received(HttpRequest(APP), reply(headers=headers))
    assert dict(identity.dressed(HttpRequest(APP)).headers)["Cookie"] == "own=1234567; wide=7654321"
    other = identity.dressed(HttpRequest(Origin("https", "api.acme.test", 443)))
    assert dict(other.headers)["Cookie"] == "wide=7654321"
    identity.forget_cookies()
    assert identity.dressed(HttpRequest(APP)).headers == ()


async def test_the_wire_carries_them_and_nothing_that_comes_back_does(serve: Serve) -> None:
    """A redirect to another host of the target carries none; an echo, a cookie and the kept request are masked."""
    heads: dict[str, bytes] = {}

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        path = head.split(b" ")[1].decode()
        heads[path] = head
        if path == "/":
            writer.write(
                b"HTTP/1.1 302 Found\r\nSet-Cookie: sid=fresh-session-1\r\nContent-Length: 0\r\nLocation: /in\r\n\r\n"
            )
        elif path == "/in":
            where = f"http://localhost:{port}/out".encode()
            writer.write(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: %s\r\n\r\n" % where)
        else:
            body = b"echo " + TOKEN.encode() + b" fresh-session-1"
            writer.write(
                b"HTTP/1.1 200 OK\r\nX-Echo: %s\r\nContent-Length: %d\r\n\r\n%s" % (TOKEN.encode(), len(body), body)
            )

    port = await serve(serve_one)
    target = parse_target(f"http://127.0.0.1:{port}")
    identity = Identity(Login(headers=BEARER), target)
    resolver = Resolver([("127.0.0.1", 9)])
    own = Origin("http", "localhost", port)
    gate = ScopeGate(target, ("127.0.0.1", "localhost"), resolver, (own,))
    net = Network(gate, resolver, Budget(), SystemClock(), identity=identity)
    first = await net.http(HttpRequest(target.origin), follow=5, user=True)
    assert TOKEN.encode() in heads["/"]
    assert b"sid=fresh-session-1" in heads["/in"]
    assert "/out" not in heads
    echo = await net.http(HttpRequest(target.origin, target="/echo"), user=True)
    stranger = await net.http(HttpRequest(target.origin, target="/plain"))
    await net.close()
    assert TOKEN.encode() in heads["/echo"]
    assert TOKEN.encode() not in heads["/plain"]
    assert b"sid=" not in heads["/plain"]
    for secret in (TOKEN, "fresh-session-1"):
        assert secret not in repr((first, echo)), "a secret came back"
    assert b"Authorization: ***" in echo.reply.request_bytes
    assert echo.reply.body == b"echo *** ***"
    assert stranger.reply.status == 200


def test_a_session_that_changes_with_every_answer_stays_hidden_and_so_does_what_the_user_gave() -> None:
    identity = Identity(Login(headers=BEARER), parse_target(str(APP)))
    for number in range(1_000):
        identity.received(HttpRequest(APP), reply(headers=(("Set-Cookie", f"sid=session-{number:06}%3D"),)))
    kept = identity.cleaned(f"{TOKEN} session-000999%3D session-000999= session-000998%3D".encode())
    assert kept == b"*** *** *** ***"


def test_a_secret_is_hidden_however_it_is_written() -> None:
    packed = base64.b64encode(b"ada:hunter2&co").decode()
    identity = Identity(Login(headers=(("Authorization", f"Basic {packed}"),)), parse_target(str(APP)))
    assert identity.cleaned(f"{packed} hunter2&co hunter2&amp;co hunter2%26co".encode()) == b"*** *** *** ***"


def test_a_session_in_an_address_is_hidden_in_what_is_kept_of_the_request() -> None:
    identity = Identity(Login(headers=BEARER), parse_target(str(APP)))
    identity.received(HttpRequest(APP), reply(headers=(("Set-Cookie", "JSESSIONID=A1B2C3D4E5F6"),)))
    asked = HttpRequest(APP, "POST", "/in;jsessionid=A1B2C3D4E5F6", (("Referer", f"/?t={TOKEN}"),), TOKEN.encode())
    shown = identity.hidden(HttpExchange(asked, reply())).request
    assert (shown.target, shown.body, dict(shown.headers)["Referer"]) == ("/in;jsessionid=***", b"***", "/?t=***")


async def test_a_password_does_not_follow_a_redirect_to_a_host_that_it_may_not_go_to(serve: Serve) -> None:
    """307 keeps the body, so the log-in ends there; and the address that was refused is told without the token in it."""
    asked: list[bytes] = []

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        host = "127.0.0.2" if b"/gone" in asked[-1] else "localhost"
        where = f"http://{host}:{port}/take?t={TOKEN}".encode()
        writer.write(b"HTTP/1.1 307 Moved\r\nContent-Length: 0\r\nLocation: %s\r\n\r\n" % where)

    port = await serve(serve_one)
    target = parse_target(f"http://127.0.0.1:{port}")
    resolver = Resolver([("127.0.0.1", 9)])
    gate = ScopeGate(target, ("127.0.0.1", "localhost"), resolver, (Origin("http", "localhost", port),))
    net = Network(gate, resolver, Budget(), SystemClock(), identity=Identity(Login(headers=BEARER), target))
    sent = await net.log_in(HttpRequest(target.origin, "POST", "/login", (), b"password=hunter2"), 5)
    await net.http(HttpRequest(target.origin, target="/gone"), follow=5, user=True)
    await net.close()
    assert (sent.reply.status, sent.hops[1:]) == (307, ())
    assert not any(b"/take" in head.split(b"\r\n")[0] for head in asked)
    assert [refusal.url for refusal in net.refusals] == [f"http://127.0.0.2:{port}/take?t=***"]
