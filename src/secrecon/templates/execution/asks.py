"""What an execution asks of the world, one thing at a time, and what it is told.

Every ask has exactly one answer; a failure is an answer too. Nothing here connects or waits.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from secrecon.model.http import HttpReply
from secrecon.model.target import Origin
from secrecon.templates.execution.replydata import reply_data


class Trouble(StrEnum):
    """Why an ask got no answer. REFUSED: the scope, the budget or a policy; nothing was sent. UNREACHABLE: no connection
    or no such name. TIMEOUT, BROKEN: it began and did not end well. INVALID: it cannot be sent at all."""

    REFUSED = "refused"
    SKIPPED = "skipped"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    BROKEN = "broken"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class HttpAsk:
    """One request: connect to `origin`, send `wire`, read one response.

    `method` tells how to read the response. `sni`: the name told in the TLS handshake, "" for the origin's own. `timeout`:
    seconds for all of it, 0 for the driver's own. `body_cap`: bytes of the body to read, 0 for the driver's own. `fresh`:
    on a connection of its own, closed after. `shared`: the answer to an equal ask of another template will do.
    """

    origin: Origin
    method: str
    wire: bytes
    sni: str = ""
    timeout: float = 0.0
    body_cap: int = 0
    fresh: bool = False
    shared: bool = True


@dataclass(frozen=True, slots=True)
class DnsAsk:
    """A lookup. `type` such as A or TXT; `class_` such as inet or chaos; `server`: "" for the driver's resolver."""

    name: str
    type: str
    class_: str = "inet"
    recursion: bool = True
    retries: int = 3


@dataclass(frozen=True, slots=True)
class TlsAsk:
    """A handshake. Versions as the language writes them (tls10, tls12, ...), "" for no limit."""

    host: str
    port: int
    sni: str = ""
    min_version: str = ""
    max_version: str = ""


@dataclass(frozen=True, slots=True)
class TcpStep:
    """Send `data`, then read up to `read` bytes; 0 reads nothing before the next step."""

    data: bytes
    read: int = 0
    name: str = ""


@dataclass(frozen=True, slots=True)
class TcpAsk:
    """A conversation. At its end up to `read` bytes are read, or all that comes where `read_all`."""

    host: str
    port: int
    tls: bool
    steps: tuple[TcpStep, ...]
    read: int = 1024
    read_all: bool = False


@dataclass(frozen=True, slots=True)
class WaitAsk:
    """Let this many seconds pass; the answer says nothing."""

    seconds: float


class HttpAnswer:
    """`reply`, or why there is none. What every template reads of a reply is made once and kept here, since many
    templates are given the same answer."""

    def __init__(self, reply: HttpReply | None, trouble: Trouble | None = None, reason: str = "") -> None:
        self.reply = reply
        self.trouble = trouble
        self.reason = reason
        self.watched = False
        """Whether templates that look at all answers have seen this one."""

    @functools.cached_property
    def data(self) -> Mapping[str, object]:
        """The variables of the reply (`replydata`); empty without one."""
        return reply_data(self.reply) if self.reply is not None else {}

    @functools.cached_property
    def bare(self) -> Mapping[str, object]:
        """The same without the body, as a response in front of a redirect is seen."""
        return reply_data(self.reply, bare=True) if self.reply is not None else {}


@dataclass(frozen=True, slots=True)
class DnsAnswer:
    """`sections`: question, answer, ns, extra, and raw for all of it, in the zone-file style that dns templates look
    for. `rcode`: its number."""

    rcode: int = 0
    sections: Mapping[str, bytes] = field(default_factory=dict)
    address: str = ""
    trouble: Trouble | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class TlsAnswer:
    """`facts`: what the handshake showed, by the names that ssl templates use (tls_version, cipher, not_after, ...).
    `document`: the same as JSON text."""

    facts: Mapping[str, object] = field(default_factory=dict)
    document: bytes = b""
    address: str = ""
    trouble: Trouble | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class TcpAnswer:
    """`reads`: what came after each step, in order; `rest`: what came at the end."""

    reads: tuple[bytes, ...] = ()
    rest: bytes = b""
    address: str = ""
    trouble: Trouble | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Waited:
    """The time has passed."""


Ask = HttpAsk | DnsAsk | TlsAsk | TcpAsk | WaitAsk
Answer = HttpAnswer | DnsAnswer | TlsAnswer | TcpAnswer | Waited
