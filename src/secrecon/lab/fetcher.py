"""The HTTP client of the lab's vulnerable applications: what makes a server-side request forgery real.

It looks names up in the lab (and at the callback listener), follows redirects where its caller does, has time and size
limits, and never connects to anything but a loopback address. Certificates are not checked: neither do such apps.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import ssl
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

import h11

from secrecon.lab.names import Names
from secrecon.model.errors import BadInput, ConnectFailed, ProtocolBroken, TargetError, TargetTimeout

TOTAL_SECONDS = 5.0
BODY_CAP = 65_536
MAX_REDIRECTS = 5
USER_AGENT = "acme-fetcher/1.0"
_HEADERS = (("Accept", "*/*"), ("Connection", "close"))


@dataclass(frozen=True, slots=True)
class Fetched:
    """A reply. `url`: where it finally came from. `body` is cut at BODY_CAP."""

    url: str
    status: int
    content_type: str
    location: str
    body: bytes


def _blind_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Fetches URLs for the lab's applications. `agent`: how it calls itself. `address`: where it connects from, "" for
    where the system likes."""

    names: Names
    tls: ssl.SSLContext = field(default_factory=_blind_tls)
    agent: str = USER_AGENT
    address: str = ""

    async def fetch(self, url: str, *, follow: bool = True) -> Fetched:
        """GET `url`. Raises BadInput for what is no http(s) URL and a TargetError for what cannot be reached."""
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                return await self._fetch(url, MAX_REDIRECTS if follow else 0)
        except TimeoutError as error:
            raise TargetTimeout("the fetch took too long", "total") from error

    async def try_fetch(self, url: str, *, follow: bool = True) -> Fetched | None:
        """As `fetch`, but None for everything that fails."""
        try:
            return await self.fetch(url, follow=follow)
        except (TargetError, BadInput):
            return None

    async def look_up(self, url: str) -> tuple[str, ...]:
        """Only resolve the URL's host. Raises BadInput or Unresolvable."""
        return await self.names.addresses(_split(url)[1])

    async def _fetch(self, url: str, redirects: int) -> Fetched:
        for left in range(redirects, -1, -1):
            fetched = await self._once(url)
            if not left or fetched.status not in (301, 302, 303, 307, 308) or not fetched.location:
                return fetched
            url = urljoin(url, fetched.location)
        return fetched

    async def _once(self, url: str) -> Fetched:
        scheme, host, port, target = _split(url)
        address = next((a for a in await self.names.addresses(host) if _is_loopback(a)), None)
        if address is None:
            raise ConnectFailed(f"{host} is unreachable: the lab connects to loopback addresses only")
        try:
            reader, writer = await asyncio.open_connection(
                address,
                port,
                ssl=self.tls if scheme == "https" else None,
                server_hostname=None,
                local_addr=(self.address, 0) if self.address else None,
            )
        except (OSError, ssl.SSLError) as error:
            raise ConnectFailed(f"{host}:{port} is unreachable") from error
        try:
            headers = [("Host", _authority(host, port, scheme)), ("User-Agent", self.agent), *_HEADERS]
            return await _exchange(reader, writer, url, headers, target)
        finally:
            writer.close()


def _split(url: str) -> tuple[str, str, int, str]:
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise BadInput("the URL cannot be read") from error
    if parts.scheme not in ("http", "https") or not host:
        raise BadInput("only http and https URLs with a host can be fetched")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    safe = "".join(c if 0x20 < ord(c) < 0x7F else f"%{ord(c) & 0xFF:02X}" for c in target)
    if not host.isascii() or any(ord(c) <= 0x20 for c in host):
        raise BadInput("the URL's host cannot be read")
    return parts.scheme, host, port or (443 if parts.scheme == "https" else 80), safe


def _authority(host: str, port: int, scheme: str) -> str:
    shown = f"[{host}]" if ":" in host else host
    return shown if port == (443 if scheme == "https" else 80) else f"{shown}:{port}"


def _is_loopback(address: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(address).is_loopback
    return False


async def _exchange(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    url: str,
    headers: list[tuple[str, str]],
    target: str,
) -> Fetched:
    connection = h11.Connection(h11.CLIENT)
    try:
        request = connection.send(h11.Request(method="GET", target=target, headers=headers))
        writer.write((request or b"") + (connection.send(h11.EndOfMessage()) or b""))
        await writer.drain()
        return await _read(connection, reader, url)
    except (h11.ProtocolError, OSError) as error:
        raise ProtocolBroken(f"{headers[0][1]} sent no readable reply") from error


async def _read(connection: h11.Connection, reader: asyncio.StreamReader, url: str) -> Fetched:
    head: h11.Response | None = None
    body = b""
    while len(body) < BODY_CAP:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(16_384))
        elif isinstance(event, h11.Response):
            head = event
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed) or event is h11.PAUSED:
            break
    if head is None:
        raise ProtocolBroken("the reply ended before its head")
    fields = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}
    content_type = fields.get("content-type", "application/octet-stream")
    return Fetched(url, head.status_code, content_type, fields.get("location", ""), body[:BODY_CAP])
