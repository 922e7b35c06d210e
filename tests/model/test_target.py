"""What a user may type as a target, and what belongs to it."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrecon.model.errors import BadInput
from secrecon.model.target import Origin, TargetKind, legacy_ipv4, parse_target


@pytest.mark.parametrize(
    ("text", "url", "kind"),
    [
        ("example.com", "https://example.com", TargetKind.ORGANISATION),
        ("  Example.COM. ", "https://example.com", TargetKind.ORGANISATION),
        ("https://api.example.com", "https://api.example.com", TargetKind.ORIGIN),
        ("HTTP://Example.com:80/", "http://example.com", TargetKind.ORIGIN),
        ("https://example.com:443/app?x=1#frag", "https://example.com/app?x=1", TargetKind.ORIGIN),
        ("http://example.com:443/", "http://example.com:443", TargetKind.ORIGIN),
        ("bücher.example", "https://xn--bcher-kva.example", TargetKind.ORGANISATION),
        ("https://[2001:DB8::1]:8443/a", "https://[2001:db8::1]:8443/a", TargetKind.ORIGIN),
        ("2001:db8::1", "https://[2001:db8::1]", TargetKind.ORGANISATION),
        ("127.0.0.1:8080", "https://127.0.0.1:8080", TargetKind.ORIGIN),
        ("http://0x7f.1/", "http://127.0.0.1", TargetKind.ORIGIN),
        ("http://2130706433/", "http://127.0.0.1", TargetKind.ORIGIN),
        ("0177.0.0.1", "https://127.0.0.1", TargetKind.ORGANISATION),
        ("http://127。0。0。1/", "http://127.0.0.1", TargetKind.ORIGIN),
        ("http://example.com/\x9b31m\u202e", "http://example.com/%C2%9B31m%E2%80%AE", TargetKind.ORIGIN),
        ("http://example.com/caf\u00e9?q=<a>%41", "http://example.com/caf%C3%A9?q=%3Ca%3E%41", TargetKind.ORIGIN),
        ("_dmarc.example.com", "https://_dmarc.example.com", TargetKind.ORGANISATION),
    ],
)
def test_targets_are_normalised(text: str, url: str, kind: TargetKind) -> None:
    target = parse_target(text)
    assert (target.url, target.kind) == (url, kind)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "ftp://example.com",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "https://user:secret@example.com",
        "https://",
        "https://exa mple.com",
        "exa\x00mple.com",
        "https://example.com\\@evil.test",
        "example.com/path",
        "user@example.com",
        "https://example.com:99999",
        "https://example.com:0",
        "https://-bad.example",
        "a" * 64 + ".example",
        "999.999.999.999",
        "1.2.3.4.5",
        "https://example.com/\ud800",
        "https://example.com/" + "\u00e9" * 500,
        "x" * 3000,
        "http://[::1",
        "http://[fe80::1%25eth0]/x y",
        "..",
        "a..b",
    ],
)
def test_nonsense_is_refused_with_the_field_named(text: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_target(text)
    assert caught.value.field == "target"


def test_an_organisation_covers_its_subdomains_and_nothing_that_looks_alike() -> None:
    target = parse_target("example.com")
    assert target.covers_origin(Origin("http", "example.com", 80))
    assert target.covers_origin(Origin("http", "a.b.example.com", 8080))
    assert not target.covers_origin(Origin("http", "badexample.com", 80))
    assert not target.covers_origin(Origin("http", "example.com.evil.test", 80))


def test_a_url_is_that_origin_alone() -> None:
    target = parse_target("https://api.example.com/v2")
    assert target.covers_origin(Origin("https", "api.example.com", 443))
    assert not target.covers_origin(Origin("http", "api.example.com", 80))
    assert not target.covers_origin(Origin("https", "api.example.com", 8443))
    assert not target.covers_origin(Origin("https", "x.api.example.com", 443))


def test_an_address_has_no_subdomains() -> None:
    assert not parse_target("10.0.0.1").covers_name("x.10.0.0.1")


@given(st.integers(0, 2**32 - 1))
def test_every_spelling_of_an_address_reads_as_that_address(number: int) -> None:
    wanted = str(ipaddress.IPv4Address(number))
    octets = [int(part) for part in wanted.split(".")]
    spellings = [
        str(number),
        hex(number),
        "0" + oct(number)[2:],
        ".".join(hex(o) for o in octets),
        ".".join("0" + oct(o)[2:] for o in octets),
        f"{octets[0]}.{number & 0xFFFFFF}",
        f"{octets[0]}.{octets[1]}.{number & 0xFFFF}",
    ]
    assert [legacy_ipv4(spelling) for spelling in spellings] == [wanted] * len(spellings)


@given(st.text(max_size=60))
def test_any_text_gives_a_target_or_bad_input(text: str) -> None:
    try:
        target = parse_target(text)
    except BadInput:
        return
    again = parse_target(target.url)
    assert (again.host, again.path) == (target.host, target.path)


@given(st.text(max_size=60))
def test_a_normalised_path_is_plain_and_stays_as_it_is(text: str) -> None:
    try:
        target = parse_target("https://example.com/" + text)
    except BadInput:
        return
    assert target.url.isascii()
    assert target.url.isprintable()
    assert not set(target.url) & set('<>"`{}|^ \\')
    assert parse_target(target.url) == target
