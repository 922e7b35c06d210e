"""Conversations, handshakes in detail and DNS as text, against real servers on loopback."""

from __future__ import annotations

import asyncio
import json
import ssl
import struct
import time
from typing import TYPE_CHECKING

import pytest

from secrecon.model.errors import BudgetSpent, ConnectFailed, ScopeRefused, TargetTimeout, TlsFailed
from secrecon.model.scan import Budget
from secrecon.net import talk
from secrecon.net.connection import Timeouts
from secrecon.net.talk import Say, iana_name

if TYPE_CHECKING:
    from tests.net.conftest import FakeDns, MakeContext, MakeNetwork, Serve

SHORT = Timeouts(connect=0.5, tls=1.0, write=0.3, head=0.3, body=0.3, total=1.5)


def url(port: int, host: str = "127.0.0.1") -> str:
    return f"http://{host}:{port}/"


async def test_each_step_is_said_and_heard(serve: Serve, network: MakeNetwork) -> None:
    seen: list[bytes] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hel")
        await asyncio.sleep(0.05)
        writer.write(b"lo\r\n")
        seen.append(await reader.readexactly(4))
        writer.write(b"+PONG\x00\xff")
        seen.append(await reader.readexactly(3))
        writer.write(b"bye")

    port = await serve(handler)
    net = network(url(port))
    steps = [Say(b"", 100), Say(b"\x00\xffAB", 5), Say(b"C\r\n")]
    said = await net.converse("127.0.0.1", port, steps, 1024, tls=False, every=False)
    assert (said.reads, said.rest) == ((b"220 hello\r\n", b"+PONG", b""), b"\x00\xffbye")
    assert (said.address, seen, net.requests) == ("127.0.0.1", [b"\x00\xffAB", b"C\r\n"], 1)
    assert net.received == len(b"220 hello\r\n" + b"+PONG\x00\xffbye")


async def test_silence_and_a_reset_end_a_reading_not_the_conversation(serve: Serve, network: MakeNetwork) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        await asyncio.sleep(5)

    async def resets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"partial")
        await writer.drain()
        await asyncio.sleep(0.1)
        writer.get_extra_info("socket").setsockopt(1, 13, struct.pack("ii", 1, 0))  # SO_LINGER 0: a reset
        writer.transport.abort()

    for handler, heard in ((silent, b""), (resets, b"partial")):
        port = await serve(handler)
        said = await network(url(port), timeouts=SHORT).converse("127.0.0.1", port, [], 100, tls=False, every=True)
        assert said.rest == heard


async def test_streams_without_end_are_bounded_in_bytes_and_time(
    serve: Serve, network: MakeNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(talk, "MAX_TOTAL", 300_000)

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"x" * 65_536)
            await writer.drain()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b".")
            await asyncio.sleep(0.05)

    port = await serve(flood)
    said = await network(url(port)).converse("127.0.0.1", port, [Say(b"", 10**9)], 10**9, tls=False, every=False)
    assert (len(said.reads[0]), len(said.rest)) == (300_000, 300_000)
    port = await serve(drip)
    began = time.monotonic()
    said = await network(url(port), timeouts=SHORT).converse("127.0.0.1", port, [], 0, tls=False, every=True)
    assert said.rest.startswith(b"...")
    assert time.monotonic() - began < 10


async def test_a_peer_that_reads_nothing_costs_a_bounded_time(serve: Serve, network: MakeNetwork) -> None:
    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    port = await serve(deaf)
    net = network(url(port), timeouts=SHORT)
    with pytest.raises(TargetTimeout):
        await net.converse("127.0.0.1", port, [Say(b"x" * 30_000_000)], 1, tls=False, every=False)


async def test_conversations_inside_tls(serve: Serve, network: MakeNetwork, context: MakeContext) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(3))

    port = await serve(echo, tls=context())
    said = await network(url(port)).converse("127.0.0.1", port, [Say(b"abc")], 10, tls=True, every=True)
    assert said.rest == b"abc"
    plain = await serve(echo)
    with pytest.raises(TlsFailed):
        await network(url(plain)).converse("127.0.0.1", plain, [Say(b"abc")], 10, tls=True, every=True)


async def test_scope_and_budget_come_first(serve: Serve, network: MakeNetwork) -> None:
    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise AssertionError("contacted")

    port = await serve(never)
    net = network("http://127.0.0.1:1/")
    with pytest.raises(ScopeRefused):
        await net.converse("127.0.0.1", port, [], 1, tls=False, every=False)
    with pytest.raises(ScopeRefused):
        await net.shake("127.0.0.2", port, "", ("", ""))
    with pytest.raises(ConnectFailed):
        await net.converse("127.0.0.1", 1, [], 1, tls=False, every=False)
    poor = network(url(port), budget=Budget(requests=0))
    with pytest.raises(BudgetSpent):
        await poor.converse("127.0.0.1", port, [], 1, tls=False, every=False)


async def test_what_a_handshake_shows(serve: Serve, network: MakeNetwork, context: MakeContext) -> None:
    names: list[str | None] = []
    served = context(("made.test", "*.made.test"), days=(-90, -1))
    served.sni_callback = lambda _, name, __: names.append(name)

    async def nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    port = await serve(nothing, tls=served)
    shown = await network(url(port)).shake("127.0.0.1", port, "made.test", ("tls12", "tls12"))
    facts = shown.facts
    assert json.loads(shown.document) == facts
    assert {name: facts[name] for name in ("host", "ip", "port", "tls_version")} == {
        "host": "127.0.0.1", "ip": "127.0.0.1", "port": str(port), "tls_version": "tls12",
    }  # fmt: skip
    assert str(facts["cipher"]).startswith("TLS_ECDHE_RSA_WITH_")
    for name in ("expired", "self_signed", "mismatched", "wildcard_certificate", "untrusted"):
        assert facts[name] is True, name
    assert facts["subject_dn"] == facts["issuer_dn"] == "CN=made.test"
    assert facts["subject_an"] == ["made.test", "*.made.test"]
    assert str(facts["not_after"]).endswith("Z")
    assert str(facts["not_before"]) < str(facts["not_after"])
    assert names
    assert set(names) == {"made.test"}


async def test_a_covered_name_and_a_version_that_is_not_spoken(
    serve: Serve, network: MakeNetwork, context: MakeContext
) -> None:
    async def nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    port = await serve(nothing, tls=context(signer="made CA", minimum=ssl.TLSVersion.TLSv1_3))
    net = network(url(port))
    facts = (await net.shake("127.0.0.1", port, "", ("", ""))).facts
    assert (facts["tls_version"], facts["cipher"]) == ("tls13", "TLS_AES_256_GCM_SHA384")
    for name in ("expired", "self_signed", "mismatched", "wildcard_certificate"):
        assert facts[name] is False, name
    assert (facts["issuer_cn"], facts["subject_cn"]) == ("made CA", "localhost")
    for limits in (("tls10", "tls11"), ("", "tls12"), ("ssl30", "ssl30")):
        with pytest.raises(TlsFailed):
            await net.shake("127.0.0.1", port, "", limits)


async def test_dns_of_any_type_and_class_as_text(network: MakeNetwork, dns_server: FakeDns) -> None:
    dns_server.zone = {
        ("a.test", "A"): ["192.0.2.1", "192.0.2.2"],
        ("www.test", "CNAME"): ["gone.test."],
        ("txt.test", "TXT"): ['"v=spf1 -all"'],
    }
    net = network("http://a.test/", resolver=dns_server.resolver())
    told = await net.message("a.test", "A", "inet", recursion=True)
    one, two = (f"a.test.\t60\tIN\tA\t192.0.2.{number}" for number in (1, 2))
    raw = told["raw"].decode()
    order = sorted((one, two), key=raw.index)  # name servers rotate the records of a set
    assert told["answer"] == "".join(order).encode()
    assert told["question"] == b";a.test.\tIN\t A"
    assert (told["rcode"], told["server"]) == (b"0", f"127.0.0.1:{dns_server.port}".encode())
    assert raw.startswith(";; opcode: QUERY, status: NOERROR, id: ")
    assert "\n;; ANSWER SECTION:\n" + "\n".join(order) in raw
    told = await net.message("www.test", "CNAME", "inet", recursion=False)
    assert told["answer"] == b"www.test.\t60\tIN\tCNAME\tgone.test."
    assert b'TXT\t"v=spf1 -all"' in (await net.message("txt.test", "TXT", "inet", recursion=True))["raw"]
    missing = await net.message("no.test", "MX", "inet", recursion=True)
    assert (missing["rcode"], missing["answer"]) == (b"3", b"")
    assert b"status: NXDOMAIN" in missing["raw"]
    assert b"CH" in (await net.message("version.bind", "TXT", "chaos", recursion=False))["question"]
    dns_server.silent = True
    with pytest.raises(TargetTimeout):
        await net.message("a.test", "A", "inet", recursion=True)


@pytest.mark.parametrize(
    ("openssl", "registered"),
    [
        ("ECDHE-RSA-AES128-GCM-SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
        ("ECDHE-ECDSA-AES256-SHA384", "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384"),
        ("ECDHE-RSA-CHACHA20-POLY1305", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
        ("AES256-SHA", "TLS_RSA_WITH_AES_256_CBC_SHA"),
        ("AES128-GCM-SHA256", "TLS_RSA_WITH_AES_128_GCM_SHA256"),
        ("DES-CBC3-SHA", "TLS_RSA_WITH_3DES_EDE_CBC_SHA"),
        ("DHE-RSA-CAMELLIA256-SHA", "TLS_DHE_RSA_WITH_CAMELLIA_256_CBC_SHA"),
        ("ADH-AES128-SHA", "TLS_DH_anon_WITH_AES_128_CBC_SHA"),
        ("RC4-MD5", "TLS_RSA_WITH_RC4_128_MD5"),
        ("TLS_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256"),
        ("", ""),
    ],
)
def test_cipher_names_are_the_registrys(openssl: str, registered: str) -> None:
    assert iana_name(openssl) == registered
