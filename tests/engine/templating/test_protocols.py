"""Templates that do not speak HTTP, or ask the network from within an expression: dns, ssl, tcp, resolve, jarm, cname.

Each on a server that triggers it and one that does not.
"""

from __future__ import annotations

import asyncio
import ssl

import pytest
from tests.engine.templating.stage import Came, made, network, run
from tests.net.conftest import FakeDns, MakeContext, Serve

from secrecon.model.scan import Outcome
from secrecon.templates.execution.subject import parse_subject

PAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nmarked"


async def page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A web server of one page."""
    while await reader.readuntil(b"\r\n\r\n"):
        writer.write(PAGE)
        await writer.drain()


async def run_on(text: str, target: str, dns_server: FakeDns | None = None) -> Came:
    resolver = dns_server.resolver() if dns_server is not None else None
    return await run(made(text), target, net=network(resolver, parse_subject(target).origin.host))


@pytest.mark.parametrize(
    ("text", "hit", "miss"),
    [
        ("dns:\n  - name: '{{FQDN}}'\n    type: CNAME\n    matchers: [{type: word, words: [old.cloud.test]}]\n",
         {("app.acme.test", "CNAME"): ["old.cloud.test."]}, {("app.acme.test", "CNAME"): ["new.cloud.test."]}),
        ("dns:\n  - name: '_dmarc.{{RDN}}'\n    type: TXT\n    matchers: [{type: regex, part: answer, regex: ['v=DMARC1']}]\n",
         {("_dmarc.acme.test", "TXT"): ['"v=DMARC1; p=none"']}, {("_dmarc.acme.test", "TXT"): ['"none"']}),
        ("dns:\n  - name: '{{FQDN}}'\n    type: A\n    matchers: [{type: dsl, dsl: ['rcode == 3']}]\n",
         {}, {("app.acme.test", "A"): ["192.0.2.1"]}),
        ("dns:\n  - name: '{{FQDN}}'\n    type: MX\n    extractors: [{type: regex, group: 1, regex: ['MX\\t(.+)\\.']}]\n",
         {("app.acme.test", "MX"): ["10 mail.acme.test."]}, {("app.acme.test", "A"): ["192.0.2.1"]}),
        ("dns:\n  - name: '{{FQDN}}'\n    type: A\n"
         "    matchers: [{type: dsl, dsl: [\"resolve('b.acme.test') == '192.0.2.9'\"]}]\n",
         {("app.acme.test", "A"): ["192.0.2.1"], ("b.acme.test", "A"): ["192.0.2.9"]},
         {("app.acme.test", "A"): ["192.0.2.1"]}),
    ],
    ids=["cname", "txt", "no such name", "extracted", "resolve"],
)  # fmt: skip
async def test_dns(
    dns_server: FakeDns,
    text: str,
    hit: dict[tuple[str, str], list[str]],
    miss: dict[tuple[str, str], list[str]],
) -> None:
    dns_server.zone.update(hit)
    assert len((await run_on(text, "https://app.acme.test", dns_server)).found) == 1
    dns_server.zone.clear()
    dns_server.zone.update(miss)
    came = await run_on(text, "https://app.acme.test", dns_server)
    assert (came.found, came.attempt.outcome) == ([], Outcome.DONE)


async def test_dns_that_is_silent_is_not_clean(dns_server: FakeDns) -> None:
    dns_server.silent = True
    came = await run_on("dns:\n  - name: '{{FQDN}}'\n    type: A\n", "https://app.acme.test", dns_server)
    assert (came.found, came.attempt.outcome) == ([], Outcome.TIMED_OUT)


async def test_ssl(serve: Serve, context: MakeContext) -> None:
    text = """
ssl:
  - address: "{{Host}}:{{Port}}"
    min_version: tls12
    max_version: tls12
    matchers-condition: and
    matchers:
      - {type: dsl, dsl: ["self_signed == true && tls_version == 'tls12' && mismatched == false"]}
      - {type: word, part: response, words: ['"subject_cn": "127.0.0.1"']}
    extractors: [{type: kval, kval: [tls_version]}, {type: json, json: [".issuer_cn"]}]
"""
    port = await serve(page, tls=context(("127.0.0.1",)))
    assert (await run_on(text, f"https://127.0.0.1:{port}")).found == ["-=tls12,127.0.0.1"]
    newer = await serve(page, tls=context(("127.0.0.1",), minimum=ssl.TLSVersion.TLSv1_3))
    assert (await run_on(text, f"https://127.0.0.1:{newer}")).found == []
    other = await serve(page, tls=context(("other.test",)))
    came = await run_on(text, f"https://127.0.0.1:{other}")
    assert (came.found, came.attempt.outcome) == ([], Outcome.DONE)


async def test_tcp(serve: Serve) -> None:
    text = """
variables: {word: "{{to_upper('hello')}}"}
tcp:
  - host: ["{{Hostname}}"]
    inputs:
      - {data: "{{word}}\\r\\n", read: 16, name: first}
      - {data: "5149540d0a", type: hex}
    read-size: 64
    matchers-condition: and
    matchers:
      - {type: word, part: first, words: ["220 HELLO"]}
      - {type: word, words: ["221 bye"]}
    extractors: [{type: regex, part: raw, group: 1, regex: ["221 (\\\\w+)"]}]
"""

    async def talks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 " + await reader.readline())
        if await reader.readline() == b"QIT\r\n":
            writer.write(b"221 bye\r\n")
        await writer.drain()

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()

    port = await serve(talks)
    assert (await run_on(text, f"http://127.0.0.1:{port}")).found == ["-=bye"]
    came = await run_on(text, f"http://127.0.0.1:{await serve(mute)}")
    assert (came.found, came.attempt.outcome) == ([], Outcome.DONE)


async def test_tcp_inside_tls_with_payloads(serve: Serve, context: MakeContext) -> None:
    text = """
tcp:
  - host: ["tls://{{Host}}:{{Port}}"]
    inputs: [{data: "{{p}}\\n"}]
    stop-at-first-match: true
    payloads: {p: [a, b, c]}
    matchers: [{type: word, words: ["yes {{p}}"]}]
"""
    heard: list[bytes] = []

    async def talks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readline())
        writer.write(b"yes b" if heard[-1] == b"b\n" else b"no")
        await writer.drain()

    port = await serve(talks, tls=context(("127.0.0.1",)))
    assert (await run_on(text, f"https://127.0.0.1:{port}")).found == ["-"]
    assert heard == [b"a\n", b"b\n"]


async def test_a_closed_port_is_not_clean(serve: Serve) -> None:
    came = await run_on(
        "tcp:\n  - host: ['127.0.0.1:1']\n    matchers: [{type: word, words: [x]}]\n", "http://127.0.0.1"
    )
    assert came.attempt.outcome is Outcome.FAILED
    assert "127.0.0.1:1" in came.attempt.reason


async def test_nothing_outside_the_scope_is_talked_to() -> None:
    for text in (
        "tcp:\n  - host: ['192.0.2.1:80']\n    matchers: [{type: word, words: [x]}]\n",
        "ssl:\n  - address: 192.0.2.1:443\n    matchers: [{type: dsl, dsl: ['self_signed']}]\n",
        "tcp:\n  - host: ['192.0.2.1:80']\n    matchers: [{type: dsl, dsl: [\"jarm('192.0.2.1:443') == ''\"]}]\n",
    ):
        assert (await run_on(text, "http://127.0.0.1")).attempt.outcome is Outcome.BLOCKED


async def test_cname_of_the_host(serve: Serve, dns_server: FakeDns) -> None:
    text = """
http:
  - path: ["{{BaseURL}}"]
    matchers-condition: and
    matchers:
      - {type: dsl, dsl: ['Host != ip', 'contains(cname, "cloud.test")'], condition: and}
      - {type: word, words: [marked]}
    extractors: [{type: dsl, dsl: [cname]}]
"""
    port = await serve(page)
    dns_server.zone.update(
        {("app.acme.test", "CNAME"): ["old.cloud.test."], ("old.cloud.test", "A"): ["127.0.0.1"]}
    )
    came = await run_on(text, f"http://app.acme.test:{port}", dns_server)
    assert came.found == ["-=old.cloud.test"]
    dns_server.zone.clear()
    dns_server.zone.update({("app.acme.test", "A"): ["127.0.0.1"]})
    came = await run_on(text, f"http://app.acme.test:{port}", dns_server)
    assert (came.found, came.attempt.outcome) == ([], Outcome.DONE)


async def test_resolve_in_a_request(serve: Serve, dns_server: FakeDns) -> None:
    heard: list[bytes] = []

    async def notes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append((await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")[0])
        writer.write(PAGE)
        await writer.drain()

    port = await serve(notes)
    dns_server.zone.update({("b.acme.test", "AAAA"): ["2001:db8::1"], ("b.acme.test", "MX"): ["5 m.acme.test."]})
    text = 'http:\n  - path: [\'{{BaseURL}}/{{resolve("b.acme.test", "6")}}/{{resolve("b.acme.test", "mx")}}\']\n'
    text += "    matchers: [{type: status, status: [200]}]\n"
    assert (await run_on(text, f"http://127.0.0.1:{port}", dns_server)).found == ["-"]
    assert heard == [b"GET /2001:db8::1/m.acme.test HTTP/1.1"]
    dns_server.zone.clear()
    came = await run_on(text, f"http://127.0.0.1:{port}", dns_server)
    assert (came.found, came.attempt.outcome) == ([], Outcome.FAILED)
    assert "has no AAAA record" in came.attempt.reason


async def test_jarm(serve: Serve, context: MakeContext) -> None:
    """Two servers that choose alike have one fingerprint, one that chooses otherwise has another."""
    text = "tcp:\n  - host: ['{{Hostname}}']\n    inputs: [{data: 2E2E2E2E2E2E, type: hex}]\n"
    text += "    extractors: [{type: dsl, dsl: ['jarm(Hostname)']}]\n"

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)

    told = []
    for newest in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
        port = await serve(silent, tls=context(("127.0.0.1",), maximum=newest))
        (found,) = (await run_on(text, f"https://127.0.0.1:{port}")).found
        told.append(found.removeprefix("-="))
    assert all(len(each) == 62 and set(each) <= set("0123456789abcdef") for each in told)
    assert told[0] == told[1] != told[2]
    assert told[0][18:20] in ("41", "42", "43", "44", "45")
    assert told[2][18:20] not in ("41", "42", "43", "44", "45")

    plain = await serve(silent)
    assert (await run_on(text, f"http://127.0.0.1:{plain}")).found == ["-=" + "0" * 62]
