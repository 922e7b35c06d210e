"""The callback protocol over real sockets: independent clients, our own client, and what hostile ones try."""

import asyncio
import json
import random
import smtplib
import ssl
from dataclasses import replace
from pathlib import Path

import dns.message
import pytest
from interactsh_mcp.client import InteractshClient, InteractshError
from tests.oast.talk import CORRELATION, PUBLIC, SECRET, TOKEN, call, opened, registration, tcp, udp
from tests.oast.test_ldap import BIND, ber, message, search

from secrecon.app.template_run import ServerCallbacks
from secrecon.model.errors import OperatorError
from secrecon.net.clock import SystemClock
from secrecon.oast.client import Gap, OastClient, ServerOptions
from secrecon.oast.ldap import START_TLS
from secrecon.oast.listener import Listener, ListenerConfig
from secrecon.oast.sessions import SessionLimits, Sessions


async def register(server: Listener) -> None:
    assert await call(server.http_port, "/register", registration()) == (
        200,
        b'{"message":"registration successful"}\n',
    )


async def poll(server: Listener, more: str = "", token: str = "") -> list[dict[str, object]]:
    status, body = await call(server.http_port, f"/poll?id={CORRELATION}&secret={SECRET}{more}", token=token)
    assert status == 200
    return opened(body)


async def fetch(server: Listener, host: str, path: str = "/") -> bytes:
    return await tcp(server.http_port, f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())


async def test_an_independent_client_works_unchanged(server: Listener) -> None:
    async with InteractshClient(f"127.0.0.1:{server.http_port}", scheme="http") as client:
        assert await client.poll() == []
        name = client.generate_payload().partition(".")[0]
        query = dns.message.make_query(f"A.{name.upper()}.CB.test", "AAAA")
        await udp(server.dns_port, query.to_wire())
        page = await fetch(server, f"{name}.cb.test:80", "/x?y=z")
        found = await client.poll()
        assert [(each.protocol, each.unique_id) for each in found] == [("dns", name), ("http", name)]
        by_dns, by_http = found
        assert (by_dns.q_type, by_dns.full_id) == ("AAAA", f"A.{name.upper()}")
        assert by_dns.raw_request is not None
        assert f";A.{name.upper()}.CB.test." in by_dns.raw_request
        assert (by_http.remote_address, by_http.full_id) == ("127.0.0.1", name)
        assert (by_http.raw_request or "").startswith("GET /x?y=z HTTP/1.1\r\nHost: ")
        assert name[::-1].encode() in page
        assert (by_http.raw_response or "").encode() == page
        assert await client.poll() == []
        stranger = InteractshClient(f"127.0.0.1:{server.http_port}", scheme="http")
        stranger.correlation_id = client.correlation_id
        with pytest.raises(InteractshError, match="already exists"):
            await stranger.register()
        await stranger.aclose()
    with pytest.raises(InteractshError):
        await client.poll()


async def test_our_client_acknowledges_and_registers_again_after_eviction(server: Listener) -> None:
    gaps: list[Gap] = []
    client = OastClient(f"http://127.0.0.1:{server.http_port}", SystemClock(), on_gap=gaps.append)
    await client.start()
    _, token = client.mint()
    await fetch(server, f"{token}.cb.test")
    (hit,) = await client.poll()
    assert (hit.token, hit.protocol, hit.remote_address) == (token, "http", "127.0.0.1")
    assert server.sessions is not None
    assert server.sessions.held > 0  # kept until the next poll says that it came
    assert await client.poll() == []
    assert server.sessions.held == 0
    server.sessions.forget(client.identity.correlation)
    assert await client.poll() == []
    assert len(gaps) == 1
    assert gaps[0].since <= gaps[0].until
    await fetch(server, f"{token}.cb.test")
    assert [hit.token for hit in await client.poll()] == [token]
    await client.close()
    assert len(server.sessions) == 0


async def test_a_template_run_says_that_callbacks_may_be_missing(server: Listener) -> None:
    client = OastClient(f"http://127.0.0.1:{server.http_port}", SystemClock())
    callbacks = ServerCallbacks(client)
    await callbacks.start()
    assert (await callbacks.collect(), callbacks.problem) == ([], "")
    assert server.sessions is not None
    server.sessions.forget(client.identity.correlation)
    await callbacks.collect()
    assert "had forgotten our session" in callbacks.problem
    await callbacks.collect()
    assert "had forgotten our session" in callbacks.problem  # what was missed stays missed
    await callbacks.stop()


async def test_a_session_goes_on_after_its_client_was_restarted(server: Listener) -> None:
    first = OastClient(f"http://127.0.0.1:{server.http_port}", SystemClock())
    await first.start()
    _, token = first.mint()
    await first.leave()
    await fetch(server, f"{token}.cb.test")
    second = OastClient(f"http://127.0.0.1:{server.http_port}", SystemClock(), identity=first.identity)
    await second.start()
    assert [hit.token for hit in await second.poll()] == [token]
    await second.close()


@pytest.mark.parametrize(
    "host", [TOKEN, f"pre-{TOKEN}-post", f"pre{TOKEN}", f"{TOKEN}post", f"a.{TOKEN.upper()}.b"]
)
async def test_text_glued_to_an_id_is_no_hindrance(server: Listener, host: str) -> None:
    await register(server)
    await udp(server.dns_port, dns.message.make_query(f"{host}.cb.test", "A").to_wire())
    await fetch(server, f"{host}.cb.test")
    assert [(hit["protocol"], hit["unique-id"]) for hit in await poll(server)] == [("dns", TOKEN), ("http", TOKEN)]


async def test_every_session_in_a_request_is_told(server: Listener) -> None:
    await register(server)
    other = "zyxwvutsrq9876543210"
    await call(server.http_port, "/register", registration(other))
    await fetch(server, f"{TOKEN}.{other}1234567890123.cb.test")
    assert len(await poll(server)) == 1
    _, body = await call(server.http_port, f"/poll?id={other}&secret={SECRET}")
    assert len(opened(body)) == 1


async def test_mail_and_directory_hits_with_and_without_encryption(
    server: Listener, trusting: ssl.SSLContext
) -> None:
    await register(server)
    trusting.check_hostname = False

    def send() -> None:
        for encrypted in (False, True):
            with smtplib.SMTP("127.0.0.1", server.smtp_port, timeout=5) as client:
                if encrypted:
                    client.starttls(context=trusting)
                client.login("user", "secret")
                client.sendmail("from@x.test", [f"someone@{TOKEN.upper()}.cb.test"], b"Subject: hi\r\n\r\ntext")

    await asyncio.to_thread(send)
    found = await poll(server)
    assert [(hit["protocol"], hit["unique-id"], hit["smtp-from"]) for hit in found] == [
        ("smtp", TOKEN, "from@x.test")
    ] * 2
    assert found[0]["remote-address"] == "127.0.0.1"
    assert "Subject: hi" in str(found[0]["raw-request"])
    reader, writer = await asyncio.open_connection("127.0.0.1", server.ldap_port)
    for wire in (message(1, BIND), message(2, search(f"dc={TOKEN}")), message(3, ber(0x77, ber(0x80, START_TLS)))):
        writer.write(wire)
        assert len(await reader.read(100)) == 14
    await writer.start_tls(trusting, server_hostname="cb.test")
    writer.write(message(4, search(f"dc={TOKEN}")))
    assert len(await reader.read(100)) == 14
    writer.close()
    found = await poll(server)
    assert [(hit["protocol"], hit["remote-address"]) for hit in found] == [("ldap", "127.0.0.1")] * 2
    assert str(found[0]["raw-request"]).startswith("Type=Search\nBaseDn=dc=")


async def test_https_is_told_as_https_and_serves_the_control_calls(
    server: Listener, trusting: ssl.SSLContext, certificate: tuple[Path, Path]
) -> None:
    await register(server)
    page = await tcp(server.https_port, f"GET / HTTP/1.1\r\nHost: {TOKEN}.cb.test\r\n\r\n".encode(), trusting)
    assert TOKEN[::-1].encode() in page
    assert [hit["protocol"] for hit in await poll(server)] == ["https"]
    options = ServerOptions(ca=str(certificate[0]), token="t")
    client = OastClient(f"https://127.0.0.1:{server.https_port}", SystemClock(), options)
    with pytest.raises(OperatorError, match="cannot be asked"):
        await client.start()  # the certificate is for another name, and the token was not sent
    await client.leave()


async def test_an_unverified_server_or_plain_http_never_sees_the_token() -> None:
    for server, options in (
        ("http://oast.test", ServerOptions(token="t")),
        ("https://oast.test", ServerOptions(token="t", verify=False)),
    ):
        with pytest.raises(OperatorError, match="token would be readable"):
            OastClient(server, SystemClock(), options)


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("/register", None, "could not decode json body"),
        ("/register", {"correlation-id": CORRELATION}, "could not set id and public key"),
        ("/register", registration("short"), "could not set id and public key: correlation-id must be 20"),
        ("/register", registration(key="AAAA"), "could not set id and public key: could not read public Key"),
        ("/deregister", registration("z" * 20), "could not remove id: could not get correlation-id from cache"),
        ("/poll", None, "no id specified for poll"),
        ("/poll?id=a", None, "no secret specified for poll"),
        ("/poll?id=a&secret=b", None, "could not get interactions: could not get correlation-id from cache"),
        (f"/poll?id={'a' * 5000}&secret=%ff", None, "no secret specified for poll"),
    ],
)
async def test_refusals_have_the_protocols_own_words(
    server: Listener, path: str, body: dict[str, str] | None, words: str
) -> None:
    status, answer = await call(server.http_port, path, body)
    assert status == 400
    assert words in json.loads(answer)["error"]


@pytest.mark.parametrize("body", [b"[]", b"1", b"{" * 50_000, b'{"public-key": 1}', b"\xff\xfe", b"[" * 60_000])
async def test_bodies_that_are_no_registration_are_refused(server: Listener, body: bytes) -> None:
    head = f"POST /register HTTP/1.1\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    answer = await tcp(server.http_port, head + body)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"could not decode json body" in answer


async def test_wrong_secrets_and_replayed_polls_read_nothing(server: Listener) -> None:
    await register(server)
    await fetch(server, f"{TOKEN}.cb.test")
    for secret in ("", "x", SECRET.upper()):
        status, answer = await call(server.http_port, f"/poll?id={CORRELATION}&secret={secret}")
        assert status == 400
        assert b"data" not in answer
    status, _ = await call(server.http_port, "/deregister", registration(secret="x"))
    assert status == 400
    assert len(await poll(server)) == 1
    assert await poll(server) == []  # the same poll again
    assert await poll(server, "&ack=0123456789abcdef") == []  # an acknowledgement of nothing
    await call(server.http_port, "/deregister", registration())
    status, answer = await call(server.http_port, f"/poll?id={CORRELATION}&secret={SECRET}")
    assert (status, b"could not get correlation-id from cache" in answer) == (400, True)


async def test_control_calls_follow_each_other_on_one_connection(server: Listener) -> None:
    body = json.dumps(registration()).encode()
    first = f"POST /register HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    second = f"GET /poll?id={CORRELATION}&secret={SECRET} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    last = b"OPTIONS /poll HTTP/1.1\r\nConnection: close\r\n\r\n"
    answer = await tcp(server.http_port, first + second + last)
    assert [line.split()[1] for line in answer.splitlines() if line.startswith(b"HTTP/1.1")] == [
        b"200", b"200", b"204",
    ]  # fmt: skip
    smuggling = b"POST /register HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n"
    answer = await tcp(server.http_port, smuggling + b"0\r\n\r\n" + second)
    assert answer.count(b"HTTP/1.1 ") == 1


async def test_a_large_poll_arrives_whole(server: Listener) -> None:
    await register(server)
    packet = dns.message.make_query(f"{TOKEN}.cb.test", "A").to_wire()
    for _ in range(300):
        await udp(server.dns_port, packet)
    assert len(await poll(server)) == 300


async def with_token(*, wildcard: bool = False, dynamic: bool = False) -> Listener:
    config = ListenerConfig(
        "127.0.0.1", 0, 0, domain="cb.test", ldap_port=0, smtp_port=0, token="pass word", patience=2.0
    )
    config = replace(config, wildcard=wildcard, dynamic=dynamic)
    running = Listener(config, None, SystemClock(), sessions=Sessions(SessionLimits(), random.Random(1)))
    await running.start()
    return running


async def test_without_the_token_nothing_is_told() -> None:
    server = await with_token()
    try:
        for token in ("", "pass", "Bearer pass word", "PASS WORD"):
            assert await call(server.http_port, "/register", registration(), token) == (401, b"")
            assert await call(server.http_port, f"/poll?id={CORRELATION}&secret={SECRET}", None, token) == (
                401,
                b"",
            )
        assert (await call(server.http_port, "/register", registration(), "pass word"))[0] == 200
        status, counters = await call(server.http_port, "/metrics", token="pass word")
        assert (status, json.loads(counters)["sessions"]) == (200, 1)
        assert (await call(server.http_port, "/metrics"))[0] == 401
        answer = await tcp(server.http_port, b"OPTIONS /register HTTP/1.1\r\nConnection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 204 ")
        assert b"Access-Control-Allow-Origin: *" in answer
    finally:
        await server.stop()


async def test_each_holder_of_the_token_reads_the_shared_basket_once() -> None:
    shared = await with_token(wildcard=True)
    try:
        other = "zyxwvutsrq9876543210"
        for id_ in (CORRELATION, other):
            await call(shared.http_port, "/register", registration(id_), "pass word")
        await udp(shared.dns_port, dns.message.make_query("nobody.cb.test", "A").to_wire())
        counts = []
        for id_ in (CORRELATION, CORRELATION, other, other):
            _, body = await call(shared.http_port, f"/poll?id={id_}&secret={SECRET}", None, "pass word")
            counts.append(len(json.loads(body).get("tlddata", [])))
        assert counts == [1, 0, 1, 0]
    finally:
        await shared.stop()


async def test_a_directory_search_without_an_id_goes_to_all_holders_of_the_token() -> None:
    server = await with_token()
    try:
        await call(server.http_port, "/register", registration(), "pass word")
        reader, writer = await asyncio.open_connection("127.0.0.1", server.ldap_port)
        writer.write(message(1, search("dc=nobody")))
        await reader.read(100)
        writer.close()
        _, body = await call(server.http_port, f"/poll?id={CORRELATION}&secret={SECRET}", None, "pass word")
        (item,) = json.loads(body)["extra"]
        assert json.loads(item)["protocol"] == "ldap"
    finally:
        await server.stop()


async def test_a_wildcard_without_a_token_is_refused() -> None:
    with pytest.raises(OperatorError, match="token"):
        Listener(ListenerConfig("127.0.0.1", 0, 0, wildcard=True), None, SystemClock())


async def test_answers_are_written_by_owners_only_where_the_operator_wants_that(server: Listener) -> None:
    wish = "/?status=418&header=X-A:b&header=Content-Length:9&header=Evil:a%0d%0ab&body=%3Cb%3E&delay=0"
    await register(server)
    plain = await fetch(server, f"{TOKEN}.cb.test", wish)
    assert plain.startswith(b"HTTP/1.1 200 ")
    dynamic = await with_token(dynamic=True)
    try:
        await call(dynamic.http_port, "/register", registration(), "pass word")
        answer = await fetch(dynamic, f"{TOKEN}.cb.test", wish)
        assert answer.startswith(b"HTTP/1.1 418 ")
        assert answer.endswith(b"\r\n\r\n<b>")
        assert b"X-A: b\r\n" in answer
        assert b"Evil" not in answer
        assert answer.count(b"Content-Length") == 1
        stranger = await fetch(dynamic, "nobody.cb.test", wish)
        assert stranger.startswith(b"HTTP/1.1 404 ")
    finally:
        await dynamic.stop()


async def test_registrations_of_one_client_are_limited() -> None:
    config = ListenerConfig("127.0.0.1", 0, 0, registrations_per_second=2)
    running = Listener(config, None, SystemClock(), sessions=Sessions(SessionLimits(), random.Random(1)))
    await running.start()
    try:
        codes = [(await call(running.http_port, "/register", registration(key=PUBLIC)))[0] for _ in range(8)]
        assert 429 in codes
    finally:
        await running.stop()
