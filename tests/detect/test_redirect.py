import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrecon.detect.redirect import browser_host, finding_for, led_to, marker_host, values
from secrecon.model.asset import InputPlace, Parameter, RequestShape
from secrecon.model.finding import EvidenceLevel, Finding
from secrecon.model.http import HttpExchange, HttpReply, HttpRequest
from secrecon.model.target import Origin

ORIGIN = Origin("http", "go.acme.test", 8080)
HOST = marker_host("ab" * 16)
NEXT = Parameter("next", InputPlace.QUERY, "/account")
SHAPE = RequestShape(ORIGIN, "GET", "/go", (NEXT,), "html")


def answered(
    status: int = 302, *headers: tuple[str, str], body: str = "", content_type: str = "text/html"
) -> HttpReply:
    every = (("Content-Type", content_type), *headers)
    return HttpReply(status, "", every, body.encode(), b"", body.encode(), b"", False, (), 0.1, "127.0.0.1")


def judged(reply: HttpReply) -> Finding | None:
    request = HttpRequest(ORIGIN, target="/go?next=x")
    return finding_for(SHAPE, NEXT, HttpExchange(request, reply), HOST)


@pytest.mark.parametrize(
    "location",
    [
        f"https://{HOST}/",
        f"//{HOST}/",
        f"/\\{HOST}/",
        f"\\\\{HOST}",
        f"///{HOST}/x",
        f"/\t/{HOST}/",
        f"  https://{HOST}",
        f"https:{HOST}",
        f"https:/{HOST}/",
        f"http:\\\\{HOST}/",
        f"http:/\\{HOST}/",
        f"HTTPS://{HOST.upper()}/",
        f"https://go.acme.test@{HOST}/",
        f"https://go.acme.test:x@{HOST}:443/",
        f"https://go.acme.test.{HOST}/",
        f"https://{HOST}?go.acme.test",
        f"https://{HOST}#@go.acme.test",
        f"https://{HOST}\\@go.acme.test/",
        f"https://%{ord(HOST[0]):02x}{HOST[1:]}/",
    ],
)
def test_a_location_that_leaves_for_our_marker_is_a_finding(location: str) -> None:
    finding = judged(answered(302, ("Location", location)))
    assert finding is not None
    assert (finding.check, finding.location) == ("behaviour.open-redirect", "GET /go query:next")
    assert finding.asset == "http://go.acme.test:8080"
    assert finding.evidence_level is EvidenceLevel.BEHAVIOUR


@pytest.mark.parametrize(
    "location",
    [
        f"/{HOST}/",
        f"/login?next=https://{HOST}/",
        f"{HOST}/",
        f"./{HOST}",
        f"http:{HOST}/",
        f"http:/{HOST}/",
        f"https://go.acme.test/{HOST}",
        f"https://{HOST}@go.acme.test/",
        f"https://go.acme.test/#https://{HOST}/",
        f"https://go.acme.test?@{HOST}/",
        f"https://x{HOST}/",
        f"https://{HOST}.acme.test/",
        f"javascript:location='https://{HOST}/'",
        f"mailto:a@{HOST}",
        f"https://{HOST}:99999/",
        f"https://[{HOST}]x/",
        "",
        "/",
    ],
)
def test_a_marker_that_only_appears_somewhere_is_none(location: str) -> None:
    assert judged(answered(302, ("Location", location))) is None


def test_a_page_that_shows_the_address_as_a_link_is_none() -> None:
    page = f'<p>You are leaving us for <a href="https://{HOST}/">https://{HOST}/</a></p>'
    assert judged(answered(200, ("Location", f"https://{HOST}/"), body=page)) is None


@pytest.mark.parametrize(
    "content",
    [
        f"0; url=https://{HOST}/",
        f"0;URL='https://{HOST}/'",
        f"0 , url = //{HOST}/",
        f"3;//{HOST}/",
        f";url=//{HOST}",
    ],
)
def test_a_meta_refresh_or_refresh_header_counts(content: str) -> None:
    page = f'<html><head><meta http-equiv="Refresh" content="{content}"></head></html>'
    assert judged(answered(200, body=page)) is not None
    assert judged(answered(200, ("Refresh", content))) is not None
    assert judged(answered(200, body=page, content_type="text/plain")) is None


def test_a_refresh_beside_a_template_or_behind_many_tags_counts() -> None:
    tag = f"<meta http-equiv=refresh content='0;url=https://{HOST}/'>"
    assert judged(answered(200, body=f"<template><p></template></template>{tag}")) is not None
    assert judged(answered(200, body="<div>" * 20_000 + tag)) is not None


@pytest.mark.parametrize(
    "page",
    [
        '<!-- <meta http-equiv="refresh" content="0;url=https://{0}/"> -->',
        '<textarea><meta http-equiv="refresh" content="0;url=https://{0}/"></textarea>',
        '<template><meta http-equiv="refresh" content="0;url=https://{0}/"></template>',
        '<script>"<meta http-equiv=refresh content=0;url=https://{0}/>"</script>',
        '&lt;meta http-equiv="refresh" content="0;url=https://{0}/"&gt;',
        '<meta http-equiv="refresh" content="0;url=/go?next=https://{0}/">',
        '<meta name="refresh" content="0;url=https://{0}/">',
        '<meta http-equiv="refresh" content="url=https://{0}/">',
    ],
)
def test_a_meta_refresh_that_browsers_do_not_follow_there_is_none(page: str) -> None:
    assert judged(answered(200, body=page.format(HOST))) is None


def test_contradicting_locations_lead_nowhere() -> None:
    reply = answered(302, ("Location", f"https://{HOST}/"), ("Location", "/"))
    assert list(led_to(ORIGIN, reply)) == []


def test_every_value_leads_to_the_marker_when_it_comes_back_as_location() -> None:
    for origin in (ORIGIN, Origin("https", "shop.acme.test", 443), Origin("http", "::1", 80)):
        for value in values(HOST, origin):
            host = browser_host(origin, value)
            assert host is not None, value
            assert host == HOST or host.endswith("." + HOST), value


def test_the_marker_differs_per_scan() -> None:
    assert marker_host("a") != marker_host("b")
    assert marker_host("a").endswith(".invalid")


@given(st.text(max_size=80) | st.text("/\\:@?#.htps [];=%0", max_size=30), st.binary(max_size=60))
def test_nothing_makes_it_fail(location: str, body: bytes) -> None:
    browser_host(ORIGIN, location)
    list(led_to(ORIGIN, answered(302, ("Location", location))))
    html = '<meta http-equiv="refresh" content="' + location + '">' + body.decode("latin-1")
    list(led_to(ORIGIN, answered(200, ("Refresh", location), body=html)))
