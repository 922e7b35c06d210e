"""TLS against servers with certificates of our own making, good and bad."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from secrecon.model.errors import ConnectFailed, ProtocolBroken, ScopeRefused, TlsFailed
from secrecon.model.http import HttpRequest
from secrecon.model.target import Origin
from secrecon.net import tls
from secrecon.net.certificates import covers, read_certificate

if TYPE_CHECKING:
    from tests.net.conftest import MakeContext, MakeNetwork, Serve


def _certificate() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "acme.test")])
    names = x509.SubjectAlternativeName([x509.DNSName("acme.test"), x509.DNSName("*.acme.test")])
    begin = datetime(2026, 1, 1)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(7).not_valid_before(begin).not_valid_after(begin + timedelta(days=9))
    return builder.add_extension(names, critical=False).sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


WHOLE = _certificate()
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)


async def test_a_self_signed_certificate(serve: Serve, network: MakeNetwork, context: MakeContext) -> None:
    port = await serve(answer, tls=context())
    info = await network(f"https://127.0.0.1:{port}").tls("127.0.0.1", port)
    assert info.self_signed
    assert not info.trusted
    assert "self" in info.trust_error
    assert "mismatch" not in info.trust_error
    assert info.names == ("localhost", "127.0.0.1")
    assert (info.key_type, info.key_bits, info.signature_hash) == ("RSA", 2048, "sha256")
    assert info.version == "TLSv1.3"
    assert "CN=localhost" in info.subject
    assert datetime.fromisoformat(info.not_before) < datetime.fromisoformat(info.not_after)
    assert len(info.fingerprint_sha256) == 64
    assert {"TLSv1.2", "TLSv1.3"} <= set(info.protocols)


async def test_expired_mismatched_and_foreign(serve: Serve, network: MakeNetwork, context: MakeContext) -> None:
    port = await serve(answer, tls=context(("other.test",), days=(-60, -30), bits=1024, signer="Some CA"))
    info = await network(f"https://127.0.0.1:{port}").tls("127.0.0.1", port)
    assert "name mismatch" in info.trust_error
    assert (info.self_signed, info.key_bits, info.trusted) == (False, 1024, False)
    assert info.issuer == "CN=Some CA"
    assert datetime.fromisoformat(info.not_after).timestamp() < datetime.now().timestamp()
    port = await serve(answer, tls=context(days=(-60, -30), curve=True))
    info = await network(f"https://127.0.0.1:{port}").tls("127.0.0.1", port)
    assert (info.key_type, info.key_bits) == ("EC", 256)


@pytest.mark.parametrize(
    ("minimum", "maximum", "accepted"),
    [
        (ssl.TLSVersion.TLSv1_3, None, ("TLSv1.3",)),
        (None, ssl.TLSVersion.TLSv1_2, ("TLSv1.2",)),
        (ssl.TLSVersion.TLSv1_2, None, ("TLSv1.2", "TLSv1.3")),
    ],
)
async def test_accepted_versions(
    serve: Serve,
    network: MakeNetwork,
    context: MakeContext,
    minimum: ssl.TLSVersion | None,
    maximum: ssl.TLSVersion | None,
    accepted: tuple[str, ...],
) -> None:
    port = await serve(answer, tls=context(minimum=minimum, maximum=maximum))
    info = await network(f"https://127.0.0.1:{port}").tls("127.0.0.1", port)
    assert tuple(version for version in info.protocols if version not in ("TLSv1.0", "TLSv1.1")) == accepted


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_old_servers_can_be_talked_to(serve: Serve, network: MakeNetwork, context: MakeContext) -> None:
    for version, name in ((ssl.TLSVersion.TLSv1, "TLSv1.0"), (ssl.TLSVersion.TLSv1_1, "TLSv1.1")):
        port = await serve(answer, tls=context(minimum=version, maximum=version))
        net = network(f"https://127.0.0.1:{port}")
        info = await net.tls("127.0.0.1", port)
        assert info.protocols == (name,)
        reply = (await net.http(HttpRequest(Origin("https", "127.0.0.1", port)))).reply
        assert reply.body == b"ok"


async def test_https_requests_carry_what_the_handshake_showed(
    serve: Serve, network: MakeNetwork, context: MakeContext
) -> None:
    handshakes: list[str | None] = []
    server = context()

    def named(sock: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLSocket) -> None:
        handshakes.append(name)

    server.set_servername_callback(named)
    port = await serve(answer, tls=server)
    net = network(f"https://localhost:{port}")
    for _ in range(3):
        reply = (await net.http(HttpRequest(Origin("https", "localhost", port)))).reply
        assert reply.body == b"ok"
        assert reply.tls is not None
        assert (reply.tls.trusted, reply.tls.self_signed) == (False, True)
        assert "self" in reply.tls.trust_error
    # One that verifies, one that does not; then the connection is kept.
    assert handshakes == ["localhost", "localhost"]


async def test_a_chain_to_the_system_store_is_trusted(
    serve: Serve, network: MakeNetwork, context: MakeContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "store.pem"
    connections = 0

    async def counted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await answer(reader, writer)

    port = await serve(counted, tls=context(signer="Our CA", store=store))
    monkeypatch.setenv("SSL_CERT_FILE", str(store))
    tls.strict.cache_clear()
    try:
        reply = (
            await network(f"https://localhost:{port}").http(HttpRequest(Origin("https", "localhost", port)))
        ).reply
        assert reply.tls is not None
        assert (reply.tls.trusted, reply.tls.trust_error, connections) == (True, "", 1)
        info = await network(f"https://127.0.0.1:{port}").tls("127.0.0.1", port)
        assert (info.trusted, info.trust_error, info.self_signed) == (True, "", False)
        port = await serve(counted, tls=context(("other.test",), signer="Our CA", store=store))
        tls.strict.cache_clear()
        info = await network(f"https://127.0.0.1:{port}").tls("127.0.0.1", port)
        assert (info.trusted, info.trust_error) == (
            False,
            "name mismatch: the certificate does not cover 127.0.0.1",
        )
    finally:
        tls.strict.cache_clear()


def _by_hand(
    server: ssl.SSLContext, plain: bytes, after: bytes, clean: bool
) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    """A TLS server that writes its own records: `plain` properly, then `after` as it is, then a close."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        peer = server.wrap_bio(incoming, outgoing, server_side=True)
        for step in (peer.do_handshake, lambda: peer.read(65_536)):
            while True:
                try:
                    step()
                    break
                except ssl.SSLWantReadError:
                    writer.write(outgoing.read())
                    data = await reader.read(65_536)
                    if not data:
                        return
                    incoming.write(data)
                except ssl.SSLError:
                    return
        peer.write(plain)
        if clean:
            with contextlib.suppress(ssl.SSLError):
                peer.unwrap()
        writer.write(outgoing.read())
        await writer.drain()
        if after:  # a moment later: records that share a segment with a broken one are lost in OpenSSL's callers
            await asyncio.sleep(0.05)
            writer.write(after)
        await writer.drain()

    return handler


@pytest.mark.parametrize("clean", [True, False])
async def test_a_body_until_close_with_and_without_a_proper_goodbye(
    serve: Serve, network: MakeNetwork, context: MakeContext, clean: bool
) -> None:
    port = await serve(_by_hand(context(), b"HTTP/1.1 200 OK\r\n\r\nall of it", b"", clean))
    reply = (await network(f"https://127.0.0.1:{port}").http(HttpRequest(Origin("https", "127.0.0.1", port)))).reply
    assert (reply.body, reply.truncated) == (b"all of it", False)


@pytest.mark.parametrize("junk", [b"\0" * 5000, b"\x17\x03\x03\x40\x00" + b"x" * 16384, b"HTTP/1.1 200 OK\r\n\r\n"])
async def test_junk_inside_a_tls_connection(
    serve: Serve, network: MakeNetwork, context: MakeContext, junk: bytes
) -> None:
    for plain, error in (
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart", None),
        (b"HTTP/1.1 ", ProtocolBroken),
    ):
        port = await serve(_by_hand(context(), plain, junk, clean=False))
        net = network(f"https://127.0.0.1:{port}")
        request = HttpRequest(Origin("https", "127.0.0.1", port))
        if error is not None:
            with pytest.raises(error):
                await net.http(request)
            continue
        reply = (await net.http(request)).reply
        assert (reply.body, reply.truncated, reply.problems) == (b"part", True, ("early-close",))


async def test_what_speaks_no_tls(serve: Serve, network: MakeNetwork) -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad\r\n\r\n")

    port = await serve(plain)
    net = network(f"https://127.0.0.1:{port}")
    with pytest.raises(TlsFailed):
        await net.tls("127.0.0.1", port)
    with pytest.raises(TlsFailed):
        await net.http(HttpRequest(Origin("https", "127.0.0.1", port)))
    with pytest.raises(ConnectFailed):
        await network("https://127.0.0.1:1").tls("127.0.0.1", 1)
    with pytest.raises(ScopeRefused):
        await net.tls("127.0.0.1", port + 1)


@pytest.mark.parametrize(
    ("names", "host", "expected"),
    [
        (("acme.test",), "acme.test", True),
        (("ACME.test.",), "acme.test", True),
        (("*.acme.test",), "a.acme.test", True),
        (("*.acme.test",), "acme.test", False),
        (("*.acme.test",), "a.b.acme.test", False),
        (("*.test",), "acme.test", False),
        (("*",), "acme.test", False),
        (("a*.acme.test",), "ab.acme.test", False),
        (("127.0.0.1",), "127.0.0.1", True),
        (("::1",), "0:0::1", True),
        (("*.0.0.1",), "127.0.0.1", False),
        ((), "acme.test", False),
    ],
)
def test_names_that_a_certificate_covers(names: tuple[str, ...], host: str, expected: bool) -> None:
    assert covers(names, host) is expected


@given(st.binary(max_size=200))
def test_any_bytes_are_read_as_a_certificate_without_an_error(der: bytes) -> None:
    facts = read_certificate(der)
    assert facts.subject == ""
    assert bool(facts.fingerprint_sha256) == bool(der)


@given(st.lists(st.tuples(st.integers(0, 2000), st.integers(1, 255)), max_size=6))
def test_a_damaged_certificate_never_raises(damage: list[tuple[int, int]]) -> None:
    der = bytearray(WHOLE)
    for place, value in damage:
        der[place % len(der)] ^= value
    read_certificate(bytes(der))
