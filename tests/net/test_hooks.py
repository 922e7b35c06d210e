"""Webhooks leave through a gate of their own, over verified TLS, and read little of what comes back."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from tests.certificates import make_certificate
from tests.hookhost import receiving

from secrecon.model.errors import ConnectFailed, ScopeRefused, TargetTimeout, Unresolvable
from secrecon.model.webhook import parse_hook_url
from secrecon.net.hooks import MAX_ANSWER, HookSender
from secrecon.net.resolver import Resolver

NOWHERE = Resolver((("127.0.0.1", 9),), timeout=0.2)
HEADERS = {"Content-Type": "application/json", "webhook-id": "msg_1"}


def sender(*allow: str, ca: Path | None = None, seconds: float = 5.0) -> HookSender:
    return HookSender(allow, NOWHERE, ca, seconds)


async def test_what_is_posted_arrives_byte_for_byte() -> None:
    async with receiving() as host:
        reply = await sender("127.0.0.0/8").post(parse_hook_url(host.url("/a/b?c=%2e")), HEADERS, b'{"a": 1}')
    (taken,) = host.taken
    assert (reply.status, reply.text) == (204, "")
    assert taken.body == b'{"a": 1}'
    assert taken.path == "/a/b?c=%2e"
    assert taken.headers["host"] == f"127.0.0.1:{host.port}"
    assert taken.headers["webhook-id"] == "msg_1"


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://10.0.0.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[fe80::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://192.168.1.1:8443/x",
        "https://metadata.google.internal/",
    ],
)
async def test_private_places_are_refused(url: str) -> None:
    with pytest.raises(ScopeRefused):
        await sender().post(parse_hook_url(url), HEADERS, b"{}")


async def test_plain_http_is_for_allowed_places_only() -> None:
    with pytest.raises(ScopeRefused, match="must use https"):  # judged only: nothing is sent
        await sender().judge(parse_hook_url("http://8.8.8.8/"))
    assert await sender().judge(parse_hook_url("https://8.8.8.8/")) == ("8.8.8.8",)
    assert await sender("127.0.0.0/8").judge(parse_hook_url("http://127.0.0.1/")) == ("127.0.0.1",)


async def test_a_name_that_leads_nowhere_is_told() -> None:
    with pytest.raises((Unresolvable, TargetTimeout)):
        await sender().post(parse_hook_url("https://hooks.acme.test/"), HEADERS, b"{}")


async def test_a_redirect_is_not_followed() -> None:
    async with receiving() as host, receiving() as other:
        host.faults = [f"redirect:{other.url()}"]
        reply = await sender("127.0.0.0/8").post(parse_hook_url(host.url()), HEADERS, b"{}")
    assert reply.status == 302
    assert other.taken == []


async def test_a_tarpit_and_a_broken_line_are_told() -> None:
    async with receiving() as host:
        host.faults = ["hang", "close"]
        with pytest.raises(TargetTimeout, match="did not answer within"):
            await sender("127.0.0.0/8", seconds=0.3).post(parse_hook_url(host.url()), HEADERS, b"{}")
        with pytest.raises(ConnectFailed):
            await sender("127.0.0.0/8").post(parse_hook_url(host.url()), HEADERS, b"{}")


async def test_little_is_read_of_an_endless_answer() -> None:
    async with receiving() as host:
        host.faults = ["huge", "503:7", "503:Wed, 21 Oct 2026 07:28:00 GMT"]
        replies = [await sender("127.0.0.0/8").post(parse_hook_url(host.url()), HEADERS, b"{}") for _ in range(3)]
    assert [reply.status for reply in replies] == [500, 503, 503]
    assert len(replies[0].text) == MAX_ANSWER
    assert [reply.retry_after for reply in replies] == [0.0, 7.0, 0.0]


async def test_the_certificate_must_be_trusted_and_for_the_name(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path, "hooks.test")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    async with receiving(tls) as host:
        url = parse_hook_url(host.url())  # by address: the certificate names another place
        with pytest.raises(ConnectFailed, match=r"(?i)certificate"):
            await sender("127.0.0.0/8").post(url, HEADERS, b"{}")
        with pytest.raises(ConnectFailed, match=r"(?i)certificate"):
            await sender("127.0.0.0/8", ca=certificate).post(url, HEADERS, b"{}")
    assert host.taken == []
