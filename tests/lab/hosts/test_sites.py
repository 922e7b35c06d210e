"""What all hosts have in common: good headers, a page under the bare address, the same look as their twin."""

from __future__ import annotations

import re
import ssl

import httpx
import pytest

from secrecon.lab.process import LabProcess
from secrecon.lab.site import GOOD_HEADERS
from secrecon.lab.truth import read_truth_file

FILE = read_truth_file()
CARELESS = {"headers.acme.test", "headers-policy.acme.test", "tls-no-hsts.acme.test"}
SSRF_TWINS = [t for t in FILE.twins if "ssrf.callback" in t.checks]


def _blind() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def _get(lab: LabProcess, host: str, path: str = "/", **headers: str) -> httpx.Response:
    origin = lab.description.address_origin(host)
    return httpx.get(f"{origin}{path}", headers=headers, verify=_blind(), trust_env=False, timeout=10)


def test_every_host_answers_and_sends_good_headers(lab: LabProcess) -> None:
    unread = lab.description.service_hosts | {"odd.acme.test"}  # httpx does not read odd's header bytes
    for host in set(lab.description.addresses) - unread:
        reply = _get(lab, host)
        assert reply.status_code in (200, 301, 302), host
        if host not in CARELESS:
            assert {name: reply.headers.get(name) for name in GOOD_HEADERS} == dict(GOOD_HEADERS), host


def test_error_pages_have_good_headers_too(lab: LabProcess) -> None:
    reply = _get(lab, "fetch", "/nothing-here")
    assert reply.status_code == 404
    assert all(name in reply.headers for name in GOOD_HEADERS)


def test_a_site_answers_whatever_the_host_header_says(lab: LabProcess) -> None:
    for value in ("fetch.acme.test", "evil.example", "127.0.0.1:1"):
        assert "Page fetcher" in _get(lab, "fetch", "/", Host=value).text


def test_a_wrong_method_is_told(lab: LabProcess) -> None:
    url = f"{lab.description.address_origin('fetch')}/fetch"
    assert httpx.delete(url, trust_env=False).status_code == 405
    assert httpx.head(str(lab.description.address_origin("fetch")), trust_env=False).status_code == 200


@pytest.mark.parametrize("twin", SSRF_TWINS, ids=lambda t: t.host)
def test_a_twin_looks_like_what_it_is_the_twin_of(lab: LabProcess, twin: object) -> None:
    host, other = getattr(twin, "host", ""), getattr(twin, "twin_of", "")
    mine, theirs = _get(lab, host).text, _get(lab, other).text
    assert re.sub(re.escape(host), "H", mine) == re.sub(re.escape(other), "H", theirs)


@pytest.mark.parametrize(
    ("host", "path"),
    [
        ("fetch", "/fetch?url="),
        ("fetch-safe", "/fetch?url="),
        ("preview", "/preview?url="),
        ("preview-safe", "/preview?url="),
    ],
)
def test_the_example_that_the_page_shows_works(lab: LabProcess, host: str, path: str) -> None:
    reply = _get(lab, host, f"{path}{lab.description.origin('static')}/logo.txt")
    assert "all systems normal" in reply.text


def test_the_echo_page_escapes(lab: LabProcess) -> None:
    reply = _get(lab, "fetch-echo", "/fetch?url=%22%3E%3Cscript%3Ealert(1)%3C/script%3E")
    assert "<script>" not in reply.text
    assert "&lt;script&gt;" in reply.text


def test_the_soft_404_site_never_says_the_same_twice(lab: LabProcess) -> None:
    pages = {_get(lab, "soft404", "/.git/HEAD").text for _ in range(4)}
    assert len(pages) == 4
    assert len({len(text) for text in pages}) > 1
