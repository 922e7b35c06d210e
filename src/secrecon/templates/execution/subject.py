"""What a template is pointed at, and the variables that come from it: BaseURL, RootURL, Hostname, Path, FQDN, ...

A target's path and query are kept as written. The public suffix list is the one that ships with tldextract: nothing is
fetched.
"""

from __future__ import annotations

import functools
import posixpath
from dataclasses import dataclass

import tldextract

from secrecon.model.errors import BadInput
from secrecon.model.target import DEFAULT_PORTS, Origin, is_ip, normalise_host

_SUFFIXES = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)


@dataclass(frozen=True, slots=True)
class Subject:
    """A target. `written`: host and port as the user wrote them. `path` and `query` (without `?`) as written, "" where
    there are none."""

    origin: Origin
    written: str
    path: str = ""
    query: str = ""

    @property
    def url(self) -> str:
        """The target as one text."""
        return f"{self.origin.scheme}://{self.written}{self.path}" + (f"?{self.query}" if self.query else "")

    def at_port(self, port: int) -> Subject:
        """The same on another port."""
        host = f"[{self.origin.host}]" if ":" in self.origin.host else self.origin.host
        origin = Origin(self.origin.scheme, self.origin.host, port)
        return Subject(origin, f"{host}:{port}", self.path, self.query)


def parse_subject(text: str) -> Subject:
    """A URL, or `host`, `host:port` (https then, as nothing says otherwise is http). Raises BadInput."""
    scheme, mark, rest = text.strip().partition("://")
    if not mark:
        scheme, rest = "http", text.strip()
    scheme = scheme.lower()
    if scheme not in DEFAULT_PORTS:
        raise BadInput(f"{text[:80]!r} is not an http or https address", "target")
    cut = min((at for at in (rest.find("/"), rest.find("?"), rest.find("#")) if at >= 0), default=len(rest))
    written, place = rest[:cut].rpartition("@")[2], rest[cut:].partition("#")[0]
    path, _, query = place.partition("?")
    return Subject(_origin(scheme, written, text), written, path, query)


def split_authority(written: str, default: int) -> tuple[str, int]:
    """Host and port of `host`, `host:port`, `[v6]:port`. Raises BadInput."""
    if written.startswith("["):
        host, closed, rest = written[1:].partition("]")
        if not closed:
            raise BadInput(f"{written[:80]!r} opens a bracket and does not close it", "target")
        port = rest.removeprefix(":")
    elif written.count(":") > 1:
        host, port = written, ""
    else:
        host, _, port = written.partition(":")
    if port and not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65_536):
        raise BadInput(f"{written[:80]!r} has no port from 1 to 65535", "target")
    return normalise_host(host), int(port) if port else default


def _origin(scheme: str, written: str, text: str) -> Origin:
    if not written:
        raise BadInput(f"{text[:80]!r} names no host", "target")
    return _known_origin(scheme, written)


@functools.lru_cache(maxsize=1024)
def _known_origin(scheme: str, written: str) -> Origin:
    host, port = split_authority(written, DEFAULT_PORTS[scheme])
    return Origin(scheme, host, port)


@functools.lru_cache(maxsize=4096)
def target_variables(subject: Subject, *, cut_slash: bool) -> dict[str, object]:
    """The variables of a target. `cut_slash`: the text goes on with a slash of its own, so BaseURL loses one. Shared:
    callers copy before they change it."""
    origin = subject.origin
    path = subject.path.removesuffix("/") if cut_slash else subject.path
    folder = posixpath.dirname(path) or ("/" if path else "")
    file = posixpath.basename(path)
    root = f"{origin.scheme}://{subject.written}"
    found = {
        "BaseURL": root + path,
        "RootURL": root,
        "Hostname": subject.written,
        "Host": origin.host,
        "Port": str(origin.port),
        "Path": folder,
        "File": file,
        "Query": f"?{subject.query}" if subject.query else "",
        "Scheme": origin.scheme,
        "Input": root + subject.path,
        **domain_variables(origin.host),
    }
    return {name: value.encode("utf-8", "surrogateescape") for name, value in found.items()}


@functools.lru_cache(maxsize=4096)
def domain_variables(host: str) -> dict[str, str]:
    """FQDN, RDN (the registered domain), DN (its first label), TLD, SD (what stands before it)."""
    if is_ip(host):
        return {"FQDN": host, "RDN": "", "DN": "", "TLD": "", "SD": ""}
    parts = _SUFFIXES(host)
    domain, suffix = parts.domain, parts.suffix
    if not suffix and "." in host:
        rest, _, suffix = host.rpartition(".")
        before, _, domain = rest.rpartition(".")
    else:
        before = parts.subdomain
    registered = f"{domain}.{suffix}" if domain and suffix else domain
    return {"FQDN": host, "RDN": registered, "DN": domain, "TLD": suffix, "SD": before}
