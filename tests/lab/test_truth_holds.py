"""Every line of truth.yaml, proven on the running lab: what must be found is there, and on the twin it is not.

One oracle per check asks the host directly, with plain clients and none of our own detection code. The same oracle
runs on the vulnerable host and on each of its twins, so an oracle that always says yes (or no) fails.
"""

from __future__ import annotations

import io
import json
import re
import socket
import ssl
import uuid
import warnings
import zipfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import dns.asyncquery
import dns.message
import dns.rcode
import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from tests.lab import flaw_oracles
from tests.lab.ssrf_asking import ask

from secrecon.lab.process import LabProcess
from secrecon.lab.truth import Expected, Twin, read_truth_file
from secrecon.model.errors import OperatorError

FILE = read_truth_file()
QUIET_SECONDS = 0.25
LOUD_SECONDS = 5.0


class Listening(Protocol):
    """The parts of the callback listener that are used here."""

    dns_port: int
    http_port: int
    lookups: list[str]
    previewed: str
    first: str

    def url(self, token: str, path: str = "/hit") -> str: ...
    def looked_up(self, token: str) -> bool: ...
    def requested(self, token: str) -> bool: ...
    async def wait_for(self, token: str, seconds: float) -> bool: ...


@dataclass(frozen=True, slots=True)
class Case:
    """One question to one host. `location`: the vulnerable host's, also when a twin is asked."""

    lab: LabProcess
    host: str
    location: str
    check: str
    http: httpx.AsyncClient
    catcher: Listening
    patience: float


LOOKUPS_ONLY = ("GET /uptime query:url", "GET /mail header:From")


async def _ssrf(case: Case) -> bool:
    token = "t" + uuid.uuid4().hex[:16]
    url = case.catcher.url(token)
    if case.location == "GET /proxy query:url":
        url = f"{case.http.base_url}/go?next={url}".replace("//go", "/go")
    if case.location == "GET /resolved query:url":
        case.catcher.first = case.lab.description.addresses[case.host]
    await ask(case.http, case.location, url)
    if case.location in LOOKUPS_ONLY:
        return case.catcher.looked_up(token) and not await case.catcher.wait_for(token, QUIET_SECONDS)
    return await case.catcher.wait_for(token, case.patience)


async def _third_party(case: Case) -> bool:
    token = "t" + uuid.uuid4().hex[:16]
    await ask(case.http, case.location, case.catcher.url(token))
    return not await case.catcher.wait_for(token, QUIET_SECONDS) and token in case.catcher.previewed


async def _sign(case: Case) -> bool:
    told = [
        (await case.http.get("/walled", params={"url": f"http://a.{zone}/"})).text for zone in ("test", "invalid")
    ]
    return told[0] != told[1]


async def _get(case: Case, path: str = "") -> httpx.Response:
    return await case.http.get(path or case.location)


async def _leaks(case: Case, *needles: str) -> bool:
    reply = await _get(case)
    return reply.status_code == 200 and all(needle in reply.text for needle in needles)


async def _git(case: Case) -> bool:
    config = await _get(case, "/.git/config")
    return await _leaks(case, "ref: refs/heads/") and "[core]" in config.text


async def _svn(case: Case) -> bool:
    head = (await _get(case, "/.svn/wc.db")).content
    return (await _get(case)).text.strip().isdigit() and head.startswith(b"SQLite format 3\0")


async def _zip(case: Case) -> bool:
    reply = await _get(case)
    return reply.status_code == 200 and zipfile.is_zipfile(io.BytesIO(reply.content))


async def _key(case: Case) -> bool:
    reply = await _get(case)
    if reply.status_code != 200 or "PRIVATE KEY" not in reply.text:
        return False
    return load_pem_private_key(reply.content, None) is not None


async def _ds_store(case: Case) -> bool:
    body: bytes = (await _get(case)).content
    return body[4:8] == b"Bud1" and "backup.zip".encode("utf-16-be") in body


async def _htpasswd(case: Case) -> bool:
    return re.match(r"\w+:\$apr1\$", (await _get(case)).text) is not None


async def _source_map(case: Case) -> bool:
    reply = await _get(case)
    try:
        return reply.status_code == 200 and bool(json.loads(reply.text).get("sourcesContent"))
    except ValueError:
        return False


async def _actuator(case: Case) -> bool:
    return await _leaks(case, '"propertySources"', '"systemProperties"')


async def _listing(case: Case) -> bool:
    reply = await _get(case)
    return "<title>Index of" in reply.text and 'href="../"' in reply.text and "invoice-01.txt" in reply.text


async def _header_missing(case: Case) -> bool:
    headers = (await _get(case, "/")).headers
    policy = headers.get("content-security-policy", "")
    missing: dict[str, bool] = {
        "hygiene.csp-missing": not policy,
        "hygiene.sniffing-allowed": headers.get("x-content-type-options") != "nosniff",
        "hygiene.framing-allowed": "x-frame-options" not in headers and "frame-ancestors" not in policy,
        "hygiene.hsts-missing": "strict-transport-security" not in headers,
    }
    return missing[case.check]


async def _cookie(case: Case) -> bool:
    set_cookie = (await _get(case, "/")).headers["set-cookie"].lower()
    assert set_cookie.startswith(case.location + "=")
    return not all(flag in set_cookie for flag in ("secure", "httponly", "samesite"))


async def _plain_http(case: Case) -> bool:
    reply = await _get(case, "/")
    return not (reply.is_redirect and reply.headers["location"].startswith("https://"))


async def _redirects(case: Case) -> bool:
    for evil in ("https://evil.example/x", "//evil.example/x", "/\\evil.example/x"):
        reply = await case.http.get("/go", params={"next": evil})
        if reply.is_redirect and "evil.example" in reply.headers["location"]:
            return True
    return False


async def _cors(case: Case) -> bool:
    headers = (await case.http.get("/api/profile", headers={"Origin": "https://evil.example"})).headers
    reflected = headers.get("access-control-allow-origin") == "https://evil.example"
    return bool(reflected and headers.get("access-control-allow-credentials") == "true")


def _certificate(case: Case) -> x509.Certificate:
    origin = case.lab.description.address_origin(case.host)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    with (
        socket.create_connection((origin.host, origin.port), 5) as raw,
        context.wrap_socket(raw, server_hostname=case.host) as tls,
    ):
        der = tls.getpeercert(binary_form=True)
    assert der is not None
    return x509.load_der_x509_certificate(der)


def _verify_error(case: Case, ca_file: str | None) -> str:
    origin = case.lab.description.address_origin(case.host)
    context = ssl.create_default_context(cafile=ca_file)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    try:
        with (
            socket.create_connection((origin.host, origin.port), 5) as raw,
            context.wrap_socket(raw, server_hostname=case.host),
        ):
            return ""
    except ssl.SSLCertVerificationError as error:
        return error.verify_message


async def _expired(case: Case) -> bool:
    return "expired" in _verify_error(case, case.lab.description.ca_file)


async def _self_signed(case: Case) -> bool:
    certificate = _certificate(case)
    return certificate.issuer == certificate.subject


async def _wrong_name(case: Case) -> bool:
    return "mismatch" in _verify_error(case, case.lab.description.ca_file)


async def _untrusted(case: Case) -> bool:
    assert _verify_error(case, case.lab.description.ca_file) == ""
    return _verify_error(case, None) != ""


def _speaks(case: Case, version: ssl.TLSVersion) -> bool:
    origin = case.lab.description.address_origin(case.host)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = version
        context.maximum_version = version
    try:
        with socket.create_connection((origin.host, origin.port), 5) as raw, context.wrap_socket(raw) as tls:
            return tls.version() in ("TLSv1", "TLSv1.1")
    except OSError:
        return False


async def _old_protocol(case: Case) -> bool:
    return _speaks(case, ssl.TLSVersion.TLSv1) and _speaks(case, ssl.TLSVersion.TLSv1_1)


async def _weak_key(case: Case) -> bool:
    key = _certificate(case).public_key()
    return isinstance(key, rsa.RSAPublicKey) and key.key_size < 2048


async def _version(case: Case) -> bool:
    """The version that the page tells is inside the affected range, as the vendor's advisory gives it."""
    reply = await _get(case, "/")
    told = reply.headers.get("server", "") + reply.text
    affected = {
        "cve.CVE-2021-41773": r"Apache/2\.4\.49\b",
        "cve.CVE-2021-23017": r"nginx/1\.18\.0\b",
        "cve.CVE-2021-43798": r'"version":"8\.3\.0"',
        "cve.CVE-2019-11358": r"jquery-1\.12\.4\.",
        "cve.CVE-2020-11023": r"jquery-1\.12\.4\.",
    }
    return re.search(affected[case.check], told) is not None


async def _transfer(case: Case) -> bool:
    number = 1 if case.location.startswith("ns2.") else 0
    server, port = case.lab.description.name_servers[number]
    query = dns.message.make_query("acme.test", "AXFR")
    reply = await dns.asyncquery.tcp(query, server, 5, port, one_rr_per_rrset=True)
    return reply.rcode() == dns.rcode.NOERROR and len(reply.answer) > 10


async def _leads_nowhere(lab: LabProcess, host: str, location: str) -> bool:
    server, port = lab.description.name_servers[0]
    reply = await dns.asyncquery.udp(dns.message.make_query(host, "A"), server, 5, port)
    return reply.rcode() == dns.rcode.NXDOMAIN and f"CNAME {location}." in str(reply)


def _said(case: Case, kind: str, words: bytes) -> bytes:
    """What a service of the host says to `words`; b"" where it has no such service."""
    try:
        where = case.lab.description.service(case.host, kind)
    except OperatorError:
        return b""
    with socket.create_connection(where, 5) as sock:
        sock.sendall(words)
        return sock.recv(4_096)


async def _redis(case: Case) -> bool:
    return _said(case, "redis", b"*2\r\n$4\r\nINFO\r\n$6\r\nserver\r\n").startswith(b"$")


async def _memcached(case: Case) -> bool:
    return _said(case, "memcached", b"version\r\n").startswith(b"VERSION ")


async def _database(case: Case) -> bool:
    words = {"postgresql": bytes.fromhex("0000000800630000"), "redis": b"PING\r\n", "memcached": b"version\r\n"}
    said = _said(case, case.location, words.get(case.location, b""))
    asks = {"mysql": b"mysql_native_password", "postgresql": b"SFATAL", "redis": b"NOAUTH"}
    return asks.get(case.location, b"unauthenticated") in said


async def _greeting(case: Case) -> bool:
    """The version in the greeting is inside the affected range, as the advisory gives it."""
    kind, affected = {
        "cve.CVE-2019-10149": ("smtp", rb"Exim 4\.(?:8[7-9]|9[01])\b"),
        "cve.CVE-2011-2523": ("ftp", rb"vsFTPd 2\.3\.4\)"),
    }[case.check]
    return re.search(affected, _said(case, kind, b"")) is not None


ORACLES: dict[str, Callable[[Case], Awaitable[bool]]] = {
    "ssrf.callback": _ssrf,
    "ssrf.third-party": _third_party,
    "ssrf.sign": _sign,
    "exposure.git": _git,
    "exposure.svn": _svn,
    "exposure.env": lambda case: _leaks(case, "APP_KEY=", "DB_PASSWORD="),
    "exposure.ds-store": _ds_store,
    "exposure.source-map": _source_map,
    "exposure.backup-archive": _zip,
    "exposure.sql-dump": lambda case: _leaks(case, "CREATE TABLE", "INSERT INTO"),
    "exposure.config-backup": lambda case: _leaks(case, "define( 'DB_PASSWORD'"),
    "exposure.private-key": _key,
    "exposure.htpasswd": _htpasswd,
    "exposure.server-status": lambda case: _leaks(case, "Apache Server Status for", "Server uptime:"),
    "exposure.phpinfo": lambda case: _leaks(case, "PHP Version 8.3.6", "Loaded Configuration File"),
    "exposure.actuator": _actuator,
    "exposure.directory-listing": _listing,
    "exposure.api-docs": lambda case: _leaks(case, '"openapi":"3.0.3"', '"paths"'),
    "behaviour.open-redirect": _redirects,
    "behaviour.cors-credentials": _cors,
    "hygiene.csp-missing": _header_missing,
    "hygiene.framing-allowed": _header_missing,
    "hygiene.sniffing-allowed": _header_missing,
    "hygiene.hsts-missing": _header_missing,
    "hygiene.cookie-flags": _cookie,
    "hygiene.plain-http": _plain_http,
    "tls.expired": _expired,
    "tls.self-signed": _self_signed,
    "tls.name-mismatch": _wrong_name,
    "tls.untrusted": _untrusted,
    "tls.old-protocol": _old_protocol,
    "tls.weak-key": _weak_key,
    "dns.zone-transfer": _transfer,
    "service.redis-open": _redis,
    "service.memcached-open": _memcached,
    "service.database": _database,
}


async def _ask(
    lab: LabProcess, catcher: Listening, host: str, expected: Expected, location: str, patience: float
) -> bool:
    if expected.check == "dns.takeover":
        return await _leads_nowhere(lab, host, location)
    lab.set_callback_dns("127.0.0.1", catcher.dns_port)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.check_hostname = False
    tls.verify_mode = ssl.CERT_NONE
    base = str(lab.description.address_origin(host))
    async with httpx.AsyncClient(base_url=base, verify=tls, trust_env=False, timeout=10) as http:
        case = Case(lab, host, location, expected.check, http, catcher, patience)
        if expected.check in flaw_oracles.ORACLES:
            return await flaw_oracles.ORACLES[expected.check](http, catcher, patience)
        if host in lab.description.service_hosts and expected.check.startswith("cve."):
            return await _greeting(case)
        oracle = _version if expected.check.startswith("cve.") else ORACLES[expected.check]
        return await oracle(case)


@pytest.mark.parametrize("expected", FILE.expected, ids=lambda e: f"{e.check}-{e.host}-{e.locations[0]}")
async def test_what_must_be_found_is_there(lab: LabProcess, catcher: Listening, expected: Expected) -> None:
    assert await _ask(lab, catcher, expected.host, expected, expected.locations[0], LOUD_SECONDS)


TWINS = [
    pytest.param(twin, expected, id=f"{expected.check}-{twin.host}-{expected.locations[0]}")
    for twin in FILE.twins
    for expected in FILE.expected
    if expected.host == twin.twin_of and expected.check in twin.checks
]


@pytest.mark.parametrize(("twin", "expected"), TWINS)
async def test_the_twin_does_not_show_it(
    lab: LabProcess, catcher: Listening, twin: Twin, expected: Expected
) -> None:
    assert not await _ask(lab, catcher, twin.host, expected, expected.locations[0], QUIET_SECONDS)
    assert catcher.lookups == [] or catcher.previewed


def test_every_twin_check_is_really_asked() -> None:
    asked = {(twin.host, twin.twin_of, check) for twin in FILE.twins for check in twin.checks}
    assert asked == {(p.values[0].host, p.values[0].twin_of, p.values[1].check) for p in TWINS}  # type: ignore[union-attr]
