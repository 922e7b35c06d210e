"""Every way to write a forbidden address, and the public twins that must pass."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrecon.net.addresses import read_address, refused_rule

REFUSED = [
    ("127.0.0.1", "loopback"),
    ("127.255.255.254", "loopback"),
    ("2130706433", "loopback"),
    ("0x7f000001", "loopback"),
    ("0x7F.1", "loopback"),
    ("0177.0.0.1", "loopback"),
    ("017700000001", "loopback"),
    ("127.1", "loopback"),
    ("127.0.1", "loopback"),
    ("::1", "loopback"),
    ("[::1]", "loopback"),
    ("0:0:0:0:0:0:0:1", "loopback"),
    ("::1%lo", "loopback"),
    ("::ffff:127.0.0.1", "loopback"),
    ("::ffff:7f00:1", "loopback"),
    ("::127.0.0.1", "loopback"),
    ("::ffff:0:127.0.0.1", "loopback"),
    ("64:ff9b::127.0.0.1", "loopback"),
    ("64:ff9b::7f00:1", "loopback"),
    ("2002:7f00:1::", "loopback"),
    ("2001:0:7f00:1::", "loopback"),
    ("2001:0:808:808:0:0:80ff:fffe", "loopback"),
    ("2600::5efe:127.0.0.1", "loopback"),
    ("2600::200:5efe:10.0.0.1", "private"),
    ("0.0.0.0", "unspecified"),
    ("0", "unspecified"),
    ("0.1.2.3", "unspecified"),
    ("::", "unspecified"),
    ("::ffff:0.0.0.0", "unspecified"),
    ("10.0.0.1", "private"),
    ("172.16.0.1", "private"),
    ("172.31.255.255", "private"),
    ("192.168.1.1", "private"),
    ("3232235777", "private"),
    ("fd12:3456::1", "private"),
    ("fc00::1", "private"),
    ("fec0::1", "private"),
    ("64:ff9b::a00:1", "private"),
    ("2002:c0a8:101::1", "private"),
    ("169.254.0.1", "link-local"),
    ("fe80::1", "link-local"),
    ("fe80::1%eth0", "link-local"),
    ("2600::1%eth0", "link-local"),
    ("100.64.0.1", "carrier-nat"),
    ("100.127.255.255", "carrier-nat"),
    ("169.254.169.254", "metadata"),
    ("2852039166", "metadata"),
    ("0xa9fea9fe", "metadata"),
    ("0251.0376.0251.0376", "metadata"),
    ("::ffff:169.254.169.254", "metadata"),
    ("64:ff9b::a9fe:a9fe", "metadata"),
    ("2002:a9fe:a9fe::", "metadata"),
    ("fd00:ec2::254", "metadata"),
    ("100.100.100.200", "metadata"),
    ("192.0.0.192", "metadata"),
    ("168.63.129.16", "metadata"),
    ("224.0.0.1", "multicast"),
    ("239.255.255.250", "multicast"),
    ("ff02::1", "multicast"),
    ("255.255.255.255", "broadcast"),
    ("240.0.0.1", "reserved"),
    ("192.0.0.8", "reserved"),
    ("192.88.99.1", "reserved"),
    ("198.18.0.1", "benchmarking"),
    ("198.19.255.255", "benchmarking"),
    ("2001:2::1", "benchmarking"),
    ("192.0.2.1", "documentation"),
    ("198.51.100.1", "documentation"),
    ("203.0.113.1", "documentation"),
    ("2001:db8::1", "documentation"),
    ("3fff::1", "documentation"),
    ("100::1", "reserved"),
    ("64:ff9b:1::1", "reserved"),
    ("5f00::1", "reserved"),
    ("2001:10::1", "reserved"),
    ("::808:808", "reserved"),
    ("", "unreadable"),
    ("example.com", "unreadable"),
    ("1.2.3.4.5", "unreadable"),
    ("127.0.0.1:80", "unreadable"),
]


@pytest.mark.parametrize(("address", "rule"), REFUSED)
def test_refused_in_every_notation(address: str, rule: str) -> None:
    assert refused_rule(address) == rule


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        "134744072",
        "1.1.1.1",
        "126.255.255.255",
        "128.0.0.1",
        "172.15.255.255",
        "172.32.0.1",
        "100.63.255.255",
        "100.128.0.0",
        "169.253.1.1",
        "192.167.1.1",
        "198.17.0.1",
        "198.20.0.1",
        "223.255.255.255",
        "2606:4700:4700::1111",
        "2a00:1450:4001::1",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
        "2002:808:808::1",
    ],
)
def test_public_addresses_pass(address: str) -> None:
    assert refused_rule(address) is None


@given(st.integers(0, 2**32 - 1))
def test_notation_never_changes_the_verdict(number: int) -> None:
    dotted = str(ipaddress.IPv4Address(number))
    verdict = refused_rule(dotted)
    first, rest = number >> 24, number & 0xFFFFFF
    for text in (str(number), hex(number), f"0{number:o}", f"{first}.{rest}", f"0x{first:x}.0{rest:o}"):
        assert refused_rule(text) == verdict
    for text in (f"::ffff:{dotted}", f"64:ff9b::{dotted}"):
        assert refused_rule(text) == verdict


@given(st.integers(0, 2**32 - 1))
def test_nothing_that_python_calls_private_passes(number: int) -> None:
    address = ipaddress.IPv4Address(number)
    if not address.is_global or address.is_multicast:
        assert refused_rule(str(address)) is not None


@given(st.integers(0, 2**128 - 1))
def test_no_ipv6_that_python_calls_private_passes(number: int) -> None:
    address = ipaddress.IPv6Address(number)
    if (not address.is_global or address.is_multicast) and address not in ipaddress.ip_network("2002::/16"):
        assert refused_rule(str(address)) is not None


@given(st.text(max_size=80))
def test_any_text_has_a_verdict(text: str) -> None:
    rule = refused_rule(text)
    assert rule is None or rule.replace("-", "").isalpha()
    if read_address(text) is None:
        assert rule == "unreadable"
