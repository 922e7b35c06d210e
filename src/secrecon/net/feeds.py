"""Fetching feed files over HTTP(S): our own well-formed traffic to addresses that the operator chose, never to targets.

Conditional (RFC 9110 section 13), resumable (section 14: `If-Range` with a strong validator, the answer's
`Content-Range` checked), bounded in size and time, patient with 429 and 503 (`Retry-After`), and paced where a provider
asks for it. Redirects are followed by hand: never from https to http, and a key never goes to another host. What
arrives is only bytes in a file; whether they are a feed is judged elsewhere.
"""

from __future__ import annotations

import contextlib
import email.utils
import json
import os
import random
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import httpx

from secrecon.model.errors import ConnectFailed, OperatorError, ProtocolBroken, TargetError, TargetTimeout
from secrecon.net.clock import Clock

AGENT = "SecRecon feed reader"
MAX_REDIRECTS = 5
MAX_TRIES = 5
MAX_WAIT = 180.0
"""A provider that wants us to wait longer is tried again at the next sync."""
STALL = 60.0
PATIENT = frozenset({429, 502, 503, 504})

Progress = Callable[[int, int], None]
"""Told of bytes so far and bytes expected (0 where unknown)."""


@dataclass(frozen=True, slots=True)
class FeedAsk:
    """One file to fetch. `etag` and `modified`: of the copy that is kept, "" for none. `secret`: headers for this host
    alone. `seconds`: for the whole file. `pace`: requests per 30 seconds, 0 for no limit."""

    url: str
    etag: str = ""
    modified: str = ""
    max_bytes: int = 1_000_000_000
    seconds: float = 3600.0
    secret: Mapping[str, str] = field(default_factory=dict)
    pace: int = 0


@dataclass(frozen=True, slots=True)
class FeedReply:
    """`changed` False: the kept copy is still the present one. `resumed`: bytes that need not be fetched again."""

    changed: bool
    etag: str = ""
    modified: str = ""
    size: int = 0
    resumed: int = 0


class _Again(Exception):
    """The provider is busy or the line broke: worth another try after `wait` seconds (None: we choose)."""

    def __init__(self, problem: TargetError, wait: float | None = None) -> None:
        super().__init__(str(problem))
        self.problem = problem
        self.wait = wait


class FeedFetcher:
    """Fetches files one after another. Use as an async context manager."""

    def __init__(self, clock: Clock, chance: random.Random, *, stall: float = STALL) -> None:
        self._clock = clock
        self._chance = chance
        self._sent: dict[str, deque[float]] = {}
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(stall, connect=20.0),
            follow_redirects=False,
            headers={"User-Agent": AGENT, "Accept": "*/*", "Accept-Encoding": "identity"},
        )

    async def __aenter__(self) -> FeedFetcher:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def fetch(self, ask: FeedAsk, into: Path, progress: Progress = lambda _, __: None) -> FeedReply:
        """Fetch into the file `into`; a part of it from an interrupted fetch is continued where the provider allows.

        Raises TargetError in words that name the address; the part is then kept for the next time.
        """
        deadline = self._clock.monotonic() + ask.seconds
        tries = 0
        while True:
            tries += 1
            try:
                return await self._once(ask, _Part(into, ask.url), deadline, progress)
            except _Again as again:
                wait = again.wait if again.wait is not None else 2.0**tries * (0.5 + self._chance.random())
                if tries >= MAX_TRIES or wait > MAX_WAIT or self._clock.monotonic() + wait > deadline:
                    raise again.problem from None
                await self._clock.sleep(wait)

    async def _once(self, ask: FeedAsk, part: _Part, deadline: float, progress: Progress) -> FeedReply:
        async with self._answer(ask, part) as reply:
            if reply.status_code == 304:
                return FeedReply(False, ask.etag, ask.modified)
            if reply.status_code == 416:
                part.forget()
                raise _Again(ProtocolBroken(f"{ask.url} has become shorter than the part that is here"), 0.0)
            if reply.status_code not in (200, 206):
                raise ProtocolBroken(f"{ask.url} answered {reply.status_code}")
            start = part.begin(reply)
            expected = _expected(reply, start)
            if max(expected, start) > ask.max_bytes:
                raise ProtocolBroken(f"{ask.url} is larger than the {ask.max_bytes:,} bytes allowed")
            size = start
            with part.writing(start) as file:
                try:
                    async for chunk in reply.aiter_raw():
                        size += len(chunk)
                        if size > ask.max_bytes:
                            raise ProtocolBroken(f"{ask.url} is larger than the {ask.max_bytes:,} bytes allowed")
                        if self._clock.monotonic() > deadline:
                            raise TargetTimeout(f"{ask.url} took longer than {ask.seconds:.0f} seconds", "total")
                        file.write(chunk)
                        progress(size, expected)
                except httpx.TransportError as error:
                    raise _Again(_trouble(ask.url, error)) from error
            if expected and size != expected:
                raise _Again(ProtocolBroken(f"{ask.url} ended after {size:,} of {expected:,} bytes"))
            part.finish()
            etag, modified = reply.headers.get("ETag", ""), reply.headers.get("Last-Modified", "")
            return FeedReply(True, etag[:500], modified[:100], size, start)

    @contextlib.asynccontextmanager
    async def _answer(self, ask: FeedAsk, part: _Part) -> AsyncIterator[httpx.Response]:
        url = _address(ask.url)
        origin = (url.scheme, url.host, url.port)
        for _ in range(MAX_REDIRECTS + 1):
            headers = part.headers() or _conditions(ask)
            if (url.scheme, url.host, url.port) == origin:
                headers |= ask.secret
            await self._turn(url.host, ask.pace)
            try:
                request = self._client.build_request("GET", url, headers=headers)
                reply = await self._client.send(request, stream=True)
            except (httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
                raise ProtocolBroken(f"{ask.url} cannot be asked for: {error}") from error
            except httpx.TransportError as error:
                raise _Again(_trouble(ask.url, error)) from error
            try:
                if reply.status_code not in (301, 302, 303, 307, 308):
                    self._look_for_wait(ask.url, reply)
                    yield reply
                    return
                url = _next(ask.url, url, reply)
            finally:
                await reply.aclose()
        raise ProtocolBroken(f"{ask.url} was redirected more than {MAX_REDIRECTS} times")

    def _look_for_wait(self, url: str, reply: httpx.Response) -> None:
        if reply.status_code in PATIENT:
            wait = _retry_after(reply.headers.get("Retry-After", ""), self._clock.now())
            told = f", try again in {wait:.0f} seconds" if wait is not None else ""
            raise _Again(ProtocolBroken(f"{url} answered {reply.status_code}{told}"), wait)

    async def _turn(self, host: str, pace: int) -> None:
        """Wait until one more request fits into the last 30 seconds."""
        if not pace:
            return
        sent = self._sent.setdefault(host, deque())
        while sent and len(sent) >= pace:
            passed = self._clock.monotonic() - sent[0]
            if passed < 30.0:
                await self._clock.sleep(30.0 - passed)
            sent.popleft()
        sent.append(self._clock.monotonic())


class _Part:
    """A file that is being fetched, and beside it what the provider called the version that it is a part of."""

    def __init__(self, path: Path, url: str) -> None:
        self._path = path
        self._note = path.with_name(path.name + ".json")
        self._url = url

    def headers(self) -> dict[str, str]:
        """What asks for the rest only, {} where there is nothing to go on from."""
        validator = self._validator()
        have = self._path.stat().st_size if validator and self._path.exists() else 0
        return {"Range": f"bytes={have}-", "If-Range": validator} if have else {}

    def begin(self, reply: httpx.Response) -> int:
        """Where the body that follows belongs; notes its version."""
        start = 0
        if reply.status_code == 206:
            start = _range_start(reply)
            if start != (self._path.stat().st_size if self._path.exists() else 0):
                self.forget()
                raise _Again(ProtocolBroken(f"{self._url} sent another part than the one asked for"))
        else:
            etag = reply.headers.get("ETag", "")
            strong = etag if etag.startswith('"') else ""
            self._note.write_text(json.dumps({"url": self._url, "validator": strong}), "utf-8")
        return start

    @contextlib.contextmanager
    def writing(self, start: int) -> Iterator[BinaryIO]:
        """The file, to write the body to; on the disk when the block ends.

        Raises OperatorError where the disk does not take it."""
        try:
            with self._path.open("ab" if start else "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise OperatorError(
                f"{self._path} cannot be written: {error.strerror}; free some disk and run it again"
            ) from error

    def finish(self) -> None:
        self._note.unlink(missing_ok=True)

    def forget(self) -> None:
        """Begin anew the next time."""
        self._note.unlink(missing_ok=True)
        self._path.unlink(missing_ok=True)

    def _validator(self) -> str:
        try:
            note = json.loads(self._note.read_text("utf-8"))
        except (OSError, ValueError):
            return ""
        if not isinstance(note, dict) or note.get("url") != self._url:
            return ""
        validator = note.get("validator")
        return validator if isinstance(validator, str) else ""


def _address(text: str) -> httpx.URL:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise ProtocolBroken(f"{text[:200]} is not an address: {error}") from error
    if not _sane(url):
        raise ProtocolBroken(f"{text[:200]} is not an http or https address")
    return url


def _sane(url: httpx.URL) -> bool:
    return url.scheme in ("http", "https") and bool(url.host.strip("[")) and (url.port or 1) < 65_536


def _conditions(ask: FeedAsk) -> dict[str, str]:
    headers: dict[str, str] = {}
    if ask.etag:
        headers["If-None-Match"] = ask.etag
    if ask.modified:
        headers["If-Modified-Since"] = ask.modified
    return headers


def _expected(reply: httpx.Response, start: int) -> int:
    length = reply.headers.get("Content-Length", "")
    return start + int(length) if length.isascii() and length.isdigit() and len(length) < 16 else 0


def _range_start(reply: httpx.Response) -> int:
    unit, _, rest = reply.headers.get("Content-Range", "").partition(" ")
    first = rest.partition("-")[0]
    return int(first) if unit == "bytes" and first.isascii() and first.isdigit() and len(first) < 16 else -1


def _next(asked: str, url: httpx.URL, reply: httpx.Response) -> httpx.URL:
    try:
        target = url.join(reply.headers.get("Location", ""))
    except httpx.InvalidURL as error:
        raise ProtocolBroken(f"{asked} was redirected to something that is no address") from error
    if not _sane(target) or (url.scheme == "https" and target.scheme != "https"):
        raise ProtocolBroken(f"{asked} was redirected to {str(target)[:200]}, where we do not follow")
    return target


def _retry_after(text: str, now: float) -> float | None:
    text = text.strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None


def _trouble(url: str, error: httpx.TransportError) -> TargetError:
    said = str(error) or type(error).__name__
    if isinstance(error, httpx.TimeoutException):
        return TargetTimeout(f"{url} did not answer in time", "body")
    if isinstance(error, httpx.ConnectError):
        return ConnectFailed(f"{url} cannot be reached: {said}")
    return ProtocolBroken(f"{url} broke off: {said}")
