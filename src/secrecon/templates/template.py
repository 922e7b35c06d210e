"""What a template is after reading: frozen, compiled, shared by all scans. `parse` makes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from secrecon.templates.flow import Flow
from secrecon.templates.flowscript import FlowScript
from secrecon.templates.fuzzing import Fuzzing
from secrecon.templates.operators import Operators
from secrecon.templates.payloads import Payloads
from secrecon.templates.rawrequest import RawRequest
from secrecon.templates.render import Text
from secrecon.templates.variables import Variables


class Redirects(StrEnum):
    """Which redirects a block follows."""

    NONE = "none"
    ALL = "all"
    SAME_HOST = "same-host"
    SAME_SCHEME = "same-scheme"


@dataclass(frozen=True, slots=True)
class Info:
    name: str
    authors: tuple[str, ...]
    severity: str
    description: str = ""
    tags: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    classification: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    impact: str = ""
    remediation: str = ""


@dataclass(frozen=True, slots=True)
class HttpBlock:
    """One http section: `paths` or `raws` is its sequence. `indexed`: some part or expression asks for `_N` history.
    `global_matchers`: it asks nothing and looks at the answers to all others. `signature`: requests are signed for AWS."""

    operators: Operators
    paths: tuple[Text, ...] = ()
    raws: tuple[RawRequest, ...] = ()
    id: str = ""
    method: str = "GET"
    headers: tuple[tuple[str, Text], ...] = ()
    body: Text | None = None
    payloads: Payloads | None = None
    redirects: Redirects = Redirects.NONE
    max_redirects: int = 10
    threads: int = 0
    max_size: int = 0
    unsafe: bool = False
    stop_at_first_match: bool = False
    iterate_all: bool = False
    skip_variables_check: bool = False
    disable_path_automerge: bool = False
    disable_cookie: bool = False
    indexed: bool = False
    fuzzing: Fuzzing | None = None
    global_matchers: bool = False
    signature: bool = False
    digest_username: str = ""
    digest_password: str = ""


@dataclass(frozen=True, slots=True)
class DnsBlock:
    operators: Operators
    name: Text
    type: str
    id: str = ""
    class_: str = "inet"
    recursion: bool = True
    retries: int = 3


@dataclass(frozen=True, slots=True)
class SslBlock:
    operators: Operators
    address: Text
    id: str = ""
    min_version: str = ""
    max_version: str = ""


@dataclass(frozen=True, slots=True)
class TcpInput:
    """`data` is hexadecimal where `hexadecimal`, and decoded after filling in. `read`: bytes to read after sending."""

    data: Text
    hexadecimal: bool = False
    read: int = 0
    name: str = ""


@dataclass(frozen=True, slots=True)
class TcpBlock:
    operators: Operators
    hosts: tuple[Text, ...]
    port: Text
    inputs: tuple[TcpInput, ...] = ()
    id: str = ""
    read_size: int = 1024
    read_all: bool = False
    stop_at_first_match: bool = False
    payloads: Payloads | None = None


@dataclass(frozen=True, slots=True)
class Template:
    """`sections`: protocol names in file order, one for each block. `constants`: fixed when it was read, `randstr` too."""

    id: str
    info: Info
    sections: tuple[str, ...]
    variables: Variables
    constants: Mapping[str, str]
    http: tuple[HttpBlock, ...] = ()
    dns: tuple[DnsBlock, ...] = ()
    ssl: tuple[SslBlock, ...] = ()
    tcp: tuple[TcpBlock, ...] = ()
    flow: Flow | FlowScript | None = None
    self_contained: bool = False
    stop_at_first_match: bool = False

    @property
    def watches(self) -> bool:
        """Whether it asks nothing of its own and looks at the answers to others."""
        return any(block.global_matchers for block in self.http)

    @property
    def fuzzes(self) -> bool:
        """Whether it changes the target's own request, value by value."""
        return any(block.fuzzing is not None for block in self.http)
