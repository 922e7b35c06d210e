"""What to ask an open port next, until it is known what listens there: a dialogue without I/O.

First it is only listened to, then asked what suits the port, then what suits any. An echo is told from an answer by
another text, as some protocols answer with what they were asked. Ports where words become deeds (printers, industrial
controllers) are only listened to. Everything heard is hostile and bounded before it comes here.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from typing import Protocol

from secrecon.detect.service_rules import GREETING, HTTP, Meaning, ServiceRules

LISTEN, LISTEN_LONG, ANSWER = 2.0, 6.0, 3.0
"""Seconds until the first byte: of a greeting, of one on ports whose services greet (mail servers take their time), of an
answer."""
MOST_HEARD = 16_384
MOST_ASKED = 10
CONTROL = b"HELP\r\n"
UNKNOWN = "unknown"

_GREETERS = frozenset({"ssh", "smtp", "ftp", "imap", "pop3", "telnet", "irc", "nntp"})
_ENCRYPTED = frozenset(
    {"https", "imaps", "pop3s", "smtps", "ldaps", "ftps", "mqtts", "amqps", "ircs", "sips", "nntps", "telnets"}
    | {"docker-tls", "dns-over-tls"}
)
_WITH_S = frozenset({"http", "imap", "pop3", "smtp", "ldap", "ftp", "mqtt", "amqp", "irc", "nntp", "telnet"})


@dataclass(frozen=True, slots=True)
class Ask:
    """Connect, say `data` (b"": nothing), and listen. `tls`: inside TLS. `probe`: the rule's id."""

    probe: str
    data: bytes
    tls: bool
    patience: float


@dataclass(frozen=True, slots=True)
class Heard:
    """What came. `failed`: why there was no connection (or no TLS), "" where there was one, silent or not."""

    data: bytes = b""
    failed: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """What is known of a port in the end. `protocol`: UNKNOWN where nothing fitted, with the `reason`. `said` and `heard`:
    the exchange that told. `exposes`: ids of exposed.yaml."""

    protocol: str
    tls: bool = False
    product: str = ""
    version: str = ""
    cpe: str = ""
    sure: float = 0.0
    told_by: str = ""
    said: bytes = b""
    heard: bytes = b""
    exposes: tuple[str, ...] = ()
    reason: str = ""

    @property
    def name(self) -> str:
        """The protocol as it is called with its encryption: `https`, `imaps`, `redis+tls`."""
        if not self.tls or self.protocol == UNKNOWN:
            return "tls" if self.tls else self.protocol
        return f"{self.protocol}s" if self.protocol in _WITH_S else f"{self.protocol}+tls"


class MorePatterns(Protocol):
    """Another source of meanings, asked where ours name no product. `said` b"": a greeting."""

    def meaning(self, said: bytes, data: bytes) -> Meaning | None: ...


Inquiry = Generator[Ask, Heard, Told]


def inquire(rules: ServiceRules, port: int, more: MorePatterns | None = None) -> Inquiry:
    """The dialogue with one open port."""
    return (yield from _Talk(rules, port, more).plain())


@dataclass(slots=True)
class _Talk:
    """One dialogue. `seen`: the first words that nothing fitted. `asked`: how many questions so far."""

    rules: ServiceRules
    port: int
    more: MorePatterns | None
    asked: int = 0
    seen: Told = field(default_factory=lambda: Told(UNKNOWN))

    @property
    def hint(self) -> str:
        return self.rules.hints.get(self.port, "")

    def plain(self) -> Inquiry:
        greets = self.hint in _GREETERS
        greeting = yield Ask(GREETING, b"", False, LISTEN_LONG if greets else LISTEN)
        if greeting.failed:
            return Told(UNKNOWN, reason=f"the port accepted a connection, and then no other: {greeting.failed}")
        if greeting.data:
            return (yield from self._greeted(greeting.data, tls=False))
        if self.port in self.rules.muted:
            return Told(UNKNOWN, reason="nothing is said to this port, as it may print or act on what it is told")
        if self.hint in _ENCRYPTED:
            told = yield from self._encrypted()
            if told is not None:
                return told
        told = yield from self._questions(tls=False)
        if told is not None and not _wants_tls(told):
            return told
        if self.hint not in _ENCRYPTED:
            inside = yield from self._encrypted()
            if inside is not None:
                return inside
        return told or self._unknown(tls=False)

    def _greeted(self, data: bytes, *, tls: bool) -> Inquiry:
        meaning = self._meaning(GREETING, b"", data)
        if meaning is None:
            return Told(UNKNOWN, tls, heard=data, reason="it greets in words that no pattern knows")
        return (yield from self._followed(meaning, b"", data, tls=tls))

    def _questions(self, *, tls: bool) -> Generator[Ask, Heard, Told | None]:
        """What suits the port, then what suits any; None where nothing was recognised."""
        for name in self._order():
            if self.asked >= MOST_ASKED:
                break
            data = self.rules.probes[name].data
            heard = yield from self._ask(name, data, tls=tls)
            if not heard.data:
                continue
            if heard.data.startswith(data[:16]) and (yield from self._echoes(tls=tls)):
                return Told("echo", tls, said=data, heard=heard.data, sure=0.9)
            meaning = self._meaning(name, data, heard.data)
            if meaning is None:
                self.seen = self.seen if self.seen.heard else Told(UNKNOWN, tls, said=data, heard=heard.data)
                continue
            told = yield from self._followed(meaning, data, heard.data, tls=tls)
            if told.protocol != UNKNOWN:
                return told
        return None

    def _order(self) -> Iterator[str]:
        own = [name for name, probe in self.rules.probes.items() if self.port in probe.ports]
        every = [name for name, probe in self.rules.probes.items() if probe.everywhere]
        return iter(dict.fromkeys([*own, *every]))

    def _ask(self, name: str, data: bytes, *, tls: bool) -> Generator[Ask, Heard, Heard]:
        self.asked += 1
        return (yield Ask(name, data, tls, ANSWER))

    def _echoes(self, *, tls: bool) -> Generator[Ask, Heard, bool]:
        heard = yield Ask("control", CONTROL, tls, ANSWER)
        return heard.data.startswith(CONTROL)

    def _encrypted(self) -> Generator[Ask, Heard, Told | None]:
        """The same inside TLS; None where there is none."""
        greeting = yield Ask(GREETING, b"", True, LISTEN)
        if greeting.failed:
            return None
        if greeting.data:
            return (yield from self._greeted(greeting.data, tls=True))
        if self.port in self.rules.muted:
            return self._unknown(tls=True)
        return (yield from self._questions(tls=True)) or self._unknown(tls=True)

    def _followed(self, meaning: Meaning, said: bytes, heard: bytes, *, tls: bool) -> Inquiry:
        """What an answer means, with what the question that it calls for adds."""
        told = _told(meaning, said, heard, tls=tls)
        if not meaning.then:
            return told
        data = self.rules.probes[meaning.then].data
        answer = yield from self._ask(meaning.then, data, tls=tls)
        further = self._meaning(meaning.then, data, answer.data) if answer.data else None
        if further is None:
            return told
        return replace(_told(further, data, answer.data, tls=tls), protocol=further.protocol)

    def _meaning(self, probe: str, said: bytes, data: bytes) -> Meaning | None:
        """Ours, and another's where ours names no product; some services greet only once they are spoken to."""
        own = self.rules.meaning(probe, data) or (self.rules.meaning(GREETING, data) if probe != GREETING else None)
        if self.more is None or (own is not None and (own.product or own.protocol == HTTP)):
            return own
        other = self.more.meaning(said, data)
        if own is None or other is None or not other.product:
            return own or other
        return replace(own, product=other.product, version=other.version, cpe=other.cpe, told_by=other.told_by)

    def _unknown(self, *, tls: bool) -> Told:
        reason = "its answers fit no pattern" if self.seen.heard else "it accepts connections and says nothing"
        return replace(self.seen, tls=tls, reason=reason)


def _told(meaning: Meaning, said: bytes, heard: bytes, *, tls: bool) -> Told:
    return Told(
        meaning.protocol,
        tls,
        meaning.product,
        meaning.version,
        meaning.cpe,
        meaning.sure,
        meaning.told_by,
        said,
        heard,
        (meaning.exposes,) if meaning.exposes else (),
    )


def _wants_tls(told: Told) -> bool:
    """A web server that refuses plain words may be waiting for TLS."""
    return told.protocol == HTTP and told.heard[:12] in (b"HTTP/1.1 400", b"HTTP/1.0 400", b"HTTP/1.1 426")
