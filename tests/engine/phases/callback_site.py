"""A small application on loopback that fetches what it is told in several ways, and twins of it that do not.

Names are looked up at the callback listener's own DNS, as a target's resolver would end up doing.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar
from urllib.parse import parse_qs, unquote, urljoin, urlsplit

from secrecon.engine.phase import Judgement
from secrecon.engine.view import ScanView
from secrecon.model.asset import InputPlace, Page, Parameter, RequestShape, Service
from secrecon.model.probe import Probe, Reply, Skip
from secrecon.model.scan import PhaseName, ScanMode, Touch
from secrecon.model.target import Origin, is_ip
from secrecon.net.resolver import Resolver

TRUSTED = "http://static.acme.test"


@dataclass
class App:
    """`seen`: every request target that arrived. `fetches`: what it fetched."""

    resolver: Resolver
    port: int = 0
    seen: list[str] = field(default_factory=list)
    tasks: set[asyncio.Task[object]] = field(default_factory=set)

    @property
    def origin(self) -> Origin:
        return Origin("http", "127.0.0.1", self.port)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                first, *lines = head.split("\r\n")
                headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                method, target, _ = first.split(" ")
                self.seen.append(f"{method} {target}")
                writer.write(await self.answer(method, target, headers, body))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            return
        finally:
            writer.close()

    async def answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> bytes:
        parts = urlsplit(target)
        given = {k: v[0] for k, v in parse_qs(parts.query).items()}
        match method, parts.path:
            case "GET", "/fetch":
                return page(await self.fetch(given.get("url", "")))
            case "GET", "/echo":
                return page(given.get("url", "").encode())
            case "GET", "/queue":
                self.later(given.get("target", ""), 0.3)
                return page(b"queued")
            case "GET", "/uptime":
                await self.look_up(urlsplit(given.get("url", "")).hostname or "")
                return page(b"down")
            case "GET", "/preview":
                url = given.get("url", "")
                return page(await self.fetch(url) if url.startswith(TRUSTED) else b"refused")
            case "GET", "/proxy":
                url = given.get("url", "")
                return page(await self.fetch(url) if url.startswith(str(self.origin) + "/") else b"refused")
            case "GET", "/go":
                return redirect(given.get("next", "/"))
            case "GET", "/go-safe":
                return redirect("/login?back=" + given.get("next", "/"))
            case "GET", "/api/me":
                return page(b"{}", cors(headers.get("origin", "")), "application/json")
            case "GET", "/api/public":
                return page(b"{}", "Access-Control-Allow-Origin: *\r\n", "application/json")
            case "POST", "/api/import":
                return page(await self.fetch(json.loads(body)["source"]["url"]))
            case "POST", "/avatar":
                return page(await self.fetch(unquote(parse_qs(body.decode())["image_url"][0])))
            case _:
                self.later(headers.get("referer", ""), 0.0)
                return page(b"hello")

    def later(self, url: str, seconds: float) -> None:
        async def act() -> None:
            await asyncio.sleep(seconds)
            await self.fetch(url)

        task: asyncio.Task[object] = asyncio.create_task(act())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def look_up(self, host: str) -> str:
        if is_ip(host):
            return host
        answer = await self.resolver.query(host, "A") if host.endswith(".cb.test") else None
        return (answer.values("A") or ("",))[0] if answer else ""

    async def fetch(self, url: str, hops: int = 3) -> bytes:
        parts = urlsplit(url)
        address = await self.look_up(parts.hostname or "")
        if parts.scheme != "http" or not address or not hops:
            return b"failed"
        reader, writer = await asyncio.open_connection(address, parts.port or 80)
        authority = parts.netloc.rpartition("@")[2]
        path = (parts.path or "/") + ("?" + parts.query if parts.query else "")
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        for line in head.split("\r\n"):
            if line.lower().startswith("location:"):
                writer.close()
                return await self.fetch(urljoin(url, line.partition(":")[2].strip()), hops - 1)
        body = await reader.read(10_000)
        writer.close()
        return body


def page(body: bytes, headers: str = "", kind: str = "text/html") -> bytes:
    return (
        f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body
    )


def redirect(location: str) -> bytes:
    clean = location.replace("\r", "").replace("\n", "")
    return f"HTTP/1.1 302 Found\r\nLocation: {clean}\r\nContent-Length: 0\r\n\r\n".encode("latin-1", "replace")


def cors(origin: str) -> str:
    return f"Access-Control-Allow-Origin: {origin}\r\nAccess-Control-Allow-Credentials: true\r\n" if origin else ""


class Met:
    """A stand-in for probing and crawling: one service, and the inputs and pages given."""

    step: ClassVar[str] = "met"
    name: ClassVar[PhaseName] = PhaseName.CRAWL
    title: ClassVar[str] = "Meeting"
    touch: ClassVar[Touch] = Touch.LIGHT
    modes: ClassVar[frozenset[ScanMode]] = frozenset(ScanMode)
    max_rounds: ClassVar[int] = 1

    def __init__(self, origin: Origin, shapes: Sequence[RequestShape], pages: Sequence[str] = ()) -> None:
        self._origin = origin
        self._shapes = shapes
        self._pages = pages

    def checks(self, view: ScanView) -> Iterable[tuple[str, str]]:
        return []

    def plan(self, view: ScanView, round_: int) -> Iterable[Probe]:
        return [Skip("met", str(self._origin), "nothing to ask")]

    def judge(self, view: ScanView, round_: int, replies: Sequence[Reply]) -> Iterable[Judgement]:
        yield Service(self._origin.host, self._origin.host, self._origin.port, "http", self._origin)
        yield from self._shapes
        for path in self._pages:
            yield Page(str(self._origin) + path, 200, "application/json", "", 2, "0" * 64, 1)


def query(origin: Origin, path: str, name: str, value: str = "") -> RequestShape:
    return RequestShape(origin, "GET", path, (Parameter(name, InputPlace.QUERY, value),), "test")
