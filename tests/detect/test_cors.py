from dataclasses import replace

import pytest

from secrecon.detect.cors import Trick, collected, finding_for, request_for, tricks
from secrecon.model.finding import Finding
from secrecon.model.http import HttpExchange, HttpReply
from secrecon.model.target import Origin

ORIGIN = Origin("http", "cors.acme.test", 8080)
TRICKS = tricks(ORIGIN, "ab" * 16)


def judged(trick: Trick, *headers: tuple[str, str], path: str = "/api/profile?x=1") -> Finding | None:
    request = request_for(ORIGIN, path, trick)
    reply = HttpReply(200, "OK", headers, b"{}", b"", b"{}", b"", False, (), 0.1, "127.0.0.1")
    return finding_for(HttpExchange(request, reply), trick)


def allow(origin: str, credentials: str = "true") -> tuple[tuple[str, str], ...]:
    return (("Access-Control-Allow-Origin", origin), ("Access-Control-Allow-Credentials", credentials))


@pytest.mark.parametrize("trick", TRICKS)
def test_a_foreign_origin_with_credentials_is_a_finding(trick: Trick) -> None:
    finding = judged(trick, *allow(trick.origin))
    assert finding is not None
    assert (finding.check, finding.location) == ("behaviour.cors-credentials", "GET /api/profile header:Origin")
    assert f"Origin: {trick.origin}" in finding.evidence[0].request


@pytest.mark.parametrize(
    "headers",
    [
        allow("*"),
        allow("http://cors.acme.test:8080"),
        allow(TRICKS[0].origin, "false"),
        allow(TRICKS[0].origin, "True"),
        allow(TRICKS[0].origin)[:1],
        allow(TRICKS[0].origin)[1:],
        (*allow(TRICKS[0].origin), ("Access-Control-Allow-Origin", "*")),
        (),
    ],
)
def test_what_browsers_do_not_share_is_none(headers: tuple[tuple[str, str], ...]) -> None:
    assert judged(TRICKS[0], *headers) is None


def test_the_origins_belong_to_nobody_or_test_the_comparison() -> None:
    origins = [trick.origin for trick in TRICKS]
    assert origins[0].endswith(".invalid")
    assert origins[1] == "null"
    assert origins[2].startswith("http://cors.acme.test.")
    assert origins[3].endswith("cors.acme.test")
    assert origins[3] != "http://cors.acme.test"
    assert len(tricks(Origin("http", "127.0.0.1", 80), "a")) == 3
    assert len(tricks(Origin("http", "::1", 80), "a")) == 2


def test_a_server_wide_setting_is_one_finding() -> None:
    one = judged(TRICKS[0], *allow(TRICKS[0].origin))
    assert one is not None
    many = [replace(one, location=f"GET /p{n} header:Origin") for n in range(20)]
    (all_in_one,) = collected(many)
    assert all_in_one.location == "GET /p0 header:Origin"
    assert "19 more paths" in all_in_one.description
    assert len(collected(many[:3])) == 3
    assert len(collected([one, one])) == 1
    other = replace(one, asset="http://other")
    assert len(collected([one, other])) == 2
