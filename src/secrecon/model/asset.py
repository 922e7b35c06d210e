"""What a scan finds out that is not a problem: names, addresses, services, technologies, pages and inputs.

All of these are facts. A fact has a `key` that is the same whenever the same thing is seen again, so that
storing it twice changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from secrecon.model.target import Origin


class AssetType(StrEnum):
    """The types that `GET /api/assets?type=` filters by. Phases yield the first four; the others are derived from what
    they saw (`model.inventory`)."""

    DOMAIN = "domain"
    SUBDOMAIN = "subdomain"
    IP = "ip"
    SENSITIVE_PATH = "sensitive_path"
    SERVICE = "service"
    TECHNOLOGY = "technology"
    CERTIFICATE = "certificate"


@dataclass(frozen=True, slots=True)
class Asset:
    """`value`: a name, an address, or a URL for sensitive paths. `source`: which check saw it, such as `dns`."""

    type: AssetType
    value: str
    source: str
    parent: str = ""

    @property
    def key(self) -> str:
        return f"asset|{self.type}|{self.value}"


@dataclass(frozen=True, slots=True)
class ToldName:
    """That a source told of a name, be it there or not: a name keeps every source. `source`: `certificate-log:crtsh`,
    `zone-transfer`, `wordlist`, ...; `detail`: where in it, bounded, such as the page or the record."""

    name: str
    source: str
    detail: str = ""

    @property
    def key(self) -> str:
        return f"told|{self.name}|{self.source}"


@dataclass(frozen=True, slots=True)
class Resolution:
    """A name with its addresses (textual, IPv4 and IPv6) and the CNAME chain that led there."""

    name: str
    addresses: tuple[str, ...]
    cnames: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return f"resolution|{self.name}"


@dataclass(frozen=True, slots=True)
class TlsInfo:
    """What a handshake showed. Times are ISO 8601 UTC. `protocols`: every version the server accepted."""

    version: str
    cipher: str
    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: str
    not_after: str
    self_signed: bool
    trusted: bool
    trust_error: str
    fingerprint_sha256: str
    key_type: str
    key_bits: int
    signature_hash: str
    protocols: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Service:
    """Something that answered on a TCP port.

    `protocol`: what it speaks (`http`, `ssh`, `imaps`), `unknown` where it accepted a connection and could not be told.
    `origin` is set for http(s) services. `banner` is bounded text. `product`: a stable id, such as `openssh`, and its
    `version`; both "" where it did not tell.
    """

    host: str
    address: str
    port: int
    protocol: str
    origin: Origin | None = None
    banner: str = ""
    tls: TlsInfo | None = None
    product: str = ""
    version: str = ""

    @property
    def asset(self) -> str:
        """How the ledger names it: the origin, or host:port."""
        if self.origin:
            return str(self.origin)
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def key(self) -> str:
        return f"service|{self.host}|{self.port}|{self.protocol}"


@dataclass(frozen=True, slots=True)
class Technology:
    """A product seen on an asset.

    `name`: the fingerprint's stable id, such as `nginx`. `version` "" where unknown. `cpe`: a CPE 2.3 prefix
    `cpe:2.3:a:vendor:product` or "". `evidence`: where it was read, such as `header Server: nginx/1.18.0`.
    `distribution`: `Ubuntu`, `Debian`, `el8` and such where the banner tells (a backport is then possible). `package`: its
    package where the banner names the revision too, as `deb/debian:11/openssh`, and `package_version`.
    """

    asset: str
    name: str
    version: str
    cpe: str
    evidence: str
    confidence: float
    distribution: str = ""
    package: str = ""
    package_version: str = ""

    @property
    def key(self) -> str:
        return f"technology|{self.asset}|{self.name}|{self.version}"


@dataclass(frozen=True, slots=True)
class Page:
    """A page the crawl asked for; `status` 0 where no reply could be read.

    `digest`: sha256 hex of the body; `forms`: how many it held. `structure`: what its markup looks like, "" for none
    (`detect.pagekind`). `user`: it was asked for as the user that the scan was logged in as.
    """

    url: str
    status: int
    content_type: str
    title: str
    size: int
    digest: str
    depth: int
    forms: int = 0
    structure: str = ""
    user: bool = False

    @property
    def key(self) -> str:
        return f"page|{self.url}"


@dataclass(frozen=True, slots=True)
class Link:
    """An address inside the target that something pointed at. `target`: path and query, untouched.

    `depth`: links followed from the start. `source`: `html`, `robots`, `sitemap`, `script`, `openapi`, ...
    """

    origin: Origin
    target: str
    depth: int
    source: str

    @property
    def url(self) -> str:
        return str(self.origin) + self.target

    @property
    def key(self) -> str:
        return f"link|{self.url}"


class InputPlace(StrEnum):
    """Where in a request an input sits."""

    QUERY = "query"
    FORM = "form"
    JSON = "json"
    HEADER = "header"
    PATH = "path"
    COOKIE = "cookie"
    XML = "xml"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One value that a request carries. For JSON and XML, `name` is a path such as `source.url`; for a FILE, `value` is
    what the form says it accepts."""

    name: str
    place: InputPlace
    value: str = ""


@dataclass(frozen=True, slots=True)
class RequestShape:
    """A request worth probing: what the crawl, a form or an OpenAPI file says the application takes.

    `path`: path without query, untouched. `parameters`: every value, in order. `source`: how it became known.
    """

    origin: Origin
    method: str
    path: str
    parameters: tuple[Parameter, ...]
    source: str
    content_type: str = ""

    @property
    def url(self) -> str:
        return str(self.origin) + self.path

    @property
    def key(self) -> str:
        names = ",".join(sorted(f"{p.place}:{p.name}" for p in self.parameters))
        return f"shape|{self.method}|{self.origin}{self.path}|{names}"


@dataclass(frozen=True, slots=True)
class Suspect:
    """A path whose reply was the thing itself, before names beside it that cannot exist were asked for.

    `check` and `proof`: the rule that the reply met; `order`: its place in the list; `round`: when it was asked for.
    """

    origin: Origin
    path: str
    check: str
    proof: str
    order: int
    round: int

    @property
    def key(self) -> str:
        return f"suspect|{self.origin}|{self.path}|{self.proof}"


Fact = Asset | ToldName | Resolution | Service | Technology | Page | Link | RequestShape | Suspect
