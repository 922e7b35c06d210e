"""What a scan is pointed at, and which names and addresses belong to it (contract: "What a target means").

A bare name is the organisation behind it; a URL is that origin alone. The rules here are pure: the gate in `net`
applies them to every address before every connection.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote, urlsplit

import idna

from secrecon.model.errors import BadInput

DEFAULT_PORTS = {"http": 80, "https": 443}
MAX_TARGET_LENGTH = 2048
_URL_CHARACTERS = "%/:?@!$&'()*+,;=-._~[]"
"""What a path and query keep as it is (RFC 3986); everything else is percent-encoded."""


@dataclass(frozen=True, slots=True, order=True)
class Origin:
    """scheme (http or https), host (lower-case, IDNA A-labels or an IP literal without brackets), port 1-65535."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """The Host header's value: the default port is dropped, IPv6 gets its brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


class TargetKind(StrEnum):
    """ORGANISATION: a bare name, with its subdomains and services. ORIGIN: one scheme, host and port."""

    ORGANISATION = "organisation"
    ORIGIN = "origin"


@dataclass(frozen=True, slots=True)
class Target:
    """A normalised target.

    `host`: as in Origin. `origin`: the one origin for kind ORIGIN; for ORGANISATION the https origin where
    probing begins. `path`: where the crawl begins, "/" at least.
    """

    kind: TargetKind
    host: str
    origin: Origin
    path: str

    @property
    def url(self) -> str:
        """The normalised URL that the API answers with; no trailing slash where the path is only that."""
        return str(self.origin) + ("" if self.path == "/" else self.path)

    @property
    def is_address(self) -> bool:
        """True where the host is an IP literal."""
        return is_ip(self.host)

    def covers_name(self, host: str) -> bool:
        """True where `host` belongs to this target: the same host or, for an organisation, a subdomain."""
        if host == self.host:
            return True
        return self.kind is TargetKind.ORGANISATION and not self.is_address and host.endswith("." + self.host)

    def covers_origin(self, origin: Origin) -> bool:
        """True where requests to `origin` are within the target."""
        if self.kind is TargetKind.ORIGIN:
            return origin == self.origin
        return self.covers_name(origin.host)


def is_ip(host: str) -> bool:
    """True for a canonical IPv4 or IPv6 literal (no brackets, no octal, no short forms)."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def parse_target(text: str) -> Target:
    """Parse what a user typed: a domain, an address, or an http(s) URL.

    Raises BadInput for anything else: other schemes, credentials in the URL, names with impossible labels,
    control characters, or more than 2,048 characters.
    """
    raw = text.strip()
    if not raw:
        raise BadInput("target is empty: give a domain such as example.com or a URL", "target")
    if len(raw) > MAX_TARGET_LENGTH:
        raise BadInput(f"target is longer than {MAX_TARGET_LENGTH} characters", "target")
    if any(ord(c) <= 0x20 or ord(c) == 0x7F for c in raw) or "\\" in raw:
        raise BadInput("target holds spaces, control characters or backslashes", "target")
    if "://" in raw:
        return _parse_url(raw)
    if any(c in raw for c in "/?#@"):
        raise BadInput(f"target {raw!r} is neither a bare domain nor a URL: write it as https://{raw}", "target")
    host, port = _split_port(raw)
    host = normalise_host(host)
    if port is None:
        return Target(TargetKind.ORGANISATION, host, Origin("https", host, 443), "/")
    return Target(TargetKind.ORIGIN, host, Origin("https", host, port), "/")


def _split_port(raw: str) -> tuple[str, int | None]:
    if raw.startswith("[") or raw.count(":") == 1:
        try:
            parts = urlsplit("//" + raw)
            return parts.hostname or "", parts.port
        except ValueError as error:
            raise BadInput(f"target {raw!r} has an impossible port", "target") from error
    return raw, None


def _parse_url(raw: str) -> Target:
    try:
        parts = urlsplit(raw)
        port = parts.port
        hostname = parts.hostname
    except ValueError as error:
        raise BadInput(f"target {raw!r} is not a readable URL: {error}", "target") from error
    scheme = parts.scheme.lower()
    if scheme not in DEFAULT_PORTS:
        raise BadInput(f"target scheme {scheme!r} is not http or https", "target")
    if parts.username is not None or parts.password is not None:
        raise BadInput("target holds credentials: leave user and password out of the URL", "target")
    if not hostname or port == 0:
        raise BadInput(f"target {raw!r} has no usable host and port", "target")
    host = normalise_host(hostname)
    origin = Origin(scheme, host, port or DEFAULT_PORTS[scheme])
    path = parts.path or "/"
    if parts.query:
        path += "?" + parts.query
    target = Target(TargetKind.ORIGIN, host, origin, _encoded(path))
    if len(target.url) > MAX_TARGET_LENGTH:
        raise BadInput(f"target is longer than {MAX_TARGET_LENGTH} characters once it is written out", "target")
    return target


def _encoded(path: str) -> str:
    """The path as a request line and a terminal may hold it: ASCII, with no character that means something to either."""
    try:
        return quote(path, safe=_URL_CHARACTERS)
    except UnicodeEncodeError as error:
        raise BadInput("target holds half a surrogate pair", "target") from error


def normalise_host(host: str) -> str:
    """Lower-case, IDNA-encode (UTS 46) and check a host name or IP literal. Raises BadInput.

    A numeric host in an unusual notation (`2130706433`, `0x7f.1`, `0177.0.0.1`) becomes the address that an
    operating system's resolver would take it for, so that the gate judges what would really be contacted.
    """
    bare = host.strip("[]").rstrip(".").lower()
    if not bare:
        raise BadInput("the host is empty", "target")
    literal = legacy_ipv4(bare)
    if literal is not None:
        return literal
    if is_ip(bare):
        return str(ipaddress.ip_address(bare))
    try:
        name = idna.encode(bare, uts46=True, transitional=False).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError):
        name = bare
        if not bare.isascii():
            raise BadInput(f"the host {host!r} is not a valid internationalised name", "target") from None
    literal = legacy_ipv4(name)
    if literal is not None:
        return literal
    if is_ip(name):
        return str(ipaddress.ip_address(name))
    labels = name.split(".")
    if len(name) > 253 or any(not _label_ok(label) for label in labels):
        raise BadInput(f"the host {host!r} is not a valid domain name or IP address", "target")
    if labels[-1].isdigit():
        raise BadInput(f"the host {host!r} looks like an IP address but is none", "target")
    return name


def _label_ok(label: str) -> bool:
    allowed = set("abcdefghijklmnopqrstuvwxyz0123456789-_")
    return 0 < len(label) <= 63 and set(label) <= allowed and label[0] != "-" and label[-1] != "-"


def legacy_ipv4(host: str) -> str | None:
    """The dotted quad that inet_aton(3) reads `host` as (decimal, octal, hex, 1-4 parts), else None."""
    parts = host.split(".")
    if not 1 <= len(parts) <= 4:
        return None
    numbers: list[int] = []
    for part in parts:
        number = _aton_part(part)
        if number is None:
            return None
        numbers.append(number)
    *heads, last = numbers
    if any(n > 255 for n in heads) or last >= 256 ** (4 - len(heads)):
        return None
    value = last
    for index, number in enumerate(heads):
        value += number << (8 * (3 - index))
    return str(ipaddress.IPv4Address(value))


def _aton_part(part: str) -> int | None:
    if not part.isascii() or not part or len(part) > 40:
        return None
    try:
        if part.lower().startswith("0x"):
            return int(part[2:] or "0", 16)
        if part.startswith("0") and len(part) > 1:
            return int(part, 8)
        return int(part) if part.isdigit() else None
    except ValueError:
        return None
