"""A loopback server that plays what a case of the suite writes down, and the whole engine run against it.

A case is a template and replies; what leaves is real bytes over real sockets, through the gate, the pace and the parser.
Replies are looked through in order; the first whose method, target and text fit is given, as often as it may be.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import random
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import brotli
import re2
import zstandard

from secrecon.engine.templating.asker import Asker
from secrecon.engine.templating.driver import Attempted, Job, Runner
from secrecon.model.scan import Budget
from secrecon.model.target import Origin, Target, TargetKind
from secrecon.net.clock import SystemClock
from secrecon.net.gate import ScopeGate
from secrecon.net.network import Network
from secrecon.net.resolver import Resolver
from secrecon.templates.dsl.run import Ambient
from secrecon.templates.execution.events import Callback, Found
from secrecon.templates.execution.session import Options, Prepared, prepare
from secrecon.templates.execution.subject import parse_subject
from secrecon.templates.parse import parse_template

HEAD = "id: made-up\ninfo:\n  name: Made up\n  author: us\n  severity: info\n"
_ECHO = re2.compile("<<(?:echo|upper):(.+?)>>")
_PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": lambda data: zstandard.ZstdCompressor().compress(data),
}


@dataclass
class Reply:
    """One reply of a script. `to`: method and a pattern for the whole target. `has`: what the request must hold. `times`:
    how often it is given. `raw`: all bytes instead of status, headers and body. `drop`: the connection is closed without
    a word. `cut`: bytes of the body kept back. `pause`: seconds between head and body; `late`: before anything."""

    to: str = ".*"
    has: str = ""
    times: int = 1_000_000
    status: int = 200
    headers: Sequence[str] = ()
    body: str = ""
    encode: str = ""
    charset: str = "utf-8"
    raw: str = ""
    drop: bool = False
    cut: int = 0
    pause: float = 0.0
    late: float = 0.0

    def fits(self, line: str, request: bytes) -> bool:
        whole = self.to if " " in self.to else f"[A-Z]+ {self.to}"
        return bool(self.times and re2.fullmatch(whole, line) and self.has.encode() in request)

    def parts(self, request: bytes, origin: str) -> tuple[bytes, bytes]:
        """Head and body as they are sent."""
        if self.raw:
            return self._filled(self.raw, request, origin).encode("latin-1"), b""
        body = self._filled(self.body, request, origin).encode(self.charset)
        headers = [self._filled(line, request, origin) for line in self.headers]
        if self.encode:
            body = _PACKERS[self.encode](body)
            headers.append(f"Content-Encoding: {self.encode}")
        head = "\r\n".join([f"HTTP/1.1 {self.status} Said", *headers, f"Content-Length: {len(body)}"]) + "\r\n\r\n"
        return head.encode("latin-1"), body[: len(body) - self.cut]

    def _filled(self, text: str, request: bytes, origin: str) -> str:
        text = text.replace("<<origin>>", origin)

        def echoed(match: re2.Match) -> str:
            found = re2.search(match.group(1).encode(), request)
            shown = (
                "" if found is None else (found.group(1) if found.groups() else found.group(0)).decode("latin-1")
            )
            return shown.upper() if match.group(0).startswith("<<upper") else shown

        return str(_ECHO.sub(echoed, text))


class Stage:
    """The server. `received`: every request as it came. Plays one script at a time."""

    def __init__(self) -> None:
        self.port = 0
        self.received: list[bytes] = []
        self._script: list[Reply] = []

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def lines(self) -> list[str]:
        """Method and target of each request, in order."""
        return [request.partition(b"\r\n")[0].rpartition(b" ")[0].decode("latin-1") for request in self.received]

    def play(self, script: Sequence[Reply]) -> None:
        self._script = list(script)
        self.received = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while request := await _read(reader):
                self.received.append(request)
                if not await self._answer(request, writer):
                    break
        writer.close()

    async def _answer(self, request: bytes, writer: asyncio.StreamWriter) -> bool:
        line = request.partition(b"\r\n")[0].rpartition(b" ")[0].decode("latin-1")
        reply = next((each for each in self._script if each.fits(line, request)), None) or Reply(status=404)
        reply.times -= 1
        await asyncio.sleep(reply.late)
        if reply.drop:
            return False
        head, body = reply.parts(request, self.origin)
        writer.write(head)
        if reply.pause:
            await writer.drain()
            await asyncio.sleep(reply.pause)
        writer.write(body)
        await writer.drain()
        return not (reply.cut or reply.raw)


async def _read(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = re2.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    if length is not None:
        return head + await reader.readexactly(int(length.group(1)))
    if re2.search(rb"(?i)\r\ntransfer-encoding: *chunked", head):
        return head + await reader.readuntil(b"0\r\n\r\n")
    return head


@dataclass
class Hits:
    """Callback addresses that nobody listens on; `calls` says which protocols come for each that was kept."""

    calls: Sequence[str] = ()
    tokens: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)

    def mint(self, job: Job) -> tuple[str, str] | None:
        token = f"t{len(self.tokens)}x"
        self.tokens.append(token)
        return f"{token}.cb.test", token

    async def keep(self, job: Job, tokens: Sequence[str], request: bytes) -> None:
        self.kept += tokens

    async def collect(self) -> Sequence[tuple[str, Callback]]:
        found = [
            (token, Callback(protocol, f"From {token.upper()} by {protocol}".encode(), b"", "192.0.2.7"))
            for token in self.kept
            for protocol in self.calls
        ]
        self.calls = ()
        return found


@dataclass
class Came:
    """What a run came to. `found`: each result as text, name and values."""

    attempt: Attempted
    found: list[str]
    results: list[Found]
    runner: Runner


def made(text: str, files: Mapping[str, bytes] | None = None, *, seed: int = 7) -> Prepared:
    """A case's template, ready to run."""
    source = text if text.startswith("id:") else HEAD + text
    known = files or {}

    def helper(path: str) -> bytes:
        if path not in known:
            raise FileNotFoundError(path)
        return known[path]

    chance = random.Random(seed)
    return prepare(parse_template(source.encode(), helper, chance), ambient(seed), "made-up.yaml")


def ambient(seed: int = 7) -> Ambient:
    return Ambient(lambda: 1_795_000_000.0, random.Random(seed), lambda seconds: None)


def network(resolver: Resolver | None = None, host: str = "127.0.0.1") -> Network:
    """`host` and loopback alone are in scope."""
    resolver = resolver or Resolver((("127.0.0.1", 9),), timeout=0.5)  # nothing listens there
    target = Target(TargetKind.ORGANISATION, host, Origin("https", host, 443), "/")
    gate = ScopeGate(target, ("127.0.0.0/8", "::1/128"), resolver)
    return Network(gate, resolver, Budget(requests=5_000, seconds=60, rate=100_000, in_flight=50), SystemClock())


async def run(
    prepared: Prepared,
    target: str,
    *,
    options: Options | None = None,
    hits: Hits | None = None,
    net: Network | None = None,
    clock: SystemClock | None = None,
) -> Came:
    """One template on one target, callbacks judged once at the end."""
    net = net or network()
    runner = Runner(Asker(net, clock or SystemClock(), timeout=5.0), options or Options(), ambient(), hits)
    try:
        attempts = [attempt async for attempt in runner.run([Job(prepared, parse_subject(target))])]
        results = [*attempts[0].found, *(found for _, found in await runner.callbacks_now())]
    finally:
        await net.close()
    return Came(attempts[0], [shown(each) for each in results], results, runner)


def shown(found: Found) -> str:
    """`name` or `name=value,value`; `-` stands for a result without a name."""
    name = found.matcher or found.extractor or "-"
    values = ",".join(value.decode("utf-8", "backslashreplace") for value in found.extracted)
    return f"{name}={values}" if values else name
