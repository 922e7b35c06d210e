"""Which addresses a scanner must not touch unasked, decided on the address alone. Pure: no lookups, no sockets.

Sources: the IANA IPv4 and IPv6 special-purpose registries (RFC 6890 and what updates it), RFC 4291 (mapped and
compatible addresses), RFC 3056 (6to4), RFC 4380 (Teredo), RFC 6052 (NAT64), RFC 5214 (ISATAP), and the clouds'
documentation for their metadata services. An address that cannot be read is refused: the gate fails closed.
"""

from __future__ import annotations

import ipaddress

from secrecon.model.target import legacy_ipv4

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Block = ipaddress.IPv4Network | ipaddress.IPv6Network

METADATA_ADDRESSES = frozenset(
    ipaddress.ip_address(text)
    for text in (
        "169.254.169.254",  # AWS, Azure, Google, DigitalOcean, Oracle and most others
        "169.254.169.253",  # AWS resolver
        "169.254.170.2",  # AWS ECS task credentials
        "169.254.170.23",  # AWS EKS pod identity
        "169.254.42.42",  # Scaleway
        "100.100.100.200",  # Alibaba
        "192.0.0.192",  # Oracle, classic
        "168.63.129.16",  # Azure host agent: a public-looking address that is not public
        "fd00:ec2::254",
        "fd00:ec2::253",
        "fd00:ec2::23",
        "fd20:ce::254",  # Google
        "fd00:42::42",  # Scaleway
    )
)

METADATA_NAMES = frozenset(
    {
        "metadata",
        "metadata.google.internal",
        "metadata.goog",
        "metadata.internal",
        "metadata.azure.internal",
        "metadata.azure.com",
        "metadata.tencentyun.com",
        "instance-data",
        "instance-data.ec2.internal",
    }
)


def _blocks(*rows: tuple[str, str]) -> tuple[tuple[Block, str], ...]:
    return tuple((ipaddress.ip_network(text), rule) for text, rule in rows)


_V4 = _blocks(
    ("0.0.0.0/8", "unspecified"),
    ("10.0.0.0/8", "private"),
    ("100.64.0.0/10", "carrier-nat"),
    ("127.0.0.0/8", "loopback"),
    ("169.254.0.0/16", "link-local"),
    ("172.16.0.0/12", "private"),
    ("192.0.0.0/24", "reserved"),
    ("192.0.2.0/24", "documentation"),
    ("192.88.99.0/24", "reserved"),
    ("192.168.0.0/16", "private"),
    ("198.18.0.0/15", "benchmarking"),
    ("198.51.100.0/24", "documentation"),
    ("203.0.113.0/24", "documentation"),
    ("224.0.0.0/4", "multicast"),
    ("255.255.255.255/32", "broadcast"),
    ("240.0.0.0/4", "reserved"),
)

_V6 = _blocks(
    ("::/128", "unspecified"),
    ("::1/128", "loopback"),
    ("fc00::/7", "private"),
    ("fec0::/10", "private"),
    ("fe80::/10", "link-local"),
    ("ff00::/8", "multicast"),
    ("2001:2::/48", "benchmarking"),
    ("2001:db8::/32", "documentation"),
    ("3fff::/20", "documentation"),
    ("2001::/23", "reserved"),
)
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_TRANSLATED = ipaddress.IPv6Network("::ffff:0:0:0/96")
_COMPATIBLE = ipaddress.IPv6Network("::/96")
_ISATAP = (0x00005EFE, 0x02005EFE)


def read_address(text: str) -> Address | None:
    """The address that `text` stands for, in any notation that a system resolver takes, without its zone id.

    An IPv4-mapped IPv6 address is the IPv4 address: that is where a connection to it ends up.
    """
    bare = text.strip().strip("[]").partition("%")[0]
    dotted = legacy_ipv4(bare)
    try:
        address = ipaddress.ip_address(dotted if dotted is not None else bare)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def refused_rule(address: str) -> str | None:
    """The name of the rule that forbids contact with `address`, or None where it is an ordinary public one.

    Rules: metadata, loopback, private, link-local, multicast, carrier-nat, unspecified, broadcast, benchmarking,
    documentation, reserved; `unreadable` for text that is no address. An IPv6 address with an IPv4 address inside
    (mapped, compatible, translated, 6to4, Teredo, NAT64, ISATAP) is judged by what is inside as well.
    """
    parsed = read_address(address)
    if parsed is None:
        return "unreadable"
    if isinstance(parsed, ipaddress.IPv4Address):
        return _rule_v4(parsed)
    rule = _rule_v6(parsed)
    if rule is None and "%" in address:
        return "link-local"
    return rule


def _rule_v4(address: ipaddress.IPv4Address) -> str | None:
    if address in METADATA_ADDRESSES:
        return "metadata"
    return next((rule for block, rule in _V4 if address in block), None)


def _rule_v6(address: ipaddress.IPv6Address) -> str | None:
    if address in METADATA_ADDRESSES:
        return "metadata"
    own = next((rule for block, rule in _V6 if address in block), None)
    if own is not None and own not in ("reserved", "private"):
        return own
    for inside in _embedded(address):
        rule = _rule_v4(inside)
        if rule is not None:
            return rule
    if own is not None:
        return own
    if address in _NAT64:
        return None
    return None if address in _GLOBAL_V6 else "reserved"


def _embedded(address: ipaddress.IPv6Address) -> list[ipaddress.IPv4Address]:
    """Every IPv4 address that a translator or tunnel would take out of `address`."""
    number = int(address)
    low = ipaddress.IPv4Address(number & 0xFFFFFFFF)
    found: list[ipaddress.IPv4Address] = []
    if address in _NAT64 or address in _TRANSLATED or address in _COMPATIBLE:
        found.append(low)
    if address.sixtofour is not None:
        found.append(address.sixtofour)
    if address.teredo is not None:
        found.extend(address.teredo)
    if (number >> 32) & 0xFFFFFFFF in _ISATAP:
        found.append(low)
    return found
